/* SPDX-License-Identifier: Apache-2.0 */
/* From rows to products: mapping, grouping, and rows that are refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/import_rows.h"

/* What an import came to: `id:sku,sku(price/stock)…` and `!row field`, one a line. */
struct story {
    struct import_rows rows;
    struct csv_parser csv;
    struct validation validation;
    bool has_header;
    char text[32768];
    size_t used;
};

static struct story story;

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void tell(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int used =
        vsnprintf(story.text + story.used, sizeof(story.text) - story.used, format, arguments);
    va_end(arguments);
    story.used += (size_t)used;
    assert_true(story.used < sizeof(story.text));
}

static void on_product(void *user, const struct product_draft *draft, const uint64_t *row_numbers)
{
    (void)user;
    tell("%.*s:", (int)draft->id.length, draft->id.text);
    for (uint32_t i = 0; i < draft->variant_count; i++) {
        const struct variant_draft *variant = &draft->variants[i];
        tell(" %d=%.*s(%d/%u)", (int)row_numbers[i], (int)variant->sku.length, variant->sku.text,
             (int)(variant->price_minor < 0 ? draft->price_minor : variant->price_minor),
             variant->stock);
        for (uint32_t j = 0; j < variant->option_count; j++)
            tell("{%.*s=%.*s}", (int)variant->options[j].name.length, variant->options[j].name.text,
                 (int)variant->options[j].value.length, variant->options[j].value.text);
    }
    tell("\n");
}

static void on_refused(void *user, uint64_t row_number, const char *field, const char *message)
{
    (void)user;
    assert_true(strlen(message) > 0);
    tell("!%d %s\n", (int)row_number, field);
}

static bool is_taken(void *user, struct slice sku, struct slice product_id)
{
    (void)user;
    (void)product_id;
    return slice_is(sku, "TAKEN");
}

static bool on_row(void *user, const struct csv_row *row)
{
    (void)user;
    if (story.has_header) {
        if (story.validation.count == 0)
            import_rows_take(&story.rows, row);
    } else {
        story.has_header = true;
        import_mapping_resolve(&story.rows.mapping, row, &story.validation);
    }
    return true;
}

static void begin(void)
{
    story.used = 0;
    story.text[0] = '\0';
    story.has_header = false;
    validation_init(&story.validation);
    import_mapping_init(&story.rows.mapping);
    import_rows_init(&story.rows);
    story.rows.on_product = on_product;
    story.rows.on_refused = on_refused;
    story.rows.is_taken = is_taken;
    csv_init(&story.csv, on_row, NULL);
}

static void map(const char *text)
{
    import_mapping_add(&story.rows.mapping, text, strlen(text), &story.validation);
}

static void take(const char *file)
{
    assert_int_equal(csv_feed(&story.csv, file, strlen(file)), strlen(file));
    csv_finish(&story.csv);
    import_rows_flush(&story.rows);
    import_rows_free(&story.rows);
}

static void assert_story(const char *file, const char *expected)
{
    begin();
    take(file);
    assert_int_equal(story.validation.count, 0);
    assert_string_equal(story.text, expected);
}

static void assert_told(const char *field)
{
    assert_true(story.validation.count > 0);
    assert_string_equal(story.validation.errors[0].field, field);
}

#define HEADER "product,sku,name,price,currency,stock\n"

static void rows_that_stand_together_are_one_product(void **state)
{
    (void)state;
    assert_story(HEADER "p,A,Name,1.00,EUR,1\np,B,Name,2.00,EUR,2\nq,C,Other,3,EUR,\n",
                 "p: 2=A(100/1) 3=B(200/2)\nq: 4=C(300/0)\n");
    assert_story("sku,name,price,currency\nA,x,1,EUR\nB,x,1,EUR\n",
                 "A: 2=A(100/0)\nB: 3=B(100/0)\n");
    assert_story("id,sku,name,price,currency\np,A,x,1,EUR\np,B,,,\n", "p: 2=A(100/0) 3=B(100/0)\n");
    assert_story(HEADER, "");
}

