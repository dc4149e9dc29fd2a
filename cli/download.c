/* SPDX-License-Identifier: Apache-2.0 */
#include "download.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER_BYTES = 256 * 1024, SIZE_DIGITS_MAX = 12 };

struct download {
    const struct download_request *request;
    struct connection connection;
    struct chunk_reader chunks;
    bool is_chunked;
    bool has_length;
    uint64_t left; /* of a body whose length is known */
    char *error;
    size_t used;
    char buffer[BUFFER_BYTES];
};

/* ---- chunks ---- */

static int digit_of(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

static void take_size(struct chunk_reader *reader, char byte)
{
    int digit = digit_of(byte);

    if (digit >= 0 && reader->digits < SIZE_DIGITS_MAX) {
        reader->left = reader->left * 16 + (uint64_t)digit;
        reader->digits++;
    } else if (reader->digits == 0 || digit >= 0) {
        reader->state = CHUNK_BROKEN;
    } else if (byte == '\n') {
        reader->state = reader->left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
    } else {
        reader->state = CHUNK_EXTENSION;
    }
}

static void take_byte(struct chunk_reader *reader, char byte)
{
    switch (reader->state) {
    case CHUNK_SIZE:
        take_size(reader, byte);
        break;
    case CHUNK_EXTENSION:
        if (byte == '\n')
            reader->state = reader->left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
        break;
    case CHUNK_DATA_END:
        if (byte == '\n')
            *reader = (struct chunk_reader){.state = CHUNK_SIZE};
        else if (byte != '\r')
            reader->state = CHUNK_BROKEN;
        break;
    case CHUNK_TRAILER:
        if (byte == '\n' && !reader->line_is_used)
            reader->state = CHUNK_DONE;
        reader->line_is_used = byte != '\n' && (reader->line_is_used || byte != '\r');
        break;
    case CHUNK_DATA:
    case CHUNK_DONE:
    case CHUNK_BROKEN:
        break;
    }
}

size_t chunk_reader_take(struct chunk_reader *reader, const char *text, size_t length,
                         struct download_piece *data_out)
{
    size_t taken = 0;

    *data_out = (struct download_piece){text, 0};
    while (taken < length && reader->state != CHUNK_DATA && reader->state != CHUNK_DONE &&
           reader->state != CHUNK_BROKEN)
        take_byte(reader, text[taken++]);
    if (reader->state != CHUNK_DATA)
        return taken;
    size_t part = length - taken < reader->left ? length - taken : (size_t)reader->left;
    *data_out = (struct download_piece){text + taken, part};
    reader->left -= part;
    if (reader->left == 0)
        reader->state = CHUNK_DATA_END;
    return taken + part;
}

/* ---- the exchange ---- */

static bool send_head(struct download *download)
{
    const struct download_request *request = download->request;
    char host[CONNECTION_HOST_BYTES];
    int length = snprintf(download->buffer, sizeof(download->buffer),
                          "GET %s HTTP/1.1\r\nHost: %s\r\n%s%s%sConnection: close\r\n\r\n",
                          request->target, connection_host(request->address, host),
                          request->bearer != NULL ? "Authorization: Bearer " : "",
                          request->bearer != NULL ? request->bearer : "",
                          request->bearer != NULL ? "\r\n" : "");

    return length > 0 && (size_t)length < sizeof(download->buffer) &&
           connection_send_all(&download->connection, download->buffer, (size_t)length,
                               download->error);
}

/* Waits for more and puts it into the buffer: 1, 0 at the end, -1 on an error. */
static int receive(struct download *download)
{
    struct pollfd room = {.fd = download->connection.socket, .events = POLLIN};

    for (;;) {
        ssize_t got = connection_receive(&download->connection, download->buffer + download->used,
                                         sizeof(download->buffer) - download->used);

        if (got > 0)
            download->used += (size_t)got;
        if (got >= 0)
            return got > 0;
        if (errno == EAGAIN && poll(&room, 1, CONNECTION_WAIT_MS) == 0) {
            connection_refuse(download->error, "no answer within %d s", CONNECTION_WAIT_MS / 1000);
            return -1;
        }
        if (errno != EAGAIN && errno != EINTR) {
            connection_refuse(download->error, "cannot receive: %s", strerror(errno));
            return -1;
        }
    }
}

static bool write_piece(struct download *download, const char *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t written = write(download->request->file, bytes + done, length - done);

        if (written < 0 && errno != EINTR)
            return connection_refuse(download->error, "cannot write: %s", strerror(errno));
        done += written > 0 ? (size_t)written : 0;
    }
    if (length > 0 && download->request->progress != NULL)
        download->request->progress(download->request->user, bytes, length);
    return true;
}

