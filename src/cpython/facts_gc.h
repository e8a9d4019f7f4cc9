/* facts_gc.h: the stock collector's private state, the same in 3.11 to 3.15 but for what stands behind #if.
 *
 * Every tracked object is a node of one of four doubly linked lists: three generations, and the permanent one of
 * gc.freeze(). The node lies in front of the object. Outside of a collection bit 0 of the word `_gc_prev` says that the
 * object was finalized, and the other words are plain addresses; a word `_gc_next` of 0 says that the object is not
 * tracked.
 *
 * Sources: Include/internal/pycore_gc.h at v3.11.7, v3.12.1 and v3.13.0, pycore_interp_structs.h at v3.14.10 and
 * v3.15.2 (PyGC_Head, struct _gc_runtime_state: generations, permanent_generation, callbacks, collecting, debug,
 * long_lived_total); Modules/gcmodule.c and Python/gc.c (a full collection sets long_lived_total to the length of the
 * list it looked at; the rule for the next one is long_lived_pending >= long_lived_total / 4); pycore_dict.h
 * (_dictkeysobject: dk_kind, dk_nentries and the entries behind the indices; a table with ma_values is split);
 * Doc/c-api/gcsupport.rst. Include facts.h first.
 */
#ifndef KU__FACTS_GC_H
#define KU__FACTS_GC_H

#include "cpython/facts.h"

#if KU__FACTS_SUPPORTED

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "internal/pycore_dict.h"
#include "internal/pycore_gc.h"
#include "internal/pycore_interp.h"
#pragma GCC diagnostic pop

enum {
    KU__GENERATION_FULL = 2,
    KU__DEBUG_STATS = 1, /* Doc/library/gc.rst; Include/internal/pycore_gc.h */
    KU__DEBUG_COLLECTABLE = 2,
    KU__DEBUG_SAVEALL = 32,
};

typedef struct _gc_runtime_state ku__gc_state;

static inline ku__gc_state *ku__fact_gc(PyInterpreterState *interpreter) {
    return &interpreter->gc;
}

/* Whether the interpreter, or the whole runtime, is on its way out. */
static inline bool ku__fact_is_ending(const PyInterpreterState *interpreter) {
#if PY_VERSION_HEX >= 0x030D0000
    return Py_IsFinalizing() != 0 || _PyInterpreterState_GetFinalizing((PyInterpreterState *)interpreter) != NULL;
#elif PY_VERSION_HEX >= 0x030C0000
    return _Py_IsFinalizing() != 0 || _PyInterpreterState_GetFinalizing((PyInterpreterState *)interpreter) != NULL;
#else
    return _Py_IsFinalizing() != 0 || interpreter->finalizing != 0;
#endif
}

static inline PyGC_Head *ku__gc_list(ku__gc_state *state, int generation) {
    return &state->generations[generation].head;
}

/* ---- nodes and lists ---- */

static inline PyGC_Head *ku__gc_node(PyObject *item) {
    return (PyGC_Head *)item - 1;
}

static inline PyObject *ku__gc_object(PyGC_Head *node) {
    return (PyObject *)(node + 1);
}

static inline PyGC_Head *ku__gc_next(const PyGC_Head *node) {
    return (PyGC_Head *)node->_gc_next;
}

static inline PyGC_Head *ku__gc_prev(const PyGC_Head *node) {
    return (PyGC_Head *)(node->_gc_prev & _PyGC_PREV_MASK);
}

static inline void ku__gc_set_prev(PyGC_Head *node, const PyGC_Head *prev) {
    node->_gc_prev = (node->_gc_prev & ~_PyGC_PREV_MASK) | (uintptr_t)prev;
}

static inline void ku__gc_list_open(PyGC_Head *list) {
    list->_gc_next = list->_gc_prev = (uintptr_t)list;
}

static inline bool ku__gc_list_empty(const PyGC_Head *list) {
    return list->_gc_next == (uintptr_t)list;
}

/* Takes a node out of its list; its own words are left. */
static inline void ku__gc_unlink(PyGC_Head *node) {
    PyGC_Head *prev = ku__gc_prev(node), *next = ku__gc_next(node);
    prev->_gc_next = (uintptr_t)next;
    ku__gc_set_prev(next, prev);
}

static inline void ku__gc_append(PyGC_Head *node, PyGC_Head *list) {
    PyGC_Head *last = ku__gc_prev(list);
    last->_gc_next = (uintptr_t)node;
    ku__gc_set_prev(node, last);
    node->_gc_next = (uintptr_t)list;
    list->_gc_prev = (uintptr_t)node;
}

/* Puts all of `from` behind the last node of `to`; `from` is empty then. */
static inline void ku__gc_list_join(PyGC_Head *from, PyGC_Head *to) {
    if (ku__gc_list_empty(from)) {
        return;
    }
    PyGC_Head *first = ku__gc_next(from), *last = ku__gc_prev(from), *end = ku__gc_prev(to);
    end->_gc_next = (uintptr_t)first;
    ku__gc_set_prev(first, end);
    last->_gc_next = (uintptr_t)to;
    to->_gc_prev = (uintptr_t)last;
    ku__gc_list_open(from);
}

/* ---- what containers refer to ---- */

/* The references of an exact dict whose table is its own, as a row: `step` pointers from one to the next. */
typedef struct ku__dict_row {
    PyObject **first;
    Py_ssize_t count;
    unsigned step;
    bool keys_too; /* the reference before each is the key's, which is no string */
} ku__dict_row;

/* Whether ku__fact_dict_row() can be asked. A split table's values may belong to an instance. */
static inline bool ku__fact_dict_plain(const PyDictObject *dict) {
    return dict->ma_values == NULL;
}

static inline ku__dict_row ku__fact_dict_row(const PyDictObject *dict) {
    PyDictKeysObject *keys = dict->ma_keys;
    /* Of an empty table the entries lie anywhere, also where none could: no member is named. */
    if (DK_IS_UNICODE(keys)) {
        char *entries = (char *)DK_UNICODE_ENTRIES(keys);
        return (ku__dict_row){(void *)(entries + offsetof(PyDictUnicodeEntry, me_value)), keys->dk_nentries,
                              sizeof(PyDictUnicodeEntry) / sizeof(PyObject *), false};
    }
    char *entries = (char *)DK_ENTRIES(keys);
    return (ku__dict_row){(void *)(entries + offsetof(PyDictKeyEntry, me_value)), keys->dk_nentries,
                          sizeof(PyDictKeyEntry) / sizeof(PyObject *), true};
}

/* Dicts are tracked and untracked by what is in them up to 3.13 (cpython 127010). */
static inline bool ku__fact_dicts_untrack(void) {
    return PY_VERSION_HEX < 0x030E0000;
}

#endif
#endif
