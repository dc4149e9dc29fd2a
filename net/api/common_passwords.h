/* SPDX-License-Identifier: Apache-2.0 */
/* The passwords that are tried first: a sorted list of lower-case lines in the program (origin and
 * licence: net/api/common_passwords.md). Pure; any thread. */
#ifndef STAMPEDE_COMMON_PASSWORDS_H
#define STAMPEDE_COMMON_PASSWORDS_H

#include <stdbool.h>
#include <stddef.h>

/* Whether `password`, already in lower case, is in the list. */
bool common_passwords_have(const char *password, size_t length);

/* All lines, each with its end. */
const char *common_passwords_text(size_t *length_out);

#endif
