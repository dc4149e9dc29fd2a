/* SPDX-License-Identifier: Apache-2.0 */
#include "api/import_rows.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/card_number.h"
#include "api/money.h"

enum { SEEN_CAPACITY_FIRST = 1024 };

void import_rows_init(struct import_rows *rows)
{
    rows->warnings = 0;
    rows->products = (struct seen_set){0};
    rows->skus = (struct seen_set){0};
    rows->draft.variant_count = 0;
    rows->text_used = 0;
}

void import_rows_free(struct import_rows *rows)
{
    free(rows->products.hashes);
    free(rows->skus.hashes);
    rows->products.hashes = NULL;
    rows->skus.hashes = NULL;
}

/* ---- what the file has said already ---- */

static bool seen_grow(struct seen_set *set)
{
    uint32_t capacity = set->capacity == 0 ? SEEN_CAPACITY_FIRST : set->capacity * 2;
    uint64_t *grown = calloc(capacity, sizeof(*grown));

    if (grown == NULL)
        return false;
    for (uint32_t i = 0; i < set->capacity; i++) {
        if (set->hashes[i] == 0)
            continue;
        uint32_t at = (uint32_t)set->hashes[i] & (capacity - 1);
        while (grown[at] != 0)
            at = (at + 1) & (capacity - 1);
        grown[at] = set->hashes[i];
    }
    free(set->hashes);
    set->hashes = grown;
    set->capacity = capacity;
    return true;
}

enum seen { SEEN_NEW, SEEN_BEFORE, SEEN_NO_ROOM };

static uint64_t seen_hash(struct slice text)
{
    static const struct hash_key key = {{0x696d706f7274, 0x70726f6475637473}};
    uint64_t hash = hash_bytes(&key, text.text, text.length);

    return hash == 0 ? 1 : hash;
}

/* Where this hash is, or would be put; there is an empty place. */
static uint64_t *seen_place(const struct seen_set *set, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (set->capacity - 1);

    while (set->hashes[at] != 0 && set->hashes[at] != hash)
        at = (at + 1) & (set->capacity - 1);
    return &set->hashes[at];
}

/* SEEN_NEW: there is room to add it. */
static enum seen seen_look(struct seen_set *set, struct slice text, uint32_t count_max)
{
    uint64_t hash = seen_hash(text);

    if (set->count >= set->capacity / 2 && !seen_grow(set))
        return SEEN_NO_ROOM;
    if (*seen_place(set, hash) == hash)
        return SEEN_BEFORE;
    return set->count == count_max ? SEEN_NO_ROOM : SEEN_NEW;
}

/* After seen_look has said that it is new. */
static void seen_add(struct seen_set *set, struct slice text)
{
    uint64_t hash = seen_hash(text);

    *seen_place(set, hash) = hash;
    set->count++;
}

/* ---- one row ---- */

/* A row in hand: its values by field, and the first reason to refuse it. */
struct row {
    struct import_rows *rows;
    uint64_t number;
    struct slice values[IMPORT_FIELD_COUNT];
    bool is_refused;
};

