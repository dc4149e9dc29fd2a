/* SPDX-License-Identifier: Apache-2.0 */
#include "cart_private.h"

struct step {
    struct cart_pool *pool;
    const struct cart_circumstances *circumstances;
    const struct moment *moment;
    const struct message *message;
    const struct principal *principal; /* whose cart it is about */
    struct effects *effects;
};

/* ---- answering and recording ---- */

static struct message *reply(const struct step *step, enum outcome outcome, uint32_t size)
{
    struct message *reply = effects_message_sized(step->effects, MESSAGE_REPLY, size);

    reply->partition = step->message->partition;
    reply->shard = step->message->shard;
    reply->cookie = step->message->cookie;
    reply->reply.answers = step->message->type;
    reply->reply.outcome = (uint8_t)outcome;
    return reply;
}

static void refuse(const struct step *step, enum outcome outcome, uint32_t limit)
{
    reply(step, outcome, message_size_cart(0))->reply.limit = limit;
}

static void answer(const struct step *step, uint32_t slot)
{
    const struct cart *cart = slot == SLOT_NONE ? NULL : &step->pool->carts[slot];
    struct message *message =
        reply(step, OUTCOME_OK, message_size_cart(cart == NULL ? 0 : cart->line_count));
    struct cart_view *view = &message->reply.cart;
    const struct cart_memory *memory;

    view->principal = *step->principal;
    if (cart == NULL)
        return;
    memory = cart_memory(step->pool, cart);
    view->created_wall_ms = cart->created_wall_ms;
    view->changed_wall_ms = cart->changed_wall_ms;
    if (memory != NULL)
        memcpy(view->orders, memory->orders, sizeof(view->orders));
    cart_copy_content(step->pool, cart, &view->content);
}

static void check(struct cart_pool *pool, struct cart *cart)
{
    assert(cart->line_count <= CART_LINES_MAX);
    assert((cart->coupon_length > 0) == (cart->coupon_block != SLOT_NONE));
    for (uint32_t i = 0; i < cart->line_count; i++) {
        const struct cart_line *line = cart_line_at(pool, cart, i);

        assert(line->quantity >= 1 && line->quantity <= QUANTITY_MAX);
        assert(cart_line_find(pool, cart, line->sku_id) == line);
    }
}

static struct record *record(const struct cart_pool *pool, const struct cart *cart,
                             uint32_t line_count, struct effects *effects)
{
    struct record_place place = record_place_of(cart->principal.bytes, pool->options->partitions);
    struct record *record = effects_record(effects, RECORD_CART, place.partition, line_count, 0);

    record->subject = place.subject;
    record->sequence = place.sequence;
    record->cart.principal = cart->principal;
    return record;
}

static void persist(const struct step *step, const struct cart *cart)
{
    const struct cart_memory *memory = cart_memory(step->pool, cart);
    struct cart_record *stored = &record(step->pool, cart, cart->line_count, step->effects)->cart;

    stored->created_wall_ms = cart->created_wall_ms;
    stored->changed_wall_ms = cart->changed_wall_ms;
    stored->by_customer = cart->by_customer;
    cart_copy_content(step->pool, cart, &stored->content);
    if (memory != NULL) {
        memcpy(stored->orders, memory->orders, sizeof(stored->orders));
        memcpy(stored->merged, memory->merged, sizeof(stored->merged));
    }
}

static void drop(struct cart_pool *pool, uint32_t slot, struct effects *effects)
{
    record(pool, &pool->carts[slot], 0, effects)->operation = RECORD_DELETE;
    cart_remove(pool, slot);
}

/* Somebody came back to it. */
static void end_idleness(struct cart_pool *pool, struct cart *cart)
{
    pool->statistics.recovered += cart->was_abandoned;
    pool->statistics.idle -= cart->was_abandoned;
    cart->was_abandoned = 0;
}

/* It was changed: recorded, and answered. */
static void finish(const struct step *step, uint32_t slot)
{
    struct cart *cart = &step->pool->carts[slot];

    end_idleness(step->pool, cart);
    cart_touch(step->pool, slot, step->moment->wall_ms);
    check(step->pool, cart);
    persist(step, cart);
    answer(step, slot);
}

