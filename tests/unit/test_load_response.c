/* SPDX-License-Identifier: Apache-2.0 */
/* The load generator's response parser: framing, however the bytes are cut, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "load_response.h"

enum {
    BUFFER_BYTES = 70000,
};

struct expected {
    const char *wire;
    int status;
    const char *body;
    bool close;
    bool replayed;
    uint32_t retry_after_s;
};

static const struct expected answers[] = {
    {.wire = "HTTP/1.1 201 Created\r\nContent-Length: 14\r\n\r\n{\"id\":\"res_1\"}",
     .status = 201,
     .body = "{\"id\":\"res_1\"}"},
    {.wire = "HTTP/1.1 201 Created\r\ncontent-length:5  \r\nIDEMPOTENT-REPLAYED: true\r\n\r\nhello",
     .status = 201,
     .body = "hello",
     .replayed = true},
    {.wire = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nConnection: close\r\n"
             "Content-Length: 2\r\n\r\n{}",
     .status = 503,
     .body = "{}",
     .close = true,
     .retry_after_s = 2},
    {.wire = "HTTP/1.1 204 No Content\r\n\r\n", .status = 204, .body = ""},
    {.wire = "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", .status = 304, .body = ""},
    {.wire = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
             "5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nTrailer: x\r\n\r\n",
     .status = 200,
     .body = "hello world"},
    {.wire = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
     .status = 200,
     .body = "ok"},
    {.wire =
         "HTTP/1.1 200 \r\nContent-Length: 0\r\nRetry-After: Sun, 22 Nov 2026 17:00:00 GMT\r\n\r\n",
     .status = 200,
     .body = ""},
};

enum {
    ANSWERS = sizeof answers / sizeof answers[0],
};

static char buffer[BUFFER_BYTES];

static void check_answer(const struct expected *expected, const struct load_response *response)
{
    assert_int_equal(response->status, expected->status);
    assert_int_equal(response->body_length, strlen(expected->body));
    assert_memory_equal(response->body, expected->body, response->body_length);
    assert_int_equal(response->close, expected->close);
    assert_int_equal(response->replayed, expected->replayed);
    assert_int_equal(response->retry_after_s, expected->retry_after_s);
}

static void a_whole_answer_is_read_at_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < ANSWERS; i++) {
        struct load_response_parser parser = {0};
        struct load_response response;
        size_t length = strlen(answers[i].wire);
        memcpy(buffer, answers[i].wire, length);
        assert_int_equal(load_response_parse(&parser, buffer, length, &response),
                         LOAD_RESPONSE_COMPLETE);
        check_answer(&answers[i], &response);
        assert_int_equal(response.consumed, length);
    }
}

static void an_answer_may_come_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < ANSWERS; i++) {
        struct load_response_parser parser = {0};
        struct load_response response;
        size_t length = strlen(answers[i].wire);
        for (size_t have = 1; have < length; have++) {
            buffer[have - 1] = answers[i].wire[have - 1];
            assert_int_equal(load_response_parse(&parser, buffer, have, &response),
                             LOAD_RESPONSE_PARTIAL);
        }
        buffer[length - 1] = answers[i].wire[length - 1];
        assert_int_equal(load_response_parse(&parser, buffer, length, &response),
                         LOAD_RESPONSE_COMPLETE);
        check_answer(&answers[i], &response);
    }
}

static void pipelined_answers_come_one_after_the_other(void **state)
{
    struct load_response_parser parser = {0};
    struct load_response response;
    size_t length = 0;
    size_t at = 0;
    (void)state;
    for (size_t i = 0; i < ANSWERS; i++) {
        memcpy(buffer + length, answers[i].wire, strlen(answers[i].wire));
        length += strlen(answers[i].wire);
    }
    for (size_t i = 0; i < ANSWERS; i++) {
        assert_int_equal(load_response_parse(&parser, buffer + at, length - at, &response),
                         LOAD_RESPONSE_COMPLETE);
        check_answer(&answers[i], &response);
        at += response.consumed;
    }
    assert_int_equal(at, length);
}

/* The client moves what is left to the front of its buffer between two reads. */
static void the_buffer_may_move_between_calls(void **state)
{
    struct load_response_parser parser = {0};
    struct load_response response;
    const char *wire = answers[5].wire;
    size_t length = strlen(wire);
    (void)state;
    memcpy(buffer + 1000, wire, length - 8);
    assert_int_equal(load_response_parse(&parser, buffer + 1000, length - 8, &response),
                     LOAD_RESPONSE_PARTIAL);
    memmove(buffer, buffer + 1000, length - 8);
    memcpy(buffer + length - 8, wire + length - 8, 8);
    assert_int_equal(load_response_parse(&parser, buffer, length, &response),
                     LOAD_RESPONSE_COMPLETE);
    check_answer(&answers[5], &response);
}

static void what_cannot_be_framed_is_broken(void **state)
{
    static const char *const wires[] = {
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n", /* a body that ends with the connection */
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 12x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabXX0\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wires / sizeof wires[0]; i++) {
        struct load_response_parser parser = {0};
        struct load_response response;
        memcpy(buffer, wires[i], strlen(wires[i]));
        assert_int_equal(load_response_parse(&parser, buffer, strlen(wires[i]), &response),
                         LOAD_RESPONSE_BROKEN);
    }
}

static void a_head_without_end_is_broken(void **state)
{
    struct load_response_parser parser = {0};
    struct load_response response;
    (void)state;
    memset(buffer, 'a', sizeof buffer);
    memcpy(buffer, "HTTP/1.1 200 OK\r\n", 17);
    assert_int_equal(load_response_parse(&parser, buffer, sizeof buffer, &response),
                     LOAD_RESPONSE_BROKEN);
}

static void a_string_is_found_at_the_top_level_only(void **state)
{
    static const struct {
        const char *body;
        const char *value; /* NULL: not found */
    } rows[] = {
        {"{\"id\":\"res_1\"}", "res_1"},
        {" { \"status\" : \"held\" , \"id\" :\n\t\"res_2\" } ", "res_2"},
        {"{\"items\":[{\"id\":\"no\"}],\"nested\":{\"id\":\"no\"},\"id\":\"yes\"}", "yes"},
        {"{\"title\":\"the \\\"id\\\":\\\"no\\\"\",\"id\":\"yes\"}", "yes"},
        {"{\"detail\":\"id\",\"id\":\"yes\"}", "yes"},
        {"{\"id\":\"\"}", ""},
        {"{\"id\":17}", NULL},
        {"{\"id\":\"a\\u0041\"}", NULL},
        {"{\"id\":\"cut", NULL},
        {"{\"id\":", NULL},
        {"{\"id\"", NULL},
        {"{\"idx\":\"no\"}", NULL},
        {"[\"id\"]", NULL},
        {"", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct load_text value = {0};
        bool found = load_response_find_string(rows[i].body, strlen(rows[i].body), "id", &value);
        assert_int_equal(found, rows[i].value != NULL);
        if (found) {
            assert_int_equal(value.length, strlen(rows[i].value));
            assert_memory_equal(value.data, rows[i].value, value.length);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_answer_is_read_at_once),
        cmocka_unit_test(an_answer_may_come_byte_by_byte),
        cmocka_unit_test(pipelined_answers_come_one_after_the_other),
        cmocka_unit_test(the_buffer_may_move_between_calls),
        cmocka_unit_test(what_cannot_be_framed_is_broken),
        cmocka_unit_test(a_head_without_end_is_broken),
        cmocka_unit_test(a_string_is_found_at_the_top_level_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
