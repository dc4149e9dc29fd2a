/* SPDX-License-Identifier: Apache-2.0 */
/* Where webhooks may go, by what the URL says. What a name stands for is judged when it is asked
 * (outbound/outbound.h, 4): a name may come to mean another address. */
#ifndef STAMPEDE_API_ENDPOINT_URL_H
#define STAMPEDE_API_ENDPOINT_URL_H

#include <stdbool.h>
#include <stddef.h>

/* What is wrong with a URL, as a static text, or NULL. `private_allowed`: also http, and addresses
 * that are not the public's. Any thread. */
const char *endpoint_url_problem(const char *url, size_t length, bool private_allowed);

#endif
