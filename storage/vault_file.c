/* SPDX-License-Identifier: Apache-2.0 */
#include "vault_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "crc32c.h"
#include "files.h"
#include "secrets_file.h"

/* `vault`: magic:64 | store ID:64 | wrapped index key | CRC-32C of what precedes:32. */
enum {
    MAGIC_BYTES = 8,
    STORE_ID_BYTES = 8,
    CHECKSUM_BYTES = 4,
    CHECKED_BYTES = MAGIC_BYTES + STORE_ID_BYTES + VAULT_WRAPPED_INDEX_BYTES,
    VAULT_FILE_BYTES = CHECKED_BYTES + CHECKSUM_BYTES,
    KEY_FILE_BYTES_MAX = 4096,
};

static const char magic[MAGIC_BYTES] = "STVAULT1";

/* ---- the key file ---- */

/* Forgets bytes in a way that no compiler leaves out. */
static void wipe(void *bytes, size_t length)
{
    explicit_bzero(bytes, length);
}

void vault_keys_wipe(struct vault_keys *keys)
{
    wipe(keys, sizeof(*keys));
}

int vault_key_file_find(const struct data_folder *folder, const char *option,
                        const char *credentials_directory, struct vault_key_file *file_out,
                        char *error, size_t error_size)
{
    size_t size = sizeof(file_out->path);
    int length;

    *file_out = (struct vault_key_file){0};
    if (option != NULL && option[0] != '\0') {
        length = snprintf(file_out->path, size, "%s", option);
        return length < (int)size
                   ? 0
                   : files_error(error, error_size, "the path is too long: %s", option);
    }
    if (credentials_directory != NULL && credentials_directory[0] != '\0') {
        length =
            snprintf(file_out->path, size, "%s/%s", credentials_directory, VAULT_CREDENTIAL_NAME);
        if (length >= (int)size)
            return files_error(error, error_size, "the path is too long: %s",
                               credentials_directory);
        file_out->is_credential = files_exist(file_out->path);
    }
    if (!file_out->is_credential) {
        data_folder_path(folder, VAULT_KEY_NAME, file_out->path);
        file_out->is_ours = true;
    }
    return 0;
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return digit >= 'A' && digit <= 'F' ? digit - 'A' + 10 : -1;
}

/* Reads `name HEX` (a line without its end) as the next key. */
static bool key_line_read(const char *line, size_t length, struct vault_keys *keys)
{
    static const char *const names[VAULT_KEYS_MAX] = {"current ", "previous "};

    if (keys->count == VAULT_KEYS_MAX)
        return false;
    size_t name_length = strlen(names[keys->count]);
    if (length != name_length + (size_t)2 * VAULT_KEY_BYTES ||
        memcmp(line, names[keys->count], name_length) != 0)
        return false;
    for (size_t i = 0; i < VAULT_KEY_BYTES; i++) {
        int high = hex_value(line[name_length + 2 * i]);
        int low = hex_value(line[name_length + 2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        keys->keys[keys->count][i] = (uint8_t)(high << 4 | low);
    }
    keys->count++;
    return true;
}

static bool key_text_read(const char *text, size_t length, struct vault_keys *keys)
{
    const char *end = text + length;

    for (const char *next; text < end; text = next) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));

        if (line_end == NULL)
            line_end = end;
        next = line_end < end ? line_end + 1 : end;
        while (line_end > text && (line_end[-1] == '\r' || line_end[-1] == ' '))
            line_end--;
        if (line_end > text && *text != '#' &&
            !key_line_read(text, (size_t)(line_end - text), keys))
            return false;
    }
    return keys->count > 0;
}

int vault_key_file_read(const struct vault_key_file *file, struct vault_keys *keys_out, char *error,
                        size_t error_size)
{
    char text[KEY_FILE_BYTES_MAX];
    unsigned mode;

    *keys_out = (struct vault_keys){0};
    ssize_t length = files_read(file->path, text, sizeof(text), &mode, error, error_size);
    if (length < 0)
        return (int)length;
    bool is_good = key_text_read(text, (size_t)length, keys_out);
    wipe(text, sizeof(text));
    if (!file->is_credential && (mode & 077) != 0) {
        vault_keys_wipe(keys_out);
        return files_error(error, error_size, "%s may be read by others (mode %04o): chmod 600 it",
                           file->path, mode);
    }
    if (is_good)
        return 0;
    vault_keys_wipe(keys_out);
    return files_error(error, error_size,
                       "%s holds no vault key: it must have a line `current` and 64 hexadecimal "
                       "digits, and may have one `previous` after it",
                       file->path);
}

