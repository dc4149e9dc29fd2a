/* SPDX-License-Identifier: Apache-2.0 */
/* Open and close of the journal on disk. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data_folder.h"
#include "files.h"
#include "rocksdb_private.h"

void rocksdb_log(struct journal_rocksdb *journal, const char *attempt, const char *reason)
{
    char line[512];

    snprintf(line, sizeof(line), "journal: %s: %s", attempt, reason);
    journal->log(journal->log_arg, line);
}

/* ---- records of the journal itself ---- */

/* Reads numbers stored under a name. False, with `found_out` unset, if there are none; a damaged
 * value is `damaged_out`. */
static bool numbers_get(struct journal_rocksdb *journal, const char *name, uint64_t *numbers_out,
                        uint32_t count, bool *damaged_out)
{
    rocksdb_readoptions_t *options = rocksdb_readoptions_create();
    char *reason = NULL;
    size_t length = 0;
    char *value = rocksdb_get_cf(journal->database, options, journal->families[FAMILY_DEFAULT],
                                 name, strlen(name), &length, &reason);
    bool is_found = value != NULL;

    rocksdb_readoptions_destroy(options);
    *damaged_out = reason != NULL;
    if (reason != NULL) {
        rocksdb_log(journal, "reading its own records", reason);
        rocksdb_free(reason);
    }
    if (is_found && codec_decode_numbers(name, (const uint8_t *)value, length, numbers_out,
                                         count) != CODEC_OK) {
        *damaged_out = true;
        is_found = false;
    }
    rocksdb_free(value);
    return is_found;
}

static size_t identity_encode(struct journal_rocksdb *journal)
{
    uint64_t numbers[STORE_NUMBERS] = {
        [STORE_NUMBER_FORMAT] = STORE_FORMAT,
        [STORE_NUMBER_ID] = journal->identity.store_id,
        [STORE_NUMBER_INCARNATION] = journal->identity.incarnation,
        [STORE_NUMBER_PARTITIONS] = journal->identity.partitions,
    };

    return codec_encode_numbers(journal_store_name, numbers, STORE_NUMBERS, journal->value,
                                sizeof(journal->value));
}

int rocksdb_identity_write(struct journal_rocksdb *journal, char *error, size_t error_size)
{
    rocksdb_flushoptions_t *flush = rocksdb_flushoptions_create();
    rocksdb_column_family_handle_t *family = journal->families[FAMILY_DEFAULT];
    char *reason = NULL;
    size_t length = identity_encode(journal);

    rocksdb_writebatch_put_cf(journal->batch, family, journal_store_name,
                              strlen(journal_store_name), (const char *)journal->value, length);
    rocksdb_write(journal->database, journal->synced, journal->batch, &reason);
    /* Into a table, so that a lost log does not make the store look new. */
    if (reason == NULL)
        rocksdb_flush_cf(journal->database, flush, family, &reason);
    rocksdb_flushoptions_destroy(flush);
    if (reason == NULL)
        return 0;
    files_error(error, error_size, "%s", reason);
    rocksdb_free(reason);
    return -1;
}

static int write_identity_alone(struct journal_rocksdb *journal, char *error, size_t error_size)
{
    rocksdb_writebatch_clear(journal->batch);
    return rocksdb_identity_write(journal, error, error_size);
}

