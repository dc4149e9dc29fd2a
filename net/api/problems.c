/* SPDX-License-Identifier: Apache-2.0 */
#include "api/problems.h"

#include <assert.h>
#include <string.h>

#include "api/api_shard.h"

/* The pieces of a problem's head: numbers and names are the table's, so it is one literal. */
#define TYPE                      "{\"type\":\"/problems/"
#define TITLE                     "\",\"title\":\""
#define STATUS                    "\",\"status\":"
#define CODE                      ",\"code\":\""
#define DETAIL                    "\",\"detail\":"
#define HEAD(code, status, title) TYPE code TITLE title STATUS #status CODE code DETAIL

static const struct problem_entry problems[PROBLEM_COUNT] = {
#define X(name, code, status, title, page)                                                         \
    [PROBLEM_##name] = {code,                                                                      \
                        status,                                                                    \
                        title,                                                                     \
                        page,                                                                      \
                        {HEAD(code, status, title), sizeof(HEAD(code, status, title)) - 1}},
    PROBLEMS(X)
#undef X
};

static const char media_type[] = "application/problem+json";

const struct problem_entry *problem_entry(enum problem problem)
{
    assert((unsigned)problem < PROBLEM_COUNT);
    return &problems[problem];
}

static char with_hyphen(char byte)
{
    return byte == '_' ? '-' : byte;
}

enum problem problem_find(const char *code, size_t length, bool hyphens)
{
    for (unsigned i = 0; i < PROBLEM_COUNT; i++) {
        const char *candidate = problems[i].code;
        size_t matched = 0;
        while (matched < length && candidate[matched] != '\0' &&
               code[matched] == (hyphens ? with_hyphen(candidate[matched]) : candidate[matched]))
            matched++;
        if (matched == length && candidate[matched] == '\0')
            return (enum problem)i;
    }
    return PROBLEM_COUNT;
}

enum problem problem_of_outcome(enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_NOT_FOUND:
        return PROBLEM_NOT_FOUND;
    case OUTCOME_SOLD_OUT:
        return PROBLEM_SOLD_OUT;
    case OUTCOME_INSUFFICIENT_STOCK:
        return PROBLEM_INSUFFICIENT_STOCK;
    case OUTCOME_LIMIT_REACHED:
        return PROBLEM_LIMIT_REACHED;
    case OUTCOME_KEY_IN_FLIGHT:
        return PROBLEM_KEY_IN_FLIGHT;
    case OUTCOME_KEY_REUSED:
        return PROBLEM_KEY_REUSED;
    case OUTCOME_HOLD_ENDED:
        return PROBLEM_HOLD_ENDED;
    case OUTCOME_HOLD_CAP_REACHED:
        return PROBLEM_HOLD_CAP_REACHED;
    case OUTCOME_HOLD_IN_USE:
        return PROBLEM_HOLD_IN_USE;
    case OUTCOME_STOCK_CONFLICT:
        return PROBLEM_STOCK_CONFLICT;
    case OUTCOME_PRODUCT_EXISTS:
        return PROBLEM_PRODUCT_EXISTS;
    case OUTCOME_SKU_TAKEN:
        return PROBLEM_SKU_TAKEN;
    case OUTCOME_SETTING_INVALID:
        return PROBLEM_VALIDATION_FAILED;
    case OUTCOME_EMAIL_TAKEN:
        return PROBLEM_EMAIL_TAKEN;
    case OUTCOME_TOKEN_INVALID:
        return PROBLEM_TOKEN_INVALID;
    case OUTCOME_FULL:
        return PROBLEM_ACCOUNT_FULL;
    case OUTCOME_COUPON_EXHAUSTED:
        return PROBLEM_COUPON_EXHAUSTED;
    case OUTCOME_COUPON_INVALID:
        return PROBLEM_COUPON_INVALID;
    case OUTCOME_PAYMENT_DECLINED:
        return PROBLEM_PAYMENT_DECLINED;
    case OUTCOME_PAYMENT_IN_PROGRESS:
        return PROBLEM_PAYMENT_IN_PROGRESS;
    case OUTCOME_METHOD_REFUSED:
    case OUTCOME_REFUND_TOO_LARGE:
        return PROBLEM_VALIDATION_FAILED;
    case OUTCOME_GATEWAY_UNAVAILABLE:
        return PROBLEM_GATEWAY_UNAVAILABLE;
    case OUTCOME_PRECONDITION_FAILED:
        return PROBLEM_PRECONDITION_FAILED;
    case OUTCOME_SKUS_EXHAUSTED:
        return PROBLEM_VALIDATION_FAILED;
    case OUTCOME_CURRENCY_IN_USE:
    case OUTCOME_INVALID_STATE:
    case OUTCOME_COUPON_EXISTS:
    case OUTCOME_COUPON_IN_USE:
        return PROBLEM_INVALID_STATE;
    case OUTCOME_STALE: /* changed again and again: nothing that the caller did wrong */
    case OUTCOME_OVERLOADED:
        return PROBLEM_OVERLOADED;
    case OUTCOME_OTHER_CURRENCY:
        return PROBLEM_VALIDATION_FAILED;
    case OUTCOME_STORAGE_FULL:
        return PROBLEM_STORAGE_FULL;
    case OUTCOME_OUTCOME_UNKNOWN:
        return PROBLEM_OUTCOME_UNKNOWN;
    case OUTCOME_OK:
    case OUTCOME_PENDING:
    case OUTCOME_COUNT:
        break;
    }
    assert(false && "not a refusal");
    return PROBLEM_INTERNAL_ERROR;
}

