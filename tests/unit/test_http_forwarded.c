/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a request is from when proxies say so: which of their words count, and that nobody else's
 * do. The client is at 127.0.0.1 and says all there is to say. */
#include "http/http_proxies.h"
#include "http_harness.h"

/* Every request is answered with "ADDRESS SCHEME HOST" as the server sees them. */
static void tell(struct http_exchange *exchange, const struct route *route, void *user)
{
    char text[HTTP_PEER_TEXT_MAX];
    char body[512];
    (void)route;
    (void)user;
    http_peer_text(http_exchange_peer(exchange), text);
    struct http_slice host = http_exchange_host(exchange);
    int length =
        snprintf(body, sizeof body, "%s %s %.*s", text,
                 http_exchange_is_secure(exchange) ? "https" : "http", (int)host.length, host.data);
    http_respond(exchange, 200, "text/plain", body, (size_t)length);
}

static struct harness *start(struct http_proxies *proxies, enum http_forwarded forwarded)
{
    struct harness *harness = harness_new();
    harness->options.dispatch = tell;
    harness->options.trusted_proxies = proxies;
    harness->options.forwarded = forwarded;
    harness_start(harness);
    return harness;
}

struct row {
    const char *headers;
    const char *told;
};

static void expect_rows(struct harness *harness, const struct row *rows, size_t count)
{
    struct client client = client_open(harness);
    for (size_t i = 0; i < count; i++) {
        struct answer answer;
        client_say(&client, "GET /hello HTTP/1.1\r\nHost: shop.example\r\n");
        client_say(&client, rows[i].headers);
        client_say(&client, "\r\n");
        assert_true(client_answer(&client, &answer));
        char told[600];
        snprintf(told, sizeof told, "%.*s", (int)answer.body_length, answer.body);
        if (strcmp(told, rows[i].told) != 0)
            fail_msg("%s: %s, wanted %s", rows[i].headers, told, rows[i].told);
    }
    client_close(&client);
}

#define ROWS(rows) (rows), sizeof(rows) / sizeof(rows[0])
#define NOTHING    "127.0.0.1 http shop.example"

static const struct row spoofs[] = {
    {"", NOTHING},
    {"X-Forwarded-For: 203.0.113.7\r\n", NOTHING},
    {"X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n"
     "X-Forwarded-Host: evil.example\r\n",
     NOTHING},
    {"Forwarded: for=203.0.113.7;proto=https;host=evil.example\r\n", NOTHING},
    {"X_Forwarded_For: 203.0.113.7\r\nX-Real-IP: 203.0.113.7\r\nTrue-Client-IP: 203.0.113.7\r\n",
     NOTHING},
};

static void an_untrusted_peer_is_not_believed(void **state)
{
    (void)state;
    static const char *const others[] = {"10.0.0.0/8", "127.0.0.2", "::1", "128.0.0.0/1"};
    struct http_proxies proxies;
    struct http_proxies none = {.count = 0};
    assert_true(http_proxies_parse(others, 4, &proxies, NULL));
    struct http_proxies *lists[] = {&proxies, &none, NULL};
    for (size_t i = 0; i < 3; i++) {
        struct harness *harness =
            start(lists[i], i == 0 ? HTTP_FORWARDED_STANDARD : HTTP_FORWARDED_X);
        expect_rows(harness, ROWS(spoofs));
        harness_stop(harness);
    }
}

