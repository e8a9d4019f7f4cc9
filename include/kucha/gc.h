/* gc.h: the collector of an isolate: what Python's gc module offers, for C.
 *
 * What only refers to itself is found by trial deletion: references that come from inside the heap are taken off a copy
 * of the counts, and what has some left is held from outside. No set of roots is needed, so a C variable with a counted
 * reference keeps its object without anybody knowing of it.
 *
 * Three generations. New objects are in 0; survivors of a collection move up; a full collection looks at all. Automatic
 * collections start from an allocation, when more objects were made than freed since the last one by the threshold of
 * generation 0, and generations 1 and 2 follow their thresholds, what lives, and what the last collections found.
 *
 * What dies goes in the order of CPython 3.14 (Python/gc.c): weak references to it are cleared, and the callbacks
 * called of those that live on; finalizers run, once; what they made reachable again lives on; weak references that
 * finalizers made to the rest are cleared; fields are cleared, which frees.
 *
 * Where older texts say that get_count counts collections of generation 0, that the collector calls `__del__` or that
 * objects with finalizers are uncollectable: as CPython 3.14 (PEP 442).
 *
 * Source: the Python library reference, "gc", whose names these are.
 */
#ifndef KUCHA_GC_H
#define KUCHA_GC_H

#include <kucha/isolate.h>
#include <kucha/object.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { KU_GC_GENERATIONS = 3, KU_GC_ALL = -1 };

typedef enum ku_gc_debug {
    KU_GC_STATS = 1 << 0,         /* print statistics of each collection to standard error */
    KU_GC_COLLECTABLE = 1 << 1,   /* print what is found and freed */
    KU_GC_UNCOLLECTABLE = 1 << 2, /* print what is found and cannot be freed */
    KU_GC_SAVEALL = 1 << 5,       /* what is found goes into ku_gc_garbage() instead of being freed */
    KU_GC_LEAK = KU_GC_COLLECTABLE | KU_GC_UNCOLLECTABLE | KU_GC_SAVEALL,
} ku_gc_debug;

typedef struct ku_gc_stats {
    size_t collections;
    size_t collected;
    size_t uncollectable;
    size_t candidates; /* objects looked at, in all */
    double duration;   /* seconds, in all */
} ku_gc_stats;

/* Collects generation 0, 1 or 2 (all) with the younger ones. Returns how many unreachable objects were found, freed or
 * not; 0 when a collection runs already. Needs no memory from the isolate's heaps; where the system refuses working
 * memory, nothing is collected and the result is 0. */
KU_API size_t ku_gc_collect(ku_isolate *isolate, int generation);

/* A collection of everything in steps: works for about `seconds`, and returns true when it is done; *found (may be
 * NULL) then has what ku_gc_collect() returns. The program may run between steps. */
KU_API bool ku_gc_step(ku_isolate *isolate, double seconds, size_t *found);

KU_API void ku_gc_enable(ku_isolate *isolate);
KU_API void ku_gc_disable(ku_isolate *isolate);
KU_API bool ku_gc_is_enabled(const ku_isolate *isolate);

/* A pause that automatic collections should not exceed, in seconds: they are then done in steps, or by a forked child
 * where that is allowed. 0: no such wish, the default. KU_INVALID for less.
 *
 * The pause of KU_GC_FORKED grows with the clone(2), which copies the page tables: some 40 ms for 500 MiB of small
 * pages. So from then on the isolate's heaps, from 16 MiB on, take new memory on huge pages if the system has any,
 * whatever these cost (not where the isolate was opened with KU_HUGE_NEVER): ask for it before the heap grows.
 *
 * Younger collections are at one go, so in both modes they come as often as keeps each within that pause, at 35 ns an
 * object, or at 10,000 objects; not where the program set thresholds (ku_gc_set_threshold()). */
typedef enum ku_gc_mode { KU_GC_WHOLE, KU_GC_STEPPED, KU_GC_FORKED } ku_gc_mode;
KU_API bool ku_gc_set_mode(ku_isolate *isolate, ku_gc_mode mode, double seconds);

KU_API void ku_gc_get_stats(const ku_isolate *isolate, ku_gc_stats stats[KU_GC_GENERATIONS]);

/* How long collections of a generation kept the program waiting; each step counts for itself. */
enum { KU_GC_PAUSE_PLACES = 24 };
typedef struct ku_gc_pauses {
    size_t count;
    double total, longest; /* seconds */
    size_t
        histogram[KU_GC_PAUSE_PLACES]; /* [n]: pauses of 2^n to 2^(n+1) microseconds; the first and the last are open */
} ku_gc_pauses;
KU_API void ku_gc_get_pauses(const ku_isolate *isolate, ku_gc_pauses pauses[KU_GC_GENERATIONS]);

KU_API unsigned ku_gc_get_debug(const ku_isolate *isolate);
KU_API void ku_gc_set_debug(ku_isolate *isolate, unsigned flags);

/* Defaults as CPython's: 2000, 10, 0 in 3.14; a threshold of 0 for generation 0 switches automatic collection off. */
KU_API void ku_gc_get_threshold(const ku_isolate *isolate, int thresholds[KU_GC_GENERATIONS]);
KU_API void ku_gc_set_threshold(ku_isolate *isolate, const int thresholds[KU_GC_GENERATIONS]);
KU_API void ku_gc_get_count(const ku_isolate *isolate, int counts[KU_GC_GENERATIONS]);

/* What the collector knows of, of one generation or KU_GC_ALL, as a list. */
KU_API ku_object *ku_gc_get_objects(ku_isolate *isolate, int generation);

/* What refers directly to any of the objects, and what they refer to directly; lists. */
KU_API ku_object *ku_gc_get_referrers(ku_isolate *isolate, ku_object *const *objects, size_t count);
KU_API ku_object *ku_gc_get_referents(ku_isolate *isolate, ku_object *const *objects, size_t count);

/* Whether the collector looks at the object: false for types that cannot be part of cycles, and for tuples of such. */
KU_API bool ku_gc_is_tracked(const ku_object *object);
KU_API bool ku_gc_is_finalized(const ku_object *object);

/* Moves everything tracked into a permanent generation, that no collection looks at; and back into the oldest. */
KU_API void ku_gc_freeze(ku_isolate *isolate);
KU_API void ku_gc_unfreeze(ku_isolate *isolate);
KU_API size_t ku_gc_get_freeze_count(const ku_isolate *isolate);

typedef enum ku_gc_phase { KU_GC_START, KU_GC_STOP } ku_gc_phase;
typedef struct ku_gc_info {
    int generation;
    size_t collected;     /* at KU_GC_STOP */
    size_t uncollectable; /* likewise */
    size_t candidates;
    double duration; /* seconds, at KU_GC_STOP */
} ku_gc_info;

/* Called at the start and the stop of each collection, in the order added. Removing one that is not there does nothing.
 * False: no memory. */
typedef void ku_gc_callback(ku_isolate *isolate, ku_gc_phase phase, const ku_gc_info *info, void *argument);
KU_API bool ku_gc_add_callback(ku_isolate *isolate, ku_gc_callback *callback, void *argument);
KU_API void ku_gc_remove_callback(ku_isolate *isolate, ku_gc_callback *callback, void *argument);

/* The list of what could not be freed, or was saved by KU_GC_SAVEALL; borrowed, always the same list. */
KU_API ku_object *ku_gc_garbage(ku_isolate *isolate);

#ifdef __cplusplus
}
#endif

#endif
