/* graph_make.h: a graph of CPython's heap, made where the heap stands still: in the child of a clone. Nothing changes
 * there any more, no lock can be taken, and all memory comes from pages. */
#ifndef KU__GRAPH_MAKE_H
#define KU__GRAPH_MAKE_H

#include "cpython/types.h"
#include "inspect/python_make.h"

#include <kucha/graph.h>

/* What the parent knows and the child needs; filled in by the holder of the GIL. */
typedef struct ku__graph_order {
    ku__type_table types;
    ku_heap *objects, *buffers;
    PyInterpreterState *interpreter;
    PyObject *modules;   /* sys.modules */
    ku__growing threads; /* uintptr_t, the PyThreadState * of all of the interpreter's */
    ku__growing names;   /* ku__thread_words of each of them; fewer when memory was refused */
    struct {
        const char *name;
        PyObject *object;
    } held[KU__HELD]; /* what the interpreter itself holds, its modules first */
    bool equals;      /* what is equal to what is to be found */
    ku_graph_info info;
    char program[512], runtime[64];
    volatile uint32_t *running; /* see graph_read.h */
    uint8_t *banned;
} ku__graph_order;

/* The graph; NULL with `error` filled. Uses the order up: memory is the child's. */
ku_graph *ku__graph_make(ku__graph_order *order, ku_error *error);

#endif