static void a_product_that_comes_back_later_is_refused(void **state)
{
    (void)state;
    assert_story(HEADER "p,A,x,1,EUR,1\nq,B,x,1,EUR,1\np,C,x,1,EUR,1\n",
                 "p: 2=A(100/1)\nq: 3=B(100/1)\n!4 product\n");
}

static void a_sku_that_came_further_up_is_refused(void **state)
{
    (void)state;
    assert_story(HEADER "p,A,x,1,EUR,1\nq,A,x,1,EUR,1\nq,B,x,1,EUR,1\nr,B,x,1,EUR,1\n",
                 "p: 2=A(100/1)\n!3 sku\nq: 4=B(100/1)\n!5 sku\n");
    /* A refused row has taken nothing: neither the SKU nor the product's place. */
    assert_story(HEADER "p,A,x,bad,EUR,1\nq,A,x,1,EUR,1\np,C,x,1,EUR,1\n",
                 "!2 price\nq: 3=A(100/1)\np: 4=C(100/1)\n");
    /* Without a `product` the row is the product: that is what is told. */
    assert_story("sku,name,price,currency\nA,x,1,EUR\nB,x,1,EUR\nA,x,1,EUR\n",
                 "A: 2=A(100/0)\nB: 3=B(100/0)\n!4 product\n");
}

static void a_header_that_names_a_column_twice_is_refused(void **state)
{
    (void)state;
    begin();
    take("sku,name,price,currency, price\nA,x,1,EUR,2\n");
    assert_told("header");
    assert_non_null(strstr(story.validation.errors[0].message, "price"));
    begin();
    map("name=title");
    take("sku,title,price,currency,title\nA,x,1,EUR,y\n");
    assert_told("header");
    assert_int_equal(story.validation.count, 1);
    /* Columns that give no field may be named as they like. */
    assert_story("sku,name,note,price,currency,note,,\nA,x,n,1,EUR,m,,\n", "A: 2=A(100/0)\n");
}

static void refused_rows_leave_the_others(void **state)
{
    (void)state;
    assert_story(HEADER "p,A,x,1,EUR,1\n"
                        "p,A,x,1,EUR,1\n"
                        "p,B,x,1,USD,1\n"
                        "p,TAKEN,x,1,EUR,1\n"
                        "p,a b,x,1,EUR,1\n"
                        "p,,x,1,EUR,1\n"
                        "p,C,x,1.005,EUR,1\n"
                        "p,D,x,-1,EUR,1\n"
                        "p,E,x,1,EUR,-1\n"
                        "p,F,x,1,EUR,1.5\n"
                        "p,G,x,1,EUR\n"
                        "p,H,x\"y,1,EUR,1\n"
                        "p,I,x,1,EUR,1\n",
                 "!3 sku\n!4 currency\n!5 sku\n!6 sku\n!7 sku\n!8 price\n!9 price\n!10 stock\n"
                 "!11 stock\n!12 row\n!13 row\np: 2=A(100/1) 14=I(100/1)\n");
    /* The first good row makes the product. */
    assert_story(HEADER "p,A,,1,EUR,1\np,B,x,1,euro,1\np,C,x,,EUR,1\np,D,x,1,EUR,1\n",
                 "!2 name\n!3 currency\n!4 price\np: 5=D(100/1)\n");
    assert_story(HEADER "a b,A,x,1,EUR,1\n", "!2 product\n");
    assert_story(HEADER "p,A,\xff,1,EUR,1\n", "!2 name\n");
}

/* Bar codes are let in, card numbers are not; columns that nobody asked for are not kept. */
static void rows_with_card_numbers_are_refused(void **state)
{
    (void)state;
    assert_story("sku,name,price,currency,description,other\n"
                 "4006381333931,x,1,EUR,EAN 4006381333931,4111111111111111\n"
                 "B,x,1,EUR,mine is 4111 1111 1111 1111,\n"
                 "5555555555554444,x,1,EUR,,\n",
                 "!3 description\n4006381333931: 2=4006381333931(100/0)\n!4 sku\n");
}

