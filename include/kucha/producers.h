/* producers.h: who makes the cycles: what collections find dead, by type, by birthplace, and by the reference that
 * closed the cycle.
 *
 * Objects that refer to each other in a circle are not freed when nobody needs them any more; they wait for a
 * collection, hold their memory until then, and cost the collection's time. This says which references close the
 * circles, so that one of them can be made weak, or cleared:
 *
 *     ku_producers *watch = ku_producers_start(isolate);
 *     ... the program ...
 *     ku_gc_collect(isolate, KU_GC_ALL);
 *     ku_producers_print(watch, stdout, 10);
 *     ku_producers_stop(watch);
 *
 * prints, for a tree whose nodes refer to their parents and that was dropped,
 *
 *     1 cycles; 15 objects, 480 bytes, died in 1 collections
 *            bytes   share        cycles       closed by
 *              480  100.0%             1       node.parent -> node
 *                                              node, born at tree.c:19 in grow
 *                                              node.left -> node.parent -> node (the first)
 *                                              make it a weak reference (KU_FIELD_WEAK, ku_weakref_new), or ...
 *
 * The collector decides what is dead, as always; what is dead is read before any finalizer runs, and its strongly
 * connected components are found. Nothing is kept alive and nothing is written into an object. What finalizers bring
 * back to life is not counted. Each component is told by one cycle, a shortest one through its first object; where an
 * object is in many, the others show when that one is gone. Of more than 200,000 dead objects of one collection a
 * sample is looked at, and of more than 20,000 cycles only some are told, evenly taken.
 *
 * While nobody watches, a collection costs nothing more; while somebody does, about a microsecond for each dead object.
 * Birthplaces are known with KU_ISOLATE_BIRTHPLACES.
 *
 * Lock: everything here needs the isolate's lock.
 */
#ifndef KUCHA_PRODUCERS_H
#define KUCHA_PRODUCERS_H

#include <kucha/isolate.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ku_producers ku_producers;

/* What sort of reference closed a cycle: what can be done about it depends on that. */
typedef enum ku_closing {
    KU_CLOSING_ATTRIBUTE = 1, /* a field, or an attribute, of an object */
    KU_CLOSING_ITEM,          /* an item of a container, perhaps one that an attribute names */
    KU_CLOSING_METHOD,        /* a bound method of the object that keeps it */
    KU_CLOSING_TYPE,          /* of a type made at run time, which is a cycle by nature */
    KU_CLOSING_OTHER,         /* of which only a `traverse` hook knows */
} ku_closing;

/* Cycles that were closed by the same reference, from objects that were born at the same place. */
typedef struct ku_producer {
    ku_closing kind;
    const char *closing; /* the reference in words: "node.parent -> node" */
    const char *name;    /* its own: "parent"; NULL: it has none */
    const char *type;    /* of the object that holds it */
    const char *place;   /* where that was born: "tree.c:19 in grow"; NULL: not known */
    const char *example; /* one of the cycles, from its first object back to it */
    const char *advice;  /* what can be done; "" where there is nothing to say */
    uint64_t cycles;
    uint64_t objects;     /* in them, and dead because of them */
    uint64_t bytes;       /* theirs, with the buffers that they own */
    uint64_t collections; /* in which some were found */
} ku_producer;

/* Objects that were found dead, of one type and birthplace. */
typedef struct ku_producers_dead {
    const char *type;
    const char *place; /* NULL: not known */
    uint64_t objects, bytes, collections;
} ku_producers_dead;

typedef struct ku_producers_totals {
    uint64_t collections; /* that found something */
    uint64_t dead;        /* what they found */
    uint64_t looked;      /* of it, what was looked at and died */
    uint64_t cycles;      /* in that */
    uint64_t unnamed;     /* of these, those that were too many to be told one by one */
    uint64_t refused;     /* collections that could not be looked at: memory was refused */
} ku_producers_totals;

/* Counts from now on. Several may watch, each with counts of its own and at its own price. NULL with KU_NO_MEMORY
 * pending. */
KU_API ku_producers *ku_producers_start(ku_isolate *isolate);

/* Counts no more, and forgets what was counted. NULL does nothing. An isolate that is deleted ends what still watches
 * it: stop before, or do not touch it afterwards. */
KU_API void ku_producers_stop(ku_producers *watch);

KU_API void ku_producers_read(const ku_producers *watch, ku_producers_totals *totals);

/* Cycles, those with the most bytes first. Returns how many rows there are, and *rows the first of them: the watch's
 * own, and their texts with them, good until the next collection or call. 0 also where memory is refused. */
KU_API size_t ku_producers_cycles(ku_producers *watch, const ku_producer **rows);

/* The same for all that was found dead. */
KU_API size_t ku_producers_found(ku_producers *watch, const ku_producers_dead **rows);

/* Writes the totals and up to `most` rows of cycles (0: all) as a table; 0, or -1 when the stream fails. */
KU_API int ku_producers_print(ku_producers *watch, FILE *stream, size_t most);

#ifdef __cplusplus
}
#endif

#endif
