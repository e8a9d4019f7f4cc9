/* collect.c: collecting native objects: whole collections, and what is common to all kinds. See gc/collector.h for how
 * the dead are found, gc/policy.h for when.
 *
 * The native model (native_model.h) is compiled into this file: marking and trial deletion here know what a native
 * object looks like. Collections in steps and by a child are in the same unit, in steps.h and forked.h.
 *
 * A collection is an episode: callbacks and debug text at its begin and end, statistics, the pending error put aside,
 * the next trigger. isolate->collecting is set all the while, so none begins inside of one, whatever callbacks and
 * finalizers do.
 *
 * In the hostile build every new object collects: generation 0 each time, 1 and 2 now and then.
 */
#include "object/collect.h"

#include "object/held.h"
#include "object/native_model.h"
#include "object/types.h"
#include "object/verify.h"

#include "gc/collector.h"
#include "os/clock.h"
#include "os/image.h"
#include "os/pages.h"
#include "os/shared.h"

#include <stdio.h>
#include <string.h>

/* ---- arrays in pages ---- */

bool ku__array_reserve(ku__array *array, size_t each) {
    if (array->count < array->capacity) {
        return true;
    }
    enum { LEAST = 64 };
    size_t capacity = array->capacity != 0 ? array->capacity * 2 : LEAST;
    void *larger = ku__pages_map(capacity * each);
    if (larger == NULL) {
        return false;
    }
    if (array->count != 0) {
        memcpy(larger, array->items, array->count * each);
    }
    ku__pages_unmap(array->items, array->capacity * each);
    array->items = larger;
    array->capacity = capacity;
    return true;
}

void ku__array_close(ku__array *array, size_t each) {
    ku__pages_unmap(array->items, array->capacity * each);
    *array = (ku__array){0};
}

/* ---- episodes ---- */

bool ku__gc_sync(ku_isolate *isolate) {
    ku__quarantine_flush(isolate);
    return ku__space_sync(&isolate->gc->space);
}

void ku__gc_trigger(ku_isolate *isolate) {
    const ku__gc *gc = isolate->gc;
    isolate->young_most = gc->enabled ? ku__policy_young_most(&gc->policy) : INT32_MAX;
}

static void call_callbacks(ku_isolate *isolate, ku_gc_phase phase, const ku__episode *episode) {
    ku__gc *gc = isolate->gc;
    ku_gc_info info = {.generation = episode->generation};
    if (phase == KU_GC_STOP) {
        info.collected = episode->found;
        info.candidates = episode->candidates;
        info.duration = (double)episode->pause / 1e9;
    }
    for (size_t i = 0; i < gc->callbacks.count; i++) {
        ku__gc_callback callback = ((ku__gc_callback *)gc->callbacks.items)[i];
        callback.call(isolate, phase, &info, callback.argument);
        ku__unraisable(isolate, "calling callback of the collector", NULL);
    }
}

/* As CPython prints it (Python/gc.c, show_stats_each_generations). */
static void print_begin(const ku_isolate *isolate, int generation) {
    const ku__space *space = &isolate->gc->space;
    fprintf(stderr, "gc: collecting generation %d...\ngc: objects in each generation:", generation);
    for (int i = 0; i < KU_GC_GENERATIONS; i++) {
        fprintf(stderr, " %zu", ku__space_count(space, i));
    }
    fprintf(stderr, "\ngc: objects in permanent generation: %zu\n", ku__space_count(space, 3));
}

void ku__gc_episode_begin(ku_isolate *isolate, ku__episode *episode) {
    KU__CHECK_HELD_HEAP(isolate->tracked);
    isolate->collecting = true;
    episode->began = ku__clock_nanoseconds();
    episode->pending = ku__pending_take(isolate);
    call_callbacks(isolate, KU_GC_START, episode);
    /* without memory for the newest objects they wait, as if held from outside, and the others are collected */
    ku__gc_sync(isolate);
    if ((isolate->gc->debug & KU_GC_STATS) != 0) {
        print_begin(isolate, episode->generation);
    }
}

