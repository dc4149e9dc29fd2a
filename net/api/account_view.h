/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts as JSON: opened for whoever may see them. Private to net/api. */
#ifndef STAMPEDE_API_ACCOUNT_VIEW_H
#define STAMPEDE_API_ACCOUNT_VIEW_H

#include "api/flow.h"
#include "api/private_data.h"

enum {
    ACCOUNT_PART_ID_MAX = 16, /* `adr_` or `ses_` and a number, with a zero */
};

/* Opens the address of the flow's answer into flow->email; false: the flow has ended, with 500. */
bool account_open_email(struct flow *flow);

/* Ends the flow with 500 `private_data_unreadable`, and says in the log whose field it is: its
 * value does not open, or there is no key to seal one with. Frees the envelope, if there is one. */
void account_refuse_unreadable(struct flow *flow, struct account_envelope *envelope,
                               enum private_field field);

/* `{"id","email","name"}` of the flow's answer; all of them write to a growing writer and give
 * false, with the flow ended, where a stored field can't be opened. */
bool account_write_customer(struct flow *flow, struct writer *writer);

/* What the owner sees of it: with role, times, second factor. `csrf` NULL: left out. */
bool account_write_profile(struct flow *flow, struct writer *writer, const char *csrf);

/* One of its addresses, all of them as an array, and its sessions. */
bool account_write_address(struct flow *flow, struct writer *writer,
                           const struct account_address *address);
bool account_write_addresses(struct flow *flow, struct writer *writer);
bool account_write_sessions(struct flow *flow, struct writer *writer);

/* IDs of the account's own parts, as text and back (0: it is none). A session's number is written
 * in decimals, an address's as a row number (identity.h). */
void account_session_id_format(uint32_t id, char text_out[ACCOUNT_PART_ID_MAX]);
uint32_t account_session_id_parse(const char *text, size_t length);
void account_address_id_format(uint64_t id, char text_out[ACCOUNT_PART_ID_MAX]);
uint64_t account_address_id_parse(const char *text, size_t length);

const char *account_role_name(enum account_role role);

#endif
