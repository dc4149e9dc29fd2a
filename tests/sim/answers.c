/* SPDX-License-Identifier: Apache-2.0 */
/* What comes back, held against the books: each accepted command is answered exactly once, nothing
 * is answered once the latch has fallen, and no answer contradicts an earlier one. The kinds of
 * answers have files of their own. */
#include "world.h"

#include <inttypes.h>
#include <string.h>

#include "inspect.h"
#include "violation.h"

bool answers_lines_equal(const struct world *world, const struct hold_view *view,
                         const struct model_line *lines, uint32_t line_count)
{
    if (view->line_count != line_count)
        return false;
    for (uint32_t i = 0; i < line_count; i++)
        if (view->lines[i].sku_id != world->books.skus[lines[i].sku].sku_id ||
            view->lines[i].quantity != lines[i].quantity)
            return false;
    return true;
}

static uint64_t certain_units(const struct world *world, uint32_t party, uint32_t product,
                              uint64_t since_step)
{
    uint32_t parties[SIM_PARTIES_MAX];
    uint32_t count = people_certain_group(world, party, since_step, parties);
    uint64_t units = 0;

    for (uint32_t i = 0; i < count; i++)
        units += books_customer_units(&world->books, parties[i], product, world_now(world));
    return units;
}

static uint64_t possible_units(const struct world *world, uint32_t party, uint32_t product,
                               uint64_t sent_step)
{
    uint32_t parties[SIM_PARTIES_MAX];
    uint32_t count = people_possible_group(world, party, parties);
    uint64_t units = 0;

    for (uint32_t i = 0; i < count; i++)
        units += books_customer_units_max(&world->books, parties[i], product, sent_step);
    return units;
}

/* The limit was the same since the request was sent: whoever has more was granted it wrongly (I6).
 * What a guest had counts for the customer once it was adopted. */
static void check_limits(struct world *world, const struct request *request,
                         const struct book_hold *hold)
{
    if (request->limits_version != world->books.limits_version)
        return;
    for (uint32_t i = 0; i < hold->line_count; i++) {
        uint32_t index = world->books.skus[hold->lines[i].sku].product;
        const struct product_model *product = &world->books.products[index];

        if (product->limit != 0 && !product->vague && !product->put_open &&
            certain_units(world, hold->client, index, request->sent_step) > product->limit)
            violation("I6: customer %u has more than %u units of %s", hold->client, product->limit,
                      product->id);
    }
}

/* ---- reservations ---- */

static bool must_be_replayed(const struct world *world, const struct request *request)
{
    const struct book_hold *hold;

    if (request->known_hold == NONE)
        return false;
    hold = &world->books.holds[request->known_hold];
    return !hold->forgotten && !book_hold_may_be_forgotten(hold, world_now(world),
                                                           world->profile.engine.hold_retention_ms);
}

static void check_first_view(const struct world *world, const struct request *request,
                             const struct reply_body *reply)
{
    const struct hold_view *view = &reply->hold;

    if (view->state != HOLD_HELD || view->extensions != 0 ||
        view->ttl_ms != world->profile.engine.hold_ttl_ms ||
        view->deadline_wall_ms != view->id.created_ms + view->ttl_ms)
        violation("a reservation's answer is not its first: state %s, %u extensions, %u ms",
                  hold_state_name((enum hold_state)view->state), view->extensions, view->ttl_ms);
    if (!people_may_name(world, request->client, &view->principal, request->submitted_step))
        violation("a reservation was answered with another customer's hold");
    if (!answers_lines_equal(world, view, request->summed.lines, request->summed.count))
        violation("a reservation was answered with other lines than asked for");
    if (view->id.partition != sku_id_partition(view->lines[0].sku_id))
        violation("a reservation's ID does not belong to it");
    if (!reply->replayed)
        answers_check_fence(request, view);
}

/* A key had another effect before or after: the older hold must have been past its retention when
 * the newer was made. Their answers may come in either order. */
