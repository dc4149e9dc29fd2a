/* SPDX-License-Identifier: Apache-2.0 */
/* The set of transfers: slots, what all have in common, and the loop's steps. */
#include "outbound/outbound_transfer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "outbound/outbound_address.h"

enum {
    CONNECTIONS_KEPT = 64, /* to hosts that were asked */
    CONNECTION_IDLE_S = 20,
    SESSION_IDLE_MS = 20 * 1000, /* to the mail server, which would close it after minutes */
};

/* ---- what all have in common ---- */

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

static bool set_common(struct slot *slot, uint32_t timeout_ms)
{
    const struct outbound_options *options = slot->transfers->options;

    return SET(slot, CURLOPT_PRIVATE, (void *)slot) && SET(slot, CURLOPT_NOSIGNAL, 1L) &&
           SET(slot, CURLOPT_QUICK_EXIT, 1L) && SET(slot, CURLOPT_TIMEOUT_MS, (long)timeout_ms) &&
           SET(slot, CURLOPT_CONNECTTIMEOUT_MS, (long)options->connect_timeout_ms) &&
           SET(slot, CURLOPT_PROXY, "") && SET(slot, CURLOPT_FOLLOWLOCATION, 0L) &&
           SET(slot, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L) &&
           SET(slot, CURLOPT_NETRC, CURL_NETRC_IGNORED) && SET(slot, CURLOPT_SSL_VERIFYPEER, 1L) &&
           SET(slot, CURLOPT_SSL_VERIFYHOST, 2L) &&
           SET(slot, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
           (options->ca_file[0] == 0 ||
            (SET(slot, CURLOPT_CAINFO, options->ca_file) && SET(slot, CURLOPT_CAPATH, NULL))) &&
           SET(slot, CURLOPT_MAXAGE_CONN, (long)CONNECTION_IDLE_S) &&
           SET(slot, CURLOPT_OPENSOCKETFUNCTION, on_socket_wanted) &&
           SET(slot, CURLOPT_OPENSOCKETDATA, (void *)slot);
}

bool has_control(const char *text)
{
    for (; *text != 0; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    }
    return false;
}

void job_set_result(struct outbound_job *job, enum outbound_result result, const char *reason)
{
    job->result = result;
    job->reason = reason;
}

const char *network_reason(CURLcode code)
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

/* ---- slots ---- */

/* Takes a slot out of the list that it is in. */
static void unlink_slot(struct slot **list, struct slot *slot)
{
    while (*list != slot)
        list = &(*list)->next;
    *list = slot->next;
}

static void push_slot(struct slot **list, struct slot *slot)
{
    slot->next = *list;
    *list = slot;
}

void slot_end(struct slot *slot)
{
    unlink_slot(&slot->transfers->active, slot);
    push_slot(&slot->transfers->ended, slot);
}

/* Of a slot that is in no list. Removing it ends its connection at once, if it was a mail's. */
static void free_slot(struct slot *slot)
{
    curl_multi_remove_handle(slot->transfers->multi, slot->easy);
    curl_easy_reset(slot->easy);
    curl_slist_free_all(slot->lines);
    slot->lines = NULL;
    slot->job = NULL;
    push_slot(&slot->transfers->free_slots, slot);
}

static void close_session(struct slot *slot)
{
    unlink_slot(&slot->transfers->idle, slot);
    mail_quit(slot);
    free_slot(slot);
}

/* Those that were idle for too long, or all. */
static void close_sessions(struct transfers *transfers, int64_t before_ms)
{
    struct slot *slot = transfers->idle;

    while (slot != NULL) {
        struct slot *next = slot->next;

        if (slot->idle_since_ms < before_ms)
            close_session(slot);
        slot = next;
    }
}

static struct slot *take_slot(struct transfers *transfers, bool is_mail)
{
    struct slot **list =
        is_mail && transfers->idle != NULL ? &transfers->idle : &transfers->free_slots;
    struct slot *slot = *list;
    bool is_reused = list == &transfers->idle;

    assert(slot != NULL);
    *list = slot->next;
    *slot = (struct slot){
        .transfers = transfers, .easy = slot->easy, .is_reused = is_reused, .server = slot->server};
    if (!is_reused)
        slot->server = (struct smtp_server){0};
    push_slot(&transfers->active, slot);
    return slot;
}

/* ---- the loop's steps ---- */

bool transfers_begin(struct transfers *transfers, struct outbound_job *job, uint32_t timeout_ms,
                     void *tag)
{
    bool is_mail = job->kind == OUTBOUND_MAIL;
    const char *refusal = is_mail ? mail_refusal(job) : request_refusal(job);
    int64_t now = outbound_now_ms();
    struct slot *slot;

    if (refusal != NULL) {
        job_set_result(job, OUTBOUND_REFUSED, refusal);
        return false;
    }
    assert(tag != NULL && timeout_ms > 0);
    slot = take_slot(transfers, is_mail);
    slot->job = job;
    slot->tag = tag;
    slot->deadline_ms = now + timeout_ms;
    if (slot->is_reused && mail_set_up(slot))
        return true;
    if (set_common(slot, timeout_ms) && (is_mail ? mail_set_up(slot) : request_set_up(slot)) &&
        curl_multi_add_handle(transfers->multi, slot->easy) == CURLM_OK)
        return true;
    job_set_result(job, OUTBOUND_LATER, "no_memory");
    unlink_slot(&transfers->active, slot);
    free_slot(slot);
    return false;
}

static void take_messages(struct transfers *transfers)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(transfers->multi, &left)) != NULL) {
        struct slot *slot = NULL;
        CURLcode code = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&slot);
        if (slot->job->kind == OUTBOUND_MAIL)
            mail_connected(slot, code);
        else
            request_finish(slot, code);
    }
}

