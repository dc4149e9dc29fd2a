/* SPDX-License-Identifier: Apache-2.0 */
/* Who may call what: the one place that decides, by the route's line in routes.h. What someone may
 * do with one object of many (a hold, an order) is the actors' to say. Private to net/api. */
#ifndef STAMPEDE_API_CALLERS_H
#define STAMPEDE_API_CALLERS_H

#include "api/api_shard.h"

/* Finds out who calls and whether they may. True: go on, the call says who. False: it has been
 * refused, or waits until the session is known (the handler is called again then). */
bool caller_check(struct api_call *call);

#endif
