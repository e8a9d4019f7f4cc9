/* sampled.c: the entry points of sampled tracing while the process has one GIL, and the slow paths of all sampled
 * tracing. */
#include "cpython/sampled.h"
#include "cpython/traced.h"

/* Moves a small block that is due into a pool for samples alone, if there is one; else its pool is marked, and frees
 * in it are slower from then on. Returns where the block is. */
static void *set_apart(ku_heap *heap, void *block, const ku__block_facts *facts) {
    unsigned class_index = (unsigned)(facts->size / KU_CLASS_STEP) - 1;
    void *apart = facts->owner == heap ? ku__apart_malloc(heap, class_index) : NULL;
    if (apart == NULL) {
        ku__pool_mark_sampled(facts->owner, block);
        return block;
    }
    memcpy(apart, block, facts->size);
    ku__rolled_free(heap, block);
    return apart;
}

void *ku__sampled_born(ku_heap *heap, ku__tracer *tracer, void *block, size_t size) {
    ku__block_facts facts;
    ku__capture_touch();
    if (block != NULL && ku__block_find(heap, block, &facts) && !facts.is_large) {
        block = set_apart(heap, block, &facts);
    }
    if (KU__UNLIKELY(heap->sites_lost)) {
        ku__tracing_give_up("tracing stopped: the system refused memory for the table of birthplaces");
        return block;
    }
    if (block == NULL || !ku__block_find(heap, block, &facts) || facts.site == NULL) {
        ku__sample_skip(tracer, KU__LANE_MAIN);
        return block;
    }
    size += size == 0;
    uint32_t site = ku__site_here(tracer);
    if (site == 0) {
        ku__sample_skip(tracer, KU__LANE_MAIN);
        return block;
    }
    *facts.site = ku__slot_of(KU__TAG(site), size);
    ku__sample_allocated(tracer, KU__LANE_MAIN, site, size, block);
    return block;
}

void *ku__sampled_slow_malloc(ku_heap *heap, ku__tracer *tracer, size_t size) {
    void *block = ku__untraced_slow_malloc(heap, size);
    return ku__sample_due(tracer, KU__LANE_MAIN, size) ? ku__sampled_born(heap, tracer, block, size) : block;
}

void *ku__sampled_slow_calloc(ku_heap *heap, ku__tracer *tracer, size_t count, size_t size) {
    void *block = ku__untraced_slow_calloc(heap, count, size);
    bool due = block != NULL && ku__sample_due(tracer, KU__LANE_MAIN, count * size);
    return due ? ku__sampled_born(heap, tracer, block, count * size) : block;
}

/* Uncounts a block that is about to go or to be resized, if it was a sample, and clears its slot. Returns whether it
 * is a code object that has a record; one born before install has no slot that would say so. */
static bool forget(ku_heap *heap, ku__tracer *tracer, void *block, size_t *size) {
    ku__block_facts facts = {0};
    if (!ku__block_find(heap, block, &facts) || facts.owner == NULL) {
        *size = 0;
        return ku__code_find(tracer, block) != 0;
    }
    *size = facts.size;
    uint32_t slot = facts.site == NULL ? 0 : *facts.site;
    if (slot == 0) {
        return false;
    }
    *facts.site = 0;
    if (KU__SLOT_SITE(slot) != 0) {
        size_t counted = facts.is_large ? facts.size : ku__slot_bytes(slot, facts.size);
        ku__sample_freed(tracer, KU__LANE_MAIN, KU__SLOT_SITE(slot), counted, block);
    }
    return (slot & KU__SLOT_CODE) != 0;
}

void ku__sampled_slow_free(ku_heap *heap, ku__tracer *tracer, void *block) {
    size_t size;
    if (block != NULL && ku__block_is_foreign(heap, block)) {
        ku__code_free_foreign(heap, tracer, block);
    } else if (block != NULL && (!forget(heap, tracer, block, &size) || !ku__code_retire(tracer, heap, block, size))) {
        ku__untraced_slow_free(heap, block);
    }
}

/* A resize that fails leaves the old block alive but no longer counted: an estimate bears that, and the alternative
 * is to count one block twice. */
