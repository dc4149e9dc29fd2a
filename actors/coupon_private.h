/* SPDX-License-Identifier: Apache-2.0 */
/* The coupon actor's own structures; included by coupon*.c only. */
#ifndef STAMPEDE_COUPON_PRIVATE_H
#define STAMPEDE_COUPON_PRIVATE_H

#include "coupon.h"
#include "index_table.h"
#include "mutants.h"
#include "slots.h"

struct coupon {
    struct coupon_definition definition;
    uint64_t version; /* 0: the slot is free */
    int64_t created_wall_ms;
    int64_t updated_wall_ms;
    uint32_t number;
    uint32_t held;
    uint32_t committed;
    uint32_t customer_first;
    uint32_t next; /* of the deleted ones */
    uint16_t partition;
    bool is_deleted;
};

enum coupon_use_state { COUPON_USE_HELD, COUPON_USE_COMMITTED, COUPON_USE_RELEASED };

struct coupon_use {
    struct principal principal;
    struct reservation_id order;
    int64_t held_wall_ms;
    int64_t ended_boot_ms;
    uint64_t version;
    uint64_t write_serial; /* ended: of the batch that says so */
    uint32_t number;
    uint32_t younger; /* of those that have ended */
    uint16_t partition;
    uint8_t state; /* enum coupon_use_state */
    bool is_counted;
};

/* What one customer has of one coupon. */
struct coupon_customer {
    struct principal principal;
    uint32_t coupon; /* slot */
    uint32_t held;
    uint32_t committed;
    uint32_t previous; /* of the coupon's */
    uint32_t next;     /* likewise */
};

struct coupon_pool {
    struct coupon_sizes sizes;
    struct hash_key hash_key;
    struct coupon *coupons;
    struct coupon_names *names; /* by the coupon's slot; only a scope's are touched */
    struct coupon_use *uses;
    struct coupon_customer *customers;
    struct slots coupon_slots;
    struct slots use_slots;
    struct slots customer_slots;
    struct index_table code_index;   /* of coupons that are not deleted */
    struct index_table number_index; /* of all */
    struct index_table use_index;
    struct index_table customer_index;
    uint32_t deleted;      /* the first that waits to be forgotten */
    uint32_t ended_oldest; /* use */
    uint32_t ended_youngest;
    struct coupon_statistics statistics;
};

/* ---- coupon_pool.c: tables ---- */

struct coupon *pool_find_code(const struct coupon_pool *pool, uint32_t partition, const char *code);
struct coupon *pool_find_number(const struct coupon_pool *pool, uint32_t partition,
                                uint32_t number);
/* NULL without room. */
struct coupon *pool_add_coupon(struct coupon_pool *pool, uint32_t partition, uint32_t number,
                               const struct coupon_definition *definition,
                               const struct coupon_names *names);
void pool_set_names(struct coupon_pool *pool, const struct coupon *coupon,
                    const struct coupon_names *names);
const struct coupon_names *pool_names(const struct coupon_pool *pool, const struct coupon *coupon);
/* Its code is free from now on, and it waits to be forgotten. */
void pool_delete_coupon(struct coupon_pool *pool, struct coupon *coupon);
/* The first of those that wait; precondition: nothing is held, and no customer is left. */
void pool_drop_deleted(struct coupon_pool *pool);

struct coupon_use *pool_find_use(const struct coupon_pool *pool, uint32_t partition,
                                 uint32_t number, const struct reservation_id *order);
struct coupon_use *pool_add_use(struct coupon_pool *pool, uint32_t partition, uint32_t number,
                                const struct reservation_id *order);
bool pool_has_use_room(const struct coupon_pool *pool);
void pool_end_use(struct coupon_pool *pool, struct coupon_use *use);
void pool_drop_oldest_ended(struct coupon_pool *pool);

struct coupon_customer *pool_find_customer(const struct coupon_pool *pool,
                                           const struct coupon *coupon,
                                           const struct principal *principal);
struct coupon_customer *pool_add_customer(struct coupon_pool *pool, struct coupon *coupon,
                                          const struct principal *principal);
void pool_drop_customer(struct coupon_pool *pool, struct coupon_customer *customer);

void coupon_fill_view(const struct coupon_pool *pool, const struct coupon *coupon,
                      struct coupon_view *view_out);

/* ---- coupon_use.c ---- */

bool coupon_use_receive(struct coupon_pool *pool, const struct coupon_context *context,
                        const struct moment *moment, const struct message *message,
                        struct effects *effects);

/* ---- coupon.c ---- */

struct message *coupon_reply(const struct message *request, enum outcome outcome,
                             struct effects *effects);
/* Uses that this customer's orders committed; of nobody: that all did. */
void coupon_persist_count(const struct coupon *coupon, const struct principal *principal,
                          uint32_t committed, enum record_operation operation,
                          struct effects *effects);

#endif