static void note_stats(ku__gc *gc, const ku__episode *episode) {
    ku_gc_stats *stats = &gc->stats[episode->generation];
    stats->collections++;
    stats->collected += episode->found;
    stats->candidates += episode->candidates;
    stats->duration += (double)episode->pause / 1e9;
}

void ku__gc_episode_end(ku_isolate *isolate, ku__episode *episode) {
    ku__gc *gc = isolate->gc;
    uint64_t pause = ku__clock_nanoseconds() - episode->began;
    ku__pause_note(&gc->pauses[episode->generation], pause);
    episode->pause += pause;
    note_stats(gc, episode);
    ku__yield yield = {.young = episode->young,
                       .candidates = episode->candidates,
                       .found = episode->found,
                       .later = episode->later,
                       .bytes = isolate->buffers->large_bytes};
    ku__policy_note(&gc->policy, episode->generation, &yield, episode->automatic);
    if ((gc->debug & KU_GC_STATS) != 0) {
        fprintf(stderr, "gc: done, %zu unreachable, 0 uncollectable, %.4fs elapsed\n", episode->found,
                (double)episode->pause / 1e9);
    }
    ku__gc_trigger(isolate);
    call_callbacks(isolate, KU_GC_STOP, episode);
    ku__pending_put(isolate, episode->pending);
    isolate->collecting = false;
}

/* ---- the dead ---- */

/* Lets go of the objects of an array, the last come first: new ones may come meanwhile. */
static void drop_items(ku_isolate *isolate, ku__array *array) {
    while (array->count != 0) {
        ku_decref(isolate, ((ku_object **)array->items)[--array->count]);
    }
}

static void print_collectable(ku__run *run, ku_isolate *isolate, ku_object *object) {
    (void)run;
    (void)isolate;
    fprintf(stderr, "gc: collectable <%s %p>\n", ku__type_of(object)->own.name, (void *)object);
}

/* Without memory for the place it lives on until the next collection, as if it were held. */
static void save(ku__run *run, ku_isolate *isolate, ku_object *object) {
    (void)run;
    ku__array *saved = &isolate->gc->saved;
    if (ku__array_reserve(saved, sizeof(ku_object *))) {
        ((ku_object **)saved->items)[saved->count++] = ku_new_reference(object);
    }
}

static void tell_one(ku__run *run, ku_isolate *isolate, ku_object *object) {
    isolate->gc->watch->dead(isolate, object, isolate->gc->told++, run->found);
}

/* Tells whoever watches of the dead; they are whole. */
static void tell_dead(ku__run *run, ku_isolate *isolate) {
    run->found = ku__run_count(run);
    if (run->found != 0) {
        isolate->gc->told = 0;
        each_dead(run, isolate, 0, tell_one);
        isolate->gc->watch->found(isolate, run->found);
    }
}

void ku__gc_set_watch(ku_isolate *isolate, const ku__gc_watch *watch) {
    isolate->gc->watch = watch;
}

/* What was freed is forgotten; what was kept for the program is a candidate still. */
bool ku__gc_lives(const ku_isolate *isolate, const void *object) {
    const ku__space *space = &isolate->gc->space;
    uint64_t number = ku__space_number(space, object);
    return number != KU__NOWHERE && ku__space_is_known(space, number) && !ku__bit(space->candidates, number);
}

size_t ku__gc_end_dead(ku_isolate *isolate, ku__run *run) {
    ku__gc *gc = isolate->gc;
    unsigned debug = gc->debug;
    if ((debug & KU_GC_COLLECTABLE) != 0) {
        each_dead(run, isolate, 0, print_collectable);
    }
    if (gc->watch != NULL) {
        tell_dead(run, isolate);
    }
    size_t found = end_dead(run, isolate, (debug & KU_GC_SAVEALL) != 0 ? save : NULL);
    if (gc->watch != NULL) {
        gc->watch->ended(isolate, found);
    }
    drop_items(isolate, &gc->types);
    return found;
}

/* Immortal objects that trial deletion came upon. What they hold is then marked from the start, and where only they
 * were held from outside, the dead are freed without another look (gc/ending.h). */
