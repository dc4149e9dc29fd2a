/* SPDX-License-Identifier: Apache-2.0 */
#include "api/redirect.h"

enum {
    EXCHANGES_MAX = 256,
    MEMORY_MAX = 4 * 1024 * 1024,
};

int redirect_start(struct api_shard *shard)
{
    const struct api_options *options = &shard->api->options;
    struct http_options http = options->http;

    if (options->redirect_host == NULL)
        return 0;
    http.host = options->redirect_host;
    http.port = options->redirect_port;
    http.tls = NULL;
    http.redirection = &options->redirection;
    http.cors_origins = NULL;
    http.cors_origins_count = 0;
    http.render_problem = NULL;
    http.on_complete = NULL;
    http.exchanges_max = EXCHANGES_MAX;
    http.streams_max = 0;
    http.memory_max = MEMORY_MAX;
    http.scratch_size = 0;
    if (http.connections_max > API_REDIRECT_CONNECTIONS_MAX)
        http.connections_max = API_REDIRECT_CONNECTIONS_MAX;
    return http_server_start(shard->loop, &http, shard->api->redirect_router, shard,
                             &shard->redirect);
}

static void on_drained(void *user)
{
    struct api_shard *shard = user;

    shard->redirect_is_drained = true;
}

void redirect_drain(struct api_shard *shard)
{
    if (shard->redirect != NULL)
        http_server_drain(shard->redirect, shard->api->options.drain_deadline_ms, on_drained);
}

bool redirect_is_drained(const struct api_shard *shard)
{
    return shard->redirect == NULL || shard->redirect_is_drained;
}

void redirect_stop(struct api_shard *shard)
{
    if (shard->redirect != NULL)
        http_server_close(shard->redirect, NULL);
    shard->redirect = NULL;
}
