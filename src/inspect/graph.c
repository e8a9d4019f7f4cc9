/* graph.c: reading a graph's columns; see inspect/graph.h and kucha/graph.h. */
#include "inspect/graph.h"

#include "os/failure.h"
#include "os/pages.h"

const uint8_t ku__section_items[KU__SECTIONS] = {
    [KU__SECTION_INFO] = sizeof(ku_graph_info),
    [KU__SECTION_REGIONS] = sizeof(ku__region),
    [KU__SECTION_PLACES] = 4,
    [KU__SECTION_SHAPE_OF] = 4,
    [KU__SECTION_SIZES] = 2,
    [KU__SECTION_COUNTS] = 2,
    [KU__SECTION_SLACKS] = 1,
    [KU__SECTION_FLAGS] = 1,
    [KU__SECTION_AGES] = 1,
    [KU__SECTION_DEGREES] = 1,
    [KU__SECTION_SITE_OF] = 4,
    [KU__SECTION_TARGETS] = 4,
    [KU__SECTION_WIDE] = sizeof(ku__wide),
    [KU__SECTION_LABELS] = sizeof(ku__label),
    [KU__SECTION_TYPES] = sizeof(ku_node_type),
    [KU__SECTION_SHAPES] = sizeof(ku__shape),
    [KU__SECTION_RUNS] = sizeof(ku__run),
    [KU__SECTION_SITES] = 4,
    [KU__SECTION_FRAMES] = sizeof(ku_graph_frame),
    [KU__SECTION_TEXTS] = 4,
    [KU__SECTION_TEXT_BYTES] = 1,
    [KU__SECTION_ARENAS] = sizeof(ku_graph_arena),
    [KU__SECTION_ROOMS] = sizeof(ku__fact),
    [KU__SECTION_EQUALS] = sizeof(ku__fact),
};

/* ---- taking the columns over ---- */

static uint32_t entries(const ku_graph *graph, ku__section section) {
    return (uint32_t)(graph->sections[section].size / ku__section_items[section]);
}

static void point_at_sections(ku_graph *graph) {
#define AT(section) graph->sections[section].bytes
    graph->info = AT(KU__SECTION_INFO);
    graph->regions = AT(KU__SECTION_REGIONS);
    graph->places = AT(KU__SECTION_PLACES);
    graph->shape_of = AT(KU__SECTION_SHAPE_OF);
    graph->node_sizes = AT(KU__SECTION_SIZES);
    graph->counts = AT(KU__SECTION_COUNTS);
    graph->slacks = AT(KU__SECTION_SLACKS);
    graph->flags = AT(KU__SECTION_FLAGS);
    graph->ages = AT(KU__SECTION_AGES);
    graph->degrees = AT(KU__SECTION_DEGREES);
    graph->site_of = graph->sections[KU__SECTION_SITE_OF].size != 0 ? AT(KU__SECTION_SITE_OF) : NULL;
    graph->targets = AT(KU__SECTION_TARGETS);
    graph->wide = AT(KU__SECTION_WIDE);
    graph->labels = AT(KU__SECTION_LABELS);
    graph->type_table = AT(KU__SECTION_TYPES);
    graph->shape_table = AT(KU__SECTION_SHAPES);
    graph->runs = AT(KU__SECTION_RUNS);
    graph->site_table = AT(KU__SECTION_SITES);
    graph->frames = AT(KU__SECTION_FRAMES);
    graph->text_table = AT(KU__SECTION_TEXTS);
    graph->text_bytes = AT(KU__SECTION_TEXT_BYTES);
    graph->arena_table = AT(KU__SECTION_ARENAS);
    graph->rooms = AT(KU__SECTION_ROOMS);
    graph->equal_table = AT(KU__SECTION_EQUALS);
#undef AT
}

