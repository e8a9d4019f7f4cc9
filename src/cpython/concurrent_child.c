/* concurrent_child.c: what the child of a concurrent collection does: which objects are dead, and in which order they
 * can be collected a few at a time.
 *
 * Nothing is written into objects, whose pages would be copied, and all tables are pages of the child's own. Marking
 * leaves candidates, which get numbers from 0, by rank: the bits before theirs are counted. Then
 *
 *     trial deletion    A candidate with more references than candidates have to it is held from outside. It lives, and
 *                       so does what it refers to (Lins, "Cyclic reference counting with lazy mark-scan", 1992, as in
 *                       the interpreter's own collector).
 *     order             What is left is dead. Its strongly connected components are found in one pass, each before all
 *                       that refer to it (Tarjan, "Depth-first search and linear graph algorithms", 1972), with a stack
 *                       of our own; read backwards, they are in the order in which the parent can let them go.
 *
 * No locks are taken: that of the interpreter's list of threads was taken by the parent before it made us.
 */
#include "cpython/collector.h"
#include "cpython/concurrent.h"

#include "inspect/growing.h"
#include "os/pages.h"

#include <string.h>

#if KU__FACTS_SUPPORTED

#define NOBODY UINT32_MAX

enum { WORD = 64 };

typedef struct finder {
    const ku__marks *marks;
    uint32_t *ranks;  /* by word of the bits: candidates before it */
    uint32_t *others; /* by page outside of the bits: number of its first candidate */
    uintptr_t *items; /* by number */
    size_t count;
    bool failed; /* memory was refused */

    int64_t *references; /* by number: those that no candidate explains */
    bool *lives;
    uint32_t *waiting; /* numbers of objects that live and were not looked at */
    size_t waiting_count;

    /* components */
    uint32_t *entered; /* by number: the place in the order of visits, from 1; 0: not visited */
    uint32_t *lowest;  /* of those that are still open, the earliest that can be reached */
    uint32_t *open;    /* a stack of numbers: visited, and in no component yet */
    size_t open_count;
    bool *is_open;
    ku__growing targets; /* uint32_t: references of the objects on the way from where the search began */
    ku__growing steps;   /* step: these objects */
    uintptr_t *found;    /* the answer is filled from its end */
    size_t found_at;
} finder;

typedef struct step {
    uint32_t number;
    size_t first; /* of its targets: the next to be looked at; later ones are gone */
} step;

/* ---- numbers ---- */

static uint32_t number_of(const finder *in, const void *item) {
    const ku__marks *marks = in->marks;
    uintptr_t offset = (uintptr_t)item - marks->base;
    if (offset >= marks->span) {
        size_t page;
        unsigned before;
        return ku__marks_other_place(marks, item, &page, &before) ? in->others[page] + before : NOBODY;
    }
    offset >>= KU__MARK_UNIT_BITS;
    uint64_t word = marks->bits[offset / WORD], bit = (uint64_t)1 << (offset % WORD);
    return (word & bit) != 0 ? in->ranks[offset / WORD] + (uint32_t)__builtin_popcountll(word & (bit - 1)) : NOBODY;
}

static void *table(finder *in, size_t count, size_t size) {
    void *pages = ku__pages_map((count + 1) * size);
    in->failed |= pages == NULL;
    return pages;
}

static void note_item(void *item, void *argument) {
    finder *in = argument;
    size_t page;
    unsigned before;
    if ((uintptr_t)item - in->marks->base >= in->marks->span &&
        ku__marks_other_place(in->marks, item, &page, &before) && before == 0) {
        in->others[page] = (uint32_t)in->count;
    }
    in->items[in->count++] = (uintptr_t)item;
}

/* Those with bits are numbered by address, all others behind them, by page and address. */
static bool number_all(finder *in) {
    const ku__marks *marks = in->marks;
    size_t words = marks->span >> (KU__MARK_UNIT_BITS + 6), count = 0;
    in->ranks = table(in, words, sizeof *in->ranks);
    in->others = table(in, ku__marks_pages(marks), sizeof *in->others);
    for (size_t i = 0; !in->failed && i < words; i++) {
        in->ranks[i] = (uint32_t)count;
        count += (size_t)__builtin_popcountll(marks->bits[i]);
    }
    in->items = table(in, count + marks->others_count, sizeof *in->items);
    if (in->failed || count + marks->others_count >= NOBODY) {
        return false;
    }
    ku__marks_each(marks, note_item, in);
    return true;
}

static int traverse(uintptr_t item, visitproc visit, void *argument) {
    traverseproc of_type = Py_TYPE((PyObject *)item)->tp_traverse;
    return of_type != NULL ? of_type((PyObject *)item, visit, argument) : 0;
}

/* ---- trial deletion ---- */

static int explain(PyObject *item, void *argument) {
    finder *in = argument;
    uint32_t number = number_of(in, item);
    if (number != NOBODY) {
        in->references[number]--;
    }
    return 0;
}

static void revive(finder *in, uint32_t number) {
    if (!in->lives[number]) {
        in->lives[number] = true;
        in->waiting[in->waiting_count++] = number;
    }
}

static int revive_visit(PyObject *item, void *argument) {
    finder *in = argument;
    uint32_t number = number_of(in, item);
    if (number != NOBODY) {
        revive(in, number);
    }
    return 0;
}

