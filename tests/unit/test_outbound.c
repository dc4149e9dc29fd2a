/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the outbound side that need no other host: a job's way back to its shard, the
 * dialogue with a mail server, addresses. The whole is tested by tests/outbound. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "engine_fixture.h"
#include "outbound/mail.h"
#include "outbound/outbound_address.h"
#include "outbound/outbound_smtp.h"

/* ---- the engine's part ---- */

enum { JOBS_MAX = 512 };

struct port {
    struct outbound_job *jobs[JOBS_MAX];
    unsigned count;
    bool is_full;
};

static bool port_submit(void *self, struct outbound_job *job)
{
    struct port *port = self;

    if (port->is_full)
        return false;
    port->jobs[port->count++] = job;
    return true;
}

static void on_done(struct engine_outbound *outbound)
{
    (*(unsigned *)outbound->user)++;
}

static void set_port(struct fixture *fixture, struct port *port)
{
    fixture->outbound = (struct outbound_port){.self = port, .submit = port_submit};
    assert_int_equal(fixture_crash(fixture), 0);
}

static void a_job_comes_back_to_its_shard_and_keeps_it_busy(void **state)
{
    static struct fixture fixture;
    static struct port port;
    static struct engine_outbound outbound;
    struct shard *shard;
    unsigned done = 0;

    (void)state;
    fixture_create(&fixture, 2);
    set_port(&fixture, &port);
    shard = engine_shard(fixture.engine, 1);
    fixture_run(&fixture);
    assert_true(engine_is_idle(fixture.engine));
    outbound = (struct engine_outbound){.done = on_done, .user = &done};
    assert_int_equal(engine_outbound_submit(shard, &outbound), OUTCOME_PENDING);
    fixture_run(&fixture);
    assert_false(engine_is_idle(fixture.engine));
    port.jobs[0]->done(port.jobs[0]);
    assert_int_equal(done, 0); /* not on the port's thread */
    assert_false(shard_try_sleep(shard));
    fixture_run(&fixture);
    assert_int_equal(done, 1);
    assert_true(engine_is_idle(fixture.engine));
    fixture_close(&fixture);
}

static void jobs_beyond_the_bounds_are_refused(void **state)
{
    static struct fixture fixture;
    static struct port port;
    static struct engine_outbound outbound[JOBS_MAX];
    unsigned done = 0;
    unsigned taken = 0;

    (void)state;
    fixture_create(&fixture, 1);
    outbound[0] = (struct engine_outbound){.done = on_done, .user = &done};
    assert_int_equal(engine_outbound_submit(engine_shard(fixture.engine, 0), &outbound[0]),
                     OUTCOME_OVERLOADED); /* there is no port */
    set_port(&fixture, &port);
    struct shard *shard = engine_shard(fixture.engine, 0);
    port.is_full = true;
    assert_int_equal(engine_outbound_submit(shard, &outbound[0]), OUTCOME_OVERLOADED);
    port.is_full = false;
    for (unsigned i = 0; i < JOBS_MAX; i++) {
        outbound[i] = (struct engine_outbound){.done = on_done, .user = &done};
        taken += engine_outbound_submit(shard, &outbound[i]) == OUTCOME_PENDING;
    }
    assert_int_equal(taken, 256);
    for (unsigned i = 0; i < port.count; i++)
        port.jobs[i]->done(port.jobs[i]);
    fixture_run(&fixture);
    assert_int_equal(done, taken);
    assert_int_equal(engine_outbound_submit(shard, &outbound[0]), OUTCOME_PENDING);
    port.jobs[port.count - 1]->done(port.jobs[port.count - 1]);
    fixture_run(&fixture);
    fixture_close(&fixture);
}

/* ---- the dialogue ---- */

static const char body[] = "Subject: x\r\n\r\n.\r\n..a\r\nb.\r\nend";

/* Feeds the replies, one after each piece of output, and writes down what was sent; `step` bytes at
 * a time in both directions. */
static void talk(struct smtp_dialogue *dialogue, bool resets, const char *const *replies,
                 size_t step, char *sent_out, size_t size)
{
    static const struct outbound_job job = {.kind = OUTBOUND_MAIL,
                                            .sender = "shop@shop.test",
                                            .recipient = "ann@shop.test",
                                            .body = body,
                                            .body_length = sizeof(body) - 1};
    size_t used = 0;

    smtp_begin(dialogue, &job, (struct smtp_server){.has_size = true}, resets);
    while (dialogue->step != SMTP_ENDED) {
        const char *bytes;
        size_t length;

        while ((length = smtp_output(dialogue, &bytes)) > 0) {
            length = length < step ? length : step;
            assert_true(used + length < size);
            memcpy(sent_out + used, bytes, length);
            used += length;
            smtp_sent(dialogue, length);
        }
        assert_non_null(*replies);
        for (size_t at = 0; at < strlen(*replies); at += step) {
            size_t left = strlen(*replies) - at;

            smtp_input(dialogue, *replies + at, left < step ? left : step);
        }
        replies++;
    }
    sent_out[used] = 0;
}

