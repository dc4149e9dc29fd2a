/* SPDX-License-Identifier: Apache-2.0 */
#include "api/html.h"

#include <assert.h>

enum {
    OPEN_MAX = 32, /* elements in one another; what is deeper stays as text */
    NAME_MAX_BYTES = 16,
    HREF_MAX_BYTES = 2048,
};

enum element {
    ELEMENT_P,
    ELEMENT_BR,
    ELEMENT_UL,
    ELEMENT_OL,
    ELEMENT_LI,
    ELEMENT_STRONG,
    ELEMENT_EM,
    ELEMENT_B,
    ELEMENT_I,
    ELEMENT_A,
    ELEMENT_H2,
    ELEMENT_H3,
    ELEMENT_H4,
    ELEMENT_TABLE,
    ELEMENT_TR,
    ELEMENT_TD,
    ELEMENT_TH,
    ELEMENT_COUNT,
    ELEMENT_BLOCK,   /* not known as such, but text before and after it is apart */
    ELEMENT_UNKNOWN, /* not known: its content stays */
    ELEMENT_HIDDEN,  /* its content is not shown */
};

static const char *const element_names[ELEMENT_COUNT] = {
    [ELEMENT_P] = "p",   [ELEMENT_BR] = "br",         [ELEMENT_UL] = "ul", [ELEMENT_OL] = "ol",
    [ELEMENT_LI] = "li", [ELEMENT_STRONG] = "strong", [ELEMENT_EM] = "em", [ELEMENT_B] = "b",
    [ELEMENT_I] = "i",   [ELEMENT_A] = "a",           [ELEMENT_H2] = "h2", [ELEMENT_H3] = "h3",
    [ELEMENT_H4] = "h4", [ELEMENT_TABLE] = "table",   [ELEMENT_TR] = "tr", [ELEMENT_TD] = "td",
    [ELEMENT_TH] = "th",
};

#define BIT(name) (1u << ELEMENT_##name)

enum {
    CELLS = BIT(TD) | BIT(TH),
    HEADINGS = BIT(H2) | BIT(H3) | BIT(H4),
    LISTS = BIT(UL) | BIT(OL),
    /* Begins a block: a paragraph or heading that is open ends before it. */
    BLOCKS = BIT(P) | LISTS | HEADINGS | BIT(TABLE),
    /* No text stands in these themselves. */
    FRAMES = BIT(TABLE) | BIT(TR),
};

static const struct {
    const char *name;
    enum element element;
} other_names[] = {
    {"h1", ELEMENT_H2},
    {"h5", ELEMENT_H4},
    {"h6", ELEMENT_H4},
    {"div", ELEMENT_BLOCK},
    {"section", ELEMENT_BLOCK},
    {"article", ELEMENT_BLOCK},
    {"header", ELEMENT_BLOCK},
    {"footer", ELEMENT_BLOCK},
    {"main", ELEMENT_BLOCK},
    {"aside", ELEMENT_BLOCK},
    {"blockquote", ELEMENT_BLOCK},
    {"pre", ELEMENT_BLOCK},
    {"dl", ELEMENT_BLOCK},
    {"dt", ELEMENT_BLOCK},
    {"dd", ELEMENT_BLOCK},
    {"figure", ELEMENT_BLOCK},
    {"figcaption", ELEMENT_BLOCK},
    {"address", ELEMENT_BLOCK},
    {"hr", ELEMENT_BLOCK},
    {"center", ELEMENT_BLOCK},
    {"caption", ELEMENT_BLOCK},
    {"script", ELEMENT_HIDDEN},
    {"style", ELEMENT_HIDDEN},
    {"iframe", ELEMENT_HIDDEN},
    {"object", ELEMENT_HIDDEN},
    {"applet", ELEMENT_HIDDEN},
    {"noscript", ELEMENT_HIDDEN},
    {"noembed", ELEMENT_HIDDEN},
    {"noframes", ELEMENT_HIDDEN},
    {"template", ELEMENT_HIDDEN},
    {"svg", ELEMENT_HIDDEN},
    {"math", ELEMENT_HIDDEN},
    {"textarea", ELEMENT_HIDDEN},
    {"title", ELEMENT_HIDDEN},
    {"head", ELEMENT_HIDDEN},
    {"xmp", ELEMENT_HIDDEN},
    {"select", ELEMENT_HIDDEN},
    {"audio", ELEMENT_HIDDEN},
    {"video", ELEMENT_HIDDEN},
    {"canvas", ELEMENT_HIDDEN},
    {"frameset", ELEMENT_HIDDEN},
    {"plaintext", ELEMENT_HIDDEN},
};

