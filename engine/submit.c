/* SPDX-License-Identifier: Apache-2.0 */
/* engine_submit: what every command passes before it costs anybody else anything. For a
 * reservation, in this order, each step refusing more cheaply than the next:
 *
 *   mode, bounds -> directory -> key filter -> gate (the claim) -> mailbox
 *
 * A repeated key is sent to the owner without a claim; so is one that turns out to have claimed
 * meanwhile. A claim that cannot be sent goes back at once. */
#include "engine_private.h"
#include "hints.h"

#include <string.h>

/* ---- sending ---- */

/* What orders ask has room of its own: the calls that wait for that may have taken all other. */
static bool has_room_for_answer(const struct shard *shard, uint64_t cookie)
{
    uint32_t own = shard->orders.in_flight;

    return orders_is_own_cookie(cookie)
               ? own < ORDER_ASKS_MAX
               : shard->in_flight - own < shard->engine->options.requests_max;
}

struct message *begin_request(struct shard *shard, uint32_t target, enum message_type type,
                              uint32_t lines, uint64_t cookie)
{
    struct engine *engine = shard->engine;
    struct message *message =
        mailbox_begin(engine_mailbox(engine, shard->index, target), MESSAGE_CLASS_REQUEST);

    if (message == NULL || !has_room_for_answer(shard, cookie)) {
        metric_add(&shard->metrics.requests_overloaded, 1);
        return NULL;
    }
    memset(message, 0, message_size(type, lines));
    message->size = message_size(type, lines);
    message->type = (uint8_t)type;
    message->shard = (uint16_t)shard->index;
    message->cookie = cookie;
    if (shard->has_slept &&
        !MUTANT(AGE_FROM_BEFORE_SLEEP)) { /* the turn's time is from before that */
        shard->now = engine_now(engine);
        shard->has_slept = false;
    }
    message->deadline_boot_ms = shard->now.boot_ms + engine->options.request_timeout_ms;
    return message;
}

enum outcome send_request(struct shard *shard, uint32_t target)
{
    mailbox_commit(engine_mailbox(shard->engine, shard->index, target));
    shard->in_flight++;
    metric_add(&shard->metrics.requests_submitted, 1);
    atomic_store_explicit(&shard->idle, false, memory_order_relaxed);
    if (target != shard->index)
        shard_notify(shard->engine, target);
    return OUTCOME_PENDING;
}

/* ---- reservations ---- */

struct reservation {
    struct sku_entry *skus[RESERVATION_LINES_MAX];
    struct line lines[RESERVATION_LINES_MAX];
    uint32_t line_count;
    struct hash128 key;
    uint32_t other_key_count;
    struct hash128 other_keys[ACCOUNT_ALIASES_MAX];
    uint64_t fingerprint;
    uint16_t filter_generation; /* 0: the key's bits were not set for it */
    bool is_withdrawn;          /* one of the SKUs: only a key that had its effect is answered */
};

/* Equal SKUs are summed, so that two lines of one cart can't both be promised the same units. */
static enum outcome resolve_lines(const struct directory *directory, const struct command *command,
                                  struct reservation *reservation, struct refusal *refusal)
{
    assert(command->reserve.line_count >= 1 &&
           command->reserve.line_count <= RESERVATION_LINES_MAX);
    for (uint32_t i = 0; i < command->reserve.line_count; i++) {
        const struct command_line *asked = &command->reserve.lines[i];
        struct sku_entry *sku =
            directory_find_sku_recorded(directory, asked->sku.text, asked->sku.length);
        uint32_t at = 0;

        if (sku != NULL) {
            prefetch(&sku->gate);
            prefetch(sku->product);
        }
        assert(asked->quantity >= 1 && asked->quantity <= QUANTITY_MAX);
        if (sku == NULL) {
            refusal->line = i;
            return OUTCOME_NOT_FOUND;
        }
        if (!sku_entry_is_on_sale(sku) && !reservation->is_withdrawn) {
            reservation->is_withdrawn = true;
            refusal->line = i;
        }
        while (at < reservation->line_count &&
               (reservation->lines[at].sku_id != sku->sku_id || MUTANT(LINES_NOT_SUMMED)))
            at++;
        if (at == reservation->line_count) {
            reservation->skus[at] = sku;
            reservation->lines[at] = (struct line){.sku_id = sku->sku_id};
            reservation->line_count++;
        }
        reservation->lines[at].quantity += asked->quantity;
    }
    return OUTCOME_OK;
}

