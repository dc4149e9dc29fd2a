/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the edge accepts and refuses: the grammar (llhttp, strict), and the checks on top of it.
 * Each case also byte by byte, and each refusal must end the connection with nothing behind it.
 */
#include "shared_harness.h"

struct check {
    const char *name;
    const char *bytes;
    size_t length;
    int status; /* of the first answer */
    bool close; /* the connection ends after the last answer */
    int answers;
};

/* A request after which the connection serves on, and one that ends it. */
#define KEEP(name, status, bytes)                                                                  \
    {                                                                                              \
        name, bytes, sizeof(bytes) - 1, status, false, 1                                           \
    }
#define ENDS(name, status, bytes)                                                                  \
    {                                                                                              \
        name, bytes, sizeof(bytes) - 1, status, true, 1                                            \
    }

#define GET_HEAD  "GET /hello HTTP/1.1\r\n"
#define POST_HEAD "POST /echo HTTP/1.1\r\nHost: a\r\n"
#define NEXT      "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"

static const struct check checks[] = {
    KEEP("plain", 200, GET_HEAD "Host: a\r\n\r\n"),
    KEEP("plain with port and blanks", 200, GET_HEAD "hOsT:  a.example:80 \t\r\n\r\n"),
    KEEP("IPv6 host", 200, GET_HEAD "Host: [::1]:80\r\n\r\n"),
    ENDS("asks for close", 200, GET_HEAD "Host: a\r\nConnection: close\r\n\r\n"),
    ENDS("HTTP/1.0", 200, "GET /hello HTTP/1.0\r\n\r\n"),
    KEEP("HTTP/1.0 keep-alive", 200, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
    ENDS("HTTP/1.0 keep-alive and close", 200,
         "GET /hello HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"),
    ENDS("HTTP/1.0 close behind keep-alive", 200,
         "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\nConnection: x ,\tClose\r\n\r\n"),
    KEEP("close within another word", 200, GET_HEAD "Host: a\r\nConnection: closed, x\r\n\r\n"),
    KEEP("body", 200, POST_HEAD "Content-Length: 3\r\n\r\nabc"),
    KEEP("empty body", 200, POST_HEAD "Content-Length: 0\r\n\r\n"),
    KEEP("chunks", 200,
         POST_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n00A\r\n0123456789\r\n0\r\n\r\n"),
    KEEP("encoding in capitals", 200,
         POST_HEAD "Transfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"),
    KEEP("delete with no body", 200,
         "DELETE /item/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),

    /* 1: the host. */
    ENDS("no host", 400, GET_HEAD "\r\n"),
    ENDS("two hosts", 400, GET_HEAD "Host: a\r\nHost: a\r\n\r\n"),
    ENDS("empty host", 400, GET_HEAD "Host:\r\n\r\n"),
    ENDS("host with path", 400, GET_HEAD "Host: a/b\r\n\r\n"),
    ENDS("host with user", 400, GET_HEAD "Host: u@a\r\n\r\n"),
    ENDS("host with two ports", 400, GET_HEAD "Host: a:1:2\r\n\r\n"),
    ENDS("host with a list", 400, GET_HEAD "Host: a, b\r\n\r\n"),
    KEEP("absolute target", 200, "GET http://A.b/hello HTTP/1.1\r\nHost: a.B\r\n\r\n"),
    KEEP("absolute target without path", 200, "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n"),
    ENDS("absolute target, other host", 400, "GET http://b/hello HTTP/1.1\r\nHost: a\r\n\r\n"),
    ENDS("absolute target with user", 400, "GET http://u@a/hello HTTP/1.1\r\nHost: a\r\n\r\n"),
    ENDS("other scheme", 400, "GET ftp://a/hello HTTP/1.1\r\nHost: a\r\n\r\n"),
    ENDS("fragment", 400, "GET /hello#x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ENDS("bad percent", 400, "GET /item/%zz HTTP/1.1\r\nHost: a\r\n\r\n"),
    ENDS("cut percent", 400, "GET /item/%4 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ENDS("encoded NUL", 400, "GET /item/a%00b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ENDS("raw UTF-8", 400, "GET /item/\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ENDS("asterisk with GET", 400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    KEEP("asterisk with OPTIONS", 204, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
    /* 2: methods. */
    ENDS("TRACE", 501, "TRACE /hello HTTP/1.1\r\nHost: a\r\n\r\n" NEXT),
    ENDS("PROPFIND", 501, "PROPFIND /hello HTTP/1.1\r\nHost: a\r\n\r\n"),
    ENDS("unknown method", 501, "BREW /hello HTTP/1.1\r\nHost: a\r\n\r\n"),
    ENDS("lower-case method", 400, "get /hello HTTP/1.1\r\nHost: a\r\n\r\n"),
    ENDS("RTSP", 501, "SETUP rtsp://a RTSP/1.0\r\nHost: a\r\n\r\n"),
    ENDS("a TLS hello", 400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    /* 3: versions. */
    ENDS("HTTP/0.9", 505, "GET /hello\r\n\r\n"),
    ENDS("HTTP/1.2", 505, "GET /hello HTTP/1.2\r\nHost: a\r\n\r\n"),
    ENDS("HTTP/2.0", 505, "GET /hello HTTP/2.0\r\nHost: a\r\n\r\n"),
    ENDS("HTTP/2 preface", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    /* 4, 5: transfer encodings. */
    ENDS("gzip, chunked", 501, POST_HEAD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    ENDS("identity, chunked", 501,
         POST_HEAD "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n" NEXT),
    ENDS("xchunked", 501, POST_HEAD "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ENDS("identity", 501, POST_HEAD "Transfer-Encoding: identity\r\n\r\n"),
    ENDS("chunked twice", 400,
         POST_HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ENDS("chunked in HTTP/1.0", 400,
         "POST /echo HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ENDS("length and chunked", 400,
         POST_HEAD "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT),
    ENDS("chunked and length", 400,
         POST_HEAD "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" NEXT),
    /* 6: lengths. */
    ENDS("length of eleven digits", 400, POST_HEAD "Content-Length: 00000000001\r\n\r\na"),
    ENDS("length twice", 400, POST_HEAD "Content-Length: 1\r\nContent-Length: 1\r\n\r\na"),
    ENDS("length list", 400, POST_HEAD "Content-Length: 1, 1\r\n\r\na"),
    ENDS("length with sign", 400, POST_HEAD "Content-Length: +1\r\n\r\na"),
    ENDS("negative length", 400, POST_HEAD "Content-Length: -1\r\n\r\na"),
    ENDS("empty length", 400, POST_HEAD "Content-Length: \r\n\r\n"),
    ENDS("length in hexadecimal", 400, POST_HEAD "Content-Length: 0x1\r\n\r\na"),
    ENDS("chunk size of nine digits", 400,
         POST_HEAD "Transfer-Encoding: chunked\r\n\r\n000000001\r\na\r\n0\r\n\r\n"),
    ENDS("second chunk size of nine digits", 400,
         POST_HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n000000001\r\na\r\n0\r\n\r\n"),
    ENDS("last chunk size of nine digits", 400,
         POST_HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n000000000\r\n\r\n"),
    ENDS("endless zeros", 400,
         POST_HEAD "Transfer-Encoding: chunked\r\n\r\n00000000000000000000000000"),
    ENDS("huge chunk", 413, POST_HEAD "Transfer-Encoding: chunked\r\n\r\nffffffff\r\n"),
    ENDS("overflowing chunk", 400,
         POST_HEAD "Transfer-Encoding: chunked\r\n\r\n10000000000000001\r\na\r\n0\r\n\r\n"),
    /* 7: chunk extensions; 8: trailers. */
    ENDS("chunk extension", 400,
         POST_HEAD "Transfer-Encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0\r\n\r\n" NEXT),
    ENDS("empty chunk extension", 400,
         POST_HEAD "Transfer-Encoding: chunked\r\n\r\n1;\r\nx\r\n0\r\n\r\n" NEXT),
    ENDS("trailer", 400,
         POST_HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n" NEXT),
    ENDS("length in the trailer", 400,
         POST_HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n" NEXT),
    /* 9: one CRLF may lead. */
    KEEP("leading CRLF", 200, "\r\n" NEXT),
    ENDS("two leading CRLF", 400, "\r\n\r\n" NEXT),
    ENDS("leading LF", 400, "\n" NEXT),
    ENDS("leading CR", 400, "\r" NEXT),
    {"CRLF between requests", NEXT "\r\n" NEXT, sizeof(NEXT "\r\n" NEXT) - 1, 200, false, 2},
    /* 10: upgrades. */
    ENDS("upgrade", 501,
         POST_HEAD "Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\nx" NEXT),
    ENDS("h2c", 501,
         GET_HEAD "Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: "
                  "h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n" NEXT),
    ENDS("CONNECT", 501, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n" NEXT),
    KEEP("upgrade not asked for", 200, GET_HEAD "Host: a\r\nUpgrade: x\r\n\r\n"),
    /* 11: bodies where none belong. */
    ENDS("GET with length", 400, GET_HEAD "Host: a\r\nContent-Length: 1\r\n\r\nx" NEXT),
    ENDS("GET with chunks", 400,
         GET_HEAD "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT),
    ENDS("DELETE with body", 400,
         "DELETE /item/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx" NEXT),
    /* 12: expectations. */
    ENDS("other expectation", 417, POST_HEAD "Expect: 200-ok\r\nContent-Length: 1\r\n\r\nx"),
    KEEP("expectation without body", 200, GET_HEAD "Host: a\r\nExpect: 100-continue\r\n\r\n"),
    ENDS("expectation in HTTP/1.0", 200,
         "POST /echo HTTP/1.0\r\nExpect: x\r\nContent-Length: 1\r\n\r\nx"),
    /* 13: nothing behind a refusal. */
    {"garbage behind a good one", NEXT "\x01\x02garbage\r\n\r\n" NEXT,
     sizeof(NEXT "\x01\x02garbage\r\n\r\n" NEXT) - 1, 200, true, 2},
    ENDS("data behind close", 200, GET_HEAD "Host: a\r\nConnection: close\r\n\r\n" NEXT),
    /* 14: headers that may come once. */
    ENDS("two content types", 400,
         POST_HEAD "Content-Type: a/b\r\nContent-Type: a/c\r\nContent-Length: 0\r\n\r\n"),
    ENDS("two authorizations", 400,
         GET_HEAD "Host: a\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n"),
    ENDS("two idempotency keys", 400,
         POST_HEAD "Idempotency-Key: a\r\nIdempotency-Key: a\r\nContent-Length: 0\r\n\r\n"),
    ENDS("two signatures", 400,
         POST_HEAD "X-Signature: a\r\nX-Signature: b\r\nContent-Length: 0\r\n\r\n"),
    KEEP("an underscore is another name", 200,
         GET_HEAD "Host: a\r\nIdempotency-Key: a\r\nIdempotency_Key: b\r\n\r\n"),
    KEEP("two of another kind", 200,
         GET_HEAD "Host: a\r\nAccept: a\r\nAccept: b\r\nX: 1\r\nX: 2\r\n\r\n"),

    /* Grammar: llhttp's, all leniency off. */
    ENDS("folded line", 400, GET_HEAD "Host: a\r\nX: a\r\n b\r\n\r\n"),
    ENDS("folded length", 400, POST_HEAD "Content-Length:\r\n 1\r\n\r\nx"),
    ENDS("bare LF in request line", 400, "GET /hello HTTP/1.1\nHost: a\r\n\r\n"),
    ENDS("bare LF in header", 400, GET_HEAD "Host: a\nX: b\r\n\r\n"),
    ENDS("bare LF at the end", 400, GET_HEAD "Host: a\r\n\n"),
    ENDS("bare CR in value", 400, GET_HEAD "Host: a\r\nX: a\rb\r\n\r\n"),
    ENDS("NUL in value", 400, "GET /hello HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"),
    ENDS("control character in value", 400, GET_HEAD "Host: a\r\nX: a\x07\r\n\r\n"),
    ENDS("blank before colon", 400, POST_HEAD "Content-Length : 1\r\n\r\nx"),
    ENDS("blank before the first header", 400, GET_HEAD " Host: a\r\n\r\n"),
    ENDS("header without colon", 400, GET_HEAD "Host: a\r\nfoo\r\n\r\n"),
    ENDS("header without name", 400, GET_HEAD "Host: a\r\n: x\r\n\r\n"),
    ENDS("bad character in name", 400, GET_HEAD "Host: a\r\nX[]: x\r\n\r\n"),
    ENDS("two blanks", 400, "GET  /hello HTTP/1.1\r\nHost: a\r\n\r\n"),
    ENDS("two blanks before the version", 400, "GET /hello  HTTP/1.1\r\nHost: a\r\n\r\n"),
    ENDS("tabs", 400, "GET\t/hello\tHTTP/1.1\r\nHost: a\r\n\r\n"),
    ENDS("chunk size with blank", 400,
         POST_HEAD "Transfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\n\r\n"),
    ENDS("chunk size in C", 400,
         POST_HEAD "Transfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n"),
    ENDS("chunk size with LF", 400,
         POST_HEAD "Transfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n"),
    ENDS("chunk without CRLF", 400, POST_HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\nx0\r\n\r\n"),
    ENDS("empty chunk size", 400, POST_HEAD "Transfer-Encoding: chunked\r\n\r\n\r\nx\r\n0\r\n\r\n"),

    /* Routing. */
    KEEP("no such path", 404, "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"),
    KEEP("no such path, with body", 404,
         "POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"),
    KEEP("no such method", 405, "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
};

enum { CHECKS = sizeof checks / sizeof checks[0] };

static void expect(const struct check *check, struct client *client, const char *how)
{
    struct answer answer;
    char value[256];
    for (int i = 0; i < check->answers; i++) {
        bool complete = client_answer(client, &answer);
        if (!complete || (i == 0 && answer.status != check->status))
            fail_msg("%s (%s): status %d, not %d", check->name, how, answer.status, check->status);
        assert_non_null(answer_header(&answer, "X-Request-Id", value));
        assert_non_null(answer_header(&answer, "Date", value));
    }
    if (answer.close != check->close)
        fail_msg("%s (%s): Connection: close is %d", check->name, how, answer.close);
    if (check->close ? !client_is_ended(client) : !client_is_alive(client))
        fail_msg("%s (%s): wrong end of the connection", check->name, how);
}

static void checks_in_one_piece(void **state)
{
    (void)state;
    for (size_t i = 0; i < CHECKS; i++) {
        struct client client = client_open(shared);
        client_send(&client, checks[i].bytes, checks[i].length);
        if (checks[i].close)
            shutdown(client.fd, SHUT_WR);
        expect(&checks[i], &client, "in one piece");
        client_close(&client);
    }
}

/* Every case in two pieces, at every boundary; the server has read the first before the second is
 * sent. */
static void checks_in_two_pieces(void **state)
{
    (void)state;
    const struct http_counters *counters = harness_counters(shared);
    for (size_t i = 0; i < CHECKS; i += 7) {
        size_t length = checks[i].length;
        for (size_t cut = 1; cut < length; cut++) {
            struct client client = client_open(shared);
            uint64_t before = atomic_load(&counters->bytes_received);
            client_send(&client, checks[i].bytes, cut);
            assert_true(wait_for(&counters->bytes_received, before + 1));
            client_send(&client, checks[i].bytes + cut, length - cut);
            if (checks[i].close)
                shutdown(client.fd, SHUT_WR);
            char how[32];
            snprintf(how, sizeof how, "cut at %zu", cut);
            expect(&checks[i], &client, how);
            client_close(&client);
        }
    }
}

static void checks_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < CHECKS; i++) {
        struct client client = client_open(shared);
        size_t length = checks[i].length;
        for (size_t at = 0; at < length; at++)
            client_send(&client, checks[i].bytes + at, 1);
        if (checks[i].close)
            shutdown(client.fd, SHUT_WR);
        expect(&checks[i], &client, "byte by byte");
        client_close(&client);
    }
}

/* The echo must be the same whatever the pieces: what is kept between reads is put together right.
 */
static void bodies_survive_any_cut(void **state)
{
    (void)state;
    static const char request[] =
        POST_HEAD "X-Request-Id: abc.D_9-\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "4\r\nWiki\r\n6\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\n\r\n" POST_HEAD
                  "Content-Length: 11\r\n\r\nhello world";
    static const char first[] = "Wikipedia in \r\n\r\nchunks.";
    const struct http_counters *counters = harness_counters(shared);
    for (size_t cut = 1; cut < sizeof request - 1; cut++) {
        struct client client = client_open(shared);
        uint64_t before = atomic_load(&counters->bytes_received);
        client_send(&client, request, cut);
        assert_true(wait_for(&counters->bytes_received, before + cut));
        client_send(&client, request + cut, sizeof request - 1 - cut);
        struct answer answer;
        char value[256];
        assert_true(client_answer(&client, &answer));
        assert_int_equal(answer.body_length, sizeof first - 1);
        assert_memory_equal(answer.body, first, sizeof first - 1);
        assert_string_equal(answer_header(&answer, "X-Request-Id", value), "abc.D_9-");
        assert_true(client_answer(&client, &answer));
        assert_int_equal(answer.body_length, 11);
        assert_memory_equal(answer.body, "hello world", 11);
        client_close(&client);
    }
}

static void methods_not_allowed_name_those_that_are(void **state)
{
    (void)state;
    struct client client = client_open(shared);
    struct answer answer;
    char value[256];
    client_say(&client, "PATCH /item/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_true(client_answer(&client, &answer));
    assert_int_equal(answer.status, 405);
    assert_string_equal(answer_header(&answer, "Allow", value), "GET, HEAD, DELETE, OPTIONS");
    assert_non_null(strstr(answer.body, "method_not_allowed"));
    client_close(&client);
}

/* Each refusal has its code in the document that the caller renders. */
static void refusals_carry_their_codes(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        const char *code;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", "malformed_request"},
        {"GET /x HTTP/1.1\r\nHost: a\r\n\r\n", "not_found"},
        {"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "not_implemented"},
        {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", "http_version_not_supported"},
        {POST_HEAD "Expect: x\r\nContent-Length: 1\r\n\r\n", "expectation_failed"},
        {POST_HEAD "Content-Length: 65537\r\n\r\n", "payload_too_large"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct client client = client_open(shared);
        struct answer answer;
        char quoted[64];
        char value[256];
        client_say(&client, cases[i].bytes);
        assert_true(client_answer(&client, &answer));
        snprintf(quoted, sizeof quoted, "\"code\":\"%s\"", cases[i].code);
        assert_non_null(strstr(answer.body, quoted));
        assert_string_equal(answer_header(&answer, "Content-Type", value),
                            "application/problem+json");
        client_close(&client);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checks_in_one_piece),
        cmocka_unit_test(checks_byte_by_byte),
        cmocka_unit_test(checks_in_two_pieces),
        cmocka_unit_test(bodies_survive_any_cut),
        cmocka_unit_test(methods_not_allowed_name_those_that_are),
        cmocka_unit_test(refusals_carry_their_codes),
    };
    return cmocka_run_group_tests(tests, start_shared, stop_shared);
}
