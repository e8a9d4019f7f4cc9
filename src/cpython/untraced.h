/* untraced.h: malloc, calloc, realloc and free of a heap with CPython's exact meaning, untraced.
 *
 * Sources: Doc/c-api/memory.rst and Objects/obmalloc.c of CPython: a request for no bytes gives a block of its own;
 * realloc to no bytes shrinks and never frees; calloc gives zeros; more than PY_SSIZE_T_MAX is refused; free of NULL
 * does nothing. Alignment is 16 bytes, as pymalloc's on 64-bit systems.
 *
 * The functions take the heap; the lock of its interpreter is held. All but a refill is inlined into entry points.
 */
#ifndef KU__UNTRACED_H
#define KU__UNTRACED_H

#include "alloc/roll.h"
#include "cpython/bridge.h"

#include <string.h>

/* Everything that the fast paths leave over. */
KU__COLD void *ku__untraced_slow_malloc(ku_heap *heap, size_t size);
KU__COLD void *ku__untraced_slow_calloc(ku_heap *heap, size_t count, size_t size);
KU__COLD void *ku__untraced_slow_realloc(ku_heap *heap, void *block, size_t size);
KU__COLD void ku__untraced_slow_free(ku_heap *heap, void *block);

static inline void *ku__untraced_malloc(ku_heap *heap, size_t size) {
    void *block = ku__fast_malloc(heap, size);
    return KU__LIKELY(block != NULL) ? block : ku__untraced_slow_malloc(heap, size);
}

static inline void *ku__untraced_calloc(ku_heap *heap, size_t count, size_t size) {
    size_t bytes;
    if (KU__UNLIKELY(__builtin_mul_overflow(count, size, &bytes) || bytes - 1 >= KU_SMALL_MAX)) {
        return ku__untraced_slow_calloc(heap, count, size);
    }
    void *block = ku__untraced_malloc(heap, bytes);
    if (block != NULL) {
        memset(block, 0, bytes);
    }
    return block;
}

/* Whether a block of `class_index` stays where it is for `size` bytes: only while that is its class, so that what is
 * lost to rounding stays below 16 bytes (pymalloc keeps a block that shrinks by up to a quarter). */
static inline bool ku__keeps_class(unsigned class_index, size_t size) {
    return (size - 1) / KU_CLASS_STEP == class_index;
}

static inline void *ku__untraced_realloc(ku_heap *heap, void *block, size_t size) {
    unsigned class_index = ku__class_of(heap, block);
    if (class_index < KU_CLASS_COUNT && ku__keeps_class(class_index, size)) {
        return block;
    }
    return ku__untraced_slow_realloc(heap, block, size);
}

static inline void ku__untraced_free(ku_heap *heap, void *block) {
    if (KU__UNLIKELY(!ku__fast_free(heap, block))) {
        ku__untraced_slow_free(heap, block);
    }
}

/* The same where somebody may keep a roll of the heap's objects. */
static inline void ku__rolled_free(ku_heap *heap, void *block) {
    unsigned class_index = ku__class_of(heap, block);
    if (KU__LIKELY(class_index < KU_CLASS_COUNT)) {
        ku__roll_end(heap, block, class_index);
        if (KU__LIKELY(ku__fast_push(heap, block, class_index))) {
            return;
        }
    }
    ku__untraced_slow_free(heap, block);
}

#endif