/* A tag of the source. */
struct tag {
    char name[NAME_MAX_BYTES]; /* in small letters; cut: then it is none that is known */
    size_t name_length;
    enum element element;
    bool is_end;
    bool is_unended;
    struct slice href; /* as it stands there; text NULL: none */
};

struct html {
    struct writer *writer;
    const char *at;
    const char *end;
    bool keeps_lines;
    bool has_ended; /* a tag that does not end was met: the rest is text, without further looks */
    uint32_t open_count;
    uint8_t open[OPEN_MAX]; /* enum element */
    bool owes_blank;        /* a block that is not known ended or began */
};

/* ---- characters ---- */

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r' || byte == '\f';
}

static bool is_letter(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static char to_small(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte + ('a' - 'A')) : byte;
}

static bool is_hexadecimal(char byte)
{
    return is_digit(byte) || (to_small(byte) >= 'a' && to_small(byte) <= 'f');
}

/* The length of the character reference here, with its semicolon; 0: it is none. */
static size_t reference_length(const char *at, const char *end)
{
    enum { REFERENCE_MAX = 32 };
    size_t left = (size_t)(end - at);
    size_t length = 1;
    bool is_number = left > 2 && at[1] == '#';
    bool is_sixteen = is_number && left > 3 && to_small(at[2]) == 'x';
    size_t begin = is_sixteen ? 3 : is_number ? 2 : 1;

    for (length = begin; length < left && length < REFERENCE_MAX; length++) {
        char byte = at[length];

        if (byte == ';')
            return length == begin ? 0 : length + 1;
        if (is_sixteen  ? !is_hexadecimal(byte)
            : is_number ? !is_digit(byte)
                        : !is_letter(byte) && !is_digit(byte))
            return 0;
    }
    return 0;
}

static void write_character(struct writer *writer, char byte)
{
    unsigned char code = (unsigned char)byte;

    if (byte == '<')
        write_literal(writer, "&lt;");
    else if (byte == '>')
        write_literal(writer, "&gt;");
    else if (byte == '&')
        write_literal(writer, "&amp;");
    else if (byte == '"')
        write_literal(writer, "&quot;");
    else if (byte == '\'')
        write_literal(writer, "&#39;");
    else if (code >= 0x20 || is_blank(byte))
        write_byte(writer, byte);
}

/* ---- tags of the source ---- */

static bool name_is(const struct tag *tag, const char *name)
{
    return strlen(name) == tag->name_length && memcmp(name, tag->name, tag->name_length) == 0;
}

static enum element find_element(const struct tag *tag)
{
    for (unsigned i = 0; i < ELEMENT_COUNT; i++)
        if (name_is(tag, element_names[i]))
            return (enum element)i;
    for (unsigned i = 0; i < sizeof(other_names) / sizeof(other_names[0]); i++)
        if (name_is(tag, other_names[i].name))
            return other_names[i].element;
    return ELEMENT_UNKNOWN;
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && (is_blank(*at) || *at == '/'))
        at++;
    return at;
}

