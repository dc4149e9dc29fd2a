/* SPDX-License-Identifier: Apache-2.0 */
/* The mailbox beside what it replaces: Concurrency Kit's ring in its many-producer form, and a
 * queue under a mutex. One consumer; one or two producers, for which the engine has one mailbox
 * each.
 *
 *   mailbox/KIND/throughput/N  messages a second, full speed, whoever waits yields
 *   mailbox/KIND/wake/N        from the send to the receipt by a consumer that sleeps:
 * an eventfd and a loop for the rings, as in the engine; a condition variable for the mutex
 * queue */
#include <ck_ring.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "bench.h"
#include "env_real_wake.h"
#include "gate.h"
#include "mailbox.h"

enum {
    PRODUCERS_MAX = 2,
    CAPACITY = 8192,
    RING_SIZE = 2 * CAPACITY, /* of pointers; a power of two */
    MESSAGES = 500000,
    WAKES = 2000,
    WAKE_PAUSE_NS = 30000, /* long enough for the consumer to fall asleep */
};

struct queue {
    const struct queue_kind *kind;
    uint32_t producers;
    uint32_t next; /* the consumer's: whose mailbox is looked at */
    struct mailbox *mailboxes[PRODUCERS_MAX];
    struct ck_ring ring;
    struct ck_ring_buffer *pointers;
    struct message *slots[PRODUCERS_MAX]; /* each producer's own, more than the ring holds */
    _Alignas(CACHE_LINE) pthread_mutex_t mutex;
    pthread_cond_t filled;
    struct message *messages;
    uint64_t pushed;
    uint64_t popped;
};

struct queue_kind {
    const char *name;
    void (*open)(struct queue *queue);
    void (*close)(struct queue *queue);
    bool (*send)(struct queue *queue, uint32_t producer, uint64_t number, uint64_t cookie);
    bool (*receive)(struct queue *queue, uint64_t *cookie_out);
};

static void *allocate(size_t bytes)
{
    void *memory = aligned_alloc(CACHE_LINE, (bytes + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1));

    if (memory == NULL)
        bench_fail("not enough memory for a queue");
    memset(memory, 0, bytes);
    return memory;
}

/* What the engine sends for a reservation of one line. */
static void message_fill(struct message *message, uint64_t cookie)
{
    message->size = message_size(MESSAGE_RESERVE, 1);
    message->type = MESSAGE_RESERVE;
    message->cookie = cookie;
    message->reserve.line_count = 1;
    message->reserve.lines[0] = (struct line){.sku_id = (uint32_t)cookie, .quantity = 1};
}

static uint64_t message_read(const struct message *message)
{
    bench_keep(message->reserve.lines[0].sku_id);
    return message->cookie;
}

/* ---- ours ---- */

static void mailbox_open(struct queue *queue)
{
    for (uint32_t i = 0; i < queue->producers; i++)
        queue->mailboxes[i] =
            mailbox_init(allocate(mailbox_bytes(CAPACITY, CAPACITY)), CAPACITY, CAPACITY);
}

static void mailbox_close(struct queue *queue)
{
    for (uint32_t i = 0; i < queue->producers; i++)
        free(queue->mailboxes[i]);
}

static bool mailbox_send(struct queue *queue, uint32_t producer, uint64_t number, uint64_t cookie)
{
    struct message *message = mailbox_begin(queue->mailboxes[producer], MESSAGE_CLASS_REQUEST);

    (void)number;
    if (message == NULL)
        return false;
    message_fill(message, cookie);
    mailbox_commit(queue->mailboxes[producer]);
    return true;
}

static bool mailbox_receive(struct queue *queue, uint64_t *cookie_out)
{
    for (uint32_t i = 0; i < queue->producers; i++) {
        struct message *message = mailbox_pop(queue->mailboxes[queue->next]);

        if (message != NULL) {
            *cookie_out = message_read(message);
            return true;
        }
        queue->next = (queue->next + 1) % queue->producers;
    }
    return false;
}

/* ---- ck_ring, many producers ---- */

static void ring_open(struct queue *queue)
{
    ck_ring_init(&queue->ring, RING_SIZE);
    queue->pointers = allocate(RING_SIZE * sizeof(*queue->pointers));
    for (uint32_t i = 0; i < queue->producers; i++)
        queue->slots[i] = allocate(2 * RING_SIZE * sizeof(struct message));
}

static void ring_close(struct queue *queue)
{
    free(queue->pointers);
    for (uint32_t i = 0; i < queue->producers; i++)
        free(queue->slots[i]);
}

/* A slot comes round again after twice what the ring holds, so its reader is done. The bound is
 * looked at first, as the mailbox does, so that a slot is not filled in vain. */
static bool ring_send(struct queue *queue, uint32_t producer, uint64_t number, uint64_t cookie)
{
    struct message *message = &queue->slots[producer][number % (2 * RING_SIZE)];

    if (ck_ring_size(&queue->ring) >= CAPACITY)
        return false;
    message_fill(message, cookie);
    return ck_ring_enqueue_mpsc(&queue->ring, queue->pointers, message);
}

