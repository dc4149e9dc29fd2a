/* SPDX-License-Identifier: Apache-2.0 */
#include "deliveries.h"

#include <assert.h>
#include <string.h>

#include "mutants.h"

/* ---- lanes ---- */

void deliveries_init(struct deliveries *deliveries, const struct deliveries_sizes *sizes,
                     const struct delivery_schedule *schedule, struct delivery_row *rows,
                     uint32_t *heaps, struct index_bucket *buckets, const struct hash_key *key)
{
    assert(sizes->lane_limit <= sizes->lane_rows_max &&
           sizes->lane_limit > sizes->lane_under_way_max);
    assert(sizes->lane_under_way_max >= 1 && sizes->under_way_max >= 2);
    assert(schedule->count >= 1 && schedule->count <= DELIVERY_ATTEMPTS_MAX);
    *deliveries = (struct deliveries){
        .rows = rows, .heaps = heaps, .key = *key, .sizes = *sizes, .schedule = *schedule};
    index_table_init(&deliveries->index, buckets, WEBHOOK_ENDPOINTS_MAX * sizes->lane_rows_max);
}

static uint32_t lane_of(const struct deliveries *deliveries, uint32_t endpoint)
{
    uint32_t lane = 0;

    while (lane < WEBHOOK_ENDPOINTS_MAX && deliveries->lanes[lane].endpoint != endpoint)
        lane++;
    return lane;
}

/* The endpoint's, or a free one that becomes it; WEBHOOK_ENDPOINTS_MAX: none. */
static uint32_t take_lane(struct deliveries *deliveries, uint32_t endpoint)
{
    uint32_t lane = lane_of(deliveries, endpoint);

    assert(endpoint != 0);
    if (lane < WEBHOOK_ENDPOINTS_MAX)
        return lane;
    lane = lane_of(deliveries, 0);
    deliveries->has_new_lane = true;
    if (lane < WEBHOOK_ENDPOINTS_MAX)
        deliveries->lanes[lane] = (struct delivery_lane){
            .endpoint = endpoint, .free = SLOT_NONE, .oldest = SLOT_NONE, .newest = SLOT_NONE};
    return lane;
}

static bool is_failing(const struct delivery_lane *lane)
{
    return lane->failures >= DELIVERY_FAILURES_SERIES;
}

uint32_t delivery_endpoint(const struct deliveries *deliveries, uint32_t row)
{
    return deliveries->lanes[deliveries->rows[row].lane].endpoint;
}

/* ---- rows ---- */

static uint64_t hash_of(const struct deliveries *deliveries, uint32_t lane, uint32_t partition,
                        uint64_t sequence)
{
    uint64_t words[2] = {(uint64_t)lane << 32 | partition, sequence};

    return hash_bytes(&deliveries->key, words, sizeof(words));
}

static uint32_t find(const struct deliveries *deliveries, uint32_t lane, uint32_t partition,
                     uint64_t sequence)
{
    uint64_t hash = hash_of(deliveries, lane, partition, sequence);
    uint32_t cursor = 0;
    uint32_t row;

    while ((row = index_table_find(&deliveries->index, hash, &cursor)) != SLOT_NONE) {
        const struct delivery_row *found = &deliveries->rows[row];

        if (found->sequence == sequence && found->partition == partition && found->lane == lane)
            return row;
    }
    return SLOT_NONE;
}

/* There is room. The row is the lane's newest. */
static uint32_t add_row(struct deliveries *deliveries, uint32_t lane_number, uint32_t partition,
                        uint64_t sequence)
{
    struct delivery_lane *lane = &deliveries->lanes[lane_number];
    uint32_t row = lane->free;

    if (row != SLOT_NONE)
        lane->free = deliveries->rows[row].older;
    else
        row = lane_number * deliveries->sizes.lane_rows_max + lane->fresh++;
    assert(lane->used < deliveries->sizes.lane_rows_max);
    lane->used++;
    deliveries->pending++;
    deliveries->rows[row] = (struct delivery_row){.sequence = sequence,
                                                  .partition = (uint16_t)partition,
                                                  .lane = (uint8_t)lane_number,
                                                  .turn = ++deliveries->turns,
                                                  .older = lane->newest,
                                                  .newer = SLOT_NONE};
    if (lane->newest != SLOT_NONE)
        deliveries->rows[lane->newest].newer = row;
    else
        lane->oldest = row;
    lane->newest = row;
    index_table_add(&deliveries->index, hash_of(deliveries, lane_number, partition, sequence), row);
    return row;
}

