/* SPDX-License-Identifier: Apache-2.0 */
/* A store's parts, for storage.c, which opens and closes them, and storage_ports.c, which hands
 * them to the engine. */
#ifndef STAMPEDE_STORAGE_PRIVATE_H
#define STAMPEDE_STORAGE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "ballast.h"
#include "control.h"
#include "data_folder.h"
#include "journal_rocksdb.h"
#include "scrubber.h"
#include "secrets_file.h"
#include "storage.h"
#include "vault_file.h"
#include "watermark_file.h"

struct storage {
    struct storage_options options;
    struct data_folder folder;
    struct secrets secrets;
    struct vault *vault; /* NULL: not open yet */
    struct ballast ballast;
    struct watermark_file *watermark;
    struct journal_rocksdb *journal;
    struct control *control; /* NULL: no backup while it is open */
    struct scrubber *scrubber;
    pthread_mutex_t journal_lock; /* of: */
    bool is_journal_open;
    bool is_new;
    unsigned ticks; /* of the watermark's thread */
    atomic_flag watermark_failure_logged;
    char journal_path[DATA_FOLDER_PATH_MAX];
    char watermark_path[DATA_FOLDER_PATH_MAX];
    char ballast_path[DATA_FOLDER_PATH_MAX];
    char backup_path[DATA_FOLDER_PATH_MAX]; /* a copy of the journal while a backup is made */
};

/* A line for the operator. Any thread. */
void storage_log(struct storage *storage, const char *line);

#endif