static bool ring_receive(struct queue *queue, uint64_t *cookie_out)
{
    void *message;

    if (!ck_ring_dequeue_mpsc(&queue->ring, queue->pointers, &message))
        return false;
    *cookie_out = message_read(message);
    return true;
}

/* ---- a mutex ---- */

static void mutex_open(struct queue *queue)
{
    pthread_mutex_init(&queue->mutex, NULL);
    pthread_cond_init(&queue->filled, NULL);
    queue->messages = allocate(CAPACITY * sizeof(*queue->messages));
    queue->pushed = queue->popped = 0;
}

static void mutex_close(struct queue *queue)
{
    pthread_cond_destroy(&queue->filled);
    pthread_mutex_destroy(&queue->mutex);
    free(queue->messages);
}

static bool mutex_send(struct queue *queue, uint32_t producer, uint64_t number, uint64_t cookie)
{
    bool has_room;

    (void)producer;
    (void)number;
    pthread_mutex_lock(&queue->mutex);
    has_room = queue->pushed - queue->popped < CAPACITY;
    if (has_room)
        message_fill(&queue->messages[queue->pushed++ % CAPACITY], cookie);
    pthread_mutex_unlock(&queue->mutex);
    return has_room;
}

static bool mutex_receive(struct queue *queue, uint64_t *cookie_out)
{
    bool has_message;

    pthread_mutex_lock(&queue->mutex);
    has_message = queue->pushed != queue->popped;
    if (has_message)
        *cookie_out = message_read(&queue->messages[queue->popped++ % CAPACITY]);
    pthread_mutex_unlock(&queue->mutex);
    return has_message;
}

/* ---- cores ---- */

/* A core for each producer and the next for the consumer; where there are not enough, the consumer
 * shares with the first. (Two producers on one core would only show how long ck_ring's producers
 * wait for each other when one is descheduled: for the rest of a time slice, each time.) */
static void pin(uint32_t place)
{
    bench_pin(place % (uint32_t)sysconf(_SC_NPROCESSORS_ONLN));
}

/* ---- throughput ---- */

struct producer {
    struct queue *queue;
    uint32_t index;
    uint64_t messages;
};

static void *produce(void *arg)
{
    struct producer *producer = arg;

    pin(producer->index);
    for (uint64_t i = 0; i < producer->messages;) {
        if (producer->queue->kind->send(producer->queue, producer->index, i, i))
            i++;
        else
            sched_yield();
    }
    return NULL;
}

static uint64_t throughput(void *arg, uint64_t operations)
{
    struct queue *queue = arg;
    struct producer producers[PRODUCERS_MAX];
    pthread_t threads[PRODUCERS_MAX];
    uint64_t each = operations / queue->producers;
    uint64_t sum = 0;
    uint64_t started_ns;
    uint64_t ended_ns;

    pin(queue->producers);
    queue->kind->open(queue);
    started_ns = bench_now_ns();
    for (uint32_t i = 0; i < queue->producers; i++) {
        producers[i] = (struct producer){.queue = queue, .index = i, .messages = each};
        if (pthread_create(&threads[i], NULL, produce, &producers[i]) != 0)
            bench_fail("no thread for a producer");
    }
    for (uint64_t received = 0; received < each * queue->producers;) {
        uint64_t cookie;

        if (queue->kind->receive(queue, &cookie)) {
            sum += cookie;
            received++;
        } else {
            sched_yield();
        }
    }
    ended_ns = bench_now_ns();
    for (uint32_t i = 0; i < queue->producers; i++)
        pthread_join(threads[i], NULL);
    queue->kind->close(queue);
    if (sum != each * (each - 1) / 2 * queue->producers)
        bench_fail("%s lost a message", queue->kind->name);
    return ended_ns - started_ns;
}

/* ---- wake latency ---- */

struct wake {
    struct queue *queue;
    struct bench_samples *samples;
    uv_loop_t loop;
    struct env_real_wake eventfd;
    bool is_mutex;
    uint64_t expected; /* messages over all producers */
    _Atomic uint64_t received;
    _Atomic uint64_t received_of[PRODUCERS_MAX];
};

struct waker {
    struct wake *wake;
    uint32_t index;
    uint64_t messages;
};

/* A cookie is the time it was sent, and whose it is in the lowest bit. */
static void wake_take(struct wake *wake)
{
    uint64_t cookie;

    while (wake->queue->kind->receive(wake->queue, &cookie)) {
        bench_samples_add(wake->samples, bench_now_ns() - cookie / PRODUCERS_MAX);
        atomic_fetch_add(&wake->received_of[cookie % PRODUCERS_MAX], 1);
        atomic_fetch_add(&wake->received, 1);
    }
}

static void on_eventfd(void *user)
{
    struct wake *wake = user;

    wake_take(wake);
    if (atomic_load(&wake->received) == wake->expected)
        uv_close((uv_handle_t *)&wake->eventfd.poll, NULL);
}

