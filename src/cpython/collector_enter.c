/* collector_enter.c: the generations' lists before and after a collection: who is tracked, and what need not be.
 *
 * With a roll (collector_roll.h) only what is young is walked, and what is on no roll, which waits at the head of the
 * oldest list. Without one (another tool stands in front of kucha's entry points, memory was refused) all lists are,
 * and while another interpreter runs under the same lock.
 */
#include "cpython/collector.h"

#include "os/pages.h"

#if KU__FACTS_SUPPORTED

enum {
    WALK_EVERY = 64,      /* full collections between two walks along the whole oldest list, for whoever was missed */
    AHEAD = 16,           /* nodes of the head that are fetched at a time */
    HEAD_LEAST = 1 << 14, /* nodes: a starting interpreter has some 10,000 */
};

ku_heap *ku__collector_find_heap(void) {
    int64_t id = ku__fact_interpreter_id(PyInterpreterState_Get());
    const ku__house *house = atomic_load(&ku__bridge_state.houses);
    while (house != NULL && atomic_load(&house->owner) != id) {
        house = house->next;
    }
    return house != NULL ? house->objects : NULL;
}

void ku__collector_roll_begin(ku__collector *collector) {
    bool alone = collector->is_main || !ku__fact_shares_lock(collector->interpreter);
    collector->rolled = collector->heap != NULL && alone && ku__bridge_roll(true) && ku__roll_begin(collector->heap);
    collector->unsure = true;
}

void ku__collector_roll_end(ku__collector *collector) {
    if (collector->rolled) {
        ku__roll_close(collector->heap);
    }
    collector->rolled = false;
}

/* ---- lists ---- */

static PyGC_Head *list_of(const ku__collector *collector, int generation) {
    return ku__gc_list(ku__fact_gc(collector->interpreter), generation);
}

/* Puts an object on the roll, if that admits it. */
static bool enrol(ku_heap *heap, PyObject *item) {
    if (ku__roll_has(&heap->roll, item)) {
        return true;
    }
    if (KU__UNLIKELY(!ku__roll_admits(heap, item))) {
        return false;
    }
    ku__roll_add(&heap->roll, item);
    return true;
}

/* All of a list: on the roll, or else candidates that stand in the table and move behind `others`. The number of
 * these, or SIZE_MAX. */
static size_t enter_list(ku__collector *collector, ku_heap *heap, const PyGC_Head *list, PyGC_Head *others) {
    size_t count = 0;
    PyGC_Head *next;
    for (PyGC_Head *at = ku__gc_next(list); at != list; at = next) {
        next = ku__gc_next(at);
        if (KU__LIKELY(enrol(heap, ku__gc_object(at)))) {
            continue;
        }
        if (!ku__marks_add_other(&collector->marks, ku__gc_object(at))) {
            return SIZE_MAX;
        }
        ku__gc_unlink(at);
        ku__gc_append(at, others);
        count++;
    }
    return count;
}

static KU__COLD bool widen(ku__gc_nodes *head) {
    size_t capacity = head->capacity != 0 ? head->capacity * 2 : HEAD_LEAST, bytes = capacity * sizeof *head->items;
    void *items = head->items != NULL ? ku__pages_resize(head->items, head->bytes, bytes) : ku__pages_map(bytes);
    if (items == NULL) {
        return false;
    }
    *head = (ku__gc_nodes){items, head->count, capacity, bytes};
    return true;
}

/* Remembers a node of the head, at this place. The one that stood some places further on is most likely met soon: it
 * is fetched, so that the walk does not wait at every node. */
static void follow(ku__gc_nodes *head, size_t place, const PyGC_Head *node) {
    if (place + AHEAD < head->count) {
        __builtin_prefetch(head->items[place + AHEAD]);
    }
    if (KU__UNLIKELY(place > head->count)) { /* the one before it could not be remembered */
        return;
    }
    if (KU__UNLIKELY(place == head->capacity) && !widen(head)) {
        return;
    }
    head->items[place] = node;
    head->count = place + 1 > head->count ? place + 1 : head->count;
}

/* The head of the oldest list, which is on no roll; whoever is found there and could be on it is from now on. */
static size_t enter_head(ku__collector *collector, ku_heap *heap) {
    const PyGC_Head *list = list_of(collector, KU__GENERATION_FULL);
    size_t count = 0, place = 0;
    for (PyGC_Head *at = ku__gc_next(list); at != list; at = ku__gc_next(at)) {
        PyObject *item = ku__gc_object(at);
        if (ku__roll_has(&heap->roll, item)) {
            break;
        }
        follow(&collector->head, place++, at);
        if (ku__roll_admits(heap, item)) {
            ku__roll_add(&heap->roll, item);
        } else if (!ku__marks_add_other(&collector->marks, item)) {
            return SIZE_MAX;
        } else {
            count++;
        }
    }
    return count;
}

