/* SPDX-License-Identifier: Apache-2.0 */
/* The mailbox's ring (engine/mailbox.c): one producer, one consumer, each with a cached copy of the
 * other's count.
 *
 * Proved: no message is lost, doubled, reordered, or changed while it is read in place; each that
 * was committed is received; a completion always finds room, as its room was reserved; a producer
 * that was refused finds room again; all of it while the counts wrap.
 *
 * Memory. Weaker than x86: a store becomes visible to the other side some time later, and stores to
 * different places in any order (PSO), unless a release fence stands between them. A read of a slot
 * may be done before the read of the count that stands before it, unless an acquire fence stands
 * between them, and after the store that stands behind it, unless a release fence does. Not in the
 * model: a store done before a read that decides on it. No processor does that; the producer's
 * ck_pr_fence_acquire is for the compiler, and there is no run with it removed.
 *
 * Counts are of 32 bits there, modulo 8 here; a ring of 4 there and here, 2 requests, 1 completion. */

#define SLOTS 4
#define MASK (SLOTS - 1)
#define REQUESTS_MAX 2
#define COMPLETIONS_MAX (MASK - REQUESTS_MAX)
#define SERIALS 8 /* messages are told apart modulo this */
#if COMPLETIONS_MAX != 1
#error "the bookkeeping knows one completion at a time"
#endif

#define COUNTS 8
#define MINUS(a, b) (((a) + COUNTS - (b)) % COUNTS)
#ifdef PLAIN_COMPARISON /* mutation, seen by assertions: counts are compared as if none wrapped */
#define IS_FULL(tail, head, room) ((tail) >= (head) + (room))
#else
#define IS_FULL(tail, head, room) (MINUS(tail, head) >= (room))
#endif
#define NEXT(count) (((count) + 1) % COUNTS)

/* What memory holds, and what is on its way there. A count's owner sees its newest value at once;
 * the other side sees the older ones first. */
byte slot[SLOTS];
byte slot_stored[SLOTS];
bool slot_stores[SLOTS];
byte tail, tail_visible;
byte head, head_visible;

/* Bookkeeping of the proof. */
byte sent, received;        /* serial numbers */
bool completion_owed;         /* asked for and not yet sent */
bool completion_out;          /* asked for and not yet received */
byte completion_is = SERIALS; /* the message that is it */
#ifdef LIVENESS
byte marked = SERIALS; /* one message, chosen at random: it must arrive */
bool marked_sent, marked_received;
bool refused;
#endif

/* ---- memory ---- */

#define FLUSH(i) slot[i] = slot_stored[i]; slot_stored[i] = 0; slot_stores[i] = false

#ifdef NO_RELEASE_IN_COMMIT /* mutation, seen by assertions: no ck_pr_fence_release in mailbox_commit */
#define SLOT_IS_FIRST(count) true
#else
#define SLOT_IS_FIRST(count) (!slot_stores[(count) % SLOTS])
#endif

/* One process a thread's stores, so that fairness is each one's. */
active proctype memory_of_producer()
{
end:
    do
    :: atomic { tail_visible != tail && SLOT_IS_FIRST(tail_visible) ->
        tail_visible = NEXT(tail_visible) }
#ifndef LIVENESS
    :: atomic { slot_stores[0] -> FLUSH(0) }
    :: atomic { slot_stores[1] -> FLUSH(1) }
    :: atomic { slot_stores[2] -> FLUSH(2) }
    :: atomic { slot_stores[3] -> FLUSH(3) }
#endif
    od
}

active proctype memory_of_consumer()
{
end:
    do
    :: atomic { head_visible != head -> head_visible = NEXT(head_visible) }
    od
}

/* ---- the producer: mailbox_begin, mailbox_commit ---- */

