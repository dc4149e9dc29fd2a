/* SPDX-License-Identifier: Apache-2.0 */
#include "repair.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "data_folder.h"
#include "files.h"
#include "journal_rocksdb.h"
#include "salvage.h"
#include "vault_file.h"
#include "watermark_file.h"

static const char copy_name[] = "journal.repair-";

struct repair {
    const struct repair_options *options;
    FILE *out;
    struct data_folder folder;
    struct watermark watermark;
    enum watermark_state watermark_state;
    bool opens; /* as the server would open it */
    struct salvage_findings findings;
    char refusal[256]; /* RocksDB's reason, if it does not open */
    char journal_path[DATA_FOLDER_PATH_MAX];
    char copy_path[DATA_FOLDER_PATH_MAX];
    char kept_path[DATA_FOLDER_PATH_MAX];
    char left_path[DATA_FOLDER_PATH_MAX]; /* what an earlier repair left in the copy's place, or ""
                                           */
    char watermark_path[DATA_FOLDER_PATH_MAX];
};

static void repair_log(void *arg, const char *line)
{
    struct repair *repair = arg;

    fprintf(repair->out, "repair: %s\n", line);
}

/* The newest `journal.repair-…`: their names end in times of one width. */
static void left_find(struct repair *repair)
{
    DIR *folder = opendir(repair->folder.path);
    const struct dirent *entry;
    char newest[64] = "";

    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (strncmp(entry->d_name, copy_name, sizeof(copy_name) - 1) == 0 &&
            strlen(entry->d_name) < sizeof(newest) && strcmp(entry->d_name, newest) > 0)
            memcpy(newest, entry->d_name, strlen(entry->d_name) + 1);
    }
    if (folder != NULL)
        closedir(folder);
    if (newest[0] != '\0')
        data_folder_path(&repair->folder, newest, repair->left_path);
}

static void paths_set(struct repair *repair)
{
    char name[64];

    data_folder_path(&repair->folder, "journal", repair->journal_path);
    data_folder_path(&repair->folder, "watermark", repair->watermark_path);
    left_find(repair);
    snprintf(name, sizeof(name), "%s%" PRId64, copy_name, repair->options->wall_ms);
    data_folder_path(&repair->folder, name, repair->copy_path);
    snprintf(name, sizeof(name), "journal.damaged-%" PRId64, repair->options->wall_ms);
    data_folder_path(&repair->folder, name, repair->kept_path);
}

/* ---- what is there ---- */

static bool has_watermark(const struct repair *repair)
{
    return repair->watermark_state == WATERMARK_INTACT &&
           repair->watermark.store_id == repair->folder.store_id;
}

/* A journal that opens, as RocksDB sees it: is all of it readable? */
static int examine_opened(struct repair *repair, struct journal_rocksdb *journal, char *error,
                          size_t error_size)
{
    uint64_t ignored;

    repair->opens = true;
    repair->findings.is_readable = true;
    repair->findings.last_commit = journal_rocksdb_last_commit(journal);
    repair->findings.identity = journal_rocksdb_identity(journal);
    bool is_whole = journal_rocksdb_verify(journal, &ignored);
    journal_rocksdb_close(journal);
    if (is_whole)
        return 0;
    return files_error(error, error_size,
                       "the journal in %s opens, but records of it cannot be read (see above), and "
                       "nothing makes good for them: restore a backup",
                       repair->folder.path);
}

static int examine_journal(struct repair *repair, char *error, size_t error_size)
{
    struct journal_rocksdb_options options = {.path = repair->journal_path,
                                              .mode = JOURNAL_READ_ONLY,
                                              .log = repair_log,
                                              .log_arg = repair};
    struct journal_rocksdb *journal;
    char scratch[DATA_FOLDER_PATH_MAX];

    if (!files_exist(repair->journal_path) && repair->left_path[0] != '\0')
        options.path = repair->left_path;
    switch (journal_rocksdb_open(&options, &journal, repair->refusal, sizeof(repair->refusal))) {
    case JOURNAL_OPENED:
        return examine_opened(repair, journal, error, error_size);
    case JOURNAL_DAMAGED:
        data_folder_path(&repair->folder, "journal.examine", scratch);
        salvage_examine(options.path, scratch, repair->refusal, &repair->findings);
        return 0;
    case JOURNAL_REFUSED:
    case JOURNAL_NO_SPACE:
        break;
    }
    return files_error(error, error_size, "cannot open the journal in %s: %s", repair->folder.path,
                       repair->refusal);
}

