/* SPDX-License-Identifier: Apache-2.0 */
/* Rounds of keys: data keys under the vault's previous key are counted and wrapped by the current
 * one: accounts', orders', and the shop's own. */
#include <string.h>

#include "engine_private.h"
#include "rounds_private.h"

static void show_keys(struct shard *shard, int64_t previous, int64_t unreadable)
{
    atomic_store_explicit(&shard->vault_keys_previous, previous, memory_order_relaxed);
    atomic_store_explicit(&shard->vault_keys_unreadable, unreadable, memory_order_relaxed);
}

void rounds_keys_end(struct shard *shard)
{
    struct rounds *rounds = &shard->rounds;
    int64_t now_ms = engine_now(shard->engine).boot_ms;

    rounds->keys_due_boot_ms = now_ms;
    rounds->keys_kind = ROUND_COUNT_KEYS;
    if (rounds->kind == ROUND_WRAP_KEYS) {
        rounds->keys_due_boot_ms += rounds->wrapped > 0 ? ROUND_AGAIN_MS : ROUND_STUCK_MS;
    } else if (rounds->is_torn) {
        rounds->keys_due_boot_ms += ROUND_AGAIN_MS;
    } else {
        show_keys(shard, rounds->previous, rounds->unreadable);
        rounds->keys_done = rounds->previous == 0;
        rounds->keys_kind = ROUND_WRAP_KEYS;
    }
}

static enum vault_wrap wrap_of(const struct shard *shard, const uint8_t *key, uint32_t length)
{
    const struct vault_port *vault = &shard->engine->ports.vault;
    struct vault_wrapped_key wrapped;

    if (length != VAULT_WRAPPED_KEY_BYTES)
        return VAULT_WRAPPED_BY_ANOTHER;
    memcpy(wrapped.bytes, key, sizeof(wrapped.bytes));
    return vault->wrapped_by(vault->self, &wrapped);
}

/* What none of the keys opens is told, and left as it is. */
bool rounds_keys_is_wanted(struct shard *shard, const uint8_t *key, uint32_t length)
{
    struct rounds *rounds = &shard->rounds;
    enum vault_wrap wrap = wrap_of(shard, key, length);

    rounds->previous += wrap == VAULT_WRAPPED_BY_PREVIOUS;
    rounds->unreadable += wrap == VAULT_WRAPPED_BY_ANOTHER;
    return rounds->kind == ROUND_WRAP_KEYS && wrap == VAULT_WRAPPED_BY_PREVIOUS;
}

/* True: the key is on its way to its account. */
bool rounds_keys_wrap(struct shard *shard, const struct account_envelope *answer)
{
    const struct vault_port *vault = &shard->engine->ports.vault;
    struct account_envelope *envelope;
    struct vault_wrapped_key wrapped;
    bool changed = false;

    if (answer->key.length != VAULT_WRAPPED_KEY_BYTES || !rounds_is_serving(shard))
        return false; /* erased meanwhile */
    memcpy(wrapped.bytes, answer->key.bytes, sizeof(wrapped.bytes));
    if (vault->rewrap(vault->self, &answer->account, &wrapped, &changed) != VAULT_OK || !changed)
        return false; /* not authentic: it is counted again */
    envelope = account_envelope_create(ACCOUNT_CALL_KEY_REWRAP);
    if (envelope == NULL)
        return false;
    envelope->account = answer->account;
    envelope->version = answer->view.version;
    envelope->key = answer->key;
    memcpy(envelope->key.bytes, wrapped.bytes, sizeof(wrapped.bytes));
    return rounds_ask(shard, envelope);
}

/* The same of an order's. */
bool rounds_keys_wrap_order(struct shard *shard, const struct order_envelope *answer)
{
    const struct vault_port *vault = &shard->engine->ports.vault;
    const struct order_person_record *person = &answer->person;
    struct order_envelope *envelope;
    struct vault_wrapped_key wrapped;
    bool changed = false;

    if (person->key_length != VAULT_WRAPPED_KEY_BYTES || !rounds_is_serving(shard))
        return false; /* forgotten meanwhile */
    memcpy(wrapped.bytes, person->key, sizeof(wrapped.bytes));
    if (vault->rewrap(vault->self, &answer->order.principal, &wrapped, &changed) != VAULT_OK ||
        !changed)
        return false;
    envelope = order_envelope_create(ORDER_CALL_REWRAP);
    if (envelope == NULL)
        return false;
    envelope->id = answer->id;
    memcpy(envelope->old_key, person->key, sizeof(wrapped.bytes));
    envelope->person.key_length = VAULT_WRAPPED_KEY_BYTES;
    memcpy(envelope->person.key, wrapped.bytes, sizeof(wrapped.bytes));
    return rounds_ask_order(shard, envelope);
}

void rounds_keys_note_wrapped(struct shard *shard)
{
    int64_t left = atomic_load_explicit(&shard->vault_keys_previous, memory_order_relaxed);

    shard->rounds.wrapped++;
    metric_add(&shard->metrics.vault_keys_rewrapped, 1);
    if (left > 1) /* none is left when a round that counts has found none */
        atomic_store_explicit(&shard->vault_keys_previous, left - 1, memory_order_relaxed);
}

/* ---- the shop's own key ---- */

/* Of the settings' shard, as a round of keys begins: what is published is durable, so that what is
 * counted is. */
void rounds_keys_look_at_shop(struct shard *shard)
{
    const struct vault_port *vault = &shard->engine->ports.vault;
    const struct setting_key *key = &shard_settings(shard)->key;
    struct principal owner = settings_key_owner();
    struct command command = {.type = COMMAND_SETTINGS, .origin = {.caller = AUDIT_BY_SYSTEM}};
    struct vault_wrapped_key wrapped;
    struct refusal refusal;
    bool changed = false;

    if (shard->index != engine_shard_of(shard->engine, SETTINGS_PARTITION) || key->length == 0 ||
        !rounds_keys_is_wanted(shard, key->bytes, key->length))
        return;
    memcpy(wrapped.bytes, key->bytes, sizeof(wrapped.bytes));
    if (vault->rewrap(vault->self, &owner, &wrapped, &changed) != VAULT_OK || !changed)
        return;
    command.settings = settings_envelope_create(SETTINGS_CALL_KEY_REWRAP, SETTING_KEY);
    if (command.settings == NULL)
        return;
    command.settings->is_round = 1;
    command.settings->old_key = *key;
    command.settings->key.length = VAULT_WRAPPED_KEY_BYTES;
    memcpy(command.settings->key.bytes, wrapped.bytes, sizeof(wrapped.bytes));
    shard->rounds.phase = ROUND_ASKING;
    if (engine_submit(shard, &command, 0, &refusal) == OUTCOME_PENDING)
        return;
    envelope_free(command.settings);
    /* This round leaves it as it is, and the next one counts. */
    rounds_wait_ms(shard, ROUND_CALL_PACE_MS);
}

void rounds_take_settings(struct shard *shard, const struct message *reply)
{
    assert(shard->rounds.phase == ROUND_ASKING);
    if (reply->reply.outcome == OUTCOME_OK)
        rounds_keys_note_wrapped(shard);
    envelope_free(reply->reply.settings);
    rounds_wait_ms(shard, ROUND_CALL_PACE_MS);
}

/* INT64_MAX: never. */
int64_t rounds_keys_due_ms(const struct shard *shard)
{
    if (shard->engine->ports.vault.wrapped_by == NULL || shard->rounds.keys_done)
        return INT64_MAX;
    return shard->rounds.keys_due_boot_ms;
}
