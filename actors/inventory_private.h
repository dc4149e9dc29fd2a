/* SPDX-License-Identifier: Apache-2.0 */
/* The inventory actor's own structures; included by inventory*.c only. */
#ifndef STAMPEDE_INVENTORY_PRIVATE_H
#define STAMPEDE_INVENTORY_PRIVATE_H

#include "inventory.h"
#include "mutants.h"
#include "slots.h"

enum {
    HOLD_IN_USE = 1 << 0,
    HOLD_PARTICIPANT = 1 << 1, /* lines of a reservation that another partition owns */
    HOLD_CONFIRMED = 1 << 2,   /* participant: the owner said that the reservation stands */
    HOLD_RESTORED = 1 << 3,    /* from before a restart: no claims and no requester belong to it */
    HOLD_ADOPTED = 1 << 4,     /* made by a guest who became its principal */
};

/* In the order in which a reservation asks: whose key, which customer; then what it writes. */
struct hold {
    struct hash128 key; /* participants: see participant_key */
    struct principal principal;
    uint32_t principal_previous;
    uint32_t principal_next;
    uint16_t partition;
    uint16_t shard; /* intent: whom to answer, with cookie */
    uint8_t state;
    uint8_t extensions;
    uint8_t line_count;
    uint8_t flags;
    uint64_t sequence;
    uint64_t fingerprint;
    uint64_t order; /* that it belongs to; 0: none */
    int64_t created_wall_ms;
    int64_t deadline_boot_ms; /* when it has ended: when it did */
    int64_t deadline_wall_ms;
    int64_t ended_wall_ms;
    union {
        uint64_t cookie;                           /* an intent's, which cannot be extended */
        uint64_t extend_keys[HOLD_EXTENSIONS_MAX]; /* of extensions with a key, newest first */
    };
    uint32_t ttl_ms;
    uint32_t line_first;
    uint32_t older; /* of all holds of the pool, in the order in which they came */
    uint32_t younger;
    uint32_t waiting; /* participants, by rank, that have not acknowledged what they were told */
};

struct hold_line {
    uint32_t sku_id;
    uint32_t quantity;
    uint32_t hold;
    uint32_t next;         /* of the same hold */
    uint32_t sku_previous; /* of the same SKU, oldest first; only for the partition's own SKUs */
    uint32_t sku_next;
};

struct sku {
    uint32_t sku_id;
    uint32_t product; /* slot */
    uint32_t stock;
    uint32_t reserved;
    uint32_t sold;
    uint32_t line_first;
    uint32_t line_last;
    uint32_t lines; /* of kept holds */
    uint64_t ledger_sequence;
    int64_t price_minor;
    uint32_t weight_grams;
    uint32_t next_of_product;
    bool archived; /* a variant that its product does not have at the moment */
};

struct product {
    uint16_t partition;
    uint8_t status; /* enum product_status */
    char currency[4];
    uint32_t number;
    uint32_t limit_per_customer;
    uint32_t sku_first;
    uint32_t sku_count;
    uint64_t digest; /* of all that a PUT says but stock */
    int64_t updated_wall_ms;
};

/* What one customer has of one limited product. */
struct limit_row {
    struct principal principal;
    uint32_t product; /* slot */
    uint32_t held;
    uint32_t sold;
    bool adopted; /* some of it by a guest who became this customer */
};

/* A guest who became a customer a moment ago. */
struct adopted_guest {
    struct principal guest;
    struct principal customer;
    int64_t until_boot_ms; /* then none of its requests can be on its way any more */
};

/* The Idempotency-Key of an adjustment that was made, and its answer. */
struct adjust_key {
    struct key_record stored;
    int64_t kept_boot_ms; /* when it came, by the clock that nobody sets */
    uint64_t sequence;    /* 0: free */
    uint32_t partition;
    uint32_t sku_id;
};

enum { SEQUENCE_BLOCK_BITS = 4, SEQUENCE_BLOCK = 1 << SEQUENCE_BLOCK_BITS };

/* The holds of neighbouring numbers: a partition gives them one after the other, so they are found,
 * and entered, in the same place. */
