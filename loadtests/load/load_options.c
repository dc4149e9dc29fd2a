/* SPDX-License-Identifier: Apache-2.0 */
/* The command line, read by one table. */
#include "load_options.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load_client.h"

#define TARGET_DEFAULT        "http://127.0.0.1:8080"
#define RATE_MIN              0.001
#define RATE_MAX              10e6
#define DURATION_MIN          0.01
#define DURATION_MAX          86400.0
#define RATE_DEFAULT          1000.0
#define DURATION_DEFAULT      10.0
#define SALE_DURATION_DEFAULT 22.0
#define BACKLOG_DEFAULT       65536
#define SALE_BACKLOG_DEFAULT  2048
#define BUYERS_DEFAULT        1000
#define JOURNEY_BUYERS        10000
#define UNITS_DEFAULT         500
#define JOURNEY_UNITS         1000000
#define SHIPPING_DEFAULT      "shm_1"
#define SUBSCRIBERS_DEFAULT   10000

enum option_kind {
    OPTION_TEXT,   /* const char * */
    OPTION_COUNT,  /* uint32_t */
    OPTION_LONG,   /* uint64_t */
    OPTION_NUMBER, /* double */
    OPTION_FLAG,   /* bool */
};

struct option_entry {
    const char *name;
    const char *argument; /* NULL for a flag */
    enum option_kind kind;
    size_t offset;
    double min;
    double max;
    const char *help;
};

#define FIELD(name)    offsetof(struct load_options, name)
#define COUNT_MAX      ((double)UINT32_MAX)
#define LONG_MAX_EXACT 9007199254740992.0 /* 2^53: counts stay exact in JSON readers */