void *ku__sampled_slow_realloc(ku_heap *heap, ku__tracer *tracer, void *block, size_t size) {
    if (block == NULL) {
        return ku__sampled_malloc(heap, tracer, size);
    }
    size_t old_size;
    if (forget(heap, tracer, block, &old_size)) {
        ku__code_detach(tracer, block);
    }
    void *resized = ku__untraced_slow_realloc(heap, block, size);
    bool due = resized != NULL && ku__sample_due(tracer, KU__LANE_MAIN, size);
    return due ? ku__sampled_born(heap, tracer, resized, size) : resized;
}

/* ---- entry points ----
 *
 * The tracer is asked for only where something is left over: a block that is no sample is the heap's affair, and what
 * counts down lies where ku__tracing_state says. A tracer that is NULL has given up, or was stopped while another
 * wrapper held on to these entry points. */

static bool passes(size_t bytes) {
    int64_t *countdown = ku__tracing_state.countdown, left = *countdown - (int64_t)bytes;
    *countdown = left;
    return KU__UNLIKELY(left < 0);
}

KU__COLD static void *due(ku_heap *heap, void *block, size_t size) {
    ku__tracer *tracer = ku__tracing_state.tracer;
    return tracer != NULL ? ku__sampled_born(heap, tracer, block, size) : block;
}

KU__COLD static void *rest_of_malloc(ku_heap *heap, size_t size) {
    ku__tracer *tracer = ku__tracing_state.tracer;
    return tracer != NULL ? ku__sampled_slow_malloc(heap, tracer, size) : ku__entries_plain.malloc(heap, size);
}

KU__COLD static void *rest_of_calloc(ku_heap *heap, size_t count, size_t size) {
    ku__tracer *tracer = ku__tracing_state.tracer;
    return tracer != NULL ? ku__sampled_slow_calloc(heap, tracer, count, size)
                          : ku__entries_plain.calloc(heap, count, size);
}

KU__COLD static void rest_of_free(ku_heap *heap, void *block) {
    ku__tracer *tracer = ku__tracing_state.tracer;
    if (tracer != NULL) {
        ku__sampled_free(heap, tracer, block);
    } else {
        ku__entries_rolled.free(heap, block);
    }
}

KU__ALIGNED_CODE static void *entry_malloc(void *ctx, size_t size) {
    void *block = ku__fast_malloc(ctx, size);
    if (KU__UNLIKELY(block == NULL)) {
        return rest_of_malloc(ctx, size);
    }
    return passes(size) ? due(ctx, block, size) : block;
}

KU__ALIGNED_CODE static void *entry_calloc(void *ctx, size_t count, size_t size) {
    size_t bytes;
    if (KU__UNLIKELY(__builtin_mul_overflow(count, size, &bytes))) {
        return NULL;
    }
    void *block = ku__fast_malloc(ctx, bytes);
    if (KU__UNLIKELY(block == NULL)) {
        return rest_of_calloc(ctx, count, size);
    }
    memset(block, 0, bytes);
    return passes(bytes) ? due(ctx, block, bytes) : block;
}

KU__ALIGNED_CODE static void *entry_realloc(void *ctx, void *block, size_t size) {
    ku__tracer *tracer = ku__tracing_state.tracer;
    return KU__LIKELY(tracer != NULL) ? ku__sampled_realloc(ctx, tracer, block, size)
                                      : ku__entries_plain.realloc(ctx, block, size);
}

KU__ALIGNED_CODE static void entry_free(void *ctx, void *block) {
    if (KU__UNLIKELY(!ku__fast_free(ctx, block))) {
        rest_of_free(ctx, block);
    }
}

KU__ALIGNED_CODE static void entry_free_rolled(void *ctx, void *block) {
    unsigned class_index = ku__class_of(ctx, block);
    if (KU__LIKELY(class_index < KU_CLASS_COUNT)) {
        ku__roll_end(ctx, block, class_index);
        if (KU__LIKELY(ku__fast_push(ctx, block, class_index))) {
            return;
        }
    }
    rest_of_free(ctx, block);
}

const ku__entry_set ku__entries_sampled = {entry_malloc, entry_calloc, entry_realloc, entry_free};
const ku__entry_set ku__entries_sampled_rolled = {entry_malloc, entry_calloc, entry_realloc, entry_free_rolled};