/* ---- finding and beginning ---- */

static bool is_over(const struct cart_pool *pool, const struct cart *cart,
                    const struct cart_circumstances *circumstances, const struct moment *moment)
{
    return circumstances->may_expire &&
           moment->wall_ms - cart->changed_wall_ms > cart_ttl_ms(pool, cart);
}

static void expire(struct cart_pool *pool, uint32_t slot, struct effects *effects)
{
    pool->statistics.expired++;
    pool->statistics.expired_idle += pool->carts[slot].was_abandoned;
    pool->statistics.idle -= pool->carts[slot].was_abandoned;
    drop(pool, slot, effects);
}

/* The caller's cart; one whose time is over is none. */
static uint32_t find(const struct step *step)
{
    uint32_t slot = cart_find(step->pool, step->principal);

    if (slot == SLOT_NONE ||
        !is_over(step->pool, &step->pool->carts[slot], step->circumstances, step->moment))
        return slot;
    expire(step->pool, slot, step->effects);
    return SLOT_NONE;
}

/* Of all carts whose time is over the one that is over longest; otherwise none makes way. */
static bool make_room(const struct step *step)
{
    struct cart_pool *pool = step->pool;
    uint32_t found = SLOT_NONE;
    int64_t longest_ms = -1;

    for (unsigned i = 0; i < CART_LISTS; i++) {
        uint32_t slot = pool->lists[i].oldest;
        int64_t over_ms;

        if (slot == SLOT_NONE)
            continue;
        over_ms = step->moment->wall_ms - pool->carts[slot].changed_wall_ms -
                  cart_ttl_ms(pool, &pool->carts[slot]);
        if ((!is_over(pool, &pool->carts[slot], step->circumstances, step->moment) &&
             !MUTANT(CART_LIVE_EVICTED)) ||
            (over_ms <= longest_ms && found != SLOT_NONE))
            continue;
        found = slot;
        longest_ms = over_ms;
    }
    if (found == SLOT_NONE)
        return false;
    expire(pool, found, step->effects);
    return true;
}

/* A cart for who has none; SLOT_NONE after having refused. */
static uint32_t begin(const struct step *step, bool by_customer)
{
    bool is_new = step->message->type != MESSAGE_CART_MERGE; /* it takes another one's place */
    uint32_t slot;

    if (is_new && step->circumstances->takes_no_new) {
        refuse(step, OUTCOME_STORAGE_FULL, 0);
        return SLOT_NONE;
    }
    slot = cart_add(step->pool, step->principal, by_customer, step->moment->wall_ms);
    if (slot == SLOT_NONE && make_room(step))
        slot = cart_add(step->pool, step->principal, by_customer, step->moment->wall_ms);
    if (slot == SLOT_NONE)
        refuse(step, OUTCOME_OVERLOADED, 0);
    else
        step->pool->statistics.created++;
    return slot;
}

static bool is_of_currency(const struct cart *cart, const char currency[4])
{
    return cart->line_count == 0 || memcmp(cart->currency, currency, sizeof(cart->currency)) == 0;
}

/* ---- what its owner asks for ---- */

static void add(const struct step *step)
{
    const struct cart_body *body = &step->message->cart;
    uint32_t slot = find(step);
    struct cart_line *line = NULL;
    uint32_t quantity = body->quantity;

    assert(quantity >= 1 && quantity <= QUANTITY_MAX);
    if (slot != SLOT_NONE)
        line = cart_line_find(step->pool, &step->pool->carts[slot], body->sku_id);
    if (line != NULL)
        quantity += line->quantity;
    if (quantity > QUANTITY_MAX) {
        refuse(step, OUTCOME_LIMIT_REACHED, QUANTITY_MAX);
        return;
    }
    if (slot != SLOT_NONE && !is_of_currency(&step->pool->carts[slot], body->currency)) {
        refuse(step, OUTCOME_OTHER_CURRENCY, 0);
        return;
    }
    if (line == NULL && slot != SLOT_NONE && step->pool->carts[slot].line_count == CART_LINES_MAX) {
        refuse(step, OUTCOME_LIMIT_REACHED, CART_LINES_MAX);
        return;
    }
    if (slot == SLOT_NONE)
        slot = begin(step, body->by_customer);
    if (slot == SLOT_NONE)
        return;
    memcpy(step->pool->carts[slot].currency, body->currency, sizeof(body->currency));
    struct cart_line added = cart_line_make(body->sku_id, quantity, body->price_minor);
    if (line != NULL)
        *line = added;
    else
        cart_line_append(step->pool, &step->pool->carts[slot], &added);
    finish(step, slot);
}