/* Writes out what the buffer holds. */
static bool write_buffer(struct download *download)
{
    const char *at = download->buffer;
    const char *end = at + download->used;
    struct download_piece piece = {at, download->used};
    bool is_good = true;

    download->used = 0;
    if (download->has_length) {
        piece.length = piece.length > download->left ? (size_t)download->left : piece.length;
        download->left -= piece.length;
    }
    if (!download->is_chunked)
        return write_piece(download, piece.text, piece.length);
    while (at < end && is_good) {
        size_t taken = chunk_reader_take(&download->chunks, at, (size_t)(end - at), &piece);

        if (taken == 0)
            break;
        at += taken;
        is_good = write_piece(download, piece.text, piece.length);
    }
    if (download->chunks.state == CHUNK_BROKEN)
        return connection_refuse(download->error, "the server's answer cannot be understood");
    return is_good;
}

static bool is_complete(const struct download *download, bool is_closed)
{
    if (download->is_chunked)
        return download->chunks.state == CHUNK_DONE;
    return download->has_length ? download->left == 0 : is_closed;
}

static bool take_body(struct download *download)
{
    bool is_closed = false;

    while (write_buffer(download)) {
        int got;

        if (is_complete(download, is_closed))
            return true;
        if (is_closed)
            return connection_refuse(download->error, "the server broke off: what came is not all");
        got = receive(download);
        if (got < 0)
            return false;
        is_closed = got == 0;
    }
    return false;
}

/* An answer that is no 200 fits the buffer, as this server writes it. */
static bool take_refusal(struct download *download, struct upload_answer *answer_out)
{
    for (bool is_closed = false;;) {
        int verdict = upload_parse_answer(download->buffer, download->used, is_closed, answer_out);

        if (verdict > 0)
            return true;
        if (verdict < 0 || download->used == sizeof(download->buffer))
            return connection_refuse(download->error, download->used == 0
                                                          ? "the server closed the connection"
                                                          : "the server's answer cannot be"
                                                            " understood");
        int got = receive(download);
        if (got < 0)
            return false;
        is_closed = got == 0;
    }
}

static bool take_answer(struct download *download, struct upload_answer *answer_out)
{
    const char *head = NULL;
    const char *value;
    size_t length = 0;
    int status = 0;

    while (head == NULL && download->used < sizeof(download->buffer)) {
        int got = receive(download);

        if (got < 0)
            return false;
        length = download->used;
        head = http_head_find(download->buffer, &length, &status);
        if (got == 0)
            break;
    }
    if (head == NULL || status != 200)
        return take_refusal(download, answer_out);
    const char *body = (const char *)memmem(head, length, "\r\n\r\n", 4) + 4;
    size_t head_length = (size_t)(body - head);
    download->is_chunked = http_head_value(head, head_length, "Transfer-Encoding", &value) > 0;
    if (!download->is_chunked && http_head_value(head, head_length, "Content-Length", &value) > 0) {
        download->has_length = true;
        download->left = strtoull(value, NULL, 10);
    }
    download->used = length - head_length;
    memmove(download->buffer, body, download->used);
    *answer_out = (struct upload_answer){.status = status};
    return take_body(download);
}

bool download_file(const struct download_request *request, struct upload_answer *answer_out,
                   char *error)
{
    struct download *download = calloc(1, sizeof(*download));
    bool is_good;

    if (download == NULL)
        return connection_refuse(error, "out of memory");
    download->request = request;
    download->error = error;
    is_good = connection_open(&download->connection, request->address, request->ca_file, error) &&
              send_head(download) && take_answer(download, answer_out);
    connection_close(&download->connection);
    free(download);
    return is_good;
}
