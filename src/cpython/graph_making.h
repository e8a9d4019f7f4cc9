/* graph_making.h: what the files that make a graph share; see graph_make.c. */
#ifndef KU__GRAPH_MAKING_H
#define KU__GRAPH_MAKING_H

#include "cpython/graph_make.h"
#include "cpython/graph_read.h"
#include "inspect/maker.h"

typedef struct ku__making {
    ku__still still;
    ku__maker maker;
    ku__reading reading;
    ku__graph_order *order;
    ku__pointer_map names; /* texts of the maker, by address of a str or of characters */
    uint32_t first_type;   /* of the interpreter's; buffers' and the like come before */
    uint32_t *known;       /* by node: references that its count knows of and that were seen */
    uint32_t *counts;      /* by node; 0 where none is kept */
    uint32_t first_place;  /* node */
    uint32_t *sites;       /* of the maker, by site of the tracer; NULL without tracing */
    uint32_t site_count;
    uint64_t allocated;
    ku__growing values; /* objects that may be equal to others (graph_values.c) */
} ku__making;

/* ---- graph_names.c ---- */

uint32_t ku__name_of_text(ku__making *making, const PyObject *text);
uint32_t ku__name_of_chars(ku__making *making, const char *chars);
/* Types of the system's, and all of the interpreter's. */
bool ku__make_types(ku__making *making);
/* What an object is called, where it has a name of its own; KU_GRAPH_NONE. `tracked`: as ku__read_object() has it. */
uint32_t ku__label_of(ku__making *making, PyObject *object, bool tracked);
/* "f at file:line". */
uint32_t ku__name_of_frame(ku__making *making, const void *frame);
/* The maker's site for a block's slot of the site table. */
uint32_t ku__site_of_slot(ku__making *making, uint32_t slot);

/* ---- graph_values.c ---- */

/* Bytes that a container keeps for what is not in it yet, or no more. */
uint64_t ku__room_of(PyObject *object);
/* An object that may be equal to others, if its type is one of those; `block` has the bytes of its block, 0 unknown. */
void ku__note_value(ku__making *making, PyObject *object, uint32_t node, size_t block, uint32_t front);
/* When all nodes are there: tells the maker which of those noted are equal. */
void ku__make_equals(ku__making *making);

/* ---- graph_places.c ---- */

/* Adds the nodes of places, threads and frames; and, when all other edges are there, their edges. */
void ku__make_place_nodes(ku__making *making);
void ku__make_place_edges(ku__making *making);
void ku__make_root_edges(ku__making *making);

/* The node of what lies at an address; KU_GRAPH_NONE. */
static inline uint32_t ku__node_of(const ku__making *making, uintptr_t address) {
    uint32_t slot = ku__still_find(&making->still, address);
    return slot == KU__NO_SLOT ? KU_GRAPH_NONE : ku__still_node(&making->still, slot);
}

#endif
