/* SPDX-License-Identifier: Apache-2.0 */
/* Work for other threads: it runs beside the shard at a lower priority, comes back to the shard's
 * turn, and what does not fit is refused at once. Run under ThreadSanitizer by scripts/test. */
#include "engine_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine_private.h"
#include "env_real_workers.h"

enum { WORKS = 200, QUEUE = 8, IN_FLIGHT_MAX = 64 };

/* ---- the pool ---- */

struct blocking_work {
    struct work work;
    sem_t *started;
    sem_t *may_end;
    _Atomic unsigned *done;
};

static void block(struct work *work)
{
    const struct blocking_work *blocking = (struct blocking_work *)(void *)work;

    sem_post(blocking->started);
    sem_wait(blocking->may_end);
}

static void count(struct work *work)
{
    const struct blocking_work *blocking = (struct blocking_work *)(void *)work;

    atomic_fetch_add(blocking->done, 1);
}

struct pool {
    struct env_real_workers *workers;
    struct worker_port port;
    struct blocking_work works[QUEUE + 3];
    sem_t started;
    sem_t may_end;
    _Atomic unsigned done;
};

static void pool_make(struct pool *pool, uint32_t threads)
{
    memset(pool, 0, sizeof(*pool));
    sem_init(&pool->started, 0, 0);
    sem_init(&pool->may_end, 0, 0);
    pool->workers = env_real_workers_create(threads, QUEUE, WORKERS_IDLE);
    assert_non_null(pool->workers);
    pool->port = env_real_workers_port(pool->workers);
    for (unsigned i = 0; i < QUEUE + 3; i++)
        pool->works[i] = (struct blocking_work){.work = {.run = block, .done = count},
                                                .started = &pool->started,
                                                .may_end = &pool->may_end,
                                                .done = &pool->done};
}

static void the_queue_is_bounded(void **state)
{
    struct pool pool;
    unsigned next = 0;

    (void)state;
    pool_make(&pool, 2);
    for (; next < 2; next++)
        assert_true(pool.port.submit(pool.port.self, &pool.works[next].work));
    sem_wait(&pool.started);
    sem_wait(&pool.started);
    for (; next < 2 + QUEUE; next++)
        assert_true(pool.port.submit(pool.port.self, &pool.works[next].work));
    assert_int_equal(env_real_workers_queued(pool.workers), QUEUE);
    assert_false(pool.port.submit(pool.port.self, &pool.works[next].work));
    sem_post(&pool.may_end);
    sem_wait(&pool.started); /* the third was taken */
    assert_true(pool.port.submit(pool.port.self, &pool.works[next].work));
    for (unsigned i = 0; i < QUEUE + 3; i++)
        sem_post(&pool.may_end);
    while (atomic_load(&pool.done) < QUEUE + 3)
        sched_yield();
    env_real_workers_destroy(pool.workers);
}

static void *stop(void *arg)
{
    env_real_workers_stop(arg);
    return NULL;
}

static void what_waits_at_the_end_is_never_run(void **state)
{
    struct pool pool;
    pthread_t thread;

    (void)state;
    pool_make(&pool, 1);
    assert_true(pool.port.submit(pool.port.self, &pool.works[0].work));
    sem_wait(&pool.started);
    assert_true(pool.port.submit(pool.port.self, &pool.works[1].work));
    pthread_create(&thread, NULL, stop, pool.workers);
    while (!env_real_workers_are_stopping(pool.workers))
        sched_yield();
    assert_false(pool.port.submit(pool.port.self, &pool.works[2].work));
    sem_post(&pool.may_end); /* the end waits for the first */
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&pool.done), 1);
    env_real_workers_destroy(pool.workers);
}