struct sequence_block {
    uint64_t group; /* number >> SEQUENCE_BLOCK_BITS */
    uint16_t partition;
    uint16_t used;
    uint32_t slots_plus_one[SEQUENCE_BLOCK]; /* 0: no hold of that number */
};

struct inventory_pool {
    struct inventory_sizes sizes;
    struct hash_key hash_key;
    struct hold *holds;
    struct hold_line *lines;
    struct sku *skus;
    struct product *products;
    struct limit_row *limit_rows;
    struct adjust_key *adjust_keys;
    struct adopted_guest *adopted; /* a ring, oldest first: ADOPTED_GUESTS_MAX */
    uint32_t adopted_first;
    uint32_t adopted_count;
    struct slots hold_slots;
    struct slots line_slots;
    struct slots limit_slots;
    struct slots adjust_key_slots;
    uint32_t adjust_key_scan; /* where to look next for one that is past retention */
    uint32_t sku_count;
    uint32_t product_count;
    uint32_t active;
    uint32_t aborting; /* aborted intents whose participants have not all acknowledged it */
    uint32_t oldest;   /* hold */
    uint32_t youngest;
    struct inventory_statistics statistics;
    struct sequence_block *blocks;
    struct slots block_slots;
    struct index_table key_index;
    struct index_table block_index;
    struct index_table principal_index; /* the first hold of each principal's chain */
    struct index_table sku_index;
    struct index_table product_index;
    struct index_table limit_index;
    struct index_table adjust_key_index;
    struct index_table adopted_index;
};

static inline struct hold *pool_hold(struct inventory_pool *pool, uint32_t slot)
{
    assert(slot < pool->hold_slots.fresh);
    return &pool->holds[slot];
}

/* Whether units may be held that are not yet. */
static inline bool sku_is_on_sale(const struct inventory_pool *pool, const struct sku *sku)
{
    return !sku->archived && pool->products[sku->product].status == PRODUCT_ACTIVE;
}

static inline uint32_t pool_hold_slot(const struct inventory_pool *pool, const struct hold *hold)
{
    return (uint32_t)(hold - pool->holds);
}

/* ---- inventory_pool.c: tables and chains ---- */

struct sku *pool_find_sku(const struct inventory_pool *pool, uint32_t sku_id);
/* Of that product (a slot). */
struct sku *pool_add_sku(struct inventory_pool *pool, uint32_t sku_id, uint32_t product);
struct product *pool_find_product(const struct inventory_pool *pool, uint32_t partition,
                                  uint32_t number);
struct product *pool_add_product(struct inventory_pool *pool, uint32_t partition, uint32_t number);
struct limit_row *pool_find_limit(const struct inventory_pool *pool, uint32_t product,
                                  const struct principal *principal);
struct limit_row *pool_add_limit(struct inventory_pool *pool, uint32_t product,
                                 const struct principal *principal);
void pool_drop_limit_if_empty(struct inventory_pool *pool, struct limit_row *row);

/* The hold of a key (owners), of an owner's number (participants), of a number; or NULL. */
uint64_t pool_key_hash(const struct inventory_pool *pool, uint32_t subject,
                       const struct hash128 *key);
struct hold *pool_find_key(struct inventory_pool *pool, uint32_t partition,
                           const struct hash128 *key);
struct hold *pool_find_participant(struct inventory_pool *pool, uint32_t partition,
                                   uint32_t owner_partition, uint64_t owner_sequence);
struct hold *pool_find_sequence(struct inventory_pool *pool, uint32_t partition, uint64_t sequence);

/* The first hold of a principal's chain (principal_next), or SLOT_NONE. */
uint32_t pool_first_of_principal(const struct inventory_pool *pool,
                                 const struct principal *principal);

/* Makes it another principal's, in the chains; limits are the caller's. */
void pool_move_hold(struct inventory_pool *pool, struct hold *hold,
                    const struct principal *principal);
uint64_t principal_hash(const struct inventory_pool *pool, const struct principal *principal);

/* Hints that a reservation comes soon; and, when what the first fetched has come, sooner. */
void pool_prefetch(const struct inventory_pool *pool, uint32_t partition,
                   const struct reserve_body *body);
void pool_prefetch_next(const struct inventory_pool *pool, const struct reserve_body *body);