static void succeed(struct world *world, struct attempt *attempt, uint32_t index)
{
    const struct book_hold *known = &world->books.holds[attempt->hold];
    const struct book_hold *other = &world->books.holds[index];
    bool is_newer = other->id.sequence > known->id.sequence; /* a partition's numbers only grow */
    const struct book_hold *older = is_newer ? known : other;
    const struct book_hold *newer = is_newer ? other : known;

    if (!book_hold_may_be_forgotten(older, newer->created_ms,
                                    world->profile.engine.hold_retention_ms))
        violation("I3: one key made two holds");
    books_forget_hold(&world->books, is_newer ? attempt->hold : index);
    if (is_newer)
        attempt->hold = index;
    world_mark(world, MARK_KEY_FORGOTTEN);
}

static uint32_t enter_new_hold(struct world *world, const struct request *request,
                               const struct reply_body *reply)
{
    struct attempt *attempt = &world->books.attempts[request->attempt];
    struct book_hold hold = {.id = reply->hold.id,
                             .client = request->client,
                             .attempt = request->attempt,
                             .line_count = request->summed.count,
                             .state = HOLD_HELD};
    uint32_t index;

    memcpy(hold.lines, request->summed.lines, sizeof(hold.lines));
    wall_enter_hold(world, &hold, &reply->hold,
                    reply->replayed ? attempt->first_ms : request->submitted_ms, reply->replayed);
    if (reply->replayed && attempt->requests < 2)
        violation("a new key got a replay");
    index = books_add_hold(&world->books, &hold);
    if (attempt->hold == NONE)
        attempt->hold = index;
    else
        succeed(world, attempt, index);
    return index;
}

static void mark_held(struct world *world, const struct request *request, bool replayed,
                      const struct book_hold *hold)
{
    const struct attempt *attempt = &world->books.attempts[request->attempt];
    const struct sku_entry *entry = world_sku_entry(world, request->summed.lines[0].sku);

    if (!replayed) {
        world_mark(world, request->spans ? MARK_HELD_LINES : MARK_HELD);
        return;
    }
    world_mark(world, MARK_REPLAY);
    if (party_is_account(request->client) && hold->client < SIM_GUESTS_MAX)
        world_mark(world, MARK_REPLAY_AS_CUSTOMER);
    if (attempt->maybe || attempt->answer_lost)
        world_mark(world, MARK_REPLAY_LOST);
    if (entry != NULL && gate_available(&entry->gate) == 0)
        world_mark(world, MARK_REPLAY_SOLD_OUT);
    if (hold->incarnation != world->books.incarnation)
        world_mark(world, MARK_REPLAY_RESTART);
}

static void take_held(struct world *world, const struct request *request,
                      const struct reply_body *reply)
{
    struct attempt *attempt = &world->books.attempts[request->attempt];
    uint32_t index = books_find_hold(&world->books, &reply->hold.id);
    struct book_hold *hold;

    check_first_view(world, request, reply);
    answers_see_fence(world, &reply->hold);
    if (index == NONE)
        index = enter_new_hold(world, request, reply);
    hold = &world->books.holds[index];
    if (hold->attempt == NONE) { /* a list had shown it */
        hold->attempt = request->attempt;
        if (attempt->hold == NONE)
            attempt->hold = index;
        else
            succeed(world, attempt, index);
    }
    if (hold->attempt != request->attempt)
        violation("two keys got the same hold");
    if (attempt->hold != index && !hold->forgotten)
        violation("I3: one key made two holds");
    if (!reply->replayed && request->disk_full)
        violation("I7: units were held for a request that came with the disk full");
    if (!reply->replayed && (hold->fresh_seen || request->known_hold == index))
        violation("one key had its effect twice: the same hold was answered as new again");
    hold->fresh_seen = hold->fresh_seen || !reply->replayed;
    mark_held(world, request, reply->replayed, hold);
    if (request->answer_lost) {
        attempt->answer_lost = true;
    } else if (!hold->remembered) {
        hold->remembered = true;
        clients_remember_hold(world, request->device, index);
    }
    for (uint32_t i = 0; i < hold->line_count; i++)
        oracles_check_sku(world, hold->lines[i].sku);
    if (!reply->replayed)
        check_limits(world, request, hold);
}

