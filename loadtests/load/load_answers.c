/* SPDX-License-Identifier: Apache-2.0 */
/* What the buyers were told: tables in reserved address space. */
#include "load_answers.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define HEADER_FORMAT "Authorization: Bearer %.*s\r\n"

enum {
    HEADER_BYTES_MAX = LOAD_TOKEN_BYTES_MAX + 32,
};

static_assert((uint64_t)LOAD_BUYERS_MAX * HEADER_BYTES_MAX < UINT32_MAX,
              "an offset into the headers of all buyers fits 32 bits");

void *load_pages_reserve(size_t bytes)
{
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
}

void load_pages_release(void *pages, size_t bytes)
{
    if (pages != NULL) {
        munmap(pages, bytes);
    }
}

bool load_answers_open(struct load_answers *answers, uint64_t attempts)
{
    uint32_t attempts_max =
        attempts < LOAD_ATTEMPTS_MAX ? (uint32_t)attempts : (uint32_t)LOAD_ATTEMPTS_MAX;
    uint32_t holds_max = attempts_max < LOAD_HOLDS_MAX ? attempts_max : (uint32_t)LOAD_HOLDS_MAX;
    *answers = (struct load_answers){.attempts_max = attempts_max, .holds_max = holds_max};
    answers->attempts = load_pages_reserve(attempts_max * sizeof *answers->attempts);
    answers->holds = load_pages_reserve(holds_max * sizeof *answers->holds);
    return answers->attempts != NULL && answers->holds != NULL;
}

void load_answers_close(struct load_answers *answers)
{
    load_pages_release(answers->attempts, answers->attempts_max * sizeof *answers->attempts);
    load_pages_release(answers->holds, answers->holds_max * sizeof *answers->holds);
    *answers = (struct load_answers){0};
}

bool load_skus_open(struct load_skus *skus, uint32_t quantity)
{
    *skus = (struct load_skus){.quantity = quantity};
    skus->rows = load_pages_reserve(LOAD_SKUS_MAX * sizeof *skus->rows);
    return skus->rows != NULL;
}

void load_skus_close(struct load_skus *skus)
{
    load_pages_release(skus->rows, LOAD_SKUS_MAX * sizeof *skus->rows);
    *skus = (struct load_skus){0};
}

bool load_skus_add(struct load_skus *skus, const char *name, size_t length)
{
    if (skus->count == LOAD_SKUS_MAX || !load_sku_is_valid(name, length)) {
        return false;
    }
    struct load_sku *row = &skus->rows[skus->count++];
    memcpy(row->name, name, length);
    row->name[length] = '\0';
    char body[LOAD_SKU_TAIL_BYTES_MAX];
    int body_length = snprintf(body, sizeof body, "{\"sku\":\"%s\",\"quantity\":%u}", row->name,
                               (unsigned)skus->quantity);
    int tail_length =
        snprintf(row->tail, sizeof row->tail, "Content-Length: %d\r\n\r\n%s", body_length, body);
    assert(tail_length > 0 && tail_length < LOAD_SKU_TAIL_BYTES_MAX);
    row->tail_length = (uint8_t)tail_length;
    return true;
}

bool load_buyers_open(struct load_buyers *buyers, uint32_t count_max)
{
    assert(count_max > 0 && count_max <= LOAD_BUYERS_MAX);
    *buyers = (struct load_buyers){.count_max = count_max};
    buyers->text = load_pages_reserve((size_t)count_max * HEADER_BYTES_MAX);
    buyers->offsets = load_pages_reserve(((size_t)count_max + 1) * sizeof *buyers->offsets);
    return buyers->text != NULL && buyers->offsets != NULL;
}

void load_buyers_close(struct load_buyers *buyers)
{
    size_t count_max = buyers->count_max;
    load_pages_release(buyers->text, count_max * HEADER_BYTES_MAX);
    load_pages_release(buyers->offsets, (count_max + 1) * sizeof *buyers->offsets);
    *buyers = (struct load_buyers){0};
}

bool load_buyers_add(struct load_buyers *buyers, struct load_text token)
{
    assert(buyers->count < buyers->count_max);
    if (token.length == 0 || token.length > LOAD_TOKEN_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < token.length; i++) {
        if (token.data[i] <= ' ' || token.data[i] > '~') {
            return false;
        }
    }
    uint32_t start = buyers->offsets[buyers->count];
    int length = snprintf(buyers->text + start, HEADER_BYTES_MAX, HEADER_FORMAT, (int)token.length,
                          token.data);
    assert(length > 0 && length < HEADER_BYTES_MAX);
    buyers->count++;
    buyers->offsets[buyers->count] = start + (uint32_t)length;
    return true;
}
