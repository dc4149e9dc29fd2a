/* SPDX-License-Identifier: Apache-2.0 */
/* Transfers by libcurl: the only file that includes it. A slot is one transfer under way and its
 * easy handle, which is reset and used again; connections are the multi handle's, shared by all. */
#include <assert.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "outbound/mail.h"
#include "outbound/outbound_address.h"
#include "outbound/outbound_private.h"

enum {
    ANSWER_HEADERS_MAX = 64 << 10, /* bytes */
    CONNECTIONS_KEPT = 32,
    CONNECTION_IDLE_S = 20, /* mail servers close idle ones after minutes, balancers after one */
    RETRY_AFTER_S_MAX = 24 * 3600,
};

struct slot {
    struct transfers *transfers;
    CURL *easy;
    struct curl_slist *lines; /* request headers, or the recipient */
    struct outbound_job *job; /* NULL: free */
    void *tag;
    size_t sent;           /* MAIL: bytes of the body handed to libcurl */
    size_t header_bytes;   /* of the answer */
    bool answer_too_large; /* it was cut */
    bool met_private;      /* an address was not public */
    bool opened;           /* a socket, to one that was */
    struct slot *next;     /* free, or active */
};

struct transfers {
    const struct outbound_options *options;
    CURLM *multi;
    struct slot *slots;
    struct slot *free_slots;
    struct slot *active;
};

/* ---- what libcurl calls ---- */

static size_t on_body_wanted(char *buffer, size_t size, size_t count, void *argument)
{
    struct slot *slot = argument;
    size_t left = slot->job->body_length - slot->sent;
    size_t length = size * count < left ? size * count : left;

    memcpy(buffer, slot->job->body + slot->sent, length);
    slot->sent += length;
    return length;
}

static size_t on_answer(char *bytes, size_t size, size_t count, void *argument)
{
    struct slot *slot = argument;
    struct outbound_job *job = slot->job;
    size_t length = size * count;

    if (job->kind == OUTBOUND_MAIL)
        return length;
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

static curl_socket_t on_socket_wanted(void *argument, curlsocktype purpose,
                                      struct curl_sockaddr *address)
{
    struct slot *slot = argument;

    if (slot->job->kind == OUTBOUND_HTTP && !slot->transfers->options->private_allowed &&
        (purpose != CURLSOCKTYPE_IPCXN ||
         !outbound_address_is_public(&address->addr, (socklen_t)address->addrlen))) {
        slot->met_private = true;
        return CURL_SOCKET_BAD;
    }
    slot->opened = true;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* ---- set-up of a transfer ---- */

#define SET(option, value) (curl_easy_setopt(slot->easy, (option), (value)) == CURLE_OK)

static bool set_common(struct slot *slot, uint32_t timeout_ms)
{
    const struct outbound_options *options = slot->transfers->options;

    return SET(CURLOPT_PRIVATE, (void *)slot) && SET(CURLOPT_NOSIGNAL, 1L) &&
           SET(CURLOPT_QUICK_EXIT, 1L) && SET(CURLOPT_TIMEOUT_MS, (long)timeout_ms) &&
           SET(CURLOPT_CONNECTTIMEOUT_MS, (long)options->connect_timeout_ms) &&
           SET(CURLOPT_PROXY, "") && SET(CURLOPT_FOLLOWLOCATION, 0L) &&
           SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L) && SET(CURLOPT_NETRC, CURL_NETRC_IGNORED) &&
           SET(CURLOPT_SSL_VERIFYPEER, 1L) && SET(CURLOPT_SSL_VERIFYHOST, 2L) &&
           SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
           (options->ca_file[0] == 0 ||
            (SET(CURLOPT_CAINFO, options->ca_file) && SET(CURLOPT_CAPATH, NULL))) &&
           SET(CURLOPT_MAXAGE_CONN, (long)CONNECTION_IDLE_S) &&
           SET(CURLOPT_OPENSOCKETFUNCTION, on_socket_wanted) &&
           SET(CURLOPT_OPENSOCKETDATA, (void *)slot) && SET(CURLOPT_WRITEFUNCTION, on_answer) &&
           SET(CURLOPT_WRITEDATA, (void *)slot) && SET(CURLOPT_HEADERFUNCTION, on_answer_header) &&
           SET(CURLOPT_HEADERDATA, (void *)slot);
}

static bool add_line(struct slot *slot, const char *line)
{
    struct curl_slist *longer = curl_slist_append(slot->lines, line);

    if (longer != NULL)
        slot->lines = longer;
    return longer != NULL;
}

static bool set_mail(struct slot *slot)
{
    const struct outbound_options *options = slot->transfers->options;
    const struct outbound_job *job = slot->job;

    return SET(CURLOPT_PROTOCOLS_STR, "smtp,smtps") && SET(CURLOPT_URL, options->smtp_url) &&
           SET(CURLOPT_USE_SSL,
               (long)(options->smtp_starttls ? CURLUSESSL_ALL : CURLUSESSL_NONE)) &&
           (options->smtp_user[0] == 0 || (SET(CURLOPT_USERNAME, options->smtp_user) &&
                                           SET(CURLOPT_PASSWORD, options->smtp_password))) &&
           SET(CURLOPT_MAIL_FROM, job->sender) && add_line(slot, job->recipient) &&
           SET(CURLOPT_MAIL_RCPT, slot->lines) && SET(CURLOPT_UPLOAD, 1L) &&
           SET(CURLOPT_READFUNCTION, on_body_wanted) && SET(CURLOPT_READDATA, (void *)slot) &&
           SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)job->body_length);
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

