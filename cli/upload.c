/* SPDX-License-Identifier: Apache-2.0 */
#include "upload.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls_socket.h"

enum {
    PIECE_BYTES = 64 * 1024,
    CHUNK_HEAD_BYTES = 10, /* "00010000" and an end of line */
    CHUNK_TAIL_BYTES = 2,
};

struct upload {
    const struct upload_request *request;
    int socket;
    struct tls_socket *tls; /* NULL: plain */
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

static bool refuse(char *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool refuse(char *error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error, UPLOAD_ERROR_BYTES, format, arguments);
    va_end(arguments);
    return false;
}

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

/* The value of a header in a head of `length` bytes; its length, or -1. */
static long find_header(const char *head, size_t length, const char *name, const char **value_out)
{
    size_t name_length = strlen(name);
    const char *line = memchr(head, '\n', length);
    const char *end = head + length;

    while (line != NULL && ++line < end) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        size_t line_length = (size_t)((next != NULL ? next : end) - line);

        if (line_length > name_length && strncasecmp(line, name, name_length) == 0 &&
            line[name_length] == ':') {
            const char *value = line + name_length + 1;
            const char *stop = line + line_length;

            while (value < stop && (*value == ' ' || *value == '\t'))
                value++;
            while (stop > value && (stop[-1] == '\r' || stop[-1] == ' '))
                stop--;
            *value_out = value;
            return stop - value;
        }
        line = next;
    }
    return -1;
}

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

/* A head without its end: the answer proper, after any "100 Continue". NULL: not there yet. */
static const char *skip_interim(const char *text, size_t *length, int *status_out)
{
    for (;;) {
        const char *end = memmem(text, *length, "\r\n\r\n", 4);

        if (end == NULL)
            return NULL;
        if (sscanf(text, "HTTP/1.%*1d %3d", status_out) != 1)
            *status_out = 0;
        if (*status_out < 100 || *status_out >= 200)
            return text;
        *length -= (size_t)(end + 4 - text);
        text = end + 4;
    }
}

