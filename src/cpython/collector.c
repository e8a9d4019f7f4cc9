/* collector.c: coming and going, and what is done at the beginning and the end of each collection. See collector.h.
 *
 * The interpreter calls the entries of the list in its state, which gc.callbacks names too. That place in the state is
 * given a list of ours; the program keeps its own, and what is in it is called as the interpreter would do it. A list
 * of ours that is found with more entries than it came with was seen through a second gc module (one that was loaded
 * again): what was appended moves to where the program expects it.
 *
 * A collector lives as long as its list: the interpreter drops that at its end.
 */
#include "cpython/collector.h"

#include "cpython/collector_team.h"
#include "cpython/producers.h"
#include "os/clock.h"
#include "os/pages.h"

#include <string.h>

#if KU__FACTS_SUPPORTED

enum {
    STATICS_MOST = 4096,  /* an interpreter with many extensions has some 600 */
    STATICS_WORTH = 2000, /* candidates: so many that looking for new static types may be worth it */
    STATICS_EVERY = 16,   /* full collections between two such looks, which take 0.2 ms each */
    REST = 16, /* times the length of a full collection: after a longer time without one its tables go back */
};

static const char CAPSULE[] = "kucha._core.collector";

ku__collector *ku__collector_here(void) {
    return ku__everywhere_find(PyInterpreterState_Get());
}

/* ---- static types ---- */

static bool knows_static(const ku__collector *collector, const PyTypeObject *type) {
    for (size_t i = 0; i < collector->statics_count; i++) {
        if (collector->statics[i] == type) {
            return true;
        }
    }
    return false;
}