static bool set_request(struct slot *slot)
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
        !(SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)job->body_length) &&
          SET(CURLOPT_POSTFIELDS, job->body_length == 0 ? "" : job->body)))
        return false;
    /* No wait for "100 Continue". */
    return add_line(slot, "Expect:") && SET(CURLOPT_HTTPHEADER, slot->lines) &&
           SET(CURLOPT_CUSTOMREQUEST, method_name(job->method)) &&
           SET(CURLOPT_PROTOCOLS_STR, "http,https") && SET(CURLOPT_URL, job->url) &&
           SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
           SET(CURLOPT_USERAGENT, "Stampede/" STAMPEDE_VERSION);
}

/* ---- what may be sent at all ---- */

static bool has_control(const char *text)
{
    for (; *text != 0; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    }
    return false;
}

/* NULL, or why this job can never be sent. */
static const char *refuse_mail(const struct outbound_job *job)
{
    if (!mail_address_is_valid(job->recipient, strlen(job->recipient)))
        return "invalid_recipient";
    if (job->sender[0] != 0 && !mail_address_is_valid(job->sender, strlen(job->sender)))
        return "invalid_sender";
    return job->body_length > OUTBOUND_BODY_MAX ? "body_too_large" : NULL;
}

static const char *refuse_request(const struct outbound_job *job)
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

/* ---- results ---- */

static void set_result(struct outbound_job *job, enum outbound_result result, const char *reason)
{
    job->result = result;
    job->reason = reason;
}

static const char *network_reason(CURLcode code)
{
    switch ((int)code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return "name_not_found";
    case CURLE_COULDNT_CONNECT:
        return "no_connection";
    case CURLE_OPERATION_TIMEDOUT:
        return "timeout";
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_USE_SSL_FAILED:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_PEER_FAILED_VERIFICATION:
        return "tls_failed";
    case CURLE_LOGIN_DENIED:
        return "login_denied";
    case CURLE_OUT_OF_MEMORY:
        return "no_memory";
    default:
        return "connection_lost";
    }
}

/* What the server says about us or about its own state, not about this mail: no authentication
 * (530, 534, 535, 538: RFC 4954, 6). */
static bool is_about_login(long reply)
{
    return reply == 530 || reply == 534 || reply == 535 || reply == 538;
}

/* A mail is refused for good by a 5xx to its sender, its recipient, DATA (libcurl: SEND_ERROR), or
 * to the message once it was sent whole (WEIRD_SERVER_REPLY); a 5xx greeting is the latter without
 * a byte sent, and may pass. */
static void set_mail_result(struct slot *slot, CURLcode code)
{
    struct outbound_job *job = slot->job;
    long reply = 0;

    curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &reply);
    job->status = (uint32_t)reply;
    job->reached = slot->sent > 0;
    if (code == CURLE_OK) {
        job->reached = true;
        set_result(job, OUTBOUND_DELIVERED, "delivered");
    } else if ((code == CURLE_SEND_ERROR ||
                (code == CURLE_WEIRD_SERVER_REPLY && slot->sent == job->body_length)) &&
               reply >= 500 && reply < 600 && !is_about_login(reply)) {
        set_result(job, OUTBOUND_REFUSED, "refused_by_server");
    } else if (code != CURLE_OPERATION_TIMEDOUT && reply >= 400 && reply < 500) {
        set_result(job, OUTBOUND_LATER, "deferred_by_server");
    } else if (is_about_login(reply)) {
        set_result(job, OUTBOUND_LATER, "login_denied");
    } else {
        set_result(job, OUTBOUND_LATER, network_reason(code));
    }
}

static void set_request_result(struct slot *slot, CURLcode code)
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
        set_result(job, OUTBOUND_DELIVERED, "answered");
    else if (slot->answer_too_large)
        set_result(job, OUTBOUND_REFUSED, "answer_too_large");
    else if (slot->met_private && !slot->opened)
        set_result(job, OUTBOUND_REFUSED, "private_address");
    else if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL ||
             code == CURLE_LOGIN_DENIED)
        set_result(job, OUTBOUND_REFUSED, "invalid_url");
    else
        set_result(job, OUTBOUND_LATER, network_reason(code));
}

