/* partition.h: the objects of a graph as the program that made them sees them, and what sets of them have in common.
 *
 * A graph has more nodes than a program has objects: buffers, places, blocks of which nothing is known, dead objects
 * that a type keeps. Here an *object* is what the language knows as one, and its size has the buffers that it owns in
 * it. A *namespace* is a dict that is some object's `__dict__`; that object owns it.
 *
 * Objects are *alive* when the root leads to them. They are *stray* when it does so only through the places "C or
 * unknown" and "immortal", which stand for holders that nobody has seen, or not at all: held from C code alone, or
 * garbage that no collection has found. A tool that looks at the heap it lives in hides itself: nothing is reached
 * through nodes that are hidden.
 *
 * A *partition* puts the objects of a set that have something in common into one row. What they have in common is a
 * list of tokens, ascending: one for most keys, none up to many for those that ask about holders.
 */
#ifndef KUCHA_PARTITION_H
#define KUCHA_PARTITION_H

#include <kucha/dominators.h>
#include <kucha/selection.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ku_objects ku_objects;

/* Finds out which nodes are objects and which dicts are namespaces; `hidden` may be NULL. A bit a node, and 4 bytes for
 * each node in pages where namespaces or buffers are. Keeps a reference to the graph, and a copy of `hidden`. NULL with
 * `error` filled: KU_NO_MEMORY. One made is read by any thread. */
KU_API ku_objects *ku_objects_new(const ku_graph *graph, const ku_selection *hidden, ku_error *error);
KU_API void ku_objects_delete(ku_objects *objects); /* NULL does nothing */

/* The objects that are alive, and those that are stray; hidden ones are in neither. As long as `objects` lives. */
KU_API const ku_selection *ku_objects_alive(const ku_objects *objects);
KU_API const ku_selection *ku_objects_stray(const ku_objects *objects);

/* Bytes of an object and of the buffers that it owns, slack not counted. Tables of keys that dicts share are counted
 * once, with the type that they are of where that is seen. */
KU_API uint64_t ku_objects_size(const ku_objects *objects, uint32_t node);
KU_API uint64_t ku_objects_bytes(const ku_objects *objects, const ku_selection *selection);

/* Whose namespace a dict is, or whose a buffer; KU_GRAPH_NONE for those that are nobody's. */
KU_API uint32_t ku_objects_owner(const ku_objects *objects, uint32_t node);

/* ---- what stands in relation to a set ---- */

typedef enum ku_objects_relation {
    KU_OBJECTS_HELD,    /* objects that a member refers to */
    KU_OBJECTS_HOLDERS, /* objects that are alive and refer to a member */
    KU_OBJECTS_WITHIN,  /* objects that would go if all members went, these included */
    KU_OBJECTS_OWNERS,  /* objects whose namespace is a member */
    KU_OBJECTS_SPACES,  /* the namespaces of members */
    KU_OBJECTS_RELATIONS,
} ku_objects_relation;

/* NULL with `error` filled: KU_NO_MEMORY, KU_INVALID for a selection of another graph or no relation. */
KU_API ku_selection *ku_objects_related(const ku_objects *objects, const ku_selection *selection,
                                        ku_objects_relation relation, ku_error *error);

/* The dominators of the graph without the references out of what is hidden; to be deleted. As above. */
KU_API ku_dominators *ku_objects_dominators(const ku_objects *objects, const ku_progress *progress, ku_error *error);

/* The nodes of `to` that have the address and the type of a node of the selection, which is one of `from`: the same
 * objects, as far as anybody can tell. Types are the same when they lie at one address, or else have one name. As
 * above. */
KU_API ku_selection *ku_objects_again(const ku_graph *from, const ku_selection *selection, const ku_graph *to,
                                      ku_error *error);

/* ---- partitions ---- */

typedef enum ku_partition_key {
    KU_PARTITION_TYPE, /* token: number of the type */
    KU_PARTITION_KIND, /* the type; for a namespace KU_PARTITION_OWNED + its owner's; for other dicts the former + the
                             number of types */
    KU_PARTITION_SIZE, /* bytes */
    KU_PARTITION_SITE, /* number of the birthplace; 0 unknown */
    KU_PARTITION_LINE, /* text of the file of its innermost frame << 32 | line; KU_PARTITION_NOWHERE */
    KU_PARTITION_HOLDERS, /* kinds of all living holders; frames that run are holders too */
    KU_PARTITION_NAMES,   /* names of all references that those hold it by: see ku_partition_name() */
    KU_PARTITION_KEYS,
} ku_partition_key;

#define KU_PARTITION_OWNED ((uint64_t)1 << 32)
#define KU_PARTITION_NOWHERE UINT64_MAX

typedef struct ku_partition_row {
    uint64_t count, bytes; /* objects and their sizes */
    uint64_t first_token;  /* its tokens: `tokens` of them in the partition's list, from this one on */
    uint32_t tokens;
    uint32_t example; /* the first node of it */
} ku_partition_row;

typedef struct ku_partition {
    size_t count;
    ku_partition_row *rows; /* by bytes, largest first; then by example */
    uint64_t *tokens;
} ku_partition;

/* Of the nodes in `selection`. NULL with `error` filled: KU_NO_MEMORY, KU_INVALID for a selection of another graph or
 * no key. */
KU_API ku_partition *ku_partition_new(const ku_objects *objects, const ku_selection *selection, ku_partition_key key,
                                      ku_error *error);
KU_API void ku_partition_delete(ku_partition *partition); /* NULL does nothing */

/* The nodes of `selection` that would be in the row with these tokens. As above. */
KU_API ku_selection *ku_partition_select(const ku_objects *objects, const ku_selection *selection, ku_partition_key key,
                                         const uint64_t *tokens, size_t count, ku_error *error);

/* What a token of KU_PARTITION_NAMES stands for. */
KU_API ku_edge_name ku_partition_name(uint64_t token);

#ifdef __cplusplus
}
#endif

#endif