/* Puts the nodes of a list in front of another's. */
static void put_first(PyGC_Head *from, PyGC_Head *list) {
    ku__gc_list_join(list, from);
    ku__gc_list_join(from, list);
}

/* Objects that were frozen while they were young come to the oldest list when they are not frozen any more: in front of
 * all others, where there are no frozen ones. */
static void note_frozen(ku__collector *collector) {
    const PyGC_Head *now = &ku__fact_gc(collector->interpreter)->permanent_generation.head;
    collector->unsure |= now->_gc_next != collector->frozen._gc_next || now->_gc_prev != collector->frozen._gc_prev ||
                         ku__gc_next(list_of(collector, KU__GENERATION_FULL)) != collector->first;
    collector->frozen = *now;
}

static bool enter_lists(ku__collector *collector, ku_heap *heap) {
    PyGC_Head others;
    ku__gc_list_open(&others);
    note_frozen(collector);
    bool whole = collector->unsure || ++collector->since_walk >= WALK_EVERY;
    PyGC_Head *oldest = list_of(collector, KU__GENERATION_FULL);
    size_t refused = whole ? enter_list(collector, heap, oldest, &others) : enter_head(collector, heap);
    for (int generation = 1; generation >= 0 && refused != SIZE_MAX; generation--) {
        refused = enter_list(collector, heap, list_of(collector, generation), &others);
    }
    put_first(&others, oldest);
    if (whole) {
        collector->since_walk = 0;
        collector->unsure = refused == SIZE_MAX;
    }
    return refused != SIZE_MAX;
}

/* Nobody keeps a roll: the number of objects, or SIZE_MAX. */
static size_t enter_all(ku__collector *collector) {
    size_t count = 0;
    for (int generation = KU__GENERATION_FULL; generation >= 0; generation--) {
        const PyGC_Head *list = list_of(collector, generation);
        for (PyGC_Head *at = ku__gc_next(list); at != list; at = ku__gc_next(at)) {
            if (KU__UNLIKELY(!ku__marks_add(&collector->marks, ku__gc_object(at)))) {
                return SIZE_MAX;
            }
            count++;
        }
    }
    return count;
}

static size_t enter_by_walk(ku__collector *collector) {
    uintptr_t base;
    size_t span;
    ku__roll_window(collector->heap, &base, &span);
    return ku__marks_open(&collector->marks, base, span) ? enter_all(collector) : SIZE_MAX;
}

static size_t enter_by_roll(ku__collector *collector) {
    ku_heap *heap = collector->heap;
    bool covered = collector->concurrent.in_image || ku__roll_cover(heap); /* that may take locks */
    if (!covered || !ku__marks_open(&collector->marks, heap->roll.base, heap->roll.span) ||
        !enter_lists(collector, heap)) {
        return SIZE_MAX;
    }
    ku__marks_copy(&collector->marks, heap->roll.bits);
    return ku__marks_count(&collector->marks);
}

/* What is on the roll may be tracked by another interpreter that runs under the same lock (collector_everywhere.h). */
size_t ku__collector_enter(ku__collector *collector) {
    bool shared = ku__fact_shares_lock(collector->interpreter);
    collector->unsure |= shared;
    collector->entered_by_roll = collector->rolled && !shared;
    size_t count = collector->entered_by_roll ? enter_by_roll(collector) : enter_by_walk(collector);
    if (count == SIZE_MAX) {
        ku__marks_clear(&collector->marks);
    }
    return count;
}

/* ---- collections that the interpreter makes by itself ---- */

void ku__collector_before(ku__collector *collector, int generation) {
    if (!collector->rolled || generation == 0) {
        return;
    }
    ku_heap *heap = collector->heap;
    if (generation == KU__GENERATION_FULL || !ku__roll_cover(heap)) {
        collector->unsure = true;
        return;
    }
    bool any = false; /* that is on no roll */
    for (int younger = generation; younger >= 0; younger--) {
        const PyGC_Head *list = list_of(collector, younger);
        for (PyGC_Head *at = ku__gc_next(list); at != list; at = ku__gc_next(at)) {
            any |= !enrol(heap, ku__gc_object(at));
            collector->moved++;
        }
    }
    collector->moved = any ? collector->moved : 0;
}

