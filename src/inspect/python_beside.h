/* python_beside.h: what objects of CPython's C modules keep beside them, out of sight of any table of members: the
 * blocks of a deque, the nodes of an OrderedDict, the ring of a functools.lru_cache. Caches and queues are where
 * programs keep too much, so they are read by lay-out, of a living process and of a core alike.
 *
 * The lay-outs are private to their modules and the same from 3.11 to 3.15; tests compare what is found here with what
 * tp_traverse tells, on each version. Nothing is believed: a ring that does not close ends, and every word is read
 * through ku__memory.
 *
 * Sources: Modules/_collectionsmodule.c (struct BLOCK, dequeobject, deque_traverse()), Objects/odictobject.c (struct
 * _odictobject, struct _odictnode, odict_traverse()), Modules/_functoolsmodule.c (lru_list_elem, lru_cache_object,
 * lru_cache_tp_traverse()), at v3.11.7, v3.12.1, v3.13.0, v3.14.10 and v3.15.2.
 */
#ifndef KU__PYTHON_BESIDE_H
#define KU__PYTHON_BESIDE_H

#include "inspect/memory.h"
#include "inspect/python_graph.h"

typedef enum ku__beside_kind {
    KU__BESIDE_NOTHING,
    KU__BESIDE_DEQUE,
    KU__BESIDE_ORDERED, /* what it has beyond a dict */
    KU__BESIDE_CACHE,
} ku__beside_kind;

/* The kind of a type of this name (tp_name), which no class statement made. */
ku__beside_kind ku__beside_kind_of(const char *name, size_t size);

typedef struct ku__beside {
    ku__memory *memory;
    /* References in the order in which tp_traverse tells of them; of a deque `number` is the item's. */
    void (*reference)(void *argument, uintptr_t target, uint32_t number);
    void (*block)(void *argument, uintptr_t block, size_t size, ku__buffer_kind kind);
    void *argument;
} ku__beside;

void ku__beside_walk(const ku__beside *to, ku__beside_kind kind, uintptr_t object);

#endif
