/* SPDX-License-Identifier: Apache-2.0 */
/* The only file of storage/ that includes OpenSSL. */
#include "vault.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"

enum {
    DATA_KEY_ID_BYTES = 4,
    KEY_ID_BYTES = 8,
    NONCE_BYTES = 12,
    TAG_BYTES = 16,
    /* What stands before the nonce. */
    WRAPPED_HEAD_BYTES = 1 + DATA_KEY_ID_BYTES + KEY_ID_BYTES,
    INDEX_HEAD_BYTES = 1 + KEY_ID_BYTES,
    SEALED_HEAD_BYTES = 1 + DATA_KEY_ID_BYTES,
    AAD_BYTES_MAX = 64,
    RANDOM_BLOCK_BYTES = 512,
};

_Static_assert(VAULT_WRAPPED_KEY_BYTES ==
                   WRAPPED_HEAD_BYTES + NONCE_BYTES + VAULT_KEY_BYTES + TAG_BYTES,
               "a wrapped key is its head and a sealed key");
_Static_assert(VAULT_SEAL_OVERHEAD == SEALED_HEAD_BYTES + NONCE_BYTES + TAG_BYTES,
               "a sealed value is its head, nonce, ciphertext and tag");
_Static_assert(VAULT_WRAPPED_INDEX_BYTES ==
                   INDEX_HEAD_BYTES + NONCE_BYTES + VAULT_KEY_BYTES + TAG_BYTES,
               "a wrapped index key is its head and a sealed key");

struct vault {
    struct vault_keys keys;
    uint64_t key_ids[VAULT_KEYS_MAX];
    EVP_CIPHER *cipher;       /* fetched once: looking it up takes longer than using it */
    EVP_MAC_CTX *email_index; /* begun with its key: copied for each address */
    void (*random)(void *self, void *bytes, size_t length);
    void *random_self;
};

/* OpenSSL says no where memory is short or it is broken: nothing can be kept secret then. */
static void must(bool is_done)
{
    if (!is_done)
        abort();
}

/* Drawn in blocks, as the generator takes as long for few bytes as for many; what was given is
 * wiped. A thread's own: nobody else waits. */
static void openssl_random(void *self, void *bytes, size_t length)
{
    static _Thread_local struct {
        uint8_t bytes[RANDOM_BLOCK_BYTES];
        size_t left;
    } block;
    uint8_t *from;

    (void)self;
    if (length > sizeof(block.bytes)) {
        must(RAND_bytes(bytes, (int)length) == 1);
        return;
    }
    if (length > block.left) {
        must(RAND_bytes(block.bytes, (int)sizeof(block.bytes)) == 1);
        block.left = sizeof(block.bytes);
    }
    block.left -= length;
    from = block.bytes + block.left;
    memcpy(bytes, from, length);
    OPENSSL_cleanse(from, length);
}

/* ---- AES-256-GCM ---- */

/* Additional data: a label of its own for each use, then fields of fixed sizes. */
struct aad {
    uint8_t bytes[AAD_BYTES_MAX];
    uint8_t *end;
};

static void aad_begin(struct aad *aad, const char *label)
{
    size_t length = strlen(label);

    memcpy(aad->bytes, label, length);
    aad->end = aad->bytes + length;
}

static void aad_add(struct aad *aad, const void *bytes, size_t length)
{
    assert(aad->end + length <= aad->bytes + AAD_BYTES_MAX);
    memcpy(aad->end, bytes, length);
    aad->end += length;
}

/* `context` may be one that was used before, for the same cipher: it then keeps its memory. */
static void gcm_begin(EVP_CIPHER_CTX *context, const EVP_CIPHER *cipher, bool encrypts,
                      const uint8_t *key, const uint8_t *nonce, const struct aad *aad)
{
    int written;

    must(context != NULL);
    must(EVP_CipherInit_ex2(context, cipher, key, nonce, encrypts, NULL) == 1);
    must(EVP_CipherUpdate(context, NULL, &written, aad->bytes, (int)(aad->end - aad->bytes)) == 1);
}

