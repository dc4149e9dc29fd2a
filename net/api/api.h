/* SPDX-License-Identifier: Apache-2.0 */
/* The API: the handlers that translate between HTTP and the engine, as main.c sees them.
 *
 * One `struct api` for the process, shared by all shards; on each shard it runs one http_server
 * with the route table (routes.h). The five api_shard_… functions fit `struct env_real_hooks`
 * (engine/env_real.h) one to one, with the `struct api *` as `user`:
 *
 *     struct env_real_hooks hooks = {.user = api,
 *                                    .on_start = api_shard_start,
 *                                    .on_turn = api_shard_turn,
 *                                    .on_drain = api_shard_drain,
 *                                    .is_drained = api_shard_is_drained,
 *                                    .on_stop = api_shard_stop};
 *
 * Order of a life: http_probe_bind, engine_create, api_create, engine_recover, env_real_start,
 * http_probe_release, …, env_real_stop, api_destroy, engine_destroy. */
#ifndef STAMPEDE_API_H
#define STAMPEDE_API_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "api/challenge.h"
#include "engine.h"
#include "http/http.h"

struct api;
struct event_feed;
struct gateways;
struct outbound;
struct mail_settings;

struct api_options {
    /* Host, port (the probe's), limits, timeouts and CORS. api_options_default fills it; the caller
     * then sets host and port and what was configured. The rest (scratch_size, seed, wall_ms,
     * dispatch, render_problem, on_complete) is set by the API itself. */
    struct http_options http;

    const char *admin_key;   /* the bearer token of staff; at least API_ADMIN_KEY_LENGTH_MIN */
    bool rate_limits;        /* off: for demos and load tests; shows in /metrics */
    bool availability_exact; /* off: `available` is null, only the level is told */
    /* Plain HTTP that only sends to https, a server of its own on each shard. Host NULL: none. The
     * port is the probe's. */
    const char *redirect_host;
    uint16_t redirect_port;
    struct http_redirection redirection;

    bool secure_cookies;        /* the public side is TLS: cookies are __Host- and Secure */
    bool auth_verify;           /* new addresses are verified by mail before they are good */
    bool staff_totp;            /* staff's sessions need a second factor */
    bool private_targets;       /* webhooks may go to private addresses, and without TLS */
    const char *public_url;     /* where shoppers find the shop, or NULL: one of its origins */
    const char *shop_name;      /* what authenticators show */
    unsigned drain_deadline_ms; /* how long connections may finish when the engine drains */
    unsigned stream_heartbeat_ms;

    /* Pages that everybody may see: bytes kept of them, a shard; and what caches on the way, and
     * browsers, may do with them (RFC 9111, RFC 5861). */
    size_t page_cache_bytes;
    uint32_t page_max_age_s;
    uint32_t page_stale_s; /* stale-while-revalidate; 0: it is not said */

    /* Streams of stock from one address, a shard; 0: no limit. Only with `rate_limits`. How many
     * streams a shard has in all is http.streams_max. */
    uint32_t streams_per_address_max;

    struct challenge_options challenges;

    /* Both NULL where nothing goes out. They outlive the shards. */
    const struct outbound *outbound; /* its counters are in /metrics */
    const struct mail_settings *mail;
    struct event_feed *feed;   /* learns of the API; its counters are in /metrics; or NULL */
    struct gateways *gateways; /* events are read by it, its counters are in /metrics; or NULL */

    /* How much waits for a worker, for /metrics; NULL: not told. Any thread. */
    uint32_t (*workers_queued)(void *workers);
    void *workers;
    /* Likewise for a finder. */
    uint32_t (*finders_queued)(void *finders);
    void *finders;
};

enum {
    API_ADMIN_KEY_LENGTH_MIN = 16,
    API_ADMIN_KEY_LENGTH_MAX = 256,
    API_REDIRECT_CONNECTIONS_MAX = 1024, /* of the server that only redirects, a shard */
};

/* The defaults of every option; host, port and admin_key stay to be set. Any thread. */
void api_options_default(struct api_options *options_out);

/* Builds the route table and renders what is served unchanged (documentation, problem pages).
 * Copies the options; what their pointers refer to must outlive the API. `engine` need not have
 * recovered yet. NULL, with a line for people in `error`. Start-up thread. */
struct api *api_create(struct engine *engine, const struct api_options *options, char *error,
                       size_t error_size);

/* After all shards have ended. Start-up thread. */
void api_destroy(struct api *api);

/* The hooks; each on its shard's own thread, `user` is the `struct api *`. */

/* Starts the shard's server on `loop` and takes the shard's answers (shard_set_reply). 0, or -1
 * after a log line that says why. */
int api_shard_start(void *user, struct shard *shard, uv_loop_t *loop);

/* Writes out what was answered in this turn. */
void api_shard_turn(void *user, struct shard *shard);

/* Stops listening; connections end as they become idle, all of them after drain_deadline_ms. */
void api_shard_drain(void *user, struct shard *shard);

/* True once no connection is left after api_shard_drain. */
bool api_shard_is_drained(void *user, struct shard *shard);

/* Closes everything of this shard; its handles are gone when the loop has run on. */
void api_shard_stop(void *user, struct shard *shard);

#endif
