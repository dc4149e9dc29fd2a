/* SPDX-License-Identifier: Apache-2.0 */
/* Coupons of shoppers' orders, by customer: the last shopper has an account, and was the first two
 * as a guest before that. What these used counts for the customer; what the customer uses does not
 * count for them, who are others by then. */
#include "shoppers.h"
#include "violation.h"
#include "world.h"

enum { GUESTS = 2, CUSTOMER = SIM_SHOPPERS - 1 };

static bool is_person(const struct principal *principal, uint32_t who)
{
    struct principal person = shoppers_person(who);

    return principal_equal(principal, &person);
}

static const struct principal *who_asks(const struct world *world, const struct shop_order *order)
{
    return &world->shoppers.holds[order->hold].principal;
}

uint32_t shoppers_guests(const struct world *world, const struct shop_order *order,
                         struct principal *guests_out)
{
    if (!is_person(who_asks(world, order), CUSTOMER))
        return 0;
    for (uint32_t i = 0; i < GUESTS; i++)
        guests_out[i] = shoppers_person(i);
    return GUESTS;
}

/* Whether a use of the one's counts for the other. */
static bool counts_for(const struct world *world, const struct shop_order *other,
                       const struct shop_order *order)
{
    const struct principal *user = who_asks(world, other);
    const struct principal *asker = who_asks(world, order);

    if (other->coupon != order->coupon || other == order)
        return false;
    if (principal_equal(user, asker))
        return true;
    for (uint32_t i = 0; i < GUESTS; i++)
        if (is_person(asker, CUSTOMER) && is_person(user, i))
            return true;
    return false;
}

static bool is_known_sold(const struct shop_order *order)
{
    for (uint32_t i = 0; i < order->timeline_count; i++)
        if (order->timeline[i].status == ORDER_CONFIRMED)
            return true;
    return false;
}

uint32_t shoppers_uses_sure(const struct world *world, const struct shop_order *order)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < world->shoppers.order_count; i++)
        count += counts_for(world, &world->shoppers.orders[i], order) &&
                 is_known_sold(&world->shoppers.orders[i]);
    return count;
}

void shoppers_check_use(const struct world *world, uint32_t index)
{
    const struct shop_order *order = &world->shoppers.orders[index];
    uint32_t uses_max;

    if (order->coupon == NONE)
        return;
    uses_max = world->shoppers.coupons[order->coupon].view.definition.max_uses_per_customer;
    if (uses_max != 0 && order->uses_before >= uses_max)
        violation("I6: order %u has a coupon's use that its customer had used %u times before, as "
                  "a guest or since",
                  index, order->uses_before);
}

void shoppers_check_used_up(struct world *world, uint32_t index)
{
    const struct shop_order *order = &world->shoppers.orders[index];
    const struct coupon_definition *definition;
    uint32_t perhaps = 0;
    uint32_t own = 0;

    assert(order->coupon != NONE);
    definition = &world->shoppers.coupons[order->coupon].view.definition;
    if (definition->max_uses_per_customer == 0)
        return;
    for (uint32_t i = 0; i < world->shoppers.order_count; i++) {
        const struct shop_order *other = &world->shoppers.orders[i];

        if (!counts_for(world, other, order))
            continue;
        perhaps++;
        own += principal_equal(who_asks(world, other), who_asks(world, order));
    }
    if (perhaps < definition->max_uses_per_customer)
        violation("I6: order %u was refused a coupon that its customer had used %u times at most",
                  index, perhaps);
    if (own < definition->max_uses_per_customer)
        world_mark(world, MARK_GUESTS_USES_COUNTED);
}