static uint64_t fingerprint_of(const struct engine *engine, struct slice body)
{
    return hash_bytes(&engine->ports.secrets.key_key, body.text, body.length);
}

/* Scope of a key: principal, the call, the first product (api.md). */
static struct hash128 key_of(const struct engine *engine, const struct command *command,
                             const struct sku_entry *sku, struct slice key)
{
    struct key_scope {
        struct principal principal;
        uint32_t call;
        uint32_t partition;
        uint32_t product;
        char key[IDEMPOTENCY_KEY_LENGTH_MAX];
    };
    UNINITIALIZED struct key_scope scope;

    scope.principal = command->principal;
    scope.call = command->type;
    scope.partition = sku_id_partition(sku->sku_id);
    scope.product = MUTANT(KEY_WITHOUT_PRODUCT) ? 0 : sku->product_number;
    assert(key.length >= 1 && key.length <= IDEMPOTENCY_KEY_LENGTH_MAX);
    memcpy(scope.key, key.text, key.length);
    return hash_bytes_128(&engine->ports.secrets.key_key, &scope,
                          offsetof(struct key_scope, key) + key.length);
}

/* A key that the customer used as a guest is theirs still. The filter may take a key for known that
 * is not, the customer's own too: which one has had its effect, if any, the owner finds out. */
static void find_alias_keys(const struct engine *engine, const struct command *command,
                            struct reservation *reservation)
{
    const struct key_filter *filter = &reservation->skus[0]->product->filter;
    uint32_t keys_max = reserve_keys_max(reservation->line_count);
    struct command as_guest = *command;

    if (MUTANT(ALIAS_KEYS_IGNORED))
        return;
    assert(command->alias_count <= ACCOUNT_ALIASES_MAX);
    for (uint32_t i = 0; i < command->alias_count; i++) {
        struct hash128 key;

        as_guest.principal = command->aliases[i];
        key = key_of(engine, &as_guest, reservation->skus[0], command->reserve.key);
        if (key_filter_test(filter, &key) && reservation->other_key_count < keys_max)
            reservation->other_keys[reservation->other_key_count++] = key;
    }
}

static bool gates_have(const struct reservation *reservation)
{
    for (uint32_t i = 0; i < reservation->line_count; i++)
        if (!gate_has(&reservation->skus[i]->gate,
                      reservation->lines[i].quantity - MUTANT(CLAIM_OFF_BY_ONE)))
            return false;
    return true;
}

static bool claim(struct shard *shard, const struct reservation *reservation)
{
    if (reservation->line_count > 1)
        return gates_claim(shard, reservation->lines, reservation->line_count);
    if (!gate_claim(&reservation->skus[0]->gate, reservation->lines[0].quantity))
        return false;
    metric_add(&shard->metrics.claims_made, reservation->lines[0].quantity);
    return true;
}

/* Decides between a claim, the owner without a claim, and a refusal. */
static enum outcome claim_or_refuse(struct shard *shard, struct reservation *reservation,
                                    enum claim *claim_out)
{
    struct key_filter *filter = &reservation->skus[0]->product->filter;
    const struct journal_port *journal = &shard->engine->ports.journal;
    bool is_full = journal->is_full(journal->self);
    uint16_t generation;

