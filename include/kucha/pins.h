/* pins.h: what keeps nearly empty arenas: the objects without which their memory would go back to the system.
 *
 * The allocator gives memory back arena by arena, so one small object that stays keeps megabytes. A *pinned* arena is
 * one of which no more than a share is in use. What is in it is told in *pins*: blocks of one type and one birthplace.
 * Its *holder* is the nearest object that keeps all of them alive: if that went, the arena could go back.
 *
 * Only a graph of a heap of kucha's knows arenas (ku_graph_arena_count()).
 */
#ifndef KUCHA_PINS_H
#define KUCHA_PINS_H

#include <kucha/dominators.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ku_pin {
    uint32_t type;
    uint32_t site;    /* birthplace, 0 unknown */
    uint32_t nodes;   /* blocks of it in the arena */
    uint32_t example; /* the largest of them */
    uint64_t bytes;   /* with what the allocator gave out beyond */
} ku_pin;

typedef struct ku_pinned_arena {
    ku_graph_arena arena;
    uint64_t used;   /* bytes of its blocks, with what the allocator gave out beyond */
    uint32_t nodes;  /* blocks */
    uint32_t holder; /* the nearest common dominator of what lives in it; KU_GRAPH_NONE: nothing does, or not asked */
    uint32_t pins;   /* how many there are, in `list` */
    ku_pin *list;    /* most bytes first */
} ku_pinned_arena;

typedef struct ku_pins {
    uint64_t arenas, bytes, used; /* of all arenas, pinned or not */
    size_t count;                 /* pinned ones, the emptiest first */
    ku_pinned_arena *list;
    ku_pin *pins; /* of all of them */
} ku_pins;

/* The arenas of which at most `share` (of 1) is in use. Empty ones, which are kept for reuse, have no pins. With
 * `dominators`, which may be NULL, holders are found. NULL with `error` filled: KU_INVALID for a share that is not from
 * 0 to 1, KU_NO_MEMORY. Deleted by ku_pins_delete(). */
KU_API ku_pins *ku_pins_new(const ku_graph *graph, const ku_dominators *dominators, double share, ku_error *error);
KU_API void ku_pins_delete(ku_pins *pins); /* NULL does nothing */

#ifdef __cplusplus
}
#endif

#endif