static void a_mail_is_told_as_the_standard_says(void **state)
{
    static const char *const replies[] = {"250 ok\r\n", "250-a\r\n250-b\r\n250 ok\r\n", "250 ok\n",
                                          "354 go on\r\n", "250 taken\r\n"};
    static const char expected[] = "RSET\r\nMAIL FROM:<shop@shop.test> SIZE=29\r\n"
                                   "RCPT TO:<ann@shop.test>\r\nDATA\r\n"
                                   "Subject: x\r\n\r\n..\r\n...a\r\nb.\r\nend\r\n.\r\n";
    static struct smtp_dialogue dialogue;
    char sent[1000];

    (void)state;
    assert_int_equal(sizeof(body) - 1, 29);
    for (size_t step = 1; step < 100; step++) {
        talk(&dialogue, true, replies, step, sent, sizeof(sent));
        assert_string_equal(sent, expected);
        assert_int_equal(dialogue.code, 250);
        assert_int_equal(dialogue.ended_in, SMTP_MESSAGE);
        assert_true(dialogue.is_in_step && dialogue.is_message_begun);
        talk(&dialogue, false, replies + 1, step, sent, sizeof(sent));
        assert_string_equal(sent, expected + strlen("RSET\r\n"));
    }
}

static void other_replies_end_it_as_what_they_are(void **state)
{
    static const struct {
        const char *replies[5];
        unsigned code;
        enum smtp_step ended_in;
        bool is_in_step;
        bool is_message_begun;
    } cases[] = {
        {{"550 no\r\n"}, 550, SMTP_MAIL, true, false},
        {{"421 bye\r\n"}, 421, SMTP_MAIL, false, false},
        {{"250 ok\r\n", "450 later\r\n"}, 450, SMTP_RCPT, true, false},
        {{"250 ok\r\n", "251 ok\r\n", "250 what\r\n"}, 250, SMTP_DATA, false, false},
        {{"250 ok\r\n", "250 ok\r\n", "354 go\r\n", "554-no\r\n554 spam\r\n"},
         554,
         SMTP_MESSAGE,
         true,
         true},
        {{"250 ok\r\n", "250 ok\r\n", "354 go\r\n", "421 bye\r\n"}, 421, SMTP_MESSAGE, false, true},
        {{"hello\r\n"}, 0, SMTP_RSET, false, false},
        {{"99 x\r\n"}, 0, SMTP_RSET, false, false},
        {{"1\r\n"}, 0, SMTP_RSET, false, false},
        {{"999 x\r\n"}, 0, SMTP_RSET, false, false},
        /* More than was asked for: the mail's fate is told, the connection is not used again. */
        {{"250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n250 ok\r\n"},
         250,
         SMTP_MESSAGE,
         false,
         true},
    };
    static struct smtp_dialogue dialogue;
    char sent[1000];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        talk(&dialogue, false, cases[i].replies, 1000, sent, sizeof(sent));
        print_message("case %zu\n", i);
        assert_int_equal(dialogue.code, cases[i].code);
        assert_int_equal(dialogue.ended_in, cases[i].ended_in);
        assert_int_equal(dialogue.is_in_step, cases[i].is_in_step);
        assert_int_equal(dialogue.is_message_begun, cases[i].is_message_begun);
    }
}

/* "354 250" in one piece: the second is no reply to a message that was not sent yet. */
static void a_reply_that_comes_too_early_is_none(void **state)
{
    static const char *const replies[] = {"250 ok\r\n", "250 ok\r\n", "354 go\r\n250 ok\r\n"};
    static struct smtp_dialogue dialogue;
    char sent[1000];

    (void)state;
    talk(&dialogue, false, replies, 1000, sent, sizeof(sent));
    assert_int_equal(dialogue.code, 0);
    assert_false(dialogue.is_in_step || dialogue.is_message_begun);
}

static void an_endless_reply_is_given_up(void **state)
{
    static struct smtp_dialogue dialogue;
    static const struct outbound_job job = {.sender = "", .recipient = "a@b.co", .body = ""};
    unsigned lines = 0;

    (void)state;
    smtp_begin(&dialogue, &job, (struct smtp_server){.has_utf8 = true}, false);
    while (smtp_input(&dialogue, "250-more\r\n", 10))
        assert_true(++lines < SMTP_REPLY_MAX);
    assert_int_equal(dialogue.step, SMTP_ENDED);
}

