/* collector_full.c: a full collection: the candidates stay in the interpreter's list, everything else is hidden from it
 * until it has decided. See collector.h.
 *
 * The sentinel. What must happen after the interpreter has found out what is dead, and before any code of the program
 * runs, is done by an object that is always dead. It is the first of the list, so of what is dead it comes first:
 *
 *     callbacks of weak references    are called in the order of the list: its own first
 *     finalizers                      likewise. Its finalizer takes it out of the list it is in, so that it is neither
 *                                     counted nor cleared nor kept as garbage, and never shows in gc.get_objects()
 *
 * In a slice of a concurrent collection (concurrent.h) it stays until what is dead is cleared, and refers to what is
 * decided about, so that the references by which these are held are explained; they end when it is cleared itself.
 *
 * Its weak reference can be seen there while callbacks run, and only then.
 *
 * Source of the order: gc_collect_main() in Modules/gcmodule.c and Python/gc.c, v3.11.7 to v3.15.2 (deduce_unreachable,
 * untrack, legacy finalizers, handle_weakrefs or handle_weakref_callbacks, finalize_garbage,
 * handle_resurrected_objects, delete_garbage).
 */
#include "cpython/collector.h"

#include "cpython/collector_team.h"
#include "os/machine.h"

#if KU__FACTS_SUPPORTED

enum {
    ORDERED_MOST = 100000, /* objects: below, finding candidates by walking the lists takes under a millisecond */
    MOSTLY = 2,            /* more than one object in so many is a candidate: what was marked is moved instead */
};

/* ---- the sentinel ---- */

static ku__sentinel *sentinel_of(PyObject *item) {
    return (ku__sentinel *)((char *)item - offsetof(ku__sentinel, item));
}

static int sentinel_traverse(PyObject *self, visitproc visit, void *argument) {
    int stopped = visit(self, argument);
    return stopped != 0 ? stopped : ku__concurrent_visit(&sentinel_of(self)->collector->concurrent, visit, argument);
}

static void sentinel_finalize(PyObject *self) {
    ku__sentinel *sentinel = sentinel_of(self);
    if (!ku__concurrent_decides(&sentinel->collector->concurrent)) {
        ku__gc_unlink(&sentinel->node);
        sentinel->node = (PyGC_Head){0};
    }
    ku__collector_show(sentinel->collector);
    if (sentinel->collector->weak != NULL) {
        PyObject_GC_UnTrack(sentinel->collector->weak);
    }
}

static int sentinel_clear(PyObject *self) {
    ku__sentinel *sentinel = sentinel_of(self);
    if (ku__concurrent_decides(&sentinel->collector->concurrent)) {
        ku__gc_unlink(&sentinel->node);
        sentinel->node = (PyGC_Head){0};
        ku__concurrent_let_go(&sentinel->collector->concurrent);
    }
    return 0;
}

/* Never called: the count is 1 from the beginning to the end. */
static void sentinel_dealloc(PyObject *self) {
    (void)self;
}

static PyTypeObject sentinel_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "kucha._core.Sentinel",
    .tp_basicsize = sizeof(ku__sentinel) - offsetof(ku__sentinel, item),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_weaklistoffset = offsetof(ku__sentinel, weak_references) - offsetof(ku__sentinel, item),
    .tp_traverse = sentinel_traverse,
    .tp_clear = sentinel_clear,
    .tp_finalize = sentinel_finalize,
    .tp_dealloc = sentinel_dealloc,
    .tp_doc = PyDoc_STR("What kucha's collector knows by that the dead were found."),
};

int ku__sentinel_ready(void) {
    return PyType_Ready(&sentinel_type);
}

void ku__sentinel_open(ku__sentinel *sentinel, ku__collector *collector) {
    *sentinel = (ku__sentinel){.collector = collector};
    sentinel->item.ob_type = &sentinel_type;
    Py_SET_REFCNT(&sentinel->item, 1);
}

/* ---- taking ---- */

typedef struct selection {
    PyGC_Head *list; /* where candidates go */
    size_t count;
} selection;

static void select_candidate(void *item, void *argument) {
    selection *to = argument;
    PyGC_Head *node = ku__gc_node(item);
    ku__gc_unlink(node);
    ku__gc_append(node, to->list);
    to->count++;
}

static void select_in_order(ku__collector *collector, selection *to) {
    PyGC_Head *next;
    for (PyGC_Head *at = ku__gc_next(&collector->hidden); at != &collector->hidden; at = next) {
        next = ku__gc_next(at);
        if (ku__marks_take(&collector->marks, ku__gc_object(at))) {
            select_candidate(ku__gc_object(at), to);
        }
    }
    ku__marks_clear(&collector->marks);
}

