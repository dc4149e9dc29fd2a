/* SPDX-License-Identifier: Apache-2.0 */
/* Erasing for good. A key that was deleted is still in the log and in tables: RocksDB only writes
 * that it is gone. So
 *
 *   1. all families are flushed: whatever the logs hold is in tables then, and they are deleted (a
 *      flush begins a new log; one of many families keeps its old ones alive as long as any family
 *      has something in them that is in no table; none is recycled or archived)
 *   2. each family with data keys (of accounts, and of orders' persons) is merged down to its last
 *      level, which is written anew too: what was deleted or replaced is in none of the new tables
 *   3. the files that held it are waited for to be gone: readers may have them open
 *
 * Commits go on meanwhile, into new logs. Nothing here is remembered: a process that dies in the
 * midst leaves deletions in the tables of a family, and those are seen at the next start, which
 * also leaves no old log. */
#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "files.h"
#include "rocksdb_private.h"

enum {
    COMPACT_LAST_LEVEL_TOO = 2, /* BottommostLevelCompaction::kForce */
    COMPACT_PASSES_MAX = 3,
    GONE_WAIT_MS = 5000,
    GONE_STEP_MS = 10,
    NAME_BYTES_MAX = 32, /* RocksDB's are numbers with an ending */
    PATH_BYTES_MAX = DATA_FOLDER_PATH_MAX + NAME_BYTES_MAX,
};

/* Those with wrapped data keys. A shop's own, a setting, is never erased. */
static const enum record_kind key_kinds[] = {RECORD_ACCOUNT_KEY, RECORD_ORDER_PERSON};

enum { KEY_KINDS = sizeof(key_kinds) / sizeof(key_kinds[0]) };

struct names {
    char (*at)[NAME_BYTES_MAX];
    size_t count;
    size_t capacity;
};

static bool names_add(struct names *names, const char *name)
{
    size_t length = strlen(name);

    assert(length < NAME_BYTES_MAX);
    if (names->count == names->capacity) {
        size_t capacity = names->capacity == 0 ? 64 : 2 * names->capacity;
        void *grown = realloc(names->at, capacity * sizeof(names->at[0]));

        if (grown == NULL)
            return false;
        names->at = grown;
        names->capacity = capacity;
    }
    memcpy(names->at[names->count++], name, length + 1);
    return true;
}

static void path_of(const struct journal_rocksdb *journal, const char *name,
                    char path_out[PATH_BYTES_MAX])
{
    snprintf(path_out, PATH_BYTES_MAX, "%s/%.*s", journal->path, NAME_BYTES_MAX - 1, name);
}

static bool is_written_log(const struct journal_rocksdb *journal, const char *name)
{
    size_t length = strlen(name);
    char path[PATH_BYTES_MAX];
    struct stat status;

    if (length <= 4 || length >= NAME_BYTES_MAX || strcmp(name + length - 4, ".log") != 0)
        return false;
    path_of(journal, name, path);
    return stat(path, &status) == 0 && status.st_size > 0;
}

/* The logs that there are. An empty one stays as long as there is nothing to flush. */
static bool add_logs(const struct journal_rocksdb *journal, struct names *names)
{
    DIR *folder = opendir(journal->path);
    const struct dirent *entry;
    bool is_complete = folder != NULL;

    while (is_complete && (entry = readdir(folder)) != NULL)
        is_complete = !is_written_log(journal, entry->d_name) || names_add(names, entry->d_name);
    if (folder != NULL)
        closedir(folder);
    return is_complete;
}

static bool has_keys(const char *family)
{
    for (unsigned i = 0; i < KEY_KINDS; i++)
        if (strcmp(codec_kind_name(key_kinds[i]), family) == 0)
            return true;
    return false;
}

/* The tables of these families. */
static bool add_tables(const struct journal_rocksdb *journal, struct names *names)
{
    const rocksdb_livefiles_t *files = rocksdb_livefiles(journal->database);
    int count = rocksdb_livefiles_count(files);
    bool is_complete = true;

    for (int i = 0; i < count && is_complete; i++) {
        if (has_keys(rocksdb_livefiles_column_family_name(files, i)))
            is_complete = names_add(names, rocksdb_livefiles_name(files, i) + 1); /* no slash */
    }
    rocksdb_livefiles_destroy(files);
    return is_complete;
}

/* A start also deletes the files that the one before it left without need. The figures of
 * rocksdb_livefiles know nothing of what was written before the start. */
