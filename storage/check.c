/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "check_private.h"
#include "data_folder.h"
#include "files.h"
#include "hash.h"
#include "vault_file.h"
#include "watermark_file.h"

/* ---- shared by the audit's files ---- */

void check_broken(struct check *check, const char *format, ...)
{
    va_list arguments;

    if (check->broken++ >= CHECK_LINES_MAX)
        return;
    fputs("check: broken: ", check->out);
    va_start(arguments, format);
    vfprintf(check->out, format, arguments);
    va_end(arguments);
    fputc('\n', check->out);
}

void *check_vector_add(struct check *check, struct vector *vector, size_t item_bytes)
{
    if (vector->count == vector->capacity) {
        size_t capacity = vector->capacity > 0 ? vector->capacity * 2 : 64;
        uint8_t *grown = realloc(vector->items, capacity * item_bytes);

        if (grown == NULL) {
            check->out_of_memory = true;
            return NULL;
        }
        vector->items = grown;
        vector->capacity = capacity;
        vector->item_bytes = item_bytes;
    }
    assert(vector->item_bytes == item_bytes);
    void *item = vector->items + vector->count++ * item_bytes;
    memset(item, 0, item_bytes);
    return item;
}

void check_vector_free(struct vector *vector)
{
    free(vector->items);
    *vector = (struct vector){0};
}

static int order_32(const void *key, const void *item)
{
    uint32_t a = *(const uint32_t *)key;
    uint32_t b = *(const uint32_t *)item;

    return (a > b) - (a < b);
}

static int order_64(const void *key, const void *item)
{
    uint64_t a = *(const uint64_t *)key;
    uint64_t b = *(const uint64_t *)item;

    return (a > b) - (a < b);
}

void *check_vector_find_32(const struct vector *vector, uint32_t key)
{
    return vector->count == 0
               ? NULL
               : bsearch(&key, vector->items, vector->count, vector->item_bytes, order_32);
}

void *check_vector_find_64(const struct vector *vector, uint64_t key)
{
    return vector->count == 0
               ? NULL
               : bsearch(&key, vector->items, vector->count, vector->item_bytes, order_64);
}

uint64_t check_line_sum(uint32_t sku_id, uint32_t quantity)
{
    return hash_word((uint64_t)sku_id << 32 | quantity);
}

/* ---- what is true of the whole ---- */

static void check_names(struct check *check)
{
    const uint64_t *names = (const uint64_t *)(const void *)check->names.items;

    if (check->names.count == 0)
        return;
    qsort(check->names.items, check->names.count, sizeof(uint64_t), order_64);
    for (size_t i = 1; i < check->names.count; i++) {
        if (names[i] == names[i - 1])
            check_broken(check, "two SKUs have the same name (hash %016" PRIx64 ")", names[i]);
    }
}

/* And what was made with them. */
static void check_secrets(struct check *check, const struct data_folder *folder)
{
    struct data_folder copy = *folder; /* its lock stays the other's */
    struct secrets secrets;
    char reason[512];

    if (data_folder_secret(&copy, &secrets, reason, sizeof(reason)) != 0) {
        check_broken(check, "%s", reason);
        return;
    }
    check_audit(check, &secrets);
    secrets_close(&secrets);
    if (vault_file_needs(folder, &check->vault_key_id, reason, sizeof(reason)) != 0) {
        check->vault_key_id = 0;
        check_broken(check, "%s", reason);
    }
}

static void check_watermark(struct check *check, const struct data_folder *folder)
{
    char reason[512];
    uint64_t last_commit = journal_rocksdb_last_commit(check->journal);
    struct journal_identity identity = journal_rocksdb_identity(check->journal);
    struct watermark watermark;
    char path[DATA_FOLDER_PATH_MAX];

    data_folder_path(folder, "watermark", path);
    if (identity.store_id != folder->store_id || identity.incarnation != folder->incarnation)
        check_broken(check, "the journal is of another store or incarnation than its folder");
    switch (watermark_load(path, &watermark)) {
    case WATERMARK_MISSING:
        check_broken(check, "the watermark is missing");
        return;
    case WATERMARK_DAMAGED:
        check_broken(check, "the watermark is damaged");
        return;
    case WATERMARK_UNREADABLE:
        check_broken(check, "the watermark cannot be read: the disk fails");
        return;
    case WATERMARK_INTACT:
        break;
    }
    if (watermark.store_id != folder->store_id || watermark.incarnation != folder->incarnation)
        check_broken(check, "the watermark is of another store or incarnation than its folder");
    data_folder_path(folder, "journal", path);
    if (manifest_mark_check(path, &watermark.manifest, reason, sizeof(reason)) != 0)
        check_broken(check, "%s", reason);
    if (last_commit < watermark.commit_number)
        check_broken(check,
                     "commits %" PRIu64 " to %" PRIu64 " are missing: the journal ends at %" PRIu64
                     ", %" PRIu64 " was known durable",
                     last_commit + 1, watermark.commit_number, last_commit,
                     watermark.commit_number);
}