static void set(const struct step *step)
{
    const struct cart_body *body = &step->message->cart;
    uint32_t slot = find(step);
    struct cart_line *line = NULL;

    assert(body->quantity >= 1 && body->quantity <= QUANTITY_MAX);
    if (slot != SLOT_NONE)
        line = cart_line_find(step->pool, &step->pool->carts[slot], body->sku_id);
    if (line == NULL) {
        refuse(step, OUTCOME_NOT_FOUND, 0);
        return;
    }
    line->quantity = (uint16_t)body->quantity;
    finish(step, slot);
}

static void remove_line(const struct step *step)
{
    const struct cart_body *body = &step->message->cart;
    uint32_t slot = find(step);
    struct cart_line *line = NULL;

    if (slot != SLOT_NONE)
        line = cart_line_find(step->pool, &step->pool->carts[slot], body->sku_id);
    if (line == NULL) { /* repeated, or as good as */
        answer(step, slot);
        return;
    }
    cart_line_remove(step->pool, &step->pool->carts[slot], line);
    if (MUTANT(CART_REMOVAL_NOT_RECORDED))
        answer(step, slot);
    else
        finish(step, slot);
}

static void set_coupon(const struct step *step)
{
    const struct cart_body *body = &step->message->cart;
    uint32_t slot = find(step);

    assert(body->coupon_length >= 1 && body->coupon_length <= COUPON_CODE_MAX);
    if (slot == SLOT_NONE)
        slot = begin(step, body->by_customer);
    if (slot == SLOT_NONE)
        return;
    cart_coupon_set(step->pool, &step->pool->carts[slot], body->coupon, body->coupon_length);
    finish(step, slot);
}

static void remove_coupon(const struct step *step)
{
    uint32_t slot = find(step);

    if (slot == SLOT_NONE || step->pool->carts[slot].coupon_length == 0) {
        answer(step, slot);
        return;
    }
    cart_coupon_set(step->pool, &step->pool->carts[slot], NULL, 0);
    finish(step, slot);
}

static void receive_cart(const struct step *step)
{
    const struct cart_body *body = &step->message->cart;
    enum cart_operation operation = (enum cart_operation)body->operation;
    uint32_t slot;

    /* Its cart is being taken over: what came later would be in nobody's. */
    if (step->circumstances->is_adopted && operation != CART_GET && operation != CART_DROP &&
        !MUTANT(CART_ADOPTED_IN_FLIGHT)) {
        refuse(step, OUTCOME_STALE, 0);
        return;
    }
    switch (operation) {
    case CART_ADD:
        add(step);
        break;
    case CART_SET:
        set(step);
        break;
    case CART_REMOVE:
        remove_line(step);
        break;
    case CART_COUPON_SET:
        set_coupon(step);
        break;
    case CART_COUPON_REMOVE:
        remove_coupon(step);
        break;
    case CART_DROP:
        slot = find(step);
        if (slot != SLOT_NONE) {
            end_idleness(step->pool, &step->pool->carts[slot]); /* its owner logged in */
            drop(step->pool, slot, step->effects);
        }
        answer(step, SLOT_NONE);
        break;
    case CART_GET:
        answer(step, find(step));
        break;
    case CART_OPERATION_COUNT:
        assert(false && "unknown operation");
    }
}

/* ---- merging and clearing ---- */

uint64_t cart_guest_tag(const struct principal *guest)
{
    uint64_t tag;

    memcpy(&tag, guest->bytes + 8, sizeof(tag)); /* of 128 random bits */
    return tag | 1;
}

