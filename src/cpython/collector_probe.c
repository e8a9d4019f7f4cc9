/* collector_probe.c: see collector_probe.h. */
#include "cpython/collector_probe.h"

#include "os/pages.h"

#include <string.h>

#if KU__FACTS_SUPPORTED

enum {
    STRIDE = 1024, /* objects from one row of the youngest to the next */
    MANY = 64,     /* references: an object with more is taken for alive */
    LARGE = 1024,  /* entries: a list, tuple or dict with more likewise */

    /* Objects of a set. Young ones belong to what was just made, which may be one large cycle; known ones lie anywhere,
     * and what eight times as many hold is enough to see the cycles of the usual size. */
    LIMIT_YOUNG = 4096,
    LIMIT_KNOWN = 8 * KU__PROBE_ASKED * KU__PROBE_ROW,
    PLACES = 2 * LIMIT_KNOWN, /* a power of two; at most half of them are taken */
};

enum {
    SET_BYTES = LIMIT_KNOWN * sizeof(ku__probed),
    PLACES_BYTES = PLACES * sizeof(uint32_t),
    QUEUE_BYTES = LIMIT_KNOWN * sizeof(uint32_t),
    KNOWN_BYTES = KU__PROBE_KNOWN * sizeof(ku__row),
};

static bool open_set(ku__probe *probe, size_t limit, const ku_heap *heap) {
    if (probe->set == NULL) {
        probe->set = ku__pages_map(SET_BYTES);
        probe->places = ku__pages_map(PLACES_BYTES);
        probe->queue = ku__pages_map(QUEUE_BYTES);
        probe->known = ku__pages_map(KNOWN_BYTES);
    }
    probe->count = probe->queued = 0;
    probe->limit = limit;
    probe->heap = heap;
    probe->cut = false;
    return probe->set != NULL && probe->places != NULL && probe->queue != NULL && probe->known != NULL;
}

void ku__probe_rest(ku__probe *probe) {
    if (probe->set != NULL) {
        ku__pages_discard(probe->set, SET_BYTES);
        ku__pages_discard(probe->places, PLACES_BYTES);
        ku__pages_discard(probe->queue, QUEUE_BYTES);
    }
}

void ku__probe_close(ku__probe *probe) {
    ku__pages_unmap(probe->set, SET_BYTES);
    ku__pages_unmap(probe->places, PLACES_BYTES);
    ku__pages_unmap(probe->queue, QUEUE_BYTES);
    ku__pages_unmap(probe->known, KNOWN_BYTES);
    *probe = (ku__probe){0};
}

/* ---- the set ---- */

