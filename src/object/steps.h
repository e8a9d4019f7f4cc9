/* steps.h: full collections in steps, between which the program runs. A part of collect.c, where the model is known.
 *
 *     begin     all objects become `standing` candidates; roots are marked
 *     mark      in steps, each for some time, while the program goes on. What it frees leaves the candidates; what it
 *               makes is none; what it changes may escape the marking, one way or the other
 *     end       what was not reached is looked at by trial deletion, at one go, and only that decides (gc/collector.h)
 *
 * Younger collections run meanwhile, when they are due: what they look at is in no way part of this one.
 *
 * So the pauses are the steps, and at the end as much as there are candidates left: mostly what is dead.
 *
 * Pace. Automatic steps come with every PACE_OBJECTS new objects, and each does as much as lets the marking end before
 * the heap has grown by a quarter of what it may grow by until the next collection is due.
 */

enum {
    PACE_OBJECTS = 4096,   /* between two steps: some 40 microseconds of making objects */
    MARK_NANOSECONDS = 20, /* for an object: 17 in a tree on a busy machine; objects at random took 130 there */
    STEP_LEAST = 200000,   /* nanoseconds: a step is worth its begin */
};

static bool steps_begin(ku_isolate *isolate, bool automatic) {
    ku__gc *gc = isolate->gc;
    if (!ku__gc_sync(isolate)) {
        return false;
    }
    gc->is_automatic = automatic;
    gc->step_young = (size_t)isolate->young;
    gc->step_pending = gc->policy.pending;
    gc->step_candidates = ku__space_begin(&gc->space, 2);
    if (!ku__space_stand(&gc->space)) {
        ku__space_end(&gc->space);
        return false;
    }
    isolate->young = 0;
    gc->steps = (ku__run){.space = &gc->space, .in_steps = true, .bits = gc->space.standing};
    model_roots(isolate, mark_place, &gc->steps);
    gc->stepping = true;
    return true;
}

/* The last step. */
static size_t steps_end(ku_isolate *isolate) {
    ku__gc *gc = isolate->gc;
    size_t pending = gc->policy.pending;
    ku__episode episode = {.generation = 2,
                           .automatic = gc->is_automatic,
                           .young = gc->step_young,
                           .candidates = gc->step_candidates,
                           .later = pending > gc->step_pending ? pending - gc->step_pending : 0};
    ku__run_close(&gc->steps);
    gc->stepping = false;
    ku__gc_episode_begin(isolate, &episode);
    ku__run run = {.space = &gc->space, .by_pools = true};
    ku__space_resume(&gc->space);
    if (find_dead(&run, isolate, false)) {
        episode.found = ku__gc_end_dead(isolate, &run);
    }
    ku__space_end(&gc->space);
    ku__run_close(&run);
    ku__gc_episode_end(isolate, &episode);
    return episode.found;
}

/* Marks for some time, in a pause that began at `began`; true when nothing is left to mark. */
static bool steps_mark(ku_isolate *isolate, uint64_t began, uint64_t nanoseconds) {
    ku__gc *gc = isolate->gc;
    gc->steps.bits = gc->space.standing; /* tables may have moved since */
    gc->steps.deadline = began + nanoseconds;
    bool done = mark_all(&gc->steps);
    ku__pause_note(&gc->pauses[2], ku__clock_nanoseconds() - began);
    return done;
}

bool ku__gc_step(ku_isolate *isolate, uint64_t nanoseconds, bool automatic, size_t *found) {
    ku__gc *gc = isolate->gc;
    uint64_t began = ku__clock_nanoseconds();
    if (gc->child != 0) {
        ku__gc_steps_drop(isolate); /* it was begun in the other way */
    }
    if (!gc->stepping && !steps_begin(isolate, automatic)) {
        *found = ku__gc_whole(isolate, 2, automatic);
        return true;
    }
    if (!steps_mark(isolate, began, nanoseconds)) {
        return false;
    }
    if (gc->steps.stack.failed) {
        *found = ku__gc_whole(isolate, 2, automatic);
        return true;
    }
    *found = steps_end(isolate);
    return true;
}
