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

enum { PATH_MAX_BYTES = 4200 };

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

/* ---- placeholders ---- */

/* Of "name}}…": which value; COUNT if none. `end_out` is behind the braces, NULL if there are none
 * on this line. */
static enum mail_value read_placeholder(const char *name, const char **end_out)
{
    const char *end = strstr(name, "}}");
    enum mail_value value = 0;
    size_t length;

    *end_out = NULL;
    if (end == NULL || memchr(name, '\n', (size_t)(end - name)) != NULL)
        return MAIL_VALUE_COUNT;
    *end_out = end + 2;
    length = (size_t)(end - name);
    while (value < MAIL_VALUE_COUNT &&
           (strlen(value_names[value]) != length || memcmp(value_names[value], name, length) != 0))
        value++;
    return value;
}

static bool check(enum mail_kind kind, const char *path, const char *text, unsigned line,
                  char *error, size_t error_size)
{
    const char *end;

    for (; *text != 0; text++) {
        line += *text == '\n';
        if (strncmp(text, "{{", 2) != 0)
            continue;

        enum mail_value value = read_placeholder(text + 2, &end);

        if (end == NULL) {
            snprintf(error, error_size, "%.300s: line %u: \"{{\" has no \"}}\" on its line", path,
                     line);
            return false;
        }
        if (value == MAIL_VALUE_COUNT || (rows[kind].values & (1U << value)) == 0) {
            snprintf(error, error_size,
                     "%.300s: line %u: this mail has no {{%.*s}}: see the table of mails in"
                     " docs/operations.md",
                     path, line, (int)(end - text - 4 < 60 ? end - text - 4 : 60), text + 2);
            return false;
        }
        text = end - 1;
    }
    return true;
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
    text = calloc(1, MAIL_PART_MAX + 2);
    length = text == NULL ? 0 : fread(text, 1, MAIL_PART_MAX + 1, file);
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
    if (length <= MAIL_PART_MAX && mail_is_text(text, kept, "\n\t"))
        return text;
    snprintf(error, error_size, "%.300s: give UTF-8 without control characters, at most %d bytes",
             path, (int)MAIL_PART_MAX);
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

static void append_value(struct part *part, const char *value, bool is_html)
{
    for (; *value != 0; value++) {
        const char *escaped = is_html ? escape(*value) : NULL;

        if (escaped != NULL)
            append(part, escaped, strlen(escaped));
        else if ((unsigned char)*value < ' ' || *value == 0x7f)
            append(part, " ", 1);
        else
            append(part, value, 1);
    }
}

static bool fill(char *target, size_t most, const char *text, bool is_html,
                 const char *const values[MAIL_VALUE_COUNT])
{
    struct part part = {.target = target, .most = most};

    while (*text != 0) {
        const char *brace = strstr(text, "{{");
        const char *end;

        if (brace == NULL) {
            append(&part, text, strlen(text));
            break;
        }
        append(&part, text, (size_t)(brace - text));

        enum mail_value value = read_placeholder(brace + 2, &end);

        assert(value < MAIL_VALUE_COUNT && values[value] != NULL); /* `check` has seen it */
        append_value(&part, values[value], is_html);
        text = end;
    }
    target[part.failed ? 0 : part.length] = 0;
    return !part.failed;
}

bool mail_render(const struct mail_templates *templates, enum mail_kind kind,
                 const char *const values[MAIL_VALUE_COUNT], struct mail_rendered *rendered_out)
{
    const struct template *mail = &templates->mails[kind];

    return fill(rendered_out->subject, MAIL_SUBJECT_MAX, mail->subject, false, values) &&
           fill(rendered_out->text, MAIL_PART_MAX, mail->text, false, values) &&
           fill(rendered_out->html, MAIL_PART_MAX, mail->html, true, values);
}
