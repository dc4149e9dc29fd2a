/* SPDX-License-Identifier: Apache-2.0 */
/* One seed's world: the real engine over controlled ports, its clients, and what they know.
 *
 *   world.c      life of the world and its engine: start, crash, recovery, end
 *   schedule.c   one step: exactly one of enum step_kind happens, drawn by weight
 *   clients.c    what customers submit
 *   staff.c      what the shop's staff submit
 *   answers.c    what comes back, held against the books
 *   people.c     customers: accounts, sessions, guests who become customers (people.h)
 *   oracles.c    what must be so between answers: gates, records, books
 *   wall.c       the wall clock, which may be set, and what the books make of it
 *   damage.c     what a start may find: stores that lost something or rotted
 *   mails.c      people with accounts, whose mails a courier takes
 *   shop.c       tax rates and shipping methods, as staff know them and shards see them
 *   shoppers.c   orders, and who pays for them
 *   listeners.c  who is told of events, outside of the process
 *   hooks.c      endpoints of webhooks, outside of the process
 *   gateway.c    who moves the money, outside of the process
 *   heal.c       no more faults: everything ends, every unit can be sold
 *   retain.c     a month later: who is forgotten
 */
#ifndef STAMPEDE_SIM_WORLD_H
#define STAMPEDE_SIM_WORLD_H

#include "books.h"
#include "carts.h"
#include "edits.h"
#include "engine.h"
#include "env_controlled.h"
#include "gateway.h"
#include "hooks.h"
#include "journal_memory.h"
#include "listeners.h"
#include "mails.h"
#include "marks.h"
#include "order_mails.h"
#include "people.h"
#include "shop.h"
#include "shoppers.h"
#include "sim_ports.h"
#include "trace.h"
#include "watches.h"
#include "withdrawn.h"

enum {
    SIM_REQUESTS_MAX = 512, /* under way; a client that finds none free does nothing */
    SIM_RECENT_MAX = 24,    /* attempts and holds that a client still thinks of */
    SIM_TEXT_MAX = 256,
    SIM_TURNS_MAX = 64, /* a power of two */
    SIM_WALL_SETS_MAX = 128,
    SIM_WALL_SETS_KEPT = 8, /* of them, for the end */
    SIM_RESTARTS_MAX = 4096,
};

enum thread_state {
    THREAD_RUNNABLE,
    THREAD_DROWSY, /* its last turn found no more work: next it tries to sleep */
    THREAD_ASLEEP,
};

struct sim_thread {
    enum thread_state state;
    int64_t wake_at_ms;     /* asleep: its deadline */
    uint64_t stalled_until; /* step before which it is not scheduled */
    int64_t clock_ms;       /* when it last read the clock: what it counts deadlines from */
    bool has_slept;         /* since then */
};

/* Turns of a shard at one moment: the newest of a few are kept. */
struct turn {
    int64_t at_ms;
    uint64_t last_step;
};

/* From a moment on the wall clock is so far ahead of the world's time. */
struct wall_setting {
    int64_t at_ms;
    int64_t ahead_ms;
};

struct wall_restart {
    int64_t at_ms;
    int64_t wall_ms; /* what the wall clock showed */
};

/* So far ahead, or behind, people set it: nothing is past its retention by that alone. */
#define SIM_WALL_AHEAD_MAX_MS (15 * 24 * 3600 * 1000LL)

/* All settings and restarts of the run. */
struct wall {
    struct wall_setting sets[SIM_WALL_SETS_MAX];
    struct wall_restart restarts[SIM_RESTARTS_MAX];
    uint32_t set_count; /* at least 1: the beginning */
    uint32_t restart_count;
};

/* Two moments, both included. */
struct span {
    int64_t first_ms;
    int64_t last_ms;
};

/* A command that was accepted and not answered. Its cookie names its slot and its turn. */
struct request {
    uint64_t cookie; /* 0: free */
    enum command_type type;
    uint32_t client; /* the party that asks */
    uint32_t device; /* by which device, or NONE */
    uint32_t shard;
    int64_t submitted_ms;
    uint64_t submitted_step;
    uint32_t target;         /* the shard that serves it, or NONE if that is not known */
    int64_t counted_from_ms; /* by its shard's clock: see engine_inspect_now */
    bool answer_lost;        /* the client has given up */
    bool staff;
    bool stranger; /* asks for another customer's hold */
    bool unsure;   /* perhaps: adoption is under way */

