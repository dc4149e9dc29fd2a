/* SPDX-License-Identifier: Apache-2.0 */
/* What is private of an order: e-mail and address, sealed under a data key of the order's own, so
 * that it can be forgotten by itself. A value opens in its field of its order and nowhere else: it
 * is bound to whose order it is and to the order's key, which the record keeps. Any thread. Private
 * to net/api. */
#ifndef STAMPEDE_API_ORDER_PERSON_H
#define STAMPEDE_API_ORDER_PERSON_H

#include "engine.h"

/* Makes the key and seals both. `order` has its principal and key. `address` is JSON without its
 * braces, as account_fields.h reads it. False: it is too long. */
bool order_person_seal(const struct engine *engine, const struct order_record *order,
                       const char *email, const char *address, size_t address_length,
                       struct order_person_record *person_out);

enum order_person_state { ORDER_PERSON_OPEN, ORDER_PERSON_FORGOTTEN, ORDER_PERSON_DAMAGED };

/* Opens, and writes a zero behind. FORGOTTEN: the key is no more; both are empty then. */
enum order_person_state order_email_open(const struct engine *engine,
                                         const struct order_record *order,
                                         const struct order_person_record *person,
                                         char email_out[EMAIL_LENGTH_MAX + 1], size_t *length_out);
enum order_person_state order_address_open(const struct engine *engine,
                                           const struct order_record *order,
                                           const struct order_person_record *person,
                                           char address_out[ADDRESS_LENGTH_MAX + 1],
                                           size_t *length_out);

#endif