/* Where the number of an object is, or would be: Fibonacci hashing (Knuth, volume 3, 6.4). */
static uint32_t *place_of(const ku__probe *probe, const PyObject *item) {
    size_t at = (size_t)(((uintptr_t)item * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
    for (;; at++) {
        uint32_t *place = &probe->places[at % PLACES];
        if (*place == 0 || probe->set[*place - 1].item == item) {
            return place;
        }
    }
}

static bool is_tracked(PyObject *item) {
    return PyObject_IS_GC(item) && ku__gc_node(item)->_gc_next != 0;
}

static bool is_large(PyObject *item) {
    Py_ssize_t size = PyDict_CheckExact(item)                               ? PyDict_GET_SIZE(item)
                      : PyList_CheckExact(item) || PyTuple_CheckExact(item) ? Py_SIZE(item)
                                                                            : 0;
    return size > LARGE;
}

/* Whether an object is taken for alive because of its age: told without a look at it, as most references lead to
 * strings and numbers. */
static bool is_of_another_age(const ku__probe *probe, const PyObject *item) {
    if (probe->heap == NULL) {
        return false;
    }
    return probe->is_young ? ku__roll_has(&probe->heap->roll, item) || !ku__roll_admits(probe->heap, item)
                           : !ku__roll_has(&probe->heap->roll, item);
}

/* Whether it is for another reason. */
static bool is_shared(const ku__probe *probe, PyObject *item) {
    return item == probe->passed_over || !is_tracked(item) || Py_REFCNT(item) > MANY || PyType_Check(item) ||
           PyModule_Check(item) || is_large(item);
}

/* NULL: it is none of the set, and does not come into it. */
static ku__probed *member(ku__probe *probe, PyObject *item) {
    if (is_of_another_age(probe, item)) {
        return NULL;
    }
    uint32_t *place = place_of(probe, item);
    if (*place != 0) {
        return &probe->set[*place - 1];
    }
    if (is_shared(probe, item)) {
        return NULL;
    }
    if (probe->count == probe->limit) {
        probe->cut = true;
        return NULL;
    }
    probe->set[probe->count] = (ku__probed){.item = item, .left = (int32_t)Py_REFCNT(item)};
    *place = (uint32_t)++probe->count;
    return &probe->set[probe->count - 1];
}

static int count_reference(PyObject *item, void *argument) {
    ku__probed *to = item != NULL ? member(argument, item) : NULL;
    if (to != NULL) {
        to->left--;
    }
    return 0;
}

static void revive(ku__probe *probe, ku__probed *one) {
    if (!one->lives) {
        one->lives = true;
        probe->queue[probe->queued++] = (uint32_t)(one - probe->set);
    }
}

static int reach(PyObject *item, void *argument) {
    ku__probe *probe = argument;
    uint32_t number = item != NULL && !is_of_another_age(probe, item) ? *place_of(probe, item) : 0;
    if (number != 0) {
        revive(probe, &probe->set[number - 1]);
    }
    return 0;
}

static void traverse(PyObject *item, visitproc visit, ku__probe *probe) {
    traverseproc function = Py_TYPE(item)->tp_traverse;
    if (function != NULL) {
        function(item, visit, probe);
    }
}

/* A function leads to its module's dict, and so to the whole program. */
static void spread(ku__probe *probe) {
    for (size_t i = 0; i < probe->count; i++) {
        PyObject *item = probe->set[i].item;
        probe->passed_over = PyFunction_Check(item) ? PyFunction_GET_GLOBALS(item) : NULL;
        traverse(item, count_reference, probe);
    }
    probe->passed_over = NULL;
}

static void find_living(ku__probe *probe) {
    for (size_t i = 0; i < probe->count; i++) {
        if (probe->set[i].left > 0) {
            revive(probe, &probe->set[i]);
        }
    }
    for (size_t i = 0; i < probe->queued; i++) {
        traverse(probe->set[probe->queue[i]].item, reach, probe);
    }
}

static ku__found ask(ku__probe *probe, PyObject *const *items, size_t count) {
    for (size_t i = 0; i < count; i++) {
        member(probe, items[i]);
    }
    spread(probe);
    find_living(probe);
    ku__found found = {.asked = count, .cut = probe->cut};
    for (size_t i = 0; i < count; i++) {
        uint32_t number = *place_of(probe, items[i]);
        found.dead += number != 0 && !probe->set[number - 1].lives;
    }
    for (size_t i = 0; i < probe->count; i++) { /* one at a time: most of the table is empty already */
        probe->queue[i] = (uint32_t)(place_of(probe, probe->set[i].item) - probe->places);
    }
    for (size_t i = 0; i < probe->count; i++) {
        probe->places[probe->queue[i]] = 0;
    }
    return found;
}

/* ---- who is asked ---- */

/* Every second one goes, and of those that come. */
static void thin_out(ku__probe *probe) {
    probe->known_count /= 2;
    for (size_t i = 0; i < probe->known_count; i++) {
        probe->known[i] = probe->known[2 * i];
    }
    probe->step *= 2;
}

static void know(ku__probe *probe, ku_heap *heap, PyObject *const *items, size_t count) {
    probe->step = probe->step == 0 ? 1 : probe->step;
    if (probe->come++ % probe->step != 0) {
        return;
    }
    if (probe->known_count == KU__PROBE_KNOWN) {
        thin_out(probe);
    }
    ku__row *row = &probe->known[probe->known_count++];
    *row = (ku__row){{NULL}};
    for (size_t i = 0; i < count; i++) {
        if (ku__roll_admits(heap, items[i])) {
            ku__roll_add(&heap->roll, items[i]);
            row->items[i] = items[i];
        }
    }
}

/* A row that begins at a node and goes back in the list. Its length, and the node where it ended. */
static size_t take_row(const PyGC_Head *list, PyGC_Head **at, PyObject **items) {
    size_t count = 0;
    for (; *at != list && count < KU__PROBE_ROW; *at = ku__gc_prev(*at)) {
        items[count++] = ku__gc_object(*at);
    }
    return count;
}

/* The youngest object tells whether the heap has grown out of the window; to go through its arenas takes longer than
 * all the rest. */
static bool covers(ku_heap *heap, const PyGC_Head *youngest) {
    return (uintptr_t)youngest - heap->roll.base < heap->roll.span || ku__roll_cover(heap);
}

ku__found ku__probe_young(ku__probe *probe, const PyGC_Head *young, ku_heap *heap) {
    PyObject *items[KU__PROBE_NEW * KU__PROBE_ROW];
    size_t counts[KU__PROBE_NEW] = {0}, count = 0;
    heap = heap != NULL && covers(heap, ku__gc_prev(young)) ? heap : NULL;
    if (!open_set(probe, LIMIT_YOUNG, heap)) {
        return (ku__found){0};
    }
    probe->is_young = true;
    PyGC_Head *at = ku__gc_prev(young);
    for (size_t row = 0; row < KU__PROBE_NEW && at != young; row++) {
        counts[row] = take_row(young, &at, items + count);
        count += counts[row];
        for (size_t i = KU__PROBE_ROW; i < STRIDE && at != young; i++) {
            at = ku__gc_prev(at);
        }
    }
    ku__found found = ask(probe, items, count);
    for (size_t row = 0, first = 0; heap != NULL && row < KU__PROBE_NEW; first += counts[row++]) {
        know(probe, heap, items + first, counts[row]);
    }
    return found;
}

/* Xorshift (Marsaglia, "Xorshift RNGs", 2003). */
static size_t throw(ku__probe * probe, size_t below) {
    uint64_t x = probe->dice != 0 ? probe->dice : UINT64_C(0x9E3779B97F4A7C15);
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    probe->dice = x;
    return (size_t)(x % below);
}

/* Those of a row that are still there. */
static size_t take_known(const ku__row *row, const ku__roll *roll, PyObject **items) {
    size_t count = 0;
    for (size_t i = 0; i < KU__PROBE_ROW; i++) {
        PyObject *item = row->items[i];
        if (item != NULL && ku__roll_has(roll, item) && ku__gc_node(item)->_gc_next != 0) {
            items[count++] = item;
        }
    }
    return count;
}

/* Rows that were drawn come first, so that none is drawn twice; those of which nothing is left make room. */
ku__found ku__probe_known(ku__probe *probe, const ku_heap *heap) {
    PyObject *items[KU__PROBE_ASKED * KU__PROBE_ROW];
    size_t rows = 0, count = 0;
    if (!open_set(probe, LIMIT_KNOWN, heap)) {
        return (ku__found){0};
    }
    probe->is_young = false;
    while (rows < probe->known_count && rows < KU__PROBE_ASKED) {
        size_t drawn = rows + throw(probe, probe->known_count - rows);
        ku__row row = probe->known[drawn];
        size_t taken = take_known(&row, &heap->roll, items + count);
        if (taken == 0) {
            probe->known[drawn] = probe->known[--probe->known_count];
            continue;
        }
        probe->known[drawn] = probe->known[rows];
        probe->known[rows++] = row;
        count += taken;
    }
    return ask(probe, items, count);
}

#endif
