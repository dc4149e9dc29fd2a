/* SPDX-License-Identifier: Apache-2.0 */
/* What the providers share. */
#ifndef STAMPEDE_GATEWAYS_PRIVATE_H
#define STAMPEDE_GATEWAYS_PRIVATE_H

#include "outbound/gateways/gateways.h"

/* Sets a result; the reason is cut at GATEWAY_REASON_MAX. */
void gateway_job_set(struct gateway_job *job, enum gateway_result result, enum payment_state state,
                     const char *reason);

/* No word: rule 2 of gateways.h. `may_be_seen`: the gateway may have got the request. */
void gateway_job_set_unknown(struct gateway_job *job, bool may_be_seen, const char *reason);

#endif
