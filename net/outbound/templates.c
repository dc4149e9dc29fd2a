/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/templates.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "outbound/templates_embed.h"

enum {
    PATH_MAX_BYTES = 4200,
    TEMPLATE_MAX = 32 << 10, /* bytes of a file; what it is filled with may need as many again */
    SECTIONS_MAX = 4,        /* one in the other */
};

_Static_assert(MAIL_VALUE_COUNT <= 32, "the values that a mail has are bits of one word");

struct template
{
    char *subject;
    char *text;
    char *html;
};

struct mail_templates {
    struct template mails[MAIL_KIND_COUNT];
};

static const char *const value_names[MAIL_VALUE_COUNT] = {
#define X(name) #name,
    MAIL_VALUES(X)
#undef X
};

#define HAS(name) (1U << MAIL_VALUE_##name)

static const struct {
    const char *name;
    unsigned values;
} lists_known[MAIL_LIST_COUNT] = {
#define X(name, values) {#name, values},
    MAIL_LISTS(X)
#undef X
};

/* What all mails of orders have. */
#define OF_ORDER                                                                                   \
    (HAS(order) | HAS(contact) | HAS(link) | HAS(title) | HAS(quantity) | HAS(unit_price) |        \
     HAS(line_total) | HAS(address_line) | HAS(subtotal) | HAS(discount) | HAS(coupon) |           \
     HAS(shipping) | HAS(shipping_method) | HAS(tax) | HAS(tax_included) | HAS(total))

static const struct {
    const char *file;
    unsigned values;
} rows[MAIL_KIND_COUNT] = {
#define X(id, file, values) {file, (values) | HAS(shop_name) | HAS(public_url)},
    MAILS(X)
#undef X
};

const char *mail_kind_name(enum mail_kind kind)
{
    return rows[kind].file;
}

/* ---- tags ---- */

/* {{name}}, {{#name}}, {{/name}}: the text from `begin` to `end` makes way for it. */
struct tag {
    const char *begin;
    const char *end;
    const char *name;
    size_t length;
    char kind;             /* 0, '#' or '/' */
    enum mail_value value; /* COUNT: it names none */
    enum mail_list_name list;
};