static void there_is_a_thread_for_every_two_cores(void **state)
{
    cpu_set_t kept;
    cpu_set_t one;

    (void)state;
    assert_in_range(env_real_workers_default(), 1, WORKERS_MAX);
    assert_int_equal(sched_getaffinity(0, sizeof(kept), &kept), 0);
    CPU_ZERO(&one);
    for (size_t core = 0; core < CPU_SETSIZE; core++)
        if (CPU_COUNT(&one) == 0 && CPU_ISSET(core, &kept))
            CPU_SET(core, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    assert_int_equal(env_real_workers_default(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof(kept), &kept), 0);
}

/* ---- the engine's work ---- */

struct counted_work {
    struct engine_work work;
    pthread_t shard_thread;
    unsigned *done_count;
    uint64_t value;
    uint64_t result;
    int policy;
    int priority;
    bool ran_elsewhere;
};

static void square(struct engine_work *work)
{
    struct counted_work *counted = (struct counted_work *)(void *)work;

    counted->result = counted->value * counted->value;
    counted->ran_elsewhere = !pthread_equal(pthread_self(), counted->shard_thread);
    counted->policy = sched_getscheduler(0); /* of this thread */
    counted->priority = getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid));
}

static void on_square(struct engine_work *work)
{
    struct counted_work *counted = (struct counted_work *)(void *)work;

    assert_true(pthread_equal(pthread_self(), counted->shard_thread));
    assert_true(counted->ran_elsewhere);
    assert_true(counted->result == counted->value * counted->value);
    (*counted->done_count)++;
}

static void work_comes_back(enum workers_priority priority)
{
    static struct fixture fixture;
    static struct counted_work works[WORKS];
    unsigned done = 0;
    unsigned submitted = 0;
    int own_policy = sched_getscheduler(0);

    fixture_create(&fixture, 1);
    struct env_real_workers *workers = env_real_workers_create(2, WORKS, priority);
    if (priority == WORKERS_IDLE)
        fixture.workers = env_real_workers_port(workers);
    else
        fixture.finders = env_real_workers_port(workers);
    assert_int_equal(fixture_crash(&fixture), 0);
    struct shard *shard = engine_shard(fixture.engine, 0);
    while (done < WORKS) {
        if (submitted < WORKS && submitted - done < IN_FLIGHT_MAX) {
            works[submitted] = (struct counted_work){
                .work = {.run = square, .done = on_square, .is_finding = priority != WORKERS_IDLE},
                .shard_thread = pthread_self(),
                .done_count = &done,
                .value = submitted + 3,
            };
            assert_int_equal(engine_work_submit(shard, &works[submitted].work), OUTCOME_PENDING);
            submitted++;
        } else {
            shard_step(shard);
        }
    }
    for (unsigned i = 0; i < WORKS; i++)
        assert_true(priority == WORKERS_IDLE
                        ? works[i].policy == SCHED_IDLE || works[i].priority == WORKERS_NICE
                        : works[i].policy == own_policy && works[i].priority >= FINDERS_NICE);
    env_real_workers_destroy(workers);
    fixture_close(&fixture);
}

static void work_comes_back_to_its_shard(void **state)
{
    (void)state;
    work_comes_back(WORKERS_IDLE);
}

/* By threads that share the cores with the shards. */
static void what_is_found_comes_back_to_its_shard(void **state)
{
    (void)state;
    work_comes_back(WORKERS_NICE_TO_SHARDS);
}

/* ---- refusals, with a port that holds everything back ---- */

struct held_works {
    struct work *first;
    unsigned count;
};

static bool hold(void *self, struct work *work)
{
    struct held_works *held = self;

    work->next = held->first;
    held->first = work;
    held->count++;
    return true;
}

static bool refuse(void *self, struct work *work)
{
    (void)self;
    (void)work;
    return false;
}

static void nothing(struct engine_work *work)
{
    (void)work;
}

static void count_done(struct engine_work *work)
{
    (*(unsigned *)work->user)++;
}