static int key_file_make(const char *path, char *error, size_t error_size)
{
    static const char head[] =
        "# The vault key: all private data in the store is read with it, and "
        "is lost with it.\n# Keep a copy apart from the backups.\ncurrent ";
    uint8_t key[VAULT_KEY_BYTES];
    char text[sizeof(head) + (size_t)2 * VAULT_KEY_BYTES + 1];
    size_t at = sizeof(head) - 1;

    memcpy(text, head, at);
    secrets_random(key, sizeof(key));
    for (size_t i = 0; i < sizeof(key); i++) {
        text[at++] = "0123456789abcdef"[key[i] >> 4];
        text[at++] = "0123456789abcdef"[key[i] & 15];
    }
    text[at++] = '\n';
    int result = files_create(path, text, at, error, error_size);
    wipe(key, sizeof(key));
    wipe(text, sizeof(text));
    return result;
}

/* ---- the vault's file ---- */

static void file_encode(uint64_t store_id, const uint8_t wrapped[VAULT_WRAPPED_INDEX_BYTES],
                        uint8_t bytes_out[VAULT_FILE_BYTES])
{
    memcpy(bytes_out, magic, MAGIC_BYTES);
    uint8_t *at = bytes_put(bytes_out + MAGIC_BYTES, store_id, STORE_ID_BYTES);
    memcpy(at, wrapped, VAULT_WRAPPED_INDEX_BYTES);
    bytes_put(bytes_out + CHECKED_BYTES, crc32c(0, bytes_out, CHECKED_BYTES), CHECKSUM_BYTES);
}

static int damaged(const char *path, char *error, size_t error_size)
{
    files_error(error, error_size, "%s is damaged: restore it from a backup", path);
    return DATA_FOLDER_DAMAGED;
}

static int file_read(const char *path, uint64_t *store_id_out,
                     uint8_t wrapped_out[VAULT_WRAPPED_INDEX_BYTES], char *error, size_t error_size)
{
    uint8_t bytes[VAULT_FILE_BYTES];
    char reason[384];

    if (!files_exist(path)) {
        files_error(error, error_size,
                    "%s is missing: without it no customer can be found by e-mail; restore it from "
                    "a backup of this data folder",
                    path);
        return DATA_FOLDER_DAMAGED;
    }
    ssize_t length = files_read(path, bytes, sizeof(bytes), NULL, reason, sizeof(reason));
    if (length == FILES_NO_DISK) {
        files_error(error, error_size, "%s", reason);
        return FILES_NO_DISK;
    }
    if (length != VAULT_FILE_BYTES || memcmp(bytes, magic, MAGIC_BYTES) != 0 ||
        bytes_get(bytes + CHECKED_BYTES, CHECKSUM_BYTES) != crc32c(0, bytes, CHECKED_BYTES))
        return damaged(path, error, error_size);
    *store_id_out = bytes_get(bytes + MAGIC_BYTES, STORE_ID_BYTES);
    memcpy(wrapped_out, bytes + MAGIC_BYTES + STORE_ID_BYTES, VAULT_WRAPPED_INDEX_BYTES);
    return 0;
}

static uint64_t wrapped_by(const uint8_t wrapped[VAULT_WRAPPED_INDEX_BYTES])
{
    return bytes_get(wrapped + 1, 8);
}

/* The file of this store, by `path`. */
static int own_file_read(const struct data_folder *folder, const char *path,
                         uint8_t wrapped_out[VAULT_WRAPPED_INDEX_BYTES], char *error,
                         size_t error_size)
{
    uint64_t store_id;

    int result = file_read(path, &store_id, wrapped_out, error, error_size);
    if (result != 0 || store_id == folder->store_id)
        return result;
    files_error(error, error_size,
                "%s is of another store (%016" PRIx64 ", this one is %016" PRIx64
                "): restore it from a backup of this data folder",
                path, store_id, folder->store_id);
    return DATA_FOLDER_DAMAGED;
}

int vault_file_needs(const struct data_folder *folder, uint64_t *key_id_out, char *error,
                     size_t error_size)
{
    uint8_t wrapped[VAULT_WRAPPED_INDEX_BYTES];
    char path[DATA_FOLDER_PATH_MAX];

    data_folder_path(folder, VAULT_FILE_NAME, path);
    int result = own_file_read(folder, path, wrapped, error, error_size);
    if (result == 0)
        *key_id_out = wrapped_by(wrapped);
    return result;
}

/* ---- opening ---- */

struct opening {
    const struct data_folder *folder;
    const struct vault_key_file *key_file;
    char path[DATA_FOLDER_PATH_MAX];
    struct vault_keys keys;
    uint8_t wrapped[VAULT_WRAPPED_INDEX_BYTES];
    uint8_t index_key[VAULT_KEY_BYTES];
    char *error;
    size_t error_size;
};