/* ---- the set ---- */

static void slot_release(struct slot *slot)
{
    struct slot **link = &slot->transfers->active;

    while (*link != slot)
        link = &(*link)->next;
    *link = slot->next;
    curl_easy_reset(slot->easy);
    curl_slist_free_all(slot->lines);
    slot->lines = NULL;
    slot->job = NULL;
    slot->next = slot->transfers->free_slots;
    slot->transfers->free_slots = slot;
}

bool transfers_begin(struct transfers *transfers, struct outbound_job *job, uint32_t timeout_ms,
                     void *tag)
{
    bool is_mail = job->kind == OUTBOUND_MAIL;
    const char *refusal = is_mail ? refuse_mail(job) : refuse_request(job);
    struct slot *slot = transfers->free_slots;

    if (refusal != NULL) {
        set_result(job, OUTBOUND_REFUSED, refusal);
        return false;
    }
    assert(slot != NULL && tag != NULL && timeout_ms > 0);
    transfers->free_slots = slot->next;
    *slot = (struct slot){.transfers = transfers,
                          .easy = slot->easy,
                          .job = job,
                          .tag = tag,
                          .next = transfers->active};
    transfers->active = slot;
    if (set_common(slot, timeout_ms) && (is_mail ? set_mail(slot) : set_request(slot)) &&
        curl_multi_add_handle(transfers->multi, slot->easy) == CURLM_OK)
        return true;
    set_result(job, OUTBOUND_LATER, "no_memory");
    slot_release(slot);
    return false;
}

void transfers_run(struct transfers *transfers)
{
    int running;

    curl_multi_perform(transfers->multi, &running);
}

void transfers_wait(struct transfers *transfers, uint32_t timeout_ms)
{
    curl_multi_poll(transfers->multi, NULL, 0, (int)timeout_ms, NULL);
}

void transfers_wake_up(struct transfers *transfers)
{
    curl_multi_wakeup(transfers->multi);
}

void *transfers_take_ended(struct transfers *transfers)
{
    int left;
    CURLMsg *message;

    while ((message = curl_multi_info_read(transfers->multi, &left)) != NULL) {
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result;
        struct slot *slot = NULL;
        void *tag;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&slot);
        curl_multi_remove_handle(transfers->multi, easy);
        if (slot->job->kind == OUTBOUND_MAIL)
            set_mail_result(slot, code);
        else
            set_request_result(slot, code);
        tag = slot->tag;
        slot_release(slot);
        return tag;
    }
    return NULL;
}

void *transfers_abort(struct transfers *transfers)
{
    struct slot *slot = transfers->active;
    void *tag;

    if (slot == NULL)
        return NULL;
    /* As a transfer that was cut here and now: whether it was seen is told as for any other. */
    if (slot->job->kind == OUTBOUND_MAIL)
        set_mail_result(slot, CURLE_OPERATION_TIMEDOUT);
    else
        set_request_result(slot, CURLE_OPERATION_TIMEDOUT);
    set_result(slot->job, OUTBOUND_LATER, "stopping");
    curl_multi_remove_handle(transfers->multi, slot->easy);
    tag = slot->tag;
    slot_release(slot);
    return tag;
}

struct transfers *transfers_create(const struct outbound_options *options)
{
    struct transfers *transfers;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return NULL;
    transfers = calloc(1, sizeof(*transfers));
    if (transfers == NULL)
        goto clean_up;
    transfers->options = options;
    transfers->multi = curl_multi_init();
    transfers->slots = calloc(options->transfers_max, sizeof(*transfers->slots));
    if (transfers->multi == NULL || transfers->slots == NULL)
        goto destroy_transfers;
    curl_multi_setopt(transfers->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
    curl_multi_setopt(transfers->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    for (uint32_t i = 0; i < options->transfers_max; i++) {
        struct slot *slot = &transfers->slots[i];

        slot->easy = curl_easy_init();
        if (slot->easy == NULL)
            goto destroy_transfers;
        slot->next = transfers->free_slots;
        transfers->free_slots = slot;
    }
    return transfers;
destroy_transfers:
    transfers_destroy(transfers);
    return NULL;
clean_up:
    curl_global_cleanup();
    return NULL;
}

void transfers_destroy(struct transfers *transfers)
{
    assert(transfers->active == NULL);
    for (struct slot *slot = transfers->free_slots; slot != NULL; slot = slot->next)
        curl_easy_cleanup(slot->easy);
    if (transfers->multi != NULL)
        curl_multi_cleanup(transfers->multi);
    free(transfers->slots);
    free(transfers);
    curl_global_cleanup();
}
