/* traced.h: malloc, calloc, realloc and free of a heap with the birthplace of every block, for inlining into entry
 * points.
 *
 * A block's slot in the site table is written at every allocation, with 0 too, so that the slot of a live block is
 * always its own: the site, what completes the size, and KU__SLOT_CODE. A slot of 0 is a block that was born while
 * nothing was traced, or whose site could not be had. Entry points count only sites with near tags; one comparison
 * says that a slot, or what the cache found, is such a one, and neither empty nor a code object's.
 *
 * Everything rare is a call at the very end of an entry point, never one in the middle: the compiler then saves no
 * registers on the path that is taken. `kind` is a constant in each entry point.
 *
 * Lock: the tracer's main lane: the GIL while there is one, else its mutex (many.c). The heap's as everywhere.
 */
#ifndef KU__TRACED_H
#define KU__TRACED_H

#include "cpython/frames.h"
#include "cpython/untraced.h"

/* Everything that is not a small block of `heap` found by its fast path. */
KU__COLD void *ku__traced_slow_malloc(ku_heap *heap, ku__tracer *tracer, size_t size);
KU__COLD void *ku__traced_slow_calloc(ku_heap *heap, ku__tracer *tracer, size_t count, size_t size);
KU__COLD void *ku__traced_slow_realloc(ku_heap *heap, ku__tracer *tracer, void *block, size_t size);
KU__COLD void ku__traced_slow_free(ku_heap *heap, ku__tracer *tracer, void *block);

/* Frees a block that is not this library's; exact or sampled, it was not counted. */
KU__COLD void ku__code_free_foreign(ku_heap *heap, ku__tracer *tracer, void *block);

/* A small block whose stack the cache does not know, or knows under a site that is not near, gets its slot, and is
 * counted. Returns the block. */
KU__COLD void *ku__traced_slow_born(ku_heap *heap, ku__tracer *tracer, void *block, size_t size);

static inline uint32_t ku__slot_value(uint32_t site, size_t size) {
    return site == 0 ? 0 : ku__slot_of(KU__TAG(site), size);
}

/* Gives a new small block its site. Returns the block. */
static inline void *ku__traced_born(ku_heap *heap, ku__tracer *tracer, void *block, size_t size, ku__stack_kind kind) {
    uint32_t tag = ku__tag_cached(tracer, ku__hash_here(tracer, kind));
    if (KU__UNLIKELY(!KU__TAG_IS_NEAR(tag))) {
        return ku__traced_slow_born(heap, tracer, block, size);
    }
    *ku__site_slot(heap, block, (unsigned)((size - 1) / KU_CLASS_STEP)) = ku__slot_of(tag, size);
    ku__site_counts *counts = ku__site_counts_near(tracer, KU__LANE_MAIN, tag);
    ku__counts_allocated(tracer, KU__LANE_MAIN, counts, size, block);
    return block;
}

static inline void *ku__traced_malloc(ku_heap *heap, ku__tracer *tracer, size_t size, ku__stack_kind kind) {
    void *block = ku__fast_malloc(heap, size);
    if (KU__UNLIKELY(block == NULL)) {
        return ku__traced_slow_malloc(heap, tracer, size);
    }
    return ku__traced_born(heap, tracer, block, size, kind);
}

static inline void *ku__traced_calloc(ku_heap *heap, ku__tracer *tracer, size_t count, size_t size,
                                      ku__stack_kind kind) {
    size_t bytes;
    if (KU__UNLIKELY(__builtin_mul_overflow(count, size, &bytes))) {
        return NULL;
    }
    void *block = ku__fast_malloc(heap, bytes);
    if (KU__UNLIKELY(block == NULL)) {
        return ku__traced_slow_calloc(heap, tracer, count, size);
    }
    memset(block, 0, bytes);
    return ku__traced_born(heap, tracer, block, bytes, kind);
}

/* A block with a slot that is 0 stays uncounted where it was not counted: it is then counted anew. */
static inline void *ku__traced_realloc(ku_heap *heap, ku__tracer *tracer, void *block, size_t size,
                                       ku__stack_kind kind) {
    unsigned class_index = ku__class_of(heap, block);
    if (KU__UNLIKELY(class_index >= KU_CLASS_COUNT || size - 1 >= KU_SMALL_MAX)) {
        return ku__traced_slow_realloc(heap, tracer, block, size);
    }
    uint32_t slot = *ku__site_slot(heap, block, class_index);
    uint32_t tag = ku__tag_cached(tracer, ku__hash_here(tracer, kind));
    if (KU__UNLIKELY(!KU__TAG_IS_NEAR(tag) || !KU__TAG_IS_NEAR(slot))) {
        return ku__traced_slow_realloc(heap, tracer, block, size);
    }
    size_t old_size = ku__slot_bytes(slot, ku__class_size(class_index));
    void *resized = block;
    if (!ku__keeps_class(class_index, size)) {
        resized = ku__fast_malloc(heap, size);
        if (KU__UNLIKELY(resized == NULL)) {
            return ku__traced_slow_realloc(heap, tracer, block, size);
        }
        memcpy(resized, block, size < old_size ? size : old_size);
        ku__rolled_free(heap, block);
    }
    *ku__site_slot(heap, resized, (unsigned)((size - 1) / KU_CLASS_STEP)) = ku__slot_of(tag, size);
    ku__site_counts *before = ku__site_counts_near(tracer, KU__LANE_MAIN, KU__SLOT_TAG(slot));
    ku__site_counts *after = ku__site_counts_near(tracer, KU__LANE_MAIN, tag);
    ku__counts_resized(tracer, KU__LANE_MAIN, before, old_size, after, size, resized);
    return resized;
}

/* `rolled`, a constant, says whether somebody may keep a roll of the heap's objects. */
static inline void ku__traced_free(ku_heap *heap, ku__tracer *tracer, void *block, bool rolled) {
    unsigned class_index = ku__class_of(heap, block);
    if (KU__UNLIKELY(class_index >= KU_CLASS_COUNT)) {
        ku__traced_slow_free(heap, tracer, block);
        return;
    }
    uint32_t slot = *ku__site_slot(heap, block, class_index);
    if (KU__UNLIKELY(!KU__TAG_IS_NEAR(slot))) {
        ku__traced_slow_free(heap, tracer, block);
        return;
    }
    ku__site_counts *counts = ku__site_counts_near(tracer, KU__LANE_MAIN, KU__SLOT_TAG(slot));
    ku__counts_freed(tracer, KU__LANE_MAIN, counts, ku__slot_bytes(slot, ku__class_size(class_index)), block);
    if (rolled) {
        ku__roll_end(heap, block, class_index);
    }
    if (KU__UNLIKELY(!ku__fast_push(heap, block, class_index))) {
        ku__untraced_slow_free(heap, block);
    }
}

#endif
