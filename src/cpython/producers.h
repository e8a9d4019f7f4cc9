/* producers.h: what makes the garbage that only a collection finds: by type, by birthplace, and by the reference that
 * closed the cycle.
 *
 * Nothing is asked beforehand what might die. The interpreter finds out what is dead, as always, and one of the dead is
 * ours:
 *
 *     "start"    A sentinel, an object that only refers to itself, becomes the first of the list that the interpreter
 *                is about to look at. So it is the first of what is dead, too.
 *     look       Before any code of the program runs, the interpreter calls the callback of the sentinel's weak
 *                reference. The dead are then a list of their own that begins with the sentinel: they are read here,
 *                from its first to its last. Nothing of them is called but their tp_traverse, which the collector has
 *                just called too; no reference to one of them is made, and nothing is written into them.
 *     finalizer  The sentinel's is the first that is called; it takes it out of the list, so that it is not counted,
 *                not cleared and not kept in gc.garbage.
 *     "stop"     What finalizers revived is in the oldest list that was looked at by now: where the interpreter says
 *                that fewer died than were looked at, that list is asked. The addresses are compared, never followed.
 *                A cycle of which something lives on is not counted, and nothing that it kept.
 *
 * Under kucha's collector (collector.h) the sentinel of that one serves where it is in the list; else ours is put there
 * after its work. A slice of a concurrent collection is a collection like any other.
 *
 * Collections that print what they find (DEBUG_STATS, DEBUG_COLLECTABLE) are left alone, as the sentinel would be
 * printed, and so are those of an interpreter that is ending. A collection for which memory cannot be had is counted as
 * not looked at.
 *
 * What is told of a collection of many dead is a sample: the list is gone along once, and of windows that lie evenly in
 * it the objects are looked at (`looked` against `dead`).
 *
 * Lock: everything belongs to the GIL of the main interpreter. While nobody watches there is nothing of it but a
 * compared word in kucha's own collector.
 *
 * Source of the order of things: gc_collect_main() in Modules/gcmodule.c and Python/gc.c, v3.11.7 to v3.15.2.
 */
#ifndef KU__PRODUCERS_H
#define KU__PRODUCERS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "inspect/components.h"
#include "inspect/maker.h"
#include "inspect/pointer_map.h"

#include <stdbool.h>

/* What sort of reference closed a cycle: what can be done about it depends on that. */
typedef enum ku__closing {
    KU__CLOSING_NONE,      /* a record of objects, not of cycles */
    KU__CLOSING_ATTRIBUTE, /* of an instance */
    KU__CLOSING_ITEM,      /* of a container, perhaps one that an attribute names */
    KU__CLOSING_METHOD,    /* a bound method of the object that keeps it */
    KU__CLOSING_VARIABLE,  /* of a function: it closes over it */
    KU__CLOSING_LOCAL,     /* of a frame, which a traceback keeps */
    KU__CLOSING_GENERATOR, /* a local of one that is suspended */
    KU__CLOSING_CLASS,     /* any class is a cycle */
    KU__CLOSING_OTHER,
    KU__CLOSINGS,
} ku__closing;

/* Texts are numbers of `texts`; KU_GRAPH_NONE: not known. */
typedef struct ku__record {
    uint32_t kind;    /* ku__closing */
    uint32_t source;  /* the type of the objects; of the object that holds the closing reference */
    uint32_t place;   /* where that was born */
    uint32_t closing; /* the reference, in words */
    uint32_t name;    /* its own name */
    uint32_t example; /* a whole cycle in words */
    uint64_t cycles;
    uint64_t objects;     /* in cycles, and kept by them */
    uint64_t bytes;       /* theirs, with the memory beside them that is theirs alone */
    uint64_t collections; /* in which some were found */
    uint64_t last;        /* the number of the last of them */
} ku__record;

typedef struct ku__dead {
    uintptr_t item; /* an address: it is followed while it is looked at, and only compared later */
    uint64_t bytes;
    uint32_t record; /* of its type and birthplace */
    uint32_t keeper; /* the component by which it is kept; KU__COMPONENT_NONE */
} ku__dead;

