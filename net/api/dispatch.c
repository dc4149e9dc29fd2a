/* SPDX-License-Identifier: Apache-2.0 */
/* From HTTP to a handler and from the engine back: the one place where callers, rates, media types
 * and keys are checked, as the route's line in routes.h says. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "api/api_shard.h"
#include "api/callers.h"
#include "api/card_number.h"
#include "api/request.h"
#include "http/words.h"

/* ---- rates ---- */

enum { RATE_LINE_MAX = 160 }; /* three policies of at most 50 bytes each, and what is between */

/* What this call was charged to; NULL: not limited. */
struct rates {
    const struct rate_policy *caller;
    const struct rate_policy *address;
    const struct rate_policy *network;
    struct rate_verdict caller_verdict;
    struct rate_verdict address_verdict;
    struct rate_verdict network_verdict;
};

/* An item with its two parameters (RFC 9651, 3.3). Most answers have three, so that printf would be
 * the dearest part of dispatching. */
static void write_rate(struct writer *writer, const struct rate_policy *policy, char first,
                       uint32_t first_value, char second, uint32_t second_value)
{
    write_byte(writer, '"');
    write_text(writer, policy->name);
    write_literal(writer, "\";");
    write_byte(writer, first);
    write_byte(writer, '=');
    write_unsigned(writer, first_value);
    write_byte(writer, ';');
    write_byte(writer, second);
    write_byte(writer, '=');
    write_unsigned(writer, second_value);
}

static void add_line(struct http_exchange *exchange, const char *name, const struct writer *writer)
{
    http_header_add_slice(exchange, name,
                          (struct http_slice){writer->start, writer_length(writer)});
}

/* Adds RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers): the limits of this
 * call, and what is left of the one that binds first. The network's is told only where it is that
 * one: to nearly all it is the neighbours' business. */
static void add_rate_headers(struct http_exchange *exchange, const struct rates *rates)
{
    const struct rate_policy *policy = rates->address;
    const struct rate_verdict *verdict = &rates->address_verdict;
    char text[RATE_LINE_MAX];
    struct writer writer = writer_fixed(text, sizeof(text));

    if (rates->caller != NULL) {
        write_rate(&writer, rates->caller, 'q', rates->caller->quota, 'w', rates->caller->window_s);
        if (policy == NULL || rates->caller_verdict.remaining < verdict->remaining) {
            policy = rates->caller;
            verdict = &rates->caller_verdict;
        }
    }
    if (rates->address != NULL) {
        if (rates->caller != NULL)
            write_literal(&writer, ", ");
        write_rate(&writer, rates->address, 'q', rates->address->quota, 'w',
                   rates->address->window_s);
    }
    if (rates->network != NULL && rates->network_verdict.remaining < verdict->remaining) {
        policy = rates->network;
        verdict = &rates->network_verdict;
        write_literal(&writer, ", ");
        write_rate(&writer, policy, 'q', policy->quota, 'w', policy->window_s);
    }
    add_line(exchange, "RateLimit-Policy", &writer);
    writer = writer_fixed(text, sizeof(text));
    write_rate(&writer, policy, 'r', verdict->remaining, 't', verdict->wait_s);
    add_line(exchange, "RateLimit", &writer);
}

static bool refuse_rate(struct api_call *call, const struct rates *rates, uint32_t wait_s)
{
    char text[80];

    counter_add(&call->shard->counters.rate_limited[call->route->class], 1);
    add_rate_headers(call->exchange, rates);
    snprintf(text, sizeof(text), "%u", wait_s);
    http_header_add(call->exchange, "Retry-After", text);
    snprintf(text, sizeof(text), "Try again in %u s.", wait_s);
    problem_respond(call->exchange, PROBLEM_RATE_LIMITED, text);
    return false;
}

/* The address first: who is past its rate spends nothing of its neighbours'. */
static bool check_address_rate(struct api_call *call, struct rates *rates)
{
    struct rate_limiter *limiter = call->shard->limiter;
    struct call_scratch *scratch = http_exchange_scratch(call->exchange);
    enum route_class class = call->route->class;
    const uint8_t *address = http_exchange_peer(call->exchange)->address;
    int64_t now_ms = (int64_t)uv_now(call->shard->loop);
    bool is_first = !http_exchange_is_resumed(call->exchange);

    if (limiter == NULL || rate_address_policies[class].quota == 0)
        return true;
    struct rate_name name = rate_name_of_address(address);
    rates->address = &rate_address_policies[class];
    if (is_first)
        scratch->address_verdict =
            rate_limiter_take(limiter, rates->address, name.bytes, name.length, now_ms);
    rates->address_verdict = scratch->address_verdict;
    if (!rates->address_verdict.is_allowed)
        return refuse_rate(call, rates, rates->address_verdict.wait_s);
    name = rate_name_of_network(address);
    rates->network = &rate_network_policies[class];
    if (is_first)
        scratch->network_verdict =
            rate_limiter_take(limiter, rates->network, name.bytes, name.length, now_ms);
    rates->network_verdict = scratch->network_verdict;
    return rates->network_verdict.is_allowed ||
           refuse_rate(call, rates, rates->network_verdict.wait_s);
}

