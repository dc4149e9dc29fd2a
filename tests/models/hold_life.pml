/* SPDX-License-Identifier: Apache-2.0 */
/* A hold's life (actors/inventory_hold.c, inventory_restore.c): one unit of stock, buyers who take
 * it one after the other, extension, release, expiry at the very deadline, and a payment for the
 * first hold that was answered. The pin (`capturing`), its fence, and the payment's saga are those
 * of the design; they have no C function yet. What is in memory runs ahead of what is durable, and
 * a crash loses the difference.
 *
 * Proved: units are conserved; a hold that durably ended stays as it ended; it expires neither
 * early nor while pinned; nothing past its deadline is extended or pinned; nothing is captured
 * without a durable pin, and what was captured ends in a sale; an answered hold survives a crash;
 * every hold ends, and none stays pinned.
 *
 * Time: ticks that are left until the deadline. An atomic block is one receive of an actor. */

#define TTL 2
#define CAP 3         /* from creation, over all extensions: hold_cap_ms */
#define EXTENSIONS 1  /* hold_extensions_max */
#define HOLDS 3       /* buyers, one after the other */
#define CRASHES 2

mtype = { FREE, HELD, CAPTURING, CONVERTED, RELEASED, EXPIRED }; /* of a hold */
mtype = { WAITS, AUTHORISED, PINNED, CAPTURED, CONFIRMED, GIVEN_UP }; /* of the payment's saga */
mtype = { NOTHING, YES, NO, UNKNOWN }; /* answers */

typedef stored {
    mtype state;
    byte fence; /* a number that only grows: of the newest hold */
    byte left;
    byte cap_left;
    byte extensions;
    bool is_sold;
    mtype saga;
    byte saga_fence;
}
stored memory, durable;
bool dirty; /* memory is ahead */

/* In memory only. */
byte available = 1;          /* the gate: fed at once */
bool timer_set;
bool answer_waits;           /* the first answer of the newest hold, until it is durable */
bool pin_sent;               /* a message from the saga, on its way */
mtype pin_answer = NOTHING;  /* the actor's; leaves when durable */
bool pin_answer_left;

/* Of the world outside: no crash of ours changes it. */
byte answered;               /* fence of the newest hold that a buyer was told of */
bool capture_sent;
mtype gateway = NOTHING;     /* YES: captured; NO: declined or voided, for good */
mtype gateway_says = NOTHING;
byte crashes;

#define IS_LIVE(of) (of.state == HELD || of.state == CAPTURING)
#define UNITS_BALANCE (available + IS_LIVE(memory) + memory.is_sold == 1)

inline end_hold(how) /* hold_end: hold_move, return_line or sell_line */
{
    memory.state = how;
    memory.is_sold = memory.is_sold || how == CONVERTED;
    available = available + (how != CONVERTED);
    timer_set = false;
    memory.left = 0;
    memory.cap_left = 0;
    dirty = true;
    assert(UNITS_BALANCE)
}

inline lapse() /* apply: who finds the deadline passed records the lapse first */
{
#ifndef NO_LAPSE_FIRST /* mutation, seen by assertions: a request does not look at the deadline */
    if
    :: memory.state == HELD && memory.left == 0 -> end_hold(EXPIRED)
    :: else
    fi
#else
    skip
#endif
}

/* ---- buyers ---- */

active proctype buyer() /* inventory_reserve, create_hold */
{
end:
    do
    :: atomic { available > 0 && memory.fence < HOLDS ->
        available--;
        memory.state = HELD;
        memory.fence++;
        memory.left = TTL;
        memory.cap_left = CAP;
        memory.extensions = 0;
        timer_set = true;
        answer_waits = true;
        dirty = true;
#ifdef ANSWER_BEFORE_DURABLE /* mutation, seen by assertions: answers do not wait for the commit */
        answered = memory.fence;
#endif
        assert(UNITS_BALANCE) }
    od
}

active proctype extender() /* extend */
{
end:
    do
    :: atomic { answered == memory.fence && answered > 0 && memory.state == HELD &&
#ifndef NO_CAP /* mutation, seen by every_hold_ends: holds are extended as often as asked */
        memory.extensions < EXTENSIONS && memory.cap_left > memory.left &&
#endif
        memory.left < TTL ->
        lapse();
        if
        :: memory.state == HELD ->
            assert(memory.left > 0);
#ifdef NO_CAP
            memory.left = TTL;
#else
            memory.left = (memory.cap_left < TTL -> memory.cap_left : TTL);
            memory.extensions++;
#endif
            dirty = true
        :: else
        fi }
    od
}