/* The index key of a new store. */
static int index_make(struct opening *opening)
{
    uint8_t bytes[VAULT_FILE_BYTES];

    secrets_random(opening->index_key, VAULT_KEY_BYTES);
    vault_index_wrap(&opening->keys, opening->folder->store_id, opening->index_key,
                     opening->wrapped);
    file_encode(opening->folder->store_id, opening->wrapped, bytes);
    return files_create(opening->path, bytes, sizeof(bytes), opening->error, opening->error_size);
}

static int other_key(const struct opening *opening, uint64_t needed)
{
    uint64_t current = vault_key_id(opening->keys.keys[0]);

    if (opening->keys.count == 1)
        return files_error(opening->error, opening->error_size,
                           "%s holds the vault key %016" PRIx64
                           ", but the private data of this store is sealed with %016" PRIx64
                           ": give that one with --vault-key-file",
                           opening->key_file->path, current, needed);
    return files_error(opening->error, opening->error_size,
                       "%s holds the vault keys %016" PRIx64 " and %016" PRIx64
                       ", but the private data of this store is sealed with %016" PRIx64
                       ": give that one with --vault-key-file",
                       opening->key_file->path, current, vault_key_id(opening->keys.keys[1]),
                       needed);
}

/* The index key of a store that has one. */
static int index_read(struct opening *opening, bool may_write)
{
    uint8_t bytes[VAULT_FILE_BYTES];
    uint64_t key_id = 0;

    switch (vault_index_unwrap(&opening->keys, opening->folder->store_id, opening->wrapped,
                               opening->index_key, &key_id)) {
    case VAULT_OK:
        break;
    case VAULT_OTHER_KEY:
        return other_key(opening, key_id);
    case VAULT_MALFORMED:
    case VAULT_REFUSED:
        return damaged(opening->path, opening->error, opening->error_size);
    }
    if (!may_write || key_id == vault_key_id(opening->keys.keys[0]))
        return 0;
    vault_index_wrap(&opening->keys, opening->folder->store_id, opening->index_key,
                     opening->wrapped);
    file_encode(opening->folder->store_id, opening->wrapped, bytes);
    return files_replace(opening->path, bytes, sizeof(bytes), opening->error, opening->error_size);
}

static int key_missing(const struct opening *opening, bool has_index)
{
    if (has_index)
        return files_error(opening->error, opening->error_size,
                           "%s is missing: the private data of this store is sealed with the vault "
                           "key %016" PRIx64 ", which no backup holds: put its file back, or give "
                           "it with --vault-key-file",
                           opening->key_file->path, wrapped_by(opening->wrapped));
    return files_error(opening->error, opening->error_size,
                       "%s is missing: make one of mode 0600 with a line `current` and 64 random "
                       "hexadecimal digits, or leave --vault-key-file out",
                       opening->key_file->path);
}

static int keys_open(struct opening *opening, bool has_index)
{
    if (!files_exist(opening->key_file->path)) {
        if (has_index || !opening->key_file->is_ours)
            return key_missing(opening, has_index);
        int result = key_file_make(opening->key_file->path, opening->error, opening->error_size);
        if (result != 0)
            return result;
    }
    return vault_key_file_read(opening->key_file, &opening->keys, opening->error,
                               opening->error_size);
}

static int opening_run(struct opening *opening, bool may_write)
{
    const struct data_folder *folder = opening->folder;
    int result = 0;

    data_folder_path(folder, VAULT_FILE_NAME, opening->path);
    bool has_index = folder->is_ready || files_exist(opening->path);
    if (has_index)
        result = own_file_read(folder, opening->path, opening->wrapped, opening->error,
                               opening->error_size);
    if (result == 0)
        result = keys_open(opening, has_index);
    if (result == 0)
        result = has_index ? index_read(opening, may_write) : index_make(opening);
    return result;
}

int vault_file_open(const struct data_folder *folder, const struct vault_key_file *key_file,
                    bool may_write, void (*random)(void *self, void *bytes, size_t length),
                    void *random_self, struct vault **vault_out, char *error, size_t error_size)
{
    struct opening opening = {
        .folder = folder, .key_file = key_file, .error = error, .error_size = error_size};

    int result = opening_run(&opening, may_write);
    if (result == 0) {
        *vault_out = vault_create(&opening.keys, opening.index_key, random, random_self);
        if (*vault_out == NULL)
            result = files_error(error, error_size,
                                 "the vault cannot be opened: out of memory, or "
                                 "no AES-256-GCM in OpenSSL");
    }
    wipe(&opening, sizeof(opening));
    return result;
}
