/* watch.c: see watch.h. */
#include "alloc/watch.h"

#include "alloc/large.h"
#include "alloc/tables.h"

bool ku__heap_watch(ku_heap *heap, ku__watcher *watcher) {
    if (heap->fences != NULL || heap->watcher != NULL) {
        return false;
    }
    ku__heap_flush(heap); /* returns that were on their way are not the watcher's */
    ku__process_lock();   /* whoever frees a large block of a shared heap looks for a watcher under it */
    heap->watcher = watcher;
    ku__process_unlock();
    ku__heap_close_front(heap);
    return true;
}

void ku__heap_unwatch(ku_heap *heap) {
    ku__returns_drain(heap);
    ku__process_lock();
    heap->watcher = NULL;
    ku__process_unlock();
    ku__returns_drain(heap); /* a large one that came meanwhile would wait for a watcher */
    ku__heap_open_front(heap);
}

void *ku__watched_malloc(ku_heap *heap, size_t size) {
    heap->frame = heap->frame != NULL ? heap->frame : __builtin_frame_address(0);
    void *block = ku__plain_malloc(heap, size);
    if (block != NULL) {
        heap->watcher->born(heap->watcher, heap, block, size);
    }
    return block;
}

void *ku__watched_large(ku_heap *heap, size_t alignment, size_t size) {
    void *block = ku__large_malloc(heap, alignment, size, false);
    if (block != NULL) {
        heap->watcher->born(heap->watcher, heap, block, size);
    }
    return block;
}

/* A block of another heap, which goes home by itself, is told of there. */
static bool is_own(ku_heap *heap, const void *block) {
    ku__block_facts facts;
    return ku__block_find(heap, block, &facts) && facts.owner == heap;
}

ku__freed ku__watched_free(ku_heap *heap, void *block) {
    if (is_own(heap, block)) {
        heap->watcher->ending(heap->watcher, heap, block);
    }
    return ku__plain_free(heap, block);
}

void ku__watched_take_return(ku_heap *heap, void *block) {
    if (heap->watcher != NULL) {
        heap->watcher->ending(heap->watcher, heap, block);
    }
    ku__plain_free(heap, block);
}

bool ku__watched_owns_large(ku_heap *heap, const void *block) {
    ku__large_entry entry;
    uint32_t *site;
    return ku__large_find(heap, block, &entry, &site) && entry.heap == heap->number;
}
