/* SPDX-License-Identifier: Apache-2.0 */
/* Options from the outside: command line, environment and, through config_file.c, the file; then
 * the rules between options. */
#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "http/http_proxies.h"
#include "options.h"
#include "shop_limits.h"

static enum options_verdict refuse(char *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum options_verdict refuse(char *error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error, OPTION_ERROR_MAX, format, arguments);
    va_end(arguments);
    return OPTIONS_REFUSED;
}

/* ---- words ---- */

enum { WORD_MAX = 40 };

/* Edits (a letter added, dropped or changed) from one word to the other. */
static size_t word_distance(const char *one, const char *other)
{
    size_t lengths[2] = {strlen(one), strlen(other)};
    size_t row[WORD_MAX + 1];

    if (lengths[0] > WORD_MAX || lengths[1] > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= lengths[1]; j++)
        row[j] = j;
    for (size_t i = 1; i <= lengths[0]; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= lengths[1]; j++) {
            size_t best = diagonal + (one[i - 1] != other[j - 1]);

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[lengths[1]];
}

const char *nearest_word(const char *word, const char *const *words, size_t count)
{
    const char *nearest = NULL;
    size_t length = strlen(word);
    size_t least = length / 4 + 2;

    for (size_t i = 0; i < count; i++) {
        size_t distance = word_distance(word, words[i]);

        if (length >= 3 && strncmp(words[i], word, length) == 0)
            distance = 1; /* its beginning */
        if (distance < least) {
            least = distance;
            nearest = words[i];
        }
    }
    return nearest;
}

/* ---- the command line ---- */

struct scan {
    struct options *options;
    int argc;
    char *const *argv;
    char *error;
    const char *config;                         /* --config */
    const char *values[4 * OPTION_COUNT + 512]; /* flags in their order */
    enum option_id ids[4 * OPTION_COUNT + 512];
    size_t count;
    bool wants_help;
};

static bool command_takes(enum command_id command, enum option_id id)
{
    return command == COMMAND_ID_CONFIG_CHECK || (option_rows[id].commands & (1U << command)) != 0;
}

static enum options_verdict refuse_flag(const struct scan *scan, const char *flag)
{
    enum command_id command = scan->options->command;
    const char *known[OPTION_COUNT + 2] = {"config", "help"};
    size_t count = 2;

    for (enum option_id id = 0; id < OPTION_COUNT; id++) {
        if (command_takes(command, id))
            known[count++] = option_rows[id].flag;
        else if (strcmp(option_rows[id].flag, flag) == 0)
            return refuse(scan->error, "stampede %s takes no --%s: see stampede %s --help",
                          command_rows[command].words, flag, command_rows[command].words);
    }

    const char *nearest = nearest_word(flag, known, count);

    if (nearest != NULL)
        return refuse(scan->error, "unknown option --%.80s: did you mean --%s?", flag, nearest);
    return refuse(scan->error, "unknown option --%.80s: see stampede %s --help", flag,
                  command_rows[command].words);
}

/* Takes a flag's value: after "=" or the next argument; NULL after an error. */
static const char *scan_value(struct scan *scan, int *index, const char *flag, const char *equals,
                              const char *takes)
{
    if (equals != NULL)
        return equals + 1;
    if (*index + 1 < scan->argc)
        return scan->argv[++*index];
    refuse(scan->error, "--%s has no value: give --%s %s", flag, flag, takes);
    return NULL;
}

/* One argument that begins with "--". */
static enum options_verdict scan_flag(struct scan *scan, int *index)
{
    const char *text = scan->argv[*index] + 2;
    const char *equals = strchr(text, '=');
    char flag[WORD_MAX + 1];

    snprintf(flag, sizeof(flag), "%.*s", equals != NULL ? (int)(equals - text) : WORD_MAX, text);
    if (strcmp(flag, "help") == 0) {
        scan->wants_help = true;
        return OPTIONS_READY;
    }
    if (strcmp(flag, "config") == 0) {
        scan->config = scan_value(scan, index, flag, equals, "FILE");
        return scan->config != NULL ? OPTIONS_READY : OPTIONS_REFUSED;
    }
    if (strcmp(text, "accept-loss") == 0 && scan->options->command == COMMAND_ID_REPAIR) {
        scan->options->accept_loss = true;
        return OPTIONS_READY;
    }
    for (enum option_id id = 0; id < OPTION_COUNT; id++) {
        const struct option_row *row = &option_rows[id];

        if (strcmp(flag, row->flag) != 0 || !command_takes(scan->options->command, id))
            continue;
        if (scan->count == sizeof(scan->values) / sizeof(scan->values[0]))
            return refuse(scan->error, "too many options: use a configuration file");
        scan->ids[scan->count] = id;
        scan->values[scan->count] = row->takes[0] == 0 && equals == NULL
                                        ? "on"
                                        : scan_value(scan, index, flag, equals, row->takes);
        return scan->values[scan->count++] != NULL ? OPTIONS_READY : OPTIONS_REFUSED;
    }
    return refuse_flag(scan, flag);
}

static enum options_verdict scan_arguments(struct scan *scan, int index)
{
    struct options *options = scan->options;
    const struct command_row *command = &command_rows[options->command];

    for (; index < scan->argc; index++) {
        const char *text = scan->argv[index];

        if (strcmp(text, "-h") == 0) {
            scan->wants_help = true;
        } else if (strncmp(text, "--", 2) == 0 && text[2] != 0) {
            if (scan_flag(scan, &index) == OPTIONS_REFUSED)
                return OPTIONS_REFUSED;
        } else if (text[0] == '-' && text[1] != 0) {
            return refuse(scan->error, "unknown option %.80s: options begin with --", text);
        } else if (command->argument[0] != 0 && options->argument == NULL) {
            options->argument = text;
        } else {
            return refuse(scan->error,
                          "stampede %s takes no argument \"%.80s\": see stampede %s"
                          " --help",
                          command->words, text, command->words);
        }
    }
    if (scan->wants_help)
        return OPTIONS_HELP;
    if (command->argument[0] != 0 && command->argument[0] != '[' && options->argument == NULL)
        return refuse(scan->error, "no %s given: stampede %s %s", command->argument, command->words,
                      command->argument);
    return OPTIONS_READY;
}

/* Finds the command; gives the index of the argument after it, or 0 with a verdict. */
static int scan_command(struct options *options, int argc, char *const argv[], char *error,
                        enum options_verdict *verdict_out)
{
    const char *names[COMMAND_ID_COUNT];
    const char *nearest;

    *verdict_out = OPTIONS_HELP;
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return 0;
    *verdict_out = OPTIONS_VERSION;
    if (strcmp(argv[1], "--version") == 0)
        return 0;
    *verdict_out = OPTIONS_READY;
    for (enum command_id id = 0; id < COMMAND_ID_COUNT; id++) {
        const char *words = command_rows[id].words;
        size_t first = strcspn(words, " ");

        names[id] = words;
        if (strncmp(argv[1], words, first) != 0 || argv[1][first] != 0)
            continue;
        options->command = id;
        if (words[first] == 0)
            return 2;
        if (argc > 2 && strcmp(argv[2], words + first + 1) == 0)
            return 3;
        *verdict_out =
            refuse(error, "stampede %s needs one more word: stampede %s", argv[1], words);
        return 0;
    }
    nearest = nearest_word(argv[1], names, COMMAND_ID_COUNT);
    if (argv[1][0] == '-')
        *verdict_out = refuse(error, "the command comes first: stampede serve %.80s ...", argv[1]);
    else if (nearest != NULL)
        *verdict_out =
            refuse(error, "unknown command \"%.80s\": did you mean stampede %s?", argv[1], nearest);
    else
        *verdict_out = refuse(error, "unknown command \"%.80s\": see stampede --help", argv[1]);
    return 0;
}

/* ---- the environment ---- */

static const char *variable_value(char *const variables[], const char *name)
{
    size_t length = strlen(name);

    for (; *variables != NULL; variables++) {
        if (strncmp(*variables, name, length) == 0 && (*variables)[length] == '=')
            return *variables + length + 1;
    }
    return NULL;
}

static bool read_environment(struct options *options, char *const variables[], char *error)
{
    for (enum option_id id = 0; id < OPTION_COUNT; id++) {
        char name[OPTION_VARIABLE_MAX];
        const char *text = variable_value(variables, option_variable(id, name));

        if (text == NULL || !command_takes(options->command, id))
            continue;
        if (!options_set(options, id, text, SOURCE_ENVIRONMENT, name, error))
            return false;
    }
    return true;
}

/* ---- rules between options ---- */

/* Whether a page could send this as its Origin (RFC 6454, 6.2): scheme://host[:port] in lower case,
 * and nothing behind it. Whatever else would never match, silently. */
static bool is_origin(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    static const char scheme_signs[] = "abcdefghijklmnopqrstuvwxyz0123456789+-.";
    static const char host_signs[] = "abcdefghijklmnopqrstuvwxyz0123456789-._";
    size_t scheme = strspn(text, scheme_signs);
    char *end;

    if (strchr(letters, text[0]) == NULL || scheme == 0 || strncmp(text + scheme, "://", 3) != 0)
        return false;
    text += scheme + 3;
    bool is_ipv6 = text[0] == '[';
    size_t host = is_ipv6 ? strspn(text + 1, "0123456789abcdef:.") : strspn(text, host_signs);
    if (host == 0 || (is_ipv6 && text[host + 1] != ']'))
        return false;
    text += is_ipv6 ? host + 2 : host;
    if (text[0] == 0)
        return true;
    if (text[0] != ':' || text[1] < '1' || text[1] > '9')
        return false;
    return strtoul(text + 1, &end, 10) <= UINT16_MAX && *end == 0;
}

static enum options_verdict check_origins(const struct text_list *origins, char *error)
{
    for (uint32_t i = 0; i < origins->count; i++) {
        const char *origin = origins->entries[i];

        if (strcmp(origin, "*") != 0 && !is_origin(origin))
            return refuse(error,
                          "cors_origins has \"%.200s\": give *, or scheme://host[:port] in lower"
                          " case and without a path, such as https://shop.example",
                          origin);
    }
    return OPTIONS_READY;
}

/* "scheme://host[:port]" and, for http, a path: as an operator means it, without a user's name. */
static bool is_plain_url(const char *url, const char *const schemes[2], bool has_path)
{
    for (int i = 0; i < 2; i++) {
        size_t scheme = strlen(schemes[i]);
        struct address address;
        char authority[ADDRESS_HOST_MAX + 16];
        size_t length;

        if (strncmp(url, schemes[i], scheme) != 0)
            continue;
        length = strcspn(url + scheme, "/");
        if (length == 0 || length >= sizeof(authority) - 4 ||
            strpbrk(url, "@?# \t\r\n\"<>\\") != NULL || (!has_path && url[scheme + length] != 0))
            return false;
        memcpy(authority, url + scheme, length);
        authority[length] = 0;
        if (address_parse(authority, &address))
            return true;
        memcpy(authority + length, ":1", 3);
        return address_parse(authority, &address);
    }
    return false;
}

static enum options_verdict check_mail(const struct options *options, char *error)
{
    static const char *const smtp[2] = {"smtp://", "smtps://"};
    static const char *const http[2] = {"http://", "https://"};
    bool sends = options->smtp_url[0] != 0;

    if (sends && !is_plain_url(options->smtp_url, smtp, false))
        return refuse(error, "smtp_url is \"%.100s\": give smtp://HOST:PORT or smtps://HOST:PORT",
                      options->smtp_url);
    if (options->public_url[0] != 0 && !is_plain_url(options->public_url, http, true))
        return refuse(error, "public_url is \"%.100s\": give a URL such as https://shop.example",
                      options->public_url);
    if (options->mail_from[0] != 0 &&
        !mail_address_is_valid(options->mail_from, strlen(options->mail_from)))
        return refuse(error, "mail_from is \"%.100s\": give an address, such as shop@shop.example",
                      options->mail_from);
    if (sends && options->mail_from[0] == 0)
        return refuse(error, "smtp_url needs mail_from: the address that mails come from");
    if (!mail_is_text(options->shop_name, strlen(options->shop_name), ""))
        return refuse(error, "shop_name has characters that are none of UTF-8's printable ones");
    if ((options->smtp_user[0] == 0) != (options->smtp_password_file[0] == 0))
        return refuse(error, "smtp_user and smtp_password_file belong together: give both");
    if (options->smtp_user[0] != 0 && strncmp(options->smtp_url, "smtp://", 7) == 0 &&
        strcmp(options->smtp_starttls, "off") == 0)
        return refuse(error, "smtp_starttls off would send the password in clear: leave it out, or"
                             " smtp_user");
    return OPTIONS_READY;
}

/* A name or an address, without port; as a client would send it in Host. */
static bool is_host(const char *text)
{
    static const char name_signs[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    size_t length = strlen(text);

    if (text[0] != '[')
        return length > 0 && strspn(text, name_signs) == length;
    return length > 2 && text[length - 1] == ']' &&
           strspn(text + 1, "0123456789abcdefABCDEF:.") == length - 2;
}

static enum options_verdict check_proxies(const struct options *options, char *error)
{
    const struct text_list *proxies = &options->trusted_proxies;
    struct http_proxies parsed;
    size_t bad;

    if (!http_proxies_parse(proxies->entries, proxies->count, &parsed, &bad))
        return refuse(error,
                      "trusted_proxies has \"%.100s\": give an address or a range whose other bits"
                      " are zero, such as 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32",
                      proxies->entries[bad]);
    if (options->proxy_protocol && proxies->count == 0)
        return refuse(error, "proxy_protocol is on, but nobody may speak it: name the proxies with"
                             " --trusted-proxies");
    return OPTIONS_READY;
}

static enum options_verdict check_tls(struct options *options, char *error)
{
    bool has_tls = options->tls_cert[0] != 0;
    struct address address;

    if (has_tls != (options->tls_key[0] != 0))
        return refuse(error, "tls_cert and tls_key belong together: give both files, or none");
    if (options->redirect_listen[0] != 0 && !has_tls)
        return refuse(error, "redirect_listen sends to https, which is not served: give tls_cert"
                             " and tls_key");
    if (options->redirect_listen[0] != 0 && !address_parse(options->redirect_listen, &address))
        return refuse(error, "redirect_listen is \"%.100s\": give HOST:PORT, such as 0.0.0.0:80",
                      options->redirect_listen);
    for (uint32_t i = 0; i < options->public_hosts.count; i++) {
        if (!is_host(options->public_hosts.entries[i]))
            return refuse(error,
                          "public_hosts has \"%.200s\": give names without scheme and port, such"
                          " as shop.example",
                          options->public_hosts.entries[i]);
    }
    if (has_tls && !options_is_given(options, OPTION_secure_cookies))
        options->secure_cookies = true;
    return check_proxies(options, error);
}

static enum options_verdict check_challenges(const struct options *options, char *error)
{
    static const char *const http[2] = {"http://", "https://"};
    struct challenge_options challenges = {0};

    for (uint32_t i = 0; i < options->challenge_routes.count; i++) {
        if (!challenge_option_read(&challenges, options->challenge_routes.entries[i]))
            return refuse(error,
                          "challenge_routes has \"%.100s\": give register, login, forgot, reset,"
                          " verify, sessions or reservations, then =altcha, =turnstile or"
                          " =hcaptcha (one of these two)",
                          options->challenge_routes.entries[i]);
    }
    if (challenge_captcha_mode(&challenges) != CHALLENGE_OFF &&
        options->captcha_secret_file[0] == 0)
        return refuse(error, "challenge_routes with a captcha needs captcha_secret_file");
    if (options->captcha_verify_url[0] != 0 &&
        !is_plain_url(options->captcha_verify_url, http, true))
        return refuse(error, "captcha_verify_url is \"%.100s\": give a URL",
                      options->captcha_verify_url);
    return OPTIONS_READY;
}

static enum options_verdict check_payments(const struct options *options, char *error)
{
    static const char *const http[2] = {"http://", "https://"};
    const char *url = options->stripe_base_url;
    bool is_here = gateway_url_is_loopback(url);

    if (!is_plain_url(url, http, true))
        return refuse(error, "stripe_base_url is \"%.100s\": give a URL", url);
    if (is_here && !options->outbound_private)
        return refuse(error, "stripe_base_url is on this machine: that needs outbound_private on");
    if (strncmp(url, http[0], strlen(http[0])) == 0 && !options->outbound_private)
        return refuse(error, "stripe_base_url is http, which would send the secret key in clear:"
                             " give https, or outbound_private on");
    if (options->stripe_secret_key_file[0] == 0 &&
        (options->stripe_webhook_secrets_file[0] != 0 || options->stripe_confirm))
        return refuse(error, "stripe_webhook_secrets_file and stripe_confirm need"
                             " stripe_secret_key_file");
    return OPTIONS_READY;
}

static enum options_verdict check_webhooks(const struct options *options, char *error)
{
    struct delivery_schedule schedule = {0};

    for (uint32_t i = 0; i < options->webhook_retry_schedule.count; i++) {
        if (!delivery_schedule_add(&schedule, options->webhook_retry_schedule.entries[i]))
            return refuse(error,
                          "webhook_retry_schedule has \"%.20s\": give 1 to %d numbers of seconds,"
                          " each of at most %d",
                          options->webhook_retry_schedule.entries[i], DELIVERY_ATTEMPTS_MAX,
                          DELIVERY_DELAY_S_MAX);
    }
    return OPTIONS_READY;
}

static enum options_verdict check_feed(const struct options *options, char *error)
{
    struct feed_address address;
    char why[100];
    bool has_password;

    if (options->redis_url[0] == 0 && options->redis_password_file[0] != 0)
        return refuse(error, "redis_password_file needs redis_url");
    if (options->redis_url[0] == 0)
        return OPTIONS_READY;
    if (!feed_address_parse(options->redis_url, &address, why, sizeof(why)))
        return refuse(error, "redis_url is none: %s", why);
    has_password = address.password[0] != 0;
    explicit_bzero(address.password, sizeof(address.password));
    if (has_password && options->redis_password_file[0] != 0)
        return refuse(error, "redis_url has a password, and there is redis_password_file: give"
                             " one of them");
    if (!has_password && address.user[0] != 0 && options->redis_password_file[0] == 0)
        return refuse(error, "redis_url names a user: that needs redis_password_file");
    return OPTIONS_READY;
}

static enum options_verdict check_relations(struct options *options, char *error)
{
    struct address address;

    if (check_origins(&options->cors_origins, error) != OPTIONS_READY ||
        check_mail(options, error) != OPTIONS_READY || check_tls(options, error) != OPTIONS_READY ||
        check_challenges(options, error) != OPTIONS_READY ||
        check_payments(options, error) != OPTIONS_READY ||
        check_webhooks(options, error) != OPTIONS_READY ||
        check_feed(options, error) != OPTIONS_READY)
        return OPTIONS_REFUSED;

    if (options->command == COMMAND_ID_GATEWAY && !options_is_given(options, OPTION_listen))
        options->listen = OPTIONS_GATEWAY_LISTEN;
    if (!address_parse(options->listen, &address))
        return refuse(error,
                      "listen is \"%.100s\": give HOST:PORT, such as 127.0.0.1:8080 or"
                      " [::]:8080",
                      options->listen);
    if (!address_parse_url(options->import_target, &address))
        return refuse(error,
                      "target is \"%.100s\": give the server's URL, such as"
                      " http://127.0.0.1:8080",
                      options->import_target);
    if ((options->partitions & (options->partitions - 1)) != 0)
        return refuse(error, "partitions is %llu: give a power of two",
                      (unsigned long long)options->partitions);
    /* A longer TTL alone moves the cap along: it would cut every hold short otherwise. */
    if (!options_is_given(options, OPTION_hold_cap_ms) &&
        options->hold_cap_ms < 2 * options->hold_ttl_ms)
        options->hold_cap_ms = 2 * options->hold_ttl_ms;
    if (options->hold_cap_ms < options->hold_ttl_ms)
        return refuse(error,
                      "hold_cap_ms is %llu, below hold_ttl_ms (%llu): raise one or lower"
                      " the other",
                      (unsigned long long)options->hold_cap_ms,
                      (unsigned long long)options->hold_ttl_ms);
    return OPTIONS_READY;
}

enum options_verdict options_read(struct options *options, int argc, char *const argv[],
                                  char *const variables[], char *error)
{
    struct scan *scan;
    enum options_verdict verdict;
    int index;

    options_set_defaults(options);
    index = scan_command(options, argc, argv, error, &verdict);
    if (index == 0)
        return verdict;
    scan = calloc(1, sizeof(*scan));
    if (scan == NULL)
        return refuse(error, "out of memory");
    *scan = (struct scan){.options = options, .argc = argc, .argv = argv, .error = error};
    verdict = scan_arguments(scan, index);
    if (verdict != OPTIONS_READY)
        goto free_scan;
    verdict = OPTIONS_REFUSED;
    options->config =
        scan->config != NULL ? scan->config : variable_value(variables, "STAMPEDE_CONFIG");
    if (options->config != NULL && !config_file_read(options, options->config, error))
        goto free_scan;
    if (!read_environment(options, variables, error))
        goto free_scan;
    for (size_t i = 0; i < scan->count; i++) {
        char name[WORD_MAX + 3];

        snprintf(name, sizeof(name), "--%s", option_rows[scan->ids[i]].flag);
        if (!options_set(options, scan->ids[i], scan->values[i], SOURCE_FLAG, name, error))
            goto free_scan;
    }
    verdict = check_relations(options, error);
free_scan:
    free(scan);
    return verdict;
}
