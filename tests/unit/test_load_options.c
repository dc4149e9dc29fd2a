/* SPDX-License-Identifier: Apache-2.0 */
/* The load generator's command line: defaults, what is read, and a line that helps for mistakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "load_admin.h"
#include "load_index.h"
#include "load_options.h"

enum {
    WORDS_MAX = 16,
    TEXT_BYTES_MAX = 1024,
};

static struct load_options options;
static char said[TEXT_BYTES_MAX];

/* Reads a line of words separated by blanks; what it says stands in `said`. */
static bool read_line(const char *line)
{
    static char words[TEXT_BYTES_MAX];
    char *arguments[WORDS_MAX + 1] = {(char[]){"stampede-load"}};
    int count = 1;
    FILE *errors = fmemopen(said, sizeof said, "w");
    snprintf(words, sizeof words, "%s", line);
    for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " ")) {
        assert_true(count < WORDS_MAX);
        arguments[count++] = word;
    }
    assert_non_null(errors);
    said[0] = '\0';
    bool ok = load_options_read(&options, count, arguments, errors);
    fclose(errors);
    return ok;
}

static int forget_environment(void **state)
{
    (void)state;
    return unsetenv("STAMPEDE_ADMIN_KEY");
}

static void defaults_are_those_of_the_help(void **state)
{
    (void)state;
    assert_true(read_line("reserve --admin-key k"));
    assert_int_equal(options.scenario, LOAD_SCENARIO_RESERVE);
    assert_string_equal(options.host, "127.0.0.1");
    assert_string_equal(options.port, "8080");
    assert_string_equal(options.authority, "127.0.0.1:8080");
    assert_int_equal(options.connections, 256);
    assert_int_equal(options.pipeline, 1);
    assert_int_equal(options.backlog, 65536);
    assert_int_equal(options.buyers, 1000);
    assert_int_equal(options.units, 500);
    assert_int_equal(options.retries, 8);
    assert_int_equal(options.seed, 1);
    assert_true(options.plan.poisson);
    assert_true(options.plan.to_per_second > 999.9 && options.plan.to_per_second < 1000.1);
    assert_true(options.duration_seconds > 9.9 && options.duration_seconds < 10.1);
    assert_false(options.closed);
}

static void options_are_read_in_both_spellings(void **state)
{
    (void)state;
    assert_true(read_line("spread --admin-key=k --rate 250.5 --connections=64 --pipeline 8 "
                          "--arrivals uniform --seed=99 --json --requests 5000"));
    assert_int_equal(options.scenario, LOAD_SCENARIO_SPREAD);
    assert_int_equal(options.connections, 64);
    assert_int_equal(options.pipeline, 8);
    assert_int_equal(options.seed, 99);
    assert_int_equal(options.requests, 5000);
    assert_true(options.json);
    assert_false(options.plan.poisson);
    assert_true(options.plan.to_per_second > 250.4 && options.plan.to_per_second < 250.6);
    assert_true(options.duration_seconds < 0.001); /* the count ends it */
}

static void a_ramp_lasts_as_long_as_it_says(void **state)
{
    (void)state;
    assert_true(read_line("reserve --admin-key k --ramp 100:20000:30 --ramp-shape exponential"));
    assert_int_equal(options.plan.shape, LOAD_SCHEDULE_EXPONENTIAL);
    assert_true(options.plan.from_per_second > 99 && options.plan.from_per_second < 101);
    assert_true(options.duration_seconds > 29.9 && options.duration_seconds < 30.1);
}

static void the_sale_has_a_short_backlog(void **state)
{
    (void)state;
    assert_true(read_line("sale --admin-key k"));
    assert_int_equal(options.backlog, 2048);
    assert_true(read_line("sale --admin-key k --backlog 9"));
    assert_int_equal(options.backlog, 9);
}