/* Writes `ciphertext:length | tag`. */
static void gcm_seal(EVP_CIPHER_CTX *context, const EVP_CIPHER *cipher, const uint8_t *key,
                     const uint8_t *nonce, const struct aad *aad, const void *plaintext,
                     size_t length, uint8_t *out)
{
    int written = 0;

    gcm_begin(context, cipher, true, key, nonce, aad);
    if (length > 0)
        must(EVP_CipherUpdate(context, out, &written, plaintext, (int)length) == 1);
    must((size_t)written == length);
    must(EVP_CipherFinal_ex(context, out + length, &written) == 1);
    must(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, out + length) == 1);
}

/* Reads `ciphertext:length | tag`; false, and nothing in clear, if it is not authentic. */
static bool gcm_open(EVP_CIPHER_CTX *context, const EVP_CIPHER *cipher, const uint8_t *key,
                     const uint8_t *nonce, const struct aad *aad, const uint8_t *sealed,
                     size_t length, uint8_t *out)
{
    uint8_t tag[TAG_BYTES];
    uint8_t nothing[1];
    int written = 0;

    gcm_begin(context, cipher, false, key, nonce, aad);
    memcpy(tag, sealed + length, TAG_BYTES);
    must(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) == 1);
    if (length > 0)
        must(EVP_CipherUpdate(context, out, &written, sealed, (int)length) == 1);
    bool is_authentic = EVP_CipherFinal_ex(context, nothing, &written) == 1;
    if (!is_authentic)
        OPENSSL_cleanse(out, length);
    return is_authentic;
}

/* ---- keyed hashes ---- */

static void keyed_hash(const uint8_t key[VAULT_KEY_BYTES], const char *purpose, const void *bytes,
                       size_t length, uint8_t *hash_out, size_t hash_length)
{
    uint8_t purpose_key[32];
    uint8_t hash[32];
    unsigned size;

    /* Twice, as HKDF does: first a key for the purpose, so that purposes cannot meet. */
    must(HMAC(EVP_sha256(), key, VAULT_KEY_BYTES, (const uint8_t *)purpose, strlen(purpose),
              purpose_key, &size) != NULL);
    must(HMAC(EVP_sha256(), purpose_key, sizeof(purpose_key), bytes, length, hash, &size) != NULL);
    assert(size == sizeof(hash) && hash_length <= sizeof(hash));
    memcpy(hash_out, hash, hash_length);
    OPENSSL_cleanse(purpose_key, sizeof(purpose_key));
}

uint64_t vault_key_id(const uint8_t key[VAULT_KEY_BYTES])
{
    uint8_t id[KEY_ID_BYTES];

    keyed_hash(key, "stampede vault key id", "", 0, id, sizeof(id));
    return bytes_get(id, KEY_ID_BYTES);
}

/* keyed_hash of the index key, its first half done. NULL where OpenSSL cannot. */
static EVP_MAC_CTX *email_index_begin(const uint8_t index_key[VAULT_KEY_BYTES])
{
    static const char purpose[] = "stampede e-mail";
    char digest[] = OSSL_DIGEST_NAME_SHA2_256;
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_END};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
    EVP_MAC_CTX *context = mac == NULL ? NULL : EVP_MAC_CTX_new(mac);
    uint8_t purpose_key[32];
    unsigned size;

    must(HMAC(EVP_sha256(), index_key, VAULT_KEY_BYTES, (const uint8_t *)purpose, strlen(purpose),
              purpose_key, &size) != NULL);
    if (context != NULL &&
        EVP_MAC_init(context, purpose_key, sizeof(purpose_key), parameters) != 1) {
        EVP_MAC_CTX_free(context);
        context = NULL;
    }
    OPENSSL_cleanse(purpose_key, sizeof(purpose_key));
    EVP_MAC_free(mac); /* the context keeps what it needs */
    return context;
}

