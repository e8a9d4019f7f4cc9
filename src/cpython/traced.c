/* traced.c: the entry points of exact tracing while the process has one GIL, and the slow paths of all exact tracing. */
#include "cpython/traced.h"

uint32_t ku__traced_drop_code(ku__tracer *tracer, uint32_t slot, const void *block) {
    ku__code_detach(tracer, block);
    return KU__SLOT_SITE(slot) == 0 ? 0 : slot & ~KU__SLOT_CODE;
}

/* The slot of any block, one that came by a slow path, perhaps a large one; NULL where it has none. When the system refused the
 * heap a site table, no slot of it may be touched again and tracing ends here. */
static uint32_t *slot_anywhere(ku_heap *heap, const void *block, ku__block_facts *facts) {
    if (KU__UNLIKELY(heap->sites_lost)) {
        ku__tracing_give_up("the system refused memory for the table of birthplaces");
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
    *facts.site = ku__slot_value(site, facts.is_large ? size : facts.size, size);
    if (site != 0) {
        ku__count_allocated(tracer, KU__LANE_MAIN, site, size, block);
    }
}

/* What a block was counted with; false where it was not. Detaches a code object that lived in it. */
static bool counted_with(ku__tracer *tracer, const ku__block_facts *facts, const void *block, uint32_t *site,
                         size_t *size) {
    if (facts->owner == NULL) {
        ku__code_detach(tracer, block); /* born before install: it has no slot that would say whether it is code */
    }
    uint32_t slot = facts->site == NULL ? 0 : *facts->site;
    if (slot & KU__SLOT_CODE) {
        slot = ku__traced_drop_code(tracer, slot, block);
        *facts->site = slot;
    }
    *site = KU__SLOT_SITE(slot);
    *size = facts->size - (facts->is_large ? 0 : KU__SLOT_SLACK(slot));
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

void ku__traced_slow_free(ku_heap *heap, ku__tracer *tracer, void *block) {
    if (block == NULL) {
        return;
    }
    ku__block_facts facts = {0};
    uint32_t site;
    size_t size;
    ku__block_find(heap, block, &facts);
    if (counted_with(tracer, &facts, block, &site, &size)) {
        ku__count_freed(tracer, KU__LANE_MAIN, site, size, block);
        *facts.site = 0;
    }
    ku__untraced_slow_free(heap, block);
}

/* The old block is uncounted and the new one counted in two steps that no other allocation comes between. */
void *ku__traced_slow_realloc(ku_heap *heap, ku__tracer *tracer, void *block, size_t size) {
    if (block == NULL) {
        return ku__traced_malloc(heap, tracer, size);
    }
    ku__block_facts facts = {0};
    ku__block_find(heap, block, &facts);
    uint32_t old_site = 0;
    size_t old_size = 0;
    bool counted = counted_with(tracer, &facts, block, &old_site, &old_size);
    void *resized = ku__untraced_slow_realloc(heap, block, size);
    if (resized == NULL) {
        return NULL;
    }
    ku__block_facts new_facts = {0};
    uint32_t site = 0;
    size += size == 0;
    if (slot_anywhere(heap, resized, &new_facts) != NULL) {
        site = ku__site_here(tracer);
        *new_facts.site = ku__slot_value(site, new_facts.is_large ? size : new_facts.size, size);
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

/* A tracer that is NULL has given up, or was stopped while another wrapper held on to these entry points. */
KU__ALIGNED_CODE static void *entry_malloc(void *ctx, size_t size) {
    ku__tracer *tracer = ku__tracing_state.tracer;
    return KU__LIKELY(tracer != NULL) ? ku__traced_malloc(ctx, tracer, size) : ku__untraced_malloc(ctx, size);
}

KU__ALIGNED_CODE static void *entry_calloc(void *ctx, size_t count, size_t size) {
    ku__tracer *tracer = ku__tracing_state.tracer;
    return KU__LIKELY(tracer != NULL) ? ku__traced_calloc(ctx, tracer, count, size) : ku__untraced_calloc(ctx, count, size);
}

KU__ALIGNED_CODE static void *entry_realloc(void *ctx, void *block, size_t size) {
    ku__tracer *tracer = ku__tracing_state.tracer;
    return KU__LIKELY(tracer != NULL) ? ku__traced_realloc(ctx, tracer, block, size)
                                      : ku__untraced_realloc(ctx, block, size);
}

KU__ALIGNED_CODE static void entry_free(void *ctx, void *block) {
    ku__tracer *tracer = ku__tracing_state.tracer;
    if (KU__LIKELY(tracer != NULL)) {
        ku__traced_free(ctx, tracer, block);
    } else {
        ku__untraced_free(ctx, block);
    }
}

const ku__entry_set ku__entries_traced = {entry_malloc, entry_calloc, entry_realloc, entry_free};