    /* RESERVE */
    uint32_t attempt;
    struct order_lines summed;
    bool other_body;
    bool spans; /* over several partitions */
    bool alone; /* the first request ever with this key */
    uint32_t limits_version;
    uint32_t known_hold; /* what the key was known to have made, or NONE */
    bool disk_full;      /* when it was sent */
    uint64_t sent_step;
    uint64_t fence_seen;   /* the largest of the partition when it was sent */
    enum sale sale;        /* of its lines, when it was sent: ON, all are; OFF, one is not */
    uint64_t sale_changes; /* of their products until then */

    /* HOLD_*: what was known when it was sent */
    uint32_t hold;
    uint8_t known_state;
    uint8_t known_extensions;
    uint32_t extend_key; /* number, 0: none */
    bool extend_known;   /* it was known to have extended the hold */
    uint32_t extends_sent;
    bool known_convert_maybe;
    bool known_extend_maybe;
    bool none_open; /* nothing that could end or extend it was under way */
    int64_t known_deadline_wall_ms;
    int64_t deadline_max_ms;

    /* STOCK_*, PRODUCT_PUT */
    uint32_t sku;
    uint32_t product;
    bool is_set;
    int64_t value;
    uint32_t adjustment;   /* with a key, or NONE */
    uint32_t thief;        /* PRODUCT_PUT without a product of the books: which claims a SKU */
    uint32_t contest;      /* of the SKUs that several want, or NONE: one that is another's */
    uint64_t contest_sent; /* the number of this request for it; 0: others were under way */
    uint8_t put_mode;
    bool dry_run;
    uint8_t stock_mode;
    uint32_t limit; /* of the product as it is put */
    uint32_t version;
    uint64_t generation; /* of the catalogue, when it was sent */
    bool was_present;
    uint8_t status;
    bool left_out[SIM_VARIANTS_MAX];
    bool is_edit; /* of the product that is edited by several at once: edits.h */
    bool edit_is_present;
    int64_t edit_base;  /* the version that it was made from; 0: of none */
    uint64_t edit_sent; /* its number, if no other was under way; otherwise 0 */
    int64_t variant_values[SIM_VARIANTS_MAX];
    int64_t saved_min[SIM_VARIANTS_MAX]; /* bounds of the stock before it, where it sets them */
    int64_t saved_max[SIM_VARIANTS_MAX];
    uint64_t changes; /* of the SKU's stock that had been begun, UINT64_MAX: one was under way */

    struct list_body list;

    /* SETTINGS */
    uint32_t setting;
    uint32_t setting_number; /* the largest that was given when it was sent */

    /* ACCOUNT, HOLDS_ADOPT */
    struct account_ask ask;
};

/* A SKU that several products want, and that nobody has at first. */
struct contest {
    uint32_t winner;  /* thief + 1, or 0 */
    uint32_t refused; /* who last asked in vain, though nobody had it: thief + 1, or 0 */
    uint32_t open;    /* requests for it under way */
    uint64_t sent;    /* ever */
};

/* What a customer's device remembers. */
struct client {
    uint32_t attempts[SIM_RECENT_MAX]; /* rings */
    uint32_t holds[SIM_RECENT_MAX];
    uint32_t attempt_count;
    uint32_t hold_count;
    uint32_t next_key;
};

enum phase { PHASE_SALE, PHASE_HEAL };

struct world {
    uint64_t seed;
    uint64_t step; /* of the run, for the reproduce line */
    bool log;      /* each event as a line */
    enum phase phase;
    struct profile profile;
    struct sim_random random;
    struct trace trace;
    struct marks *marks;