static void blind_index(void *self, const void *email, size_t length,
                        uint8_t index_out[VAULT_INDEX_BYTES])
{
    const struct vault *vault = self;
    EVP_MAC_CTX *context = EVP_MAC_CTX_dup(vault->email_index);
    uint8_t hash[32];
    size_t size = 0;

    must(context != NULL && EVP_MAC_update(context, email, length) == 1);
    must(EVP_MAC_final(context, hash, &size, sizeof(hash)) == 1);
    EVP_MAC_CTX_free(context);
    assert(size == sizeof(hash));
    memcpy(index_out, hash, VAULT_INDEX_BYTES);
}

/* ---- data keys ---- */

static void wrap_aad(struct aad *aad, const uint8_t *head, const struct principal *owner)
{
    aad_begin(aad, "stampede dek");
    aad_add(aad, head, WRAPPED_HEAD_BYTES);
    aad_add(aad, owner->bytes, sizeof(owner->bytes));
}

static const uint8_t *find_key(const struct vault *vault, uint64_t id)
{
    for (uint32_t i = 0; i < vault->keys.count; i++)
        if (vault->key_ids[i] == id)
            return vault->keys.keys[i];
    return NULL;
}

/* Wraps by the current key; the head's data key ID stands already. */
static void wrap(struct vault *vault, EVP_CIPHER_CTX *context, const struct principal *owner,
                 const uint8_t data_key[VAULT_KEY_BYTES], struct vault_wrapped_key *wrapped)
{
    uint8_t *nonce = wrapped->bytes + WRAPPED_HEAD_BYTES;
    struct aad aad;

    wrapped->bytes[0] = VAULT_VERSION;
    bytes_put(wrapped->bytes + 1 + DATA_KEY_ID_BYTES, vault->key_ids[0], KEY_ID_BYTES);
    vault->random(vault->random_self, nonce, NONCE_BYTES);
    wrap_aad(&aad, wrapped->bytes, owner);
    gcm_seal(context, vault->cipher, vault->keys.keys[0], nonce, &aad, data_key, VAULT_KEY_BYTES,
             nonce + NONCE_BYTES);
}

static enum vault_result unwrap(const struct vault *vault, EVP_CIPHER_CTX *context,
                                const struct principal *owner,
                                const struct vault_wrapped_key *wrapped,
                                uint8_t data_key_out[VAULT_KEY_BYTES])
{
    const uint8_t *nonce = wrapped->bytes + WRAPPED_HEAD_BYTES;
    struct aad aad;

    if (wrapped->bytes[0] != VAULT_VERSION)
        return VAULT_MALFORMED;
    const uint8_t *key = find_key(vault, vault_wrapped_key_id(wrapped));
    if (key == NULL)
        return VAULT_OTHER_KEY;
    wrap_aad(&aad, wrapped->bytes, owner);
    return gcm_open(context, vault->cipher, key, nonce, &aad, nonce + NONCE_BYTES, VAULT_KEY_BYTES,
                    data_key_out)
               ? VAULT_OK
               : VAULT_REFUSED;
}

uint64_t vault_wrapped_key_id(const struct vault_wrapped_key *wrapped)
{
    return bytes_get(wrapped->bytes + 1 + DATA_KEY_ID_BYTES, KEY_ID_BYTES);
}

static enum vault_wrap wrapped_by(void *self, const struct vault_wrapped_key *wrapped)
{
    const struct vault *vault = self;
    uint64_t id = vault_wrapped_key_id(wrapped);

    if (wrapped->bytes[0] != VAULT_VERSION || find_key(vault, id) == NULL)
        return VAULT_WRAPPED_BY_ANOTHER;
    return id == vault->key_ids[0] ? VAULT_WRAPPED_BY_CURRENT : VAULT_WRAPPED_BY_PREVIOUS;
}

static void new_key(void *self, const struct principal *owner,
                    struct vault_wrapped_key *wrapped_out)
{
    struct vault *vault = self;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    uint8_t data_key[VAULT_KEY_BYTES];

    vault->random(vault->random_self, data_key, sizeof(data_key));
    vault->random(vault->random_self, wrapped_out->bytes + 1, DATA_KEY_ID_BYTES);
    wrap(vault, context, owner, data_key, wrapped_out);
    EVP_CIPHER_CTX_free(context); /* wipes its key */
    OPENSSL_cleanse(data_key, sizeof(data_key));
}

