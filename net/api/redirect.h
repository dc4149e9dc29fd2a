/* SPDX-License-Identifier: Apache-2.0 */
/* A shard's second server: plain HTTP, where everything is sent to https. On the shard's thread. */
#ifndef STAMPEDE_API_REDIRECT_H
#define STAMPEDE_API_REDIRECT_H

#include "api/api_shard.h"

/* Starts it where one is configured. 0, or a negative uv error. */
int redirect_start(struct api_shard *shard);
void redirect_drain(struct api_shard *shard);
bool redirect_is_drained(const struct api_shard *shard);
void redirect_stop(struct api_shard *shard);

#endif
