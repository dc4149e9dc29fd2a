/* SPDX-License-Identifier: Apache-2.0 */
/* An order's mail: its template filled with what the order is when it leaves. Private to net/api.
 */
#ifndef STAMPEDE_API_ORDER_MAIL_H
#define STAMPEDE_API_ORDER_MAIL_H

#include "api/api_shard.h"
#include "outbound/mail_job.h"

/* The template of an order's mail. */
enum mail_kind order_mail_template(enum order_mail_kind kind);

/* Composes the mail; `name` is its Message-ID's (courier_mail_name). NULL: `result_out` says what
 * is to become of it, `reason_out` (static) why. The shard's thread, within the courier's call. */
struct mail_job *order_mail_compose(const struct api *api, const struct engine_mail *mail,
                                    const char *name, enum courier_result *result_out,
                                    const char **reason_out);

#endif
