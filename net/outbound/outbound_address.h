/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses of the internet are none of the public's: loopback, private networks, link-local
 * (cloud metadata lives there), multicast, reserved, and IPv6 forms that carry such an IPv4 address
 * (IANA's special-purpose address registries, RFC 6890). */
#ifndef STAMPEDE_OUTBOUND_ADDRESS_H
#define STAMPEDE_OUTBOUND_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* Whether a request may go there. False for anything that is not IPv4 or IPv6. Any thread. */
bool outbound_address_is_public(const struct sockaddr *address, socklen_t length);

#endif