int upload_parse_answer(const char *text, size_t length, bool is_closed,
                        struct upload_answer *answer_out)
{
    struct upload_answer answer = {.body = NULL};
    const char *head = skip_interim(text, &length, &answer.status);
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
    if (find_header(head, (size_t)(body - head), "Transfer-Encoding", &value) > 0) {
        verdict = join_chunks(body, left, answer.body, &answer.length);
    } else if (find_header(head, (size_t)(body - head), "Content-Length", &value) > 0) {
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

static ssize_t socket_send(const struct upload *upload, const char *bytes, size_t length)
{
    return upload->tls != NULL ? tls_socket_send(upload->tls, bytes, length)
                               : send(upload->socket, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static ssize_t socket_receive(const struct upload *upload, char *target, size_t capacity)
{
    return upload->tls != NULL ? tls_socket_receive(upload->tls, target, capacity)
                               : recv(upload->socket, target, capacity, MSG_DONTWAIT);
}

static bool begin_tls(struct upload *upload)
{
    const struct upload_request *request = upload->request;

    if (!request->address->has_tls)
        return true;
    upload->tls = tls_socket_open(upload->socket, request->address->host, request->ca_file,
                                  upload->error, UPLOAD_ERROR_BYTES);
    return upload->tls != NULL;
}

static bool connect_to(struct upload *upload)
{
    const struct address *address = upload->request->address;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char port[8];
    int code;
    int reason = ECONNREFUSED;

    snprintf(port, sizeof(port), "%u", address->port);
    code = getaddrinfo(address->host, port, &hints, &found);
    if (code != 0)
        return refuse(upload->error, "cannot find %s: %s: give another --target", address->host,
                      gai_strerror(code));
    for (const struct addrinfo *at = found; at != NULL && upload->socket < 0; at = at->ai_next) {
        upload->socket = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (upload->socket >= 0 && connect(upload->socket, at->ai_addr, at->ai_addrlen) != 0) {
            reason = errno;
            close(upload->socket);
            upload->socket = -1;
        }
    }
    freeaddrinfo(found);
    return upload->socket >= 0 ||
           refuse(upload->error, "cannot reach %s:%s: %s: is the server running?", address->host,
                  port, strerror(reason));
}

static bool send_head(struct upload *upload)
{
    const struct upload_request *request = upload->request;
    bool has_colon = strchr(request->address->host, ':') != NULL;
    char framing[64] = "Transfer-Encoding: chunked";
    size_t capacity = UPLOAD_TARGET_BYTES_MAX + 2048;
    char *head = malloc(capacity);
    size_t length;
    size_t sent = 0;

    if (head == NULL)
        return refuse(upload->error, "out of memory");
    if (request->size != UPLOAD_SIZE_UNKNOWN)
        snprintf(framing, sizeof(framing), "Content-Length: %llu",
                 (unsigned long long)request->size);
    length = (size_t)snprintf(head, capacity,
                              "POST %s HTTP/1.1\r\nHost: %s%s%s:%u\r\nContent-Type: %s\r\n"
                              "%s%s%sConnection: close\r\n%s\r\n\r\n",
                              request->target, has_colon ? "[" : "", request->address->host,
                              has_colon ? "]" : "", request->address->port, request->content_type,
                              request->bearer != NULL ? "Authorization: Bearer " : "",
                              request->bearer != NULL ? request->bearer : "",
                              request->bearer != NULL ? "\r\n" : "", framing);
    while (length < capacity && sent < length) {
        ssize_t written = socket_send(upload, head + sent, length - sent);
        struct pollfd room = {.fd = upload->socket, .events = POLLOUT};

        if (written < 0 && errno == EAGAIN && poll(&room, 1, UPLOAD_WAIT_MS) == 0)
            errno = ETIMEDOUT;
        if (written < 0 && errno != EINTR && errno != EAGAIN)
            break;
        sent += written > 0 ? (size_t)written : 0;
    }
    free(head);
    return sent == length || refuse(upload->error, "cannot send: %s", strerror(errno));
}

/* Puts the file's next piece into the buffer, framed as a chunk where its size is unknown. */
static bool read_piece(struct upload *upload)
{
    bool is_chunked = upload->request->size == UPLOAD_SIZE_UNKNOWN;
    char head[CHUNK_HEAD_BYTES + 1];
    ssize_t got;

    do {
        got = read(upload->request->file, upload->piece + CHUNK_HEAD_BYTES, PIECE_BYTES);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return refuse(upload->error, "cannot read the file: %s", strerror(errno));
    upload->at = CHUNK_HEAD_BYTES;
    upload->end = CHUNK_HEAD_BYTES + (size_t)got;
    upload->sent += (uint64_t)got;
    upload->file_ended = got == 0;
    if (!is_chunked) {
        upload->file_ended = upload->file_ended || upload->sent >= upload->request->size;
        if (upload->file_ended && upload->sent != upload->request->size)
            return refuse(upload->error, "the file changed its size meanwhile: try again");
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
    ssize_t sent;

    if (upload->at == upload->end && !read_piece(upload))
        return false;
    sent = socket_send(upload, upload->piece + upload->at, upload->end - upload->at);
    if (sent >= 0)
        upload->at += (size_t)sent;
    else if (errno != EAGAIN && errno != EINTR)
        upload->is_answered = true; /* it has closed its side: what did it say? */
    if (upload->request->progress != NULL)
        upload->request->progress(upload->request->user, upload->sent - (upload->end - upload->at));
    return true;
}

/* 1 when the answer is complete, 0 to go on, -1 on an error. */
static int receive_some(struct upload *upload, struct upload_answer *answer_out)
{
    ssize_t got = socket_receive(upload, upload->answer + upload->answer_length,
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
        refuse(upload->error, upload->answer_length == 0
                                  ? "the server closed the connection without an answer"
                                  : "the server's answer cannot be understood");
    if (verdict == 0 && upload->answer_length == UPLOAD_ANSWER_BYTES_MAX) {
        refuse(upload->error, "the server's answer is too long");
        return -1;
    }
    return verdict;
}

static bool exchange(struct upload *upload, struct upload_answer *answer_out)
{
    for (;;) {
        bool has_more = !upload->is_answered && (!upload->file_ended || upload->at < upload->end);
        struct pollfd poll_file = {
            .fd = upload->socket,
            .events = (short)(POLLIN | (has_more ? POLLOUT : 0)),
        };
        int ready = poll(&poll_file, 1, UPLOAD_WAIT_MS);

        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return refuse(upload->error, "no answer within %d s", UPLOAD_WAIT_MS / 1000);
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
        return refuse(error, "out of memory");
    *upload = (struct upload){.request = request, .socket = -1, .error = error};
    upload->file_ended = request->size == 0;
    upload->answer = malloc(UPLOAD_ANSWER_BYTES_MAX + 1);
    if (upload->answer == NULL)
        refuse(error, "out of memory");
    else
        is_good = connect_to(upload) && begin_tls(upload) && send_head(upload) &&
                  exchange(upload, answer_out);
    tls_socket_close(upload->tls);
    if (upload->socket >= 0)
        close(upload->socket);
    free(upload->answer);
    free(upload);
    return is_good;
}
