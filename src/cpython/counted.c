/* counted.c: see counted.h. */
#include "cpython/counted.h"

KU__QUICK_THREAD ku__counts ku__thread_counts;

static unsigned users; /* who counts, over all threads; the main interpreter's GIL */

/* ---- sizes ---- */

static __attribute__((noinline)) int64_t size_elsewhere(ku_heap *heap, const void *block) {
    ku__block_facts facts;
    return block != NULL && ku__block_find(heap, block, &facts) ? (int64_t)facts.size : 0;
}

/* The bytes a block counts for; 0 of one that is not kucha's. */
static inline int64_t size_of(ku_heap *heap, const void *block) {
    unsigned class_index = ku__class_of(heap, block);
    if (KU__LIKELY(class_index < KU_CLASS_COUNT)) {
        return (int64_t)ku__class_size(class_index);
    }
    return size_elsewhere(heap, block);
}

/* ---- counting ---- */

static inline void *born(ku__counts *counts, ku_heap *heap, void *block) {
    if (block != NULL) {
        counts->allocated += size_of(heap, block);
        counts->earlier = counts->last;
        counts->high_earlier = counts->high_before;
        counts->last = block;
        counts->high_before = counts->high;
        int64_t live = ku__counts_live(counts);
        counts->high = live > counts->high ? live : counts->high;
    }
    return block;
}

static inline bool forgotten(ku__counts *counts, const void *block) {
    for (int i = 0; i < KU__FORGOTTEN_MOST; i++) {
        if (KU__UNLIKELY(counts->forgotten[i] == block)) {
            counts->forgotten[i] = NULL;
            return true;
        }
    }
    return false;
}

static inline void ended(ku__counts *counts, ku_heap *heap, const void *block) {
    if (block != NULL && !forgotten(counts, block)) {
        counts->freed += size_of(heap, block);
    }
}

void ku__counts_expect(ku__counts *counts, const void *block) {
    if (counts->forgotten[0] == block || counts->forgotten[1] == block) {
        return;
    }
    counts->forgotten[1] = counts->forgotten[0];
    counts->forgotten[0] = block;
}

bool ku__counts_forget(ku__counts *counts, const void *block) {
    if (block == NULL || counts->last != block) {
        return false;
    }
    counts->allocated -= size_of(ku__bridge_state.main_house->objects, block);
    counts->high = counts->high_before;
    counts->last = counts->earlier;
    counts->high_before = counts->high_earlier;
    counts->earlier = NULL;
    ku__counts_expect(counts, block);
    return true;
}

/* ---- entry points ---- */

/* The set behind; read at every call, because tracing may start or stop meanwhile. */
static inline const ku__entry_set *behind(void) {
    return ku__bridge_state.behind;
}

static void *counted_malloc(void *ctx, size_t size) {
    void *block = behind()->malloc(ctx, size);
    ku__counts *counts = &ku__thread_counts;
    return counts->on ? born(counts, ctx, block) : block;
}

static void *counted_calloc(void *ctx, size_t count, size_t size) {
    void *block = behind()->calloc(ctx, count, size);
    ku__counts *counts = &ku__thread_counts;
    return counts->on ? born(counts, ctx, block) : block;
}

static void *counted_realloc(void *ctx, void *block, size_t size) {
    ku__counts *counts = &ku__thread_counts;
    if (!counts->on) {
        return behind()->realloc(ctx, block, size);
    }
    int64_t before = block == NULL ? 0 : size_of(ctx, block);
    void *resized = behind()->realloc(ctx, block, size);
    if (resized == NULL || (resized == block && size_of(ctx, resized) == before)) {
        return resized;
    }
    counts->freed += forgotten(counts, block) ? 0 : before;
    return born(counts, ctx, resized);
}

static void counted_free(void *ctx, void *block) {
    ku__counts *counts = &ku__thread_counts;
    if (counts->on) {
        ended(counts, ctx, block);
    }
    behind()->free(ctx, block);
}

const ku__entry_set ku__entries_counted = {counted_malloc, counted_calloc, counted_realloc, counted_free};

/* ---- the switch ---- */

bool ku__counted_start(void) {
    if (users == 0 && !ku__bridge_count(true)) {
        return false;
    }
    users++;
    return true;
}

void ku__counted_stop(void) {
    if (--users == 0) {
        ku__bridge_count(false);
    }
}
