/* producers.c: being there when the interpreter has found what is dead. See producers.h. */
#include "cpython/collector.h"

#include "cpython/module.h"
#include "cpython/producers.h"
#include "os/stack.h"

#include <stdio.h>

#if KU__FACTS_SUPPORTED

enum {
    SENTENCE = 256,
    LATE_MOST = 4096, /* objects that may have come behind what was revived */
};

/* An object that only refers to itself. Its memory is static: it is never freed by its count. */
typedef struct sentinel {
    PyGC_Head node;
    PyObject item;
    PyObject *weak_references;
} sentinel;

/* Under the GIL of the main interpreter. */
static struct {
    unsigned users;
    ku__producers all;
    ku__words words;
    ku__growing beginnings;  /* PyGC_Head *, where windows of the dead begin; of one collection */
    PyObject *begins, *ends; /* the functions in gc.callbacks; NULL under kucha's collector */
    PyObject *finder;        /* the sentinel's weak reference calls it */
    PyObject *weak;          /* while a collection runs */
    sentinel sentinel;
} watching;

const ku__producers *ku__producers_now(void) {
    return watching.users != 0 ? &watching.all : NULL;
}

static PyInterpreterState *interpreter(void) {
    return PyInterpreterState_Main();
}

/* ---- the sentinel ---- */

static bool is_placed(void) {
    return watching.sentinel.node._gc_next != 0;
}

static void take_out(void) {
    if (is_placed()) {
        ku__gc_unlink(&watching.sentinel.node);
        watching.sentinel.node = (PyGC_Head){0};
    }
}

static int sentinel_traverse(PyObject *self, visitproc visit, void *argument) {
    return visit(self, argument);
}

static int sentinel_clear(PyObject *self) {
    (void)self;
    return 0;
}

static void sentinel_finalize(PyObject *self) {
    (void)self;
    take_out();
    if (watching.weak != NULL) {
        PyObject_GC_UnTrack(watching.weak);
    }
}

/* Never called: the count is 1 from the beginning to the end. */
static void sentinel_dealloc(PyObject *self) {
    (void)self;
}

static PyTypeObject sentinel_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "kucha._core.Finder",
    .tp_basicsize = sizeof(sentinel) - offsetof(sentinel, item),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_weaklistoffset = offsetof(sentinel, weak_references) - offsetof(sentinel, item),
    .tp_traverse = sentinel_traverse,
    .tp_clear = sentinel_clear,
    .tp_finalize = sentinel_finalize,
    .tp_dealloc = sentinel_dealloc,
    .tp_doc = PyDoc_STR("What kucha knows by that a collection has found the dead."),
};

/* The first of the list that is about to be looked at. */
static void place(int generation) {
    PyGC_Head *node = &watching.sentinel.node, *list = ku__gc_list(ku__fact_gc(interpreter()), generation);
    PyGC_Head *first = ku__gc_next(list);
    *node = (PyGC_Head){0}; /* not finalized */
    node->_gc_next = (uintptr_t)first;
    ku__gc_set_prev(node, list);
    list->_gc_next = (uintptr_t)node;
    ku__gc_set_prev(first, node);
}

/* ---- the dead ---- */

/* The list of the dead is a local variable of the collection that runs: its head lies in this thread's stack. */
static bool is_in_stack(const PyGC_Head *head) {
    uintptr_t here = (uintptr_t)__builtin_frame_address(0), end = ku__stack_end();
    return (uintptr_t)head > here && (uintptr_t)head + sizeof *head <= end;
}

/* Looks for where windows begin, and counts. */
static bool walk(PyGC_Head *first, const PyGC_Head *head, ku__growing *beginnings) {
    size_t count = 0;
    for (PyGC_Head *at = first; at != head; at = ku__gc_next(at), count++) {
        PyGC_Head **beginning = count % KU__WINDOW != 0 ? NULL : ku__growing_push(beginnings, sizeof *beginning);
        if (beginning != NULL) {
            *beginning = at;
        } else if (count % KU__WINDOW == 0) {
            return false;
        }
    }
    watching.all.met = count;
    return true;
}

/* All of them, or as many windows as may be looked at, evenly. */
static bool take_windows(const ku__growing *beginnings, const PyGC_Head *head) {
    size_t there = KU__GROWING_COUNT(beginnings, PyGC_Head *), wanted = there < KU__WINDOWS ? there : KU__WINDOWS;
    for (size_t i = 0; i < wanted; i++) {
        PyGC_Head *at = KU__GROWING_ITEMS(beginnings, PyGC_Head *)[i * there / wanted];
        for (int left = KU__WINDOW; left > 0 && at != head; left--, at = ku__gc_next(at)) {
            if (!ku__producers_add(&watching.all, (uintptr_t)(at + 1))) {
                return false;
            }
        }
    }
    return true;
}

