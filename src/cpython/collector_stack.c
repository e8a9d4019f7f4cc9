/* collector_stack.c: see collector_stack.h. */
#include "cpython/collector_stack.h"

#include "os/pages.h"

#include <string.h>

#if KU__FACTS_SUPPORTED

enum { LEAST = 1 << 16 }; /* items: untouched ones cost nothing */

bool ku__stack_grow(ku__mark_stack *stack) {
    size_t capacity = stack->capacity != 0 ? stack->capacity * 2 : LEAST;
    PyObject **items = ku__pages_map(capacity * sizeof(PyObject *));
    if (items == NULL) {
        stack->refused = true;
        return false;
    }
    if (stack->count != 0) {
        memcpy(items, stack->items, stack->count * sizeof(PyObject *));
    }
    ku__pages_unmap(stack->items, stack->bytes);
    stack->items = items;
    stack->capacity = capacity;
    stack->bytes = capacity * sizeof(PyObject *);
    return true;
}

bool ku__stack_open(ku__mark_stack *stack) {
    stack->refused = false;
    stack->count = 0;
    return stack->capacity != 0 || ku__stack_grow(stack);
}

void ku__stack_close(ku__mark_stack *stack) {
    ku__pages_unmap(stack->items, stack->bytes);
    *stack = (ku__mark_stack){0};
}

void ku__stack_move(ku__mark_stack *from, ku__mark_stack *to, size_t most) {
    for (size_t i = 0; i < most && from->count > 0; i++) {
        ku__stack_push(to, from->items[--from->count]);
    }
}

#endif