static bool is_named(const struct tag *tag, const char *name)
{
    return strlen(name) == tag->length && memcmp(name, tag->name, tag->length) == 0;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* A section's tag that is alone on its line takes the whole line. */
static void take_line(struct tag *tag, const char *start)
{
    const char *begin = tag->begin;
    const char *end = tag->end;

    while (begin > start && is_blank(begin[-1]))
        begin--;
    while (is_blank(*end))
        end++;
    if ((begin > start && begin[-1] != '\n') || (*end != '\n' && *end != 0))
        return;
    tag->begin = begin;
    tag->end = *end == 0 ? end : end + 1;
}

/* The first at `from` or after it; `start` is where the text begins. False: none, or one without
 * an end on its line, which is at tag_out->begin then, and NULL otherwise. */
static bool find_tag(const char *start, const char *from, struct tag *tag_out)
{
    const char *begin = strstr(from, "{{");
    const char *end = begin == NULL ? NULL : strstr(begin, "}}");

    *tag_out = (struct tag){.begin = begin, .value = 0, .list = 0};
    if (end == NULL || memchr(begin, '\n', (size_t)(end - begin)) != NULL)
        return false;
    tag_out->end = end + 2;
    tag_out->name = begin + 2;
    if (begin[2] == '#' || begin[2] == '/')
        tag_out->kind = *tag_out->name++;
    tag_out->length = (size_t)(end - tag_out->name);
    while (tag_out->value < MAIL_VALUE_COUNT && !is_named(tag_out, value_names[tag_out->value]))
        tag_out->value++;
    while (tag_out->list < MAIL_LIST_COUNT && !is_named(tag_out, lists_known[tag_out->list].name))
        tag_out->list++;
    if (tag_out->kind != 0)
        take_line(tag_out, start);
    return true;
}

/* ---- checking a template ---- */

struct checked {
    enum mail_kind kind;
    const char *path;
    const char *start;
    unsigned first_line;
    struct tag open[SECTIONS_MAX];
    unsigned depth;
    char *error;
    size_t error_size;
};

static unsigned line_of(const struct checked *checked, const char *at)
{
    unsigned line = checked->first_line;

    for (const char *text = checked->start; text < at; text++)
        line += *text == '\n';
    return line;
}

static bool refuse(const struct checked *checked, const struct tag *tag, const char *what)
{
    snprintf(checked->error, checked->error_size,
             "%.300s: line %u: {{%.*s%.*s}} %s: see the table of mails in docs/operations.md",
             checked->path, line_of(checked, tag->name), tag->kind != 0, &tag->kind,
             (int)(tag->length < 60 ? tag->length : 60), tag->name, what);
    return false;
}

/* What the open sections' rows bring, and what rows of other lists would. */
static unsigned values_here(const struct checked *checked)
{
    unsigned values = rows[checked->kind].values;

    for (unsigned list = 0; list < MAIL_LIST_COUNT; list++) {
        bool is_inside = false;

        for (unsigned i = 0; i < checked->depth; i++)
            is_inside = is_inside || checked->open[i].list == list;
        if (!is_inside)
            values &= ~lists_known[list].values;
    }
    return values;
}

static bool check_tag(struct checked *checked, const struct tag *tag)
{
    if (tag->kind == '/') {
        const struct tag *open = checked->depth == 0 ? NULL : &checked->open[checked->depth - 1];

        if (open == NULL || open->length != tag->length ||
            memcmp(open->name, tag->name, tag->length) != 0)
            return refuse(checked, tag, "ends nothing that is open");
        checked->depth--;
        return true;
    }
    bool is_list = tag->kind == '#' && tag->list < MAIL_LIST_COUNT &&
                   (lists_known[tag->list].values & ~rows[checked->kind].values) == 0;
    bool is_value =
        tag->value < MAIL_VALUE_COUNT && (values_here(checked) & (1U << tag->value)) != 0;
    if (!is_list && !is_value)
        return refuse(checked, tag, "is nothing that this mail has here");
    if (tag->kind == 0)
        return true;
    if (checked->depth == SECTIONS_MAX)
        return refuse(checked, tag, "is within too many others");
    for (unsigned i = 0; i < checked->depth; i++)
        if (checked->open[i].list < MAIL_LIST_COUNT && is_list)
            return refuse(checked, tag, "is within another list");
    checked->open[checked->depth++] = *tag;
    return true;
}

static bool check(enum mail_kind kind, const char *path, const char *text, unsigned line,
                  char *error, size_t error_size)
{
    struct checked checked = {.kind = kind,
                              .path = path,
                              .start = text,
                              .first_line = line,
                              .error = error,
                              .error_size = error_size};
    struct tag tag;

    while (find_tag(checked.start, text, &tag)) {
        if (!check_tag(&checked, &tag))
            return false;
        text = tag.end;
    }
    if (tag.begin != NULL) {
        snprintf(error, error_size, "%.300s: line %u: \"{{\" has no \"}}\" on its line", path,
                 line_of(&checked, tag.begin));
        return false;
    }
    return checked.depth == 0 || refuse(&checked, &checked.open[checked.depth - 1], "has no end");
}

/* ---- loading ---- */

/* The file's text without CR, malloc; NULL with errno, or with a line in `error` and errno 0. */
static char *read_file(const char *path, char *error, size_t error_size)
{
    FILE *file = fopen(path, "re");
    char *text;
    size_t length;
    size_t kept = 0;

    if (file == NULL)
        return NULL;
    text = calloc(1, TEMPLATE_MAX + 2);
    length = text == NULL ? 0 : fread(text, 1, TEMPLATE_MAX + 1, file);
    bool is_read = text != NULL && ferror(file) == 0;
    if (!is_read)
        errno = text == NULL ? ENOMEM : EIO;
    fclose(file);
    if (!is_read)
        goto free_text;
    for (size_t i = 0; i < length; i++) {
        if (text[i] != '\r' || text[i + 1] != '\n')
            text[kept++] = text[i];
    }
    text[kept] = 0;
    errno = 0;
    if (length <= TEMPLATE_MAX && mail_is_text(text, kept, "\n\t"))
        return text;
    snprintf(error, error_size, "%.300s: give UTF-8 without control characters, at most %d bytes",
             path, (int)TEMPLATE_MAX);
free_text:
    free(text);
    return NULL;
}

/* The folder's file, or else the built-in text. */
static char *read_template(const char *folder, const char *name, const char *ending,
                           const char *built_in, char path_out[PATH_MAX_BYTES], char *error,
                           size_t error_size)
{
    char *text;

    snprintf(path_out, PATH_MAX_BYTES, "%s%s%s.%s", folder, folder[0] == 0 ? "" : "/", name,
             ending);
    if (folder[0] != 0) {
        text = read_file(path_out, error, error_size);
        if (text != NULL || errno == 0)
            return text;
        if (errno != ENOENT) {
            snprintf(error, error_size, "cannot read %.300s: %s", path_out, strerror(errno));
            return NULL;
        }
    }
    text = strdup(built_in);
    if (text == NULL)
        snprintf(error, error_size, "not enough memory for the mails' texts");
    return text;
}

/* "Subject: ...", a blank line, the text: cut apart in place. */
static bool split_subject(struct template *mail, const char *path, char *error, size_t error_size)
{
    static const char label[] = "Subject: ";
    char *end = strchr(mail->text, '\n');

    if (strncmp(mail->text, label, strlen(label)) != 0 || end == NULL || end[1] != '\n') {
        snprintf(error, error_size,
                 "%.300s: line 1: give \"Subject: ...\", and a blank line after it", path);
        return false;
    }
    mail->subject = strndup(mail->text + strlen(label), (size_t)(end - mail->text) - strlen(label));
    memmove(mail->text, end + 2, strlen(end + 2) + 1);
    return mail->subject != NULL;
}

static bool load_mail(struct template *mail, enum mail_kind kind, const char *folder, char *error,
                      size_t error_size)
{
    char path[PATH_MAX_BYTES];

    mail->text = read_template(folder, rows[kind].file, "txt", mail_built_in[kind].text, path,
                               error, error_size);
    if (mail->text == NULL || !split_subject(mail, path, error, error_size) ||
        !check(kind, path, mail->subject, 1, error, error_size) ||
        !check(kind, path, mail->text, 3, error, error_size))
        return false;
    mail->html = read_template(folder, rows[kind].file, "html", mail_built_in[kind].html, path,
                               error, error_size);
    return mail->html != NULL && check(kind, path, mail->html, 1, error, error_size);
}

/* Whether it is a file that some mail has, or none of ours at all. */
static bool is_expected(const char *name)
{
    const char *ending = strrchr(name, '.');

    if (ending == NULL || (strcmp(ending, ".txt") != 0 && strcmp(ending, ".html") != 0))
        return true;
    for (enum mail_kind kind = 0; kind < MAIL_KIND_COUNT; kind++) {
        if (strlen(rows[kind].file) == (size_t)(ending - name) &&
            memcmp(rows[kind].file, name, (size_t)(ending - name)) == 0)
            return true;
    }
    return false;
}

/* A misspelt file would be ignored in silence. */
static bool check_folder(const char *path, char *error, size_t error_size)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    bool is_good = true;

    if (folder == NULL) {
        snprintf(error, error_size, "cannot read the folder of mail templates %.300s: %s", path,
                 strerror(errno));
        return false;
    }
    while (is_good && (entry = readdir(folder)) != NULL) {
        is_good = is_expected(entry->d_name);
        if (!is_good)
            snprintf(error, error_size,
                     "%.300s/%.100s is the text of no mail: see the table of mails in"
                     " docs/operations.md",
                     path, entry->d_name);
    }
    closedir(folder);
    return is_good;
}

