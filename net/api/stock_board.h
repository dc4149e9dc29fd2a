/* SPDX-License-Identifier: Apache-2.0 */
/* The SKUs that somebody on this shard watches, and who is to be told of which: what streams of
 * stock (stock_stream.c) share, so that a change is noticed, and its event rendered, once for all
 * of them.
 *
 *   scan: each row's gate is looked at; where what a shopper is told has changed, the row gets the
 *         next number of the sequence, its event is rendered, and its subscribers are due
 *   due:  a subscriber is given the events of its rows whose number is above what it has seen, at
 *         their newest, however often they changed
 *
 * So a subscriber owes its reader one pair of numbers whatever happens, and what it is given is
 * never older than the newest scan. Nothing here sends a message or reads a record.
 *
 * IDs of events are RUN-SHARD-SET-NUMBER: a subscriber has seen all of the shard's changes up to
 * the number, for that set of SKUs. Whoever comes again with one is given what changed since; an ID
 * of another run of the server, another shard or another set counts for nothing: all is told anew.
 * In what is given at once only the last event has an ID, so that who loses the connection in the
 * middle is given the rest.
 *
 * One thread. Private to net/api. */
#ifndef STAMPEDE_API_STOCK_BOARD_H
#define STAMPEDE_API_STOCK_BOARD_H

#include "api/availability.h"

enum {
    STOCK_BUCKETS = 4096,
    STOCK_ID_LENGTH_MAX = 8 + 1 + 10 + 1 + 8 + 1 + 20,
    /* "event: stock\ndata: " and "\n\n" */
    STOCK_EVENT_BYTES_MAX = AVAILABILITY_BYTES_MAX + 24,
    /* All that one subscriber can be given at once. */
    STOCK_BATCH_BYTES_MAX = AVAILABILITY_SKUS_MAX * STOCK_EVENT_BYTES_MAX + STOCK_ID_LENGTH_MAX + 8,
};

struct stock_row;
struct stock_subscriber;

struct stock_link {
    struct stock_row *row;
    struct stock_subscriber *subscriber;
    struct stock_link *next; /* of the row's */
    struct stock_link *previous;
};

/* A place in a ring, or the ring's own; alone: it points to itself. */
struct stock_ring {
    struct stock_ring *next;
    struct stock_ring *previous;
};

/* Made by the caller, with room for a link to each SKU; stays where it is from join to leave. */
struct stock_subscriber {
    struct stock_ring ring; /* first; of those that are due, or put off */
    uint64_t seen;          /* of the sequence; 0: nothing */
    uint32_t set;           /* a hash of its SKUs */
    uint16_t link_count;
    struct stock_link *links;
};

struct stock_board {
    bool is_exact; /* numbers are told */
    uint32_t run;
    uint32_t shard;
    uint64_t sequence;
    uint64_t renders; /* events that were rendered */
    struct stock_row **rows;
    uint32_t row_count;
    uint32_t row_capacity;
    uint32_t scanned; /* rows, in the scan under way */
    struct stock_ring due;
    struct stock_ring put_off;
    struct stock_row *buckets[STOCK_BUCKETS];
};

void stock_board_init(struct stock_board *board, uint32_t run, uint32_t shard, bool is_exact);
/* Nobody has joined any more. */
void stock_board_free(struct stock_board *board);

/* Watches these SKUs (at least one; one that is given twice counts once), as they are now. False:
 * no memory, nothing has happened. */
bool stock_board_join(struct stock_board *board, struct stock_subscriber *subscriber,
                      const struct sku_entry *const entries[], unsigned count);
void stock_board_leave(struct stock_board *board, struct stock_subscriber *subscriber);

/* What the subscriber says that it has seen (Last-Event-ID), after it joined. False: it counts for
 * nothing. */
bool stock_board_resume(const struct stock_board *board, struct stock_subscriber *subscriber,
                        const char *text, size_t length);

/* Begins a round: who was put off in the one before is due. */
void stock_board_begin(struct stock_board *board);

/* Looks at up to so many rows. True: all have been looked at. */
bool stock_board_scan(struct stock_board *board, uint32_t rows_max);

bool stock_board_has_due(const struct stock_board *board);
/* Whoever is due the longest, who is so no more; NULL: nobody. */
struct stock_subscriber *stock_board_take_due(struct stock_board *board);

/* It could not be given anything now: due in the next round, whatever changes. */
void stock_board_put_off(struct stock_board *board, struct stock_subscriber *subscriber);

/* Writes what it has not seen, at most STOCK_BATCH_BYTES_MAX bytes, and counts it as seen. The
 * number of events. */
unsigned stock_board_write(struct stock_board *board, struct stock_subscriber *subscriber,
                           struct writer *writer);

#endif
