/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/mail_job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool render(const struct mail_settings *settings, const struct mail_order *order,
                   struct mail_rendered *rendered_out)
{
    const char *values[MAIL_VALUE_COUNT];

    memcpy(values, order->values, sizeof(values));
    values[MAIL_VALUE_shop_name] = settings->shop_name;
    values[MAIL_VALUE_public_url] = settings->public_url;
    return mail_render(settings->templates, order->kind, values, order->lists, rendered_out);
}

static void fill(struct mail_job *mail, const struct mail_settings *settings,
                 const struct mail_order *order, size_t length)
{
    snprintf(mail->name, sizeof(mail->name), "%s", order->id);
    mail_address_normalise(order->to_address, strlen(order->to_address), mail->recipient);
    mail->outbound.job = (struct outbound_job){
        .kind = OUTBOUND_MAIL,
        .timeout_ms = MAIL_TIMEOUT_MS,
        .body = mail->message,
        .body_length = length,
        .sender = settings->from_address,
        .recipient = mail->recipient,
        .name = mail->name,
    };
}

struct mail_job *mail_job_create(const struct mail_settings *settings,
                                 const struct mail_order *order)
{
    struct mail_rendered *rendered = calloc(1, sizeof(*rendered));
    struct mail_job *mail = NULL;
    struct mail_message message;
    size_t room;
    size_t length;

    if (rendered == NULL || !render(settings, order, rendered))
        goto free_rendered;
    message = (struct mail_message){
        .id = order->id,
        .wall_ms = order->wall_ms,
        .from_address = settings->from_address,
        .from_name = settings->shop_name,
        .to_address = order->to_address,
        .subject = rendered->subject,
        .text = rendered->text,
        .html = rendered->html,
    };
    room = mail_compose_bound(&message);
    mail = calloc(1, sizeof(*mail) + room);
    if (mail == NULL)
        goto free_rendered;
    mail->size = sizeof(*mail) + room;
    if (mail_compose(&message, mail->message, room, &length)) {
        fill(mail, settings, order, length);
    } else {
        mail_job_free(mail);
        mail = NULL;
    }
free_rendered:
    if (rendered != NULL)
        explicit_bzero(rendered, sizeof(*rendered));
    free(rendered);
    return mail;
}

void mail_job_free(struct mail_job *mail)
{
    explicit_bzero(mail, mail->size);
    free(mail);
}
