/* types.h: all types of the interpreter, for telling what blocks are (inspect/python_types.h).
 *
 * They are collected from `object` down through __subclasses__(), by the holder of the GIL.
 *
 * Source: Include/object.h (Py_TPFLAGS_MANAGED_DICT, Py_TPFLAGS_MANAGED_WEAKREF).
 */
#ifndef KU__TYPES_H
#define KU__TYPES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "inspect/python_types.h"

/* Bytes in front of the type's objects. */
uint32_t ku__front_of(PyTypeObject *type);

/* Fills the table; false with an exception set. Runs no code of the program's. Ends with ku__type_table_close(). */
bool ku__collect_types(ku__type_table *types);

static inline PyTypeObject *ku__python_type(const ku__type_table *types, uint32_t number) {
    return (PyTypeObject *)ku__type_table_at(types, number)->address;
}

#endif
