/* SPDX-License-Identifier: Apache-2.0 */
/* How both journals hand over what a read found (struct journal_read of engine/ports.h). */
#ifndef STAMPEDE_JOURNAL_RESULT_H
#define STAMPEDE_JOURNAL_RESULT_H

#include "ports.h"

/* Empties the result before a read begins. */
void journal_result_begin(struct journal_read *read);

/* Decodes one record to the end of the result. False if it is damaged or memory is refused: the
 * read has failed, and what it had found is freed. */
bool journal_result_add(struct journal_read *read, const uint8_t *key, size_t key_length,
                        const uint8_t *value, size_t value_length);

/* Frees what was found, and marks the read as failed. */
void journal_result_fail(struct journal_read *read);

#endif
