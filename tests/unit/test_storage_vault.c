/* SPDX-License-Identifier: Apache-2.0 */
/* What is sealed opens in its own place, under its own key, whole, and nowhere else; wrapped keys
 * survive a rotation of the vault's key; a store starts with its own vault key or says which one it
 * needs. The fixed bytes were computed with another implementation (Python's cryptography). */
#include "test_storage_support.h"

#include "data_folder.h"
#include "files.h"
#include "vault_file.h"

enum { TEXT_MAX = 256 };

static const struct principal ada = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
static const struct principal eve = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16}};
static const char email[] = "ada@example.com";

static void counting_random(void *self, void *bytes, size_t length)
{
    uint8_t *next = self;

    for (size_t i = 0; i < length; i++)
        ((uint8_t *)bytes)[i] = (*next)++;
}

static void key_fill(uint8_t key[VAULT_KEY_BYTES], uint8_t first)
{
    for (uint8_t i = 0; i < VAULT_KEY_BYTES; i++)
        key[i] = (uint8_t)(first + i);
}

static struct vault *vault_with(uint8_t current, int previous, uint8_t *counter)
{
    struct vault_keys keys = {.count = previous < 0 ? 1 : 2};
    uint8_t index_key[VAULT_KEY_BYTES];

    key_fill(keys.keys[0], current);
    if (previous >= 0)
        key_fill(keys.keys[1], (uint8_t)previous);
    key_fill(index_key, 100);
    struct vault *vault =
        vault_create(&keys, index_key, counter != NULL ? counting_random : NULL, counter);
    assert_non_null(vault);
    return vault;
}

static void hex_is(const uint8_t *bytes, size_t length, const char *expected)
{
    char text[2 * TEXT_MAX + 1];

    assert_true(length <= TEXT_MAX);
    for (size_t i = 0; i < length; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    assert_string_equal(text, expected);
}

/* ---- the formats ---- */

static void formats_are_what_another_implementation_computes(void **state)
{
    uint8_t counter = 0x80;
    struct vault *vault = vault_with(0, -1, &counter);
    struct vault_port port = vault_port_of(vault);
    struct vault_place place = {.owner = ada, .row = 7, .table = 3, .field = 5};
    struct vault_wrapped_key wrapped;
    uint8_t sealed[sizeof(email) - 1 + VAULT_SEAL_OVERHEAD];
    uint8_t index[VAULT_INDEX_BYTES];

    (void)state;
    port.new_key(port.self, &ada, &wrapped);
    hex_is(wrapped.bytes, sizeof(wrapped.bytes),
           "01a0a1a2a3fecc8d5342b0cceda4a5a6a7a8a9aaabacadaeaf1618340fce5b31ac193301f2b7d0a53848978"
           "a4f190543d119d7a0cb8d30bf4cc4f51d4f98c65ba5ee4d095cf6ed8d64");
    assert_int_equal(port.seal(port.self, &wrapped, &place, email, sizeof(email) - 1, sealed),
                     VAULT_OK);
    hex_is(sealed, sizeof(sealed),
           "01a0a1a2a3b0b1b2b3b4b5b6b7b8b9babb134532c3824851aa00e0ded1c4978e5cbe8f7e4a5c078b5845546"
           "269ac4f0f");
    port.blind_index(port.self, email, sizeof(email) - 1, index);
    hex_is(index, sizeof(index), "5e150de2aa7e40646b0980d8b0b37f9f");
    vault_destroy(vault);
}

/* ---- sealing ---- */

static void what_is_sealed_opens(void **state)
{
    struct vault *vault = vault_with(0, -1, NULL);
    struct vault_port port = vault_port_of(vault);
    struct vault_place place = {.owner = ada, .row = 1, .table = 1, .field = 1};
    struct vault_wrapped_key wrapped;
    static uint8_t text[VAULT_PLAINTEXT_MAX + 1];
    static uint8_t sealed[VAULT_PLAINTEXT_MAX + 1 + VAULT_SEAL_OVERHEAD];
    static uint8_t again[VAULT_PLAINTEXT_MAX + 1];
    static const size_t lengths[] = {0, 1, 15, 16, 17, 1000, VAULT_PLAINTEXT_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t)(i * 7);
    port.new_key(port.self, &ada, &wrapped);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        size_t length = lengths[i];

        assert_int_equal(port.seal(port.self, &wrapped, &place, text, length, sealed), VAULT_OK);
        assert_int_equal(
            port.open(port.self, &wrapped, &place, sealed, length + VAULT_SEAL_OVERHEAD, again),
            VAULT_OK);
        assert_memory_equal(again, text, length);
    }
    assert_int_equal(port.seal(port.self, &wrapped, &place, text, sizeof(text), sealed),
                     VAULT_MALFORMED);
    assert_int_equal(port.open(port.self, &wrapped, &place, sealed, sizeof(sealed), again),
                     VAULT_MALFORMED);
    vault_destroy(vault);
}

