/* SPDX-License-Identifier: Apache-2.0 */
/* Lets tests/outbound/run drive the real chain: engine_outbound_submit at a shard on its own
 * thread, the outbound thread, and the way back.
 *
 *   outbound-driver compose ID WALL_MS FROM_NAME FROM TO SUBJECT TEXT_FILE HTML_FILE|-
 *   outbound-driver render DIR|- KIND NAME=VALUE...
 *   outbound-driver serve OPTION=VALUE...
 *
 * The first two exit with 3 where the mail or the template is refused. `serve` takes jobs as lines
 * of fields with tabs between them (see `commands`), and prints a line for each that ended: TAG
 * RESULT REASON STATUS REACHED RETRY_AFTER_S ANSWER-IN-HEX. At the end of its input it stops,
 * within drain_ms. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "env_real.h"
#include "journal_memory.h"
#include "outbound/captcha.h"
#include "outbound/mail_job.h"
#include "outbound/outbound.h"
#include "secrets_file.h"

enum { FIELDS_MAX = 40, LINE_BYTES = 64 << 10, FILE_BYTES = 2 << 20, STATUS_REFUSED = 3 };

static const char *const results[] = {[OUTBOUND_DELIVERED] = "delivered",
                                      [OUTBOUND_REFUSED] = "refused",
                                      [OUTBOUND_LATER] = "later",
                                      [OUTBOUND_NO_ROUTE] = "no_route"};

static void fail(const char *what)
{
    fprintf(stderr, "outbound-driver: %s\n", what);
    exit(2);
}

static char *read_file(const char *path, size_t *length_out)
{
    FILE *file = fopen(path, "rb");
    char *bytes = calloc(1, FILE_BYTES + 1);

    if (file == NULL || bytes == NULL)
        fail(path);
    *length_out = fread(bytes, 1, FILE_BYTES, file);
    fclose(file);
    return bytes;
}

/* ---- compose and render ---- */

static int compose(char *arguments[])
{
    size_t length;
    bool has_html = strcmp(arguments[7], "-") != 0;
    char *text = read_file(arguments[6], &length);
    char *html = has_html ? read_file(arguments[7], &length) : NULL;
    struct mail_message message = {
        .id = arguments[0],
        .wall_ms = strtoll(arguments[1], NULL, 10),
        .from_name = arguments[2],
        .from_address = arguments[3],
        .to_address = arguments[4],
        .subject = arguments[5],
        .text = text,
        .html = has_html ? html : "",
    };
    size_t room = mail_compose_bound(&message);
    char *target = malloc(room);
    bool composed = mail_compose(&message, target, room, &length);

    if (composed)
        fwrite(target, 1, length, stdout);
    free(target);
    free(html);
    free(text);
    return composed ? 0 : STATUS_REFUSED;
}

static enum mail_kind find_kind(const char *name)
{
    enum mail_kind kind = 0;

    while (kind < MAIL_KIND_COUNT && strcmp(mail_kind_name(kind), name) != 0)
        kind++;
    if (kind == MAIL_KIND_COUNT)
        fail(name);
    return kind;
}

/* A list's first value begins a new row of it. */
static void add_to_row(unsigned value, const char *text, struct mail_row rows[][8],
                       struct mail_list lists[MAIL_LIST_COUNT])
{
    static const struct {
        unsigned values;
    } known[MAIL_LIST_COUNT] = {
#define HAS(name)       (1U << MAIL_VALUE_##name)
#define X(name, values) [MAIL_LIST_##name] = {(values)},
        MAIL_LISTS(X)
#undef X
    };

    for (int list = 0; list < MAIL_LIST_COUNT; list++) {
        bool is_first = (known[list].values & (0 - known[list].values)) == 1U << value;

        if ((known[list].values & 1U << value) == 0)
            continue;
        if (is_first && lists[list].count == 8)
            fail(text);
        lists[list].rows = rows[list];
        lists[list].count += is_first;
        if (lists[list].count > 0)
            rows[list][lists[list].count - 1].values[value] = text;
    }
}

static void read_values(char *const fields[], const char *values_out[MAIL_VALUE_COUNT],
                        struct mail_list lists_out[MAIL_LIST_COUNT])
{
    static struct mail_row rows[MAIL_LIST_COUNT][8];
    static const char *const names[] = {
#define X(name) #name,
        MAIL_VALUES(X)
#undef X
    };

    for (; *fields != NULL; fields++) {
        size_t length = strcspn(*fields, "=");

        for (int value = 0; value < MAIL_VALUE_COUNT; value++) {
            if (strncmp(names[value], *fields, length) != 0 || names[value][length] != 0)
                continue;
            values_out[value] = *fields + length + 1;
            add_to_row((unsigned)value, values_out[value], rows, lists_out);
        }
    }
}

