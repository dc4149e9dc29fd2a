/* SPDX-License-Identifier: Apache-2.0 */
#include "upload.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "connection.h"

enum {
    PIECE_BYTES = 64 * 1024,
    CHUNK_HEAD_BYTES = 10, /* "00010000" and an end of line */
    CHUNK_TAIL_BYTES = 2,
};

struct upload {
    const struct upload_request *request;
    struct connection connection;
    size_t begin_sent; /* of the request's beginning */
    bool file_ended;
    bool is_answered; /* the server spoke: nothing more is sent */
    uint64_t sent;    /* of the file */
    char *answer;
    size_t answer_length;
    size_t at; /* of what waits in `piece` */
    size_t end;
    char piece[CHUNK_HEAD_BYTES + PIECE_BYTES + CHUNK_TAIL_BYTES + 5];
    char *error;
};

bool upload_append_encoded(char *target, size_t capacity, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    size_t length = strlen(target);

    for (; *text != 0; text++) {
        unsigned char byte = (unsigned char)*text;

        if (length + 4 > capacity)
            return false;
        if (strchr(plain, byte) != NULL) {
            target[length++] = (char)byte;
        } else {
            target[length++] = '%';
            target[length++] = digits[byte >> 4];
            target[length++] = digits[byte & 15];
        }
        target[length] = 0;
    }
    return true;
}

/* ---- the answer ---- */

/* Joins chunks into `body_out` (at least `length` bytes): 1, 0 or -1 as upload_parse_answer. */
static int join_chunks(const char *text, size_t length, char *body_out, size_t *body_length_out)
{
    const char *end = text + length;

    *body_length_out = 0;
    for (;;) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        char *number_end;
        unsigned long size;

        if (line_end == NULL)
            return 0;
        size = strtoul(text, &number_end, 16);
        if (number_end == text || size > UPLOAD_ANSWER_BYTES_MAX)
            return -1;
        text = line_end + 1;
        if (size == 0)
            return 1;
        if ((size_t)(end - text) < size + 2)
            return 0;
        memcpy(body_out + *body_length_out, text, size);
        *body_length_out += size;
        text += size + 2;
    }
}

int upload_parse_answer(const char *text, size_t length, bool is_closed,
                        struct upload_answer *answer_out)
{
    struct upload_answer answer = {.body = NULL};
    const char *head = http_head_find(text, &length, &answer.status);
    const char *body;
    const char *value;
    size_t left;
    int verdict = 1;

    if (head == NULL)
        return is_closed ? -1 : 0;
    if (answer.status < 200 || answer.status > 599)
        return -1;
    body = (const char *)memmem(head, length, "\r\n\r\n", 4) + 4;
    left = length - (size_t)(body - head);
    answer.body = malloc(left + 1);
    if (answer.body == NULL)
        return -1;
    if (http_head_value(head, (size_t)(body - head), "Transfer-Encoding", &value) > 0) {
        verdict = join_chunks(body, left, answer.body, &answer.length);
    } else if (http_head_value(head, (size_t)(body - head), "Content-Length", &value) > 0) {
        answer.length = strtoul(value, NULL, 10);
        verdict = left >= answer.length ? 1 : 0;
        if (verdict == 1)
            memcpy(answer.body, body, answer.length);
    } else {
        answer.length = left;
        verdict = is_closed ? 1 : 0;
        memcpy(answer.body, body, left);
    }
    if (verdict != 1) {
        free(answer.body);
        return is_closed ? -1 : verdict;
    }
    answer.body[answer.length] = 0;
    *answer_out = answer;
    return 1;
}

/* ---- the connection ---- */

static bool send_head(struct upload *upload)
{
    const struct upload_request *request = upload->request;
    char framing[64] = "Transfer-Encoding: chunked";
    char host[CONNECTION_HOST_BYTES];
    size_t capacity = UPLOAD_TARGET_BYTES_MAX + 2048;
    char *head = malloc(capacity);
    bool is_sent;
    int length;

    if (head == NULL)
        return connection_refuse(upload->error, "out of memory");
    if (request->size != UPLOAD_SIZE_UNKNOWN)
        snprintf(framing, sizeof(framing), "Content-Length: %llu",
                 (unsigned long long)request->size);
    length =
        snprintf(head, capacity,
                 "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\n"
                 "%s%s%sConnection: close\r\n%s\r\n\r\n",
                 request->target, connection_host(request->address, host), request->content_type,
                 request->bearer != NULL ? "Authorization: Bearer " : "",
                 request->bearer != NULL ? request->bearer : "",
                 request->bearer != NULL ? "\r\n" : "", framing);
    is_sent = length > 0 && (size_t)length < capacity &&
              connection_send_all(&upload->connection, head, (size_t)length, upload->error);
    free(head);
    return is_sent;
}

