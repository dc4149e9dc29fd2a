/* SPDX-License-Identifier: Apache-2.0 */
/* Waking a shard from a thread that is preempted on its way. */
#include "engine_fixture.h"

#include "engine_private.h"

static struct engine *engine;
static uint32_t wakes;

/* Before the first waker's write leaves, another thread has something for the shard. */
static void wake_late(void *self, uint32_t shard)
{
    (void)self;
    if (wakes++ == 0)
        shard_notify(engine, shard);
}

static void take_nothing(struct shard_completion *completion)
{
    (void)completion;
}

static void who_notifies_while_a_worker_is_preempted_wakes_too(void **state)
{
    struct shard_completion completion = {.take = take_nothing};
    struct fixture *fixture = malloc(sizeof(*fixture));

    (void)state;
    assert_non_null(fixture);
    fixture_create(fixture, 2);
    fixture_step(fixture, true);
    engine = fixture->engine;
    engine->ports.env.wake_shard = wake_late;
    completion.shard = engine_shard(engine, 0);
    assert_true(shard_try_sleep(completion.shard));
    shard_complete(&completion);
    assert_int_equal(wakes, 2);
    fixture_step(fixture, true); /* takes it */
    wakes = 1;
    assert_true(shard_try_sleep(completion.shard));
    shard_notify(engine, 0);
    shard_notify(engine, 0);
    assert_int_equal(wakes, 2); /* shards and the committer wake it once */
    fixture_close(fixture);
    free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_notifies_while_a_worker_is_preempted_wakes_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
