/* SPDX-License-Identifier: Apache-2.0 */
/* Requests by HTTP: what may be sent, set-up, and what came of it. */
#include <string.h>
#include <strings.h>

#include "outbound/outbound_transfer.h"

enum {
    ANSWER_HEADERS_MAX = 64 << 10, /* bytes */
    RETRY_AFTER_S_MAX = 24 * 3600,
};

const char *request_refusal(const struct outbound_job *job)
{
    if (strlen(job->url) > OUTBOUND_URL_MAX || has_control(job->url) ||
        strchr(job->url, ' ') != NULL)
        return "invalid_url";
    if (job->header_count > OUTBOUND_HEADERS_MAX)
        return "too_many_headers";
    for (uint32_t i = 0; i < job->header_count; i++) {
        const char *line = job->headers[i];

        /* libcurl would take "Name:" as an order to leave it out, "Name;" as an empty one. */
        if (strlen(line) > OUTBOUND_HEADER_MAX || has_control(line) ||
            strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") !=
                strcspn(line, ":") ||
            strchr(line, ':') == NULL || line[0] == ':')
            return "invalid_header";
    }
    if (job->answer_max > OUTBOUND_ANSWER_MAX)
        return "answer_too_large";
    return job->body_length > OUTBOUND_BODY_MAX ? "body_too_large" : NULL;
}

/* ---- set-up ---- */

static size_t on_answer(char *bytes, size_t size, size_t count, void *argument)
{
    struct slot *slot = argument;
    struct outbound_job *job = slot->job;
    size_t length = size * count;

    if (length > job->answer_max - job->answer_length) {
        slot->answer_too_large = true;
        return 0;
    }
    memcpy(job->answer + job->answer_length, bytes, length);
    job->answer_length += length;
    return length;
}

static size_t on_answer_header(char *bytes, size_t size, size_t count, void *argument)
{
    struct slot *slot = argument;

    (void)bytes;
    slot->header_bytes += size * count;
    if (slot->header_bytes <= ANSWER_HEADERS_MAX)
        return size * count;
    slot->answer_too_large = true;
    return 0;
}

static bool add_line(struct slot *slot, const char *line)
{
    struct curl_slist *longer = curl_slist_append(slot->lines, line);

    if (longer != NULL)
        slot->lines = longer;
    return longer != NULL;
}

static const char *method_name(enum outbound_method method)
{
    switch (method) {
    case OUTBOUND_GET:
        return "GET";
    case OUTBOUND_POST:
        return "POST";
    case OUTBOUND_PUT:
        return "PUT";
    case OUTBOUND_PATCH:
        return "PATCH";
    case OUTBOUND_DELETE:
        break;
    }
    return "DELETE";
}

bool request_set_up(struct slot *slot)
{
    const struct outbound_job *job = slot->job;

    bool has_type = false;

    for (uint32_t i = 0; i < job->header_count; i++) {
        has_type = has_type || strncasecmp(job->headers[i], "Content-Type:", 13) == 0;
        if (!add_line(slot, job->headers[i]))
            return false;
    }
    if (!has_type && !add_line(slot, "Content-Type:")) /* libcurl would say that it is a form */
        return false;
    if ((job->body_length > 0 || job->method != OUTBOUND_GET) && job->method != OUTBOUND_DELETE &&
        !(SET(slot, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)job->body_length) &&
          SET(slot, CURLOPT_POSTFIELDS, job->body_length == 0 ? "" : job->body)))
        return false;
    /* No wait for "100 Continue". */
    return SET(slot, CURLOPT_WRITEFUNCTION, on_answer) &&
           SET(slot, CURLOPT_WRITEDATA, (void *)slot) &&
           SET(slot, CURLOPT_HEADERFUNCTION, on_answer_header) &&
           SET(slot, CURLOPT_HEADERDATA, (void *)slot) && add_line(slot, "Expect:") &&
           SET(slot, CURLOPT_HTTPHEADER, slot->lines) &&
           SET(slot, CURLOPT_CUSTOMREQUEST, method_name(job->method)) &&
           SET(slot, CURLOPT_PROTOCOLS_STR, "http,https") && SET(slot, CURLOPT_URL, job->url) &&
           SET(slot, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
           SET(slot, CURLOPT_USERAGENT, "Stampede/" STAMPEDE_VERSION);
}

/* ---- results ---- */

void request_finish(struct slot *slot, CURLcode code)
{
    struct outbound_job *job = slot->job;
    curl_off_t before_request_us = 0;
    curl_off_t retry_after_s = 0;
    long status = 0;

    curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(slot->easy, CURLINFO_PRETRANSFER_TIME_T, &before_request_us);
    curl_easy_getinfo(slot->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    job->status = (uint32_t)status;
    job->reached = status != 0 || before_request_us > 0;
    if (retry_after_s > RETRY_AFTER_S_MAX)
        retry_after_s = RETRY_AFTER_S_MAX;
    job->retry_after_s = retry_after_s > 0 ? (uint32_t)retry_after_s : 0;
    if (code == CURLE_OK || (slot->answer_too_large && job->answer_max == 0 &&
                             slot->header_bytes <= ANSWER_HEADERS_MAX))
        job_set_result(job, OUTBOUND_DELIVERED, "answered");
    else if (slot->answer_too_large)
        job_set_result(job, OUTBOUND_REFUSED, "answer_too_large");
    else if (slot->met_private && !slot->opened)
        job_set_result(job, OUTBOUND_REFUSED, "private_address");
    else if (!job->reached && (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL ||
                               code == CURLE_LOGIN_DENIED))
        job_set_result(job, OUTBOUND_REFUSED, "invalid_url");
    else if (job->reached &&
             (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY))
        job_set_result(job, OUTBOUND_LATER,
                       "answer_unreadable"); /* no HTTP, or one of before 1.0 */
    else
        job_set_result(job, OUTBOUND_LATER, network_reason(code));
    slot_end(slot);
}
