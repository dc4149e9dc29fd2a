/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator's watermark (which lags) and secrets (which come from the seed). The journal is
 * storage/journal_memory. */
#ifndef STAMPEDE_SIM_PORTS_H
#define STAMPEDE_SIM_PORTS_H

#include "ports.h"
#include "sim_random.h"

/* A watermark file: what it was told, and what is on file. */
struct sim_watermark {
    uint64_t told;
    uint64_t on_file;
    uint64_t on_file_at_open;
};

/* The port reads what was on file when sim_watermark_open was last called. */
void sim_watermark_open(struct sim_watermark *watermark);
struct watermark_port sim_watermark_port(struct sim_watermark *watermark);

/* Secrets drawn from `random`; the port needs `key` to live as long as it. */
struct secrets_port sim_secrets_port(struct hash_key *key, struct sim_random *random);

#endif
