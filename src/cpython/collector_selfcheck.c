/* collector_selfcheck.c: the facts about the interpreter's collector, compared with what gc answers.
 *
 * The counts, thresholds, flags and statistics of struct _gc_runtime_state must be those that the module gives; a new
 * object must be the last node of the youngest list and be gone from it when it is untracked; the lists must be as long
 * as gc.get_objects() says; what facts_gc.h reads out of a dict must be what the dict's own tp_traverse visits; and a
 * frame's references must contain a local variable of a function that runs.
 */
#include "cpython/collector.h"
#include "cpython/facts_instance.h"

#include <stdio.h>
#include <string.h>

#if KU__FACTS_SUPPORTED

static char found[200];

static void mismatch(const char *what) {
    if (found[0] == '\0') {
        snprintf(found, sizeof found, "this interpreter (%d.%d.%d) does not answer as kucha's collector expects: %s",
                 (int)(Py_Version >> 24), (int)(Py_Version >> 16 & 0xff), (int)(Py_Version >> 8 & 0xff), what);
    }
}

static void expect(bool truth, const char *what) {
    if (!truth) {
        mismatch(what);
    }
}

/* gc.name(), or gc.name; NULL, and no exception, where it cannot be had. */
static PyObject *ask(PyObject *gc, const char *name) {
    PyObject *value = PyObject_GetAttrString(gc, name);
    if (value != NULL && PyCallable_Check(value)) {
        PyObject *result = PyObject_CallNoArgs(value);
        Py_DECREF(value);
        value = result;
    }
    if (value == NULL) {
        PyErr_Clear();
        mismatch("the module gc lacks a function");
    }
    return value;
}

static long number(PyObject *gc, const char *name) {
    PyObject *value = ask(gc, name);
    long result = value == NULL ? -1 : PyLong_AsLong(value);
    Py_XDECREF(value);
    PyErr_Clear();
    return result;
}

/* ---- the state ---- */

static void check_switches(PyObject *gc, const ku__gc_state *state) {
    PyObject *enabled = ask(gc, "isenabled");
    expect((enabled == Py_True) == (state->enabled != 0), "gc.isenabled() is not where it should be");
    Py_XDECREF(enabled);
    expect(number(gc, "get_debug") == state->debug, "gc.get_debug() is not where it should be");
    expect(state->collecting == 0, "a collection seems to be running");
    PyObject *callbacks = ask(gc, "callbacks"), *garbage = ask(gc, "garbage");
    expect(callbacks != NULL && callbacks == state->callbacks && PyList_CheckExact(callbacks),
           "gc.callbacks is not the list that it should be");
    expect(garbage != NULL && garbage == state->garbage, "gc.garbage is not the list that it should be");
    Py_XDECREF(callbacks);
    Py_XDECREF(garbage);
}

static void check_thresholds(PyObject *gc, ku__gc_state *state) {
    PyObject *thresholds = ask(gc, "get_threshold");
    for (int i = 0; i < 3; i++) {
        PyObject *item = thresholds == NULL ? NULL : PyTuple_GetItem(thresholds, i);
        expect(item != NULL && PyLong_AsLong(item) == state->generations[i].threshold,
               "gc.get_threshold() is not where it should be");
    }
    Py_XDECREF(thresholds);
    PyErr_Clear();
}

/* ---- the lists ---- */

static size_t length(const PyGC_Head *list) {
    size_t count = 0;
    for (const PyGC_Head *at = ku__gc_next(list); at != list; at = ku__gc_next(at)) {
        count++;
    }
    return count;
}

static void check_length(PyObject *gc, ku__gc_state *state, int generation) {
    PyObject *objects = PyObject_CallMethod(gc, "get_objects", "i", generation);
    /* The answer itself is made before it is filled, and left out of it. */
    size_t here = length(ku__gc_list(state, generation)) - (generation == 0 && objects != NULL);
    expect(objects != NULL && (size_t)PyList_GET_SIZE(objects) == here,
           "a generation's list is not as long as gc.get_objects() says");
    Py_XDECREF(objects);
    PyErr_Clear();
}

static void check_node(ku__gc_state *state) {
    PyObject *list = PyList_New(0);
    if (list == NULL) {
        PyErr_Clear();
        return;
    }
    PyGC_Head *head = ku__gc_list(state, 0), *node = ku__gc_node(list);
    expect(head->_gc_prev == (uintptr_t)node && ku__gc_next(node) == head && ku__gc_next(ku__gc_prev(node)) == node,
           "a new object is not the last of generation 0");
    expect(ku__gc_object(node) == list, "an object does not lie behind its node");
    PyObject_GC_UnTrack(list);
    expect(head->_gc_prev != (uintptr_t)node && node->_gc_next == 0, "an object that was untracked is still in a list");
    Py_DECREF(list);
}

static void check_frozen(PyObject *gc, const ku__gc_state *state) {
    expect((size_t)number(gc, "get_freeze_count") == length(&state->permanent_generation.head),
           "the frozen objects are not where they should be");
}

/* ---- what is read without tp_traverse ---- */

typedef struct sum {
    uintptr_t all;
    size_t count;
} sum;

static int add(PyObject *item, void *argument) {
    sum *to = argument;
    to->all += (uintptr_t)item;
    to->count++;
    return 0;
}

