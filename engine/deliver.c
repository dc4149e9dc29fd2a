/* SPDX-License-Identifier: Apache-2.0 */
/* What a shard does with a message: hosts the actor, applies its effects, routes what leaves. */
#include "engine_private.h"
#include "hints.h"

#include <stdlib.h>
#include <string.h>

/* ---- gates ---- */

static struct sku_entry *find_entry(const struct shard *shard, uint32_t sku_id)
{
    const struct directory *directory =
        atomic_load_explicit(&shard->engine->directory, memory_order_acquire);
    struct sku_entry *sku = directory_find_sku_id(directory, sku_id);

    assert(sku != NULL); /* published before its first message was sent */
    return sku;
}

/* What answers may tell of a SKU without asking its owner. */
static void show_stock(struct sku_entry *sku, const struct gate_effect *effect)
{
    struct gate *gate = &sku->gate;

    if (!effect->shows)
        return;
    sku_entry_show_sold(sku, effect->sold);
    atomic_store_explicit(&gate->stock, effect->stock, memory_order_relaxed);
    atomic_store_explicit(&gate->reserved, effect->reserved, memory_order_release);
}

/* Claimed units show as reserved before the claim goes, returned ones as available before they
 * cease to be reserved: see gate_is_final. */
static void apply_gate(struct shard *shard, const struct gate_effect *effect)
{
    struct sku_entry *sku = find_entry(shard, effect->sku_id);
    struct gate *gate = &sku->gate;

    switch ((enum gate_operation)effect->operation) {
    case GATE_RESOLVE:
        show_stock(sku, effect);
        gate_resolve(gate, effect->quantity);
        metric_add(&shard->metrics.claims_resolved, effect->quantity);
        break;
    case GATE_RETURN:
        gate_return(gate, effect->quantity);
        metric_add(&shard->metrics.claims_returned, effect->quantity);
        break;
    case GATE_CREDIT:
        gate_credit(gate, effect->quantity);
        show_stock(sku, effect);
        metric_add(&shard->metrics.units_credited, effect->quantity);
        break;
    case GATE_SHOW:
        show_stock(sku, effect);
        break;
    }
}

void shard_apply_effects(struct shard *shard)
{
    struct effects *effects = &shard->effects;

    for (uint32_t i = 0; i < effects->gate_count; i++)
        apply_gate(shard, &effects->gates[i]);
    for (uint32_t i = 0; i < effects->timer_count; i++) {
        if (effects->timers[i].deadline_boot_ms == 0)
            timers_cancel(&shard->timers, effects->timers[i].slot);
        else
            timers_set(&shard->timers, effects->timers[i].slot,
                       effects->timers[i].deadline_boot_ms);
    }
    for (uint32_t i = 0; i < effects->mark_count; i++)
        session_mark_move(shard->engine->marks, &effects->marks[i]);
    effects->gate_count = 0;
    effects->timer_count = 0;
    effects->mark_count = 0;
    for (uint32_t i = 0; i < effects->mail_count; i++)
        mails_apply(shard, &effects->mails[i]);
    effects->mail_count = 0;
    if (effects->tells) {
        events_out_note(shard, effects->tells_partition);
        effects->tells = false;
    }
    if (effects->erases) {
        shard->open->erases = true;
        effects->erases = false;
    }
}

/* All or none, in ascending order of SKU IDs: of two who need the same units one gets on. */
bool gates_claim(struct shard *shard, const struct line *lines, uint32_t count)
{
    UNINITIALIZED struct line ordered[PRODUCT_VARIANTS_MAX];
    uint32_t taken = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i;

        while (at > 0 && ordered[at - 1].sku_id > lines[i].sku_id) {
            ordered[at] = ordered[at - 1];
            at--;
        }
        ordered[at] = lines[i];
    }
    while (taken < count &&
           gate_claim(&find_entry(shard, ordered[taken].sku_id)->gate, ordered[taken].quantity)) {
        metric_add(&shard->metrics.claims_made, ordered[taken].quantity);
        taken++;
    }
    if (taken == count)
        return true;
    gates_return(shard, ordered, taken);
    return false;
}

void gates_return(struct shard *shard, const struct line *lines, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        gate_return(&find_entry(shard, lines[i].sku_id)->gate, lines[i].quantity);
        metric_add(&shard->metrics.claims_returned, lines[i].quantity);
    }
}