#ifdef ENDED_MOVES /* mutation, seen by assertions: no table of successors */
#define IS_RELEASABLE (memory.state == HELD || memory.state == EXPIRED)
#else
#ifdef RELEASE_PINNED /* mutation, seen by assertions: a pinned hold can be released */
#define IS_RELEASABLE IS_LIVE(memory)
#else
#define IS_RELEASABLE (memory.state == HELD)
#endif
#endif

active proctype releaser() /* apply, HOLD_RELEASE */
{
end:
    do
    :: atomic { answered == memory.fence && answered > 0 && IS_RELEASABLE ->
        lapse();
        if
        :: IS_RELEASABLE -> end_hold(RELEASED)
        :: else
        fi }
    :: break /* or never */
    od
}

/* ---- time ---- */

active proctype clock()
{
end:
    do
    :: atomic { memory.left > 0 || durable.left > 0 || memory.cap_left > 0 ->
        memory.left = memory.left - (memory.left > 0);
        memory.cap_left = memory.cap_left - (memory.cap_left > 0);
        durable.left = durable.left - (durable.left > 0);
        durable.cap_left = durable.cap_left - (durable.cap_left > 0) }
    od
}

active proctype deadline() /* hold_timer */
{
end:
    do
#ifdef NO_DEADLINE_CHECK /* mutation, seen by assertions: a timer of before an extension ends it */
    :: atomic { timer_set && memory.state == HELD ->
#else
#ifdef EXPIRE_PINNED /* mutation, seen by assertions: a pinned hold expires */
    :: atomic { timer_set && IS_LIVE(memory) && memory.left == 0 ->
#else
    :: atomic { timer_set && memory.state == HELD && memory.left == 0 ->
#endif
#endif
        assert(memory.left == 0 && memory.state == HELD);
        end_hold(EXPIRED) }
    od
}

/* ---- durability ---- */

active proctype committer()
{
end:
    do
    :: atomic { dirty ->
        /* An end that is durable is final, and nothing is durable of a hold before its number. */
        assert(durable.fence <= memory.fence);
        assert(durable.fence < memory.fence || durable.state == FREE || IS_LIVE(durable) ||
               durable.state == memory.state);
        durable.state = memory.state;
        durable.fence = memory.fence;
        durable.left = memory.left;
        durable.cap_left = memory.cap_left;
        durable.extensions = memory.extensions;
        durable.is_sold = memory.is_sold;
        durable.saga = memory.saga;
        durable.saga_fence = memory.saga_fence;
        dirty = false;
        if
        :: answer_waits -> answered = memory.fence; answer_waits = false
        :: else
        fi;
        pin_answer_left = pin_answer != NOTHING }
    od
}

/* Recovery: inventory_restore, restore_timer. */
active proctype crash()
{
end:
    do
    :: atomic { crashes < CRASHES ->
        crashes++;
        assert(durable.fence >= answered);
        memory.state = durable.state;
        memory.fence = durable.fence;
        memory.extensions = durable.extensions;
        memory.is_sold = durable.is_sold;
        memory.saga = durable.saga;
        memory.saga_fence = durable.saga_fence;
        memory.cap_left = durable.cap_left;
        if /* the wall clock goes on, was set forward, or back: what remains is at most the TTL */
        :: memory.left = durable.left
        :: memory.left = 0
        :: durable.state == HELD -> memory.left = TTL
        fi;
        durable.left = memory.left;
        if
        :: memory.cap_left < memory.left -> memory.cap_left = memory.left
        :: else
        fi;
        durable.cap_left = memory.cap_left;
        available = 1 - IS_LIVE(memory) - memory.is_sold;
#ifdef NO_TIMER_AFTER_RESTART /* mutation, seen by every_hold_ends: restored without a timer */
        timer_set = false;
#else
        timer_set = memory.state == HELD;
#endif
        dirty = false;
        answer_waits = false;
        pin_sent = false;
        pin_answer = NOTHING;
        pin_answer_left = false;
        gateway_says = NOTHING;
        assert(UNITS_BALANCE) }
    :: break
    od
}

/* ---- the payment: the order's saga, each step durable before the next ---- */

#ifdef CAPTURE_BEFORE_DURABLE /* mutation, seen by assertions: the gateway is called too soon */
#define MAY_CAPTURE (memory.saga == PINNED)
#define MAY_LEAVE (pin_answer != NOTHING)
#else
#define MAY_CAPTURE (memory.saga == PINNED && durable.saga == PINNED)
#define MAY_LEAVE pin_answer_left
#endif
#ifdef NO_FENCE /* mutation, seen by assertions: a pin takes whatever hold is there now */
#define FENCE_FITS true
#else
#define FENCE_FITS (memory.fence == memory.saga_fence)
#endif

#define PIN_STANDS(of) (of.state == CAPTURING && of.fence == of.saga_fence)

inline unpin() /* capture's known outcome is no */
{
    memory.saga = GIVEN_UP;
    gateway_says = NOTHING;
    assert(PIN_STANDS(memory));
    end_hold(RELEASED)
}

active proctype payment()
{
end:
    do
    :: atomic { memory.saga == WAITS && answered > 0 ->
        memory.saga = AUTHORISED; memory.saga_fence = answered; dirty = true }
    :: atomic { memory.saga == AUTHORISED && durable.saga == AUTHORISED && !pin_sent &&
        pin_answer == NOTHING -> pin_sent = true }
    :: atomic { pin_sent -> /* the inventory's receive */
        pin_sent = false;
        lapse();
        if
        :: FENCE_FITS && memory.state == HELD ->
            assert(memory.left > 0 && memory.fence == memory.saga_fence);
            memory.state = CAPTURING;
            pin_answer = YES
#ifndef PIN_ONCE /* mutation, seen by no_hold_stays_pinned: a pin repeated after a crash is refused */
        :: PIN_STANDS(memory) -> pin_answer = YES
#endif
        :: else -> pin_answer = NO
        fi;
        dirty = true }
    :: atomic { MAY_LEAVE && memory.saga == AUTHORISED ->
        if
        :: pin_answer == YES -> memory.saga = PINNED
        :: else -> memory.saga = GIVEN_UP /* the authorisation is voided */
        fi;
        pin_answer = NOTHING;
        pin_answer_left = false;
        dirty = true }
    :: atomic { MAY_CAPTURE && !capture_sent && gateway == NOTHING -> capture_sent = true }
    :: atomic { memory.saga == PINNED && gateway_says == YES ->
        memory.saga = CAPTURED; gateway_says = NOTHING; dirty = true }
    :: atomic { memory.saga == PINNED && gateway_says == NO -> unpin() }
#ifdef UNKNOWN_IS_NO /* mutation, seen by captured_is_sold: no word from the gateway ends the pin */
    :: atomic { memory.saga == PINNED && gateway_says == UNKNOWN -> unpin() }
#endif
    :: atomic { memory.saga == CAPTURED && durable.saga == CAPTURED && memory.state == CAPTURING ->
        assert(PIN_STANDS(memory));
        end_hold(CONVERTED) }
    :: atomic { memory.saga == CAPTURED && durable.state == CONVERTED ->
        memory.saga = CONFIRMED; dirty = true }
    od
}

/* Asks the gateway what became of it; and so that the answer is final, voids what is still open. */
active proctype reconciler()
{
end:
    do
#ifndef NO_RECONCILER /* mutation, seen by no_hold_stays_pinned: nobody asks */
    :: atomic { durable.saga == PINNED && memory.saga == PINNED &&
        (gateway_says == UNKNOWN || (gateway_says == NOTHING && crashes > 0)) ->
        if
        :: gateway == YES -> gateway_says = YES
        :: else ->
#ifndef ASKS_ONLY /* mutation, seen by assertions: the capture still on its way is forgotten */
            gateway = NO;
#endif
            gateway_says = NO
        fi }
#endif
    :: false
    od
}

active proctype payment_gateway()
{
end:
    do
    :: atomic { capture_sent ->
        capture_sent = false;
        if
        :: gateway == NOTHING ->
            if
            :: gateway = YES; assert(PIN_STANDS(durable))
            :: gateway = NO
            fi
        :: else
        fi;
        if
        :: gateway_says == NOTHING && memory.saga == PINNED ->
            if
            :: gateway_says = gateway
            :: gateway_says = UNKNOWN
            fi
        :: else
        fi }
    od
}

init
{
    atomic {
        memory.state = FREE;
        durable.state = FREE;
        memory.saga = WAITS;
        durable.saga = WAITS
    }
}

ltl every_hold_ends { [] (memory.state == HELD -> <> (memory.state != HELD)) }
ltl no_hold_stays_pinned { [] (durable.state == CAPTURING -> <> (durable.state != CAPTURING)) }
ltl captured_is_sold { [] (gateway == YES -> <> (durable.saga == CONFIRMED && durable.is_sold)) }