bool transfers_run(struct transfers *transfers)
{
    int64_t now = outbound_now_ms();
    bool goes_on = false;
    int running;

    curl_multi_perform(transfers->multi, &running);
    take_messages(transfers);
    close_sessions(transfers, now - SESSION_IDLE_MS);
    for (struct slot *slot = transfers->active; slot != NULL;) {
        struct slot *next = slot->next;

        if (slot->is_talking)
            goes_on = mail_run(slot, now) || goes_on;
        slot = next;
    }
    return goes_on;
}

void transfers_wait(struct transfers *transfers, uint32_t timeout_ms)
{
    int64_t now = outbound_now_ms();
    int64_t wait = timeout_ms;
    unsigned count = 0;

    for (struct slot *slot = transfers->active; slot != NULL; slot = slot->next) {
        if (!slot->is_talking)
            continue;
        count += mail_socket(slot, &transfers->sockets[count]);
        if (slot->deadline_ms - now < wait)
            wait = slot->deadline_ms - now;
    }
    curl_multi_poll(transfers->multi, transfers->sockets, count, wait < 0 ? 0 : (int)wait, NULL);
}

void transfers_wake_up(struct transfers *transfers)
{
    curl_multi_wakeup(transfers->multi);
}

void *transfers_take_ended(struct transfers *transfers)
{
    struct slot *slot = transfers->ended;
    void *tag;

    if (slot == NULL)
        return NULL;
    tag = slot->tag;
    transfers->ended = slot->next;
    if (slot->is_kept) {
        slot->job = NULL;
        slot->idle_since_ms = outbound_now_ms();
        push_slot(&transfers->idle, slot);
    } else {
        free_slot(slot);
    }
    return tag;
}

void *transfers_abort(struct transfers *transfers)
{
    struct slot *slot = transfers->active;

    if (slot == NULL)
        return transfers_take_ended(transfers);
    if (slot->job->kind == OUTBOUND_MAIL) {
        mail_give_up(slot, "stopping");
        slot_end(slot);
    } else {
        /* Whether it was seen is told as of one that was cut here and now. */
        request_finish(slot, CURLE_OPERATION_TIMEDOUT);
        job_set_result(slot->job, OUTBOUND_LATER, "stopping");
    }
    return transfers_take_ended(transfers);
}

/* ---- begin and end ---- */

struct transfers *transfers_create(const struct outbound_options *options)
{
    struct transfers *transfers;
    uint32_t slots;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return NULL;
    transfers = calloc(1, sizeof(*transfers));
    if (transfers == NULL)
        goto clean_up;
    transfers->options = options;
    transfers->multi = curl_multi_init();
    /* Those under way, and a session for each mail that may be under way at once. */
    slots = options->transfers_max + options->host_transfers_max +
            (options->gateway_url[0] != 0 ? options->gateway_transfers_max : 0);
    transfers->slots = calloc(slots, sizeof(*transfers->slots));
    transfers->sockets = calloc(slots, sizeof(*transfers->sockets));
    if (transfers->multi == NULL || transfers->slots == NULL || transfers->sockets == NULL)
        goto destroy_transfers;
    curl_multi_setopt(transfers->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
    curl_multi_setopt(transfers->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    for (uint32_t i = 0; i < slots; i++) {
        struct slot *slot = &transfers->slots[i];

        slot->transfers = transfers;
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
    assert(transfers->active == NULL && transfers->ended == NULL);
    close_sessions(transfers, INT64_MAX);
    for (struct slot *slot = transfers->free_slots; slot != NULL; slot = slot->next)
        curl_easy_cleanup(slot->easy);
    if (transfers->multi != NULL)
        curl_multi_cleanup(transfers->multi);
    free(transfers->sockets);
    free(transfers->slots);
    free(transfers);
    curl_global_cleanup();
}
