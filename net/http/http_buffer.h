/* SPDX-License-Identifier: Apache-2.0 */
/* The bounded pool of a server's buffers; http_buffer.c says who may have how much of it. Each
 * server has its own, used on its thread alone. Private to net/http. */
#ifndef STAMPEDE_HTTP_BUFFER_H
#define STAMPEDE_HTTP_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_BUFFER_SHIFT_MIN = 12,
    HTTP_BUFFER_CLASSES = 15,                 /* 4 KiB to 64 MiB */
    HTTP_BUFFER_CACHED_MAX = 8 * 1024 * 1024, /* bytes of free buffers kept */
    HTTP_MEMORY_PARTS = 16,                   /* see http_buffer.c */
    HTTP_MEMORY_INPUT_PARTS = 12,
    HTTP_MEMORY_TLS_PARTS = 9, /* of those of input */
    HTTP_DOOR_ANSWER_MAX = 8 * 1024,
};

enum http_buffer_use {
    HTTP_BUFFER_ANSWER = 0,
    HTTP_BUFFER_INPUT,
    HTTP_BUFFER_FIXED, /* not of the pool: neither grows nor is given back */
};

/* Owned by whoever holds the struct; data NULL: none taken. */
struct http_buffer {
    char *data;
    uint32_t length;
    uint32_t capacity;
    enum http_buffer_use use; /* kept when it is released */
};

struct http_buffers {
    size_t bytes_max;
    size_t bytes_used;
    size_t bytes_input; /* of bytes_used */
    size_t bytes_tls;   /* of bytes_input: not buffers, but what OpenSSL has taken elsewhere */
    size_t bytes_cached;
    void *free[HTTP_BUFFER_CLASSES];
};

/* Room for `extra` bytes behind `length`, taking or growing as needed. False: bound reached,
 * nothing changed. */
bool http_buffer_reserve(struct http_buffers *pool, struct http_buffer *buffer, size_t extra);
/* Appends; false as above. */
bool http_buffer_append(struct http_buffers *pool, struct http_buffer *buffer, const void *bytes,
                        size_t length);
/* Gives the memory back; a buffer that has none is fine. */
void http_buffer_release(struct http_buffers *pool, struct http_buffer *buffer);
void http_buffers_free(struct http_buffers *pool);
/* Counts what a connection's TLS takes from `before` bytes to `after`. False: the bound is reached,
 * nothing changed. Less is never refused. */
bool http_buffers_charge(struct http_buffers *pool, size_t before, size_t after);

#endif
