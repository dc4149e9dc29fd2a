/* SPDX-License-Identifier: Apache-2.0 */
#include "journal_result.h"

#include <assert.h>
#include <stdlib.h>

#include "codec.h"

enum { RESULT_BYTES_INITIAL = 4096 };

void journal_result_begin(struct journal_read *read)
{
    assert((unsigned)read->kind < RECORD_KIND_COUNT && read->limit <= LIST_PAGE_MAX + 1);
    read->result = (struct arena){0};
    read->count = 0;
    read->failed = false;
}

void journal_result_fail(struct journal_read *read)
{
    free(read->result.bytes);
    journal_result_begin(read);
    read->failed = true;
}

/* What the record may take once decoded: more than what it takes now, but for its document. */
static uint32_t room_needed(enum record_kind kind, size_t value_length)
{
    return record_size(kind, kind == RECORD_HOLD ? RESERVATION_LINES_MAX : 0) +
           (uint32_t)value_length + 8;
}

static bool make_room(struct arena *arena, uint32_t bytes)
{
    uint32_t capacity = arena->capacity > 0 ? arena->capacity : RESULT_BYTES_INITIAL;

    if (arena->capacity - arena->used >= bytes)
        return true;
    while (capacity - arena->used < bytes)
        capacity *= 2;
    uint8_t *grown = realloc(arena->bytes, capacity);
    if (grown == NULL)
        return false;
    arena->bytes = grown;
    arena->capacity = capacity;
    return true;
}

bool journal_result_add(struct journal_read *read, const uint8_t *key, size_t key_length,
                        const uint8_t *value, size_t value_length)
{
    if (value_length > CODEC_VALUE_BYTES_MAX ||
        !make_room(&read->result, room_needed(read->kind, value_length))) {
        journal_result_fail(read);
        return false;
    }
    struct record *record = (struct record *)(void *)(read->result.bytes + read->result.used);
    if (codec_decode(read->kind, key, key_length, value, value_length, record) != CODEC_OK) {
        journal_result_fail(read);
        return false;
    }
    assert(record->size <= read->result.capacity - read->result.used);
    read->result.used += record->size;
    read->count++;
    return true;
}
