/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the audit share: check.c (opening, verdict), check_partition.c (what is true
 * within a partition), check_limits.c (what a customer may have), check_keys.c (one key, one
 * effect), check_audit.c (the audit log's chains), check_links.c (reservations over several
 * partitions), check_accounts.c, check_coupons.c. The arithmetic here is deliberately not the
 * actors'. */
#ifndef STAMPEDE_CHECK_PRIVATE_H
#define STAMPEDE_CHECK_PRIVATE_H

#include "check.h"
#include "journal_rocksdb.h"

/* An array that grows. */
struct vector {
    uint8_t *items;
    size_t item_bytes;
    size_t count;
    size_t capacity;
};

struct check {
    FILE *out;
    struct journal_rocksdb *journal;
    uint32_t partitions;
    uint64_t broken;
    uint64_t unfinished;
    uint64_t sku_count;
    uint64_t reservation_count;
    uint64_t ledger_count;
    uint64_t audit_count;
    uint8_t audit_digest[AUDIT_HASH_BYTES]; /* of all chains of the audit log */
    bool out_of_memory;
    uint64_t vault_key_id;       /* that wraps now; 0: not known */
    struct vector wrapping_keys; /* struct check_wrapping_key: others that wrap data keys */
    uint64_t *floors;            /* of each partition; 0: none */
    uint64_t *order_floors;      /* likewise, of orders' numbers */
    struct vector orders;        /* struct check_order, ascending */
    struct vector order_holds;   /* struct check_order_hold, ascending */
    struct vector order_uses;    /* struct check_order_use */
    struct vector sold;          /* struct check_sold */
    struct vector endpoints;     /* uint32_t: numbers of webhook endpoints, ascending */
    uint32_t endpoints_next;     /* the next number that is given to one */
    uint64_t webhooks_pending;
    uint64_t webhooks_dead;
    struct vector names;           /* uint64_t: hashes of SKUs, over all partitions */
    struct vector promises;        /* struct check_link: what owners say of other partitions */
    struct vector links;           /* struct check_link: what those partitions have */
    struct vector accounts;        /* struct check_account, ascending */
    struct vector addresses;       /* struct check_address */
    struct vector customers;       /* uint64_t: who guests became */
    struct vector cart_skus_known; /* uint32_t: numbers of SKUs, ascending */
    struct vector cart_skus_named; /* uint32_t: by carts */
};

/* Lines that one reservation has in a partition that does not own it. */
struct check_link {
    uint64_t owner_sequence;
    uint64_t principal; /* a sum over whose it is */
    uint64_t lines;     /* check_line_sum over them, and the principal's hash */
    uint64_t sequence;  /* the participant's own; 0 in a promise */
    uint32_t owner_partition;
    uint32_t partition;
    uint8_t state; /* of the record that says so */
    bool is_adopted;
};