static void print_audit(const struct check *check)
{
    if (check->audit_count == 0)
        return;
    fprintf(check->out, "check: audit log of %" PRIu64 " entries, digest ", check->audit_count);
    for (unsigned i = 0; i < sizeof(check->audit_digest); i++)
        fprintf(check->out, "%02x", check->audit_digest[i]);
    fputc('\n', check->out);
}

static enum check_result verdict(struct check *check, char *error, size_t error_size)
{
    uint64_t state = 0;

    if (check->broken == 0 && !journal_rocksdb_content_hash(check->journal, &state))
        check_broken(check, "the journal cannot be read to its end");
    if (check->out_of_memory) {
        files_error(error, error_size, "out of memory");
        return CHECK_REFUSED;
    }
    if (check->broken > 0) {
        fprintf(check->out, "check: broken: %" PRIu64 " in all\n", check->broken);
        return CHECK_BROKEN;
    }
    check_accounts_print_keys(check);
    print_audit(check);
    check_deliveries_print(check);
    fprintf(check->out,
            "check: ok %" PRIu64 " SKUs, %" PRIu64 " holds, %" PRIu64
            " ledger entries, commit %" PRIu64 ", %" PRIu64 " unfinished, state %016" PRIx64 "\n",
            check->sku_count, check->reservation_count, check->ledger_count,
            journal_rocksdb_last_commit(check->journal), check->unfinished, state);
    return CHECK_OK;
}

static enum check_result audit(struct check *check, const struct data_folder *folder, char *error,
                               size_t error_size)
{
    check->partitions = journal_rocksdb_identity(check->journal).partitions;
    check->floors = calloc(check->partitions, sizeof(*check->floors));
    check->order_floors = calloc(check->partitions, sizeof(*check->order_floors));
    check->out_of_memory = check->floors == NULL || check->order_floors == NULL;
    for (uint32_t i = 0; i < check->partitions && !check->out_of_memory; i++) {
        check_partition(check, i);
        check_accounts_partition(check, i);
        check_settings_partition(check, i);
        check_carts_partition(check, i);
        check_coupons_partition(check, i);
        check_orders_partition(check, i);
        check_deliveries_partition(check, i);
        check_events_partition(check, i);
    }
    check_names(check);
    check_links(check);
    check_orders(check); /* looks at accounts, too */
    check_accounts(check);
    check_carts(check);
    check_watermark(check, folder);
    check_secrets(check, folder);
    enum check_result result = verdict(check, error, error_size);
    check_vector_free(&check->names);
    check_vector_free(&check->promises);
    check_vector_free(&check->endpoints);
    check_vector_free(&check->links);
    check_vector_free(&check->wrapping_keys);
    free(check->floors);
    free(check->order_floors);
    return result;
}

/* ---- opening ---- */

static void log_line(void *arg, const char *line)
{
    struct check *check = arg;

    check_broken(check, "%s", line);
}

static enum check_result audit_folder(const struct data_folder *folder, FILE *out, char *error,
                                      size_t error_size)
{
    struct check check = {.out = out};
    char path[DATA_FOLDER_PATH_MAX];
    char reason[256];
    struct journal_rocksdb_options options = {
        .path = path, .mode = JOURNAL_READ_ONLY, .log = log_line, .log_arg = &check};
    enum check_result result;

    data_folder_path(folder, "journal", path);
    switch (journal_rocksdb_open(&options, &check.journal, reason, sizeof(reason))) {
    case JOURNAL_OPENED:
        break;
    case JOURNAL_DAMAGED:
        check_broken(&check, "the journal is damaged: %s: see `stampede repair --data %s`", reason,
                     folder->path);
        return CHECK_BROKEN;
    case JOURNAL_REFUSED:
    case JOURNAL_NO_SPACE:
        files_error(error, error_size, "cannot open the journal in %s: %s", folder->path, reason);
        return CHECK_REFUSED;
    }
    result = audit(&check, folder, error, error_size);
    journal_rocksdb_close(check.journal);
    return result;
}

enum check_result check_store(const char *path, FILE *out, char *error, size_t error_size)
{
    struct data_folder folder;

    if (data_folder_open(path, DATA_FOLDER_EXISTING, &folder, error, error_size) != 0)
        return CHECK_REFUSED;
    enum check_result result = audit_folder(&folder, out, error, error_size);
    data_folder_close(&folder);
    return result;
}