/* The secret, the vault and the tables: no repair brings them back. */
static int examine_irreplaceable(struct repair *repair, char *error, size_t error_size)
{
    struct secrets secrets;
    uint64_t vault_key_id;

    if (data_folder_secret(&repair->folder, &secrets, error, error_size) != 0)
        return -1;
    secrets_close(&secrets);
    if (vault_file_needs(&repair->folder, &vault_key_id, error, error_size) != 0)
        return -1;
    if (!has_watermark(repair) || !files_exist(repair->journal_path) ||
        (repair->findings.is_readable &&
         repair->findings.identity.incarnation != repair->watermark.incarnation))
        return 0;
    return manifest_mark_check(repair->journal_path, &repair->watermark.manifest, error,
                               error_size);
}

/* 0, or -1 with `error` if that cannot be found out, or nothing can mend it. */
static int examine(struct repair *repair, char *error, size_t error_size)
{
    repair->watermark_state = watermark_load(repair->watermark_path, &repair->watermark);
    if (repair->watermark_state == WATERMARK_UNREADABLE)
        return files_error(error, error_size,
                           "cannot read %s: the disk fails: put the folder on another one",
                           repair->watermark_path);
    if (examine_journal(repair, error, error_size) != 0 ||
        examine_irreplaceable(repair, error, error_size) != 0)
        return -1;
    if (repair->findings.is_readable &&
        repair->findings.identity.store_id != repair->folder.store_id)
        return files_error(error, error_size,
                           "the journal in %s is of another store: put the right one back",
                           repair->folder.path);
    return 0;
}

/* The journal was put in place, but the crash came before watermark and marker followed. */
static bool was_interrupted(const struct repair *repair)
{
    return repair->opens && repair->findings.identity.incarnation == repair->folder.incarnation + 1;
}

static bool is_sound(const struct repair *repair)
{
    return repair->opens && has_watermark(repair) &&
           repair->findings.identity.incarnation == repair->folder.incarnation &&
           repair->watermark.incarnation == repair->folder.incarnation &&
           repair->findings.last_commit >= repair->watermark.commit_number;
}

static void findings_print(struct repair *repair)
{
    char doubtful[512];

    if (!repair->opens)
        fprintf(repair->out, "repair: the journal is damaged: %s\n", repair->refusal);
    else if (has_watermark(repair) &&
             repair->findings.last_commit < repair->watermark.commit_number)
        fprintf(repair->out, "repair: the journal opens, but its end is missing\n");
    if (repair->watermark_state == WATERMARK_MISSING)
        fprintf(repair->out, "repair: the watermark is missing\n");
    else if (repair->watermark_state == WATERMARK_DAMAGED)
        fprintf(repair->out, "repair: the watermark is damaged\n");
    else if (!has_watermark(repair) || repair->watermark.incarnation != repair->folder.incarnation)
        fprintf(repair->out, "repair: the watermark is of another store or incarnation\n");
    salvage_describe(&repair->findings, has_watermark(repair), repair->watermark.commit_number,
                     doubtful, sizeof(doubtful));
    fprintf(repair->out, "repair: %s\n", doubtful);
}

/* ---- mending ---- */

/* What is left cannot be gone on with. */
static int copy_abandon(struct repair *repair, const char *reason, char *error, size_t error_size)
{
    char ignored[64];

    files_remove_folder(repair->copy_path, ignored, sizeof(ignored));
    return files_error(error, error_size,
                       "what is left of the journal in %s cannot be used (%s): restore a backup",
                       repair->folder.path, reason);
}

/* The copy, opened up to the first damage, in the next incarnation. */
static int copy_salvage(struct repair *repair, uint64_t incarnation, char *error, size_t error_size)
{
    struct journal_rocksdb_options options = {
        .path = repair->copy_path, .mode = JOURNAL_SALVAGE, .log = repair_log, .log_arg = repair};
    struct journal_rocksdb *journal;
    char reason[256];
    uint64_t ignored;

    if (salvage_copy(repair->journal_path, repair->copy_path, repair->refusal, error, error_size) !=
        0)
        return -1;
    if (journal_rocksdb_open(&options, &journal, reason, sizeof(reason)) != JOURNAL_OPENED)
        return copy_abandon(repair, reason, error, error_size);
    repair->findings.last_commit = journal_rocksdb_last_commit(journal);
    if (!journal_rocksdb_verify(journal, &ignored)) {
        journal_rocksdb_close(journal);
        return copy_abandon(repair, "records cannot be read (see above)", error, error_size);
    }
    int result = journal_rocksdb_begin_incarnation(journal, incarnation, reason, sizeof(reason));
    journal_rocksdb_close(journal);
    if (result != 0)
        return files_error(error, error_size, "cannot write the copy %s: %s", repair->copy_path,
                           reason);
    return 0;
}

