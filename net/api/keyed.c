/* SPDX-License-Identifier: Apache-2.0 */
#include "api/keyed.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "api/problems.h"

enum { BUCKETS = 4096, NONE = UINT32_MAX };

enum keyed_state { KEYED_FREE, KEYED_IN_FLIGHT, KEYED_SETTLED };

struct keyed_entry {
    struct hash128 key; /* of caller, call, path and Idempotency-Key */
    uint64_t fingerprint;
    int64_t settled_ms;
    enum keyed_state state;
    uint32_t next; /* in its bucket */
    int status;
    char location[KEYED_LOCATION_MAX + 1]; /* empty: none */
    char *body;
    size_t length;
};

struct keyed_table {
    pthread_mutex_t mutex;
    uint32_t buckets[BUCKETS];
    uint32_t hand; /* where the next entry is looked for: the oldest make way, about in order */
    size_t bytes;
    struct keyed_entry entries[KEYED_ENTRIES_MAX];
};

struct keyed_table *keyed_table_create(void)
{
    struct keyed_table *table = calloc(1, sizeof(*table));

    if (table == NULL)
        return NULL;
    if (pthread_mutex_init(&table->mutex, NULL) != 0) {
        free(table);
        return NULL;
    }
    for (unsigned i = 0; i < BUCKETS; i++)
        table->buckets[i] = (uint32_t)NONE;
    return table;
}

void keyed_table_destroy(struct keyed_table *table)
{
    if (table == NULL)
        return;
    for (unsigned i = 0; i < KEYED_ENTRIES_MAX; i++)
        free(table->entries[i].body);
    pthread_mutex_destroy(&table->mutex);
    free(table);
}

/* ---- with the mutex held ---- */

static uint32_t *bucket_of(struct keyed_table *table, const struct hash128 *key)
{
    return &table->buckets[key->word[0] % BUCKETS];
}

static void release(struct keyed_table *table, struct keyed_entry *entry)
{
    uint32_t index = (uint32_t)(entry - table->entries);
    uint32_t *link = bucket_of(table, &entry->key);

    while (*link != index)
        link = &table->entries[*link].next;
    *link = entry->next;
    table->bytes -= entry->length;
    free(entry->body);
    memset(entry, 0, sizeof(*entry));
}

static struct keyed_entry *find(struct keyed_table *table, const struct hash128 *key,
                                int64_t now_ms)
{
    uint32_t index = *bucket_of(table, key);

    for (; index != (uint32_t)NONE; index = table->entries[index].next) {
        struct keyed_entry *entry = &table->entries[index];
        if (entry->key.word[0] != key->word[0] || entry->key.word[1] != key->word[1])
            continue;
        if (entry->state == KEYED_SETTLED && now_ms - entry->settled_ms > KEYED_RETENTION_MS) {
            release(table, entry);
            return NULL;
        }
        return entry;
    }
    return NULL;
}

/* A free entry; the oldest settled one makes way. NULL: all are in flight. */
static struct keyed_entry *take(struct keyed_table *table)
{
    for (unsigned i = 0; i < KEYED_ENTRIES_MAX; i++) {
        struct keyed_entry *entry = &table->entries[table->hand];
        table->hand = (table->hand + 1) % KEYED_ENTRIES_MAX;
        if (entry->state == KEYED_IN_FLIGHT)
            continue;
        if (entry->state == KEYED_SETTLED)
            release(table, entry);
        return entry;
    }
    return NULL;
}

/* Lets the oldest answers go until `bytes` more fit. */
static void make_room(struct keyed_table *table, size_t bytes)
{
    for (unsigned i = 0; i < KEYED_ENTRIES_MAX && table->bytes + bytes > KEYED_BYTES_MAX; i++) {
        struct keyed_entry *entry = &table->entries[(table->hand + i) % KEYED_ENTRIES_MAX];
        if (entry->state == KEYED_SETTLED)
            release(table, entry);
    }
}

static struct keyed_entry *add(struct keyed_table *table, const struct hash128 *key,
                               uint64_t fingerprint)
{
    struct keyed_entry *entry = take(table);

    if (entry == NULL)
        return NULL;
    uint32_t *bucket = bucket_of(table, key);
    entry->key = *key;
    entry->fingerprint = fingerprint;
    entry->state = KEYED_IN_FLIGHT;
    entry->next = *bucket;
    *bucket = (uint32_t)(entry - table->entries);
    return entry;
}

static void replay(struct http_exchange *exchange, const struct keyed_entry *entry)
{
    if (entry->location[0] != '\0')
        http_header_add(exchange, "Location", entry->location);
    http_header_add(exchange, "Idempotent-Replayed", "true");
    http_respond(exchange, entry->status, entry->length > 0 ? "application/json" : NULL,
                 entry->body, entry->length);
}

