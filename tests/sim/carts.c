/* SPDX-License-Identifier: Apache-2.0 */
#include "carts_private.h"

#include <string.h>

#include "inspect.h"
#include "violation.h"

#define CARTS_COOKIE (1ULL << 62)

enum { HEAL_ROUNDS_MAX = 400, SMALL_POOL = 64 };

bool carts_is_cookie(uint64_t cookie)
{
    return (cookie & CARTS_COOKIE) != 0;
}

static bool is_guest(uint32_t cart)
{
    return cart >= SIM_CART_CUSTOMERS;
}

static uint32_t sku_count(const struct world *world)
{
    return world->books.sku_count < SIM_CART_SKUS ? world->books.sku_count : SIM_CART_SKUS;
}

void cart_new_guest(struct world *world, uint32_t index)
{
    struct carts_model *carts = &world->carts;
    uint64_t words[2] = {hash_word(world->seed * 13 + ++carts->next_guest),
                         hash_word(world->seed + carts->next_guest * 31ULL)};

    carts->carts[index] = (struct shopper_cart){0};
    memcpy(carts->carts[index].principal.bytes, words, sizeof(words));
}

void carts_start(struct world *world)
{
    struct carts_model *carts = &world->carts;

    carts->shoppers = world->profile.shoppers;
    for (uint32_t i = 0; i < SIM_CART_CUSTOMERS; i++)
        carts->carts[i].principal = account_principal(i % world->profile.engine.partitions,
                                                      100000 + i, &world->secrets.id_key);
    for (uint32_t i = SIM_CART_CUSTOMERS; i < SIM_CARTS; i++)
        cart_new_guest(world, i);
}

/* ---- what is known ---- */

void cart_read_content(const struct world *world, const struct cart_content *content,
                       uint32_t quantities_out[SIM_CART_SKUS])
{
    memset(quantities_out, 0, SIM_CART_SKUS * sizeof(quantities_out[0]));
    for (uint32_t i = 0; i < content->line_count; i++) {
        uint32_t sku = world_sku_index(world, content->lines[i].sku_id);

        if (sku >= sku_count(world) || quantities_out[sku] != 0 || content->lines[i].quantity == 0)
            violation("a cart has a line that nobody put into it, or one twice");
        quantities_out[sku] = content->lines[i].quantity;
    }
}

/* Of a customer whose guest's cart may have come to it, or not yet. */
static bool is_merging(const struct world *world, uint32_t index)
{
    for (uint32_t i = SIM_CART_CUSTOMERS; i < SIM_CARTS; i++) {
        const struct shopper_cart *guest = &world->carts.carts[i];

        if (guest->login != LOGIN_NONE && guest->customer == index && guest->was_sent &&
            !guest->was_merged)
            return true;
    }
    return false;
}

static bool merge_is_open(const struct world *world, uint32_t index)
{
    const struct carts_model *carts = &world->carts;

    for (uint32_t i = 0; i < SIM_CART_REQUESTS; i++)
        if (carts->requests[i].open && carts->requests[i].kind == ACT_CART_MERGE &&
            carts->carts[carts->requests[i].cart].customer == index)
            return true;
    return false;
}

/* What a view shows is no less than what was acknowledged before it was asked for, and no more than
 * what may be there. */
void cart_check_view(const struct world *world, uint32_t index,
                     const struct cart_range before[SIM_CART_SKUS],
                     const struct cart_content *content, const char *when)
{
    const struct shopper_cart *cart = &world->carts.carts[index];
    uint32_t quantities[SIM_CART_SKUS];

    cart_read_content(world, content, quantities);
    for (uint32_t i = 0; i < SIM_CART_SKUS; i++) {
        if (quantities[i] < before[i].least)
            violation("cart %u has %u of SKU %u %s, where %u were acknowledged", index,
                      quantities[i], i, when, before[i].least);
        if (quantities[i] > cart->skus[i].most)
            violation("cart %u has %u of SKU %u %s, where at most %u were put", index,
                      quantities[i], i, when, cart->skus[i].most);
    }
}

/* With nothing under way, what is seen is so. */
void cart_close_ranges(struct world *world, uint32_t index, const struct cart_content *content)
{
    struct shopper_cart *cart = &world->carts.carts[index];
    uint32_t quantities[SIM_CART_SKUS];

    if (cart->open > 0 || cart->clear_open || is_merging(world, index))
        return;
    cart_read_content(world, content, quantities);
    for (uint32_t i = 0; i < SIM_CART_SKUS; i++)
        cart->skus[i] = (struct cart_range){quantities[i], quantities[i]};
}

