/* SPDX-License-Identifier: Apache-2.0 */
/* The only file of net/ that includes libsodium. */
#include "api/password.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "api/common_passwords.h"
#include "api/password_memory.h"

_Static_assert(PASSWORD_HASH_LENGTH + 1 == crypto_pwhash_STRBYTES, "libsodium's string");

/* What an unknown account's password is compared with: of today's parameters, and of no password
 * that anybody knows. */
static const char dummy_hash[] = "$argon2id$v=19$m=19456,t=2,p=1$YW4gdW5rbm93biBsb2dpbg$"
                                 "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVpbXF1eX2A";

/* ---- what may be a password ---- */

/* The length of the character at `at` (RFC 3629), 0 if it is none, or a control character. */
static size_t character_length(const unsigned char *at, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; /* by length: no overlong ones */
    size_t length = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;

    if (length == 1)
        return at[0] >= 0x20 && at[0] != 0x7f;
    if (at[0] < 0xc2 || at[0] > 0xf4 || length > left)
        return 0;
    uint32_t point = at[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (at[i] & 0x3fu);
    }
    if (point < least[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return 0;
    return length;
}

/* Counts code points; false if it is no UTF-8. */
static bool count_characters(const char *text, size_t length, size_t *count_out)
{
    const unsigned char *at = (const unsigned char *)text;

    *count_out = 0;
    while (length > 0) {
        size_t one = character_length(at, length);

        if (one == 0)
            return false;
        at += one;
        length -= one;
        (*count_out)++;
    }
    return true;
}

static char lower(char character)
{
    return character >= 'A' && character <= 'Z' ? (char)(character - 'A' + 'a') : character;
}

/* Keeps letters, in lower case; those beyond ASCII as they are. */
static size_t letters_of(const char *text, size_t length, char letters_out[PASSWORD_BYTES_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < length && count < PASSWORD_BYTES_MAX; i++) {
        char character = lower(text[i]);

        if ((character >= 'a' && character <= 'z') || (unsigned char)character >= 0x80)
            letters_out[count++] = character;
    }
    return count;
}

/* Whether the password is the name, but for case, and digits and signs anywhere. */
static bool is_name(const char *password, size_t length, const char *name, size_t name_length)
{
    char a[PASSWORD_BYTES_MAX];
    char b[PASSWORD_BYTES_MAX];
    size_t a_length = letters_of(password, length, a);
    size_t b_length = letters_of(name, name_length, b);

    bool is_same = a_length == b_length && a_length > 0 && memcmp(a, b, a_length) == 0;
    sodium_memzero(a, sizeof(a));
    return is_same;
}

static bool is_own_name(const char *password, size_t length, const char *email,
                        const char *shop_name)
{
    if (email != NULL) {
        size_t name_length = strcspn(email, "@");

        if (is_name(password, length, email, name_length) ||
            is_name(password, length, email, strlen(email)))
            return true;
    }
    return shop_name != NULL && is_name(password, length, shop_name, strlen(shop_name));
}

static bool is_common(const char *password, size_t length)
{
    char text[PASSWORD_BYTES_MAX];

    for (size_t i = 0; i < length; i++)
        text[i] = lower(password[i]);
    bool found = common_passwords_have(text, length);
    sodium_memzero(text, sizeof(text));
    return found;
}

enum password_verdict password_judge(const char *password, size_t length, const char *email,
                                     const char *shop_name)
{
    size_t characters;

    if (length > PASSWORD_BYTES_MAX)
        return PASSWORD_TOO_LONG;
    if (!count_characters(password, length, &characters))
        return PASSWORD_NOT_UTF8;
    if (characters < PASSWORD_CHARACTERS_MIN)
        return PASSWORD_TOO_SHORT;
    if (is_own_name(password, length, email, shop_name))
        return PASSWORD_OWN_NAME;
    return is_common(password, length) ? PASSWORD_COMMON : PASSWORD_GOOD;
}

const char *password_refusal_text(enum password_verdict verdict)
{
    switch (verdict) {
    case PASSWORD_GOOD:
        break;
    case PASSWORD_TOO_SHORT:
        return "a password has at least 8 characters; 15 or more are better";
    case PASSWORD_TOO_LONG:
        return "a password has at most 256 bytes";
    case PASSWORD_NOT_UTF8:
        return "a password is UTF-8 text without control characters";
    case PASSWORD_COMMON:
        return "this password is one of the first that are guessed: choose another";
    case PASSWORD_OWN_NAME:
        return "this password is made of your e-mail address or of this shop's name: choose "
               "another";
    }
    return "";
}

/* ---- hashes ---- */

/* Idempotent and thread-safe; fails only where the system has no random source. */
static void sodium_ready(void)
{
    if (sodium_init() < 0)
        abort();
}

bool password_hash(const char *password, size_t length, char hash_out[PASSWORD_HASH_LENGTH + 1])
{
    assert(length <= PASSWORD_BYTES_MAX);
    sodium_ready();
    password_memory_lend();
    bool is_done = crypto_pwhash_str_alg(hash_out, password, length, PASSWORD_PASSES,
                                         PASSWORD_MEMORY_BYTES, crypto_pwhash_ALG_ARGON2ID13) == 0;
    (void)password_memory_return();
    return is_done;
}

bool password_verify(const char *password, size_t length, const char *hash)
{
    char text[PASSWORD_HASH_LENGTH + 1] = {0}; /* libsodium wants so much to be there */
    /* No password has so many bytes; the time is spent all the same. */
    bool is_possible = hash != NULL && length <= PASSWORD_BYTES_MAX &&
                       strlen(hash) <= PASSWORD_HASH_LENGTH &&
                       strncmp(hash, crypto_pwhash_STRPREFIX, strlen(crypto_pwhash_STRPREFIX)) == 0;

    sodium_ready();
    if (length > PASSWORD_BYTES_MAX)
        length = PASSWORD_BYTES_MAX;
    if (!is_possible)
        hash = dummy_hash;
    memcpy(text, hash, strlen(hash));
    password_memory_lend();
    bool is_same = crypto_pwhash_str_verify(text, password, length) == 0;
    (void)password_memory_return();
    return is_same && is_possible;
}

bool password_needs_rehash(const char *hash)
{
    char text[PASSWORD_HASH_LENGTH + 1] = {0};

    if (strlen(hash) > PASSWORD_HASH_LENGTH)
        return true;
    memcpy(text, hash, strlen(hash));
    return crypto_pwhash_str_needs_rehash(text, PASSWORD_PASSES, PASSWORD_MEMORY_BYTES) != 0;
}

void password_wipe(void *bytes, size_t length)
{
    sodium_memzero(bytes, length);
}
