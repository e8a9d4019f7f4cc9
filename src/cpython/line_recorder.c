/* line_recorder.c: kucha._core.LineRecorder: lines, what was resident when they had run, and what they allocated.
 *
 * The Python type around a ku__recorder (line_table.h). It keeps its code objects alive, because tables know them by
 * address. A recorder that is thrown away while it is on is switched off first; in another thread than the one that it
 * was on in, that cannot be, so being on holds a reference to it.
 */
#include "cpython/module.h"

#include "cpython/line_events.h"
#include "cpython/line_hooks.h"

#include <string.h>

typedef struct recorder {
    PyObject_HEAD ku__recorder lines;
    PyObject *codes; /* list of all code objects */
} recorder;

static ku__recorder *lines_of(PyObject *self) {
    return &((recorder *)self)->lines;
}

/* ---- making ---- */

static bool read_when(const char *word, ku__resident_when *when) {
    static const char *const words[] = {[KU__RESIDENT_OFF] = "off", "every", "moved"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(words[i], word) == 0) {
            *when = (ku__resident_when)i;
            return true;
        }
    }
    PyErr_Format(PyExc_ValueError, "resident must be 'off', 'every' or 'moved', not '%s'", word);
    return false;
}

/* Tables have no lock of their own. */
static bool has_lock(PyObject *module) {
#ifdef Py_GIL_DISABLED
    ku__refuse(module, "lines cannot be profiled on a free-threaded build: threads would change one table at once");
    return false;
#else
    return ku__require_main(module);
#endif
}

static PyObject *make(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static const char *const names[] = {"resident", "reader", "chooser", NULL};
    const char *word = "every";
    PyObject *reader = Py_None, *chooser = Py_None;
    ku__resident_when when;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|$sOO:LineRecorder", KU__KEYWORDS(names), &word, &reader,
                                     &chooser) ||
        !read_when(word, &when) || !has_lock(PyType_GetModule(type))) {
        return NULL;
    }
    if ((reader != Py_None && !PyCallable_Check(reader)) || (chooser != Py_None && !PyCallable_Check(chooser))) {
        PyErr_SetString(PyExc_TypeError, "the reader and the chooser must be callable");
        return NULL;
    }
    recorder *made = (recorder *)type->tp_alloc(type, 0);
    if (made == NULL) {
        return NULL;
    }
    made->lines = (ku__recorder){.when = when, .counts = true, .spans = chooser != Py_None};
    made->lines.reader = reader == Py_None ? NULL : Py_NewRef(reader);
    made->lines.chooser = chooser == Py_None ? NULL : Py_NewRef(chooser);
    made->codes = PyList_New(0);
    if (made->codes == NULL) {
        Py_CLEAR(made);
    }
    return (PyObject *)made;
}

static int traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((recorder *)self)->codes);
    Py_VISIT(lines_of(self)->reader);
    Py_VISIT(lines_of(self)->chooser);
    return 0;
}

static int clear(PyObject *self) {
    Py_CLEAR(lines_of(self)->reader);
    Py_CLEAR(lines_of(self)->chooser);
    Py_CLEAR(((recorder *)self)->codes);
    return 0;
}

static void dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    clear(self);
    ku__recorder_clear(lines_of(self));
    type->tp_free(self);
    Py_DECREF(type);
}

/* ---- what it looks at ---- */

static int add_code(recorder *self, PyCodeObject *code, uint32_t table, bool whole);

/* Whether a code object has no name of its own: a comprehension, a lambda. */
static bool is_part(PyCodeObject *code) {
    return PyUnicode_GET_LENGTH(code->co_name) > 0 && PyUnicode_READ_CHAR(code->co_name, 0) == '<';
}

/* The code objects among the constants; without `whole`, only those that are parts of their outer one. */
static int add_inner(recorder *self, PyObject *constants, uint32_t table, bool whole) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(constants); i++) {
        PyObject *constant = PyTuple_GET_ITEM(constants, i);
        if (PyCode_Check(constant) && (whole || is_part((PyCodeObject *)constant)) &&
            add_code(self, (PyCodeObject *)constant, table, whole) != 0) {
            return -1;
        }
    }
    return 0;
}

