/* SPDX-License-Identifier: Apache-2.0 */
/* Answers about holds. A hold ends once and stays as it ended; it lives until its deadline and not
 * longer; what was acknowledged is there (I2, I5). An answer is judged by what was known when its
 * question was sent, because answers of one partition may overtake each other on their way. */
#include "world.h"

#include <inttypes.h>

#include "inspect.h"
#include "violation.h"

static void trace_view(struct world *world, const struct hold_view *view)
{
    trace_add(&world->trace, TRACE_VIEW,
              view->id.sequence << 20 | view->id.partition << 8 | view->state,
              (uint64_t)view->deadline_wall_ms ^ (uint64_t)view->ttl_ms << 48);
}

/* What remains, by the clock that nobody sets. */
static void check_remainder(const struct world *world, const struct request *request,
                            const struct book_hold *hold, const struct hold_view *view)
{
    int64_t deadline_ms = view->deadline_wall_ms - hold->wall_lead_ms;

    /* A list does not record a lapse that no turn had time for yet; it says that nothing is left.
     */
    if (deadline_ms <= request->submitted_ms && (request->hold != NONE || view->ttl_ms != 0))
        violation("a hold is shown as held %lld ms past its deadline",
                  (long long)(request->submitted_ms - deadline_ms));
    if ((view->ttl_ms != 0 && view->ttl_ms > deadline_ms - request->submitted_ms) ||
        (int64_t)view->ttl_ms < deadline_ms - world_now(world))
        violation("a hold says that %u ms remain, of %lld", view->ttl_ms,
                  (long long)(deadline_ms - world_now(world)));
}

static void check_live_view(const struct world *world, const struct request *request,
                            const struct book_hold *hold, const struct hold_view *view)
{
    const struct engine_options *options = &world->profile.engine;

    if (hold->deadline_exact)
        check_remainder(world, request, hold, view);
    if (request->hold != NONE && view->deadline_wall_ms < request->known_deadline_wall_ms)
        violation("a hold's deadline went back by %lld ms",
                  (long long)(request->known_deadline_wall_ms - view->deadline_wall_ms));
    if (view->deadline_wall_ms > view->id.created_ms + options->hold_cap_ms ||
        view->extensions > options->hold_extensions_max)
        violation("a hold was extended beyond its cap");
}

static void see_live(struct world *world, const struct request *request, uint32_t index,
                     const struct hold_view *view)
{
    struct book_hold *hold = &world->books.holds[index];

    check_live_view(world, request, hold, view);
    if (request->hold != NONE && request->none_open) { /* nothing of before is still to come */
        hold->end_maybe = false;
        hold->convert_maybe = false;
        hold->extend_maybe = false;
        if (hold->ends_open == 0 && hold->state == HOLD_HELD)
            hold->ended_earliest_ms = hold->forget_earliest_ms = INT64_MAX;
    }
    wall_see_deadline(world, hold, view, request);
    if (view->extensions > hold->extensions)
        hold->extensions = view->extensions;
    if (hold->state == HOLD_HELD)
        books_list_hold(&world->books, index);
}

static void see_end(struct world *world, struct book_hold *hold, enum hold_state state)
{
    hold->state = (uint8_t)state;
    hold->ended_step = world->step;
    books_suspect(&world->books, SUSPECT_ENDED, hold->client, hold->lines, hold->line_count);
    /* Other partitions have yet to hear of it: a good moment to die. */
    if (hold->line_count > 1 && world->profile.crash_parts > 0 && world->dies_at_step == 0 &&
        sim_random_chance(&world->random, 30000))
        world->dies_at_step = world->step + sim_random_range(&world->random, 1, 30);
    if (state == HOLD_EXPIRED) {
        if (world_now(world) < hold->deadline_ms)
            violation("a hold lapsed %lld ms before its deadline",
                      (long long)(hold->deadline_ms - world_now(world)));
        world_mark(world, MARK_EXPIRED);
    } else if (state == HOLD_RELEASED) {
        if (!hold->release_sent)
            violation("a hold was released that nobody released");
        world_mark(world, MARK_RELEASED);
    } else if (state == HOLD_CONVERTED) {
        if (!hold->convert_sent)
            violation("a hold was converted that nobody converted");
        for (uint32_t i = 0; i < hold->line_count; i++)
            world->books.skus[hold->lines[i].sku].sold += hold->lines[i].quantity;
        world_mark(world, MARK_CONVERTED);
        for (uint32_t i = 0; i < hold->line_count; i++)
            oracles_check_sku(world, hold->lines[i].sku);
    } else {
        violation("a hold is shown as %s", hold_state_name(state));
    }
}

