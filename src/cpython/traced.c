/* traced.c: the entry points of exact tracing while the process has one GIL, and the slow paths of all exact
 * tracing. */
#include "cpython/traced.h"

void *ku__traced_slow_born(ku_heap *heap, ku__tracer *tracer, void *block, size_t size) {
    unsigned class_index = (unsigned)((size - 1) / KU_CLASS_STEP);
    uint32_t site = ku__site_here(tracer);
    *ku__site_slot(heap, block, class_index) = ku__slot_value(site, size);
    if (site != 0) {
        ku__count_allocated(tracer, KU__LANE_MAIN, site, size, block);
    }
    return block;
}

/* The slot of any block, one that came by a slow path, perhaps a large one; NULL where it has none. When the system
 * refused the heap a site table, no slot of it may be touched again and tracing ends here. */
static uint32_t *slot_anywhere(ku_heap *heap, const void *block, ku__block_facts *facts) {
    if (KU__UNLIKELY(heap->sites_lost)) {
        ku__tracing_give_up("tracing stopped: the system refused memory for the table of birthplaces");
        return NULL;
    }
    return ku__block_find(heap, block, facts) ? facts->site : NULL;
}

static void born_anywhere(ku_heap *heap, ku__tracer *tracer, void *block, size_t size) {
    ku__block_facts facts;
    if (block == NULL || slot_anywhere(heap, block, &facts) == NULL) {
        return;
    }
    size += size == 0; /* a block for nothing is made, and counted, as one byte */
    uint32_t site = ku__site_here(tracer);
    *facts.site = ku__slot_value(site, size);
    if (site != 0) {
        ku__count_allocated(tracer, KU__LANE_MAIN, site, size, block);
    }
}

/* Whether the block is a code object that has a record. One born before install has no slot that would say so. */
static bool holds_code(ku__tracer *tracer, const ku__block_facts *facts, const void *block) {
    if (facts->owner == NULL) {
        return ku__code_find(tracer, block) != 0;
    }
    return facts->site != NULL && (*facts->site & KU__SLOT_CODE) != 0;
}

/* What a block was counted with; false where it was not. */
static bool counted_with(const ku__block_facts *facts, uint32_t *site, size_t *size) {
    uint32_t slot = facts->site == NULL ? 0 : *facts->site;
    *site = KU__SLOT_SITE(slot);
    *size = facts->is_large ? facts->size : ku__slot_bytes(slot, facts->size);
    return *site != 0;
}

void *ku__traced_slow_malloc(ku_heap *heap, ku__tracer *tracer, size_t size) {
    void *block = ku__untraced_slow_malloc(heap, size);
    born_anywhere(heap, tracer, block, size);
    ku__capture_touch();
    return block;
}

void *ku__traced_slow_calloc(ku_heap *heap, ku__tracer *tracer, size_t count, size_t size) {
    void *block = ku__untraced_slow_calloc(heap, count, size);
    born_anywhere(heap, tracer, block, count * size);
    return block;
}

/* One born before install has no slot that would say whether it holds code. */
void ku__code_free_foreign(ku_heap *heap, ku__tracer *tracer, void *block) {
    if (ku__code_find(tracer, block) == 0 || !ku__code_retire(tracer, heap, block, 0)) {
        ku__untraced_slow_free(heap, block);
    }
}

void ku__traced_slow_free(ku_heap *heap, ku__tracer *tracer, void *block) {
    if (block == NULL) {
        return;
    }
    if (ku__block_is_foreign(heap, block)) {
        ku__code_free_foreign(heap, tracer, block);
        return;
    }
    ku__block_facts facts = {0};
    uint32_t site;
    size_t size;
    ku__block_find(heap, block, &facts);
    bool code = holds_code(tracer, &facts, block);
    if (counted_with(&facts, &site, &size)) {
        ku__count_freed(tracer, KU__LANE_MAIN, site, size, block);
    }
    if (facts.site != NULL) {
        *facts.site = 0;
    }
    if (!code || !ku__code_retire(tracer, heap, block, facts.size)) {
        ku__untraced_slow_free(heap, block);
    }
}

