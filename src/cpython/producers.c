/* producers.c: being there when the interpreter has found what is dead. See producers.h. */
#include "cpython/collector.h"

#include "cpython/module.h"
#include "cpython/producers_watcher.h"
#include "os/pages.h"
#include "os/stack.h"

#include <stdio.h>

#if KU__FACTS_SUPPORTED

enum {
    SENTENCE = 256,
    LATE_MOST = 4096, /* objects that may have come behind what was revived */
};

/* ---- the finder ---- */

static bool is_placed(const ku__watcher *watcher) {
    return watcher->finder.node._gc_next != 0;
}

static void take_out(ku__watcher *watcher) {
    if (is_placed(watcher)) {
        ku__gc_unlink(&watcher->finder.node);
        watcher->finder.node = (PyGC_Head){0};
    }
}

static int finder_traverse(PyObject *self, visitproc visit, void *argument) {
    return visit(self, argument);
}

static int finder_clear(PyObject *self) {
    (void)self;
    return 0;
}

static void finder_finalize(PyObject *self) {
    ku__watcher *watcher = (ku__watcher *)(void *)((char *)self - offsetof(ku__watcher, finder.item));
    take_out(watcher);
    if (watcher->weak != NULL) {
        PyObject_GC_UnTrack(watcher->weak);
    }
}

/* Never called: the count is 1 from the beginning to the end. */
static void finder_dealloc(PyObject *self) {
    (void)self;
}

static PyTypeObject finder_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "kucha._core.Finder",
    .tp_basicsize = sizeof(ku__finder) - offsetof(ku__finder, item),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_weaklistoffset = offsetof(ku__finder, weak_references) - offsetof(ku__finder, item),
    .tp_traverse = finder_traverse,
    .tp_clear = finder_clear,
    .tp_finalize = finder_finalize,
    .tp_dealloc = finder_dealloc,
    .tp_doc = PyDoc_STR("What kucha knows by that a collection has found the dead."),
};