/* ---- the calls ---- */

/* Scope of a key: caller, call, path. False where the path is too long to be anyone's. */
static bool make_key(const struct api_call *call, struct hash128 *key_out)
{
    enum { PATH_MAX_BYTES = 512 };
    struct {
        struct principal principal; /* nobody for staff */
        uint32_t authority;
        uint32_t route;
        uint32_t path_length;
        char text[PATH_MAX_BYTES + KEY_LENGTH_MAX];
    } scope = {.principal = call->principal,
               .authority = call->authority,
               .route = (uint32_t)(call->route - api_routes)};
    const struct secrets_port *secrets = engine_secrets(call->shard->api->engine);
    struct http_slice path = http_exchange_path(call->exchange);

    if (path.length > PATH_MAX_BYTES)
        return false;
    scope.path_length = (uint32_t)path.length;
    memcpy(scope.text, path.data, path.length);
    memcpy(scope.text + path.length, call->key.text, call->key.length);
    *key_out = hash_bytes_128(&secrets->key_key, &scope, sizeof(scope));
    return true;
}

bool keyed_begin(struct api_call *call, struct slice body, struct keyed_entry **entry_out)
{
    struct keyed_table *table = call->shard->api->keyed;
    const struct secrets_port *secrets = engine_secrets(call->shard->api->engine);
    enum problem problem = PROBLEM_COUNT;
    struct hash128 key;
    bool go_on = false;

    *entry_out = NULL;
    if (call->key.text == NULL || !make_key(call, &key))
        return true;
    uint64_t fingerprint = hash_bytes(&secrets->key_key, body.text, body.length);
    pthread_mutex_lock(&table->mutex);
    struct keyed_entry *entry = find(table, &key, call->shard->now.wall_ms);
    if (entry == NULL) {
        *entry_out = add(table, &key, fingerprint);
        go_on = true;
    } else if (entry->fingerprint != fingerprint) {
        problem = PROBLEM_KEY_REUSED;
    } else if (entry->state == KEYED_IN_FLIGHT) {
        problem = PROBLEM_KEY_IN_FLIGHT;
    } else {
        replay(call->exchange, entry);
    }
    pthread_mutex_unlock(&table->mutex);
    if (problem == PROBLEM_KEY_REUSED)
        problem_respond(call->exchange, problem, "This key was used with another body.");
    else if (problem == PROBLEM_KEY_IN_FLIGHT)
        problem_respond(call->exchange, problem,
                        "A request with this key is being worked on. Repeat it in a moment.");
    return go_on;
}

static void settle(struct api_shard *shard, struct keyed_entry *entry, int status,
                   const char *location, const char *body, size_t length)
{
    struct keyed_table *table = shard->api->keyed;
    char *copy = length == 0 ? NULL : malloc(length);

    pthread_mutex_lock(&table->mutex);
    make_room(table, length);
    if ((length > 0 && copy == NULL) || table->bytes + length > KEYED_BYTES_MAX) {
        release(table, entry);
        pthread_mutex_unlock(&table->mutex);
        free(copy);
        return;
    }
    if (length > 0)
        memcpy(copy, body, length);
    if (location != NULL) {
        assert(strlen(location) <= KEYED_LOCATION_MAX);
        strcpy(entry->location, location);
    }
    entry->status = status;
    entry->body = copy;
    entry->length = length;
    entry->settled_ms = shard->now.wall_ms;
    entry->state = KEYED_SETTLED;
    table->bytes += length;
    pthread_mutex_unlock(&table->mutex);
}

void keyed_answer(struct api_shard *shard, struct keyed_entry *entry,
                  struct http_exchange *exchange, int status, const char *location,
                  const char *body, size_t length)
{
    if (entry != NULL)
        settle(shard, entry, status, location, body, length);
    if (exchange == NULL)
        return;
    if (location != NULL)
        http_header_add(exchange, "Location", location);
    http_respond(exchange, status, length > 0 ? "application/json" : NULL, body, length);
}

void keyed_drop(struct api_shard *shard, struct keyed_entry *entry)
{
    struct keyed_table *table = shard->api->keyed;

    if (entry == NULL)
        return;
    pthread_mutex_lock(&table->mutex);
    release(table, entry);
    pthread_mutex_unlock(&table->mutex);
}

void keyed_refuse(struct api_shard *shard, struct keyed_entry *entry,
                  struct http_exchange *exchange, enum outcome outcome)
{
    keyed_drop(shard, entry);
    if (exchange != NULL)
        respond_outcome(exchange, outcome);
}