    struct env_controlled env;
    struct journal_memory *journal;
    struct wall wall;
    struct sim_watermark watermark;
    struct vault *vault;        /* outlives the process, as its key's file does */
    struct sim_workers workers; /* what waits dies with the process */
    struct hash_key mac_key;
    struct secrets_port secrets;
    struct engine *engine;
    struct sim_thread shards[SIM_SHARDS_MAX];
    struct sim_thread committer;
    struct turn turns[SIM_SHARDS_MAX][SIM_TURNS_MAX]; /* rings */
    uint64_t turn_count[SIM_SHARDS_MAX];
    bool holds_back; /* messages from one shard to another are not seen for a while */
    uint32_t held_source;
    uint32_t held_target;
    uint64_t held_until;
    uint64_t slow_until; /* step until which the disk is slow */
    uint64_t busy_until; /* and until which it takes no reads */
    uint64_t commit_ready_step;
    uint64_t commit_seen; /* the pending commit that commit_ready_step belongs to */
    bool disk_full;
    uint64_t disk_full_step; /* when it was last full, and is not any more */
    bool draining;
    bool commit_failed; /* the latch fell: the process will end */
    uint64_t dies_at_step;
    uint64_t crashes;             /* that were drawn */
    struct journal_memory *older; /* what was durable a little before the crash to come, or NULL */
    bool in_submit;
    bool dying;
    bool settled;    /* since the last restart: everything was idle once */
    bool is_planted; /* something wrong, for the online audit to see: the oracles look away */

    struct mails_model mails;
    struct coupons_model coupons;
    struct carts_model carts;
    struct shoppers_model shoppers;
    struct order_mails_model order_mails;
    struct watches_model watches;
    struct sim_gateway gateway;
    struct sim_listeners listeners;
    struct books books;
    struct people people;
    struct shop_model shop;
    struct hooks_model hooks;
    struct session_cache caches[SIM_SHARDS_MAX];
    bool adopt_more; /* of the adoption that was answered last */
    uint32_t adopt_next;
    struct client clients[SIM_CLIENTS_MAX];
    struct request requests[SIM_REQUESTS_MAX];
    uint32_t free_requests[SIM_REQUESTS_MAX];
    uint32_t free_request_count;
    uint64_t submitted;
    struct contest contests[SIM_CONTESTS];
    struct edits_model edits;
    struct withdrawn_watch withdrawn;
    uint64_t fences[SIM_PARTITIONS_MAX]; /* the largest that some answer showed */
    /* The last request of a shard [first] that another has answered, of this engine. */
    uint64_t answered[SIM_SHARDS_MAX][SIM_SHARDS_MAX];
    uint32_t spans_open; /* requests for holds over several partitions under way */

    uint64_t overdue; /* answered requests that were older than the time-out, of this engine */

    uint64_t lists;      /* that were answered */
    uint32_t list_round; /* of walks over all holds */
    bool list_goes_on;   /* after the last ID that the last list showed */
    struct reservation_id list_last;
    struct engine_read read;
    bool read_open;
    uint32_t audit_sku; /* whose turn it is */
    struct engine_metrics metrics_seen;
};

/* ---- world.c ---- */

