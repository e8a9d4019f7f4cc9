/* graph_facts.h: what the graph walker knows of the insides of dicts, instances, frames and the collector's lists.
 *
 * Include it before anything else, as facts.h.
 *
 * Sources: Include/internal/pycore_dict.h (struct _dictkeysobject, struct _dictvalues, DK_ENTRIES), pycore_object.h
 * (where an instance keeps its attributes), pycore_gc.h and pycore_interp_structs.h (gc.generations), pycore_frame.h
 * and pycore_interpframe_structs.h (_PyInterpreterFrame), Objects/dictobject.c (USABLE_FRACTION, new_values(),
 * dict_traverse(), PyObject_VisitManagedDict()), Objects/object.c; each at v3.11.7, v3.12.1, v3.13.0, v3.14.10 and
 * v3.15.2.
 */
#ifndef KU__GRAPH_FACTS_H
#define KU__GRAPH_FACTS_H

/* Include/internal/pycore_asdl.h, which pycore_interp.h reaches, gives the name to a type. */
#define object ku__asdl_object
#include "cpython/facts.h"
#undef object

#if KU__FACTS_SUPPORTED

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#define object ku__asdl_object
#include "internal/pycore_dict.h"
#include "internal/pycore_frame.h"
#include "internal/pycore_gc.h"
#include "internal/pycore_interp.h"
#include "internal/pycore_object.h"
#undef object
#pragma GCC diagnostic pop

/* ---- the collector's lists ---- */

/* Three generations by number, and what was frozen. */
static inline PyGC_Head *ku__fact_gc_list(PyInterpreterState *interpreter, unsigned list) {
    return list < 3 ? &interpreter->gc.generations[list].head : &interpreter->gc.permanent_generation.head;
}

/* ---- counts ---- */

static inline bool ku__fact_is_immortal(const PyObject *object) {
#if PY_VERSION_HEX >= 0x030C0000
    return _Py_IsImmortal((PyObject *)(uintptr_t)object);
#else
    (void)object;
    return false;
#endif
}

static inline uint32_t ku__fact_count(const PyObject *object) {
#if PY_VERSION_HEX >= 0x030C0000
    return (uint32_t)object->ob_refcnt;
#else
    return object->ob_refcnt < 0 ? 0 : object->ob_refcnt < UINT32_MAX ? (uint32_t)object->ob_refcnt : UINT32_MAX;
#endif
}

/* ---- tables of keys ---- */

static inline size_t ku__fact_keys_usable(const PyDictKeysObject *keys) {
    return ((size_t)2 << keys->dk_log2_size) / 3;
}

static inline size_t ku__fact_keys_size(const PyDictKeysObject *keys) {
    size_t entry = keys->dk_kind == DICT_KEYS_GENERAL ? sizeof(PyDictKeyEntry) : sizeof(PyDictUnicodeEntry);
    return sizeof *keys + ((size_t)1 << keys->dk_log2_index_bytes) + ku__fact_keys_usable(keys) * entry;
}

static inline const char *ku__fact_keys_entries(const PyDictKeysObject *keys) {
    return (const char *)keys->dk_indices + ((size_t)1 << keys->dk_log2_index_bytes);
}

/* Entry `i`: its key, and its value where the table is not shared. */
static inline PyObject *ku__fact_key(const PyDictKeysObject *keys, size_t i, PyObject **value) {
    const void *entries = ku__fact_keys_entries(keys);
    if (keys->dk_kind == DICT_KEYS_GENERAL) {
        const PyDictKeyEntry *entry = (const PyDictKeyEntry *)entries + i;
        *value = entry->me_value;
        return entry->me_key;
    }
    const PyDictUnicodeEntry *entry = (const PyDictUnicodeEntry *)entries + i;
    *value = entry->me_value;
    return entry->me_key;
}