/* The copy becomes the journal; what was the journal is kept. In one step where the file system can
 * exchange names: then there is always a journal. */
static int copy_swap_in(struct repair *repair, char *error, size_t error_size)
{
    const char *journal = repair->journal_path;
    int result = renameat2(AT_FDCWD, repair->copy_path, AT_FDCWD, journal, RENAME_EXCHANGE);

    if (result == 0)
        result = rename(repair->copy_path, repair->kept_path);
    else if (rename(journal, repair->kept_path) == 0)
        result = rename(repair->copy_path, journal);
    if (result != 0)
        return files_error(error, error_size, "cannot put %s in the place of %s: %s",
                           repair->copy_path, journal, files_reason(errno));
    return files_sync_parent(journal, error, error_size);
}

/* Completes the renames of an earlier repair: without an exchange of names it may have ended
 * between two; with one, what is left is the damaged journal under the copy's name. */
static int swap_complete(struct repair *repair, char *error, size_t error_size)
{
    bool is_between = !files_exist(repair->journal_path);
    const char *target = is_between ? repair->journal_path : repair->kept_path;

    if (repair->left_path[0] == '\0')
        return 0;
    if (rename(repair->left_path, target) != 0)
        return files_error(error, error_size, "cannot rename %s to %s: %s", repair->left_path,
                           target, files_reason(errno));
    return files_sync_parent(repair->journal_path, error, error_size);
}

/* Watermark, then marker: the marker's incarnation is the last to change, so that an interruption
 * is seen. */
static int store_follow(struct repair *repair, uint64_t incarnation, char *error, size_t error_size)
{
    struct watermark watermark = {.store_id = repair->folder.store_id,
                                  .incarnation = incarnation,
                                  .commit_number = repair->findings.last_commit};

    if (watermark_replace(repair->watermark_path, &watermark, error, error_size) != 0)
        return -1;
    return data_folder_set_ready(&repair->folder, incarnation, error, error_size);
}

static uint64_t next_incarnation(const struct repair *repair)
{
    uint64_t newest = repair->folder.incarnation;

    if (repair->findings.identity.incarnation > newest)
        newest = repair->findings.identity.incarnation;
    return newest + 1;
}

static enum repair_result mend(struct repair *repair, char *error, size_t error_size)
{
    uint64_t incarnation = next_incarnation(repair);

    if (!repair->findings.is_readable) {
        files_error(error, error_size,
                    "nothing can be recovered from the journal in %s: restore a backup",
                    repair->folder.path);
        return REPAIR_REFUSED;
    }
    if (was_interrupted(repair)) {
        incarnation = repair->findings.identity.incarnation;
        if (swap_complete(repair, error, error_size) != 0)
            return REPAIR_REFUSED;
    } else if (copy_salvage(repair, incarnation, error, error_size) != 0 ||
               copy_swap_in(repair, error, error_size) != 0) {
        return REPAIR_REFUSED;
    }
    if (store_follow(repair, incarnation, error, error_size) != 0)
        return REPAIR_REFUSED;
    fprintf(repair->out,
            "repair: done: the store goes on after commit %" PRIu64 " in incarnation %" PRIu64
            "; the damaged journal is kept beside it (journal.damaged-...); run `stampede check`\n",
            repair->findings.last_commit, incarnation);
    return REPAIR_OK;
}

static enum repair_result judge(struct repair *repair, char *error, size_t error_size)
{
    if (is_sound(repair)) {
        fprintf(repair->out,
                "repair: nothing to repair: the journal holds all up to commit %" PRIu64
                " (known durable: %" PRIu64 "); `stampede check` looks at the records\n",
                repair->findings.last_commit, repair->watermark.commit_number);
        return REPAIR_OK;
    }
    if (was_interrupted(repair))
        fprintf(repair->out, "repair: an earlier repair was interrupted\n");
    else
        findings_print(repair);
    if (repair->options->accept_loss)
        return mend(repair, error, error_size);
    fprintf(repair->out,
            "repair: nothing was changed; to go on without the doubtful commits: "
            "stampede repair --data %s --accept-loss\n",
            repair->folder.path);
    return REPAIR_NEEDED;
}

enum repair_result repair_store(const struct repair_options *options, FILE *out, char *error,
                                size_t error_size)
{
    struct repair repair = {.options = options, .out = out};
    enum repair_result result = REPAIR_REFUSED;

    if (data_folder_open(options->path, DATA_FOLDER_EXISTING, &repair.folder, error, error_size) !=
        0)
        return REPAIR_REFUSED;
    paths_set(&repair);
    if (examine(&repair, error, error_size) == 0)
        result = judge(&repair, error, error_size);
    data_folder_close(&repair.folder);
    return result;
}
