/* graph_values.c: which immutable objects are equal, and how much room containers have that nothing is in.
 *
 * Equal ones. Strings, bytes and numbers of the exact builtin types are compared by their contents, through a table of
 * hashes; each gets the number of the first node that is equal to it, its *class*. Tuples are equal where the classes
 * of their items are, in order; as items may be tuples, that is done again until nothing new is found. What comes out
 * is only which nodes are equal: no contents, and no hashes of any.
 *
 * Contents are read only of objects whose whole size, as their header has it, lies inside their block: of those that
 * were born before kucha was installed the block is not known, and they are left out.
 *
 * Source: Objects/{listobject,dictobject,setobject,bytearrayobject}.c of CPython v3.11.7 to v3.15.2 for what is room.
 */
#include "cpython/graph_facts.h"

#if KU__FACTS_SUPPORTED

#include "cpython/graph_making.h"
#include "os/pages.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>

enum {
    ROUNDS_MOST = 8, /* tuples in tuples in tuples ...: deeper ones are taken for different */
};

/* ---- room that nothing is in ---- */

static uint64_t room(int64_t places, size_t bytes) {
    return places > 0 ? (uint64_t)places * bytes : 0;
}

static uint64_t room_of_dict(const PyDictObject *dict) {
    const PyDictKeysObject *keys = dict->ma_keys;
    if (keys->dk_log2_size == 0 || dict->ma_values != NULL) { /* shared with others */
        return 0;
    }
    size_t entry = keys->dk_kind == DICT_KEYS_GENERAL ? sizeof(PyDictKeyEntry) : sizeof(PyDictUnicodeEntry);
    return room(keys->dk_usable + keys->dk_nentries - dict->ma_used, entry);
}

uint64_t ku__room_of(PyObject *object) {
    const void *memory = object;
    if (PyList_CheckExact(object)) {
        const PyListObject *list = memory;
        return list->ob_item == NULL ? 0 : room(list->allocated - Py_SIZE(list), sizeof(PyObject *));
    }
    if (PyDict_CheckExact(object)) {
        return room_of_dict(memory);
    }
    if (PyAnySet_CheckExact(object)) {
        const PySetObject *set = memory;
        return set->table == set->smalltable ? 0 : room(set->mask + 1 - set->used, sizeof(setentry));
    }
#if PY_VERSION_HEX < 0x030F0000 /* from then on the contents are a bytes object */
    if (PyByteArray_CheckExact(object)) {
        const PyByteArrayObject *array = memory;
        return room(array->ob_alloc - Py_SIZE(array) - 1, 1);
    }
#endif
    return 0;
}

/* ---- candidates ---- */

typedef struct candidate {
    PyObject *object;
    uint32_t node;
} candidate;

static bool has_value(const PyObject *object) {
    return PyUnicode_CheckExact(object) || PyBytes_CheckExact(object) || PyLong_CheckExact(object) ||
           PyFloat_CheckExact(object) || PyComplex_CheckExact(object) || PyTuple_CheckExact(object);
}

void ku__note_value(ku__hosted *hosted, PyObject *object, uint32_t node, uint64_t block, uint32_t front) {
    if (has_value(object) && block != 0 && ku__object_bytes(object, front) <= block) {
        candidate *noted = ku__growing_push(&hosted->values, sizeof *noted);
        if (noted != NULL) { /* else it is told of no equals */
            *noted = (candidate){object, node};
        }
    }
}

/* ---- contents ---- */

typedef struct contents {
    const void *bytes;
    size_t size;
    uint64_t kind; /* what is not of one kind is not equal */
} contents;

enum { KIND_TEXT = 16, KIND_BYTES = 32 }; /* KIND_TEXT + bytes of a character; below stand addresses of types */

static bool contents_of(PyObject *object, contents *read) {
    const void *memory = object;
    if (PyUnicode_CheckExact(object)) {
        const PyASCIIObject *text = memory;
        size_t header = text->state.ascii ? sizeof(PyASCIIObject) : sizeof(PyCompactUnicodeObject);
        *read = (contents){(const char *)memory + header, (size_t)text->length * text->state.kind,
                           (uint64_t)KIND_TEXT + text->state.kind};
        return text->state.compact;
    }
    if (PyBytes_CheckExact(object)) {
        *read = (contents){((const PyBytesObject *)memory)->ob_sval, (size_t)Py_SIZE(object), KIND_BYTES};
        return true;
    }
    size_t bytes = ku__object_bytes(object, 0); /* numbers have nothing else behind their header */
    *read = (contents){object + 1, bytes - sizeof *object, (uintptr_t)Py_TYPE(object)};
    return true;
}

static bool same_contents(PyObject *a, PyObject *b) {
    contents left, right;
    return contents_of(a, &left) && contents_of(b, &right) && left.kind == right.kind && left.size == right.size &&
           memcmp(left.bytes, right.bytes, left.size) == 0;
}

/* ---- classes ---- */

typedef struct entry {
    uint32_t hash;
    uint32_t at; /* a candidate's index + 1; 0: empty */
} entry;

typedef struct sorting {
    const ku__making *making;
    const candidate *all;
    size_t count, capacity; /* of entries: a power of two */
    entry *entries;
    uint32_t *class_of; /* by node */
    uint8_t *has_more;  /* by node: others are equal to it */
    uint32_t nodes;
    bool found; /* something new, this round */
} sorting;

