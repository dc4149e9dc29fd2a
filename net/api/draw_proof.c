/* SPDX-License-Identifier: Apache-2.0 */
#include "api/draw_proof.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/json.h"

enum { ENTRY_TEXT = 2 * DRAW_ENTRY_BYTES };

static const char *const mode_words[DRAW_MODE_COUNT] = {
#define X(name, word) [DRAW_MODE_##name] = word,
    DRAW_MODES(X)
#undef X
};

static const char hex_digits[] = "0123456789abcdef";

/* ---- writing ---- */

static void write_hex(struct writer *writer, const uint8_t *bytes, size_t count)
{
    write_byte(writer, '"');
    for (size_t i = 0; i < count; i++) {
        write_byte(writer, hex_digits[bytes[i] >> 4]);
        write_byte(writer, hex_digits[bytes[i] & 15]);
    }
    write_byte(writer, '"');
}

static void write_head(const struct draw_proof_source *source, struct writer *writer)
{
    const struct draw_terms *terms = &source->terms;

    assert(draw_terms_are_valid(terms) && source->mode < DRAW_MODE_COUNT);
    write_literal(writer, "{\"format\":\"" DRAW_FORMAT "\",\"drop\":");
    write_json_string(writer, terms->drop, strlen(terms->drop));
    write_literal(writer, ",\"mode\":\"");
    write_text(writer, mode_words[source->mode]);
    write_byte(writer, '"');
    if (source->mode == DRAW_MODE_DRAW) {
        assert(source->winners > 0);
        write_literal(writer, ",\"winners\":");
        write_unsigned(writer, source->winners);
    }
    write_literal(writer, ",\"closed_at\":");
    write_json_time(writer, source->closed_at_ms);
    write_literal(writer, ",\"seed_hash\":");
    write_hex(writer, source->seed_hash, DRAW_HASH_BYTES);
    write_literal(writer, ",\"seed\":");
    write_hex(writer, source->seed, DRAW_SEED_BYTES);
    write_literal(writer, ",\"list_hash\":");
    write_hex(writer, source->list_hash, DRAW_HASH_BYTES);
    write_literal(writer, ",\"public_source\":");
    write_json_string(writer, terms->public_source, strlen(terms->public_source));
    write_literal(writer, ",\"public_value\":");
    write_json_string(writer, terms->public_value, strlen(terms->public_value));
    write_literal(writer, ",\"count\":");
    write_unsigned(writer, source->count);
    write_literal(writer, ",\n\"entries\":[\n");
}

/* Lines: the head, the entries, what is between the lists, the order, the end. */
size_t draw_proof_write(struct draw_proof_source *source, char *bytes, size_t size)
{
    struct writer writer = writer_fixed(bytes, size);
    const uint64_t between = 1 + (uint64_t)source->count;
    const uint64_t end = between + 1 + source->count;

    assert(size >= DRAW_PROOF_PIECE_MIN && source->count <= DRAW_ENTRIES_MAX);
    if (source->lines == 0) {
        write_head(source, &writer);
        source->lines++;
    }
    while (source->lines <= end && size - writer_length(&writer) >= ENTRY_TEXT + 16) {
        uint64_t line = source->lines++;

        if (line == between) {
            write_literal(&writer, "],\n\"order\":[\n");
        } else if (line == end) {
            write_literal(&writer, "]}\n");
        } else {
            bool is_entry = line < between;
            uint64_t at = is_entry ? line - 1 : line - between - 1;
            const struct draw_entry *entry = &source->entries[is_entry ? at : source->order[at]];

            write_hex(&writer, entry->bytes, DRAW_ENTRY_BYTES);
            if (at + 1 < source->count)
                write_byte(&writer, ',');
            write_byte(&writer, '\n');
        }
    }
    return writer_length(&writer);
}

/* ---- reading ---- */

bool draw_hex_read(const char *text, size_t length, uint8_t *bytes_out, size_t count)
{
    if (length != 2 * count)
        return false;
    for (size_t i = 0; i < length; i++) {
        const char *digit = text[i] != 0 ? strchr(hex_digits, text[i]) : NULL;

        if (digit == NULL)
            return false;
        bytes_out[i / 2] = (uint8_t)(bytes_out[i / 2] << 4 | (digit - hex_digits));
    }
    return true;
}

#define MEMBERS(X)                                                                                 \
    X(FORMAT, "format")                                                                            \
    X(DROP, "drop")                                                                                \
    X(MODE, "mode")                                                                                \
    X(WINNERS, "winners")                                                                          \
    X(CLOSED_AT, "closed_at")                                                                      \
    X(SEED_HASH, "seed_hash")                                                                      \
    X(SEED, "seed")                                                                                \
    X(LIST_HASH, "list_hash")                                                                      \
    X(PUBLIC_SOURCE, "public_source")                                                              \
    X(PUBLIC_VALUE, "public_value")                                                                \
    X(LENGTH, "count")                                                                             \
    X(ENTRIES, "entries")                                                                          \
    X(ORDER, "order")

