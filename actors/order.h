/* SPDX-License-Identifier: Apache-2.0 */
/* An order: a saga that owns what it holds, and asks for one thing at a time.
 *
 *   order_receive(subject, context, moment, envelope) -> outcome, effects    somebody's call
 *   order_answer(subject, context, moment, answer)    -> effects             what became of its
 * step order_tick(subject, context, moment)              -> effects             its time is over
 *
 * `order.step` says what is to be done next. Whoever hosts the actor does it once the record that
 * says so is durable, gives the answer back here, and does it again after a restart: binding,
 * pinning, capturing and all others take a repetition for what it is. No answer, no progress: there
 * is no step whose outcome is guessed.
 *
 *   BIND -> COUPON_HOLD -> PAYMENT_CREATE -> WAIT --(paid)--> PIN -> CAPTURE -> CONVERT
 *     |          |             |              | ^               |       |    -> COUPON_COMMIT
 *     |          |             |              | +- CONFIRM      |       |    -> confirmed
 *     |   UNDO_BIND <- UNDO_COUPON            | +- QUERY        |       |    -> CART_CLEAR
 *     v          v                            v                 v       v
 *   (it never was)                           VOID -> RELEASE -> COUPON_RELEASE -> its goal
 *                                              \-- captured after all: PIN, or REFUND
 *
 * Pure: no I/O, time comes with the call, memory is the host's.
 *
 * Invariants:
 *   1. `confirmed` only after the gateway said that exactly the total is captured (or the total is
 *      0), and the hold's units are sold. Nothing is captured before the hold is pinned.
 *   2. What is captured ends in a confirmed order or in a refund: an order whose payment is
 *      captured has a step, or its goal was reached with captured = refunded.
 *   3. total = subtotal - discount + shipping + tax, to the minor unit; refunded <= captured.
 *   4. One event of the gateway has one effect (the inbox, RECORD_EVENT_IN).
 *   5. Statuses follow each other as the table in order.c allows. */
#ifndef STAMPEDE_ORDER_H
#define STAMPEDE_ORDER_H

#include "effects.h"
#include "event_out.h"
#include "events.h"
#include "order_state.h"

#define ORDER_CALLS(X)                                                                             \
    X(CREATE)  /* `order`, `body`, `text`, `person`: PENDING; answered when it waits for payment.  \
                  Without lines it makes nothing: what has its key made before? NOT_FOUND */       \
    X(GET)     /* all of it; by its number alone where the ID's time is 0 */                       \
    X(CONFIRM) /* with `method`; PAYMENT_DECLINED, METHOD_REFUSED: it can be tried again */        \
    X(CANCEL)  /* before fulfilment; what is paid goes back */                                     \
    X(PROLONG) /* unpaid, as GET, with its hold: to `expires_wall_ms`; HOLD_ENDED: it gives up */  \
    X(EVENT)   /* of the gateway: `event`; answered when it is stored */                           \
    X(FULFIL)  /* SHIPPED with `tracking`, else FULFILLING */                                      \
    X(DELIVER)                                                                                     \
    X(REFUND)      /* `amount_minor` (0: all that is left), `quantities` to restock, `named` */    \
    X(ACKNOWLEDGE) /* `attention`: somebody has looked at that */                                  \
    X(MAIL_RESULT) /* of the mail of occasion `mail_occasion`: what became of it */                \
    X(UNWATCH)     /* the host's: takes `watch` back */                                            \
    X(FORGET) /* the person: the key is destroyed; of one that lives, or is to be sent, after that \
               */                                                                                  \
    X(REWRAP) /* `person.key`, if it is `old_key` still; STALE */                                  \
    X(KEY_FORGET) /* its checkout's, if it is past and older than ORDER_KEY_KEPT_S; else STALE */  \
    X(EVENT_FORGET) /* the entry of `event`, whose order need not be there any more */             \
    X(EVENT_REPLAY) /* the stored event of `event_place` once more, unless it had its effect */

enum order_call {
#define X(name) ORDER_CALL_##name,
    ORDER_CALLS(X)
#undef X
        ORDER_CALL_COUNT
};

const char *order_call_name(enum order_call call);

/* What a gateway tells by itself; verified by whoever brings it. */
struct payment_event {
    uint8_t provider; /* enum payment_provider */
    uint8_t state;    /* enum payment_state that it tells of; NONE: nothing of that kind */
    char event_id[PAYMENT_ID_MAX + 1];
    char payment_id[PAYMENT_ID_MAX + 1];
    char currency[4];
    int64_t amount_minor;
    int64_t captured_minor;
    int64_t refunded_minor; /* of the payment in all; 0: it tells of no refund */
    int64_t told_wall_ms;   /* by the gateway's clock; 0: it does not say */
    uint8_t refund_failed;  /* it tells that one did */
    uint8_t effect;         /* enum event_effect: the answer's, unless it is replayed */
    int64_t wall_ms;        /* when it came; the answer's, likewise */
};

