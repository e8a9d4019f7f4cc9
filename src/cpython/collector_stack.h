/* collector_stack.h: a stack of objects that grows, in memory of the system's.
 *
 * Where memory is refused there is a flag, and what was pushed is lost: whoever uses the stack then gives up what it
 * was used for. Lock: the owner's.
 */
#ifndef KU__COLLECTOR_STACK_H
#define KU__COLLECTOR_STACK_H

#include "cpython/facts.h"

#include "alloc/fast.h"

#if KU__FACTS_SUPPORTED

typedef struct ku__mark_stack {
    PyObject **items;
    size_t count, capacity, bytes;
    bool refused; /* memory could not be had */
} ku__mark_stack;

/* Room for twice as many. False when the system refuses memory: nothing changes but the flag. */
bool ku__stack_grow(ku__mark_stack *stack);

/* Empty, and with room for something. False when the system refuses that. */
bool ku__stack_open(ku__mark_stack *stack);

/* Gives the memory back. */
void ku__stack_close(ku__mark_stack *stack);

static inline void ku__stack_push(ku__mark_stack *stack, PyObject *item) {
    if (KU__LIKELY(stack->count != stack->capacity) || ku__stack_grow(stack)) {
        stack->items[stack->count++] = item;
    }
}

/* Moves the last ones, at most so many, onto another. */
void ku__stack_move(ku__mark_stack *from, ku__mark_stack *to, size_t most);

#endif
#endif
