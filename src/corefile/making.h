/* making.h: what the files that make a graph of a core share; see make.c. */
#ifndef KU__COREFILE_MAKING_H
#define KU__COREFILE_MAKING_H

#include "corefile/corefile.h"
#include "corefile/read.h"

typedef struct ku__core_making {
    ku__making making; /* first */
    ku__image image;
    ku__python python;
    ku__core_types types;
    ku__core_reading reading;
    double began, stopped; /* of a process that goes on: when (monotonic), and how long it stood still */
} ku__core_making;

static inline ku__core_making *ku__core_of(ku__making *making) {
    return (ku__core_making *)(void *)making;
}

/* ---- names.c: rules (inspect/python_make.h) ---- */

uint32_t ku__core_label(ku__making *making, uintptr_t object, uint32_t type, bool tracked);
ku__type_words ku__core_words_of_type(ku__making *making, uint32_t type);
size_t ku__core_text(ku__making *making, uintptr_t text, char *out, size_t size);

/* ---- places.c ---- */

/* Fills in what the interpreter holds, and its threads. */
void ku__core_find_places(ku__core_making *core);

/* Rules. */
ku__key_table ku__core_keys_of_dict(ku__making *making, uintptr_t dict);
ku__key_table ku__core_keys_of_type(ku__making *making, uintptr_t type);
uintptr_t ku__core_collector_list(ku__making *making, unsigned list);
uintptr_t ku__core_first_frame(ku__making *making, uintptr_t thread);
uintptr_t ku__core_next_frame(ku__making *making, uintptr_t frame);
ku__frame_view ku__core_frame(ku__making *making, uintptr_t frame);
ku__frame_place ku__core_place(ku__making *making, uintptr_t frame);
ku__thread_words ku__core_thread(ku__making *making, size_t index);

#endif
