/* making.h: what the files that make a graph of a core share; see make.c and, for the live one, cpython/graph_making.h.
 */
#ifndef KU__COREFILE_MAKING_H
#define KU__COREFILE_MAKING_H

#include "corefile/corefile.h"
#include "corefile/read.h"
#include "inspect/sites.h"

enum { KU__HELD = 4, KU__THREADS_MOST = 1 << 16 };

typedef struct ku__core_making {
    ku__image image;
    ku__python python;
    ku__core_types types;
    ku__blocks blocks;
    ku__core_reading reading;
    ku__maker maker;
    ku__pointer_map names; /* texts of the maker, by address of a str or of characters in the core */
    ku__pointer_map fixed; /* the same, by address of characters of this program's */
    uint32_t first_type;
    uint32_t *known;  /* by node: references that its count knows of and that were seen */
    uint32_t *counts; /* by node; 0 where none is kept */
    size_t nodes;     /* room in both */
    uint32_t first_place;
    ku__growing threads; /* addresses of their states, newest first */
    struct {
        const char *name;
        uintptr_t object;
    } held[KU__HELD];
    ku__sites sites;
    uint64_t allocated;
} ku__core_making;

/* ---- names.c ---- */

uint32_t ku__core_name_of_text(ku__core_making *making, uintptr_t text);
uint32_t ku__core_name_of_chars(ku__core_making *making, uintptr_t chars);
uint32_t ku__core_name_of_fixed(ku__core_making *making, const char *chars);
bool ku__core_make_types(ku__core_making *making);
uint32_t ku__core_label(ku__core_making *making, uintptr_t object, const ku__type *type, bool tracked);
uint32_t ku__core_name_of_frame(ku__core_making *making, uintptr_t frame);

/* ---- places.c ---- */

void ku__core_find_places(ku__core_making *making);
void ku__core_make_place_nodes(ku__core_making *making);
void ku__core_make_root_edges(ku__core_making *making);
void ku__core_make_place_edges(ku__core_making *making);

/* The node of what lies at an address; KU_GRAPH_NONE. */
static inline uint32_t ku__core_node_of(const ku__core_making *making, uintptr_t address) {
    uint32_t slot = address == 0 ? KU__NO_SLOT : ku__blocks_find(&making->blocks, address);
    return slot == KU__NO_SLOT ? KU_GRAPH_NONE : *ku__blocks_node(&making->blocks, slot);
}

#endif
