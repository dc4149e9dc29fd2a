/* SPDX-License-Identifier: Apache-2.0 */
/* `stampede serve`: puts the layers together, serves, and takes them apart.
 *
 * Begin: port, store, admin key, engine, API, recovery, threads, and only then the line `ready`.
 * End, by SIGTERM, SIGINT or SIGHUP: HTTP drains, the engine becomes idle, shards and committer are
 * joined, the index of the search is closed, the API and the engine go, and last the store writes
 * its watermark and closes: no layer goes before one that may still call it (the outbound thread
 * goes before the engine). The same signal again, if it is SIGTERM or SIGINT, ends the process at
 * once; that is no worse than kill -9, which the store bears. Others may come together: a terminal
 * that closes sends SIGHUP, and so may the script that runs the server then send SIGTERM. Both mean
 * one thing, and none of them is impatience. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "address.h"
#include "api/api.h"
#include "api/log.h"
#include "commands.h"
#include "env_real.h"
#include "env_real_workers.h"
#include "files.h"
#include "http/http_proxies.h"
#include "http/http_tls.h"
#include "options.h"
#include "outbound_service.h"
#include "search/search.h"
#include "secrets_file.h"
#include "shop_limits.h"
#include "signals.h"
#include "storage.h"

enum {
    FILES_OF_THE_STORE = 1024, /* descriptors that are no connections: RocksDB's above all */
    TLS_LOOK_S = 1,            /* between two looks at the certificate */
    PATH_MAX_BYTES = 4096,
    SHARDS_AUTOMATIC_MAX = 16, /* more were never measured; ask for them with --shards */
};

_Static_assert(WORKERS_MAX <= (int)SEARCH_READERS_MAX, "as many search as there are finders");

struct service {
    const struct options *options;
    struct env_real *env;
    bool was_idle;                    /* when it stopped, or as long as nothing has begun */
    struct env_real_workers *workers; /* NULL: not made yet */
    struct env_real_workers *finders; /* likewise */
    struct env env_port;
    struct http_probe probe;
    struct storage *storage;
    struct storage_info storage_info;
    struct search *search; /* NULL: there is none */
    struct engine *engine;
    struct api *api;
    struct outbound_service outbound;
    struct address address;
    struct http_probe redirect_probe;
    struct address redirect_address;
    struct http_proxies proxies;
    struct http_tls *tls; /* NULL: plain HTTP */
    uint32_t shards;
    char admin_key[ADMIN_KEY_LENGTH_MAX + 1];
    char error[OPTION_ERROR_MAX];
};

static void service_log(struct service *service, enum log_level level, const char *event,
                        const char *name, const char *value)
{
    struct log_line line;

    log_begin(&line, level, event, service->env_port.now(service->env_port.self).wall_ms);
    if (name != NULL)
        log_text(&line, name, value);
    log_end(&line);
}

/* ---- what the machine gives ---- */

/* As many connections as the process may have descriptors for. */
static unsigned fit_connections(struct service *service, unsigned wanted)
{
    struct rlimit limit;
    rlim_t fitting;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return wanted;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max == RLIM_INFINITY)
        return wanted;
    fitting = limit.rlim_max > 2 * FILES_OF_THE_STORE ? limit.rlim_max - FILES_OF_THE_STORE
                                                      : limit.rlim_max / 2;
    fitting /= service->shards;
    if (service->options->redirect_listen[0] != 0)
        fitting -=
            fitting > 2 * API_REDIRECT_CONNECTIONS_MAX ? API_REDIRECT_CONNECTIONS_MAX : fitting / 2;
    if (wanted <= fitting)
        return wanted;
    if (options_is_given(service->options, OPTION_connections_max))
        service_log(service, LOG_WARNING, "connections_fewer", "why",
                    "the limit of open files (ulimit -Hn) is too low for connections_max");
    return fitting > 0 ? (unsigned)fitting : 1;
}

