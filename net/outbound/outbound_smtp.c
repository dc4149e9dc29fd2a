/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/outbound_smtp.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- out ---- */

static bool is_ascii(const char *text)
{
    for (; *text != 0; text++) {
        if ((unsigned char)*text >= 0x80)
            return false;
    }
    return true;
}

static void write_command(struct smtp_dialogue *dialogue)
{
    const struct outbound_job *job = dialogue->job;
    char size[40] = "";
    bool is_utf8 = !is_ascii(job->sender) || !is_ascii(job->recipient);
    int length = 0;

    switch (dialogue->step) {
    case SMTP_RSET:
        length = snprintf(dialogue->output, SMTP_OUTPUT_BYTES, "RSET\r\n");
        break;
    case SMTP_MAIL:
        if (dialogue->server.has_size)
            snprintf(size, sizeof(size), " SIZE=%zu", job->body_length);
        length =
            snprintf(dialogue->output, SMTP_OUTPUT_BYTES, "MAIL FROM:<%s>%s%s\r\n", job->sender,
                     size, is_utf8 && dialogue->server.has_utf8 ? " SMTPUTF8" : "");
        break;
    case SMTP_RCPT:
        length = snprintf(dialogue->output, SMTP_OUTPUT_BYTES, "RCPT TO:<%s>\r\n", job->recipient);
        break;
    case SMTP_DATA:
        length = snprintf(dialogue->output, SMTP_OUTPUT_BYTES, "DATA\r\n");
        break;
    case SMTP_MESSAGE:
    case SMTP_ENDED:
        break;
    }
    dialogue->output_used = (size_t)length;
    dialogue->output_sent = 0;
}

/* Some more of the message, with a dot before each that begins a line (RFC 5321, 4.5.2), and its
 * end. */
static void write_message(struct smtp_dialogue *dialogue)
{
    const struct outbound_job *job = dialogue->job;
    size_t used = 0;

    while (dialogue->body_used < job->body_length && used + 2 <= SMTP_OUTPUT_BYTES) {
        char byte = job->body[dialogue->body_used++];

        if (byte == '.' && dialogue->is_line_begin)
            dialogue->output[used++] = '.';
        dialogue->output[used++] = byte;
        dialogue->is_line_begin = byte == '\n';
    }
    if (dialogue->body_used == job->body_length && used + 5 <= SMTP_OUTPUT_BYTES) {
        const char *end = dialogue->is_line_begin ? ".\r\n" : "\r\n.\r\n";

        memcpy(dialogue->output + used, end, strlen(end));
        used += strlen(end);
        dialogue->has_end = true;
    }
    dialogue->output_used = used;
    dialogue->output_sent = 0;
}

size_t smtp_output(struct smtp_dialogue *dialogue, const char **bytes_out)
{
    if (dialogue->step == SMTP_MESSAGE && dialogue->output_sent == dialogue->output_used &&
        !dialogue->has_end)
        write_message(dialogue);
    *bytes_out = dialogue->output + dialogue->output_sent;
    return dialogue->step == SMTP_ENDED ? 0 : dialogue->output_used - dialogue->output_sent;
}

void smtp_sent(struct smtp_dialogue *dialogue, size_t count)
{
    dialogue->output_sent += count;
    dialogue->is_message_begun = dialogue->is_message_begun || dialogue->step == SMTP_MESSAGE;
}

/* ---- in ---- */

static bool is_expected(const struct smtp_dialogue *dialogue)
{
    if (dialogue->step == SMTP_DATA)
        return dialogue->code == 354;
    return dialogue->code >= 200 && dialogue->code < 300;
}

/* A whole reply. */
static void take_reply(struct smtp_dialogue *dialogue)
{
    bool expected = is_expected(dialogue);
    /* A reply to the message before its end is none to it. */
    bool is_early = dialogue->output_sent < dialogue->output_used ||
                    (dialogue->step == SMTP_MESSAGE && !dialogue->has_end);

    if (!expected || is_early || dialogue->step == SMTP_MESSAGE) {
        dialogue->is_in_step = !is_early && dialogue->step != SMTP_RSET && dialogue->code != 421 &&
                               (expected || dialogue->code >= 400);
        /* What the server made of a part of a message says nothing about the message. */
        if (is_early && expected)
            dialogue->code = 0;
        dialogue->ended_in = dialogue->step;
        dialogue->step = SMTP_ENDED;
        return;
    }
    dialogue->step++;
    write_command(dialogue);
}

static bool take_line_end(struct smtp_dialogue *dialogue)
{
    if (dialogue->column < 3 || dialogue->line_code < 200 || dialogue->line_code > 599)
        return false;
    if (!dialogue->is_continued) {
        dialogue->code = dialogue->line_code;
        dialogue->reply_bytes = 0;
        take_reply(dialogue);
    }
    dialogue->column = 0;
    dialogue->line_code = 0;
    dialogue->is_continued = false;
    return true;
}

static bool take_byte(struct smtp_dialogue *dialogue, char byte)
{
    if (byte == '\n')
        return take_line_end(dialogue);
    if (dialogue->column < 3) {
        if (byte < '0' || byte > '9')
            return false;
        dialogue->line_code = dialogue->line_code * 10 + (unsigned)(byte - '0');
    } else if (dialogue->column == 3) {
        dialogue->is_continued = byte == '-';
    }
    dialogue->column++;
    return ++dialogue->reply_bytes <= SMTP_REPLY_MAX;
}

bool smtp_input(struct smtp_dialogue *dialogue, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        /* More than was asked for: whatever it is, it is not to be taken for the next reply. */
        if (dialogue->step == SMTP_ENDED) {
            dialogue->is_in_step = false;
            return true;
        }
        if (!take_byte(dialogue, bytes[i])) {
            dialogue->code = 0;
            dialogue->is_in_step = false;
            dialogue->step = SMTP_ENDED;
            return false;
        }
    }
    return true;
}

/* ---- begin ---- */

void smtp_begin(struct smtp_dialogue *dialogue, const struct outbound_job *job,
                struct smtp_server server, bool resets)
{
    memset(dialogue, 0, offsetof(struct smtp_dialogue, output));
    dialogue->job = job;
    dialogue->server = server;
    dialogue->step = resets ? SMTP_RSET : SMTP_MAIL;
    dialogue->is_line_begin = true;
    write_command(dialogue);
}

static bool line_offers(const char *line, size_t length, const char *word)
{
    size_t word_length = strlen(word);

    return length >= 4 + word_length && strncasecmp(line + 4, word, word_length) == 0 &&
           (length == 4 + word_length || strchr(" \r\n", line[4 + word_length]) != NULL);
}

void smtp_server_line(struct smtp_server *server, const char *line, size_t length)
{
    if (length < 4 || memcmp(line, "250", 3) != 0)
        return;
    server->has_size = server->has_size || line_offers(line, length, "SIZE");
    server->has_utf8 = server->has_utf8 || line_offers(line, length, "SMTPUTF8");
}