/* An attribute; NULL if the source ends in it. */
static const char *read_attribute(const char *at, const char *end, struct tag *tag)
{
    const char *name = at;
    struct slice value = {0};

    while (at < end && !is_blank(*at) && *at != '=' && *at != '>' && *at != '/')
        at++;
    size_t name_length = (size_t)(at - name);
    const char *after = at;
    while (after < end && is_blank(*after))
        after++;
    if (after == end || *after != '=')
        return at == name ? at + 1 : at; /* a stray sign is passed over */
    for (at = after + 1; at < end && is_blank(*at);)
        at++;
    if (at == end)
        return NULL;
    if (*at == '"' || *at == '\'') {
        const char *close = memchr(at + 1, *at, (size_t)(end - at - 1));

        if (close == NULL)
            return NULL;
        value = (struct slice){at + 1, (size_t)(close - at - 1)};
        at = close + 1;
    } else {
        value.text = at;
        while (at < end && !is_blank(*at) && *at != '>')
            at++;
        value.length = (size_t)(at - value.text);
    }
    if (name_length == 4 && to_small(name[0]) == 'h' && to_small(name[1]) == 'r' &&
        to_small(name[2]) == 'e' && to_small(name[3]) == 'f' && tag->href.text == NULL)
        tag->href = value;
    return at;
}

/* The tag that begins at `<`; where it ends, or NULL: there is none, or (is_unended) the source
 * ends in it. */
static const char *read_tag(const char *at, const char *end, struct tag *tag)
{
    *tag = (struct tag){0};
    at++;
    if (at < end && *at == '/') {
        tag->is_end = true;
        at++;
    }
    if (at == end || !is_letter(*at))
        return NULL;
    for (; at < end && !is_blank(*at) && *at != '>' && *at != '/'; at++) {
        if (tag->name_length < NAME_MAX_BYTES)
            tag->name[tag->name_length++] = to_small(*at);
    }
    for (at = skip_blanks(at, end); at != NULL && at < end && *at != '>';) {
        at = read_attribute(at, end, tag);
        if (at != NULL)
            at = skip_blanks(at, end);
    }
    tag->is_unended = at == NULL || at == end;
    if (tag->is_unended)
        return NULL;
    tag->element = find_element(tag);
    return at + 1;
}

/* Behind a comment, a declaration or an instruction; NULL: it is none. */
static const char *skip_markup(const char *at, const char *end)
{
    const char *close;

    if (end - at < 2 || (at[1] != '!' && at[1] != '?'))
        return NULL;
    if (end - at >= 4 && memcmp(at, "<!--", 4) == 0) {
        close = memmem(at + 4, (size_t)(end - at - 4), "-->", 3);
        return close == NULL ? end : close + 3;
    }
    close = memchr(at, '>', (size_t)(end - at));
    return close == NULL ? end : close + 1;
}

/* Behind the end of an element whose content is not shown. */
static const char *skip_hidden(const char *at, const char *end, const struct tag *tag)
{
    for (; at < end; at++) {
        size_t i = 0;

        at = memchr(at, '<', (size_t)(end - at));
        if (at == NULL)
            return end;
        if (end - at < (ptrdiff_t)tag->name_length + 3 || at[1] != '/')
            continue;
        while (i < tag->name_length && to_small(at[2 + i]) == tag->name[i])
            i++;
        if (i < tag->name_length || is_letter(at[2 + i]) || is_digit(at[2 + i]))
            continue;
        at = memchr(at, '>', (size_t)(end - at));
        return at == NULL ? end : at + 1;
    }
    return end;
}

/* ---- links ---- */

/* The character that a reference in an attribute stands for, as UTF-8; false: none that a link
 * needs. */