/* A view as it is now, of a request for this hold or of a list. */
static void see_view(struct world *world, const struct request *request, uint32_t index,
                     const struct hold_view *view)
{
    struct book_hold *hold = &world->books.holds[index];

    hold->seen_step = world->step;
    answers_see_fence(world, view);
    trace_view(world, view);
    world_log(world, "    hold %u: %s until %" PRId64 ", %u extensions", index,
              hold_state_name((enum hold_state)view->state),
              (int64_t)(view->deadline_wall_ms - SIM_WALL_START_MS), view->extensions);
    if (books_find_hold(&world->books, &view->id) != index ||
        !people_may_name(world, hold->client, &view->principal, request->submitted_step) ||
        !answers_lines_equal(world, view, hold->lines, hold->line_count))
        violation("a hold is shown with another's identity, customer or lines");
    if (request->hold != NONE && request->known_state != HOLD_HELD &&
        view->state != request->known_state)
        violation("a hold that had ended as %s is shown as %s",
                  hold_state_name((enum hold_state)request->known_state),
                  hold_state_name((enum hold_state)view->state));
    if (view->state == HOLD_HELD)
        see_live(world, request, index, view);
    else if (hold->state == HOLD_HELD)
        see_end(world, hold, (enum hold_state)view->state);
    else if (hold->state != view->state)
        violation("a hold ended twice: as %s and as %s",
                  hold_state_name((enum hold_state)hold->state),
                  hold_state_name((enum hold_state)view->state));
}

/* ---- requests for one hold ---- */

static void close_request(struct book_hold *hold, const struct request *request, bool unknown)
{
    if (request->stranger)
        return;
    if (request->type == COMMAND_HOLD_RELEASE || request->type == COMMAND_HOLD_CONVERT) {
        hold->ends_open--;
        hold->end_maybe = hold->end_maybe || unknown;
    }
    if (request->type == COMMAND_HOLD_CONVERT) {
        hold->converts_open--;
        hold->convert_maybe = hold->convert_maybe || unknown;
    }
    if (request->type == COMMAND_HOLD_EXTEND) {
        hold->extends_open--;
        hold->extend_maybe = hold->extend_maybe || unknown;
    }
}

static void take_not_found(struct world *world, const struct request *request)
{
    struct book_hold *hold = &world->books.holds[request->hold];

    if (request->stranger) {
        world_mark(world, MARK_FOREIGN_HOLD);
        return;
    }
    /* Whose it is changed while it was asked for. */
    if (request->unsure ||
        (!request->staff && people_relation(world, request->client, hold->client) != RELATION_OWN))
        return;
    if (!hold->forgotten && !book_hold_may_be_forgotten(hold, world_now(world),
                                                        world->profile.engine.hold_retention_ms))
        violation(
            "an acknowledged hold is lost (%s, deadline in %lld ms, shown before %u restarts)",
            hold_state_name((enum hold_state)hold->state),
            (long long)(hold->deadline_ms - world_now(world)),
            world->books.incarnation - hold->incarnation);
    books_forget_hold(&world->books, request->hold);
}

/* A key extends a hold once. Only the newest one is followed. */
static void take_extension_key(struct world *world, const struct request *request,
                               const struct reply_body *reply)
{
    struct book_hold *hold = &world->books.holds[request->hold];
    bool alone = request->none_open && !request->known_extend_maybe &&
                 hold->extends_sent == request->extends_sent + 1;

    if (reply->replayed && request->extend_key == 0)
        violation("an extension without a key got a replay");
    if (reply->replayed)
        world_mark(world, MARK_EXTEND_REPLAYED);
    if (request->extend_key == 0 || request->extend_key != hold->extend_key)
        return;
    if (reply->replayed && hold->extend_requests < 2)
        violation("a new extension got a replay");
    if (!reply->replayed && hold->extend_done)
        violation("I3: a hold was extended twice under one key");
    /* With others under way, or in doubt, it can't be told whether this one gained anything. */
    if (!reply->replayed && alone && reply->hold.extensions > request->known_extensions) {
        hold->extend_done = true;
        hold->extends_known[reply->hold.extensions - 1] = request->extend_key;
    }
}

/* What a key did before it was sent is answered again, whatever became of the hold since. */
static void check_extension_repeated(struct world *world, const struct request *request,
                                     const struct reply_body *reply)
{
    if (!request->extend_known)
        return;
    if (reply->outcome != OUTCOME_OK || !reply->replayed)
        violation("I3: the key of an extension that was made was answered %s instead of repeated",
                  outcome_name((enum outcome)reply->outcome));
    if (world->books.holds[request->hold].state != HOLD_HELD)
        world_mark(world, MARK_EXTEND_REPLAYED_ENDED);
}