enum member {
#define X(name, text) MEMBER_##name,
    MEMBERS(X)
#undef X
        MEMBER_COUNT
};

static const char *const member_names[MEMBER_COUNT] = {
#define X(name, text) [MEMBER_##name] = text,
    MEMBERS(X)
#undef X
};

struct reading {
    const struct json_value *members[MEMBER_COUNT];
    char *error;
};

static bool refuse(const struct reading *reading, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse(const struct reading *reading, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reading->error, DRAW_PROOF_ERROR_MAX, format, arguments);
    va_end(arguments);
    return false;
}

static bool find_members(struct reading *reading, const struct json_value *document)
{
    struct json_iterator iterator;
    const struct json_value *value;
    struct slice name;

    if (json_type(document) != JSON_OBJECT)
        return refuse(reading, "it is no JSON object");
    iterator = json_members(document);
    while (json_next_member(&iterator, &name, &value)) {
        unsigned member = 0;

        while (member < MEMBER_COUNT && !slice_is(name, member_names[member]))
            member++;
        if (member == MEMBER_COUNT)
            return refuse(reading, "it has a member of another name than those of a proof");
        if (reading->members[member] != NULL)
            return refuse(reading, "%s is there twice", member_names[member]);
        reading->members[member] = value;
    }
    for (unsigned i = 0; i < MEMBER_COUNT; i++) {
        if (reading->members[i] == NULL && i != MEMBER_WINNERS)
            return refuse(reading, "%s is missing", member_names[i]);
    }
    return true;
}

/* A string of at most `length_max` bytes without a zero among them. */
static bool read_text(const struct reading *reading, enum member member, char *text_out,
                      size_t length_max)
{
    const struct json_value *value = reading->members[member];
    struct slice text;

    if (json_type(value) != JSON_STRING)
        return refuse(reading, "%s is no string", member_names[member]);
    text = json_string(value);
    if (text.length > length_max || memchr(text.text, 0, text.length) != NULL)
        return refuse(reading, "%s is none: it must have at most %zu characters",
                      member_names[member], length_max);
    memcpy(text_out, text.text, text.length);
    text_out[text.length] = 0;
    return true;
}

static bool read_bytes(const struct reading *reading, enum member member, uint8_t *bytes_out,
                       size_t count)
{
    const struct json_value *value = reading->members[member];

    if (json_type(value) == JSON_STRING) {
        struct slice text = json_string(value);

        if (draw_hex_read(text.text, text.length, bytes_out, count))
            return true;
    }
    return refuse(reading, "%s is none: it must be %zu hexadecimal digits in small letters",
                  member_names[member], 2 * count);
}

static bool read_number(const struct reading *reading, enum member member, uint32_t least,
                        uint32_t most, uint32_t *number_out)
{
    const struct json_value *value = reading->members[member];

    if (json_type(value) != JSON_INTEGER || json_integer(value) < least ||
        json_integer(value) > most)
        return refuse(reading, "%s is none: it must be a whole number from %u to %u",
                      member_names[member], least, most);
    *number_out = (uint32_t)json_integer(value);
    return true;
}

static bool read_list(const struct reading *reading, enum member member, uint32_t *count_out)
{
    const struct json_value *value = reading->members[member];

    if (json_type(value) != JSON_ARRAY || json_size(value) > DRAW_ENTRIES_MAX)
        return refuse(reading, "%s is none: it must be an array of at most %d entries",
                      member_names[member], DRAW_ENTRIES_MAX);
    *count_out = (uint32_t)json_size(value);
    return true;
}

static bool read_entries(const struct reading *reading, enum member member,
                         struct draw_entry *entries_out)
{
    struct json_iterator iterator = json_elements(reading->members[member]);
    const struct json_value *value;

    for (uint32_t i = 0; json_next_element(&iterator, &value); i++) {
        struct slice text = {NULL, 0};

        if (json_type(value) == JSON_STRING)
            text = json_string(value);
        if (!draw_hex_read(text.text, text.length, entries_out[i].bytes, DRAW_ENTRY_BYTES))
            return refuse(reading,
                          "%s[%u] is none: it must be %d hexadecimal digits in small"
                          " letters",
                          member_names[member], i, ENTRY_TEXT);
    }
    return true;
}

/* As the API writes times: 2026-11-27T18:10:00.000Z. */
static bool is_time(const char *text)
{
    static const char form[] = "0000-00-00T00:00:00.000Z";

    for (size_t i = 0; i < sizeof(form); i++) {
        bool is_digit = text[i] >= '0' && text[i] <= '9';

        if (form[i] == '0' ? !is_digit : text[i] != form[i])
            return false;
    }
    return true;
}

