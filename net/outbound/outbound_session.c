/* SPDX-License-Identifier: Apache-2.0 */
/* Mails: connections to the mail server, each with one mail at a time, and what came of it. */
#include <string.h>

#include "outbound/mail.h"
#include "outbound/outbound_transfer.h"

enum { ROUNDS_MAX = 64 }; /* of sending and receiving, in one turn */

const char *mail_refusal(const struct outbound_job *job)
{
    if (!mail_address_is_valid(job->recipient, strlen(job->recipient)))
        return "invalid_recipient";
    if (job->sender[0] != 0 && !mail_address_is_valid(job->sender, strlen(job->sender)))
        return "invalid_sender";
    return job->body_length > OUTBOUND_BODY_MAX ? "body_too_large" : NULL;
}

/* ---- connections ---- */

/* The server's answers while libcurl connects, a line at a time. After STARTTLS there is another
 * EHLO, and what was said before it does not count. */
static size_t on_server_line(char *line, size_t size, size_t count, void *argument)
{
    struct slot *slot = argument;

    if (size * count >= 4 && memcmp(line, "220", 3) == 0)
        slot->server = (struct smtp_server){0};
    smtp_server_line(&slot->server, line, size * count);
    return size * count;
}

static bool connect_session(struct slot *slot)
{
    const struct outbound_options *options = slot->transfers->options;

    return SET(slot, CURLOPT_PROTOCOLS_STR, "smtp,smtps") &&
           SET(slot, CURLOPT_URL, options->smtp_url) && SET(slot, CURLOPT_CONNECT_ONLY, 1L) &&
           SET(slot, CURLOPT_USE_SSL,
               (long)(options->smtp_starttls ? CURLUSESSL_ALL : CURLUSESSL_NONE)) &&
           (options->smtp_user[0] == 0 || (SET(slot, CURLOPT_USERNAME, options->smtp_user) &&
                                           SET(slot, CURLOPT_PASSWORD, options->smtp_password))) &&
           SET(slot, CURLOPT_HEADERFUNCTION, on_server_line) &&
           SET(slot, CURLOPT_HEADERDATA, (void *)slot);
}

bool mail_set_up(struct slot *slot)
{
    if (slot->is_reused) {
        slot->is_talking = true;
        smtp_begin(&slot->dialogue, slot->job, slot->server, true);
        return true;
    }
    return connect_session(slot);
}

bool mail_socket(struct slot *slot, struct curl_waitfd *socket_out)
{
    curl_socket_t socket = CURL_SOCKET_BAD;
    const char *bytes;

    if (curl_easy_getinfo(slot->easy, CURLINFO_ACTIVESOCKET, &socket) != CURLE_OK ||
        socket == CURL_SOCKET_BAD)
        return false;
    *socket_out = (struct curl_waitfd){.fd = socket, .events = CURL_WAIT_POLLIN};
    if (smtp_output(&slot->dialogue, &bytes) > 0)
        socket_out->events |= CURL_WAIT_POLLOUT;
    return true;
}

void mail_quit(struct slot *slot)
{
    static const char quit[] = "QUIT\r\n";
    size_t sent;

    (void)curl_easy_send(slot->easy, quit, sizeof(quit) - 1, &sent);
}

/* ---- results ---- */

/* What the server says about us, not about this mail: no authentication (RFC 4954, 6). */
static bool is_about_login(unsigned code)
{
    return code == 530 || code == 534 || code == 535 || code == 538;
}

/* Connecting failed. No reply to it is about a mail: a refused greeting or log-in may pass. */
static void fail_connecting(struct slot *slot, CURLcode code)
{
    struct outbound_job *job = slot->job;
    long reply = 0;

    curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &reply);
    job->status = (uint32_t)reply;
    if (is_about_login(job->status) || code == CURLE_LOGIN_DENIED)
        job_set_result(job, OUTBOUND_LATER, "login_denied");
    else if (reply >= 400 && code != CURLE_OPERATION_TIMEDOUT)
        job_set_result(job, OUTBOUND_LATER, "deferred_by_server");
    else
        job_set_result(job, OUTBOUND_LATER, network_reason(code));
    slot_end(slot);
}

