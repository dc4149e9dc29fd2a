/* SPDX-License-Identifier: Apache-2.0 */
/* How a shard sends mails, its accounts' and its orders': what is due by the outbox
 * (actors/outbox.h) is read, its account asked for the key or its order for all that it is, given
 * to the courier of the outer layers, and what became of it recorded by the actor that was asked.
 *
 *     due -> READING the record -> ASKING its owner -> SENDING -> RECORDING -> RECORDED
 *
 * An actor answers in the order of its calls: so nothing is given to the courier after an erasure
 * was acknowledged. Orders' mails have an outbox and a way of their own, so that a sale's do not
 * keep anybody's new password waiting. A crash before the record is durable sends the mail again,
 * with the same ID: at least once. Private to engine/. */
#ifndef STAMPEDE_MAILS_H
#define STAMPEDE_MAILS_H

#include "engine.h"
#include "outbox.h"

enum mail_phase {
    MAIL_FREE,
    MAIL_READING,
    MAIL_ASKING,
    MAIL_SENDING,
    MAIL_RECORDING, /* to be submitted, as soon as it can be */
    MAIL_RECORDED,  /* submitted */
};

struct mail_slot {
    struct engine_mail mail; /* first: the courier brings it back */
    struct shard *shard;
    struct mails *mails;
    uint32_t row; /* of the outbox */
    uint8_t phase;
    uint8_t result; /* enum mail_result */
    int64_t retry_boot_ms;
    int64_t backoff_ms;
    char reason[64];
    struct engine_read read;
    struct mail_record record; /* an account's */
    struct account_key_record key;
    struct order_mail_record order_record; /* an order's */
};

/* Where it is counted; all written by the shard's thread. */
struct mail_figures {
    _Atomic int64_t *waiting;
    _Atomic int64_t *dead;
    _Atomic int64_t *delivered;
    _Atomic int64_t *retried;
    _Atomic int64_t *given_up;
    _Atomic int64_t *dropped;
    _Atomic int64_t *oldest_wall_ms; /* INT64_MAX: none waits */
};

/* Whose mails they are: what accounts' and orders' do not have in common. */
struct mails_source {
    enum record_kind kind;
    void (*bind)(struct shard *shard, struct mail_figures *figures_out);
    struct journal_key (*place)(const struct mail_slot *slot);
    /* Takes in the mail's record. */
    void (*take)(struct mail_slot *slot, const struct record *record);
    /* Asks the owner, or has it record slot->result; false: not now. */
    bool (*ask)(struct mail_slot *slot, uint64_t cookie);
    bool (*record)(struct mail_slot *slot, uint64_t cookie);
    /* Fills slot->mail from the owner's answer; false: it is to be dropped. */
    bool (*may_go)(struct mail_slot *slot, const struct message *reply);
    void (*restore)(struct mails *mails, const struct moment *now, const struct record *record);
};

extern const struct mails_source mails_of_accounts;
extern const struct mails_source mails_of_orders;

/* What found no room in the outbox is looked for in the journal, a page at a time. */
struct mail_scan {
    struct engine_read read;
    bool active;
    uint32_t partition;
    uint64_t removed; /* when the page was asked for */
    int64_t due_boot_ms;
};

struct mails {
    struct shard *shard;
    const struct mails_source *source;
    struct mail_figures figures;
    struct outbox outbox;
    struct mail_slot *slots; /* MAILS_UNDER_WAY_MAX */
    uint32_t busy;
    engine_courier courier; /* NULL: mails wait */
    void *courier_user;
    struct mail_scan scan;
    int64_t shown_boot_ms; /* when the oldest was looked for */
};

void mails_init(struct mails *mails, struct shard *shard, const struct mails_source *source,
                const struct engine_options *options, struct mail_slot *slots,
                struct outbox_row *rows, uint32_t *heap, struct index_bucket *buckets,
                const struct hash_key *key);
/* Frees what was read and not taken. */
void mails_destroy(struct mails *mails);

/* A MAIL or ORDER_MAIL record at recovery. */
void mails_restore(struct shard *shard, const struct moment *now, const struct record *record);
/* What the batch that is open records of mails. */
void mails_apply(struct shard *shard, const struct mail_effect *effect);
/* In each turn, after the batches that came back. */
void mails_step(struct shard *shard);
/* When a step has something to do by time alone; INT64_MAX: none. */
int64_t mails_next_ms(const struct shard *shard);
/* Takes an answer of an account or an order that was asked from here. */
bool mails_is_reply(const struct message *reply);
void mails_take_reply(struct shard *shard, const struct message *reply);
/* Whether the mail that the envelope names lies here and is not on its way. */
bool mails_may_replay(const struct shard *shard, const struct account_envelope *envelope);
bool mails_may_replay_order(const struct shard *shard, const struct order_envelope *envelope);

#endif
