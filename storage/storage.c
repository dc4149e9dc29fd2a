/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the parts of a store together: the order in which they open is the order in which they are
 * needed, and the reverse of that in which they close. */
#include "storage.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "salvage.h"
#include "storage_private.h"

#define MEBIBYTE (UINT64_C(1) << 20)

enum {
    WRITE_BUFFER_MEBIBYTES = 64,
    BALLAST_SLACK_MEBIBYTES = 64,
    SCRUB_PAUSE_MS = 5000,
    SCRUB_RETRY_MS = 2000,
    SPACE_TICKS = 2, /* free space is looked at once in so many periods of the watermark */
};

struct storage_options storage_options_default(const char *path)
{
    uint64_t write_buffer_bytes = WRITE_BUFFER_MEBIBYTES * MEBIBYTE;
    uint64_t ballast_bytes = 2 * write_buffer_bytes + BALLAST_SLACK_MEBIBYTES * MEBIBYTE;

    return (struct storage_options){
        .path = path,
        .partitions = PARTITIONS_DEFAULT,
        .write_buffer_bytes = write_buffer_bytes,
        .ballast_bytes = ballast_bytes,
        .low_water_bytes = ballast_bytes + 2 * write_buffer_bytes,
    };
}

static void log_to_standard_error(void *arg, const char *line)
{
    (void)arg;
    fprintf(stderr, "%s\n", line);
}

void storage_log(struct storage *storage, const char *line)
{
    storage->options.log(storage->options.log_arg, line);
}

/* ---- free space ---- */

static void space_log(struct storage *storage, uint64_t headroom)
{
    char line[256];
    bool is_full = ballast_is_full(&storage->ballast);

    snprintf(line, sizeof(line),
             is_full ? "storage: full: less than %" PRIu64
                       " MiB are free (or the ballast could not be made); new holds are refused"
                     : "storage: there is space again (over %" PRIu64
                       " MiB); new holds are accepted",
             (storage->options.low_water_bytes + headroom) / MEBIBYTE);
    storage_log(storage, line);
}

/* The watermark's thread goes on while the journal closes. */
static uint64_t journal_headroom(struct storage *storage)
{
    uint64_t headroom = 0;

    pthread_mutex_lock(&storage->journal_lock);
    if (storage->is_journal_open)
        headroom = journal_rocksdb_headroom(storage->journal);
    pthread_mutex_unlock(&storage->journal_lock);
    return headroom;
}

static void journal_set_open(struct storage *storage, bool is_open)
{
    pthread_mutex_lock(&storage->journal_lock);
    storage->is_journal_open = is_open;
    pthread_mutex_unlock(&storage->journal_lock);
}

static void journal_close(struct storage *storage)
{
    journal_set_open(storage, false);
    journal_rocksdb_close(storage->journal);
}

/* What the MANIFEST has come to is kept with the watermark, once it is durable. */
static void manifest_note(struct storage *storage)
{
    struct manifest_mark known = watermark_file_manifest(storage->watermark);
    struct manifest_mark found;

    if (manifest_mark_find(storage->journal_path, &found) &&
        manifest_mark_is_older(&known, &found) && manifest_mark_sync(storage->journal_path, &found))
        watermark_file_set_manifest(storage->watermark, &found);
}

static void watermark_tick(void *arg)
{
    struct storage *storage = arg;

    manifest_note(storage);
    if (++storage->ticks % SPACE_TICKS != 0)
        return;
    uint64_t headroom = journal_headroom(storage);
    if (ballast_tick(&storage->ballast, headroom))
        space_log(storage, headroom);
}

/* ---- opening the journal ---- */

/* Makes the refusal of a damaged journal useful: which commits are doubtful, and what to do. */
static void damage_explain(struct storage *storage, uint64_t watermark, char *error,
                           size_t error_size)
{
    char reason[192];
    char doubtful[384];
    char scratch[DATA_FOLDER_PATH_MAX];
    struct salvage_findings findings;

    snprintf(reason, sizeof(reason), "%s", error);
    data_folder_path(&storage->folder, "journal.examine", scratch);
    salvage_examine(storage->journal_path, scratch, reason, &findings);
    salvage_describe(&findings, true, watermark, doubtful, sizeof(doubtful));
    files_error(error, error_size,
                "the journal is damaged (%s): %s; see `stampede repair --data %s`", reason,
                doubtful, storage->folder.path);
}