static uint32_t choose_shards(const struct options *options)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (options->shards != 0)
        return (uint32_t)options->shards;
    if (cores < 1)
        return 1;
    return cores > SHARDS_AUTOMATIC_MAX ? SHARDS_AUTOMATIC_MAX : (uint32_t)cores;
}

/* ---- begin ---- */

static const char *listen_remedy(int failure)
{
    switch (failure) {
    case EADDRINUSE:
        return "stop the other server there, or choose another";
    case EADDRNOTAVAIL:
        return "this machine has no such address: choose another";
    case EACCES:
        return "let this user bind it, or choose a port above 1023 with";
    default:
        return "choose another";
    }
}

/* `text` is what the option `flag` was given, `address` the same in its parts. */
static bool open_port(const char *text, const char *flag, const struct address *address,
                      struct http_probe *probe_out)
{
    int code = http_probe_bind(address->host, address->port, probe_out);

    if (code == 0)
        return true;
    if (code == -EINVAL)
        complain("cannot serve at %s: give an IP address or localhost, such as --%s"
                 " 127.0.0.1:8080",
                 text, flag);
    else
        complain("cannot serve at %s: %s: %s --%s", text, strerror(-code), listen_remedy(-code),
                 flag);
    return false;
}

static bool open_ports(struct service *service)
{
    const struct options *options = service->options;

    if (!open_port(options->listen, "listen", &service->address, &service->probe))
        return false;
    return options->redirect_listen[0] == 0 ||
           open_port(options->redirect_listen, "redirect-listen", &service->redirect_address,
                     &service->redirect_probe);
}

static void log_certificate(struct service *service)
{
    struct log_line line;

    log_begin(&line, LOG_INFO, "tls_certificate",
              service->env_port.now(service->env_port.self).wall_ms);
    log_text(&line, "file", service->options->tls_cert);
    log_number(&line, "expires_s", http_tls_expires_s(service->tls));
    log_end(&line);
}

static bool open_tls(struct service *service)
{
    const struct options *options = service->options;

    if (options->tls_cert[0] == 0)
        return true;
    service->tls = http_tls_create(options->tls_cert, options->tls_key, service->error,
                                   sizeof(service->error));
    if (service->tls == NULL) {
        complain("%s", service->error);
        return false;
    }
    log_certificate(service);
    return true;
}

static void log_storage(void *arg, const char *text)
{
    service_log(arg, LOG_ERROR, "storage", "detail", text);
}

static enum exit_status store_status(enum storage_result result)
{
    switch (result) {
    case STORAGE_OPENED:
        return STATUS_DONE;
    case STORAGE_REFUSED:
        break;
    case STORAGE_DAMAGED:
        return STATUS_DAMAGED;
    case STORAGE_NO_DISK:
        return STATUS_FAILED;
    }
    return STATUS_USAGE;
}

/* DONE, or with what the process ends. */
static enum exit_status open_store(struct service *service)
{
    const struct options *options = service->options;
    enum storage_result result;
    struct storage_options wanted = storage_options_default(options->data);

    wanted.partitions = (uint32_t)options->partitions;
    if (options_is_given(options, OPTION_ballast_mb))
        wanted.ballast_bytes = options->ballast_mb << 20;
    if (options_is_given(options, OPTION_low_water_mb))
        wanted.low_water_bytes = options->low_water_mb << 20;
    wanted.vault_key_file = options->vault_key_file;
    wanted.credentials_directory = getenv("CREDENTIALS_DIRECTORY");
    wanted.log = log_storage;
    wanted.log_arg = service;
    result = storage_open(&wanted, &service->storage, service->error, sizeof(service->error));
    if (result != STORAGE_OPENED) {
        complain("%s", service->error);
        return store_status(result);
    }
    storage_info_get(service->storage, &service->storage_info);
    if (options_is_given(options, OPTION_partitions) &&
        options->partitions != service->storage_info.partitions) {
        complain("partitions is %llu, but the store in %s was made with %u: leave the option out",
                 (unsigned long long)options->partitions, options->data,
                 service->storage_info.partitions);
        return STATUS_USAGE;
    }
    return STATUS_DONE;
}