static void note_immortals(ku_isolate *isolate, const ku__run *run) {
    ku__array *immortals = &isolate->gc->immortals;
    for (size_t i = 0; i < run->big_count && ku__array_reserve(immortals, sizeof(ku_object *)); i++) {
        ku_object *object = (ku_object *)ku__space_block(run->space, run->big[i].number);
        ((ku_object **)immortals->items)[immortals->count++] = object;
    }
}

/* ---- whole collections ---- */

enum {
    WAITING_NANOSECONDS = 40, /* an object: 10 to 25 where memory comes in time, 60 to 110 where page tables do not */
    WAITING_LEAST = 1 << 18,  /* objects: of 32 bytes as much as a processor's own table of 2,048 small pages reaches */
};

/* Marking that waited for memory read it in no order. The next ones are quicker on huge pages: never more is spent on
 * these than half of what the marking took, so that all of it together costs at most half of what was waited so far. */
static void gather(ku_isolate *isolate, double took, size_t candidates) {
    bool waited = candidates >= WAITING_LEAST && took * 1e9 > (double)candidates * WAITING_NANOSECONDS;
    if (waited && isolate->gc->mode == KU_GC_WHOLE) {
        ku__backing_gather(isolate->tracked, took / 2);
    }
}

size_t ku__gc_whole(ku_isolate *isolate, int generation, bool automatic) {
    ku__gc *gc = isolate->gc;
    ku__episode episode = {.generation = generation, .automatic = automatic, .young = (size_t)isolate->young};
    if (generation == 2) {
        ku__gc_steps_drop(isolate);
    }
    ku__gc_episode_begin(isolate, &episode);
    ku__run run = {.space = &gc->space, .by_pools = generation == 2};
    isolate->young = 0; /* before finalizers, which may make new ones */
    episode.candidates = ku__space_begin(&gc->space, generation);
    double began = ku__clock_thread();
    bool is_known = find_dead(&run, isolate, generation == 2);
    if (is_known && generation == 2) {
        note_immortals(isolate, &run);
        gather(isolate, ku__clock_thread() - began, episode.candidates);
    }
    if (is_known) {
        episode.found = ku__gc_end_dead(isolate, &run);
    }
    ku__space_end(&gc->space);
    ku__run_close(&run);
    ku__gc_episode_end(isolate, &episode);
    return episode.found;
}

/* ---- what is due ---- */

#ifdef KU_HOSTILE
/* Everything is looked at now and then: so seldom that heaps of a million objects can still be built. */
static int generation_due(ku_isolate *isolate) {
    enum { AGED_EACH = 8, FULL_EACH = 64, SHARE = 16 };
    ku__gc *gc = isolate->gc;
    size_t round = ++gc->due_rounds;
    if (round >= gc->due_full) {
        gc->due_full = round + FULL_EACH + (gc->policy.lived + gc->policy.pending) / SHARE;
        return 2;
    }
    return round % AGED_EACH == 0 ? 1 : 0;
}

static int young_due(ku_isolate *isolate) {
    return (int)(++isolate->gc->due_rounds % 2);
}
#else
static int generation_due(ku_isolate *isolate) {
    return ku__policy_choose(&isolate->gc->policy, (size_t)isolate->young, isolate->buffers->large_bytes);
}

/* While a full collection is under way in steps or by a child: it is in no hurry for what is young. */
static int young_due(const ku_isolate *isolate) {
    return ku__policy_choose_young(&isolate->gc->policy, (size_t)isolate->young, isolate->gc->child != 0);
}
#endif

#include "object/steps.h"

#include "object/forked.h"

void ku__gc_steps_drop(ku_isolate *isolate) {
    ku__gc *gc = isolate->gc;
    if (gc->stepping) {
        child_stop(gc);
        ku__run_close(&gc->steps);
        ku__space_fall(&gc->space);
        gc->stepping = false;
    }
}

/* Nanoseconds that a step must take for the marking to be done in time, at most what pauses may take. */
static uint64_t step_length(const ku__gc *gc) {
    size_t room = ku__policy_most(&gc->policy) / 4;
    uint64_t whole = (uint64_t)gc->step_candidates * MARK_NANOSECONDS;
    uint64_t length = whole / (room / PACE_OBJECTS + 1);
    length = length < STEP_LEAST ? STEP_LEAST : length;
    return gc->pause != 0 && length > gc->pause ? gc->pause : length;
}