static int note_code(recorder *self, PyCodeObject *code, uint32_t table) {
    if (!ku__recorder_knows(&self->lines, code) && PyList_Append(self->codes, (PyObject *)code) != 0) {
        return -1;
    }
    if (!ku__recorder_add_code(&self->lines, code, table)) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static int add_code(recorder *self, PyCodeObject *code, uint32_t table, bool whole) {
    if (ku__recorder_find(&self->lines, code) != NULL) {
        return 0;
    }
    if (note_code(self, code, table) != 0) {
        return -1;
    }
    return add_inner(self, code->co_consts, table, whole);
}

PyDoc_STRVAR(pass_doc, "pass_by(code, /)\n\nDo not ask the chooser about a code object again.");

static PyObject *pass_call(PyObject *self, PyObject *code) {
    if (!PyCode_Check(code)) {
        return PyErr_Format(PyExc_TypeError, "a code object is wanted, not %.100s", Py_TYPE(code)->tp_name);
    }
    if (!ku__recorder_knows(lines_of(self), code) &&
        note_code((recorder *)self, (PyCodeObject *)code, KU__LINE_PASSED) != 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(add_doc,
             "add(code, first, lines, whole=True, /) -> int\n\nLook at a code object, which has so many lines from "
             "`first` on, and at those inside it; without `whole`, of those only at comprehensions and lambdas. The "
             "number of its table; -1 where it is looked at already.");

static PyObject *add_call(PyObject *self, PyObject *arguments) {
    PyCodeObject *code;
    int first, whole = 1;
    Py_ssize_t count;
    if (!PyArg_ParseTuple(arguments, "O!in|p:add", &PyCode_Type, &code, &first, &count, &whole)) {
        return NULL;
    }
    if (first < 0 || count < 1 || count > INT_MAX - first) {
        PyErr_SetString(PyExc_ValueError, "a table has at least one line, and its lines are numbered from 0");
        return NULL;
    }
    if (ku__recorder_find(lines_of(self), code) != NULL) {
        return PyLong_FromLong(-1);
    }
    uint32_t table = ku__recorder_add_table(lines_of(self), first, (size_t)count);
    if (table == UINT32_MAX) {
        return PyErr_NoMemory();
    }
    return add_code((recorder *)self, code, table, whole != 0) != 0 ? NULL : PyLong_FromUnsignedLong(table);
}

PyDoc_STRVAR(codes_doc, "codes() -> list\n\nAll code objects that are looked at.");

static PyObject *codes_call(PyObject *self, PyObject *ignored) {
    (void)ignored;
    PyObject *codes = ((recorder *)self)->codes;
    return PyList_GetSlice(codes, 0, PyList_GET_SIZE(codes));
}

/* ---- on and off ---- */

PyDoc_STRVAR(on_doc, "on() -> int\n\nRecord what the calling thread does from now on. How often it is on there.");

static PyObject *on_call(PyObject *self, PyObject *ignored) {
    (void)ignored;
    ku__recorder *lines = lines_of(self);
    if (!ku__line_on(lines)) {
        return PyErr_NoMemory();
    }
    unsigned times = ku__line_is_on(lines);
    if (times == 1) {
        Py_INCREF(self);
        ku__line_hook();
    }
    return PyLong_FromUnsignedLong(times);
}

PyDoc_STRVAR(off_doc, "off() -> int\n\nTakes one on() of the calling thread back. How often it is on there still.");

static PyObject *off_call(PyObject *self, PyObject *ignored) {
    (void)ignored;
    ku__recorder *lines = lines_of(self);
    if (ku__line_is_on(lines) == 0) {
        return PyLong_FromLong(0);
    }
    ku__line_off(lines);
    unsigned times = ku__line_is_on(lines);
    if (times == 0) {
        if (!ku__line_any()) {
            ku__line_unhook();
        }
        Py_DECREF(self); /* the caller holds another */
    }
    return PyLong_FromUnsignedLong(times);
}

/* ---- what it found ---- */

static PyObject *row_tuple(int line, const ku__line_row *row) {
    return Py_BuildValue("(iLLKLLL)", line, (long long)row->increment, (long long)row->memory,
                         (unsigned long long)row->count, (long long)row->allocated, (long long)row->freed,
                         (long long)row->peak);
}

PyDoc_STRVAR(rows_doc,
             "rows(table, /) -> list of (line, increment, memory, count, allocated, freed, peak)\n\n"
             "The lines that have run, in order; bytes.");

static PyObject *rows_call(PyObject *self, PyObject *argument) {
    long number = PyLong_AsLong(argument);
    const ku__recorder *lines = lines_of(self);
    if (number == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (number < 0 || number >= (long)lines->table_count) {
        PyErr_SetString(PyExc_IndexError, "there is no such table");
        return NULL;
    }
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list != NULL && i < lines->tables[number].size; i++) {
        int line = lines->tables[number].first + (int)i;
        const ku__line_row *row = ku__line_table_row(&lines->tables[number], line);
        PyObject *tuple = row == NULL ? NULL : row_tuple(line, row);
        if (row != NULL && (tuple == NULL || PyList_Append(list, tuple) != 0)) {
            Py_CLEAR(list);
        }
        Py_XDECREF(tuple);
    }
    return list;
}

static PyObject *counted_get(PyObject *self, void *ignored) {
    (void)ignored;
    return PyBool_FromLong(lines_of(self)->counts);
}

PyObject *ku__resident_call(PyObject *module, PyObject *ignored) {
    (void)module;
    (void)ignored;
    return PyLong_FromLongLong(ku__resident_read());
}

/* ---- the type ---- */

PyDoc_STRVAR(type_doc,
             "LineRecorder(*, resident='every', reader=None, chooser=None)\n\nWhat lines of functions do to memory. "
             "resident: 'every' line, where it may have 'moved', or 'off'.\nreader: called with the code object in "
             "place of reading the resident size; returns bytes.\nchooser: called with each code object that is met "
             "first, to add it or to pass it by; increments are then from the line's own beginning.");

static PyMethodDef methods[] = {
    {"add", add_call, METH_VARARGS, add_doc},
    {"codes", codes_call, METH_NOARGS, codes_doc},
    {"on", on_call, METH_NOARGS, on_doc},
    {"off", off_call, METH_NOARGS, off_doc},
    {"rows", rows_call, METH_O, rows_doc},
    {"pass_by", pass_call, METH_O, pass_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef members[] = {
    {"counted", counted_get, NULL, "Whether kucha's allocator counted all the time.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)(uintptr_t)make},
    {Py_tp_dealloc, (void *)(uintptr_t)dealloc},
    {Py_tp_traverse, (void *)(uintptr_t)traverse},
    {Py_tp_clear, (void *)(uintptr_t)clear},
    {Py_tp_methods, methods},
    {Py_tp_getset, members},
    {Py_tp_doc, (void *)(uintptr_t)type_doc},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "kucha._core.LineRecorder",
    .basicsize = sizeof(recorder),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

KU__AT_IMPORT PyObject *ku__line_recorder_type_new(PyObject *module) {
    return PyType_FromModuleAndSpec(module, &spec, NULL);
}