static void count_entries(ku_graph *graph) {
    graph->nodes = entries(graph, KU__SECTION_PLACES);
    graph->edges = entries(graph, KU__SECTION_TARGETS);
    graph->shapes = entries(graph, KU__SECTION_SHAPES) - 1;
    graph->types = entries(graph, KU__SECTION_TYPES);
    graph->sites = entries(graph, KU__SECTION_SITES) - 1;
    graph->texts = entries(graph, KU__SECTION_TEXTS) - 1;
    graph->arenas = entries(graph, KU__SECTION_ARENAS);
    graph->roomy = entries(graph, KU__SECTION_ROOMS);
    graph->equals = entries(graph, KU__SECTION_EQUALS);
    uint32_t wides = entries(graph, KU__SECTION_WIDE), at = 0;
    for (uint32_t what = 0; what < KU__WIDES; what++) {
        graph->wide_first[what] = at;
        while (at < wides && graph->wide[at].what <= what) {
            at++;
        }
    }
    graph->wide_first[KU__WIDES] = at;
}

static bool sum_degrees(ku_graph *graph, ku_error *error) {
    graph->first = ku__pages_map(((size_t)graph->nodes + 1) * sizeof(uint32_t));
    if (graph->first == NULL) {
        ku__error_format(error, KU_NO_MEMORY, 0, "no memory for a heap's graph");
        return false;
    }
    uint64_t sum = 0;
    for (uint32_t node = 0; node < graph->nodes; node++) {
        graph->first[node] = (uint32_t)sum;
        uint8_t degree = graph->degrees[node];
        sum += degree != KU__WIDE8 ? degree : ku__graph_wide(graph, KU__WIDE_DEGREE, node);
        if (sum > graph->edges) {
            break;
        }
    }
    graph->first[graph->nodes] = graph->edges;
    if (sum != graph->edges) {
        ku__error_format(error, KU_CORRUPT, 0, "the heap file is damaged: its nodes do not have the edges that it has");
        return false;
    }
    return true;
}

bool ku__graph_adopt(ku_graph *graph, ku_error *error) {
    point_at_sections(graph);
    count_entries(graph);
    return sum_degrees(graph, error);
}

void ku_graph_close(ku_graph *graph) {
    if (graph == NULL) {
        return;
    }
    if (graph->first != NULL) {
        ku__pages_unmap(graph->first, ((size_t)graph->nodes + 1) * sizeof(uint32_t));
    }
    if (graph->referrer_first != NULL) {
        ku__pages_unmap(graph->referrer_first, ((size_t)graph->nodes + 2) * sizeof(uint32_t));
        ku__pages_unmap(graph->referrer_list, ((size_t)graph->edges + 1) * sizeof(uint32_t));
    }
    for (int section = 0; graph->owns_sections && section < KU__SECTIONS; section++) {
        if (graph->owned[section] != 0) {
            ku__pages_unmap((void *)(uintptr_t)graph->sections[section].bytes, graph->owned[section]);
        }
    }
    ku__pages_unmap(graph->mapping, graph->mapping_bytes);
    ku__pages_unmap(graph, sizeof *graph);
}

/* ---- reading ---- */

/* 0 for a value that is not there: a damaged file cannot lead out of the table. */
uint64_t ku__graph_wide(const ku_graph *graph, ku__wide_what what, uint32_t node) {
    uint32_t low = graph->wide_first[what], high = graph->wide_first[what + 1];
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (graph->wide[middle].node < node) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < graph->wide_first[what + 1] && graph->wide[low].node == node ? graph->wide[low].value : 0;
}

static const ku__region *region_of(const ku_graph *graph, uint32_t node) {
    uint32_t low = 0, high = entries(graph, KU__SECTION_REGIONS);
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (graph->regions[middle].first <= node) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return &graph->regions[low];
}

uint64_t ku_graph_address(const ku_graph *graph, uint32_t node) {
    return region_of(graph, node)->base + ((uint64_t)graph->places[node] << KU__PLACE_BITS);
}

/* The node with this place among nodes low to high - 1. */
static uint32_t node_at_place(const ku_graph *graph, uint32_t low, uint32_t high, uint32_t place) {
    uint32_t end = high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (graph->places[middle] < place) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < end && graph->places[low] == place ? low : KU_GRAPH_NONE;
}

