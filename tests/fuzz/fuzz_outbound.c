/* SPDX-License-Identifier: Apache-2.0 */
/* What other hosts answer, and what goes into a mail: any bytes.
 *
 * Input: what is fuzzed (modulo 3); the length of a piece, less one; the bytes:
 *   0  a mail server's replies: a mail is told as delivered only if it was sent whole
 *   1  a captcha service's answer: it passes only with success, host name and action
 *   2  a subject, a name, an address, a text and a page, a zero between each: no value adds a
 * header */
#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "outbound/captcha.h"
#include "outbound/mail.h"
#include "outbound/outbound_smtp.h"

/* ---- a mail server ---- */

static const char body[] = ".\r\n..\r\nx\r\n.y";
static const char stuffed[] = "..\r\n...\r\nx\r\n..y\r\n.\r\n";

static void converse(const char *replies, size_t length, size_t piece)
{
    static struct smtp_dialogue dialogue;
    static const struct outbound_job job = {
        .sender = "", .recipient = "a@b.co", .body = body, .body_length = sizeof(body) - 1};
    char sent[sizeof(stuffed)];
    size_t used = 0;

    smtp_begin(&dialogue, &job, (struct smtp_server){0}, false);
    for (size_t at = 0; at < length && dialogue.step != SMTP_ENDED; at += piece) {
        const char *bytes;
        size_t count;

        while ((count = smtp_output(&dialogue, &bytes)) > 0) {
            if (dialogue.step == SMTP_MESSAGE) {
                assert(used + count < sizeof(sent));
                memcpy(sent + used, bytes, count);
                used += count;
            }
            smtp_sent(&dialogue, count);
        }
        smtp_input(&dialogue, replies + at, length - at < piece ? length - at : piece);
    }
    if (dialogue.step != SMTP_ENDED || dialogue.ended_in != SMTP_MESSAGE)
        return;
    if (dialogue.code >= 200 && dialogue.code < 300) {
        assert(used == sizeof(stuffed) - 1 && memcmp(sent, stuffed, used) == 0);
        assert(dialogue.is_message_begun);
    }
    assert(dialogue.code <= 599);
}

/* ---- a captcha service ---- */

static void judge(const char *answer, size_t length)
{
    static const struct captcha_settings settings = {
        .url = "", .secret = "", .hostname = "shop.test", .action = "act"};
    struct outbound_job job = {.kind = OUTBOUND_HTTP,
                               .result = OUTBOUND_DELIVERED,
                               .status = 200,
                               .answer = malloc(length + 1),
                               .answer_length = length};
    const char *reason = NULL;

    memcpy(job.answer, answer, length);
    job.answer[length] = 0;
    /* 2026-01-01T00:00:00Z */
    enum captcha_verdict verdict = captcha_judge(&settings, &job, 1767225600000, &reason);

    assert(reason != NULL && reason[0] != 0);
    if (verdict == CAPTCHA_PASSED)
        assert(memmem(job.answer, length, "true", 4) != NULL);
    job.status = 500;
    assert(captcha_judge(&settings, &job, 1767225600000, &reason) == CAPTCHA_UNAVAILABLE);
    free(job.answer);
}

/* ---- a mail ---- */

enum { SUBJECT, NAME, ADDRESS, TEXT, PAGE, VALUES };

/* The lines of the header that begin a field; every line ends with CRLF and none is too long. */
static unsigned check_message(const char *message, size_t length)
{
    unsigned fields = 0;
    bool is_header = true;

    for (size_t at = 0; at < length;) {
        const char *end = memmem(message + at, length - at, "\r\n", 2);
        size_t line = end == NULL ? 0 : (size_t)(end - message) - at;

        assert(end != NULL && line <= 998);
        assert(memchr(message + at, '\r', line) == NULL &&
               memchr(message + at, '\n', line) == NULL);
        is_header = is_header && line > 0;
        fields += is_header && message[at] != ' ';
        at += line + 2;
    }
    return fields;
}

static void compose(const char *bytes, size_t length)
{
    char *texts[VALUES] = {NULL};
    const char *at = bytes;
    size_t left = length;
    size_t written = 0;

    for (int i = 0; i < VALUES; i++) {
        size_t part = strnlen(at, left);

        texts[i] = strndup(at, part);
        at += part + (part < left);
        left -= part + (part < left);
    }

    struct mail_message message = {.id = "out_1",
                                   .from_address = "shop@shop.test",
                                   .from_name = texts[NAME],
                                   .to_address = texts[ADDRESS],
                                   .subject = texts[SUBJECT],
                                   .text = texts[TEXT],
                                   .html = texts[PAGE]};
    size_t room = mail_compose_bound(&message);
    char *target = malloc(room);

    assert(target != NULL);
    if (mail_compose(&message, target, room, &written)) {
        assert(written <= room); /* the bound is one */
        assert(check_message(target, written) == (texts[PAGE][0] == 0 ? 9 : 8));
        assert(mail_address_is_valid(texts[ADDRESS], strlen(texts[ADDRESS])));
    }
    free(target);
    for (int i = 0; i < VALUES; i++)
        free(texts[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const char *bytes = (const char *)data + 2;

    switch (data[0] % 3) {
    case 0:
        converse(bytes, size - 2, data[1] + 1u);
        break;
    case 1:
        judge(bytes, size - 2);
        break;
    default:
        compose(bytes, size - 2);
        break;
    }
    return 0;
}