static void remove_row(struct deliveries *deliveries, uint32_t row)
{
    struct delivery_row *gone = &deliveries->rows[row];
    struct delivery_lane *lane = &deliveries->lanes[gone->lane];

    assert(gone->state == ROW_FREE); /* taken out of heap and counts */
    index_table_remove(&deliveries->index,
                       hash_of(deliveries, gone->lane, gone->partition, gone->sequence), row);
    if (gone->older != SLOT_NONE)
        deliveries->rows[gone->older].newer = gone->newer;
    else
        lane->oldest = gone->newer;
    if (gone->newer != SLOT_NONE)
        deliveries->rows[gone->newer].older = gone->older;
    else
        lane->newest = gone->older;
    gone->older = lane->free;
    lane->free = row;
    lane->used--;
    deliveries->pending--;
}

/* ---- a lane's heap of those that wait ---- */

static uint32_t *heap_of(const struct deliveries *deliveries, const struct delivery_row *row)
{
    return deliveries->heaps + (size_t)row->lane * deliveries->sizes.lane_rows_max;
}

static bool is_sooner(const struct deliveries *deliveries, uint32_t a, uint32_t b)
{
    const struct delivery_row *first = &deliveries->rows[a];
    const struct delivery_row *second = &deliveries->rows[b];

    if (first->due_boot_ms != second->due_boot_ms)
        return first->due_boot_ms < second->due_boot_ms;
    return first->turn < second->turn;
}

static void place(struct deliveries *deliveries, uint32_t *heap, uint32_t at, uint32_t row)
{
    heap[at] = row;
    deliveries->rows[row].heap_place = at;
}

static void rise(struct deliveries *deliveries, uint32_t *heap, uint32_t at)
{
    uint32_t row = heap[at];

    while (at > 0 && is_sooner(deliveries, row, heap[(at - 1) / 2])) {
        place(deliveries, heap, at, heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(deliveries, heap, at, row);
}

static void sink(struct deliveries *deliveries, uint32_t *heap, uint32_t count, uint32_t at)
{
    uint32_t row = heap[at];

    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child >= count)
            break;
        if (child + 1 < count && is_sooner(deliveries, heap[child + 1], heap[child]))
            child++;
        if (!is_sooner(deliveries, heap[child], row))
            break;
        place(deliveries, heap, at, heap[child]);
        at = child;
    }
    place(deliveries, heap, at, row);
}

static void wait(struct deliveries *deliveries, uint32_t row)
{
    struct delivery_row *waiting = &deliveries->rows[row];
    struct delivery_lane *lane = &deliveries->lanes[waiting->lane];
    uint32_t *heap = heap_of(deliveries, waiting);

    waiting->state = ROW_WAITING;
    place(deliveries, heap, lane->waiting++, row);
    rise(deliveries, heap, lane->waiting - 1);
}

static void unwait(struct deliveries *deliveries, uint32_t row)
{
    struct delivery_row *waiting = &deliveries->rows[row];
    struct delivery_lane *lane = &deliveries->lanes[waiting->lane];
    uint32_t *heap = heap_of(deliveries, waiting);
    uint32_t at = waiting->heap_place;
    uint32_t last = heap[--lane->waiting];

    assert(waiting->state == ROW_WAITING && heap[at] == row);
    waiting->state = ROW_FREE;
    if (last == row)
        return;
    place(deliveries, heap, at, last);
    rise(deliveries, heap, at);
    sink(deliveries, heap, lane->waiting, deliveries->rows[last].heap_place);
}