/* ---- sending ---- */

static struct cart_request *take_request(struct world *world, uint32_t index, enum cart_act kind)
{
    struct carts_model *carts = &world->carts;
    struct shopper_cart *cart = &carts->carts[index];
    uint32_t slot = 0;

    while (slot < SIM_CART_REQUESTS && carts->requests[slot].open)
        slot++;
    if (slot == SIM_CART_REQUESTS)
        return NULL;
    carts->requests[slot] = (struct cart_request){.kind = (uint8_t)kind,
                                                  .cart = index,
                                                  .sent_step = world->step,
                                                  .principal = cart->principal};
    memcpy(carts->requests[slot].before, cart->skus, sizeof(cart->skus));
    return &carts->requests[slot];
}

/* False: it was refused at once, and nothing happened. */
static bool send(struct world *world, struct cart_request *request, const struct command *command)
{
    struct carts_model *carts = &world->carts;
    uint64_t cookie = CARTS_COOKIE | (uint64_t)(request - carts->requests);
    uint32_t shard = clients_draw_shard(world);
    enum outcome outcome = OUTCOME_OVERLOADED;
    struct refusal refusal;

    if (shard != NONE) {
        struct shard *target = clients_enter_shard(world, shard);

        world->in_submit = true;
        outcome = engine_submit(target, command, cookie, &refusal);
        world->in_submit = false;
    }
    trace_add(&world->trace, TRACE_SUBMIT, (uint64_t)command->type << 32 | outcome, cookie);
    world_log(world, "cart %u: act %u, SKU %u, %u units: %s", request->cart, request->kind,
              request->sku, request->quantity, outcome_name(outcome));
    if (outcome != OUTCOME_PENDING) {
        if (outcome == OUTCOME_NOT_FOUND && command->type == COMMAND_CART &&
            command->cart.operation == CART_ADD &&
            books_sale(&world->books, request->sku) == SALE_ON)
            violation("a SKU that the shop has was not found for a cart");
        return false;
    }
    if (command->type == COMMAND_CART && command->cart.operation == CART_ADD &&
        books_sale(&world->books, request->sku) == SALE_OFF)
        violation("what is archived, or a draft, was put into a cart");
    struct sim_thread *thread = &world->shards[shard];
    if (thread->has_slept)
        thread->clock_ms = world_now(world);
    thread->has_slept = false;
    request->open = true;
    carts->open++;
    carts->carts[request->cart].open++;
    return true;
}

static void send_change(struct world *world, uint32_t index, enum cart_act kind, uint32_t sku,
                        uint32_t quantity)
{
    static const enum cart_operation operations[] = {
        [ACT_CART_ADD] = CART_ADD, [ACT_CART_SET] = CART_SET, [ACT_CART_REMOVE] = CART_REMOVE};
    struct shopper_cart *cart = &world->carts.carts[index];
    struct cart_request *request = take_request(world, index, kind);
    struct command command = {.type = COMMAND_CART, .principal = cart->principal};
    struct cart_range *range = &cart->skus[sku];

    if (request == NULL)
        return;
    request->sku = sku;
    request->quantity = quantity;
    command.cart.operation = operations[kind];
    command.cart.sku = clients_slice(world->books.skus[sku].name);
    command.cart.quantity = quantity;
    if (!send(world, request, &command))
        return;
    if (kind == ACT_CART_ADD) {
        range->most += quantity;
        return;
    }
    cart->exclusive++;
    range->least = quantity < range->least ? quantity : range->least;
    range->most = quantity > range->most ? quantity : range->most;
}

static void send_look(struct world *world, uint32_t index, enum cart_act kind)
{
    struct shopper_cart *cart = &world->carts.carts[index];
    struct cart_request *request = take_request(world, index, kind);
    struct command command = {.type = COMMAND_CART,
                              .principal = cart->principal,
                              .cart = {.operation = kind == ACT_CART_DROP ? CART_DROP : CART_GET}};

    if (request == NULL || !send(world, request, &command))
        return;
    cart->exclusive += kind == ACT_CART_LOOK;
    if (kind == ACT_CART_DROP)
        cart->was_dropped_maybe = true;
}

