/* SPDX-License-Identifier: Apache-2.0 */
/* Where the vault's keys come from.
 *
 *   vault       in the data folder and in every backup: store ID, and the index key wrapped by the
 *               vault key. It is also what a vault key is recognised by.
 *   vault.key   the vault key. In the data folder unless the operator keeps it elsewhere; never in
 *               a backup, for a backup with its key protects nobody. A text of one or two lines:
 *
 *                   current 64 hexadecimal digits
 *                   previous 64 hexadecimal digits       (while a rotation is under way)
 *
 *               Empty lines and lines that begin with # are ignored.
 *
 * A key file is looked for at --vault-key-file, else `stampede-vault-key` in
 * $CREDENTIALS_DIRECTORY (systemd's LoadCredential=), else in the data folder, where a new store
 * makes one. Blocking; start-up thread. */
#ifndef STAMPEDE_VAULT_FILE_H
#define STAMPEDE_VAULT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data_folder.h"
#include "vault.h"

#define VAULT_FILE_NAME       "vault"
#define VAULT_KEY_NAME        "vault.key"
#define VAULT_CREDENTIAL_NAME "stampede-vault-key"

/* How the key file was found; `path` is empty when it was not. */
struct vault_key_file {
    char path[DATA_FOLDER_PATH_MAX];
    bool is_credential; /* the service manager guards it: its mode is not ours to judge */
    bool is_ours;       /* in the data folder: made there for a new store */
};

/* Decides where the key is: `option` and `credentials_directory` may be NULL or empty. A credential
 * counts where its file exists. 0, or -1 with `error` for a path that is too long. */
int vault_key_file_find(const struct data_folder *folder, const char *option,
                        const char *credentials_directory, struct vault_key_file *file_out,
                        char *error, size_t error_size);

/* Reads a key file. 0; -1 or FILES_NO_DISK with one line for people in `error`: missing, readable
 * by others, malformed. Wipe the keys with vault_keys_wipe. */
int vault_key_file_read(const struct vault_key_file *file, struct vault_keys *keys_out, char *error,
                        size_t error_size);

void vault_keys_wipe(struct vault_keys *keys);

/* Opens the vault of a store. In one that is not ready yet, what is missing is made: the index key,
 * and the vault key if it is to be in the data folder. With `may_write`, and the index key wrapped
 * by the previous vault key, it is wrapped by the current one, durably. 0; with one line in `error`
 * -1, where the key is missing, malformed or another one (named by their IDs), DATA_FOLDER_DAMAGED,
 * where `vault` is missing, damaged or of another store, or FILES_NO_DISK. vault_destroy what
 * comes. */
int vault_file_open(const struct data_folder *folder, const struct vault_key_file *key_file,
                    bool may_write, void (*random)(void *self, void *bytes, size_t length),
                    void *random_self, struct vault **vault_out, char *error, size_t error_size);

/* Looks at a store's `vault` without any key: whether it is whole, of this store, and which vault
 * key it needs. Returns what vault_file_open returns of that file. */
int vault_file_needs(const struct data_folder *folder, uint64_t *key_id_out, char *error,
                     size_t error_size);

#endif
