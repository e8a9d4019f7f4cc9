/* graph_making.h: from isolates that stand still to a graph; what the files that do it share. See graph_make.c.
 *
 * The memory is that of the process itself (graph_dump.c), or of one that is over, out of its core file
 * (corefile/native.c): everything is read by address, through what the anchor says of where things lie.
 */
#ifndef KU__NATIVE_GRAPH_H
#define KU__NATIVE_GRAPH_H

#include "inspect/blocks.h"
#include "inspect/sites.h"
#include "isolate/native_layout.h"

#include <kucha/graph.h>

/* What is to be looked at. */
typedef struct ku__native_order {
    ku__memory *memory;
    ku__anchor anchor;
    ku__native_layout layout;
    uintptr_t isolate; /* that alone; 0: all of the process's */
    uint64_t words;    /* references that there can be at most: more are a damaged heap's */
    bool with_values;  /* texts of strings become labels */
    ku_graph_info info;
    const char *program, *runtime, *note; /* NULL: nothing to tell */
} ku__native_order;

/* The graph; NULL with `error` filled. All memory comes from pages. */
ku_graph *ku__native_graph(const ku__native_order *order, ku_error *error);

/* ---- inside ---- */

/* How objects of a type are read beyond its fields. */
typedef enum ku__native_rule {
    KU__RULE_FIELDS,
    KU__RULE_INT,
    KU__RULE_STR,
    KU__RULE_BYTES,
    KU__RULE_LIST,
    KU__RULE_DICT,
    KU__RULE_SET,
    KU__RULE_CLASS,
    KU__RULE_NAMED, /* its first field is its name */
} ku__native_rule;

typedef struct ku__native_field {
    uint32_t text;   /* its name */
    uint32_t buffer; /* type of the maker for the memory that it leads to; KU_GRAPH_NONE */
    uint16_t offset, length;
    uint8_t kind;      /* ku_field_kind */
    uint8_t edge_kind; /* ku_edge_kind */
} ku__native_field;

typedef struct ku__native_type {
    uintptr_t address; /* of its ku_type */
    uintptr_t object;  /* its type object, where it was made at run time; 0 */
    uintptr_t traverse;
    uint32_t number;
    uint32_t type;   /* of the maker */
    uint32_t shared; /* type of the maker for attributes beside an instance */
    uint32_t first_field, fields;
    uint32_t size;
    uint8_t dict_word, map_flags;
    uint8_t rule;
} ku__native_type;

typedef struct ku__native_isolate {
    uintptr_t address;
    char name[32];
    ku__sites sites;
} ku__native_isolate;

/* Threads that have frames, in the order of isolates; frames of a thread, innermost first. */
typedef struct ku__native_thread {
    uint32_t isolate; /* index */
    uint32_t number;  /* in the isolate, from 1 */
    uint32_t first_frame, frames;
} ku__native_thread;

typedef struct ku__native_making {
    const ku__native_order *order;
    ku__memory *memory;
    ku__blocks blocks;
    ku__maker maker;
    ku__growing isolates;  /* ku__native_isolate */
    ku__growing choices;   /* ku__heap_choice: tracked, atoms and buffers of each */
    ku__growing types;     /* ku__native_type */
    ku__growing fields;    /* ku__native_field */
    uint32_t *by_number;   /* 1 more than the index among types, by number of a type; 0: not met yet */
    ku__pointer_map texts; /* of the maker, by address of characters that are read */
    uint32_t *known;       /* by node: references that its count knows of and that were seen */
    uint32_t *counts;      /* by node; 0 where none is kept */
    size_t nodes;          /* room in both */
    uint32_t first_place;
    ku__growing threads; /* ku__native_thread */
    ku__growing frames;  /* their addresses */
    uint64_t allocated;
    uint64_t told; /* references that were looked at */
    bool adding;   /* edges are added; before that, memory is only claimed by its owners */
} ku__native_making;

/* ---- graph_types.c ---- */

/* Types of what has none: see ku__native_system. */
enum { KU__NATIVE_ROOT, KU__NATIVE_PLACE, KU__NATIVE_FRAME, KU__NATIVE_BUFFER, KU__NATIVE_BLOCK, KU__NATIVE_SYSTEM };
void ku__native_make_system_types(ku__native_making *making);

/* The type of this number; NULL: there is none. Good until the next call. */
const ku__native_type *ku__native_type_of(ku__native_making *making, uint32_t number);

/* Texts of the maker: characters that end with a zero, in the memory that is read; of a str; of this program's. */
uint32_t ku__native_text(ku__native_making *making, uintptr_t characters);
uint32_t ku__native_text_of_str(ku__native_making *making, uintptr_t object);
uint32_t ku__native_text_fixed(ku__native_making *making, const char *characters);

/* ---- graph_read.c ---- */

/* Tells of what an object holds: claims memory beside it or, while adding, adds its edges. False: not all could be
 * read. */
bool ku__native_read(ku__native_making *making, uintptr_t object, const ku__native_type *type, const ku__block *block);

/* Bytes that were asked for. */
uint64_t ku__native_bytes(ku__native_making *making, uintptr_t object, const ku__native_type *type, uint64_t block);

/* Bytes that a container keeps for what is not in it yet, or no more. */
uint64_t ku__native_room(ku__native_making *making, uintptr_t object, const ku__native_type *type);

/* References that lie one after the other; NULL: not all of them are there, or there were too many already. */
const uintptr_t *ku__native_array(ku__native_making *making, uintptr_t address, size_t count);

/* An edge of the node that the maker is at; nothing for a target that is no block. */
void ku__native_edge(ku__native_making *making, uintptr_t target, uint32_t kind, uint32_t text, uint32_t number);

/* ---- graph_places.c ---- */

void ku__native_find_frames(ku__native_making *making);
void ku__native_make_place_nodes(ku__native_making *making);
void ku__native_make_root_edges(ku__native_making *making);
void ku__native_make_place_edges(ku__native_making *making);

/* ---- all of them ---- */

static inline uintptr_t ku__native_word(ku__native_making *making, uintptr_t address) {
    return ku__memory_word(making->memory, address);
}

/* A word that must lie behind an address that may be 0. */
static inline uintptr_t ku__native_member(ku__native_making *making, uintptr_t structure, uint32_t offset) {
    return structure == 0 ? 0 : ku__memory_word(making->memory, structure + offset);
}

static inline uint32_t ku__native_node(const ku__native_making *making, uintptr_t address) {
    uint32_t slot = address == 0 ? KU__NO_SLOT : ku__blocks_find(&making->blocks, address);
    return slot == KU__NO_SLOT ? KU_GRAPH_NONE : *ku__blocks_node(&making->blocks, slot);
}

static inline ku__native_isolate *ku__native_isolates(const ku__native_making *making, size_t *count) {
    *count = KU__GROWING_COUNT(&making->isolates, ku__native_isolate);
    return KU__GROWING_ITEMS(&making->isolates, ku__native_isolate);
}

#endif
