/* SPDX-License-Identifier: Apache-2.0 */
/* How a setting's fields are written down: the one field of a SETTING record's value. Pure. */
#ifndef STAMPEDE_CODEC_SETTINGS_H
#define STAMPEDE_CODEC_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "setting_state.h"

enum {
    CODEC_SETTING_FORMAT = 1,
    /* More than any setting takes: its fields, with the lengths of what varies. */
    CODEC_SETTING_BYTES_MAX = sizeof(struct setting_record) + 256,
};

/* Writes a valid setting of a kind (enum setting_kind) and number; its length, at most `capacity`,
 * which must suffice (CODEC_SETTING_BYTES_MAX does). */
size_t codec_setting_pack(uint32_t kind, const struct setting_record *setting, uint8_t *bytes_out,
                          size_t capacity);

/* Reads one, whose number the key says. False: it is none. */
bool codec_setting_unpack(uint32_t kind, uint64_t number, const uint8_t *bytes, size_t length,
                          struct setting_record *setting_out);

#endif
