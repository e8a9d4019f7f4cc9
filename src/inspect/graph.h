/* graph.h: a graph's columns, for hot loops inside the library; kucha/graph.h has the notions.
 *
 * A graph is a set of *columns*, arrays with one entry a node, an edge, a type ... They lie in a mapped heap file or in
 * memory of the graph's own, and look the same in both (docs/heap-file.md):
 *
 *     node      place 4, shape 4, size 2, count 2, slack 1, flags 1, age 1, degree 1     16 bytes
 *               site 4, only where birthplaces are known
 *     edge      target 4                                                                  4 bytes
 *
 * What does not fit its entry stands in the column of wide values, sorted, and the entry is full (all bits set). An
 * address is base of the region + 8 * place; a region covers 32 GiB at most.
 *
 * Names of edges. A *shape* is a type and a list of *runs*. A run begins at a position among a node's edges and goes to
 * the next run, the last one to the end: "item 0, 1, 2 ...", "key 0, value 0, key 1 ...", or one name. So all lists
 * have one shape, and all instances that have the same attributes.
 *
 * Where edges begin (`first`) is summed up from degrees when a graph is opened, and is the only array that is not in
 * the file.
 *
 * Invariants, which the reader checks and the maker keeps: addresses ascend; targets < nodes; shapes, types, texts and
 * sites exist; runs of a shape ascend by position; wide values are sorted by what and node; texts end with a zero byte.
 */
#ifndef KU__GRAPH_H
#define KU__GRAPH_H

#include <kucha/graph.h>

/* The order of columns in the file. */
typedef enum ku__section {
    KU__SECTION_INFO,
    KU__SECTION_REGIONS,
    KU__SECTION_PLACES,
    KU__SECTION_SHAPE_OF,
    KU__SECTION_SIZES,
    KU__SECTION_COUNTS,
    KU__SECTION_SLACKS,
    KU__SECTION_FLAGS,
    KU__SECTION_AGES,
    KU__SECTION_DEGREES,
    KU__SECTION_SITE_OF, /* empty where no site is known */
    KU__SECTION_TARGETS,
    KU__SECTION_WIDE,
    KU__SECTION_LABELS,
    KU__SECTION_TYPES,
    KU__SECTION_SHAPES, /* one more than there are: where the runs of the last one end */
    KU__SECTION_RUNS,
    KU__SECTION_SITES, /* likewise: the first frame of each */
    KU__SECTION_FRAMES,
    KU__SECTION_TEXTS, /* likewise: the first byte of each */
    KU__SECTION_TEXT_BYTES,
    KU__SECTION_ARENAS,
    KU__SECTION_ROOMS,
    KU__SECTION_EQUALS,
    KU__SECTIONS,
} ku__section;

/* Sizes of an entry, by section. */
extern const uint8_t ku__section_items[KU__SECTIONS];

typedef struct ku__region {
    uint64_t base;
    uint32_t first; /* node */
    uint32_t zero;
} ku__region;

typedef enum ku__wide_what { KU__WIDE_SIZE, KU__WIDE_SLACK, KU__WIDE_DEGREE, KU__WIDES } ku__wide_what;

typedef struct ku__wide {
    uint32_t what;
    uint32_t node;
    uint64_t value;
} ku__wide;

enum { KU__WIDE16 = UINT16_MAX, KU__WIDE8 = UINT8_MAX, KU__PLACE_BITS = 3 };

/* Of nodes of which there is something to say, by node: bytes of room; the first node that is equal. */
typedef struct ku__fact {
    uint32_t node;
    uint32_t value;
} ku__fact;

typedef struct ku__label {
    uint32_t node;
    uint32_t text;
} ku__label;

typedef struct ku__shape {
    uint32_t type;
    uint32_t first_run;
} ku__shape;

enum { KU__RUN_ENTRIES = KU_EDGE_KINDS, KU__RUN_KINDS }; /* key number, value number, key number + 1 ... */