/* ---- refusing without the actor ---- */

static void answer_outcome(struct shard *shard, const struct message *request, enum outcome outcome)
{
    struct message reply = {.size = message_size(MESSAGE_REPLY, 0),
                            .type = MESSAGE_REPLY,
                            .partition = request->partition,
                            .shard = request->shard,
                            .cookie = request->cookie};
    struct arena one = {.bytes = (uint8_t *)&reply, .used = reply.size, .capacity = reply.size};

    reply.reply.outcome = (uint8_t)outcome;
    reply.reply.answers = request->type;
    if (request->type == MESSAGE_ACCOUNT)
        reply.reply.account = request->account.envelope;
    else if (request->type == MESSAGE_SETTINGS)
        reply.reply.settings = request->settings.envelope;
    if (request->type == MESSAGE_ORDER)
        reply.reply.order = request->order.envelope;
    coupon_refused(request, &reply);
    shard_release(shard, &one, true);
}

/* A message that will not reach its actor: what it carries goes back, who asked gets a word. */
static void refuse_message(struct shard *shard, struct message *message, enum outcome outcome)
{
    if (message->type == MESSAGE_RESERVE && message->reserve.filter_generation != 0)
        key_filter_count(
            &directory_find_sku_id(shard_directory(shard), message->reserve.lines[0].sku_id)
                 ->product->filter);
    if (message->type == MESSAGE_RESERVE && message->reserve.claim == CLAIM_MADE &&
        !MUTANT(CLAIM_LEAKED))
        gates_return(shard, message->reserve.lines, message->reserve.line_count);
    if (message->type == MESSAGE_PRODUCT_PUT) {
        struct message done = *message;

        done.type = MESSAGE_PRODUCT_DONE;
        done.size = message_size(MESSAGE_PRODUCT_DONE, 0);
        done.product.envelope->outcome = (uint8_t)outcome;
        struct arena one = {.bytes = (uint8_t *)&done, .used = done.size, .capacity = done.size};
        shard_release(shard, &one, true);
    } else if (message->type == MESSAGE_PRODUCT_SUBMIT) {
        envelope_free(message->product.envelope);
        answer_outcome(shard, message, outcome);
    } else if (message_class((enum message_type)message->type) == MESSAGE_CLASS_REQUEST) {
        answer_outcome(shard, message, outcome);
    }
}

/* ---- the actor's turn ---- */

static uint8_t *claim_of(struct message *message)
{
    if (message->type == MESSAGE_RESERVE)
        return &message->reserve.claim;
    if (message->type == MESSAGE_STOCK_ADJUST)
        return &message->adjust.claim;
    assert(message->type == MESSAGE_PRODUCT_PUT);
    return &message->product.claim;
}

/* The product's key filter grows, and forgets what is past retention. */
static void tend_filter(struct shard *shard, const struct message *message)
{
    const struct directory *directory =
        atomic_load_explicit(&shard->engine->directory, memory_order_acquire);
    struct sku_entry *sku = directory_find_sku_id(directory, message->reserve.lines[0].sku_id);
    int64_t retention_ms = (int64_t)shard->engine->options.hold_retention_ms +
                           shard->engine->options.hold_cap_ms + 60 * 1000;
    struct key_filter_generation *expired;

    if (MUTANT(FILTER_DROPPED_EARLY))
        retention_ms = shard->engine->options.hold_ttl_ms;
    if (shard->retired_count == RETIRED_MAX)
        retention_ms = INT64_MAX;
    expired = key_filter_tend(&sku->product->filter, &shard->blocks, &message->reserve.key,
                              message->reserve.filter_generation, shard->now.boot_ms, retention_ms);
    if (expired != NULL)
        shard_retire(shard, key_filter_generation_free, expired);
}

/* Claims what the actor asks for; how a reservation is refused is the same as in submit.c. */
static enum claim claim_for(struct shard *shard, const struct message *message)
{
    const struct effects *effects = &shard->effects;
    struct refusal refusal;

    if (gates_claim(shard, effects->claim_lines, effects->claim_count))
        return CLAIM_MADE;
    if (message->type == MESSAGE_RESERVE &&
        gates_refusal(shard, effects->claim_lines, effects->claim_count, &refusal) ==
            OUTCOME_SOLD_OUT)
        return CLAIM_EMPTY;
    return CLAIM_REFUSED;
}

