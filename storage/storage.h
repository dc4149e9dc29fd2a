/* SPDX-License-Identifier: Apache-2.0 */
/* A store on disk, whole: folder and lock, journal, watermark, ballast, secrets, behind the ports
 * of engine/ports.h. What main.c needs of this layer; check.h and repair.h are the offline tools.
 *
 * Opening compares nothing but what storage itself must know (formats, ownership, damage); whether
 * the journal holds as much as the watermark says is the engine's to judge (recovery.c). */
#ifndef STAMPEDE_STORAGE_H
#define STAMPEDE_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ports.h"

enum { STORAGE_ERROR_BYTES = 512 }; /* enough for every error line of this layer */

struct storage_options {
    const char *path;    /* the data folder, `--data` */
    uint32_t partitions; /* of a new store: a power of two; an existing store keeps its own */
    uint64_t write_buffer_bytes;
    uint64_t ballast_bytes;   /* freed when the disk is full, so that the store can open */
    uint64_t low_water_bytes; /* less free space than this: is_full */
    /* Where the vault's key is (vault_file.h): `--vault-key-file`, and $CREDENTIALS_DIRECTORY; NULL
     * or empty: not given. */
    const char *vault_key_file;
    const char *credentials_directory;
    /* Called with one line for people, without newline, on any thread: a read that failed, a full
     * disk, damage. NULL: standard error. */
    void (*log)(void *arg, const char *line);
    void *log_arg;
};

struct storage;

struct storage_info {
    uint32_t partitions; /* engine_options.partitions must be this */
    uint64_t store_id;   /* random; the same after a repair or a restore */
    uint64_t incarnation;
    uint64_t last_commit; /* recovered by the journal */
    uint64_t watermark;   /* on file when opened */
    bool is_new;          /* made by this open */
};

/* The defaults of every option for a folder. */
struct storage_options storage_options_default(const char *path);

/* Why a store does not open: who must do something about it. */
enum storage_result {
    STORAGE_OPENED = 0,
    STORAGE_REFUSED, /* the operator, with options: a foreign folder, in use, not writable */
    STORAGE_DAMAGED, /* the operator, with a backup or repair: what is stored cannot be trusted */
    STORAGE_NO_DISK, /* nobody perhaps: the disk is full or fails; later it may open */
};

/* Opens the store, or creates it where the folder is missing or empty. On anything but OPENED, one
 * line for people in `error` says what is wrong and how to mend it. Start-up thread. */
enum storage_result storage_open(const struct storage_options *options,
                                 struct storage **storage_out, char *error, size_t error_size);

void storage_info_get(const struct storage *storage, struct storage_info *info_out);

/* Fills the ports; they are valid until storage_close. */
void storage_ports_get(struct storage *storage, struct journal_port *journal_out,
                       struct watermark_port *watermark_out, struct secrets_port *secrets_out);

/* The vault, valid until storage_close. */
struct vault_port storage_vault_get(struct storage *storage);

/* Ends the threads that read; reads still queued fail. Before the engine, whom they call, is
 * destroyed; no read may be begun afterwards. */
void storage_stop_reads(struct storage *storage);

/* Writes the watermark a last time, closes the journal, gives up the lock. No commit, load or read
 * may be under way any more. */
void storage_close(struct storage *storage);

#endif