static bool check_caller_rate(struct api_call *call, struct rates *rates)
{
    const struct rate_policy *policy = &rate_caller_policies[call->route->class];
    struct call_scratch *scratch = http_exchange_scratch(call->exchange);

    if (call->shard->limiter == NULL)
        return true;
    if (policy->quota > 0 && call->route->access.caller != CALLER_PUBLIC) {
        rates->caller = policy;
        if (!scratch->caller_is_charged)
            scratch->caller_verdict = rate_limiter_take(
                call->shard->limiter, policy, call->principal.bytes, sizeof(call->principal.bytes),
                (int64_t)uv_now(call->shard->loop));
        scratch->caller_is_charged = true;
        rates->caller_verdict = scratch->caller_verdict;
        if (!rates->caller_verdict.is_allowed)
            return refuse_rate(call, rates, rates->caller_verdict.wait_s);
    }
    if (rates->caller != NULL || rates->address != NULL)
        add_rate_headers(call->exchange, rates);
    return true;
}

/* ---- media types and keys ---- */

/* Whether the Content-Type is this one, whatever its parameters (RFC 9110, 8.3.1). */
static bool media_type_is(struct http_slice value, const char *expected)
{
    size_t length = strlen(expected);

    if (value.length < length)
        return false;
    bool is_spelt_so = memcmp(value.data, expected, length) == 0;
    for (size_t i = 0; i < length && !is_spelt_so; i++) {
        char byte = value.data[i];
        if (byte >= 'A' && byte <= 'Z')
            byte = (char)(byte | 0x20);
        if (byte != expected[i])
            return false;
    }
    while (length < value.length && (value.data[length] == ' ' || value.data[length] == '\t'))
        length++;
    return value.length == length || value.data[length] == ';';
}

/* Bodies are taken as they are: what is encoded, or says so, would be read as what it is not. */
static bool body_is_plain(const struct http_exchange *exchange)
{
    struct http_slice coding = http_exchange_header(exchange, HTTP_HEADER_CONTENT_ENCODING);

    return coding.data == NULL || media_type_is(coding, "identity");
}

static bool check_media_type(struct api_call *call)
{
    const char *expected = call->route->body == BODY_CSV ? "text/csv" : "application/json";
    struct http_slice type = http_exchange_header(call->exchange, HTTP_HEADER_CONTENT_TYPE);
    char detail[80];

    if (call->route->body == BODY_NONE)
        return true;
    if (call->route->body == BODY_JSON_OR_EMPTY && http_exchange_body(call->exchange).length == 0)
        return true;
    bool is_plain = body_is_plain(call->exchange);
    if (is_plain &&
        (media_type_is(type, expected) ||
         (call->route->body == BODY_CSV && media_type_is(type, "application/x-ndjson"))))
        return true;
    snprintf(detail, sizeof(detail), "Send %s%s%s.", expected,
             call->route->body == BODY_CSV ? " or application/x-ndjson" : "",
             is_plain ? "" : " without a Content-Encoding");
    problem_respond(call->exchange, PROBLEM_UNSUPPORTED_MEDIA_TYPE, detail);
    return false;
}

/* ASCII from the blank to the tilde, whether char has a sign here or not. */
static bool is_printable(char byte)
{
    return (unsigned char)byte >= 0x20 && (unsigned char)byte < 0x7f;
}

/* Takes a key bare or as a structured-field string (RFC 9651, 3.3.3). False: it is neither, or too
 * long. */
static bool parse_key(struct http_slice value, char text_out[KEY_LENGTH_MAX + 1],
                      size_t *length_out)
{
    bool is_quoted = value.length > 0 && value.data[0] == '"';
    size_t end = value.length;
    size_t length = 0;

    if (!is_quoted && value.length <= KEY_LENGTH_MAX &&
        !words_any(value.data, value.length, word_has_unprintable)) {
        if (value.length > 0)
            memcpy(text_out, value.data, value.length);
        text_out[value.length] = '\0';
        *length_out = value.length;
        return true;
    }
    if (is_quoted && (value.length < 2 || value.data[--end] != '"'))
        return false;
    for (size_t i = is_quoted ? 1 : 0; i < end; i++) {
        char byte = value.data[i];
        if (!is_printable(byte) || length == KEY_LENGTH_MAX)
            return false;
        if (is_quoted && byte == '"')
            return false;
        if (is_quoted && byte == '\\') {
            byte = ++i < end ? value.data[i] : '\0';
            if (byte != '"' && byte != '\\')
                return false;
        }
        text_out[length++] = byte;
    }
    text_out[length] = '\0';
    *length_out = length;
    return true;
}

static bool check_key(struct api_call *call)
{
    size_t length;

    if (call->route->key == KEY_IGNORED)
        return true;
    _Static_assert(KEY_LENGTH_MAX == 255, "as the message says");
    struct http_slice value = http_exchange_header(call->exchange, HTTP_HEADER_IDEMPOTENCY_KEY);
    if (!parse_key(value, call->key_text, &length)) {
        validation_respond_one(call->exchange, FIELD("Idempotency-Key"),
                               "must be 1 to 255 printable ASCII characters, bare or quoted");
        return false;
    }
    if (length > 0) {
        call->key = (struct slice){.text = call->key_text, .length = length};
        return true;
    }
    if (call->route->key == KEY_OPTIONAL)
        return true;
    problem_respond(call->exchange, PROBLEM_KEY_REQUIRED,
                    "Send an Idempotency-Key header with this call.");
    return false;
}

