/* SPDX-License-Identifier: Apache-2.0 */
#include "search/distance.h"

#include <assert.h>

#include "search/search_text.h"

enum { BAND = 2 * DISTANCE_MAX + 1 };

/* What is further from the diagonal than the most that may be found is not looked at: a row of the
 * table is kept as that band, place d standing for the column row + d - DISTANCE_MAX. */
struct band {
    uint8_t at[BAND];
};

void distance_word_set(struct distance_word *word, const char *text, size_t length)
{
    word->count = 0;
    for (size_t at = 0; at < length && word->count < SEARCH_WORD_BYTES_MAX;)
        at += search_utf8_take(text + at, length - at, &word->letters[word->count++]);
}

static uint8_t least(uint8_t a, unsigned b)
{
    return b < a ? (uint8_t)b : a;
}

/* The row after `one`, which comes after `two`; returns its least. */
static uint8_t row_next(const struct distance_word *from, const struct distance_word *to,
                        uint32_t row, const struct band *two, const struct band *one,
                        struct band *out)
{
    uint8_t lowest = UINT8_MAX / 2;

    for (uint32_t d = 0; d < BAND; d++) {
        uint32_t column = row + d - DISTANCE_MAX; /* below 0: very great */
        uint8_t best = UINT8_MAX / 2;

        if (column == 0) {
            best = (uint8_t)row;
        } else if (column <= to->count) {
            uint32_t letter = from->letters[row - 1];
            uint32_t other = to->letters[column - 1];

            best = least(best, one->at[d] + (letter != other ? 1u : 0u));
            if (d + 1 < BAND)
                best = least(best, one->at[d + 1] + 1u);
            if (d > 0)
                best = least(best, out->at[d - 1] + 1u);
            if (row > 1 && column > 1 && letter == to->letters[column - 2] &&
                from->letters[row - 2] == other)
                best = least(best, two->at[d] + 1u);
        }
        out->at[d] = best;
        lowest = least(lowest, best);
    }
    return lowest;
}

static void row_first(const struct distance_word *to, struct band *out)
{
    for (uint32_t d = 0; d < BAND; d++) {
        bool is_there = d >= DISTANCE_MAX && d - DISTANCE_MAX <= to->count;

        out->at[d] = is_there ? (uint8_t)(d - DISTANCE_MAX) : UINT8_MAX / 2;
    }
}

unsigned distance(const struct distance_word *from, const struct distance_word *to, unsigned max,
                  bool of_beginning)
{
    struct band rows[3];
    unsigned best = max + 1;

    assert(max <= DISTANCE_MAX);
    if (from->count > to->count + max || (!of_beginning && to->count > from->count + max))
        return best;
    row_first(to, &rows[0]);
    for (uint32_t row = 1; row <= from->count; row++) {
        if (row_next(from, to, row, &rows[(row + 1) % 3], &rows[(row + 2) % 3], &rows[row % 3]) >
            max)
            return best;
    }
    for (uint32_t d = 0; d < BAND; d++) {
        uint32_t column = from->count + d - DISTANCE_MAX;
        uint8_t at = rows[from->count % 3].at[d];

        if (column <= to->count && (of_beginning || column == to->count) && at < best)
            best = at;
    }
    return best;
}