static bool is_among(const uint64_t *numbers, uint32_t count, uint64_t wanted)
{
    for (uint32_t i = 0; i < count; i++)
        if (numbers[i] == wanted)
            return true;
    return false;
}

static void put_first(uint64_t *numbers, uint32_t count, uint64_t number)
{
    memmove(numbers + 1, numbers, (count - 1) * sizeof(*numbers));
    numbers[0] = number;
}

/* As many as there is room for: the customer's own lines stay. (Of another currency none.) */
static void merge_line(struct cart_pool *pool, struct cart *cart, const struct cart_line *guests)
{
    struct cart_line *line = cart_line_find(pool, cart, guests->sku_id);
    uint32_t sum;

    if (line == NULL) {
        if (cart->line_count < CART_LINES_MAX)
            cart_line_append(pool, cart, guests);
        return;
    }
    sum = (uint32_t)line->quantity + guests->quantity;
    if (MUTANT(CART_MERGE_KEEPS_LARGER))
        sum = line->quantity > guests->quantity ? line->quantity : guests->quantity;
    line->quantity = (uint16_t)(sum > QUANTITY_MAX ? QUANTITY_MAX : sum);
}

/* What the guest ordered has left the guest's lines already. */
static void merge_orders(const struct step *step, struct cart *cart)
{
    const uint64_t *orders = step->message->cart_merge.orders;
    struct cart_memory *memory = cart_memory_make(step->pool, cart);

    for (unsigned i = CART_ORDERS_MAX; i-- > 0;)
        if (orders[i] != 0 && !is_among(memory->orders, CART_ORDERS_MAX, orders[i]))
            put_first(memory->orders, CART_ORDERS_MAX, orders[i]);
}

static void merge(const struct step *step)
{
    const struct cart_merge_body *body = &step->message->cart_merge;
    const struct cart_content *guests = &body->content;
    uint64_t tag = cart_guest_tag(&body->guest);
    uint32_t slot = find(step);
    const struct cart_memory *memory =
        slot == SLOT_NONE ? NULL : cart_memory(step->pool, &step->pool->carts[slot]);
    struct cart *cart;

    assert(guests->line_count <= CART_LINES_MAX);
    if ((memory != NULL && is_among(memory->merged, CART_MERGED_MAX, tag) &&
         !MUTANT(CART_MERGED_TWICE)) ||
        (guests->line_count == 0 && guests->coupon_length == 0 && body->orders[0] == 0)) {
        answer(step, slot);
        return;
    }
    if (slot == SLOT_NONE)
        slot = begin(step, true);
    if (slot == SLOT_NONE)
        return;
    cart = &step->pool->carts[slot];
    if (guests->line_count > 0 && is_of_currency(cart, guests->currency)) {
        memcpy(cart->currency, guests->currency, sizeof(cart->currency));
        for (uint32_t i = 0; i < guests->line_count; i++)
            merge_line(step->pool, cart, &guests->lines[i]);
    }
    if (cart->coupon_length == 0)
        cart_coupon_set(step->pool, cart, guests->coupon, guests->coupon_length);
    merge_orders(step, cart);
    put_first(cart_memory_make(step->pool, cart)->merged, CART_MERGED_MAX, tag);
    step->pool->statistics.merged++;
    finish(step, slot);
}

static void clear(const struct step *step)
{
    const struct cart_clear_body *body = &step->message->cart_clear;
    uint32_t slot = find(step);
    const struct cart_memory *memory =
        slot == SLOT_NONE ? NULL : cart_memory(step->pool, &step->pool->carts[slot]);
    struct cart *cart;

    assert(body->order != 0);
    if (slot == SLOT_NONE || (memory != NULL && !MUTANT(CART_CLEARED_TWICE) &&
                              is_among(memory->orders, CART_ORDERS_MAX, body->order))) {
        answer(step, slot);
        return;
    }
    cart = &step->pool->carts[slot];
    for (uint32_t i = 0; i < body->line_count; i++) {
        struct cart_line *line = cart_line_find(step->pool, cart, body->lines[i].sku_id);

        if (line == NULL)
            continue;
        if (line->quantity > body->lines[i].quantity)
            line->quantity = (uint16_t)(line->quantity - body->lines[i].quantity);
        else
            cart_line_remove(step->pool, cart, line);
    }
    if (cart->line_count == 0) /* it was for what is ordered now */
        cart_coupon_set(step->pool, cart, NULL, 0);
    put_first(cart_memory_make(step->pool, cart)->orders, CART_ORDERS_MAX, body->order);
    step->pool->statistics.converted++;
    finish(step, slot);
}