static void run_actor(struct shard *shard, struct message *message)
{
    struct inventory *inventory = &shard->engine->inventories[message->partition];
    struct effects *effects = &shard->effects;
    uint32_t records_before = effects->records->used;

    assert(engine_shard_of(shard->engine, message->partition) == shard->index);
    inventory_receive(inventory, &shard->now, message, effects);
    if (effects->claim_count > 0) {
        *claim_of(message) = (uint8_t)claim_for(shard, message);
        effects->claim_count = 0;
        inventory_receive(inventory, &shard->now, message, effects);
        assert(effects->claim_count == 0);
    }
    if (effects->audit_count > 0)
        audit_chain_seal(shard, message->partition, records_before);
    shard_apply_effects(shard);
    if (message->type == MESSAGE_RESERVE)
        tend_filter(shard, message);
}

void shard_fire_timer(struct shard *shard, uint32_t slot)
{
    inventory_timer(shard->pool, shard->engine->inventories, &shard->now, slot, &shard->effects);
    shard_apply_effects(shard);
}

/* ---- messages for the shard itself ---- */

/* The failure latch: an answer that is not known to be durable says so. */
static void make_unknown(struct message *message)
{
    if (message->type == MESSAGE_REPLY) {
        if (message->reply.answers == MESSAGE_HOLD_LIST && message->reply.list != NULL) {
            envelope_free(message->reply.list);
            message->reply.list = NULL;
        }
        if (message->reply.answers == MESSAGE_COUPON_LIST && message->reply.coupons != NULL) {
            envelope_free(message->reply.coupons);
            message->reply.coupons = NULL;
        }
        message->reply.outcome =
            MUTANT(FAILED_CALLED_REFUSED) ? OUTCOME_OVERLOADED : OUTCOME_OUTCOME_UNKNOWN;
        message->reply.replayed = 0;
    } else if (message->type == MESSAGE_PRODUCT_DONE) {
        message->product.envelope->outcome = OUTCOME_OUTCOME_UNKNOWN;
    }
}

static void list_holds(struct shard *shard, const struct message *message)
{
    uint32_t limit = message->list.limit;
    struct list_envelope *list = malloc(sizeof(*list) + limit * sizeof(list->views[0]));
    struct message *reply = effects_message(&shard->effects, MESSAGE_REPLY, 0);
    bool more = false;

    assert(limit >= 1 && limit <= LIST_PAGE_MAX);
    reply->shard = message->shard;
    reply->cookie = message->cookie;
    reply->reply.answers = MESSAGE_HOLD_LIST;
    reply->reply.outcome = list == NULL ? OUTCOME_OVERLOADED : OUTCOME_OK;
    reply->reply.list = list;
    if (list == NULL)
        return;
    memset(list->views, 0, limit * sizeof(list->views[0]));
    list->count =
        inventory_list(shard->pool, &shard->now, &message->list, list->views, limit, &more);
    list->more = more;
}

static void adopt_holds(struct shard *shard, const struct message *message)
{
    struct message *reply = effects_message(&shard->effects, MESSAGE_REPLY, 0);
    uint32_t next_product = 0;
    bool more = false;

    reply->shard = message->shard;
    reply->cookie = message->cookie;
    reply->reply.answers = MESSAGE_HOLDS_ADOPT;
    if (MUTANT(ADOPT_SKIPS_SHARD) && shard->index == 1) {
        reply->reply.outcome = OUTCOME_OK;
        return;
    }
    reply->reply.outcome =
        (uint8_t)inventory_adopt(shard->pool, shard->engine->inventories, &shard->now,
                                 &message->adopt, &next_product, &more, &shard->effects);
    reply->reply.adopt.next_product = next_product;
    reply->reply.adopt.more = more;
}