/* Whether the customer may have been at the limit of one of these products: none is refused below
 * it (I6). */
static bool may_be_at_limit(const struct world *world, const struct request *request,
                            uint32_t limit)
{
    const struct books *books = &world->books;

    if (request->limits_version != books->limits_version || request->client >= SIM_PARTIES_MAX)
        return true;
    for (uint32_t i = 0; i < request->summed.count; i++) {
        uint32_t index = books->skus[request->summed.lines[i].sku].product;
        const struct product_model *product = &books->products[index];
        uint64_t units;

        if (product->vague || product->put_open)
            return true;
        if (product->limit != limit)
            continue;
        units = possible_units(world, request->client, index, request->sent_step);
        for (uint32_t line = 0; line < request->summed.count && units <= limit; line++)
            if (books->skus[request->summed.lines[line].sku].product == index)
                units += request->summed.lines[line].quantity;
        if (units > limit)
            return true;
    }
    return false;
}

static void take_limit(struct world *world, const struct request *request,
                       const struct reply_body *reply)
{
    const struct books *books = &world->books;
    bool own = false;
    bool found = false;

    for (uint32_t i = 0; i < request->summed.count; i++) {
        const struct sku_model *sku = &books->skus[request->summed.lines[i].sku];

        if (request->limits_version == books->limits_version &&
            !books->products[sku->product].vague && !books->products[sku->product].put_open &&
            books->products[sku->product].limit != reply->limit)
            continue;
        found = true;
        own = own || sku_id_partition(sku->sku_id) ==
                         sku_id_partition(books->skus[request->summed.lines[0].sku].sku_id);
    }
    if (!found || reply->limit == 0)
        violation("a limit of %u refused, which no product has", reply->limit);
    if (!may_be_at_limit(world, request, reply->limit))
        violation("I6: customer %u was refused for a limit of %u that he can't have reached",
                  request->client, reply->limit);
    if (request->summed.count > 1)
        books_suspect(&world->books, SUSPECT_REFUSED, request->client, request->summed.lines,
                      request->summed.count);
    world_mark(world, own ? MARK_LIMIT : MARK_LIMIT_LINES);
}

/* ---- what is sold ---- */

static uint64_t sale_changes(const struct world *world, const struct request *request)
{
    uint64_t changes = 0;

    for (uint32_t i = 0; i < request->summed.count; i++)
        changes += world->books.products[world->books.skus[request->summed.lines[i].sku].product]
                       .sale_changes;
    return changes;
}

void answers_note_sale(const struct world *world, struct request *request)
{
    request->sale = SALE_ON;
    request->sale_changes = sale_changes(world, request);
    for (uint32_t i = 0; i < request->summed.count; i++) {
        enum sale sale = books_sale(&world->books, request->summed.lines[i].sku);

        if (sale == SALE_OFF)
            request->sale = SALE_OFF;
        else if (sale == SALE_UNKNOWN && request->sale == SALE_ON)
            request->sale = SALE_UNKNOWN;
    }
}

/* What was archived, durably and answered, is not held by who asks afterwards; what is sold is not
 * called unknown. In between either may be. */
static void check_sale(struct world *world, const struct request *request, bool is_held)
{
    if (request->sale_changes != sale_changes(world, request))
        return;
    if (is_held && request->sale == SALE_OFF)
        violation("I5: what is archived, or a draft, was reserved");
    if (!is_held && request->sale == SALE_ON)
        violation("what is sold was not found");
    if (!is_held)
        world_mark(world, MARK_WITHDRAWN_REFUSED);
}

/* Its owner was asked, and says so. */
static void take_withdrawn(struct world *world, const struct request *request)
{
    check_sale(world, request, false);
    world_mark(world, MARK_WITHDRAWN_LATE);
}

