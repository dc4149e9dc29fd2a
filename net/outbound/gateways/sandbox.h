/* SPDX-License-Identifier: Apache-2.0 */
/* The provider for trying things out: no other host, no money, no books. It does what it is asked,
 * at once and whatever came before, so that nobody can ask it how a payment stands: QUERY is
 * REFUSED, state NONE ("keeps_no_books"), and the order's own record is the truth. What it answers
 * is a function of the job alone, so any job repeats under its key. A shop that sells has it off.
 *
 * Methods of CONFIRM are Stripe's test names (docs.stripe.com/testing): a table in sandbox.c. */
#ifndef STAMPEDE_GATEWAY_SANDBOX_H
#define STAMPEDE_GATEWAY_SANDBOX_H

#include "ports.h"

#define SANDBOX_PAYMENT_PREFIX "pay_sandbox_"

/* Fills in the job's result. Pure. */
void sandbox_run(struct gateway_job *job);

#endif
