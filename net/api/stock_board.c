/* SPDX-License-Identifier: Apache-2.0 */
#include "api/stock_board.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MIN = 64 };

struct stock_row {
    const struct sku_entry *sku;
    struct stock_row *next_in_bucket;
    struct stock_link *links;
    uint64_t number; /* of the sequence, of its newest change */
    uint32_t place;  /* in `rows` */
    struct stock_shown shown;
    uint16_t length;
    char text[STOCK_EVENT_BYTES_MAX]; /* without its ID */
};

/* ---- rings ---- */

static void ring_init(struct stock_ring *ring)
{
    ring->next = ring->previous = ring;
}

static bool ring_is_alone(const struct stock_ring *ring)
{
    return ring->next == ring;
}

static void ring_leave(struct stock_ring *ring)
{
    ring->next->previous = ring->previous;
    ring->previous->next = ring->next;
    ring_init(ring);
}

/* At the end of the ring that `whole` stands for. */
static void ring_append(struct stock_ring *whole, struct stock_ring *ring)
{
    assert(ring_is_alone(ring));
    ring->next = whole;
    ring->previous = whole->previous;
    ring->previous->next = ring;
    whole->previous = ring;
}

_Static_assert(offsetof(struct stock_subscriber, ring) == 0, "found by its place's address");

void stock_board_init(struct stock_board *board, uint32_t run, uint32_t shard, bool is_exact)
{
    memset(board, 0, sizeof(*board));
    board->run = run;
    board->shard = shard;
    board->is_exact = is_exact;
    ring_init(&board->due);
    ring_init(&board->put_off);
}

void stock_board_free(struct stock_board *board)
{
    assert(board->row_count == 0);
    free(board->rows);
    board->rows = NULL;
}

/* ---- rows ---- */

static void render(struct stock_board *board, struct stock_row *row)
{
    struct writer writer = writer_fixed(row->text, sizeof(row->text));

    row->number = ++board->sequence;
    board->renders++;
    write_literal(&writer, "event: stock\ndata: ");
    write_availability(&writer, row->sku, &row->shown, board->is_exact);
    write_literal(&writer, "\n\n");
    row->length = (uint16_t)writer_length(&writer);
}

static void make_due(struct stock_board *board, struct stock_subscriber *subscriber)
{
    if (ring_is_alone(&subscriber->ring)) /* else it is, or will be in the next round */
        ring_append(&board->due, &subscriber->ring);
}

static void look(struct stock_board *board, struct stock_row *row)
{
    struct stock_shown now = stock_look(row->sku);

    if (now.level == row->shown.level &&
        (!board->is_exact || now.available == row->shown.available))
        return;
    row->shown = now;
    render(board, row);
    for (struct stock_link *link = row->links; link != NULL; link = link->next)
        make_due(board, link->subscriber);
}

static struct stock_row **bucket_of(struct stock_board *board, const struct sku_entry *sku)
{
    return &board->buckets[sku->sku_id * UINT32_C(2654435761) >> 20];
}

_Static_assert(STOCK_BUCKETS == 1 << 12, "12 bits are left by the shift");

static bool make_room(struct stock_board *board)
{
    uint32_t capacity = board->row_capacity == 0 ? ROWS_MIN : board->row_capacity * 2;

    if (board->row_count < board->row_capacity)
        return true;
    struct stock_row **rows = realloc(board->rows, capacity * sizeof(struct stock_row *));
    if (rows == NULL)
        return false;
    board->rows = rows;
    board->row_capacity = capacity;
    return true;
}

/* The SKU's row, as the gate is now; NULL: no memory. */
static struct stock_row *open_row(struct stock_board *board, const struct sku_entry *sku)
{
    struct stock_row **bucket = bucket_of(board, sku);

    for (struct stock_row *row = *bucket; row != NULL; row = row->next_in_bucket) {
        if (row->sku == sku) {
            look(board, row);
            return row;
        }
    }
    struct stock_row *row = make_room(board) ? malloc(sizeof(*row)) : NULL;
    if (row == NULL)
        return NULL;
    row->sku = sku;
    row->links = NULL;
    row->shown = stock_look(sku);
    row->next_in_bucket = *bucket;
    *bucket = row;
    row->place = board->row_count;
    board->rows[board->row_count++] = row;
    render(board, row);
    return row;
}

/* Nobody watches it any more. */
static void close_row(struct stock_board *board, struct stock_row *row)
{
    struct stock_row **place = bucket_of(board, row->sku);

    if (row->links != NULL)
        return;
    while (*place != row)
        place = &(*place)->next_in_bucket;
    *place = row->next_in_bucket;
    board->rows[row->place] = board->rows[--board->row_count];
    board->rows[row->place]->place = row->place;
    free(row);
}

/* ---- subscribers ---- */

static bool is_linked(const struct stock_subscriber *subscriber, const struct sku_entry *sku)
{
    for (unsigned i = 0; i < subscriber->link_count; i++)
        if (subscriber->links[i].row->sku == sku)
            return true;
    return false;
}

