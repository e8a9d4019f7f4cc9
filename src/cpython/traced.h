/* traced.h: malloc, calloc, realloc and free of a heap with the birthplace of every block, for inlining into entry points.
 *
 * A block's slot in the site table is written at every allocation, with 0 too, so that the slot of a live block is always
 * its own: the site, the slack (block size less bytes asked for), and KU__SLOT_CODE. A slot of 0 is a block that was
 * born while nothing was traced, or whose site could not be had.
 *
 * Lock: the tracer's main lane: the GIL while there is one, else its mutex (many.c). The heap's as everywhere.
 */
#ifndef KU__TRACED_H
#define KU__TRACED_H

#include "cpython/frames.h"
#include "cpython/untraced.h"

/* Everything that is not a small block of `heap` found by its fast path. */
void *ku__traced_slow_malloc(ku_heap *heap, ku__tracer *tracer, size_t size);
void *ku__traced_slow_calloc(ku_heap *heap, ku__tracer *tracer, size_t count, size_t size);
void *ku__traced_slow_realloc(ku_heap *heap, ku__tracer *tracer, void *block, size_t size);
void ku__traced_slow_free(ku_heap *heap, ku__tracer *tracer, void *block);

/* What is done with a slot that is marked KU__SLOT_CODE when its block goes. Returns the slot without the mark. */
uint32_t ku__traced_drop_code(ku__tracer *tracer, uint32_t slot, const void *block);

static inline uint32_t ku__slot_value(uint32_t site, size_t held, size_t size) {
    return site == 0 ? 0 : site | (uint32_t)(held - size) << KU__SLACK_SHIFT;
}

/* Gives a new small block its site. */
static inline void ku__traced_born(ku_heap *heap, ku__tracer *tracer, void *block, unsigned class_index, size_t size) {
    uint32_t site = ku__site_here(tracer);
    *ku__site_slot(heap, block, class_index) = ku__slot_value(site, ku__class_size(class_index), size);
    if (KU__LIKELY(site != 0)) {
        ku__count_allocated(tracer, KU__LANE_MAIN, site, size, block);
    }
}

/* A small block is about to go: uncounts it. */
static inline void ku__traced_gone(ku_heap *heap, ku__tracer *tracer, void *block, unsigned class_index) {
    uint32_t slot = *ku__site_slot(heap, block, class_index);
    if (KU__UNLIKELY(slot & KU__SLOT_CODE)) {
        slot = ku__traced_drop_code(tracer, slot, block);
    }
    if (KU__LIKELY(slot != 0)) {
        size_t size = ku__class_size(class_index) - KU__SLOT_SLACK(slot);
        ku__count_freed(tracer, KU__LANE_MAIN, KU__SLOT_SITE(slot), size, block);
    }
}

static inline void *ku__traced_malloc(ku_heap *heap, ku__tracer *tracer, size_t size) {
    void *block = ku__fast_malloc(heap, size);
    if (KU__UNLIKELY(block == NULL)) {
        return ku__traced_slow_malloc(heap, tracer, size);
    }
    ku__traced_born(heap, tracer, block, (unsigned)((size - 1) / KU_CLASS_STEP), size);
    return block;
}

static inline void *ku__traced_calloc(ku_heap *heap, ku__tracer *tracer, size_t count, size_t size) {
    size_t bytes;
    if (KU__UNLIKELY(__builtin_mul_overflow(count, size, &bytes) || bytes - 1 >= KU_SMALL_MAX)) {
        return ku__traced_slow_calloc(heap, tracer, count, size);
    }
    void *block = ku__traced_malloc(heap, tracer, bytes);
    if (block != NULL) {
        memset(block, 0, bytes);
    }
    return block;
}

/* A small block was resized and now is `block` with `size` bytes: its site is where it was resized, as in tracemalloc.
 * `old_slot` and `old_held` are what it was. */
static inline void ku__traced_resized(ku_heap *heap, ku__tracer *tracer, uint32_t old_slot, size_t old_held, void *block,
                                      unsigned class_index, size_t size) {
    uint32_t site = ku__site_here(tracer);
    *ku__site_slot(heap, block, class_index) = ku__slot_value(site, ku__class_size(class_index), size);
    uint32_t old_site = KU__SLOT_SITE(old_slot);
    if (KU__LIKELY(site != 0 && old_site != 0)) {
        size_t old_size = old_held - KU__SLOT_SLACK(old_slot);
        ku__count_resized(tracer, KU__LANE_MAIN, old_site, old_size, site, size, block);
    } else if (site != 0) {
        ku__count_allocated(tracer, KU__LANE_MAIN, site, size, block);
    } else if (old_site != 0) {
        ku__count_freed(tracer, KU__LANE_MAIN, old_site, old_held - KU__SLOT_SLACK(old_slot), block);
    }
}

static inline void *ku__traced_realloc(ku_heap *heap, ku__tracer *tracer, void *block, size_t size) {
    unsigned class_index = ku__class_of(heap, block);
    if (class_index >= KU_CLASS_COUNT || size - 1 >= KU_SMALL_MAX) {
        return ku__traced_slow_realloc(heap, tracer, block, size);
    }
    size_t held = ku__class_size(class_index);
    uint32_t slot = *ku__site_slot(heap, block, class_index);
    void *resized = block;
    if (!ku__keeps_class(class_index, size)) {
        resized = ku__fast_malloc(heap, size);
        if (KU__UNLIKELY(resized == NULL || (slot & KU__SLOT_CODE))) {
            if (resized != NULL) {
                ku__untraced_free(heap, resized);
            }
            return ku__traced_slow_realloc(heap, tracer, block, size);
        }
        memcpy(resized, block, size < held ? size : held);
        ku__untraced_free(heap, block);
        class_index = (unsigned)((size - 1) / KU_CLASS_STEP);
    }
    ku__traced_resized(heap, tracer, slot, held, resized, class_index, size);
    return resized;
}

static inline void ku__traced_free(ku_heap *heap, ku__tracer *tracer, void *block) {
    unsigned class_index = ku__class_of(heap, block);
    if (KU__UNLIKELY(class_index >= KU_CLASS_COUNT)) {
        ku__traced_slow_free(heap, tracer, block);
        return;
    }
    ku__traced_gone(heap, tracer, block, class_index);
    if (KU__UNLIKELY(!ku__fast_push(heap, block, class_index))) {
        ku__untraced_slow_free(heap, block);
    }
}

#endif
