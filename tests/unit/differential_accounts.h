/* SPDX-License-Identifier: Apache-2.0 */
/* People in the stream of commands of test_differential.c: what is asked of accounts, addresses and
 * guests, what is known of them from answers, and an answer as a number. Private fields are opaque
 * bytes. Everything is drawn from the stream's own random source. And the port that lets accounts
 * be read from disk in step with memory. */
#ifndef STAMPEDE_DIFFERENTIAL_ACCOUNTS_H
#define STAMPEDE_DIFFERENTIAL_ACCOUNTS_H

#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "codec_account.h"
#include "engine.h"

/* ---- reads ---- */

/* A read on disk ends on another thread, some time; here at once, as in memory, so that both sides
 * have the same turns. */
static bool (*disk_read)(void *self, struct journal_read *read);
static _Atomic bool disk_read_is_done;

static inline void on_disk_read(struct journal_read *read)
{
    (void)read;
    atomic_store(&disk_read_is_done, true);
}

static inline bool read_at_once(void *self, struct journal_read *read)
{
    void (*done)(struct journal_read * read) = read->done;

    read->done = on_disk_read;
    atomic_store(&disk_read_is_done, false);
    if (!disk_read(self, read))
        return false;
    while (!atomic_load(&disk_read_is_done))
        sched_yield();
    read->done = done;
    done(read);
    return true;
}

static inline void read_at_once_from(struct journal_port *disk)
{
    disk_read = disk->read;
    disk->read = read_at_once;
}

/* ---- people ---- */

enum {
    PEOPLE = 8,
    PEOPLE_TOKENS = 3, /* each: of sessions and mails */
    PEOPLE_GUESTS = 20,
};

struct people {
    struct principal principals[PEOPLE]; /* all zero: none was prepared */
    uint32_t credentials[PEOPLE];        /* as they were shown last */
    uint64_t registered;
    uint64_t opened;
    uint64_t checked; /* sessions that were good */
    uint64_t erased;
    uint64_t answers;
};

/* The last byte says whose it is. */
static inline void people_index(uint32_t person, uint8_t index_out[EMAIL_INDEX_BYTES])
{
    uint64_t words[2] = {hash_word(person + 1), hash_word(person + 1000)};

    memcpy(index_out, words, sizeof(words));
    index_out[EMAIL_INDEX_BYTES - 1] = (uint8_t)person;
}

static inline void people_fill(uint64_t seed, uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)hash_word(seed + i);
}

static inline uint32_t people_draw(uint64_t *random, uint32_t count)
{
    return (uint32_t)(test_random(random) % count);
}

static inline void people_fill_mail(uint64_t *random, struct account_envelope *envelope)
{
    if (people_draw(random, 2) == 0)
        return;
    envelope->mail = row_number_of(test_random(random));
    envelope->mail_template = 1;
    envelope->sealed_mail_length = (uint16_t)(1 + people_draw(random, 200));
    people_fill(envelope->sealed_mail_length, envelope->sealed_mail, envelope->sealed_mail_length);
}

static inline void people_fill_register(struct account_envelope *envelope)
{
    envelope->verified = 1;
    envelope->email_length = 40;
    people_fill(1, envelope->email, 40);
    envelope->key.length = 60;
    people_fill(2, envelope->key.bytes, 60);
    envelope->password_length = 90;
    people_fill(3, (uint8_t *)envelope->password_hash, 90);
}

/* What this call needs besides the account; the hash is of a token that others name too. */
static inline void people_fill_call(uint64_t *random, const struct people *people, uint32_t person,
                                    struct account_envelope *envelope)
{
    people_fill(hash_word(person) + people_draw(random, PEOPLE_TOKENS), envelope->hash,
                TOKEN_HASH_BYTES);
    envelope->id = people_draw(random, 6);
    switch ((int)envelope->call) {
    case ACCOUNT_CALL_REGISTER:
        people_fill_register(envelope);
        people_fill_mail(random, envelope);
        break;
    case ACCOUNT_CALL_SESSION_OPEN:
        envelope->credentials = people->credentials[person];
        envelope->lifetime_ms = 1000 + (int64_t)people_draw(random, 2) * 3600 * 1000;
        envelope->has_guest = (uint8_t)people_draw(random, 2);
        break;
    case ACCOUNT_CALL_SESSION_CLOSE:
        envelope->id = 0;
        break;
    case ACCOUNT_CALL_TOKEN_ISSUE:
        envelope->purpose = TOKEN_RESET;
        envelope->lifetime_ms = 5000;
        people_fill_mail(random, envelope);
        break;
    case ACCOUNT_CALL_PASSWORD_RESET:
        envelope->purpose = TOKEN_RESET;
        people_fill_register(envelope);
        break;
    case ACCOUNT_CALL_ADDRESS_ADD:
        envelope->id++; /* 0 is none */
        envelope->sealed_length = (uint16_t)(1 + people_draw(random, SEALED_NAME_MAX));
        people_fill(envelope->sealed_length, envelope->sealed, envelope->sealed_length);
        break;
    case ACCOUNT_CALL_NAME_SET:
    case ACCOUNT_CALL_ADDRESS_SET:
        envelope->sealed_length = (uint16_t)(1 + people_draw(random, SEALED_NAME_MAX));
        people_fill(envelope->sealed_length, envelope->sealed, envelope->sealed_length);
        break;
    case ACCOUNT_CALL_ERASE:
        people_fill_mail(random, envelope);
        envelope->key.length = 60;
        break;
    default:
        break;
    }
}