static enum journal_rocksdb_result journal_try(struct storage *storage, char *error,
                                               size_t error_size)
{
    struct journal_rocksdb_options options = {
        .path = storage->journal_path,
        .mode = storage->folder.is_ready ? JOURNAL_SERVE : JOURNAL_CREATE,
        .identity = {.store_id = storage->folder.store_id,
                     .incarnation = storage->folder.incarnation,
                     .partitions = storage->options.partitions},
        .write_buffer_bytes = storage->options.write_buffer_bytes,
        .log = storage->options.log,
        .log_arg = storage->options.log_arg,
    };

    return journal_rocksdb_open(&options, &storage->journal, error, error_size);
}

/* The journal must be this store's, in this incarnation: folders get swapped and restored. */
static int journal_check_identity(struct storage *storage, char *error, size_t error_size)
{
    struct journal_identity identity = journal_rocksdb_identity(storage->journal);

    if (identity.store_id == storage->folder.store_id &&
        identity.incarnation == storage->folder.incarnation)
        return 0;
    return files_error(error, error_size,
                       "the journal in %s is of another store, or of incarnation %" PRIu64
                       " where the marker says %" PRIu64 ": see `stampede repair --data %s`",
                       storage->folder.path, identity.incarnation, storage->folder.incarnation,
                       storage->folder.path);
}

/* RocksDB has only texts. Where it is told to bypass the page cache, the file system can do that
 * (files_can_bypass_cache): what it takes for `cannot` is an open that failed. */
static bool is_disk_failure(const char *reason)
{
    return strncmp(reason, "IO error", strlen("IO error")) == 0 ||
           strstr(reason, "Direct I/O is not supported") != NULL;
}

static enum storage_result journal_open(struct storage *storage, uint64_t watermark, char *error,
                                        size_t error_size)
{
    /* Recovery writes tables before anything can be served; on a full disk RocksDB may even abort
     * there, so the ballast goes first. */
    uint64_t needed = 2 * storage->options.write_buffer_bytes;
    if (files_free_bytes(storage->folder.path) < needed && ballast_release(&storage->ballast))
        storage_log(storage, "storage: the disk is full: the ballast was deleted to open");
    enum journal_rocksdb_result result = journal_try(storage, error, error_size);
    if (result == JOURNAL_NO_SPACE && ballast_release(&storage->ballast)) {
        storage_log(storage, "storage: the disk is full: the ballast was deleted to open");
        result = journal_try(storage, error, error_size);
    }
    switch (result) {
    case JOURNAL_OPENED:
        break;
    case JOURNAL_DAMAGED:
        damage_explain(storage, watermark, error, error_size);
        return STORAGE_DAMAGED;
    case JOURNAL_NO_SPACE:
    case JOURNAL_REFUSED: {
        char reason[256];

        snprintf(reason, sizeof(reason), "%s", error);
        files_error(error, error_size, "cannot open the journal in %s: %s%s", storage->folder.path,
                    reason, result == JOURNAL_NO_SPACE ? ": free some space on its disk" : "");
        return result == JOURNAL_NO_SPACE || is_disk_failure(reason) ? STORAGE_NO_DISK
                                                                     : STORAGE_REFUSED;
    }
    }
    if (journal_check_identity(storage, error, error_size) != 0) {
        journal_rocksdb_close(storage->journal);
        return STORAGE_DAMAGED;
    }
    journal_set_open(storage, true);
    return STORAGE_OPENED;
}

/* ---- backup while open ---- */

static void copy_drop(void *arg)
{
    struct storage *storage = arg;
    char reason[STORAGE_ERROR_BYTES];

    if (files_exist(storage->backup_path) &&
        files_remove_folder(storage->backup_path, reason, sizeof(reason)) != 0)
        storage_log(storage, reason);
}

static int copy_make(void *arg, uint64_t *commit_out, char *error, size_t error_size)
{
    struct storage *storage = arg;

    copy_drop(storage);
    *commit_out = journal_rocksdb_last_commit(storage->journal);
    return journal_rocksdb_checkpoint(storage->journal, storage->backup_path,
                                      ballast_is_full(&storage->ballast), error, error_size);
}

