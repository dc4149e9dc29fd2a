/* SPDX-License-Identifier: Apache-2.0 */
/* The commit path (engine/commit.c, with a shard's part in engine/shard.c): the slot through which
 * a shard hands its batch to the committer and takes it back to add to it, the way back, and how
 * both sleep. One shard, whose work comes as messages in a mailbox; one committer; a journal that
 * ends a commit some time later, on another thread.
 *
 * Proved: a batch has one owner at a time; batches of a shard become durable, and its answers
 * leave, in the order of the messages; no answer leaves before its batch is durable; no wake-up is
 * lost: each message is answered, also when the shard waits for the slot or for a free batch.
 *
 * Memory: a store of `asleep` waits in its thread's buffer until memory takes it; a sequentially
 * consistent fence waits until it has. All else that is shared moves by exchange, which empties the
 * buffer, but for `busy`, behind whose store stands a fence and an exchange. Messages are numbered
 * modulo SERIALS. */

#define BATCHES 2
#define ROOM 2    /* messages a batch takes: batch_messages */
#ifdef LIVENESS
#define WAITING 1 /* in the mailbox at most */
#define UNANSWERED 2
#else
#define WAITING 2
#define UNANSWERED 3
#endif
#define SERIALS 4
#define NONE BATCHES
#define MINUS(a, b) (((a) + SERIALS - (b)) % SERIALS)

mtype = { FREE, OPEN, IN_SLOT, COMMITTING, COMING_BACK };

mtype owner[BATCHES] = FREE; /* bookkeeping of the proof */
byte first[BATCHES], count[BATCHES];
byte ready = NONE;         /* shard->ready: the slot */
chan returned = [BATCHES] of { byte }; /* shard->returned */

byte arrived;   /* messages put into the mailbox */
byte taken;     /* by the shard */
byte committed; /* durable */
byte answered;

bool shard_asleep, committer_asleep;             /* in memory */
bool shard_sleep_stored, committer_sleep_stored; /* `true`, on its way there */
bool shard_woken;                                /* uv_async_send */
bool committer_woken; /* uv_sem_post; counts further there, which can only wake it once more */
bool busy;                                       /* a commit is at the journal */
bool handed_full;
byte at_journal = NONE;

/* shard_notify: exchange, and wake whoever was asleep */
inline notify_shard()
{
    atomic {
        if
        :: shard_asleep -> shard_asleep = false; shard_woken = true
        :: else
        fi
    }
}

inline notify_committer()
{
    atomic {
        if
        :: committer_asleep -> committer_asleep = false; committer_woken = true
        :: else
        fi
    }
}

/* ---- memory ---- */

active proctype memory_of_shard()
{
end:
    do
    :: atomic { shard_sleep_stored -> shard_asleep = true; shard_sleep_stored = false }
    od
}

active proctype memory_of_committer()
{
end:
    do
    :: atomic { committer_sleep_stored -> committer_asleep = true; committer_sleep_stored = false }
    od
}

/* ---- whoever sends to the shard ---- */

active proctype sender()
{
end:
    do
    :: atomic { MINUS(arrived, taken) < WAITING && MINUS(arrived, answered) < UNANSWERED ->
        arrived = (arrived + 1) % SERIALS }
        notify_shard()
    :: break
    od
}

/* ---- the shard ---- */

#define HAS_WORK (len(returned) > 0 || arrived != taken)
#define HAS_FREE (owner[0] == FREE || owner[1] == FREE)
/* is_stalled: what waits in the mailbox has to wait */
#define IS_STALLED (len(returned) == 0 && (ready != NONE -> handed_full : !HAS_FREE))

inline take_returned()
{
    do
    :: atomic { returned?batch ->
            assert(owner[batch] == COMING_BACK);
            assert(first[batch] == answered); /* in the order of the messages */
            assert(MINUS(committed, answered) >= count[batch]); /* and durable */
            answered = (answered + count[batch]) % SERIALS;
            owner[batch] = FREE;
            first[batch] = 0;
            count[batch] = 0 }
    :: len(returned) == 0 -> break
    od
}

inline open_batch() /* batch_open: an exchange with the slot */
{
    atomic {
        batch = ready;
        ready = NONE;
        if
        :: batch != NONE -> assert(owner[batch] == IN_SLOT)
        :: batch == NONE && owner[0] == FREE -> batch = 0; first[0] = taken
        :: batch == NONE && owner[0] != FREE && owner[1] == FREE -> batch = 1; first[1] = taken
        :: else
        fi;
        if
        :: batch != NONE -> owner[batch] = OPEN
        :: else
        fi
    }
}

