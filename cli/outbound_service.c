/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound_service.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "api/log.h"
#include "files.h"

enum {
    PASSWORD_MAX = FEED_PASSWORD_MAX,
    SECRETS_MAX = GATEWAY_SECRETS_MAX * (GATEWAY_SECRET_LENGTH_MAX + 2) * 2, /* and blank lines */
};

/* ---- where folders are ---- */

/* The path without links, of which the end may be missing. */
static bool resolve(const char *path, char resolved_out[PATH_MAX])
{
    char full[PATH_MAX];
    char known[PATH_MAX]; /* the beginning of it that is there */
    char real[PATH_MAX];
    size_t cut;

    if (snprintf(full, sizeof(full), "%s%s", path[0] == '/' ? "" : "./", path) >= PATH_MAX)
        return false;
    cut = strlen(full);
    memcpy(known, full, cut + 1);
    while (realpath(known, real) == NULL) {
        if (errno != ENOENT)
            return false;
        while (cut > 0 && known[cut - 1] == '/')
            cut--;
        while (cut > 0 && known[cut - 1] != '/')
            cut--;
        known[cut] = 0;
        if (cut == 0)
            return false;
    }
    return snprintf(resolved_out, PATH_MAX, "%s%s%s", strcmp(real, "/") == 0 ? "" : real,
                    full[cut] == 0 ? "" : "/", full + cut) < PATH_MAX;
}

bool path_is_within(const char *path, const char *folder)
{
    char paths[2][PATH_MAX];
    size_t length;

    if (!resolve(path, paths[0]) || !resolve(folder, paths[1]))
        return false;
    length = strlen(paths[1]);
    return strncmp(paths[0], paths[1], length) == 0 &&
           (paths[0][length] == 0 || paths[0][length] == '/');
}

/* ---- the parts ---- */

/* A whole file that others may not read; a terminator is added. */
static bool read_secret_file(const char *path, char *text_out, size_t length_max, char *error,
                             size_t error_size)
{
    unsigned mode;
    ssize_t length = files_read(path, text_out, length_max, &mode, error, error_size);

    if (length < 0)
        return false;
    text_out[length] = 0;
    if ((mode & 07) != 0)
        snprintf(error, error_size, "others may read %.300s: chmod o-rwx it", path);
    return (mode & 07) == 0;
}

static bool read_password(const char *path, char password_out[PASSWORD_MAX + 1], char *error,
                          size_t error_size)
{
    if (!read_secret_file(path, password_out, PASSWORD_MAX, error, error_size))
        return false;
    password_out[strcspn(password_out, "\r\n")] = 0;
    if (password_out[0] == 0)
        snprintf(error, error_size, "%.300s has no password in its first line", path);
    return password_out[0] != 0;
}

static bool start_thread(struct outbound_service *service, const struct options *options,
                         char *error, size_t error_size)
{
    struct outbound_options wanted;
    char password[PASSWORD_MAX + 1] = "";

    outbound_options_default(&wanted);
    wanted.private_allowed = options->outbound_private;
    wanted.ca_file = options->outbound_ca_file;
    wanted.smtp_url = options->smtp_url;
    wanted.smtp_user = options->smtp_user;
    wanted.smtp_password = password;
    wanted.smtp_starttls = strcmp(options->smtp_starttls, "required") == 0;
    wanted.mail_dir = options->mail_dir;
    if (options->stripe_secret_key_file[0] != 0)
        wanted.gateway_url = options->stripe_base_url;
    if (options->mail_dir[0] != 0 && path_is_within(options->mail_dir, options->data)) {
        snprintf(error, error_size,
                 "mail_dir lies in the data folder: give --mail-dir another one, for mails are"
                 " written there in clear");
        return false;
    }
    if (options->outbound_ca_file[0] != 0 && !files_exist(options->outbound_ca_file)) {
        snprintf(error, error_size, "there is no %.300s: give --outbound-ca-file a file (PEM)",
                 options->outbound_ca_file);
        return false;
    }
    if (options->smtp_password_file[0] == 0 ||
        read_password(options->smtp_password_file, password, error, error_size))
        service->outbound = outbound_create(&wanted, error, error_size);
    explicit_bzero(password, sizeof(password));
    return service->outbound != NULL;
}