static void targets_are_taken_apart(void **state)
{
    static const struct {
        const char *target;
        const char *host;
        const char *port;
    } rows[] = {
        {"http://127.0.0.1:4711", "127.0.0.1", "4711"},
        {"http://shop.example", "shop.example", "80"},
        {"http://shop.example:80/", "shop.example", "80"},
        {"shop.example:81", "shop.example", "81"},
        {"http://[::1]:8080", "::1", "8080"},
        {"http://[::1]", "::1", "80"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char line[TEXT_BYTES_MAX];
        snprintf(line, sizeof line, "reserve --admin-key k --target %s", rows[i].target);
        assert_true(read_line(line));
        assert_string_equal(options.host, rows[i].host);
        assert_string_equal(options.port, rows[i].port);
    }
}

static void the_key_may_come_from_the_environment(void **state)
{
    (void)state;
    assert_int_equal(setenv("STAMPEDE_ADMIN_KEY", "from-environment", 1), 0);
    assert_true(read_line("reserve"));
    assert_string_equal(options.admin_key, "from-environment");
    assert_true(read_line("reserve --admin-key nearer"));
    assert_string_equal(options.admin_key, "nearer");
}

static void a_run_without_proof_needs_no_key_but_a_sku(void **state)
{
    (void)state;
    assert_true(read_line("reserve --no-proof --sku A/B:1"));
    assert_false(read_line("reserve --no-proof"));
    assert_false(read_line("reserve --sku A"));
}

static void every_mistake_gets_a_line_that_names_it(void **state)
{
    static const struct {
        const char *line;
        const char *says;
    } rows[] = {
        {"", "which scenario"},
        {"steal --admin-key k", "\"steal\" is no scenario"},
        {"reserve spread --admin-key k", "\"spread\" is no scenario"},
        {"spread --admin-key k --until cart", "--until goes with journey"},
        {"journey --admin-key k --until dawn", "--until is cart, checkout or pay"},
        {"journey --admin-key k --shipping-method a\"b", "is no ID"},
        {"reserve --admin-key k --shipping-method shm_1", "goes with journey and sale"},
        {"availability --admin-key k --subscribers 20001", "--subscribers wants a whole number"},
        {"availability --admin-key k --skus f", "--skus goes with spread"},
        {"journey --admin-key k --closed --rate 5", "--closed has no schedule"},
        {"reserve --bogus 1", "no option --bogus"},
        {"reserve --rate", "--rate wants a value"},
        {"reserve --rate 0", "--rate wants a number"},
        {"reserve --rate nan", "--rate wants a number"},
        {"reserve --rate 5x", "--rate wants a number"},
        {"reserve --connections 0", "--connections wants a whole number"},
        {"reserve --connections 1.5", "--connections wants a whole number"},
        {"reserve --pipeline 33", "--pipeline wants a whole number from 1 to 32"},
        {"reserve --json=yes", "--json takes no value"},
        {"reserve --ramp 1:2", "FROM:TO:SECONDS"},
        {"reserve --ramp 1:2:3:4", "FROM:TO:SECONDS"},
        {"reserve --ramp 0:2:3 --ramp-shape exponential", "FROM:TO:SECONDS"},
        {"reserve --ramp 1:2:3 --ramp-shape round", "--ramp-shape"},
        {"reserve --ramp 1:2:3 --rate 5", "exclude each other"},
        {"reserve --closed --rate 5", "--closed has no schedule"},
        {"reserve --arrivals monthly", "--arrivals"},
        {"sale --closed", "sale has its own arrivals"},
        {"sale --quantity 2", "sale sells single units"},
        {"reserve --at-40-percent /bin/true", "--at-40-percent goes with sale"},
        {"sale --at-40-percent /no/such/file", "No such file"},
        {"spread --sku A", "--sku goes with"},
        {"reserve --skus file", "--skus goes with spread"},
        {"reserve --sku a,b", "a SKU is"},
        {"reserve --target https://x", "plain HTTP"},
        {"reserve --target http://x/shop", "http://HOST:PORT"},
        {"reserve --target http://x:0", "http://HOST:PORT"},
        {"reserve --target http://:80", "http://HOST:PORT"},
        {"reserve --admin-key-file /no/such/file", "No such file"},
        {"reserve --admin-key-file /dev/null", "is empty"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_false(read_line(rows[i].line));
        if (strstr(said, rows[i].says) == NULL) {
            fail_msg("\"%s\" says \"%s\"", rows[i].line, said);
        }
        assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1); /* one line */
    }
}

static void skus_are_percent_encoded_in_paths(void **state)
{
    char encoded[64];
    (void)state;
    assert_true(load_percent_encode("A-1_b.c~/d:e f", encoded, sizeof encoded));
    assert_string_equal(encoded, "A-1_b.c~%2Fd%3Ae%20f");
    assert_false(load_percent_encode("12345", encoded, 6));
}

static void an_index_finds_what_was_added_and_nothing_else(void **state)
{
    enum { COUNT = 5000, KEY_BYTES = 24 };
    static char keys[COUNT][KEY_BYTES];
    struct load_index index = {0};
    uint32_t value = 0;
    (void)state;
    assert_false(load_index_find(&index, "x", 1, &value));
    for (uint32_t i = 0; i < COUNT; i++) {
        snprintf(keys[i], KEY_BYTES, "res_%u", (unsigned)i);
        assert_int_equal(load_index_add(&index, keys[i], strlen(keys[i]), i), LOAD_INDEX_ADDED);
    }
    assert_int_equal(load_index_add(&index, "res_17", 6, 99), LOAD_INDEX_PRESENT);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_true(load_index_find(&index, keys[i], strlen(keys[i]), &value));
        assert_int_equal(value, i);
    }
    assert_false(load_index_find(&index, "res_5000", 8, &value));
    assert_false(load_index_find(&index, "res_", 4, &value));
    load_index_close(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(defaults_are_those_of_the_help, forget_environment),
        cmocka_unit_test_setup(options_are_read_in_both_spellings, forget_environment),
        cmocka_unit_test_setup(a_ramp_lasts_as_long_as_it_says, forget_environment),
        cmocka_unit_test_setup(the_sale_has_a_short_backlog, forget_environment),
        cmocka_unit_test_setup(targets_are_taken_apart, forget_environment),
        cmocka_unit_test_setup(the_key_may_come_from_the_environment, forget_environment),
        cmocka_unit_test_setup(a_run_without_proof_needs_no_key_but_a_sku, forget_environment),
        cmocka_unit_test_setup(every_mistake_gets_a_line_that_names_it, forget_environment),
        cmocka_unit_test(skus_are_percent_encoded_in_paths),
        cmocka_unit_test(an_index_finds_what_was_added_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