static void pause_ns(long ns)
{
    nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

/* One at a time: the next goes when the last has been received and its receiver sleeps again. */
static void *wake_often(void *arg)
{
    struct waker *waker = arg;
    struct wake *wake = waker->wake;
    struct queue *queue = wake->queue;

    bench_pin(0);
    for (uint64_t i = 0; i < waker->messages; i++) {
        pause_ns(WAKE_PAUSE_NS);
        queue->kind->send(queue, waker->index, i, bench_now_ns() * PRODUCERS_MAX + waker->index);
        if (wake->is_mutex)
            pthread_cond_signal(&queue->filled);
        else
            env_real_wake_send(&wake->eventfd);
        while (atomic_load(&wake->received_of[waker->index]) <= i)
            sched_yield();
    }
    return NULL;
}

static void wait_by_condition(struct wake *wake)
{
    struct queue *queue = wake->queue;

    while (atomic_load(&wake->received) < wake->expected) {
        pthread_mutex_lock(&queue->mutex);
        while (queue->pushed == queue->popped)
            pthread_cond_wait(&queue->filled, &queue->mutex);
        pthread_mutex_unlock(&queue->mutex);
        wake_take(wake);
    }
}

static uint64_t wake_latency(void *arg, uint64_t operations)
{
    struct wake *wake = arg;
    struct queue *queue = wake->queue;
    struct waker wakers[PRODUCERS_MAX];
    pthread_t threads[PRODUCERS_MAX];
    uint64_t started_ns;

    /* Its own core: the producers sleep most of the time and can share the other. */
    bench_pin(1);
    queue->kind->open(queue);
    wake->expected = operations / queue->producers * queue->producers;
    atomic_store(&wake->received, 0);
    uv_loop_init(&wake->loop);
    if (env_real_wake_begin(&wake->eventfd, &wake->loop, on_eventfd, wake) != 0)
        bench_fail("no loop for the receiver");
    started_ns = bench_now_ns();
    for (uint32_t i = 0; i < queue->producers; i++) {
        atomic_store(&wake->received_of[i], 0);
        wakers[i] = (struct waker){wake, i, operations / queue->producers};
        if (pthread_create(&threads[i], NULL, wake_often, &wakers[i]) != 0)
            bench_fail("no thread for a producer");
    }
    if (wake->is_mutex) {
        wait_by_condition(wake);
        uv_close((uv_handle_t *)&wake->eventfd.poll, NULL);
    }
    uv_run(&wake->loop, UV_RUN_DEFAULT);
    started_ns = bench_now_ns() - started_ns;
    for (uint32_t i = 0; i < queue->producers; i++)
        pthread_join(threads[i], NULL);
    uv_loop_close(&wake->loop);
    env_real_wake_end(&wake->eventfd);
    queue->kind->close(queue);
    return started_ns;
}

static const struct queue_kind kinds[] = {
    {"ours", mailbox_open, mailbox_close, mailbox_send, mailbox_receive},
    {"ck_ring_mpsc", ring_open, ring_close, ring_send, ring_receive},
    {"mutex", mutex_open, mutex_close, mutex_send, mutex_receive},
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static void run_rows(uint32_t producers, struct bench_samples *samples)
{
    static struct queue queues[KINDS];
    static struct wake wakes[KINDS];
    static char throughput_names[KINDS][64];
    static char wake_names[KINDS][64];
    struct bench_entry rates[KINDS];
    struct bench_entry latencies[KINDS];

    for (size_t i = 0; i < KINDS; i++) {
        queues[i] = (struct queue){.kind = &kinds[i], .producers = producers};
        wakes[i] = (struct wake){
            .queue = &queues[i], .samples = &samples[i], .is_mutex = kinds[i].open == mutex_open};
        snprintf(throughput_names[i], sizeof(throughput_names[i]), "mailbox/%s/throughput/%u",
                 kinds[i].name, producers);
        snprintf(wake_names[i], sizeof(wake_names[i]), "mailbox/%s/wake/%u", kinds[i].name,
                 producers);
        rates[i] = (struct bench_entry){.name = throughput_names[i],
                                        .body = throughput,
                                        .arg = &queues[i],
                                        .operations = bench_scale(MESSAGES),
                                        .is_parallel = true};
        latencies[i] = (struct bench_entry){.name = wake_names[i],
                                            .body = wake_latency,
                                            .arg = &wakes[i],
                                            .operations = bench_scale(WAKES),
                                            .samples = &samples[i],
                                            .is_parallel = true,
                                            .is_latency = true};
    }
    /* The mutex last, and by itself: a contended one's rate tells of the host's moment (see
     * bench_gate.c), so that it gets no ratio. */
    bench_contest(rates, KINDS - 1, BENCH_ROUNDS_MANY);
    bench_contest(&rates[KINDS - 1], 1, BENCH_ROUNDS_MANY);
    bench_contest(latencies, KINDS, BENCH_ROUNDS);
}

int main(int argc, char **argv)
{
    struct bench_samples samples[KINDS];

    bench_begin(&argc, argv);
    for (size_t i = 0; i < KINDS; i++)
        bench_samples_init(&samples[i]);
    for (uint32_t producers = 1; producers <= PRODUCERS_MAX; producers++)
        run_rows(producers, samples);
    for (size_t i = 0; i < KINDS; i++)
        bench_samples_free(&samples[i]);
    return 0;
}
