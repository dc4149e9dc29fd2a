/* SPDX-License-Identifier: Apache-2.0 */
/* Exports of the catalogue under way on a shard. Private to net/api. */
#ifndef STAMPEDE_API_CATALOGUE_EXPORT_H
#define STAMPEDE_API_CATALOGUE_EXPORT_H

#include "api/api_shard.h"

/* Goes on with exports that were refused for a moment. Each turn. */
void catalogue_exports_resume(struct api_shard *shard);

#endif
