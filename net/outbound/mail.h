/* SPDX-License-Identifier: Apache-2.0 */
/* A mail as text: addresses judged and brought to one form, and a message composed (RFC 5322, MIME
 * multipart/alternative, RFC 2047). Pure functions; any thread. */
#ifndef STAMPEDE_MAIL_H
#define STAMPEDE_MAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MAIL_ADDRESS_MAX = 254,   /* bytes (RFC 5321, 4.5.3.1.3, without its brackets) */
    MAIL_LOCAL_MAX = 64,      /* bytes before the @ (RFC 5321, 4.5.3.1.1) */
    MAIL_NAME_MAX = 100,      /* bytes of a display name */
    MAIL_SUBJECT_MAX = 200,   /* bytes */
    MAIL_ID_MAX = 64,         /* characters of a mail's ID */
    MAIL_PART_MAX = 64 << 10, /* bytes of the text and of the HTML, each */
};

/* Whether mail can be sent there, by a practical rule: UTF-8; one @; 1 to 64 bytes before it, of
 * which none is a blank, a control character or one of ()<>[]:;,\" and no dot leads, trails or
 * doubles; behind it a domain of at least two labels (each 1 to 63 bytes, of letters, digits,
 * hyphens inside, or bytes beyond ASCII: international names are taken as they are), at most 254
 * bytes in all. Quoted local parts and address literals, which shoppers do not have, are refused.
 */
bool mail_address_is_valid(const char *text, size_t length);

/* The form that mail is sent to: the domain's ASCII letters lower-case, the local part untouched
 * (only its host may say that case does not matter there, RFC 5321, 2.4). The text must be valid.
 */
void mail_address_normalise(const char *text, size_t length,
                            char normalised_out[MAIL_ADDRESS_MAX + 1]);

/* The form that the blind index is made of: ASCII letters lower-case everywhere, so that one person
 * who writes the address in two ways has one account. Bytes beyond ASCII stay. */
void mail_address_index_form(const char *text, size_t length, char form_out[MAIL_ADDRESS_MAX + 1]);

/* UTF-8 without control characters (C0, DEL, C1, line and paragraph separators) but those of ASCII
 * that `controls` lists. */
bool mail_is_text(const char *text, size_t length, const char *controls);

/* ---- composing ---- */

struct mail_message {
    /* Of this mail, the same at every attempt: letters, digits, - and _. It makes the Message-ID
     * and the boundary, so that the same mail is the same bytes, and a receiver can drop a repeat.
     */
    const char *id;
    int64_t wall_ms;          /* Date: when the mail was caused, not when it is tried */
    const char *from_address; /* valid (mail_address_is_valid) */
    const char *from_name;    /* or "" */
    const char *to_address;   /* valid */
    const char *subject;      /* UTF-8, one line */
    const char *text;         /* UTF-8; lines end with LF */
    const char *html;         /* UTF-8; "": a mail of text alone */
};

/* Room that the message certainly fits. */
size_t mail_compose_bound(const struct mail_message *message);

/* Writes the message, with CRLF at every line's end, and gives its length. False, and nothing is
 * to be sent, where a value is too long, is not UTF-8, has a control character where it may not
 * (CR, LF and 0 in any header among them), or does not fit `size`; a valid one fits
 * mail_compose_bound(). */
bool mail_compose(const struct mail_message *message, char *target, size_t size,
                  size_t *length_out);

#endif
