/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens are verified by their MAC; a direct-mapped cache of verified ones makes that a comparison
 * of 55 bytes for whoever comes again. */
#include "api/sessions.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "api/request.h"

static const char cookie_name[] = "stampede_session";
static const char cookie_name_secure[] = "__Host-stampede_session";

/* The token behind "Bearer" (RFC 6750; the scheme's name in any case). Absent: no such header.
 * Another scheme gives an empty token, which nothing accepts. */
static struct http_slice bearer_token(const struct http_exchange *exchange)
{
    static const char scheme[] = "bearer";
    struct http_slice value = http_exchange_header(exchange, HTTP_HEADER_AUTHORIZATION);
    size_t scheme_length = sizeof(scheme) - 1;

    if (value.data == NULL)
        return value;
    for (size_t i = 0; i < scheme_length; i++) {
        if (i >= value.length || (value.data[i] | 0x20) != scheme[i])
            return (struct http_slice){.data = value.data, .length = 0};
    }
    size_t start = scheme_length;
    while (start < value.length && value.data[start] == ' ')
        start++;
    if (start == scheme_length)
        return (struct http_slice){.data = value.data, .length = 0};
    return (struct http_slice){.data = value.data + start, .length = value.length - start};
}

/* The session's cookie (RFC 6265, 5.4: pairs separated by "; "). */
static struct http_slice cookie_token(const struct api_shard *shard,
                                      const struct http_exchange *exchange)
{
    const char *name = shard->api->options.secure_cookies ? cookie_name_secure : cookie_name;
    size_t name_length = strlen(name);
    struct http_slice rest = http_exchange_header(exchange, HTTP_HEADER_COOKIE);

    while (rest.length > 0) {
        const char *end = memchr(rest.data, ';', rest.length);
        size_t pair = end == NULL ? rest.length : (size_t)(end - rest.data);
        if (pair > name_length && memcmp(rest.data, name, name_length) == 0 &&
            rest.data[name_length] == '=') {
            struct http_slice value = {rest.data + name_length + 1, pair - name_length - 1};
            while (value.length > 0 && value.data[value.length - 1] == ' ')
                value.length--;
            return value;
        }
        size_t next = end == NULL ? rest.length : pair + 1;
        while (next < rest.length && rest.data[next] == ' ')
            next++;
        rest.data += next;
        rest.length -= next;
    }
    return (struct http_slice){0};
}

static struct session_cache_entry *cache_slot(struct api_shard *shard, const char *token)
{
    uint64_t word;

    /* The last characters are of the MAC: as good as random. */
    memcpy(&word, token + SESSION_TOKEN_LENGTH - sizeof(word), sizeof(word));
    return &shard->sessions[hash_word(word) % SESSION_CACHE_ENTRIES];
}

/* The token is known to be the session's. */
static void remember(struct api_shard *shard, const char *token, const struct session *session)
{
    struct session_cache_entry *entry = cache_slot(shard, token);

    memcpy(entry->token, token, SESSION_TOKEN_LENGTH);
    entry->token[SESSION_TOKEN_LENGTH] = '\0';
    entry->session = *session;
}

static void make_mac(const struct api_shard *shard, const uint8_t claim[SESSION_CLAIM_BYTES],
                     uint8_t mac_out[SESSION_MAC_BYTES])
{
    const struct secrets_port *secrets = engine_secrets(shard->api->engine);

    _Static_assert((int)SESSION_MAC_BYTES == (int)MAC_BYTES, "the port's MAC is the token's");
    secrets->mac(secrets->self, SESSION_MAC_PURPOSE, claim, SESSION_CLAIM_BYTES, mac_out);
}

static bool verify(struct api_shard *shard, struct http_slice token,
                   struct principal *principal_out)
{
    uint8_t claim[SESSION_CLAIM_BYTES];
    uint8_t given[SESSION_MAC_BYTES];
    uint8_t expected[SESSION_MAC_BYTES];
    struct session session;