static void finish(struct slot *slot)
{
    const struct smtp_dialogue *dialogue = &slot->dialogue;
    struct outbound_job *job = slot->job;

    job->status = dialogue->code;
    job->reached = dialogue->is_message_begun;
    if (dialogue->code >= 500 && !is_about_login(dialogue->code) && dialogue->ended_in != SMTP_RSET)
        job_set_result(job, OUTBOUND_REFUSED, "refused_by_server");
    else if (is_about_login(dialogue->code))
        job_set_result(job, OUTBOUND_LATER, "login_denied");
    else if (dialogue->code >= 400)
        job_set_result(job, OUTBOUND_LATER, "deferred_by_server");
    else if (dialogue->code >= 200 && dialogue->code < 300 && dialogue->ended_in == SMTP_MESSAGE)
        job_set_result(job, OUTBOUND_DELIVERED, "delivered");
    else
        job_set_result(job, OUTBOUND_LATER, "answer_unreadable");
    slot->is_kept = dialogue->is_in_step;
    slot_end(slot);
}

void mail_give_up(struct slot *slot, const char *reason)
{
    slot->job->status = slot->is_talking ? slot->dialogue.code : 0;
    slot->job->reached = slot->is_talking && slot->dialogue.is_message_begun;
    job_set_result(slot->job, OUTBOUND_LATER, reason);
}

/* ---- the dialogue ---- */

/* The server had given up the kept connection, so the mail begins anew on another one. */
static bool connect_again(struct slot *slot, int64_t now)
{
    curl_multi_remove_handle(slot->transfers->multi, slot->easy);
    slot->is_reused = false;
    slot->is_talking = false;
    return SET(slot, CURLOPT_TIMEOUT_MS, (long)(slot->deadline_ms - now)) &&
           curl_multi_add_handle(slot->transfers->multi, slot->easy) == CURLM_OK;
}

static bool is_stale(const struct slot *slot)
{
    return slot->is_reused && !slot->dialogue.is_message_begun &&
           (slot->dialogue.step <= SMTP_MAIL ||
            (slot->dialogue.step == SMTP_ENDED && slot->dialogue.ended_in <= SMTP_MAIL &&
             (slot->dialogue.code == 421 || slot->dialogue.ended_in == SMTP_RSET)));
}

/* The connection or the dialogue came to its end. */
static void end(struct slot *slot, int64_t now)
{
    if (is_stale(slot) && connect_again(slot, now))
        return;
    if (slot->dialogue.step == SMTP_ENDED) {
        finish(slot);
        return;
    }
    mail_give_up(slot, "connection_lost");
    slot_end(slot);
}

enum progress { STUCK, MOVED, LOST };

static enum progress send_some(struct slot *slot)
{
    const char *bytes;
    size_t length = smtp_output(&slot->dialogue, &bytes);
    size_t sent = 0;
    CURLcode code;

    if (length == 0)
        return STUCK;
    code = curl_easy_send(slot->easy, bytes, length, &sent);
    if (code == CURLE_AGAIN)
        return STUCK;
    if (code != CURLE_OK)
        return LOST;
    smtp_sent(&slot->dialogue, sent);
    return sent > 0 ? MOVED : STUCK;
}

static enum progress receive_some(struct slot *slot)
{
    char bytes[4096];
    size_t length = 0;
    CURLcode code = curl_easy_recv(slot->easy, bytes, sizeof(bytes), &length);

    if (code == CURLE_AGAIN)
        return STUCK;
    if (code != CURLE_OK || length == 0)
        return LOST;
    smtp_input(&slot->dialogue, bytes, length);
    return MOVED;
}

bool mail_run(struct slot *slot, int64_t now)
{
    for (int round = 0; round < ROUNDS_MAX; round++) {
        enum progress sending = send_some(slot);
        enum progress receiving = receive_some(slot);

        if (slot->dialogue.step == SMTP_ENDED || receiving == LOST ||
            (sending == LOST && receiving == STUCK)) {
            end(slot, now);
            return false;
        }
        if (sending != MOVED && receiving != MOVED) {
            if (now >= slot->deadline_ms) {
                mail_give_up(slot, "timeout");
                slot_end(slot);
            }
            return false;
        }
    }
    return true;
}

void mail_connected(struct slot *slot, CURLcode code)
{
    if (code != CURLE_OK) {
        fail_connecting(slot, code);
        return;
    }
    slot->is_talking = true;
    smtp_begin(&slot->dialogue, slot->job, slot->server, false);
}
