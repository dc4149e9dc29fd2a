/* SPDX-License-Identifier: Apache-2.0 */
#include "sim_ports.h"

#include <assert.h>
#include <string.h>

#include "secrets_file.h"
#include "violation.h"

static uint64_t watermark_read(void *self)
{
    const struct sim_watermark *watermark = self;

    return watermark->on_file_at_open;
}

static void watermark_advance(void *self, uint64_t commit_number)
{
    struct sim_watermark *watermark = self;

    if (commit_number < watermark->told)
        violation("the watermark was told of commit %llu after %llu",
                  (unsigned long long)commit_number, (unsigned long long)watermark->told);
    watermark->told = commit_number;
}

void sim_watermark_open(struct sim_watermark *watermark)
{
    watermark->told = watermark->on_file;
    watermark->on_file_at_open = watermark->on_file;
}

struct watermark_port sim_watermark_port(struct sim_watermark *watermark)
{
    return (struct watermark_port){
        .self = watermark, .read = watermark_read, .advance = watermark_advance};
}

/* Not a MAC for the world outside: the simulator only needs it to be a function of its input. */
static void mac(void *self, const char *purpose, const void *bytes, size_t length,
                uint8_t mac_out[MAC_BYTES])
{
    const struct hash_key *key = self;
    struct hash_key derived = *key;
    struct hash128 hash;

    derived.word[0] ^= hash_bytes(key, purpose, strlen(purpose));
    hash = hash_bytes_128(&derived, bytes, length);
    memcpy(mac_out, &hash, MAC_BYTES);
}

static struct hash_key draw_key(struct sim_random *random)
{
    struct hash_key key;

    key.word[0] = sim_random_next(random);
    key.word[1] = sim_random_next(random);
    return key;
}

struct secrets_port sim_secrets_port(struct hash_key *key, struct sim_random *random)
{
    struct secrets_port port = {.self = key, .mac = mac, .digest = secrets_digest};

    *key = draw_key(random);
    port.id_key = draw_key(random);
    port.key_key = draw_key(random);
    return port;
}

struct vault *sim_vault_create(struct env_controlled *env)
{
    static const struct vault_keys keys = {.count = 1, .keys = {{1}}};
    static const uint8_t index_key[VAULT_KEY_BYTES] = {2};
    struct env port = env_controlled_port(env);
    struct vault *vault = vault_create(&keys, index_key, port.random, port.self);

    assert(vault != NULL);
    return vault;
}

static enum vault_wrap wrapped_by(void *self, const struct vault_wrapped_key *wrapped)
{
    (void)self;
    return wrapped->bytes[VAULT_WRAPPED_KEY_BYTES - 1] == SIM_WRAPPED_NOW
               ? VAULT_WRAPPED_BY_CURRENT
               : VAULT_WRAPPED_BY_PREVIOUS;
}

static enum vault_result rewrap(void *self, const struct principal *owner,
                                struct vault_wrapped_key *wrapped, bool *changed_out)
{
    (void)owner;
    *changed_out = wrapped_by(self, wrapped) != VAULT_WRAPPED_BY_CURRENT;
    wrapped->bytes[VAULT_WRAPPED_KEY_BYTES - 1] = SIM_WRAPPED_NOW;
    return VAULT_OK;
}

struct vault_port sim_vault_port(struct vault *vault)
{
    struct vault_port port = vault_port_of(vault);

    port.has_previous = true;
    port.wrapped_by = wrapped_by;
    port.rewrap = rewrap;
    return port;
}

static bool submit(void *self, struct work *work)
{
    struct sim_workers *workers = self;

    if (workers->count >= workers->queue_max)
        return false;
    workers->works[workers->count++] = work;
    return true;
}

struct worker_port sim_workers_port(struct sim_workers *workers)
{
    return (struct worker_port){.self = workers, .submit = submit};
}

void sim_workers_run(struct sim_workers *workers, struct sim_random *random)
{
    uint32_t index = sim_random_below(random, workers->count);
    struct work *work = workers->works[index];

    workers->works[index] = workers->works[--workers->count];
    work->run(work);
    work->done(work);
}
