/* check.h: invariants, looked at in the checking build at entry and exit of slow paths.
 *
 * A condition that does not hold is printed with its place, and ends the program: the state is not one that can be
 * left alone. In the other builds nothing is looked at and the conditions are not compiled.
 *
 * Cost: the slow paths look at the magazine, the pool and the arena that they work on, a few microseconds;
 * ku__heap_check() looks at everything and is called where a heap is read as a whole (statistics, walks, purge) or
 * ends.
 */
#ifndef KU__CHECK_H
#define KU__CHECK_H

#include "alloc/tables.h"

#ifdef KU_CHECKING
_Noreturn void ku__check_failed(const char *condition, const char *file, int line, const char *function);

#define KU__CHECK(condition) ((condition) ? (void)0 : ku__check_failed(#condition, __FILE__, __LINE__, __func__))

/* The magazine of a class, and the first pool of its partial list with its arena. */
void ku__class_check(const ku_heap *heap, unsigned class_index);
/* All of a heap: its magazines, lists, arenas, pools, sums and registry. */
void ku__heap_check(ku_heap *heap);
#else
#define KU__CHECK(condition) ((void)0)
#define ku__class_check(heap, class_index) ((void)0)
#define ku__heap_check(heap) ((void)0)
#endif

#endif