static void what_a_server_offers_is_read_by_whole_words(void **state)
{
    struct smtp_server server = {0};

    (void)state;
    smtp_server_line(&server, "250-SIZES\r\n", 11);
    smtp_server_line(&server, "220-SIZE 1\r\n", 12);
    smtp_server_line(&server, "250-SMTPUTF\r\n", 13);
    assert_false(server.has_size || server.has_utf8);
    smtp_server_line(&server, "250-size 100\r\n", 14);
    smtp_server_line(&server, "250 SMTPUTF8\r\n", 14);
    assert_true(server.has_size && server.has_utf8);
}

/* ---- addresses ---- */

static bool is_public(const char *text)
{
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};
    struct sockaddr_in ipv4 = {.sin_family = AF_INET};

    if (inet_pton(AF_INET, text, &ipv4.sin_addr) == 1)
        return outbound_address_is_public((const struct sockaddr *)&ipv4, sizeof(ipv4));
    assert_int_equal(inet_pton(AF_INET6, text, &ipv6.sin6_addr), 1);
    return outbound_address_is_public((const struct sockaddr *)&ipv6, sizeof(ipv6));
}

static void the_public_s_addresses_are_told_from_the_others(void **state)
{
    static const char *const public[] = {
        "1.1.1.1",         "9.255.255.255", "11.0.0.0",        "100.63.255.255", "100.128.0.0",
        "126.255.255.255", "128.0.0.0",     "169.253.255.255", "172.15.255.255", "172.32.0.0",
        "192.167.255.255", "192.169.0.0",   "198.17.255.255",  "198.20.0.0",     "223.255.255.255",
        "2600::1",         "2a00:1450::1",  "2001:200::1",     "3ffe::1",        "::ffff:1.1.1.1",
        "64:ff9b::101:101"};
    static const char *const others[] = {"0.0.0.0",
                                         "10.0.0.0",
                                         "10.255.255.255",
                                         "100.64.0.0",
                                         "100.127.255.255",
                                         "127.0.0.1",
                                         "169.254.169.254",
                                         "172.16.0.0",
                                         "172.31.255.255",
                                         "192.0.0.8",
                                         "192.0.2.1",
                                         "192.88.99.1",
                                         "192.168.0.1",
                                         "198.18.0.0",
                                         "198.19.255.255",
                                         "198.51.100.9",
                                         "203.0.113.9",
                                         "224.0.0.1",
                                         "240.0.0.1",
                                         "255.255.255.255",
                                         "::",
                                         "::1",
                                         "::127.0.0.1",
                                         "::ffff:127.0.0.1",
                                         "::ffff:192.168.1.1",
                                         "64:ff9b::a00:1",
                                         "64:ff9b:1::1",
                                         "100::1",
                                         "2001::1",
                                         "2001:1ff::1",
                                         "2001:db8::1",
                                         "2002:a00:1::1",
                                         "3fff::1",
                                         "4000::1",
                                         "fc00::1",
                                         "fe80::1",
                                         "fec0::1",
                                         "ff02::1"};
    struct sockaddr local = {.sa_family = AF_UNIX};

    (void)state;
    for (size_t i = 0; i < sizeof(public) / sizeof(public[0]); i++) {
        if (!is_public(public[i]))
            fail_msg("%s is the public's", public[i]);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (is_public(others[i]))
            fail_msg("%s is not the public's", others[i]);
    }
    assert_false(outbound_address_is_public(&local, sizeof(local)));
}

static void one_person_s_spellings_have_one_index_form(void **state)
{
    char form[2][MAIL_ADDRESS_MAX + 1];

    (void)state;
    mail_address_normalise("Ann.Lee@Shop.EXAMPLE", 20, form[0]);
    assert_string_equal(form[0], "Ann.Lee@shop.example");
    mail_address_index_form("Ann.Lee@Shop.EXAMPLE", 20, form[0]);
    mail_address_index_form("ann.lee@shop.example", 20, form[1]);
    assert_string_equal(form[0], "ann.lee@shop.example");
    assert_string_equal(form[0], form[1]);
    mail_address_index_form("\xc3\x84@B.co", 7, form[0]);
    assert_string_equal(form[0], "\xc3\x84@b.co");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_comes_back_to_its_shard_and_keeps_it_busy),
        cmocka_unit_test(jobs_beyond_the_bounds_are_refused),
        cmocka_unit_test(a_mail_is_told_as_the_standard_says),
        cmocka_unit_test(other_replies_end_it_as_what_they_are),
        cmocka_unit_test(a_reply_that_comes_too_early_is_none),
        cmocka_unit_test(an_endless_reply_is_given_up),
        cmocka_unit_test(what_a_server_offers_is_read_by_whole_words),
        cmocka_unit_test(the_public_s_addresses_are_told_from_the_others),
        cmocka_unit_test(one_person_s_spellings_have_one_index_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