static void take_extended(struct world *world, const struct request *request,
                          const struct reply_body *reply)
{
    const struct hold_view *view = &reply->hold;
    bool gained = view->extensions > request->known_extensions &&
                  view->deadline_wall_ms > request->known_deadline_wall_ms;

    take_extension_key(world, request, reply);
    if (reply->replayed) /* whatever became of the hold since */
        return;
    if (request->submitted_ms >= request->deadline_max_ms)
        violation("I5: a hold was extended %lld ms past its deadline",
                  (long long)(request->submitted_ms - request->deadline_max_ms));
    /* Asked for while the whole TTL still lies ahead, it may change nothing. */
    if (view->state != HOLD_HELD || (!gained && view->ttl_ms < world->profile.engine.hold_ttl_ms))
        violation("an extension extended nothing");
    world_mark(world, MARK_EXTENDED);
}

static void take_ok(struct world *world, const struct request *request,
                    const struct reply_body *reply)
{
    enum hold_state state = (enum hold_state)reply->hold.state;

    if (world->disk_full && request->type != COMMAND_HOLD_GET)
        world_mark(world, MARK_CHANGED_WHEN_FULL);
    if (request->type == COMMAND_HOLD_EXTEND) {
        take_extended(world, request, reply);
        return;
    }
    if (reply->replayed)
        violation("a request for a hold got a replay");
    if (request->type == COMMAND_HOLD_RELEASE && state != HOLD_RELEASED && state != HOLD_EXPIRED)
        violation("a release left the hold %s", hold_state_name(state));
    if (request->type != COMMAND_HOLD_CONVERT)
        return;
    if (state != HOLD_CONVERTED)
        violation("a conversion left the hold %s", hold_state_name(state));
    if (request->submitted_ms >= request->deadline_max_ms && !request->known_convert_maybe &&
        request->known_state != HOLD_CONVERTED)
        violation("I5: a hold was converted %lld ms past its deadline",
                  (long long)(request->submitted_ms - request->deadline_max_ms));
}

static void take_ended(struct world *world, const struct request *request,
                       const struct hold_view *view)
{
    bool right = view->state == HOLD_CONVERTED ? request->type != COMMAND_HOLD_CONVERT
                                               : request->type != COMMAND_HOLD_RELEASE;

    if (!right || view->state == HOLD_HELD || request->type == COMMAND_HOLD_GET)
        violation("a hold that is %s was refused as ended",
                  hold_state_name((enum hold_state)view->state));
    world_mark(world, MARK_ENDED_REFUSED);
    if (request->type == COMMAND_HOLD_CONVERT && request->submitted_ms >= request->deadline_max_ms)
        world_mark(world, MARK_LATE_CONVERT);
}

void answers_hold(struct world *world, const struct request *request,
                  const struct reply_body *reply)
{
    enum outcome outcome = (enum outcome)reply->outcome;

    close_request(&world->books.holds[request->hold], request, outcome == OUTCOME_OUTCOME_UNKNOWN);
    if (outcome == OUTCOME_OUTCOME_UNKNOWN)
        return;
    if (outcome == OUTCOME_OVERLOADED) {
        world_mark(world, MARK_REPLY_OVERLOADED);
        return;
    }
    if (outcome == OUTCOME_NOT_FOUND) {
        take_not_found(world, request);
        return;
    }
    check_extension_repeated(world, request, reply);
    if (request->stranger)
        violation("a stranger's request for a hold was answered %s", outcome_name(outcome));
    if (outcome == OUTCOME_OK)
        take_ok(world, request, reply);
    else if (outcome == OUTCOME_HOLD_ENDED)
        take_ended(world, request, &reply->hold);
    else if (outcome == OUTCOME_HOLD_CAP_REACHED && request->type == COMMAND_HOLD_EXTEND)
        world_mark(world, MARK_CAP_REACHED);
    else
        violation("a request for a hold was answered %s", outcome_name(outcome));
    see_view(world, request, request->hold, &reply->hold);
}

/* ---- lists ---- */

static bool order_matches(const struct world *world, const struct order_lines *order,
                          const struct hold_view *view)
{
    struct order_lines summed;

    order_sum(order, &summed);
    return answers_lines_equal(world, view, summed.lines, summed.count);
}

/* Whether what one party asked for may be another's by now. */
static bool is_of(const struct world *world, uint32_t party, uint32_t asker)
{
    return asker == party || (party_is_account(party) && asker < SIM_GUESTS_MAX &&
                              (world->people.guests[asker].asked & 1u << (party - SIM_GUESTS_MAX)));
}

