/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator's watermark (which lags), secrets (which come from the seed) and workers (which
 * take their time). The journal is storage/journal_memory. */
#ifndef STAMPEDE_SIM_PORTS_H
#define STAMPEDE_SIM_PORTS_H

#include "env_controlled.h"
#include "ports.h"
#include "sim_random.h"
#include "vault.h"

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

/* The real vault, with fixed keys, and nonces from the environment's randomness. vault_destroy it.
 */
struct vault *sim_vault_create(struct env_controlled *env);

/* Its port, but for data keys: those are people's values (people_write_key), and a key's last byte
 * says what wraps it: SIM_WRAPPED_NOW, or the vault's previous key. So a rotation is always under
 * way. */
enum { SIM_WRAPPED_BEFORE = 0, SIM_WRAPPED_NOW = 1 };
struct vault_port sim_vault_port(struct vault *vault);

/* Work that waits: it is run, in any order, when the schedule says so. */
enum { SIM_WORKS_MAX = 256 };

struct sim_workers {
    struct work *works[SIM_WORKS_MAX];
    uint32_t count;
    uint32_t queue_max; /* at most SIM_WORKS_MAX; more is refused */
};

struct worker_port sim_workers_port(struct sim_workers *workers);

/* Runs one that is drawn, and hands it back; there must be one. */
void sim_workers_run(struct sim_workers *workers, struct sim_random *random);

#endif