    reservation->filter_generation = 0;
    if (is_full || reservation->is_withdrawn) {
        *claim_out = is_full && !MUTANT(FULL_TAKES_HOLDS) ? CLAIM_BARRED : CLAIM_NONE;
        if (key_filter_test(filter, &reservation->key) || reservation->other_key_count > 0)
            return OUTCOME_OK;
        return reservation->is_withdrawn ? OUTCOME_NOT_FOUND : OUTCOME_STORAGE_FULL;
    }
    *claim_out = CLAIM_NONE;
    if (!MUTANT(KEY_FILTER_SKIPPED)) {
        if (key_filter_test(filter, &reservation->key))
            return OUTCOME_OK;
        if (reservation->other_key_count > 0) { /* the owner may have to claim for its own key */
            if (!key_filter_set(filter, &reservation->key, &generation))
                reservation->filter_generation = generation;
            return OUTCOME_OK;
        }
        if (!gates_have(reservation)) /* the last unit may have gone to this very key: see gate.h */
            return key_filter_test(filter, &reservation->key) ? OUTCOME_OK : OUTCOME_SOLD_OUT;
        if (key_filter_set(filter, &reservation->key, &generation))
            return OUTCOME_OK; /* set a moment ago by the same key, or by chance */
        reservation->filter_generation = generation;
    }
    if (claim(shard, reservation))
        *claim_out = CLAIM_MADE;
    else if (MUTANT(KEY_FILTER_SKIPPED))
        return OUTCOME_SOLD_OUT;
    /* Lost in a race: two copies of one key may each have set it, in the generations before and
     * after the filter grew, and the other won. So the owner, who knows the key or does not,
     * decides. */
    return OUTCOME_OK;
}

enum outcome gates_refusal(struct shard *shard, const struct line *lines, uint32_t line_count,
                           struct refusal *refusal_out)
{
    engine_refusal_describe(shard, lines, line_count, refusal_out);
    return line_count == 1 && refusal_out->available == 0 ? OUTCOME_SOLD_OUT
                                                          : OUTCOME_INSUFFICIENT_STOCK;
}

static enum outcome submit_reserve(struct shard *shard, const struct command *command,
                                   uint64_t cookie, struct refusal *refusal)
{
    struct engine *engine = shard->engine;
    UNINITIALIZED struct reservation reservation;
    enum claim claim = CLAIM_NONE;
    struct message *message;
    enum outcome outcome;
    uint32_t target;

    reservation.line_count = 0; /* the rest is filled as far as it is used */
    reservation.other_key_count = 0;
    reservation.is_withdrawn = false;
    outcome = resolve_lines(shard_directory(shard), command, &reservation, refusal);
    if (outcome != OUTCOME_OK)
        return outcome;
    /* While the one is hashed, memory is on its way: first the product, then the filter's word. */
    reservation.key = key_of(engine, command, reservation.skus[0], command->reserve.key);
    key_filter_prefetch(&reservation.skus[0]->product->filter, &reservation.key,
                        gate_available(&reservation.skus[0]->gate) > 0);
    if (command->alias_count > 0)
        find_alias_keys(engine, command, &reservation);
    reservation.fingerprint = fingerprint_of(engine, command->reserve.body);
    outcome = claim_or_refuse(shard, &reservation, &claim);
    if (outcome == OUTCOME_SOLD_OUT) {
        metric_add(&shard->metrics.requests_refused_gate, 1);
        return gates_refusal(shard, reservation.lines, reservation.line_count, refusal);
    }
    if (outcome != OUTCOME_OK)
        return outcome;
    target = engine_shard_of(engine, sku_id_partition(reservation.skus[0]->sku_id));
    message = begin_request(shard, target, MESSAGE_RESERVE,
                            reservation.line_count + 2 * reservation.other_key_count, cookie);
    if (message == NULL) {
        if (claim == CLAIM_MADE && !MUTANT(CLAIM_LEAKED))
            gates_return(shard, reservation.lines, reservation.line_count);
        if (reservation.filter_generation != 0)
            key_filter_count(&reservation.skus[0]->product->filter);
        return OUTCOME_OVERLOADED;
    }
    message->partition = (uint16_t)sku_id_partition(reservation.skus[0]->sku_id);
    message->reserve.key = reservation.key;
    message->reserve.fingerprint = reservation.fingerprint;
    message->reserve.principal = command->principal;
    message->reserve.claim = (uint8_t)claim;
    message->reserve.filter_generation = reservation.filter_generation;
    message->reserve.line_count = (uint8_t)reservation.line_count;
    memcpy(message->reserve.lines, reservation.lines,
           reservation.line_count * sizeof(reservation.lines[0]));
    message->reserve.other_key_count = reservation.other_key_count;
    for (uint32_t i = 0; i < reservation.other_key_count; i++)
        reserve_set_key(&message->reserve, i, &reservation.other_keys[i]);
    return send_request(shard, target);
}