/* Reads the journal's own records, or writes them into a new one. */
static enum journal_rocksdb_result identity_settle(struct journal_rocksdb *journal, char *error,
                                                   size_t error_size)
{
    uint64_t numbers[STORE_NUMBERS];
    uint64_t number = 0;
    bool is_damaged;

    if (numbers_get(journal, journal_store_name, numbers, STORE_NUMBERS, &is_damaged)) {
        if (numbers[STORE_NUMBER_FORMAT] != STORE_FORMAT || numbers[STORE_NUMBER_PARTITIONS] < 1 ||
            numbers[STORE_NUMBER_PARTITIONS] > PARTITIONS_MAX) {
            files_error(error, error_size,
                        "the journal has format %" PRIu64 ", this program knows %d",
                        numbers[STORE_NUMBER_FORMAT], STORE_FORMAT);
            return JOURNAL_REFUSED;
        }
        journal->identity = (struct journal_identity){
            .store_id = numbers[STORE_NUMBER_ID],
            .incarnation = numbers[STORE_NUMBER_INCARNATION],
            .partitions = (uint32_t)numbers[STORE_NUMBER_PARTITIONS],
        };
    } else if (is_damaged || journal->mode != JOURNAL_CREATE) {
        files_error(error, error_size,
                    "Corruption: the journal's own record is missing or damaged");
        return JOURNAL_DAMAGED;
    } else if (write_identity_alone(journal, error, error_size) != 0) {
        return JOURNAL_REFUSED;
    }
    if (!numbers_get(journal, journal_commit_name, &number, 1, &is_damaged) && is_damaged) {
        files_error(error, error_size, "Corruption: the number of the newest commit is damaged");
        return JOURNAL_DAMAGED;
    }
    atomic_store_explicit(&journal->last_commit, number, memory_order_relaxed);
    return JOURNAL_OPENED;
}

/* ---- open ---- */

static enum journal_rocksdb_result reason_classify(const char *reason)
{
    if (strstr(reason, "No space left") != NULL)
        return JOURNAL_NO_SPACE;
    /* RocksDB has only texts: lost files are "IO error: No such file", an absent family or CURRENT
     * "Invalid argument". */
    if (strncmp(reason, "Corruption", strlen("Corruption")) == 0 ||
        strstr(reason, "No such file") != NULL || strstr(reason, "does not exist") != NULL ||
        strstr(reason, "olumn famil") != NULL)
        return JOURNAL_DAMAGED;
    return JOURNAL_REFUSED;
}

static bool has_current(const char *path)
{
    char current[DATA_FOLDER_PATH_MAX];
    int length = snprintf(current, sizeof(current), "%s/CURRENT", path);

    return length > 0 && length < DATA_FOLDER_PATH_MAX && files_exist(current);
}

static enum journal_rocksdb_result database_open(struct journal_rocksdb *journal, const char *path,
                                                 char *error, size_t error_size)
{
    const char *names[FAMILY_COUNT];
    const rocksdb_options_t *options[FAMILY_COUNT];
    bool is_read_only = journal->mode == JOURNAL_READ_ONLY;
    char *reason = NULL;

    /* RocksDB would make the folder of a journal that is not there. */
    if (journal->mode != JOURNAL_CREATE && !has_current(path)) {
        files_error(error, error_size, "No such file or directory: %s/CURRENT", path);
        return JOURNAL_DAMAGED;
    }
    for (unsigned i = 0; i < FAMILY_COUNT; i++) {
        names[i] = i == FAMILY_DEFAULT ? "default" : codec_kind_name((enum record_kind)i);
        options[i] = i == RECORD_HOLD                               ? journal->hold_options
                     : i == RECORD_CHECKOUT || i == RECORD_EVENT_IN ? journal->sought_options
                                                                    : journal->options;
    }
    if (is_read_only)
        journal->database = rocksdb_open_for_read_only_column_families(
            journal->options, path, FAMILY_COUNT, names, options, journal->families, 0, &reason);
    else
        journal->database = rocksdb_open_column_families(
            journal->options, path, FAMILY_COUNT, names, options, journal->families, &reason);
    if (reason == NULL)
        return JOURNAL_OPENED;
    enum journal_rocksdb_result result = reason_classify(reason);
    files_error(error, error_size, "%s", reason);
    rocksdb_free(reason);
    return result;
}

static void database_close(struct journal_rocksdb *journal)
{
    rocksdb_cancel_all_background_work(journal->database, 1);
    for (unsigned i = 0; i < FAMILY_COUNT; i++)
        rocksdb_column_family_handle_destroy(journal->families[i]);
    rocksdb_close(journal->database);
}

