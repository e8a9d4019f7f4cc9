/* duplicates.h: memory that says the same twice, or nothing at all: equal immutable objects, and room in containers.
 *
 * A heap file knows which immutable objects are equal (ku_graph_equal()) without their values, and how many bytes a
 * list, dict, set or bytearray keeps for what is not in it (ku_graph_room()). Equal objects could be one; the room
 * could be given back by a copy, or be avoided by making the container as large as it will be.
 */
#ifndef KUCHA_DUPLICATES_H
#define KUCHA_DUPLICATES_H

#include <kucha/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Objects that are equal. */
typedef struct ku_duplicate {
    uint32_t example; /* the first of them */
    uint32_t count;
    uint64_t bytes;  /* of all of them, with what the allocator gave out beyond */
    uint64_t wasted; /* of all but the example; what they hold is counted for itself */
} ku_duplicate;

typedef struct ku_duplicates {
    uint64_t nodes, bytes, wasted; /* of all groups */
    size_t count;
    ku_duplicate *list; /* most wasted first */
} ku_duplicates;

/* The groups of equal objects that live. NULL with `error` filled: KU_NO_MEMORY. */
KU_API ku_duplicates *ku_duplicates_new(const ku_graph *graph, ku_error *error);
KU_API void ku_duplicates_delete(ku_duplicates *duplicates); /* NULL does nothing */

/* Containers of one type and birthplace that have room. */
typedef struct ku_room {
    uint32_t type;
    uint32_t site;    /* birthplace, 0 unknown */
    uint32_t nodes;   /* containers */
    uint32_t example; /* the one with most room */
    uint64_t bytes;   /* of room */
} ku_room;

typedef struct ku_rooms {
    uint64_t nodes, bytes; /* of all of them */
    size_t count;
    ku_room *list; /* most room first */
} ku_rooms;

/* Containers that live and have room, by type and birthplace. NULL with `error` filled: KU_NO_MEMORY. */
KU_API ku_rooms *ku_rooms_new(const ku_graph *graph, ku_error *error);
KU_API void ku_rooms_delete(ku_rooms *rooms); /* NULL does nothing */

#ifdef __cplusplus
}
#endif

#endif
