/* builder.c: a graph out of nodes and edges in any order: sorts them and gives them to the maker. See kucha/graph.h.
 *
 * Nodes are sorted by address (radix sort would win little: synthetic and imported graphs are small or sorted already);
 * edges are placed by a counting sort over the node that holds, which keeps their order.
 */
#include "inspect/maker.h"

#include "os/failure.h"
#include "os/pages.h"

#include <stdlib.h>
#include <string.h>

typedef struct built_edge {
    uint32_t from, to;
    uint32_t kind, text, number;
} built_edge;

typedef struct built_order {
    uint64_t address;
    uint32_t number;
} built_order;

struct ku_graph_builder {
    ku__maker maker;
    ku__growing nodes;      /* ku_node */
    ku__growing edges;      /* built_edge */
    ku__growing type_nodes; /* pairs: type, node */
    uint32_t node_count;
    ku_graph_info info;
};

static bool fail(ku_graph_builder *builder, ku_code code, const char *message) {
    ku__maker_fail(&builder->maker, code, message);
    return false;
}

static bool no_memory(ku_graph_builder *builder) {
    return fail(builder, KU_NO_MEMORY, "no memory for a graph that is being built");
}

static uint32_t text_of(ku_graph_builder *builder, const char *text) {
    return ku__maker_text(&builder->maker, text, strlen(text));
}

static void add_root(ku_graph_builder *builder) {
    uint32_t type = ku__maker_type(&builder->maker, KU_GRAPH_NONE, text_of(builder, "<root>"), KU_NODE_TYPE_SYSTEM);
    ku_node *root = ku__growing_push(&builder->nodes, sizeof *root);
    if (root == NULL) {
        no_memory(builder);
        return;
    }
    *root = (ku_node){.type = type, .label = KU_GRAPH_NONE, .flags = KU_NODE_PLACE, .age = KU_GRAPH_AGE_UNKNOWN};
    builder->node_count = 1;
}

ku_graph_builder *ku_graph_builder_new(ku_error *error) {
    ku_graph_builder *builder = ku__pages_map(sizeof *builder);
    if (builder == NULL || !ku__maker_open(&builder->maker, 0, true)) {
        ku__pages_unmap(builder, sizeof *builder);
        ku__error_format(error, KU_NO_MEMORY, 0, "no memory for a graph that is being built");
        return NULL;
    }
    builder->info = (ku_graph_info){
        .reason = KU_GRAPH_SYNTHETIC, .program = KU_GRAPH_NONE, .runtime = KU_GRAPH_NONE, .note = KU_GRAPH_NONE};
    add_root(builder);
    return builder;
}

void ku_graph_builder_delete(ku_graph_builder *builder) {
    if (builder == NULL) {
        return;
    }
    ku__maker_close(&builder->maker);
    ku__growing_release(&builder->nodes);
    ku__growing_release(&builder->edges);
    ku__growing_release(&builder->type_nodes);
    ku__pages_unmap(builder, sizeof *builder);
}

/* ---- adding ---- */

uint32_t ku_graph_builder_text(ku_graph_builder *builder, const char *bytes, size_t size) {
    return ku__maker_text(&builder->maker, bytes, size);
}

uint32_t ku_graph_builder_type(ku_graph_builder *builder, const char *module, const char *name, uint32_t flags) {
    uint32_t in = module == NULL ? KU_GRAPH_NONE : text_of(builder, module);
    return ku__maker_type(&builder->maker, in, text_of(builder, name), flags);
}

static bool texts_exist(const ku_graph_builder *builder, uint32_t text) {
    return text == KU_GRAPH_NONE || text + 1 < KU__GROWING_COUNT(&builder->maker.sections[KU__SECTION_TEXTS], uint32_t);
}

void ku_graph_builder_type_node(ku_graph_builder *builder, uint32_t type, uint32_t node) {
    uint32_t *pair = ku__growing_push(&builder->type_nodes, 2 * sizeof *pair);
    if (pair == NULL) {
        no_memory(builder);
    } else if (type >= builder->maker.types || node >= builder->node_count) {
        fail(builder, KU_INVALID, "a type or a node that was not made is named");
        builder->type_nodes.used -= 2 * sizeof *pair;
    } else {
        pair[0] = type;
        pair[1] = node;
    }
}

uint32_t ku_graph_builder_site(ku_graph_builder *builder, const ku_graph_frame *frames, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!texts_exist(builder, frames[i].function) || !texts_exist(builder, frames[i].file)) {
            fail(builder, KU_INVALID, "a birthplace names a text that was not made");
            return 0;
        }
    }
    return ku__maker_site(&builder->maker, frames, count);
}

static bool node_is_sound(ku_graph_builder *builder, const ku_node *node) {
    if (node->type >= builder->maker.types || node->site >= builder->maker.sites ||
        !texts_exist(builder, node->label)) {
        return fail(builder, KU_INVALID, "a node names a type, a birthplace or a text that was not made");
    }
    if (node->address == 0 || node->address % (1u << KU__PLACE_BITS) != 0) {
        return fail(builder, KU_INVALID, "a node's address must be a multiple of 8, and not 0");
    }
    return true;
}

uint32_t ku_graph_builder_node(ku_graph_builder *builder, const ku_node *node) {
    if (builder->maker.failed || !node_is_sound(builder, node)) {
        return KU_GRAPH_NONE;
    }
    ku_node *room = ku__growing_push(&builder->nodes, sizeof *room);
    if (room == NULL || builder->node_count >= KU_GRAPH_NODES_MAX) {
        no_memory(builder);
        return KU_GRAPH_NONE;
    }
    *room = *node;
    return builder->node_count++;
}

