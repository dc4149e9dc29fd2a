/* SPDX-License-Identifier: Apache-2.0 */
/* The outbound thread: takes jobs from any thread, keeps them within their bounds, begins them
 * first come first served (past those whose host has all its transfers), and ends each once.
 *
 * An entry is a job's place, from submission to its end: free, incoming (the lock's), waiting, or
 * active (both the thread's). Entries are as many as jobs may be. */
#include "outbound/outbound.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "outbound/outbound_private.h"

enum { IDLE_MS = 1000, DRAINING_MS = 20 };

struct entry {
    struct outbound_job *job;
    uint64_t host; /* hash of its name and port; a collision shares a bound, nothing else */
    int64_t deadline_ms;
    struct entry *next;
    bool is_used;
};

struct queue {
    struct entry *first;
    struct entry *last;
};

struct outbound {
    /* Constant after start. */
    struct outbound_options options;
    struct transfers *transfers;
    uint64_t mail_host;
    uint64_t gateway_host; /* with options.gateway_url */
    int mail_folder;       /* or -1 */
    pthread_t thread;
    struct entry *entries; /* jobs_max, and gateway_jobs_max */

    /* The lock's. */
    pthread_mutex_t lock;
    struct entry *free_entries;
    struct queue incoming;
    bool is_draining;
    bool is_stopping;
    int64_t drain_deadline_ms;

    /* The outbound thread's. */
    struct queue waiting;
    uint32_t active_count;
    struct entry *active; /* by `next` */
    bool aborts;          /* what is under way is given up */
    uint32_t idle_ms;     /* looks around at least so often */

    /* Written by the outbound thread (jobs_refused: under the lock), read by any. */
    struct {
#define X(name, kind, help) _Atomic int64_t name;
        OUTBOUND_METRICS(X)
#undef X
    } counters;
};

int64_t outbound_now_ms(void)
{
    return (int64_t)(uv_hrtime() / 1000000);
}

static void count(_Atomic int64_t *counter, int64_t value)
{
    atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}

/* ---- queues ---- */

static void queue_push(struct queue *queue, struct entry *entry)
{
    entry->next = NULL;
    if (queue->first == NULL)
        queue->first = entry;
    else
        queue->last->next = entry;
    queue->last = entry;
}

/* Takes out the entry behind `previous` (NULL: the first) and returns it. */
static struct entry *queue_take(struct queue *queue, struct entry *previous)
{
    struct entry *entry = previous == NULL ? queue->first : previous->next;

    if (previous == NULL)
        queue->first = entry->next;
    else
        previous->next = entry->next;
    if (queue->last == entry)
        queue->last = previous;
    return entry;
}

/* ---- submission: any thread ---- */

/* Of "scheme://host:port/…": what stands between :// and the path, in lower case. */
static uint64_t hash_host(const char *url)
{
    const char *host = strstr(url, "://");
    uint64_t hash = 14695981039346656037U; /* FNV-1a */

    host = host == NULL ? url : host + 3;
    for (; *host != 0 && strchr("/?#", *host) == NULL; host++) {
        unsigned char byte = (unsigned char)*host;

        if (byte >= 'A' && byte <= 'Z')
            byte = (unsigned char)(byte + ('a' - 'A'));
        hash = (hash ^ byte) * 1099511628211U;
    }
    return hash;
}

static uint32_t entries_max(const struct outbound_options *options)
{
    return options->jobs_max + (options->gateway_url[0] != 0 ? options->gateway_jobs_max : 0);
}

static bool is_gateway(const struct outbound *outbound, uint64_t host)
{
    return outbound->options.gateway_url[0] != 0 && host == outbound->gateway_host;
}

static struct entry *take_free_entry(struct outbound *outbound, uint64_t host)
{
    struct entry *entry = outbound->free_entries;
    bool is_payment = is_gateway(outbound, host);
    uint32_t of_host = 0;
    uint32_t of_others = 0;

