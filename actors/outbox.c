/* SPDX-License-Identifier: Apache-2.0 */
#include "outbox.h"

#include "mutants.h"

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS };

/* ---- backoff ---- */

int64_t outbox_backoff_ms(uint32_t attempts, uint32_t random)
{
    static const int64_t first_ms[] = {MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS};
    enum { FIRST = sizeof(first_ms) / sizeof(first_ms[0]) };
    int64_t delay_ms;

    assert(attempts >= 1);
    if (attempts >= MAIL_ATTEMPTS_MAX)
        return 0;
    delay_ms = attempts <= FIRST ? first_ms[attempts - 1] : 6 * HOUR_MS;
    return delay_ms - delay_ms / 4 + (int64_t)(random % (uint32_t)(delay_ms / 4 + 1));
}

/* ---- rows ---- */

void outbox_init(struct outbox *outbox, const struct outbox_sizes *sizes, struct outbox_row *rows,
                 uint32_t *heap, struct index_bucket *buckets, const struct hash_key *key)
{
    assert(sizes->rows_max >= 2 && sizes->under_way_max >= 1);
    *outbox = (struct outbox){
        .rows = rows,
        .heap = heap,
        .key = *key,
        .rows_max = sizes->rows_max,
        .dead_max = sizes->rows_max / 2,
        .under_way_max = sizes->under_way_max,
        .free = SLOT_NONE,
        .written_first = SLOT_NONE,
        .written_last = SLOT_NONE,
    };
    index_table_init(&outbox->index, buckets, sizes->rows_max);
}

static uint64_t hash_of(const struct outbox *outbox, const struct principal *account,
                        uint64_t sequence)
{
    uint64_t words[3];

    memcpy(words, account->bytes, sizeof(account->bytes));
    words[2] = sequence;
    return hash_bytes(&outbox->key, words, sizeof(words));
}

static uint32_t find(const struct outbox *outbox, const struct principal *account,
                     uint64_t sequence)
{
    uint64_t hash = hash_of(outbox, account, sequence);
    uint32_t cursor = 0;
    uint32_t row;

    while ((row = index_table_find(&outbox->index, hash, &cursor)) != SLOT_NONE)
        if (outbox->rows[row].sequence == sequence &&
            principal_equal(&outbox->rows[row].account, account))
            return row;
    return SLOT_NONE;
}

enum outbox_state outbox_find(const struct outbox *outbox, const struct principal *account,
                              uint64_t sequence)
{
    uint32_t row = find(outbox, account, sequence);

    return row == SLOT_NONE ? OUTBOX_NONE : (enum outbox_state)outbox->rows[row].state;
}

/* SLOT_NONE if all are taken. */
static uint32_t add_row(struct outbox *outbox, const struct principal *account, uint64_t sequence)
{
    uint32_t row = outbox->free;

    if (row != SLOT_NONE) {
        outbox->free = outbox->rows[row].next;
    } else if (outbox->fresh < outbox->rows_max) {
        row = outbox->fresh++;
    } else {
        outbox->missed = true;
        return SLOT_NONE;
    }
    outbox->rows[row] = (struct outbox_row){.account = *account, .sequence = sequence};
    outbox->used++;
    index_table_add(&outbox->index, hash_of(outbox, account, sequence), row);
    return row;
}

static void remove_row(struct outbox *outbox, uint32_t row)
{
    struct outbox_row *gone = &outbox->rows[row];

    index_table_remove(&outbox->index, hash_of(outbox, &gone->account, gone->sequence), row);
    gone->state = OUTBOX_NONE;
    gone->next = outbox->free;
    outbox->free = row;
    outbox->used--;
    outbox->removed++;
}

/* ---- the heap of those that wait ---- */

static bool is_sooner(const struct outbox *outbox, uint32_t a, uint32_t b)
{
    const struct outbox_row *first = &outbox->rows[a];
    const struct outbox_row *second = &outbox->rows[b];

    if (first->due_boot_ms != second->due_boot_ms)
        return first->due_boot_ms < second->due_boot_ms;
    return first->created_wall_ms < second->created_wall_ms;
}

