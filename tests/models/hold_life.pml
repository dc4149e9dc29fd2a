/* SPDX-License-Identifier: Apache-2.0 */
/* A hold's life (actors/inventory_hold.c, inventory_restore.c): one unit of stock, buyers who take
 * it one after the other, extension, release, expiry at the very deadline, and an order for one hold
 * that was answered (actors/order.c): it binds the hold, is paid or not, pins the hold (CAPTURING),
 * captures, converts; or gives the hold back. Each step is asked once the record that says so is
 * durable, and again until it is answered. What is in memory runs ahead of what is durable, and a
 * crash loses the difference.
 *
 * Proved: units are conserved; a hold that durably ended stays as it ended; it expires neither
 * early nor while pinned; nothing past its deadline is extended or pinned; nothing is captured
 * without a durable pin, and what was captured ends in a sale; an answered hold survives a crash;
 * every hold ends, none stays pinned, and every order ends.
 *
 * Time: ticks that are left until the deadline. An atomic block is one receive of an actor. */

#define TTL 2
#define CAP 3         /* from creation, over all extensions: hold_cap_ms */
#define EXTENSIONS 1  /* hold_extensions_max */
#define HOLDS 3       /* buyers, one after the other */
#define CRASHES 2

mtype = { FREE, HELD, CAPTURING, CONVERTED, RELEASED, EXPIRED }; /* of a hold */
/* Of the order: what it asks for next, or where it has ended. */
mtype = { NONE_YET, BIND, WAIT, PIN, CAPTURE, CONVERT, CONFIRMED, RELEASE, GIVEN_UP };
mtype = { NOTHING, YES, NO, UNKNOWN }; /* answers */

typedef stored {
    mtype state;
    byte fence; /* a number that only grows: of the newest hold */
    byte left;
    byte cap_left;
    byte extensions;
    bool is_bound; /* to the order */
    bool is_sold;
    mtype step;
    byte order_fence; /* of the order's hold */
}
stored memory, durable;
bool dirty; /* memory is ahead */

/* In memory only. */
byte available = 1;          /* the gate: fed at once */
bool timer_set;
bool answer_waits;           /* the first answer of the newest hold, until it is durable */
mtype asked = NOTHING;       /* what the order has asked of the inventory, on its way */
mtype reply = NOTHING;       /* the inventory's; leaves when durable */
bool reply_left;

/* Of the world outside: no crash of ours changes it. */
byte answered;               /* fence of the newest hold that a buyer was told of */
bool capture_sent;
mtype gateway = NOTHING;     /* YES: captured; NO: refused, for good */
mtype gateway_says = NOTHING;
bool was_silent;
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
        memory.is_bound = false;
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
#define IS_RELEASABLE (memory.state == HELD && !memory.is_bound)
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
        durable.is_bound = memory.is_bound;
        durable.is_sold = memory.is_sold;
        durable.step = memory.step;
        durable.order_fence = memory.order_fence;
        dirty = false;
        if
        :: answer_waits -> answered = memory.fence; answer_waits = false
        :: else
        fi;
        reply_left = reply != NOTHING }
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
        memory.is_bound = durable.is_bound;
        memory.is_sold = durable.is_sold;
        memory.step = durable.step;
        memory.order_fence = durable.order_fence;
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
        asked = NOTHING;
        reply = NOTHING;
        reply_left = false;
        gateway_says = NOTHING;
        assert(UNITS_BALANCE) }
    :: break
    od
}

/* ---- the order: order_answer, order_tick, orders_ask; apply_of_order at the inventory ---- */

#ifdef CAPTURE_BEFORE_DURABLE /* mutation, seen by assertions: replies and steps do not wait for the commit */
#define MAY_ASK true
#define MAY_TAKE (reply != NOTHING)
#else
#define MAY_ASK (durable.step == memory.step)
#define MAY_TAKE (reply != NOTHING && reply_left)
#endif
#ifdef NO_FENCE /* mutation, seen by assertions: an order takes whatever hold is there now */
#define IS_ITS(of) true
#else
#define IS_ITS(of) (of.fence == of.order_fence)
#endif

#define PIN_STANDS(of) (of.state == CAPTURING && of.fence == of.order_fence)
#define IS_ASKING (memory.step == BIND || memory.step == PIN || memory.step == CONVERT || memory.step == RELEASE)

inline go_to(next)
{
    memory.step = next;
    dirty = true
}