    if (outbound->is_draining || entry == NULL)
        return NULL;
    for (uint32_t i = 0; i < entries_max(&outbound->options); i++) {
        const struct entry *other = &outbound->entries[i];

        of_host += other->is_used && other->host == host;
        of_others += other->is_used && !is_gateway(outbound, other->host);
    }
    if (is_payment
            ? of_host >= outbound->options.gateway_jobs_max
            : of_host >= outbound->options.host_jobs_max || of_others >= outbound->options.jobs_max)
        return NULL;
    outbound->free_entries = entry->next;
    entry->is_used = true;
    return entry;
}

static bool submit(void *self, struct outbound_job *job)
{
    struct outbound *outbound = self;
    uint64_t host = job->kind == OUTBOUND_MAIL ? outbound->mail_host : hash_host(job->url);
    struct entry *entry;

    assert(job->done != NULL && job->timeout_ms >= 1 && job->timeout_ms <= OUTBOUND_TIMEOUT_MS_MAX);
    job->reason = "";
    job->status = 0;
    job->retry_after_s = 0;
    job->answer_length = 0;
    job->reached = false;
    pthread_mutex_lock(&outbound->lock);
    entry = take_free_entry(outbound, host);
    if (entry != NULL) {
        entry->job = job;
        entry->host = host;
        entry->deadline_ms = outbound_now_ms() + job->timeout_ms;
        queue_push(&outbound->incoming, entry);
        count(&outbound->counters.jobs_waiting, 1);
    } else {
        count(&outbound->counters.jobs_refused, 1);
    }
    pthread_mutex_unlock(&outbound->lock);
    if (entry != NULL)
        transfers_wake_up(outbound->transfers);
    return entry != NULL;
}

/* ---- ends ---- */

static void count_result(struct outbound *outbound, const struct outbound_job *job)
{
    bool is_mail = job->kind == OUTBOUND_MAIL;

    switch (job->result) {
    case OUTBOUND_DELIVERED:
        count(is_mail ? &outbound->counters.mails_delivered : &outbound->counters.requests_answered,
              1);
        break;
    case OUTBOUND_REFUSED:
        count(is_mail ? &outbound->counters.mails_refused : &outbound->counters.requests_refused,
              1);
        break;
    case OUTBOUND_LATER:
        count(is_mail ? &outbound->counters.mails_later : &outbound->counters.requests_later, 1);
        break;
    case OUTBOUND_NO_ROUTE:
        break;
    }
}

/* The entry is free before `done` is called: the job's memory may go there. */
static void end_entry(struct outbound *outbound, struct entry *entry)
{
    struct outbound_job *job = entry->job;

    count_result(outbound, job);
    pthread_mutex_lock(&outbound->lock);
    entry->job = NULL;
    entry->is_used = false;
    entry->next = outbound->free_entries;
    outbound->free_entries = entry;
    pthread_mutex_unlock(&outbound->lock);
    job->done(job);
}

static void end_waiting(struct outbound *outbound, struct entry *previous, const char *reason)
{
    struct entry *entry = queue_take(&outbound->waiting, previous);

    entry->job->result = OUTBOUND_LATER;
    entry->job->reason = reason;
    count(&outbound->counters.jobs_waiting, -1);
    end_entry(outbound, entry);
}

static void end_active(struct outbound *outbound, struct entry *ended)
{
    struct entry **link = &outbound->active;

    while (*link != ended)
        link = &(*link)->next;
    *link = ended->next;
    outbound->active_count--;
    count(&outbound->counters.jobs_active, -1);
    end_entry(outbound, ended);
}

/* ---- begins ---- */

static void begin(struct outbound *outbound, struct entry *previous, int64_t now)
{
    struct entry *entry = queue_take(&outbound->waiting, previous);
    struct outbound_job *job = entry->job;
    bool is_mail = job->kind == OUTBOUND_MAIL;

    count(&outbound->counters.jobs_waiting, -1);
    if (is_mail && outbound->mail_folder >= 0) {
        job->filed = mail_folder_write(outbound->mail_folder, job);
        count(job->filed ? &outbound->counters.mail_files_written
                         : &outbound->counters.mail_files_failed,
              1);
    }
    if (is_mail && outbound->options.smtp_url[0] == 0) {
        job->result = OUTBOUND_NO_ROUTE;
        job->reason = "no_mail_server";
    } else if (transfers_begin(outbound->transfers, job, (uint32_t)(entry->deadline_ms - now),
                               entry)) {
        entry->next = outbound->active;
        outbound->active = entry;
        outbound->active_count++;
        count(&outbound->counters.jobs_active, 1);
        return;
    }
    end_entry(outbound, entry);
}