static void the_same_text_is_sealed_differently_each_time(void **state)
{
    struct vault *vault = vault_with(0, -1, NULL);
    struct vault_port port = vault_port_of(vault);
    struct vault_place place = {.owner = ada};
    struct vault_wrapped_key wrapped;
    struct vault_wrapped_key other;
    uint8_t first[sizeof(email) + VAULT_SEAL_OVERHEAD];
    uint8_t second[sizeof(email) + VAULT_SEAL_OVERHEAD];

    (void)state;
    port.new_key(port.self, &ada, &wrapped);
    port.new_key(port.self, &ada, &other);
    assert_memory_not_equal(wrapped.bytes, other.bytes, sizeof(other.bytes));
    port.seal(port.self, &wrapped, &place, email, sizeof(email), first);
    port.seal(port.self, &wrapped, &place, email, sizeof(email), second);
    assert_memory_not_equal(first + 5, second + 5, sizeof(first) - 5);
    vault_destroy(vault);
}

static void every_flipped_bit_and_every_shorter_length_is_refused(void **state)
{
    struct vault *vault = vault_with(0, -1, NULL);
    struct vault_port port = vault_port_of(vault);
    struct vault_place place = {.owner = ada, .row = 1, .table = 1, .field = 1};
    struct vault_wrapped_key wrapped;
    uint8_t sealed[sizeof(email) + VAULT_SEAL_OVERHEAD];
    uint8_t text[sizeof(email)];
    static const uint8_t zeros[sizeof(email)];

    (void)state;
    port.new_key(port.self, &ada, &wrapped);
    assert_int_equal(port.seal(port.self, &wrapped, &place, email, sizeof(email), sealed),
                     VAULT_OK);
    for (size_t bit = 0; bit < 8 * sizeof(sealed); bit++) {
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        memset(text, 0, sizeof(text));
        enum vault_result expected = bit < 8    ? VAULT_MALFORMED
                                     : bit < 40 ? VAULT_OTHER_KEY
                                                : VAULT_REFUSED;
        assert_int_equal(port.open(port.self, &wrapped, &place, sealed, sizeof(sealed), text),
                         expected);
        assert_memory_equal(text, zeros, sizeof(text)); /* nothing in clear */
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t length = 0; length < sizeof(sealed); length++)
        assert_int_not_equal(port.open(port.self, &wrapped, &place, sealed, length, text),
                             VAULT_OK);
    for (size_t bit = 0; bit < 8 * sizeof(wrapped.bytes); bit++) {
        wrapped.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(port.open(port.self, &wrapped, &place, sealed, sizeof(sealed), text),
                             VAULT_OK);
        assert_int_not_equal(port.seal(port.self, &wrapped, &place, email, sizeof(email), sealed),
                             VAULT_OK);
        wrapped.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(port.open(port.self, &wrapped, &place, sealed, sizeof(sealed), text),
                     VAULT_OK);
    vault_destroy(vault);
}

static void a_value_opens_in_its_own_place_only(void **state)
{
    struct vault *vault = vault_with(0, -1, NULL);
    struct vault_port port = vault_port_of(vault);
    const struct vault_place place = {.owner = ada, .row = 7, .table = 3, .field = 5};
    const struct vault_place others[] = {
        {.owner = ada, .row = 8, .table = 3, .field = 5},
        {.owner = ada, .row = 7, .table = 4, .field = 5},
        {.owner = ada, .row = 7, .table = 3, .field = 6},
        {.owner = eve, .row = 7, .table = 3, .field = 5},
        {.owner = ada, .row = 7ull << 32, .table = 3, .field = 5},
    };
    struct vault_wrapped_key of_ada;
    struct vault_wrapped_key of_eve;
    uint8_t sealed[sizeof(email) + VAULT_SEAL_OVERHEAD];
    char text[sizeof(email)];

    (void)state;
    port.new_key(port.self, &ada, &of_ada);
    port.new_key(port.self, &eve, &of_eve);
    assert_int_equal(port.seal(port.self, &of_ada, &place, email, sizeof(email), sealed), VAULT_OK);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_int_equal(
            port.open(port.self, &of_ada, &others[i], sealed, sizeof(sealed), (uint8_t *)text),
            VAULT_REFUSED);
    /* Another customer's key, and the key moved to another customer. */
    assert_int_equal(port.open(port.self, &of_eve, &place, sealed, sizeof(sealed), (uint8_t *)text),
                     VAULT_OTHER_KEY);
    assert_int_equal(port.seal(port.self, &of_ada, &others[3], email, sizeof(email), sealed),
                     VAULT_REFUSED);
    vault_destroy(vault);
}

/* ---- rotation ---- */

static void a_rotation_rewraps_and_leaves_what_is_sealed(void **state)
{
    struct vault *before = vault_with(0, -1, NULL);
    struct vault *during = vault_with(50, 0, NULL);
    struct vault *after = vault_with(50, -1, NULL);
    struct vault_port old = vault_port_of(before);
    struct vault_port both = vault_port_of(during);
    struct vault_port new = vault_port_of(after);
    struct vault_place place = {.owner = ada};
    struct vault_wrapped_key wrapped;
    struct vault_wrapped_key kept;
    uint8_t sealed[sizeof(email) + VAULT_SEAL_OVERHEAD];
    uint8_t first[VAULT_INDEX_BYTES];
    uint8_t second[VAULT_INDEX_BYTES];
    char text[sizeof(email)] = {0};
    bool changed;

    (void)state;
    old.new_key(old.self, &ada, &wrapped);
    old.seal(old.self, &wrapped, &place, email, sizeof(email), sealed);
    assert_int_equal(new.open(new.self, &wrapped, &place, sealed, sizeof(sealed), (uint8_t *)text),
                     VAULT_OTHER_KEY);
    assert_int_equal(new.rewrap(new.self, &ada, &wrapped, &changed), VAULT_OTHER_KEY);
    assert_int_equal(
        both.open(both.self, &wrapped, &place, sealed, sizeof(sealed), (uint8_t *)text), VAULT_OK);
    uint64_t old_id = vault_wrapped_key_id(&wrapped);
    assert_int_equal(both.rewrap(both.self, &eve, &wrapped, &changed), VAULT_REFUSED);
    assert_int_equal(both.rewrap(both.self, &ada, &wrapped, &changed), VAULT_OK);
    assert_true(changed);
    assert_true(vault_wrapped_key_id(&wrapped) != old_id);
    kept = wrapped;
    assert_int_equal(both.rewrap(both.self, &ada, &wrapped, &changed), VAULT_OK);
    assert_false(changed);
    assert_memory_equal(kept.bytes, wrapped.bytes, sizeof(kept.bytes));
    memset(text, 0, sizeof(text));
    assert_int_equal(new.open(new.self, &wrapped, &place, sealed, sizeof(sealed), (uint8_t *)text),
                     VAULT_OK);
    assert_string_equal(text, email);
    old.blind_index(old.self, email, sizeof(email) - 1, first);
    new.blind_index(new.self, email, sizeof(email) - 1, second);
    assert_memory_equal(first, second, sizeof(first));
    vault_destroy(before);
    vault_destroy(during);
    vault_destroy(after);
}

/* ---- a store's vault ---- */

struct store {
    struct test_folder test;
    struct data_folder folder;
    char error[1024];
};

static void store_make(struct store *store)
{
    memset(store, 0, sizeof(*store));
    test_folder_make(&store->test);
    snprintf(store->folder.path, sizeof(store->folder.path), "%s", store->test.path);
    store->folder.store_id = 0x1122334455667788;
    store->folder.lock_file = -1;
}

static int store_open_with(struct store *store, const char *option, const char *credentials,
                           uint8_t index_out[VAULT_INDEX_BYTES])
{
    struct vault_key_file file;
    struct vault *vault = NULL;

    int result = vault_key_file_find(&store->folder, option, credentials, &file, store->error,
                                     sizeof(store->error));
    if (result == 0)
        result = vault_file_open(&store->folder, &file, true, NULL, NULL, &vault, store->error,
                                 sizeof(store->error));
    if (result != 0)
        return result;
    struct vault_port port = vault_port_of(vault);
    if (index_out != NULL)
        port.blind_index(port.self, email, sizeof(email) - 1, index_out);
    vault_destroy(vault);
    return 0;
}

static void file_put(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void file_move(const struct store *store, const char *source, const char *target)
{
    assert_int_equal(rename(test_path(&store->test, source), test_path(&store->test, target)), 0);
}

static void a_new_store_makes_its_key_and_opens_with_it(void **state)
{
    struct store store;
    struct stat status;
    uint8_t first[VAULT_INDEX_BYTES];
    uint8_t second[VAULT_INDEX_BYTES];
    char expected[64];
    uint64_t needed = 0;

    (void)state;
    store_make(&store);
    assert_int_equal(store_open_with(&store, NULL, NULL, first), 0);
    assert_int_equal(stat(test_path(&store.test, "vault.key"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    store.folder.is_ready = true;
    assert_int_equal(store_open_with(&store, "", "", second), 0);
    assert_memory_equal(first, second, sizeof(first));

    /* As after a restore: the key is named, and nothing is made in its place. */
    file_move(&store, "vault.key", "away");
    assert_int_equal(store_open_with(&store, NULL, NULL, NULL), -1);
    assert_int_equal(vault_file_needs(&store.folder, &needed, store.error, sizeof(store.error)), 0);
    assert_int_equal(store_open_with(&store, NULL, NULL, NULL), -1);
    snprintf(expected, sizeof(expected), "sealed with the vault key %016llx",
             (unsigned long long)needed);
    assert_non_null(strstr(store.error, expected));
    assert_false(files_exist(test_path(&store.test, "vault.key")));
    assert_int_equal(store_open_with(&store, test_path(&store.test, "away"), NULL, second), 0);
    assert_memory_equal(first, second, sizeof(first));
    test_folder_remove(&store.test);
}

static void another_key_is_refused_by_name(void **state)
{
    struct store store;
    struct store other;

    (void)state;
    store_make(&store);
    store_make(&other);
    assert_int_equal(store_open_with(&store, NULL, NULL, NULL), 0);
    assert_int_equal(store_open_with(&other, NULL, NULL, NULL), 0);
    store.folder.is_ready = true;
    assert_int_equal(store_open_with(&store, test_path(&other.test, "vault.key"), NULL, NULL), -1);
    assert_non_null(strstr(store.error, "holds the vault key"));
    /* Another store's index, with its key. */
    assert_int_equal(rename(test_path(&other.test, "vault"), test_path(&store.test, "vault")), 0);
    store.folder.store_id++;
    assert_int_equal(store_open_with(&store, test_path(&other.test, "vault.key"), NULL, NULL),
                     DATA_FOLDER_DAMAGED);
    assert_non_null(strstr(store.error, "is of another store"));
    test_folder_remove(&store.test);
    test_folder_remove(&other.test);
}

static void a_damaged_or_missing_vault_is_refused(void **state)
{
    struct store store;
    uint8_t bytes[256];

    (void)state;
    store_make(&store);
    assert_int_equal(store_open_with(&store, NULL, NULL, NULL), 0);
    store.folder.is_ready = true;
    const char *path = test_path(&store.test, "vault");
    ssize_t length = files_read(path, bytes, sizeof(bytes), NULL, store.error, sizeof(store.error));
    assert_true(length > 0);
    for (ssize_t i = 0; i < length; i++) {
        bytes[i] ^= 0x10;
        assert_int_equal(
            files_replace(path, bytes, (size_t)length, store.error, sizeof(store.error)), 0);
        assert_int_equal(store_open_with(&store, NULL, NULL, NULL), DATA_FOLDER_DAMAGED);
        assert_non_null(strstr(store.error, "is damaged"));
        bytes[i] ^= 0x10;
    }
    assert_int_equal(
        files_replace(path, bytes, (size_t)length - 1, store.error, sizeof(store.error)), 0);
    assert_int_equal(store_open_with(&store, NULL, NULL, NULL), DATA_FOLDER_DAMAGED);
    assert_non_null(strstr(store.error, "is damaged"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(store_open_with(&store, NULL, NULL, NULL), DATA_FOLDER_DAMAGED);
    assert_non_null(strstr(store.error, "is missing"));
    test_folder_remove(&store.test);
}

#define HEX_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define HEX_B "32333435363738393A3B3C3D3E3F404142434445464748494a4b4c4d4e4f5051"
#define HEX_C "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

static void key_files_are_read_strictly(void **state)
{
    static const struct {
        const char *text;
        mode_t mode;
        const char *error; /* NULL: good */
    } cases[] = {
        {"current " HEX_A "\n", 0600, NULL},
        {"current " HEX_A, 0400, NULL},
        {"# one\n\ncurrent " HEX_A "\r\n# two\nprevious " HEX_B "\n\n", 0600, NULL},
        {"current " HEX_A "\n", 0640, "chmod 600"},
        {"current " HEX_A "\n", 0604, "chmod 600"},
        {"", 0600, "holds no vault key"},
        {"# nothing\n", 0600, "holds no vault key"},
        {HEX_A "\n", 0600, "holds no vault key"},
        {"current " HEX_A "0\n", 0600, "holds no vault key"},
        {"current 0" HEX_A "\n", 0600, "holds no vault key"},
        {"current  " HEX_A "\n", 0600, "holds no vault key"},
        {"current g" HEX_A "\n", 0600, "holds no vault key"},
        {"previous " HEX_A "\n", 0600, "holds no vault key"},
        {"current " HEX_A "\ncurrent " HEX_B "\n", 0600, "holds no vault key"},
        {"previous " HEX_A "\ncurrent " HEX_B "\n", 0600, "holds no vault key"},
        {"current " HEX_A "\nprevious " HEX_B "\nprevious " HEX_B "\n", 0600, "holds no vault key"},
    };
    struct store store;

    (void)state;
    store_make(&store);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct vault_key_file file = {0};
        struct vault_keys keys;

        snprintf(file.path, sizeof(file.path), "%s/key%zu", store.test.path, i);
        file_put(file.path, cases[i].text, cases[i].mode);
        int result = vault_key_file_read(&file, &keys, store.error, sizeof(store.error));
        assert_int_equal(result, cases[i].error == NULL ? 0 : -1);
        if (cases[i].error != NULL)
            assert_non_null(strstr(store.error, cases[i].error));
        else
            assert_true(keys.keys[0][0] == 0 && keys.keys[0][31] == 0x1f);
        if (result == 0 && keys.count == 2)
            assert_true(keys.keys[1][0] == 0x32 && keys.keys[1][31] == 0x51);
    }
    test_folder_remove(&store.test);
}

static void the_key_is_taken_from_the_option_then_the_credential(void **state)
{
    struct store store;
    uint8_t index[VAULT_INDEX_BYTES];
    uint8_t again[VAULT_INDEX_BYTES];
    char credential[512];

    (void)state;
    store_make(&store);
    /* A missing file that was asked for is not made. */
    assert_int_equal(store_open_with(&store, test_path(&store.test, "none"), NULL, NULL), -1);
    assert_non_null(strstr(store.error, "none is missing"));
    snprintf(credential, sizeof(credential), "%s/%s", store.test.path, VAULT_CREDENTIAL_NAME);
    file_put(credential, "current " HEX_A "\n", 0440); /* as systemd shows it to a user */
    file_put(test_path(&store.test, "option"), "current " HEX_B "\n", 0600);
    assert_int_equal(store_open_with(&store, NULL, store.test.path, index), 0);
    assert_false(files_exist(test_path(&store.test, "vault.key")));
    store.folder.is_ready = true;
    assert_int_equal(
        store_open_with(&store, test_path(&store.test, "option"), store.test.path, NULL), -1);
    assert_int_equal(store_open_with(&store, NULL, store.test.path, again), 0);
    assert_memory_equal(index, again, sizeof(index));
    test_folder_remove(&store.test);
}

static void a_rotation_of_the_store_s_key_keeps_the_index(void **state)
{
    struct store store;
    uint8_t index[VAULT_INDEX_BYTES];
    uint8_t again[VAULT_INDEX_BYTES];
    const char *path;

    (void)state;
    store_make(&store);
    file_put(test_path(&store.test, "a"), "current " HEX_A "\n", 0600);
    file_put(test_path(&store.test, "ba"), "current " HEX_B "\nprevious " HEX_A "\n", 0600);
    file_put(test_path(&store.test, "b"), "current " HEX_B "\n", 0600);
    file_put(test_path(&store.test, "cb"), "current " HEX_C "\nprevious " HEX_B "\n", 0600);
    assert_int_equal(store_open_with(&store, test_path(&store.test, "a"), NULL, index), 0);
    store.folder.is_ready = true;
    static const char *const steps[] = {"ba", "b", "ba", "cb"};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        path = test_path(&store.test, steps[i]);
        assert_int_equal(store_open_with(&store, path, NULL, again), 0);
        assert_memory_equal(index, again, sizeof(index));
    }
    assert_int_equal(store_open_with(&store, test_path(&store.test, "ba"), NULL, NULL), -1);
    assert_non_null(strstr(store.error, "holds the vault keys"));
    test_folder_remove(&store.test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_are_what_another_implementation_computes),
        cmocka_unit_test(what_is_sealed_opens),
        cmocka_unit_test(the_same_text_is_sealed_differently_each_time),
        cmocka_unit_test(every_flipped_bit_and_every_shorter_length_is_refused),
        cmocka_unit_test(a_value_opens_in_its_own_place_only),
        cmocka_unit_test(a_rotation_rewraps_and_leaves_what_is_sealed),
        cmocka_unit_test(a_new_store_makes_its_key_and_opens_with_it),
        cmocka_unit_test(another_key_is_refused_by_name),
        cmocka_unit_test(a_damaged_or_missing_vault_is_refused),
        cmocka_unit_test(key_files_are_read_strictly),
        cmocka_unit_test(the_key_is_taken_from_the_option_then_the_credential),
        cmocka_unit_test(a_rotation_of_the_store_s_key_keeps_the_index),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
