/* SPDX-License-Identifier: Apache-2.0 */
/* What the calls on tax rates, shipping methods and webhook endpoints share. Reads come from the
 * shard's view of the settings, without a message; changes go to their actor. Private to net/api.
 */
#ifndef STAMPEDE_API_SETTINGS_API_H
#define STAMPEDE_API_SETTINGS_API_H

#include "api/request.h"

/* ---- settings_rows.c: rows from and to JSON ---- */

/* Read a body into the call's row and fields; note what is wrong. A CREATE needs what has no
 * default. `private_allowed`: api_options. */
void settings_read_tax_rate(struct validation *validation, const struct json_value *object,
                            struct settings_envelope *envelope);
/* `known`: the kind that a CHANGE without one is of. */
void settings_read_method(struct validation *validation, const struct json_value *object,
                          enum shipping_kind known, struct settings_envelope *envelope);
void settings_read_endpoint(struct validation *validation, const struct json_value *object,
                            bool private_allowed, struct settings_envelope *envelope);

/* A row as staff see it. `secret`: of an endpoint, to be shown this once; or NULL. */
void settings_write_row(struct writer *writer, enum setting_kind kind,
                        const struct setting_common *row, const char *secret);
/* A shipping method as shoppers see it. */
void settings_write_method_public(struct writer *writer,
                                  const struct setting_shipping_method *method);

/* ---- settings.c: the calls ---- */

void settings_list(struct api_call *call, enum setting_kind kind);
void settings_get(struct api_call *call, enum setting_kind kind);
void settings_remove(struct api_call *call, enum setting_kind kind);

/* The number in the path's {id}; 0 after 404. Whether there is such a row, a change's actor says: a
 * repeat under the key of the first is told what that was told, though the row is gone. */
uint32_t settings_path_number(struct api_call *call, enum setting_kind kind);

/* Sends the call, or answers with the errors noted. Takes the envelope; NULL: no memory.
 * `makes_secret`: a secret is made, sealed, and shown with the answer. */
void settings_submit(struct api_call *call, const struct validation *validation,
                     struct settings_envelope *envelope, bool makes_secret);

#endif