static void too_much_work_is_refused(void **state)
{
    static struct fixture fixture;
    static struct engine_work works[IN_FLIGHT_MAX + 1];
    struct held_works held = {0};
    unsigned done = 0;

    (void)state;
    fixture_create(&fixture, 1);
    fixture.workers = (struct worker_port){.self = &held, .submit = hold};
    assert_int_equal(fixture_crash(&fixture), 0);
    struct shard *shard = engine_shard(fixture.engine, 0);
    shard_step(shard);
    assert_true(engine_is_idle(fixture.engine));
    for (unsigned i = 0; i <= IN_FLIGHT_MAX; i++) {
        works[i] = (struct engine_work){.run = nothing, .done = count_done, .user = &done};
        assert_int_equal(engine_work_submit(shard, &works[i]),
                         i < IN_FLIGHT_MAX ? OUTCOME_PENDING : OUTCOME_OVERLOADED);
    }
    assert_int_equal(held.count, IN_FLIGHT_MAX);
    shard_step(shard);
    assert_false(engine_is_idle(fixture.engine)); /* a drain waits for it */
    assert_int_equal(done, 0);
    while (held.first != NULL) {
        struct work *work = held.first;

        held.first = work->next;
        work->run(work);
        work->done(work);
    }
    assert_int_equal(done, 0); /* not before the shard's turn */
    assert_false(shard_try_sleep(shard));
    shard_step(shard);
    assert_int_equal(done, IN_FLIGHT_MAX);
    shard_step(shard);
    assert_true(engine_is_idle(fixture.engine));
    assert_int_equal(engine_work_submit(shard, &works[0]), OUTCOME_PENDING);
    held.first->run(held.first);
    held.first->done(held.first);
    shard_step(shard);
    fixture_close(&fixture);
}

static void a_port_that_is_full_or_absent_refuses(void **state)
{
    static struct fixture fixture;
    struct engine_work work = {.run = nothing, .done = count_done};

    (void)state;
    fixture_create(&fixture, 1);
    assert_int_equal(fixture_crash(&fixture), 0);
    assert_int_equal(engine_work_submit(engine_shard(fixture.engine, 0), &work),
                     OUTCOME_OVERLOADED);
    fixture_close(&fixture);
    fixture_create(&fixture, 1);
    fixture.workers = (struct worker_port){.submit = refuse};
    assert_int_equal(fixture_crash(&fixture), 0);
    assert_int_equal(engine_work_submit(engine_shard(fixture.engine, 0), &work),
                     OUTCOME_OVERLOADED);
    shard_step(engine_shard(fixture.engine, 0));
    assert_true(engine_is_idle(fixture.engine));
    fixture_close(&fixture);
}

static void run_held(struct held_works *held)
{
    while (held->first != NULL) {
        struct work *work = held->first;

        held->first = work->next;
        work->run(work);
        work->done(work);
    }
}

static void step_often(struct fixture *fixture)
{
    for (unsigned i = 0; i < 10; i++)
        fixture_run(fixture);
}

/* What was replaced stays for work of any shard that began before, and for no other. */
static void the_directory_stays_for_who_reads_it(void **state)
{
    static struct fixture fixture;
    struct held_works held = {0};
    unsigned done = 0;
    struct engine_work other = {.run = nothing, .done = count_done, .user = &done};
    struct engine_work early = other;
    struct engine_work late = other;

    (void)state;
    early.reads_directory = true;
    late.reads_directory = true;
    fixture_create(&fixture, 2);
    fixture.workers = (struct worker_port){.self = &held, .submit = hold};
    assert_int_equal(fixture_crash(&fixture), 0);
    struct shard *directory = engine_shard(fixture.engine, 0);
    struct shard *reader = engine_shard(fixture.engine, 1);
    step_often(&fixture);
    assert_int_equal(engine_work_submit(reader, &other), OUTCOME_PENDING);
    assert_int_equal(fixture_product(&fixture, "p", "P", 1, 0), OUTCOME_OK);
    step_often(&fixture);
    assert_int_equal(directory->retired_count, 0); /* that one does not read it */
    assert_int_equal(engine_work_submit(reader, &early), OUTCOME_PENDING);
    for (unsigned i = 0; i < 40; i++) { /* until its tables give way to larger ones, once */
        char id[8];
        char sku[8];

        snprintf(id, sizeof(id), "q%u", i);
        snprintf(sku, sizeof(sku), "Q%u", i);
        assert_int_equal(fixture_product(&fixture, id, sku, 1, 0), OUTCOME_OK);
        step_often(&fixture);
    }
    assert_int_equal(directory->retired_count, 1);
    assert_int_equal(engine_work_submit(reader, &late), OUTCOME_PENDING);
    held.first = &early.work;
    early.work.next = NULL;
    run_held(&held);
    step_often(&fixture);
    assert_int_equal(done, 1);
    assert_int_equal(directory->retired_count, 0); /* the late one has never seen it */
    held.first = &other.work;
    other.work.next = &late.work;
    late.work.next = NULL;
    run_held(&held);
    step_often(&fixture);
    assert_int_equal(done, 3);
    assert_true(engine_is_idle(fixture.engine));
    fixture_close(&fixture);
}

