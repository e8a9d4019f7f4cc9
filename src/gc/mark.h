/* mark.h: marking: what can be reached from objects that live is no candidate any more. Part of the template
 * (collector.h).
 *
 * To mark is to clear an object's candidate bit, so the bit says at once "in the scope of this collection" and "not
 * reached yet", and references that lead elsewhere (to older generations, to atoms, to what was reached) cost one look.
 * Nothing is written to objects.
 */
#ifndef KU__MARK_H
#define KU__MARK_H

#include "os/clock.h"

enum { MARK_ROUND = 128 }; /* entries between two looks at the clock, which takes some 25 ns */

typedef struct marker {
    ku__lens lens;
    ku__run *run;
} marker;

static inline marker marker_of(ku__run *run) {
    return (marker){ku__space_lens(run->space, run->bits), run};
}

__attribute__((always_inline)) static inline void mark_object(const marker *by, model_object *target) {
    uint64_t number = ku__lens_number(&by->lens, target);
    if (number != KU__NOWHERE && ku__bit(by->lens.bits, number)) {
        ku__bit_clear(by->lens.bits, number);
        ku__stack_push(&by->run->stack, ((uintptr_t)target - by->lens.base) >> KU__UNIT_BITS);
    }
}

__attribute__((always_inline)) static inline void mark_inline(model_object **place, void *argument) {
    mark_object((const marker *)argument, *place);
}

/* For whoever calls through a pointer. */
static void mark_place(model_object **place, void *argument) {
    marker by = marker_of((ku__run *)argument);
    mark_object(&by, *place);
}

static inline void ring_put(ku__run *run, uint64_t entry) {
    run->ring[(run->ring_first + run->ring_count++) % KU__AHEAD] = entry;
}

static inline uint64_t ring_take(ku__run *run) {
    uint64_t entry = run->ring[run->ring_first];
    run->ring_first = (run->ring_first + 1) % KU__AHEAD;
    run->ring_count--;
    return entry;
}

/* An array's turn: a piece of it, and the next piece later. The ring has room, because an entry just left it. */
static __attribute__((noinline)) void mark_piece(ku__run *run, model_object *object, uint64_t piece) {
    marker by = marker_of(run);
    size_t length;
    model_object **items = model_array(object, &length);
    size_t first = (size_t)(piece - 1) * KU__PIECE;
    size_t end = first + KU__PIECE < length ? first + KU__PIECE : length;
    for (size_t i = first; i < end; i++) {
        if (items[i] != NULL) {
            mark_object(&by, items[i]);
        }
    }
    if (end < length && end > first) {
        __builtin_prefetch(&items[end]);
        ring_put(run, ku__run_entry(run, object, piece + 1));
    }
}

static __attribute__((noinline)) void mark_others(ku__run *run, model_object *object) {
    model_others(object, mark_place, run);
    const void *array = model_array_at(object);
    if (array != NULL) {
        __builtin_prefetch(array);
        ring_put(run, ku__run_entry(run, object, 1));
    }
}

static inline void mark_fields(const marker *by, model_object *object) {
    model_fields(object, mark_inline, (void *)(uintptr_t)by);
    if (KU__UNLIKELY(model_has_others(object))) {
        mark_others(by->run, object);
    }
}

/* Of a collection in steps: whether the object was there when it was noted, and still is. A block that was freed, or is
 * of a new object, is unknown to the generations. */
static inline bool is_there(const ku__run *run, const model_object *object) {
    uint64_t number = ku__space_number(run->space, object);
    return number != KU__NOWHERE && (ku__bit(run->space->low, number) || ku__bit(run->space->high, number));
}

static inline void mark_entry(const marker *by, uint64_t entry) {
    ku__run *run = by->run;
    model_object *object = (model_object *)ku__run_object(run, entry);
    uint64_t piece = entry >> KU__PIECE_SHIFT;
    if (run->in_steps && !is_there(run, object)) {
        return;
    }
    if (piece == 0) {
        run->looked_at++;
        mark_fields(by, object);
    } else {
        mark_piece(run, object, piece);
    }
}

/* Fills the ring from the stack. */
static inline void look_ahead(ku__run *run) {
    while (run->ring_count < KU__AHEAD && run->stack.count != 0) {
        uint64_t entry = run->stack.entries[--run->stack.count];
        __builtin_prefetch(ku__run_object(run, entry));
        ring_put(run, entry);
    }
}

/* Between two steps nothing stays in the ring. */
static void ring_empty(ku__run *run) {
    while (run->ring_count != 0) {
        ku__stack_push(&run->stack, ring_take(run));
    }
}

/* Marks until nothing is left, or the deadline has come; true when nothing is left. */
static bool mark_all(ku__run *run) {
    marker by = marker_of(run);
    for (size_t round = 1;; round++) {
        look_ahead(run);
        if (run->ring_count == 0) {
            return true;
        }
        mark_entry(&by, ring_take(run));
        if (KU__UNLIKELY(round % MARK_ROUND == 0 && run->deadline != 0) && ku__clock_nanoseconds() >= run->deadline) {
            ring_empty(run);
            return run->stack.count == 0;
        }
    }
}

/* As mark_all(), and notes what was marked, as long as that is few. */
static void mark_few(ku__run *run) {
    marker by = marker_of(run);
    while (!run->leaves) {
        look_ahead(run);
        if (run->ring_count == 0) {
            return;
        }
        uint64_t entry = ring_take(run);
        if (entry >> KU__PIECE_SHIFT == 0) {
            run->leaves = run->few_count == KU__FEW - 1;
            run->few[run->few_count++] = entry;
        }
        mark_entry(&by, entry);
    }
    mark_all(run);
}

#endif