static const struct option_entry option_table[] = {
    {"target", "URL", OPTION_TEXT, FIELD(target), 0, 0,
     "http://HOST:PORT of the server (default " TARGET_DEFAULT ")"},
    {"admin-key-file", "FILE", OPTION_TEXT, FIELD(admin_key_file), 0, 0,
     "read the admin key from FILE"},
    {"admin-key", "KEY", OPTION_TEXT, FIELD(admin_key_text), 0, 0,
     "the admin key itself (others on this machine can see it; or STAMPEDE_ADMIN_KEY)"},
    {"no-proof", NULL, OPTION_FLAG, FIELD(no_proof), 0, 0,
     "do without the admin key: nothing is checked against the server's books"},
    {"closed", NULL, OPTION_FLAG, FIELD(closed), 0, 0,
     "closed loop: every connection sends again as soon as it has its answer"},
    {"rate", "R", OPTION_NUMBER, FIELD(rate), RATE_MIN, RATE_MAX,
     "open loop: R arrivals a second (default 1000)"},
    {"ramp", "FROM:TO:SECONDS", OPTION_TEXT, FIELD(ramp), 0, 0,
     "open loop: arrivals a second from FROM to TO, then TO"},
    {"ramp-shape", "SHAPE", OPTION_TEXT, FIELD(ramp_shape), 0, 0,
     "linear (default) or exponential"},
    {"arrivals", "KIND", OPTION_TEXT, FIELD(arrivals), 0, 0, "poisson (default) or uniform"},
    {"duration", "S", OPTION_NUMBER, FIELD(duration_seconds), DURATION_MIN, DURATION_MAX,
     "seconds of arrivals (default 10, or the ramp's; sale: of its ramp, default 22)"},
    {"requests", "N", OPTION_LONG, FIELD(requests), 1, LONG_MAX_EXACT, "stop after N attempts"},
    {"attempts", "N", OPTION_LONG, FIELD(requests), 1, LONG_MAX_EXACT, "the same as --requests"},
    {"connections", "N", OPTION_COUNT, FIELD(connections), 1, LOAD_CLIENT_CONNECTIONS_MAX,
     "keep-alive connections (default 256)"},
    {"pipeline", "N", OPTION_COUNT, FIELD(pipeline), 1, LOAD_CLIENT_PIPELINE_MAX,
     "requests in flight on a connection (default 1)"},
    {"backlog", "N", OPTION_COUNT, FIELD(backlog), 1, 10000000,
     "arrivals that may wait for a free connection; more are `not sent` (default 65536; "
     "sale, which overloads by design: 2048)"},
    {"timeout-ms", "N", OPTION_COUNT, FIELD(timeout_ms), 10, 600000,
     "give up on an answer, and its connection, after N ms (default 10000)"},
    {"retries", "N", OPTION_COUNT, FIELD(retries), 0, 1000,
     "tries again with the same key after a lost answer or a 503 (default 8)"},
    {"repeats", "N", OPTION_COUNT, FIELD(repeats), 0, 1000000,
     "reserve, spread: at the end, N winners send their key again and must get the same answer "
     "(default 100)"},
    {"drain-seconds", "N", OPTION_COUNT, FIELD(drain_seconds), 1, 600,
     "at the end, wait that long for answers still due (default 15)"},
    {"subscribers", "N", OPTION_COUNT, FIELD(subscribers), 1, LOAD_CLIENT_CONNECTIONS_MAX,
     "availability: readers of its stream (default 10000); --rate is changes a second (20)"},
    {"buyers", "N", OPTION_COUNT, FIELD(buyers), 1, LOAD_BUYERS_MAX,
     "guest sessions, used in turn (default 1000; journey 10000)"},
    {"quantity", "N", OPTION_COUNT, FIELD(quantity), 1, 1000000,
     "units in each attempt (default 1)"},
    {"sku", "SKU", OPTION_TEXT, FIELD(sku), 0, 0,
     "reserve, soldout, journey: use this SKU instead of making a product"},
    {"units", "N", OPTION_COUNT, FIELD(units), 1, COUNT_MAX / 4,
     "reserve, sale, journey: stock of a product that is made (default 500; journey 1000000)"},
    {"skus", "FILE", OPTION_TEXT, FIELD(skus_file), 0, 0,
     "spread: SKUs from FILE, one a line, instead of the server's products"},
    {"products", "N", OPTION_COUNT, FIELD(products), 1, COUNT_MAX / 4,
     "spread: only the first N SKUs (default: all); journey: makes N products (default 1)"},
    {"hold-ttl-ms", "N", OPTION_COUNT, FIELD(hold_ttl_ms), 100, 86400000,
     "sale: how long a hold lasts on the server (default 3000)"},
    {"shipping-method", "ID", OPTION_TEXT, FIELD(shipping_method), 0, 0,
     "journey, sale: how it is sent (default " SHIPPING_DEFAULT ", of a fresh store)"},
    {"until", "CALL", OPTION_TEXT, FIELD(until), 0, 0,
     "journey: ends after cart, checkout or pay, without a look at the order"},
    {"at-40-percent", "CMD", OPTION_TEXT, FIELD(at_40_percent), 0, 0,
     "sale: run the executable CMD when 40 % of the units are held, while the sale goes on"},
    {"acknowledged", "FILE", OPTION_TEXT, FIELD(acknowledged_file), 0, 0,
     "append a line for each 201 as it comes: when it was sent and answered (ns, CLOCK_MONOTONIC), "
     "ID, SKU; still good when this program is killed"},
    {"seed", "N", OPTION_LONG, FIELD(seed), 0, LONG_MAX_EXACT,
     "of arrivals, SKUs and decisions (default 1)"},
    {"json", NULL, OPTION_FLAG, FIELD(json), 0, 0,
     "print one JSON object to standard output, nothing else"},
    {"progress", NULL, OPTION_FLAG, FIELD(progress), 0, 0,
     "a line a second on standard error, also when it is no terminal"},
    {"help", NULL, OPTION_FLAG, FIELD(help), 0, 0, "print this"},
    {"version", NULL, OPTION_FLAG, FIELD(version), 0, 0, "print the version"},
};

static const char *const scenario_names[] = {
    [LOAD_SCENARIO_RESERVE] = "reserve", [LOAD_SCENARIO_SPREAD] = "spread",
    [LOAD_SCENARIO_SOLDOUT] = "soldout", [LOAD_SCENARIO_SALE] = "sale",
    [LOAD_SCENARIO_JOURNEY] = "journey", [LOAD_SCENARIO_AVAILABILITY] = "availability",
};

enum {
    OPTION_ENTRIES = sizeof option_table / sizeof option_table[0],
    SCENARIOS = sizeof scenario_names / sizeof scenario_names[0],
};

const char *load_scenario_name(enum load_scenario scenario)
{
    return scenario_names[scenario];
}

bool load_sku_is_valid(const char *sku, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!isalnum((unsigned char)sku[i]) && strchr("._-/:", sku[i]) == NULL) {
            return false;
        }
    }
    return length > 0 && length <= LOAD_SKU_BYTES_MAX;
}

