/* SPDX-License-Identifier: Apache-2.0 */
/* The second half of decoding, from the fields of a value to a record: what codec_decode.c, which
 * parses, hands to codec_take.c, which knows the kinds. Pure. */
#ifndef STAMPEDE_CODEC_TAKE_H
#define STAMPEDE_CODEC_TAKE_H

#include "codec.h"

enum field_type { FIELD_NUMBER, FIELD_TEXT, FIELD_BYTES };

struct field {
    uint64_t number; /* or the length of text or bytes */
    const char *bytes;
    uint8_t type;
};

/* Takes the fields in turn; the first that is not as it must be sets `error`, and stays. */
struct taker {
    const struct field *at;
    bool has_weight; /* a SKU's, which is written where there is one */
    enum codec_error error;
};

static inline uint64_t take_number(struct taker *taker, uint64_t highest)
{
    const struct field *field = taker->at++;

    if (field->type == FIELD_NUMBER && field->number <= highest)
        return field->number;
    if (taker->error == CODEC_OK)
        taker->error = field->type == FIELD_NUMBER ? CODEC_BAD_RANGE : CODEC_BAD_FORM;
    return 0;
}

/* Fills in a zeroed record whose kind, key, and number of lines are set, from as many fields as its
 * kind has; what is wrong with them is in `error`. */
void codec_take_record(struct taker *taker, struct record *record);

#endif