/* The key that a refund is known by: of the hashes of its Idempotency-Key and of its body. The same
 * key with another body is KEY_REUSED. Never 0. */
uint64_t order_refund_key(uint64_t key_hash, uint64_t body_hash);
/* Shows the order as it was when this refund was answered, so that a repeat is answered the same; a
 * key that it has no refund by changes nothing. */
void order_show_refund(struct order_record *order, uint64_t key);
/* Whether the order has a refund by the Idempotency-Key of this one, whatever its body. */
bool order_has_refund(const struct order_record *order, uint64_t key);
/* Whether that one is asked for still: it is, until the gateway gives its word. */
bool order_refund_is_pending(const struct order_record *order, uint64_t key);

struct order_watch;

/* A call and its answer; from order_envelope_create (engine.h), zeroed. */
struct order_envelope {
    /* The engine's, while it waits. */
    struct order_envelope *next;
    uint64_t cookie;
    int64_t deadline_boot_ms;
    uint64_t looked_serial; /* what was durable when it was looked for, surely */
    uint16_t shard;
    uint16_t partition;
    uint8_t
        is_watched; /* the answer: `watch` waits; of UNWATCH: it did, and is the asker's again */
    struct order_watch *watch; /* GET, UNWATCH: may be NULL */
    struct origin origin;

    uint8_t is_event;  /* asked by the shard itself, for an event (events_out.h) */
    uint8_t call;      /* enum order_call */
    uint8_t authority; /* enum authority; PRINCIPAL: one of `who` must be the order's */
    uint8_t who_count; /* CREATE: the first is whose it becomes */
    struct principal who[1 + ACCOUNT_ALIASES_MAX];
    struct reservation_id id; /* all but CREATE, which sets it */

    char method[PAYMENT_METHOD_MAX + 1];
    struct payment_event event;
    char carrier[CARRIER_LENGTH_MAX + 1];
    char tracking[TRACKING_LENGTH_MAX + 1];
    int64_t expires_wall_ms;
    int64_t amount_minor;
    uint32_t quantities[RESERVATION_LINES_MAX];
    uint32_t named[RESERVATION_LINES_MAX]; /* REFUND: units that are refunded as such, each once */
    uint64_t refund_key;              /* of the Idempotency-Key and the body: order_refund_key */
    uint8_t old_key[WRAPPED_KEY_MAX]; /* REWRAP: of person.key_length bytes */
    struct record_place event_place;  /* EVENT_FORGET, EVENT_REPLAY */
    char reason[REFUND_REASON_MAX + 1];
    uint8_t restock;
    uint8_t attention; /* ACKNOWLEDGE: enum order_attention, one of them */

    /* MAIL_RESULT: its record as it was read, and what is to become of it. */
    uint8_t is_outbox;   /* asked by the shard itself, for a mail (engine/mails.h) */
    uint8_t mail_result; /* enum mail_result (account.h) */
    uint32_t mail_occasion;
    int64_t retry_ms; /* MAIL_LATER: not before */
    struct order_mail_record mail;

    /* CREATE: the order; otherwise the answer, for OK and wherever there is an order. */
    uint8_t replayed;
    struct order_record order;
    struct order_person_record person;
    struct order_body_record body;
    char text[ORDER_TEXT_MAX]; /* body.text_length of it */
};

/* What stays as it is, once it is made; the host's memory. */
struct order_body {
    struct order_person_record person;
    struct order_body_record body;
    char text[];
};

struct order_subject {
    uint32_t partition;
    uint64_t sequence;
    struct order_record order; /* status NONE: there is none */
    struct order_body *body;   /* NULL: not in memory; no call and no step without it */
    /* In memory only. */
    uint8_t alias_count; /* guests that the customer was, for the coupon; of a new order */
    struct principal aliases[ACCOUNT_ALIASES_MAX];
    char method[PAYMENT_METHOD_MAX + 1]; /* STEP_CONFIRM's; lost in a restart: then it is asked */
    uint8_t refusal;                     /* enum outcome: of the newest try to pay */
    uint32_t tries;                      /* of this step, without a word */
    uint32_t refusals;                   /* of them, of the line that is put back */
    int64_t told_minor; /* STEP_REFUND's: so much has gone back in all, by an event meanwhile */
    bool may_be_done;   /* STEP_REFUND's: a try had no word */
    bool is_refused;    /* STEP_REFUND's newest try was, without a word of how the payment stands */
    int64_t retry_boot_ms;   /* the step again, not before; 0: at once */
    int64_t expires_boot_ms; /* order.expires_wall_ms, by the clock nobody sets */
};

