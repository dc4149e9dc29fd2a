/* SPDX-License-Identifier: Apache-2.0 */
/* Payment card numbers (ISO/IEC 7812) in what callers send. The shop never needs one: its payment
 * gateways take them from shoppers directly. A request that holds one is refused, so that none gets
 * into a record, a log or a backup (PCI DSS 4.0, 3.3 and 3.5).
 *
 * What counts: 13 to 19 digits with a right check digit (Luhn) that begin as cards of a known kind
 * of that length do, in one run, or in groups as they are printed and typed, between single blanks
 * or single hyphens; also where digits or separators are percent-encoded (RFC 3986, 2.1) or escaped
 * as in JSON (RFC 8259, 7).
 *
 * What does not, so that it is no card's:
 *  - digits right beside a letter or within a longer run: IDs, tokens, hashes
 *  - the last group of a hyphenated ID such as a UUID: the groups must be a card's
 *  - what follows "+", with up to 15 digits: a telephone number (E.164)
 *  - the fraction of a decimal number
 *  - of 13 digits, those with the check digit of a GTIN-13 (bar codes are common SKUs; no kind of
 *    card has 13 digits any more), and telephone numbers of Austria and Germany without their "+"
 * Times in milli-, micro- or nanoseconds begin with 1, as no card does that is looked for. Of other
 * numbers of 16 to 19 digits about one in fifty is taken for a card's. */
#ifndef STAMPEDE_API_CARD_NUMBER_H
#define STAMPEDE_API_CARD_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

#include "http/http.h"

enum {
    CARD_NUMBER_DIGITS_MIN = 13,
    CARD_NUMBER_DIGITS_MAX = 19,
};

/* How the text is written; may be combined. */
enum card_number_coding {
    CARD_NUMBER_PLAIN = 0,
    CARD_NUMBER_PERCENT = 1, /* %34 is 4 */
    CARD_NUMBER_PLUS = 2,    /* and + is a blank, as in a query */
    CARD_NUMBER_JSON = 4,    /* \u0034 is 4 */
};

/* Whether there is one. Any thread; no memory; about an instruction a byte where there is nothing
 * that looks like one. */
bool card_number_in(const char *text, size_t length, unsigned coding);

/* Whether there is one in what is used or kept of a request: its target, body (if it is to be
 * looked at; not a streamed one: imports look at each value), Idempotency-Key, User-Agent, Referer
 * and X-Request-Id. Within the handler. One that was found in the request ID is no longer there: it
 * is not in the answer. */
bool card_number_in_request(struct http_exchange *exchange, bool with_body);

#endif