static void check_dict(PyObject *dict) {
    sum visited = {0}, read = {0};
    Py_TYPE(dict)->tp_traverse(dict, add, &visited);
    if (!ku__fact_dict_plain((PyDictObject *)dict)) {
        mismatch("a plain dict seems to be a split one");
        return;
    }
    ku__dict_row row = ku__fact_dict_row((PyDictObject *)dict);
    for (Py_ssize_t i = 0; i < row.count; i++) {
        PyObject **at = row.first + i * (Py_ssize_t)row.step;
        if (at[0] != NULL) {
            add(at[0], &read);
            if (row.keys_too) {
                add(at[-1], &read);
            }
        }
    }
    expect(visited.all == read.all && visited.count == read.count, "what a dict refers to is not where it should be");
}

static bool same(sum one, sum other) {
    return one.all == other.all && one.count == other.count;
}

/* An instance's type and values, its type and dict, or all of them: where a dict's values are still the instance's own,
 * versions differ in what they visit, and each is true. */
static void check_instance(PyObject *item) {
    sum visited = {0}, values = {0}, dict = {0}, both;
    Py_TYPE(item)->tp_traverse(item, add, &visited);
    add((PyObject *)Py_TYPE(item), &values);
    add((PyObject *)Py_TYPE(item), &dict);
    ku__managed managed = ku__fact_managed(item, Py_TYPE(item));
    for (Py_ssize_t i = 0; i < managed.count; i++) {
        if (managed.first[i] != NULL) {
            add(managed.first[i], &values);
        }
    }
    both = values;
    if (managed.dict != NULL) {
        add(managed.dict, &dict);
        add(managed.dict, &both);
    }
    expect(same(visited, both) || (managed.dict != NULL && (same(visited, values) || same(visited, dict))),
           "what an instance refers to is not where it should be");
}

static const char PROBE[] =
    "texts = {str(i): [i] for i in range(20)}\n"
    "del texts['7']\n"
    "check(texts)\n"
    "mixed = {i: (i, [i]) for i in range(300)}\n"
    "mixed['text'] = mixed.pop(11)\n"
    "check(mixed)\n"
    "from _frozen_importlib import ModuleSpec\n" /* a class written in Python that is always there */
    "kept = ModuleSpec('text', [])\n"
    "kept.more = {}\n"
    "check(kept)\n"
    "kept.__dict__\n"
    "check(kept)\n"
    "def run(argument):\n"
    "    local = [argument]\n"
    "    check(local)\n"
    "    return local\n"
    "run(texts)\n"
    "next(run(i) for i in (1, 2))\n";

enum { PROBE_CALLS = 6 };
static int probe_calls;

typedef struct wanted {
    const PyObject *item;
    bool seen;
} wanted;

static int look(PyObject *item, void *argument) {
    wanted *it = argument;
    it->seen = it->seen || item == it->item;
    return 0;
}

/* The frame that calls the probe must be seen to hold what it gives it in a local variable. */
static void check_frame(PyObject *local) {
    wanted it = {local, false};
    const ku__frame_of_python *frame = ku__fact_top(PyThreadState_Get());
    while (frame != NULL && !ku__fact_has_code(frame)) {
        frame = ku__fact_back(frame);
    }
    if (frame != NULL) {
        ku__fact_frame_each(frame, look, &it);
    }
    expect(it.seen, "the variables of a frame are not where they should be");
}

static PyObject *check(PyObject *self, PyObject *item) {
    (void)self;
    probe_calls++;
    if (PyDict_CheckExact(item)) {
        check_dict(item);
    } else if ((Py_TYPE(item)->tp_flags & Py_TPFLAGS_MANAGED_DICT) != 0) {
        check_instance(item);
    } else {
        check_frame(item);
    }
    Py_RETURN_NONE;
}

static PyMethodDef check_method = {"check", check, METH_O, NULL};

static void run_probe(void) {
    PyObject *code = Py_CompileString(PROBE, "<kucha probe>", Py_file_input);
    PyObject *names = code == NULL ? NULL : PyDict_New();
    PyObject *function = names == NULL ? NULL : PyCFunction_New(&check_method, NULL);
    PyObject *result = NULL;
    if (function != NULL && PyDict_SetItemString(names, "check", function) == 0 &&
        PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins()) == 0) {
        result = PyEval_EvalCode(code, names, names);
    }
    PyErr_Clear();
    expect(result != NULL && probe_calls >= PROBE_CALLS, "a small piece of Python that checks it could not be run");
    Py_XDECREF(result);
    Py_XDECREF(function);
    if (names != NULL) {
        PyDict_Clear(names); /* its functions refer to it */
    }
    Py_XDECREF(names);
    Py_XDECREF(code);
}

bool ku__collector_selfcheck(char *reason, size_t size) {
    static bool done;
    PyObject *gc = done ? NULL : PyImport_ImportModule("gc");
    if (gc != NULL) {
        ku__gc_state *state = ku__fact_gc(PyInterpreterState_Get());
        done = true;
        check_switches(gc, state);
        check_thresholds(gc, state);
        if (found[0] == '\0') {
            check_node(state);
            check_length(gc, state, 0);
            check_length(gc, state, 1);
            check_frozen(gc, state);
            run_probe();
        }
        Py_DECREF(gc);
    } else if (!done) {
        PyErr_Clear();
        mismatch("the module gc cannot be imported");
    }
    snprintf(reason, size, "%s", found);
    return found[0] == '\0';
}

#endif
