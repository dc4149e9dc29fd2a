/* SPDX-License-Identifier: Apache-2.0 */
#include "api/rate_limit.h"

#include <assert.h>
#include <string.h>

const struct rate_policy rate_caller_policies[CLASS_COUNT] = {
#define X(name, text, caller_quota, address_quota, network_quota, window_s)                        \
    [CLASS_##name] = {text, caller_quota, window_s},
    ROUTE_CLASSES(X)
#undef X
};

const struct rate_policy rate_address_policies[CLASS_COUNT] = {
#define X(name, text, caller_quota, address_quota, network_quota, window_s)                        \
    [CLASS_##name] = {text "-address", address_quota, window_s},
    ROUTE_CLASSES(X)
#undef X
};

const struct rate_policy rate_network_policies[CLASS_COUNT] = {
#define X(name, text, caller_quota, address_quota, network_quota, window_s)                        \
    [CLASS_##name] = {text "-network", network_quota, window_s},
    ROUTE_CLASSES(X)
#undef X
};

const char *route_class_name(enum route_class class)
{
    assert((unsigned)class < CLASS_COUNT);
    return rate_caller_policies[class].name;
}

void rate_limiter_init(struct rate_limiter *limiter, const struct hash_key *seed)
{
    memset(limiter, 0, sizeof(*limiter));
    limiter->seed = *seed;
}

/* The bucket of this tag, or, emptied, the one that makes way for it. */
static struct rate_bucket *find_bucket(struct rate_limiter *limiter, uint64_t tag, bool *is_new)
{
    struct rate_bucket *set =
        &limiter->buckets[(size_t)(tag >> 32) % (RATE_BUCKETS / RATE_WAYS) * RATE_WAYS];
    struct rate_bucket *fullest = set;

    *is_new = false;
    for (unsigned i = 0; i < RATE_WAYS; i++) {
        if (set[i].tag == tag)
            return &set[i];
        if (set[i].tag == 0) {
            fullest = &set[i];
            break;
        }
        if (set[i].full_ms < fullest->full_ms)
            fullest = &set[i];
    }
    *is_new = true;
    fullest->tag = tag;
    return fullest;
}

static uint64_t policy_tag(const struct rate_limiter *limiter, const struct rate_policy *policy,
                           const void *who, size_t who_length)
{
    uint64_t hash = hash_bytes(&limiter->seed, who, who_length);
    uint64_t tag = hash_word(hash ^ (uint64_t)(uintptr_t)policy);

    return tag == 0 ? 1 : tag;
}

struct rate_verdict rate_limiter_take(struct rate_limiter *limiter,
                                      const struct rate_policy *policy, const void *who,
                                      size_t who_length, int64_t now_ms)
{
    uint64_t window_ms = (uint64_t)policy->window_s * 1000;
    uint64_t full = policy->quota * window_ms;
    struct rate_verdict verdict = {0};
    bool is_new;

    assert(policy->quota > 0 && policy->window_s > 0);
    struct rate_bucket *bucket =
        find_bucket(limiter, policy_tag(limiter, policy, who, who_length), &is_new);
    if (is_new || now_ms - bucket->updated_ms >= (int64_t)window_ms) {
        bucket->level = full;
    } else if (now_ms > bucket->updated_ms) {
        bucket->level += (uint64_t)(now_ms - bucket->updated_ms) * policy->quota;
        if (bucket->level > full)
            bucket->level = full;
    }
    if (is_new || now_ms > bucket->updated_ms)
        bucket->updated_ms = now_ms;

    verdict.is_allowed = bucket->level >= window_ms;
    if (verdict.is_allowed)
        bucket->level -= window_ms;
    bucket->full_ms =
        bucket->updated_ms + (int64_t)((full - bucket->level + policy->quota - 1) / policy->quota);
    verdict.remaining = (uint32_t)(bucket->level / window_ms);
    uint64_t missing = window_ms - bucket->level % window_ms;
    verdict.wait_s =
        (uint32_t)((missing + policy->quota * 1000ULL - 1) / (policy->quota * 1000ULL));
    return verdict;
}
