/* SPDX-License-Identifier: Apache-2.0 */
/* Passwords: what may be one, and their hashes (argon2id by libsodium).
 *
 * Hashing takes PASSWORD_MEMORY_BYTES and some 7 ms of CPU a call: on a worker's thread only
 * (engine_work_submit), whose number bounds both. Pure but for that; any thread. Passwords are
 * taken as the UTF-8 that came, neither trimmed nor folded. They are not normalised (NFC) either:
 * the browsers and keyboards that a customer uses send composed characters, and a table of
 * Unicode's is more code than what it would save. */
#ifndef STAMPEDE_PASSWORD_H
#define STAMPEDE_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PASSWORD_CHARACTERS_MIN = 8,      /* code points (ASVS 5.0, 6.2.1) */
    PASSWORD_CHARACTERS_ADVISED = 15, /* say so where one is chosen */
    PASSWORD_BYTES_MAX = 256,
    PASSWORD_HASH_LENGTH = 127, /* PHC string at most, without the terminating zero */
    /* ASVS 5.0, appendix C, has two passes over 19 MiB for as good as one over 46, and they leave
     * more of the caches to the shards. */
    PASSWORD_MEMORY_BYTES = 19 << 20,
    PASSWORD_PASSES = 2,
};

/* Why a password is refused, each with a sentence for people (password_refusal_text). */
enum password_verdict {
    PASSWORD_GOOD,
    PASSWORD_TOO_SHORT,
    PASSWORD_TOO_LONG,
    PASSWORD_NOT_UTF8, /* or with a zero or a control character */
    PASSWORD_COMMON,   /* in the list of common ones, in any case of its letters */
    PASSWORD_OWN_NAME, /* the e-mail address, the name in it, or the shop's name, with at most
                          digits and signs around it */
};

/* Judges a new password. `email` (normalised) and `shop_name` may be NULL. */
enum password_verdict password_judge(const char *password, size_t length, const char *email,
                                     const char *shop_name);
const char *password_refusal_text(enum password_verdict verdict);

/* Hashes: a PHC string (`$argon2id$v=19$m=19456,t=2,p=1$...`) and a zero. False without memory. */
bool password_hash(const char *password, size_t length, char hash_out[PASSWORD_HASH_LENGTH + 1]);

/* Whether the password is the one that was hashed. `hash` NULL (or malformed): an unknown account;
 * takes the same time and is false. */
bool password_verify(const char *password, size_t length, const char *hash);

/* Whether a hash was made with other parameters than today's. Cheap. */
bool password_needs_rehash(const char *hash);

/* Overwrites what must not stay in memory. Any thread. */
void password_wipe(void *bytes, size_t length);

#endif
