/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of categories, with how many products each has. */
#include <stdlib.h>
#include <string.h>

#include "api/browse_query.h"
#include "api/browse_text.h"
#include "api/finding.h"

/* What a tree may take before no further category is begun; each still ends those that it is in. */
enum { TREE_BYTES_MAX = 900 * 1024 };

struct tree {
    struct finding finding; /* first */
    struct writer writer;
    int8_t in_stock;
    bool has_failed;
    bool is_cut;
};

/* A category that has products, and its place among them. */
struct node {
    const struct category *category;
    uint32_t number;
    uint32_t count;
    uint32_t first_child; /* of nodes; 0: none */
    uint32_t next;        /* of the same parent */
};

/* ---- a finder's thread ---- */

static int compare(const void *a, const void *b)
{
    const struct category *left = ((const struct node *)a)->category;
    const struct category *right = ((const struct node *)b)->category;
    size_t shorter =
        left->name_length < right->name_length ? left->name_length : right->name_length;
    int order = memcmp(category_name(left), category_name(right), shorter);

    if (order != 0)
        return order;
    return left->name_length < right->name_length ? -1 : left->name_length > right->name_length;
}

/* Those that have products by name, nodes[0] being the root of all; how many there are. */
static uint32_t collect(const struct categories *categories, const uint32_t *counts, uint32_t end,
                        struct node *nodes)
{
    uint32_t count = 1;

    nodes[0] = (struct node){0};
    for (uint32_t number = 1; number < end; number++)
        if (counts[number] > 0)
            nodes[count++] = (struct node){.category = categories_at(categories, number),
                                           .number = number,
                                           .count = counts[number]};
    qsort(nodes + 1, count - 1, sizeof(*nodes), compare);
    return count;
}

/* The last by name first, so that the first ends up in front. `counts` becomes places of nodes. */
static void link_nodes(struct node *nodes, uint32_t count, uint32_t *places)
{
    places[0] = 0;
    for (uint32_t i = 1; i < count; i++)
        places[nodes[i].number] = i;
    for (uint32_t i = count - 1; i > 0; i--) {
        struct node *parent = &nodes[places[nodes[i].category->parent]];

        nodes[i].next = parent->first_child;
        parent->first_child = i;
    }
}

static void write_slug(struct writer *writer, const struct category *category)
{
    char folded[PRODUCT_LABEL_TEXT_MAX];
    size_t length = category->name_length;
    size_t slug;

    if (length > sizeof(folded))
        length = sizeof(folded);
    text_fold(category_name(category), length, folded);
    slug = text_make_slug(folded, length, folded);
    write_json_string(writer, folded, slug);
}

static void write_children(struct tree *tree, const struct node *nodes, uint32_t first)
{
    struct writer *writer = &tree->writer;
    bool is_first = true;

    write_byte(writer, '[');
    for (uint32_t i = first; i != 0; i = nodes[i].next) {
        const struct category *category = nodes[i].category;

        if (writer_length(writer) > TREE_BYTES_MAX) {
            tree->is_cut = true;
            break;
        }
        write_text(writer, is_first ? "{\"name\":" : ",{\"name\":");
        is_first = false;
        write_json_string(writer, category_name(category), category->name_length);
        write_literal(writer, ",\"slug\":");
        write_slug(writer, category);
        write_literal(writer, ",\"path\":");
        write_json_string(writer, category->path, category->path_length);
        write_literal(writer, ",\"count\":");
        write_unsigned(writer, nodes[i].count);
        write_literal(writer, ",\"children\":");
        write_children(tree, nodes, nodes[i].first_child); /* CATEGORY_DEPTH_MAX deep */
        write_byte(writer, '}');
    }
    write_byte(writer, ']');
}

static void run(struct finding *finding, struct browse_scratch *scratch)
{
    struct tree *tree = (struct tree *)(void *)finding;
    const struct categories *categories =
        product_terms_categories(directory_terms(finding->directory));
    uint32_t end = categories_end(categories);
    uint32_t *counts = malloc(end * sizeof(*counts));
    struct node *nodes = malloc(end * sizeof(*nodes));

    (void)scratch;
    tree->has_failed = counts == NULL || nodes == NULL;
    if (!tree->has_failed) {
        browse_count_categories(finding->directory, tree->in_stock, counts, end);
        link_nodes(nodes, collect(categories, counts, end, nodes), counts);
        write_literal(&tree->writer, "{\"data\":");
        write_children(tree, nodes, nodes[0].first_child);
        if (tree->is_cut)
            write_literal(&tree->writer, ",\"is_cut\":true");
        write_byte(&tree->writer, '}');
    }
    free(counts);
    free(nodes);
}

/* ---- the shard's ---- */

static void ran(struct finding *finding)
{
    struct tree *tree = (struct tree *)(void *)finding;
    struct writer writer = tree->writer;

    tree->writer = writer_growing();
    if (tree->has_failed)
        finding_refuse(finding, OUTCOME_OVERLOADED);
    else
        finding_answer(finding, &writer);
}

static void destroy(struct finding *finding)
{
    struct tree *tree = (struct tree *)(void *)finding;

    writer_free(&tree->writer);
    free(tree);
}

static const struct finding_kind kind = {
    .name = FINDING_CATEGORIES, .run = run, .ran = ran, .destroy = destroy};

void api_category_tree(struct api_call *call)
{
    static const char *const names[] = {"in_stock", NULL};
    struct validation validation;
    struct tree *tree;
    uint8_t key[2] = {'c'};
    int8_t in_stock;
    uint32_t good_ms;

    validation_init(&validation);
    request_check_query(call, &validation, names, NULL);
    in_stock = browse_read_in_stock(call, &validation);
    if (validation.count > 0) {
        validation_respond(&validation, call->exchange);
        return;
    }
    key[1] = (uint8_t)in_stock;
    good_ms = in_stock >= 0 ? FOUND_STOCK_MS : FOUND_MS;
    if (finding_is_served(call, &kind, key, sizeof(key), good_ms))
        return;
    tree = finding_make(call, &kind, sizeof(*tree));
    if (tree == NULL)
        return;
    tree->in_stock = in_stock;
    tree->writer = writer_growing();
    if (in_stock >= 0)
        tree->finding.cache_control = "no-cache";
    finding_start(call, &tree->finding, &kind, key, sizeof(key), good_ms);
}
