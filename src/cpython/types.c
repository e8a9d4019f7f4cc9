/* types.c: see types.h. */
#include "cpython/types.h"

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

static bool add(ku__type_table *types, PyTypeObject *type) {
    return ku__type_table_add(types, (uintptr_t)type, ku__front_of(type));
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
