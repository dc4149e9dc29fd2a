/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that many handlers give. */
#include <assert.h>
#include <string.h>

#include "api/api_shard.h"
#include "api/problems.h"

uint32_t api_shard_jitter(struct api_shard *shard, uint32_t bound)
{
    /* Marsaglia's xorshift64. */
    shard->jitter ^= shard->jitter << 13;
    shard->jitter ^= shard->jitter >> 7;
    shard->jitter ^= shard->jitter << 17;
    return (uint32_t)(shard->jitter >> 32) % bound;
}

static const char *outcome_detail(enum problem problem)
{
    switch ((int)problem) {
    case PROBLEM_NOT_FOUND:
        return "There is no such thing, or it is not yours.";
    case PROBLEM_HOLD_ENDED:
        return "This hold has ended.";
    case PROBLEM_HOLD_CAP_REACHED:
        return "This hold has been extended as far as it can be.";
    case PROBLEM_STOCK_CONFLICT:
        return "Fewer units are available than are to be taken away, or more would be in stock "
               "than "
               "can be.";
    case PROBLEM_KEY_IN_FLIGHT:
        return "A request with this key is being worked on. Repeat it in a moment.";
    case PROBLEM_KEY_REUSED:
        return "This key was used with another body.";
    case PROBLEM_OVERLOADED:
        return "Try again in a moment.";
    case PROBLEM_STORAGE_FULL:
        return "Nothing new is taken at the moment.";
    case PROBLEM_OUTCOME_UNKNOWN:
        return "Repeat the call to learn what happened.";
    default:
        return NULL;
    }
}

void respond_outcome(struct http_exchange *exchange, enum outcome outcome)
{
    enum problem problem = problem_of_outcome(outcome);

    problem_respond(exchange, problem, outcome_detail(problem));
}

void respond_json(struct http_exchange *exchange, int status, struct writer *writer)
{
    size_t length = writer_length(writer);

    if (writer->failed)
        respond_outcome(exchange, OUTCOME_OVERLOADED);
    else if (length > API_ANSWER_BYTES_MAX)
        problem_respond(exchange, PROBLEM_INTERNAL_ERROR, "The answer is too large.");
    else
        http_respond(exchange, status, "application/json", writer->start, length);
    writer_free(writer);
}

void etag_format(const char *bytes, size_t length, char etag_out[20])
{
    static const struct hash_key key = {{0x7374616d70656465, 0x65746167}};
    static const char digits[] = "0123456789abcdef";
    uint64_t hash = hash_bytes(&key, bytes, length);

    etag_out[0] = '"';
    for (unsigned i = 0; i < 16; i++)
        etag_out[1 + i] = digits[hash >> (60 - 4 * i) & 15];
    etag_out[17] = '"';
    etag_out[18] = '\0';
}

bool etag_is_among(struct http_slice known, const char *etag)
{
    size_t length = strlen(etag);

    if (known.length == 1 && known.data[0] == '*')
        return true;
    /* Weak comparison: a W/ before the tag does not matter, and tags of ours hold no comma. */
    for (size_t i = 0; i + length <= known.length; i++) {
        if (memcmp(known.data + i, etag, length) == 0)
            return true;
    }
    return false;
}