/* What stands for an item of a tuple: its class, or its address where it is no node. */
static uint64_t item_class(const sorting *work, const PyObject *item) {
    uint32_t node = ku__node_of(work->making, (uintptr_t)item);
    return node < work->nodes ? work->class_of[node] : (uintptr_t)item;
}

static uint64_t hash_of_tuple(const sorting *work, const PyObject *tuple) {
    uint64_t hash = (uint64_t)Py_SIZE(tuple);
    for (Py_ssize_t i = 0; i < Py_SIZE(tuple); i++) {
        uint64_t item = item_class(work, PyTuple_GET_ITEM((PyObject *)(uintptr_t)tuple, i));
        hash = XXH3_64bits_withSeed(&item, sizeof item, hash);
    }
    return hash;
}

static bool same_items(const sorting *work, PyObject *a, PyObject *b) {
    bool same = Py_SIZE(a) == Py_SIZE(b);
    for (Py_ssize_t i = 0; same && i < Py_SIZE(a); i++) {
        same = item_class(work, PyTuple_GET_ITEM(a, i)) == item_class(work, PyTuple_GET_ITEM(b, i));
    }
    return same;
}

static bool are_equal(const sorting *work, PyObject *a, PyObject *b) {
    bool tuples = PyTuple_CheckExact(a);
    if (tuples != (PyTuple_CheckExact(b) != 0)) {
        return false;
    }
    return tuples ? same_items(work, a, b) : same_contents(a, b);
}

/* The first candidate that is equal, which may be this one. */
static uint32_t first_equal(sorting *work, size_t index, uint64_t hash) {
    size_t mask = work->capacity - 1, at = hash & mask;
    uint32_t kept = (uint32_t)(hash >> 32);
    for (; work->entries[at].at != 0; at = (at + 1) & mask) {
        const candidate *other = &work->all[work->entries[at].at - 1];
        if (work->entries[at].hash == kept && are_equal(work, work->all[index].object, other->object)) {
            return other->node;
        }
    }
    work->entries[at] = (entry){kept, (uint32_t)index + 1};
    return work->all[index].node;
}

static void sort_in(sorting *work, size_t index, uint64_t hash) {
    uint32_t node = work->all[index].node, first = first_equal(work, index, hash);
    work->found |= first != work->class_of[node];
    work->class_of[node] = first;
}

static void sort_atoms(sorting *work) {
    contents read;
    for (size_t i = 0; i < work->count; i++) {
        PyObject *object = work->all[i].object;
        if (!PyTuple_CheckExact(object) && contents_of(object, &read)) {
            sort_in(work, i, XXH3_64bits_withSeed(read.bytes, read.size, read.kind));
        }
    }
}

static void sort_tuples(sorting *work) {
    for (size_t i = 0; i < work->count; i++) {
        if (PyTuple_CheckExact(work->all[i].object)) {
            sort_in(work, i, hash_of_tuple(work, work->all[i].object));
        }
    }
}

static void sort_all(sorting *work) {
    sort_atoms(work);
    work->found = true;
    for (int round = 0; round < ROUNDS_MOST && work->found; round++) {
        work->found = false;
        memset(work->entries, 0, work->capacity * sizeof *work->entries);
        sort_tuples(work);
    }
}

/* Those that have equals, the first of each class among them. */
static void tell_equals(sorting *work, ku__maker *maker) {
    for (size_t i = 0; i < work->count; i++) {
        uint32_t node = work->all[i].node;
        work->has_more[work->class_of[node]] |= work->class_of[node] != node;
    }
    for (size_t i = 0; i < work->count; i++) {
        uint32_t node = work->all[i].node;
        if (work->class_of[node] != node || work->has_more[node] != 0) {
            ku__maker_equal(maker, node, work->class_of[node]);
        }
    }
}

void ku__make_equals(ku__making *making) {
    ku__growing *values = &ku__hosted_of(making)->values;
    sorting work = {.making = making,
                    .all = KU__GROWING_ITEMS(values, candidate),
                    .count = KU__GROWING_COUNT(values, candidate),
                    .capacity = 64,
                    .nodes = making->maker.nodes};
    if (work.count == 0) {
        return;
    }
    while (work.capacity < 2 * work.count) {
        work.capacity *= 2;
    }
    work.entries = ku__pages_map(work.capacity * sizeof *work.entries);
    work.class_of = ku__pages_map(((size_t)work.nodes + 1) * sizeof *work.class_of);
    work.has_more = ku__pages_map((size_t)work.nodes + 1);
    if (work.entries != NULL && work.class_of != NULL && work.has_more != NULL) {
        for (uint32_t node = 0; node < work.nodes; node++) {
            work.class_of[node] = node;
        }
        sort_all(&work);
        tell_equals(&work, &making->maker);
    }
    ku__pages_unmap(work.entries, work.capacity * sizeof *work.entries);
    ku__pages_unmap(work.class_of, ((size_t)work.nodes + 1) * sizeof *work.class_of);
    ku__pages_unmap(work.has_more, (size_t)work.nodes + 1);
    ku__growing_release(values);
}

#endif
