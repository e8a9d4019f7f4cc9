/* run.h: the working state of one collection, of any model: the stack of objects to be looked at, and what was noticed.
 *
 * The stack. An entry is one word: the distance of an object from the base of the range in units of 16 bytes, and the
 * number of a piece of its array:
 *
 *     bits 0-33   the object
 *     bits 34-63  0: its fields; n: items (n - 1) * KU__PIECE and on of its array
 *
 * so that a long array does not put all its items on the stack at once, and a collection in steps can stop inside of
 * it.
 *
 * Looking ahead. Entries popped from the stack go through a ring of KU__AHEAD places: when one enters, what it points
 * to is prefetched; when it leaves, it is in the cache (Cher, Hosking and Vitek, "Software prefetching for mark-sweep
 * garbage collection", ASPLOS 2004). An object's array enters the ring anew when the object leaves it: its first lines
 * come while others are looked at. Memory for the stack comes from pages; when there is none the collection gives up.
 */
#ifndef KU__RUN_H
#define KU__RUN_H

#include "gc/model.h"
#include "gc/space.h"

enum {
    KU__AHEAD = 16,  /* entries on their way into the cache; 24 and 32 were no quicker, as far as a busy machine told */
    KU__PIECE = 256, /* items of an array looked at together: some microseconds */
    KU__UNIT_BITS = 4, /* blocks lie at multiples of 16 bytes */
    KU__PIECE_SHIFT = 34,
    KU__FEW = 512, /* objects held from outside that are looked at by themselves: an empty isolate has some 60 */
};

typedef struct ku__stack {
    uint64_t *entries;
    size_t count, capacity;
    bool failed; /* an entry was lost: nothing that depends on it may be believed */
} ku__stack;

typedef struct ku__big {
    uint64_t number;
    uint64_t found; /* references found from candidates, when they were counted */
    uint32_t count;
} ku__big;

typedef struct ku__run {
    ku__space *space;
    uint64_t *bits; /* candidates, or `standing` in a collection in steps */
    ku__stack stack;
    uint64_t ring[KU__AHEAD];
    unsigned ring_first, ring_end; /* entries taken and put so far: those between wait */
    bool by_pools;                 /* what marking leaves is mostly dead: trial deletion looks at pools as wholes */
    bool in_steps;                 /* the program runs in between: entries may be of objects that were freed */

    ku__big
        *big; /* candidates with more references than a byte counts; after trial deletion, those that are immortal */
    size_t big_count, big_capacity;
    uint64_t few[KU__FEW]; /* entries of candidates that are exempt, and then of what was found held */
    size_t exempt_count, few_count;
    size_t found;      /* dead, when whoever watches was told of them */
    bool leaves;       /* dead objects may refer to some that live, beside those in slots that say so */
    unsigned traits;   /* of all candidates */
    uint64_t deadline; /* nanoseconds of the clock; 0: none */
} ku__run;

/* Doubles the stack; false, and failed, without memory. */
bool ku__stack_grow(ku__stack *stack);
void ku__run_close(ku__run *run);

/* Notes a candidate with a count beyond 255; false, and the stack failed, without memory. */
bool ku__run_note_big(ku__run *run, uint64_t number, uint32_t count);
/* Sorts what was noted, so that ku__run_find_big() finds it. */
void ku__run_sort_big(ku__run *run);
ku__big *ku__run_find_big(ku__run *run, uint64_t number);

/* Candidates that are left in the scope. */
size_t ku__run_count(const ku__run *run);

static inline void ku__stack_push(ku__stack *stack, uint64_t entry) {
    if (KU__UNLIKELY(stack->count == stack->capacity) && !ku__stack_grow(stack)) {
        return;
    }
    stack->entries[stack->count++] = entry;
}

static inline uint64_t ku__run_entry(const ku__run *run, const void *object, uint64_t piece) {
    return ((uintptr_t)object - run->space->base) >> KU__UNIT_BITS | piece << KU__PIECE_SHIFT;
}
static inline void *ku__entry_object(uintptr_t base, uint64_t entry) {
    uint64_t units = entry & (((uint64_t)1 << KU__PIECE_SHIFT) - 1);
    return (void *)(base + (units << KU__UNIT_BITS));
}
static inline void *ku__run_object(const ku__run *run, uint64_t entry) {
    return ku__entry_object(run->space->base, entry);
}
_Static_assert(KU__RANGE_BITS - KU__UNIT_BITS <= KU__PIECE_SHIFT, "an entry has room for every block of the range");

#endif
