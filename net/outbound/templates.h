/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of mails. Each is a pair of files, NAME.txt and NAME.html; those of data/mails travel
 * in the program, and a shop replaces any of them by a file of that name in its own folder
 * (mail_templates). The text file's first line is "Subject: ..."; a blank line follows.
 *
 * {{name}} stands for a value. Which ones a mail has is said in MAILS below; another one, or "{{"
 * without an end, is refused at the start, by file, line and name. In HTML, values are escaped so
 * that they are text between tags and within quoted attributes, and nothing else. */
#ifndef STAMPEDE_MAIL_TEMPLATES_H
#define STAMPEDE_MAIL_TEMPLATES_H

#include <stdbool.h>
#include <stddef.h>

#include "outbound/mail.h"

/* Values: what a placeholder is called. */
#define MAIL_VALUES(X)                                                                             \
    X(shop_name)  /* the shop's */                                                                 \
    X(public_url) /* where shoppers find the shop */                                               \
    X(link)       /* what the receiver may follow, with a token in it */                           \
    X(valid_for)  /* how long the link is good, in words */                                        \
    X(new_email)  /* an address, masked by the caller */                                           \
    X(role)       /* of a member of staff */

enum mail_value {
#define X(name) MAIL_VALUE_##name,
    MAIL_VALUES(X)
#undef X
        MAIL_VALUE_COUNT
};

/* In records a mail's number is its place here: new ones come last.
 * id, file name, the values that it has besides shop_name and public_url */
#define MAILS(X)                                                                                   \
    X(VERIFY_EMAIL, "verify-email", HAS(link) | HAS(valid_for))                                    \
    X(RESET_PASSWORD, "reset-password", HAS(link) | HAS(valid_for))                                \
    X(EMAIL_CHANGED, "email-changed", HAS(new_email)) /* to the old address */                     \
    X(PASSWORD_CHANGED, "password-changed", 0)                                                     \
    X(ACCOUNT_DELETED, "account-deleted", 0)                                                       \
    X(STAFF_INVITATION, "staff-invitation", HAS(link) | HAS(valid_for) | HAS(role))                \
    X(ALREADY_REGISTERED, "already-registered", HAS(link)) /* link: to log in, without a token */  \
    X(SECOND_FACTOR_ON, "second-factor-on", 0)                                                     \
    X(SECOND_FACTOR_OFF, "second-factor-off", 0)

enum mail_kind {
#define X(id, file, values) MAIL_##id,
    MAILS(X)
#undef X
        MAIL_KIND_COUNT
};

struct mail_templates;

/* Reads the folder's files over the built-in ones ("": only those); NULL with a line for people in
 * `error`. Start-up thread. */
struct mail_templates *mail_templates_load(const char *folder, char *error, size_t error_size);
void mail_templates_free(struct mail_templates *templates);

/* The file's name, without its ending: also what staff are told. */
const char *mail_kind_name(enum mail_kind kind);

struct mail_rendered {
    char subject[MAIL_SUBJECT_MAX + 1];
    char text[MAIL_PART_MAX + 1];
    char html[MAIL_PART_MAX + 1];
};

/* Fills in the values: UTF-8 texts by enum mail_value; those that the mail has may not be NULL. A
 * control character in a value becomes a blank. False if a part grows too long. Any thread. */
bool mail_render(const struct mail_templates *templates, enum mail_kind kind,
                 const char *const values[MAIL_VALUE_COUNT], struct mail_rendered *rendered_out);

#endif
