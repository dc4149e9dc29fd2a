/* SPDX-License-Identifier: Apache-2.0 */
#include "mails.h"

#include <string.h>

#include "violation.h"
#include "world.h"

#define MAILS_COOKIE (1ULL << 60)

enum {
    BACKOFF_MIN_MS = 45 * 1000, /* three quarters of the shortest */
    HEAL_ROUNDS_MAX = 240,
    HEAL_STEP_MS = 2 * 3600 * 1000,
    KEY_BYTE = 7,
    GOODBYE_KEY_BYTE = 9,
};

bool mails_is_cookie(uint64_t cookie)
{
    return (cookie & MAILS_COOKIE) != 0;
}

static struct mails_model *model_of(struct world *world)
{
    return &world->mails;
}

void mails_start(struct world *world)
{
    struct mails_model *mails = model_of(world);

    mails->people_count = world->profile.people;
    for (uint32_t i = 0; i < mails->people_count; i++) {
        uint64_t words[2] = {hash_word(world->seed * 7 + i + 1), hash_word(world->seed + i)};

        memcpy(mails->people[i].index, words, sizeof(words));
        mails->people[i].mail = SIM_MAILS_MAX;
    }
}

/* ---- what is stored ---- */

static bool find_mail(const struct world *world, const struct principal *account, uint64_t sequence,
                      struct record *record_out)
{
    uint32_t partition;
    uint32_t number;

    return account_principal_parse(account, &world->secrets.id_key, &partition, &number) &&
           journal_memory_find(world->journal, RECORD_MAIL, partition, number, sequence,
                               record_out);
}

static bool find_record(const struct world *world, const struct letter *letter,
                        struct record *record_out)
{
    return find_mail(world, &world->mails.people[letter->person].account, letter->sequence,
                     record_out);
}

/* ---- calls ---- */

static uint32_t add_letter(struct world *world, uint32_t person, struct account_envelope *envelope)
{
    struct mails_model *mails = model_of(world);
    uint32_t number = mails->letter_count;

    if (number == SIM_MAILS_MAX)
        return SIM_MAILS_MAX;
    envelope->mail = row_number_of(sim_random_next(&world->random));
    mails->letters[mails->letter_count++] =
        (struct letter){.person = person, .sequence = envelope->mail, .asked_ms = world_now(world)};
    memcpy(envelope->sealed_mail, &number, sizeof(number));
    envelope->sealed_mail_length = sizeof(number);
    return number;
}

static void put_key(struct account_envelope *envelope, uint8_t byte)
{
    envelope->key.length = 8;
    memset(envelope->key.bytes, byte, 8);
}

/* Mostly with a mail that says so. */
static void fill_erase(struct world *world, uint32_t index, struct account_envelope *envelope)
{
    struct addressee *person = &world->mails.people[index];

    envelope->call = ACCOUNT_CALL_ERASE;
    person->state = PERSON_LEAVING;
    if (sim_random_below(&world->random, 100) < 30)
        return;
    person->mail = add_letter(world, index, envelope);
    if (person->mail == SIM_MAILS_MAX)
        return;
    put_key(envelope, GOODBYE_KEY_BYTE);
    world->mails.letters[person->mail].says_goodbye = true;
}

static void fill_register(struct world *world, uint32_t index, struct account_envelope *envelope)
{
    struct addressee *person = &world->mails.people[index];

    envelope->account = person->account;
    envelope->email_length = 8;
    put_key(envelope, KEY_BYTE);
    envelope->password_length = 4;
    memcpy(envelope->password_hash, "hash", 4);
    envelope->verified = 1;
    person->mail = add_letter(world, index, envelope);
}

static void send(struct world *world, uint32_t index, struct account_envelope *envelope)
{
    struct addressee *person = &world->mails.people[index];
    struct command command = {.type = COMMAND_ACCOUNT, .account = envelope};
    uint32_t shard = clients_draw_shard(world);
    enum outcome outcome = OUTCOME_OVERLOADED;
    struct refusal refusal;

    person->call = envelope->call;
    if (shard != NONE) {
        struct shard *target = clients_enter_shard(world, shard);

        world->in_submit = true;
        outcome = engine_submit(target, &command, MAILS_COOKIE | index, &refusal);
        world->in_submit = false;
    }
    trace_add(&world->trace, TRACE_SUBMIT, (uint64_t)COMMAND_ACCOUNT << 32 | outcome, index);
    world_log(world, "person %u sends %s, letter %u: %s", index,
              account_call_name((enum account_call)person->call), person->mail,
              outcome_name(outcome));
    if (outcome == OUTCOME_PENDING) {
        clients_note_clock(world, shard);
        person->call_open = true;
        world->mails.calls_open++;
        return;
    }
    if (person->mail != SIM_MAILS_MAX && person->call != ACCOUNT_CALL_MAIL_RESULT)
        world->mails.letters[person->mail].state = LETTER_NEVER;
    person->mail = SIM_MAILS_MAX;
    envelope_free(envelope);
}