static int render(char *arguments[])
{
    static struct mail_rendered rendered;
    const char *values[MAIL_VALUE_COUNT] = {NULL};
    struct mail_list lists[MAIL_LIST_COUNT] = {{NULL, 0}};
    char error[OUTBOUND_ERROR_MAX] = "";
    struct mail_templates *templates = mail_templates_load(
        strcmp(arguments[0], "-") == 0 ? "" : arguments[0], error, sizeof(error));

    if (templates == NULL) {
        printf("%s\n", error);
        return STATUS_REFUSED;
    }
    read_values(arguments + 2, values, lists);

    bool is_rendered = mail_render(templates, find_kind(arguments[1]), values, lists, &rendered);

    printf("%s%c%s%c%s", rendered.subject, 0, rendered.text, 0, rendered.html);
    mail_templates_free(templates);
    return is_rendered ? 0 : STATUS_REFUSED;
}

/* ---- serve ---- */

struct driver {
    struct outbound_options options;
    struct mail_settings settings;
    struct outbound *outbound;
    struct shard *shard;
    uint32_t drain_ms;
    uv_poll_t input;
    uv_sem_t ended;
    char line[LINE_BYTES];
    size_t used;
};

static struct driver driver;

struct task {
    struct engine_outbound outbound;
    char *tag;
    char *fields[FIELDS_MAX];
    char *body;
    struct mail_job *mail;
    struct captcha_check check;
    struct captcha_settings captcha;
};

static void task_free(struct task *task)
{
    free(task->outbound.job.answer);
    free(task->body);
    if (task->mail != NULL)
        mail_job_free(task->mail);
    free(task->fields[0]);
    free(task);
}

static void print_end(struct task *task, const struct outbound_job *job)
{
    printf("%s\t%s\t%s\t%u\t%d\t%u\t", task->tag, results[job->result], job->reason, job->status,
           job->reached, job->retry_after_s);
    for (size_t i = 0; i < job->answer_length; i++)
        printf("%02x", (unsigned char)job->answer[i]);
    printf("\n");
    fflush(stdout);
    task_free(task);
}

static void on_done(struct engine_outbound *outbound)
{
    print_end(outbound->user, &outbound->job);
}

static void on_captcha(struct captcha_check *check, enum captcha_verdict verdict,
                       const char *reason)
{
    static const char *const verdicts[] = {[CAPTCHA_PASSED] = "passed",
                                           [CAPTCHA_FAILED] = "failed",
                                           [CAPTCHA_UNAVAILABLE] = "unavailable"};
    struct task *task = check->user;

    printf("%s\t%s\t%s\t%u\t0\t0\t\n", task->tag, verdicts[verdict], reason,
           check->outbound.job.status);
    fflush(stdout);
    task_free(task);
}

static bool submit(struct task *task, struct engine_outbound *outbound)
{
    outbound->done = on_done;
    outbound->user = task;
    return engine_outbound_submit(driver.shard, outbound) == OUTCOME_PENDING;
}

/* mail TAG TIMEOUT_MS SENDER RECIPIENT NAME FILE */
static bool do_mail(struct task *task)
{
    struct outbound_job *job = &task->outbound.job;

    job->kind = OUTBOUND_MAIL;
    job->timeout_ms = (uint32_t)strtoul(task->fields[2], NULL, 10);
    job->sender = task->fields[3];
    job->recipient = task->fields[4];
    job->name = task->fields[5];
    job->body = task->body = read_file(task->fields[6], &job->body_length);
    return submit(task, &task->outbound);
}

/* order TAG KIND ID WALL_MS TO NAME=VALUE... */
static bool do_order(struct task *task)
{
    struct mail_order order = {
        .kind = find_kind(task->fields[2]),
        .id = task->fields[3],
        .wall_ms = strtoll(task->fields[4], NULL, 10),
        .to_address = task->fields[5],
    };

    read_values(task->fields + 6, order.values, order.lists);
    task->mail = mail_job_create(&driver.settings, &order);
    return task->mail != NULL && submit(task, &task->mail->outbound);
}