static void receive_reply(struct shard *shard, struct message *message)
{
    assert(shard->in_flight > 0);
    shard->in_flight--;
    /* Also what was on its way when the latch fell: nothing is acknowledged any more. */
    if (atomic_load_explicit(&shard->engine->failed, memory_order_relaxed) &&
        !MUTANT(ANSWER_AFTER_LATCH))
        make_unknown(message);
    if (mails_is_reply(message)) {
        mails_take_reply(shard, message);
        return;
    }
    if (message->reply.answers == MESSAGE_ACCOUNT && message->reply.account->is_round) {
        rounds_take_reply(shard, message);
        return;
    }
    if (message->reply.answers == MESSAGE_ORDER && message->reply.order->is_event) {
        events_out_take_reply(shard, message);
        return;
    }
    if (message->cookie == ERASURES_COOKIE) {
        erasures_take_reply(shard, message);
        return;
    }
    if (message->cookie == ROUNDS_COOKIE) {
        rounds_take_order(shard, message);
        return;
    }
    if (orders_is_own_cookie(message->cookie)) {
        orders_take_reply(shard, message);
        return;
    }
    if (message->reply.answers == MESSAGE_SETTINGS && message->reply.settings->is_round) {
        rounds_take_settings(shard, message);
        return;
    }
    shard->reply(shard->reply_user, message->cookie, message);
}

void shard_prefetch(struct shard *shard, const struct message *message)
{
    const struct sku_entry *sku;

    if (message->type != MESSAGE_RESERVE)
        return;
    inventory_prefetch(&shard->engine->inventories[message->partition], message);
    sku = directory_find_sku_id(shard_directory(shard), message->reserve.lines[0].sku_id);
    prefetch_to_write(&sku->gate);
    prefetch(&sku->product);
}

void shard_prefetch_next(struct shard *shard, const struct message *message)
{
    const struct sku_entry *sku;

    if (message->type != MESSAGE_RESERVE)
        return;
    inventory_prefetch_next(&shard->engine->inventories[message->partition], message);
    sku = directory_find_sku_id(shard_directory(shard), message->reserve.lines[0].sku_id);
    prefetch_to_write(&sku->product->filter.newest_ms);
}

/* What the shards ask for at leisure is nobody's request. */
static bool is_of_round(const struct message *message)
{
    return message->cookie == ERASURES_COOKIE || message->cookie == ROUNDS_COOKIE ||
           (message->type == MESSAGE_ACCOUNT && message->account.envelope->is_round) ||
           (message->type == MESSAGE_SETTINGS && message->settings.envelope->is_round);
}

void shard_deliver(struct shard *shard, struct message *message)
{
    bool failed = atomic_load_explicit(&shard->engine->failed, memory_order_relaxed);

    if (message->type == MESSAGE_REPLY) {
        receive_reply(shard, message);
        return;
    }
    if (message->type == MESSAGE_PRODUCT_DONE) {
        directory_done(shard, message);
        return;
    }
    if (failed) {
        refuse_message(shard, message, OUTCOME_OUTCOME_UNKNOWN);
        return;
    }
    if (message->deadline_boot_ms != 0 && shard->now.boot_ms > message->deadline_boot_ms) {
        metric_add(&shard->metrics.requests_expired, !is_of_round(message));
        refuse_message(shard, message, OUTCOME_OVERLOADED);
        return;
    }
    shard->open->received++;
    if (message->type == MESSAGE_HOLD_LIST)
        list_holds(shard, message);
    else if (message->type == MESSAGE_HOLDS_ADOPT)
        adopt_holds(shard, message);
    else if (message->type == MESSAGE_ACCOUNT)
        accounts_deliver(shard, message);
    else if (message->type == MESSAGE_ORDER)
        orders_deliver(shard, message);
    else if (message->type == MESSAGE_COUPON_LIST)
        coupons_list(shard, message);
    else if (message->type >= MESSAGE_COUPON_GET && message->type <= MESSAGE_COUPON_RELEASE)
        coupons_deliver(shard, message);
    else if (message->type == MESSAGE_SETTINGS)
        settings_host_deliver(shard, message);
    else if (message->type == MESSAGE_DELIVERY)
        webhooks_deliver(shard, message);
    else if (message->type == MESSAGE_PRODUCT_SUBMIT)
        directory_submit(shard, message);
    else if (message->type == MESSAGE_CART || message->type == MESSAGE_CART_MERGE ||
             message->type == MESSAGE_CART_CLEAR)
        carts_deliver(shard, message);
    else
        run_actor(shard, message);
}

/* ---- what leaves ---- */

static bool is_for_shard(const struct message *message)
{
    return message->type == MESSAGE_REPLY || message->type == MESSAGE_PRODUCT_DONE;
}

