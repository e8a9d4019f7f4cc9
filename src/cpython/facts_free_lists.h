/* facts_free_lists.h: the free lists of an interpreter, the same in kind from 3.14 on.
 *
 * All of them are of one structure, side by side in one other: a chain that runs through the first word of what is on
 * it, and a count, which is -1 where the list is closed: then nothing is put on it, and what is on it can still be
 * taken off. An interpreter closes its own lists when it ends. Only the last members differ between versions.
 *
 * Sources, at tags v3.14.5, v3.14.10 and v3.15.2: Include/internal/pycore_freelist_state.h (struct _Py_freelist, struct
 * _Py_freelists), pycore_freelist.h (_PyFreeList_Push, _PyFreeList_PopNoStats), pycore_object_state.h (where they lie),
 * Objects/object.c (clear_freelist).
 */
#ifndef KU__FACTS_FREE_LISTS_H
#define KU__FACTS_FREE_LISTS_H

#include "internal/pycore_freelist_state.h"
#include "internal/pycore_interp.h"

#define KU__FACT_FREE_LISTS 1

typedef struct _Py_freelist ku__free_list;

enum {
    KU__FREE_LIST_COUNT = sizeof(struct _Py_freelists) / sizeof(ku__free_list),
    /* The collector's own working memory, which is no object's and comes from the raw domain. */
    KU__FREE_LIST_OF_COLLECTOR = offsetof(struct _Py_freelists, object_stack_chunks) / sizeof(ku__free_list),
};

static inline ku__free_list *ku__fact_free_lists(PyInterpreterState *interpreter) {
    return (ku__free_list *)(void *)&interpreter->object_state.freelists;
}

/* A list that is known by a public answer: an object of this kind lies on it when it is dropped. */
typedef struct ku__free_list_probe {
    ku__free_list *list;
    Py_ssize_t most;
    PyObject *object; /* new; NULL with an exception set */
} ku__free_list_probe;

enum { KU__FREE_LIST_PROBES = 5 };

/* The first, the last, and some between. */
static inline ku__free_list_probe ku__fact_free_list_probe(PyInterpreterState *interpreter, int number) {
    struct _Py_freelists *lists = &interpreter->object_state.freelists;
    switch (number) {
    case 0: return (ku__free_list_probe){&lists->floats, Py_floats_MAXFREELIST, PyFloat_FromDouble(0.1)};
    case 1:
        return (ku__free_list_probe){&lists->tuples[PyTuple_MAXSAVESIZE - 1], Py_tuple_MAXFREELIST,
                                     PyTuple_New(PyTuple_MAXSAVESIZE)};
    case 2: return (ku__free_list_probe){&lists->lists, Py_lists_MAXFREELIST, PyList_New(0)};
    case 3: return (ku__free_list_probe){&lists->dicts, Py_dicts_MAXFREELIST, PyDict_New()};
    default:
        return (ku__free_list_probe){&lists->pymethodobjects, Py_pymethodobjects_MAXFREELIST,
                                     PyMethod_New((PyObject *)&PyLong_Type, Py_None)};
    }
}

#endif
