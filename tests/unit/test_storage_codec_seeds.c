/* SPDX-License-Identifier: Apache-2.0 */
/* The seeds of the fuzz target of the codec (tests/fuzz/corpus/fuzz_codec): of each kind a short
 * and a fuller value that decodes today, so that a search begins behind the version, the number of
 * fields and the checksum. Where the form of values has changed, they are written anew:
 *
 *     STAMPEDE_CODEC_SEEDS=write build/release/tests/test_storage_codec_seeds */
#include "random_record.h"
#include "test_storage_support.h"

#include "codec_fields.h"

enum {
    DRAWS = 400,
    FULL_BYTES_MAX = 1200,
    KEEP_CHECKSUM = 0x80, /* see fuzz_codec.c, whose inputs these are */
    HEAD_BYTES = 2,
    NUMBERS = 3,
};

struct seed_value {
    uint8_t bytes[HEAD_BYTES + CODEC_KEY_BYTES_MAX + CODEC_VALUE_BYTES_MAX];
    size_t length; /* 0: none */
};

static const char *const kinds[] = {
#define X(name, member) #member,
    RECORD_KINDS(X)
#undef X
};

static _Alignas(8) uint8_t record_bytes[CODEC_RECORD_BYTES_MAX];

static void path_of(const char *name, const char *suffix, char path_out[512])
{
    snprintf(path_out, 512, "%s/%s%s", STAMPEDE_FUZZ_CODEC_CORPUS, name, suffix);
}

static bool is_to_be_written(void)
{
    const char *wish = getenv("STAMPEDE_CODEC_SEEDS");

    return wish != NULL && strcmp(wish, "write") == 0;
}

/* ---- writing ---- */

static void write_seed(const char *name, const char *suffix, const struct seed_value *seed)
{
    char path[512];
    FILE *file;

    path_of(name, suffix, path);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(seed->bytes, 1, seed->length, file), seed->length);
    assert_int_equal(fclose(file), 0);
}

static void draw_seed(uint64_t *random, enum record_kind kind, struct seed_value *seed_out)
{
    struct record *record = (struct record *)(void *)record_bytes;
    uint8_t *key = seed_out->bytes + HEAD_BYTES;
    size_t key_length;

    random_record_of(random, kind, record);
    key_length = codec_encode_key(record, key);
    seed_out->bytes[0] = (uint8_t)kind;
    seed_out->bytes[1] = (uint8_t)key_length;
    seed_out->length =
        HEAD_BYTES + key_length +
        codec_encode_value(record, key, key_length, key + key_length, CODEC_VALUE_BYTES_MAX);
}

/* The shortest of many, and the longest that is still small. */
static void write_kind(enum record_kind kind)
{
    static struct seed_value drawn, shortest, fullest;
    uint64_t random = 1 + (uint64_t)kind;

    shortest.length = SIZE_MAX;
    fullest.length = 0;
    for (unsigned i = 0; i < DRAWS; i++) {
        draw_seed(&random, kind, &drawn);
        if (drawn.length < shortest.length)
            shortest = drawn;
        if (drawn.length > fullest.length && drawn.length <= FULL_BYTES_MAX)
            fullest = drawn;
    }
    write_seed(kinds[kind], "", &shortest);
    write_seed(kinds[kind], "_full", fullest.length > 0 ? &fullest : &shortest);
    if (kind == RECORD_HOLD) {
        shortest.bytes[0] |= KEEP_CHECKSUM;
        write_seed(kinds[kind], "_intact", &shortest);
    }
}

static void write_numbers(void)
{
    static const uint64_t numbers[NUMBERS] = {1, 70000, UINT64_MAX};
    struct seed_value seed = {.bytes = {RECORD_KIND_COUNT, 0}};

    seed.length = HEAD_BYTES + codec_encode_numbers("numbers", numbers, NUMBERS,
                                                    seed.bytes + HEAD_BYTES, CODEC_VALUE_BYTES_MAX);
    write_seed("numbers", "", &seed);
}

static void write_all(void)
{
    for (unsigned kind = 0; kind < RECORD_KIND_COUNT; kind++)
        write_kind((enum record_kind)kind);
    write_numbers();
}

/* ---- reading ---- */

static void read_seed(const char *name, const char *suffix, struct seed_value *seed_out)
{
    char path[512];
    FILE *file;

    path_of(name, suffix, path);
    file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("there is no %s: see above how it is made", path);
    seed_out->length = fread(seed_out->bytes, 1, sizeof(seed_out->bytes), file);
    fclose(file);
    assert_true(seed_out->length > HEAD_BYTES);
}

static void assert_decodes(enum record_kind kind, const char *suffix, bool keeps_checksum)
{
    static struct seed_value seed;
    struct record *record = (struct record *)(void *)record_bytes;
    const uint8_t *key = seed.bytes + HEAD_BYTES;
    enum codec_error error;
    size_t key_length;

    read_seed(kinds[kind], suffix, &seed);
    assert_int_equal(seed.bytes[0], kind | (keeps_checksum ? KEEP_CHECKSUM : 0u));
    key_length = seed.bytes[1];
    error = codec_decode(kind, key, key_length, key + key_length,
                         seed.length - HEAD_BYTES - key_length, record);
    if (error != CODEC_OK)
        fail_msg("%s%s: %s: see above how it is made anew", kinds[kind], suffix,
                 codec_error_text(error));
}

static void test_each_kind_has_seeds_that_decode(void **state)
{
    static struct seed_value seed;
    uint64_t numbers[NUMBERS];

    (void)state;
    if (is_to_be_written())
        write_all();
    for (unsigned kind = 0; kind < RECORD_KIND_COUNT; kind++) {
        assert_decodes((enum record_kind)kind, "", false);
        assert_decodes((enum record_kind)kind, "_full", false);
    }
    assert_decodes(RECORD_HOLD, "_intact", true);
    read_seed("numbers", "", &seed);
    assert_int_equal(seed.bytes[0], RECORD_KIND_COUNT);
    assert_int_equal(codec_decode_numbers("numbers", seed.bytes + HEAD_BYTES,
                                          seed.length - HEAD_BYTES, numbers, NUMBERS),
                     CODEC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_kind_has_seeds_that_decode)};

    return cmocka_run_group_tests_name("seeds of the codec's fuzz target", tests, NULL, NULL);
}
