/* SPDX-License-Identifier: Apache-2.0 */
/* People whose accounts cause mails, the courier that takes those where they go, and what must be
 * so: every mail of an acknowledged call is delivered at least once, or is known to be waiting or
 * dead; none leaves before its cause is durable, none again once it was delivered and the process
 * lives on, and none after its account's erasure was acknowledged but the one that says so, which
 * is no more, with its key, once it was delivered or refused. */
#ifndef STAMPEDE_SIM_MAILS_H
#define STAMPEDE_SIM_MAILS_H

#include "engine.h"

enum {
    SIM_PEOPLE_MAX = 6,
    SIM_MAILS_MAX = 300, /* caused, ever */
    SIM_CARRIED_MAX = 3 * MAILS_UNDER_WAY_MAX,
};

enum person_state {
    PERSON_STRANGER,
    PERSON_NUMBERED, /* has a principal: registers next */
    PERSON_REGISTERED,
    PERSON_LEAVING, /* an erasure was asked for: until it is acknowledged */
    PERSON_ERASED,
};

struct addressee {
    enum person_state state;
    struct principal account;
    uint8_t index[EMAIL_INDEX_BYTES];
    bool call_open;
    uint8_t call;  /* enum account_call */
    uint32_t mail; /* that it causes, or of which it is; SIM_MAILS_MAX: none */
};

enum letter_state {
    LETTER_ASKED, /* the call that causes it has no answer (yet) */
    LETTER_CAUSED,
    LETTER_NEVER, /* its call was refused */
};

struct letter {
    uint64_t sequence; /* its number: what it would be sealed for */
    uint32_t person;
    uint32_t incarnation;  /* of the process that last ended an attempt */
    int64_t not_before_ms; /* in this incarnation */
    uint16_t delivered;
    uint8_t state; /* enum letter_state */
    bool carried;
    bool settled;     /* delivered or given up in this incarnation: it must not come again */
    bool given_up;    /* a dead letter, as far as the courier knows */
    bool was_refused; /* once, whatever came after: of an erased account that is the end */
    bool replay_maybe;
    bool says_goodbye; /* it goes with an erasure */
    int64_t asked_ms;
};

struct carried {
    struct engine_mail *mail;
    uint32_t shard;
    uint32_t letter;
};

struct mails_model {
    struct addressee people[SIM_PEOPLE_MAX];
    uint32_t people_count;
    struct letter letters[SIM_MAILS_MAX];
    uint32_t letter_count;
    struct carried carried[SIM_CARRIED_MAX];
    uint32_t carried_count;
    uint32_t calls_open;
    uint32_t incarnation;
};

struct world;

void mails_start(struct world *world);
/* The engine was created again: the courier waits at each shard. */
void mails_engine_started(struct world *world);
/* The process died: nobody brings anything back. */
void mails_restart(struct world *world);

/* Somebody does something, or the courier comes back. */
void mails_act(struct world *world);
void mails_come_back(struct world *world);

/* Nothing can happen before time passes: nobody may wait for an answer. */
void mails_quiet(const struct world *world);

/* An answer under a cookie of these. */
bool mails_is_cookie(uint64_t cookie);
void mails_take(struct world *world, uint64_t cookie, const struct message *reply);

/* No more faults: everything goes out. `settle` lets everything under way end. */
void mails_heal(struct world *world, void (*settle)(struct world *));
/* What is left is what must be left. */
void mails_check_end(struct world *world);

#endif
