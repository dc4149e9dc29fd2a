/* SPDX-License-Identifier: Apache-2.0 */
/* Fields as a run of bytes: one walk over them that writes or reads, so that the two can't
 * disagree. Numbers are big-endian. Of codec_*.c alone. */
#ifndef STAMPEDE_CODEC_RUN_H
#define STAMPEDE_CODEC_RUN_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "bytes.h"

#define CODEC_RUN_TIME_END (UINT64_C(1) << 44) /* exclusive */

struct run {
    uint8_t *at;
    const uint8_t *end;
    bool reads;
    bool failed; /* reading: too short, or a value that cannot be */
};

static inline void run_bytes(struct run *run, void *field, size_t length)
{
    if (run->failed || length > (size_t)(run->end - run->at)) {
        assert(run->reads);
        run->failed = true;
        return;
    }
    if (run->reads)
        memcpy(field, run->at, length);
    else
        memcpy(run->at, field, length);
    run->at += length;
}

/* A number of `width` bytes, at most `highest`. Returns what is to be in the field. */
static inline uint64_t run_number(struct run *run, uint64_t value, unsigned width, uint64_t highest)
{
    uint8_t bytes[8];

    if (!run->reads) {
        assert(value <= highest);
        bytes_put(bytes, value, width);
    }
    run_bytes(run, bytes, width);
    if (run->failed)
        return 0;
    if (run->reads) {
        value = bytes_get(bytes, width);
        if (value > highest) {
            run->failed = true;
            return 0;
        }
    }
    return value;
}

static inline void run_8(struct run *run, uint8_t *field, uint64_t highest)
{
    *field = (uint8_t)run_number(run, *field, 1, highest);
}

static inline void run_32(struct run *run, uint32_t *field)
{
    *field = (uint32_t)run_number(run, *field, 4, UINT32_MAX);
}

static inline void run_64(struct run *run, uint64_t *field)
{
    *field = run_number(run, *field, 8, UINT64_MAX);
}

static inline void run_time(struct run *run, int64_t *field)
{
    *field = (int64_t)run_number(run, (uint64_t)*field, 6, CODEC_RUN_TIME_END - 1);
}

/* A length and so many bytes. */
static inline void run_sealed(struct run *run, uint16_t *length, uint8_t *bytes, uint16_t longest)
{
    *length = (uint16_t)run_number(run, *length, 2, longest);
    run_bytes(run, bytes, *length);
}

static inline void run_short(struct run *run, uint8_t *length, void *bytes, uint8_t longest)
{
    run_8(run, length, longest);
    run_bytes(run, bytes, *length);
}

static inline void run_money(struct run *run, int64_t *field)
{
    *field = (int64_t)run_number(run, (uint64_t)*field, 8, INT64_MAX);
}

/* Ends at its zero, which is not written: what stood behind it would not be written again. */
static inline void run_characters(struct run *run, char *text, size_t length)
{
    run_bytes(run, text, length);
    if (!run->failed && memchr(text, '\0', length) != NULL) {
        assert(run->reads);
        run->failed = true;
    }
}

/* A text of the field's room at most, without its zero. */
static inline void run_text(struct run *run, char *text, size_t room)
{
    uint8_t length = run->reads ? 0 : (uint8_t)strnlen(text, room - 1);

    run_8(run, &length, room - 1);
    run_characters(run, text, length);
}

/* The same of one that may have more than 255 bytes. */
static inline void run_long_text(struct run *run, char *text, size_t room)
{
    size_t length = run->reads ? 0 : strnlen(text, room - 1);

    length = (size_t)run_number(run, length, 2, room - 1);
    run_characters(run, text, length);
}

#endif