static bool find_dead(finder *in) {
    in->references = table(in, in->count, sizeof *in->references);
    in->lives = table(in, in->count, sizeof *in->lives);
    in->waiting = table(in, in->count, sizeof *in->waiting);
    if (in->failed) {
        return false;
    }
    for (size_t i = 0; i < in->count; i++) {
        in->references[i] += Py_REFCNT((PyObject *)in->items[i]);
        traverse(in->items[i], explain, in);
    }
    for (size_t i = 0; i < in->count; i++) {
        if (in->references[i] > 0) {
            revive(in, (uint32_t)i);
        }
    }
    while (in->waiting_count != 0) {
        traverse(in->items[in->waiting[--in->waiting_count]], revive_visit, in);
    }
    return true;
}

/* ---- order ---- */

static void add_target(finder *in, const void *item) {
    uint32_t number = item != NULL ? number_of(in, item) : NOBODY;
    if (number == NOBODY || in->lives[number] || (in->entered[number] != 0 && !in->is_open[number])) {
        return;
    }
    uint32_t *room = ku__growing_push(&in->targets, sizeof *room);
    if (room == NULL) {
        in->failed = true;
        return;
    }
    *room = number;
}

static int add_target_visit(PyObject *item, void *argument) {
    add_target(argument, item);
    return 0;
}

/* A weak reference with a callback goes before its object, see concurrent.h. */
static void add_targets(finder *in, uint32_t number) {
    PyObject *item = (PyObject *)in->items[number];
    traverse((uintptr_t)item, add_target_visit, in);
    if (PyWeakref_Check(item) && ((PyWeakReference *)item)->wr_callback != NULL) {
        add_target(in, ((PyWeakReference *)item)->wr_object);
    }
}

static void enter(finder *in, uint32_t number, uint32_t *clock) {
    step *room = ku__growing_push(&in->steps, sizeof *room);
    if (room == NULL) {
        in->failed = true;
        return;
    }
    *room = (step){number, KU__GROWING_COUNT(&in->targets, uint32_t)};
    in->entered[number] = in->lowest[number] = ++*clock;
    in->open[in->open_count++] = number;
    in->is_open[number] = true;
    add_targets(in, number);
}

/* The component of which `number` was entered first is complete: it is what was opened since. */
static void close_component(finder *in, uint32_t number) {
    uintptr_t last = 1;
    uint32_t member;
    do {
        member = in->open[--in->open_count];
        in->is_open[member] = false;
        in->found[--in->found_at] = in->items[member] | last;
        last = 0;
    } while (member != number);
}

/* One step of the search: the next reference of the object on top is looked at, or it is left. */
static void search(finder *in, uint32_t *clock) {
    step *top = &KU__GROWING_ITEMS(&in->steps, step)[KU__GROWING_COUNT(&in->steps, step) - 1];
    uint32_t number = top->number;
    if (KU__GROWING_COUNT(&in->targets, uint32_t) > top->first) {
        in->targets.used -= sizeof(uint32_t);
        uint32_t target = KU__GROWING_ITEMS(&in->targets, uint32_t)[KU__GROWING_COUNT(&in->targets, uint32_t)];
        if (in->entered[target] == 0) {
            enter(in, target, clock);
        } else if (in->is_open[target] && in->entered[target] < in->lowest[number]) {
            in->lowest[number] = in->entered[target];
        }
        return;
    }
    in->steps.used -= sizeof(step);
    if (in->steps.used != 0) {
        uint32_t above = KU__GROWING_ITEMS(&in->steps, step)[KU__GROWING_COUNT(&in->steps, step) - 1].number;
        in->lowest[above] = in->lowest[number] < in->lowest[above] ? in->lowest[number] : in->lowest[above];
    }
    if (in->lowest[number] == in->entered[number]) {
        close_component(in, number);
    }
}

/* Frees what is not needed any more before as much is asked for again. */
static bool order(finder *in) {
    uint32_t clock = 0;
    ku__pages_unmap(in->references, (in->count + 1) * sizeof *in->references);
    in->open = in->waiting;
    in->entered = table(in, in->count, sizeof *in->entered);
    in->lowest = table(in, in->count, sizeof *in->lowest);
    in->is_open = table(in, in->count, sizeof *in->is_open);
    in->found = table(in, in->count, sizeof *in->found);
    in->found_at = in->count;
    for (size_t i = 0; !in->failed && i < in->count; i++) {
        if (in->lives[i] || in->entered[i] != 0) {
            continue;
        }
        enter(in, (uint32_t)i, &clock);
        while (!in->failed && in->steps.used != 0) {
            search(in, &clock);
        }
    }
    return !in->failed;
}

/* The first of them, as many as there is room for; not a part of a component. */
static void tell(const finder *in, ku__answer *answer) {
    size_t count = in->count - in->found_at;
    if (count > answer->capacity) {
        count = answer->capacity;
        while (count != 0 && (in->found[in->found_at + count - 1] & 1) == 0) {
            count--;
        }
    }
    memcpy(answer->items, in->found + in->found_at, count * sizeof *answer->items);
    answer->count = count;
    atomic_store(&answer->is_whole, 1);
}

void ku__concurrent_find(ku__collector *collector, ku__answer *answer) {
    finder in = {.marks = &collector->marks};
    answer->seen = ku__collector_enter(collector);
    answer->elsewhere = in.marks->others_count;
    if (answer->seen != SIZE_MAX && ku__collector_mark(collector, 1) && number_all(&in) && find_dead(&in) &&
        order(&in)) {
        tell(&in, answer);
    }
}

#endif