/* False: nothing happened. */
static bool send_clear(struct world *world, uint32_t index, enum cart_act kind)
{
    struct shopper_cart *cart = &world->carts.carts[index];
    struct cart_request *request = take_request(world, index, kind);
    struct line lines[SIM_CART_SKUS];
    struct command command = {.type = COMMAND_CART_CLEAR,
                              .principal = cart->principal,
                              .cart_clear = {.order = cart->order, .lines = lines}};

    for (uint32_t i = 0; i < sku_count(world); i++)
        if (cart->ordered[i] > 0)
            lines[command.cart_clear.line_count++] =
                (struct line){world->books.skus[i].sku_id, cart->ordered[i]};
    if (request == NULL || !send(world, request, &command))
        return false;
    cart->exclusive++;
    if (kind == ACT_CART_CLEAR_AGAIN)
        return true;
    cart->clear_open = true;
    for (uint32_t i = 0; i < SIM_CART_SKUS; i++)
        if (cart->cleared[i] < cart->skus[i].least)
            cart->skus[i].least = cart->cleared[i];
    return true;
}

/* An order of some of what is in it, and of more than that. */
static void begin_clear(struct world *world, uint32_t index)
{
    struct shopper_cart *cart = &world->carts.carts[index];
    bool has_any = false;

    for (uint32_t i = 0; i < SIM_CART_SKUS; i++) {
        if (cart->skus[i].least != cart->skus[i].most ||
            (i < sku_count(world) && world->books.skus[i].sku_id == UINT32_MAX))
            return;
        has_any = has_any || cart->skus[i].most > 0;
    }
    if (!has_any)
        return;
    cart->order = ++world->carts.next_order;
    for (uint32_t i = 0; i < SIM_CART_SKUS; i++) {
        uint32_t ordered = i < sku_count(world) ? sim_random_below(&world->random, 4) : 0;

        cart->ordered[i] = ordered;
        cart->cleared[i] = cart->skus[i].most > ordered ? cart->skus[i].most - ordered : 0;
    }
    if (!send_clear(world, index, ACT_CART_CLEAR))
        cart->order = 0;
}

/* ---- logging in ---- */

static void send_adopt(struct world *world, uint32_t index)
{
    struct shopper_cart *cart = &world->carts.carts[index];
    struct cart_request *request = take_request(world, index, ACT_CART_ADOPT);
    struct command command = {
        .type = COMMAND_HOLDS_ADOPT,
        .adopt = {.shard = cart->adopt_shard,
                  .body = {.guest = cart->principal,
                           .customer = world->carts.carts[cart->customer].principal,
                           .product = cart->adopt_product}}};

    if (request != NULL)
        send(world, request, &command);
}

static void send_merge(struct world *world, uint32_t index)
{
    struct shopper_cart *cart = &world->carts.carts[index];
    struct shopper_cart *customer = &world->carts.carts[cart->customer];
    struct cart_request *request;
    struct command command = {.type = COMMAND_CART_MERGE,
                              .principal = customer->principal,
                              .cart_merge = {.guest = cart->principal, .content = &cart->taken}};

    if (customer->exclusive > 0 || customer->clear_open)
        return;
    request = take_request(world, index, ACT_CART_MERGE);
    if (request == NULL)
        return;
    memcpy(request->before, customer->skus, sizeof(customer->skus));
    if (!send(world, request, &command))
        return;
    for (uint32_t i = 0; i < SIM_CART_SKUS && !cart->was_sent; i++)
        customer->skus[i].most += cart->taken_skus[i];
    cart->was_sent = true;
}

/* One that nobody else's guest is on the way to: a cart remembers a few guests only. */
static void begin_login(struct world *world, uint32_t index)
{
    struct shopper_cart *cart = &world->carts.carts[index];

    cart->customer = sim_random_below(&world->random, SIM_CART_CUSTOMERS);
    for (uint32_t i = SIM_CART_CUSTOMERS; i < SIM_CARTS; i++)
        if (world->carts.carts[i].login != LOGIN_NONE &&
            world->carts.carts[i].customer == cart->customer)
            return;
    if (world->carts.carts[cart->customer].exclusive > 0 ||
        world->carts.carts[cart->customer].clear_open)
        return;
    cart->login = LOGIN_ADOPTS;
    cart->adopt_shard = 0;
    cart->adopt_product = 0;
}

/* The login's own requests come one after the other; a merge may come twice. */
static void go_on(struct world *world, uint32_t index)
{
    struct shopper_cart *cart = &world->carts.carts[index];

    for (uint32_t i = 0; i < SIM_CART_REQUESTS; i++)
        if (world->carts.requests[i].open && world->carts.requests[i].cart == index &&
            world->carts.requests[i].kind >= ACT_CART_ADOPT)
            return;
    switch ((enum cart_login)cart->login) {
    case LOGIN_ADOPTS:
        send_adopt(world, index);
        break;
    case LOGIN_TAKES:
        send_look(world, index, ACT_CART_TAKE);
        break;
    case LOGIN_MERGES:
        send_merge(world, index);
        if (sim_random_chance(&world->random, 200000))
            send_merge(world, index);
        break;
    case LOGIN_DROPS:
        if (sim_random_chance(&world->random, 200000))
            send_merge(world, index); /* late: once more, and in vain */
        else
            send_look(world, index, ACT_CART_DROP);
        break;
    case LOGIN_NONE:
    default:
        break;
    }
}