/* Whether a full collection at one go would keep the program waiting for longer than it wishes. */
static bool is_long(const ku_isolate *isolate) {
    const ku__policy *policy = &isolate->gc->policy;
    uint64_t objects = policy->lived + policy->pending + (size_t)isolate->young;
    return objects * MARK_NANOSECONDS > isolate->gc->pause;
}

/* One that is under way goes on; true when it is done. */
static bool go_on(ku_isolate *isolate) {
    size_t found;
    return isolate->gc->child != 0 ? forked_poll(isolate, &found)
                                   : ku__gc_step(isolate, step_length(isolate->gc), true, &found);
}

/* The next step of a full collection, or its first if one is due; false when there is none to do. */
static bool step_due(ku_isolate *isolate) {
    ku__gc *gc = isolate->gc;
    if (!gc->stepping && (generation_due(isolate) != 2 || !is_long(isolate))) {
        return false;
    }
    bool begins = !gc->stepping && gc->mode == KU_GC_FORKED && forked_begin(isolate, true);
    if (begins || !go_on(isolate)) {
        int generation = young_due(isolate);
        if (generation >= 0) {
            ku__gc_whole(isolate, generation, true);
        }
        isolate->young_most = isolate->young + PACE_OBJECTS;
    }
    return true;
}

static void collect_due(ku_isolate *isolate) {
    ku__gc *gc = isolate->gc;
    if (!gc->enabled || isolate->closing || gc->policy.thresholds[0] <= 0) {
        return;
    }
    if (gc->mode != KU_GC_WHOLE && step_due(isolate)) {
        return;
    }
    int generation = generation_due(isolate);
    if (generation >= 0) {
        ku__gc_whole(isolate, generation, true);
    } else {
        ku__gc_trigger(isolate); /* bytes called, and they are back already */
    }
}

static size_t collect_all(ku_isolate *isolate) {
    return isolate->collecting ? 0 : ku__gc_whole(isolate, 2, false);
}

/* ---- opening and closing ---- */

bool ku__gc_open(ku_isolate *isolate, ku_error *error) {
    ku__gc *gc = (ku__gc *)ku__pages_map(sizeof *gc);
    if (gc == NULL || !ku__space_open(&gc->space, isolate->tracked)) {
        ku__pages_unmap(gc, sizeof *gc);
        return ku__error_fill(error, KU_NO_MEMORY, "an isolate could not be made: the system refused memory");
    }
    ku__policy_open(&gc->policy);
    gc->enabled = (isolate->flags & KU_ISOLATE_NO_COLLECTOR) == 0;
    isolate->gc = gc;
    isolate->collect = collect_due;
    isolate->collect_all = collect_all;
    ku__gc_trigger(isolate);
    return true;
}

void ku__gc_finish(ku_isolate *isolate) {
    ku__gc *gc = isolate->gc;
    if (gc == NULL) {
        return;
    }
    ku__gc_steps_drop(isolate);
    gc->debug = 0;
    gc->mode = KU_GC_WHOLE;
    gc->immortals.count = 0; /* they end with the isolate, before the collector */
    drop_items(isolate, &gc->saved);
    ku_clear(isolate, &gc->garbage);
    ku__space_unfreeze(&gc->space);
}

void ku__gc_close(ku_isolate *isolate) {
    ku__gc *gc = isolate->gc;
    if (gc->watch != NULL) {
        gc->watch->close(isolate);
    }
    ku__gc_steps_drop(isolate);
    ku__array_close(&gc->callbacks, sizeof(ku__gc_callback));
    ku__array_close(&gc->saved, sizeof(ku_object *));
    ku__array_close(&gc->types, sizeof(ku_object *));
    ku__array_close(&gc->immortals, sizeof(ku_object *));
    ku__space_close(&gc->space);
    isolate->gc = NULL;
    isolate->collect = NULL;
    isolate->collect_all = NULL;
    isolate->young_most = INT32_MAX;
    ku__pages_unmap(gc, sizeof *gc);
}
