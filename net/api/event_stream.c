/* SPDX-License-Identifier: Apache-2.0 */
#include "api/event_stream.h"

#include <string.h>

enum {
    RETRY_LEAST_MS = 1000,
    RETRY_SPREAD_MS = 3000,
    HINT_BYTES_MAX = 40,
};

bool event_stream_is_wanted(const struct api_call *call)
{
    static const char wanted[] = "text/event-stream";
    struct http_slice accept = http_exchange_header(call->exchange, HTTP_HEADER_ACCEPT);

    if (accept.data == NULL || http_exchange_method(call->exchange) != HTTP_METHOD_GET)
        return false;
    for (size_t i = 0; i + sizeof(wanted) - 1 <= accept.length; i++)
        if (memcmp(accept.data + i, wanted, sizeof(wanted) - 1) == 0)
            return true;
    return false;
}

bool event_stream_has_room(const struct api_shard *shard)
{
    const struct api_counters *counters = &shard->counters;

    return !shard->is_draining &&
           counter_read(&counters->streams) + counter_read(&counters->stock_streams) <
               shard->api->options.http.streams_max;
}

bool event_stream_begin(struct api_shard *shard, struct http_exchange *exchange)
{
    char hint[HINT_BYTES_MAX];
    struct writer writer = writer_fixed(hint, sizeof(hint));

    write_literal(&writer, "retry: ");
    write_unsigned(&writer, RETRY_LEAST_MS + api_shard_jitter(shard, RETRY_SPREAD_MS));
    write_literal(&writer, "\n\n");
    http_exchange_cache(exchange, HTTP_CACHE_NO_STORE);
    http_header_add(exchange, "X-Accel-Buffering", "no"); /* nginx in front passes on at once */
    http_stream_begin(exchange, 200, "text/event-stream");
    return http_stream_write(exchange, hint, writer_length(&writer));
}