/* How names are found; producers_words.c. */
typedef struct ku__words {
    ku__maker texts;
    ku__growing expected;   /* see graph_read.h */
    ku__pointer_map places; /* texts of birthplaces, by site and tracer */
    struct {
        const PyTypeObject *type;
        uint32_t text;
    } types[64]; /* by address, of one collection */
} ku__words;

typedef struct ku__producers {
    ku__words words;
    ku__growing records; /* ku__record; the first stands for nothing */
    ku__by_hash by_key;

    /* one collection, from the look to its end */
    ku__growing dead;           /* ku__dead */
    ku__pointer_map numbers;    /* of the dead, by address */
    ku__growing first, targets; /* their references among each other: ku__links */
    ku__components components;
    ku__growing cycles;     /* uint32_t, by component: the record; 0: none */
    ku__growing items;      /* PyObject *, of a cycle */
    ku__growing beginnings; /* PyGC_Head *, where windows of the dead begin */
    size_t met;             /* dead, looked at or not */
    bool looked;

    uint64_t collections, dead_count, looked_count, cycle_count; /* in all */
    uint64_t unnamed;                                            /* cycles that were too many to be told one by one */
    uint64_t refused;                                            /* collections that could not be looked at */
} ku__producers;

/* ---- producers.c: being there when the dead are found ---- */

/* Watches from now on, for one more who asks. 0, or -1 with an exception: Refused from `module`. */
int ku__producers_start(PyObject *module);

/* One fewer. With the last one everything that was counted is forgotten. */
void ku__producers_stop(void);

/* What was counted; NULL while nobody watches. */
const ku__producers *ku__producers_now(void);

/* From kucha's collector: "start", before its own work and after it, unless a sentinel of its own is in the list;
 * the dead begin behind this node; "stop". Nothing while nobody watches. */
void ku__producers_begin(void);
void ku__producers_join(int generation);
void ku__producers_found(void *first_node);
void ku__producers_end(int generation, size_t found);

/* kucha's collector has come or gone: the functions in gc.callbacks are wanted only without it. */
void ku__producers_collector(bool there);

/* ---- producers_look.c ---- */

/* Looks at all->dead, whose objects are dead and not yet cleared. False: memory was refused, and nothing is kept. */
bool ku__producers_look(ku__producers *all);

/* Takes cycles away that did not die, of which `item` is a part or something that they kept. */
void ku__producers_spare(ku__producers *all, uintptr_t item);

/* Counts what was looked at; and forgets it. */
void ku__producers_count(ku__producers *all);
void ku__producers_drop(ku__producers *all);

/* ---- producers_records.c ---- */

bool ku__producers_open(ku__producers *all);
void ku__producers_close(ku__producers *all);

/* The record with the key that `like` has (kind, source, place, closing), a new one if need be; 0: there are too many,
 * or memory was refused. */
uint32_t ku__record_for(ku__producers *all, const ku__record *like);

static inline ku__record *ku__record_at(const ku__producers *all, uint32_t number) {
    return KU__GROWING_ITEMS(&all->records, ku__record) + number;
}

/* ---- producers_words.c ---- */

typedef void ku__words_see(void *argument, uintptr_t target);

/* Calls see() for each reference of the object; returns its bytes. */
uint64_t ku__words_read(ku__words *words, PyObject *item, ku__words_see *see, void *argument);

/* Before the objects of a collection: what was known of types may be true no more. */
void ku__words_begin(ku__words *words);

uint32_t ku__words_type(ku__words *words, const PyTypeObject *type);
uint32_t ku__words_place(ku__words *words, PyObject *item);

/* Whether a cycle is told from this object on, and not from a list, a cell or the like that is only on the way. */
bool ku__words_principal(PyObject *item);

/* Fills in kind, source, closing, name and place of a cycle: each object refers to the next, the last to the first.
 * And, if asked, the whole of it in words. */
void ku__words_cycle(ku__words *words, PyObject *const *items, uint32_t count, ku__record *record);
uint32_t ku__words_example(ku__words *words, PyObject *const *items, uint32_t count);

#endif