/* What a refused reservation's answer and an immediate refusal have in common. */
static void check_refused(struct world *world, const struct request *request, enum outcome outcome)
{
    const struct attempt *attempt = &world->books.attempts[request->attempt];

    if (outcome == OUTCOME_KEY_REUSED) {
        if (!attempt->other_sent || !attempt->body_sent)
            violation("a key was refused for another body, and had none");
        world_mark(world, MARK_KEY_REUSED);
    } else if (outcome == OUTCOME_KEY_IN_FLIGHT) {
        if (attempt->requests < 2 || must_be_replayed(world, request))
            violation("a key was called in flight that is not");
        world_mark(world, MARK_KEY_IN_FLIGHT);
    } else if (outcome == OUTCOME_SOLD_OUT || outcome == OUTCOME_INSUFFICIENT_STOCK ||
               outcome == OUTCOME_LIMIT_REACHED || outcome == OUTCOME_STORAGE_FULL ||
               outcome == OUTCOME_NOT_FOUND) {
        if (must_be_replayed(world, request))
            violation("I3: a repeated key was refused (%s) instead of answered",
                      outcome_name(outcome));
    }
}

void answers_reserve(struct world *world, const struct request *request,
                     const struct reply_body *reply)
{
    struct attempt *attempt = &world->books.attempts[request->attempt];
    enum outcome outcome = (enum outcome)reply->outcome;

    attempt->open--;
    world->spans_open -= request->spans;
    if (request->client < SIM_GUESTS_MAX &&
        world->people.guests[request->client].ended_step > request->submitted_step)
        world_mark(world, MARK_ENDED_IN_FLIGHT);
    if (outcome == OUTCOME_OUTCOME_UNKNOWN) {
        attempt->maybe = true;
        return;
    }
    if (outcome == OUTCOME_OK) {
        if (!reply->replayed)
            check_sale(world, request, true);
        else if (request->sale == SALE_OFF)
            world_mark(world, MARK_REPLAY_WITHDRAWN);
        take_held(world, request, reply);
        return;
    }
    if (reply->replayed)
        violation("a refusal was replayed");
    check_refused(world, request, outcome);
    attempt->aborted = attempt->aborted || request->spans;
    if (reply->hold.id.sequence != 0 && request->spans) {
        world_mark(world, MARK_INTENT_ABORTED);
        if (outcome == OUTCOME_OVERLOADED && world_wall_ms(world) >= reply->hold.deadline_wall_ms)
            world_mark(world, MARK_BORN_DEAD);
    }
    if (outcome == OUTCOME_LIMIT_REACHED)
        take_limit(world, request, reply);
    else if (outcome == OUTCOME_OVERLOADED)
        world_mark(world, MARK_REPLY_OVERLOADED);
    else if (outcome == OUTCOME_NOT_FOUND)
        take_withdrawn(world, request);
    else if (outcome != OUTCOME_KEY_REUSED && outcome != OUTCOME_KEY_IN_FLIGHT &&
             outcome != OUTCOME_SOLD_OUT && outcome != OUTCOME_INSUFFICIENT_STOCK &&
             outcome != OUTCOME_STORAGE_FULL) /* by the owner, who had to look for the key */
        violation("a reservation was answered %s", outcome_name(outcome));
}

/* ---- refused at once ---- */

/* The gates are as they were when it was refused: nothing else has run. */
static void check_gate_refusal(struct world *world, const struct request *request,
                               enum outcome outcome, const struct refusal *refusal)
{
    bool short_of = false;
    bool only_held = false;

    for (uint32_t i = 0; i < request->summed.count; i++) {
        uint32_t sku = request->summed.lines[i].sku;
        const struct sku_entry *entry = world_sku_entry(world, sku);
        struct stock_view view = {0};
        uint32_t available = gate_available(&entry->gate);

        engine_inspect_stock(world->engine, entry->sku_id, &view);
        short_of = short_of || available < request->summed.lines[i].quantity;
        only_held = only_held || view.reserved > 0 || gate_claimed(&entry->gate) > 0;
        if (refusal->line_available[i] != available)
            violation("a refusal tells of %u units where %u are", refusal->line_available[i],
                      available);
        if (outcome == OUTCOME_SOLD_OUT && available != 0)
            violation("%s was called sold out with %u units left", world->books.skus[sku].name,
                      available);
    }
    if (!short_of)
        violation("a reservation was refused at gates that have enough");
    if (refusal->final && only_held)
        violation("a refusal was called final while units are only held");
    world_mark(world, outcome == OUTCOME_INSUFFICIENT_STOCK ? MARK_INSUFFICIENT
                      : refusal->final                      ? MARK_SOLD_OUT
                                                            : MARK_SOLD_OUT_HELD);
}