void ku__collector_after(ku__collector *collector) {
    PyGC_Head *list = list_of(collector, KU__GENERATION_FULL), *before, others;
    ku_heap *heap = collector->heap;
    bool same = collector->full || ku__gc_next(list) == collector->first;
    ku__gc_list_open(&others);
    for (PyGC_Head *at = ku__gc_prev(list); at != list && collector->moved > 0; at = before, collector->moved--) {
        before = ku__gc_prev(at);
        if (!enrol(heap, ku__gc_object(at))) {
            ku__gc_unlink(at);
            ku__gc_append(at, &others);
        }
    }
    put_first(&others, list);
    collector->first = same ? ku__gc_next(list) : collector->first;
    collector->moved = 0;
}

/* Puts all of a list on the roll; those that it does not admit move behind `others`. */
static void enrol_list(ku_heap *heap, const PyGC_Head *list, PyGC_Head *others) {
    PyGC_Head *next;
    for (PyGC_Head *at = ku__gc_next(list); at != list; at = next) {
        next = ku__gc_next(at);
        if (!enrol(heap, ku__gc_object(at))) {
            ku__gc_unlink(at);
            ku__gc_append(at, others);
        }
    }
}

bool ku__collector_age(ku__collector *collector) {
    PyGC_Head *oldest = list_of(collector, KU__GENERATION_FULL), others;
    ku_heap *heap = collector->heap;
    if (!ku__roll_cover(heap)) {
        return false;
    }
    bool same = ku__gc_next(oldest) == collector->first;
    ku__gc_list_open(&others);
    for (int generation = KU__GENERATION_FULL - 1; generation >= 0; generation--) {
        PyGC_Head *list = list_of(collector, generation);
        enrol_list(heap, list, &others);
        ku__gc_list_join(list, oldest);
    }
    put_first(&others, oldest);
    collector->first = same ? ku__gc_next(oldest) : collector->first;
    return true;
}

/* ---- what need not be tracked ---- */

/* Whether the object may come to be in a cycle, as Include/internal/pycore_gc.h asks it (_PyObject_GC_MAY_BE_TRACKED).
 */
static bool may_be_tracked(PyObject *item) {
    return PyObject_IS_GC(item) && (!PyTuple_CheckExact(item) || PyObject_GC_IsTracked(item));
}

static bool all_untracked(PyObject **at, Py_ssize_t count, unsigned step, bool keys_too, bool gaps) {
    for (; count > 0; count--, at += step) {
        if (at[0] == NULL ? !gaps : may_be_tracked(at[0]) || (keys_too && may_be_tracked(at[-1]))) {
            return false;
        }
    }
    return true;
}

/* Source: Objects/tupleobject.c and Objects/dictobject.c (_PyTuple_MaybeUntrack, a tuple with a gap is still being
 * filled; _PyDict_MaybeUntrack). */
static bool is_in_no_cycle(PyObject *item) {
    if (PyTuple_CheckExact(item)) {
        return all_untracked(((PyTupleObject *)item)->ob_item, Py_SIZE(item), 1, false, false);
    }
    if (ku__fact_dicts_untrack() && PyDict_CheckExact(item) && ku__fact_dict_plain((PyDictObject *)item)) {
        ku__dict_row row = ku__fact_dict_row((PyDictObject *)item);
        return all_untracked(row.first, row.count, row.step, row.keys_too, true);
    }
    return false;
}

/* Where several threads marked, one of them may be a candidate still (collector_marker.h): it is none any more. */
size_t ku__collector_untrack(ku__collector *collector) {
    ku_heap *heap = collector->heap;
    size_t count = 0;
    for (size_t i = 0; i < collector->doubtful.count; i++) {
        PyObject *item = collector->doubtful.items[i];
        if (!PyObject_GC_IsTracked(item) || !is_in_no_cycle(item)) {
            continue;
        }
        PyObject_GC_UnTrack(item);
        ku__marks_take(&collector->marks, item);
        count++;
        if (collector->rolled) {
            ku__roll_drop(&heap->roll, item);
        }
    }
    return count;
}

typedef struct dropping {
    ku__marks *marks;
    ku__roll *roll;
    size_t count;
} dropping;

static void drop_untracked(void *item, void *argument) {
    dropping *by = argument;
    if (ku__gc_node(item)->_gc_next == 0) {
        ku__marks_take(by->marks, item);
        ku__roll_drop(by->roll, item);
        by->count++;
    }
}

size_t ku__collector_drop_untracked(ku__collector *collector) {
    if (!collector->rolled) {
        return 0;
    }
    dropping by = {&collector->marks, &collector->heap->roll, 0};
    ku__marks_each(&collector->marks, drop_untracked, &by);
    return by.count;
}

#endif