static void act_alone(struct world *world, uint32_t index, uint32_t sku)
{
    struct shopper_cart *cart = &world->carts.carts[index];
    uint32_t luck = sim_random_below(&world->random, 100);

    if (cart->open > 0 || is_merging(world, index) || merge_is_open(world, index))
        return;
    if (cart->clear_open)
        send_clear(world, index, ACT_CART_CLEAR);
    else if (luck < 25)
        send_change(world, index, ACT_CART_SET, sku, sim_random_range(&world->random, 1, 9));
    else if (luck < 50)
        send_change(world, index, ACT_CART_REMOVE, sku, 0);
    else if (luck < 65)
        send_look(world, index, ACT_CART_LOOK);
    else if (luck < 80 && cart->order != 0)
        send_clear(world, index, ACT_CART_CLEAR_AGAIN);
    else
        begin_clear(world, index);
}

void carts_act(struct world *world)
{
    uint32_t index = sim_random_below(&world->random, SIM_CARTS);
    struct shopper_cart *cart = &world->carts.carts[index];
    uint32_t sku = sim_random_below(&world->random, sku_count(world));
    uint32_t luck = sim_random_below(&world->random, 100);

    if (cart->login != LOGIN_NONE)
        go_on(world, index);
    else if (cart->exclusive > 0)
        return;
    else if (luck < 35)
        act_alone(world, index, sku);
    else if (luck < 45 && is_guest(index) && !cart->clear_open)
        begin_login(world, index);
    else if (!cart->clear_open && cart->skus[sku].most < 1000)
        send_change(world, index, ACT_CART_ADD, sku, sim_random_range(&world->random, 1, 3));
}

/* ---- restarts ---- */

void carts_restart(struct world *world)
{
    struct carts_model *carts = &world->carts;

    carts->open = 0;
    for (uint32_t i = 0; i < SIM_CART_REQUESTS; i++)
        carts->requests[i].open = false;
    for (uint32_t i = 0; i < SIM_CARTS; i++) {
        struct shopper_cart *cart = &carts->carts[i];

        cart->open = 0;
        cart->exclusive = 0;
        if (cart->login != LOGIN_NONE) { /* begun anew, with the same guest */
            cart->login = LOGIN_ADOPTS;
            cart->adopt_shard = 0;
            cart->adopt_product = 0;
        }
    }
}

void carts_restarted(struct world *world)
{
    struct carts_model *carts = &world->carts;

    for (uint32_t i = 0; i < SIM_CARTS && carts->shoppers > 0; i++) {
        struct shopper_cart *cart = &carts->carts[i];
        struct cart_view view;
        bool found = engine_inspect_cart(world->engine, &cart->principal, &view);

        if (!found && cart->was_dropped_maybe)
            continue;
        cart_check_view(world, i, cart->skus, &view.content, "after a restart");
        cart_close_ranges(world, i, &view.content);
    }
}

void carts_quiet(const struct world *world)
{
    if (world->carts.open > 0)
        violation("everything sleeps, and %u requests about carts have no answer",
                  world->carts.open);
}

/* ---- the end ---- */

void carts_heal(struct world *world, void (*settle)(struct world *))
{
    uint32_t left = 1;

    if (world->carts.shoppers == 0 || world->profile.engine.carts_max < SMALL_POOL)
        return; /* what finds no room tries for ever */
    settle(world);
    for (uint32_t round = 0; left > 0; round++) {
        left = 0;
        if (round == HEAL_ROUNDS_MAX)
            violation("liveness: a guest's cart does not come to its customer");
        for (uint32_t i = 0; i < SIM_CARTS; i++) {
            const struct shopper_cart *cart = &world->carts.carts[i];

            left += cart->login != LOGIN_NONE || cart->clear_open;
            if (cart->login != LOGIN_NONE)
                go_on(world, i);
            else if (cart->clear_open)
                act_alone(world, i, 0);
        }
        settle(world);
    }
    for (uint32_t i = 0; i < SIM_CARTS; i++)
        send_look(world, i, ACT_CART_LOOK);
    settle(world);
}