/* Holds like this one that lists had shown, and no other answer. */
static uint32_t count_unexplained(const struct world *world, uint32_t party,
                                  const struct hold_view *view, int64_t created_ms)
{
    const struct books *books = &world->books;
    uint32_t count = 0;

    for (uint32_t i = books_newest_of_client(books, party); i != NONE;
         i = books->holds[i].next_of_client)
        if (books->holds[i].attempt == NONE &&
            !book_hold_may_be_forgotten(&books->holds[i], created_ms,
                                        world->profile.engine.hold_retention_ms) &&
            answers_lines_equal(world, view, books->holds[i].lines, books->holds[i].line_count))
            count++;
    return count;
}

/* A hold that no answer showed yet must come of a request that never got one. */
static uint32_t explain_hold(struct world *world, const struct request *request,
                             const struct hold_view *view)
{
    struct books *books = &world->books;
    struct book_hold hold = {.id = view->id,
                             .client = request->client,
                             .attempt = NONE,
                             .line_count = view->line_count,
                             .state = HOLD_HELD};
    uint32_t parties[SIM_PARTIES_MAX];
    uint32_t party_count = people_possible_group(world, request->client, parties);
    uint32_t askers = 0;
    uint32_t others = 0;

    wall_explain_hold(world, &hold, view, request);
    for (uint32_t i = 0; i < books->attempt_count; i++) {
        const struct attempt *attempt = &books->attempts[i];

        if (is_of(world, request->client, attempt->client) &&
            (attempt->maybe || attempt->open > 0) &&
            (attempt->other_sent || order_matches(world, &attempt->order, view)))
            askers++;
    }
    for (uint32_t i = 0; i < party_count; i++)
        others += count_unexplained(world, parties[i], view, hold.created_ms);
    if (others >= askers)
        violation("a list shows a hold that nobody asked for, or twice for one key");
    for (uint32_t i = 0; i < view->line_count; i++)
        hold.lines[i] = (struct model_line){world_sku_index(world, view->lines[i].sku_id),
                                            view->lines[i].quantity};
    return books_add_hold(books, &hold);
}

static bool comes_before(const struct reservation_id *a, const struct reservation_id *b)
{
    if (a->created_ms != b->created_ms)
        return a->created_ms < b->created_ms;
    if (a->partition != b->partition)
        return a->partition < b->partition;
    return a->sequence < b->sequence;
}

/* One view of a list; the hold's index. */
static uint32_t take_listed(struct world *world, const struct request *request,
                            const struct hold_view *view)
{
    uint32_t index = books_find_hold(&world->books, &view->id);

    if (!request->staff && !principal_equal(&view->principal, &request->list.principal))
        violation("a list shows another customer's hold");
    if (request->list.state >= 0 && (int)view->state != (int)request->list.state)
        violation("a list shows a state that was not asked for");
    if (index == NONE && request->staff)
        violation("a list shows a hold that its own customer's list did not");
    if (index == NONE)
        index = explain_hold(world, request, view);
    if (!people_may_name(world, world->books.holds[index].client, &view->principal,
                         request->submitted_step))
        violation("a list shows a hold as another customer's");
    if (world->books.holds[index].list_round == world->list_round && request->staff)
        violation("a list shows a hold twice");
    world->books.holds[index].list_round = world->list_round;
    return index;
}

void answers_list(struct world *world, const struct request *request,
                  const struct reply_body *reply)
{
    struct list_envelope *list = reply->list;
    const struct reservation_id *before = &request->list.after;

    if (reply->outcome == OUTCOME_OVERLOADED)
        world_mark(world, MARK_REPLY_OVERLOADED);
    else if (reply->outcome != OUTCOME_OK && reply->outcome != OUTCOME_OUTCOME_UNKNOWN)
        violation("a list was answered %s", outcome_name((enum outcome)reply->outcome));
    if (reply->outcome != OUTCOME_OK)
        return;
    if (list == NULL || list->count > request->list.limit)
        violation("a list has more than asked for, or nothing at all");
    for (uint32_t i = 0; i < list->count; i++) {
        const struct hold_view *view = &list->views[i];
        bool is_shoppers = shoppers_is_sku(world, view->lines[0].sku_id);
        uint32_t index = is_shoppers ? NONE : take_listed(world, request, view);

        /* Walks over many holds are in the order in which they came to their shard. */
        if (!request->staff && !comes_before(before, &view->id))
            violation("a list is not in the order of its IDs");
        before = &view->id;
        if (request->staff || is_shoppers)
            continue;
        see_view(world, request, index, view);
        if (!world->books.holds[index].remembered) {
            world->books.holds[index].remembered = true;
            clients_remember_hold(world, request->device, index);
        }
    }
    if (list->count > 0)
        world_mark(world, MARK_LISTED);
    if (list->more && list->count != request->list.limit)
        violation("a page ends before it is full, and there is more");
    world->lists++;
    world->list_goes_on = list->more;
    world->list_last = *before;
    envelope_free(list);
}