/* At most PIECE_BYTES; what was read before comes first. As read. */
static ssize_t read_file(struct upload *upload, char *target)
{
    const struct upload_request *request = upload->request;
    size_t left = request->begin_length - upload->begin_sent;
    ssize_t got;

    if (left > 0) {
        left = left > PIECE_BYTES ? PIECE_BYTES : left;
        memcpy(target, request->begin + upload->begin_sent, left);
        upload->begin_sent += left;
        return (ssize_t)left;
    }
    do {
        got = read(request->file, target, PIECE_BYTES);
    } while (got < 0 && errno == EINTR);
    return got;
}

/* Puts the file's next piece into the buffer, framed as a chunk where its size is unknown. */
static bool read_piece(struct upload *upload)
{
    bool is_chunked = upload->request->size == UPLOAD_SIZE_UNKNOWN;
    char head[CHUNK_HEAD_BYTES + 1];
    ssize_t got;

    got = read_file(upload, upload->piece + CHUNK_HEAD_BYTES);
    if (got < 0)
        return connection_refuse(upload->error, "cannot read the file: %s", strerror(errno));
    upload->at = CHUNK_HEAD_BYTES;
    upload->end = CHUNK_HEAD_BYTES + (size_t)got;
    upload->sent += (uint64_t)got;
    upload->file_ended = got == 0;
    if (!is_chunked) {
        upload->file_ended = upload->file_ended || upload->sent >= upload->request->size;
        if (upload->file_ended && upload->sent != upload->request->size)
            return connection_refuse(upload->error,
                                     "the file changed its size meanwhile: try again");
        return true;
    }
    snprintf(head, sizeof(head), "%08x\r\n", (unsigned)got);
    memcpy(upload->piece, head, CHUNK_HEAD_BYTES);
    memcpy(upload->piece + upload->end, "\r\n", CHUNK_TAIL_BYTES);
    upload->at = 0;
    upload->end += CHUNK_TAIL_BYTES;
    return true;
}

static bool send_some(struct upload *upload)
{
    size_t from;
    ssize_t sent;

    if (upload->at == upload->end && !read_piece(upload))
        return false;
    from = upload->at;
    sent =
        connection_send(&upload->connection, upload->piece + upload->at, upload->end - upload->at);
    if (sent >= 0)
        upload->at += (size_t)sent;
    else if (errno != EAGAIN && errno != EINTR)
        upload->is_answered = true; /* it has closed its side: what did it say? */
    if (upload->request->progress != NULL)
        upload->request->progress(upload->request->user, upload->piece + from, upload->at - from);
    return true;
}

/* 1 when the answer is complete, 0 to go on, -1 on an error. */
static int receive_some(struct upload *upload, struct upload_answer *answer_out)
{
    ssize_t got = connection_receive(&upload->connection, upload->answer + upload->answer_length,
                                     UPLOAD_ANSWER_BYTES_MAX - upload->answer_length);
    int verdict;

    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return 0;
    if (got > 0)
        upload->answer_length += (size_t)got;
    upload->answer[upload->answer_length] = 0;
    upload->is_answered = upload->is_answered || upload->answer_length > 0;
    verdict = upload_parse_answer(upload->answer, upload->answer_length, got <= 0, answer_out);
    if (verdict < 0)
        connection_refuse(upload->error, upload->answer_length == 0
                                             ? "the server closed the connection without an answer"
                                             : "the server's answer cannot be understood");
    if (verdict == 0 && upload->answer_length == UPLOAD_ANSWER_BYTES_MAX) {
        connection_refuse(upload->error, "the server's answer is too long");
        return -1;
    }
    return verdict;
}

static bool exchange(struct upload *upload, struct upload_answer *answer_out)
{
    for (;;) {
        bool has_more = !upload->is_answered && (!upload->file_ended || upload->at < upload->end);
        struct pollfd poll_file = {
            .fd = upload->connection.socket,
            .events = (short)(POLLIN | (has_more ? POLLOUT : 0)),
        };
        int ready = poll(&poll_file, 1, CONNECTION_WAIT_MS);

        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return connection_refuse(upload->error, "no answer within %d s",
                                     CONNECTION_WAIT_MS / 1000);
        if ((poll_file.revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
            int verdict = receive_some(upload, answer_out);

            if (verdict != 0)
                return verdict > 0;
        } else if ((poll_file.revents & POLLOUT) != 0 && !send_some(upload)) {
            return false;
        }
    }
}

bool upload_file(const struct upload_request *request, struct upload_answer *answer_out,
                 char *error)
{
    struct upload *upload = calloc(1, sizeof(*upload));
    bool is_good = false;

    if (upload == NULL)
        return connection_refuse(error, "out of memory");
    *upload = (struct upload){.request = request, .connection = {.socket = -1}, .error = error};
    upload->file_ended = request->size == 0;
    upload->answer = malloc(UPLOAD_ANSWER_BYTES_MAX + 1);
    if (upload->answer == NULL)
        connection_refuse(error, "out of memory");
    else
        is_good = connection_open(&upload->connection, request->address, request->ca_file, error) &&
                  send_head(upload) && exchange(upload, answer_out);
    connection_close(&upload->connection);
    free(upload->answer);
    free(upload);
    return is_good;
}
