/* SPDX-License-Identifier: Apache-2.0 */
#include "search/generation.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <groonga.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"
#include "files.h"

enum {
    BLOCK_BYTES = 4096,
    READ_BYTES = 64 * BLOCK_BYTES,
    NAME_BYTES = 64, /* of a file */
    CLEAN_BYTES_MAX = GENERATION_FILES_MAX * (NAME_BYTES + 48) + 1024,
    FOLDER_MODE = 0700,
};

struct file_row {
    char name[NAME_BYTES];
    uint64_t bytes;
    uint32_t checksum;
};

struct listing {
    uint32_t count;
    struct file_row files[GENERATION_FILES_MAX];
};

void generation_path(const char *folder, uint64_t number, char path_out[GENERATION_PATH_BYTES])
{
    snprintf(path_out, GENERATION_PATH_BYTES, "%s/%" PRIu64, folder, number);
}

static void clean_path(const char *folder, char path_out[GENERATION_PATH_BYTES])
{
    snprintf(path_out, GENERATION_PATH_BYTES, "%s/CLEAN", folder);
}

/* ---- what a generation's files hold ---- */

static bool is_zero(const uint8_t *bytes, size_t length)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

/* Holes count as zeros, and zeros not at all: where a file system has holes is its own affair. */
static uint32_t add_blocks(uint32_t checksum, const uint8_t *bytes, size_t length, uint64_t offset)
{
    for (size_t at = 0; at < length; at += BLOCK_BYTES) {
        size_t block = length - at < BLOCK_BYTES ? length - at : BLOCK_BYTES;
        uint64_t place = offset + at;

        if (is_zero(bytes + at, block))
            continue;
        checksum = crc32c(checksum, &place, sizeof(place));
        checksum = crc32c(checksum, bytes + at, block);
    }
    return checksum;
}

/* Whole blocks around what is asked for; false if they cannot be read. */
static bool checksum_extent(int file, off_t from, off_t to, uint8_t *room, uint32_t *checksum)
{
    from -= from % BLOCK_BYTES;
    to += (BLOCK_BYTES - to % BLOCK_BYTES) % BLOCK_BYTES;
    while (from < to) {
        size_t wanted = to - from < READ_BYTES ? (size_t)(to - from) : READ_BYTES;
        ssize_t count = pread(file, room, wanted, from);

        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return count == 0; /* the end */
        *checksum = add_blocks(*checksum, room, (size_t)count, (uint64_t)from);
        from += count;
    }
    return true;
}

static bool checksum_data(int file, off_t bytes, uint32_t *checksum_out)
{
    uint8_t *room = malloc(READ_BYTES);
    off_t at = 0;
    bool is_read = room != NULL;

    *checksum_out = 0;
    while (is_read && at < bytes) {
        off_t from = lseek(file, at, SEEK_DATA);
        off_t to;

        if (from < 0) {
            is_read = errno == ENXIO; /* nothing but a hole up to the end */
            break;
        }
        to = lseek(file, from, SEEK_HOLE);
        is_read = to > from && checksum_extent(file, from, to, room, checksum_out);
        at = to + (BLOCK_BYTES - to % BLOCK_BYTES) % BLOCK_BYTES;
    }
    free(room);
    return is_read;
}

static bool describe_file(int folder, const char *name, struct file_row *row_out)
{
    struct stat status;
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool is_read;

    if (file < 0)
        return false;
    snprintf(row_out->name, sizeof(row_out->name), "%s", name);
    is_read = fstat(file, &status) == 0 && S_ISREG(status.st_mode) &&
              checksum_data(file, status.st_size, &row_out->checksum);
    row_out->bytes = (uint64_t)status.st_size;
    close(file);
    return is_read;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct file_row *)a)->name, ((const struct file_row *)b)->name);
}

/* Calls for each file of a generation until it says false. False if it did, or the folder cannot be
 * read. */