static bool read_head(const struct reading *reading, struct draw_proof_document *document)
{
    struct draw_proof *proof = &document->proof;
    char format[sizeof(DRAW_FORMAT)];
    char mode[16];
    unsigned number = 0;

    if (!read_text(reading, MEMBER_FORMAT, format, sizeof(format) - 1) ||
        strcmp(format, DRAW_FORMAT) != 0)
        return refuse(reading, "format is another one than " DRAW_FORMAT);
    if (!read_text(reading, MEMBER_MODE, mode, sizeof(mode) - 1))
        return false;
    while (number < DRAW_MODE_COUNT && strcmp(mode, mode_words[number]) != 0)
        number++;
    if (number == DRAW_MODE_COUNT)
        return refuse(reading, "mode is neither shuffle nor draw");
    document->mode = (enum draw_mode)number;
    if ((document->mode == DRAW_MODE_DRAW) != (reading->members[MEMBER_WINNERS] != NULL))
        return refuse(reading, "winners must be there where mode is draw, and nowhere else");
    if (document->mode == DRAW_MODE_DRAW &&
        !read_number(reading, MEMBER_WINNERS, 1, UINT32_MAX, &document->winners))
        return false;
    if (!read_text(reading, MEMBER_CLOSED_AT, document->closed_at, RENDER_TIME_LENGTH))
        return false;
    if (!is_time(document->closed_at))
        return refuse(reading, "closed_at is no time such as 2026-11-27T18:10:00.000Z");
    if (!read_text(reading, MEMBER_DROP, document->drop, DRAW_DROP_LENGTH_MAX) ||
        !read_text(reading, MEMBER_PUBLIC_SOURCE, document->public_source,
                   DRAW_PUBLIC_LENGTH_MAX) ||
        !read_text(reading, MEMBER_PUBLIC_VALUE, document->public_value, DRAW_PUBLIC_LENGTH_MAX) ||
        !read_bytes(reading, MEMBER_SEED_HASH, proof->seed_hash, DRAW_HASH_BYTES) ||
        !read_bytes(reading, MEMBER_SEED, proof->seed, DRAW_SEED_BYTES) ||
        !read_bytes(reading, MEMBER_LIST_HASH, proof->list_hash, DRAW_HASH_BYTES))
        return false;
    proof->terms = (struct draw_terms){.drop = document->drop,
                                       .public_source = document->public_source,
                                       .public_value = document->public_value};
    if (!draw_terms_are_valid(&proof->terms))
        return refuse(reading, "drop, public_source or public_value are none: see what they may be"
                               " in docs/fair-draw.md");
    return true;
}

static bool read_lists(const struct reading *reading, struct draw_proof_document *document)
{
    struct draw_proof *proof = &document->proof;

    if (!read_number(reading, MEMBER_LENGTH, 0, DRAW_ENTRIES_MAX, &proof->count_said) ||
        !read_list(reading, MEMBER_ENTRIES, &proof->count) ||
        !read_list(reading, MEMBER_ORDER, &proof->order_count))
        return false;
    document->lists =
        malloc(((size_t)proof->count + proof->order_count + 1) * sizeof(*document->lists));
    if (document->lists == NULL)
        return refuse(reading, "there is not enough memory for it");
    struct draw_entry *order = document->lists + proof->count;
    proof->entries = document->lists;
    proof->order = order;
    return read_entries(reading, MEMBER_ENTRIES, document->lists) &&
           read_entries(reading, MEMBER_ORDER, order);
}

bool draw_proof_read(const char *text, size_t length, struct draw_proof_document *document_out,
                     char error[DRAW_PROOF_ERROR_MAX])
{
    struct reading reading = {.error = error};
    struct json_memory memory = {0};
    const char *message;
    size_t position;
    bool is_read = false;

    memset(document_out, 0, sizeof(*document_out));
    if (length > DRAW_PROOF_BYTES_MAX)
        return refuse(&reading, "it is longer than any proof: at most %d bytes",
                      DRAW_PROOF_BYTES_MAX);
    memory.size = json_memory_needed(length);
    memory.bytes = malloc(memory.size);
    if (memory.bytes == NULL)
        return refuse(&reading, "there is not enough memory for it");
    const struct json_value *value = json_read(memory, text, length, &message, &position);
    if (value == NULL)
        refuse(&reading, "it is no JSON: %s, at byte %zu", message, position);
    else
        is_read = find_members(&reading, value) && read_head(&reading, document_out) &&
                  read_lists(&reading, document_out);
    free(memory.bytes);
    if (!is_read)
        draw_proof_free(document_out);
    return is_read;
}

void draw_proof_free(struct draw_proof_document *document)
{
    free(document->lists);
    document->lists = NULL;
}
