/* SPDX-License-Identifier: Apache-2.0 */
/* How a shard goes to sleep and is woken: engine/shard.c (shard_notify, shard_try_sleep,
 * shard_wake_up), driven as engine/env_real.c drives it (on_prepare, the poll, on_check). Two other
 * shards send to it. The rings are counts here; mailbox_ring.pml has them whole. Workers, which wake
 * without taking the flag (shard_complete), are left out: they change nothing that others see, and
 * a wake-up more is one more turn.
 *
 * Proved: no wake-up is lost: a message that was committed is received, though the shard sleeps
 * without a deadline here (there it looks after 1 s at the latest, which would hide a loss). It is
 * woken at most once each time that it declared itself asleep.
 *
 * Memory: a store stays in its thread's buffer until memory takes it, in any order between places;
 * a sequentially consistent fence waits until the own buffer is empty; an exchange empties it and
 * acts on memory. Sockets and timers, which wake a shard too, are left out: they can only help. */

#define PRODUCERS 2
#ifdef LIVENESS
#define ROOM 1 /* messages that may wait in a mailbox */
#else
#define ROOM 2
#endif
#define COUNTS (2 * ROOM) /* counts modulo this */
#define MINUS(a, b) (((a) + COUNTS - (b)) % COUNTS)

byte tail[PRODUCERS], tail_visible[PRODUCERS];
byte head[PRODUCERS];
bool asleep;                              /* in memory */
chan asleep_stores = [3] of { bool };     /* on their way there, from the shard */
bool wake_pending;                        /* uv_async_send was called: stays until the poll */

/* Bookkeeping of the proof. */
bool may_wake;     /* the shard declared itself asleep, and nobody has woken it since */
#ifdef LIVENESS
byte marked_from, marked_count; /* one message, chosen at random: it must arrive */
bool marked, marked_received;
#endif

#define IS_EMPTY (tail_visible[0] == head[0] && tail_visible[1] == head[1])

/* ---- memory ---- */

/* One process a buffer, so that fairness is each one's. */
proctype memory_of_producer(byte whose)
{
end:
    do
    :: atomic { tail_visible[whose] != tail[whose] ->
        tail_visible[whose] = (tail_visible[whose] + 1) % COUNTS }
    od
}

active proctype memory_of_shard()
{
    bool value;
end:
    do
    :: atomic { asleep_stores?value -> asleep = value; may_wake = may_wake || value; value = false }
    od
}

/* ---- a shard that sends: shard_release, shard_notify ---- */

inline push(me)
{
    atomic {
        MINUS(tail[me], head[me]) < ROOM ->
#ifdef LIVENESS
        if
        :: !marked -> marked = true; marked_from = me; marked_count = tail[me]
        :: skip
        fi;
#endif
        tail[me] = (tail[me] + 1) % COUNTS
    }
}

inline wake()
{
    /* ports.env.wake_shard: uv_async_send */
    assert(may_wake);
    may_wake = false;
    wake_pending = true
}

proctype producer(byte me)
{
end:
    do
    :: push(me);
        if /* shards are notified once for a batch's messages */
        :: MINUS(tail[me], head[me]) < ROOM -> push(me)
        :: skip
        fi;
        /* shard_notify */
#ifndef NO_FENCE_IN_NOTIFY /* mutation, seen by no_wake_up_is_lost: no fence behind the message */
        tail_visible[me] == tail[me];
#endif
#ifdef NO_EXCHANGE /* mutation, seen by assertions: `asleep` is read and then stored, so two may wake */
        if
        :: asleep -> asleep = false; wake()
        :: else
        fi
#else
        if
        :: asleep ->
            atomic {
                tail_visible[me] == tail[me]; /* an exchange empties the buffer */
                if
                :: asleep ->
                    asleep = false;
#ifdef CLEARED_NOT_WOKEN /* mutation, seen by no_wake_up_is_lost: the flag is taken and nobody is woken */
                    may_wake = false
#else
                    wake()
#endif
                :: else
                fi
            }
        :: else
        fi
#endif
    :: break /* it sends no more: nobody else will come to the rescue */
    od
}

/* ---- the shard: its loop ---- */

/* What is there when it looks (drain, in deliver.c: a bounded number, so that each has its turn). */
inline take(from)
{
    ready = MINUS(tail_visible[from], head[from]);
    do
    :: atomic { ready > 0 ->
            ready--;
#ifdef LIVENESS
            if
            :: marked && !marked_received && marked_from == from && marked_count == head[from] ->
                marked_received = true;
                marked_from = 0;
                marked_count = 0
            :: else
            fi;
#endif
            head[from] = (head[from] + 1) % COUNTS
        }
    :: else -> break
    od
}

active proctype shard()
{
    bool busy;
    byte ready;
end:
    do
    :: /* on_check: shard_wake_up, shard_step */
        asleep_stores!false;
        take(0);
        take(1);
        busy = !IS_EMPTY; /* has_work, read without any lock */
        /* on_prepare */
        if
        :: busy
        :: else ->
#ifdef FLAG_AFTER_LOOK /* mutation, seen by no_wake_up_is_lost: looks for work, then says that it sleeps */
            if
            :: IS_EMPTY -> asleep_stores!true; empty(asleep_stores)
            :: else -> busy = true
            fi
#else
            asleep_stores!true; /* shard_try_sleep */
#ifndef NO_FENCE_IN_SLEEP /* mutation, seen by no_wake_up_is_lost: no fence behind `asleep` */
            empty(asleep_stores);
#endif
#ifndef NO_SECOND_LOOK /* mutation, seen by no_wake_up_is_lost: sleeps without looking again */
            if
            :: IS_EMPTY
            :: else -> asleep_stores!false; busy = true
            fi
#endif
#endif
        fi;
        /* the poll: returns at once when the loop is busy, else with an event */
        if
        :: busy -> wake_pending = false
        :: else ->
end_asleep:
            wake_pending -> wake_pending = false
        fi
    od
}

init
{
    atomic {
        run memory_of_producer(0);
        run memory_of_producer(1);
        run producer(0);
        run producer(1)
    }
}

#ifdef LIVENESS
ltl no_wake_up_is_lost { [] (marked -> <> marked_received) }
#endif