/* All lists into one, as the interpreter would do it: what is oldest first. */
static void hide_all(ku__collector *collector) {
    static const int order[] = {KU__GENERATION_FULL, 0, 1};
    ku__gc_list_open(&collector->hidden);
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        ku__gc_list_join(ku__gc_list(ku__fact_gc(collector->interpreter), order[i]), &collector->hidden);
    }
}

static void hide_marked(void *item, void *argument) {
    PyGC_Head *node = ku__gc_node(item);
    if (node->_gc_next != 0) { /* not one that marking has untracked */
        ku__gc_unlink(node);
        ku__gc_append(node, argument);
    }
}

/* All that is in no doubt is hidden, those on no roll first, and the rest stays as it lies. */
static void leave_candidates(ku__collector *collector, selection *to) {
    PyGC_Head marked;
    ku__gc_list_open(&marked);
    to->count = ku__marks_left(&collector->marks);
    ku__marks_each_taken(&collector->marks, collector->heap->roll.bits, hide_marked, &marked);
    ku__gc_list_join(&collector->hidden, to->list);
    ku__gc_list_join(&marked, &collector->hidden);
    ku__marks_clear(&collector->marks);
}

/* Whether most objects are candidates, and it is known which are not. Frozen ones are on the roll, too, and in no list
 * that is looked at. */
static bool is_mostly_in_doubt(const ku__collector *collector, size_t objects) {
    return collector->entered_by_roll && ku__marks_left(&collector->marks) > objects / MOSTLY &&
           ku__gc_list_empty(&ku__fact_gc(collector->interpreter)->permanent_generation.head);
}

/* The candidates in the list that the interpreter is going to look at, in the oldest one behind the sentinel. Their
 * order is that of the lists in small heaps and where most objects are candidates, and else that of addresses. */
static size_t splice(ku__collector *collector, size_t objects, int generation) {
    selection to = {ku__gc_list(ku__fact_gc(collector->interpreter), generation), 0};
    collector->taken = true;
    hide_all(collector);
    if (generation == KU__GENERATION_FULL) {
        ku__gc_append(&collector->sentinel.node, to.list);
    }
    if (objects <= ORDERED_MOST) {
        select_in_order(collector, &to);
    } else if (is_mostly_in_doubt(collector, objects)) {
        leave_candidates(collector, &to);
    } else {
        ku__marks_take_all(&collector->marks, select_candidate, &to);
    }
    return to.count;
}

/* Threads to mark so many objects. */
static unsigned threads_for(ku__collector *collector, size_t objects) {
    if (objects < collector->together) {
        return 1;
    }
    unsigned asked = ku__everywhere_wish().threads;
    if (asked != 0) {
        return asked;
    }
    if (collector->threads_quota == 0) {
        collector->threads_quota = ku__team_quota();
    }
    long here = ku__processors_here();
    return here < (long)collector->threads_quota ? (unsigned)here : collector->threads_quota;
}

void ku__collector_take(ku__collector *collector, int generation) {
    collector->weak = PyWeakref_NewRef(&collector->sentinel.item, collector->shower);
    if (collector->weak == NULL) {
        PyErr_Clear();
        return;
    }
    size_t objects = ku__collector_enter(collector);
    if (objects == SIZE_MAX) {
        return;
    }
    if (!ku__collector_mark(collector, threads_for(collector, objects))) {
        ku__marks_clear(&collector->marks);
        return;
    }
    objects -= ku__collector_untrack(collector) + collector->gone;
    collector->sentinel.node = (PyGC_Head){0}; /* not finalized */
    collector->candidates = splice(collector, objects, generation);
    collector->marked = objects - collector->candidates;
    collector->full = true;
    if (generation == KU__GENERATION_FULL) {
        collector->hidden_count = collector->marked;
    } else {
        ku__collector_show(collector);
        ku__fact_gc(collector->interpreter)->long_lived_total = (Py_ssize_t)objects;
        ku__fact_gc(collector->interpreter)->long_lived_pending = 0;
    }
}

void ku__collector_show(ku__collector *collector) {
    ku__concurrent_show(collector);
    if (!collector->taken) {
        return;
    }
    collector->taken = false;
    /* What lives comes first: it is older than what the interpreter has looked at since. */
    PyGC_Head *list = ku__gc_list(ku__fact_gc(collector->interpreter), KU__GENERATION_FULL);
    ku__gc_list_join(list, &collector->hidden);
    ku__gc_list_join(&collector->hidden, list);
}

void ku__collector_done(ku__collector *collector) {
    ku__collector_show(collector);
    if (collector->sentinel.node._gc_next != 0) {
        ku__gc_unlink(&collector->sentinel.node); /* not expected: the interpreter did not find it dead */
        collector->sentinel.node = (PyGC_Head){0};
    }
    if (collector->hidden_count != 0) {
        ku__fact_gc(collector->interpreter)->long_lived_total += (Py_ssize_t)collector->hidden_count;
        collector->hidden_count = 0;
    }
    Py_CLEAR(collector->weak);
}

#endif