/* ---- what is written ---- */

static struct record *add_record(const struct delivery_step *step, enum record_kind kind,
                                 uint32_t row)
{
    const struct delivery_row *subject = &step->deliveries->rows[row];
    struct record *record = effects_record(step->effects, kind, subject->partition, 0, 0);

    record->subject = delivery_endpoint(step->deliveries, row);
    record->sequence = subject->sequence;
    return record;
}

_Static_assert(RECORD_DELIVERY_DEAD == RECORD_DELIVERY + (int)DELIVERY_DEAD &&
                   RECORD_DELIVERY_DONE == RECORD_DELIVERY + (int)DELIVERY_DELIVERED,
               "a state's record is of a kind of its own");

static void write(const struct delivery_step *step, uint32_t row, enum delivery_state state,
                  int64_t next_wall_ms, const char *reason)
{
    struct delivery_row *subject = &step->deliveries->rows[row];
    struct delivery_record *delivery =
        &add_record(step, (enum record_kind)(RECORD_DELIVERY + (int)state), row)->delivery;

    delivery->event = subject->event;
    delivery->state = (uint8_t)state;
    delivery->attempts = subject->attempts;
    delivery->response = subject->response;
    delivery->attempted_wall_ms = subject->attempted_wall_ms;
    delivery->next_wall_ms = next_wall_ms;
    memcpy(delivery->reason, reason, strnlen(reason, DELIVERY_REASON_MAX));
    subject->serial = step->serial;
}

static void drop(const struct delivery_step *step, uint32_t row)
{
    add_record(step, RECORD_DELIVERY, row)->operation = RECORD_DELETE;
    remove_row(step->deliveries, row);
}

/* It is pending no more; of an endpoint that is no more nothing is kept. */
static void settle(const struct delivery_step *step, uint32_t row, enum delivery_state state,
                   const char *reason)
{
    struct deliveries *deliveries = step->deliveries;

    if (deliveries->lanes[deliveries->rows[row].lane].state != LANE_GONE) {
        write(step, row, state, 0, reason);
        deliveries->deaths += state == DELIVERY_DEAD;
    }
    drop(step, row);
}

/* ---- what comes ---- */

/* The oldest that is not under way. */
static void make_room(const struct delivery_step *step, uint32_t lane_number)
{
    struct deliveries *deliveries = step->deliveries;
    uint32_t row = deliveries->lanes[lane_number].oldest;

    while (deliveries->rows[row].state != ROW_WAITING)
        row = deliveries->rows[row].newer;
    unwait(deliveries, row);
    if (MUTANT(DELIVERY_DROPPED))
        drop(step, row);
    else
        settle(step, row, DELIVERY_DEAD, "too many wait for this endpoint");
    deliveries->overflows++;
}

static void begin(const struct delivery_step *step, uint32_t row,
                  const struct delivery_event *event)
{
    struct delivery_row *added = &step->deliveries->rows[row];

    added->event = *event;
    added->due_boot_ms =
        step->moment->boot_ms + step->deliveries->schedule.delays_s[0] * INT64_C(1000);
    write(step, row, DELIVERY_PENDING, step->moment->wall_ms, "");
    wait(step->deliveries, row);
}

bool deliveries_add(const struct delivery_step *step, uint32_t partition, uint64_t sequence,
                    uint32_t endpoint, const struct delivery_event *event)
{
    struct deliveries *deliveries = step->deliveries;
    uint32_t lane = take_lane(deliveries, endpoint);

    if (lane == WEBHOOK_ENDPOINTS_MAX)
        return false;
    if (find(deliveries, lane, partition, sequence) != SLOT_NONE)
        return true;
    if (deliveries->lanes[lane].used >= deliveries->sizes.lane_limit)
        make_room(step, lane);
    begin(step, add_row(deliveries, lane, partition, sequence), event);
    return true;
}