/* ---- what no request may hold ---- */

static bool check_card_number(struct api_call *call)
{
    /* What a gateway tells of a payment has numbers of its own kinds, and nothing of it is kept but
     * IDs and amounts. */
    bool has_foreign_body = call->route->class == CLASS_WEBHOOKS;

    if (http_exchange_is_resumed(call->exchange) ||
        !card_number_in_request(call->exchange, !has_foreign_body))
        return true;
    problem_respond(call->exchange, PROBLEM_CARD_NUMBER_REFUSED,
                    "Send no card numbers to the shop.");
    return false;
}

/* ---- in and out ---- */

static void scratch_init(struct call_scratch *scratch)
{
    scratch->caller_is_charged = false;
    scratch->challenge = CHALLENGE_UNKNOWN;
    scratch->asked = 0;
    scratch->export = NULL;
    scratch->catalogue = NULL;
}

void dispatch_exchange(struct http_exchange *exchange, void *user)
{
    struct api_shard *shard = user;
    const struct route *route = http_exchange_route(exchange);
    struct rates rates = {0};
    struct api_call call;

    call.shard = shard;
    call.exchange = exchange;
    call.route = &api_routes[router_index(shard->api->router, route)];
    call.principal = (struct principal){{0}};
    call.authority = AUTHORITY_PRINCIPAL;
    call.person = NULL;
    call.token = (struct http_slice){0};
    call.by_cookie = false;
    call.key = (struct slice){0};
    if (!http_exchange_is_resumed(exchange))
        scratch_init(http_exchange_scratch(exchange));
    if (call.route->access.caller != CALLER_PUBLIC)
        http_exchange_cache(exchange, HTTP_CACHE_NO_STORE);
    if (!check_address_rate(&call, &rates) || !check_card_number(&call) || !caller_check(&call) ||
        !check_caller_rate(&call, &rates) || !check_media_type(&call) || !check_key(&call) ||
        !challenge_check(&call))
        return;
    /* When the failure latch has fallen nothing may be told any more, but how we are. */
    if (call.route->class != CLASS_OPERATIONS && engine_mode(shard->api->engine) == ENGINE_FAILED) {
        problem_respond(exchange, PROBLEM_OUTCOME_UNKNOWN, "The store has failed.");
        return;
    }
    call.route->handler(&call);
}

void dispatch_reply(void *user, uint64_t cookie, const struct message *reply)
{
    struct api_shard *shard = user;
    struct pending pending = pending_take(&shard->pending, cookie);
    struct http_server *server = atomic_load_explicit(&shard->server, memory_order_relaxed);
    struct http_exchange *exchange =
        server == NULL ? NULL : http_exchange_from_cookie(server, pending.exchange_cookie);

    pending.answer(shard, exchange, reply, pending.user);
}

uint8_t audit_caller_of(enum account_role role)
{
    _Static_assert(AUDIT_BY_OWNER - AUDIT_BY_CUSTOMER == ROLE_OWNER - ROLE_CUSTOMER &&
                       AUDIT_BY_READ_ONLY - AUDIT_BY_CUSTOMER == ROLE_READ_ONLY - ROLE_CUSTOMER,
                   "one after the other, in the same order");
    return (uint8_t)(AUDIT_BY_CUSTOMER + (role - ROLE_CUSTOMER));
}

struct origin call_origin(const struct api_call *call)
{
    struct origin origin = {.who = call->principal, .caller = AUDIT_BY_NOBODY};

    if (call->person != NULL)
        origin.caller = audit_caller_of((enum account_role)call->person->role);
    else if (call->authority == AUTHORITY_STAFF)
        origin.caller = AUDIT_BY_ADMIN_KEY;
    else if (!principal_is_nobody(&call->principal))
        origin.caller = AUDIT_BY_GUEST;
    origin_set_network(&origin, http_exchange_peer(call->exchange)->address);
    return origin;
}

enum outcome call_submit(struct api_call *call, struct command *command, pending_answer answer,
                         void *user, struct refusal *refusal_out)
{
    struct api_shard *shard = call->shard;
    struct refusal unused;

    command->principal = call->principal;
    command->authority = call->authority;
    if (call->person != NULL) {
        command->aliases = call->person->aliases;
        command->alias_count = call->person->alias_count;
    }
    command->origin = call_origin(call);
    uint64_t cookie =
        pending_open(&shard->pending, http_exchange_cookie(call->exchange), answer, user);
    if (cookie == 0)
        return OUTCOME_OVERLOADED;
    enum outcome outcome =
        engine_submit(shard->shard, command, cookie, refusal_out == NULL ? &unused : refusal_out);
    if (outcome != OUTCOME_PENDING)
        pending_cancel(&shard->pending, cookie);
    return outcome;
}