void load_options_print_help(FILE *output)
{
    fputs("Usage: stampede-load SCENARIO [OPTION]...\n"
          "Sends buyers at a Stampede server, measures what they feel, and proves from their\n"
          "answers and the server's books that exactly what was there was held.\n\n"
          "Scenarios\n"
          "  reserve   one hot SKU: makes a product with --units, or takes --sku\n"
          "  spread    many SKUs: all of the server's products, or --skus FILE\n"
          "  soldout   a SKU without stock: how fast is a refusal\n"
          "  sale      a whole flash sale: ramp to twice capacity, holds that lapse, paid orders\n"
          "  journey   cart, checkout, payment by the sandbox, a look at the confirmed order\n"
          "  availability  readers of a SKU's stock by server-sent events, while it changes\n\n"
          "Options\n",
          output);
    for (size_t i = 0; i < OPTION_ENTRIES; i++) {
        const struct option_entry *entry = &option_table[i];
        char left[40];
        snprintf(left, sizeof left, "--%s%s%s", entry->name, entry->argument ? " " : "",
                 entry->argument ? entry->argument : "");
        fprintf(output, "  %-23s %s\n", left, entry->help);
    }
    fputs("\nExamples\n"
          "  stampede-load reserve --admin-key-file data/admin.key --units 100 --requests 5000\n"
          "  stampede-load reserve --admin-key-file data/admin.key --ramp 100:20000:30 --json\n"
          "  stampede-load spread --admin-key-file data/admin.key --rate 5000 --duration 20\n"
          "  stampede-load soldout --admin-key-file data/admin.key --closed --pipeline 16\n"
          "  stampede-load journey --admin-key-file data/admin.key --rate 2000 --duration 20\n"
          "  stampede-load reserve --target http://shop.example:8080 --sku TEE-RED-M --no-proof\n\n"
          "Latency is counted from the moment a buyer meant to send, so a server that stalls\n"
          "cannot hide it. Start the server with `--rate-limits off`: the buyers share one "
          "address.\n\n"
          "Exit codes\n"
          "  0  the run ended and every check holds\n"
          "  1  the run ended and a check failed\n"
          "  2  a mistake on the command line\n"
          "  3  the target cannot be reached\n"
          "  4  the target answers, but refuses what the run needs (key, product, sessions)\n",
          output);
}

static bool mistake(FILE *errors, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Always false, so that a check can end with it. */
static bool mistake(FILE *errors, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("stampede-load: ", errors);
    vfprintf(errors, format, arguments);
    fputs(" (see stampede-load --help)\n", errors);
    va_end(arguments);
    return false;
}

/* ---- one option ---- */

static bool number_read(const char *text, double min, double max, double *value_out)
{
    char *end = NULL;
    errno = 0;
    *value_out = strtod(text, &end);
    return errno == 0 && end != text && *end == '\0' && isfinite(*value_out) && *value_out >= min &&
           *value_out <= max;
}

static bool option_store(struct load_options *options, const struct option_entry *entry,
                         const char *value, FILE *errors)
{
    char *field = (char *)options + entry->offset;
    double number = 0;
    switch (entry->kind) {
    case OPTION_TEXT:
        if (value[0] == '\0') {
            return mistake(errors, "--%s is empty", entry->name);
        }
        memcpy(field, &value, sizeof value);
        return true;
    case OPTION_FLAG:
        *(bool *)field = true;
        return true;
    case OPTION_NUMBER:
        if (!number_read(value, entry->min, entry->max, &number)) {
            return mistake(errors, "--%s wants a number from %g to %.0f, not \"%s\"", entry->name,
                           entry->min, entry->max, value);
        }
        memcpy(field, &number, sizeof number);
        return true;
    case OPTION_COUNT:
    case OPTION_LONG:
        if (!number_read(value, entry->min, entry->max, &number) || number != floor(number)) {
            return mistake(errors, "--%s wants a whole number from %.0f to %.0f, not \"%s\"",
                           entry->name, entry->min, entry->max, value);
        }
        if (entry->kind == OPTION_COUNT) {
            uint32_t count = (uint32_t)number;
            memcpy(field, &count, sizeof count);
        } else {
            uint64_t count = (uint64_t)number;
            memcpy(field, &count, sizeof count);
        }
        return true;
    }
    return false;
}

static const struct option_entry *option_find(const char *name, size_t length)
{
    for (size_t i = 0; i < OPTION_ENTRIES; i++) {
        if (strlen(option_table[i].name) == length &&
            memcmp(option_table[i].name, name, length) == 0) {
            return &option_table[i];
        }
    }
    return NULL;
}

static bool scenario_find(const char *name, enum load_scenario *scenario_out)
{
    for (size_t i = 0; i < SCENARIOS; i++) {
        if (strcmp(scenario_names[i], name) == 0) {
            *scenario_out = (enum load_scenario)i;
            return true;
        }
    }
    return false;
}

static bool arguments_read(struct load_options *options, int argc, char **argv, FILE *errors)
{
    bool has_scenario = false;
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];
        if (strcmp(argument, "-h") == 0) {
            options->help = true;
            continue;
        }
        if (strncmp(argument, "--", 2) != 0) {
            if (has_scenario || !scenario_find(argument, &options->scenario)) {
                return mistake(errors,
                               "\"%s\" is no scenario: choose reserve, spread, soldout, "
                               "sale, journey or availability",
                               argument);
            }
            has_scenario = true;
            continue;
        }
        const char *name = argument + 2;
        const char *equals = strchr(name, '=');
        size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
        const struct option_entry *entry = option_find(name, length);
        if (entry == NULL) {
            return mistake(errors, "there is no option --%.*s", (int)length, name);
        }
        const char *value = equals != NULL ? equals + 1 : NULL;
        if (entry->kind == OPTION_FLAG && value != NULL) {
            return mistake(errors, "--%s takes no value", entry->name);
        }
        if (entry->kind != OPTION_FLAG && value == NULL) {
            if (i + 1 >= argc) {
                return mistake(errors, "--%s wants a value: --%s %s", entry->name, entry->name,
                               entry->argument);
            }
            value = argv[++i];
        }
        if (!option_store(options, entry, value, errors)) {
            return false;
        }
    }
    if (!has_scenario && !options->help && !options->version) {
        return mistake(errors, "which scenario? choose reserve, spread, soldout, sale, journey "
                               "or availability");
    }
    return true;
}