/* options_read has seen that they can be read. */
static bool read_challenges(struct outbound_service *service, const struct options *options,
                            char *error, size_t error_size)
{
    struct challenge_options *challenges = &service->challenges;
    char secret[PASSWORD_MAX + 1] = "";
    bool is_good = true;

    challenges->altcha_cost = (uint32_t)options->altcha_cost;
    for (uint32_t i = 0; i < options->challenge_routes.count; i++)
        challenge_option_read(challenges, options->challenge_routes.entries[i]);
    enum challenge_mode mode = challenge_captcha_mode(challenges);
    if (mode == CHALLENGE_OFF)
        return true;
    is_good = read_password(options->captcha_secret_file, secret, error, error_size);
    if (is_good && strlen(secret) > CAPTCHA_SECRET_MAX) {
        snprintf(error, error_size, "%.300s has more than %d characters in its first line",
                 options->captcha_secret_file, (int)CAPTCHA_SECRET_MAX);
        is_good = false;
    }
    if (is_good)
        memcpy(service->captcha_secret, secret, strlen(secret) + 1);
    explicit_bzero(secret, sizeof(secret));
    challenges->captcha = (struct captcha_settings){
        .url = options->captcha_verify_url[0] != 0 ? options->captcha_verify_url
                                                   : challenge_captcha_url(mode),
        .secret = service->captcha_secret,
        .hostname = options->captcha_hostname,
        .action = "",
    };
    return is_good;
}

static bool open_gateways(struct outbound_service *service, const struct options *options,
                          char *error, size_t error_size)
{
    struct outbound_port port = outbound_port_get(service->outbound);
    struct gateways_options wanted;
    char key[PASSWORD_MAX + 1] = "";
    char secrets[SECRETS_MAX + 1] = "";

    gateways_options_default(&wanted);
    wanted.sandbox = options->sandbox;
    wanted.stripe_secret_key = key;
    wanted.stripe_base_url = options->stripe_base_url;
    wanted.stripe_confirm = options->stripe_confirm;
    wanted.stripe_event_secrets = secrets;
    if ((options->stripe_secret_key_file[0] == 0 ||
         read_password(options->stripe_secret_key_file, key, error, error_size)) &&
        (options->stripe_webhook_secrets_file[0] == 0 ||
         read_secret_file(options->stripe_webhook_secrets_file, secrets, SECRETS_MAX, error,
                          error_size)))
        service->gateways = gateways_create(&wanted, &port, error, error_size);
    explicit_bzero(key, sizeof(key));
    explicit_bzero(secrets, sizeof(secrets));
    return service->gateways != NULL;
}

/* The feed's thread. */
static void log_feed(void *user, const char *event, const char *why)
{
    const struct env *env = user;
    struct log_line line;

    log_begin(&line, why == NULL ? LOG_INFO : LOG_WARNING, event, env->now(env->self).wall_ms);
    if (why != NULL)
        log_text(&line, "why", why);
    log_end(&line);
}

static bool open_feed(struct outbound_service *service, const struct options *options,
                      uint64_t store, char *error, size_t error_size)
{
    struct feed_options wanted;
    bool is_good;

    if (options->redis_url[0] == 0)
        return true;
    feed_options_default(&wanted);
    is_good = feed_address_parse(options->redis_url, &wanted.address, error, error_size);
    if (is_good && options->redis_password_file[0] != 0)
        is_good =
            read_password(options->redis_password_file, wanted.address.password, error, error_size);
    wanted.stream = options->redis_stream;
    wanted.store = store;
    wanted.length_max = options->redis_stream_max;
    wanted.log = log_feed;
    wanted.log_user = service->env;
    if (is_good)
        service->feed.feed = feed_create(&wanted, error, error_size);
    explicit_bzero(wanted.address.password, sizeof(wanted.address.password));
    return is_good && service->feed.feed != NULL;
}

bool outbound_service_open(struct outbound_service *service, const struct options *options,
                           struct env *env, uint64_t store, const char *served_at, char *error,
                           size_t error_size)
{
    const char *url = options->public_url[0] != 0 ? options->public_url : served_at;
    size_t length;

    *service = (struct outbound_service){.env = env};
    snprintf(service->public_url, sizeof(service->public_url), "%s", url);
    length = strlen(service->public_url);
    while (length > 0 && service->public_url[length - 1] == '/')
        service->public_url[--length] = 0;
    service->templates = mail_templates_load(options->mail_templates, error, error_size);
    service->mail = (struct mail_settings){
        .templates = service->templates,
        .from_address = options->mail_from[0] != 0 ? options->mail_from : "shop@shop.invalid",
        .shop_name = options->shop_name,
        .public_url = service->public_url,
    };
    return service->templates != NULL && read_challenges(service, options, error, error_size) &&
           start_thread(service, options, error, error_size) &&
           open_gateways(service, options, error, error_size) &&
           open_feed(service, options, store, error, error_size);
}

void outbound_service_close(struct outbound_service *service)
{
    if (service->outbound != NULL)
        outbound_destroy(service->outbound);
    if (service->feed.feed != NULL)
        feed_destroy(service->feed.feed);
    if (service->gateways != NULL) /* whose last calls have ended with the thread */
        gateways_destroy(service->gateways);
    if (service->templates != NULL)
        mail_templates_free(service->templates);
    explicit_bzero(service->captcha_secret, sizeof(service->captcha_secret));
    *service = (struct outbound_service){0};
}