static inline PyDictKeysObject *ku__fact_shared_keys(const PyTypeObject *type) {
    return (type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0 ? ((const PyHeapTypeObject *)(const void *)type)->ht_cached_keys
                                                       : NULL;
}

/* ---- values beside shared keys ---- */

/* Memory that holds them alone, and its size; NULL where they lie in an object. */
static inline const void *ku__fact_values_block(const PyDictValues *values, const PyDictKeysObject *keys,
                                                size_t *size) {
#if PY_VERSION_HEX >= 0x030D0000
    (void)keys;
    *size = sizeof(void *) + values->capacity * sizeof(void *) +
            ((size_t)values->capacity + sizeof(void *) - 1) / sizeof(void *) * sizeof(void *);
    return values->embedded ? NULL : values;
#else
    size_t prefix = ((const uint8_t *)values)[-1];
    *size = prefix + ku__fact_keys_usable(keys) * sizeof(void *);
    return (const char *)values - prefix;
#endif
}

static inline bool ku__fact_values_embedded(const PyDictValues *values) {
#if PY_VERSION_HEX >= 0x030D0000
    return values->embedded != 0;
#else
    (void)values;
    return false;
#endif
}

/* How many there can be. */
static inline size_t ku__fact_values_count(const PyDictValues *values, const PyDictKeysObject *keys) {
#if PY_VERSION_HEX >= 0x030D0000
    size_t most = values->capacity;
#else
    (void)values;
    size_t most = ku__fact_keys_usable(keys);
#endif
    size_t entries = keys->dk_nentries > 0 ? (size_t)keys->dk_nentries : 0;
    return entries < most ? entries : most;
}

/* Where an instance keeps its attributes: values beside its type's keys, or a dict, or neither. */
static inline const PyDictValues *ku__fact_instance(PyObject *object, PyObject **dict) {
    PyTypeObject *type = Py_TYPE(object);
    *dict = NULL;
    if ((type->tp_flags & Py_TPFLAGS_MANAGED_DICT) == 0) {
        return NULL;
    }
#if PY_VERSION_HEX >= 0x030D0000
    *dict = (PyObject *)_PyObject_ManagedDictPointer(object)->dict;
    if ((type->tp_flags & Py_TPFLAGS_INLINE_VALUES) != 0) {
        const PyDictValues *values = _PyObject_InlineValues(object);
        return values->valid ? values : NULL;
    }
    return NULL;
#elif PY_VERSION_HEX >= 0x030C0000
    PyDictOrValues either = *_PyObject_DictOrValuesPointer(object);
    if (_PyDictOrValues_IsValues(either)) {
        return _PyDictOrValues_GetValues(either);
    }
    *dict = _PyDictOrValues_GetDict(either);
    return NULL;
#else
    *dict = *_PyObject_ManagedDictPointer(object);
    return *_PyObject_ValuesPointer(object);
#endif
}

/* ---- strings ---- */

static inline bool ku__fact_is_interned(const PyObject *text) {
    return ((const PyASCIIObject *)(const void *)text)->state.interned != 0;
}

/* ---- frames ---- */

/* Bits of an entry among a frame's locals and stack that are no address; the second says that it is a number. */
#if PY_VERSION_HEX >= 0x030E0000
#define KU__FACT_FRAME_TAGS ((uintptr_t)3)
#else
#define KU__FACT_FRAME_TAGS ((uintptr_t)0)
#endif

/* Entry `i`; NULL where there is none, or a number that is no object. */
static inline PyObject *ku__fact_frame_item(const ku__frame_of_python *frame, size_t i) {
    uintptr_t bits;
    const char *place = (const char *)frame->localsplus + i * sizeof bits;
    __builtin_memcpy(&bits, place, sizeof bits);
    return KU__FACT_FRAME_TAGS != 0 && (bits & 2) != 0 ? NULL : (PyObject *)(bits & ~KU__FACT_FRAME_TAGS);
}

/* How many of them are locals, and how many there are in all as far as the frame says: while a frame executes, the end
 * of its stack is in a register of the interpreter's. */
static inline size_t ku__fact_frame_end(const ku__frame_of_python *frame, size_t locals) {
#if PY_VERSION_HEX >= 0x030E0000
    ptrdiff_t end =
        frame->stackpointer == NULL ? 0 : (const char *)frame->stackpointer - (const char *)frame->localsplus;
    size_t count = end > 0 ? (size_t)end / sizeof(void *) : 0;
#else
    size_t count = frame->stacktop > 0 ? (size_t)frame->stacktop : 0;
#endif
    return count > locals ? count : locals;
}

/* The function that runs in a frame. */
static inline const void *ku__fact_frame_function(const ku__frame_of_python *frame) {
#if PY_VERSION_HEX < 0x030C0000
    return frame->f_func;
#elif PY_VERSION_HEX < 0x030E0000
    return frame->f_funcobj;
#else
    return (const void *)(frame->f_funcobj.bits & ~KU__FACT_FRAME_TAGS);
#endif
}

/* Whether a generator's frame is still there; gi_frame_state. */
static inline bool ku__fact_generator_runs(PyObject *object) {
    return ((const PyGenObject *)(const void *)object)->gi_frame_state < FRAME_CLEARED;
}

/* Whether the frame lies in its thread's stack and holds what it refers to; else an object (a generator) does. */
static inline bool ku__fact_frame_holds(const ku__frame_of_python *frame) {
    return frame->owner == 0; /* FRAME_OWNED_BY_THREAD */
}

#endif
#endif
