/* SPDX-License-Identifier: Apache-2.0 */
/* What handlers take from a request: its JSON body, path parameters, query parameters. Functions
 * that return false have answered: the exchange is over. Within the handler only. */
#ifndef STAMPEDE_API_REQUEST_H
#define STAMPEDE_API_REQUEST_H

#include "api/api_shard.h"
#include "api/problems.h"
#include "api/validate.h"

/* Parses the body into the shard's memory: an object, or false. For BODY_JSON_OR_EMPTY nothing at
 * all is NULL in `object_out`. Valid until the handler returns. */
bool request_object(struct api_call *call, const struct json_value **object_out);

/* Parses a body that must be `{}` or absent; false if it is anything else. */
bool request_empty_object(struct api_call *call);

/* The SKU of the path, in the directory; otherwise false, after 404. */
bool request_path_sku(struct api_call *call, struct sku_entry **entry_out);

/* The {id} of the path as given, for IDs of at most ID_TEXT_LENGTH_MAX; otherwise false, after 404.
 */
enum { ID_TEXT_LENGTH_MAX = 64 };
bool request_path_id(struct api_call *call, char text_out[ID_TEXT_LENGTH_MAX + 1],
                     size_t *length_out);

enum { QUERY_NAMES_MAX = 10 };

/* Notes an error for each query parameter that is not among `names` (which ends with NULL), and for
 * each that comes again, but for `repeatable` (one of them, or NULL). */
void request_check_query(struct api_call *call, struct validation *validation,
                         const char *const names[], const char *repeatable);

/* `limit`: 1 to LIST_PAGE_MAX; notes an error for anything else. */
uint32_t request_limit(struct api_call *call, struct validation *validation);

enum { CURSOR_LENGTH_MAX = 64 };

/* `cursor` as text; length 0 where there is none. Notes an error if it cannot be one. */
size_t request_cursor(struct api_call *call, struct validation *validation,
                      char text_out[CURSOR_LENGTH_MAX + 1]);
void request_cursor_invalid(struct validation *validation);

#endif