void engine_refusal_describe(struct shard *shard, const struct line *lines, uint32_t line_count,
                             struct refusal *refusal_out)
{
    const struct directory *directory = shard_directory(shard);

    *refusal_out = (struct refusal){.line_count = line_count, .final = true};
    for (uint32_t i = 0; i < line_count; i++) {
        const struct gate *gate = &directory_find_sku_id(directory, lines[i].sku_id)->gate;
        uint32_t reserved = atomic_load_explicit(&gate->reserved, memory_order_relaxed);

        uint32_t available = gate_available(gate);

        /* Of one line we know that it was refused: units that came back since are not told of. */
        if (line_count == 1 && available >= lines[i].quantity)
            available = lines[i].quantity - 1;
        refusal_out->line_available[i] = available;
        if (i == 0) {
            refusal_out->available = available;
            refusal_out->reserved = reserved + gate_claimed(gate);
        }
        refusal_out->final = refusal_out->final && gate_is_final(gate);
    }
}

/* ---- the other commands ---- */

static enum outcome submit_hold(struct shard *shard, const struct command *command, uint64_t cookie)
{
    static const enum message_type types[] = {
        [COMMAND_HOLD_GET] = MESSAGE_HOLD_GET,       [COMMAND_HOLD_RELEASE] = MESSAGE_HOLD_RELEASE,
        [COMMAND_HOLD_EXTEND] = MESSAGE_HOLD_EXTEND, [COMMAND_HOLD_CONVERT] = MESSAGE_HOLD_CONVERT,
        [COMMAND_HOLD_BIND] = MESSAGE_HOLD_BIND,     [COMMAND_HOLD_UNBIND] = MESSAGE_HOLD_UNBIND,
        [COMMAND_HOLD_PIN] = MESSAGE_HOLD_PIN,
    };
    bool is_orders = command->authority == AUTHORITY_ORDER;
    struct engine *engine = shard->engine;
    struct reservation_id id;
    struct message *message;
    uint32_t target;

    if (is_orders)
        id = command->hold.id;
    else if (!reservation_id_parse(command->reservation_id.text, command->reservation_id.length,
                                   &engine->ports.secrets.id_key, &id))
        return OUTCOME_NOT_FOUND;
    if (id.partition >= engine->options.partitions)
        return OUTCOME_NOT_FOUND;
    target = engine_shard_of(engine, id.partition);
    message = begin_request(shard, target, types[command->type], 0, cookie);
    if (message == NULL)
        return OUTCOME_OVERLOADED;
    message->partition = (uint16_t)id.partition;
    message->hold.sequence = id.sequence;
    message->hold.created_wall_ms = id.created_ms;
    if (command->type == COMMAND_HOLD_EXTEND && command->key.length > 0)
        message->hold.key =
            hash_bytes(&engine->ports.secrets.key_key, command->key.text, command->key.length) | 1;
    if (is_orders)
        message->hold.order = command->hold.order;
    message->hold.principal = command->principal;
    message->hold.authority = (uint8_t)command->authority;
    if (command->authority == AUTHORITY_STAFF)
        message->hold.origin = command->origin;
    return send_request(shard, target);
}

static enum outcome submit_stock(struct shard *shard, const struct command *command,
                                 uint64_t cookie)
{
    bool adjust = command->type == COMMAND_STOCK_ADJUST;
    struct sku_entry *sku = directory_find_sku_recorded(
        shard_directory(shard), command->stock.sku.text, command->stock.sku.length);
    struct message *message;
    uint32_t target;

    if (sku == NULL)
        return OUTCOME_NOT_FOUND;
    target = engine_shard_of(shard->engine, sku->product->partition);
    message =
        begin_request(shard, target, adjust ? MESSAGE_STOCK_ADJUST : MESSAGE_STOCK_GET, 0, cookie);
    if (message == NULL)
        return OUTCOME_OVERLOADED;
    message->partition = (uint16_t)sku->product->partition;
    if (adjust) {
        assert(command->stock.reason.length <= REASON_LENGTH_MAX);
        message->adjust.sku_id = sku->sku_id;
        message->adjust.is_set = command->stock.is_set;
        message->adjust.value = command->stock.value;
        message->adjust.origin = command->origin;
        memcpy(message->adjust.reason, command->stock.reason.text, command->stock.reason.length);
        if (command->stock.key.length > 0) {
            message->adjust.has_key = 1;
            message->adjust.key = key_of(shard->engine, command, sku, command->stock.key);
            message->adjust.fingerprint = fingerprint_of(shard->engine, command->stock.body);
        }
    } else {
        message->stock.sku_id = sku->sku_id;
    }
    return send_request(shard, target);
}

