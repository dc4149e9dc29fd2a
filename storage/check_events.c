/* SPDX-License-Identifier: Apache-2.0 */
/* Events out: their numbers have no gaps but those that a new incarnation makes, none is missing
 * that a consumer has yet to pass, and no cursor is beyond the newest. */
#include <inttypes.h>

#include "check_private.h"

struct scanned {
    struct check *check;
    uint32_t partition;
    uint64_t next;  /* that would be given */
    uint64_t first; /* row; 0: there is none */
    uint64_t last;
    uint64_t cursors[EVENT_CONSUMER_COUNT];
    bool has_cursor[EVENT_CONSUMER_COUNT];
};

/* Numbers were left out by a restore (journal_rocksdb.h), and never given. */
static bool is_jump(uint64_t count)
{
    return count % JOURNAL_INCARNATION_JUMP == 0;
}

static bool visit_floor(void *arg, const struct record *record)
{
    struct scanned *scanned = arg;

    if (record->subject == FLOOR_EVENTS)
        scanned->next = record->floor.next_sequence;
    return true;
}

static bool visit_cursor(void *arg, const struct record *record)
{
    struct scanned *scanned = arg;

    scanned->cursors[record->subject] = record->cursor.sequence;
    scanned->has_cursor[record->subject] = true;
    return true;
}

static bool visit_event(void *arg, const struct record *record)
{
    struct scanned *scanned = arg;
    struct check *check = scanned->check;

    if (record->sequence >= scanned->next)
        check_broken(
            check, "event %" PRIu64 " of partition %" PRIu32 " has a number that was not given yet",
            record->sequence, scanned->partition);
    if (record->event_out.type == EVENT_OUT_SOLD_OUT) {
        if (sku_id_partition((uint32_t)record->event_out.order) != scanned->partition)
            check_broken(check,
                         "event %" PRIu64 " of partition %" PRIu32
                         " names a SKU of another partition",
                         record->sequence, scanned->partition);
    } else if (record->event_out.order >= check->order_floors[scanned->partition])
        check_broken(check,
                     "event %" PRIu64 " of partition %" PRIu32 " names an order that never was",
                     record->sequence, scanned->partition);
    if (scanned->first == 0)
        scanned->first = record->sequence;
    else if (!is_jump(record->sequence - scanned->last - 1))
        check_broken(check,
                     "partition %" PRIu32 " has no events between %" PRIu64 " and %" PRIu64
                     ", but gave their numbers",
                     scanned->partition, scanned->last, record->sequence);
    scanned->last = record->sequence;
    return true;
}

static void check_cursor(const struct scanned *scanned, unsigned consumer)
{
    static const char *const names[] = {[CONSUMER_FEED] = "feed", [CONSUMER_WEBHOOKS] = "webhooks"};
    uint64_t cursor = scanned->cursors[consumer];
    /* The first number behind what it has passed that is stored, or that would be given. */
    uint64_t next = scanned->first != 0 ? scanned->first : scanned->next;

    if (cursor >= scanned->next)
        check_broken(scanned->check,
                     "the cursor of the %s in partition %" PRIu32 " is at %" PRIu64
                     ", beyond the newest event",
                     names[consumer], scanned->partition, cursor);
    else if (cursor + 1 < next && !is_jump(next - cursor - 1))
        check_broken(scanned->check,
                     "partition %" PRIu32 " has no events between %" PRIu64 " and %" PRIu64
                     ", which the %s have yet to pass",
                     scanned->partition, cursor, next, names[consumer]);
}

static void damaged(void *arg, const char *line)
{
    check_broken(((struct scanned *)arg)->check, "%s", line);
}

static void scan(struct scanned *scanned, enum record_kind kind, journal_visit visit)
{
    if (!journal_rocksdb_scan(scanned->check->journal, kind, scanned->partition, visit, damaged,
                              scanned))
        check_broken(scanned->check,
                     "the events of partition %" PRIu32 " cannot be read to their end",
                     scanned->partition);
}

void check_events_partition(struct check *check, uint32_t partition)
{
    struct scanned scanned = {.check = check, .partition = partition, .next = 1};

    if (check->out_of_memory)
        return;
    scan(&scanned, RECORD_FLOOR, visit_floor);
    scan(&scanned, RECORD_CURSOR, visit_cursor);
    scan(&scanned, RECORD_EVENT_OUT, visit_event);
    if (scanned.last != 0 && scanned.last < scanned.next &&
        !is_jump(scanned.next - scanned.last - 1))
        check_broken(check,
                     "partition %" PRIu32 " has no events behind %" PRIu64
                     ", but gave numbers up to %" PRIu64,
                     partition, scanned.last, scanned.next - 1);
    for (unsigned i = 0; i < EVENT_CONSUMER_COUNT; i++)
        if (scanned.has_cursor[i])
            check_cursor(&scanned, i);
}