static void options_take_their_names_from_the_first_row(void **state)
{
    (void)state;
    assert_story("product,sku,name,price,currency,option1_name,option1_value,option2_name,"
                 "option2_value\n"
                 "p,A,x,1,EUR,size,S,colour,red\np,B,,,,,M,,blue\np,C,,,,size,L,,\n"
                 "q,D,y,1,EUR,,S,,\nr,E,y,1,EUR,size,S,size,M\n",
                 "p: 2=A(100/0){size=S}{colour=red} 3=B(100/0){size=M}{colour=blue} "
                 "4=C(100/0){size=L}\n!5 option1_name\n!6 option2_name\n");
}

static void later_rows_that_say_something_else_are_warned_of(void **state)
{
    (void)state;
    assert_story(HEADER "p,A,x,1,EUR,1\np,B,y,1,,1\n", "p: 2=A(100/1) 3=B(100/1)\n");
    assert_int_equal(story.rows.warnings, 1);
}

static void mapping_names_columns_and_literals(void **state)
{
    (void)state;
    begin();
    map("sku=index,name=product,price=sale_price,price_unit:=major,currency:=INR,stock:=100");
    assert_int_equal(story.validation.count, 0);
    /* `product` was mapped to the name: it is not the product's ID as well. */
    take("index,product,sale_price,,\n7,\"Oil, 500 mg\",220.5,,\n8,Soap,12,,\n");
    assert_string_equal(story.text, "7: 2=7(22050/100)\n8: 3=8(1200/100)\n");

    begin();
    map("price_minor=Preis");
    map("sku=Artikel");
    map("name:=A, B = C");
    map("currency:=JPY");
    assert_int_equal(story.validation.count, 0);
    assert_true(slice_is(story.rows.mapping.fields[IMPORT_NAME].text, "A, B = C"));
    take(" Artikel ,Preis\nX,1200\n");
    assert_string_equal(story.text, "X: 2=X(1200/0)\n");
}

static void price_units(void **state)
{
    (void)state;
    begin();
    map("price_unit:=minor,currency:=EUR,name:=x");
    take("sku,price\nA,120\nB,1.20\n");
    assert_string_equal(story.text, "A: 2=A(120/0)\n!3 price\n");
    begin();
    map("price_unit:=cents,currency:=EUR,name:=x");
    take("sku,price\nA,120\n");
    assert_string_equal(story.text, "!2 price_unit\n");
}

static void mappings_that_cannot_be(void **state)
{
    (void)state;
    static const char *const wrong[] = {"nonsense",    "colour=name", "sku", "sku=", "=x",
                                        "sku=a,sku=b", ":=x",         "",    "SKU=a"};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        begin();
        map(wrong[i]);
        assert_told("map");
    }
    begin();
    map("name=NoSuchColumn");
    take(HEADER);
    assert_told("map");
    begin();
    take("sku,colour\n");
    assert_told("name");
    assert_int_equal(story.validation.count, 3);
    begin();
    take("a\"b\n");
    assert_told("header");
}

static void text_of_a_product_is_bounded(void **state)
{
    (void)state;
    static char file[600 * 1024];
    size_t used = (size_t)snprintf(file, sizeof(file),
                                   "product,sku,name,price,currency,"
                                   "option1_name,option1_value\n");

    /* Each row fits; a hundred and one of them do not. */
    for (unsigned i = 0; i < 101; i++) {
        used +=
            (size_t)snprintf(file + used, sizeof(file) - used, "p,S%u,x,1,EUR,n,%0100u\n", i, i);
    }
    begin();
    take(file);
    assert_non_null(strstr(story.text, "!102 product\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_that_stand_together_are_one_product),
        cmocka_unit_test(a_product_that_comes_back_later_is_refused),
        cmocka_unit_test(a_sku_that_came_further_up_is_refused),
        cmocka_unit_test(a_header_that_names_a_column_twice_is_refused),
        cmocka_unit_test(refused_rows_leave_the_others),
        cmocka_unit_test(rows_with_card_numbers_are_refused),
        cmocka_unit_test(options_take_their_names_from_the_first_row),
        cmocka_unit_test(later_rows_that_say_something_else_are_warned_of),
        cmocka_unit_test(mapping_names_columns_and_literals),
        cmocka_unit_test(price_units),
        cmocka_unit_test(mappings_that_cannot_be),
        cmocka_unit_test(text_of_a_product_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