enum journal_rocksdb_result journal_rocksdb_open(const struct journal_rocksdb_options *options,
                                                 struct journal_rocksdb **journal_out, char *error,
                                                 size_t error_size)
{
    struct journal_rocksdb *journal = calloc(1, sizeof(*journal));
    enum journal_rocksdb_result result = JOURNAL_REFUSED;

    assert(options->log != NULL);
    if (journal == NULL) {
        files_error(error, error_size, "out of memory");
        return JOURNAL_REFUSED;
    }
    journal->log = options->log;
    journal->log_arg = options->log_arg;
    journal->identity = options->identity;
    journal->mode = options->mode;
    snprintf(journal->path, sizeof(journal->path), "%s", options->path);
    if (!rocksdb_parts_create(journal, options)) {
        files_error(error, error_size, "this version of RocksDB lacks an option that is needed");
        goto destroy_parts;
    }
    result = database_open(journal, options->path, error, error_size);
    if (result != JOURNAL_OPENED)
        goto destroy_parts;
    result = identity_settle(journal, error, error_size);
    if (result != JOURNAL_OPENED)
        goto close_database;
    if ((journal->mode == JOURNAL_CREATE || journal->mode == JOURNAL_SERVE) &&
        !rocksdb_readers_start(journal)) {
        files_error(error, error_size, "cannot start the journal's readers");
        result = JOURNAL_REFUSED;
        goto close_database;
    }
    *journal_out = journal;
    return JOURNAL_OPENED;

close_database:
    database_close(journal);
destroy_parts:
    rocksdb_parts_destroy(journal);
    return result;
}

void journal_rocksdb_close(struct journal_rocksdb *journal)
{
    bool is_writable = journal->mode == JOURNAL_CREATE || journal->mode == JOURNAL_SERVE ||
                       journal->mode == JOURNAL_SALVAGE || journal->mode == JOURNAL_RESTORE;

    journal_rocksdb_stop_reads(journal);
    if (is_writable && !atomic_load_explicit(&journal->is_latched, memory_order_relaxed)) {
        char *reason = NULL;

        /* Closing does not sync the log; an empty write does. */
        rocksdb_writebatch_clear(journal->batch);
        rocksdb_write(journal->database, journal->synced, journal->batch, &reason);
        if (reason != NULL) {
            rocksdb_log(journal, "the last sync", reason);
            rocksdb_free(reason);
        }
    }
    database_close(journal);
    rocksdb_parts_destroy(journal);
}

struct journal_identity journal_rocksdb_identity(const struct journal_rocksdb *journal)
{
    return journal->identity;
}

uint64_t journal_rocksdb_last_commit(const struct journal_rocksdb *journal)
{
    return atomic_load_explicit(&journal->last_commit, memory_order_acquire);
}

uint64_t journal_rocksdb_headroom(const struct journal_rocksdb *journal)
{
    uint64_t merging = 0;
    uint64_t bytes = 0;

    if (rocksdb_property_int(journal->database, "rocksdb.num-running-compactions", &merging) != 0 ||
        merging > 0)
        return 0;
    if (rocksdb_property_int_cf(journal->database, journal->families[RECORD_HOLD],
                                "rocksdb.live-sst-files-size", &bytes) != 0)
        return 0;
    return bytes;
}

void journal_rocksdb_flush(struct journal_rocksdb *journal)
{
    rocksdb_flushoptions_t *flush = rocksdb_flushoptions_create();

    for (unsigned i = 0; i < FAMILY_COUNT; i++) {
        char *reason = NULL;

        rocksdb_flush_cf(journal->database, flush, journal->families[i], &reason);
        if (reason != NULL) {
            rocksdb_log(journal, "flushing", reason);
            rocksdb_free(reason);
        }
    }
    rocksdb_flushoptions_destroy(flush);
}