/* Whether a hold of so many lines fits. */
bool pool_has_room(const struct inventory_pool *pool, uint32_t line_count);

/* Keys of owners are keyed hashes; a participant's cannot be met by chance, and is told apart by
 * its flag. It is also all that a participant keeps of who its owner is. */
static inline struct hash128 participant_key(uint32_t owner_partition, uint64_t owner_sequence)
{
    return (struct hash128){{owner_sequence, ~(uint64_t)owner_partition}};
}

static inline uint64_t hold_owner_sequence(const struct hold *hold)
{
    return (hold->flags & HOLD_PARTICIPANT) != 0 ? hold->key.word[0] : hold->sequence;
}

static inline uint32_t hold_owner_partition(const struct hold *hold)
{
    return (hold->flags & HOLD_PARTICIPANT) != 0 ? (uint32_t)~hold->key.word[1] : hold->partition;
}

/* A hold with its lines, all else zero, in no index yet. Precondition: pool_has_room. */
struct hold *pool_new_hold(struct inventory_pool *pool, const struct line *lines,
                           uint32_t line_count);
/* The SKUs of lines, NULL for other partitions'; false if the partition does not know one of its
 * own. */
bool pool_find_skus(const struct inventory_pool *pool, uint32_t partition, const struct line *lines,
                    uint32_t line_count, struct sku *skus_out[RESERVATION_LINES_MAX]);
/* Enters it into all indexes and chains; fields and lines are final. `skus` are its lines'. */
void pool_link_hold(struct inventory_pool *pool, struct hold *hold, struct sku *const skus[]);
/* Takes an aborted intent's key out, so that it may be tried again. */
void pool_unlink_key(struct inventory_pool *pool, struct hold *hold);
/* Takes it out of everything and frees it. */
void pool_free_hold(struct inventory_pool *pool, struct hold *hold);

/* ---- inventory.c ---- */

static inline uint32_t sku_available(const struct sku *sku)
{
    assert((uint64_t)sku->reserved + sku->sold <= sku->stock);
    return sku->stock - sku->reserved - sku->sold;
}

/* The record of a SKU changed, and its gate is to follow. */
static inline void sku_moves(const struct sku *sku, enum gate_operation operation,
                             uint32_t quantity, struct effects *effects)
{
    effects_gate(effects, (struct gate_effect){.sku_id = sku->sku_id,
                                               .quantity = quantity,
                                               .operation = (uint8_t)operation,
                                               .shows = true,
                                               .stock = sku->stock,
                                               .reserved = sku->reserved,
                                               .sold = sku->sold});
}

/* Claimed units that nobody takes go back; of any partition's SKU. */
static inline void claim_returns(uint32_t sku_id, uint32_t quantity, struct effects *effects)
{
    effects_gate(effects, (struct gate_effect){
                              .sku_id = sku_id, .quantity = quantity, .operation = GATE_RETURN});
}

struct message *inventory_reply(struct inventory *inventory, const struct message *request,
                                enum outcome outcome, uint32_t lines, struct effects *effects);
struct stock_view inventory_stock_view(const struct sku *sku);
void hold_fill_view(const struct inventory_pool *pool, const struct hold *hold,
                    const struct moment *moment, struct hold_view *view_out);
/* The view that the first answer gave, whatever became of the hold since. */
void hold_fill_first_view(const struct inventory_pool *pool, const struct hold *hold,
                          struct hold_view *view_out);
/* The hold's record as it is now. */
void hold_persist(const struct inventory *inventory, const struct hold *hold,
                  struct effects *effects);
void inventory_persist_floor(const struct inventory *inventory, struct effects *effects);
void inventory_ledger(struct inventory *inventory, const struct moment *moment, struct sku *sku,
                      enum ledger_entry entry, uint32_t quantity, uint64_t hold_sequence,
                      const char *reason, struct effects *effects);

/* ---- inventory_reserve.c ---- */

void inventory_reserve(struct inventory *inventory, const struct moment *moment,
                       struct message *message, struct effects *effects);
/* Counts the partition's own lines against limits; on a refusal nothing is counted. `asked_by` is
 * the principal, or a guest who became this customer while the lines were on their way. */
