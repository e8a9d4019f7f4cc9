/* gc.c: the collector's public interface, kucha/gc.h, but for what gives lists (gc_lists.c). */
#include "object/collect.h"

#include <string.h>

size_t ku_gc_collect(ku_isolate *isolate, int generation) {
    if (isolate->collecting || isolate->closing) {
        return 0;
    }
    generation = generation < 0 || generation >= KU_GC_GENERATIONS ? KU_GC_GENERATIONS - 1 : generation;
    return ku__gc_whole(isolate, generation, false);
}

static uint64_t nanoseconds(double seconds) {
    enum { SECONDS_MOST = 1000000 }; /* twelve days: no limit */
    double wanted = seconds > 0 ? seconds : 0;
    return (uint64_t)((wanted < SECONDS_MOST ? wanted : SECONDS_MOST) * 1e9);
}

bool ku_gc_step(ku_isolate *isolate, double seconds, size_t *found) {
    size_t here = 0;
    bool done = isolate->collecting || isolate->closing || ku__gc_step(isolate, nanoseconds(seconds), false, &here);
    if (found != NULL) {
        *found = here;
    }
    return done;
}

void ku_gc_enable(ku_isolate *isolate) {
    isolate->gc->enabled = true;
    ku__gc_trigger(isolate);
}

void ku_gc_disable(ku_isolate *isolate) {
    isolate->gc->enabled = false;
    ku__gc_trigger(isolate);
}

bool ku_gc_is_enabled(const ku_isolate *isolate) {
    return isolate->gc->enabled;
}

bool ku_gc_set_mode(ku_isolate *isolate, ku_gc_mode mode, double seconds) {
    if ((unsigned)mode > KU_GC_FORKED || !(seconds >= 0)) {
        return ku_fail(isolate, KU_INVALID, "ku_gc_set_mode: a mode of ku_gc_mode and a pause of 0 or more seconds");
    }
    isolate->gc->mode = mode;
    isolate->gc->pause = nanoseconds(seconds);
    ku__policy_set_pause(&isolate->gc->policy, mode != KU_GC_WHOLE ? isolate->gc->pause : 0);
    ku_heap *heaps[] = {isolate->tracked, isolate->atoms, isolate->buffers};
    for (size_t i = 0; i < sizeof heaps / sizeof *heaps; i++) {
        heaps[i]->backing.imaged_from = mode == KU_GC_FORKED ? KU__HUGE_IMAGED : 0;
    }
    return true;
}

/* ---- figures ---- */

void ku_gc_get_stats(const ku_isolate *isolate, ku_gc_stats stats[KU_GC_GENERATIONS]) {
    memcpy(stats, isolate->gc->stats, sizeof isolate->gc->stats);
}

void ku_gc_get_pauses(const ku_isolate *isolate, ku_gc_pauses pauses[KU_GC_GENERATIONS]) {
    for (int i = 0; i < KU_GC_GENERATIONS; i++) {
        const ku__pauses *from = &isolate->gc->pauses[i];
        pauses[i] = (ku_gc_pauses){
            .count = from->count, .total = (double)from->total / 1e9, .longest = (double)from->longest / 1e9};
        memcpy(pauses[i].histogram, from->histogram, sizeof pauses[i].histogram);
    }
}

unsigned ku_gc_get_debug(const ku_isolate *isolate) {
    return isolate->gc->debug;
}

void ku_gc_set_debug(ku_isolate *isolate, unsigned flags) {
    isolate->gc->debug = flags;
}

void ku_gc_get_threshold(const ku_isolate *isolate, int thresholds[KU_GC_GENERATIONS]) {
    memcpy(thresholds, isolate->gc->policy.thresholds, sizeof isolate->gc->policy.thresholds);
}

void ku_gc_set_threshold(ku_isolate *isolate, const int thresholds[KU_GC_GENERATIONS]) {
    ku__policy_set_thresholds(&isolate->gc->policy, thresholds);
    ku__gc_trigger(isolate);
}

void ku_gc_get_count(const ku_isolate *isolate, int counts[KU_GC_GENERATIONS]) {
    counts[0] = isolate->young;
    counts[1] = isolate->gc->policy.counts[1];
    counts[2] = isolate->gc->policy.counts[2];
}

/* ---- what is known of one object ---- */

bool ku_gc_is_tracked(const ku_object *object) {
    return (ku__map_of(object)->flags & KU__MAP_ACYCLIC) == 0 && (object->kind & KU__UNTRACKED) == 0;
}

bool ku_gc_is_finalized(const ku_object *object) {
    return ku_is_finalized(object);
}

/* ---- the permanent generation ---- */

void ku_gc_freeze(ku_isolate *isolate) {
    if (isolate->collecting) {
        return; /* what is being ended cannot be kept this way */
    }
    ku__gc_steps_drop(isolate);
    ku__gc_sync(isolate);
    ku__space_freeze(&isolate->gc->space);
    isolate->young = 0;
}

void ku_gc_unfreeze(ku_isolate *isolate) {
    ku__space_unfreeze(&isolate->gc->space);
}

size_t ku_gc_get_freeze_count(const ku_isolate *isolate) {
    return ku__space_count(&isolate->gc->space, 3);
}

/* ---- callbacks ---- */

static void remove_at(ku__array *callbacks, size_t at) {
    ku__gc_callback *items = (ku__gc_callback *)callbacks->items;
    memmove(&items[at], &items[at + 1], (callbacks->count - at - 1) * sizeof *items);
    callbacks->count--;
}

bool ku_gc_add_callback(ku_isolate *isolate, ku_gc_callback *callback, void *argument) {
    ku__array *callbacks = &isolate->gc->callbacks;
    if (!ku__array_reserve(callbacks, sizeof(ku__gc_callback))) {
        return ku_fail(isolate, KU_NO_MEMORY, "the system refused memory for the callbacks of the collector");
    }
    ((ku__gc_callback *)callbacks->items)[callbacks->count++] = (ku__gc_callback){callback, argument};
    return true;
}

void ku_gc_remove_callback(ku_isolate *isolate, ku_gc_callback *callback, void *argument) {
    ku__array *callbacks = &isolate->gc->callbacks;
    for (size_t i = 0; i < callbacks->count; i++) {
        const ku__gc_callback *at = &((ku__gc_callback *)callbacks->items)[i];
        if (at->call == callback && at->argument == argument) {
            remove_at(callbacks, i);
            return;
        }
    }
}
