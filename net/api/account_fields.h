/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what a call about an account brings: checked, and copied into its flow. Private to
 * net/api. */
#ifndef STAMPEDE_API_ACCOUNT_FIELDS_H
#define STAMPEDE_API_ACCOUNT_FIELDS_H

#include "api/flow.h"

enum account_field_kind {
    FIELD_EMAIL,        /* flow->email, normalised, and flow->index */
    FIELD_NAME,         /* flow->name; null: none */
    FIELD_PASSWORD,     /* flow->password: one that is to be verified, whatever it is */
    FIELD_NEW_PASSWORD, /* flow->new_password: what may be one (password.h) */
    FIELD_TOKEN,        /* flow->token and flow->account; empty: none of ours */
    FIELD_CODE,         /* flow->code */
    FIELD_SECRET,       /* flow->secret */
    FIELD_ROLE,         /* flow->role: one of staff's */
};

struct account_field {
    const char *name;
    enum account_field_kind kind;
    bool is_required;
};

enum { ACCOUNT_FIELDS_MAX = 8 };

/* Starts a flow with the fields of the body; NULL: refused already, with every field that is wrong.
 * Within the handler. */
struct flow *account_flow_start(struct api_call *call, const struct account_field *fields,
                                size_t count);

/* The same for calls whose answer is kept by their key: also NULL if the key had its answer. */
struct flow *account_flow_start_keyed(struct api_call *call, const struct account_field *fields,
                                      size_t count);

/* Judges the new password once the address is known; false: the flow has ended with 422. `field` is
 * its name. */
bool account_password_fits(struct flow *flow, const char *field);

/* Reads an e-mail address into the flow; what is wrong with it, or NULL. */
const char *account_email_read(struct flow *flow, const char *text, size_t length);

/* The call that registers whom the fields name, with a key of its own (flow->key): role, address
 * and name are in it, the rest is the caller's. flow->account is prepared. NULL: no memory. */
struct account_envelope *account_registration(struct flow *flow, enum account_role role);

/* A postal address from the body, as JSON without its braces into flow->text. False: refused, the
 * flow has not ended. Within the handler. */
bool account_address_read(struct api_call *call, struct flow *flow);

/* One that stands in a member of the body, called `prefix`: into `address_out`, or errors noted by
 * `prefix.field`. */
struct postal_address {
    char json[ADDRESS_LENGTH_MAX]; /* without its braces */
    size_t length;
    char country[2];
    struct slice region; /* of the request's body; empty: none */
};
void account_address_parse(struct validation *validation, const struct json_value *value,
                           const char *prefix, struct postal_address *address_out);

#endif
