/* SPDX-License-Identifier: Apache-2.0 */
/* What comes back about carts. */
#include "carts_private.h"

#include <string.h>

#include "violation.h"

static void take_add(struct world *world, const struct cart_request *request,
                     const struct reply_body *reply)
{
    struct shopper_cart *cart = &world->carts.carts[request->cart];
    struct cart_range *range = &cart->skus[request->sku];

    if (reply->outcome != OUTCOME_OK) {
        if (reply->outcome == OUTCOME_STALE && cart->login == LOGIN_NONE)
            violation("a guest who has not logged in was refused as one who has");
        if (reply->outcome == OUTCOME_STALE)
            world_mark(world, MARK_CART_ADD_TOO_LATE);
        range->most -= request->quantity;
        return;
    }
    range->least += request->quantity;
    if (cart->was_taken && range->least > cart->taken_skus[request->sku])
        violation("what a guest added while it logged in was acknowledged, and is not among what "
                  "the customer got");
}

static void take_decided(struct world *world, const struct cart_request *request,
                         const struct reply_body *reply)
{
    struct shopper_cart *cart = &world->carts.carts[request->cart];
    struct cart_range *range = &cart->skus[request->sku];

    cart->exclusive--;
    *range = request->before[request->sku];
    if (reply->outcome == OUTCOME_NOT_FOUND) {
        if (request->kind != ACT_CART_SET || range->least > 0)
            violation("a line of cart %u was not found that is there", request->cart);
        *range = (struct cart_range){0, 0};
    } else if (reply->outcome == OUTCOME_OK) {
        if (request->kind == ACT_CART_SET && range->most == 0)
            violation("a line was set that cannot be there");
        *range = (struct cart_range){request->quantity, request->quantity};
    }
}

static void take_cleared(struct world *world, const struct cart_request *request,
                         const struct reply_body *reply)
{
    struct shopper_cart *cart = &world->carts.carts[request->cart];

    cart->exclusive--;
    if (request->kind == ACT_CART_CLEAR_AGAIN || reply->outcome != OUTCOME_OK)
        return;
    cart->clear_open = false;
    for (uint32_t i = 0; i < SIM_CART_SKUS; i++)
        cart->skus[i] = (struct cart_range){cart->cleared[i], cart->cleared[i]};
    world_mark(world, MARK_CART_CLEARED);
}

static void take_taken(struct world *world, struct shopper_cart *cart, uint32_t index,
                       const struct cart_view *view)
{
    uint32_t quantities[SIM_CART_SKUS];

    if (view->created_wall_ms == 0 && cart->open > 0)
        return; /* what it sent before is answered first */
    if (view->created_wall_ms == 0) {
        for (uint32_t i = 0; i < SIM_CART_SKUS && !cart->was_merged; i++)
            if (cart->skus[i].least > 0)
                violation("guest %u's cart is gone before it was merged", index);
        cart->login = LOGIN_NONE;
        if (cart->was_sent && !cart->was_merged)
            violation("guest %u's cart was dropped before its merge was acknowledged", index);
        cart_new_guest(world, index);
        return;
    }
    cart_read_content(world, &view->content, quantities);
    if (cart->was_taken && memcmp(quantities, cart->taken_skus, sizeof(quantities)) != 0)
        violation("guest %u's cart changed after it was taken", index);
    memcpy(cart->taken_skus, quantities, sizeof(quantities));
    memset(&cart->taken, 0, sizeof(cart->taken));
    memcpy(&cart->taken, &view->content,
           offsetof(struct cart_content, lines) +
               view->content.line_count * sizeof(view->content.lines[0]));
    cart->was_taken = true;
    cart->login = LOGIN_MERGES;
}

static void take_merged(struct world *world, const struct cart_request *request,
                        const struct reply_body *reply)
{
    struct shopper_cart *cart = &world->carts.carts[request->cart];
    struct shopper_cart *customer = &world->carts.carts[cart->customer];

    if (reply->outcome != OUTCOME_OK)
        return;
    cart_check_view(world, cart->customer, request->before, &reply->cart.content, "after a merge");
    for (uint32_t i = 0; i < SIM_CART_SKUS && !cart->was_merged; i++)
        customer->skus[i].least += cart->taken_skus[i];
    if (cart->was_merged)
        world_mark(world, MARK_CART_MERGED_AGAIN);
    cart->was_merged = true;
    if (cart->login == LOGIN_MERGES)
        cart->login = LOGIN_DROPS;
    world_mark(world, MARK_CART_MERGED);
}

