/* SPDX-License-Identifier: Apache-2.0 */
#include "api/keyed.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "api/kept_answers.h"
#include "api/password.h"
#include "api/private_data.h"
#include "api/problems.h"

struct keyed_table {
    pthread_mutex_t mutex;
    struct kept_answers staff;
    struct kept_answers buyers;
};

struct keyed_table *keyed_table_create(void)
{
    struct keyed_table *table = calloc(1, sizeof(*table));

    if (table == NULL)
        return NULL;
    table->staff = (struct kept_answers){.capacity = KEYED_STAFF_MAX,
                                         .share_max = KEYED_STAFF_MAX,
                                         .bytes_max = KEYED_BYTES_MAX,
                                         .retention_ms = KEYED_RETENTION_MS};
    table->buyers = (struct kept_answers){.capacity = KEYED_BUYERS_MAX,
                                          .share_max = KEYED_SHARE_MAX,
                                          .bytes_max = KEYED_BYTES_MAX,
                                          .retention_ms = KEYED_RETENTION_MS};
    if (kept_answers_init(&table->staff) && kept_answers_init(&table->buyers) &&
        pthread_mutex_init(&table->mutex, NULL) == 0)
        return table;
    kept_answers_free(&table->staff);
    kept_answers_free(&table->buyers);
    free(table);
    return NULL;
}

void keyed_table_destroy(struct keyed_table *table)
{
    if (table == NULL)
        return;
    kept_answers_free(&table->staff);
    kept_answers_free(&table->buyers);
    pthread_mutex_destroy(&table->mutex);
    free(table);
}

static void replay_sealed(struct api_call *call, const struct keyed_entry *answer)
{
    char plain[KEYED_SEALED_MAX + 1];
    size_t length;

    if (call->person == NULL ||
        !private_open(call->shard->api->engine, &call->person->principal, &call->person->key,
                      private_answer(answer->key.word[0]), (const uint8_t *)answer->body,
                      answer->length, plain, sizeof(plain), &length)) {
        problem_respond(call->exchange, PROBLEM_PRIVATE_DATA_UNREADABLE,
                        "The answer that was kept for this key cannot be opened.");
        return;
    }
    http_respond(call->exchange, answer->status, "application/json", plain, length);
    password_wipe(plain, sizeof(plain));
}

/* With the mutex held: the answer is not to go meanwhile. */
static void replay(struct api_call *call, const struct keyed_entry *answer)
{
    struct http_exchange *exchange = call->exchange;

    if (answer->location[0] != '\0')
        http_header_add(exchange, "Location", answer->location);
    http_header_add(exchange, "Idempotent-Replayed", "true");
    if (answer->is_sealed)
        replay_sealed(call, answer);
    else
        http_respond(exchange, answer->status, answer->length > 0 ? "application/json" : NULL,
                     answer->body, answer->length);
}

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

/* What is to be done with an answer that is kept, with the mutex held. */
struct repeat {
    void *state_out; /* NULL: it is given again; else what was kept is put here */
    size_t size;
};

static void repeat(struct api_call *call, const struct keyed_entry *entry,
                   const struct repeat *repeat)
{
    if (repeat->state_out == NULL) {
        replay(call, entry);
        return;
    }
    assert(entry->length == repeat->size);
    memcpy(repeat->state_out, entry->body, repeat->size);
}

static enum keyed_state begin(struct api_call *call, struct slice body, const struct repeat *what,
                              struct keyed_entry **entry_out)
{
    struct keyed_table *table = call->shard->api->keyed;
    const struct secrets_port *secrets = engine_secrets(call->shard->api->engine);
    bool is_staff = call->authority == AUTHORITY_STAFF;
    struct kept_answers *answers = is_staff ? &table->staff : &table->buyers;
    enum keyed_state state = KEYED_REFUSED;
    enum problem problem = PROBLEM_COUNT;
    struct hash128 key;