static bool has_deletions(struct journal_rocksdb *journal, enum record_kind kind)
{
    static const char label[] = "# deletions=";
    char *properties = rocksdb_property_value_cf(journal->database, journal->families[kind],
                                                 "rocksdb.aggregated-table-properties");
    const char *deletions = properties == NULL ? NULL : strstr(properties, label);
    bool has_none = deletions != NULL && strtoull(deletions + strlen(label), NULL, 10) == 0;

    rocksdb_free(properties);
    return !has_none;
}

bool journal_rocksdb_needs_scrub(struct journal_rocksdb *journal)
{
    bool has_any = false;

    for (unsigned i = 0; i < KEY_KINDS && !has_any; i++)
        has_any = has_deletions(journal, key_kinds[i]);
    return has_any;
}

static bool flush_all(struct journal_rocksdb *journal)
{
    rocksdb_flushoptions_t *flush = rocksdb_flushoptions_create();
    char *reason = NULL;

    for (unsigned i = 0; i < FAMILY_COUNT && reason == NULL; i++)
        rocksdb_flush_cf(journal->database, flush, journal->families[i], &reason);
    rocksdb_flushoptions_destroy(flush);
    if (reason == NULL)
        return true;
    rocksdb_log(journal, "flushing, to erase keys", reason);
    rocksdb_free(reason);
    return false;
}

static void compact(struct journal_rocksdb *journal)
{
    rocksdb_compactoptions_t *options = rocksdb_compactoptions_create();

    rocksdb_compactoptions_set_exclusive_manual_compaction(options, 0);
    rocksdb_compactoptions_set_bottommost_level_compaction(options, COMPACT_LAST_LEVEL_TOO);
    for (unsigned i = 0; i < KEY_KINDS; i++)
        rocksdb_compact_range_cf_opt(journal->database, journal->families[key_kinds[i]], options,
                                     NULL, 0, NULL, 0);
    rocksdb_compactoptions_destroy(options);
}

/* Whether one of these tables is in use yet. RocksDB's own compactions go on beside ours: a table
 * that one of them has just moved to a level which ours took for empty is passed over. */
static bool has_live(const struct journal_rocksdb *journal, const struct names *names)
{
    const rocksdb_livefiles_t *files = rocksdb_livefiles(journal->database);
    int count = rocksdb_livefiles_count(files);
    bool is_live = false;

    for (int i = 0; i < count && !is_live; i++)
        for (size_t k = 0; k < names->count && !is_live; k++)
            is_live = strcmp(rocksdb_livefiles_name(files, i) + 1, names->at[k]) == 0;
    rocksdb_livefiles_destroy(files);
    return is_live;
}

static bool is_gone(const struct journal_rocksdb *journal, const char *name)
{
    char path[PATH_BYTES_MAX];

    path_of(journal, name, path);
    return !files_exist(path);
}

/* Whether they all go; as long as readers may take to close them. */
static bool wait_gone(const struct journal_rocksdb *journal, const struct names *names)
{
    const struct timespec step = {.tv_nsec = GONE_STEP_MS * 1000000L};
    unsigned waited_ms = 0;

    for (size_t i = 0; i < names->count; i++) {
        for (; !is_gone(journal, names->at[i]); waited_ms += GONE_STEP_MS) {
            if (waited_ms >= GONE_WAIT_MS ||
                atomic_load_explicit(&journal->scrub_stops, memory_order_relaxed))
                return false;
            nanosleep(&step, NULL);
        }
    }
    return true;
}

bool journal_rocksdb_scrub(struct journal_rocksdb *journal)
{
    struct names old = {0};
    bool is_clean;

    assert(journal->mode == JOURNAL_CREATE || journal->mode == JOURNAL_SERVE);
    if (atomic_load_explicit(&journal->is_latched, memory_order_relaxed))
        return false;
    rocksdb_count_nothing();
    is_clean = add_logs(journal, &old) && flush_all(journal) && add_tables(journal, &old);
    for (unsigned pass = 0; is_clean && pass < COMPACT_PASSES_MAX; pass++) {
        compact(journal);
        if (!has_live(journal, &old))
            break;
    }
    is_clean = is_clean && wait_gone(journal, &old);
    free(old.at);
    return is_clean;
}

void journal_rocksdb_stop_scrub(struct journal_rocksdb *journal)
{
    atomic_store_explicit(&journal->scrub_stops, true, memory_order_relaxed);
    rocksdb_disable_manual_compaction(journal->database);
}
