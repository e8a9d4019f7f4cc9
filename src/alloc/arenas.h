/* arenas.h: a heap's arenas one by one, in order of address, for reports. Lock: the heap's holder. */
#ifndef KU__ARENAS_H
#define KU__ARENAS_H

#include "alloc/tables.h"

#include <kucha/stats.h>

/* Calls read for each arena; the heap's magazines must have been flushed for counts to be exact. */
typedef void ku__arena_reader(uint32_t number, const ku_arena_stats *stats, void *argument);
void ku__arenas_visit(ku_heap *heap, ku__arena_reader *read, void *argument);

#endif