/* `detail` is cut to PROBLEM_DETAIL_LENGTH_MAX. */
static bool begin(struct http_exchange *exchange, const struct problem_entry *entry,
                  const char *detail, size_t extra_max, struct writer *writer_out)
{
    /* Every byte of the detail may need six. */
    size_t detail_length = strnlen(detail, PROBLEM_DETAIL_LENGTH_MAX);
    size_t bytes_max = entry->head.length + 6 * detail_length + 2;
    char *memory = http_body_begin(exchange, entry->status, media_type, bytes_max + extra_max);

    if (memory == NULL)
        return false;
    *writer_out = writer_fixed(memory, bytes_max + extra_max);
    write_bytes(writer_out, entry->head.text, entry->head.length);
    for (char *byte = memory + sizeof(TYPE) - 1; *byte != '"'; byte++)
        *byte = with_hyphen(*byte);
    write_json_string(writer_out, detail, detail_length);
    return true;
}

static void count(struct http_exchange *exchange, enum problem problem)
{
    struct api_shard *shard = http_exchange_user(exchange);

    counter_add(&shard->counters.problems[problem], 1);
}

bool problem_begin(struct http_exchange *exchange, enum problem problem, const char *detail,
                   size_t extra_max, struct writer *writer_out)
{
    const struct problem_entry *entry = problem_entry(problem);
    struct api_shard *shard = http_exchange_user(exchange);

    count(exchange, problem);
    if (entry->status == 503) {
        char seconds[2] = {(char)('1' + api_shard_jitter(shard, 3)), '\0'};
        http_header_add(exchange, "Retry-After", seconds);
    }
    return begin(exchange, entry, detail == NULL ? entry->title : detail, extra_max, writer_out);
}

void problem_end(struct http_exchange *exchange, struct writer *writer)
{
    write_byte(writer, '}');
    http_body_commit(exchange, writer_length(writer));
}

void problem_respond(struct http_exchange *exchange, enum problem problem, const char *detail)
{
    struct writer writer;

    if (problem_begin(exchange, problem, detail, 1, &writer))
        problem_end(exchange, &writer);
}

void problem_render(struct http_exchange *exchange, int status, const char *code,
                    const char *detail, void *user)
{
    enum problem problem = problem_find(code, strlen(code), false);
    struct writer writer;

    (void)user;
    assert(problem != PROBLEM_COUNT); /* the layer's table is a part of ours */
    count(exchange, problem);
    const struct problem_entry *entry = problem_entry(problem);
    assert(entry->status == status);
    if (begin(exchange, entry, detail == NULL ? entry->title : detail, 1, &writer))
        problem_end(exchange, &writer);
}
