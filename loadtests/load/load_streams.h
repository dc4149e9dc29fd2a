/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many readers of one SKU's availability by server-sent events, on connections that stay open, and
 * one who changes its stock meanwhile: how long a change is on its way, and whether all come to
 * know how it is. One thread, epoll, nothing allocated after the start.
 */
#ifndef LOAD_STREAMS_H
#define LOAD_STREAMS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "load_admin.h"
#include "load_histogram.h"
#include "load_options.h"
#include "load_response.h"

enum {
    LOAD_STREAM_LINE_BYTES_MAX = 240,         /* of what an event says; a longer one is none */
    LOAD_STREAM_CHANGES_MAX = 1024 * 1024,    /* of one run */
    LOAD_STREAM_ANSWER_BYTES_MAX = 16 * 1024, /* to a change */
};

struct load_stream {
    int fd; /* -1: closed */
    bool is_asked;
    bool is_open;    /* 200 */
    bool is_refused; /* another status */
    uint16_t length; /* of the line that has come in part */
    uint32_t events;
    int64_t available; /* as it was last told; -1: never */
    char line[LOAD_STREAM_LINE_BYTES_MAX];
};

struct load_streams {
    const struct load_options *options;
    const struct load_address *address;
    const volatile sig_atomic_t *stop;
    const char *sku;
    int epoll;
    struct load_stream *rows;
    uint32_t count;
    uint32_t begun; /* of them: connects */
    uint32_t open;  /* told how it is */
    uint32_t refused;
    uint32_t cut;       /* ended by the server, or lost */
    uint64_t malformed; /* lines of data that are none */
    uint64_t backwards; /* events that told of more than before, while it only falls */
    uint64_t events;
    bool falls; /* we alone change it, downwards */

    int changer; /* -1: nobody */
    bool is_changing;
    uint64_t *changed_ns; /* by number: when the change was sent */
    uint32_t changes;     /* sent */
    uint32_t acknowledged;
    int64_t first_available;
    struct load_response_parser parser;
    char answer[LOAD_STREAM_ANSWER_BYTES_MAX];
    size_t answer_length;

    uint64_t opened_ns;          /* how long it took until all were told */
    struct load_histogram delay; /* from the sending of a change to its event */
};

/* NULL without memory. What it is given must outlive it. */
struct load_streams *load_streams_create(const struct load_options *options,
                                         const struct load_address *address, const char *sku,
                                         const volatile sig_atomic_t *stop);
void load_streams_destroy(struct load_streams *streams);

/* Opens all; false if not all have been told how it is within the time. */
bool load_streams_open(struct load_streams *streams, uint32_t wait_ms);

/* Turns until the time (load_clock_ns); changes the stock `per_second` times, 0: never. */
void load_streams_drive(struct load_streams *streams, uint64_t until_ns, double per_second);

/* Turns until all who are open know that so many are available, or the time is over; how many do
 * not. */
uint32_t load_streams_settle(struct load_streams *streams, int64_t available, uint32_t wait_ms);

#endif