uint32_t ku_graph_node_at(const ku_graph *graph, uint64_t address) {
    uint32_t regions = entries(graph, KU__SECTION_REGIONS), low = 0, high = regions;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (graph->regions[middle].base <= address) {
            low = middle;
        } else {
            high = middle;
        }
    }
    uint64_t offset = address - graph->regions[low].base;
    if (address < graph->regions[low].base || (offset & ((1u << KU__PLACE_BITS) - 1)) != 0 ||
        offset >> KU__PLACE_BITS > UINT32_MAX) {
        return KU_GRAPH_NONE;
    }
    uint32_t end = low + 1 < regions ? graph->regions[low + 1].first : graph->nodes;
    return node_at_place(graph, graph->regions[low].first, end, (uint32_t)(offset >> KU__PLACE_BITS));
}

static uint32_t label_of(const ku_graph *graph, uint32_t node) {
    uint32_t count = entries(graph, KU__SECTION_LABELS), low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (graph->labels[middle].node < node) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && graph->labels[low].node == node ? graph->labels[low].text : KU_GRAPH_NONE;
}

void ku_graph_node_read(const ku_graph *graph, uint32_t node, ku_node *read) {
    *read = (ku_node){.address = ku_graph_address(graph, node),
                      .type = ku__graph_type(graph, node),
                      .site = ku__graph_site(graph, node),
                      .size = ku__graph_size(graph, node),
                      .slack = ku__graph_slack(graph, node),
                      .count = graph->counts[node],
                      .label = label_of(graph, node),
                      .flags = graph->flags[node],
                      .age = graph->ages[node]};
}

void ku_graph_info_read(const ku_graph *graph, ku_graph_info *info) {
    *info = *graph->info;
}

uint32_t ku_graph_node_count(const ku_graph *graph) {
    return graph->nodes;
}

uint32_t ku_graph_edge_count(const ku_graph *graph) {
    return graph->edges;
}

uint32_t ku_graph_type_count(const ku_graph *graph) {
    return graph->types;
}

uint32_t ku_graph_site_count(const ku_graph *graph) {
    return graph->sites;
}

uint32_t ku_graph_text_count(const ku_graph *graph) {
    return graph->texts;
}

uint32_t ku_graph_arena_count(const ku_graph *graph) {
    return graph->arenas;
}

static const ku__fact *fact_of(const ku__fact *facts, uint32_t count, uint32_t node) {
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (facts[middle].node < node) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && facts[low].node == node ? &facts[low] : NULL;
}

uint64_t ku_graph_room(const ku_graph *graph, uint32_t node) {
    const ku__fact *fact = fact_of(graph->rooms, graph->roomy, node);
    return fact != NULL ? fact->value : 0;
}

uint32_t ku_graph_equal(const ku_graph *graph, uint32_t node) {
    const ku__fact *fact = fact_of(graph->equal_table, graph->equals, node);
    return fact != NULL ? fact->value : KU_GRAPH_NONE;
}

void ku_graph_arena_read(const ku_graph *graph, uint32_t arena, ku_graph_arena *read) {
    *read = graph->arena_table[arena];
}

uint32_t ku_graph_type(const ku_graph *graph, uint32_t node) {
    return ku__graph_type(graph, node);
}

uint64_t ku_graph_size(const ku_graph *graph, uint32_t node) {
    return ku__graph_size(graph, node);
}

uint32_t ku_graph_flags(const ku_graph *graph, uint32_t node) {
    return graph->flags[node];
}

uint32_t ku_graph_site(const ku_graph *graph, uint32_t node) {
    return ku__graph_site(graph, node);
}

const uint32_t *ku_graph_targets(const ku_graph *graph, uint32_t node, uint32_t *count) {
    return ku__graph_targets(graph, node, count);
}

void ku_graph_type_read(const ku_graph *graph, uint32_t type, ku_node_type *read) {
    *read = graph->type_table[type];
}

ku_text ku_graph_text(const ku_graph *graph, uint32_t text) {
    if (text == KU_GRAPH_NONE) {
        return (ku_text){"", 0};
    }
    uint32_t start = graph->text_table[text];
    return (ku_text){graph->text_bytes + start, graph->text_table[text + 1] - start - 1};
}

size_t ku_graph_site_read(const ku_graph *graph, uint32_t site, ku_graph_frame *frames, size_t capacity) {
    uint32_t start = graph->site_table[site];
    size_t count = graph->site_table[site + 1] - start;
    for (size_t i = 0; i < count && i < capacity; i++) {
        frames[i] = graph->frames[start + i];
    }
    return count;
}