/* The first of the list that is about to be looked at. */
static void place(ku__watcher *watcher, int generation) {
    PyGC_Head *node = &watcher->finder.node, *list = ku__gc_list(ku__fact_gc(watcher->interpreter), generation);
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
static bool walk(ku__watcher *watcher, PyGC_Head *first, const PyGC_Head *head) {
    ku__growing *beginnings = &watcher->beginnings;
    size_t count = 0;
    for (PyGC_Head *at = first; at != head; at = ku__gc_next(at), count++) {
        PyGC_Head **beginning = count % KU__WINDOW != 0 ? NULL : ku__growing_push(beginnings, sizeof *beginning);
        if (beginning != NULL) {
            *beginning = at;
        } else if (count % KU__WINDOW == 0) {
            return false;
        }
    }
    watcher->all.met = count;
    return true;
}

/* All of them, or as many windows as may be looked at, evenly. */
static bool take_windows(ku__watcher *watcher, const PyGC_Head *head) {
    const ku__growing *beginnings = &watcher->beginnings;
    size_t there = KU__GROWING_COUNT(beginnings, PyGC_Head *), wanted = there < KU__WINDOWS ? there : KU__WINDOWS;
    for (size_t i = 0; i < wanted; i++) {
        PyGC_Head *at = KU__GROWING_ITEMS(beginnings, PyGC_Head *)[i * there / wanted];
        for (int left = KU__WINDOW; left > 0 && at != head; left--, at = ku__gc_next(at)) {
            if (!ku__producers_add(&watcher->all, (uintptr_t)(at + 1))) {
                return false;
            }
        }
    }
    return true;
}

static bool collect(ku__watcher *watcher, PyGC_Head *finder_node, const PyGC_Head *head) {
    watcher->beginnings.used = 0;
    return walk(watcher, ku__gc_next(finder_node), head) && take_windows(watcher, head);
}

static void look(ku__watcher *watcher, PyGC_Head *node) {
    PyGC_Head *head = ku__gc_prev(node);
    ku__producers *all = &watcher->all;
    if (all->looked || node->_gc_next == 0 || ku__gc_next(node) == head) {
        return; /* nothing else is dead */
    }
    if (!is_in_stack(head) || ku__gc_next(head) != node) {
        all->refused++;
        return;
    }
    ku__words_begin(&watcher->words);
    all->looked = collect(watcher, node, head) && ku__producers_look(all);
    if (!all->looked) {
        ku__producers_drop(all);
        all->refused++;
    }
}

void ku__producers_found(void *first_node) {
    ku__watcher *watcher = ku__watcher_here();
    if (watcher != NULL) {
        look(watcher, first_node);
    }
}

/* What the weak reference calls. */
static PyObject *on_found(PyObject *ignored, PyObject *weak) {
    (void)ignored;
    (void)weak;
    ku__watcher *watcher = ku__watcher_here();
    if (watcher != NULL && is_placed(watcher)) {
        look(watcher, &watcher->finder.node);
    }
    Py_RETURN_NONE;
}

/* ---- beginning and end of a collection ---- */

/* What is made here counts as an allocation, and its end as the opposite: neither is the program's. */
static void let_weak_go(ku__watcher *watcher) {
    ku__gc_state *state = ku__fact_gc(watcher->interpreter);
    int count = state->generations[0].count;
    Py_CLEAR(watcher->weak);
    state->generations[0].count = count;
}

static ku__watcher *watcher_new(void);

/* The running interpreter's watcher at the beginning of a collection: it comes where it is wanted, and goes where it is
 * not. NULL. */
static ku__watcher *wanted_here(void) {
    ku__watcher *watcher = ku__watchers_any() ? ku__watcher_here() : NULL;
    bool wide = ku__everyone_wanted();
    if (watcher == NULL && wide && (watcher = watcher_new()) == NULL) {
        ku__everyone_missed();
    }
    if (watcher != NULL && watcher->users == 0 && !wide) {
        ku__watcher_dismiss(watcher);
        watcher = NULL;
    }
    return watcher;
}

void ku__producers_begin(void) {
    ku__watcher *watcher = wanted_here();
    if (watcher == NULL) {
        return;
    }
    take_out(watcher); /* an end was not heard of */
    ku__producers_drop(&watcher->all);
    let_weak_go(watcher);
    ku__everyone_add(watcher); /* what was counted before there was a sum is none of it */
    const ku__gc_state *state = ku__fact_gc(watcher->interpreter);
    if ((state->debug & (KU__DEBUG_STATS | KU__DEBUG_COLLECTABLE)) != 0 || ku__fact_is_ending(watcher->interpreter)) {
        return;
    }
    watcher->weak = PyWeakref_NewRef(&watcher->finder.item, watcher->found);
    if (watcher->weak == NULL) {
        PyErr_Clear();
        watcher->all.refused++;
    }
}

static bool has_any(const ku__watcher *watcher, int generation) {
    for (; generation >= 0; generation--) {
        if (!ku__gc_list_empty(ku__gc_list(ku__fact_gc(watcher->interpreter), generation))) {
            return true;
        }
    }
    return false;
}

void ku__producers_join(int generation) {
    ku__watcher *watcher = ku__watcher_here();
    if (watcher != NULL && watcher->weak != NULL && generation >= 0 && has_any(watcher, generation)) {
        place(watcher, generation);
    }
}

/* What was looked at and lives on stands at the end of the list that survivors come to: since then only what could not
 * be collected has followed. */
static void spare_revived(ku__watcher *watcher, int generation) {
    ku__producers *all = &watcher->all;
    int older = generation < KU__GENERATION_FULL ? generation + 1 : KU__GENERATION_FULL;
    PyGC_Head *list = ku__gc_list(ku__fact_gc(watcher->interpreter), older);
    size_t left = 2 * all->met + LATE_MOST;
    for (PyGC_Head *at = ku__gc_prev(list); at != list && left > 0; at = ku__gc_prev(at), left--) {
        ku__producers_spare(all, (uintptr_t)ku__gc_object(at));
    }
}

void ku__producers_end(int generation, size_t found) {
    ku__watcher *watcher = ku__watcher_here();
    if (watcher == NULL) {
        return;
    }
    ku__producers *all = &watcher->all;
    take_out(watcher); /* it was not found dead: somebody holds it */
    let_weak_go(watcher);
    if (all->looked) {
        bool keeps = (ku__fact_gc(watcher->interpreter)->debug & KU__DEBUG_SAVEALL) != 0;
        if (found != all->met && !keeps) {
            spare_revived(watcher, generation);
        }
        ku__producers_count(all);
    }
    ku__producers_drop(all);
    ku__everyone_add(watcher);
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
        !ku__fact_gc(PyInterpreterState_Get())->collecting) {
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

static PyObject *callbacks(const ku__watcher *watcher) {
    PyObject *list = ku__fact_gc(watcher->interpreter)->callbacks;
    return list != NULL && PyList_Check(list) ? list : NULL;
}

static void take_from(PyObject *list, PyObject *function) {
    for (Py_ssize_t i = list == NULL || function == NULL ? 0 : PyList_GET_SIZE(list); i-- > 0;) {
        if (PyList_GET_ITEM(list, i) == function && PyList_SetSlice(list, i, i + 1, NULL) != 0) {
            PyErr_Clear();
        }
    }
}

static void unhook(ku__watcher *watcher) {
    take_from(callbacks(watcher), watcher->begins);
    take_from(callbacks(watcher), watcher->ends);
    Py_CLEAR(watcher->begins);
    Py_CLEAR(watcher->ends);
}

/* At "start" all others are to have been called; at "stop" none. */
static bool hook(ku__watcher *watcher) {
    PyObject *list = callbacks(watcher);
    watcher->begins = hidden(&methods[0]);
    watcher->ends = hidden(&methods[1]);
    if (list == NULL || watcher->begins == NULL || watcher->ends == NULL || PyList_Append(list, watcher->begins) != 0 ||
        PyList_Insert(list, 0, watcher->ends) != 0) {
        unhook(watcher);
        PyErr_Clear();
        return false;
    }
    return true;
}

void ku__producers_collector(bool there) {
    ku__watcher *watcher = ku__watcher_here();
    if (watcher == NULL) {
        return;
    }
    unhook(watcher);
    if (!there && watcher->users == 0) {
        ku__watcher_dismiss(watcher);
    } else if (!there) {
        hook(watcher); /* refused: nothing is counted any more */
    }
}

/* ---- starting and stopping ---- */

int ku__finder_ready(void) {
    static bool ready;
    ready = ready || PyType_Ready(&finder_type) == 0;
    return ready ? 0 : -1;
}

static bool prepare(PyObject *module) {
    char reason[SENTENCE];
    if (ku__collector_here() != NULL) {
        return true; /* whoever put it there has looked */
    }
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        ku__refuse(module,
                   "another interpreter than the main one can be watched where kucha's collector is in charge of "
                   "it: install(gc=\"kucha\") in the main one puts it there");
        return false;
    }
    if (!ku__collector_selfcheck(reason, sizeof reason)) {
        ku__refuse(module, reason);
        return false;
    }
    return ku__finder_ready() == 0;
}

void ku__watcher_free(ku__watcher *watcher) {
    unhook(watcher);
    take_out(watcher);
    let_weak_go(watcher);
    Py_CLEAR(watcher->found);
    ku__producers_close(&watcher->all);
    ku__words_close(&watcher->words);
    ku__growing_release(&watcher->beginnings);
    ku__growing_release(&watcher->summed.records);
    ku__pages_unmap(watcher, sizeof *watcher);
}

static bool fill(ku__watcher *watcher) {
    watcher->interpreter = PyInterpreterState_Get();
    watcher->id = PyInterpreterState_GetID(watcher->interpreter);
    watcher->words = (ku__words){.all = &watcher->all,
                                 .heap = ku__bridge_state.installed ? ku__collector_find_heap() : NULL,
                                 .is_main = watcher->interpreter == PyInterpreterState_Main()};
    watcher->finder.item.ob_type = &finder_type;
    Py_SET_REFCNT(&watcher->finder.item, 1);
    watcher->found = hidden(&methods[2]);
    return watcher->found != NULL && ku__producers_open(&watcher->all, &ku__python_words, &watcher->words) &&
           (ku__collector_here() != NULL || hook(watcher));
}

/* NULL, and no exception, when memory is refused. */
static ku__watcher *watcher_new(void) {
    ku__watcher *watcher = ku__pages_map(sizeof *watcher);
    if (watcher == NULL) {
        return NULL;
    }
    if (!fill(watcher) || !ku__watcher_enlist(watcher)) {
        ku__watcher_free(watcher);
        PyErr_Clear();
        return NULL;
    }
    return watcher;
}

/* An interpreter that is only watched because others ask for all goes on with what it has counted. */
static int begin(ku__watcher *watcher, bool is_new, bool everywhere, ku__producers *before) {
    int there = everywhere                                  ? ku__everyone_begin(before)
                : is_new                                    ? 0
                : ku__producers_copy(&watcher->all, before) ? 1
                                                            : -1;
    if (there < 0) {
        return there;
    }
    watcher->users++;
    watcher->wide += everywhere;
    ku__everyone_add(watcher);
    return there;
}

int ku__producers_start(PyObject *module, bool everywhere, ku__producers *before) {
    if (!prepare(module)) {
        return -1;
    }
    ku__watcher *watcher = ku__watcher_here();
    bool is_new = watcher == NULL;
    watcher = is_new ? watcher_new() : watcher;
    int there = watcher == NULL ? -1 : begin(watcher, is_new, everywhere, before);
    if (there < 0) {
        PyErr_NoMemory();
    }
    return there;
}

void ku__producers_stop(bool everywhere) {
    ku__watcher *watcher = ku__watcher_here();
    if (watcher == NULL || watcher->users == 0 || (everywhere && watcher->wide == 0)) {
        return;
    }
    if (everywhere) {
        watcher->wide--;
        ku__everyone_end();
    }
    if (--watcher->users == 0 && (ku__collector_here() == NULL || !ku__everyone_wanted())) {
        ku__watcher_dismiss(watcher);
    }
}

#else

int ku__producers_start(PyObject *module, bool everywhere, ku__producers *before) {
    (void)everywhere;
    (void)before;
    ku__refuse(module, "kucha does not know this interpreter's collector, so what it finds cannot be told");
    return -1;
}

void ku__producers_stop(bool everywhere) {
    (void)everywhere;
}

#endif
