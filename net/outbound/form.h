/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a form (application/x-www-form-urlencoded) into room that the caller gives. Pure. */
#ifndef STAMPEDE_OUTBOUND_FORM_H
#define STAMPEDE_OUTBOUND_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `length` counts on where the room ends; what does not fit is not written. */
struct form {
    char *target;
    size_t size;
    size_t length;
};

/* Adds name=value. The value is percent-encoded but for what RFC 3986 calls unreserved; the name is
 * written as it is: letters, digits, "_" and brackets. */
void form_put(struct form *form, const char *name, const char *value, size_t length);
void form_put_text(struct form *form, const char *name, const char *text);
void form_put_number(struct form *form, const char *name, int64_t number);

/* Whether everything fitted. */
bool form_is_whole(const struct form *form);

#endif