struct mail_templates *mail_templates_load(const char *folder, char *error, size_t error_size)
{
    struct mail_templates *templates;

    if (folder[0] != 0 && !check_folder(folder, error, error_size))
        return NULL;
    snprintf(error, error_size, "not enough memory for the mails' texts");
    templates = calloc(1, sizeof(*templates));
    for (enum mail_kind kind = 0; templates != NULL && kind < MAIL_KIND_COUNT; kind++) {
        if (!load_mail(&templates->mails[kind], kind, folder, error, error_size)) {
            mail_templates_free(templates);
            return NULL;
        }
    }
    return templates;
}

void mail_templates_free(struct mail_templates *templates)
{
    for (enum mail_kind kind = 0; kind < MAIL_KIND_COUNT; kind++) {
        free(templates->mails[kind].subject);
        free(templates->mails[kind].text);
        free(templates->mails[kind].html);
    }
    free(templates);
}

/* ---- rendering ---- */

struct part {
    char *target;
    size_t most; /* bytes, its terminator apart */
    size_t length;
    bool failed;
};

static void append(struct part *part, const char *bytes, size_t length)
{
    if (part->failed || length > part->most - part->length) {
        part->failed = true;
        return;
    }
    memcpy(part->target + part->length, bytes, length);
    part->length += length;
}