static void refuse(struct row *row, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void refuse(struct row *row, const char *field, const char *format, ...)
{
    char message[IMPORT_MESSAGE_LENGTH_MAX + 1];
    va_list arguments;

    if (row->is_refused)
        return;
    row->is_refused = true;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    row->rows->on_refused(row->rows->user, row->number, field, message);
}

static void read_values(struct row *row, const struct csv_row *csv)
{
    const struct import_mapping *mapping = &row->rows->mapping;

    for (unsigned i = 0; i < IMPORT_FIELD_COUNT; i++) {
        struct slice value = {"", 0};
        if (mapping->fields[i].kind == MAP_LITERAL) {
            value = mapping->fields[i].text;
        } else if (mapping->fields[i].kind == MAP_COLUMN) {
            const struct csv_field *field = &csv->fields[mapping->fields[i].column];
            value = (struct slice){field->text, field->length};
        }
        row->values[i] = slice_trim(value);
        if (!text_is_utf8(value.text, value.length, NULL))
            refuse(row, import_field_name((enum import_field)i), "is not UTF-8");
        else if (card_number_in(value.text, value.length, CARD_NUMBER_PLAIN))
            refuse(row, import_field_name((enum import_field)i), "looks like a card number");
    }
}

/* Checks a text's length in characters; it is UTF-8. */
static void check_length(struct row *row, enum import_field field, size_t length_max)
{
    size_t characters = 0;

    text_is_utf8(row->values[field].text, row->values[field].length, &characters);
    if (characters > length_max)
        refuse(row, import_field_name(field), "is longer than %zu characters", length_max);
}

/* Keeps a copy of text that outlives the row. */
static struct slice keep(struct row *row, struct slice text)
{
    struct import_rows *rows = row->rows;
    struct slice kept = {rows->text + rows->text_used, text.length};

    if (text.length > sizeof(rows->text) - rows->text_used) {
        refuse(row, "product", "is larger than %d bytes with all its rows",
               (int)PRODUCT_DOCUMENT_BYTES_MAX);
        return (struct slice){"", 0};
    }
    memcpy(rows->text + rows->text_used, text.text, text.length);
    rows->text_used += (uint32_t)text.length;
    return kept;
}

/* ---- a variant ---- */

/* -1 where the row gives no price. */
static int64_t read_price(struct row *row, struct slice currency)
{
    struct slice minor_text = row->values[IMPORT_PRICE_MINOR];
    struct slice text = row->values[IMPORT_PRICE];
    struct slice unit = row->values[IMPORT_PRICE_UNIT];
    const char *field = minor_text.length > 0 ? "price_minor" : "price";
    enum money_parse result = MONEY_OK;
    int exponent = money_currency_exponent(currency.text, currency.length);
    int64_t minor = -1;

    if (unit.length > 0 && !slice_is(unit, "major") && !slice_is(unit, "minor"))
        refuse(row, "price_unit", "must be major or minor");
    if (minor_text.length > 0)
        result = money_parse_minor(minor_text.text, minor_text.length, &minor);
    else if (text.length > 0 && slice_is(unit, "minor"))
        result = money_parse_minor(text.text, text.length, &minor);
    else if (text.length > 0)
        result = money_parse_major(text.text, text.length, exponent, &minor);
    switch (result) {
    case MONEY_OK:
        break;
    case MONEY_MALFORMED:
        refuse(row, field, "is not an amount: digits, and one point at most");
        break;
    case MONEY_TOO_MANY_DECIMALS:
        refuse(row, field, "has more decimals than the %d of %.*s", exponent, (int)currency.length,
               currency.text);
        break;
    case MONEY_OUT_OF_RANGE:
        refuse(row, field, "is too large");
        break;
    }
    return minor;
}

static uint32_t read_count(struct row *row, enum import_field field, uint64_t min)
{
    struct slice text = row->values[field];
    uint64_t count = 0;

    if (text.length == 0)
        return 0;
    if (!text_to_unsigned(text.text, text.length, SKU_STOCK_MAX, &count) || count < min)
        refuse(row, import_field_name(field), "must be a whole number from %d to %d", (int)min,
               (int)SKU_STOCK_MAX);
    return (uint32_t)count;
}

static void read_options(struct row *row, struct variant_draft *variant)
{
    const struct product_draft *draft = &row->rows->draft;

    for (unsigned i = 0; i < VARIANT_OPTIONS_MAX; i++) {
        enum import_field name_field = (enum import_field)(IMPORT_OPTION1_NAME + 2 * i);
        enum import_field value_field = (enum import_field)(name_field + 1);
        struct slice name = row->values[name_field];
        if (row->values[value_field].length == 0)
            continue;
        /* Later rows may leave the name to the first. */
        if (name.length == 0 && draft->variant_count > 0 && i < draft->variants[0].option_count)
            name = draft->variants[0].options[i].name;
        if (name.length == 0)
            refuse(row, import_field_name(name_field), "is missing beside its value");
        check_length(row, name_field, PRODUCT_LABEL_MAX);
        check_length(row, value_field, PRODUCT_LABEL_MAX);
        for (uint32_t j = 0; j < variant->option_count; j++) {
            if (slices_equal(variant->options[j].name, name))
                refuse(row, import_field_name(name_field), "is given twice");
        }
        variant->options[variant->option_count].name = name;
        variant->options[variant->option_count].value = row->values[value_field];
        variant->option_count++;
    }
}

static void check_sku(struct row *row, struct slice product_id)
{
    const struct product_draft *draft = &row->rows->draft;
    struct slice sku = row->values[IMPORT_SKU];

    if (sku.length == 0)
        refuse(row, "sku", "is missing");
    else if (!sku_is_valid(sku.text, sku.length))
        refuse(row, "sku", "must be 1 to 64 of letters, digits and . _ - / :");
    else if (row->rows->is_taken(row->rows->user, sku, product_id))
        refuse(row, "sku", "belongs to another product");
    for (uint32_t i = 0; i < draft->variant_count; i++) {
        if (slices_equal(draft->variants[i].sku, sku))
            refuse(row, "sku", "is given twice");
    }
}

/* ---- a product ---- */

static void read_tags(struct row *row, struct product_draft *draft)
{
    struct slice rest = row->values[IMPORT_TAGS];

    while (rest.length > 0) {
        size_t length = 0;
        while (length < rest.length && strchr("|,;", rest.text[length]) == NULL)
            length++;
        struct slice tag = slice_trim((struct slice){rest.text, length});
        size_t taken = length < rest.length ? length + 1 : length;
        rest = (struct slice){rest.text + taken, rest.length - taken};
        size_t characters = 0;
        text_is_utf8(tag.text, tag.length, &characters);
        if (characters == 0)
            continue;
        if (characters > PRODUCT_TAG_MAX || draft->tag_count == PRODUCT_TAGS_MAX) {
            refuse(row, "tags", "must be at most %d of at most %d characters each",
                   (int)PRODUCT_TAGS_MAX, (int)PRODUCT_TAG_MAX);
            return;
        }
        draft->tags[draft->tag_count++] = tag;
    }
}

/* What is the product's own, from its first row. Text points into the row yet. */
static void read_product(struct row *row, struct slice id, struct product_draft *draft)
{
    memset(draft, 0, offsetof(struct product_draft, variants));
    draft->id = id;
    draft->name = row->values[IMPORT_NAME];
    draft->description = row->values[IMPORT_DESCRIPTION];
    draft->category = row->values[IMPORT_CATEGORY];
    draft->brand = row->values[IMPORT_BRAND];
    draft->currency = row->values[IMPORT_CURRENCY];
    if (draft->name.length == 0)
        refuse(row, "name", "is missing");
    check_length(row, IMPORT_NAME, PRODUCT_NAME_MAX);
    check_length(row, IMPORT_DESCRIPTION, PRODUCT_DESCRIPTION_MAX);
    check_length(row, IMPORT_CATEGORY, PRODUCT_LABEL_MAX);
    check_length(row, IMPORT_BRAND, PRODUCT_LABEL_MAX);
    read_tags(row, draft);
    draft->limit_per_customer = read_count(row, IMPORT_LIMIT, 1);
}

static void keep_product(struct row *row, struct product_draft *draft)
{
    draft->id = keep(row, draft->id);
    draft->name = keep(row, draft->name);
    draft->description = keep(row, draft->description);
    draft->category = keep(row, draft->category);
    draft->brand = keep(row, draft->brand);
    draft->currency = keep(row, draft->currency);
    for (uint32_t i = 0; i < draft->tag_count; i++)
        draft->tags[i] = keep(row, draft->tags[i]);
}

/* A later row of the product being gathered may say what is the product's again, or nothing. */
static void compare_product(struct row *row, const struct product_draft *draft)
{
    static const struct {
        enum import_field field;
        size_t offset;
    } texts[] = {
        {IMPORT_NAME, offsetof(struct product_draft, name)},
        {IMPORT_DESCRIPTION, offsetof(struct product_draft, description)},
        {IMPORT_CATEGORY, offsetof(struct product_draft, category)},
        {IMPORT_BRAND, offsetof(struct product_draft, brand)},
    };
    struct slice currency = row->values[IMPORT_CURRENCY];
    struct slice kept;

    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct slice value = row->values[texts[i].field];
        memcpy(&kept, (const char *)draft + texts[i].offset, sizeof(kept));
        if (value.length > 0 && !slices_equal(value, kept))
            row->rows->warnings++;
    }
    if (currency.length > 0 && !slices_equal(currency, draft->currency))
        refuse(row, "currency", "differs from that of the product's first row");
    uint32_t limit = read_count(row, IMPORT_LIMIT, 1);
    if (limit != 0 && limit != draft->limit_per_customer)
        row->rows->warnings++;
}