static enum outcome submit_product(struct shard *shard, const struct command *command,
                                   uint64_t cookie)
{
    struct message *message =
        begin_request(shard, DIRECTORY_SHARD, MESSAGE_PRODUCT_SUBMIT, 0, cookie);

    if (message == NULL)
        return OUTCOME_OVERLOADED;
    assert(command->product->variant_count >= 1 &&
           command->product->variant_count <= PRODUCT_VARIANTS_MAX);
    command->product->origin = command->origin;
    message->product.envelope = command->product;
    return send_request(shard, DIRECTORY_SHARD);
}

static enum outcome submit_list(struct shard *shard, const struct command *command, uint64_t cookie)
{
    struct message *message;

    assert(command->list.shard < shard->engine->options.shards);
    message = begin_request(shard, command->list.shard, MESSAGE_HOLD_LIST, 0, cookie);
    if (message == NULL)
        return OUTCOME_OVERLOADED;
    message->list = command->list.body;
    return send_request(shard, command->list.shard);
}

static enum outcome submit_adopt(struct shard *shard, const struct command *command,
                                 uint64_t cookie)
{
    struct message *message;

    assert(command->adopt.shard < shard->engine->options.shards);
    message = begin_request(shard, command->adopt.shard, MESSAGE_HOLDS_ADOPT, 0, cookie);
    if (message == NULL)
        return OUTCOME_OVERLOADED;
    message->adopt = command->adopt.body;
    return send_request(shard, command->adopt.shard);
}

static enum outcome submit_account(struct shard *shard, const struct command *command,
                                   uint64_t cookie)
{
    struct engine *engine = shard->engine;
    struct record_place place;
    struct message *message;
    uint32_t target;

    if (!account_place(command->account, &engine->ports.secrets.id_key, engine->options.partitions,
                       &place))
        return OUTCOME_NOT_FOUND;
    if (command->account->call == ACCOUNT_CALL_REGISTER &&
        engine->ports.journal.is_full(engine->ports.journal.self))
        return OUTCOME_STORAGE_FULL;
    target = engine_shard_of(engine, place.partition);
    message = begin_request(shard, target, MESSAGE_ACCOUNT, 0, cookie);
    if (message == NULL)
        return OUTCOME_OVERLOADED;
    message->partition = (uint16_t)place.partition;
    command->account->origin = command->origin;
    message->account.envelope = command->account;
    return send_request(shard, target);
}

static enum outcome submit_settings(struct shard *shard, const struct command *command,
                                    uint64_t cookie)
{
    struct engine *engine = shard->engine;
    uint32_t target = engine_shard_of(engine, SETTINGS_PARTITION);
    struct message *message;

    if (command->settings->call == SETTINGS_CALL_CREATE &&
        engine->ports.journal.is_full(engine->ports.journal.self))
        return OUTCOME_STORAGE_FULL;
    message = begin_request(shard, target, MESSAGE_SETTINGS, 0, cookie);
    if (message == NULL)
        return OUTCOME_OVERLOADED;
    message->partition = SETTINGS_PARTITION;
    command->settings->origin = command->origin;
    message->settings.envelope = command->settings;
    return send_request(shard, target);
}

