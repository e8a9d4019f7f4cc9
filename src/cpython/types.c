/* types.c: see types.h. */
#include "cpython/types.h"

#include "inspect/python_beside.h"

#include <string.h>

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

/* A class statement may give any name; types that C code made are static, or cannot be changed. */
static ku__beside_kind beside_of(const PyTypeObject *type) {
    ku__beside_kind kind = KU__BESIDE_NOTHING;
    for (; type != NULL && kind == KU__BESIDE_NOTHING; type = type->tp_base) {
        bool of_c = (type->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0 || (type->tp_flags & Py_TPFLAGS_IMMUTABLETYPE) != 0;
        kind = of_c ? ku__beside_kind_of(type->tp_name, strlen(type->tp_name)) : KU__BESIDE_NOTHING;
    }
    return kind;
}

static bool add(ku__type_table *types, PyTypeObject *type) {
    if (!ku__type_table_add(types, (uintptr_t)type, ku__front_of(type))) {
        return false;
    }
    uint32_t number = ku__type_table_find(types, (uintptr_t)type);
    KU__GROWING_ITEMS(&types->entries, ku__type_entry)[number].beside = (uint8_t)beside_of(type);
    return true;
}

/* type.__subclasses__(type), whatever its metaclass defines. */
static bool add_children(ku__type_table *types, PyObject *list_children, uint32_t number) {
    PyObject *children = PyObject_CallOneArg(list_children, (PyObject *)ku__python_type(types, number));
    if (children == NULL) {
        return false;
    }
    bool added = true;
    for (Py_ssize_t i = 0; added && i < PyList_GET_SIZE(children); i++) {
        added = add(types, (PyTypeObject *)PyList_GET_ITEM(children, i));
    }
    Py_DECREF(children);
    return added;
}

static bool fill(ku__type_table *types) {
    PyObject *list_children = PyObject_GetAttrString((PyObject *)&PyType_Type, "__subclasses__");
    if (list_children == NULL) {
        return false;
    }
    bool added = add(types, &PyBaseObject_Type);
    for (uint32_t number = 0; added && number < ku__type_table_count(types); number++) {
        added = add_children(types, list_children, number);
    }
    Py_DECREF(list_children);
    return added;
}

bool ku__collect_types(ku__type_table *types) {
    bool opened = ku__type_table_open(types);
    if (opened && fill(types)) {
        return true;
    }
    if (opened) {
        ku__type_table_close(types);
    }
    if (!PyErr_Occurred()) {
        PyErr_NoMemory();
    }
    return false;
}
