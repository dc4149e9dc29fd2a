/* SPDX-License-Identifier: Apache-2.0 */
/* The clients' books: what the outside was told, and what must therefore be so. They know nothing
 * of the engine's inside. Everything here follows from answers alone:
 *
 *   sku_model   bounds of the stock, units sold by acknowledged conversions, live holds
 *   attempt     one idempotency key of one customer and product (I3)
 *   book_hold   one reservation that some answer showed (I2, I5)
 *
 * A request without an answer (the process died) leaves a `maybe` behind: it may have had its
 * effect, forever, until an answer tells. Times are the world's, in ms, unless they say `wall`. */
#ifndef STAMPEDE_SIM_BOOKS_H
#define STAMPEDE_SIM_BOOKS_H

#include "engine.h"
#include "people.h"
#include "profile.h"

#define NONE UINT32_MAX

enum product_presence {
    PRODUCT_ABSENT,
    PRODUCT_MAYBE, /* a creation is under way, or was when the process died */
    PRODUCT_PRESENT,
};

struct sku_model {
    char name[SKU_LENGTH_MAX + 1];
    uint32_t product;
    uint32_t sku_id;         /* UINT32_MAX until the directory had it */
    struct sku_entry *entry; /* of the present engine; NULL: to be looked up */
    int64_t price_minor;
    int64_t stock_min; /* bounds: they differ while a change may or may not have happened */
    int64_t stock_max;
    uint32_t initial;
    uint64_t changes;      /* ever begun */
    uint32_t changes_open; /* under way */
    bool exclusive_open;   /* one of them sets an absolute figure */
    uint32_t version;      /* of its product, when that last had it: price and weight follow */
    bool is_version_vague; /* a put of it was under way when the process died */
    bool left_out;         /* its product does not have it at the moment */
    uint64_t sold;         /* units of acknowledged conversions */
    uint64_t sold_maybe;   /* of conversions whose hold was forgotten before they were known */
    uint32_t *holds;       /* book holds with units of it that may be live */
    uint32_t hold_count;
    uint32_t hold_capacity;
};

/* Whose limit is to be looked at in the end, as what counts against it may be wrong. */
enum suspect {
    SUSPECT_ENDED,   /* his hold ended */
    SUSPECT_REFUSED, /* one of his lines was refused for a limit, and others had been counted */
    SUSPECT_COUNT,
};

struct product_model {
    char id[PRODUCT_ID_LENGTH_MAX + 1];
    uint32_t limit; /* a customer; 0: none */
    uint32_t sku_first;
    uint32_t sku_count;
    uint32_t version; /* of its document; its price follows from it */
    bool was_free;    /* without a limit once: what was sold then is not counted against one */
    bool vague; /* a change was under way when the process died: limit and price are unknown */
    enum product_presence presence;
    bool put_open;
    uint8_t status;                   /* enum product_status, as it was acknowledged last */
    uint32_t sale_changes;            /* ever begun or ended: of what of it is sold */
    bool sale_open;                   /* one is under way */
    uint32_t suspects[SUSPECT_COUNT]; /* customers, or NONE */
};

/* One line of a reservation, by the model's index of the SKU. */
struct model_line {
    uint32_t sku;
    uint32_t quantity;
};

/* A body as a client writes it: SKUs may be repeated. */
struct order_lines {
    uint32_t count;
    struct model_line lines[SIM_LINES_MAX];
};

struct attempt {
    uint32_t client; /* the party that used it first */
    uint32_t key;    /* the key's number; several customers use the same texts */
    uint32_t product;
    uint32_t hold;     /* what the key is known to have made, or NONE */
    uint32_t open;     /* requests under way */
    uint32_t requests; /* ever sent */
    int64_t first_ms;  /* when the first was */
    bool body_sent;    /* the order below */
    bool other_sent;   /* another body under this key */
    bool maybe;        /* some request never got a definite answer */
    bool answer_lost;  /* the client gave up waiting for one */
    bool aborted;      /* it was refused after other partitions were asked, who may not know yet */
    uint32_t next_of_client; /* an older one of the same customer + 1, or 0 */
    struct order_lines order;
};

