/* held.h: which heaps the calling thread may touch, for the checking build.
 *
 * Objects are counted, made, freed and collected under the lock of their isolate only. The lock (src/isolate) notes
 * here, for each thread, the numbers of the heaps whose lock it holds; the checks ask it of an object by the class-map
 * entry of its pool, which names the heap. An object outside of the arenas, a long text, is not checked: it has no
 * references to others, and its own count is checked wherever it lies beside others.
 *
 * In the other builds nothing is noted or asked.
 */
#ifndef KU__HELD_H
#define KU__HELD_H

#include <kucha/heap.h>
#include <stdbool.h>

#ifdef KU_CHECKING
/* The calling thread has taken, or is about to release, the lock under which `heap` is used. */
void ku__held_note(const ku_heap *heap, bool held);

/* Whether the calling thread may touch the heap; the object (true for one that no heap's arena contains). */
bool ku__held_heap(const ku_heap *heap);
bool ku__held_object(const void *object);

/* Ends the program when it may not, with the name of the heap. */
void ku__held_check_heap(const ku_heap *heap);
void ku__held_check(const void *object);
#define KU__CHECK_HELD(object) ku__held_check(object)
#define KU__CHECK_HELD_HEAP(heap) ku__held_check_heap(heap)
#else
#define ku__held_note(heap, held) ((void)0)
#define KU__CHECK_HELD(object) ((void)0)
#define KU__CHECK_HELD_HEAP(heap) ((void)0)
#endif

#endif
