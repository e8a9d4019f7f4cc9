/* sampled.h: malloc, calloc, realloc and free with the birthplace of a sample of the blocks, for inlining.
 *
 * A block that is not sampled costs a subtraction more than untraced. Samples move into pools of their own, which are
 * marked in the class map, so that only their frees leave the fast path. Where there is no such pool to be had, the
 * pool where the block lies is marked. There the slot of a live block is 0 unless it was sampled; a slot is cleared
 * when its block is freed, because a block that is not sampled does not write its slot.
 *
 * Lock: as traced.h. Source of the statistics: trace/sample.h.
 */
#ifndef KU__SAMPLED_H
#define KU__SAMPLED_H

#include "cpython/frames.h"
#include "cpython/untraced.h"
#include "trace/sample.h"

/* Gives a block that is due its site. Returns the block, which may have moved. Takes NULL: the allocation failed. */
KU__COLD void *ku__sampled_born(ku_heap *heap, ku__tracer *tracer, void *block, size_t size);

/* Everything that the fast paths leave over. */
KU__COLD void *ku__sampled_slow_malloc(ku_heap *heap, ku__tracer *tracer, size_t size);
KU__COLD void *ku__sampled_slow_calloc(ku_heap *heap, ku__tracer *tracer, size_t count, size_t size);

/* Takes everything that is not a small block of a pool without samples. */
KU__COLD void ku__sampled_slow_free(ku_heap *heap, ku__tracer *tracer, void *block);
KU__COLD void *ku__sampled_slow_realloc(ku_heap *heap, ku__tracer *tracer, void *block, size_t size);

static inline void *ku__sampled_malloc(ku_heap *heap, ku__tracer *tracer, size_t size) {
    void *block = ku__fast_malloc(heap, size);
    if (KU__UNLIKELY(block == NULL)) {
        return ku__sampled_slow_malloc(heap, tracer, size);
    }
    return ku__sample_passes(tracer, KU__LANE_MAIN, size) ? ku__sampled_born(heap, tracer, block, size) : block;
}

static inline void *ku__sampled_calloc(ku_heap *heap, ku__tracer *tracer, size_t count, size_t size) {
    size_t bytes;
    if (KU__UNLIKELY(__builtin_mul_overflow(count, size, &bytes))) {
        return NULL;
    }
    void *block = ku__fast_malloc(heap, bytes);
    if (KU__UNLIKELY(block == NULL)) {
        return ku__sampled_slow_calloc(heap, tracer, count, size);
    }
    memset(block, 0, bytes);
    return ku__sample_passes(tracer, KU__LANE_MAIN, bytes) ? ku__sampled_born(heap, tracer, block, bytes) : block;
}

/* The class of a small block of the heap that is not a sample, though its pool may have some, from what
 * ku__class_of() says; KU_CLASS_COUNT or more for everything else. */
static inline unsigned ku__unsampled_class(const ku_heap *heap, const void *block, unsigned class_index) {
    unsigned plain_index = class_index - KU__MAP_SAMPLED;
    bool unsampled = plain_index < KU_CLASS_COUNT && *ku__site_slot(heap, block, plain_index) == 0;
    return unsampled ? plain_index : class_index;
}

static inline void *ku__sampled_realloc(ku_heap *heap, ku__tracer *tracer, void *block, size_t size) {
    unsigned class_index = ku__class_of(heap, block);
    if (KU__UNLIKELY(class_index >= KU_CLASS_COUNT)) {
        class_index = ku__unsampled_class(heap, block, class_index);
        if (class_index >= KU_CLASS_COUNT) {
            return ku__sampled_slow_realloc(heap, tracer, block, size);
        }
    }
    void *resized = ku__keeps_class(class_index, size) ? block : ku__untraced_slow_realloc(heap, block, size);
    bool due = resized != NULL && ku__sample_due(tracer, KU__LANE_MAIN, size);
    return due ? ku__sampled_born(heap, tracer, resized, size) : resized;
}

static inline void ku__sampled_free(ku_heap *heap, ku__tracer *tracer, void *block) {
    unsigned class_index = ku__class_of(heap, block);
    if (KU__UNLIKELY(class_index >= KU_CLASS_COUNT)) {
        class_index = ku__unsampled_class(heap, block, class_index);
    }
    if (KU__LIKELY(class_index < KU_CLASS_COUNT)) {
        ku__roll_end(heap, block, class_index);
        if (KU__LIKELY(ku__fast_push(heap, block, class_index))) {
            return;
        }
    }
    ku__sampled_slow_free(heap, tracer, block);
}

#endif