/* http TAG TIMEOUT_MS METHOD URL BODY_FILE|- ANSWER_MAX HEADER... */
static bool do_http(struct task *task)
{
    static const char *const methods[] = {[OUTBOUND_GET] = "GET",
                                          [OUTBOUND_POST] = "POST",
                                          [OUTBOUND_PUT] = "PUT",
                                          [OUTBOUND_PATCH] = "PATCH",
                                          [OUTBOUND_DELETE] = "DELETE"};
    struct outbound_job *job = &task->outbound.job;

    job->kind = OUTBOUND_HTTP;
    job->timeout_ms = (uint32_t)strtoul(task->fields[2], NULL, 10);
    while (strcmp(methods[job->method], task->fields[3]) != 0)
        job->method++;
    job->url = task->fields[4];
    if (strcmp(task->fields[5], "-") != 0)
        job->body = task->body = read_file(task->fields[5], &job->body_length);
    job->answer_max = strtoul(task->fields[6], NULL, 10);
    job->answer = job->answer_max > 0 ? malloc(job->answer_max) : NULL;
    job->headers = (const char *const *)(task->fields + 7);
    while (task->fields[7 + job->header_count] != NULL)
        job->header_count++;
    return submit(task, &task->outbound);
}

/* captcha TAG URL SECRET HOSTNAME ACTION TOKEN IP */
static bool do_captcha(struct task *task)
{
    enum captcha_verdict refusal;

    task->captcha = (struct captcha_settings){.url = task->fields[2],
                                              .secret = task->fields[3],
                                              .hostname = task->fields[4],
                                              .action = task->fields[5]};
    task->check.settings = &task->captcha;
    task->check.done = on_captcha;
    task->check.user = task;
    return captcha_check_submit(driver.shard, &task->check,
                                (struct slice){task->fields[6], strlen(task->fields[6])},
                                task->fields[7], &refusal);
}

/* metrics TAG */
static bool do_metrics(struct task *task)
{
    struct outbound_metrics metrics;

    outbound_metrics_get(driver.outbound, &metrics);
    printf("%s", task->tag);
#define X(name, kind, help) printf("\t%s=%lld", #name, (long long)metrics.name);
    OUTBOUND_METRICS(X)
#undef X
    printf("\n");
    fflush(stdout);
    task_free(task);
    return true;
}

static const struct {
    const char *name;
    int fields_min;
    bool (*run)(struct task *task);
} commands[] = {
    {"mail", 7, do_mail},       {"order", 6, do_order},     {"http", 7, do_http},
    {"captcha", 8, do_captcha}, {"metrics", 2, do_metrics},
};

static void run_line(char *line)
{
    struct task *task = calloc(1, sizeof(*task));
    int count = 0;

    line = strdup(line);
    if (task == NULL || line == NULL)
        fail("no memory");
    for (char *field; (field = strsep(&line, "\t")) != NULL && count < FIELDS_MAX - 1;)
        task->fields[count++] = field;
    task->tag = task->fields[1];
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, task->fields[0]) != 0 || count < commands[i].fields_min)
            continue;
        if (!commands[i].run(task)) {
            printf("%s\trefused_at_once\t\t0\t0\t0\t\n", task->tag);
            fflush(stdout);
            task_free(task);
        }
        return;
    }
    fail(task->fields[0]);
}

static void on_input(uv_poll_t *poll, int status, int events)
{
    ssize_t count = read(STDIN_FILENO, driver.line + driver.used, LINE_BYTES - driver.used);
    char *end;

    (void)status;
    (void)events;
    if (count < 0 && errno == EAGAIN)
        return;
    if (count <= 0) {
        uv_poll_stop(poll);
        uv_sem_post(&driver.ended);
        return;
    }
    driver.used += (size_t)count;
    while ((end = memchr(driver.line, '\n', driver.used)) != NULL) {
        size_t length = (size_t)(end - driver.line);

        *end = 0;
        run_line(driver.line);
        memmove(driver.line, end + 1, driver.used - length - 1);
        driver.used -= length + 1;
    }
}

static int on_start(void *user, struct shard *shard, uv_loop_t *loop)
{
    (void)user;
    driver.shard = shard;
    uv_poll_init(loop, &driver.input, STDIN_FILENO);
    return uv_poll_start(&driver.input, UV_READABLE, on_input);
}

static void nothing(void *user, struct shard *shard)
{
    (void)user;
    (void)shard;
}

static bool always(void *user, struct shard *shard)
{
    (void)user;
    (void)shard;
    return true;
}

static void on_stop(void *user, struct shard *shard)
{
    (void)user;
    (void)shard;
    uv_close((uv_handle_t *)&driver.input, NULL);
}

static uint64_t watermark_read(void *self)
{
    (void)self;
    return 0;
}

static void watermark_advance(void *self, uint64_t number)
{
    (void)self;
    (void)number;
}