/* ---- what the options mean together ---- */

static bool target_read(struct load_options *options, FILE *errors)
{
    const char *rest = options->target;
    if (strncmp(rest, "https://", 8) == 0) {
        return mistake(errors,
                       "--target %s: this tool speaks plain HTTP; aim it at the server's "
                       "http:// listener",
                       options->target);
    }
    if (strncmp(rest, "http://", 7) == 0) {
        rest += 7;
    }
    size_t length = strcspn(rest, "/");
    const char *colon = memrchr(rest, ':', length);
    const char *bracket = rest[0] == '[' ? memchr(rest, ']', length) : NULL;
    if (colon != NULL && bracket != NULL && colon < bracket) {
        colon = NULL;
    }
    size_t host_length = colon != NULL ? (size_t)(colon - rest) : length;
    const char *host = rest;
    if (bracket != NULL) {
        host = rest + 1;
        host_length = (size_t)(bracket - host);
    }
    double port = 80;
    char port_text[8] = "80";
    if (colon != NULL) {
        snprintf(port_text, sizeof port_text, "%.*s", (int)(rest + length - colon - 1), colon + 1);
    }
    bool path = rest[length] != '\0' && strcmp(rest + length, "/") != 0;
    if (path || host_length == 0 || host_length >= sizeof options->host ||
        !number_read(port_text, 1, 65535, &port) || port != floor(port)) {
        return mistake(errors, "--target %s: write it as http://HOST:PORT", options->target);
    }
    snprintf(options->host, sizeof options->host, "%.*s", (int)host_length, host);
    snprintf(options->port, sizeof options->port, "%u", (unsigned)port & 0xffffU);
    snprintf(options->authority, sizeof options->authority, "%.*s", (int)length, rest);
    return true;
}