static enum outcome put_product(struct fixture *fixture, const char *id, const char *sku,
                                unsigned version)
{
    char document[32];
    int length = snprintf(document, sizeof(document), "{\"name\":\"%u\"}", version);
    struct product_envelope *envelope = product_envelope_create((uint32_t)length);
    struct command command = {
        .type = COMMAND_PRODUCT_PUT, .authority = AUTHORITY_STAFF, .product = envelope};
    struct message reply;

    strcpy(envelope->id, id);
    strcpy(envelope->currency, "EUR");
    envelope->put_mode = PUT_UPSERT;
    envelope->variant_count = 1;
    strcpy(envelope->variants[0].sku, sku);
    memcpy(envelope->document, document, (size_t)length);
    envelope->document_length = (uint32_t)length;
    return fixture_do(fixture, 0, &command, &reply);
}

/* However long a reader is at it: products are made and changed. */
static void products_change_beside_a_reader_that_never_ends(void **state)
{
    static struct fixture fixture;
    struct held_works held = {0};
    unsigned done = 0;
    struct engine_work reader = {
        .run = nothing, .done = count_done, .user = &done, .reads_directory = true};

    (void)state;
    fixture_create(&fixture, 2);
    fixture.options.partitions = 1;
    fixture.workers = (struct worker_port){.self = &held, .submit = hold};
    assert_int_equal(fixture_crash(&fixture), 0);
    step_often(&fixture);
    assert_int_equal(engine_work_submit(engine_shard(fixture.engine, 1), &reader), OUTCOME_PENDING);
    for (unsigned i = 0; i < 2 * RETIRED_MAX; i++) /* labels that the reader may see pile up */
        assert_int_equal(put_product(&fixture, "p", "P", i), OUTCOME_OK);
    for (unsigned i = 0; i < 300; i++) { /* and tables that have grown, several times */
        char id[8];
        char sku[8];

        snprintf(id, sizeof(id), "p%u", i);
        snprintf(sku, sizeof(sku), "P%u", i);
        assert_int_equal(put_product(&fixture, id, sku, i), OUTCOME_OK);
    }
    assert_int_equal(done, 0);
    run_held(&held);
    step_often(&fixture);
    assert_int_equal(done, 1);
    assert_int_equal(engine_shard(fixture.engine, 0)->retired_count, 0);
    assert_null(engine_shard(fixture.engine, 0)->stale_labels);
    fixture_close(&fixture);
}

static void too_many_readers_are_refused(void **state)
{
    static struct fixture fixture;
    static struct engine_work works[PINS_MAX + 1];
    struct held_works held = {0};
    unsigned done = 0;

    (void)state;
    fixture_create(&fixture, 1);
    fixture.workers = (struct worker_port){.self = &held, .submit = hold};
    assert_int_equal(fixture_crash(&fixture), 0);
    step_often(&fixture);
    for (unsigned i = 0; i <= PINS_MAX; i++) {
        works[i] = (struct engine_work){
            .run = nothing, .done = count_done, .user = &done, .reads_directory = true};
        assert_int_equal(engine_work_submit(engine_shard(fixture.engine, 0), &works[i]),
                         i < PINS_MAX ? OUTCOME_PENDING : OUTCOME_OVERLOADED);
    }
    run_held(&held);
    step_often(&fixture);
    assert_int_equal(done, PINS_MAX);
    assert_int_equal(engine_work_submit(engine_shard(fixture.engine, 0), &works[PINS_MAX]),
                     OUTCOME_PENDING);
    run_held(&held);
    step_often(&fixture);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_queue_is_bounded),
        cmocka_unit_test(what_waits_at_the_end_is_never_run),
        cmocka_unit_test(there_is_a_thread_for_every_two_cores),
        cmocka_unit_test(work_comes_back_to_its_shard),
        cmocka_unit_test(too_much_work_is_refused),
        cmocka_unit_test(a_port_that_is_full_or_absent_refuses),
        cmocka_unit_test(the_directory_stays_for_who_reads_it),
        cmocka_unit_test(what_is_found_comes_back_to_its_shard),
        cmocka_unit_test(products_change_beside_a_reader_that_never_ends),
        cmocka_unit_test(too_many_readers_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
