/* SPDX-License-Identifier: Apache-2.0 */
#include "api/digest.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdlib.h>

/* OpenSSL says no where memory is short or it is broken. */
static void must(bool is_done)
{
    if (!is_done)
        abort();
}

void digest_sha256(const void *bytes, size_t length, uint8_t digest_out[DIGEST_SHA256_BYTES])
{
    must(SHA256(bytes, length, digest_out) != NULL);
}

static void hmac(const EVP_MD *hash, const void *key, size_t key_length, const void *bytes,
                 size_t length, uint8_t *mac_out, unsigned mac_length)
{
    unsigned size = 0;

    must(HMAC(hash, key, (int)key_length, bytes, length, mac_out, &size) != NULL);
    must(size == mac_length);
}

void digest_hmac_sha256(const void *key, size_t key_length, const void *bytes, size_t length,
                        uint8_t mac_out[DIGEST_SHA256_BYTES])
{
    hmac(EVP_sha256(), key, key_length, bytes, length, mac_out, DIGEST_SHA256_BYTES);
}

void digest_hmac_sha256_parts(const void *key, size_t key_length, const struct digest_part *parts,
                              size_t count, uint8_t mac_out[DIGEST_SHA256_BYTES])
{
    char hash[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, hash, 0),
        OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = mac == NULL ? NULL : EVP_MAC_CTX_new(mac);
    size_t length = 0;

    must(context != NULL && EVP_MAC_init(context, key, key_length, parameters) == 1);
    for (size_t i = 0; i < count; i++)
        must(EVP_MAC_update(context, parts[i].bytes, parts[i].length) == 1);
    must(EVP_MAC_final(context, mac_out, &length, DIGEST_SHA256_BYTES) == 1 &&
         length == DIGEST_SHA256_BYTES);
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
}

void digest_hmac_sha1(const void *key, size_t key_length, const void *bytes, size_t length,
                      uint8_t mac_out[DIGEST_SHA1_BYTES])
{
    hmac(EVP_sha1(), key, key_length, bytes, length, mac_out, DIGEST_SHA1_BYTES);
}

void digest_pbkdf2_sha256(const void *password, size_t password_length, const void *salt,
                          size_t salt_length, uint32_t rounds, uint8_t *key_out, size_t key_length)
{
    must(PKCS5_PBKDF2_HMAC(password, (int)password_length, salt, (int)salt_length, (int)rounds,
                           EVP_sha256(), (int)key_length, key_out) == 1);
}

bool digest_equal(const void *a, const void *b, size_t length)
{
    return CRYPTO_memcmp(a, b, length) == 0;
}

void digest_wipe(void *bytes, size_t length)
{
    OPENSSL_cleanse(bytes, length);
}
