/* SPDX-License-Identifier: Apache-2.0 */
/* The PROXY protocol: its grammar, in one piece and byte by byte, and connections that begin with
 * it, are not allowed to, or are too slow. */
#include "http_harness.h"

#include "http/http_proxies.h"
#include "http/http_proxy_protocol.h"

#define HEADER_2(command, family) "\r\n\r\n\0\r\nQUIT\n" command family

struct wire {
    const char *bytes;
    size_t length;
};

#define WIRE(literal)                                                                              \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static const char addresses_4[] = "\xc0\x00\x02\x01\xc6\x33\x64\x02\x12\x67\x01\xbb";

/* ---- The grammar ---- */

/* The verdict on the whole; and on each beginning of it, which must never be another one. */
static enum http_proxy_verdict parse(struct wire wire, struct http_proxy_header *header)
{
    enum http_proxy_verdict verdict = http_proxy_header_parse(wire.bytes, wire.length, header);
    for (size_t length = 0; length < wire.length; length++) {
        struct http_proxy_header early = {0};
        /* Of its own size, so that a read behind its end is seen by the sanitizer. */
        char *part = malloc(length > 0 ? length : 1);
        memcpy(part, wire.bytes, length);
        enum http_proxy_verdict so_far = http_proxy_header_parse(part, length, &early);
        free(part);
        if (so_far == HTTP_PROXY_DONE) {
            assert_int_equal(verdict, HTTP_PROXY_DONE);
            assert_true(early.length <= length);
            assert_int_equal(early.length, header->length);
        } else if (so_far == HTTP_PROXY_MALFORMED) {
            assert_int_equal(verdict, HTTP_PROXY_MALFORMED);
        }
    }
    return verdict;
}