struct book_hold {
    struct reservation_id id;
    uint32_t client;  /* the party that asked for it: people_owner tells whose it is */
    uint32_t attempt; /* NONE: seen in a list only, so far */
    uint32_t line_count;
    struct model_line lines[SIM_LINES_MAX]; /* equal SKUs summed */
    int64_t created_ms;                     /* at the latest */
    int64_t deadline_ms;        /* the newest that was shown: it lives until then at least */
    int64_t deadline_late_ms;   /* and this long at most; more only by where the wall was set */
    int64_t deadline_wall_ms;   /* as shown, by the wall clock */
    int64_t wall_lead_ms;       /* of that before deadline_ms, until the next restart */
    int64_t ended_earliest_ms;  /* it may have ended since then, INT64_MAX: not that we know of */
    int64_t forget_earliest_ms; /* it may be forgotten since then, as the wall clock was set */
    uint32_t list_round;        /* the last walk that showed it */
    uint64_t seen_step;         /* of the run, when it was last shown as it was */
    uint64_t ended_step;        /* when an answer first showed its end; 0: none did */
    uint32_t ends_open;         /* releases and conversions under way */
    uint32_t converts_open;
    uint32_t extends_open;
    uint32_t extend_key;      /* the number of the newest key that it was to be extended with */
    uint32_t extends_sent;    /* ever */
    uint32_t extend_requests; /* with that key */
    bool extend_done;         /* that key's own answer was seen */
    uint32_t extends_known[HOLD_EXTENSIONS_MAX]; /* keys that extended it for certain; 0: none */
    uint32_t next_of_client;                     /* an older one of the same customer, or NONE */
    uint32_t incarnation;                        /* of the engine that first showed it */
    bool end_maybe;                              /* a release or conversion without an answer */
    bool convert_maybe;
    bool extend_maybe;
    bool release_sent;   /* ever */
    bool convert_sent;   /* ever */
    bool fresh_seen;     /* an answer without `replayed` was seen */
    bool forgotten;      /* past its retention the key had a new effect, or it was not found */
    bool remembered;     /* by its customer's device */
    bool listed;         /* in the SKUs' lists of holds */
    bool deadline_exact; /* wall_lead_ms is known, and both bounds are one */
    uint8_t extensions;
    uint8_t state; /* HOLD_HELD until an answer showed an end */
};

/* An adjustment with an Idempotency-Key. */
struct keyed_adjustment {
    uint32_t sku;
    uint32_t key; /* its number; 0: none yet */
    int64_t value;
    int64_t sent_ms; /* first: its key is kept for a while from its effect on */
    uint32_t open;
    bool maybe;
    bool done;
    bool fresh_seen;        /* an answer without `replayed` was seen */
    struct stock_view view; /* as first answered */
};

enum { SIM_ADJUSTMENTS_MAX = 16 };

struct books {
    struct keyed_adjustment adjustments[SIM_ADJUSTMENTS_MAX];
    uint32_t adjust_keys;
    uint32_t incarnation;
    uint32_t limits_version; /* grows when a change of some limit begins or ends */
    struct product_model products[SIM_PRODUCTS_MAX];
    struct sku_model skus[SIM_SKUS_MAX];
    uint32_t product_count;
    uint32_t sku_count;
    struct attempt *attempts;
    uint32_t attempt_count;
    uint32_t attempt_capacity;
    struct book_hold *holds;
    uint32_t hold_count;
    uint32_t hold_capacity;
    uint32_t newest_attempts[SIM_PARTIES_MAX]; /* attempt + 1 by party */
    uint32_t *newest_of_client;                /* hold + 1 by party */
    uint32_t newest_capacity;
    uint32_t *index; /* of holds by ID: open addressing, slot + 1 */
    uint32_t index_mask;
};

/* Whether a SKU is sold, as far as answers tell. */
enum sale { SALE_UNKNOWN, SALE_ON, SALE_OFF };
enum sale books_sale(const struct books *books, uint32_t sku);

void books_init(struct books *books);
void books_destroy(struct books *books);

/* Returns the index of a new, empty one. */
uint32_t books_add_attempt(struct books *books, uint32_t client, uint32_t key, uint32_t product);
/* The hold of an ID, or NONE. */
uint32_t books_find_hold(const struct books *books, const struct reservation_id *id);
/* Enters a hold that an answer showed for the first time: its ID and lines must be set in `hold`.
 */
uint32_t books_add_hold(struct books *books, const struct book_hold *hold);

/* The newest hold of a client, the head of its chain, or NONE. */
uint32_t books_newest_of_client(const struct books *books, uint32_t client);

/* Sums equal SKUs, in order of first appearance: what the engine is expected to show. */
void order_sum(const struct order_lines *order, struct order_lines *summed_out);

/* Whether the hold certainly lives at this time: acknowledged, nothing under way that could end it,
 * and its deadline not reached. */
bool book_hold_is_live(const struct book_hold *hold, int64_t now_ms);

/* The latest deadline that it can have, with extensions that may have happened. */
int64_t book_hold_deadline_max(const struct book_hold *hold, int64_t cap_ms);

/* Whether it may be forgotten by now: ended, and the retention passed since. */
bool book_hold_may_be_forgotten(const struct book_hold *hold, int64_t now_ms, int64_t retention_ms);

/* It was not found, or its key had a new effect. */
void books_forget_hold(struct books *books, uint32_t hold);

/* Units of a SKU in acknowledged holds that certainly live now; drops others from its list. */
uint64_t books_live_units(struct books *books, uint32_t sku, int64_t now_ms);
/* Puts the hold (back) into its SKUs' lists: it lives. */
void books_list_hold(struct books *books, uint32_t hold);

/* Units that a party certainly has of a product and that count against its limit. */
uint64_t books_customer_units(const struct books *books, uint32_t client, uint32_t product,
                              int64_t now_ms);

/* Units that a party may have had of a product, at most, when a request that was sent in this step
 * was decided. */
uint64_t books_customer_units_max(const struct books *books, uint32_t client, uint32_t product,
                                  uint64_t sent_step);

/* What limits count against this customer is to be looked at, for all products of these lines. */
void books_suspect(struct books *books, enum suspect why, uint32_t client,
                   const struct model_line *lines, uint32_t line_count);

/* The process died: what was under way may have happened. Requests are the caller's to close. */
void books_restart(struct books *books);

#endif
