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
    bool tells_all;
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

static void on_product(void *user, const struct import_product *product)
{
    const struct product_draft *draft = &product->draft;

    (void)user;
    tell("%.*s:", (int)draft->id.length, draft->id.text);
    for (uint32_t i = 0; i < draft->variant_count; i++) {
        const struct variant_draft *variant = &draft->variants[i];
        tell(" %d=%.*s(%d/%u)", (int)product->row_numbers[product->variant_rows[i]],
             (int)variant->sku.length, variant->sku.text,
             (int)(variant->price_minor < 0 ? draft->price_minor : variant->price_minor),
             variant->stock);
        for (uint32_t j = 0; j < variant->option_count; j++)
            tell("{%.*s=%.*s}", (int)variant->options[j].name.length, variant->options[j].name.text,
                 (int)variant->options[j].value.length, variant->options[j].value.text);
    }
    if (story.tells_all) {
        tell(" %s [%.*s]", product_status_name((enum product_status)draft->status),
             (int)draft->category.length, draft->category.text);
        for (uint32_t i = 0; i < draft->tag_count; i++)
            tell(" #%.*s", (int)draft->tags[i].length, draft->tags[i].text);
        for (uint32_t i = 0; i < draft->image_count; i++)
            tell(" <%.*s|%.*s>", (int)draft->images[i].length, draft->images[i].text,
                 (int)draft->image_alts[i].length, draft->image_alts[i].text);
        tell(" (%.*s/%.*s/%.*s)", (int)draft->seo_title.length, draft->seo_title.text,
             (int)draft->seo_description.length, draft->seo_description.text,
             (int)draft->seo_slug.length, draft->seo_slug.text);
    }
    tell("\n");
}

static void on_refused(void *user, uint64_t row_number, const char *field, const char *message)
{
    (void)user;
    assert_true(strlen(message) > 0);
    tell("!%d %s\n", (int)row_number, field);
}

static void on_warned(void *user, uint64_t row_number, const char *field, const char *message)
{
    (void)user;
    assert_true(strlen(message) > 0);
    tell("?%d %s\n", (int)row_number, field);
}

static struct slice owner_of(void *user, struct slice sku)
{
    (void)user;
    return slice_is(sku, "TAKEN") ? (struct slice){"another", 7} : (struct slice){"", 0};
}

/* Products that exist: those that begin with "old". */
static struct slice currency_of(void *user, struct slice id)
{
    (void)user;
    return id.length >= 3 && memcmp(id.text, "old", 3) == 0 ? (struct slice){"JPY", 3}
                                                            : (struct slice){"", 0};
}

static bool on_row(void *user, const struct csv_row *row)
{
    (void)user;
    if (story.has_header) {
        if (story.validation.count == 0)
            import_rows_take(&story.rows, row);
    } else {
        story.has_header = true;
        import_mapping_resolve(&story.rows.mapping, story.rows.dialect, row, &story.validation);
    }
    return true;
}

