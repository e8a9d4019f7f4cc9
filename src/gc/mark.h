/* mark.h: marking: what can be reached from objects that live is no candidate any more. Part of the template
 * (collector.h).
 *
 * To mark is to clear an object's candidate bit, so the bit says at once "in the scope of this collection" and "not
 * reached yet", and references that lead elsewhere (to older generations, to atoms, to what was reached) cost one look.
 * Nothing is written to objects.
 *
 * Pool by pool. What is made together lies together, and mostly refers to what lies in the same pool. So when an object
 * has its turn, what it reaches in its pool has it too, in a queue of its own: the numbers of blocks in one pool come
 * from one multiplication, and nothing of it has to be fetched from far away. What lies in other pools goes to the
 * stack, and from there through the ring, which fetches it (run.h).
 *
 * Or one by one. Where references lead anywhere, a pool is set up for one or two objects, and those that are reached in
 * it have their turn before they can have been fetched. So a round in which an entry gave less than NEAR_LEAST objects
 * is followed by rounds in which every object goes through the ring, and then by another look.
 *
 * Where one object leads to the next, as in a list, time is the way from the one to the other: its type, the type's
 * fields, the field. So a type is taken to be that of the object before, which a processor guesses right, and then
 * knows the field without waiting for the others.
 */
#ifndef KU__MARK_H
#define KU__MARK_H

#include "os/clock.h"

enum {
    MARK_ROUND = 128, /* objects between two looks at the clock, which takes some 25 ns */
    NEAR_LEAST = 4, /* objects to an entry for which a pool is worth being set up: a tree has dozens, a list all of the
                       pool, objects at random one or two */
    SINGLY_ROUNDS = 64, /* between two looks at whether that has changed: the look is one round in 65 */
    SECOND_LINE =
        16, /* bytes into an object: one of 32 bytes may begin 48 bytes into a cache line, and half of them do */
};

/* What marking works with. Kept in a structure of its own, which a compiler holds in registers: stores to bitmaps
 * could otherwise be to the run. Stack and ring are the marker's between marker_take() and marker_leave(). */
typedef struct marker {
    ku__lens lens;
    ku__run *run;
    uint64_t *top, *end;           /* of the stack: where the next entry goes, and where there is no room */
    unsigned ring_first, ring_end; /* the run's */

    /* the pool whose objects have their turn */
    uintptr_t pool;      /* its address */
    uint64_t reciprocal; /* of its blocks' size */
    uint64_t first;      /* number of its slot's first block */
    uint16_t *near_end;  /* where the next of its objects goes, by distance from the pool in units of 16 bytes */
    model_shape shape;   /* of the object that had its turn last */
    unsigned singly;     /* rounds in which objects have their turn one by one */
} marker;

/* An entry's place. A stack that never held one has no entries yet, and C has no sum of NULL and 0; a compiler makes
 * one addition of it. */
static inline uint64_t *stack_place(const ku__stack *stack, size_t index) {
    return index != 0 ? stack->entries + index : stack->entries;
}

static inline void marker_take(marker *by) {
    const ku__stack *stack = &by->run->stack;
    by->top = stack_place(stack, stack->count);
    by->end = stack_place(stack, stack->capacity);
    by->ring_first = by->run->ring_first;
    by->ring_end = by->run->ring_end;
}
static inline void marker_leave(const marker *by) {
    ku__stack *stack = &by->run->stack;
    stack->count = by->top != stack->entries ? (size_t)(by->top - stack->entries) : 0;
    by->run->ring_first = by->ring_first;
    by->run->ring_end = by->ring_end;
}

static inline marker marker_of(ku__run *run) {
    marker by = {.lens = ku__space_lens(run->space, run->bits), .run = run};
    marker_take(&by);
    return by;
}

/* Pushes where there is no room; returns the new top and gives the new end. */
static __attribute__((noinline)) uint64_t *push_slow(ku__run *run, uint64_t entry, uint64_t **end) {
    run->stack.count = run->stack.capacity;
    ku__stack_push(&run->stack, entry);
    *end = stack_place(&run->stack, run->stack.capacity);
    return stack_place(&run->stack, run->stack.count);
}