/* Without it there is no backup while serving, and no reason not to serve. */
static void control_begin(struct storage *storage)
{
    struct control_options options = {.folder = storage->folder.path,
                                      .copy_make = copy_make,
                                      .copy_drop = copy_drop,
                                      .arg = storage};
    char reason[STORAGE_ERROR_BYTES];
    char line[STORAGE_ERROR_BYTES + 64];

    copy_drop(storage); /* of a server that was killed: its links keep tables on the disk */
    if (control_open(&options, &storage->control, reason, sizeof(reason)) == 0)
        return;
    snprintf(line, sizeof(line), "storage: %s: no backup can be made while serving", reason);
    storage_log(storage, line);
}

/* ---- erasing ---- */

/* A backup that is being made has links to the old tables: those are in the folder too. And on a
 * full disk a flush could fail, which would end the server. */
static bool scrub_run(void *arg)
{
    struct storage *storage = arg;

    return !ballast_is_full(&storage->ballast) && journal_rocksdb_scrub(storage->journal) &&
           !files_exist(storage->backup_path);
}

static int scrub_begin(struct storage *storage, char *error, size_t error_size)
{
    struct scrubber_options options = {
        .run = scrub_run,
        .arg = storage,
        .pause_ms = SCRUB_PAUSE_MS,
        .retry_ms = SCRUB_RETRY_MS,
        .is_pending = journal_rocksdb_needs_scrub(storage->journal),
    };

    storage->scrubber = scrubber_start(&options);
    return storage->scrubber != NULL
               ? 0
               : files_error(error, error_size, "not enough resources for the store's threads");
}

/* What is not done by now is done after the next start. */
static void scrub_end(struct storage *storage)
{
    journal_rocksdb_stop_scrub(storage->journal);
    scrubber_stop(storage->scrubber);
}

/* ---- open and close ---- */

static void paths_set(struct storage *storage)
{
    data_folder_path(&storage->folder, "journal", storage->journal_path);
    data_folder_path(&storage->folder, "watermark", storage->watermark_path);
    data_folder_path(&storage->folder, "ballast", storage->ballast_path);
    data_folder_path(&storage->folder, "journal.backup", storage->backup_path);
}

/* Before RocksDB opens the journal: it deletes tables that its MANIFEST does not name. */
static int manifest_check(struct storage *storage, const struct watermark *watermark, char *error,
                          size_t error_size)
{
    if (!storage->folder.is_ready || watermark->store_id != storage->folder.store_id ||
        watermark->incarnation != storage->folder.incarnation)
        return 0; /* it is refused later */
    return manifest_mark_check(storage->journal_path, &watermark->manifest, error, error_size);
}

static int watermark_open(struct storage *storage, char *error, size_t error_size)
{
    struct watermark_file_options options = {
        .path = storage->watermark_path,
        .store_id = storage->folder.store_id,
        .incarnation = storage->folder.incarnation,
        .create = !storage->folder.is_ready,
        .tick = watermark_tick,
        .tick_arg = storage,
    };

    return watermark_file_open(&options, &storage->watermark, error, error_size);
}

/* What a part that does not open says of the store. */
static enum storage_result part_result(const struct storage *storage, int result)
{
    if (result == FILES_NO_DISK)
        return STORAGE_NO_DISK;
    return storage->folder.is_ready ? STORAGE_DAMAGED : STORAGE_NO_DISK;
}

/* The vault's key is the operator's to give; the rest of it is a part like others. */
static enum storage_result vault_open(struct storage *storage, char *error, size_t error_size)
{
    struct vault_key_file key_file;

    int opened =
        vault_key_file_find(&storage->folder, storage->options.vault_key_file,
                            storage->options.credentials_directory, &key_file, error, error_size);
    if (opened == 0)
        opened = vault_file_open(&storage->folder, &key_file, true, NULL, NULL, &storage->vault,
                                 error, error_size);
    switch (opened) {
    case 0:
        return STORAGE_OPENED;
    case DATA_FOLDER_DAMAGED:
        return STORAGE_DAMAGED;
    case FILES_NO_DISK:
        return STORAGE_NO_DISK;
    default:
        return STORAGE_REFUSED;
    }
}

/* All parts of a locked folder. */
static enum storage_result parts_open(struct storage *storage, char *error, size_t error_size)
{
    enum storage_result result;
    struct ballast_options ballast = {.folder = storage->folder.path,
                                      .path = storage->ballast_path,
                                      .bytes = storage->options.ballast_bytes,
                                      .low_water_bytes = storage->options.low_water_bytes};
    struct watermark watermark = {0};