void cart_receive(struct cart_pool *pool, const struct cart_circumstances *circumstances,
                  const struct moment *moment, const struct message *message,
                  struct effects *effects)
{
    struct step step = {pool, circumstances, moment, message, NULL, effects};

    switch ((int)message->type) {
    case MESSAGE_CART:
        step.principal = &message->cart.principal;
        receive_cart(&step);
        break;
    case MESSAGE_CART_MERGE:
        step.principal = &message->cart_merge.customer;
        merge(&step);
        break;
    case MESSAGE_CART_CLEAR:
        step.principal = &message->cart_clear.principal;
        clear(&step);
        break;
    default:
        assert(false && "not a cart's message");
    }
}

/* ---- time ---- */

static void count_idle(struct cart_pool *pool, const struct moment *moment)
{
    for (unsigned i = 0; i < CART_LISTS; i++) {
        struct cart_list *list = &pool->lists[i];

        for (unsigned n = 0; n < CARTS_PER_ROUND && list->awake != SLOT_NONE; n++) {
            struct cart *cart = &pool->carts[list->awake];

            if (moment->wall_ms - cart->changed_wall_ms < pool->options->idle_ms)
                break;
            if (cart->line_count > 0 && !cart->was_abandoned) {
                cart->was_abandoned = MUTANT(CART_ABANDONED_TWICE) ? 0 : 1;
                pool->statistics.abandoned++;
                pool->statistics.idle++;
            }
            list->awake = cart->newer;
        }
    }
}

bool cart_pool_tend(struct cart_pool *pool, const struct cart_circumstances *circumstances,
                    const struct moment *moment, struct effects *effects)
{
    uint32_t left = CARTS_PER_ROUND;

    count_idle(pool, moment);
    for (unsigned i = 0; i < CART_LISTS; i++) {
        uint32_t slot;

        while ((slot = pool->lists[i].oldest) != SLOT_NONE &&
               is_over(pool, &pool->carts[slot], circumstances, moment)) {
            if (left-- == 0)
                return true;
            expire(pool, slot, effects);
        }
    }
    return false;
}

/* ---- IDs ---- */

void cart_id_format(const struct principal *principal, int64_t created_wall_ms, uint32_t partitions,
                    const struct hash_key *secret, char text_out[CART_ID_LENGTH + 1])
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz"; /* Crockford's */
    static const uint64_t kind = 3ULL << 61; /* an ID of one kind is none of another */
    struct record_place place = record_place_of(principal->bytes, partitions);
    uint64_t owner = hash_tag(secret, principal->bytes, sizeof(principal->bytes)) >> 24;
    uint64_t words[3];
    uint64_t covered[2];

    words[0] = (uint64_t)created_wall_ms << 20 | (uint64_t)place.partition << 8 | owner >> 32;
    words[1] = owner & UINT32_MAX;
    covered[0] = words[0];
    covered[1] = words[1] | kind;
    words[2] = hash_tag(secret, covered, sizeof(covered));
    memcpy(text_out, "cart_", 5);
    for (unsigned i = 0; i < 32; i++) { /* 64, 32 and 64 bits */
        unsigned at = i * 5;
        uint32_t digit = 0;

        for (unsigned bit = at; bit < at + 5; bit++) {
            uint64_t word = bit < 64   ? words[0] << bit
                            : bit < 96 ? words[1] << (bit - 32)
                                       : words[2] << (bit - 96);

            digit = digit << 1 | (uint32_t)(word >> 63);
        }
        text_out[5 + i] = digits[digit];
    }
    text_out[CART_ID_LENGTH] = '\0';
}