/* The first line of the file, or the given text, or the environment's. */
static bool admin_key_read(struct load_options *options, FILE *errors)
{
    const char *key = options->admin_key_text;
    if (key == NULL && options->admin_key_file == NULL) {
        key = getenv("STAMPEDE_ADMIN_KEY");
    }
    if (options->admin_key_file != NULL) {
        FILE *file = fopen(options->admin_key_file, "re");
        if (file == NULL) {
            return mistake(errors, "--admin-key-file %s: %s", options->admin_key_file,
                           strerror(errno));
        }
        char *line = fgets(options->admin_key, sizeof options->admin_key, file);
        fclose(file);
        if (line == NULL) {
            return mistake(errors, "--admin-key-file %s is empty", options->admin_key_file);
        }
        options->admin_key[strcspn(options->admin_key, "\r\n")] = '\0';
    } else if (key != NULL) {
        if (strlen(key) >= sizeof options->admin_key) {
            return mistake(errors, "the admin key is longer than %d bytes",
                           LOAD_ADMIN_KEY_BYTES_MAX - 1);
        }
        snprintf(options->admin_key, sizeof options->admin_key, "%s", key);
    }
    for (const char *at = options->admin_key; *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~') {
            return mistake(errors, "the admin key has characters that no key has");
        }
    }
    bool sku_is_given = options->sku != NULL || options->skus_file != NULL;
    if (options->admin_key[0] == '\0' && !(options->no_proof && sku_is_given)) {
        return mistake(errors, "the admin key is missing: --admin-key-file FILE (or --no-proof "
                               "with --sku or --skus)");
    }
    return true;
}

/* Numbers separated by colons; each within its bounds, and no more than there are. */
static bool colons_read(const char *text, size_t count, const double (*bounds)[2], double *values)
{
    for (size_t i = 0; i < count; i++) {
        char field[32];
        size_t length = strcspn(text, ":");
        bool last = text[length] == '\0';
        if (length >= sizeof field || last != (i + 1 == count)) {
            return false;
        }
        memcpy(field, text, length);
        field[length] = '\0';
        if (!number_read(field, bounds[i][0], bounds[i][1], &values[i])) {
            return false;
        }
        text += length + 1;
    }
    return true;
}

static bool ramp_read(struct load_options *options, FILE *errors)
{
    struct load_schedule_plan *plan = &options->plan;
    plan->shape = LOAD_SCHEDULE_LINEAR;
    if (options->ramp_shape != NULL && strcmp(options->ramp_shape, "exponential") == 0) {
        plan->shape = LOAD_SCHEDULE_EXPONENTIAL;
    } else if (options->ramp_shape != NULL && strcmp(options->ramp_shape, "linear") != 0) {
        return mistake(errors, "--ramp-shape is linear or exponential, not \"%s\"",
                       options->ramp_shape);
    }
    const double bounds[3][2] = {
        {plan->shape == LOAD_SCHEDULE_EXPONENTIAL ? RATE_MIN : 0.0, RATE_MAX},
        {RATE_MIN, RATE_MAX},
        {DURATION_MIN, DURATION_MAX},
    };
    double values[3];
    if (!colons_read(options->ramp, 3, bounds, values)) {
        return mistake(errors, "--ramp wants FROM:TO:SECONDS, such as 100:20000:30, not \"%s\"",
                       options->ramp);
    }
    plan->from_per_second = values[0];
    plan->to_per_second = values[1];
    plan->ramp_seconds = values[2];
    return true;
}

static bool plan_read(struct load_options *options, FILE *errors)
{
    bool open_given = options->rate > 0 || options->ramp != NULL;
    if (options->rate > 0 && options->ramp != NULL) {
        return mistake(errors, "--rate and --ramp exclude each other");
    }
    if (options->closed && open_given) {
        return mistake(errors, "--closed has no schedule: leave out --rate and --ramp");
    }
    if (options->scenario == LOAD_SCENARIO_SALE &&
        (options->closed || open_given || options->requests > 0)) {
        return mistake(errors, "sale has its own arrivals: leave out --rate, --ramp, --closed "
                               "and --requests");
    }
    if (options->arrivals != NULL && strcmp(options->arrivals, "poisson") != 0 &&
        strcmp(options->arrivals, "uniform") != 0) {
        return mistake(errors, "--arrivals is poisson or uniform, not \"%s\"", options->arrivals);
    }
    options->plan.poisson = options->arrivals == NULL || strcmp(options->arrivals, "poisson") == 0;
    options->plan.shape = LOAD_SCHEDULE_CONSTANT;
    options->plan.to_per_second = options->rate > 0 ? options->rate : RATE_DEFAULT;
    if (options->ramp != NULL && !ramp_read(options, errors)) {
        return false;
    }
    if (options->duration_seconds <= 0) {
        if (options->scenario == LOAD_SCENARIO_SALE) {
            options->duration_seconds = SALE_DURATION_DEFAULT;
        } else if (options->ramp != NULL) {
            options->duration_seconds = options->plan.ramp_seconds;
        } else if (options->requests == 0) {
            options->duration_seconds = DURATION_DEFAULT;
        }
    }
    return true;
}

