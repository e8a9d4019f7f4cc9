/* types.c: see types.h. */
#include "cpython/types.h"

#include "os/pages.h"

/* Bits of Py_TPFLAGS that put two words in front of an object, beside those of the collector. */
#if PY_VERSION_HEX >= 0x030C0000
#define IN_FRONT (Py_TPFLAGS_MANAGED_DICT | Py_TPFLAGS_MANAGED_WEAKREF)
#else
#define IN_FRONT (1UL << 4) /* _Py_TPFLAGS_MANAGED_DICT of 3.11, which has no public name there */
#endif

uint32_t ku__front_of(PyTypeObject *type) {
    unsigned long flags = PyType_GetFlags(type);
    uint32_t front = (flags & Py_TPFLAGS_HAVE_GC) != 0 ? KU__FRONT_PART : 0;
    return front + ((flags & IN_FRONT) != 0 ? KU__FRONT_PART : 0);
}

#define SLOTS_LEAST 4096u /* an interpreter starts with some hundred types; a large program has some ten thousand */

#define FILTER_BYTES ((size_t)1 << KU__TYPES_FILTER_BITS >> 3)

static bool table_open(ku__types *types, size_t slots) {
    types->slots = ku__pages_map(slots * sizeof *types->slots);
    types->numbers = ku__pages_map(slots * sizeof *types->numbers);
    types->mask = slots - 1;
    return types->slots != NULL && types->numbers != NULL;
}

static void table_close(ku__types *types) {
    ku__pages_unmap(types->slots, (types->mask + 1) * sizeof *types->slots);
    ku__pages_unmap(types->numbers, (types->mask + 1) * sizeof *types->numbers);
    types->slots = NULL;
    types->numbers = NULL;
}

static void enter(ku__types *types, uint32_t number) {
    uintptr_t address = (uintptr_t)ku__types_at(types, number)->type;
    uint64_t bit = ku__types_hash(address) >> (64 - KU__TYPES_FILTER_BITS);
    types->filter[bit / 64] |= (uint64_t)1 << bit % 64;
    size_t at = ku__types_home(types, address);
    while (types->slots[at] != 0) {
        at = (at + 1) & types->mask;
    }
    types->slots[at] = address;
    types->numbers[at] = number;
}

static bool grow(ku__types *types) {
    ku__types old = *types;
    if (!table_open(types, (old.mask + 1) * 2)) {
        table_close(types);
        *types = old;
        return false;
    }
    table_close(&old);
    for (uint32_t number = 0; number < ku__types_count(types); number++) {
        enter(types, number);
    }
    return true;
}

/* False when memory is refused. One that is there already stays. */
static bool add(ku__types *types, PyTypeObject *type) {
    if (ku__types_find(types, (uintptr_t)type) != KU__NO_TYPE) {
        return true;
    }
    if ((size_t)ku__types_count(types) * 2 >= types->mask && !grow(types)) {
        return false;
    }
    ku__type_entry *entry = ku__growing_push(&types->entries, sizeof *entry);
    if (entry == NULL) {
        return false;
    }
    *entry = (ku__type_entry){.type = type, .front = ku__front_of(type)};
    enter(types, ku__types_count(types) - 1);
    return true;
}

/* type.__subclasses__(type), whatever its metaclass defines. */
static bool add_children(ku__types *types, PyObject *list_children, uint32_t number) {
    PyObject *type = (PyObject *)ku__types_at(types, number)->type;
    PyObject *children = PyObject_CallOneArg(list_children, type);
    if (children == NULL) {
        return false;
    }
    bool added = true;
    for (Py_ssize_t i = 0; added && i < PyList_GET_SIZE(children); i++) {
        added = add(types, (PyTypeObject *)PyList_GET_ITEM(children, i));
    }
    Py_DECREF(children);
    if (!added) {
        PyErr_NoMemory();
    }
    return added;
}

static bool fill(ku__types *types) {
    PyObject *list_children = PyObject_GetAttrString((PyObject *)&PyType_Type, "__subclasses__");
    if (list_children == NULL) {
        return false;
    }
    bool added = add(types, &PyBaseObject_Type);
    for (uint32_t number = 0; added && number < ku__types_count(types); number++) {
        added = add_children(types, list_children, number);
    }
    Py_DECREF(list_children);
    return added;
}

bool ku__types_open(ku__types *types) {
    *types = (ku__types){.filter = ku__pages_map(FILTER_BYTES)};
    if (!table_open(types, SLOTS_LEAST) || types->filter == NULL) {
        ku__types_close(types);
        PyErr_NoMemory();
        return false;
    }
    if (!fill(types)) {
        ku__types_close(types);
        if (!PyErr_Occurred()) {
            PyErr_NoMemory();
        }
        return false;
    }
    return true;
}

void ku__types_close(ku__types *types) {
    table_close(types);
    ku__pages_unmap(types->filter, FILTER_BYTES);
    types->filter = NULL;
    ku__growing_release(&types->entries);
}