static void find_statics(ku__collector *collector, PyTypeObject *type) {
    if ((type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0 || knows_static(collector, type) ||
        collector->statics_count == STATICS_MOST) {
        return;
    }
    collector->statics[collector->statics_count++] = type;
    PyObject *types = PyObject_CallMethod((PyObject *)&PyType_Type, "__subclasses__", "O", (PyObject *)type);
    for (Py_ssize_t i = 0; types != NULL && PyList_Check(types) && i < PyList_GET_SIZE(types); i++) {
        find_statics(collector, (PyTypeObject *)PyList_GET_ITEM(types, i));
    }
    Py_XDECREF(types);
    PyErr_Clear();
}

static void refresh_statics(ku__collector *collector) {
    collector->statics_count = 0;
    find_statics(collector, &PyBaseObject_Type);
}

/* ---- the two calls ---- */

size_t ku__collector_large_bytes(const ku__collector *collector) {
    const ku_heap *heap = collector->heap;
    return heap == NULL ? 0 : atomic_load_explicit(&heap->large_bytes, memory_order_relaxed);
}

static void note_pause(ku__collector *collector, int generation) {
    ku__pause_note(&collector->pauses[generation], ku__clock_nanoseconds() - collector->began);
}

/* Whether the youngest are worth a collection. */
static bool ask_young(ku__collector *collector) {
    bool known = collector->rolled && collector->concurrent.phase == KU__PHASE_IDLE;
    ku_heap *heap = known ? collector->heap : NULL;
    ku__found found = ku__probe_young(&collector->probe, ku__gc_list(ku__fact_gc(collector->interpreter), 0), heap);
    return ku__pacer_note_young(&collector->pacer, &found);
}

/* The collection takes place in any case; those that it finds alive are to be known. */
static void ask_in_passing(ku__collector *collector) {
    if (collector->pacer.automatic && ku__pacer_is_curious(&collector->pacer)) {
        ask_young(collector);
    }
}

static ku__when collect_or_not(ku__collector *collector) {
    if (ask_young(collector)) {
        return KU__WHEN_AS_IT_IS;
    }
    note_pause(collector, 0);
    return KU__WHEN_NOT_YET;
}

/* The collection that is left out was one of the old as well. */
static ku__when ask_known(ku__collector *collector) {
    if (!collector->rolled || collector->concurrent.phase != KU__PHASE_IDLE ||
        !ku__pacer_may_trust(&collector->pacer) || !ku__collector_age(collector)) {
        return KU__WHEN_ALL;
    }
    ku__found found = ku__probe_known(&collector->probe, collector->heap);
    if (!ku__pacer_trusts(&collector->pacer, &found)) {
        return KU__WHEN_ALL;
    }
    note_pause(collector, 1);
    return KU__WHEN_NOT_YET;
}

/* Never one of the questions. */
static ku__when decide(ku__collector *collector, int generation) {
    ku__gc_state *state = ku__fact_gc(collector->interpreter);
    bool prints = (state->debug & (KU__DEBUG_STATS | KU__DEBUG_COLLECTABLE)) != 0;
    ku__when when = ku__pacer_decide(&collector->pacer, state, generation, ku__collector_large_bytes(collector));
    if (prints || ku__fact_is_ending(collector->interpreter)) {
        return KU__WHEN_AS_IT_IS;
    }
    if (generation == KU__GENERATION_FULL || collector->eager) {
        return KU__WHEN_ALL;
    }
    switch (when) {
    case KU__WHEN_AS_IT_IS: ask_in_passing(collector); return when;
    case KU__WHEN_ASK_YOUNG: return collect_or_not(collector);
    case KU__WHEN_ASK_KNOWN: return ask_known(collector);
    default: return when;
    }
}

/* Whether the interpreter begins the collection by itself. Its rule for a full one (facts_gc.h) tells it from
 * gc.collect(). */
static bool nobody_asked(const ku__collector *collector, int generation) {
    const ku__gc_state *state = ku__fact_gc(collector->interpreter);
    bool full_is_due = state->generations[2].count > state->generations[2].threshold &&
                       state->long_lived_pending >= state->long_lived_total / 4;
    return collector->pacer.automatic && !ku__fact_is_ending(collector->interpreter) &&
           (generation != KU__GENERATION_FULL || full_is_due);
}

static void collection_begins(ku__collector *collector, int generation) {
    collector->generation = generation;
    collector->full = collector->put_by = false;
    collector->moved = 0;
    if (generation < 0) {
        return;
    }
    ku__when when = decide(collector, generation);
    switch (ku__concurrent_turn(collector, generation, nobody_asked(collector, generation), when == KU__WHEN_ALL)) {
    case KU__TURN_TAKEN: collector->concurrently = true; return;
    case KU__TURN_AT_ONE_GO: when = KU__WHEN_ALL; break;
    case KU__TURN_NOT_OURS:
    case KU__TURN_NOT_YET: break;
    }
    switch (when) {
    case KU__WHEN_ALL: ku__collector_take(collector, generation); break;
    case KU__WHEN_NOT_YET:
        ku__pacer_put_by(&collector->pacer, ku__fact_gc(collector->interpreter), generation);
        collector->put_by = true;
        break;
    default: ku__collector_before(collector, generation); break;
    }
}

/* What is remembered of a collection that took place: its pause, and what it found. */
static void take_note(ku__collector *collector, size_t found) {
    bool full = collector->full || collector->generation == KU__GENERATION_FULL;
    int generation = full ? KU__GENERATION_FULL : collector->generation;
    size_t lived = (size_t)ku__fact_gc(collector->interpreter)->long_lived_total;
    if (full && collector->generation != KU__GENERATION_FULL) {
        lived -= lived > found ? found : lived; /* counted before they were known to be dead */
    }
    ku__pacer_note(&collector->pacer, generation, lived, found, ku__collector_large_bytes(collector));
    note_pause(collector, generation);
}

/* Static types that came with extension modules are looked for where there seem to be some. */
static void look_for_statics(ku__collector *collector) {
    collector->taken_count += collector->full;
    if (collector->full && collector->candidates > STATICS_WORTH && collector->taken_count % STATICS_EVERY == 0) {
        refresh_statics(collector);
    }
}

/* ---- tables of full collections ---- */

static void close_tables(ku__collector *collector) {
    ku__marks_close(&collector->marks);
    ku__probe_rest(&collector->probe);
    ku__stack_close(&collector->stack);
    ku__stack_close(&collector->doubtful);
    ku__team_free(collector->team);
    collector->team = NULL;
    ku__pages_unmap(collector->head.items, collector->head.bytes);
    collector->head = (ku__gc_nodes){0};
}

size_t ku__collector_tables(const ku__collector *collector) {
    return ku__marks_bytes(&collector->marks) + collector->stack.bytes + collector->doubtful.bytes +
           collector->head.bytes;
}

/* A program that collects seldom does not keep what only collecting needs, which is one part in fifty of a heap, and
 * more of a small one; one that collects often would take the pages anew each time. */
static void rest(ku__collector *collector) {
    uint64_t now = ku__clock_nanoseconds();
    if (collector->began - collector->rested > (now - collector->began) * REST) {
        close_tables(collector);
    }
    collector->rested = now;
}

static void note_part(ku__collector *collector, size_t found) {
    ku__concurrent_taken(collector, found);
    collector->concurrently = false;
    if (collector->concurrent.works) {
        note_pause(collector, KU__GENERATION_FULL);
    }
}

static void collection_ends(ku__collector *collector, size_t found) {
    ku__collector_done(collector);
    if (collector->concurrently) {
        note_part(collector, found);
        collector->generation = -1;
        return;
    }
    if (collector->full) {
        bool keeps = (ku__fact_gc(collector->interpreter)->debug & KU__DEBUG_SAVEALL) != 0;
        collector->moved = collector->candidates - (keeps || found > collector->candidates ? 0 : found);
    }
    if (collector->rolled) {
        ku__collector_after(collector);
    }
    if (collector->put_by) {
        ku__pacer_put_back(&collector->pacer, ku__fact_gc(collector->interpreter), collector->generation);
    } else if (collector->generation >= 0) {
        take_note(collector, found);
        look_for_statics(collector);
    }
    if (collector->full) {
        rest(collector);
    }
    collector->put_by = false;
    collector->generation = -1;
}

/* What came into our list goes where the program expects it. */
static void pass_on(ku__collector *collector) {
    while (PyList_GET_SIZE(collector->ours) > 1) {
        PyObject *last = PyList_GET_ITEM(collector->ours, PyList_GET_SIZE(collector->ours) - 1);
        if (PyList_Insert(collector->theirs, 0, last) != 0 ||
            PyList_SetSlice(collector->ours, PyList_GET_SIZE(collector->ours) - 1, PyList_GET_SIZE(collector->ours),
                            NULL) != 0) {
            PyErr_Clear();
            return;
        }
    }
}

static void call_one(const PyObject *list, Py_ssize_t number, PyObject *const *arguments) {
    PyObject *callback = Py_NewRef(PyList_GET_ITEM(list, number));
    PyObject *result = PyObject_Vectorcall(callback, arguments, 2, NULL);
    if (result == NULL) {
        PyErr_WriteUnraisable(callback);
    }
    Py_XDECREF(result);
    Py_DECREF(callback);
}

/* As invoke_gc_callback() does it (Modules/gcmodule.c, Python/gc.c): the list may change while it is gone through. */
static void call_theirs(const ku__collector *collector, PyObject *const *arguments) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(collector->theirs); i++) {
        call_one(collector->theirs, i, arguments);
    }
}