void answers_refused(struct world *world, const struct request *request, enum outcome outcome,
                     const struct refusal *refusal)
{
    bool reserves = request->type == COMMAND_RESERVE;

    if (request->type == COMMAND_SETTINGS)
        shop_refused(world, request);
    if (outcome == OUTCOME_OVERLOADED) {
        world_mark(world, world->draining ? MARK_DRAIN_REFUSED : MARK_SUBMIT_OVERLOADED);
    } else if (outcome == OUTCOME_OUTCOME_UNKNOWN) {
        if (!world->env.failed)
            violation("a command's outcome was called unknown before the latch fell");
        world_mark(world, MARK_OUTCOME_UNKNOWN_SEEN);
    } else if (outcome == OUTCOME_STORAGE_FULL) {
        if (!world->disk_full ||
            (!reserves && request->type != COMMAND_PRODUCT_PUT &&
             request->type != COMMAND_SETTINGS &&
             (request->type != COMMAND_ACCOUNT || request->ask.call != ACCOUNT_CALL_REGISTER)))
            violation("a command was refused for a full disk that is not, or not for it");
        if (reserves && request->attempt != NONE)
            check_refused(world, request, outcome);
        world_mark(world, MARK_STORAGE_FULL);
    } else if (outcome == OUTCOME_NOT_FOUND) {
        if (!reserves)
            violation("what exists was not found");
        if (request->attempt != NONE) {
            check_refused(world, request, outcome);
            check_sale(world, request, false);
        }
    } else if ((outcome == OUTCOME_SOLD_OUT || outcome == OUTCOME_INSUFFICIENT_STOCK) && reserves &&
               request->attempt != NONE) {
        check_refused(world, request, outcome);
        check_gate_refusal(world, request, outcome, refusal);
    } else {
        violation("a command was refused with %s", outcome_name(outcome));
    }
}

/* ---- every answer ---- */

static enum message_type message_of(enum command_type type)
{
    static const enum message_type types[] = {
        [COMMAND_RESERVE] = MESSAGE_RESERVE,
        [COMMAND_HOLD_GET] = MESSAGE_HOLD_GET,
        [COMMAND_HOLD_RELEASE] = MESSAGE_HOLD_RELEASE,
        [COMMAND_HOLD_EXTEND] = MESSAGE_HOLD_EXTEND,
        [COMMAND_HOLD_CONVERT] = MESSAGE_HOLD_CONVERT,
        [COMMAND_STOCK_GET] = MESSAGE_STOCK_GET,
        [COMMAND_STOCK_ADJUST] = MESSAGE_STOCK_ADJUST,
        [COMMAND_PRODUCT_PUT] = MESSAGE_PRODUCT_SUBMIT,
        [COMMAND_HOLD_LIST] = MESSAGE_HOLD_LIST,
        [COMMAND_HOLDS_ADOPT] = MESSAGE_HOLDS_ADOPT,
        [COMMAND_ACCOUNT] = MESSAGE_ACCOUNT,
        [COMMAND_SETTINGS] = MESSAGE_SETTINGS,
    };

    return types[type];
}

