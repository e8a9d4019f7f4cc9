/* producers_records.c: what was counted, as a dict for Python. See producers.h. */
#include "cpython/producers.h"

#include "cpython/module.h"

static const char *const closing_names[KU__CLOSINGS] = {
    [KU__CLOSING_NONE] = "",         [KU__CLOSING_ATTRIBUTE] = "attribute", [KU__CLOSING_ITEM] = "item",
    [KU__CLOSING_METHOD] = "method", [KU__CLOSING_VARIABLE] = "variable",   [KU__CLOSING_LOCAL] = "local",
    [KU__CLOSING_CLASS] = "class",   [KU__CLOSING_GENERATOR] = "generator", [KU__CLOSING_OTHER] = "other",
};

static PyObject *text_of(const ku__producers *all, uint32_t number) {
    size_t size;
    const char *bytes = ku__producers_text(all, number, &size);
    if (bytes == NULL) {
        Py_RETURN_NONE;
    }
    return PyUnicode_DecodeUTF8(bytes, (Py_ssize_t)size, "replace");
}

static PyObject *record_object(const ku__producers *all, uint32_t number) {
    const ku__record *record = ku__record_at(all, number);
    return Py_BuildValue("(IsNNNNNKKKK)", number, closing_names[record->kind], text_of(all, record->source),
                         text_of(all, record->place), text_of(all, record->closing), text_of(all, record->name),
                         text_of(all, record->example), record->cycles, record->objects, record->bytes,
                         record->collections);
}

static PyObject *record_list(const ku__producers *all) {
    PyObject *list = PyList_New(0);
    for (uint32_t i = 1; list != NULL && i < ku__record_count(all); i++) {
        PyObject *one = ku__record_at(all, i)->objects == 0 ? NULL : record_object(all, i);
        if ((one == NULL && PyErr_Occurred()) || (one != NULL && PyList_Append(list, one) != 0)) {
            Py_CLEAR(list);
        }
        Py_XDECREF(one);
    }
    return list;
}

static PyObject *describe(const ku__producers *all) {
    PyObject *records = record_list(all);
    if (records == NULL) {
        return NULL;
    }
    return Py_BuildValue("{s:K,s:K,s:K,s:K,s:K,s:K,s:N}", "collections", all->collections, "dead", all->dead_count,
                         "looked", all->looked_count, "cycles", all->cycle_count, "unnamed", all->unnamed, "refused",
                         all->refused, "records", records);
}

/* Whether all interpreters are meant; -1 with an exception set. */
static int read_everywhere(PyObject *arguments) {
    int everywhere = 0;
    return PyArg_ParseTuple(arguments, "|p", &everywhere) ? everywhere : -1;
}

/* Of a copy, which ends: making objects may have a collection add records. */
static PyObject *tell(int there, ku__producers *copy) {
    if (there <= 0) {
        return there < 0 ? NULL : Py_NewRef(Py_None);
    }
    PyObject *told = describe(copy);
    ku__producers_close(copy);
    return told;
}

PyObject *ku__gc_producers_call(PyObject *module, PyObject *arguments) {
    (void)module;
    ku__producers copy;
    int everywhere = read_everywhere(arguments);
    return everywhere < 0 ? NULL : tell(ku__producers_read(everywhere != 0, &copy), &copy);
}

PyObject *ku__gc_producers_start_call(PyObject *module, PyObject *arguments) {
    ku__producers before;
    int everywhere = read_everywhere(arguments);
    return everywhere < 0 ? NULL : tell(ku__producers_start(module, everywhere != 0, &before), &before);
}

PyObject *ku__gc_producers_stop_call(PyObject *module, PyObject *arguments) {
    (void)module;
    int everywhere = read_everywhere(arguments);
    if (everywhere < 0) {
        return NULL;
    }
    ku__producers_stop(everywhere != 0);
    Py_RETURN_NONE;
}
