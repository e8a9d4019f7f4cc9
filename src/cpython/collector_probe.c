/* collector_probe.c: see collector_probe.h. */
#include "cpython/collector_probe.h"

#include "os/pages.h"

#include <string.h>

#if KU__FACTS_SUPPORTED

enum {
    STRIDE = 32, /* the youngest that are asked lie so far apart in their list */
    MANY = 64,   /* references: an object with more is taken for alive */

    /* Objects of a set. Young ones belong to what was just made, which may be one large cycle; known ones lie anywhere, and
     * 16 of what each holds are enough to see whether it is in a cycle of the usual size. */
    LIMIT_YOUNG = 4096,
    LIMIT_KNOWN = 16 * KU__PROBE_ASKED,
    PLACES = 2 * LIMIT_KNOWN, /* a power of two; at most half of them are taken */
};

enum {
    SET_BYTES = LIMIT_KNOWN * sizeof(ku__probed),
    PLACES_BYTES = PLACES * sizeof(uint32_t),
    QUEUE_BYTES = LIMIT_KNOWN * sizeof(uint32_t),
};

static bool open_set(ku__probe *probe, size_t limit) {
    if (probe->set == NULL) {
        probe->set = ku__pages_map(SET_BYTES);
        probe->places = ku__pages_map(PLACES_BYTES);
        probe->queue = ku__pages_map(QUEUE_BYTES);
    }
    probe->count = probe->queued = 0;
    probe->limit = limit;
    probe->cut = false;
    return probe->set != NULL && probe->places != NULL && probe->queue != NULL;
}

void ku__probe_close(ku__probe *probe) {
    ku__pages_unmap(probe->set, SET_BYTES);
    ku__pages_unmap(probe->places, PLACES_BYTES);
    ku__pages_unmap(probe->queue, QUEUE_BYTES);
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

/* NULL: it is none of the set, and does not come into it. */
static ku__probed *member(ku__probe *probe, PyObject *item) {
    uint32_t *place = place_of(probe, item);
    if (*place != 0) {
        return &probe->set[*place - 1];
    }
    if (!is_tracked(item) || Py_REFCNT(item) > MANY) {
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
    uint32_t number = item != NULL ? *place_of(probe, item) : 0;
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

static void spread(ku__probe *probe) {
    for (size_t i = 0; i < probe->count; i++) {
        traverse(probe->set[i].item, count_reference, probe);
    }
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

/* Drops those that are gone, and every second one of the rest if there are still too many. */
static void thin_out(ku__probe *probe, const ku__roll *roll) {
    size_t kept = 0;
    for (size_t i = 0; i < probe->known_count; i++) {
        if (ku__roll_has(roll, probe->known[i])) {
            probe->known[kept++] = probe->known[i];
        }
    }
    if (kept > KU__PROBE_KNOWN / 2) {
        for (size_t i = 0; i < kept / 2; i++) {
            probe->known[i] = probe->known[2 * i];
        }
        kept /= 2;
        probe->step *= 2;
    }
    probe->known_count = kept;
}

static void know(ku__probe *probe, ku_heap *heap, PyObject *item) {
    probe->step = probe->step == 0 ? 1 : probe->step;
    if (probe->come++ % probe->step != 0 || ku__roll_has(&heap->roll, item) || !ku__roll_admits(heap, item)) {
        return;
    }
    if (probe->known_count == KU__PROBE_KNOWN) {
        thin_out(probe, &heap->roll);
    }
    ku__roll_add(&heap->roll, item);
    probe->known[probe->known_count++] = item;
}

ku__found ku__probe_young(ku__probe *probe, const PyGC_Head *young, ku_heap *heap) {
    PyObject *items[KU__PROBE_NEW];
    size_t count = 0, steps = 0;
    if (!open_set(probe, LIMIT_YOUNG)) {
        return (ku__found){0};
    }
    for (PyGC_Head *at = ku__gc_prev(young); at != young && count < KU__PROBE_NEW; at = ku__gc_prev(at)) {
        if (steps++ % STRIDE == 0) {
            items[count++] = ku__gc_object(at);
        }
    }
    bool rolled = heap != NULL && ku__roll_cover(heap);
    for (size_t i = 0; rolled && i < count; i++) {
        know(probe, heap, items[i]);
    }
    return ask(probe, items, count);
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

/* Puts `most` of them, drawn at random, first. */
static void shuffle(ku__probe *probe, size_t most) {
    for (size_t i = 0; i < most; i++) {
        size_t other = i + throw(probe, probe->known_count - i);
        PyObject *item = probe->known[i];
        probe->known[i] = probe->known[other];
        probe->known[other] = item;
    }
}

ku__found ku__probe_known(ku__probe *probe, const ku_heap *heap) {
    PyObject *items[KU__PROBE_ASKED];
    size_t count = 0;
    if (!open_set(probe, LIMIT_KNOWN)) {
        return (ku__found){0};
    }
    shuffle(probe, probe->known_count);
    for (size_t i = 0; i < probe->known_count && count < KU__PROBE_ASKED; i++) {
        PyObject *item = probe->known[i];
        if (ku__roll_has(&heap->roll, item) && ku__gc_node(item)->_gc_next != 0) {
            items[count++] = item;
        }
    }
    return ask(probe, items, count);
}

#endif