/* The product that a row belongs to: by `id`, by `product`, else one of its own. */
static struct slice product_id(struct row *row)
{
    enum import_field field = IMPORT_SKU;

    if (row->values[IMPORT_ID].length > 0)
        field = IMPORT_ID;
    else if (row->values[IMPORT_PRODUCT].length > 0)
        field = IMPORT_PRODUCT;
    struct slice id = row->values[field];
    if (field != IMPORT_SKU && !sku_is_valid(id.text, id.length))
        refuse(row, import_field_name(field), "must be 1 to 64 of letters, digits and . _ - / :");
    return id;
}

static void add_variant(struct row *row, struct product_draft *draft, struct variant_draft *variant)
{
    uint32_t text_used = row->rows->text_used;
    bool is_first = draft->variant_count == 0;

    if (is_first)
        keep_product(row, draft);
    variant->sku = keep(row, variant->sku);
    for (uint32_t i = 0; i < variant->option_count; i++) {
        variant->options[i].name = keep(row, variant->options[i].name);
        variant->options[i].value = keep(row, variant->options[i].value);
    }
    if (row->is_refused) {
        row->rows->text_used = text_used;
        return;
    }
    if (is_first)
        seen_add(&row->rows->products, draft->id);
    seen_add(&row->rows->skus, variant->sku);
    row->rows->row_numbers[draft->variant_count] = row->number;
    draft->variants[draft->variant_count++] = *variant;
}