static enum outcome submit_delivery(struct shard *shard, const struct command *command,
                                    uint64_t cookie)
{
    uint32_t partition = command->delivery.partition;
    uint32_t target = engine_shard_of(shard->engine, partition);
    struct message *message;

    if (partition >= shard->engine->options.partitions)
        return OUTCOME_NOT_FOUND;
    message = begin_request(shard, target, MESSAGE_DELIVERY, 0, cookie);
    if (message == NULL)
        return OUTCOME_OVERLOADED;
    message->partition = (uint16_t)partition;
    message->delivery = command->delivery.body;
    message->delivery.origin = command->origin;
    return send_request(shard, target);
}

/* What may not be begun in this mode; when storage is full, claim_or_refuse looks further. */
static enum outcome mode_refuses(const struct engine *engine, enum command_type type)
{
    bool obliges =
        (type == COMMAND_RESERVE && !MUTANT(DRAIN_TAKES_HOLDS)) || type == COMMAND_PRODUCT_PUT;

    switch (engine_mode(engine)) {
    case ENGINE_FAILED:
        return OUTCOME_OUTCOME_UNKNOWN;
    case ENGINE_STORAGE_FULL:
        return type == COMMAND_PRODUCT_PUT && !MUTANT(FULL_TAKES_PRODUCTS) ? OUTCOME_STORAGE_FULL
                                                                           : OUTCOME_OK;
    case ENGINE_DRAINING:
        return obliges ? OUTCOME_OVERLOADED : OUTCOME_OK;
    case ENGINE_SERVING:
    default:
        return OUTCOME_OK;
    }
}

enum outcome engine_submit(struct shard *shard, const struct command *command, uint64_t cookie,
                           struct refusal *refusal_out)
{
    enum outcome outcome = mode_refuses(shard->engine, command->type);

    *refusal_out = (struct refusal){0};
    if (outcome != OUTCOME_OK)
        return outcome;
    switch (command->type) {
    case COMMAND_RESERVE:
        return submit_reserve(shard, command, cookie, refusal_out);
    case COMMAND_HOLD_GET:
    case COMMAND_HOLD_RELEASE:
    case COMMAND_HOLD_EXTEND:
    case COMMAND_HOLD_CONVERT:
    case COMMAND_HOLD_BIND:
    case COMMAND_HOLD_UNBIND:
    case COMMAND_HOLD_PIN:
        return submit_hold(shard, command, cookie);
    case COMMAND_STOCK_GET:
    case COMMAND_STOCK_ADJUST:
        return submit_stock(shard, command, cookie);
    case COMMAND_PRODUCT_PUT:
        return submit_product(shard, command, cookie);
    case COMMAND_HOLD_LIST:
        return submit_list(shard, command, cookie);
    case COMMAND_HOLDS_ADOPT:
        return submit_adopt(shard, command, cookie);
    case COMMAND_ACCOUNT:
        return submit_account(shard, command, cookie);
    case COMMAND_ORDER:
        return submit_order(shard, command, cookie);
    case COMMAND_STOCK_RESTOCK:
        return submit_restock(shard, command, cookie);
    case COMMAND_COUPON:
        return submit_coupon(shard, command, cookie);
    case COMMAND_COUPON_LIST:
        return submit_coupon_list(shard, command, cookie);
    case COMMAND_COUPON_HOLD:
        return coupon_use_send(shard, MESSAGE_COUPON_HOLD, command->coupon_use.partition,
                               &command->coupon_use.body, cookie);
    case COMMAND_COUPON_COMMIT:
        return coupon_use_send(shard, MESSAGE_COUPON_COMMIT, command->coupon_use.partition,
                               &command->coupon_use.body, cookie);
    case COMMAND_COUPON_RELEASE:
        return coupon_use_send(shard, MESSAGE_COUPON_RELEASE, command->coupon_use.partition,
                               &command->coupon_use.body, cookie);
    case COMMAND_SETTINGS:
        return submit_settings(shard, command, cookie);
    case COMMAND_DELIVERY:
        return submit_delivery(shard, command, cookie);
    case COMMAND_CART:
        return submit_cart(shard, command, cookie);
    case COMMAND_CART_MERGE:
        return submit_cart_merge(shard, command, cookie);
    case COMMAND_CART_CLEAR:
        return submit_cart_clear(shard, command, cookie);
    default:
        assert(false && "unknown command");
        return OUTCOME_NOT_FOUND;
    }
}