static bool collect(PyGC_Head *sentinel_node, const PyGC_Head *head) {
    ku__growing *beginnings = &watching.beginnings;
    beginnings->used = 0;
    return walk(ku__gc_next(sentinel_node), head, beginnings) && take_windows(beginnings, head);
}

void ku__producers_found(void *first_node) {
    PyGC_Head *node = first_node, *head = ku__gc_prev(node);
    ku__producers *all = &watching.all;
    if (watching.users == 0 || all->looked || node->_gc_next == 0 || ku__gc_next(node) == head) {
        return; /* nothing else is dead */
    }
    if (!is_in_stack(head) || ku__gc_next(head) != node) {
        all->refused++;
        return;
    }
    ku__words_begin(&watching.words);
    all->looked = collect(node, head) && ku__producers_look(all);
    if (!all->looked) {
        ku__producers_drop(all);
        all->refused++;
    }
}

/* What the weak reference calls. */
static PyObject *on_found(PyObject *ignored, PyObject *weak) {
    (void)ignored;
    (void)weak;
    if (is_placed()) {
        ku__producers_found(&watching.sentinel.node);
    }
    Py_RETURN_NONE;
}

/* ---- beginning and end of a collection ---- */

/* What is made here counts as an allocation, and its end as the opposite: neither is the program's. */
static void let_weak_go(void) {
    ku__gc_state *state = ku__fact_gc(interpreter());
    int count = state->generations[0].count;
    Py_CLEAR(watching.weak);
    state->generations[0].count = count;
}

void ku__producers_begin(void) {
    if (watching.users == 0) {
        return;
    }
    take_out(); /* an end was not heard of */
    ku__producers_drop(&watching.all);
    let_weak_go();
    const ku__gc_state *state = ku__fact_gc(interpreter());
    if ((state->debug & (KU__DEBUG_STATS | KU__DEBUG_COLLECTABLE)) != 0 || ku__fact_is_ending(interpreter())) {
        return;
    }
    watching.weak = PyWeakref_NewRef(&watching.sentinel.item, watching.finder);
    if (watching.weak == NULL) {
        PyErr_Clear();
        watching.all.refused++;
    }
}

static bool has_any(int generation) {
    for (; generation >= 0; generation--) {
        if (!ku__gc_list_empty(ku__gc_list(ku__fact_gc(interpreter()), generation))) {
            return true;
        }
    }
    return false;
}

void ku__producers_join(int generation) {
    if (watching.users != 0 && watching.weak != NULL && generation >= 0 && has_any(generation)) {
        place(generation);
    }
}

/* What was looked at and lives on stands at the end of the list that survivors come to: since then only what could not
 * be collected has followed. */
static void spare_revived(int generation) {
    ku__producers *all = &watching.all;
    int older = generation < KU__GENERATION_FULL ? generation + 1 : KU__GENERATION_FULL;
    PyGC_Head *list = ku__gc_list(ku__fact_gc(interpreter()), older);
    size_t left = 2 * all->met + LATE_MOST;
    for (PyGC_Head *at = ku__gc_prev(list); at != list && left > 0; at = ku__gc_prev(at), left--) {
        ku__producers_spare(all, (uintptr_t)ku__gc_object(at));
    }
}

void ku__producers_end(int generation, size_t found) {
    if (watching.users == 0) {
        return;
    }
    ku__producers *all = &watching.all;
    take_out(); /* it was not found dead: somebody holds it */
    let_weak_go();
    if (all->looked) {
        bool keeps = (ku__fact_gc(interpreter())->debug & KU__DEBUG_SAVEALL) != 0;
        if (found != all->met && !keeps) {
            spare_revived(generation);
        }
        ku__producers_count(all);
    }
    ku__producers_drop(all);
}

/* ---- the functions in gc.callbacks ---- */

static long number_in(PyObject *facts, const char *name) {
    PyObject *number = PyDict_Check(facts) ? PyDict_GetItemString(facts, name) : NULL;
    long value = number != NULL && PyLong_Check(number) ? PyLong_AsLong(number) : -1;
    if (value == -1) {
        PyErr_Clear();
    }
    return value;
}

static bool is_call(PyObject *const *arguments, Py_ssize_t count, const char *phase, int *generation) {
    if (count != 2 || !PyUnicode_Check(arguments[0]) || PyUnicode_CompareWithASCIIString(arguments[0], phase) != 0 ||
        !ku__fact_gc(interpreter())->collecting) {
        return false;
    }
    long number = number_in(arguments[1], "generation");
    *generation = (int)number;
    return number >= 0 && number <= KU__GENERATION_FULL;
}

