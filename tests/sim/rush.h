/* SPDX-License-Identifier: Apache-2.0 */
/* The demo's rush in the simulator: one product, demand far above its stock, one unit a buyer. The
 * checker counts what the engine really acknowledged as sold; with a planted bug it goes on to the
 * end of what is under way, so that it can say how many were sold of how few. */
#ifndef STAMPEDE_SIM_RUSH_H
#define STAMPEDE_SIM_RUSH_H

#include <stdint.h>

enum {
    RUSH_STOCK = 500,
    RUSH_BUYERS = 5000,
};

/* The process's exit status: 0 with `sold 500 of 500`, 1 with `the checker saw it: sold N of 500`.
 */
int rush_run(uint64_t seed, uint32_t mutant);

#endif