__attribute__((always_inline)) static inline void mark_push(marker *by, uint64_t entry) {
    if (KU__UNLIKELY(by->top == by->end)) {
        uint64_t *end;
        by->top = push_slow(by->run, entry, &end);
        by->end = end;
        return;
    }
    *by->top++ = entry;
}

__attribute__((always_inline)) static inline void mark_object(marker *by, model_object *target) {
    uint64_t number = ku__lens_candidate(&by->lens, target);
    uint64_t *word = &by->lens.bits[number / 64], bit = (uint64_t)1 << (number % 64), bits = *word;
    if ((bits & bit) != 0) {
        *word = bits & ~bit;
        mark_push(by, ((uintptr_t)target - by->lens.base) >> KU__UNIT_BITS);
    }
}

__attribute__((always_inline)) static inline void mark_inline(model_object **place, void *argument) {
    mark_object((marker *)argument, *place);
}

/* A reference of an object of the pool that has its turn. */
__attribute__((always_inline)) static inline void mark_near(model_object **place, void *argument) {
    marker *by = (marker *)argument;
    uintptr_t offset = (uintptr_t)*place - by->pool;
    if (KU__UNLIKELY(offset >= KU__POOL_SIZE)) {
        mark_object(by, *place);
        return;
    }
    uint64_t number = by->first + (offset * by->reciprocal >> 32);
    uint64_t *word = &by->lens.bits[number / 64], bit = (uint64_t)1 << (number % 64), bits = *word;
    if ((bits & bit) != 0) {
        *word = bits & ~bit;
        *by->near_end++ = (uint16_t)(offset >> KU__UNIT_BITS);
    }
}

/* For whoever calls through a pointer. */
static void mark_place(model_object **place, void *argument) {
    marker by = marker_of((ku__run *)argument);
    mark_object(&by, *place);
    marker_leave(&by);
}

/* An array that is on its way into the cache. Of several objects that have their turn together, those that find no room
 * in the ring go to the stack. */
static void ring_put(ku__run *run, uint64_t entry) {
    if (run->ring_end - run->ring_first < KU__AHEAD) {
        run->ring[run->ring_end++ % KU__AHEAD] = entry;
    } else {
        ku__stack_push(&run->stack, entry);
    }
}

/* An array's turn: a piece of it, and the next piece later. */
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
    marker_leave(&by);
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

/* Of a collection in steps: whether the object was there when it began, and still is. Blocks are freed meanwhile, and
 * pools taken for blocks of other sizes, so that an entry may point into the middle of a new object. */
static inline bool is_there(const ku__run *run, const model_object *object) {
    uint64_t number = ku__space_number(run->space, object);
    return number != KU__NOWHERE && ku__bit(run->space->stood, number);
}

/* What an entry's object has beside its fields, or a piece of its array. */
static inline void mark_rest(marker *by, model_object *object, uint64_t piece) {
    marker_leave(by);
    if (piece == 0) {
        mark_others(by->run, object);
    } else {
        mark_piece(by->run, object, piece);
    }
    marker_take(by);
}

__attribute__((always_inline)) static inline void mark_entry(marker *by, uint64_t entry) {
    model_object *object = (model_object *)ku__entry_object(by->lens.base, entry);
    uint64_t piece = entry >> KU__PIECE_SHIFT;
    if (by->run->in_steps && !is_there(by->run, object)) {
        return;
    }
    if (KU__LIKELY(piece == 0)) {
        model_shape_of(&by->shape, object);
        model_fields_by(&by->shape, object, mark_inline, by);
        if (KU__LIKELY(!by->shape.has_others)) {
            return;
        }
    }
    mark_rest(by, object, piece);
}

/* An object's entry, and all that it reaches in its pool. Returns how many objects that were. `near` has room for
 * each. */
__attribute__((always_inline)) static inline size_t mark_pool(marker *by, model_object *object, uint16_t *near) {
    uintptr_t offset = (uintptr_t)object - by->lens.base;
    uint32_t entry = by->lens.entries[offset >> KU__POOL_BITS];
    uint16_t *next = near;
    by->pool = (uintptr_t)object - (offset & (KU__POOL_SIZE - 1));
    by->reciprocal = ku__reciprocals[entry & KU__MAP_CLASS];
    by->first = (uint64_t)ku__entry_slot(entry) << KU__BLOCK_BITS;
    by->near_end = near;
    for (;;) {
        model_shape_of(&by->shape, object);
        model_fields_by(&by->shape, object, mark_near, by);
        if (KU__UNLIKELY(by->shape.has_others)) {
            mark_rest(by, object, 0);
        }
        if (next == by->near_end) {
            return (size_t)(next - near) + 1;
        }
        object = (model_object *)(by->pool + ((uintptr_t)*next++ << KU__UNIT_BITS));
    }
}

