/* SPDX-License-Identifier: Apache-2.0 */
/* `stampede gateway`: the payment gateway of gateway/, from the options. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "address.h"
#include "commands.h"
#include "env_real.h"
#include "options.h"
#include "psp_limits.h"
#include "psp_server.h"

static int64_t wall_ms(void *user)
{
    const struct env *env = user;

    return (int64_t)env->now(env->self).wall_ms;
}

static void announce(void *user, const char *url)
{
    (void)user;
    printf("ready %s\n", url);
    fflush(stdout);
}

/* What the table of options cannot say; false with a line on standard error. */
static bool read_options(const struct options *options, struct psp_server_options *wanted,
                         struct address *address)
{
    const struct text_list *secrets = &options->gateway_webhook_secret;
    struct address webhook;
    char error[OPTION_ERROR_MAX];
    char root[OPTION_ERROR_MAX];
    size_t scheme = strcspn(options->gateway_webhook_url, ":");

    /* options_read has seen that it is one. */
    address_parse(options->listen, address);
    if (options->gateway_webhook_url[0] != 0) {
        const char *host = options->gateway_webhook_url + scheme;

        host += strspn(host, ":/");
        snprintf(root, sizeof(root), "%.*s",
                 (int)(host + strcspn(host, "/?#") - options->gateway_webhook_url),
                 options->gateway_webhook_url);
        if (!address_parse_url(root, &webhook)) {
            complain("webhook_url is \"%.100s\": give a URL", options->gateway_webhook_url);
            return false;
        }
    }
    if ((options->gateway_webhook_url[0] != 0) != (secrets->count > 0) ||
        secrets->count > PSP_WEBHOOK_SECRETS_MAX) {
        complain("webhook_url and webhook_secret belong together: give a URL and 1 to %d secrets",
                 (int)PSP_WEBHOOK_SECRETS_MAX);
        return false;
    }
    for (uint32_t i = 0; i < options->gateway_misbehave.count; i++) {
        if (!psp_misbehave_set(&wanted->misbehaviour, options->gateway_misbehave.entries[i], error,
                               sizeof(error))) {
            complain("misbehave: %s", error);
            return false;
        }
    }
    return true;
}

int command_gateway(const struct options *options)
{
    static const int statuses[] = {
        [PSP_SERVER_DONE] = STATUS_DONE,
        [PSP_SERVER_REFUSED] = STATUS_USAGE,
        [PSP_SERVER_DAMAGED] = STATUS_DAMAGED,
        [PSP_SERVER_FAILED] = STATUS_FAILED,
    };
    struct env_real *env = env_real_create(1);
    struct env port;
    struct address address;
    struct psp_server_options wanted = {
        .secret = options->gateway_secret,
        .ledger = options->gateway_ledger,
        .webhook = options->gateway_webhook_url,
        .webhook_secrets = options->gateway_webhook_secret.entries,
        .webhook_secret_count = options->gateway_webhook_secret.count,
        .seed = options->gateway_seed,
        .wall_ms = wall_ms,
        .user = &port,
        .on_ready = announce,
    };
    enum psp_server_result result;
    char error[OPTION_ERROR_MAX] = "";

    if (env == NULL)
        return complain("not enough resources");
    port = env_real_port(env);
    if (wanted.seed == 0)
        port.random(port.self, &wanted.seed, sizeof(wanted.seed));
    psp_misbehave_default(&wanted.misbehaviour);
    wanted.misbehaviour.seed = wanted.seed;
    if (!read_options(options, &wanted, &address)) {
        env_real_destroy(env);
        return STATUS_USAGE;
    }
    wanted.host = address.host;
    wanted.port = address.port;
    signal(SIGPIPE, SIG_IGN);
    result = psp_server_run(&wanted, error, sizeof(error));
    if (result != PSP_SERVER_DONE)
        complain("%s", error);
    env_real_destroy(env);
    return statuses[result];
}
