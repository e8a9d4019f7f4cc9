/* suspects.h: where a heap's memory piles up: the objects and the groups of objects that keep a large share of it.
 *
 * An *accumulation point* is an object that retains a large share of the heap while no single object below it does: the
 * cache, list or table that the many small ones hang from. A *group* is all objects of one type, or of one birthplace,
 * that together retain a large share; an object inside another of its group is counted with that one. Memory that an
 * object owns beside itself (KU_NODE_BUFFER) is part of that object, and no suspect of its own.
 */
#ifndef KUCHA_SUSPECTS_H
#define KUCHA_SUSPECTS_H

#include <kucha/dominators.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ku_suspect_kind { KU_SUSPECT_POINT, KU_SUSPECT_TYPE, KU_SUSPECT_SITE } ku_suspect_kind;

typedef struct ku_suspect {
    uint32_t kind;    /* ku_suspect_kind */
    uint32_t key;     /* the node, the type or the birthplace */
    uint32_t example; /* a node of it: the one that retains most */
    uint32_t old;     /* of the group: nodes of age 2 or more, where ages are known */
    uint64_t count;   /* nodes of the group; of a point, those that would go with it */
    uint64_t retained;
} ku_suspect;

typedef struct ku_suspects {
    size_t count;
    uint64_t whole; /* bytes that the root retains */
    ku_suspect *list;
} ku_suspects;

/* Everything that retains at least `share` (of 1) of what the root retains, most first. Birthplace 0 (unknown), places
 * and what is not reached are nobody's suspects. NULL with `error` filled: KU_INVALID for a share that is not above 0,
 * KU_NO_MEMORY. */
KU_API ku_suspects *ku_suspects_new(const ku_graph *graph, const ku_dominators *dominators, double share,
                                    ku_error *error);
KU_API void ku_suspects_delete(ku_suspects *suspects); /* NULL does nothing */

#ifdef __cplusplus
}
#endif

#endif