static bool reference_byte(const char *at, size_t length, char *byte_out)
{
    static const struct {
        const char *text;
        char byte;
    } names[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    unsigned code = 0;

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i].text) == length && memcmp(names[i].text, at, length) == 0) {
            *byte_out = names[i].byte;
            return true;
        }
    }
    if (at[1] != '#')
        return false;
    bool is_sixteen = to_small(at[2]) == 'x';
    for (size_t i = is_sixteen ? 3 : 2; i < length - 1; i++) {
        char small = to_small(at[i]);
        unsigned digit = is_digit(small) ? (unsigned)(small - '0') : (unsigned)(small - 'a' + 10);

        code = code * (is_sixteen ? 16 : 10) + digit;
        if (code > 0x7f)
            return false;
    }
    *byte_out = (char)code;
    return true;
}

/* The address as a browser would read it; 0: it is none that may be linked to. What is not decoded
 * here is written so that no browser decodes it either. */
static size_t read_href(struct slice source, char href_out[HREF_MAX_BYTES])
{
    const char *at = source.text;
    const char *end = source.text + source.length;
    size_t length = 0;

    while (at < end && (unsigned char)*at <= 0x20)
        at++;
    while (at < end && (unsigned char)end[-1] <= 0x20)
        end--;
    while (at < end) {
        size_t reference = *at == '&' ? reference_length(at, end) : 0;
        char byte = *at;

        if (reference == 0 || !reference_byte(at, reference, &byte))
            reference = 1;
        at += reference;
        /* Browsers leave out what is no character of an address; so nothing of it is taken. */
        if ((unsigned char)byte <= 0x20 || byte == 0x7f || byte == '\\' || length == HREF_MAX_BYTES)
            return 0;
        href_out[length++] = byte;
    }
    return length;
}

static bool has_prefix(const char *text, size_t length, const char *prefix)
{
    size_t i = 0;

    while (prefix[i] != '\0' && i < length && to_small(text[i]) == prefix[i])
        i++;
    return prefix[i] == '\0' && length > i;
}

/* False: there is no address to link to. */
static bool write_link(struct writer *writer, struct slice source)
{
    char href[HREF_MAX_BYTES];
    size_t length = source.text == NULL ? 0 : read_href(source, href);

    if (!has_prefix(href, length, "http://") && !has_prefix(href, length, "https://") &&
        !has_prefix(href, length, "mailto:"))
        return false;
    write_literal(writer, "<a href=\"");
    for (size_t i = 0; i < length; i++)
        write_character(writer, href[i]);
    write_literal(writer, "\" rel=\"nofollow noopener\">");
    return true;
}

/* ---- what is open ---- */

static unsigned top_bit(const struct html *html)
{
    return html->open_count == 0 ? 0 : 1u << html->open[html->open_count - 1];
}

static void close_top(struct html *html)
{
    assert(html->open_count > 0);
    write_literal(html->writer, "</");
    write_text(html->writer, element_names[html->open[--html->open_count]]);
    write_byte(html->writer, '>');
}

/* Closes the innermost of these elements with all within, unless one of `walls` stands between. */
static void close_any(struct html *html, unsigned elements, unsigned walls)
{
    uint32_t depth = html->open_count;

    while (depth > 0 && (elements & 1u << html->open[depth - 1]) == 0) {
        if ((walls & 1u << html->open[depth - 1]) != 0)
            return;
        depth--;
    }
    while (depth > 0 && html->open_count >= depth)
        close_top(html);
}

static bool is_open(const struct html *html, enum element element)
{
    for (uint32_t i = 0; i < html->open_count; i++)
        if (html->open[i] == element)
            return true;
    return false;
}

/* Ends what cannot go on beside the element; false if it cannot stand here. */
static bool make_place(struct html *html, enum element element)
{
    unsigned bit = 1u << element;

    if ((bit & CELLS) != 0) {
        close_any(html, CELLS, BIT(TABLE));
        return (top_bit(html) & BIT(TR)) != 0;
    }
    if (element == ELEMENT_TR) {
        close_any(html, BIT(TR), BIT(TABLE));
        return (top_bit(html) & BIT(TABLE)) != 0;
    }
    if (element == ELEMENT_LI) {
        close_any(html, BIT(LI), LISTS | CELLS);
        return (top_bit(html) & LISTS) != 0;
    }
    if ((top_bit(html) & FRAMES) != 0)
        return false;
    if ((bit & BLOCKS) != 0)
        close_any(html, BIT(P) | HEADINGS, LISTS | CELLS | BIT(LI));
    return element != ELEMENT_A || !is_open(html, ELEMENT_A);
}

