/* SPDX-License-Identifier: Apache-2.0 */
/* Options: their sources, their precedence, and a line that helps for whatever is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "commands.h"
#include "options.h"

enum { WORDS_MAX = 16 };

static char file_path[] = "/tmp/stampede-options-XXXXXX";

static int make_file(void **state)
{
    int file = mkstemp(file_path);

    (void)state;
    if (file < 0)
        return -1;
    close(file);
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(file_path);
}

static void write_file(const char *text)
{
    FILE *file = fopen(file_path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* Reads `line` (words separated by blanks) and `variables` (the same); FILE stands for the file. */
static enum options_verdict read_line(struct options *options, const char *line,
                                      const char *variables, char *error)
{
    static char words[2][1024];
    char *lists[2][WORDS_MAX + 1];
    int counts[2] = {0};
    const char *texts[2] = {line, variables};

    for (int i = 0; i < 2; i++) {
        snprintf(words[i], sizeof(words[i]), "%s", texts[i]);
        for (char *word = strtok(words[i], " "); word != NULL; word = strtok(NULL, " ")) {
            assert_true(counts[i] < WORDS_MAX);
            lists[i][counts[i]++] = strcmp(word, "FILE") == 0 ? file_path : word;
        }
        lists[i][counts[i]] = NULL;
    }
    error[0] = 0;
    return options_read(options, counts[0], lists[0], lists[1], error);
}

