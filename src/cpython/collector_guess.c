/* collector_guess.c: see collector_guess.h. */
#include "cpython/collector_guess.h"

#include "cpython/collector_team.h"
#include "cpython/selfcheck.h"

#include <assert.h>

#if KU__FACTS_SUPPORTED

enum { WORTH = 8 }; /* one candidate in so many must hang on guesses for all others to be asked about them */

static uint8_t *guess_place(ku__guesses *all, const PyObject *item) {
    size_t at = (uintptr_t)item >> 4;
    for (;; at++) {
        uint8_t *place = &all->table[at % KU__GUESS_PLACES];
        if (*place == 0 || all->items[*place - 1] == item) {
            return place;
        }
    }
}

int ku__guess_count(PyObject *item, void *argument) {
    ku__guesses *all = argument;
    assert(all != NULL);
    uint8_t number = *guess_place(all, item);
    if (number != 0) {
        __atomic_fetch_add(&all->found[number - 1], 1, __ATOMIC_RELAXED);
    }
    return 0;
}

static void guess(ku__guesses *all, uintptr_t word) {
    PyObject *item = (PyObject *)(word & ~(uintptr_t)7);
    if (item == NULL || all->count == KU__GUESSES_MOST || !ku__marks_has(all->marks, item) ||
        ku__gc_node(item)->_gc_next == 0) {
        return;
    }
    uint8_t *place = guess_place(all, item);
    if (*place == 0) {
        all->items[all->count++] = item;
        *place = (uint8_t)all->count;
    }
}

static void guess_thread(ku__guesses *all, const PyThreadState *thread) {
    const ku__frame_of_python *frame = ku__fact_top(thread);
    for (; frame != NULL; frame = ku__fact_back(frame)) {
        int count = 0;
        const uintptr_t *words = ku__fact_has_code(frame) ? ku__fact_frame_guess(frame, &count) : NULL;
        for (int i = 0; words != NULL && i < count; i++) {
            guess(all, words[i]);
        }
    }
}

static void count_from(void *item, void *argument) {
    traverseproc traverse = Py_TYPE((PyObject *)item)->tp_traverse;
    if (traverse != NULL) {
        traverse(item, ku__guess_count, argument);
    }
}

static void find_guesses(ku__guesses *all, PyInterpreterState *interpreter) {
    ku__interpreters_lock();
    PyThreadState *thread = PyInterpreterState_ThreadHead(interpreter);
    for (; thread != NULL; thread = PyThreadState_Next(thread)) {
        guess_thread(all, thread);
    }
    ku__interpreters_unlock();
}

/* Marks from all guesses as if they were roots, and counts the references on the way. */
static void mark_tentatively(ku__marker *by, ku__guesses *all) {
    by->guesses = all;
    for (size_t i = 0; i < all->count; i++) {
        by->see.guessed |= ku__guess_bit(&by->see, all->items[i]);
    }
    for (size_t i = 0; i < all->count; i++) {
        if (ku__marks_take(by->marks, all->items[i])) { /* the guess itself is no reference */
            ku__marker_push(by, all->items[i]);
        }
    }
    ku__team_run(by);
    by->guesses = NULL;
    by->see.guessed = 0;
}

static bool is_root(const ku__guesses *all, size_t number) {
    return Py_REFCNT(all->items[number]) > all->found[number];
}

static bool are_roots(const ku__guesses *all) {
    size_t number = 0;
    while (number < all->count && is_root(all, number)) {
        number++;
    }
    return number == all->count;
}

/* What was marked from guesses is a candidate again, and none of it may be untracked. */
static void take_back(ku__marker *by, const ku__saved_marks *saved, size_t doubtful) {
    ku__marks_restore(by->marks, saved);
    by->doubtful->count = doubtful;
}

/* Some guesses were wrong: it is marked from those that were not. */
static void mark_anew(ku__marker *by, const ku__guesses *all) {
    for (size_t i = 0; i < all->count; i++) {
        if (is_root(all, i)) {
            ku__marker_mark(by, all->items[i]);
        }
    }
    ku__team_run(by);
}

/* What is marked tentatively stays so where all guesses turn out to be roots. The number of candidates that turned out
 * to be tracked no more. */
static size_t mark_and_judge(ku__marker *by, ku__collector *collector, ku__guesses *all, const ku__saved_marks *saved) {
    size_t before = ku__marks_left(by->marks), doubtful = by->doubtful->count;
    mark_tentatively(by, all);
    if (ku__marks_left(by->marks) > before - before / WORTH) {
        take_back(by, saved, doubtful);
        return ku__collector_drop_untracked(collector);
    }
    size_t gone = ku__collector_drop_untracked(collector);
    ku__marks_each(by->marks, count_from, all);
    if (are_roots(all)) {
        return gone;
    }
    take_back(by, saved, doubtful);
    mark_anew(by, all);
    return ku__collector_drop_untracked(collector);
}

/* Afterwards every candidate's references were counted once: those of what was marked on the way, those of the rest by
 * looking at it. Where little hangs on the guesses, that is left to the interpreter. */
size_t ku__guesses_mark(ku__marker *by, ku__collector *collector) {
    ku__guesses all = {.marks = by->marks};
    ku__saved_marks saved;
    find_guesses(&all, collector->interpreter);
    if (all.count == 0 || !ku__marks_save(by->marks, &saved)) {
        return ku__collector_drop_untracked(collector);
    }
    size_t gone = mark_and_judge(by, collector, &all, &saved);
    ku__saved_marks_close(&saved);
    return gone;
}

#endif
