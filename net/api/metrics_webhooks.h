/* SPDX-License-Identifier: Apache-2.0 */
/* Webhooks' part of /metrics: attempts at our own by outcome, and lags in both directions. Private
 * to net/api. */
#ifndef STAMPEDE_API_METRICS_WEBHOOKS_H
#define STAMPEDE_API_METRICS_WEBHOOKS_H

#include "api/api_shard.h"

void metrics_write_webhooks(struct writer *writer, const struct api *api);

#endif