/* Staff send a mail again; they know what its record says. */
static bool fill_replay(struct world *world, uint32_t index, struct account_envelope *envelope)
{
    struct addressee *person = &world->mails.people[index];
    struct record record;
    uint32_t number;
    struct letter *letter;

    if (world->mails.letter_count == 0)
        return false;
    number = sim_random_below(&world->random, world->mails.letter_count);
    letter = &world->mails.letters[number];
    if (letter->person != index || !find_record(world, letter, &record))
        return false;
    envelope->call = ACCOUNT_CALL_MAIL_RESULT;
    envelope->account = person->account;
    envelope->mail = letter->sequence;
    envelope->mail_result = MAIL_REPLAYED;
    envelope->mail_created_wall_ms = record.mail.created_wall_ms;
    envelope->sealed_mail_length = record.mail.sealed_length;
    memcpy(envelope->sealed_mail, record.mail.sealed, record.mail.sealed_length);
    person->mail = number;
    letter->replay_maybe = true;
    return true;
}

static bool fill_call(struct world *world, uint32_t index, struct account_envelope *envelope)
{
    struct addressee *person = &world->mails.people[index];

    memcpy(envelope->index, person->index, sizeof(envelope->index));
    envelope->account = person->account;
    switch (person->state) {
    case PERSON_STRANGER:
        envelope->call = ACCOUNT_CALL_EMAIL_PREPARE;
        return true;
    case PERSON_NUMBERED:
        envelope->call = ACCOUNT_CALL_REGISTER;
        fill_register(world, index, envelope);
        return true;
    case PERSON_REGISTERED:
        if (sim_random_below(&world->random, 100) < 15)
            return fill_replay(world, index, envelope);
        if (sim_random_below(&world->random, 1000) < 4) {
            fill_erase(world, index, envelope);
            return true;
        }
        envelope->call = ACCOUNT_CALL_TOKEN_ISSUE;
        envelope->purpose = TOKEN_VERIFY;
        envelope->lifetime_ms = 1000;
        person->mail = add_letter(world, index, envelope);
        return person->mail != SIM_MAILS_MAX;
    case PERSON_LEAVING:
        fill_erase(world, index, envelope);
        return true;
    case PERSON_ERASED:
    default:
        return fill_replay(world, index, envelope);
    }
}

void mails_act(struct world *world)
{
    uint32_t index = sim_random_below(&world->random, world->mails.people_count);
    struct account_envelope *envelope;

    if (world->mails.people[index].call_open)
        return;
    envelope = account_envelope_create(ACCOUNT_CALL_GET);
    assert(envelope != NULL);
    if (fill_call(world, index, envelope))
        send(world, index, envelope);
    else
        envelope_free(envelope);
}

/* ---- answers ---- */

static void take_replayed(struct letter *letter, enum outcome outcome)
{
    if (outcome != OUTCOME_OK)
        return;
    letter->settled = false;
    letter->given_up = false;
    letter->not_before_ms = 0;
}

static void take_registered(struct addressee *person, const struct account_envelope *envelope,
                            enum outcome outcome)
{
    if (outcome == OUTCOME_OK) {
        person->state = PERSON_REGISTERED;
    } else if (outcome == OUTCOME_EMAIL_TAKEN) { /* by an earlier call without an answer */
        person->account = envelope->account;
        person->state = PERSON_REGISTERED;
    }
}

static void take_call(struct world *world, struct addressee *person,
                      const struct account_envelope *envelope, enum outcome outcome)
{
    if (person->call == ACCOUNT_CALL_EMAIL_PREPARE &&
        (outcome == OUTCOME_OK || outcome == OUTCOME_EMAIL_TAKEN)) {
        person->account = envelope->account;
        person->state = outcome == OUTCOME_OK ? PERSON_NUMBERED : PERSON_REGISTERED;
    } else if (person->call == ACCOUNT_CALL_REGISTER) {
        take_registered(person, envelope, outcome);
    } else if (person->call == ACCOUNT_CALL_ERASE && outcome == OUTCOME_OK) {
        person->state = PERSON_ERASED;
        world_mark(world, MARK_ERASED);
    }
}

