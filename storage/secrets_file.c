/* SPDX-License-Identifier: Apache-2.0 */
/* The only file that includes libsodium. */
#include "secrets_file.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"

_Static_assert(SECRET_BYTES == crypto_generichash_KEYBYTES, "the secret is a key of BLAKE2b");
_Static_assert(MAC_BYTES == crypto_generichash_BYTES_MIN, "a MAC is the shortest hash there is");

static const char admin_key_prefix[] = "sk_admin_";

enum { ADMIN_KEY_RANDOM_BYTES = 32 };

/* Idempotent and thread-safe; fails only where the system has no random source. */
static void sodium_ready(void)
{
    if (sodium_init() < 0)
        abort();
}

void secrets_random(void *bytes_out, size_t length)
{
    sodium_ready();
    randombytes_buf(bytes_out, length);
}

/* ---- the secret ---- */

int secrets_open(const char *path, bool create, struct secrets *secrets_out, char *error,
                 size_t error_size)
{
    unsigned mode;
    char reason[384];

    sodium_ready();
    if (!files_exist(path)) {
        if (!create)
            return files_error(error, error_size,
                               "%s is missing: without it no reservation's ID can be recognised; "
                               "restore it from a backup of this data folder",
                               path);
        randombytes_buf(secrets_out->secret, SECRET_BYTES);
        return files_create(path, secrets_out->secret, SECRET_BYTES, error, error_size);
    }
    ssize_t length =
        files_read(path, secrets_out->secret, SECRET_BYTES, &mode, reason, sizeof(reason));
    if (length < 0) {
        bool is_disk = length == FILES_NO_DISK;

        files_error(error, error_size, "%s%s", reason, is_disk ? "" : ": restore it from a backup");
        return (int)length;
    }
    if (length != SECRET_BYTES)
        return files_error(error, error_size,
                           "%s is damaged: it must have %d bytes; restore it from a backup", path,
                           SECRET_BYTES);
    if ((mode & 077) != 0)
        return files_error(error, error_size, "%s may be read by others (mode %04o): chmod 600 it",
                           path, mode);
    return 0;
}

/* BLAKE2b under the secret of: the purpose's length, the purpose, the bytes. The length keeps
 * purposes apart that are prefixes of one another. */
static void hash_for(const struct secrets *secrets, const char *purpose, const void *bytes,
                     size_t length, uint8_t *hash_out, size_t hash_length)
{
    crypto_generichash_state state;
    size_t purpose_length = strlen(purpose);
    uint8_t prefix = (uint8_t)purpose_length;

    assert(purpose_length > 0 && purpose_length <= UINT8_MAX);
    crypto_generichash_init(&state, secrets->secret, SECRET_BYTES, hash_length);
    crypto_generichash_update(&state, &prefix, 1);
    crypto_generichash_update(&state, (const uint8_t *)purpose, purpose_length);
    crypto_generichash_update(&state, bytes, length);
    crypto_generichash_final(&state, hash_out, hash_length);
}

void secrets_mac(void *self, const char *purpose, const void *bytes, size_t length,
                 uint8_t mac_out[MAC_BYTES])
{
    hash_for(self, purpose, bytes, length, mac_out, MAC_BYTES);
}

void secrets_digest(const void *bytes, size_t length, uint8_t digest_out[AUDIT_HASH_BYTES])
{
    crypto_hash_sha256(digest_out, bytes, length);
}

static struct hash_key key_for(const struct secrets *secrets, const char *purpose)
{
    uint8_t bytes[sizeof(struct hash_key)];
    struct hash_key key;

    hash_for(secrets, purpose, NULL, 0, bytes, sizeof(bytes));
    memcpy(&key, bytes, sizeof(key));
    sodium_memzero(bytes, sizeof(bytes));
    return key;
}

struct secrets_port secrets_port_of(struct secrets *secrets)
{
    return (struct secrets_port){
        .self = secrets,
        .mac = secrets_mac,
        .digest = secrets_digest,
        .id_key = key_for(secrets, "reservation id"),
        .key_key = key_for(secrets, "idempotency key"),
    };
}

uint64_t secrets_mark(const struct secrets *secrets)
{
    return key_for(secrets, "mark of the secret").word[0];
}

void secrets_close(struct secrets *secrets)
{
    sodium_memzero(secrets->secret, SECRET_BYTES);
}

/* ---- the admin key ---- */

static int admin_key_make(const char *path, char key_out[ADMIN_KEY_LENGTH_MAX + 1], char *error,
                          size_t error_size)
{
    uint8_t random[ADMIN_KEY_RANDOM_BYTES];
    char line[ADMIN_KEY_LENGTH + 2];
    size_t prefix = strlen(admin_key_prefix);

    randombytes_buf(random, sizeof(random));
    memcpy(line, admin_key_prefix, prefix);
    sodium_bin2base64(line + prefix, sizeof(line) - prefix, random, sizeof(random),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    assert(strlen(line) == ADMIN_KEY_LENGTH);
    memcpy(key_out, line, ADMIN_KEY_LENGTH + 1);
    line[ADMIN_KEY_LENGTH] = '\n';
    int result = files_create(path, line, ADMIN_KEY_LENGTH + 1, error, error_size);
    sodium_memzero(random, sizeof(random));
    sodium_memzero(line, sizeof(line));
    return result;
}

static bool is_space(char character)
{
    return character == ' ' || character == '\t' || character == '\r' || character == '\n';
}

static int admin_key_read(const char *path, char key_out[ADMIN_KEY_LENGTH_MAX + 1], char *error,
                          size_t error_size)
{
    char text[ADMIN_KEY_LENGTH_MAX + 64];
    ssize_t length = files_read(path, text, sizeof(text), NULL, error, error_size);
    const char *begin = text;

    if (length < 0)
        return (int)length;
    const char *end = text + length;
    while (begin < end && is_space(*begin))
        begin++;
    while (end > begin && is_space(end[-1]))
        end--;
    size_t key_length = (size_t)(end - begin);
    bool is_plain = true;
    for (const char *at = begin; at < end; at++) {
        if (*at <= ' ' || *at > '~')
            is_plain = false;
    }
    if (!is_plain || key_length < ADMIN_KEY_LENGTH_MIN || key_length > ADMIN_KEY_LENGTH_MAX)
        return files_error(error, error_size,
                           "%s holds no admin key: it must be one word of %d to %d visible ASCII "
                           "characters",
                           path, ADMIN_KEY_LENGTH_MIN, ADMIN_KEY_LENGTH_MAX);
    memcpy(key_out, begin, key_length);
    key_out[key_length] = '\0';
    sodium_memzero(text, sizeof(text));
    return 0;
}

int admin_key_open(const char *path, bool create, char key_out[ADMIN_KEY_LENGTH_MAX + 1],
                   bool *created_out, char *error, size_t error_size)
{
    bool is_new = create && !files_exist(path);

    sodium_ready();
    if (created_out != NULL)
        *created_out = is_new;
    if (is_new)
        return admin_key_make(path, key_out, error, error_size);
    return admin_key_read(path, key_out, error, error_size);
}