enum outcome inventory_take_limits(struct inventory *inventory, const struct principal *principal,
                                   const struct principal *asked_by, const struct line *lines,
                                   struct sku *const skus[], uint32_t line_count,
                                   uint32_t *limit_out);
/* Marks a new or restored hold's own lines as reserved. */
void inventory_reserve_lines(struct inventory *inventory, const struct hold *hold,
                             struct sku *const skus[]);

/* ---- inventory_hold.c ---- */

bool hold_is_live(const struct hold *hold);
void hold_move(struct inventory *inventory, struct hold *hold, enum hold_state state);
/* Ends a hold: its own lines' units come back or are sold; persisted; participants are told. */
void hold_end(struct inventory *inventory, const struct moment *moment, struct hold *hold,
              enum hold_state state, struct effects *effects);
/* Sets the timer that an ended hold, all acknowledged, is forgotten by. */
void hold_schedule_purge(const struct inventory *inventory, const struct moment *moment,
                         const struct hold *hold, struct effects *effects);
void hold_forget(struct inventory *inventory, struct hold *hold, struct effects *effects);
void hold_timer(struct inventory *inventory, const struct moment *moment, struct hold *hold,
                struct effects *effects);
void inventory_hold_request(struct inventory *inventory, const struct moment *moment,
                            const struct message *message, struct effects *effects);

/* ---- inventory_lines.c: reservations over several partitions ---- */

/* The partitions other than the owner's, in order of first appearance; their number. */
uint32_t hold_participants(const struct inventory_pool *pool, const struct hold *hold,
                           uint32_t partitions_out[RESERVATION_LINES_MAX]);
/* Sends to those in `waiting` what they have not acknowledged; sets the timer to repeat it. */
void lines_send(struct inventory *inventory, const struct moment *moment, struct hold *hold,
                struct effects *effects);
void lines_abort(struct inventory *inventory, const struct moment *moment, struct hold *hold,
                 enum outcome outcome, struct effects *effects);
void lines_ask(struct inventory *inventory, const struct moment *moment, struct hold *hold,
               struct effects *effects);
void inventory_line_message(struct inventory *inventory, const struct moment *moment,
                            const struct message *message, struct effects *effects);

/* ---- inventory_keys.c: keys of adjustments ---- */

struct adjust_key *adjust_key_find(const struct inventory_pool *pool, uint32_t sku_id,
                                   const struct hash128 *key);
/* Looks at a few and forgets those past retention; false if there is no room for one more all the
 * same. */
bool adjust_key_make_room(struct inventory_pool *pool, const struct moment *moment,
                          struct effects *effects);
/* Takes one in. Precondition: room was made. */
struct adjust_key *adjust_key_add(struct inventory_pool *pool, int64_t kept_boot_ms,
                                  uint32_t sku_id, uint64_t sequence,
                                  const struct key_record *stored);
void adjust_key_persist(const struct adjust_key *key, enum record_operation operation,
                        struct effects *effects);

/* ---- inventory_adopt.c: guests who became customers ---- */

/* The customer that this guest became a moment ago, or the principal itself. */
const struct principal *pool_adopter(const struct inventory_pool *pool,
                                     const struct principal *principal);

/* ---- inventory_stock.c ---- */

/* Recounts what every customer holds of a product; when a limit is set where there was none. False
 * without room for the rows. */
bool product_count_limits(struct inventory_pool *pool, uint32_t product);

void inventory_stock_get(struct inventory *inventory, const struct message *message,
                         struct effects *effects);
void inventory_stock_adjust(struct inventory *inventory, const struct moment *moment,
                            struct message *message, struct effects *effects);
void inventory_product_put(struct inventory *inventory, const struct moment *moment,
                           struct message *message, struct effects *effects);
/* What else of a product a PUT may change. */
struct product_facts {
    const char *currency;
    uint32_t limit_per_customer;
    uint8_t status;
};
uint64_t product_digest(const struct inventory_pool *pool, const struct product_facts *facts,
                        const char *document, uint32_t length);
/* Whether all of these that are this partition's are on sale. */
bool inventory_sells(const struct inventory_pool *pool, struct sku *const skus[], uint32_t count);

#endif
