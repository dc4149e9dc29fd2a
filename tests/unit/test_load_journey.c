/* SPDX-License-Identifier: Apache-2.0 */
/* stampede-load's journeys: amounts that are read from answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "load_journey.h"

static void an_amount_is_found_in_its_object(void **state)
{
    static const struct {
        const char *body;
        int64_t value; /* -1: not found */
    } rows[] = {
        {"{\"totals\":{\"total_minor\":4900}}", 4900},
        {"{\"items\":[{\"total_minor\":1}],\"totals\":{\"tax_minor\":7,\"total_minor\":0}}", 0},
        {"{\"totals\":{\"subtotal_minor\":5,\"total_minor\":12,\"currency\":\"EUR\"}}", 12},
        {"{\"totals\":{\"tax_minor\":7},\"total_minor\":3}", -1},
        {"{\"totals\":{\"total_minor\":-4}}", -1},
        {"{\"totals\":{\"total_minor\":\"4\"}}", -1},
        {"{\"totals\":{\"total_minor\":4", -1},
        {"{\"total_minor\":4}", -1},
        {"", -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t value = -1;
        bool found =
            load_journey_find_minor(rows[i].body, strlen(rows[i].body), "totals", "total", &value);
        assert_int_equal(found, rows[i].value >= 0);
        assert_int_equal(value, rows[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_amount_is_found_in_its_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
