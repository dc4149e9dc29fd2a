/* SPDX-License-Identifier: Apache-2.0 */
/* The timing wheel against a plain list of deadlines, over every scale it has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hash.h"
#include "timers.h"

enum { SLOTS = 64 };

static struct timer_node nodes[SLOTS];
static struct timers timers;
static int64_t deadlines[SLOTS]; /* 0: not set */

static uint64_t random_state = 3;

static uint64_t next_random(void)
{
    random_state = hash_word(random_state + 0x9e3779b97f4a7c15u);
    return random_state;
}

static void begin(int64_t now_ms)
{
    memset(nodes, 0, sizeof(nodes));
    memset(deadlines, 0, sizeof(deadlines));
    timers_init(&timers, nodes, SLOTS, now_ms);
}

/* Everything that is due by now, and nothing else, comes out. */
static void expect_due(int64_t now_ms)
{
    uint32_t slot;

    while (timers_next_due(&timers, now_ms, &slot)) {
        assert_true(deadlines[slot] != 0 && deadlines[slot] <= now_ms);
        deadlines[slot] = 0;
    }
    for (int i = 0; i < SLOTS; i++)
        assert_true(deadlines[i] == 0 || deadlines[i] > now_ms);
}

static void fires_when_due_and_not_before(void **state)
{
    static const int64_t offsets[] = {1, 63, 64, 65, 4095, 4096, 600000, 86400000, 100000000000};

    (void)state;
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        uint32_t slot;

        begin(1000003);
        timers_set(&timers, 5, 1000003 + offsets[i]);
        assert_false(timers_next_due(&timers, 1000003 + offsets[i] - 1, &slot));
        assert_true(timers_next_due(&timers, 1000003 + offsets[i], &slot));
        assert_int_equal(slot, 5);
        assert_int_equal(timers.armed, 0);
    }
}

static void a_past_deadline_is_due_at_once(void **state)
{
    uint32_t slot;

    (void)state;
    begin(5000);
    timers_set(&timers, 1, 4000);
    assert_true(timers_wake_ms(&timers) <= 5000);
    assert_true(timers_next_due(&timers, 5000, &slot));
}

static void agrees_with_a_list(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        int64_t now_ms = (int64_t)(next_random() % 10000000000);

        begin(now_ms);
        for (int step = 0; step < 500; step++) {
            uint32_t slot = (uint32_t)(next_random() % SLOTS);
            uint32_t scale = (uint32_t)(next_random() % 36);

            switch (next_random() % 4) {
            case 0:
            case 1:
                deadlines[slot] = now_ms + (int64_t)(next_random() % (1ULL << scale)) + 1;
                timers_set(&timers, slot, deadlines[slot]);
                break;
            case 2:
                deadlines[slot] = 0;
                timers_cancel(&timers, slot);
                break;
            default:
                now_ms += (int64_t)(next_random() % (1ULL << scale));
                expect_due(now_ms);
                break;
            }
        }
    }
}

/* Whoever sleeps until timers_wake_ms, again and again, misses nothing. */
static void the_wake_up_comes_in_time(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        int64_t now_ms = 1000000;
        uint32_t slot = (uint32_t)(next_random() % SLOTS);
        uint32_t fired;
        int wakes = 0;

        begin(now_ms);
        deadlines[slot] = now_ms + (int64_t)(next_random() % 90000000);
        timers_set(&timers, slot, deadlines[slot]);
        for (;; wakes++) {
            int64_t wake_ms = timers_wake_ms(&timers);

            assert_true(wake_ms <= deadlines[slot]);
            now_ms = wake_ms > now_ms ? wake_ms : now_ms;
            if (timers_next_due(&timers, now_ms, &fired))
                break;
        }
        assert_true(now_ms == deadlines[slot] || deadlines[slot] <= 1000000);
        assert_true(wakes <= TIMER_LEVELS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_when_due_and_not_before),
        cmocka_unit_test(a_past_deadline_is_due_at_once),
        cmocka_unit_test(agrees_with_a_list),
        cmocka_unit_test(the_wake_up_comes_in_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