inline receive_bind()
{
    if
    :: IS_ITS(memory) && memory.is_bound -> reply = YES /* it was asked before */
    :: IS_ITS(memory) && !memory.is_bound && memory.state == HELD -> memory.is_bound = true; reply = YES
    :: else -> reply = NO
    fi
}

inline receive_pin()
{
    if
    :: IS_ITS(memory) && memory.state == HELD ->
        assert(memory.left > 0 && memory.fence == memory.order_fence && memory.is_bound);
        memory.state = CAPTURING;
        reply = YES
#ifndef PIN_ONCE /* mutation, seen by assertions: a pin repeated after a crash is refused */
    :: PIN_STANDS(memory) -> reply = YES
#endif
    :: else -> reply = NO
    fi
}

inline receive_convert()
{
    if
    :: PIN_STANDS(memory) -> end_hold(CONVERTED)
    :: else -> assert(memory.state == CONVERTED && memory.fence == memory.order_fence)
    fi;
    reply = YES
}

inline receive_release()
{
    if
    :: IS_ITS(memory) && IS_LIVE(memory) && memory.is_bound -> end_hold(RELEASED)
    :: else
    fi;
    reply = YES
}

inline take_reply()
{
    if
    :: memory.step == BIND && reply == YES -> go_to(WAIT)
    :: memory.step == BIND && reply == NO -> go_to(GIVEN_UP)
    :: memory.step == PIN && reply == YES -> go_to(CAPTURE)
    :: memory.step == PIN && reply == NO -> assert(!PIN_STANDS(memory)); go_to(RELEASE) /* and is voided */
    :: memory.step == CONVERT -> go_to(CONFIRMED)
    :: memory.step == RELEASE -> go_to(GIVEN_UP)
    fi;
    reply = NOTHING;
    reply_left = false
}

active proctype order()
{
end:
    do
    :: atomic { memory.step == NONE_YET && answered > 0 -> memory.order_fence = answered; go_to(BIND) }
    :: atomic { memory.step == WAIT -> go_to(PIN) } /* it is authorised */
    :: atomic { memory.step == WAIT -> go_to(RELEASE) } /* it expires, or is cancelled; and is voided */
    :: atomic { IS_ASKING && MAY_ASK && asked == NOTHING && reply == NOTHING -> asked = memory.step }
    :: atomic { asked != NOTHING ->
        lapse();
        if
        :: asked == BIND -> receive_bind()
        :: asked == PIN -> receive_pin()
        :: asked == CONVERT -> receive_convert()
        :: asked == RELEASE -> receive_release()
        fi;
        asked = NOTHING;
        reply_left = false;
        dirty = true }
    :: atomic { MAY_TAKE -> take_reply() }
    /* Asked under one key until there is a word. */
    :: atomic { memory.step == CAPTURE && MAY_ASK && !capture_sent && gateway_says == NOTHING ->
        capture_sent = true }
    :: atomic { memory.step == CAPTURE && gateway_says == YES -> gateway_says = NOTHING; go_to(CONVERT) }
    :: atomic { memory.step == CAPTURE && gateway_says == NO -> gateway_says = NOTHING; go_to(RELEASE) }
#ifdef UNKNOWN_IS_NO /* mutation, seen by captured_is_sold: no word from the gateway is taken for a no */
    :: atomic { memory.step == CAPTURE && gateway_says == UNKNOWN -> gateway_says = NOTHING; go_to(RELEASE) }
#else
#ifndef ASKS_ONCE /* mutation, seen by no_hold_stays_pinned: a capture without a word is not asked for again */
    :: atomic { memory.step == CAPTURE && gateway_says == UNKNOWN -> gateway_says = NOTHING }
#endif
#endif
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
        :: gateway_says == NOTHING && memory.step == CAPTURE ->
            if
            :: gateway_says = gateway
            :: !was_silent -> was_silent = true; gateway_says = UNKNOWN
            fi
        :: else /* who asked has died, and heard it since */
        fi }
    od
}

init
{
    atomic {
        memory.state = FREE;
        durable.state = FREE;
        memory.step = NONE_YET;
        durable.step = NONE_YET
    }
}

ltl every_hold_ends { [] (memory.state == HELD -> <> (memory.state != HELD)) }
ltl no_hold_stays_pinned { [] (durable.state == CAPTURING -> <> (durable.state != CAPTURING)) }
ltl captured_is_sold { [] (gateway == YES -> <> (durable.step == CONFIRMED && durable.is_sold)) }
ltl every_order_ends { [] (memory.step == BIND -> <> (durable.step == CONFIRMED || durable.step == GIVEN_UP)) }
