/* SPDX-License-Identifier: Apache-2.0 */
/* One mail's dialogue with a mail server that has been greeted and logged in to (RFC 5321, 3.3):
 * MAIL, RCPT, DATA, the message, its reply. Bytes in and out, no I/O, no waiting: libcurl's own
 * dialogue waits for the message's reply, and for that to QUIT, without giving the thread back.
 *
 *   RSET -> MAIL -> RCPT -> DATA -> MESSAGE -> (its reply) -> ended
 *                    any other reply than the expected one -> ended
 */
#ifndef STAMPEDE_OUTBOUND_SMTP_H
#define STAMPEDE_OUTBOUND_SMTP_H

#include "ports.h"

enum { SMTP_OUTPUT_BYTES = 8192, SMTP_REPLY_MAX = 64 << 10 };

enum smtp_step { SMTP_RSET, SMTP_MAIL, SMTP_RCPT, SMTP_DATA, SMTP_MESSAGE, SMTP_ENDED };

/* What the server offers, as far as it matters here. */
struct smtp_server {
    bool has_size;
    bool has_utf8;
};

struct smtp_dialogue {
    const struct outbound_job *job;
    struct smtp_server server;
    enum smtp_step step;
    enum smtp_step ended_in; /* what the reply was to that ended it */
    unsigned code;           /* of the last whole reply */
    bool is_in_step;         /* the connection can serve the next mail, after RSET */
    bool is_message_begun;   /* the server may have seen a byte of it */
    /* Reading a reply. */
    size_t reply_bytes;
    size_t column;
    unsigned line_code;
    bool is_continued;
    /* Writing. */
    size_t body_used;
    bool is_line_begin;
    bool has_end;
    size_t output_used;
    size_t output_sent;
    char output[SMTP_OUTPUT_BYTES];
};

/* Begins with RSET where the connection has served another mail. */
void smtp_begin(struct smtp_dialogue *dialogue, const struct outbound_job *job,
                struct smtp_server server, bool resets);

/* Bytes to send now; `smtp_sent` tells how many were. */
size_t smtp_output(struct smtp_dialogue *dialogue, const char **bytes_out);
void smtp_sent(struct smtp_dialogue *dialogue, size_t count);

/* Takes what the server sent. False if it speaks no SMTP; the dialogue has ended then. */
bool smtp_input(struct smtp_dialogue *dialogue, const char *bytes, size_t length);

/* A line of the server's answer to EHLO. */
void smtp_server_line(struct smtp_server *server, const char *line, size_t length);

#endif