static PyObject *on_begin(PyObject *ignored, PyObject *const *arguments, Py_ssize_t count) {
    (void)ignored;
    int generation;
    if (is_call(arguments, count, "start", &generation)) {
        ku__producers_begin();
        ku__producers_join(generation);
    }
    Py_RETURN_NONE;
}

static PyObject *on_end(PyObject *ignored, PyObject *const *arguments, Py_ssize_t count) {
    (void)ignored;
    int generation;
    if (is_call(arguments, count, "stop", &generation)) {
        long collected = number_in(arguments[1], "collected");
        ku__producers_end(generation, (size_t)(collected > 0 ? collected : 0));
    }
    Py_RETURN_NONE;
}

#define WITH_ROW(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef methods[] = {
    {"kucha_producers_begin", WITH_ROW(on_begin), METH_FASTCALL, NULL},
    {"kucha_producers_end", WITH_ROW(on_end), METH_FASTCALL, NULL},
    {"kucha_producers_found", on_found, METH_O, NULL},
};

/* A function in no list of the interpreter's. */
static PyObject *hidden(PyMethodDef *method) {
    PyObject *function = PyCFunction_New(method, NULL);
    if (function != NULL) {
        PyObject_GC_UnTrack(function);
    }
    return function;
}

static PyObject *callbacks(void) {
    PyObject *list = ku__fact_gc(interpreter())->callbacks;
    return list != NULL && PyList_Check(list) ? list : NULL;
}

static void take_from(PyObject *list, PyObject *function) {
    for (Py_ssize_t i = list == NULL || function == NULL ? 0 : PyList_GET_SIZE(list); i-- > 0;) {
        if (PyList_GET_ITEM(list, i) == function && PyList_SetSlice(list, i, i + 1, NULL) != 0) {
            PyErr_Clear();
        }
    }
}

static void unhook(void) {
    take_from(callbacks(), watching.begins);
    take_from(callbacks(), watching.ends);
    Py_CLEAR(watching.begins);
    Py_CLEAR(watching.ends);
}

/* At "start" all others are to have been called; at "stop" none. */
static int hook(void) {
    PyObject *list = callbacks();
    watching.begins = hidden(&methods[0]);
    watching.ends = hidden(&methods[1]);
    if (list == NULL || watching.begins == NULL || watching.ends == NULL || PyList_Append(list, watching.begins) != 0 ||
        PyList_Insert(list, 0, watching.ends) != 0) {
        PyErr_Clear();
        unhook();
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

void ku__producers_collector(bool there) {
    if (watching.users == 0) {
        return;
    }
    unhook();
    if (!there && hook() != 0) {
        PyErr_Clear(); /* nothing is counted any more */
    }
}

/* ---- starting and stopping ---- */

static bool prepare(PyObject *module) {
    static bool ready;
    char reason[SENTENCE];
    if (!ku__collector_selfcheck(reason, sizeof reason)) {
        ku__refuse(module, reason);
        return false;
    }
    if (!ready && PyType_Ready(&sentinel_type) != 0) {
        return false;
    }
    ready = true;
    watching.sentinel = (sentinel){0};
    watching.sentinel.item.ob_type = &sentinel_type;
    Py_SET_REFCNT(&watching.sentinel.item, 1);
    return true;
}

static void forget(void) {
    unhook();
    take_out();
    let_weak_go();
    Py_CLEAR(watching.finder);
    ku__producers_close(&watching.all);
    ku__words_close(&watching.words);
    ku__growing_release(&watching.beginnings);
}

int ku__producers_start(PyObject *module) {
    if (watching.users == 0) {
        if (!prepare(module)) {
            return -1;
        }
        watching.words = (ku__words){.all = &watching.all};
        watching.finder = hidden(&methods[2]);
        if (watching.finder == NULL || !ku__producers_open(&watching.all, &ku__python_words, &watching.words) ||
            (ku__collector_here() == NULL && hook() != 0)) {
            forget();
            PyErr_Clear();
            PyErr_NoMemory();
            return -1;
        }
    }
    watching.users++;
    return 0;
}

void ku__producers_stop(void) {
    if (watching.users > 0 && --watching.users == 0) {
        forget();
    }
}

#else

const ku__producers *ku__producers_now(void) {
    return NULL;
}

int ku__producers_start(PyObject *module) {
    ku__refuse(module, "kucha does not know this interpreter's collector, so what it finds cannot be told");
    return -1;
}

void ku__producers_stop(void) {}

#endif