bool stock_board_join(struct stock_board *board, struct stock_subscriber *subscriber,
                      const struct sku_entry *const entries[], unsigned count)
{
    assert(count >= 1 && count <= AVAILABILITY_SKUS_MAX);
    ring_init(&subscriber->ring);
    subscriber->seen = 0;
    subscriber->set = UINT32_C(2166136261); /* FNV-1a's beginning */
    subscriber->link_count = 0;
    for (unsigned i = 0; i < count; i++) {
        if (is_linked(subscriber, entries[i]))
            continue;
        struct stock_row *row = open_row(board, entries[i]);
        if (row == NULL) {
            stock_board_leave(board, subscriber);
            return false;
        }
        struct stock_link *link = &subscriber->links[subscriber->link_count++];
        *link = (struct stock_link){.row = row, .subscriber = subscriber, .next = row->links};
        if (row->links != NULL)
            row->links->previous = link;
        row->links = link;
        subscriber->set = (subscriber->set ^ entries[i]->sku_id) * UINT32_C(16777619);
    }
    return true;
}

void stock_board_leave(struct stock_board *board, struct stock_subscriber *subscriber)
{
    ring_leave(&subscriber->ring);
    for (unsigned i = 0; i < subscriber->link_count; i++) {
        struct stock_link *link = &subscriber->links[i];

        if (link->next != NULL)
            link->next->previous = link->previous;
        if (link->previous != NULL)
            link->previous->next = link->next;
        else
            link->row->links = link->next;
        close_row(board, link->row);
    }
    subscriber->link_count = 0;
}

/* ---- rounds ---- */

void stock_board_begin(struct stock_board *board)
{
    board->scanned = 0;
    if (ring_is_alone(&board->put_off))
        return;
    struct stock_ring *first = board->put_off.next;
    ring_leave(&board->put_off);
    /* `first` stands for the rest of the ring now: both are joined. */
    struct stock_ring *last = first->previous;
    first->previous = board->due.previous;
    board->due.previous->next = first;
    last->next = &board->due;
    board->due.previous = last;
}

bool stock_board_scan(struct stock_board *board, uint32_t rows_max)
{
    uint32_t end = board->row_count;

    if (end > board->scanned && end - board->scanned > rows_max)
        end = board->scanned + rows_max;
    for (; board->scanned < end; board->scanned++)
        look(board, board->rows[board->scanned]);
    return board->scanned >= board->row_count;
}

bool stock_board_has_due(const struct stock_board *board)
{
    return !ring_is_alone(&board->due);
}

struct stock_subscriber *stock_board_take_due(struct stock_board *board)
{
    struct stock_ring *first = board->due.next;

    if (!stock_board_has_due(board))
        return NULL;
    ring_leave(first);
    return (struct stock_subscriber *)(void *)first;
}

void stock_board_put_off(struct stock_board *board, struct stock_subscriber *subscriber)
{
    if (ring_is_alone(&subscriber->ring))
        ring_append(&board->put_off, &subscriber->ring);
}

/* ---- IDs ---- */

static void write_hexadecimal(struct writer *writer, uint32_t value)
{
    for (int shift = 28; shift >= 0; shift -= 4)
        write_byte(writer, "0123456789abcdef"[value >> shift & 15]);
}

/* Up to the number. */
static void write_id_scope(struct writer *writer, const struct stock_board *board,
                           const struct stock_subscriber *subscriber)
{
    write_hexadecimal(writer, board->run);
    write_byte(writer, '-');
    write_unsigned(writer, board->shard);
    write_byte(writer, '-');
    write_hexadecimal(writer, subscriber->set);
    write_byte(writer, '-');
}

bool stock_board_resume(const struct stock_board *board, struct stock_subscriber *subscriber,
                        const char *text, size_t length)
{
    char scope[STOCK_ID_LENGTH_MAX];
    struct writer writer = writer_fixed(scope, sizeof(scope));
    uint64_t number = 0;

    write_id_scope(&writer, board, subscriber);
    size_t at = writer_length(&writer);
    if (length <= at || length > at + 18 || memcmp(text, scope, at) != 0)
        return false;
    for (; at < length; at++) {
        if (text[at] < '0' || text[at] > '9')
            return false;
        number = number * 10 + (uint64_t)(text[at] - '0');
    }
    if (number > board->sequence)
        return false;
    subscriber->seen = number;
    return true;
}

/* ---- events ---- */

unsigned stock_board_write(struct stock_board *board, struct stock_subscriber *subscriber,
                           struct writer *writer)
{
    const struct stock_row *last = NULL;
    unsigned count = 0;

    for (unsigned i = 0; i < subscriber->link_count; i++) {
        const struct stock_row *row = subscriber->links[i].row;

        if (row->number <= subscriber->seen)
            continue;
        if (last != NULL)
            write_bytes(writer, last->text, last->length);
        last = row;
        count++;
    }
    if (last == NULL)
        return 0;
    subscriber->seen = board->sequence;
    write_literal(writer, "id: ");
    write_id_scope(writer, board, subscriber);
    write_unsigned(writer, board->sequence);
    write_byte(writer, '\n');
    write_bytes(writer, last->text, last->length);
    return count;
}
