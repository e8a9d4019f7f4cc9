/* facts_instance.h: where instances of classes written in Python keep what they refer to.
 *
 * Their tp_traverse is subtype_traverse() as long as no base written in C has one of its own. Behind the object's head
 * lie the slots of the class and its bases, a list of weak references and, in older lay-outs, a dict; in front of the
 * collector's header lies the managed dict, which may be an array of values without keys.
 *
 * Sources: Objects/typeobject.c (subtype_traverse, traverse_slots); Include/internal/pycore_object.h
 * (_PyObject_ValuesPointer and _PyObject_ManagedDictPointer at v3.11.7; _PyObject_DictOrValuesPointer at v3.12.1;
 * _PyObject_InlineValues and _PyObject_GetManagedDict at v3.13.0, v3.14.10 and v3.15.2); Objects/dictobject.c
 * (_PyObject_VisitInstanceAttributes: as many values as the type's cached keys have entries;
 * PyObject_VisitManagedDict from 3.13 on). Include facts_gc.h first.
 */
#ifndef KU__FACTS_INSTANCE_H
#define KU__FACTS_INSTANCE_H

#include "cpython/facts_gc.h"

#if KU__FACTS_SUPPORTED

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "internal/pycore_object.h"
#pragma GCC diagnostic pop

/* What a managed dict holds: values, a dict, or both. */
typedef struct ku__managed {
    PyObject **first;
    Py_ssize_t count;
    PyObject *dict; /* NULL: there is none */
} ku__managed;

#if PY_VERSION_HEX < 0x030D0000
static inline Py_ssize_t ku__fact_value_count(PyTypeObject *type) {
    return ((PyHeapTypeObject *)type)->ht_cached_keys->dk_nentries;
}
#endif

/* Of an instance whose type has Py_TPFLAGS_MANAGED_DICT. */
static inline ku__managed ku__fact_managed(PyObject *item, PyTypeObject *type) {
#if PY_VERSION_HEX < 0x030C0000
    PyDictValues *values = *_PyObject_ValuesPointer(item);
    PyObject *dict = *_PyObject_ManagedDictPointer(item);
    return values == NULL ? (ku__managed){NULL, 0, dict}
                          : (ku__managed){values->values, ku__fact_value_count(type), dict};
#elif PY_VERSION_HEX < 0x030D0000
    PyDictOrValues either = *_PyObject_DictOrValuesPointer(item);
    return !_PyDictOrValues_IsValues(either)
               ? (ku__managed){NULL, 0, _PyDictOrValues_GetDict(either)}
               : (ku__managed){_PyDictOrValues_GetValues(either)->values, ku__fact_value_count(type), NULL};
#else
    PyObject *dict = (PyObject *)_PyObject_GetManagedDict(item);
    PyDictValues *values = (type->tp_flags & Py_TPFLAGS_INLINE_VALUES) != 0 ? _PyObject_InlineValues(item) : NULL;
    return values == NULL || !values->valid ? (ku__managed){NULL, 0, dict}
                                            : (ku__managed){values->values, values->capacity, dict};
#endif
}

/* The memory away from the object that ku__fact_managed() leads to, for a prefetch; never followed. */
static inline const void *ku__fact_managed_far(PyObject *item) {
#if PY_VERSION_HEX < 0x030C0000
    const void *values = *_PyObject_ValuesPointer(item);
    return values != NULL ? values : *_PyObject_ManagedDictPointer(item);
#elif PY_VERSION_HEX < 0x030D0000
    return _PyObject_DictOrValuesPointer(item)->values;
#else
    return _PyObject_GetManagedDict(item);
#endif
}

#endif
#endif