    int opened = data_folder_secret(&storage->folder, &storage->secrets, error, error_size);
    if (opened != 0)
        return part_result(storage, opened);
    result = vault_open(storage, error, error_size);
    if (result != STORAGE_OPENED)
        return result;
    ballast_open(&storage->ballast, &ballast);
    if (watermark_load(storage->watermark_path, &watermark) == WATERMARK_UNREADABLE) {
        files_error(error, error_size, "cannot read %s: %s", storage->watermark_path,
                    files_reason(EIO));
        return STORAGE_NO_DISK;
    }
    if (manifest_check(storage, &watermark, error, error_size) != 0)
        return STORAGE_DAMAGED;
    result = journal_open(storage, watermark.commit_number, error, error_size);
    if (result != STORAGE_OPENED)
        return result;
    opened = watermark_open(storage, error, error_size);
    result = part_result(storage, opened);
    if (opened != 0)
        goto close_journal;
    result = STORAGE_NO_DISK;
    if (storage->is_new && data_folder_set_ready(&storage->folder, storage->folder.incarnation,
                                                 error, error_size) != 0)
        goto close_watermark;
    if (scrub_begin(storage, error, error_size) != 0)
        goto close_watermark;
    if (ballast_is_full(&storage->ballast))
        space_log(storage, 0);
    return STORAGE_OPENED;

close_watermark:
    watermark_file_close(storage->watermark);
close_journal:
    journal_close(storage);
    return result;
}

enum storage_result storage_open(const struct storage_options *options,
                                 struct storage **storage_out, char *error, size_t error_size)
{
    enum storage_result result = STORAGE_REFUSED;

    assert(options->partitions >= 1 && options->partitions <= PARTITIONS_MAX);
    assert(error_size >= STORAGE_ERROR_BYTES);
    struct storage *storage = calloc(1, sizeof(*storage));
    if (storage == NULL) {
        files_error(error, error_size, "out of memory");
        return STORAGE_NO_DISK;
    }
    storage->options = *options;
    if (storage->options.log == NULL)
        storage->options.log = log_to_standard_error;
    atomic_flag_clear(&storage->watermark_failure_logged);
    pthread_mutex_init(&storage->journal_lock, NULL);
    int opened =
        data_folder_open(options->path, DATA_FOLDER_CREATE, &storage->folder, error, error_size);
    if (opened == DATA_FOLDER_DAMAGED)
        result = STORAGE_DAMAGED;
    else if (opened == FILES_NO_DISK)
        result = STORAGE_NO_DISK;
    if (opened != 0)
        goto free_storage;
    storage->is_new = !storage->folder.is_ready;
    paths_set(storage);
    result = parts_open(storage, error, error_size);
    if (result != STORAGE_OPENED)
        goto close_folder;
    storage->options.path = NULL; /* these are the caller's */
    storage->options.vault_key_file = NULL;
    storage->options.credentials_directory = NULL;
    control_begin(storage);
    *storage_out = storage;
    return STORAGE_OPENED;

close_folder:
    if (storage->vault != NULL)
        vault_destroy(storage->vault);
    secrets_close(&storage->secrets);
    data_folder_close(&storage->folder);
free_storage:
    pthread_mutex_destroy(&storage->journal_lock);
    free(storage);
    return result;
}

void storage_stop_reads(struct storage *storage)
{
    journal_rocksdb_stop_reads(storage->journal);
}

void storage_close(struct storage *storage)
{
    if (storage->control != NULL)
        control_close(storage->control);
    scrub_end(storage);
    /* The journal first: what it acknowledged last is then on file before the lock goes. */
    journal_close(storage);
    watermark_file_close(storage->watermark);
    vault_destroy(storage->vault);
    secrets_close(&storage->secrets);
    data_folder_close(&storage->folder);
    pthread_mutex_destroy(&storage->journal_lock);
    free(storage);
}

void storage_info_get(const struct storage *storage, struct storage_info *info_out)
{
    *info_out = (struct storage_info){
        .partitions = journal_rocksdb_identity(storage->journal).partitions,
        .store_id = storage->folder.store_id,
        .incarnation = storage->folder.incarnation,
        .last_commit = journal_rocksdb_last_commit(storage->journal),
        .watermark = watermark_file_read(storage->watermark),
        .is_new = storage->is_new,
    };
}