/* One call; NULL: there is nobody yet to ask it of. */
static inline struct account_envelope *people_ask(uint64_t *random, const struct people *people)
{
    static const struct {
        enum account_call call;
        uint32_t weight;
    } calls[] = {
        {ACCOUNT_CALL_EMAIL_PREPARE, 5},  {ACCOUNT_CALL_REGISTER, 6},
        {ACCOUNT_CALL_EMAIL_FIND, 4},     {ACCOUNT_CALL_EMAIL_RELEASE, 2},
        {ACCOUNT_CALL_GET, 10},           {ACCOUNT_CALL_SESSION_OPEN, 20},
        {ACCOUNT_CALL_SESSION_CHECK, 24}, {ACCOUNT_CALL_SESSION_CLOSE, 3},
        {ACCOUNT_CALL_TOKEN_ISSUE, 4},    {ACCOUNT_CALL_PASSWORD_RESET, 3},
        {ACCOUNT_CALL_NAME_SET, 4},       {ACCOUNT_CALL_ADDRESS_ADD, 6},
        {ACCOUNT_CALL_ADDRESS_SET, 3},    {ACCOUNT_CALL_ADDRESS_REMOVE, 3},
        {ACCOUNT_CALL_GUEST_END, 4},      {ACCOUNT_CALL_GUEST_CHECK, 3},
        {ACCOUNT_CALL_ERASE, 1},          {ACCOUNT_CALL_SESSION_CLOSE_ALL, 1},
    };
    uint32_t at = 0;
    uint32_t lot = people_draw(random, 106); /* the sum of the weights */
    uint32_t person = people_draw(random, PEOPLE);
    struct account_envelope *envelope;
    enum account_call call;

    while (lot >= calls[at].weight)
        lot -= calls[at++].weight;
    call = calls[at].call;
    if (call != ACCOUNT_CALL_EMAIL_PREPARE && call != ACCOUNT_CALL_EMAIL_FIND &&
        principal_is_nobody(&people->principals[person]))
        return NULL;
    envelope = account_envelope_create(call);
    if (envelope == NULL)
        return NULL;
    people_index(person, envelope->index);
    envelope->account = people->principals[person];
    people_fill(9000 + people_draw(random, PEOPLE_GUESTS), envelope->guest.bytes,
                sizeof(envelope->guest.bytes));
    people_fill_call(random, people, person, envelope);
    return envelope;
}

/* What an answer tells, padding and pointers apart. */
static inline uint64_t people_digest(const struct account_envelope *answer, enum outcome outcome)
{
    static const struct hash_key key = {{3, 4}};
    uint8_t packed[sizeof(struct account_record)];
    uint64_t digest = hash_word((uint64_t)answer->call << 8 | (uint64_t)outcome);

    digest = hash_word(digest ^ hash_bytes(&key, answer->account.bytes, 16));
    if (outcome != OUTCOME_OK)
        return digest;
    digest = hash_word(digest ^ answer->id ^ (uint64_t)answer->session << 32);
    digest = hash_word(digest ^ answer->mail);
    digest = hash_word(digest ^ hash_bytes(&key, answer->key.bytes, answer->key.length));
    if (account_call_subject((enum account_call)answer->call) == SUBJECT_ACCOUNT)
        digest ^=
            hash_bytes(&key, packed, codec_account_pack(&answer->view, packed, sizeof(packed)));
    return hash_word(digest);
}

/* What follows from an answer for later calls. */
static inline void people_learn(struct people *people, const struct account_envelope *answer,
                                enum outcome outcome)
{
    uint32_t person = answer->index[EMAIL_INDEX_BYTES - 1];

    people->answers++;
    if (outcome != OUTCOME_OK)
        return;
    if (answer->call == ACCOUNT_CALL_EMAIL_PREPARE)
        people->principals[person] = answer->account;
    if (account_call_subject((enum account_call)answer->call) == SUBJECT_ACCOUNT)
        people->credentials[person] = answer->view.credentials;
    people->registered += answer->call == ACCOUNT_CALL_REGISTER;
    people->opened += answer->call == ACCOUNT_CALL_SESSION_OPEN;
    people->checked += answer->call == ACCOUNT_CALL_SESSION_CHECK;
    people->erased += answer->call == ACCOUNT_CALL_ERASE;
}

#endif