active proctype shard()
{
    byte batch = NONE;
end:
    do
    :: /* shard_wake_up, shard_step */
        atomic { !shard_sleep_stored; shard_asleep = false }
        take_returned();
        open_batch();
        if
        :: batch != NONE ->
            do /* drain_mailboxes */
            :: atomic { arrived != taken && count[batch] < ROOM ->
                taken = (taken + 1) % SERIALS; count[batch]++ }
            :: else -> break
            od;
            if
            :: count[batch] > 0 ->
                /* batch_hand_over */
                atomic {
                    handed_full = count[batch] == ROOM;
                    assert(ready == NONE);
                    ready = batch;
                    owner[batch] = IN_SLOT
                }
#ifndef COMMITTER_NOT_TOLD /* mutation, seen by every_message_is_answered: a batch is put down silently */
                notify_committer()
#endif
            :: else -> owner[batch] = FREE; first[batch] = 0
            fi;
            batch = NONE
        :: else
        fi;
        /* shard_try_sleep */
        if
        :: HAS_WORK && !IS_STALLED
        :: else ->
            shard_sleep_stored = true;
#ifndef NO_FENCE_IN_SHARD /* mutation, seen by every_message_is_answered: no fence behind `asleep` */
            !shard_sleep_stored;
#endif
            if
            :: HAS_WORK && !IS_STALLED -> skip
            :: else ->
end_asleep:     shard_woken
            fi
        fi;
        shard_woken = false
    od
}

/* ---- the committer ---- */

inline give_back()
{
    atomic {
        owner[at_journal] = COMING_BACK;
        returned!at_journal;
        at_journal = NONE
    }
#ifndef RETURNED_NOT_TOLD /* mutation, seen by every_message_is_answered: a batch comes back silently */
    notify_shard()
#else
    skip
#endif
}

active proctype committer()
{
    byte batch = NONE;
end:
    do
    :: /* committer_step, gather */
        if
        :: busy
#ifdef TWO_COMMITS /* mutation, seen by assertions: the next commit begins while one is under way */
        :: busy && ready != NONE -> goto gather
#endif
        :: !busy && ready != NONE ->
#ifdef TWO_COMMITS
gather:
#endif
            atomic {
                batch = ready;
                ready = NONE;
                if
                :: batch != NONE ->
                    assert(owner[batch] == IN_SLOT && at_journal == NONE);
                    owner[batch] = COMMITTING
                :: else
                fi
            }
            if
            :: batch == NONE /* the shard took it back */
            :: else ->
                if
                :: count[batch] == ROOM ->
                    /* Its shard waits for the slot. All holds without this, too: the end of the
                     * commit wakes the shard; but it would not fill the next batch meanwhile. */
                    notify_shard()
                :: else
                fi;
                atomic { busy = true; at_journal = batch; batch = NONE }
            fi
        :: !busy && ready == NONE
        fi;
        /* committer_try_sleep */
        committer_sleep_stored = true;
#ifndef NO_FENCE_IN_COMMITTER /* mutation, seen by every_message_is_answered: no fence behind `asleep` */
        !committer_sleep_stored;
#endif
#ifdef NO_LOOK_IN_COMMITTER /* mutation, seen by every_message_is_answered: sleeps without looking */
        if
        :: true ->
#else
        if
        :: !busy && ready != NONE
        :: else ->
#endif
end_asleep: committer_woken -> committer_woken = false
        fi;
        atomic { !committer_sleep_stored; committer_asleep = false } /* committer_wake_up */
    od
}

active proctype journal()
{
end:
    do
    :: at_journal != NONE ->
        /* on_committed */
        atomic {
            assert(first[at_journal] == committed);
            committed = (committed + count[at_journal]) % SERIALS
        }
        give_back();
        busy = false;
#ifndef END_NOT_TOLD /* mutation, seen by every_message_is_answered: the end of a commit wakes nobody */
        notify_committer()
#endif
    od
}

/* Answers keep their order, so it is enough that they go on; and all numbers are alike. */
ltl every_message_is_answered { [] (answered == 0 && arrived != 0 -> <> (answered != 0)) }