    if (token.length != SESSION_TOKEN_LENGTH)
        return false;
    int64_t now_s = shard->now.wall_ms / 1000;
    const struct session_cache_entry *cached = cache_slot(shard, token.data);
    if (memcmp(cached->token, token.data, SESSION_TOKEN_LENGTH) == 0) {
        *principal_out = cached->session.principal;
        return session_is_current(&cached->session, now_s);
    }
    if (!session_token_parse(token.data, token.length, claim, given, &session))
        return false;
    make_mac(shard, claim, expected);
    if (!session_mac_equal(given, expected) || !session_is_current(&session, now_s))
        return false;
    remember(shard, token.data, &session);
    *principal_out = session.principal;
    return true;
}

enum session_check session_of_request(struct api_shard *shard, const struct http_exchange *exchange,
                                      struct principal *principal_out)
{
    struct http_slice token = bearer_token(exchange);

    if (token.data == NULL)
        token = cookie_token(shard, exchange);
    if (token.data == NULL)
        return SESSION_ABSENT;
    return verify(shard, token, principal_out) ? SESSION_VALID : SESSION_INVALID;
}

bool admin_of_request(struct api_shard *shard, const struct http_exchange *exchange)
{
    const struct secrets_port *secrets = engine_secrets(shard->api->engine);
    struct http_slice token = bearer_token(exchange);
    uint8_t mac[MAC_BYTES];

    if (token.data == NULL || token.length == 0 || token.length > API_ADMIN_KEY_LENGTH_MAX)
        return false;
    /* MACs are compared, not keys: so neither length nor content of the key can be felt for. */
    secrets->mac(secrets->self, ADMIN_MAC_PURPOSE, token.data, token.length, mac);
    return session_mac_equal(mac, shard->api->admin_mac);
}

void session_start(struct api_shard *shard, struct http_exchange *exchange,
                   struct principal *principal_out, char token_out[SESSION_TOKEN_LENGTH + 1])
{
    struct session session = {.issued_s = engine_now(shard->api->engine).wall_ms / 1000};
    uint8_t claim[SESSION_CLAIM_BYTES];
    uint8_t mac[SESSION_MAC_BYTES];
    char cookie[SESSION_TOKEN_LENGTH + 128];

    shard_random(shard->shard, session.principal.bytes, sizeof(session.principal.bytes));
    session_claim(&session, claim);
    make_mac(shard, claim, mac);
    session_token_format(claim, mac, token_out);
    remember(shard, token_out, &session); /* whoever gets it is likely to come back at once */
    bool is_secure = shard->api->options.secure_cookies;
    snprintf(cookie, sizeof(cookie), "%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Lax%s",
             is_secure ? cookie_name_secure : cookie_name, token_out, (int)SESSION_AGE_MAX_S,
             is_secure ? "; Secure" : "");
    http_exchange_cache(exchange, HTTP_CACHE_NO_STORE);
    http_header_add(exchange, "Set-Cookie", cookie);
    http_header_add(exchange, "X-Session-Token", token_out);
    counter_add(&shard->counters.sessions_created, 1);
    *principal_out = session.principal;
}

void api_session_create(struct api_call *call)
{
    char token[SESSION_TOKEN_LENGTH + 1];
    struct principal principal;

    if (!request_empty_object(call))
        return;
    session_start(call->shard, call->exchange, &principal, token);
    char *memory =
        http_body_begin(call->exchange, 201, "application/json", SESSION_TOKEN_LENGTH + 32);
    if (memory == NULL)
        return;
    struct writer writer = writer_fixed(memory, SESSION_TOKEN_LENGTH + 32);
    write_literal(&writer, "{\"token\":\"");
    write_bytes(&writer, token, SESSION_TOKEN_LENGTH);
    write_literal(&writer, "\",\"kind\":\"guest\"}");
    http_body_commit(call->exchange, writer_length(&writer));
}
