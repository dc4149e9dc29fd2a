/* SPDX-License-Identifier: Apache-2.0 */
#include "api/throttle.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "api/problems.h"

/* Someone who guesses one account's password from one network is stopped long before its owner,
 * elsewhere, is; guesses from everywhere are stopped too, but later. */
static const struct rate_policy login_pair = {"login-account-network", 10, 300};
static const struct rate_policy login_account = {"login-account", 100, 3600};
static const struct rate_policy login_address = {"login-address", 60, 300};
static const struct rate_policy login_network = {"login-network", 300, 300};
static const struct rate_policy password_caller = {"password", 10, 300};
static const struct rate_policy mail_account = {"mail-account", 5, 3600};
static const struct rate_policy mail_address = {"mail-address", 20, 3600};
static const struct rate_policy mail_network = {"mail-network", 100, 3600};
static const struct rate_policy token_address = {"token-address", 60, 300};

/* Whose: bytes of an address, and of an account. Asked for the narrowest first: who is past the
 * address' rate spends nothing of its neighbours'. */
struct subject {
    uint8_t address[16];
    uint8_t network[16];
    uint8_t index[EMAIL_INDEX_BYTES];
};

static bool take(struct api_call *call, const struct rate_policy *policy, const void *who,
                 size_t length)
{
    struct api_shard *shard = call->shard;
    struct rate_verdict verdict;
    char text[64];

    if (shard->limiter == NULL)
        return true;
    verdict = rate_limiter_take(shard->limiter, policy, who, length, (int64_t)uv_now(shard->loop));
    if (verdict.is_allowed)
        return true;
    counter_add(&shard->counters.rate_limited[call->route->class], 1);
    counter_add(&shard->counters.throttled, 1);
    snprintf(text, sizeof(text), "\"%s\";q=%u;w=%u", policy->name, policy->quota, policy->window_s);
    http_header_add(call->exchange, "RateLimit-Policy", text);
    snprintf(text, sizeof(text), "\"%s\";r=0;t=%u", policy->name, verdict.wait_s);
    http_header_add(call->exchange, "RateLimit", text);
    snprintf(text, sizeof(text), "%u", verdict.wait_s);
    http_header_add(call->exchange, "Retry-After", text);
    snprintf(text, sizeof(text), "Too many tries. Try again in %u s.", verdict.wait_s);
    problem_respond(call->exchange, PROBLEM_RATE_LIMITED, text);
    return false;
}

static struct subject subject_of(const struct api_call *call, const uint8_t *index)
{
    const uint8_t *address = http_exchange_peer(call->exchange)->address;
    struct subject subject = {{0}, {0}, {0}};

    memcpy(subject.address, address, rate_address_bytes(address));
    memcpy(subject.network, address, rate_network_bytes(address));
    if (index != NULL)
        memcpy(subject.index, index, sizeof(subject.index));
    return subject;
}

bool throttle_login(struct api_call *call, const uint8_t index[EMAIL_INDEX_BYTES])
{
    struct subject subject = subject_of(call, index);

    return take(call, &login_address, subject.address, sizeof(subject.address)) &&
           take(call, &login_network, subject.network, sizeof(subject.network)) &&
           take(call, &login_pair, (const char *)&subject + offsetof(struct subject, network),
                sizeof(subject.network) + sizeof(subject.index)) &&
           take(call, &login_account, subject.index, sizeof(subject.index));
}

bool throttle_password(struct api_call *call)
{
    return take(call, &password_caller, call->principal.bytes, sizeof(call->principal.bytes));
}

bool throttle_mail(struct api_call *call, const uint8_t index[EMAIL_INDEX_BYTES])
{
    struct subject subject = subject_of(call, index);

    return take(call, &mail_address, subject.address, sizeof(subject.address)) &&
           take(call, &mail_network, subject.network, sizeof(subject.network)) &&
           take(call, &mail_account, subject.index, sizeof(subject.index));
}

bool throttle_token(struct api_call *call)
{
    struct subject subject = subject_of(call, NULL);

    return take(call, &token_address, subject.address, sizeof(subject.address));
}
