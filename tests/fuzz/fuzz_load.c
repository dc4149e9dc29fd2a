/* SPDX-License-Identifier: Apache-2.0 */
/* stampede-load's response parser: any bytes, at once and as they come in pieces, give the same
 * answers. Each call sees a buffer of exactly the bytes that came, so that a look past them is
 * seen.
 *
 * Input: the length of a piece, less one; then what the server sends. */
#include "fuzz.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "load_response.h"

enum { INPUT_MAX = 4096 };

struct outcome {
    uint64_t hash;
    unsigned answers;
    bool broken;
};

static uint64_t hash_answer(uint64_t hash, const struct load_response *response)
{
    hash = fuzz_hash(hash, &response->status, sizeof(response->status));
    hash = fuzz_hash(hash, &response->close, sizeof(response->close));
    hash = fuzz_hash(hash, &response->replayed, sizeof(response->replayed));
    hash = fuzz_hash(hash, &response->retry_after_s, sizeof(response->retry_after_s));
    hash = fuzz_hash(hash, &response->body_length, sizeof(response->body_length));
    hash = fuzz_hash(hash, &response->consumed, sizeof(response->consumed));
    return response->body_length == 0 ? hash
                                      : fuzz_hash(hash, response->body, response->body_length);
}

/* The bytes from `from` on, moved to memory of their own size, with more behind them. */
static char *grown(char *old, size_t from, size_t length, const uint8_t *more, size_t more_length)
{
    char *buffer = malloc(length - from + more_length + 1);

    assert(buffer != NULL);
    if (length > from)
        memcpy(buffer, old + from, length - from);
    if (more_length > 0)
        memcpy(buffer + (length - from), more, more_length);
    free(old);
    return realloc(buffer, length - from + more_length == 0 ? 1 : length - from + more_length);
}

static struct outcome parse(const uint8_t *data, size_t size, size_t piece)
{
    struct outcome outcome = {.hash = FUZZ_HASH_START};
    struct load_response_parser parser = {0};
    struct load_response response;
    char *buffer = NULL;
    size_t length = 0;

    for (size_t at = 0; at < size && !outcome.broken;) {
        size_t more = size - at < piece ? size - at : piece;

        buffer = grown(buffer, 0, length, data + at, more);
        length += more;
        at += more;
        while (length > 0) {
            enum load_response_result result =
                load_response_parse(&parser, buffer, length, &response);

            outcome.broken = result == LOAD_RESPONSE_BROKEN;
            if (result != LOAD_RESPONSE_COMPLETE)
                break;
            assert(response.consumed > 0 && response.consumed <= length);
            outcome.hash = hash_answer(outcome.hash, &response);
            outcome.answers++;
            buffer = grown(buffer, response.consumed, length, NULL, 0);
            length -= response.consumed;
        }
    }
    free(buffer);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > INPUT_MAX)
        return 0;
    struct outcome whole = parse(data + 1, size - 1, size - 1);
    struct outcome pieces = parse(data + 1, size - 1, data[0] + 1u);

    assert(whole.answers == pieces.answers && whole.hash == pieces.hash);
    assert(whole.broken == pieces.broken);
    return 0;
}