active proctype producer()
{
    byte head_seen, room;
    bool completion;

    do
    :: /* of which class the next message is */
        if
        :: completion_owed -> completion = true
        :: completion = false
        fi;
        /* mailbox_begin */
#ifdef FULL_RING /* mutation, seen by assertions: the slot that is being read counts as free */
        room = (completion -> SLOTS : REQUESTS_MAX + 1);
#else
#ifdef NO_RESERVED_ROOM /* mutation, seen by assertions: requests may take the completions' room */
        room = MASK;
#else
        room = (completion -> MASK : REQUESTS_MAX);
#endif
#endif
        if
        :: IS_FULL(tail, head_seen, room) ->
#ifndef HEAD_NEVER_SEEN /* mutation, seen by assertions: the consumer's count is not looked at again */
            head_seen = head_visible;
#endif
            if
            :: IS_FULL(tail, head_seen, room) ->
                assert(!completion);
#ifdef LIVENESS
                refused = true;
#endif
                goto next
            :: else
            fi
        :: else
        fi;
        /* the message is written, then mailbox_commit */
#ifndef LIVENESS
        atomic { slot_stored[tail % SLOTS] = sent; slot_stores[tail % SLOTS] = true }
#endif
        atomic {
            tail = NEXT(tail);
            if
            :: completion -> completion_owed = false; completion_is = sent
            :: else
            fi;
#ifdef LIVENESS
            refused = false;
            if
            :: marked == SERIALS -> marked = sent; marked_sent = true
            :: skip
            fi;
#endif
            completion = false;
            sent = (sent + 1) % SERIALS
        }
next:   skip
    od
}

/* ---- the consumer: mailbox_ready, mailbox_pop, and the message read in place ---- */

#define NONE SLOTS

/* The last message, in its place: it is the one before `received`. */
#ifdef LIVENESS
#define READ_POPPED() skip
#else
#define READ_POPPED()                                                                              \
    assert(popped == NONE || slot[popped] == (received + SERIALS - 1) % SERIALS)
#endif

active proctype consumer()
{
    byte tail_seen;
    byte early = SERIALS;  /* a slot's value, read before it was its turn */
    byte popped = NONE;    /* slot being read until the next pop */

    do
    :: /* mailbox_ready */
        if
        :: tail_seen == head ->
#ifndef LIVENESS
            if /* the processor runs ahead, or not */
            :: early = slot[head % SLOTS]
            :: skip
            fi;
#endif
#ifndef TAIL_NEVER_SEEN /* mutation, seen by every_message_arrives: the count is not looked at again */
            tail_seen = tail_visible;
#endif
#ifndef NO_ACQUIRE_IN_READY /* mutation, seen by assertions: no ck_pr_fence_acquire in mailbox_ready */
            early = SERIALS
#endif
        :: else
        fi;
        if
        :: tail_seen == head -> early = SERIALS
        :: else ->
            /* mailbox_pop. The last message is read as late as the fence lets it be. */
#ifndef NO_RELEASE_IN_POP /* mutation, seen by assertions: no ck_pr_fence_release in mailbox_pop */
            READ_POPPED();
            head = NEXT(head);
#else
            head = NEXT(head);
            READ_POPPED();
#endif
            atomic {
                popped = (head + COUNTS - 1) % SLOTS;
                assert(early == SERIALS || early == received);
                early = SERIALS;
                if
                :: completion_is == received -> completion_is = SERIALS; completion_out = false
                :: else
                fi;
#ifdef LIVENESS
                if
                :: marked == received -> marked_received = true; marked = SERIALS + 1
                :: else
                fi;
#endif
                received = (received + 1) % SERIALS
            }
        fi
    :: /* asks for an answer: the question is a message of the other direction, whose commit is
        * ordered behind this side's count */
        atomic {
            !completion_out && head_visible == head -> completion_out = true; completion_owed = true
        }
    od
}

#ifdef LIVENESS
ltl every_message_arrives { [] (marked_sent -> <> marked_received) }
ltl who_was_refused_finds_room { [] (refused -> <> !refused) }
#endif