enum { ORDER_NUMBERS_STEP = 256 };

struct order_context {
    struct order_numbers *orders; /* of the partition */
    struct order_numbers *events;
    bool may_confirm;    /* the provider takes CONFIRM */
    bool event_is_known; /* EVENT: the inbox has it */
    bool sends_mails;    /* there is a way for them: what happens now is told by mail */
};

/* A call. PENDING: the answer is not there yet: ask order_outcome after each further step. Any
 * refusal changes nothing. CREATE: the body is taken from the envelope by the host. */
enum outcome order_receive(struct order_subject *subject, const struct order_context *context,
                           const struct moment *moment, struct order_envelope *envelope,
                           struct effects *effects);

/* How a call that is PENDING ends, if it is by now; else PENDING. */
enum outcome order_outcome(const struct order_subject *subject,
                           const struct order_envelope *envelope);

/* What became of the step: either an outcome of a partition, or the gateway's word. */
struct order_answer {
    uint8_t step;    /* that it answers; another than the present one is not heard */
    uint8_t outcome; /* enum outcome; of STEP_PAYMENT_CREATE, CONFIRM, QUERY, CAPTURE, VOID and
                        REFUND: PENDING, and the following */
    uint8_t result;  /* enum gateway_result (engine/ports.h), as order_result below */
    bool looked;     /* the gateway was asked how it stands, instead: order_looks_first */
    uint8_t state;   /* enum payment_state */
    int64_t captured_minor;
    int64_t refunded_minor;
    uint32_t retry_after_s;
    const char *payment_id;
    const char *client_secret;
    const char *redirect_url;
};

/* Tries of a step under one key at the gateway: one that keeps its first answer, an error, is then
 * asked otherwise. */
enum { ORDER_TRIES_PER_KEY = 4 };

/* Whether instead of the step its payment is looked at: a refund may have been done without a word,
 * and under another key it would be a second one. */
bool order_looks_first(const struct order_subject *subject);
/* The refund that STEP_REFUND asks for, and its place among the order's, from 1. */
const struct order_refund *order_refund_asked(const struct order_record *order,
                                              unsigned *number_out);

enum order_result {
    RESULT_DONE,
    RESULT_DECLINED,
    RESULT_REFUSED,
    RESULT_UNKNOWN,
    RESULT_UNAVAILABLE
};

void order_answer(struct order_subject *subject, const struct order_context *context,
                  const struct moment *moment, const struct order_answer *answer,
                  struct effects *effects);

/* Its time has come: it expires, or its payment is asked after. */
void order_tick(struct order_subject *subject, const struct order_context *context,
                const struct moment *moment, struct effects *effects);

/* When the next tick is due, by the boot clock; 0: none is. */
int64_t order_next_boot_ms(const struct order_subject *subject, const struct moment *moment);

/* Whether nothing is pending any more: its record is ORDER_PAST's. */
static inline bool order_is_past(const struct order_record *order)
{
    return order->step == STEP_NONE;
}

/* Whether what is paid has yet to be sent: until then its person is needed. */
bool order_is_to_be_sent(const struct order_record *order);

/* Takes a stored record in: ORDER, ORDER_PAST. After a restart. */
void order_load(struct order_subject *subject, const struct record *record);

/* Where a principal's orders, and what a checkout's key made, are found: always in the partition of
 * the order. */
uint32_t order_of_subject(const struct principal *principal);
struct record_place checkout_place(const struct hash128 *key, uint32_t partition);
struct record_place event_in_place(const struct payment_event *event, uint32_t partition);
uint32_t order_partition_of(const struct principal *principal, uint32_t partitions);

/* What the outside is told when an order comes to this status (of a refund: to one of the last
 * two).
 */
enum event_type order_event_type(enum order_status status);
/* Whose an order's mails are, in the outbox (outbox.h); and back. */
struct principal order_mail_owner(uint32_t partition, uint64_t sequence);
uint64_t order_mail_owner_sequence(const struct principal *owner, uint32_t *partition_out);
/* Whether no status may follow this one. */
bool order_is_final(enum order_status status);

/* Whether `status` may follow `before`: the transition table. */
bool order_may_become(enum order_status before, enum order_status status);

#endif
