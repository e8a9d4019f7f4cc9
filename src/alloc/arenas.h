/* arenas.h: what reports read of a heap: its statistics, and its arenas one by one in order of address.
 *
 * The holder of a heap reads it exactly (KU__READ_OWN). Any other thread may read it while its holder allocates
 * (KU__READ_RUNNING): the tables that are read lie at fixed places and are never unmapped, no link is followed, and
 * nothing is flushed. Every number may then be an operation old, or half of one; so that none is absurd, differences
 * are bounded by what they are taken from. Such reads are ordinary loads of words that the holder changes by ordinary
 * stores: in the terms of C a race, on the machines that are supported an old or a new word.
 */
#ifndef KU__ARENAS_H
#define KU__ARENAS_H

#include "alloc/tables.h"

#include <kucha/stats.h>

typedef enum ku__reading { KU__READ_OWN, KU__READ_RUNNING } ku__reading;

/* As the functions of kucha/stats.h, which read as KU__READ_OWN. Blocks that other threads have freed and their heap
 * has not yet taken back count as live in a heap that runs; arenas show blocks in its magazines as live. */
void ku__heap_stats_of(ku_heap *heap, ku__reading reading, ku_heap_stats *stats);
size_t ku__heap_arenas_of(ku_heap *heap, ku__reading reading, ku_arena_stats *arenas, size_t capacity);
int ku__heap_stats_write(ku_heap *heap, ku__reading reading, FILE *stream);
int ku__heap_map_write(ku_heap *heap, ku__reading reading, FILE *stream);

/* Calls read for each arena; the heap's magazines must have been flushed for counts to be exact. */
typedef void ku__arena_reader(uint32_t number, const ku_arena_stats *stats, void *argument);
void ku__arenas_visit(ku_heap *heap, ku__arena_reader *read, void *argument);

#endif