static bool visit_files(const char *folder, uint64_t number,
                        bool (*visit)(void *arg, int folder, const char *name), void *arg)
{
    char path[GENERATION_PATH_BYTES];
    const struct dirent *entry;
    bool goes_on = true;
    DIR *open;

    generation_path(folder, number, path);
    open = opendir(path);
    if (open == NULL)
        return false;
    while (goes_on && (entry = readdir(open)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            goes_on = visit(arg, dirfd(open), entry->d_name);
    }
    closedir(open);
    return goes_on;
}

static bool list_file(void *arg, int folder, const char *name)
{
    struct listing *listing = arg;

    return listing->count < GENERATION_FILES_MAX && strlen(name) < NAME_BYTES &&
           describe_file(folder, name, &listing->files[listing->count++]);
}

/* All files, by name; NULL if they cannot be read, or are too many. */
static struct listing *list_files(const char *folder, uint64_t number)
{
    struct listing *listing = calloc(1, sizeof(*listing));

    if (listing == NULL)
        return NULL;
    if (!visit_files(folder, number, list_file, listing)) {
        free(listing);
        return NULL;
    }
    qsort(listing->files, listing->count, sizeof(listing->files[0]), by_name);
    return listing;
}

/* ---- CLEAN ---- */

/* What CLEAN says of a generation; malloc, or NULL. */
static char *describe(const char *folder, uint64_t number, const struct generation_source *source)
{
    struct listing *listing = list_files(folder, number);
    char *text = malloc(CLEAN_BYTES_MAX);
    size_t length;

    if (listing == NULL || text == NULL) {
        free(listing);
        free(text);
        return NULL;
    }
    length = (size_t)snprintf(text, CLEAN_BYTES_MAX,
                              "search index, format %d, groonga %s\n"
                              "generation %" PRIu64 "\n"
                              "store %016" PRIx64 " incarnation %" PRIu64 " commit %" PRIu64 "\n",
                              (int)INDEX_FORMAT, grn_get_version(), number, source->store_id,
                              source->incarnation, source->last_commit);
    for (uint32_t i = 0; i < listing->count; i++)
        length += (size_t)snprintf(text + length, CLEAN_BYTES_MAX - length,
                                   "file %s %" PRIu64 " %08" PRIx32 "\n", listing->files[i].name,
                                   listing->files[i].bytes, listing->files[i].checksum);
    snprintf(text + length, CLEAN_BYTES_MAX - length, "end %08" PRIx32 "\n",
             crc32c(0, text, length));
    free(listing);
    return text;
}

bool generation_put_clean(const char *folder, uint64_t number,
                          const struct generation_source *source, char *error, size_t error_size)
{
    char path[GENERATION_PATH_BYTES];
    char *text = describe(folder, number, source);
    bool is_put;

    if (text == NULL) {
        snprintf(error, error_size, "the search index: its files cannot be read");
        return false;
    }
    clean_path(folder, path);
    is_put = files_replace(path, text, strlen(text), error, error_size) == 0;
    free(text);
    return is_put;
}

/* The generation that the text names, if all else agrees with what is on disk; else 0. */
static uint64_t compare(const char *folder, const char *text,
                        const struct generation_source *source)
{
    const char *line = strstr(text, "\ngeneration ");
    uint64_t number = line == NULL ? 0 : strtoull(line + 12, NULL, 10);
    char *wanted = number == 0 ? NULL : describe(folder, number, source);

    if (wanted == NULL || strcmp(wanted, text) != 0)
        number = 0;
    free(wanted);
    return number;
}

uint64_t generation_take_clean(const char *folder, const struct generation_source *source,
                               char *error, size_t error_size)
{
    char path[GENERATION_PATH_BYTES];
    char *text = malloc(CLEAN_BYTES_MAX);
    uint64_t number = 0;
    ssize_t length = -1;

    clean_path(folder, path);
    if (!files_exist(path)) {
        snprintf(error, error_size, "there is none that was closed well");
    } else if (text != NULL && (length = files_read(path, text, CLEAN_BYTES_MAX - 1, NULL, error,
                                                    error_size)) >= 0) {
        text[length] = '\0';
        number = compare(folder, text, source);
        if (number == 0)
            snprintf(error, error_size, "it is damaged, or of another state of the store");
    }
    free(text);
    if (unlink(path) != 0 && errno != ENOENT) {
        files_error(error, error_size, "%s: %s", path, files_reason(errno));
        return 0;
    }
    if (number != 0 && files_sync_folder(folder, error, error_size) != 0)
        return 0;
    return number;
}

/* ---- folders ---- */

/* Visits the numbers of all generations; the highest, or 0. */
static uint64_t visit_generations(const char *folder, uint64_t kept, bool removes)
{
    const struct dirent *entry;
    uint64_t highest = 0;
    DIR *open = opendir(folder);

    if (open == NULL)
        return 0;
    while ((entry = readdir(open)) != NULL) {
        char *end;
        uint64_t number = strtoull(entry->d_name, &end, 10);

        if (number == 0 || *end != '\0')
            continue;
        if (number > highest)
            highest = number;
        if (removes && number != kept)
            generation_remove(folder, number);
    }
    closedir(open);
    return highest;
}

uint64_t generation_make(const char *folder, uint64_t last, char *error, size_t error_size)
{
    uint64_t highest = visit_generations(folder, 0, false);
    uint64_t number = (highest > last ? highest : last) + 1;
    char path[GENERATION_PATH_BYTES];

    generation_path(folder, number, path);
    if (mkdir(path, FOLDER_MODE) == 0)
        return number;
    files_error(error, error_size, "%s: %s", path, files_reason(errno));
    return 0;
}

void generation_remove(const char *folder, uint64_t number)
{
    char path[GENERATION_PATH_BYTES];
    char error[256];

    generation_path(folder, number, path);
    files_remove_folder(path, error, sizeof(error));
}

void generation_remove_others(const char *folder, uint64_t number)
{
    visit_generations(folder, number, true);
}

static bool add_blocks_of(void *arg, int folder, const char *name)
{
    uint64_t *bytes = arg;
    struct stat status;

    if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0)
        *bytes += (uint64_t)status.st_blocks * 512;
    return true;
}

uint64_t generation_disk_bytes(const char *folder, uint64_t number)
{
    uint64_t bytes = 0;

    visit_files(folder, number, add_blocks_of, &bytes);
    return bytes;
}