static void dispatch(struct world *world, const struct request *request,
                     const struct reply_body *reply)
{
    switch (request->type) {
    case COMMAND_RESERVE:
        answers_reserve(world, request, reply);
        break;
    case COMMAND_HOLD_GET:
    case COMMAND_HOLD_RELEASE:
    case COMMAND_HOLD_EXTEND:
    case COMMAND_HOLD_CONVERT:
        answers_hold(world, request, reply);
        break;
    case COMMAND_STOCK_GET:
    case COMMAND_STOCK_ADJUST:
        answers_stock(world, request, reply);
        break;
    case COMMAND_PRODUCT_PUT:
        answers_product(world, request, reply);
        break;
    case COMMAND_HOLD_LIST:
        answers_list(world, request, reply);
        break;
    case COMMAND_HOLDS_ADOPT:
        answers_adopt(world, request, reply);
        break;
    case COMMAND_ACCOUNT:
        answers_account(world, request, reply);
        break;
    case COMMAND_SETTINGS:
        shop_answer(world, request, reply);
        break;
    case COMMAND_COUPON: /* coupons.c */
    case COMMAND_COUPON_LIST:
    case COMMAND_COUPON_HOLD:
    case COMMAND_COUPON_COMMIT:
    case COMMAND_COUPON_RELEASE:
    case COMMAND_CART: /* carts.c */
    case COMMAND_CART_MERGE:
    case COMMAND_CART_CLEAR:
    case COMMAND_HOLD_BIND: /* an order's */
    case COMMAND_HOLD_UNBIND:
    case COMMAND_HOLD_PIN:
    case COMMAND_ORDER:
    case COMMAND_STOCK_RESTOCK:
    case COMMAND_DELIVERY: /* hooks.c */
    default:
        assert(false && "a request has a type");
    }
}

static void check_answer(struct world *world, const struct request *request, uint64_t cookie,
                         const struct message *message)
{
    const struct reply_body *reply = &message->reply;

    if (world->dying)
        violation("a dead process answered");
    if (world->in_submit)
        violation("a command was answered before engine_submit returned");
    if (cookie == 0 || request->cookie != cookie)
        violation("an answer came that nobody waits for: a second one");
    if (message->type != MESSAGE_REPLY || reply->answers != message_of(request->type))
        violation("a %s was answered as something else", message_name(message_of(request->type)));
    if (world->env.failed && reply->outcome != OUTCOME_OUTCOME_UNKNOWN)
        violation("after the latch fell a %s was answered %s",
                  message_name(message_of(request->type)),
                  outcome_name((enum outcome)reply->outcome));
    if (!world->env.failed && reply->outcome == OUTCOME_OUTCOME_UNKNOWN)
        violation("an outcome was called unknown before the latch fell");
}

void answers_take(void *user, uint64_t cookie, const struct message *message)
{
    struct world *world = user;
    struct request *request = &world->requests[cookie % SIM_REQUESTS_MAX];
    const struct reply_body *reply = &message->reply;

    if (shoppers_is_cookie(cookie)) {
        shoppers_take(world, cookie, message);
        return;
    }
    if (coupons_is_cookie(cookie)) {
        coupons_take(world, cookie, message);
        return;
    }
    if (hooks_is_cookie(cookie)) {
        hooks_take(world, cookie, message);
        return;
    }
    if (mails_is_cookie(cookie)) {
        mails_take(world, cookie, message);
        return;
    }
    if (carts_is_cookie(cookie)) {
        carts_take(world, cookie, message);
        return;
    }
    check_answer(world, request, cookie, message);
    answers_check_order(world, request, (enum outcome)reply->outcome);
    trace_add(&world->trace, TRACE_REPLY,
              cookie << 16 | (uint64_t)reply->outcome << 8 | reply->replayed, reply->limit);
    world_log(world, "shard %u: client %u gets  %" PRIu64 ": %s%s", request->shard, request->client,
              cookie, outcome_name((enum outcome)reply->outcome),
              reply->replayed ? ", replayed" : "");
    if (reply->outcome == OUTCOME_OUTCOME_UNKNOWN)
        world_mark(world, MARK_OUTCOME_UNKNOWN_SEEN);
    if (world_now(world) - request->counted_from_ms > world->profile.engine.request_timeout_ms)
        world->overdue++;
    oracles_check_served(world, request, (enum outcome)reply->outcome);
    if (request->answer_lost)
        world_mark(world, MARK_DISCONNECTED);
    dispatch(world, request, reply);
    clients_give_request(world, request);
}
