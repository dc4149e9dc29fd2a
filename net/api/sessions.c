/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens are verified by their MAC; a cache of verified ones (session_cache.h) makes that a
 * comparison of 55 bytes, and of the principal's mark, for whoever comes again. */
#include "api/sessions.h"

#include <inttypes.h>
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

static void make_mac(const struct api_shard *shard, const uint8_t claim[SESSION_CLAIM_BYTES],
                     uint8_t mac_out[SESSION_MAC_BYTES])
{
    const struct secrets_port *secrets = engine_secrets(shard->api->engine);

    _Static_assert((int)SESSION_MAC_BYTES == (int)MAC_BYTES, "the port's MAC is the token's");
    secrets->mac(secrets->self, SESSION_MAC_PURPOSE, claim, SESSION_CLAIM_BYTES, mac_out);
}

struct http_slice session_token_of(const struct api_shard *shard,
                                   const struct http_exchange *exchange, bool *by_cookie_out)
{
    struct http_slice token = bearer_token(exchange);

    *by_cookie_out = token.data == NULL;
    return token.data != NULL ? token : cookie_token(shard, exchange);
}

static bool read_guest(struct api_shard *shard, struct http_slice token,
                       struct session *session_out)
{
    uint8_t claim[SESSION_CLAIM_BYTES];
    uint8_t given[SESSION_MAC_BYTES];
    uint8_t expected[SESSION_MAC_BYTES];

    if (!session_token_parse(token.data, token.length, claim, given, session_out))
        return false;
    make_mac(shard, claim, expected);
    return session_mac_equal(given, expected);
}

bool session_guest_of(struct api_shard *shard, struct http_slice token,
                      struct principal *principal_out)
{
    struct session session;

    if (token.data == NULL || !read_guest(shard, token, &session) ||
        !session_is_current(&session, shard->now.wall_ms / 1000))
        return false;
    *principal_out = session.principal;
    return true;
}

static enum session_check check_guest(struct api_call *call)
{
    struct session_cache *cache = &call->shard->sessions;
    const char *token = call->token.data;
    struct session session;
    enum session_known known = session_cache_get_guest(cache, token, &session);

    if (known == SESSION_NOT_KNOWN) {
        if (!read_guest(call->shard, call->token, &session))
            return SESSION_INVALID;
        session_cache_put_guest(cache, token, &session);
        known = session_cache_get_guest(cache, token, &session);
    }
    if (!session_is_current(&session, call->shard->now.wall_ms / 1000))
        return SESSION_INVALID;
    call->principal = session.principal;
    if (known == SESSION_GOOD)
        return SESSION_VALID;
    return known == SESSION_OVER ? SESSION_ENDED : SESSION_UNKNOWN;
}

static enum session_check check_person(struct api_call *call)
{
    struct api_shard *shard = call->shard;
    enum session_known known = session_cache_get_person(&shard->sessions, call->token.data,
                                                        shard->now.wall_ms, &call->person);
    enum account_token_kind kind;

    if (known == SESSION_GOOD) {
        counter_add(&shard->counters.session_hits, 1);
        call->principal = call->person->principal;
        return SESSION_VALID;
    }
    if (known == SESSION_OVER ||
        !account_token_read(engine_secrets(shard->api->engine), call->token.data,
                            call->token.length, &kind, &call->principal) ||
        kind == ACCOUNT_TOKEN_MAIL)
        return SESSION_INVALID;
    return SESSION_UNKNOWN;
}

enum session_check session_of_request(struct api_call *call)
{
    call->token = session_token_of(call->shard, call->exchange, &call->by_cookie);
    if (call->token.data == NULL)
        return SESSION_ABSENT;
    if (call->token.length != SESSION_TOKEN_LENGTH || call->token.data[0] != 's')
        return SESSION_INVALID;
    return call->token.data[1] == 'g' ? check_guest(call) : check_person(call);
}

int64_t session_lifetime_ms(enum account_role role)
{
    static const int64_t hour_ms = 3600 * 1000;

    return role == ROLE_CUSTOMER ? 30 * 24 * hour_ms : 12 * hour_ms;
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

/* ---- handing out ---- */

enum { COOKIE_LENGTH_MAX = SESSION_TOKEN_LENGTH + 160 };

static void set_cookie(struct http_exchange *exchange, const struct api_shard *shard,
                       const char *name, const char *value, int64_t age_max_s,
                       const char *attributes)
{
    bool is_secure = shard->api->options.secure_cookies;
    char cookie[COOKIE_LENGTH_MAX];

    snprintf(cookie, sizeof(cookie), "%s%s=%s; Path=/; Max-Age=%" PRId64 "%s; SameSite=Lax%s",
             is_secure ? "__Host-" : "", name, value, age_max_s, attributes,
             is_secure ? "; Secure" : "");
    http_header_add(exchange, "Set-Cookie", cookie);
}

void session_hand_out(struct api_shard *shard, struct http_exchange *exchange, const char *token,
                      int64_t age_max_s, bool with_cookies)
{
    char csrf[CSRF_TOKEN_LENGTH + 1];

    csrf_token_make(shard, token, SESSION_TOKEN_LENGTH, csrf);
    http_exchange_cache(exchange, HTTP_CACHE_NO_STORE);
    if (with_cookies) {
        set_cookie(exchange, shard, "stampede_session", token, age_max_s, "; HttpOnly");
        set_cookie(exchange, shard, "stampede_csrf", csrf, age_max_s, "");
    }
    http_header_add(exchange, "X-Session-Token", token);
    http_header_add(exchange, "X-CSRF-Token", csrf);
}

void session_take_back(struct api_shard *shard, struct http_exchange *exchange)
{
    set_cookie(exchange, shard, "stampede_session", "", 0, "; HttpOnly");
    set_cookie(exchange, shard, "stampede_csrf", "", 0, "");
}

void session_start(struct api_call *call, char token_out[SESSION_TOKEN_LENGTH + 1])
{
    struct api_shard *shard = call->shard;
    struct session session = {.issued_s = engine_now(shard->api->engine).wall_ms / 1000};
    uint8_t claim[SESSION_CLAIM_BYTES];
    uint8_t mac[SESSION_MAC_BYTES];

    shard_random(shard->shard, session.principal.bytes, sizeof(session.principal.bytes));
    session_claim(&session, claim);
    make_mac(shard, claim, mac);
    session_token_format(claim, mac, token_out);
    /* Who gets it is likely to come back at once. */
    session_cache_put_guest(&shard->sessions, token_out, &session);
    session_hand_out(shard, call->exchange, token_out, SESSION_AGE_MAX_S, !csrf_is_foreign(call));
    counter_add(&shard->counters.sessions_created, 1);
    call->principal = session.principal;
}

void api_session_create(struct api_call *call)
{
    char token[SESSION_TOKEN_LENGTH + 1];

    if (!request_empty_object(call))
        return;
    session_start(call, token);
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
