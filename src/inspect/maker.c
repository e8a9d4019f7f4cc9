/* maker.c: see maker.h.
 *
 * While nodes are added, the column of shapes holds their types; a node's shape is known when its edges are complete.
 */
#include "inspect/maker.h"

#include "inspect/reach.h"
#include "inspect/shapes.h"
#include "os/failure.h"
#include "os/pages.h"

#include <string.h>

/* Places in an index at first: names and shapes of a small program. */
#define INDEX_LEAST 4096u

static const ku__section node_columns[] = {
    KU__SECTION_PLACES, KU__SECTION_SHAPE_OF, KU__SECTION_SIZES, KU__SECTION_COUNTS,
    KU__SECTION_SLACKS, KU__SECTION_FLAGS,    KU__SECTION_AGES,  KU__SECTION_DEGREES,
};
enum { NODE_COLUMNS = sizeof node_columns / sizeof node_columns[0] };

uint32_t ku__maker_fail(ku__maker *maker, ku_code code, const char *message) {
    if (!maker->failed) {
        maker->failed = true;
        ku__error_format(&maker->error, code, 0, "%s", message);
    }
    return KU_GRAPH_NONE;
}

static uint32_t no_memory(ku__maker *maker) {
    return ku__maker_fail(maker, KU_NO_MEMORY, "no memory for a heap's graph");
}

static bool push_word(ku__growing *array, uint32_t word) {
    uint32_t *room = ku__growing_push(array, sizeof word);
    if (room != NULL) {
        *room = word;
    }
    return room != NULL;
}

/* ---- opening and closing ---- */

static bool reserve_nodes(ku__maker *maker, uint32_t nodes) {
    for (size_t i = 0; i < NODE_COLUMNS; i++) {
        ku__section section = node_columns[i];
        if (!ku__growing_reserve(&maker->sections[section], ((size_t)nodes + 1) * ku__section_items[section])) {
            return false;
        }
    }
    return true;
}

bool ku__maker_open(ku__maker *maker, uint32_t nodes, bool with_sites) {
    *maker = (ku__maker){.node = KU_GRAPH_NONE, .with_sites = with_sites};
    ku__shape *end = ku__growing_push(&maker->sections[KU__SECTION_SHAPES], sizeof *end);
    if (end != NULL) {
        *end = (ku__shape){0};
    }
    /* site 0 has no frames; texts begin at 0 */
    bool begun = end != NULL && push_word(&maker->sections[KU__SECTION_TEXTS], 0) &&
                 push_word(&maker->sections[KU__SECTION_SITES], 0) && push_word(&maker->sections[KU__SECTION_SITES], 0);
    maker->sites = 1;
    if (!begun || !reserve_nodes(maker, nodes) || !ku__by_hash_open(&maker->text_index, INDEX_LEAST) ||
        !ku__by_hash_open(&maker->shape_index, INDEX_LEAST)) {
        ku__maker_close(maker);
        return false;
    }
    return true;
}

void ku__maker_close(ku__maker *maker) {
    for (int section = 0; section < KU__SECTIONS; section++) {
        ku__growing_release(&maker->sections[section]);
    }
    for (int what = 0; what < KU__WIDES; what++) {
        ku__growing_release(&maker->wides[what]);
    }
    ku__growing_release(&maker->line);
    ku__by_hash_close(&maker->text_index);
    ku__by_hash_close(&maker->shape_index);
}

/* ---- types and birthplaces ---- */

uint32_t ku__maker_type(ku__maker *maker, uint32_t module, uint32_t name, uint32_t flags) {
    ku_node_type *type =
        maker->failed ? NULL : ku__growing_push(&maker->sections[KU__SECTION_TYPES], sizeof(ku_node_type));
    if (type == NULL) {
        return no_memory(maker);
    }
    *type = (ku_node_type){.module = module, .name = name, .flags = flags, .node = KU_GRAPH_NONE};
    return maker->types++;
}

void ku__maker_type_node(ku__maker *maker, uint32_t type, uint32_t node) {
    if (!maker->failed) {
        KU__GROWING_ITEMS(&maker->sections[KU__SECTION_TYPES], ku_node_type)[type].node = node;
    }
}

uint32_t ku__maker_site(ku__maker *maker, const ku_graph_frame *frames, size_t count) {
    ku__growing *all = &maker->sections[KU__SECTION_FRAMES];
    char *room = maker->failed ? NULL : ku__growing_push(all, count * sizeof *frames);
    if (room == NULL && count != 0) {
        return no_memory(maker);
    }
    if (count != 0) {
        memcpy(room, frames, count * sizeof *frames);
    }
    if (!push_word(&maker->sections[KU__SECTION_SITES], (uint32_t)KU__GROWING_COUNT(all, ku_graph_frame))) {
        return no_memory(maker);
    }
    return maker->sites++;
}

