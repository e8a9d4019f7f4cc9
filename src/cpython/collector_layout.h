/* collector_layout.h: which types' instances marking reads by itself, remembered for one collection.
 *
 * An instance of a class written in Python, with no base in C but `object`, is a row of words behind its head, all of
 * them references but one (the list of weak references, which it does not own), and perhaps a managed dict. That is
 * told from the type once, and kept in a small table by the type's address; a type that falls on another's place is
 * asked again. Everything else is left to tp_traverse.
 */
#ifndef KU__COLLECTOR_LAYOUT_H
#define KU__COLLECTOR_LAYOUT_H

#include "cpython/facts_instance.h"

#include "alloc/fast.h"

#if KU__FACTS_SUPPORTED

enum {
    KU__LAYOUT_PLACES = 128,  /* types that take turns at once; 3 KiB, of the first cache's 32 */
    KU__LAYOUT_LARGEST = 256, /* bytes: 30 slots; beyond them the call to tp_traverse does not count */
};

typedef struct ku__layout {
    PyTypeObject *type; /* NULL: nobody's place */
    uint16_t end;       /* words of references lie from the head to here; 0: left to tp_traverse */
    uint16_t weak;      /* but for those from here, the list of weak references, */
    uint16_t rest;      /* to here; both are the end where there is none */
    bool managed;       /* there is a managed dict */
    bool marked;        /* the type was marked */
} ku__layout;

typedef struct ku__layouts {
    traverseproc traverse; /* of classes written in Python */
    ku__layout places[KU__LAYOUT_PLACES];
} ku__layouts;

static inline void ku__layout_learn(const ku__layouts *all, ku__layout *place, PyTypeObject *type) {
    const PyTypeObject *base = type;
    while (base != NULL && base->tp_traverse == all->traverse) {
        base = base->tp_base;
    }
    *place = (ku__layout){.type = type};
    bool plain = base == &PyBaseObject_Type && type != base && all->traverse != NULL && type->tp_itemsize == 0 &&
                 type->tp_basicsize >= (Py_ssize_t)sizeof(PyObject) && type->tp_basicsize <= KU__LAYOUT_LARGEST;
    if (plain) {
        bool weak = type->tp_weaklistoffset > 0 && type->tp_weaklistoffset < type->tp_basicsize;
        place->end = (uint16_t)type->tp_basicsize;
        place->weak = weak ? (uint16_t)type->tp_weaklistoffset : place->end;
        place->rest = weak ? (uint16_t)(place->weak + sizeof(PyObject *)) : place->end;
        place->managed = (type->tp_flags & Py_TPFLAGS_MANAGED_DICT) != 0;
    }
}

/* What is known of a type. */
static inline ku__layout *ku__layout_of(ku__layouts *all, PyTypeObject *type) {
    uintptr_t address = (uintptr_t)type;
    ku__layout *place = &all->places[(address >> 4 ^ address >> 11) % KU__LAYOUT_PLACES];
    if (KU__UNLIKELY(place->type != type)) {
        ku__layout_learn(all, place, type);
    }
    return place;
}

#endif
#endif