/* DONE, or with what the process ends. */
static enum exit_status open_admin_key(struct service *service)
{
    const struct options *options = service->options;
    bool is_own = options->admin_key_file[0] == 0;
    char path[PATH_MAX_BYTES + 16];

    snprintf(path, sizeof(path), "%s%s", is_own ? options->data : options->admin_key_file,
             is_own ? "/admin.key" : "");
    int opened = admin_key_open(path, is_own, service->admin_key, NULL, service->error,
                                sizeof(service->error));
    if (opened != 0) {
        complain("%s%s", service->error,
                 is_own ? "" : " (give --admin-key-file another file, or leave it out)");
        return opened == FILES_NO_DISK ? STATUS_FAILED : STATUS_USAGE;
    }
    if (strlen(service->admin_key) < API_ADMIN_KEY_LENGTH_MIN) {
        complain("the admin key in %s is too short: give it at least %d characters", path,
                 (int)API_ADMIN_KEY_LENGTH_MIN);
        return STATUS_USAGE;
    }
    service_log(service, LOG_INFO, "admin_key", "file", path);
    return STATUS_DONE;
}

static uint32_t choose_finders(const struct options *options)
{
    return options->finders != 0 ? (uint32_t)options->finders : env_real_finders_default();
}

static void log_search(void *arg, bool is_failure, const char *text)
{
    service_log(arg, is_failure ? LOG_ERROR : LOG_INFO, "search", "detail", text);
}

/* The store is open, and nothing was written to it yet. */
static bool open_search(struct service *service)
{
    const struct options *options = service->options;
    struct watermark_port watermark;
    struct secrets_port secrets;
    char folder[PATH_MAX_BYTES + 16];
    struct search_options wanted = {
        .folder = folder,
        .partitions = service->storage_info.partitions,
        .store_id = service->storage_info.store_id,
        .incarnation = service->storage_info.incarnation,
        .synonyms = options->search_synonyms[0] == 0 ? NULL : options->search_synonyms,
        .readers = choose_finders(options),
        .log = log_search,
        .log_arg = service,
    };

    if (!options->search)
        return true;
    snprintf(folder, sizeof(folder), "%s/search", options->data);
    storage_ports_get(service->storage, &wanted.journal, &watermark, &secrets);
    service->search = search_open(&wanted, service->error, sizeof(service->error));
    if (service->search == NULL)
        complain("%s", service->error);
    return service->search != NULL;
}

/* Options that were not given stay at the engine's own default, which may depend on the shards. */
static struct engine_options choose_engine_options(const struct service *service)
{
    const struct options *options = service->options;
    struct engine_options wanted = engine_options_default(service->shards);