static void take_letter(struct world *world, const struct addressee *person,
                        const struct account_envelope *envelope, enum outcome outcome)
{
    struct letter *letter = &world->mails.letters[person->mail];

    if (person->call == ACCOUNT_CALL_MAIL_RESULT) {
        take_replayed(letter, outcome);
        return;
    }
    if (outcome == OUTCOME_OUTCOME_UNKNOWN)
        return;
    letter->state = outcome == OUTCOME_OK ? LETTER_CAUSED : LETTER_NEVER;
    if (letter->says_goodbye && envelope->mail == 0)
        letter->state = LETTER_NEVER; /* it was erased before */
    if (letter->state == LETTER_NEVER)
        return;
    if (letter->sequence != 0 && letter->sequence != envelope->mail)
        violation("a mail was sent as number %llu, and its call says %llu",
                  (unsigned long long)letter->sequence, (unsigned long long)envelope->mail);
    letter->sequence = envelope->mail;
}

void mails_take(struct world *world, uint64_t cookie, const struct message *reply)
{
    uint32_t index = (uint32_t)(cookie & UINT32_MAX);
    struct addressee *person = &world->mails.people[index];
    struct account_envelope *envelope = reply->reply.account;
    enum outcome outcome = (enum outcome)reply->reply.outcome;

    if (world->dying || world->in_submit || index >= world->mails.people_count ||
        !person->call_open || reply->reply.answers != MESSAGE_ACCOUNT || envelope == NULL)
        violation("an answer came to person %u who waits for none", index);
    trace_add(&world->trace, TRACE_REPLY, cookie << 16 | (uint64_t)outcome, envelope->mail);
    world_log(world, "person %u gets %s: %s, mail %llu", index,
              account_call_name((enum account_call)person->call), outcome_name(outcome),
              (unsigned long long)envelope->mail);
    person->call_open = false;
    world->mails.calls_open--;
    take_call(world, person, envelope, outcome);
    if (person->mail != SIM_MAILS_MAX)
        take_letter(world, person, envelope, outcome);
    person->mail = SIM_MAILS_MAX;
    envelope_free(envelope);
}

void mails_restart(struct world *world)
{
    struct mails_model *mails = model_of(world);

    mails->incarnation++;
    mails->carried_count = 0;
    mails->calls_open = 0;
    for (uint32_t i = 0; i < mails->people_count; i++) {
        mails->people[i].call_open = false;
        mails->people[i].mail = SIM_MAILS_MAX;
        if (mails->people[i].state == PERSON_NUMBERED)
            mails->people[i].state = PERSON_STRANGER; /* perhaps registered */
    }
    for (uint32_t i = 0; i < mails->letter_count; i++)
        mails->letters[i].carried = false;
}

/* ---- the courier ---- */

static void end_trip(struct world *world, struct carried trip, enum courier_result result)
{
    struct letter *letter = &world->mails.letters[trip.letter];

    letter->carried = false;
    letter->incarnation = world->mails.incarnation;
    letter->not_before_ms = world_now(world);
    letter->settled = result == COURIER_DELIVERED || result == COURIER_REFUSED;
    letter->delivered = (uint16_t)(letter->delivered + (result == COURIER_DELIVERED));
    letter->given_up = result == COURIER_REFUSED ||
                       (result == COURIER_LATER && trip.mail->attempts + 1 >= MAIL_ATTEMPTS_MAX);
    letter->was_refused = letter->was_refused || letter->given_up;
    letter->settled = letter->settled || letter->given_up;
    if (result == COURIER_LATER)
        letter->not_before_ms += BACKOFF_MIN_MS;
    if (letter->given_up)
        world_mark(world, MARK_MAIL_DEAD);
    if (letter->delivered > 1)
        world_mark(world, MARK_MAIL_TWICE);
    trace_add(&world->trace, TRACE_REPLY, trip.letter, (uint64_t)result);
    world_log(world, "letter %u: courier says %d, attempt %u", trip.letter, (int)result,
              trip.mail->attempts + 1U);
    engine_mail_done(trip.mail, result, "the courier's word");
}

