/* watch.h: somebody who is told of every block that a heap gives out and takes back.
 *
 * A watched heap closes its front (fast.h), so every call takes the slow path, which asks; one that is not watched pays
 * nothing on the fast path. The watcher is told with the block in hand: `born` after it was given out, `ending` before
 * it goes back, whichever way it goes: freed, returned by another thread (then the heap's holder comes by later, and
 * tells), or swept by a collector. Resizing is the watcher's own: it calls ku__plain_resize(), because what it knows of
 * the old block may be gone when that returns.
 *
 * A heap has one watcher at a time, and fences or a watcher, not both: fences put a header before each block, and what
 * a watcher keeps about a block is found by the block's address.
 *
 * Lock: the heap's holder. The watcher may not use the heap.
 */
#ifndef KU__WATCH_H
#define KU__WATCH_H

#include "alloc/fences.h"

typedef struct ku__watcher ku__watcher;

struct ku__watcher {
    void (*born)(ku__watcher *watcher, ku_heap *heap, void *block, size_t size); /* as asked for */
    void (*ending)(ku__watcher *watcher, ku_heap *heap, void *block);
    void *(*resize)(ku__watcher *watcher, ku_heap *heap, void *block, size_t size, bool *foreign);
    void (*heap_ends)(ku__watcher *watcher, ku_heap *heap); /* it is about to be deleted; unwatches it */
};

/* Begins and ends. False where the heap has fences or a watcher already. */
bool ku__heap_watch(ku_heap *heap, ku__watcher *watcher);
void ku__heap_unwatch(ku_heap *heap);

/* For the slow paths of a watched heap. */
void *ku__watched_malloc(ku_heap *heap, size_t size);
void *ku__watched_large(ku_heap *heap, size_t alignment, size_t size);
ku__freed ku__watched_free(ku_heap *heap, void *block);
void ku__watched_take_return(ku_heap *heap, void *block);
bool ku__watched_owns_large(ku_heap *heap, const void *block);

#endif