void world_start(struct world *world, uint64_t seed, struct marks *marks, bool log, bool is_racing);
void world_end(struct world *world);
/* Dies and recovers. `keep_pending`: the commit under way had just become durable. */
void world_crash(struct world *world, bool keep_pending, bool reboot);
/* An engine over this journal and the world's other ports; the caller recovers or destroys it. */
struct engine *world_create_engine(struct world *world, struct journal_memory *journal);
static inline int64_t world_now(const struct world *world)
{
    return world->env.now_ms;
}
static inline void world_mark(struct world *world, enum mark mark)
{
    world->marks->hits[mark]++;
}
/* One line of what happens, if it is to be logged. */
void world_log(const struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The principal of a party. */
struct principal world_principal(const struct world *world, uint32_t party);
/* The directory's entry of a SKU in the present engine, or NULL. */
struct sku_entry *world_sku_entry(struct world *world, uint32_t sku);
/* The model's index of a SKU's number, or NONE. */
uint32_t world_sku_index(const struct world *world, uint32_t sku_id);
/* Whether these lines are of more than one partition. */
bool world_spans(const struct world *world, const struct order_lines *lines);

/* ---- schedule.c ---- */

/* One step. False if nothing can happen before time passes or a client acts. */
bool world_step(struct world *world);
/* Whether some thread or the journal has anything to do now. */
bool world_is_busy(const struct world *world);
void world_advance_clock(struct world *world, int64_t ms);
/* Messages that were held back are seen. */
void world_release_held(struct world *world);

/* ---- clients.c ---- */

void clients_act(struct world *world);
struct request *clients_take_request(struct world *world, enum command_type type, uint32_t party);
void clients_give_request(struct world *world, struct request *request);
/* A shard whose thread can take a request now, or NONE if the drawn one is stalled. */
uint32_t clients_draw_shard(struct world *world);
/* Something arrives on the shard's loop: its thread is awake, and has a turn afterwards. */
struct shard *clients_enter_shard(struct world *world, uint32_t shard);
/* Submits at a shard; keeps or gives back the request. The outcome is the engine's. */
enum outcome clients_submit(struct world *world, uint32_t shard, const struct command *command,
                            struct request *request, struct refusal *refusal_out);
/* By a device, as whom its token says; by NONE, as the attempt's party or the one that is named. */
void clients_reserve(struct world *world, uint32_t device, uint32_t attempt,
                     const struct order_lines *order, bool other_body);
/* Something new for this device; its newest again. */
void clients_reserve_new(struct world *world, uint32_t device);
void clients_repeat_last(struct world *world, uint32_t device);
/* The number of a key that this party has not used. */
uint32_t clients_next_key(struct world *world, uint32_t party);
struct slice clients_slice(const char *text);
/* A shard that had slept reads the clock when it takes a request. */
void clients_note_clock(struct world *world, uint32_t shard);

/* ---- clients_hold.c ---- */

void clients_ask_hold(struct world *world, enum command_type type, uint32_t device, uint32_t party,
                      uint32_t hold, bool staff);
void clients_ask_own_hold(struct world *world, enum command_type type, uint32_t device);
void clients_ask_foreign_hold(struct world *world, uint32_t device);
void clients_list(struct world *world, uint32_t device, uint32_t party, uint32_t shard,
                  const struct reservation_id *after);
void clients_remember_hold(struct world *world, uint32_t device, uint32_t hold);
/* One of a ring's newest, or NONE. */
uint32_t clients_recent(struct world *world, const uint32_t *ring, uint32_t count);
/* The process died: nobody will be answered. */
void clients_restart(struct world *world);

/* ---- staff.c ---- */

/* Creates what is absent; otherwise as `mode` says. */
void staff_put_product(struct world *world, uint32_t product, enum put_mode mode);
/* What a SKU costs by its product's version. */
int64_t staff_price(const struct sku_model *sku, uint32_t version);
/* One of the thieves' products asks for a SKU that several want. */
void staff_contest(struct world *world, uint32_t thief, uint32_t contest);
/* Whether some product has it. */
bool staff_contest_is_won(struct world *world, uint32_t contest);
void staff_adjust(struct world *world, uint32_t sku, bool is_set, int64_t value);
/* The same again, under its key. */
void staff_adjust_again(struct world *world);
void staff_get_stock(struct world *world, uint32_t sku);
/* A page of what a shard has of a SKU, or with UINT32_MAX of all; after an ID, if it is not zero.
 */
void staff_list(struct world *world, uint32_t shard, uint32_t sku_id,
                const struct reservation_id *after);
void staff_read_ledger(struct world *world, uint32_t sku);

/* ---- answers.c, answers_hold.c, answers_staff.c ---- */

void answers_take(void *user, uint64_t cookie, const struct message *reply);
/* A command that was refused at once: nothing happened. */
void answers_refused(struct world *world, const struct request *request, enum outcome outcome,
                     const struct refusal *refusal);

/* Notes what of a reservation's lines is sold when it is sent. */
void answers_note_sale(const struct world *world, struct request *request);
void answers_reserve(struct world *world, const struct request *request,
                     const struct reply_body *reply);
void answers_hold(struct world *world, const struct request *request,
                  const struct reply_body *reply);
void answers_list(struct world *world, const struct request *request,
                  const struct reply_body *reply);
void answers_stock(struct world *world, const struct request *request,
                   const struct reply_body *reply);
void answers_product(struct world *world, const struct request *request,
                     const struct reply_body *reply);
/* Among each other (answers_order.c): this answer comes after those of earlier requests; a hold's
 * fence is seen; a new hold's is larger than any that was seen when it was asked for. */
void answers_check_order(struct world *world, const struct request *request, enum outcome outcome);
void answers_see_fence(struct world *world, const struct hold_view *view);
void answers_check_fence(const struct request *request, const struct hold_view *view);
/* Whether a view shows exactly these lines. */
bool answers_lines_equal(const struct world *world, const struct hold_view *view,
                         const struct model_line *lines, uint32_t line_count);

/* ---- answers_account.c, answers_view.c ---- */

void answers_account(struct world *world, const struct request *request,
                     const struct reply_body *reply);
void answers_adopt(struct world *world, const struct request *request,
                   const struct reply_body *reply);
/* An account as it is after the call; what the call did. */
void answers_view(struct world *world, const struct request *request,
                  const struct account_envelope *answer);
void answers_effect(struct world *world, const struct request *request,
                    const struct account_envelope *answer);
void answers_token_issued(struct world *world, const struct request *request);
void answers_token_refused(struct world *world, const struct request *request);

/* ---- oracles.c ---- */

/* After each step: a few SKUs in turn. */
void oracles_step(struct world *world);
/* Everything, between steps. */
void oracles_audit(struct world *world);
/* A SKU's books against its record. */
void oracles_check_sku(struct world *world, uint32_t sku);
/* After a restart, before any step. */
void oracles_restarted(struct world *world);
/* A shard had a turn that could serve timers, and before which so many were due. */
void oracles_check_lapses(struct world *world, uint32_t shard, uint32_t due);
/* Nothing can happen before time passes: nobody may wait for a wake-up that was lost. */
void oracles_quiet(struct world *world);

/* An accepted request was answered: not if it should have been dropped as too old. */
void oracles_check_served(struct world *world, const struct request *request, enum outcome outcome);
/* A request was accepted: its deadline counts from no other time than it may. */
void oracles_check_counted(struct world *world, const struct request *request);

/* ---- wall.c ---- */

void wall_start(struct world *world);
/* What the wall clock shows now. */
int64_t world_wall_ms(const struct world *world);
/* The least and the most that it showed from then on. */
int64_t wall_lowest_since(const struct world *world, int64_t from_ms);
int64_t wall_highest_since(const struct world *world, int64_t from_ms);
/* Sets the wall clock, so far ahead of the world's time. */
void wall_set(struct world *world, int64_t ahead_ms);
void wall_draw(struct world *world);
/* The process starts again: what the books know of deadlines follows the wall clock. */
void wall_restart(struct world *world);
/* Enters what the first view of a new hold, or one in a list, says of its times. */
void wall_enter_hold(struct world *world, struct book_hold *hold, const struct hold_view *view,
                     int64_t from_ms, bool replayed);
void wall_explain_hold(struct world *world, struct book_hold *hold, const struct hold_view *view,
                       const struct request *request);
/* A view shows the hold alive. */
void wall_see_deadline(struct world *world, struct book_hold *hold, const struct hold_view *view,
                       const struct request *request);

/* ---- damage.c ---- */

/* The process will die a few steps from now: what is durable by then may be lost. */
void damage_keep_suffix(struct world *world);
/* Before the engine is started: what is damaged must be refused, what is whole recovered. */
void damage_before_start(struct world *world);
/* ---- forget.c ---- */

/* Everything has ended: past its retention it must be forgotten. `settle` lets everything under way
 * end. */
void world_forget(struct world *world, void (*settle)(struct world *));

/* ---- retain.c ---- */

/* After all else, with a new process: guests and accounts past their time. */
void world_retain(struct world *world, void (*settle)(struct world *));

/* Whether the online audit sees what is wrong (plant.c). */
void world_plant(struct world *world, void (*settle)(struct world *));

/* ---- audit_log.c ---- */

/* When all that was begun has ended. */
void world_check_audit_log(struct world *world);

/* ---- heal.c ---- */

void world_heal(struct world *world);

#endif
