/* forked.h: full collections of which a child does the marking. A part of collect.c, where the model is known.
 *
 *     begin     all objects become `standing` candidates, and a child begins to work on an image of the process in
 *     which
 *               nothing moves (os/image.h)
 *     child     finds the dead among them, with all its state outside of objects, and answers through shared memory
 *     end       what it found, as far as it was not freed meanwhile, is looked at by trial deletion, at one go, and
 *     only
 *               that decides: what a weak reference or a listing has brought back since stays
 *
 * So the pauses are the clone, which copies page tables, and the end. The program goes on meanwhile; a page that it
 * writes to is copied once. Where no child can be made, or it is lost, the collection is done at one go by ourselves.
 */

enum {
    CHILD_SECONDS = 60, /* after which it is not coming back */
};

typedef struct answer {
    _Atomic uint32_t is_there; /* 1: `dead` is whole */
    uint32_t slots;
    _Alignas(64) uint64_t dead[]; /* by number of block */
} answer;

static size_t answer_bytes(uint32_t slots) {
    return sizeof(answer) + (size_t)slots * KU__SLOT_WORDS * sizeof(uint64_t);
}

/* In the child. */
static void find_in_image(void *argument) {
    ku_isolate *isolate = (ku_isolate *)argument;
    ku__space *space = &isolate->gc->space;
    answer *to = (answer *)isolate->gc->answer;
    ku__run run = {.space = space, .by_pools = true};
    ku__space_resume(space);
    if (find_dead(&run, isolate, true)) {
        memcpy(to->dead, space->candidates, (size_t)to->slots * KU__SLOT_WORDS * sizeof(uint64_t));
        atomic_store(&to->is_there, 1);
    }
}

static void answer_drop(ku__gc *gc) {
    if (gc->answer != NULL) {
        ku__pages_unmap(gc->answer, answer_bytes(((answer *)gc->answer)->slots));
        gc->answer = NULL;
    }
}

static void child_stop(ku__gc *gc) {
    if (gc->child != 0) {
        ku__image_stop(gc->child);
        gc->child = 0;
    }
    answer_drop(gc);
}

/* With all objects `standing`. */
static bool child_start(ku_isolate *isolate) {
    ku__gc *gc = isolate->gc;
    gc->answer = ku__shared_map(answer_bytes(gc->space.slot_count));
    if (gc->answer == NULL) {
        return false;
    }
    ((answer *)gc->answer)->slots = gc->space.slot_count;
    gc->child = ku__image_start(find_in_image, isolate, CHILD_SECONDS);
    if (gc->child == 0) {
        answer_drop(gc);
    }
    return gc->child != 0;
}

static bool forked_begin(ku_isolate *isolate, bool automatic) {
    ku__gc *gc = isolate->gc;
    uint64_t began = ku__clock_nanoseconds();
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
    if (!child_start(isolate)) {
        ku__space_fall(&gc->space);
        return false;
    }
    isolate->young = 0;
    gc->stepping = true;
    ku__pause_note(&gc->pauses[2], ku__clock_nanoseconds() - began);
    return true;
}

/* Leaves of what stands what the child found dead. */
static void take_answer(ku__gc *gc) {
    const answer *from = (const answer *)gc->answer;
    for (size_t i = 0; i < (size_t)from->slots * KU__SLOT_WORDS; i++) {
        gc->space.standing[i] &= from->dead[i];
    }
    answer_drop(gc);
}

/* Asks for the child; true when the collection is done, with *found what it found. */
static bool forked_poll(ku_isolate *isolate, size_t *found) {
    ku__gc *gc = isolate->gc;
    ku__image_state state = ku__image_poll(gc->child);
    if (state == KU__IMAGE_WORKS) {
        return false;
    }
    gc->child = 0;
    if (state == KU__IMAGE_DONE && atomic_load(&((answer *)gc->answer)->is_there) != 0) {
        take_answer(gc);
        *found = steps_end(isolate);
    } else {
        *found = ku__gc_whole(isolate, 2, gc->is_automatic);
    }
    return true;
}
