/* SPDX-License-Identifier: Apache-2.0 */
/* Generations of the index on disk, and how one that was closed well is told from all others:
 *
 *   FOLDER/<number>/db*   the files of one of Groonga's databases
 *   FOLDER/CLEAN          which generation can be opened, of which state of which store, and size
 *                         and checksum of each of its files
 *
 * Groonga maps its files: no order of writes, no checksum, and a file that is cut short ends the
 * process that looks into it. So a generation is opened only if CLEAN says it is what it was when
 * it was closed, byte for byte; and CLEAN goes before it is opened. */
#ifndef STAMPEDE_SEARCH_GENERATION_H
#define STAMPEDE_SEARCH_GENERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* Raised when schema, cleaning or anything else changes what an index holds. */
    INDEX_FORMAT = 1,
    GENERATION_FILES_MAX = 256,
    GENERATION_PATH_BYTES = 4096,
};

/* What an index is of. */
struct generation_source {
    uint64_t store_id;
    uint64_t incarnation;
    uint64_t last_commit;
};

/* The folder of a generation. */
void generation_path(const char *folder, uint64_t number, char path_out[GENERATION_PATH_BYTES]);

/* The generation that CLEAN vouches for; 0 with the reason in `error`. CLEAN is gone afterwards
 * (if it cannot be removed: 0). Reads all of the generation's files. */
uint64_t generation_take_clean(const char *folder, const struct generation_source *source,
                               char *error, size_t error_size);

/* Writes CLEAN for a generation that is closed. False with `error`. */
bool generation_put_clean(const char *folder, uint64_t number,
                          const struct generation_source *source, char *error, size_t error_size);

/* Makes the empty folder of a new generation, above `last` and all that are there; 0 with `error`.
 */
uint64_t generation_make(const char *folder, uint64_t last, char *error, size_t error_size);

/* Removes a generation; or all but one (0: all). What cannot be removed stays, and is tried again
 * with the next. */
void generation_remove(const char *folder, uint64_t number);
void generation_remove_others(const char *folder, uint64_t number);

/* What it has of the disk: blocks, for its files are sparse. */
uint64_t generation_disk_bytes(const char *folder, uint64_t number);

#endif