static void read_option(const char *option)
{
    static const struct {
        const char *name;
        const char **field;
    } texts[] = {
        {"smtp_url", &driver.options.smtp_url},
        {"smtp_user", &driver.options.smtp_user},
        {"smtp_password", &driver.options.smtp_password},
        {"mail_dir", &driver.options.mail_dir},
        {"ca_file", &driver.options.ca_file},
        {"gateway_url", &driver.options.gateway_url},
    };
    static const struct {
        const char *name;
        uint32_t *field;
    } numbers[] = {
        {"jobs_max", &driver.options.jobs_max},
        {"host_jobs_max", &driver.options.host_jobs_max},
        {"transfers_max", &driver.options.transfers_max},
        {"host_transfers_max", &driver.options.host_transfers_max},
        {"gateway_jobs_max", &driver.options.gateway_jobs_max},
        {"gateway_transfers_max", &driver.options.gateway_transfers_max},
        {"connect_timeout_ms", &driver.options.connect_timeout_ms},
        {"drain_ms", &driver.drain_ms},
    };
    size_t length = strcspn(option, "=");
    const char *value = option + length + 1;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strlen(texts[i].name) == length && strncmp(texts[i].name, option, length) == 0)
            *texts[i].field = value;
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strlen(numbers[i].name) == length && strncmp(numbers[i].name, option, length) == 0)
            *numbers[i].field = (uint32_t)strtoul(value, NULL, 10);
    }
    if (strcmp(option, "private=on") == 0)
        driver.options.private_allowed = true;
    if (strcmp(option, "starttls=off") == 0)
        driver.options.smtp_starttls = false;
}

static int serve(char *arguments[])
{
    struct journal_memory *journal = journal_memory_create(
        &(struct journal_memory_options){.partitions = 16, .sync_immediately = true});
    struct env_real *env = env_real_create(1);
    struct env_real_hooks hooks = {.on_start = on_start,
                                   .on_turn = nothing,
                                   .on_drain = nothing,
                                   .is_drained = always,
                                   .on_stop = on_stop};
    struct engine_options options = engine_options_default(1);
    static struct secrets secrets; /* all zero: nothing is kept */
    struct engine_ports ports = {
        .env = env_real_port(env),
        .journal = journal_memory_port(journal),
        .watermark = {.read = watermark_read, .advance = watermark_advance},
        .secrets = {.self = &secrets,
                    .mac = secrets_mac,
                    .digest = secrets_digest,
                    .id_key = {{1, 2}},
                    .key_key = {{3, 4}}},
    };
    struct engine *engine;
    char error[OUTBOUND_ERROR_MAX] = "";

    driver.drain_ms = 1000;
    outbound_options_default(&driver.options);
    for (; *arguments != NULL; arguments++)
        read_option(*arguments);
    driver.settings = (struct mail_settings){
        .templates = mail_templates_load("", error, sizeof(error)),
        .from_address = "shop@shop.test",
        .shop_name = "Caf\xc3\xa9 Aurora",
        .public_url = "https://shop.test",
    };
    driver.outbound = outbound_create(&driver.options, error, sizeof(error));
    if (driver.outbound == NULL || driver.settings.templates == NULL)
        fail(error);
    ports.outbound = outbound_port_get(driver.outbound);
    options.partitions = 16;
    options.holds_max = 1024;
    options.coupons_max = 64;
    options.coupon_rows_max = 64;
    options.carts_max = 64;
    options.deliveries_pending_max = 64;
    uv_sem_init(&driver.ended, 0);
    fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
    engine = engine_create(&options, &ports);
    if (engine == NULL || engine_recover(engine, error, sizeof(error)) != 0 ||
        env_real_start(env, engine, &hooks, error, sizeof(error)) != 0)
        fail(error);
    uv_sem_wait(&driver.ended);
    outbound_drain(driver.outbound, driver.drain_ms / 2);
    env_real_stop(env, driver.drain_ms);
    outbound_destroy(driver.outbound);
    engine_destroy(engine);
    env_real_destroy(env);
    journal_memory_destroy(journal);
    mail_templates_free((struct mail_templates *)(uintptr_t)driver.settings.templates);
    uv_sem_destroy(&driver.ended);
    return 0;
}

int main(int argc, char *argv[])
{
    if (argc == 10 && strcmp(argv[1], "compose") == 0)
        return compose(argv + 2);
    if (argc >= 4 && strcmp(argv[1], "render") == 0)
        return render(argv + 2);
    if (argc >= 2 && strcmp(argv[1], "serve") == 0)
        return serve(argv + 2);
    fail("usage: compose, render or serve; see the source");
}