static void begin_product(struct row *row, struct slice id, struct product_draft *draft)
{
    read_product(row, id, draft);
    if (row->is_refused)
        return;
    switch (seen_look(&row->rows->products, id, IMPORT_PRODUCTS_MAX)) {
    case SEEN_NEW:
        break;
    case SEEN_BEFORE:
        refuse(row, "product", "has rows further up: rows of one product must stand together");
        break;
    case SEEN_NO_ROOM:
        refuse(row, "product", "is one too many: a file may hold %d", (int)IMPORT_PRODUCTS_MAX);
        break;
    }
}

/* A SKU that came further up is another product's: that of the product in hand is refused before.
 */
static void check_sku_is_new(struct row *row)
{
    switch (seen_look(&row->rows->skus, row->values[IMPORT_SKU], IMPORT_SKUS_MAX)) {
    case SEEN_NEW:
        break;
    case SEEN_BEFORE:
        refuse(row, "sku", "belongs to another product further up");
        break;
    case SEEN_NO_ROOM:
        refuse(row, "sku", "is one too many: a file may hold %d", (int)IMPORT_SKUS_MAX);
        break;
    }
}

void import_rows_take(struct import_rows *rows, const struct csv_row *csv)
{
    struct row row = {.rows = rows, .number = csv->number};
    struct variant_draft variant = {.price_minor = -1, .weight_grams = -1};
    struct product_draft *draft = &rows->draft;

    if (csv->error != CSV_ERROR_NONE) {
        refuse(&row, "row", "%s", csv_error_message(csv->error));
        return;
    }
    if (csv->field_count != rows->mapping.column_count) {
        refuse(&row, "row", "has %u fields where the header has %u", csv->field_count,
               rows->mapping.column_count);
        return;
    }
    read_values(&row, csv);
    struct slice id = product_id(&row);
    if (draft->variant_count > 0 && !slices_equal(draft->id, id))
        import_rows_flush(rows);
    bool is_first = draft->variant_count == 0;
    check_sku(&row, id);
    struct slice currency = is_first ? row.values[IMPORT_CURRENCY] : draft->currency;
    if (money_currency_exponent(currency.text, currency.length) < 0)
        refuse(&row, "currency", "is not a currency code of ISO 4217");
    if (!row.is_refused)
        variant.price_minor = read_price(&row, currency);
    variant.stock = read_count(&row, IMPORT_STOCK, 0);
    if (row.values[IMPORT_WEIGHT].length > 0)
        variant.weight_grams = read_count(&row, IMPORT_WEIGHT, 0);
    read_options(&row, &variant);
    if (variant.price_minor < 0 && is_first)
        refuse(&row, "price", "is missing");
    if (draft->variant_count == PRODUCT_VARIANTS_MAX)
        refuse(&row, "product", "has more than %d variants", (int)PRODUCT_VARIANTS_MAX);
    if (is_first && !row.is_refused)
        begin_product(&row, id, draft);
    else if (!is_first)
        compare_product(&row, draft);
    if (!row.is_refused)
        check_sku_is_new(&row);
    if (row.is_refused)
        return;
    variant.sku = row.values[IMPORT_SKU];
    if (is_first) {
        draft->price_minor = variant.price_minor;
        draft->weight_grams = variant.weight_grams < 0 ? 0 : (uint32_t)variant.weight_grams;
    }
    add_variant(&row, draft, &variant);
}

void import_rows_flush(struct import_rows *rows)
{
    if (rows->draft.variant_count > 0)
        rows->on_product(rows->user, &rows->draft, rows->row_numbers);
    rows->draft.variant_count = 0;
    rows->text_used = 0;
}