static enum courier_result draw_result(struct world *world)
{
    static const uint32_t usual[] = {[COURIER_DELIVERED] = 50,
                                     [COURIER_LATER] = 25,
                                     [COURIER_REFUSED] = 10,
                                     [COURIER_NO_ROUTE] = 8,
                                     [COURIER_BUSY] = 7};
    static const uint32_t healed[] = {[COURIER_DELIVERED] = 70,
                                      [COURIER_LATER] = 20,
                                      [COURIER_REFUSED] = 10,
                                      [COURIER_NO_ROUTE] = 0,
                                      [COURIER_BUSY] = 0};

    return (enum courier_result)sim_random_weighted(
        &world->random, world->phase == PHASE_HEAL ? healed : usual, COURIER_BUSY + 1);
}

static void check_trip(struct world *world, struct letter *letter, uint32_t number,
                       const struct engine_mail *mail)
{
    const struct addressee *person = &world->mails.people[letter->person];
    struct record record;

    if (letter->carried)
        violation("a mail is under way twice at once");
    if (letter->state == LETTER_NEVER)
        violation("a mail goes out whose call was refused");
    if (!principal_equal(&person->account, &mail->account) && person->state > PERSON_NUMBERED)
        violation("a mail goes out for another account than its own");
    if (letter->sequence != mail->sequence)
        violation("a mail changed its number");
    if (!find_mail(world, &mail->account, mail->sequence, &record) ||
        memcmp(record.mail.sealed, &number, sizeof(number)) != 0)
        violation("a mail leaves whose record is not durable");
    if (person->state == PERSON_ERASED && !letter->says_goodbye)
        violation("a mail leaves after its account's erasure was acknowledged");
    if (mail->key->bytes[0] != (letter->says_goodbye ? GOODBYE_KEY_BYTE : KEY_BYTE))
        violation("a mail leaves with a key that does not open it");
    if (letter->incarnation != world->mails.incarnation || letter->replay_maybe)
        return;
    if (letter->settled)
        violation("a mail that was delivered or given up goes out again");
    if (world_now(world) < letter->not_before_ms)
        violation("a mail is tried again after %lld ms less than its backoff",
                  (long long)(letter->not_before_ms - world_now(world)));
}

static void courier(void *user, struct shard *shard, struct engine_mail *mail)
{
    struct world *world = user;
    struct mails_model *mails = model_of(world);
    struct carried trip = {.mail = mail, .shard = shard_index(shard)};

    if (world->dying)
        violation("a dead process sends mails");
    if (mail->sealed_length != sizeof(trip.letter))
        violation("a mail has lost its contents");
    memcpy(&trip.letter, mail->sealed, sizeof(trip.letter));
    if (trip.letter >= mails->letter_count)
        violation("a mail goes out that nobody caused");
    check_trip(world, &mails->letters[trip.letter], trip.letter, mail);
    if (mails->carried_count == SIM_CARRIED_MAX)
        violation("more mails are under way than may be");
    mails->letters[trip.letter].carried = true;
    world_log(world, "shard %u: letter %u is given to the courier", trip.shard, trip.letter);
    if (sim_random_below(&world->random, 100) < 20)
        end_trip(world, trip, draw_result(world));
    else
        mails->carried[mails->carried_count++] = trip;
}

void mails_engine_started(struct world *world)
{
    for (uint32_t i = 0; i < world->profile.engine.shards; i++)
        shard_set_courier(engine_shard(world->engine, i), courier, world);
}

void mails_come_back(struct world *world)
{
    struct mails_model *mails = model_of(world);
    uint32_t at = sim_random_below(&world->random, mails->carried_count);
    struct carried trip = mails->carried[at];
    struct engine_metrics before;
    struct engine_metrics after;

    mails->carried[at] = mails->carried[--mails->carried_count];
    clients_enter_shard(world, trip.shard);
    engine_metrics(world->engine, &before);
    end_trip(world, trip, draw_result(world));
    engine_metrics(world->engine, &after);
    if (after.requests_submitted > before.requests_submitted)
        clients_note_clock(world, trip.shard);
}

void mails_quiet(const struct world *world)
{
    if (world->mails.calls_open > 0)
        violation("everything sleeps, and %u calls on accounts have no answer",
                  world->mails.calls_open);
}

/* ---- the end ---- */

/* By the wall clock it may have been there for too long. */
static bool is_past_time(const struct world *world, const struct letter *letter)
{
    return letter->says_goodbye && wall_highest_since(world, letter->asked_ms) -
                                           wall_lowest_since(world, letter->asked_ms) >
                                       MAIL_GOODBYE_KEPT_MS;
}

