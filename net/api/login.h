/* SPDX-License-Identifier: Apache-2.0 */
/* Logging in, step by step (actors/account.h):
 *
 *   find the address -> the account -> the password, on a worker -> the second factor
 *   -> enter: the guest ends -> its holds are adopted on every shard -> its cart is merged, then
 *   dropped -> the session is opened
 *   -> the session that the caller had before ends -> answered
 *
 * Each step is durable before the next, and all may be repeated: whoever loses the answer logs in
 * again. Where there is no such account, the same work is done for nothing. Private to net/api. */
#ifndef STAMPEDE_API_LOGIN_H
#define STAMPEDE_API_LOGIN_H

#include "api/flow.h"

/* From the proof on: the flow's answer is the account as it was when it was proven (its
 * `credentials`), with `second_factor`. Answers 200 (a registration: 201) and ends the flow. */
void login_enter(struct flow *flow);

/* Notes what the caller had before: a guest's session that becomes the account's, or an account's
 * that ends. Within the handler. */
void login_note_caller(struct api_call *call, struct flow *flow);

/* Compares flow->password with the hash of flow->answer on a worker; then `next`, with is_right.
 * Takes as long where there is none. */
void login_verify_password(struct flow *flow, flow_step next);

/* The account, and flow->password verified by it: then `next` with OK, `answer` and `key`;
 * otherwise the flow has ended. For what a session alone may not do. */
void login_reauthenticate(struct flow *flow, flow_step next);

/* Hashes flow->new_password on a worker; then `next`; OK: new_hash. */
void login_hash_password(struct flow *flow, flow_step next);

/* Puts new_hash into an envelope. */
void login_put_hash(const struct flow *flow, struct account_envelope *envelope);

/* Checks flow->code against the answer's second factor; then `next`, with is_right; the code is
 * used up. */
void login_use_code(struct flow *flow, flow_step next);

#endif
