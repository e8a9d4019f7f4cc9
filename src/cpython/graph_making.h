/* graph_making.h: what the files that make a graph of a living heap share; see graph_make.c. */
#ifndef KU__GRAPH_MAKING_H
#define KU__GRAPH_MAKING_H

#include "cpython/graph_make.h"
#include "cpython/graph_read.h"

typedef struct ku__hosted {
    ku__making making; /* first */
    ku__reading reading;
    ku__graph_order *order;
    ku__growing values; /* objects that may be equal to others (graph_values.c) */
} ku__hosted;

/* ---- graph_names.c: rules (inspect/python_make.h) ---- */

uint32_t ku__hosted_label(ku__making *making, uintptr_t object, uint32_t type, bool tracked);
ku__type_words ku__hosted_words_of_type(ku__making *making, uint32_t type);
size_t ku__hosted_text(ku__making *making, uintptr_t text, char *out, size_t size);

/* ---- graph_places.c: rules ---- */

ku__key_table ku__hosted_keys_of_dict(ku__making *making, uintptr_t dict);
ku__key_table ku__hosted_keys_of_type(ku__making *making, uintptr_t type);
uintptr_t ku__hosted_first_frame(ku__making *making, uintptr_t thread);
uintptr_t ku__hosted_next_frame(ku__making *making, uintptr_t frame);
ku__frame_view ku__hosted_frame(ku__making *making, uintptr_t frame);
ku__frame_place ku__hosted_place(ku__making *making, uintptr_t frame);
ku__thread_words ku__hosted_thread(ku__making *making, size_t index);

/* ---- graph_values.c ---- */

/* Bytes that a container keeps for what is not in it yet, or no more. */
uint64_t ku__room_of(PyObject *object);
/* An object that may be equal to others, if its type is one of those; `block` has the bytes of its block, 0 unknown. */
void ku__note_value(ku__hosted *hosted, PyObject *object, uint32_t node, uint64_t block, uint32_t front);
/* Rule: when all nodes are there, tells the maker which of those noted are equal. */
void ku__make_equals(ku__making *making);

static inline ku__hosted *ku__hosted_of(ku__making *making) {
    return (ku__hosted *)(void *)making;
}

#endif
