/* SPDX-License-Identifier: Apache-2.0 */
/* What commands that call a running server share: its admin key, and what it refuses. */
#ifndef STAMPEDE_SERVER_CALL_H
#define STAMPEDE_SERVER_CALL_H

#include "options.h"
#include "secrets_file.h"
#include "upload.h"

/* Reads the key that the options name. False after having complained. */
bool server_key_read(const struct options *options, char key_out[ADMIN_KEY_LENGTH_MAX + 1]);

/* Complains of an answer that is no 200: a problem document (RFC 9457), or whatever else came.
 * `what` was to be done. Returns the exit status. */
int server_call_refused(const char *what, const struct upload_answer *answer);

#endif
