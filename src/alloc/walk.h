/* walk.h: a heap's blocks pool by pool, for a collector.
 *
 * A pool tells by a bit for each block which are free. Blocks that wait in magazines count as taken there, so whoever
 * reads bits empties the magazines first (ku__walk_settle); until the next allocation, taken then means live.
 *
 * Which pools may hold new blocks. After ku__walk_watch() the heap lists every pool that its slow path takes blocks
 * from. All blocks given out after magazines were emptied, and that were not freed into one in between, came out of a
 * listed pool. The fast paths know nothing of it.
 *
 * Blocks of one pool are given back together by a bitmap: a pool that dies whole costs a few words, not a free for each
 * block. What tools are told of a freed block (annotate.h) they are told here too, one by one, in builds that tell
 * them.
 *
 * Lock: the heap's holder.
 */
#ifndef KU__WALK_H
#define KU__WALK_H

#include "alloc/fences.h"
#include "alloc/tables.h"

/* Lists touched pools from now on. */
static inline void ku__walk_watch(ku_heap *heap) {
    heap->watched = true;
}

/* Puts every block of the magazines, and those that other threads freed, back into its pool. */
static inline void ku__walk_settle(ku_heap *heap) {
    ku__heap_flush(heap);
}

/* Takes one pool off the list of those touched; KU__NONE when there is no other. */
static inline uint32_t ku__walk_next_touched(ku_heap *heap) {
    return ku__pool_untouch(heap);
}

/* Whether the pool belongs to this heap now. A number says nothing by itself: pools come and go. */
static inline bool ku__walk_owns(const ku_heap *heap, uint32_t number) {
    return ku__process_tables.class_map[number] >> KU__MAP_SHIFT == heap->number;
}

/* Bits of word `word` of a pool's blocks that are taken. */
static inline uint64_t ku__walk_taken(const ku__pool *pool, size_t word) {
    size_t here = pool->capacity - word * 64;
    return ~pool->free_bits[word] & (here < 64 ? ((uint64_t)1 << here) - 1 : UINT64_MAX);
}

/* Gives back the blocks of a pool whose bits are set in `dead`, all of them taken: a word for each 64 of its blocks.
 * The pool may be gone afterwards. */
void ku__walk_free(ku_heap *heap, uint32_t number, const uint64_t *dead);

#endif