    *entry_out = NULL;
    if (call->key.text == NULL || !make_key(call, &key))
        return KEYED_NEW;
    /* Staff are one caller with one share, the whole of theirs: its chains go by key. */
    uint64_t owner = is_staff ? key.word[0]
                              : hash_bytes(&secrets->key_key, call->principal.bytes,
                                           sizeof(call->principal.bytes));
    uint64_t fingerprint = hash_bytes(&secrets->key_key, body.text, body.length);
    pthread_mutex_lock(&table->mutex);
    struct keyed_entry *entry = kept_answers_find(answers, owner, &key, call->shard->now.wall_ms);
    if (entry == NULL) {
        *entry_out = kept_answers_add(answers, owner, &key, fingerprint);
        state = KEYED_NEW;
    } else if (entry->fingerprint != fingerprint) {
        problem = PROBLEM_KEY_REUSED;
    } else if (entry->state == KEPT_IN_FLIGHT) {
        problem = PROBLEM_KEY_IN_FLIGHT;
    } else {
        repeat(call, entry, what);
        state = KEYED_REPEATED;
    }
    pthread_mutex_unlock(&table->mutex);
    if (problem == PROBLEM_KEY_REUSED)
        problem_respond(call->exchange, problem, "This key was used with another body.");
    else if (problem == PROBLEM_KEY_IN_FLIGHT)
        problem_respond(call->exchange, problem,
                        "A request with this key is being worked on. Repeat it in a moment.");
    return state;
}

bool keyed_begin(struct api_call *call, struct slice body, struct keyed_entry **entry_out)
{
    return begin(call, body, &(struct repeat){0}, entry_out) == KEYED_NEW;
}

enum keyed_state keyed_begin_state(struct api_call *call, struct slice body, void *state_out,
                                   size_t size, struct keyed_entry **entry_out)
{
    return begin(call, body, &(struct repeat){.state_out = state_out, .size = size}, entry_out);
}

static void settle(struct api_shard *shard, struct keyed_entry *entry, int status,
                   const char *location, const char *body, size_t length, bool is_sealed,
                   int64_t now_ms)
{
    struct keyed_table *table = shard->api->keyed;
    char *copy = length == 0 ? NULL : malloc(length);

    if (copy != NULL)
        memcpy(copy, body, length);
    pthread_mutex_lock(&table->mutex);
    entry->is_sealed = is_sealed;
    if (length > 0 && copy == NULL)
        kept_answers_release(entry);
    else
        kept_answers_settle(entry, status, location, copy, length, now_ms);
    pthread_mutex_unlock(&table->mutex);
}

void keyed_answer(struct api_shard *shard, struct keyed_entry *entry,
                  struct http_exchange *exchange, int status, const char *location,
                  const char *body, size_t length)
{
    if (entry != NULL)
        settle(shard, entry, status, location, body, length, false, shard->now.wall_ms);
    if (exchange == NULL)
        return;
    if (location != NULL)
        http_header_add(exchange, "Location", location);
    http_respond(exchange, status, length > 0 ? "application/json" : NULL, body, length);
}

void keyed_answer_private(struct api_shard *shard, struct keyed_entry *entry,
                          struct http_exchange *exchange, const struct principal *account,
                          const struct account_key_record *key, int status, const char *location,
                          const char *body, size_t length)
{
    uint8_t sealed[KEYED_SEALED_MAX + SEALED_OVERHEAD_MAX];
    size_t sealed_length = 0;

    if (entry != NULL && length <= KEYED_SEALED_MAX)
        sealed_length =
            private_seal(shard->api->engine, account, key, private_answer(entry->key.word[0]), body,
                         length, sealed, sizeof(sealed));
    if (entry != NULL && sealed_length > 0)
        settle(shard, entry, status, location, (const char *)sealed, sealed_length, true,
               shard->now.wall_ms);
    else
        keyed_drop(shard, entry);
    keyed_answer(shard, NULL, exchange, status, location, body, length);
}

/* As if it had been answered later, so that it is kept for longer than others. */
void keyed_keep_state(struct api_shard *shard, struct keyed_entry *entry, const void *state,
                      size_t size)
{
    int64_t longer_ms = (int64_t)KEYED_ORDER_RETENTION_MS - KEYED_RETENTION_MS;

    if (entry != NULL)
        settle(shard, entry, 200, NULL, state, size, false, shard->now.wall_ms + longer_ms);
}

void keyed_drop(struct api_shard *shard, struct keyed_entry *entry)
{
    struct keyed_table *table = shard->api->keyed;

    if (entry == NULL)
        return;
    pthread_mutex_lock(&table->mutex);
    kept_answers_release(entry);
    pthread_mutex_unlock(&table->mutex);
}

void keyed_refuse(struct api_shard *shard, struct keyed_entry *entry,
                  struct http_exchange *exchange, enum outcome outcome)
{
    keyed_drop(shard, entry);
    if (exchange != NULL)
        respond_outcome(exchange, outcome);
}