/* Of a mail that its account must have got. */
static bool is_owed(const struct world *world, const struct letter *letter)
{
    return letter->state == LETTER_CAUSED && !is_past_time(world, letter) &&
           (letter->says_goodbye || world->mails.people[letter->person].state == PERSON_REGISTERED);
}

static bool is_done(const struct world *world, const struct letter *letter)
{
    struct record record;
    bool is_stored = find_record(world, letter, &record);

    if (is_stored)
        return record.mail.state == MAIL_DEAD;
    return !is_owed(world, letter) || letter->delivered > 0 ||
           (letter->says_goodbye && letter->was_refused);
}

static uint32_t count_undone(const struct world *world)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < world->mails.letter_count; i++)
        count += !is_done(world, &world->mails.letters[i]);
    return count;
}

/* Whoever was about to be erased is, so that it is known. */
static void let_leave(struct world *world, void (*settle)(struct world *))
{
    for (uint32_t i = 0; i < world->mails.people_count; i++)
        for (uint32_t n = 0; n < 200 && world->mails.people[i].state == PERSON_LEAVING; n++) {
            struct account_envelope *envelope = account_envelope_create(ACCOUNT_CALL_ERASE);

            assert(envelope != NULL);
            envelope->account = world->mails.people[i].account;
            send(world, i, envelope);
            settle(world);
        }
}

void mails_heal(struct world *world, void (*settle)(struct world *))
{
    uint32_t undone;
    uint32_t in_vain = 0;

    settle(world);
    let_leave(world, settle);
    undone = count_undone(world);
    while (undone > 0 && in_vain < HEAL_ROUNDS_MAX) {
        uint32_t before = undone;

        /* Far; then a little, since what was due with it may have filled a small mailbox. */
        world_advance_clock(world, in_vain % 4 < 3 ? 1000 : HEAL_STEP_MS);
        settle(world);
        undone = count_undone(world);
        in_vain = undone < before ? 0 : in_vain + 1;
    }
    mails_check_end(world);
}

/* Of the erased nothing is left to open a mail by; but a goodbye that waits has its key. */
static void check_erased(const struct world *world, const struct addressee *person)
{
    struct record account;
    struct record record;
    uint32_t partition;
    uint32_t number;
    bool has_mail;

    if (person->state != PERSON_ERASED ||
        !account_principal_parse(&person->account, &world->secrets.id_key, &partition, &number) ||
        !journal_memory_find(world->journal, RECORD_ACCOUNT, partition, number, 0, &account))
        return;
    has_mail = account.account.goodbye != 0 &&
               find_mail(world, &person->account, account.account.goodbye, &record);
    if (journal_memory_find(world->journal, RECORD_ACCOUNT_KEY, partition, number, 0, &record))
        violation("an erased account's key is there");
    if (journal_memory_find(world->journal, RECORD_ACCOUNT_KEY, partition, number, 1, &record) &&
        !has_mail)
        violation("the key of a mail that told of an erasure is there without it");
}

void mails_check_end(struct world *world)
{
    for (uint32_t i = 0; i < world->mails.people_count; i++)
        check_erased(world, &world->mails.people[i]);
    for (uint32_t i = 0; i < world->mails.letter_count; i++) {
        const struct letter *letter = &world->mails.letters[i];
        struct record record;
        bool is_stored = find_record(world, letter, &record);

        if (!is_done(world, letter))
            violation("letter %u (mail %llu of person %u) is %s long after the last fault", i,
                      (unsigned long long)letter->sequence, letter->person,
                      is_stored ? "still waiting" : "lost: neither delivered nor kept");
        if (is_stored && record.mail.state == MAIL_DEAD && !letter->given_up &&
            !letter->replay_maybe)
            violation("letter %u is dead, and nobody refused it", i);
        if (letter->given_up && !letter->replay_maybe && is_owed(world, letter) &&
            !letter->says_goodbye && !is_stored)
            violation("letter %u was given up, and is not kept", i);
        if (letter->says_goodbye && is_stored)
            violation("letter %u, which told of an erasure, is kept", i);
        if (letter->says_goodbye && letter->delivered > 0)
            world_mark(world, MARK_MAIL_GOODBYE);
        if (letter->delivered > 0 && is_owed(world, letter))
            world_mark(world, MARK_MAIL_DELIVERED);
    }
}
