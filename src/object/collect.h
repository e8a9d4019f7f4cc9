/* collect.h: the collector of an isolate: its state, and what the rest of the object room must tell it. See collect.c,
 * and gc/ for the collector itself.
 *
 * Lock: the isolate's. Invariants: isolate->collecting is true exactly while a collection or a step of one runs; what
 * the space knows of are blocks of isolate->tracked.
 */
#ifndef KU__COLLECT_H
#define KU__COLLECT_H

#include "gc/pauses.h"
#include "gc/policy.h"
#include "gc/run.h"
#include "object/gc_watch.h"
#include "object/object.h"

typedef struct ku__gc_callback {
    ku_gc_callback *call;
    void *argument;
} ku__gc_callback;

typedef struct ku__array {
    void *items;
    size_t count, capacity; /* in items; memory from pages */
} ku__array;

struct ku__gc {
    ku__space space;
    ku__policy policy;
    bool enabled;
    unsigned debug; /* of ku_gc_debug */
    ku_gc_stats stats[KU_GC_GENERATIONS];
    ku__pauses pauses[KU_GC_GENERATIONS];
    ku__array callbacks;         /* of ku__gc_callback */
    ku__weak_queue weak;         /* callbacks of weak references, to be called */
    ku__array saved;             /* of ku_object *, owned: what KU_GC_SAVEALL keeps and is not in the list yet */
    ku__array types;             /* of ku_object *, owned: types that end when their instances have (native_model.h) */
    ku__array immortals;         /* of ku_object *: those that no root led to in a full collection, roots of the next */
    ku_object *garbage;          /* the list; NULL: nobody has asked */
    const ku__gc_watch *watch;   /* NULL: nobody */
    size_t told;                 /* of the dead, so far */
    size_t due_rounds, due_full; /* hostile build: collections so far; the number of the next full one */

    /* a full collection in steps, or by a child */
    ku_gc_mode mode;
    uint64_t pause; /* nanoseconds that one should take at most; 0: no such wish */
    ku__run steps;
    bool stepping;     /* `steps` is under way, and so is standing of the space */
    bool is_automatic; /* it was due, and nobody asked for it */
    size_t step_young; /* isolate->young when it began */
    size_t step_candidates;
    size_t step_pending; /* policy.pending when it began */
    int child;           /* that marks an image (forked.h); 0: none */
    void *answer;        /* in memory shared with it */
};

/* Tells the collector of a tracked object that its block is about to be given back. */
static inline void ku__gc_forget(ku_isolate *isolate, const ku_object *object) {
    if (KU__LIKELY(isolate->gc != NULL)) {
        ku__space_forget(&isolate->gc->space, object);
    }
}

/* A large buffer was taken: when such have grown too much, the next new object collects. */
static inline void ku__gc_note_bytes(ku_isolate *isolate, size_t bytes) {
    if (bytes > KU_SMALL_MAX && isolate->gc != NULL && isolate->gc->enabled &&
        isolate->buffers->large_bytes > isolate->gc->policy.bytes_most) {
        isolate->young_most = -1;
    }
}

/* Before an isolate is deleted: what the collector keeps alive is given up, and nothing is kept any more. */
void ku__gc_finish(ku_isolate *isolate);

/* A whole collection at one go; what ku_gc_collect() returns. `automatic`: it was due. */
size_t ku__gc_whole(ku_isolate *isolate, int generation, bool automatic);

/* Beginning and end of any collection: callbacks, debug text, statistics, the next trigger. */
typedef struct ku__episode {
    int generation;
    bool automatic;
    size_t young, candidates, found, later; /* as in ku__yield */
    uint64_t began, pause;                  /* when; nanoseconds spent in it, while the program stood still */
    ku__pending pending;
} ku__episode;
void ku__gc_episode_begin(ku_isolate *isolate, ku__episode *episode);
void ku__gc_episode_end(ku_isolate *isolate, ku__episode *episode);

/* Makes isolate->young_most what the policy says. */
void ku__gc_trigger(ku_isolate *isolate);

/* Makes the space know all objects, new ones as generation 0. */
bool ku__gc_sync(ku_isolate *isolate);

/* Ends what is left of the candidates after trial deletion, as debug flags say. Returns how many there were. */
size_t ku__gc_end_dead(ku_isolate *isolate, ku__run *run);

/* ---- steps.c ---- */

/* Does the next step of a collection in steps, which it begins if none is under way; true when it is done, with *found
 * what it found. */
bool ku__gc_step(ku_isolate *isolate, uint64_t nanoseconds, bool automatic, size_t *found);
/* Gives up one that is under way: whoever collects everything does not need it. */
void ku__gc_steps_drop(ku_isolate *isolate);

/* Room for one more item of `each` bytes; false without memory. */
bool ku__array_reserve(ku__array *array, size_t each);
void ku__array_close(ku__array *array, size_t each);

#endif