void ku__maker_arena(ku__maker *maker, const ku_graph_arena *arena) {
    ku__growing *all = &maker->sections[KU__SECTION_ARENAS];
    size_t count = KU__GROWING_COUNT(all, ku_graph_arena);
    const ku_graph_arena *last = count != 0 ? &KU__GROWING_ITEMS(all, ku_graph_arena)[count - 1] : NULL;
    ku_graph_arena *room = maker->failed ? NULL : ku__growing_push(all, sizeof *room);
    if (room == NULL) {
        no_memory(maker);
    } else if (arena->pool_bytes == 0 || arena->bytes % arena->pool_bytes != 0 ||
               (last != NULL && arena->address < last->address + last->bytes)) {
        ku__maker_fail(maker, KU_INVALID, "an arena of a heap's graph is none, or does not lie above the last");
    } else {
        *room = *arena;
    }
}

/* ---- nodes ---- */

static bool push_wide(ku__maker *maker, ku__wide_what what, uint32_t node, uint64_t value) {
    ku__wide *wide = ku__growing_push(&maker->wides[what], sizeof *wide);
    if (wide != NULL) {
        *wide = (ku__wide){.what = what, .node = node, .value = value};
    }
    return wide != NULL;
}

static bool place_of(ku__maker *maker, uint64_t address, uint32_t *place) {
    if (maker->nodes == 0 || (address - maker->region_base) >> KU__PLACE_BITS > UINT32_MAX) {
        ku__region *region = ku__growing_push(&maker->sections[KU__SECTION_REGIONS], sizeof *region);
        if (region == NULL) {
            return false;
        }
        *region = (ku__region){.base = address, .first = maker->nodes};
        maker->region_base = address;
    }
    *place = (uint32_t)((address - maker->region_base) >> KU__PLACE_BITS);
    return true;
}

static bool push_columns(ku__maker *maker, const ku_node *node, uint32_t place) {
#define PUT(section, kind, value)                                                                                      \
    do {                                                                                                               \
        kind *room = ku__growing_push(&maker->sections[section], sizeof(kind));                                        \
        if (room == NULL) return false;                                                                                \
        *room = (kind)(value);                                                                                         \
    } while (0)
    PUT(KU__SECTION_PLACES, uint32_t, place);
    PUT(KU__SECTION_SHAPE_OF, uint32_t, node->type);
    PUT(KU__SECTION_SIZES, uint16_t, node->size < KU__WIDE16 ? node->size : KU__WIDE16);
    PUT(KU__SECTION_COUNTS, uint16_t, node->count < KU_GRAPH_COUNT_MAX ? node->count : KU_GRAPH_COUNT_MAX);
    PUT(KU__SECTION_SLACKS, uint8_t, node->slack < KU__WIDE8 ? node->slack : KU__WIDE8);
    PUT(KU__SECTION_FLAGS, uint8_t, node->flags);
    PUT(KU__SECTION_AGES, uint8_t, node->age);
    PUT(KU__SECTION_DEGREES, uint8_t, 0);
    if (maker->with_sites) {
        PUT(KU__SECTION_SITE_OF, uint32_t, node->site);
    }
#undef PUT
    return true;
}

static bool push_rare(ku__maker *maker, const ku_node *node) {
    if (node->label != KU_GRAPH_NONE) {
        ku__label *label = ku__growing_push(&maker->sections[KU__SECTION_LABELS], sizeof *label);
        if (label == NULL) {
            return false;
        }
        *label = (ku__label){.node = maker->nodes, .text = node->label};
    }
    return (node->size < KU__WIDE16 || push_wide(maker, KU__WIDE_SIZE, maker->nodes, node->size)) &&
           (node->slack < KU__WIDE8 || push_wide(maker, KU__WIDE_SLACK, maker->nodes, node->slack));
}

uint32_t ku__maker_node(ku__maker *maker, const ku_node *node) {
    if (maker->failed) {
        return KU_GRAPH_NONE;
    }
    if (maker->nodes != 0 && node->address <= maker->last_address) {
        return ku__maker_fail(maker, KU_INVALID, "two nodes of a heap's graph have one address");
    }
    if (maker->nodes >= KU_GRAPH_NODES_MAX) {
        return ku__maker_fail(maker, KU_LIMIT, "a heap's graph has at most 2,147,483,632 nodes");
    }
    uint32_t place;
    if (!place_of(maker, node->address, &place) || !push_columns(maker, node, place) || !push_rare(maker, node)) {
        return no_memory(maker);
    }
    maker->last_address = node->address;
    return maker->nodes++;
}

/* Addresses of places, where no object can be. */
#define PLACES_BASE ((uint64_t)0xFFFFFF0000000000)

uint32_t ku__maker_place(ku__maker *maker, uint32_t type, uint32_t label) {
    ku_node node = {.address = PLACES_BASE + ((uint64_t)maker->places++ << KU__PLACE_BITS),
                    .type = type,
                    .label = label,
                    .flags = KU_NODE_PLACE,
                    .age = KU_GRAPH_AGE_UNKNOWN};
    return ku__maker_node(maker, &node);
}