/* Prints one line `check: broken: ...`, and counts it. */
void check_broken(struct check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Room for one more item, zeroed; NULL sets out_of_memory. */
void *check_vector_add(struct check *check, struct vector *vector, size_t item_bytes);
void check_vector_free(struct vector *vector);

/* The item whose first field, a uint32_t or uint64_t as `key` is, equals it, in a vector in
 * ascending order of that field; or NULL. */
void *check_vector_find_32(const struct vector *vector, uint32_t key);
void *check_vector_find_64(const struct vector *vector, uint64_t key);

/* An order-independent sum of lines: of one line. */
uint64_t check_line_sum(uint32_t sku_id, uint32_t quantity);

/* ---- check_partition.c ---- */

/* Audits one partition, and adds to what is checked across partitions. */
void check_partition(struct check *check, uint32_t partition);

/* ---- check_limits.c ---- */

/* One reservation's line of a limited product, or a LIMIT record. */
struct check_limit {
    uint32_t product_number;
    struct principal principal;
    uint64_t held; /* by live reservations */
    uint64_t sold; /* by the LIMIT record */
    uint64_t
        converted;   /* by kept reservations made and converted since the product's last change */
    bool is_newer;   /* a reservation was made since then */
    bool is_adopted; /* some of it by a guest who became this customer: two limits met in one */
};

struct check_product {
    uint32_t number; /* first: looked up by it */
    uint32_t limit;
    int64_t updated_wall_ms;
    uint32_t variants;      /* as it says */
    uint32_t variant_count; /* of its SKUs that are not archived */
    uint64_t sold;          /* units that its SKUs' ledgers sold */
    uint64_t limit_sold;
    char id[PRODUCT_ID_LENGTH_MAX + 1];
};

/* Sorts and compares; `products` in ascending order of numbers. */
void check_limits(struct check *check, uint32_t partition, struct vector *products,
                  struct vector *limits);

/* ---- check_keys.c ---- */

/* An idempotency key and the number of what it made: of a reservation, or of an entry in the ledger
 * of a SKU (the scope). */
struct check_key {
    uint32_t scope;
    uint64_t sequence;
    struct hash128 key;
};

#define CHECK_KEY_OF_RESERVATION UINT32_MAX

/* Within its scope, a key names one effect. Sorts `keys`. */
void check_keys(struct check *check, uint32_t partition, struct vector *keys);

/* ---- check_audit.c ---- */

struct secrets;

/* Follows the audit log's chain of every partition. */
void check_audit(struct check *check, const struct secrets *secrets);

/* ---- check_links.c ---- */

/* Compares promises with links, after all partitions. */
void check_links(struct check *check);

/* ---- check_carts.c ---- */

/* Reads one partition's carts; in ascending order of partitions. */
void check_carts_partition(struct check *check, uint32_t partition);
/* Compares them with the catalogue, after all partitions. */
void check_carts(struct check *check);

/* ---- check_orders.c ---- */

struct check_order_use {
    uint64_t order;
    uint32_t partition; /* the coupon's */
    uint32_t coupon;
    bool is_committed;
};

/* Units of a SKU that confirmed orders have, and, below 0, that its ledger says are sold. */
struct check_sold {
    uint32_t sku_id;
    int64_t units;
};

void check_note_sold(struct check *check, uint32_t sku_id, int64_t units);

/* Reads one partition's orders, holds and uses of coupons; in ascending order of partitions. */
void check_orders_partition(struct check *check, uint32_t partition);
/* Compares them, after all partitions. */
void check_orders(struct check *check);

/* ---- check_deliveries.c ---- */

/* Reads one partition's webhooks, after its orders; in ascending order of partitions. */
void check_deliveries_partition(struct check *check, uint32_t partition);
/* Says how many wait, and how many were given up: no damage. */
void check_deliveries_print(const struct check *check);

/* ---- check_events.c ---- */

/* Events out and their consumers' cursors; after check_orders_partition. */
void check_events_partition(struct check *check, uint32_t partition);

/* ---- check_coupons.c ---- */

/* Counts one partition's uses of coupons. */
void check_coupons_partition(struct check *check, uint32_t partition);

/* ---- check_accounts.c ---- */

struct check_account {
    uint64_t name;  /* first: looked up by it; partition << 32 | number */
    uint64_t index; /* a hash of its address's blind index */
    uint64_t goodbye;
    struct principal principal;
    bool is_erased;
    bool is_being_forgotten; /* its orders are yet to be asked */
    bool has_key;
    bool has_goodbye_key; /* of an erased one's last mail */
    bool has_last_mail;
};

struct check_address {
    uint64_t index;
    uint64_t account;
};

/* A vault key that data keys are wrapped by. */
struct check_wrapping_key {
    uint64_t id;
    uint64_t count;
};

/* Reads one partition's accounts; in ascending order of partitions. */
void check_accounts_partition(struct check *check, uint32_t partition);
/* Compares them, after all partitions. */
void check_accounts(struct check *check);
/* Before that: whether this is an erased account, and nothing is left to be done for it. */
bool check_account_is_gone(const struct check *check, const struct principal *principal);
/* Counts a data key by the vault key that wraps it. */
void check_note_wrapping(struct check *check, const uint8_t *key, uint32_t length);
/* Says how many data keys need a vault key that is not the current one: no damage. */
void check_accounts_print_keys(struct check *check);

/* ---- check_settings.c ---- */

void check_settings_partition(struct check *check, uint32_t partition);

#endif