/* A clock that was set back meanwhile delays nothing by more. */
static int64_t delay_max(const struct delivery_schedule *schedule, uint32_t attempts)
{
    uint32_t delay_s = attempts < schedule->count ? schedule->delays_s[attempts] : 0;

    return delay_s * INT64_C(1100);
}

bool deliveries_restore(struct deliveries *deliveries, const struct moment *moment,
                        const struct record *record)
{
    const struct delivery_record *delivery = &record->delivery;
    uint32_t lane = take_lane(deliveries, record->subject);
    int64_t delay_ms = delivery->next_wall_ms - moment->wall_ms;
    struct delivery_row *restored;
    uint32_t row;

    if (lane == WEBHOOK_ENDPOINTS_MAX ||
        deliveries->lanes[lane].used == deliveries->sizes.lane_rows_max)
        return false;
    row = add_row(deliveries, lane, record->partition, record->sequence);
    restored = &deliveries->rows[row];
    restored->event = delivery->event;
    restored->attempts = delivery->attempts;
    restored->response = delivery->response;
    restored->attempted_wall_ms = delivery->attempted_wall_ms;
    if (delay_ms > delay_max(&deliveries->schedule, delivery->attempts))
        delay_ms = delay_max(&deliveries->schedule, delivery->attempts);
    restored->due_boot_ms = moment->boot_ms + delay_ms;
    wait(deliveries, row);
    return true;
}

enum outcome deliveries_replay(const struct delivery_step *step, uint32_t partition,
                               uint64_t sequence, uint32_t endpoint,
                               const struct delivery_event *event)
{
    struct deliveries *deliveries = step->deliveries;
    uint32_t lane = take_lane(deliveries, endpoint);
    uint32_t row;

    if (lane == WEBHOOK_ENDPOINTS_MAX)
        return OUTCOME_OVERLOADED;
    if (deliveries->lanes[lane].state != LANE_OPEN)
        return deliveries->lanes[lane].state == LANE_GONE ? OUTCOME_NOT_FOUND
                                                          : OUTCOME_INVALID_STATE;
    if (find(deliveries, lane, partition, sequence) != SLOT_NONE)
        return OUTCOME_OK;
    if (deliveries->lanes[lane].used >= deliveries->sizes.lane_limit)
        return OUTCOME_OVERLOADED;
    deliveries->replays++;
    row = add_row(deliveries, lane, partition, sequence);
    add_record(step, RECORD_DELIVERY_DEAD, row)->operation = RECORD_DELETE; /* whichever it was */
    add_record(step, RECORD_DELIVERY_DONE, row)->operation = RECORD_DELETE;
    begin(step, row, event);
    return OUTCOME_OK;
}

/* ---- what goes out ---- */

/* Whether one of this lane may go out now, as far as counts and pauses say. */
static bool lane_is_open(const struct deliveries *deliveries, const struct delivery_lane *lane)
{
    if (lane->endpoint == 0 || lane->state != LANE_OPEN || lane->waiting == 0 ||
        lane->under_way == deliveries->sizes.lane_under_way_max)
        return false;
    return !is_failing(lane) || (lane->under_way == 0 && deliveries->failing_under_way <
                                                             deliveries->sizes.under_way_max / 2);
}

static int64_t lane_due_ms(const struct deliveries *deliveries, uint32_t number)
{
    const struct delivery_lane *lane = &deliveries->lanes[number];
    uint32_t row = deliveries->heaps[(size_t)number * deliveries->sizes.lane_rows_max];
    int64_t due_ms = deliveries->rows[row].due_boot_ms;

    return due_ms > lane->pause_boot_ms ? due_ms : lane->pause_boot_ms;
}

/* Counts of those under way, as the lane's failing changes. */
static void count_failing(struct deliveries *deliveries, struct delivery_lane *lane,
                          uint32_t failures)
{
    bool was_failing = is_failing(lane);

    lane->failures = failures;
    if (was_failing != is_failing(lane) && was_failing)
        deliveries->failing_under_way -= lane->under_way;
    else if (was_failing != is_failing(lane))
        deliveries->failing_under_way += lane->under_way;
}

