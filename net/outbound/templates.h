/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of mails. Each is a pair of files, NAME.txt and NAME.html; those of data/mails travel
 * in the program, and a shop replaces any of them by a file of that name in its own folder
 * (mail_templates). The text file's first line is "Subject: ..."; a blank line follows.
 *
 * {{name}} stands for a value. Which ones a mail has is said in MAILS below; another one, or "{{"
 * without an end, is refused at the start, by file, line and name. In HTML, values are escaped so
 * that they are text between tags and within quoted attributes, and nothing else.
 *
 * {{#name}} ... {{/name}} is written only if the value is not empty; of a list, once for each of
 * its rows, whose values are known inside it alone. Such a tag that stands alone on its line takes
 * the line with it. (A part of Mustache's language, with its meaning.) */
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
    X(role)       /* of a member of staff */                                                       \
    /* of orders: amounts with their currency */                                                   \
    X(order)   /* its ID */                                                                        \
    X(contact) /* the address that mails come from */                                              \
    X(title)   /* of a line of the order */                                                        \
    X(quantity)                                                                                    \
    X(unit_price)                                                                                  \
    X(line_total)   /* unit price times quantity */                                                \
    X(address_line) /* of where it is sent */                                                      \
    X(subtotal)                                                                                    \
    X(discount) /* empty: none */                                                                  \
    X(coupon)   /* its code; empty: none */                                                        \
    X(shipping)                                                                                    \
    X(shipping_method) /* empty: none */                                                           \
    X(tax)             /* that is added; empty: none */                                            \
    X(tax_included)    /* that prices contain; empty: none */                                      \
    X(total)                                                                                       \
    X(refund)           /* that goes back now; empty: nothing does */                              \
    X(refunded)         /* in all so far, where that is more than now; else empty */               \
    X(refunded_in_full) /* not empty: nothing is left */                                           \
    X(carrier)                                                                                     \
    X(tracking)     /* the number; empty: none */                                                  \
    X(tracking_url) /* the same, where it is an address of http or https; else empty */

enum mail_value {
#define X(name) MAIL_VALUE_##name,
    MAIL_VALUES(X)
#undef X
        MAIL_VALUE_COUNT
};

/* Lists: how a section is called, and the values of its rows. */
#define MAIL_LISTS(X)                                                                              \
    X(lines, HAS(title) | HAS(quantity) | HAS(unit_price) | HAS(line_total))                       \
    X(address, HAS(address_line))

enum mail_list_name {
#define X(name, values) MAIL_LIST_##name,
    MAIL_LISTS(X)
#undef X
        MAIL_LIST_COUNT
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
    X(SECOND_FACTOR_OFF, "second-factor-off", 0)                                                   \
    X(ORDER_CONFIRMED, "order-confirmed", OF_ORDER)                                                \
    X(ORDER_SHIPPED, "order-shipped", OF_ORDER | HAS(carrier) | HAS(tracking) | HAS(tracking_url)) \
    X(ORDER_CANCELLED, "order-cancelled", OF_ORDER | HAS(refund))                                  \
    X(ORDER_REFUNDED, "order-refunded",                                                            \
      OF_ORDER | HAS(refund) | HAS(refunded) | HAS(refunded_in_full))

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

/* What a list has: each row's values by enum mail_value. */
struct mail_row {
    const char *values[MAIL_VALUE_COUNT];
};

struct mail_list {
    const struct mail_row *rows;
    unsigned count;
};

struct mail_rendered {
    char subject[MAIL_SUBJECT_MAX + 1];
    char text[MAIL_PART_MAX + 1];
    char html[MAIL_PART_MAX + 1];
};

/* Fills in the values: UTF-8 texts by enum mail_value; those that the mail has may not be NULL. The
 * same of rows of lists (NULL: all are empty). A
 * control character in a value becomes a blank. False if a part grows too long. Any thread. */
bool mail_render(const struct mail_templates *templates, enum mail_kind kind,
                 const char *const values[MAIL_VALUE_COUNT],
                 const struct mail_list lists[MAIL_LIST_COUNT], struct mail_rendered *rendered_out);

#endif
