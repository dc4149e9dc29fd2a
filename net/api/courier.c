/* SPDX-License-Identifier: Apache-2.0 */
#include "api/courier.h"

#include <stdlib.h>
#include <string.h>

#include "api/account_mail.h"
#include "api/order_mail.h"
#include "api/password.h"
#include "outbound/mail_job.h"
#include "outbound/outbound.h"

/* A mail at the outbound port. */
struct trip {
    struct api_shard *shard;
    struct engine_mail *mail;
    struct mail_job *job;
    bool is_order;
};

void courier_mail_name(const struct engine *engine, const struct principal *account,
                       uint64_t sequence, char name_out[MAIL_NAME_LENGTH + 1])
{
    static const char digits[] = "0123456789abcdef";
    const struct secrets_port *secrets = engine_secrets(engine);
    uint8_t bytes[sizeof(account->bytes) + 8];
    uint8_t mac[MAC_BYTES];

    memcpy(bytes, account->bytes, sizeof(account->bytes));
    for (unsigned i = 0; i < 8; i++)
        bytes[sizeof(account->bytes) + i] = (uint8_t)(sequence >> (56 - 8 * i));
    secrets->mac(secrets->self, "mail-name", bytes, sizeof(bytes), mac);
    for (unsigned i = 0; i < MAC_BYTES; i++) {
        name_out[2 * i] = digits[mac[i] >> 4];
        name_out[2 * i + 1] = digits[mac[i] & 15];
    }
    name_out[MAIL_NAME_LENGTH] = 0;
}

static enum courier_result result_of(const struct trip *trip)
{
    switch (trip->job->outbound.job.result) {
    case OUTBOUND_DELIVERED:
        return COURIER_DELIVERED;
    case OUTBOUND_REFUSED:
        return COURIER_REFUSED;
    case OUTBOUND_NO_ROUTE:
        /* Whoever has a folder and no mail server carries mails from there: an order's, of which
         * there are many, do not wait for a mail server, and none is written again. */
        if (trip->is_order)
            return trip->job->outbound.job.filed ? COURIER_DELIVERED : COURIER_LATER;
        return COURIER_NO_ROUTE;
    case OUTBOUND_LATER:
    default:
        /* Whoever stops the server has not heard the mail server's word. */
        return engine_mode(trip->shard->api->engine) == ENGINE_DRAINING ? COURIER_BUSY
                                                                        : COURIER_LATER;
    }
}

static void end_trip(struct trip *trip, enum courier_result result, const char *reason)
{
    engine_mail_done(trip->mail, result, reason);
    if (trip->job != NULL)
        mail_job_free(trip->job);
    free(trip);
}

static void on_sent(struct engine_outbound *outbound)
{
    struct trip *trip = outbound->user;
    const char *reason = outbound->job.reason;

    end_trip(trip, result_of(trip), reason == NULL ? "" : reason);
}

static struct mail_job *compose(const struct api *api, const struct engine_mail *mail,
                                const struct mail_payload *payload)
{
    enum mail_kind kind = (enum mail_kind)mail->template;
    char valid_for[MAIL_VALID_FOR_MAX];
    char name[MAIL_NAME_LENGTH + 1];
    struct mail_job *job = NULL;
    char link[MAIL_LINK_MAX];
    struct mail_order order = {
        .kind = kind,
        .id = name,
        .wall_ms = mail->created_wall_ms,
        .to_address = payload->to,
        .values = {[MAIL_VALUE_link] = link,
                   [MAIL_VALUE_valid_for] = valid_for,
                   [MAIL_VALUE_new_email] = payload->new_email,
                   [MAIL_VALUE_role] = payload->role},
    };

    courier_mail_name(api->engine, &mail->account, mail->sequence, name);
    mail_link(kind, api->options.mail->public_url, payload->token, link);
    mail_valid_for(payload->valid_for_s, valid_for);
    job = mail_job_create(api->options.mail, &order);
    password_wipe(link, sizeof(link));
    return job;
}

bool courier_has_way(const struct api *api)
{
    return api->options.outbound != NULL && api->options.mail != NULL &&
           (outbound_has_mail(api->options.outbound) || outbound_has_folder(api->options.outbound));
}

static void set_out(struct trip *trip, struct shard *engine_side)
{
    trip->job->outbound.done = on_sent;
    trip->job->outbound.user = trip;
    if (engine_outbound_submit(engine_side, &trip->job->outbound) != OUTCOME_PENDING)
        end_trip(trip, COURIER_BUSY, "too much is on its way");
}

static void take_mail(void *user, struct shard *engine_side, struct engine_mail *mail)
{
    struct api_shard *shard = user;
    const struct api *api = shard->api;
    struct mail_payload payload;
    struct trip *trip;

    if (!courier_has_way(api)) { /* nothing is opened for nothing */
        engine_mail_done(mail, COURIER_NO_ROUTE, "no mail server is configured");
        return;
    }
    if (mail->template >= MAIL_KIND_COUNT ||
        !account_mail_open(api->engine, &mail->account, mail->key, mail->sequence, mail->sealed,
                           mail->sealed_length, &payload)) {
        engine_mail_done(mail, COURIER_REFUSED, "its contents can't be opened");
        return;
    }
    trip = calloc(1, sizeof(*trip));
    if (trip == NULL) {
        engine_mail_done(mail, COURIER_BUSY, "no memory");
        password_wipe(&payload, sizeof(payload));
        return;
    }
    *trip = (struct trip){.shard = shard, .mail = mail, .job = compose(api, mail, &payload)};
    password_wipe(&payload, sizeof(payload));
    if (trip->job == NULL) {
        end_trip(trip, COURIER_LATER, "it can't be composed");
        return;
    }
    set_out(trip, engine_side);
}

static void take_order_mail(void *user, struct shard *engine_side, struct engine_mail *mail)
{
    struct api_shard *shard = user;
    const struct api *api = shard->api;
    struct trip *trip = calloc(1, sizeof(*trip));
    char name[MAIL_NAME_LENGTH + 1];
    enum courier_result result;
    const char *reason;

    if (trip == NULL) {
        engine_mail_done(mail, COURIER_BUSY, "no memory");
        return;
    }
    *trip = (struct trip){.shard = shard, .mail = mail, .is_order = true};
    courier_mail_name(api->engine, &mail->account, mail->sequence, name);
    trip->job = order_mail_compose(api, mail, name, &result, &reason);
    if (trip->job == NULL)
        end_trip(trip, result, reason);
    else
        set_out(trip, engine_side);
}

void courier_start(struct api_shard *shard)
{
    shard_set_courier(shard->shard, take_mail, shard);
    /* Where mails go nowhere, orders owe none: whoever configures a mail server one day does not
     * send those of a year. */
    if (courier_has_way(shard->api))
        shard_set_order_courier(shard->shard, take_order_mail, shard);
}
