/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's buffers: sizes are powers of two, freed ones are kept on lists (last in, first out,
 * so that they are warm), and all that are in use together are bounded.
 *
 * Of the bound, input may take HTTP_MEMORY_INPUT_PARTS of HTTP_MEMORY_PARTS: the rest is for
 * answers, whatever the clients send. The last of these parts is only for answers that are content
 * with one smallest buffer, so that large ones which nobody reads do not keep out a refusal.
 * What OpenSSL takes for connections is input too, up to HTTP_MEMORY_TLS_PARTS: those that are
 * open, however many, leave room for requests.
 */
#include "http/http_internal.h"

#include <stdlib.h>
#include <string.h>

static size_t class_bytes(unsigned class)
{
    return (size_t)1 << (HTTP_BUFFER_SHIFT_MIN + class);
}

static unsigned class_of(size_t bytes)
{
    assert(bytes > 0);
    if (bytes <= class_bytes(0))
        return 0;
    return (unsigned)(64 - __builtin_clzll((unsigned long long)bytes - 1)) - HTTP_BUFFER_SHIFT_MIN;
}

static bool may_take(const struct http_buffers *pool, enum http_buffer_use use, unsigned class)
{
    size_t bytes = class_bytes(class);
    size_t part = pool->bytes_max / HTTP_MEMORY_PARTS;
    bool is_small_answer = use == HTTP_BUFFER_ANSWER && class == 0;
    size_t used_max = is_small_answer ? pool->bytes_max : pool->bytes_max - part;
    if (bytes > used_max || pool->bytes_used > used_max - bytes)
        return false;
    return use != HTTP_BUFFER_INPUT || pool->bytes_input + bytes <= part * HTTP_MEMORY_INPUT_PARTS;
}

static char *buffer_take(struct http_buffers *pool, enum http_buffer_use use, unsigned class)
{
    if (!may_take(pool, use, class))
        return NULL;
    size_t bytes = class_bytes(class);
    void *data = pool->free[class];
    if (data != NULL) {
        memcpy(&pool->free[class], data, sizeof(void *));
        assert(pool->bytes_cached >= bytes);
        pool->bytes_cached -= bytes;
    } else {
        data = malloc(bytes);
        if (data == NULL)
            return NULL;
    }
    pool->bytes_used += bytes;
    if (use == HTTP_BUFFER_INPUT)
        pool->bytes_input += bytes;
    return data;
}

static void buffer_give(struct http_buffers *pool, const struct http_buffer *buffer)
{
    char *data = buffer->data;
    size_t bytes = buffer->capacity;
    unsigned class = class_of(bytes);
    assert(class_bytes(class) == bytes);
    assert(pool->bytes_used >= bytes);
    pool->bytes_used -= bytes;
    if (buffer->use == HTTP_BUFFER_INPUT) {
        assert(pool->bytes_input >= bytes);
        pool->bytes_input -= bytes;
    }
    if (pool->bytes_cached + bytes > HTTP_BUFFER_CACHED_MAX) {
        free(data);
        return;
    }
    memcpy(data, &pool->free[class], sizeof(void *));
    pool->free[class] = data;
    pool->bytes_cached += bytes;
}

bool http_buffer_reserve(struct http_buffers *pool, struct http_buffer *buffer, size_t extra)
{
    assert(buffer->length <= buffer->capacity);
    if (extra <= (size_t)(buffer->capacity - buffer->length) && buffer->data != NULL)
        return true;
    if (buffer->use == HTTP_BUFFER_FIXED)
        return false;
    size_t need = (size_t)buffer->length + extra;
    if (extra > class_bytes(HTTP_BUFFER_CLASSES - 1) || need > class_bytes(HTTP_BUFFER_CLASSES - 1))
        return false;
    unsigned class = class_of(need > 0 ? need : 1);
    char *data = buffer_take(pool, buffer->use, class);
    if (data == NULL)
        return false;
    if (buffer->data != NULL) {
        memcpy(data, buffer->data, buffer->length);
        buffer_give(pool, buffer);
    }
    buffer->data = data;
    buffer->capacity = (uint32_t)class_bytes(class);
    return true;
}

bool http_buffer_append(struct http_buffers *pool, struct http_buffer *buffer, const void *bytes,
                        size_t length)
{
    if (length == 0)
        return true;
    if (!http_buffer_reserve(pool, buffer, length))
        return false;
    memcpy(buffer->data + buffer->length, bytes, length);
    buffer->length += (uint32_t)length;
    return true;
}

void http_buffer_release(struct http_buffers *pool, struct http_buffer *buffer)
{
    if (buffer->use == HTTP_BUFFER_FIXED) {
        buffer->length = 0;
        return;
    }
    if (buffer->data != NULL)
        buffer_give(pool, buffer);
    *buffer = (struct http_buffer){.use = buffer->use};
}

bool http_buffers_charge(struct http_buffers *pool, size_t before, size_t after)
{
    assert(before <= pool->bytes_tls && before <= pool->bytes_input);
    size_t part = pool->bytes_max / HTTP_MEMORY_PARTS;
    if (after > before) {
        size_t more = after - before;
        if (pool->bytes_tls + more > part * HTTP_MEMORY_TLS_PARTS ||
            pool->bytes_input + more > part * HTTP_MEMORY_INPUT_PARTS ||
            pool->bytes_used + more > pool->bytes_max - part)
            return false;
    }
    pool->bytes_tls = pool->bytes_tls - before + after;
    pool->bytes_input = pool->bytes_input - before + after;
    pool->bytes_used = pool->bytes_used - before + after;
    return true;
}

void http_buffers_free(struct http_buffers *pool)
{
    assert(pool->bytes_used == 0 && pool->bytes_input == 0);
    for (unsigned class = 0; class < HTTP_BUFFER_CLASSES; class ++) {
        while (pool->free[class] != NULL) {
            void *data = pool->free[class];
            memcpy(&pool->free[class], data, sizeof(void *));
            free(data);
        }
    }
    pool->bytes_cached = 0;
}