typedef struct ku__run {
    uint32_t kind;  /* ku_edge_kind, or KU__RUN_ENTRIES */
    uint32_t start; /* position */
    uint32_t text;
    uint32_t number; /* of the first edge */
} ku__run;

/* Whether numbers count on along a run. */
static inline bool ku__run_counts(const ku__run *run) {
    return run->kind == KU_EDGE_ITEM || run->kind == KU_EDGE_STACK || run->kind == KU_EDGE_UNKNOWN ||
           run->kind == KU_EDGE_KEY || (run->kind == KU_EDGE_VALUE && run->text == KU_GRAPH_NONE);
}

struct ku_graph {
    uint32_t nodes, edges, shapes, types, sites, texts, arenas, roomy, equals;
    struct {
        const void *bytes;
        size_t size;
    } sections[KU__SECTIONS];
    /* the same, typed, in the order of sections */
    const ku_graph_info *info;
    const ku__region *regions;
    const uint32_t *places, *shape_of;
    const uint16_t *node_sizes, *counts;
    const uint8_t *slacks, *flags, *ages, *degrees;
    const uint32_t *site_of; /* NULL */
    const uint32_t *targets;
    const ku__wide *wide;
    const ku__label *labels;
    const ku_node_type *type_table;
    const ku__shape *shape_table;
    const ku__run *runs;
    const uint32_t *site_table;
    const ku_graph_frame *frames;
    const uint32_t *text_table;
    const char *text_bytes;
    const ku_graph_arena *arena_table;
    const ku__fact *rooms, *equal_table;

    uint32_t *first;                          /* nodes + 1: the node's first edge */
    uint32_t wide_first[KU__WIDES + 1];       /* where each kind of wide value begins */
    uint32_t *referrer_first, *referrer_list; /* NULL until asked for */
    void *mapping;                            /* the file; NULL */
    size_t mapping_bytes;
    bool owns_sections; /* each section is pages of its own, of `owned` bytes */
    size_t owned[KU__SECTIONS];
};

/* Points the typed columns at the sections, counts, and sums up `first`. False with `error` filled: no memory, or
 * degrees that do not add up to the edges. */
bool ku__graph_adopt(ku_graph *graph, ku_error *error);

uint64_t ku__graph_wide(const ku_graph *graph, ku__wide_what what, uint32_t node);

/* The index of who holds what; false with `error` filled. Fills it in at the first call. */
bool ku__graph_index_referrers(ku_graph *graph, ku_error *error);
void ku__graph_forget_referrers(ku_graph *graph);

static inline uint32_t ku__graph_type(const ku_graph *graph, uint32_t node) {
    return graph->shape_table[graph->shape_of[node]].type;
}

static inline uint64_t ku__graph_size(const ku_graph *graph, uint32_t node) {
    uint16_t size = graph->node_sizes[node];
    return __builtin_expect(size != KU__WIDE16, 1) ? size : ku__graph_wide(graph, KU__WIDE_SIZE, node);
}

static inline uint64_t ku__graph_slack(const ku_graph *graph, uint32_t node) {
    uint8_t slack = graph->slacks[node];
    return __builtin_expect(slack != KU__WIDE8, 1) ? slack : ku__graph_wide(graph, KU__WIDE_SLACK, node);
}

static inline uint32_t ku__graph_site(const ku_graph *graph, uint32_t node) {
    return graph->site_of != NULL ? graph->site_of[node] : 0;
}

static inline const uint32_t *ku__graph_targets(const ku_graph *graph, uint32_t node, uint32_t *count) {
    *count = graph->first[node + 1] - graph->first[node];
    return graph->targets + graph->first[node];
}

/* After ku__graph_index_referrers(). */
static inline const uint32_t *ku__graph_referrers(const ku_graph *graph, uint32_t node, uint32_t *count) {
    *count = graph->referrer_first[node + 1] - graph->referrer_first[node];
    return graph->referrer_list + graph->referrer_first[node];
}

#endif