static void push_fact(ku__maker *maker, ku__section section, ku__fact fact) {
    ku__fact *room = maker->failed ? NULL : ku__growing_push(&maker->sections[section], sizeof *room);
    if (room == NULL) {
        no_memory(maker);
    } else {
        *room = fact;
    }
}

void ku__maker_room(ku__maker *maker, uint32_t node, uint64_t bytes) {
    push_fact(maker, KU__SECTION_ROOMS, (ku__fact){node, bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX});
}

void ku__maker_equal(ku__maker *maker, uint32_t node, uint32_t first) {
    push_fact(maker, KU__SECTION_EQUALS, (ku__fact){node, first});
}

/* ---- edges ---- */

static bool end_node(ku__maker *maker) {
    uint32_t node = maker->node, degree = maker->edges - maker->first_edge;
    uint32_t *shape_of = KU__GROWING_ITEMS(&maker->sections[KU__SECTION_SHAPE_OF], uint32_t);
    shape_of[node] = ku__shape_intern(maker, shape_of[node], &maker->line);
    uint8_t *degrees = KU__GROWING_ITEMS(&maker->sections[KU__SECTION_DEGREES], uint8_t);
    degrees[node] = degree < KU__WIDE8 ? (uint8_t)degree : KU__WIDE8;
    return !maker->failed && (degree < KU__WIDE8 || push_wide(maker, KU__WIDE_DEGREE, node, degree));
}

/* Completes the node whose edges came last, and those without any before `node`. */
static void advance(ku__maker *maker, uint32_t node) {
    bool done = maker->node == KU_GRAPH_NONE || end_node(maker);
    maker->line.used = 0;
    maker->node = KU_GRAPH_NONE;
    maker->first_edge = maker->edges;
    for (; done && maker->begun < node; maker->begun++) {
        maker->node = maker->begun;
        done = end_node(maker);
    }
    maker->node = KU_GRAPH_NONE;
    if (!done) {
        no_memory(maker);
    }
}

void ku__maker_begin(ku__maker *maker, uint32_t node) {
    if (maker->failed) {
        return;
    }
    advance(maker, node);
    maker->node = node;
    maker->begun = node + 1;
}

void ku__maker_edge(ku__maker *maker, uint32_t target, uint32_t kind, uint32_t text, uint32_t number) {
    if (maker->failed) {
        return;
    }
    uint32_t position = maker->edges - maker->first_edge;
    uint32_t *room = ku__growing_push(&maker->sections[KU__SECTION_TARGETS], sizeof *room);
    if (room == NULL ||
        !ku__runs_add(&maker->line, position, (ku__run){.kind = kind, .text = text, .number = number})) {
        no_memory(maker);
        return;
    }
    *room = target;
    if (++maker->edges == UINT32_MAX) {
        ku__maker_fail(maker, KU_LIMIT, "a heap's graph has at most 4,294,967,294 references");
    }
}

/* ---- the end ---- */

static bool join_wides(ku__maker *maker) {
    for (int what = 0; what < KU__WIDES; what++) {
        const ku__growing *part = &maker->wides[what];
        if (part->used == 0) {
            continue;
        }
        char *room = ku__growing_push(&maker->sections[KU__SECTION_WIDE], part->used);
        if (room == NULL) {
            return false;
        }
        memcpy(room, part->bytes, part->used);
    }
    return true;
}

/* Columns become the graph's own; the maker keeps none. */
static ku_graph *hand_over(ku__maker *maker) {
    ku_graph *graph = ku__pages_map(sizeof *graph);
    if (graph == NULL) {
        return NULL;
    }
    graph->owns_sections = true;
    for (int section = 0; section < KU__SECTIONS; section++) {
        graph->sections[section].bytes = maker->sections[section].bytes;
        graph->sections[section].size = maker->sections[section].used;
        graph->owned[section] = maker->sections[section].capacity;
        maker->sections[section] = (ku__growing){0};
    }
    return graph;
}

static bool complete(ku__maker *maker, const ku_graph_info *info) {
    if (!maker->failed) {
        advance(maker, maker->nodes);
    }
    ku_graph_info *room = maker->failed ? NULL : ku__growing_push(&maker->sections[KU__SECTION_INFO], sizeof *info);
    if (room == NULL || !join_wides(maker)) {
        no_memory(maker);
        return false;
    }
    *room = *info;
    return true;
}

ku_graph *ku__maker_finish(ku__maker *maker, const ku_graph_info *info, ku_error *error) {
    ku_graph *graph = complete(maker, info) ? hand_over(maker) : NULL;
    if (graph == NULL) {
        no_memory(maker);
        if (error != NULL) {
            *error = maker->error;
        }
    } else if (!ku__graph_adopt(graph, error) || !ku__graph_mark_dead(graph, error)) {
        ku_graph_close(graph);
        graph = NULL;
    }
    ku__maker_close(maker);
    return graph;
}
