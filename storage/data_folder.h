/* SPDX-License-Identifier: Apache-2.0 */
/* The folder given by `--data`: whose it is, that only one process has it, and the names in it.
 *
 *   STAMPEDE     marker: format, store ID, incarnation, what secret.key it goes with, and whether
 *                creation was completed
 *   lock         flock(2) by the process that has the store open; its pid inside
 *   journal/     RocksDB
 *   watermark    newest durable commit (watermark_file.h)
 *   ballast      space kept back for a full disk (ballast.h)
 *   secret.key, admin.key
 *   vault        the key of the blind index, wrapped by the vault key (vault_file.h)
 *   vault.key    the vault key, unless the operator keeps it elsewhere; in no backup
 *   control      socket of the server, for `stampede backup` (control.h)
 *   journal.backup  a copy of the journal, by links, while a backup is made from it
 *
 * A new store is `creating` until all of it is on disk; nothing is served before that, so an
 * interrupted creation is simply continued. A `ready` store must have all its parts. */
#ifndef STAMPEDE_DATA_FOLDER_H
#define STAMPEDE_DATA_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "secrets_file.h"

enum { DATA_FOLDER_PATH_MAX = 4096, STORE_FORMAT = 5, DATA_FOLDER_DAMAGED = -2 };

enum data_folder_mode {
    DATA_FOLDER_CREATE,   /* made where it is missing or empty */
    DATA_FOLDER_EXISTING, /* must be there and ready */
    DATA_FOLDER_RESTORE,  /* made where it is missing or empty; without a marker until it is ready,
                             so that nobody takes half a restored store for one */
};

struct data_folder {
    char path[DATA_FOLDER_PATH_MAX - 64]; /* leaves room for a name */
    int lock_file;
    bool is_ready;
    uint64_t store_id;    /* random; the parts of one store name the same */
    uint64_t incarnation; /* from 1, grows with each repair or restore */
    uint64_t secret_mark; /* secrets_mark of its secret.key; 0: not known yet */
};

/* Opens and locks the folder. 0, or -1 with one line for people in `error`: foreign folder, not
 * writable, in use (by which pid), unknown format; likewise DATA_FOLDER_DAMAGED for a marker that
 * is, FILES_NO_DISK for a disk that is full or fails. Nothing is changed in a folder that is
 * refused. */
int data_folder_open(const char *path, enum data_folder_mode mode, struct data_folder *folder_out,
                     char *error, size_t error_size);

/* Reads the marker of a folder that another process may have open: everything but the lock. Returns
 * what data_folder_open does. */
int data_folder_read(const char *path, struct data_folder *folder_out, char *error,
                     size_t error_size);

/* Path of a name in the folder. */
void data_folder_path(const struct data_folder *folder, const char *name,
                      char path_out[DATA_FOLDER_PATH_MAX]);

/* Reads `secret.key`, which must be the one that the marker knows: another one would make other IDs
 * of the same holds. In a store that is not ready yet it is made where it is missing, and goes into
 * the marker with data_folder_set_ready. 0; -1 or FILES_NO_DISK with `error`. */
int data_folder_secret(struct data_folder *folder, struct secrets *secrets_out, char *error,
                       size_t error_size);

/* Rewrites the marker, durably: the store is complete, in this incarnation. 0, or -1 with `error`.
 */
int data_folder_set_ready(struct data_folder *folder, uint64_t incarnation, char *error,
                          size_t error_size);

/* Gives up the lock. */
void data_folder_close(struct data_folder *folder);

#endif