static void begin(void)
{
    story.used = 0;
    story.text[0] = '\0';
    story.has_header = false;
    story.tells_all = false;
    story.rows.dialect = IMPORT_GENERIC;
    validation_init(&story.validation);
    import_mapping_init(&story.rows.mapping);
    import_rows_init(&story.rows);
    story.rows.on_product = on_product;
    story.rows.on_refused = on_refused;
    story.rows.on_warned = on_warned;
    story.rows.owner_of = owner_of;
    story.rows.currency_of = currency_of;
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

/* As one of Shopify's, with all that a product is told to be. */
static void assert_shopify(const char *file, const char *expected)
{
    begin();
    story.rows.dialect = IMPORT_SHOPIFY;
    story.tells_all = true;
    take(file);
    assert_int_equal(story.validation.count, 0);
    assert_string_equal(story.text, expected);
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
    assert_story(HEADER "p,A,x,1,EUR,1\np,B,y,1,,1\n", "?3 name\np: 2=A(100/1) 3=B(100/1)\n");
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
    assert_true(slice_is(story.rows.mapping.fields[IMPORT_NAME].literal, "A, B = C"));
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

/* ---- several columns, defaults, what is missing ---- */

static void a_field_may_be_joined_of_columns(void **state)
{
    (void)state;
    begin();
    story.tells_all = true;
    map("sku=index,name:=x,price:=1,currency:=EUR");
    map("category=a,category=b,category=c,tags=b,tags=c");
    take("index,a,b,c\n1,Home,Kitchen,Pans\n2,Home,,Home\n3,,,\n4,A, B ,\"C > D\"\n");
    assert_string_equal(story.text,
                        "1: 2=1(100/0) active [Home > Kitchen > Pans] #Kitchen #Pans (//)\n"
                        "2: 3=2(100/0) active [Home] #Home (//)\n"
                        "3: 4=3(100/0) active [] (//)\n"
                        "4: 5=4(100/0) active [A > B > C > D] #B #C > D (//)\n");
}

static void literals_stand_where_columns_are_blank(void **state)
{
    (void)state;
    begin();
    map("currency=cur,currency:=EUR,stock=n,stock:=7");
    take("sku,name,price,cur,n\nA,x,1,USD,3\nB,x,1,,\n");
    assert_string_equal(story.text, "A: 2=A(100/3)\nB: 3=B(100/7)\n");
}

static void names_are_made_where_there_are_none(void **state)
{
    (void)state;
    assert_story("name,price,currency\nRed Mug!,1,EUR\nRed  mug,1,EUR\nred mug,2,EUR\n,1,EUR\n"
                 "\xe9\x9d\xb4,3,EUR\n",
                 "red-mug: 2=red-mug(100/0)\nred-mug-2: 3=red-mug-2(100/0)\n"
                 "red-mug-3: 4=red-mug-3(200/0)\n!5 name\n"
                 "755e9a27: 6=755e9a27(300/0)\n");
    assert_story("product,name,price,currency\nmug,Mug,1,EUR\n", "mug: 2=mug(100/0)\n");
}

static void what_exists_needs_less(void **state)
{
    (void)state;
    assert_story("sku,price\nold-1,120\nnew-1,120\n", "old-1: 2=old-1(120/0)\n!3 currency\n");
    assert_story("sku,stock\nold-1,5\n", "old-1: 2=old-1(-1/5)\n");
    assert_story("sku,name\nold-1,\n", "old-1: 2=old-1(-1/0)\n");
}

static void formulas_lose_their_guard(void **state)
{
    (void)state;
    assert_story("sku,name,price,currency,option1_name,option1_value\n"
                 "A,'=1+1,1,EUR,n,'-x\nB,''@x,1,EUR,n,'x\nC,=y,1,EUR,n,'\n",
                 "A: 2=A(100/0){n=-x}\nB: 3=B(100/0){n='x}\nC: 4=C(100/0){n='}\n");
}

static void files_that_are_not_utf8_are_told_so(void **state)
{
    (void)state;
    assert_string_equal(import_file_encoding("\xff\xfes\0k\0", 6), "UTF-16 (little-endian)");
    assert_string_equal(import_file_encoding("\0s\0k\0u", 6), "UTF-16 (big-endian)");
    assert_string_equal(import_file_encoding("s\0k\0u\0", 6), "UTF-16 (little-endian)");
    assert_string_equal(import_file_encoding("\xff\xfe\0\0s\0\0\0", 8), "UTF-32 (little-endian)");
    assert_null(import_file_encoding("sku,name", 8));
    assert_null(import_file_encoding("\xef\xbb\xbfsku", 6));
    assert_null(import_file_encoding("", 0));
    assert_string_equal(import_cell_encoding("Caf\xe9", 4), "ISO 8859-1 (Latin-1)");
    assert_string_equal(import_cell_encoding("\x93"
                                             "Caf\xe9\x94",
                                             6),
                        "Windows-1252");
    assert_story(HEADER "p,A,Caf\xe9,1,EUR,1\n", "!2 name\n");
    begin();
    take("sku,n\xe4me\n");
    assert_told("header");
    begin();
    take("sku,name,price,currency\rA,x,1,EUR\rB,y,2,EUR\r");
    assert_told("header");
    assert_non_null(strstr(story.validation.errors[0].message, "CR alone"));
}

/* ---- Shopify ---- */

#define OLD_HEADER                                                                                 \
    "Handle,Title,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,"                     \
    "Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,Variant Price,"      \
    "Variant Compare At Price,Image Src,Image Position,Image Alt Text,SEO Title,SEO Description,"  \
    "Status,Currency (product.metafields.stampede.currency)\n"

static void shopify_rows_of_one_handle_are_one_product(void **state)
{
    (void)state;
    assert_shopify(
        OLD_HEADER "tee,Tee,Shirts,\"a, b\",TRUE,Size,S,,,3,deny,10,12,u1,2,one,T,D,,EUR\n"
                   "tee,,,,,,M L,,,,deny,11,,u2,1,,,,,\n"
                   "tee,,,,,,,,,,,,,u3,3,three,,,,\n"
                   "tee,,,,,,XL,TEE-XL,shopify,-2,continue,12,,,,,,,,\n"
                   "mug,Mug,,,false,Title,Default Title,,,,,5,,,,,,,active,EUR\n",
        "?5 stock\n?5 inventory_policy\n"
        "tee: 2=tee-S(1000/3){Size=S} 3=tee-M-L(1100/0){Size=M L} 5=TEE-XL(1200/0){Size=XL}"
        " active [Shirts] #a #b <u2|> <u1|one> <u3|three> (T/D/)\n"
        "mug: 6=mug(500/0) draft [] (//)\n");
}

static void the_new_header_is_read_like_the_old(void **state)
{
    (void)state;
    assert_shopify("Title,URL handle,Description,Vendor,Product category,Type,Tags,"
                   "Published on online store,Status,SKU,Option1 name,Option1 value,Price,"
                   "Compare-at price,Inventory tracker,Inventory quantity,"
                   "Continue selling when out of stock,Weight value (grams),Product image URL,"
                   "Image position,Image alt text,SEO title,SEO description,"
                   "Currency (product.metafields.stampede.currency)\n"
                   "Tee,tee,d,v,Home > Tops,Tops,a,TRUE,Archived,,Size,S,10,,,4,DENY,12.6,u,1,alt,"
                   "T,D,EUR\n",
                   "tee: 2=tee-S(1000/4){Size=S} archived [Home > Tops] #a <u|alt> (T/D/)\n");
}

static void a_shopify_file_may_have_titles_only(void **state)
{
    (void)state;
    assert_shopify("Title,Price,Option1 name,Option1 value\nBlue Tee,5,Size,S\n,6,,M\nMug,7,,\n",
                   "?2 currency\n"
                   "blue-tee: 2=blue-tee-S(500/0){Size=S} 3=blue-tee-M(600/0){Size=M} active []"
                   " (//)\nmug: 4=mug(700/0) active [] (//)\n");
}

static void shopify_names_that_are_no_skus_are_made_some(void **state)
{
    (void)state;
    /* Handles of other letters, options that come to the same, SKUs that others have. */
    assert_shopify("Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price\n"
                   "caf\xc3\xa9,Caf\xc3\xa9,,,,1\n"
                   "tee,Tee,Size,A B,,1\n"
                   "tee,,,A/B,,1\n"
                   "tee,,,A-B,,1\n"
                   "tee,,,A B,,1\n"
                   "tee-A,Tee,,,tee-A/C,1\n"
                   "TAKEN,Tee,,,,1\n"
                   "tee-C,x,,,tee-D,1\n"
                   "tee-D,y,,,,1\n",
                   "?2 product\n?2 currency\n"
                   "caf-52dc0507: 2=caf-52dc0507(100/0) active [] (//)\n"
                   "!6 sku\n"
                   "tee: 3=tee-A-B(100/0){Size=A B} 4=tee-A/B(100/0){Size=A/B}"
                   " 5=tee-A-B-78e8db8c(100/0){Size=A-B} active [] (//)\n"
                   "tee-A: 7=tee-A/C(100/0) active [] (//)\n"
                   "TAKEN: 8=TAKEN-0397b3b8(100/0) active [] (//)\n"
                   "tee-C: 9=tee-D(100/0) active [] (//)\n"
                   "tee-D: 10=tee-D-520fe870(100/0) active [] (//)\n");
}

static void shopify_rows_that_cannot_be_taken(void **state)
{
    (void)state;
    assert_shopify(OLD_HEADER "a,,,,,,,,,1,deny,10,,,,,,,,EUR\n"
                              "b,B,,,maybe,,,,,1,deny,10,,,,,,,,EUR\n"
                              "c,C,,,,,,,,1,sometimes,10,,,,,,,,EUR\n"
                              "d,D,,,,,,,,1,deny,-10,,,,,,,,EUR\n"
                              "e,E,,,,,,,,1.5,deny,10,,,,,,,,EUR\n"
                              "f,F,,,,,,,,1,deny,10,,u,first,,,,,EUR\n"
                              "g,G,,,,,,,,1,deny,10,,,,,,,sold,EUR\n"
                              "h,H,,,,,,,,1,deny,10,,,,,,,,\n"
                              "h,,,,,,,,,,,,,,,,,,,\n"
                              "i,I,,,,,,,,1,deny,,,,,,,,,EUR\n",
                   "!2 name\n!3 published\n!4 inventory_policy\n!5 price\n!6 stock\n"
                   "!7 image_position\n!8 status\n?9 currency\n!10 row\n"
                   "h: 9=h(1000/1) active [] (//)\n!11 price\n");
    begin();
    story.rows.dialect = IMPORT_SHOPIFY;
    take("sku,price\n");
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
        cmocka_unit_test(a_field_may_be_joined_of_columns),
        cmocka_unit_test(literals_stand_where_columns_are_blank),
        cmocka_unit_test(names_are_made_where_there_are_none),
        cmocka_unit_test(what_exists_needs_less),
        cmocka_unit_test(formulas_lose_their_guard),
        cmocka_unit_test(files_that_are_not_utf8_are_told_so),
        cmocka_unit_test(shopify_rows_of_one_handle_are_one_product),
        cmocka_unit_test(the_new_header_is_read_like_the_old),
        cmocka_unit_test(a_shopify_file_may_have_titles_only),
        cmocka_unit_test(shopify_names_that_are_no_skus_are_made_some),
        cmocka_unit_test(shopify_rows_that_cannot_be_taken),
        cmocka_unit_test(text_of_a_product_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