static bool skus_read(const struct load_options *options, FILE *errors)
{
    enum load_scenario scenario = options->scenario;
    bool one = scenario == LOAD_SCENARIO_RESERVE || scenario == LOAD_SCENARIO_SOLDOUT ||
               scenario == LOAD_SCENARIO_JOURNEY || scenario == LOAD_SCENARIO_AVAILABILITY;
    if (options->sku != NULL && !one) {
        return mistake(errors, "--sku goes with reserve, soldout, journey and availability");
    }
    if (options->skus_file != NULL && scenario != LOAD_SCENARIO_SPREAD) {
        return mistake(errors, "--skus goes with spread");
    }
    if (options->sku != NULL && !load_sku_is_valid(options->sku, strlen(options->sku))) {
        return mistake(errors,
                       "--sku \"%s\": a SKU is 1 to %d letters, digits and . _ - / :", options->sku,
                       LOAD_SKU_BYTES_MAX);
    }
    if (options->shipping_method != NULL && scenario != LOAD_SCENARIO_JOURNEY &&
        scenario != LOAD_SCENARIO_SALE) {
        return mistake(errors, "--shipping-method goes with journey and sale");
    }
    if (options->shipping_method != NULL &&
        !load_sku_is_valid(options->shipping_method, strlen(options->shipping_method))) {
        return mistake(errors, "--shipping-method \"%s\" is no ID", options->shipping_method);
    }
    if (options->until != NULL && scenario != LOAD_SCENARIO_JOURNEY) {
        return mistake(errors, "--until goes with journey");
    }
    if (options->until != NULL && strcmp(options->until, "cart") != 0 &&
        strcmp(options->until, "checkout") != 0 && strcmp(options->until, "pay") != 0) {
        return mistake(errors, "--until is cart, checkout or pay, not \"%s\"", options->until);
    }
    if (options->at_40_percent != NULL && scenario != LOAD_SCENARIO_SALE) {
        return mistake(errors, "--at-40-percent goes with sale");
    }
    if (options->at_40_percent != NULL && access(options->at_40_percent, X_OK) != 0) {
        return mistake(errors, "--at-40-percent %s: %s", options->at_40_percent, strerror(errno));
    }
    if (scenario == LOAD_SCENARIO_SALE && (options->no_proof || options->quantity != 1)) {
        return mistake(errors, "sale sells single units and proves it: leave out --quantity and "
                               "--no-proof");
    }
    return true;
}

/* What was not given, by the scenario. */
static void defaults_fill(struct load_options *options)
{
    bool is_journey = options->scenario == LOAD_SCENARIO_JOURNEY;
    bool is_watched = options->scenario == LOAD_SCENARIO_AVAILABILITY;
    if (options->subscribers == 0) {
        options->subscribers = SUBSCRIBERS_DEFAULT;
    }
    if (is_watched) { /* its connections are its streams; nobody buys */
        options->connections = options->subscribers;
        options->buyers = 1;
    }
    if (options->backlog == 0) {
        options->backlog =
            options->scenario == LOAD_SCENARIO_SALE ? SALE_BACKLOG_DEFAULT : BACKLOG_DEFAULT;
    }
    if (options->buyers == 0) {
        options->buyers = is_journey ? JOURNEY_BUYERS : BUYERS_DEFAULT;
    }
    if (options->units == 0) {
        options->units = is_journey || is_watched ? JOURNEY_UNITS : UNITS_DEFAULT;
    }
    if (options->products == 0) {
        options->products = is_journey ? 1 : UINT32_MAX;
    }
}

bool load_options_read(struct load_options *options, int argc, char **argv, FILE *errors)
{
    *options = (struct load_options){
        .target = TARGET_DEFAULT,
        .connections = 256,
        .pipeline = 1,
        .timeout_ms = 10000,
        .retries = 8,
        .repeats = 100,
        .drain_seconds = 15,
        .quantity = 1,
        .hold_ttl_ms = 3000,
        .seed = 1,
    };
    if (!arguments_read(options, argc, argv, errors)) {
        return false;
    }
    if (options->help || options->version) {
        return true;
    }
    defaults_fill(options);
    if (!target_read(options, errors) || !plan_read(options, errors) ||
        !skus_read(options, errors) || !admin_key_read(options, errors)) {
        return false;
    }
    if (options->shipping_method == NULL) {
        options->shipping_method = SHIPPING_DEFAULT;
    }
    return true;
}