static const char *escape(char byte)
{
    switch (byte) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

/* The bytes of a control character, or of one that ends a line (mail_is_text takes neither); 0: it
 * is another. */
static size_t control_bytes(const char *text)
{
    const unsigned char *bytes = (const unsigned char *)text;

    if (bytes[0] < ' ' || bytes[0] == 0x7f)
        return 1;
    if (bytes[0] == 0xc2 && bytes[1] >= 0x80 && bytes[1] < 0xa0)
        return 2;
    return bytes[0] == 0xe2 && bytes[1] == 0x80 && (bytes[2] == 0xa8 || bytes[2] == 0xa9) ? 3 : 0;
}

static void append_value(struct part *part, const char *value, bool is_html)
{
    while (*value != 0) {
        const char *escaped = is_html ? escape(*value) : NULL;
        size_t control = control_bytes(value);

        if (escaped != NULL)
            append(part, escaped, strlen(escaped));
        else
            append(part, control > 0 ? " " : value, 1);
        value += control > 0 ? control : 1;
    }
}

/* What a template is filled with. */
struct filling {
    const char *start; /* of the template's part */
    const char *const *values;
    const struct mail_list *lists;
    const struct mail_row *row; /* of the list around, or NULL */
    bool is_html;
};

static const char *value_of(const struct filling *filling, enum mail_value value)
{
    const char *text = filling->row == NULL ? NULL : filling->row->values[value];

    return text == NULL ? filling->values[value] : text;
}

/* The tag that ends the section which `open` begins: `check` has seen that there is one. */
static struct tag find_end(const struct filling *filling, const struct tag *open)
{
    struct tag tag = *open;
    unsigned depth = 1;

    do {
        bool is_found = find_tag(filling->start, tag.end, &tag);

        assert(is_found);
        (void)is_found;
        depth += tag.kind == '#';
        depth -= tag.kind == '/';
    } while (depth > 0);
    return tag;
}

static void fill_section(struct part *part, const struct filling *filling, const struct tag *open,
                         const struct tag *close);

/* From `text` up to `stop`. At most SECTIONS_MAX deep. */
static void fill_range(struct part *part, const struct filling *filling, const char *text,
                       const char *stop)
{
    struct tag tag;

    while (find_tag(filling->start, text, &tag) && tag.begin < stop) {
        append(part, text, tag.begin > text ? (size_t)(tag.begin - text) : 0);
        if (tag.kind == '#') {
            struct tag close = find_end(filling, &tag);

            fill_section(part, filling, &tag, &close);
            text = close.end;
            continue;
        }
        const char *value = value_of(filling, tag.value);

        assert(value != NULL);
        append_value(part, value, filling->is_html);
        text = tag.end;
    }
    if (stop > text)
        append(part, text, (size_t)(stop - text));
}

static void fill_section(struct part *part, const struct filling *filling, const struct tag *open,
                         const struct tag *close)
{
    struct filling inner = *filling;

    if (open->list == MAIL_LIST_COUNT) {
        const char *value = value_of(filling, open->value);

        if (value != NULL && value[0] != 0)
            fill_range(part, filling, open->end, close->begin);
        return;
    }
    for (unsigned i = 0; filling->lists != NULL && i < filling->lists[open->list].count; i++) {
        inner.row = &filling->lists[open->list].rows[i];
        fill_range(part, &inner, open->end, close->begin);
    }
}

static bool fill(char *target, size_t most, const char *text, struct filling filling)
{
    struct part part = {.target = target, .most = most};

    filling.start = text;
    fill_range(&part, &filling, text, text + strlen(text));
    target[part.failed ? 0 : part.length] = 0;
    return !part.failed;
}

bool mail_render(const struct mail_templates *templates, enum mail_kind kind,
                 const char *const values[MAIL_VALUE_COUNT],
                 const struct mail_list lists[MAIL_LIST_COUNT], struct mail_rendered *rendered_out)
{
    const struct template *mail = &templates->mails[kind];
    struct filling text = {.values = values, .lists = lists};
    struct filling html = {.values = values, .lists = lists, .is_html = true};

    return fill(rendered_out->subject, MAIL_SUBJECT_MAX, mail->subject, text) &&
           fill(rendered_out->text, MAIL_PART_MAX, mail->text, text) &&
           fill(rendered_out->html, MAIL_PART_MAX, mail->html, html);
}
