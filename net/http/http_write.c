/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing. Output is gathered in `out`, or sealed from there, and written once per turn; what the
 * kernel does not take moves to `writing`, which belongs to libuv until it calls back.
 */
#include "http/http_internal.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

enum {
    WRITE_LOOKS_PER_STALL = 4, /* so that a stall ends after its time and a quarter */
};

static uint64_t now_of(const struct http_connection *connection)
{
    return uv_now(connection->server->loop);
}

/* ---- Whether it goes on ---- */

uint64_t http_write_deadline(const struct http_connection *connection)
{
    return connection->write_looked_ms +
           connection->server->options.write_stall_ms / WRITE_LOOKS_PER_STALL;
}

/*
 * Bytes that the client has not acknowledged, the kernel's share included: a slow reader makes that
 * smaller long before the kernel takes more from us.
 */
static size_t bytes_on_the_way(const struct http_connection *connection)
{
    uv_os_fd_t fd;
    int in_kernel = 0;
    if (uv_fileno((const uv_handle_t *)&connection->tcp, &fd) != 0 ||
        ioctl(fd, SIOCOUTQ, &in_kernel) != 0)
        in_kernel = 0;
    return connection->tcp.write_queue_size + (size_t)in_kernel;
}

bool http_write_stalls(struct http_connection *connection)
{
    uint64_t now = now_of(connection);
    size_t left = bytes_on_the_way(connection);
    if (left < connection->write_left)
        connection->write_progress_ms = now;
    connection->write_left = left;
    connection->write_looked_ms = now;
    return now >= connection->write_progress_ms + connection->server->options.write_stall_ms;
}

/* ---- What is ready ---- */

static void on_written(uv_write_t *request, int status)
{
    struct http_connection *connection = request->data;
    struct http_server *server = connection->server;
    connection->write_busy = false;
    if (status == 0)
        http_count(&server->counters.bytes_sent, connection->writing.length);
    http_buffer_release(&server->buffers, &connection->writing);
    if (connection->state != HTTP_CONNECTION_OPEN)
        return;
    if (status != 0)
        http_connection_close(connection, HTTP_CLOSE_RESET);
    else
        http_connection_flush(connection);
}

/* Writes what is ready: plain answers, or sealed records. */
static void write_ready(struct http_connection *connection, struct http_buffer *ready)
{
    struct http_server *server = connection->server;
    if (ready->length == 0)
        return;
    uv_buf_t bytes = uv_buf_init(ready->data, ready->length);
    int taken = uv_try_write((uv_stream_t *)&connection->tcp, &bytes, 1);
    if (taken < 0 && taken != UV_EAGAIN) {
        http_connection_close(connection, HTTP_CLOSE_RESET);
        return;
    }
    if (taken == (int)ready->length) {
        http_count(&server->counters.bytes_sent, ready->length);
        http_buffer_release(&server->buffers, ready);
        return;
    }
    uint32_t done = taken > 0 ? (uint32_t)taken : 0;
    bytes = uv_buf_init(ready->data + done, ready->length - done);
    connection->writing = *ready;
    *ready = (struct http_buffer){0};
    connection->write.data = connection;
    connection->write_busy = true;
    connection->write_progress_ms = now_of(connection);
    connection->write_looked_ms = connection->write_progress_ms;
    if (uv_write(&connection->write, (uv_stream_t *)&connection->tcp, &bytes, 1, on_written) != 0) {
        connection->write_busy = false;
        http_buffer_release(&server->buffers, &connection->writing);
        http_connection_close(connection, HTTP_CLOSE_RESET);
        return;
    }
    connection->write_left = bytes_on_the_way(connection);
}

void http_write(struct http_connection *connection)
{
    if (connection->write_busy)
        return;
    if (connection->tls.ssl == NULL) {
        write_ready(connection, &connection->out);
        return;
    }
    /* Sealed piece by piece, as the kernel takes it, so that little is held twice. */
    do {
        if (!http_tls_link_seal(connection)) {
            http_connection_close(connection, HTTP_CLOSE_MEMORY);
            return;
        }
        write_ready(connection, &connection->tls.sealed);
    } while (connection->state == HTTP_CONNECTION_OPEN && !connection->write_busy &&
             connection->out.length > 0);
}