/* The next entry to be looked at: what left the ring, which is filled from the stack as long as there is something; an
 * array may have filled it already. False when both are empty. */
__attribute__((always_inline)) static inline bool mark_next(marker *by, uint64_t *entry) {
    uint64_t *bottom = by->run->stack.entries, *ring = by->run->ring;
    while (by->ring_end - by->ring_first < KU__AHEAD && by->top != bottom) {
        uint64_t next = *--by->top;
        const char *object = (const char *)ku__entry_object(by->lens.base, next);
        __builtin_prefetch(object);
        __builtin_prefetch(object + SECOND_LINE);
        ring[by->ring_end++ % KU__AHEAD] = next;
    }
    if (by->ring_end == by->ring_first) {
        return false;
    }
    *entry = ring[by->ring_first++ % KU__AHEAD];
    return true;
}

/* Between two steps nothing stays in the ring. */
static void ring_empty(marker *by) {
    while (by->ring_end != by->ring_first) {
        mark_push(by, by->run->ring[by->ring_first++ % KU__AHEAD]);
    }
}

/* An entry of a collection in steps may have lost its object. */
__attribute__((always_inline)) static inline bool is_gone(const marker *by, uint64_t entry) {
    return by->run->in_steps && !is_there(by->run, (model_object *)ku__entry_object(by->lens.base, entry));
}

/* Rounds end after MARK_ROUND objects or pieces, or with the last entry; then they return false. */
__attribute__((always_inline)) static inline bool round_singly(marker *by) {
    uint64_t entry;
    for (unsigned looked = 0; looked < MARK_ROUND; looked++) {
        if (!mark_next(by, &entry)) {
            return false;
        }
        mark_entry(by, entry);
    }
    by->singly--;
    return true;
}

__attribute__((always_inline)) static inline bool round_by_pools(marker *by, uint16_t *near) {
    size_t looked = 0, entries = 0;
    for (uint64_t entry; looked < MARK_ROUND; entries++) {
        if (!mark_next(by, &entry)) {
            return false;
        }
        if (KU__UNLIKELY(is_gone(by, entry))) {
            looked++;
        } else if (KU__LIKELY(entry >> KU__PIECE_SHIFT == 0)) {
            looked += mark_pool(by, (model_object *)ku__entry_object(by->lens.base, entry), near);
        } else {
            looked++;
            mark_rest(by, (model_object *)ku__entry_object(by->lens.base, entry), entry >> KU__PIECE_SHIFT);
        }
    }
    by->singly = looked < entries * NEAR_LEAST ? SINGLY_ROUNDS : 0;
    return true;
}

/* Marks until nothing is left, or the deadline has come; true when nothing is left. */
static bool mark_all(ku__run *run) {
    uint16_t near[KU__BLOCKS_MAX];
    marker by = marker_of(run);
    while (by.singly != 0 ? round_singly(&by) : round_by_pools(&by, near)) {
        if (KU__UNLIKELY(run->deadline != 0) && ku__clock_nanoseconds() >= run->deadline) {
            ring_empty(&by);
            break;
        }
    }
    marker_leave(&by);
    return run->stack.count == 0;
}

/* As mark_all(), and notes what was marked, as long as that is few. */
static void mark_few(ku__run *run) {
    marker by = marker_of(run);
    uint64_t entry;
    while (!run->leaves && mark_next(&by, &entry)) {
        bool is_object = entry >> KU__PIECE_SHIFT == 0;
        if (is_object && run->few_count < KU__FEW) {
            run->few[run->few_count++] = entry;
        } else {
            run->leaves = run->leaves || is_object;
        }
        mark_entry(&by, entry);
    }
    marker_leave(&by);
    if (run->stack.count != 0 || run->ring_end != run->ring_first) {
        mark_all(run);
    }
}

#endif
