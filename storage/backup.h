/* SPDX-License-Identifier: Apache-2.0 */
/* `stampede backup` and `stampede restore`.
 *
 * A backup is a folder: the journal's files, the store's secrets, and last `BACKUP`, the manifest:
 * without it the folder is not a backup. Making one reads it back whole; restoring one does again,
 * and compares with what the manifest says, file by file and as a state.
 *
 * A restored store is older than what was acknowledged, by intent. It begins a new incarnation,
 * with a watermark of its own, and numbers that no earlier incarnation has given; nothing of a
 * store that is there is ever replaced. Blocking; a process of its own. */
#ifndef STAMPEDE_BACKUP_H
#define STAMPEDE_BACKUP_H

#include <stdint.h>
#include <stdio.h>

enum backup_result {
    BACKUP_OK = 0,
    BACKUP_DAMAGED = 1, /* restore: the backup is not what it was made as; `error` says where */
    BACKUP_REFUSED = 2, /* it could not be done; `error` says why */
};

/* Backs up the store in the data folder `data` to the folder `target`, which must be missing or
 * empty. Where a server has the store open, it is asked for a copy of the journal (control.h): all
 * that was acknowledged before the call is in it. Prints one line that begins `backup: ok` to
 * `out`. What was begun is removed again when it fails. The result is the exit status. */
enum backup_result backup_make(const char *data, const char *target, FILE *out, char *error,
                               size_t error_size);

/* Makes a store in the data folder `data`, missing or empty, from the backup in `source`.
 * `wall_ms`: now; the new incarnation's number is its seconds, so that two restores of one backup
 * differ. Prints one line that begins `restore: ok` to `out`. A restore that fails or dies leaves
 * no marker, so that its folder is no store to anyone. The result is the exit status. */
enum backup_result backup_restore(const char *source, const char *data, int64_t wall_ms, FILE *out,
                                  char *error, size_t error_size);

#endif