/* Puts the interpreter's list back. Ours goes, and with its entry the collector. */
static void give_back(ku__collector *collector) {
    PyObject *list = collector->ours;
    ku__concurrent_close(collector);
    pass_on(collector);
    ku__fact_gc(collector->interpreter)->callbacks = collector->theirs;
    collector->theirs = NULL;
    ku__everywhere_remove(collector);
    ku__producers_collector(false);
    Py_DECREF(list);
}

/* In the middle of the interpreter's loop over its list, the first entry of which was ours: it goes on with the second
 * one of theirs. It holds the entry that runs until that returns. */
static void go(ku__collector *collector, PyObject *const *arguments) {
    PyObject *theirs = Py_NewRef(collector->theirs);
    give_back(collector);
    if (PyList_GET_SIZE(theirs) != 0) {
        call_one(theirs, 0, arguments);
    }
    Py_DECREF(theirs);
}

/* A number that the interpreter tells of a collection; -1 if the call is none that it makes. */
static long number_of(PyObject *info, const char *name) {
    PyObject *number = PyDict_Check(info) ? PyDict_GetItemString(info, name) : NULL;
    return number != NULL && PyLong_Check(number) ? PyLong_AsLong(number) : -1;
}

static int generation_of(PyObject *info) {
    long generation = number_of(info, "generation");
    return generation >= 0 && generation <= KU__GENERATION_FULL ? (int)generation : -1;
}