static void good_headers_are_understood(void **state)
{
    (void)state;
    static const struct {
        struct wire wire;
        const char *client; /* NULL: none */
        unsigned port;
        size_t length;
    } cases[] = {
        {WIRE("PROXY TCP4 192.0.2.1 198.51.100.2 4711 443\r\n"), "192.0.2.1", 4711, 44},
        {WIRE("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\nGET / "),
         "255.255.255.255", 65535, 56},
        {WIRE("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), "0.0.0.0", 0, 32},
        {WIRE("PROXY TCP6 2001:db8::1 ::1 1 2\r\n"), "2001:db8::1", 1, 32},
        {WIRE("PROXY TCP6 ::ffff:192.0.2.9 ::1 1 2\r\n"), "192.0.2.9", 1, 37},
        {WIRE("PROXY UNKNOWN\r\n"), NULL, 0, 15},
        {WIRE("PROXY UNKNOWN ffff:f...f:ffff what ever\r\n"), NULL, 0, 41},
        {WIRE(HEADER_2("\x21", "\x11") "\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02\x12\x67\x01\xbb"),
         "192.0.2.1", 4711, 28},
        /* With a type-length value behind. */
        {WIRE(HEADER_2("\x21", "\x11") "\x00\x12\xc0\x00\x02\x01\xc6\x33\x64\x02\x12\x67\x01\xbb"
                                       "\x04\x00\x03"
                                       "abcGET /"),
         "192.0.2.1", 4711, 34},
        {WIRE(HEADER_2("\x21", "\x21") "\x00\x24"
                                       "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
                                       "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x50\x01\xbb"),
         "2001:db8::7", 80, 52},
        {WIRE(HEADER_2("\x20", "\x00") "\x00\x00"), NULL, 0, 16},
        /* LOCAL: whatever the addresses say, and of whatever family. */
        {WIRE(HEADER_2("\x20", "\x11") "\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02\x12\x67\x01\xbb"),
         NULL, 0, 28},
        {WIRE(HEADER_2("\x20", "\xff") "\x00\x01x"), NULL, 0, 17},
        {WIRE(HEADER_2("\x21", "\x00") "\x00\x02xy"), NULL, 0, 18},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_proxy_header header = {0};
        char text[HTTP_PEER_TEXT_MAX];
        if (parse(cases[i].wire, &header) != HTTP_PROXY_DONE)
            fail_msg("case %zu is not understood", i);
        assert_int_equal(header.has_client, cases[i].client != NULL);
        assert_int_equal(header.length, cases[i].length);
        if (cases[i].client == NULL)
            continue;
        http_peer_text(&header.client, text);
        assert_string_equal(text, cases[i].client);
        assert_int_equal(header.client.port, cases[i].port);
    }
}

static void bad_headers_are_refused(void **state)
{
    (void)state;
    static const struct wire cases[] = {
        WIRE("GET / HTTP/1.1\r\n"),
        WIRE("proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n"),
        WIRE("PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n"),
        WIRE("PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n"),
        WIRE("PROXY \r\n"),
        WIRE("PROXY\r\n"),
        WIRE("PROXY TCP4\r\n"),
        WIRE("PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n"),
        WIRE("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n"),
        WIRE("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n"),
        WIRE("PROXY TCP4 1.1.1.1  2.2.2.2 1 2\r\n"),
        WIRE("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n"),
        WIRE("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\r\n"),
        WIRE("PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n"),
        WIRE("PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n"),
        WIRE("PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n"),
        WIRE("PROXY TCP4 1.1.1.1 2.2.2.2 65536 2\r\n"),
        WIRE("PROXY TCP4 1.1.1.1 2.2.2.2 1 -2\r\n"),
        WIRE("PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n"),
        WIRE("PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n"),
        WIRE("PROXY TCP4 ::1 ::1 1 2\r\n"),
        WIRE("PROXY TCP6 1.1.1.1 ::1 1 2\r\n"),
        WIRE("PROXY TCP6 ::1 1.1.1.1 1 2\r\n"),
        WIRE("PROXY TCP6 ::1%lo ::1 1 2\r\n"),
        WIRE("PROXY TCP6 ::1:: ::1 1 2\r\n"),
        WIRE("PROXY TCP4 1.1.1.1\0 2.2.2.2 1 2\r\n"),
        WIRE("PROXY UNKNOWN "
             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
             "aaaaa"
             "aaa\r\n"),
        /* Version 2: version, command, family, lengths. */
        WIRE(HEADER_2("\x11", "\x11") "\x00\x0c\1\1\1\1\2\2\2\2\0\1\0\2"),
        WIRE(HEADER_2("\x31", "\x11") "\x00\x0c\1\1\1\1\2\2\2\2\0\1\0\2"),
        WIRE(HEADER_2("\x22", "\x11") "\x00\x0c\1\1\1\1\2\2\2\2\0\1\0\2"),
        WIRE(HEADER_2("\x21", "\x12") "\x00\x0c\1\1\1\1\2\2\2\2\0\1\0\2"),
        WIRE(HEADER_2("\x21", "\x22") "\x00\x0c\1\1\1\1\2\2\2\2\0\1\0\2"),
        WIRE(HEADER_2("\x21", "\x41") "\x00\x0c\1\1\1\1\2\2\2\2\0\1\0\2"),
        WIRE(HEADER_2("\x21", "\x11") "\x00\x0b\1\1\1\1\2\2\2\2\0\1\0"),
        WIRE(HEADER_2("\x21", "\x11") "\x00\x00"),
        WIRE(HEADER_2("\x21", "\x21") "\x00\x0c\1\1\1\1\2\2\2\2\0\1\0\2"),
        WIRE(HEADER_2("\x21", "\x31") "\x00\x0c\1\1\1\1\2\2\2\2\0\1\0\2"),
        WIRE(HEADER_2("\x21", "\x11") "\xff\xff"),
        WIRE(HEADER_2("\x20", "\x00") "\x0f\xf1"),
        WIRE("\r\n\r\n\0\r\nQUIT\r"),
        WIRE("\r\n\r\nGET"),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_proxy_header header = {.length = 77};
        if (parse(cases[i], &header) != HTTP_PROXY_MALFORMED)
            fail_msg("case %zu is taken", i);
        assert_int_equal(header.length, 77);
    }
}

static void the_length_is_bounded_from_both_sides(void **state)
{
    (void)state;
    static char bytes[HTTP_PROXY_HEADER_MAX];
    struct http_proxy_header header;
    memcpy(bytes, HEADER_2("\x21", "\x11") "\x0f\xf0", 16);
    memcpy(bytes + 16, addresses_4, sizeof addresses_4 - 1);
    assert_int_equal(http_proxy_header_parse(bytes, sizeof bytes - 1, &header), HTTP_PROXY_MORE);
    assert_int_equal(http_proxy_header_parse(bytes, sizeof bytes, &header), HTTP_PROXY_DONE);
    assert_int_equal(header.length, sizeof bytes);
    /* Version 1: 107 bytes with the line's end. */
    char line[HTTP_PROXY_LINE_MAX + 1];
    memset(line, 'x', sizeof line);
    memcpy(line, "PROXY UNKNOWN ", 14);
    memcpy(line + HTTP_PROXY_LINE_MAX - 2, "\r\n", 2);
    assert_int_equal(http_proxy_header_parse(line, HTTP_PROXY_LINE_MAX, &header), HTTP_PROXY_DONE);
    memcpy(line + HTTP_PROXY_LINE_MAX - 2, "x\r\n", 3);
    assert_int_equal(http_proxy_header_parse(line, HTTP_PROXY_LINE_MAX - 1, &header),
                     HTTP_PROXY_MORE);
    assert_int_equal(http_proxy_header_parse(line, sizeof line, &header), HTTP_PROXY_MALFORMED);
}

/* ---- Connections ---- */

static struct http_proxies local_only;
static struct http_proxies elsewhere;

static int group_begin(void **state)
{
    (void)state;
    const char *local = "127.0.0.0/8";
    const char *other = "192.0.2.0/24";
    return http_proxies_parse(&local, 1, &local_only, NULL) &&
                   http_proxies_parse(&other, 1, &elsewhere, NULL)
               ? 0
               : -1;
}

static struct harness *started(const struct http_proxies *proxies, unsigned per_ip_max)
{
    struct harness *harness = harness_new();
    harness->options.proxy_protocol = true;
    harness->options.trusted_proxies = proxies;
    harness->options.connections_per_ip_max = per_ip_max;
    harness->options.header_timeout_ms = 300;
    harness_start(harness);
    return harness;
}

static void expect_peer(struct client *client, const char *peer)
{
    struct answer answer;
    client_say(client, "GET /peer HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(client_answer(client, &answer));
    assert_int_equal(answer.status, 200);
    answer.body[answer.body_length] = '\0';
    if (strncmp(answer.body, peer, strlen(peer)) != 0)
        fail_msg("%s, not %s", answer.body, peer);
}

static void the_client_is_who_the_proxy_says(void **state)
{
    (void)state;
    struct harness *harness = started(&local_only, 0);
    struct client client = client_open(harness);
    client_say(&client, "PROXY TCP4 203.0.113.7 198.51.100.2 4711 443\r\n");
    expect_peer(&client, "203.0.113.7 4711");
    expect_peer(&client, "203.0.113.7 4711");
    client_close(&client);

    client = client_open(harness);
    client_send(&client, HEADER_2("\x21", "\x11") "\x00\x0c", 16);
    client_send(&client, addresses_4, sizeof addresses_4 - 1);
    expect_peer(&client, "192.0.2.1 4711");
    client_close(&client);

    /* A health check of the proxy's own. */
    client = client_open(harness);
    client_send(&client, HEADER_2("\x20", "\x00") "\x00\x00", 16);
    expect_peer(&client, "127.0.0.1 ");
    client_close(&client);
    client = client_open(harness);
    client_say(&client, "PROXY UNKNOWN\r\n");
    expect_peer(&client, "127.0.0.1 ");
    client_close(&client);
    assert_int_equal(atomic_load(&harness_counters(harness)->proxy_refusals), 0);
    harness_stop(harness);
}

/* Header and request in one piece, in two at every place, and byte by byte. */
static void it_may_come_in_pieces(void **state)
{
    (void)state;
    static const char wire[] = "PROXY TCP6 2001:db8::1 ::1 4711 443\r\n"
                               "GET /peer HTTP/1.1\r\nHost: a\r\n\r\n";
    struct harness *harness = started(&local_only, 0);
    for (size_t cut = 0; cut < sizeof wire; cut++) {
        struct client client = client_open(harness);
        struct answer answer;
        if (cut == sizeof wire - 1) {
            for (size_t at = 0; at < sizeof wire - 1; at++) {
                client_send(&client, wire + at, 1);
                sleep_ms(1);
            }
        } else {
            client_send(&client, wire, cut);
            sleep_ms(2);
            client_send(&client, wire + cut, sizeof wire - 1 - cut);
        }
        assert_true(client_answer(&client, &answer));
        assert_int_equal(answer.status, 200);
        assert_memory_equal(answer.body, "2001:db8::1 4711", 16);
        assert_true(client_is_alive(&client));
        client_close(&client);
    }
    harness_stop(harness);
}

static void strangers_malformed_and_slow_ones_are_refused(void **state)
{
    (void)state;
    struct harness *harness = started(&elsewhere, 0);
    struct client client = client_open(harness);
    client_say(&client, "PROXY TCP4 203.0.113.7 198.51.100.2 4711 443\r\n");
    assert_true(client_is_ended(&client));
    client_close(&client);
    assert_int_equal(atomic_load(&harness_counters(harness)->proxy_refusals), 1);
    assert_int_equal(atomic_load(&harness_counters(harness)->connections_accepted), 0);
    harness_stop(harness);

    harness = started(NULL, 0);
    client = client_open(harness);
    assert_true(client_is_ended(&client));
    client_close(&client);
    harness_stop(harness);

    harness = started(&local_only, 0);
    static const char *const bad[] = {"GET /peer HTTP/1.1\r\nHost: a\r\n\r\n", "PROXY TCP4 x\r\n"};
    for (size_t i = 0; i < 2; i++) {
        client = client_open(harness);
        client_say(&client, bad[i]);
        assert_true(client_is_ended(&client));
        client_close(&client);
    }
    static const char *const slow[] = {"", "PROXY TCP4 203.0.113.7"};
    for (size_t i = 0; i < 2; i++) {
        client = client_open(harness);
        client_say(&client, slow[i]);
        assert_true(client_is_ended(&client));
        client_close(&client);
    }
    assert_int_equal(atomic_load(&harness_counters(harness)->proxy_refusals), 4);
    assert_int_equal(atomic_load(&harness_counters(harness)->closed[HTTP_CLOSE_PROXY]), 4);
    assert_int_equal(atomic_load(&harness_counters(harness)->requests), 0);
    harness_stop(harness);
}

/* It is the clients that are counted, not the proxy. */
static void clients_behind_it_are_limited_one_by_one(void **state)
{
    (void)state;
    struct harness *harness = started(&local_only, 2);
    struct client clients[6];
    for (size_t i = 0; i < 6; i++) {
        char line[80];
        snprintf(line, sizeof line, "PROXY TCP4 203.0.113.%zu 198.51.100.2 4711 443\r\n", i / 3);
        clients[i] = client_open(harness);
        client_say(&clients[i], line);
        if (i % 3 < 2)
            assert_true(client_is_alive(&clients[i]));
        else
            assert_true(client_is_ended(&clients[i]));
    }
    for (size_t i = 0; i < 6; i++)
        client_close(&clients[i]);
    assert_true(wait_for(&harness_counters(harness)->closed[HTTP_CLOSE_CLIENT], 4));
    struct client again = client_open(harness);
    client_say(&again, "PROXY TCP4 203.0.113.0 198.51.100.2 4711 443\r\n");
    assert_true(client_is_alive(&again));
    client_close(&again);
    harness_stop(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_headers_are_understood),
        cmocka_unit_test(bad_headers_are_refused),
        cmocka_unit_test(the_length_is_bounded_from_both_sides),
        cmocka_unit_test(the_client_is_who_the_proxy_says),
        cmocka_unit_test(it_may_come_in_pieces),
        cmocka_unit_test(strangers_malformed_and_slow_ones_are_refused),
        cmocka_unit_test(clients_behind_it_are_limited_one_by_one),
    };
    return cmocka_run_group_tests(tests, group_begin, NULL);
}
