/* SPDX-License-Identifier: Apache-2.0 */
/* Between accounts_export.c and accounts_export_orders.c. Private to net/api. */
#ifndef STAMPEDE_API_ACCOUNTS_EXPORT_H
#define STAMPEDE_API_ACCOUNTS_EXPORT_H

#include "api/flow.h"

/* Writes `"cart":…,"orders":[…]` of the flow's account, and of all guests that it was, with what is
 * private of them, to flow->writer; then calls `done`, which ends the flow. Not complete: there is
 * no room for more. What cannot be read ends the flow itself, with its refusal. */
void export_orders(struct flow *flow, void (*done)(struct flow *flow, bool is_complete));

#endif