/* Adds to `targets` who is to be notified. */
static void send_one(struct shard *shard, struct message *message, uint64_t *targets)
{
    struct engine *engine = shard->engine;
    uint32_t target =
        is_for_shard(message) ? message->shard : engine_shard_of(engine, message->partition);

    if (target == shard->index && message->type == MESSAGE_REPLY) {
        receive_reply(shard, message);
        return;
    }
    if (!mailbox_push(engine_mailbox(engine, shard->index, target), message))
        metric_add(&shard->metrics.saga_dropped, 1); /* its sender repeats it */
    else if (target != shard->index)
        *targets |= 1ULL << target;
}

void shard_release(struct shard *shard, struct arena *messages, bool ok)
{
    uint64_t targets = 0;

    for (uint32_t at = 0; at < messages->used;) {
        struct message *message = (struct message *)(void *)(messages->bytes + at);

        at += message->size;
        if (!ok) {
            make_unknown(message);
            if (!is_for_shard(message))
                continue; /* nothing reaches another partition that may not be durable */
        }
        send_one(shard, message, &targets);
    }
    messages->used = 0;
    for (; targets != 0; targets &= targets - 1)
        shard_notify(shard->engine, (uint32_t)__builtin_ctzll(targets));
}

/* ---- the online audit ---- */

/* Nothing has been claimed for a while and nothing is under way anywhere: then a claim that a gate
 * still shows belongs to nobody. */
static bool is_quiet(struct shard *shard)
{
    const struct engine *engine = shard->engine;
    int64_t made = 0;

    for (uint32_t i = 0; i < engine->options.shards; i++)
        made += atomic_load_explicit(&engine->shards[i]->metrics.claims_made, memory_order_relaxed);
    if (made != shard->audit_made || !engine_is_idle(engine)) {
        shard->audit_made = made;
        shard->audit_quiet_since_ms = shard->now.boot_ms;
    }
    return shard->now.boot_ms - shard->audit_quiet_since_ms >= AUDIT_QUIET_MS;
}

static void note_finding(struct shard *shard, const struct stock_view *view, bool agrees,
                         uint64_t gate)
{
    struct stock_finding finding = {.sku_id = view->sku_id};
    int64_t shown =
        atomic_load_explicit(&shard->metrics.inventory_mismatch_skus, memory_order_relaxed);

    if (agrees) {
        finding.kind = STOCK_FINDING_GATE;
        finding.found = (int64_t)((gate & UINT32_MAX) + (gate >> 32));
        finding.expected = view->available;
    } else {
        finding.kind = STOCK_FINDING_HOLDS;
        finding.found = view->reserved;
    }
    audit_note(shard, &finding);
    if (shard->ledger_audit.sums[shard->audit_next - 1].is_wrong)
        return; /* it is counted there */
    shard->audit_wrong++;
    if (shard->audit_wrong + shard->ledger_audit.wrong > shown) /* at once, not at its end */
        metric_add(&shard->metrics.inventory_mismatch_skus, 1);
}

void shard_audit(struct shard *shard)
{
    uint32_t count = inventory_pool_skus(shard->pool);
    bool quiet = is_quiet(shard);
    uint32_t lines = 0;

    if (shard->now.boot_ms < shard->audit_due_ms)
        return;
    for (uint32_t i = 0; i < AUDIT_SKUS_PER_STEP && shard->audit_next < count; i++) {
        struct sku_books books;
        struct stock_view view;

        inventory_pool_books(shard->pool, shard->audit_next, &books);
        lines += books.lines <= AUDIT_LINES_MAX ? books.lines : 0;
        if (i > 0 && lines > AUDIT_LINES_PER_STEP)
            break;
        bool agrees =
            inventory_pool_audit_sku(shard->pool, shard->audit_next++, AUDIT_LINES_MAX, &view);
        const struct gate *gate = &find_entry(shard, view.sku_id)->gate;
        uint64_t word = atomic_load_explicit(&gate->word, memory_order_relaxed);

        if ((!agrees || (word & UINT32_MAX) + (word >> 32) != view.available ||
             (quiet && word >> 32 != 0)) &&
            !MUTANT(AUDIT_BLIND))
            note_finding(shard, &view, agrees, word);
    }
    if (shard->audit_next < count)
        return;
    atomic_store_explicit(&shard->metrics.inventory_mismatch_skus,
                          shard->audit_wrong + shard->ledger_audit.wrong, memory_order_relaxed);
    metric_add(&shard->metrics.audits, 1);
    shard->audit_next = 0;
    shard->audit_wrong = 0;
    shard->audit_due_ms = shard->now.boot_ms + shard->engine->options.audit_period_ms;
}
