/* SPDX-License-Identifier: Apache-2.0 */
/* Imports under way on a shard. Private to net/api. */
#ifndef STAMPEDE_API_IMPORT_H
#define STAMPEDE_API_IMPORT_H

#include "api/api_shard.h"

/* Goes on with imports that were refused for a moment. Each turn. */
void imports_resume(struct api_shard *shard);

#endif
