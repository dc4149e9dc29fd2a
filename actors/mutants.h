/* SPDX-License-Identifier: Apache-2.0 */
/* Planted bugs, as one table: number, name, what is wrong. They exist only where STAMPEDE_MUTANTS
 * is defined, which is in the libraries that stampede-sim links, never in stampede: there MUTANT()
 * is the constant false. The simulator must catch each; one that it does not shows a blind spot. */
#ifndef STAMPEDE_MUTANTS_H
#define STAMPEDE_MUTANTS_H

#define MUTANTS(X)                                                                                 \
    X(1, ACK_BEFORE_SYNC, "answers leave before their batch is durable")                           \
    X(2, NO_TTL_GUARD, "a hold past its deadline can still be extended and converted")             \
    X(3, KEY_FILTER_SKIPPED, "a repeated key is not recognised before stock is asked for")         \
    X(4, GATE_NOT_REBUILT, "after a restart gates ignore the holds that still stand")              \
    X(5, CLAIM_LEAKED, "a request dropped by a full mailbox keeps its claim")                      \
    X(6, CLAIM_OFF_BY_ONE, "a gate lets one unit more be claimed than there is")                   \
    X(7, EXPIRY_TWICE, "a lapsed hold gives its units back twice")                                 \
    X(8, PARTIAL_HOLD_VISIBLE, "a reservation is answered before all its partitions prepared")

enum mutant {
    MUTANT_NONE,
#define X(number, name, text) MUTANT_##name = number,
    MUTANTS(X)
#undef X
};

#ifdef STAMPEDE_MUTANTS
extern enum mutant mutant_active; /* defined by the simulator */
#define MUTANT(name) (mutant_active == MUTANT_##name)
#else
#define MUTANT(name) 0
#endif

#endif