    wanted.partitions = service->storage_info.partitions;
    wanted.hold_ttl_ms = (uint32_t)options->hold_ttl_ms;
    wanted.hold_cap_ms = (uint32_t)options->hold_cap_ms;
    wanted.cart_guest_ttl_s = (uint32_t)options->cart_guest_days * 24 * 3600;
    wanted.cart_customer_ttl_s = (uint32_t)options->cart_customer_days * 24 * 3600;
#define TAKE(field, option)                                                                        \
    if (options_is_given(options, OPTION_##option))                                                \
        wanted.field = (uint32_t)options->option;
    if (options->webhook_retry_schedule.count > 0)
        wanted.webhook_schedule.count = 0;
    for (uint32_t i = 0; i < options->webhook_retry_schedule.count; i++)
        delivery_schedule_add(&wanted.webhook_schedule, options->webhook_retry_schedule.entries[i]);
    TAKE(deliveries_pending_max, webhook_pending_max)
    TAKE(hold_extensions_max, hold_extensions)
    TAKE(hold_retention_ms, hold_retention_ms)
    TAKE(holds_max, holds_max)
    TAKE(carts_max, carts_max)
    TAKE(cart_idle_ms, cart_idle_ms)
    TAKE(skus_max, skus_max)
    TAKE(limit_rows_max, limit_rows_max)
    TAKE(coupons_max, coupons_max)
    TAKE(coupon_rows_max, coupon_rows_max)
    TAKE(requests_max, requests_max)
    TAKE(request_timeout_ms, request_timeout_ms)
    TAKE(audit_period_ms, audit_period_ms)
#undef TAKE
    return wanted;
}

static void write_url(const struct service *service, char *url_out, size_t size)
{
    bool is_ipv6 = strchr(service->address.host, ':') != NULL;

    snprintf(url_out, size, "%s://%s%s%s:%u", service->tls != NULL ? "https" : "http",
             is_ipv6 ? "[" : "", service->address.host, is_ipv6 ? "]" : "", service->probe.port);
}

static bool open_outbound(struct service *service)
{
    char url[PUBLIC_URL_MAX];
    struct storage_info info;

    write_url(service, url, sizeof(url));
    storage_info_get(service->storage, &info);
    if (outbound_service_open(&service->outbound, service->options, &service->env_port,
                              info.store_id, url, service->error, sizeof(service->error)))
        return true;
    complain("%s", service->error);
    return false;
}

static bool create_workers(struct service *service)
{
    const struct options *options = service->options;
    uint32_t threads =
        options->workers != 0 ? (uint32_t)options->workers : env_real_workers_default();

    service->workers =
        env_real_workers_create(threads, (uint32_t)options->workers_queue, WORKERS_IDLE);
    if (service->workers == NULL)
        complain("not enough resources for %u workers: lower --workers", threads);
    else
        env_real_attach_workers(service->env, service->workers);
    return service->workers != NULL;
}

static bool create_finders(struct service *service)
{
    const struct options *options = service->options;
    uint32_t threads = choose_finders(options);

    service->finders =
        env_real_workers_create(threads, (uint32_t)options->finders_queue, WORKERS_NICE_TO_SHARDS);
    if (service->finders == NULL)
        complain("not enough resources for %u finders: lower --finders", threads);
    else
        env_real_attach_workers(service->env, service->finders);
    return service->finders != NULL;
}

static bool create_engine(struct service *service)
{
    struct engine_options options = choose_engine_options(service);
    struct engine_ports ports = {.env = service->env_port};

    storage_ports_get(service->storage, &ports.journal, &ports.watermark, &ports.secrets);
    ports.outbound = outbound_port_get(service->outbound.outbound);
    ports.gateway = gateways_port(service->outbound.gateways);
    ports.events[CONSUMER_WEBHOOKS] = engine_webhooks_consumer();
    if (service->outbound.feed.feed != NULL)
        ports.events[CONSUMER_FEED] = event_feed_port(&service->outbound.feed);
    ports.vault = storage_vault_get(service->storage);
    ports.workers = env_real_workers_port(service->workers);
    ports.finders = env_real_workers_port(service->finders);
    if (service->search != NULL)
        ports.search = search_port_get(service->search);
    service->engine = engine_create(&options, &ports);
    if (service->engine == NULL)
        complain("not enough memory: lower holds_max, carts_max, skus_max or shards");
    return service->engine != NULL;
}

/* TLS, and what stands in front. */
static void choose_tls_options(struct service *service, struct api_options *wanted)
{
    const struct options *options = service->options;
    const struct text_list *proxies = &options->trusted_proxies;

    /* options_read has seen that they are ranges. */
    http_proxies_parse(proxies->entries, proxies->count, &service->proxies, NULL);
    wanted->http.trusted_proxies = &service->proxies;
    wanted->http.proxy_protocol = options->proxy_protocol;
    wanted->http.tls = service->tls;
    wanted->http.hsts_max_age_s = (uint32_t)options->hsts_max_age_s;
    if (service->tls != NULL && !options_is_given(options, OPTION_http_memory_mb))
        wanted->http.memory_max += (size_t)wanted->http.connections_max * HTTP_TLS_MEMORY_BYTES;
    if (options->redirect_listen[0] == 0)
        return;
    wanted->redirect_host = service->redirect_address.host;
    wanted->redirect_port = service->redirect_probe.port;
    wanted->redirection = (struct http_redirection){
        .tls = service->tls,
        .hosts = options->public_hosts.entries,
        .hosts_count = options->public_hosts.count,
        .port = service->probe.port,
    };
}

static uint32_t workers_queued(void *workers)
{
    return env_real_workers_queued(workers);
}

static bool create_api(struct service *service)
{
    const struct options *options = service->options;
    struct api_options wanted;

    api_options_default(&wanted);
    wanted.http.host = service->address.host;
    wanted.http.port = service->probe.port;
    wanted.http.connections_max = fit_connections(service, (unsigned)options->connections_max);
    wanted.http.connections_per_ip_max = (unsigned)options->connections_per_ip_max;
    wanted.http.memory_max = (size_t)options->http_memory_mb << 20;
    wanted.http.header_timeout_ms = (unsigned)options->header_timeout_ms;
    wanted.http.idle_timeout_ms = (unsigned)options->idle_timeout_ms;
    wanted.http.cors_origins = options->cors_origins.entries;
    wanted.http.cors_origins_count = options->cors_origins.count;
    wanted.http.forwarded =
        strcmp(options->forwarded, "standard") == 0 ? HTTP_FORWARDED_STANDARD : HTTP_FORWARDED_X;
    choose_tls_options(service, &wanted);
    wanted.admin_key = service->admin_key;
    wanted.rate_limits = options->rate_limits;
    wanted.auth_verify = options->auth_verify;
    wanted.shop_name = options->shop_name;
    wanted.public_url = options->public_url;
    wanted.staff_totp = options->staff_totp;
    wanted.availability_exact = options->availability_exact;
    wanted.private_targets = options->outbound_private;
    wanted.secure_cookies = options->secure_cookies;
    wanted.drain_deadline_ms = (unsigned)options->drain_ms;
    wanted.stream_heartbeat_ms = (unsigned)options->stream_heartbeat_ms;
    wanted.page_cache_bytes = (size_t)options->page_cache_mb << 20;
    wanted.page_max_age_s = (uint32_t)options->page_max_age_s;
    wanted.page_stale_s = (uint32_t)options->page_stale_s;
    wanted.http.streams_max = (unsigned)options->streams_max;
    wanted.streams_per_address_max = (uint32_t)options->streams_per_address_max;
    wanted.outbound = service->outbound.outbound;
    wanted.feed = service->outbound.feed.feed == NULL ? NULL : &service->outbound.feed;
    wanted.gateways = service->outbound.gateways;
    wanted.mail = &service->outbound.mail;
    wanted.challenges = service->outbound.challenges;
    wanted.workers_queued = workers_queued;
    wanted.workers = service->workers;
    wanted.finders_queued = workers_queued;
    wanted.finders = service->finders;
    service->api = api_create(service->engine, &wanted, service->error, sizeof(service->error));
    if (service->api == NULL)
        complain("%s", service->error);
    return service->api != NULL;
}

static bool start_threads(struct service *service)
{
    struct env_real_hooks hooks = {
        .user = service->api,
        .on_start = api_shard_start,
        .on_turn = api_shard_turn,
        .on_drain = api_shard_drain,
        .is_drained = api_shard_is_drained,
        .on_stop = api_shard_stop,
    };

    if (env_real_start(service->env, service->engine, &hooks, service->error,
                       sizeof(service->error)) == 0)
        return true;
    complain("%s", service->error);
    return false;
}

static void announce(struct service *service)
{
    char url[PUBLIC_URL_MAX];

    write_url(service, url, sizeof(url));
    printf("ready %s\n", url);
    fflush(stdout);
}

/* ---- end ---- */

static void look_after_tls(struct service *service)
{
    struct moment now = service->env_port.now(service->env_port.self);

    switch (http_tls_look(service->tls, (uint64_t)now.boot_ms / 1000, service->error,
                          sizeof(service->error))) {
    case HTTP_TLS_SAME:
        return;
    case HTTP_TLS_LOADED:
        log_certificate(service);
        return;
    case HTTP_TLS_KEPT:
        service_log(service, LOG_ERROR, "tls_certificate_kept", "why", service->error);
        return;
    }
}

static void serve_until_signal(struct service *service, const sigset_t *signals)
{
    const struct timespec pause = {.tv_sec = TLS_LOOK_S};
    int number = 0;

    while (number <= 0) {
        number = sigtimedwait(signals, NULL, service->tls != NULL ? &pause : NULL);
        if (service->tls != NULL)
            look_after_tls(service);
    }
    service_log(service, LOG_INFO, "draining", "signal", sigabbrev_np(number));
    signals_end_if_again(signals, number);
    /* Half of the time is for what is under way outside, the other to record how it ended. From
     * here on no mail is begun, and none that is given up for our stop counts as tried. */
    engine_drain(service->engine);
    outbound_drain(service->outbound.outbound, (uint32_t)service->options->drain_ms / 2);
    if (service->outbound.feed.feed != NULL)
        feed_drain(service->outbound.feed.feed, (uint32_t)service->options->drain_ms / 2);
    service->was_idle = env_real_stop(service->env, (uint32_t)service->options->drain_ms);
}

int command_serve(const struct options *options)
{
    struct service service = {
        .options = options,
        .shards = choose_shards(options),
        .was_idle = true,
        .probe = {.fd = -1},
        .redirect_probe = {.fd = -1},
    };
    int status = STATUS_USAGE;
    sigset_t signals;

    /* What memory holds of keys and passwords is not for a file. */
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    /* The threads that are made from here on inherit the mask, so that only sigwait sees them. */
    signals_choose(&signals);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    /* options_read has seen that they are addresses. */
    address_parse(options->listen, &service.address);
    address_parse(options->redirect_listen, &service.redirect_address);
    service.env = env_real_create(service.shards);
    if (service.env == NULL)
        return complain("not enough resources for %u shards: lower --shards", service.shards);
    service.env_port = env_real_port(service.env);
    if (!open_ports(&service) || !open_tls(&service))
        goto close_store;
    status = (int)open_store(&service);
    if (status != STATUS_DONE)
        goto close_store;
    status = (int)open_admin_key(&service);
    if (status != STATUS_DONE)
        goto close_store;
    status = STATUS_USAGE;
    if (!open_outbound(&service) || !create_workers(&service) || !create_finders(&service) ||
        !open_search(&service) || !create_engine(&service) || !create_api(&service))
        goto destroy_engine;
    signals_end_at_once(&signals);
    if (engine_recover(service.engine, service.error, sizeof(service.error)) != 0) {
        complain("%s", service.error);
        status = STATUS_DAMAGED;
        goto destroy_engine;
    }
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (!start_threads(&service))
        goto destroy_engine;
    http_probe_release(&service.probe);
    http_probe_release(&service.redirect_probe);
    announce(&service);
    serve_until_signal(&service, &signals);
    status = STATUS_DONE;
destroy_engine:
    search_close(service.search, service.was_idle); /* who searches has ended */
    storage_stop_reads(service.storage);
    outbound_service_close(&service.outbound);
    if (service.workers != NULL)
        env_real_workers_destroy(service.workers);
    if (service.finders != NULL)
        env_real_workers_destroy(service.finders);
    if (service.api != NULL)
        api_destroy(service.api);
    if (service.engine != NULL)
        engine_destroy(service.engine);
close_store:
    if (service.storage != NULL)
        storage_close(service.storage);
    http_probe_release(&service.probe);
    http_probe_release(&service.redirect_probe);
    http_tls_destroy(service.tls);
    if (status == STATUS_DONE)
        service_log(&service, LOG_INFO, "stopped", NULL, NULL);
    env_real_destroy(service.env);
    return status;
}