static enum vault_result rewrap(void *self, const struct principal *owner,
                                struct vault_wrapped_key *wrapped, bool *changed_out)
{
    struct vault *vault = self;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    uint8_t data_key[VAULT_KEY_BYTES];

    *changed_out = false;
    enum vault_result result = unwrap(vault, context, owner, wrapped, data_key);
    if (result == VAULT_OK && vault_wrapped_key_id(wrapped) != vault->key_ids[0]) {
        wrap(vault, context, owner, data_key, wrapped);
        *changed_out = true;
    }
    EVP_CIPHER_CTX_free(context);
    OPENSSL_cleanse(data_key, sizeof(data_key));
    return result;
}

/* ---- sealed values ---- */

static void seal_aad(struct aad *aad, const uint8_t *head, const struct vault_place *place)
{
    uint8_t fields[2 + 16 + 8 + 2];
    uint8_t *at = bytes_put(fields, place->table, 2);

    memcpy(at, place->owner.bytes, sizeof(place->owner.bytes));
    at = bytes_put(at + sizeof(place->owner.bytes), place->row, 8);
    bytes_put(at, place->field, 2);
    aad_begin(aad, "stampede seal");
    aad_add(aad, head, SEALED_HEAD_BYTES);
    aad_add(aad, fields, sizeof(fields));
}

static enum vault_result seal(void *self, const struct vault_wrapped_key *wrapped,
                              const struct vault_place *place, const void *plaintext, size_t length,
                              uint8_t *sealed_out)
{
    struct vault *vault = self;
    uint8_t *nonce = sealed_out + SEALED_HEAD_BYTES;
    uint8_t data_key[VAULT_KEY_BYTES];
    struct aad aad;

    if (length > VAULT_PLAINTEXT_MAX)
        return VAULT_MALFORMED;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    enum vault_result result = unwrap(vault, context, &place->owner, wrapped, data_key);
    if (result == VAULT_OK) {
        sealed_out[0] = VAULT_VERSION;
        memcpy(sealed_out + 1, wrapped->bytes + 1, DATA_KEY_ID_BYTES);
        vault->random(vault->random_self, nonce, NONCE_BYTES);
        seal_aad(&aad, sealed_out, place);
        gcm_seal(context, vault->cipher, data_key, nonce, &aad, plaintext, length,
                 nonce + NONCE_BYTES);
    }
    EVP_CIPHER_CTX_free(context);
    OPENSSL_cleanse(data_key, sizeof(data_key));
    return result;
}

static enum vault_result open(void *self, const struct vault_wrapped_key *wrapped,
                              const struct vault_place *place, const uint8_t *sealed, size_t length,
                              uint8_t *plaintext_out)
{
    const struct vault *vault = self;
    const uint8_t *nonce = sealed + SEALED_HEAD_BYTES;
    uint8_t data_key[VAULT_KEY_BYTES];
    struct aad aad;

    if (length < VAULT_SEAL_OVERHEAD || length > VAULT_PLAINTEXT_MAX + VAULT_SEAL_OVERHEAD ||
        sealed[0] != VAULT_VERSION)
        return VAULT_MALFORMED;
    if (memcmp(sealed + 1, wrapped->bytes + 1, DATA_KEY_ID_BYTES) != 0)
        return VAULT_OTHER_KEY;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    enum vault_result result = unwrap(vault, context, &place->owner, wrapped, data_key);
    if (result == VAULT_OK) {
        seal_aad(&aad, sealed, place);
        if (!gcm_open(context, vault->cipher, data_key, nonce, &aad, nonce + NONCE_BYTES,
                      length - VAULT_SEAL_OVERHEAD, plaintext_out))
            result = VAULT_REFUSED;
    }
    EVP_CIPHER_CTX_free(context);
    OPENSSL_cleanse(data_key, sizeof(data_key));
    return result;
}

