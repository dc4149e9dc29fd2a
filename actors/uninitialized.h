/* SPDX-License-Identifier: Apache-2.0 */
/* Hardened builds zero every local variable. This exempts one: a large array on the hot path of
 * which only what was written before is read. */
#ifndef STAMPEDE_UNINITIALIZED_H
#define STAMPEDE_UNINITIALIZED_H

#if defined(__has_attribute)
#if __has_attribute(uninitialized)
#define UNINITIALIZED __attribute__((uninitialized))
#endif
#endif

#ifndef UNINITIALIZED
#define UNINITIALIZED
#endif

#endif