static uint32_t count_active(const struct outbound *outbound, uint64_t host)
{
    uint32_t of_host = 0;

    for (const struct entry *entry = outbound->active; entry != NULL; entry = entry->next)
        of_host += entry->host == host;
    return of_host;
}

/* Whether there is room for one more to this host. */
static bool may_begin(const struct outbound *outbound, uint64_t host)
{
    const struct outbound_options *options = &outbound->options;
    uint32_t payments =
        options->gateway_url[0] != 0 ? count_active(outbound, outbound->gateway_host) : 0;

    if (is_gateway(outbound, host))
        return payments < options->gateway_transfers_max;
    return outbound->active_count - payments < options->transfers_max &&
           count_active(outbound, host) < options->host_transfers_max;
}

/* Begins what may begin and ends what waited too long. */
static void serve_waiting(struct outbound *outbound, int64_t now)
{
    struct entry *previous = NULL;
    struct entry *entry = outbound->waiting.first;

    while (entry != NULL) {
        struct entry *next = entry->next;

        if (entry->deadline_ms <= now)
            end_waiting(outbound, previous, "timeout");
        else if (may_begin(outbound, entry->host))
            begin(outbound, previous, now);
        else
            previous = entry;
        entry = next;
    }
}

/* ---- the thread ---- */

/* Takes what was submitted; returns false when all has ended and the thread may. */
static bool take_incoming(struct outbound *outbound, int64_t now)
{
    struct queue incoming;
    bool is_draining;
    bool is_stopping;

    pthread_mutex_lock(&outbound->lock);
    incoming = outbound->incoming;
    outbound->incoming = (struct queue){0};
    is_draining = outbound->is_draining;
    is_stopping = outbound->is_stopping;
    outbound->aborts = is_stopping || (is_draining && now >= outbound->drain_deadline_ms);
    pthread_mutex_unlock(&outbound->lock);
    while (incoming.first != NULL)
        queue_push(&outbound->waiting, queue_take(&incoming, NULL));
    outbound->idle_ms = is_draining ? DRAINING_MS : IDLE_MS; /* its deadline falls due as well */
    while (is_draining && outbound->waiting.first != NULL)
        end_waiting(outbound, NULL, "stopping");
    return !is_stopping || outbound->active != NULL;
}

/* How long nothing will fall due. */
static uint32_t wait_ms(const struct outbound *outbound, int64_t now)
{
    int64_t wait = outbound->idle_ms;

    for (const struct entry *entry = outbound->waiting.first; entry != NULL; entry = entry->next) {
        if (entry->deadline_ms - now < wait)
            wait = entry->deadline_ms - now;
    }
    return wait < 0 ? 0 : (uint32_t)wait;
}

static void *thread_run(void *argument)
{
    struct outbound *outbound = argument;
    struct entry *ended;

    while (take_incoming(outbound, outbound_now_ms())) {
        while (outbound->aborts && (ended = transfers_abort(outbound->transfers)) != NULL)
            end_active(outbound, ended);
        bool goes_on = transfers_run(outbound->transfers);

        while ((ended = transfers_take_ended(outbound->transfers)) != NULL)
            end_active(outbound, ended);
        serve_waiting(outbound, outbound_now_ms());
        transfers_wait(outbound->transfers, goes_on ? 0 : wait_ms(outbound, outbound_now_ms()));
    }
    return NULL;
}

/* ---- begin and end ---- */

void outbound_options_default(struct outbound_options *options_out)
{
    *options_out = (struct outbound_options){
        .jobs_max = 1024,
        .host_jobs_max = 512,
        .transfers_max = 64,
        .host_transfers_max = 8,
        .gateway_url = "",
        .gateway_jobs_max = 256,
        .gateway_transfers_max = 32, /* Stripe takes 100 requests a second, and 0.3 s for each */
        .connect_timeout_ms = 10 * 1000,
        .ca_file = "",
        .smtp_url = "",
        .smtp_user = "",
        .smtp_password = "",
        .smtp_starttls = true,
        .mail_dir = "",
    };
}