/* The old block is uncounted and the new one counted in two steps that no other allocation comes between. */
void *ku__traced_slow_realloc(ku_heap *heap, ku__tracer *tracer, void *block, size_t size) {
    if (block == NULL) {
        return ku__traced_malloc(heap, tracer, size, KU__STACK_ANY);
    }
    ku__block_facts facts = {0};
    ku__block_find(heap, block, &facts);
    uint32_t old_site = 0;
    size_t old_size = 0;
    if (holds_code(tracer, &facts, block)) {
        ku__code_detach(tracer, block);
    }
    bool counted = counted_with(&facts, &old_site, &old_size);
    void *resized = ku__untraced_slow_realloc(heap, block, size);
    if (resized == NULL) {
        return NULL;
    }
    ku__block_facts new_facts = {0};
    uint32_t site = 0;
    size += size == 0;
    if (slot_anywhere(heap, resized, &new_facts) != NULL) {
        site = ku__site_here(tracer);
        *new_facts.site = ku__slot_value(site, size);
    }
    if (counted && site != 0) {
        ku__count_resized(tracer, KU__LANE_MAIN, old_site, old_size, site, size, resized);
    } else if (counted) {
        ku__count_freed(tracer, KU__LANE_MAIN, old_site, old_size, block);
    } else if (site != 0) {
        ku__count_allocated(tracer, KU__LANE_MAIN, site, size, resized);
    }
    return resized;
}

/* ---- entry points ----
 *
 * A tracer that is NULL has given up, or was stopped while another wrapper held on to these entry points. */

KU__ALIGNED_CODE static void *one_malloc(void *ctx, size_t size) {
    ku__tracer *tracer = ku__tracing_state.tracer;
    return KU__LIKELY(tracer != NULL) ? ku__traced_malloc(ctx, tracer, size, KU__STACK_ONE)
                                      : ku__entries_plain.malloc(ctx, size);
}

KU__ALIGNED_CODE static void *one_calloc(void *ctx, size_t count, size_t size) {
    ku__tracer *tracer = ku__tracing_state.tracer;
    return KU__LIKELY(tracer != NULL) ? ku__traced_calloc(ctx, tracer, count, size, KU__STACK_ONE)
                                      : ku__entries_plain.calloc(ctx, count, size);
}

KU__ALIGNED_CODE static void *one_realloc(void *ctx, void *block, size_t size) {
    ku__tracer *tracer = ku__tracing_state.tracer;
    return KU__LIKELY(tracer != NULL) ? ku__traced_realloc(ctx, tracer, block, size, KU__STACK_ONE)
                                      : ku__entries_plain.realloc(ctx, block, size);
}

KU__ALIGNED_CODE static void *several_malloc(void *ctx, size_t size) {
    ku__tracer *tracer = ku__tracing_state.tracer;
    return KU__LIKELY(tracer != NULL) ? ku__traced_malloc(ctx, tracer, size, KU__STACK_SEVERAL)
                                      : ku__entries_plain.malloc(ctx, size);
}

KU__ALIGNED_CODE static void *several_calloc(void *ctx, size_t count, size_t size) {
    ku__tracer *tracer = ku__tracing_state.tracer;
    return KU__LIKELY(tracer != NULL) ? ku__traced_calloc(ctx, tracer, count, size, KU__STACK_SEVERAL)
                                      : ku__entries_plain.calloc(ctx, count, size);
}

KU__ALIGNED_CODE static void *several_realloc(void *ctx, void *block, size_t size) {
    ku__tracer *tracer = ku__tracing_state.tracer;
    return KU__LIKELY(tracer != NULL) ? ku__traced_realloc(ctx, tracer, block, size, KU__STACK_SEVERAL)
                                      : ku__entries_plain.realloc(ctx, block, size);
}

KU__ALIGNED_CODE static void entry_free(void *ctx, void *block) {
    ku__tracer *tracer = ku__tracing_state.tracer;
    if (KU__LIKELY(tracer != NULL)) {
        ku__traced_free(ctx, tracer, block, false);
    } else {
        ku__entries_plain.free(ctx, block);
    }
}

KU__ALIGNED_CODE static void entry_free_rolled(void *ctx, void *block) {
    ku__tracer *tracer = ku__tracing_state.tracer;
    if (KU__LIKELY(tracer != NULL)) {
        ku__traced_free(ctx, tracer, block, true);
    } else {
        ku__entries_rolled.free(ctx, block);
    }
}

const ku__entry_set ku__entries_traced_one = {one_malloc, one_calloc, one_realloc, entry_free};
const ku__entry_set ku__entries_traced_one_rolled = {one_malloc, one_calloc, one_realloc, entry_free_rolled};
const ku__entry_set ku__entries_traced = {several_malloc, several_calloc, several_realloc, entry_free};
const ku__entry_set ku__entries_traced_rolled = {several_malloc, several_calloc, several_realloc, entry_free_rolled};
