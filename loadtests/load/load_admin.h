/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The admin API, one call at a time over one blocking connection: what a run sets up and what it
 * is judged by. Not for use while the load runs, which would wait for it.
 *
 * Every function that can fail gives false and leaves one line in `error`.
 */
#ifndef LOAD_ADMIN_H
#define LOAD_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "load_answers.h"
#include "load_client.h"
#include "load_options.h"
#include "load_response.h"

enum {
    LOAD_ADMIN_ERROR_BYTES_MAX = 320,
    LOAD_BOOK_LINES_MAX = 20, /* lines of a reservation, by the contract */
};

struct load_admin {
    const struct load_options *options;
    struct load_address address;
    int fd; /* -1: not connected */
    char *buffer;
    size_t capacity;
    size_t used; /* bytes of answers not yet consumed */
    size_t consumed;
    uint64_t calls;
    uint32_t nonce;   /* tells this run's keys and names from those of any other */
    bool unreachable; /* the last failure was of the connection, not of the answer */
    char error[LOAD_ADMIN_ERROR_BYTES_MAX];
};

struct load_book_line {
    struct load_text sku;
    int64_t quantity;
};

enum load_book_status {
    LOAD_BOOK_HELD,
    LOAD_BOOK_CONVERTED,
    LOAD_BOOK_RELEASED,
    LOAD_BOOK_EXPIRED,
    LOAD_BOOK_STATUS_OTHER,
};

/* A reservation as the server's books have it. Texts are valid during the callback. */
struct load_book_entry {
    struct load_text id;
    enum load_book_status status;
    uint32_t lines_count;
    struct load_book_line lines[LOAD_BOOK_LINES_MAX];
};

/* An order as the server's books have it. The ID is valid during the callback. */
struct load_book_order {
    struct load_text id;
    bool is_confirmed; /* as it stands: neither cancelled nor on its way */
    int64_t units;
    int64_t total_minor;
    int64_t captured_minor;
    int64_t refunded_minor;
};

/* False ends the listing with the error that the callback has left, or without one. */
typedef bool (*load_admin_entry_callback)(void *context, const struct load_book_entry *entry);
typedef bool (*load_admin_order_callback)(void *context, const struct load_book_order *order);
typedef bool (*load_admin_sku_callback)(void *context, const char *sku, size_t length);

/* `options` must outlive it. Connects with the first call. */
bool load_admin_open(struct load_admin *admin, const struct load_options *options,
                     const struct load_address *address);
void load_admin_close(struct load_admin *admin);

bool load_admin_inventory(struct load_admin *admin, const char *sku,
                          struct load_inventory *inventory_out);

/* Makes a product whose one variant is `sku`, with that stock. */
bool load_admin_product_create(struct load_admin *admin, const char *sku, uint32_t stock);

/* The SKUs of all products, in the order of the listing. */
bool load_admin_skus_each(struct load_admin *admin, load_admin_sku_callback callback,
                          void *context);

/* Reservations in every state that the server still keeps; of one SKU, or all for NULL. */
bool load_admin_reservations_each(struct load_admin *admin, const char *sku,
                                  load_admin_entry_callback callback, void *context);

/* All orders, in every state. */
bool load_admin_orders_each(struct load_admin *admin, load_admin_order_callback callback,
                            void *context);

/* The sum of a metric over its labels, from /metrics; false when it is not there. */
bool load_admin_metric(struct load_admin *admin, const char *name, double *value_out);

/* `text` with everything but unreserved characters percent-encoded. False when it does not fit. */
bool load_percent_encode(const char *text, char *target, size_t capacity);

#endif