static void take_login(struct world *world, const struct cart_request *request,
                       const struct reply_body *reply)
{
    struct shopper_cart *cart = &world->carts.carts[request->cart];

    if (request->kind == ACT_CART_MERGE) {
        take_merged(world, request, reply);
    } else if (reply->outcome != OUTCOME_OK) {
        return; /* again */
    } else if (request->kind == ACT_CART_ADOPT) {
        cart->adopt_product = reply->adopt.more ? reply->adopt.next_product : 0;
        cart->adopt_shard += !reply->adopt.more;
        if (cart->adopt_shard >= world->profile.engine.shards)
            cart->login = LOGIN_TAKES;
    } else if (request->kind == ACT_CART_TAKE) {
        if (!cart->was_dropped_maybe || reply->cart.created_wall_ms != 0)
            cart_check_view(world, request->cart, request->before, &reply->cart.content,
                            "at login");
        take_taken(world, cart, request->cart, &reply->cart);
    } else if (cart->open == 0) { /* dropped: nothing of it is under way any more */
        cart_new_guest(world, request->cart);
    }
}

static void check_outcome(const struct world *world, const struct cart_request *request,
                          const struct reply_body *reply)
{
    enum outcome outcome = (enum outcome)reply->outcome;

    if (world->env.failed && outcome != OUTCOME_OUTCOME_UNKNOWN)
        violation("after the latch fell a cart was answered %s", outcome_name(outcome));
    if (outcome == OUTCOME_STORAGE_FULL && !world->disk_full &&
        world->disk_full_step < request->sent_step)
        violation("a cart was refused for a full disk that is not");
    if (outcome == OUTCOME_LIMIT_REACHED || outcome == OUTCOME_OTHER_CURRENCY)
        violation("a cart was refused with %s", outcome_name(outcome));
}

void carts_take(struct world *world, uint64_t cookie, const struct message *message)
{
    uint32_t slot = (uint32_t)(cookie & UINT32_MAX);
    struct cart_request *request = &world->carts.requests[slot];
    const struct reply_body *reply = &message->reply;
    struct shopper_cart *cart;

    if (world->dying || world->in_submit || slot >= SIM_CART_REQUESTS || !request->open)
        violation("an answer came about a cart that nobody waits for");
    cart = &world->carts.carts[request->cart];
    check_outcome(world, request, reply);
    trace_add(&world->trace, TRACE_REPLY, cookie << 8 | reply->outcome, request->cart);
    world_log(world, "cart %u gets act %u: %s", request->cart, request->kind,
              outcome_name((enum outcome)reply->outcome));
    request->open = false;
    world->carts.open--;
    cart->open--;
    if (reply->outcome == OUTCOME_OUTCOME_UNKNOWN) { /* the process will end */
        cart->open++;
        return;
    }
    if (request->kind < ACT_CART_LOGIN && reply->outcome == OUTCOME_OK)
        cart_check_view(world, request->cart,
                        request->kind == ACT_CART_ADD || request->kind == ACT_CART_LOOK ||
                                request->kind == ACT_CART_CLEAR_AGAIN
                            ? request->before
                            : cart->skus,
                        &reply->cart.content, "when it answers");
    if (request->kind == ACT_CART_ADD)
        take_add(world, request, reply);
    else if (request->kind == ACT_CART_SET || request->kind == ACT_CART_REMOVE)
        take_decided(world, request, reply);
    else if (request->kind == ACT_CART_CLEAR || request->kind == ACT_CART_CLEAR_AGAIN)
        take_cleared(world, request, reply);
    else if (request->kind == ACT_CART_LOOK)
        cart->exclusive--;
    else
        take_login(world, request, reply);
    if (request->kind != ACT_CART_ADD && request->kind < ACT_CART_LOGIN &&
        reply->outcome == OUTCOME_OK) {
        cart_check_view(world, request->cart, cart->skus, &reply->cart.content, "then");
        cart_close_ranges(world, request->cart, &reply->cart.content);
    }
}