static size_t collected_of(PyObject *info) {
    long collected = number_of(info, "collected");
    return (size_t)(collected > 0 ? collected : 0);
}

static size_t found_of(PyObject *info) {
    long uncollectable = number_of(info, "uncollectable");
    return collected_of(info) + (size_t)(uncollectable > 0 ? uncollectable : 0);
}

static void on_start(ku__collector *collector, PyObject *const *arguments, int generation) {
    collector->began = ku__clock_nanoseconds();
    call_theirs(collector, arguments);
    ku__producers_begin();
    collection_begins(collector, generation);
    if (collector->sentinel.node._gc_next == 0 && !collector->put_by) {
        ku__producers_join(generation);
    }
}

static void on_stop(ku__collector *collector, PyObject *const *arguments, int generation) {
    ku__producers_end(generation, collected_of(arguments[1]));
    collection_ends(collector, found_of(arguments[1]));
    call_theirs(collector, arguments);
}

/* The entry of our list: what the interpreter calls. */
static PyObject *on_collection(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    ku__collector *collector = PyCapsule_GetPointer(self, CAPSULE);
    if (collector == NULL || count != 2 || !PyUnicode_Check(arguments[0])) {
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    }
    int generation = generation_of(arguments[1]);
    pass_on(collector);
    bool starts = PyUnicode_CompareWithASCIIString(arguments[0], "start") == 0;
    if (starts && !ku__everywhere_wants(collector->era)) {
        go(collector, arguments);
    } else if (starts) {
        on_start(collector, arguments, generation);
    } else {
        on_stop(collector, arguments, generation);
    }
    Py_RETURN_NONE;
}

static PyMethodDef on_collection_method = {"on_collection", (PyCFunction)(void (*)(void))on_collection, METH_FASTCALL,
                                           NULL};

/* What the sentinel's weak reference calls. */
static PyObject *on_found(PyObject *self, PyObject *weak) {
    (void)weak;
    ku__collector *collector = PyCapsule_GetPointer(self, CAPSULE);
    if (collector == NULL) {
        return NULL;
    }
    ku__collector_show(collector);
    ku__producers_found(&collector->sentinel.node);
    Py_RETURN_NONE;
}

static PyMethodDef on_found_method = {"on_found", on_found, METH_O, NULL};

/* ---- coming and going ---- */

static void collector_free(ku__collector *collector) {
    ku__everywhere_remove(collector);
    ku__collector_roll_end(collector);
    ku__concurrent_abandon(&collector->concurrent);
    Py_CLEAR(collector->weak);
    Py_CLEAR(collector->shower);
    Py_CLEAR(collector->theirs);
    close_tables(collector);
    ku__probe_close(&collector->probe);
    ku__pages_unmap(collector->statics, STATICS_MOST * sizeof(PyTypeObject *));
    ku__pages_unmap(collector, sizeof *collector);
}

static void capsule_dies(PyObject *capsule) {
    collector_free(PyCapsule_GetPointer(capsule, CAPSULE));
}