/* ---- writing ---- */

static void pay_blank(struct html *html)
{
    if (html->owes_blank && (top_bit(html) & FRAMES) == 0)
        write_byte(html->writer, ' ');
    html->owes_blank = false;
}

static void begin_element(struct html *html, const struct tag *tag)
{
    if (html->open_count == OPEN_MAX || !make_place(html, tag->element))
        return;
    pay_blank(html);
    if (tag->element == ELEMENT_A) {
        if (!write_link(html->writer, tag->href))
            return;
    } else {
        write_byte(html->writer, '<');
        write_text(html->writer, element_names[tag->element]);
        write_byte(html->writer, '>');
    }
    if (tag->element != ELEMENT_BR)
        html->open[html->open_count++] = (uint8_t)tag->element;
}

static void take_tag(struct html *html, const struct tag *tag)
{
    if (tag->element == ELEMENT_HIDDEN) {
        if (!tag->is_end)
            html->at = skip_hidden(html->at, html->end, tag);
    } else if (tag->element == ELEMENT_BLOCK) {
        html->owes_blank = true;
    } else if (tag->element < ELEMENT_COUNT) {
        unsigned bit = 1u << tag->element;

        if (!tag->is_end)
            begin_element(html, tag);
        else if (tag->element != ELEMENT_BR)
            close_any(html, bit,
                      bit == BIT(TABLE) ? 0 : BIT(TABLE) | ((bit & BIT(TR)) ? 0 : CELLS));
    }
}

/* Text up to the next `<`, or that alone. */
static void take_text(struct html *html)
{
    bool is_shown = (top_bit(html) & FRAMES) == 0;

    do {
        size_t length = *html->at == '&' ? reference_length(html->at, html->end) : 0;

        if (!is_shown) {
            html->at++;
            continue;
        }
        pay_blank(html);
        if (length > 0) {
            write_bytes(html->writer, html->at, length);
            html->at += length;
            continue;
        }
        if (*html->at == '\n' && html->keeps_lines)
            write_literal(html->writer, "<br>");
        write_character(html->writer, *html->at++);
    } while (html->at < html->end && *html->at != '<');
}

/* Whether any element of the source is one that is shown. */
static bool has_elements(const char *at, const char *end)
{
    struct tag tag = {0};

    while (at < end && !tag.is_unended) {
        const char *after;

        at = memchr(at, '<', (size_t)(end - at));
        if (at == NULL)
            return false;
        after = read_tag(at, end, &tag);
        if (after != NULL && (tag.element < ELEMENT_COUNT || tag.element == ELEMENT_BLOCK))
            return true;
        at = after == NULL ? at + 1 : after;
    }
    return false;
}

/* Takes markup that stands here; false: there is text. */
static bool take_markup(struct html *html)
{
    const char *after;
    struct tag tag;

    if (*html->at != '<' || html->has_ended)
        return false;
    after = skip_markup(html->at, html->end);
    if (after != NULL) {
        html->at = after;
        return true;
    }
    after = read_tag(html->at, html->end, &tag);
    if (after == NULL) {
        html->has_ended = tag.is_unended;
        return false;
    }
    html->at = after;
    take_tag(html, &tag);
    return true;
}

void write_safe_html(struct writer *writer, const char *text, size_t length)
{
    struct html html = {.writer = writer, .at = text, .end = text + length};

    html.keeps_lines = length > 0 && !has_elements(text, text + length);
    while (html.at < html.end) {
        if (!take_markup(&html))
            take_text(&html);
    }
    while (html.open_count > 0)
        close_top(&html);
}