static void place(struct outbox *outbox, uint32_t at, uint32_t row)
{
    outbox->heap[at] = row;
    outbox->rows[row].heap_place = at;
}

static void rise(struct outbox *outbox, uint32_t at)
{
    uint32_t row = outbox->heap[at];

    while (at > 0 && is_sooner(outbox, row, outbox->heap[(at - 1) / 2])) {
        place(outbox, at, outbox->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(outbox, at, row);
}

static void sink(struct outbox *outbox, uint32_t at)
{
    uint32_t row = outbox->heap[at];

    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child >= outbox->waiting)
            break;
        if (child + 1 < outbox->waiting &&
            is_sooner(outbox, outbox->heap[child + 1], outbox->heap[child]))
            child++;
        if (!is_sooner(outbox, outbox->heap[child], row))
            break;
        place(outbox, at, outbox->heap[child]);
        at = child;
    }
    place(outbox, at, row);
}

static void wait(struct outbox *outbox, uint32_t row)
{
    outbox->rows[row].state = OUTBOX_WAITING;
    place(outbox, outbox->waiting++, row);
    rise(outbox, outbox->waiting - 1);
}

static void unwait(struct outbox *outbox, uint32_t row)
{
    uint32_t at = outbox->rows[row].heap_place;
    uint32_t last = outbox->heap[--outbox->waiting];

    assert(outbox->heap[at] == row);
    if (last == row)
        return;
    place(outbox, at, last);
    rise(outbox, at);
    sink(outbox, outbox->rows[last].heap_place);
}

/* ---- what the records say ---- */

/* What is known becomes `becomes`, once that is durable. */
static void write(struct outbox *outbox, uint32_t row, enum outbox_state becomes, uint64_t serial)
{
    struct outbox_row *written = &outbox->rows[row];

    assert(written->state != OUTBOX_WRITTEN); /* one change at a time */
    if (written->state == OUTBOX_WAITING)
        unwait(outbox, row);
    if (written->state == OUTBOX_UNDER_WAY)
        outbox->under_way--;
    if (written->state == OUTBOX_DEAD)
        outbox->dead--;
    written->state = OUTBOX_WRITTEN;
    written->becomes = (uint8_t)becomes;
    written->serial = serial;
    written->next = SLOT_NONE;
    if (outbox->written_last != SLOT_NONE)
        outbox->rows[outbox->written_last].next = row;
    else
        outbox->written_first = row;
    outbox->written_last = row;
}

static void settle(struct outbox *outbox, uint32_t row)
{
    switch ((enum outbox_state)outbox->rows[row].becomes) {
    case OUTBOX_WAITING:
        wait(outbox, row);
        break;
    case OUTBOX_DEAD:
        /* More than these are in the journal only; the others' room is for what goes out. */
        if (outbox->dead < outbox->dead_max) {
            outbox->rows[row].state = OUTBOX_DEAD;
            outbox->dead++;
        } else {
            remove_row(outbox, row);
        }
        break;
    case OUTBOX_NONE:
    case OUTBOX_WRITTEN:
    case OUTBOX_UNDER_WAY:
    default:
        remove_row(outbox, row);
    }
}

static void set_due(struct outbox_row *row, const struct moment *moment, int64_t next_wall_ms)
{
    int64_t delay_ms = next_wall_ms - moment->wall_ms;

    if (delay_ms < 0)
        delay_ms = 0;
    if (delay_ms > MAIL_BACKOFF_MS_MAX)
        delay_ms = MAIL_BACKOFF_MS_MAX;
    row->due_boot_ms = moment->boot_ms + delay_ms;
}