static const struct row words[] = {
    {"", NOTHING},
    {"X-Forwarded-For: 203.0.113.7\r\n", "203.0.113.7 http shop.example"},
    {"X-Forwarded-For: 203.0.113.7:4711\r\n", "203.0.113.7 http shop.example"},
    {"X-Forwarded-For: 2001:db8::7\r\n", "2001:db8::7 http shop.example"},
    {"X-Forwarded-For: [2001:db8::7]\r\n", "2001:db8::7 http shop.example"},
    {"X-Forwarded-For: [2001:db8::7]:443\r\n", "2001:db8::7 http shop.example"},
    {"X-Forwarded-For: ::ffff:203.0.113.7\r\n", "203.0.113.7 http shop.example"},
    /* The last that is no proxy's, whatever the client has put before it. */
    {"X-Forwarded-For: 198.51.100.1, 203.0.113.7\r\n", "203.0.113.7 http shop.example"},
    {"X-Forwarded-For: 198.51.100.1,203.0.113.7,10.1.2.3 ,\t10.0.0.9\r\n",
     "203.0.113.7 http shop.example"},
    {"X-Forwarded-For: 127.0.0.1, 203.0.113.7, 10.1.2.3\r\n", "203.0.113.7 http shop.example"},
    {"X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 203.0.113.7\r\n",
     "203.0.113.7 http shop.example"},
    {"X-Forwarded-For: 203.0.113.7\r\nOther: x\r\nX-Forwarded-For: 10.0.0.9\r\n",
     "203.0.113.7 http shop.example"},
    {"X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For:\r\nX-Forwarded-For: , ,10.0.0.9,\r\n",
     "203.0.113.7 http shop.example"},
    {"X-Forwarded-For: 10.3.3.3, 10.2.2.2\r\n", "10.3.3.3 http shop.example"},
    /* What cannot be read ends it: the nearest that could stands. */
    {"X-Forwarded-For: unknown\r\n", NOTHING},
    {"X-Forwarded-For:\r\n", NOTHING},
    {"X-Forwarded-For: ,\r\n", NOTHING},
    {"X-Forwarded-For: 203.0.113.7, unknown\r\n", NOTHING},
    {"X-Forwarded-For: 203.0.113.7, unknown, 10.0.0.9\r\n", "10.0.0.9 http shop.example"},
    {"X-Forwarded-For: 203.0.113.7 198.51.100.1\r\n", NOTHING},
    {"X-Forwarded-For: 203.0.113.7;198.51.100.1\r\n", NOTHING},
    {"X-Forwarded-For: 203.0.113.256\r\n", NOTHING},
    {"X-Forwarded-For: 203.0.113.7:\r\n", NOTHING},
    {"X-Forwarded-For: 203.0.113.7:x\r\n", NOTHING},
    {"X-Forwarded-For: 203.0.113.7:123456\r\n", NOTHING},
    {"X-Forwarded-For: 203.0.113.7/32\r\n", NOTHING},
    {"X-Forwarded-For: 0x7f.1\r\n", NOTHING},
    {"X-Forwarded-For: [203.0.113.7]\r\n", NOTHING},
    {"X-Forwarded-For: [2001:db8::7\r\n", NOTHING},
    {"X-Forwarded-For: [2001:db8::7]x\r\n", NOTHING},
    {"X-Forwarded-For: fe80::1%eth0\r\n", NOTHING},
    {"X-Forwarded-For: \"203.0.113.7\"\r\n", NOTHING},
    /* Scheme and host: the last statement. */
    {"X-Forwarded-Proto: https\r\n", "127.0.0.1 https shop.example"},
    {"X-Forwarded-Proto: HTTPS\r\n", "127.0.0.1 https shop.example"},
    {"X-Forwarded-Proto: https, http\r\n", NOTHING},
    {"X-Forwarded-Proto: http\r\nX-Forwarded-Proto: https\r\n", "127.0.0.1 https shop.example"},
    {"X-Forwarded-Proto: httpss\r\n", NOTHING},
    {"X-Forwarded-Host: www.example:8443\r\n", "127.0.0.1 http www.example:8443"},
    {"X-Forwarded-Host: evil.example, www.example\r\n", "127.0.0.1 http www.example"},
    {"X-Forwarded-Host: user@www.example\r\n", NOTHING},
    {"X-Forwarded-Host: www.example/path\r\n", NOTHING},
    /* The other kind of statement is the client's. */
    {"Forwarded: for=203.0.113.7;proto=https;host=evil.example\r\n", NOTHING},
};