uint32_t deliveries_take(struct deliveries *deliveries, int64_t boot_ms, uint64_t durable)
{
    if (deliveries->under_way == deliveries->sizes.under_way_max || deliveries->pending == 0)
        return SLOT_NONE;
    for (uint32_t i = 0; i < WEBHOOK_ENDPOINTS_MAX; i++) {
        uint32_t number = (deliveries->next_lane + i) % WEBHOOK_ENDPOINTS_MAX;
        struct delivery_lane *lane = &deliveries->lanes[number];
        uint32_t row;

        if (!lane_is_open(deliveries, lane) || lane_due_ms(deliveries, number) > boot_ms)
            continue;
        row = deliveries->heaps[(size_t)number * deliveries->sizes.lane_rows_max];
        if (deliveries->rows[row].serial > durable && !MUTANT(DELIVERY_BEFORE_DURABLE))
            continue;
        unwait(deliveries, row);
        deliveries->rows[row].state = ROW_UNDER_WAY;
        deliveries->next_lane = (number + 1) % WEBHOOK_ENDPOINTS_MAX;
        deliveries->under_way++;
        deliveries->failing_under_way += is_failing(lane);
        lane->under_way++;
        return row;
    }
    return SLOT_NONE;
}

int64_t deliveries_next_ms(const struct deliveries *deliveries, uint64_t durable)
{
    int64_t next_ms = INT64_MAX;

    if (deliveries->under_way == deliveries->sizes.under_way_max || deliveries->pending == 0)
        return INT64_MAX;
    for (uint32_t i = 0; i < WEBHOOK_ENDPOINTS_MAX; i++) {
        const uint32_t *heap = deliveries->heaps + (size_t)i * deliveries->sizes.lane_rows_max;

        if (lane_is_open(deliveries, &deliveries->lanes[i]) &&
            deliveries->rows[heap[0]].serial <= durable && lane_due_ms(deliveries, i) < next_ms)
            next_ms = lane_due_ms(deliveries, i);
    }
    return next_ms;
}

/* ---- what became of it ---- */

static void pause(const struct delivery_step *step, struct delivery_lane *lane,
                  const struct delivery_answer *answer)
{
    const struct delivery_schedule *schedule = &step->deliveries->schedule;
    uint32_t retry_after_s = answer->retry_after_s;
    int64_t pause_ms = 0;

    if (is_failing(lane)) {
        uint32_t at = lane->failures - DELIVERY_FAILURES_SERIES + 1;

        pause_ms =
            schedule->delays_s[at < schedule->count ? at : schedule->count - 1] * INT64_C(1000);
        if (pause_ms > DELIVERY_PAUSE_MS_MAX)
            pause_ms = DELIVERY_PAUSE_MS_MAX;
    }
    if (retry_after_s > DELIVERY_RETRY_AFTER_S_MAX)
        retry_after_s = DELIVERY_RETRY_AFTER_S_MAX;
    if (pause_ms < retry_after_s * INT64_C(1000))
        pause_ms = retry_after_s * INT64_C(1000);
    if (lane->pause_boot_ms < step->moment->boot_ms + pause_ms)
        lane->pause_boot_ms = step->moment->boot_ms + pause_ms;
}

static void failed(const struct delivery_step *step, uint32_t row,
                   const struct delivery_answer *answer)
{
    struct deliveries *deliveries = step->deliveries;
    struct delivery_row *ended = &deliveries->rows[row];
    struct delivery_lane *lane = &deliveries->lanes[ended->lane];
    int64_t delay_ms = delivery_delay_ms(&deliveries->schedule, ended->attempts, answer->random);

    count_failing(deliveries, lane, lane->failures + 1);
    pause(step, lane, answer);
    if (answer->result == DELIVERY_REFUSED || delay_ms == 0 || lane->state != LANE_OPEN) {
        settle(step, row, DELIVERY_DEAD, answer->reason);
        return;
    }
    ended->due_boot_ms = step->moment->boot_ms + delay_ms;
    write(step, row, DELIVERY_PENDING, step->moment->wall_ms + delay_ms, answer->reason);
    wait(deliveries, row);
}