/* ---- the index key ---- */

static void index_aad(struct aad *aad, const uint8_t *head, uint64_t store_id)
{
    uint8_t id[8];

    bytes_put(id, store_id, sizeof(id));
    aad_begin(aad, "stampede index key");
    aad_add(aad, head, INDEX_HEAD_BYTES);
    aad_add(aad, id, sizeof(id));
}

void vault_index_wrap(const struct vault_keys *keys, uint64_t store_id,
                      const uint8_t index_key[VAULT_KEY_BYTES],
                      uint8_t wrapped_out[VAULT_WRAPPED_INDEX_BYTES])
{
    uint8_t *nonce = wrapped_out + INDEX_HEAD_BYTES;
    struct aad aad;

    wrapped_out[0] = VAULT_VERSION;
    bytes_put(wrapped_out + 1, vault_key_id(keys->keys[0]), KEY_ID_BYTES);
    openssl_random(NULL, nonce, NONCE_BYTES);
    index_aad(&aad, wrapped_out, store_id);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    gcm_seal(context, EVP_aes_256_gcm(), keys->keys[0], nonce, &aad, index_key, VAULT_KEY_BYTES,
             nonce + NONCE_BYTES);
    EVP_CIPHER_CTX_free(context);
}

enum vault_result vault_index_unwrap(const struct vault_keys *keys, uint64_t store_id,
                                     const uint8_t wrapped[VAULT_WRAPPED_INDEX_BYTES],
                                     uint8_t index_key_out[VAULT_KEY_BYTES], uint64_t *key_id_out)
{
    const uint8_t *nonce = wrapped + INDEX_HEAD_BYTES;
    struct aad aad;

    if (wrapped[0] != VAULT_VERSION)
        return VAULT_MALFORMED;
    *key_id_out = bytes_get(wrapped + 1, KEY_ID_BYTES);
    for (uint32_t i = 0; i < keys->count; i++) {
        if (vault_key_id(keys->keys[i]) != *key_id_out)
            continue;
        index_aad(&aad, wrapped, store_id);
        EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
        bool is_authentic = gcm_open(context, EVP_aes_256_gcm(), keys->keys[i], nonce, &aad,
                                     nonce + NONCE_BYTES, VAULT_KEY_BYTES, index_key_out);
        EVP_CIPHER_CTX_free(context);
        return is_authentic ? VAULT_OK : VAULT_REFUSED;
    }
    return VAULT_OTHER_KEY;
}

/* ---- the vault ---- */

struct vault *vault_create(const struct vault_keys *keys, const uint8_t index_key[VAULT_KEY_BYTES],
                           void (*random)(void *self, void *bytes, size_t length),
                           void *random_self)
{
    struct vault *vault = calloc(1, sizeof(*vault));

    assert(keys->count >= 1 && keys->count <= VAULT_KEYS_MAX);
    if (vault == NULL)
        return NULL;
    vault->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    vault->email_index = email_index_begin(index_key);
    if (vault->cipher == NULL || vault->email_index == NULL) {
        EVP_MAC_CTX_free(vault->email_index);
        EVP_CIPHER_free(vault->cipher);
        free(vault);
        return NULL;
    }
    vault->keys = *keys;
    for (uint32_t i = 0; i < keys->count; i++)
        vault->key_ids[i] = vault_key_id(keys->keys[i]);
    vault->random = random != NULL ? random : openssl_random;
    vault->random_self = random_self;
    return vault;
}

void vault_destroy(struct vault *vault)
{
    EVP_MAC_CTX_free(vault->email_index);
    EVP_CIPHER_free(vault->cipher);
    OPENSSL_cleanse(vault, sizeof(*vault));
    free(vault);
}

struct vault_port vault_port_of(struct vault *vault)
{
    return (struct vault_port){.self = vault,
                               .has_previous = vault->keys.count > 1,
                               .wrapped_by = wrapped_by,
                               .new_key = new_key,
                               .rewrap = rewrap,
                               .seal = seal,
                               .open = open,
                               .blind_index = blind_index};
}