/* The texts that are kept. */
static bool copy_texts(struct outbound_options *options)
{
    const char **texts[] = {&options->ca_file, &options->smtp_url, &options->smtp_user,
                            &options->smtp_password, &options->gateway_url};
    bool copied = true;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        *texts[i] = strdup(*texts[i]);
        copied = copied && *texts[i] != NULL;
    }
    return copied;
}

static void free_text(const char *text)
{
    free((void *)(uintptr_t)text);
}

static void outbound_free(struct outbound *outbound)
{
    if (outbound->transfers != NULL)
        transfers_destroy(outbound->transfers);
    if (outbound->mail_folder >= 0)
        close(outbound->mail_folder);
    if (outbound->options.smtp_password != NULL)
        explicit_bzero((void *)(uintptr_t)outbound->options.smtp_password,
                       strlen(outbound->options.smtp_password));
    free_text(outbound->options.ca_file);
    free_text(outbound->options.smtp_url);
    free_text(outbound->options.smtp_user);
    free_text(outbound->options.smtp_password);
    free_text(outbound->options.gateway_url);
    free(outbound->entries);
    pthread_mutex_destroy(&outbound->lock);
    free(outbound);
}

struct outbound *outbound_create(const struct outbound_options *options, char *error,
                                 size_t error_size)
{
    struct outbound *outbound = calloc(1, sizeof(*outbound));

    if (outbound == NULL)
        goto no_memory;
    outbound->options = *options;
    outbound->options.mail_dir = "";
    outbound->mail_folder = -1;
    pthread_mutex_init(&outbound->lock, NULL);
    outbound->gateway_host = hash_host(options->gateway_url);
    outbound->entries = calloc(entries_max(options), sizeof(*outbound->entries));
    if (!copy_texts(&outbound->options) || outbound->entries == NULL)
        goto no_memory;
    for (uint32_t i = 0; i < entries_max(options); i++) {
        outbound->entries[i].next = outbound->free_entries;
        outbound->free_entries = &outbound->entries[i];
    }
    outbound->mail_host = hash_host(options->smtp_url);
    if (options->mail_dir[0] != 0) {
        outbound->mail_folder = mail_folder_open(options->mail_dir, error, error_size);
        if (outbound->mail_folder < 0)
            goto free_outbound;
    }
    outbound->transfers = transfers_create(&outbound->options);
    if (outbound->transfers == NULL ||
        pthread_create(&outbound->thread, NULL, thread_run, outbound) != 0)
        goto no_memory;
    pthread_setname_np(outbound->thread, "outbound");
    return outbound;
no_memory:
    snprintf(error, error_size, "not enough memory for the outbound thread");
free_outbound:
    if (outbound != NULL)
        outbound_free(outbound);
    return NULL;
}

struct outbound_port outbound_port_get(struct outbound *outbound)
{
    return (struct outbound_port){.self = outbound, .submit = submit};
}

void outbound_drain(struct outbound *outbound, uint32_t deadline_ms)
{
    pthread_mutex_lock(&outbound->lock);
    if (!outbound->is_draining)
        outbound->drain_deadline_ms = outbound_now_ms() + deadline_ms;
    outbound->is_draining = true;
    pthread_mutex_unlock(&outbound->lock);
    transfers_wake_up(outbound->transfers);
}

void outbound_destroy(struct outbound *outbound)
{
    pthread_mutex_lock(&outbound->lock);
    outbound->is_draining = true;
    outbound->is_stopping = true;
    pthread_mutex_unlock(&outbound->lock);
    transfers_wake_up(outbound->transfers);
    pthread_join(outbound->thread, NULL);
    outbound_free(outbound);
}

bool outbound_has_folder(const struct outbound *outbound)
{
    return outbound->mail_folder >= 0;
}

bool outbound_has_mail(const struct outbound *outbound)
{
    return outbound->options.smtp_url[0] != 0;
}

void outbound_metrics_get(const struct outbound *outbound, struct outbound_metrics *metrics_out)
{
#define X(name, kind, help)                                                                        \
    metrics_out->name = atomic_load_explicit(&outbound->counters.name, memory_order_relaxed);
    OUTBOUND_METRICS(X)
#undef X
}