void outbox_apply(struct outbox *outbox, const struct moment *moment,
                  const struct mail_effect *effect, uint64_t serial)
{
    uint32_t row = find(outbox, &effect->account, effect->sequence);
    enum outbox_state becomes = effect->is_dead             ? OUTBOX_DEAD
                                : effect->next_wall_ms == 0 ? OUTBOX_NONE
                                                            : OUTBOX_WAITING;

    if (row == SLOT_NONE) {
        if (becomes == OUTBOX_NONE)
            return;
        row = add_row(outbox, &effect->account, effect->sequence);
        if (row == SLOT_NONE)
            return;
        outbox->rows[row].created_wall_ms = effect->next_wall_ms;
    }
    set_due(&outbox->rows[row], moment, effect->next_wall_ms);
    write(outbox, row, becomes, serial);
}

void outbox_restore(struct outbox *outbox, const struct moment *moment,
                    const struct principal *account, uint64_t sequence,
                    const struct mail_record *mail)
{
    bool is_dead = mail->state == MAIL_DEAD;
    uint32_t row;

    if (find(outbox, account, sequence) != SLOT_NONE)
        return;
    if (is_dead && outbox->dead == outbox->dead_max)
        return;
    row = add_row(outbox, account, sequence);
    if (row == SLOT_NONE)
        return;
    outbox->rows[row].created_wall_ms = mail->created_wall_ms;
    outbox->rows[row].becomes = is_dead ? OUTBOX_DEAD : OUTBOX_WAITING;
    set_due(&outbox->rows[row], moment, mail->next_wall_ms);
    settle(outbox, row);
}

void outbox_durable(struct outbox *outbox, uint64_t serial)
{
    while (outbox->written_first != SLOT_NONE &&
           outbox->rows[outbox->written_first].serial <= serial) {
        uint32_t row = outbox->written_first;

        outbox->written_first = outbox->rows[row].next;
        if (outbox->written_first == SLOT_NONE)
            outbox->written_last = SLOT_NONE;
        settle(outbox, row);
    }
}

/* ---- giving out ---- */

uint32_t outbox_take(struct outbox *outbox, int64_t boot_ms)
{
    uint32_t row;

    if (outbox->waiting == 0 || outbox->under_way == outbox->under_way_max)
        return SLOT_NONE;
    row = outbox->heap[0];
    if (outbox->rows[row].due_boot_ms > boot_ms)
        return SLOT_NONE;
    unwait(outbox, row);
    outbox->rows[row].state = OUTBOX_UNDER_WAY;
    outbox->under_way++;
    return row;
}

void outbox_put_back(struct outbox *outbox, uint32_t row, int64_t due_boot_ms)
{
    assert(outbox->rows[row].state == OUTBOX_UNDER_WAY);
    outbox->under_way--;
    outbox->rows[row].due_boot_ms = due_boot_ms;
    wait(outbox, row);
}

void outbox_forget(struct outbox *outbox, uint32_t row)
{
    assert(outbox->rows[row].state == OUTBOX_UNDER_WAY);
    outbox->under_way--;
    remove_row(outbox, row);
}

int64_t outbox_next_ms(const struct outbox *outbox)
{
    if (outbox->waiting == 0 || outbox->under_way == outbox->under_way_max)
        return INT64_MAX;
    return outbox->rows[outbox->heap[0]].due_boot_ms;
}

/* ---- what found no room ---- */

bool outbox_wants_scan(const struct outbox *outbox)
{
    return outbox->missed && outbox->used <= outbox->rows_max - outbox->rows_max / 4 - 1 &&
           !MUTANT(MAIL_WITHOUT_ROOM_LOST);
}

void outbox_scan_begin(struct outbox *outbox)
{
    outbox->missed = false;
}

int64_t outbox_oldest_wall_ms(const struct outbox *outbox)
{
    int64_t oldest_ms = INT64_MAX;

    for (uint32_t i = 0; i < outbox->fresh; i++) {
        const struct outbox_row *row = &outbox->rows[i];

        if ((row->state == OUTBOX_WAITING || row->state == OUTBOX_UNDER_WAY) &&
            row->created_wall_ms < oldest_ms)
            oldest_ms = row->created_wall_ms;
    }
    return oldest_ms;
}
