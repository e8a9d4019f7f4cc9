/* graph_read.h: the references of one object, and what they are called.
 *
 * Exact lists, tuples, dicts, sets and strings are read by their lay-out, with the memory that they own; code objects
 * too, which the collector does not know. Everything else that the collector's lists lead to is asked by its type's
 * tp_traverse, which is what gc.get_referents() asks; names are then found by comparing addresses with the places that
 * the type's members, its dict and its attributes are known to lie in. What nothing explains is "unknown N".
 *
 * Before a type's code is run, its number stands in `running`, in memory that the parent sees: where the child dies,
 * the next one leaves that type alone.
 */
#ifndef KU__GRAPH_READ_H
#define KU__GRAPH_READ_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "inspect/python_beside.h"
#include "inspect/python_make.h"

typedef struct ku__reading {
    ku__telling telling;
    const ku__type_table *types; /* NULL: nothing that lies beside objects is read */
    volatile uint32_t *running;
    const uint8_t *banned; /* by number of type: not to be asked */
    ku__growing expected;  /* ku__reference: where references of the object at hand are known to lie */
    size_t cursor;
    uint32_t unknown;
} ku__reading;

/* `type` is the object's; `tracked`: one of the collector's lists leads to it. False: it cannot be read. */
bool ku__read_object(ku__reading *reading, PyObject *object, uint32_t type, bool tracked);

/* Bytes that were asked for, header included; 0: unknown. */
size_t ku__object_bytes(PyObject *object, uint32_t front);

/* What a class's dict says of its module, a str; NULL where it says nothing. */
const PyObject *ku__module_of_type(const PyTypeObject *type);

/* A str's text as UTF-8, cut to `size`; returns its bytes. */
size_t ku__utf8_of(const PyObject *text, char *out, size_t size);

#endif
