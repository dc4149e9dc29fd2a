/* SPDX-License-Identifier: Apache-2.0 */
/* How often a password may be tried and a mail be asked for, beyond the rates of routes: by
 * account, by address, and by the address' network (/24 of IPv4, /48 of IPv6), before a password is
 * hashed. Like those rates, a shard counts by itself, and --rate-limits off turns it off. Private
 * to net/api. */
#ifndef STAMPEDE_API_THROTTLE_H
#define STAMPEDE_API_THROTTLE_H

#include "api/api_shard.h"

/* Each takes one try; false: refused with 429, and nothing more was said about the account. */

/* Of a login. The account's name is its address' index, whether there is such an account or not. */
bool throttle_login(struct api_call *call, const uint8_t index[EMAIL_INDEX_BYTES]);

/* Of whoever is logged in and gives the password again. */
bool throttle_password(struct api_call *call);

/* Of a mail to this address. */
bool throttle_mail(struct api_call *call, const uint8_t index[EMAIL_INDEX_BYTES]);

/* Of a token from a mail. */
bool throttle_token(struct api_call *call);

#endif