/* A builtin function, in no list of the interpreter's; its `self` is a capsule with the collector. */
static PyObject *hidden_function(PyMethodDef *method, ku__collector *collector, PyCapsule_Destructor dies) {
    PyObject *capsule = PyCapsule_New(collector, CAPSULE, dies);
    PyObject *function = capsule == NULL ? NULL : PyCFunction_New(method, capsule);
    if (function != NULL) {
        PyObject_GC_UnTrack(function);
    } else if (capsule != NULL) {
        PyCapsule_SetDestructor(capsule, NULL);
    }
    Py_XDECREF(capsule);
    return function;
}

/* The tp_traverse that the interpreter gives to a class written in Python: that of one that is always there. NULL where
 * it is not. */
static traverseproc traverse_of_classes(void) {
    PyObject *module = PyImport_ImportModule("_frozen_importlib");
    PyObject *type = module != NULL ? PyObject_GetAttrString(module, "ModuleSpec") : NULL;
    traverseproc traverse = type != NULL && PyType_Check(type) ? ((PyTypeObject *)type)->tp_traverse : NULL;
    Py_XDECREF(type);
    Py_XDECREF(module);
    PyErr_Clear();
    return traverse;
}

static ku__collector *collector_new(const ku__wish *wish) {
    ku__collector *collector = ku__pages_map(sizeof *collector);
    if (collector == NULL) {
        return NULL;
    }
    collector->interpreter = PyInterpreterState_Get();
    collector->id = PyInterpreterState_GetID(collector->interpreter);
    collector->is_main = collector->interpreter == PyInterpreterState_Main();
    collector->heap = ku__collector_find_heap();
    collector->generation = -1;
    collector->era = wish->era;
    collector->eager = wish->eager;
    collector->together = wish->together;
    collector->installed = collector->rested = ku__clock_nanoseconds();
    ku__sentinel_open(&collector->sentinel, collector);
    ku__pacer_open(&collector->pacer);
    collector->statics = ku__pages_map(STATICS_MOST * sizeof(PyTypeObject *));
    collector->shower = hidden_function(&on_found_method, collector, NULL);
    if (collector->statics == NULL || collector->shower == NULL) {
        collector_free(collector);
        return NULL;
    }
    refresh_statics(collector);
    collector->traverse = traverse_of_classes();
    ku__collector_roll_begin(collector);
    return collector;
}

/* Our list with its one entry, which owns the collector. */
static PyObject *list_for(ku__collector *collector) {
    PyObject *list = PyList_New(1);
    PyObject *entry = list == NULL ? NULL : hidden_function(&on_collection_method, collector, capsule_dies);
    if (entry == NULL) {
        Py_XDECREF(list);
        return NULL;
    }
    PyList_SET_ITEM(list, 0, entry);
    PyObject_GC_UnTrack(list);
    return list;
}

int ku__collector_install(const ku__wish *wish) {
    if (ku__collector_here() != NULL) {
        return 0;
    }
    ku__collector *collector = collector_new(wish);
    PyObject *list = collector == NULL ? NULL : list_for(collector);
    if (list == NULL) {
        if (collector != NULL) {
            collector_free(collector);
        }
        PyErr_Clear();
        PyErr_NoMemory();
        return -1;
    }
    ku__gc_state *state = ku__fact_gc(collector->interpreter);
    collector->theirs = state->callbacks; /* with the interpreter's reference */
    collector->ours = list;
    ku__producers_collector(true);
    state->callbacks = list;
    ku__everywhere_add(collector);
    return 0;
}

bool ku__collector_uninstall(void) {
    ku__collector *collector = ku__collector_here();
    if (collector == NULL) {
        return true;
    }
    if (ku__fact_gc(collector->interpreter)->collecting || collector->generation >= 0) {
        return false;
    }
    bool is_main = collector->is_main;
    give_back(collector);
    if (is_main) {
        ku__everywhere_close();
        ku__bridge_roll(false);
    }
    return true;
}

#endif