static const struct row statements[] = {
    {"", NOTHING},
    {"Forwarded: for=203.0.113.7\r\n", "203.0.113.7 http shop.example"},
    {"forwarded: FOR=203.0.113.7;Proto=HTTPS;host=www.example\r\n",
     "203.0.113.7 https www.example"},
    {"Forwarded: for=\"203.0.113.7:4711\" ; by=10.0.0.9\r\n", "203.0.113.7 http shop.example"},
    {"Forwarded: for=\"[2001:db8::7]:4711\";proto=https\r\n", "2001:db8::7 https shop.example"},
    {"Forwarded: for=\"[2001:db8::7]\"\r\n", "2001:db8::7 http shop.example"},
    {"Forwarded: for=198.51.100.1, for=203.0.113.7;proto=https, for=10.0.0.9;proto=http\r\n",
     "203.0.113.7 http shop.example"},
    {"Forwarded: for=198.51.100.1;proto=https\r\nForwarded: for=203.0.113.7\r\n",
     "203.0.113.7 http shop.example"},
    {"Forwarded: proto=https;host=\"www.example:8443\";for=203.0.113.7\r\n",
     "203.0.113.7 https www.example:8443"},
    {"Forwarded: for=203.0.113.7;secret=\"x=y\";proto=https\r\n", "203.0.113.7 https shop.example"},
    /* A quote that the client has opened swallows nothing. */
    {"Forwarded: for=\"198.51.100.1, for=203.0.113.7\r\n", "203.0.113.7 http shop.example"},
    {"Forwarded: for=x;host=\"a,for=203.0.113.7\r\n", "203.0.113.7 http shop.example"},
    {"Forwarded: for=unknown\r\n", NOTHING},
    {"Forwarded: for=_hidden;proto=https\r\n", "127.0.0.1 https shop.example"},
    {"Forwarded: for=203.0.113.7, for=_hidden, for=10.0.0.9\r\n", "10.0.0.9 http shop.example"},
    {"Forwarded: proto=https\r\n", "127.0.0.1 https shop.example"},
    {"Forwarded: 203.0.113.7\r\n", NOTHING},
    {"Forwarded: for=203.0.113.7;for=198.51.100.1\r\n", NOTHING},
    {"Forwarded: for=\"203.0.113.7\r\n", NOTHING},
    {"Forwarded: for=\"203.0.113\\.7\"\r\n", NOTHING},
    {"Forwarded: for=\r\n", NOTHING},
    {"Forwarded: ;;\r\n", NOTHING},
    {"X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n",
     NOTHING},
};

static void the_proxies_words_count(void **state)
{
    (void)state;
    static const char *const ours[] = {"127.0.0.1", "10.0.0.0/8"};
    struct http_proxies proxies;
    assert_true(http_proxies_parse(ours, 2, &proxies, NULL));
    struct harness *harness = start(&proxies, HTTP_FORWARDED_X);
    expect_rows(harness, ROWS(words));
    harness_stop(harness);
    harness = start(&proxies, HTTP_FORWARDED_STANDARD);
    expect_rows(harness, ROWS(statements));
    harness_stop(harness);
}

/* However many trusted addresses are listed, reading them ends. */
static void long_lists_are_not_read_to_their_beginning(void **state)
{
    (void)state;
    static const char *const ours[] = {"127.0.0.1", "10.0.0.0/8"};
    static char line[16000];
    struct http_proxies proxies;
    assert_true(http_proxies_parse(ours, 2, &proxies, NULL));
    struct harness *harness = start(&proxies, HTTP_FORWARDED_X);
    strcpy(line, "X-Forwarded-For: 203.0.113.7");
    for (unsigned i = 0; i < 1000; i++)
        snprintf(line + strlen(line), sizeof line - strlen(line), ",10.0.%u.%u", i / 250, i % 250);
    strcat(line, "\r\n");
    const struct row row = {line, "10.0.3.234 http shop.example"};
    expect_rows(harness, &row, 1);
    harness_stop(harness);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_untrusted_peer_is_not_believed),
        cmocka_unit_test(the_proxies_words_count),
        cmocka_unit_test(long_lists_are_not_read_to_their_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