static void every_mistake_gets_a_line_that_mends_it(void **state)
{
    static const struct {
        const char *line;
        const char *variables;
        const char *expected; /* part of the line */
    } cases[] = {
        {"stampede sevre", "", "did you mean stampede serve?"},
        {"stampede frobnicate", "", "see stampede --help"},
        {"stampede config", "", "stampede config check"},
        {"stampede --data x", "", "the command comes first"},
        {"stampede serve --hold-ttl 3000", "", "did you mean --hold-ttl-ms?"},
        {"stampede serve --shard 2", "", "did you mean --shards?"},
        {"stampede serve --frobnicate", "", "unknown option --frobnicate: see stampede serve"},
        {"stampede serve -x", "", "options begin with --"},
        {"stampede serve --dry-run", "", "stampede serve takes no --dry-run"},
        {"stampede serve --accept-loss", "", "unknown option --accept-loss"},
        {"stampede serve now", "", "takes no argument \"now\""},
        {"stampede serve --shards", "", "--shards has no value: give --shards N"},
        {"stampede serve --shards two", "", "--shards is \"two\": give a whole number from 0 to"},
        {"stampede serve --shards=-1", "", "--shards is \"-1\""},
        {"stampede serve --shards 1.5", "", "--shards is \"1.5\""},
        {"stampede serve --shards 99999999999999999999", "", "give a whole number"},
        {"stampede serve --shards=", "", "--shards is \"\""},
        {"stampede serve --rate-limits maybe", "", "--rate-limits is \"maybe\": give on or off"},
        {"stampede serve --listen 8080", "", "give HOST:PORT"},
        {"stampede serve --listen 127.0.0.1:70000", "", "give HOST:PORT"},
        {"stampede serve --listen [::1:80", "", "give HOST:PORT"},
        {"stampede serve --data=", "", "--data has 0 characters"},
        {"stampede serve --partitions 100", "", "give a power of two"},
        {"stampede serve --hold-ttl-ms 9000 --hold-cap-ms 8000", "", "below hold_ttl_ms"},
        {"stampede serve", "STAMPEDE_SHARDS=two", "STAMPEDE_SHARDS is \"two\""},
        {"stampede serve --config /nowhere/s.yaml", "", "cannot read the configuration file"},
        {"stampede serve --config /", "", "/ is a folder: give --config a file"},
        {"stampede serve --cors-origins shop.example", "", "such as https://shop.example"},
        {"stampede serve --trusted-proxies 10.0.0.0/8,10.1.2.3/8", "",
         "trusted_proxies has \"10.1.2.3/8\": give an address or a range"},
        {"stampede serve --trusted-proxies proxy.example", "",
         "trusted_proxies has \"proxy.example\""},
        {"stampede serve --forwarded both", "", "x-forwarded|standard"},
        {"stampede serve --cors-origins *,null", "", "cors_origins has \"null\": give *, or"},
        {"stampede serve --cors-origins https://a.example/", "", "without a path"},
        {"stampede serve --cors-origins https://A.example", "", "in lower case"},
        {"stampede serve --cors-origins https://a.example:0", "", "scheme://host[:port]"},
        {"stampede serve --cors-origins https://a.example:65536", "", "scheme://host[:port]"},
        {"stampede serve --cors-origins https://a:80b", "", "scheme://host[:port]"},
        {"stampede serve --cors-origins https://[::1", "", "scheme://host[:port]"},
        {"stampede serve --cors-origins https://", "", "scheme://host[:port]"},
        {"stampede serve --tls-cert a.pem", "", "give both files, or none"},
        {"stampede serve --tls-key a.pem", "", "give both files, or none"},
        {"stampede serve --redirect-listen 0.0.0.0:80", "", "https, which is not served"},
        {"stampede serve --tls-cert a --tls-key b --redirect-listen 80", "", "give HOST:PORT"},
        {"stampede serve --public-hosts https://a.example", "", "without scheme and port"},
        {"stampede serve --public-hosts a.example:80", "", "without scheme and port"},
        {"stampede serve --public-hosts [::1", "", "without scheme and port"},
        {"stampede serve --trusted-proxies 10.0.0.0/8,10.0.0.1/8", "", "\"10.0.0.1/8\": give an"},
        {"stampede serve --proxy-protocol on", "", "name the proxies with --trusted-proxies"},
        {"stampede serve --hsts-max-age-s 315360001", "", "give a whole number from 0 to"},
        {"stampede serve --cors-origins ://a", "", "scheme://host[:port]"},
        {"stampede config check --cors-origins https://*.example", "", "scheme://host[:port]"},
        {"stampede serve", "STAMPEDE_CORS_ORIGINS=x", "cors_origins has \"x\""},
        {"stampede serve --stripe-base-url api.stripe.com", "", "stripe_base_url is \"api.stripe"},
        {"stampede serve --stripe-base-url http://127.0.0.1:1", "", "needs outbound_private on"},
        {"stampede serve --stripe-base-url http://api.stripe.com", "", "secret key in clear"},
        {"stampede serve --stripe-base-url https://user@api.stripe.com", "", "give a URL"},
        {"stampede serve --stripe-confirm on", "", "need stripe_secret_key_file"},
        {"stampede serve --stripe-webhook-secrets-file a", "", "need stripe_secret_key_file"},
        {"stampede serve --redis-url localhost", "", "redis_url is none: it must begin with"},
        {"stampede serve --redis-url rediss://h", "", "TLS to Redis is left to a tunnel"},
        {"stampede serve --redis-password-file a", "", "redis_password_file needs redis_url"},
        {"stampede serve --redis-url redis://u@h", "", "that needs redis_password_file"},
        {"stampede serve --redis-url redis://:p@h --redis-password-file a", "", "give one of them"},
        {"stampede import", "", "no FILE given: stampede import FILE"},
        {"stampede import a b", "", "takes no argument \"b\""},
        {"stampede import a --stock all", "", "--stock is \"all\": give keep|set|add"},
        {"stampede import a --target ftp://x", "", "such as http://127.0.0.1:8080"},
        {"stampede import a --map ,", "", "has an entry of 0 characters"},
        {"stampede verify-draw", "", "no FILE given: stampede verify-draw FILE"},
        {"stampede verify-draw a --seed x", "", "takes no --seed"},
        {"stampede verify", "", "did you mean stampede verify-draw?"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct options options;
        char error[OPTION_ERROR_MAX];
        enum options_verdict verdict =
            read_line(&options, cases[i].line, cases[i].variables, error);

        if (verdict != OPTIONS_REFUSED || strstr(error, cases[i].expected) == NULL)
            fail_msg("%s %s: verdict %d, \"%s\", not \"%s\"", cases[i].variables, cases[i].line,
                     (int)verdict, error, cases[i].expected);
        assert_null(strchr(error, '\n'));
        options_free(&options);
    }
}

static void every_mistake_in_the_file_gets_a_line_that_mends_it(void **state)
{
    static const struct {
        const char *text;
        const char *expected;
    } cases[] = {
        {"hold_ttl: 3000\n", "unknown key \"hold_ttl\": did you mean hold_ttl_ms?"},
        {"shards: 2\nfrobnicate: 1\n", "unknown key \"frobnicate\""},
        {"exact: off\n", "did you mean exact inside availability?"},
        {"availability:\n  exakt: off\n", "unknown key \"exakt\""},
        {"shards: two\n", "shards in "},
        {"availability: {exact: maybe}\n", "availability.exact in "},
        {"shards: [1, 2]\n", "'shards' (line: 1, column: 9): give one plain value"},
        {"cors_origins: https://a.example\n", "give a list, such as [a, b]"},
        {"availability: off\n", "give keys and values"},
        {"just text\n", "at its beginning: give keys and values"},
        {"shards: 1\nshards: 2\n", "keep one of the two"},
        {"shards: 1\n---\nshards: 2\n", "keep one document"},
        {"data: \"x\n", "is not YAML: found unexpected end of stream"},
        {"data: &a x\nlisten: *a\n", "YAML alias unsupported"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct options options;
        char error[OPTION_ERROR_MAX];
        enum options_verdict verdict;

        write_file(cases[i].text);
        verdict = read_line(&options, "stampede serve --config FILE", "", error);
        if (verdict != OPTIONS_REFUSED || strstr(error, cases[i].expected) == NULL ||
            strstr(error, file_path) == NULL)
            fail_msg("%s: verdict %d, \"%s\", not \"%s\"", cases[i].text, (int)verdict, error,
                     cases[i].expected);
        options_free(&options);
    }
}

static void a_flag_counts_before_a_variable_before_the_file_before_the_default(void **state)
{
    struct options options;
    char error[OPTION_ERROR_MAX];

    (void)state;
    write_file("shards: 2\nhold_ttl_ms: 5000\nrate_limits: off\ncors_origins: [https://f.example]\n"
               "availability:\n  exact: off\nimport:\n  stock: set\n  map: [a=b, c=d]\n");
    assert_int_equal(read_line(&options,
                               "stampede serve --config FILE --shards=4 --cors-origins "
                               "https://a.example,https://b.example --cors-origins *",
                               "STAMPEDE_SHARDS=3 STAMPEDE_HOLD_TTL_MS=4000 STAMPEDE_PORT=tcp://x",
                               error),
                     OPTIONS_READY);
    assert_int_equal(options.shards, 4);
    assert_int_equal(options.sources[OPTION_shards], SOURCE_FLAG);
    assert_int_equal(options.hold_ttl_ms, 4000);
    assert_int_equal(options.sources[OPTION_hold_ttl_ms], SOURCE_ENVIRONMENT);
    assert_false(options.rate_limits);
    assert_false(options.availability_exact);
    assert_int_equal(options.sources[OPTION_rate_limits], SOURCE_FILE);
    assert_int_equal(options.cors_origins.count, 3);
    assert_string_equal(options.cors_origins.entries[1], "https://b.example");
    assert_string_equal(options.cors_origins.entries[2], "*");
    assert_string_equal(options.import_stock, "set");
    assert_int_equal(options.import_map.count, 2);
    assert_string_equal(options.listen, "127.0.0.1:8080");
    assert_false(options_is_given(&options, OPTION_listen));
    options_free(&options);
}

static void the_file_may_be_named_by_a_variable_and_may_be_empty(void **state)
{
    struct options options;
    char error[OPTION_ERROR_MAX];
    char variable[128];

    (void)state;
    write_file("# nothing\n");
    snprintf(variable, sizeof(variable), "STAMPEDE_CONFIG=%s", file_path);
    assert_int_equal(read_line(&options, "stampede check", variable, error), OPTIONS_READY);
    assert_string_equal(options.config, file_path);
    options_free(&options);
}

static void a_longer_ttl_moves_the_cap_along(void **state)
{
    struct options options;
    char error[OPTION_ERROR_MAX];

    (void)state;
    assert_int_equal(read_line(&options, "stampede serve --hold-ttl-ms 7200000", "", error),
                     OPTIONS_READY);
    assert_int_equal(options.hold_cap_ms, 2 * 7200000);
    options_free(&options);
}

static void tls_makes_cookies_secure_unless_told_otherwise(void **state)
{
    static const struct {
        const char *line;
        bool secure;
    } cases[] = {
        {"stampede serve", false},
        {"stampede serve --tls-cert a --tls-key b", true},
        {"stampede serve --tls-cert a --tls-key b --secure-cookies off", false},
        {"stampede serve --secure-cookies on", true},
    };
    char error[OPTION_ERROR_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct options options;

        assert_int_equal(read_line(&options, cases[i].line, "", error), OPTIONS_READY);
        assert_int_equal(options.secure_cookies, cases[i].secure);
        options_free(&options);
    }
}

static void flags_without_a_value_and_repeated_flags(void **state)
{
    struct options options;
    char error[OPTION_ERROR_MAX];

    (void)state;
    assert_int_equal(read_line(&options,
                               "stampede import list.csv --dry-run --map sku=index,name=product "
                               "--map currency:=INR --stock keep --stock add",
                               "", error),
                     OPTIONS_READY);
    assert_string_equal(options.argument, "list.csv");
    assert_true(options.import_dry_run);
    assert_int_equal(options.import_map.count, 3);
    assert_string_equal(options.import_map.entries[2], "currency:=INR");
    assert_string_equal(options.import_stock, "add");
    options_free(&options);
    assert_int_equal(read_line(&options, "stampede repair --accept-loss", "", error),
                     OPTIONS_READY);
    assert_true(options.accept_loss);
    options_free(&options);
}

static void help_and_version_need_nothing_else_to_be_right(void **state)
{
    static const struct {
        const char *line;
        enum options_verdict verdict;
        enum command_id command;
    } cases[] = {
        {"stampede", OPTIONS_HELP, COMMAND_ID_COUNT},
        {"stampede --help", OPTIONS_HELP, COMMAND_ID_COUNT},
        {"stampede --version", OPTIONS_VERSION, COMMAND_ID_COUNT},
        {"stampede import --help", OPTIONS_HELP, COMMAND_ID_IMPORT},
        {"stampede config check -h", OPTIONS_HELP, COMMAND_ID_CONFIG_CHECK},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct options options;
        char error[OPTION_ERROR_MAX];

        assert_int_equal(read_line(&options, cases[i].line, "", error), cases[i].verdict);
        assert_int_equal(options.command, cases[i].command);
        options_free(&options);
    }
}

static void help_names_every_option_of_its_command(void **state)
{
    (void)state;
    for (enum command_id id = 0; id < COMMAND_ID_COUNT; id++) {
        struct options options;
        char *text = NULL;
        size_t length = 0;
        FILE *stream = open_memstream(&text, &length);

        options_set_defaults(&options);
        options.command = id;
        help_print(&options, stream);
        fclose(stream);
        for (enum option_id row = 0; row < OPTION_COUNT; row++) {
            char flag[64];

            snprintf(flag, sizeof(flag), "  --%s", option_rows[row].flag);
            if ((option_rows[row].commands & (1U << id)) != 0 && strstr(text, flag) == NULL)
                fail_msg("stampede %s --help: no%s", command_rows[id].words, flag);
        }
        assert_non_null(strstr(text, "Examples:"));
        free(text);
        options_free(&options);
    }
}

static void flags_and_variables_are_unique(void **state)
{
    (void)state;
    for (enum option_id one = 0; one < OPTION_COUNT; one++) {
        assert_true(strlen(option_rows[one].flag) <= 40);
        for (enum option_id other = one + 1; other < OPTION_COUNT; other++)
            assert_string_not_equal(option_rows[one].flag, option_rows[other].flag);
    }
}

/* What `config check` prints, read back, says the same. */
static void config_check_prints_a_file_of_the_same_effect(void **state)
{
    struct options first;
    struct options second;
    char error[OPTION_ERROR_MAX];
    int saved;

    (void)state;
    write_file("");
    assert_int_equal(read_line(&first,
                               "stampede config check --config FILE --data /x/\"y\\z --shards 3 "
                               "--cors-origins *,https://a.example --availability-exact off",
                               "", error),
                     OPTIONS_READY);
    fflush(stdout);
    saved = dup(STDOUT_FILENO);
    assert_non_null(freopen(file_path, "w", stdout));
    assert_int_equal(command_config_check(&first), STATUS_DONE);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    if (read_line(&second, "stampede config check --config FILE", "", error) != OPTIONS_READY)
        fail_msg("%s", error);
    for (enum option_id id = 0; id < OPTION_COUNT; id++) {
        char *texts[2] = {NULL, NULL};
        size_t lengths[2];

        for (int i = 0; i < 2; i++) {
            FILE *stream = open_memstream(&texts[i], &lengths[i]);

            options_print_value(i == 0 ? &first : &second, id, stream);
            fclose(stream);
        }
        assert_string_equal(texts[0], texts[1]);
        free(texts[0]);
        free(texts[1]);
    }
    options_free(&first);
    options_free(&second);
}

static void a_password_in_a_url_is_not_printed(void **state)
{
    static const char *const cases[][2] = {
        {"redis://u:secret@h:1/2", "redis://u:***@h:1/2"},
        {"redis://:a@secret@h", "redis://:***@h"},
        {"redis://h:6379/1", "redis://h:6379/1"},
        {"redis://[::1]:6379", "redis://[::1]:6379"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct options options;
        char error[OPTION_ERROR_MAX];
        char line[200];
        char *text = NULL;
        size_t length;
        FILE *stream;

        snprintf(line, sizeof(line), "stampede serve --redis-url %s", cases[i][0]);
        if (read_line(&options, line, "", error) != OPTIONS_READY)
            fail_msg("%s", error);
        stream = open_memstream(&text, &length);
        options_print_value(&options, OPTION_redis_url, stream);
        fclose(stream);
        assert_string_equal(text, cases[i][1]);
        free(text);
        options_free(&options);
    }
}

static void a_gateway_on_this_machine_is_taken_where_private_addresses_are(void **state)
{
    struct options options;
    char error[OPTION_ERROR_MAX];

    (void)state;
    assert_int_equal(read_line(&options,
                               "stampede serve --outbound-private on --stripe-confirm on"
                               " --stripe-secret-key-file key --sandbox off"
                               " --stripe-base-url http://127.0.0.1:12111",
                               "", error),
                     OPTIONS_READY);
    assert_string_equal(options.stripe_base_url, "http://127.0.0.1:12111");
    assert_true(options.stripe_confirm);
    assert_false(options.sandbox);
    options_free(&options);
    assert_int_equal(read_line(&options, "stampede serve", "", error), OPTIONS_READY);
    assert_string_equal(options.stripe_base_url, "https://api.stripe.com");
    assert_false(options.stripe_confirm);
    assert_true(options.sandbox);
    options_free(&options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mistake_gets_a_line_that_mends_it),
        cmocka_unit_test(every_mistake_in_the_file_gets_a_line_that_mends_it),
        cmocka_unit_test(a_flag_counts_before_a_variable_before_the_file_before_the_default),
        cmocka_unit_test(the_file_may_be_named_by_a_variable_and_may_be_empty),
        cmocka_unit_test(a_longer_ttl_moves_the_cap_along),
        cmocka_unit_test(tls_makes_cookies_secure_unless_told_otherwise),
        cmocka_unit_test(flags_without_a_value_and_repeated_flags),
        cmocka_unit_test(help_and_version_need_nothing_else_to_be_right),
        cmocka_unit_test(help_names_every_option_of_its_command),
        cmocka_unit_test(flags_and_variables_are_unique),
        cmocka_unit_test(config_check_prints_a_file_of_the_same_effect),
        cmocka_unit_test(a_password_in_a_url_is_not_printed),
        cmocka_unit_test(a_gateway_on_this_machine_is_taken_where_private_addresses_are),
    };

    return cmocka_run_group_tests(tests, make_file, remove_file);
}