void ku_graph_builder_edge(ku_graph_builder *builder, uint32_t from, uint32_t to, const ku_edge_name *name) {
    if (from >= builder->node_count || to >= builder->node_count || name->kind >= KU_EDGE_KINDS ||
        !texts_exist(builder, name->text)) {
        fail(builder, KU_INVALID, "an edge names a node, a kind or a text that was not made");
        return;
    }
    built_edge *room = ku__growing_push(&builder->edges, sizeof *room);
    if (room == NULL) {
        no_memory(builder);
        return;
    }
    uint32_t number = name->number < UINT32_MAX ? (uint32_t)name->number : UINT32_MAX;
    *room = (built_edge){.from = from, .to = to, .kind = name->kind, .text = name->text, .number = number};
}

void ku_graph_builder_info(ku_graph_builder *builder, const ku_graph_info *info) {
    if (!texts_exist(builder, info->program) || !texts_exist(builder, info->runtime) ||
        !texts_exist(builder, info->note) || info->reason >= KU_GRAPH_REASONS) {
        fail(builder, KU_INVALID, "what is said of the graph names a text or a reason that does not exist");
        return;
    }
    builder->info = *info;
}

/* ---- finishing ---- */

static int by_address(const void *left, const void *right) {
    const built_order *a = left, *b = right;
    return a->address < b->address ? -1 : a->address > b->address;
}

/* The final number of every node. */
static uint32_t *order_nodes(ku_graph_builder *builder) {
    uint32_t count = builder->node_count;
    const ku_node *nodes = KU__GROWING_ITEMS(&builder->nodes, ku_node);
    built_order *order = ku__pages_map(count * sizeof *order);
    uint32_t *renumbered = ku__pages_map(count * sizeof *renumbered);
    if (order != NULL && renumbered != NULL) {
        for (uint32_t i = 0; i < count; i++) {
            order[i] = (built_order){.address = nodes[i].address, .number = i};
        }
        qsort(order, count, sizeof *order, by_address);
        for (uint32_t i = 0; i < count; i++) {
            renumbered[order[i].number] = i;
            ku__maker_node(&builder->maker, &nodes[order[i].number]);
        }
    } else {
        no_memory(builder);
        ku__pages_unmap(renumbered, count * sizeof *renumbered);
        renumbered = NULL;
    }
    ku__pages_unmap(order, count * sizeof *order);
    return renumbered;
}

/* Where the edges of each node begin once they are sorted, by its final number: count, sum up. */
static void place_edges(const ku_graph_builder *builder, const uint32_t *renumbered, uint32_t *next, uint32_t *sorted) {
    const built_edge *edges = KU__GROWING_ITEMS(&builder->edges, built_edge);
    size_t count = KU__GROWING_COUNT(&builder->edges, built_edge);
    for (size_t i = 0; i < count; i++) {
        next[renumbered[edges[i].from] + 1]++;
    }
    for (uint32_t node = 0; node < builder->node_count; node++) {
        next[node + 1] += next[node];
    }
    for (size_t i = 0; i < count; i++) {
        sorted[next[renumbered[edges[i].from]]++] = (uint32_t)i;
    }
}

static void add_sorted(ku_graph_builder *builder, const uint32_t *renumbered, const uint32_t *sorted) {
    const built_edge *edges = KU__GROWING_ITEMS(&builder->edges, built_edge);
    size_t count = KU__GROWING_COUNT(&builder->edges, built_edge);
    uint32_t last = KU_GRAPH_NONE;
    for (size_t i = 0; i < count; i++) {
        const built_edge *edge = &edges[sorted[i]];
        if (renumbered[edge->from] != last) {
            last = renumbered[edge->from];
            ku__maker_begin(&builder->maker, last);
        }
        ku__maker_edge(&builder->maker, renumbered[edge->to], edge->kind, edge->text, edge->number);
    }
}

static void add_edges(ku_graph_builder *builder, const uint32_t *renumbered) {
    size_t count = KU__GROWING_COUNT(&builder->edges, built_edge);
    size_t starts = ((size_t)builder->node_count + 1) * sizeof(uint32_t), places = (count + 1) * sizeof(uint32_t);
    uint32_t *next = ku__pages_map(starts), *sorted = ku__pages_map(places);
    if (next == NULL || sorted == NULL || count >= UINT32_MAX) {
        no_memory(builder);
    } else {
        place_edges(builder, renumbered, next, sorted);
        add_sorted(builder, renumbered, sorted);
    }
    ku__pages_unmap(next, starts);
    ku__pages_unmap(sorted, places);
}

static void add_type_nodes(ku_graph_builder *builder, const uint32_t *renumbered) {
    const uint32_t *pairs = KU__GROWING_ITEMS(&builder->type_nodes, uint32_t);
    for (size_t i = 0; i < KU__GROWING_COUNT(&builder->type_nodes, uint32_t); i += 2) {
        ku__maker_type_node(&builder->maker, pairs[i], renumbered[pairs[i + 1]]);
    }
}

void ku_graph_builder_arena(ku_graph_builder *builder, const ku_graph_arena *arena) {
    if (texts_exist(builder, arena->heap)) {
        ku__maker_arena(&builder->maker, arena);
    } else {
        fail(builder, KU_INVALID, "an arena names a text that was not made");
    }
}

ku_graph *ku_graph_builder_finish(ku_graph_builder *builder, ku_error *error) {
    uint32_t *renumbered = builder->maker.failed ? NULL : order_nodes(builder);
    if (renumbered != NULL && !builder->maker.failed) {
        add_type_nodes(builder, renumbered);
        add_edges(builder, renumbered);
    }
    ku__pages_unmap(renumbered, builder->node_count * sizeof *renumbered);
    ku_graph *graph = ku__maker_finish(&builder->maker, &builder->info, error);
    ku_graph_builder_delete(builder);
    return graph;
}
