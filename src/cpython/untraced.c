/* untraced.c: the entry points while nothing is traced and the process has one GIL; and the slow paths that all sets
 * share. */
#include "cpython/untraced.h"

#include "cpython/many.h"
#include "cpython/refusal.h"

/* CPython's own guard; its public functions test it too, but the entry points can be called through a wrapper. */
static const size_t REQUEST_MAX = PY_SSIZE_T_MAX;

/* Whether a call that came in with this heap belongs to another interpreter (ku__bridge_gate). */
static bool elsewhere(const ku_heap *heap) {
    return KU__UNLIKELY(ku__bridge_state.gated) && ku__many_elsewhere(heap);
}

void *ku__untraced_slow_malloc(ku_heap *heap, size_t size) {
    if (elsewhere(heap)) {
        return ku__entries_many.malloc(heap, size);
    }
    return ku__or_refusal(size > REQUEST_MAX ? NULL : ku__slow_malloc(heap, size == 0 ? 1 : size));
}

/* No bytes, more than a pool serves (where the system knows of memory that is zero already), or a product that
 * overflows. */
void *ku__untraced_slow_calloc(ku_heap *heap, size_t count, size_t size) {
    if (elsewhere(heap)) {
        return ku__entries_many.calloc(heap, count, size);
    }
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > REQUEST_MAX) {
        return ku__or_refusal(NULL);
    }
    return ku__or_refusal(bytes == 0 ? ku_heap_calloc(heap, 1, 1) : ku_heap_calloc(heap, count, size));
}

void ku__untraced_slow_free(ku_heap *heap, void *block) {
    if (elsewhere(heap)) {
        ku__entries_many.free(heap, block);
        return;
    }
    if (block == NULL) {
        return;
    }
    if (ku__block_is_foreign(heap, block) || ku__slow_free(heap, block) == KU__FOREIGN) {
        const PyMemAllocatorEx *original = ku__original_of(heap);
        original->free(original->ctx, block);
    }
}

/* Resizes a block born before install. It moves into the heap if the heap has room, because only the heap's blocks are
 * counted; its old size is not known to us, so the original allocator makes it valid for `size` bytes first. */
static void *resize_foreign(ku_heap *heap, void *block, size_t size) {
    const PyMemAllocatorEx *original = ku__original_of(heap);
    void *resized = original->realloc(original->ctx, block, size);
    if (resized == NULL) {
        return NULL;
    }
    void *moved = ku__untraced_malloc(heap, size);
    if (moved == NULL) {
        return resized;
    }
    memcpy(moved, resized, size);
    original->free(original->ctx, resized);
    return moved;
}

void *ku__untraced_slow_realloc(ku_heap *heap, void *block, size_t size) {
    if (elsewhere(heap)) {
        return ku__entries_many.realloc(heap, block, size);
    }
    if (block == NULL) {
        return ku__untraced_malloc(heap, size);
    }
    if (size > REQUEST_MAX) {
        return ku__or_refusal(NULL);
    }
    bool foreign = false;
    void *resized = ku__resize(heap, block, size == 0 ? 1 : size, &foreign);
    return ku__or_refusal(foreign ? resize_foreign(heap, block, size) : resized);
}

KU__ALIGNED_CODE static void *entry_malloc(void *ctx, size_t size) {
    return ku__untraced_malloc(ctx, size);
}

KU__ALIGNED_CODE static void *entry_calloc(void *ctx, size_t count, size_t size) {
    return ku__untraced_calloc(ctx, count, size);
}

KU__ALIGNED_CODE static void *entry_realloc(void *ctx, void *block, size_t size) {
    return ku__untraced_realloc(ctx, block, size);
}

KU__ALIGNED_CODE static void entry_free(void *ctx, void *block) {
    ku__untraced_free(ctx, block);
}

const ku__entry_set ku__entries_plain = {entry_malloc, entry_calloc, entry_realloc, entry_free};

KU__ALIGNED_CODE static void entry_free_rolled(void *ctx, void *block) {
    ku__rolled_free(ctx, block);
}

const ku__entry_set ku__entries_rolled = {entry_malloc, entry_calloc, entry_realloc, entry_free_rolled};