void deliveries_end(const struct delivery_step *step, uint32_t row,
                    const struct delivery_answer *answer)
{
    struct deliveries *deliveries = step->deliveries;
    struct delivery_row *ended = &deliveries->rows[row];
    struct delivery_lane *lane = &deliveries->lanes[ended->lane];

    assert(ended->state == ROW_UNDER_WAY && lane->under_way > 0);
    ended->state = ROW_FREE;
    deliveries->failing_under_way -= is_failing(lane);
    deliveries->under_way--;
    lane->under_way--;
    if (answer->result == DELIVERY_UNTRIED) {
        ended->due_boot_ms = step->moment->boot_ms + DELIVERY_POSTPONE_MS;
        wait(deliveries, row);
        return;
    }
    ended->attempts++;
    ended->response = answer->response;
    ended->attempted_wall_ms = step->moment->wall_ms;
    if (answer->result != DELIVERY_OK) {
        failed(step, row, answer);
        return;
    }
    count_failing(deliveries, lane, 0);
    lane->pause_boot_ms = 0;
    /* An event that is taken again after a crash may have been given up before. */
    add_record(step, RECORD_DELIVERY_DEAD, row)->operation = RECORD_DELETE;
    settle(step, row, DELIVERY_DELIVERED, "");
}

/* ---- settings ---- */

void deliveries_follow(struct deliveries *deliveries, const struct settings_view *view)
{
    deliveries->has_new_lane = false;
    for (uint32_t i = 0; i < WEBHOOK_ENDPOINTS_MAX; i++) {
        struct delivery_lane *lane = &deliveries->lanes[i];
        const struct setting_endpoint *endpoint;

        if (lane->endpoint == 0)
            continue;
        endpoint = settings_find_endpoint(view, lane->endpoint);
        lane->state = endpoint == NULL ? LANE_GONE : endpoint->enabled ? LANE_OPEN : LANE_CLOSED;
    }
}

bool deliveries_clear(const struct delivery_step *step)
{
    struct deliveries *deliveries = step->deliveries;
    uint32_t left = DELIVERIES_PER_STEP;

    for (uint32_t i = 0; i < WEBHOOK_ENDPOINTS_MAX; i++) {
        struct delivery_lane *lane = &deliveries->lanes[i];

        if (lane->endpoint == 0 || lane->state == LANE_OPEN)
            continue;
        for (; lane->waiting > 0 && left > 0; left--) {
            uint32_t row = deliveries->heaps[(size_t)i * deliveries->sizes.lane_rows_max];

            unwait(deliveries, row);
            settle(step, row, DELIVERY_DEAD, "the endpoint is disabled");
        }
        if (left == 0)
            return true;
        if (lane->state == LANE_GONE && lane->used == 0)
            *lane = (struct delivery_lane){0};
    }
    return false;
}

int64_t deliveries_oldest_wall_ms(const struct deliveries *deliveries)
{
    enum { LOOKED_AT_MAX = 64 };
    int64_t oldest_ms = INT64_MAX;

    for (uint32_t i = 0; i < WEBHOOK_ENDPOINTS_MAX; i++) {
        const struct delivery_lane *lane = &deliveries->lanes[i];
        uint32_t row = lane->used == 0 ? SLOT_NONE : lane->oldest;

        for (uint32_t n = 0; n < LOOKED_AT_MAX && row != SLOT_NONE; n++) {
            if (deliveries->rows[row].event.wall_ms < oldest_ms)
                oldest_ms = deliveries->rows[row].event.wall_ms;
            row = deliveries->rows[row].newer;
        }
    }
    return oldest_ms;
}
