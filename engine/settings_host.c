/* SPDX-License-Identifier: Apache-2.0 */
#include "settings_host.h"

#include <stdlib.h>
#include <string.h>

#include "engine_private.h"

const struct settings_view *shard_settings(const struct shard *shard)
{
    return atomic_load_explicit(&shard->engine->settings_view, memory_order_acquire);
}

/* ---- copies ---- */

bool settings_host_begin(struct engine *engine)
{
    struct settings_view *view = malloc(sizeof(*view));
    const struct settings_view *old = atomic_load(&engine->settings_view);

    if (view == NULL)
        return false;
    settings_view_copy(&engine->settings->view, view);
    atomic_store(&engine->settings_view, view);
    free((void *)(uintptr_t)old);
    return true;
}

void settings_host_destroy(struct engine *engine)
{
    struct settings_host *host =
        &engine->shards[engine_shard_of(engine, SETTINGS_PARTITION)]->settings;

    while (host->retired_count > 0)
        free(host->retired[--host->retired_count].memory);
    free((void *)(uintptr_t)atomic_load(&engine->settings_view));
}

void settings_host_free_retired(struct shard *shard)
{
    struct settings_host *host = &shard->settings;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < host->retired_count; i++) {
        if (retired_is_passed(shard, &host->retired[i])) {
            free(host->retired[i].memory);
            host->copies--;
        } else {
            host->retired[kept++] = host->retired[i];
        }
    }
    host->retired_count = kept;
}

/* A shard that sleeps passes no ticks. */
static void wake_others(struct shard *shard)
{
    for (uint32_t i = 0; i < shard->engine->options.shards; i++)
        if (i != shard->index)
            shard_notify(shard->engine, i);
}

/* The copy takes the place of the one before, which is counted as a copy from now on. */
static void publish(struct shard *shard, struct settings_view *view)
{
    struct settings_host *host = &shard->settings;
    struct retired *retired = &host->retired[host->retired_count];
    const struct settings_view *old =
        atomic_load_explicit(&shard->engine->settings_view, memory_order_relaxed);

    assert(host->retired_count < SETTINGS_COPIES_MAX && view->version >= old->version);
    atomic_store_explicit(&shard->engine->settings_view, view, memory_order_release);
    host->retired_count++;
    retired->memory = (void *)(uintptr_t)old;
    retired_begin(shard, retired);
    wake_others(shard);
}

/* ---- what is asked ---- */

static void fill_reply(struct message *reply, const struct message *request, enum outcome outcome)
{
    reply->partition = request->partition;
    reply->shard = request->shard;
    reply->cookie = request->cookie;
    reply->reply.answers = MESSAGE_SETTINGS;
    reply->reply.outcome = (uint8_t)outcome;
    reply->reply.settings = request->settings.envelope;
}

/* Room for what this batch will publish, before anything is changed. */
static bool take_copy(struct shard *shard)
{
    struct batch *batch = shard->open;
    struct settings_host *host = &shard->settings;

    if (batch->settings != NULL)
        return true;
    if (host->copies == SETTINGS_COPIES_MAX) {
        settings_host_free_retired(shard);
        wake_others(shard);
    }
    if (host->copies < SETTINGS_COPIES_MAX)
        batch->settings = malloc(sizeof(*batch->settings));
    host->copies += batch->settings != NULL;
    return batch->settings != NULL;
}

void settings_host_deliver(struct shard *shard, struct message *message)
{
    struct effects *effects = &shard->effects;
    uint32_t records_before = effects->records->used;
    enum outcome outcome = OUTCOME_OVERLOADED;

    assert(message->partition == SETTINGS_PARTITION);
    if (take_copy(shard))
        outcome = settings_receive(shard->engine->settings, &shard->now, message->settings.envelope,
                                   effects);
    shard->open->changes_settings |= effects->records->used != records_before;
    if (effects->audit_count > 0)
        audit_chain_seal(shard, SETTINGS_PARTITION, records_before);
    shard_apply_effects(shard);
    fill_reply(effects_message(effects, MESSAGE_REPLY, 0), message, outcome);
}

static void drop_copy(struct shard *shard, struct batch *batch)
{
    free(batch->settings);
    batch->settings = NULL;
    batch->changes_settings = false;
    shard->settings.copies--;
}

void settings_host_close(struct shard *shard, struct batch *batch)
{
    if (batch->settings == NULL)
        return;
    if (!batch->changes_settings) {
        drop_copy(shard, batch);
        return;
    }
    settings_view_copy(&shard->engine->settings->view, batch->settings);
    if (MUTANT(SETTINGS_PUBLISHED_EARLY)) {
        publish(shard, batch->settings);
        batch->settings = NULL;
    }
}

void settings_host_take(struct shard *shard, struct batch *batch)
{
    if (batch->settings == NULL)
        return;
    if (batch->outcome != COMMIT_OK || MUTANT(SETTINGS_NOT_PUBLISHED)) {
        drop_copy(shard, batch);
        return;
    }
    publish(shard, batch->settings);
    batch->settings = NULL;
    batch->changes_settings = false;
}
