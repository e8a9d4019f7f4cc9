/* concurrent.c: the program's side of a concurrent collection: see concurrent.h. */
#include "cpython/concurrent.h"

#include "alloc/fences.h"
#include "cpython/collector.h"
#include "cpython/watch.h"
#include "os/clock.h"
#include "os/image.h"
#include "os/pages.h"
#include "os/process.h"
#include "os/shared.h"

#include <unistd.h>

#if KU__FACTS_SUPPORTED

enum {
    CHILD_SECONDS = 120, /* a heap of 100 million objects takes about ten */
    SLICE = 5000000,     /* nanoseconds that a slice should take: a quarter of the bound, for it is a guess */
    SLICE_LEAST = 500,   /* objects: less is not worth a collection's fixed costs */
    SLICE_FIRST = 5000,  /* before anything is known of how long they take */
    HOLD_FIRST = 100000,
    GROWTH_MOST = 4,         /* of a slice, from one to the next */
    AHEAD = 16,              /* objects that are fetched ahead of the one that is held */
    WAIT_MOST = 64,          /* full collections at one go before a child is tried again */
    ANSWER_SPARE = 8,        /* of the objects that were counted, for those that were not */
    MISSED_MOST = 10000,     /* objects of an answer that could not be held: such garbage may be outstanding, */
    MISSED_SHARE = 4,        /* or a quarter of what was; with more, the next collection is made at one go */
    ELSEWHERE_MOST = 100000, /* objects born before kucha came: an interpreter starts with some ten thousand */
    LOOK_EVERY = 8,          /* chances to collect, whether a child that has not answered has been lost */
    BIG_ROW = 16,            /* references in a list that are freed in the time of one object */

    IMAGED_FROM = 128 << 20, /* bytes of arenas: small pages up to here are cloned in 4 ms */

    /* What decides, unless the caller does, whether a child is made (docs/benchmarks.md has the figures). */
    LEAST = 15000,  /* objects: below, there is mostly what the interpreter brings */
    COLD = 1500000, /* nanoseconds that a look at one go takes for that, which lies scattered, */
    LOOK = 20,      /* and for each object; */
    CLONE = 30,     /* and for a KiB of small pages that the clone takes: of huge ones nearly nothing */
    WORTH = 2,      /* times as long the look must take as the clone */
};

/* Nanoseconds: a neighbour may wait in a finalizer for ever. */
static const uint64_t STANDS_MOST = 5000000000;

/* ---- the collector's own view ---- */

static ku__gc_state *state_of(const ku__collector *collector) {
    return ku__fact_gc(collector->interpreter);
}

static size_t objects_about(const ku__collector *collector) {
    const ku__policy *policy = &collector->pacer.policy;
    return policy->lived + policy->pending + collector->pacer.young;
}

static uintptr_t last_frozen(const ku__collector *collector) {
    return (uintptr_t)ku__gc_prev(&state_of(collector)->permanent_generation.head);
}

static PyObject *object_at(uintptr_t item) {
    return (PyObject *)(item & ~(uintptr_t)1);
}

/* ---- lists that wait aside ---- */

static void put_aside(ku__collector *collector, int generation) {
    ku__concurrent *on = &collector->concurrent;
    ku__gc_state *state = state_of(collector);
    for (int i = 0; i <= generation; i++) {
        ku__gc_list_open(&on->lists[i]);
        ku__gc_list_join(ku__gc_list(state, i), &on->lists[i]);
    }
    on->aside = true;
    on->generation = generation;
    on->lived_total = state->long_lived_total;
    on->lived_pending = state->long_lived_pending;
}

/* What waited is older than what came since. */
void ku__concurrent_show(ku__collector *collector) {
    ku__concurrent *on = &collector->concurrent;
    if (!on->aside) {
        return;
    }
    on->aside = false;
    for (int i = 0; i <= on->generation; i++) {
        PyGC_Head *list = ku__gc_list(state_of(collector), i);
        ku__gc_list_join(list, &on->lists[i]);
        ku__gc_list_join(&on->lists[i], list);
    }
}

/* A full collection of the interpreter's counts what it was shown as all that lives. */
static void mend_counts(ku__collector *collector) {
    const ku__concurrent *on = &collector->concurrent;
    if (on->generation == KU__GENERATION_FULL) {
        state_of(collector)->long_lived_total = on->lived_total;
        state_of(collector)->long_lived_pending = on->lived_pending;
    }
}

/* ---- the end ---- */

static void drop_answer(ku__concurrent *on) {
    ku__pages_unmap(on->answer, on->answer_bytes);
    on->answer = NULL;
    ku__watch_end();
}

static void drop_held(ku__concurrent *on) {
    ku__pages_unmap(on->held, on->held_bytes);
    on->held = NULL;
    on->held_count = on->decided = on->asked = 0;
    on->phase = KU__PHASE_IDLE;
}

static void let_go_to(ku__concurrent *on, size_t end) {
    while (on->decided < end) {
        PyObject *item = object_at(on->held[on->decided++]);
        Py_DECREF(item); /* may run code of the program's, which finds this one done */
    }
}

/* A child of another process: we are a fork, and it is none of ours. */
static void end_child(ku__concurrent *on) {
    if (on->child != 0 && on->owner == getpid()) {
        ku__image_stop(on->child);
    }
    on->child = 0;
}

/* What is due comes as if it had not begun. */
static void unage(ku__collector *collector) {
    collector->pacer.policy.pending += collector->concurrent.step_young;
}

void ku__concurrent_give_up(ku__collector *collector) {
    ku__concurrent *on = &collector->concurrent;
    if (on->phase == KU__PHASE_IDLE) {
        return;
    }
    unage(collector);
    end_child(on);
    if (on->answer != NULL) {
        drop_answer(on);
    }
    let_go_to(on, on->held_count);
    drop_held(on);
    on->given_up++;
}

void ku__concurrent_abandon(ku__concurrent *on) {
    end_child(on);
    if (on->answer != NULL) {
        drop_answer(on);
    }
    drop_held(on);
}

static void note_failure(ku__concurrent *on) {
    unsigned wait = on->failures < 6 ? 1u << on->failures : WAIT_MOST;
    on->failures++;
    on->wait = wait;
}

/* ---- the beginning ---- */

static void image_heaps(const ku__collector *collector, size_t from) {
    int64_t id = ku__fact_interpreter_id(collector->interpreter);
    for (ku__house *house = ku__house_next(NULL); house != NULL; house = ku__house_next(house)) {
        if (atomic_load(&house->owner) == id && house->objects != NULL && house->buffers != NULL) {
            house->objects->backing.imaged_from = house->buffers->backing.imaged_from = from;
        }
    }
}

void ku__concurrent_open(ku__collector *collector, Py_ssize_t least) {
    ku__concurrent *on = &collector->concurrent;
    on->on = true;
    on->weighs = least < 0;
    on->least = (size_t)(least > 0 ? least : 0);
    image_heaps(collector, IMAGED_FROM);
}

void ku__concurrent_close(ku__collector *collector) {
    ku__concurrent_give_up(collector);
    if (collector->concurrent.on) {
        image_heaps(collector, 0);
    }
}

static bool open_answer(ku__concurrent *on, size_t objects) {
    size_t capacity = objects + objects / ANSWER_SPARE + SLICE_FIRST;
    on->answer_bytes = sizeof(ku__answer) + capacity * sizeof(uintptr_t);
    on->answer = ku__shared_map(on->answer_bytes);
    if (on->answer != NULL) {
        on->answer->capacity = capacity;
    }
    return on->answer != NULL;
}

/* In the child. */
static void find_in_image(void *argument) {
    ku__collector *collector = argument;
    ku__interpreters_unlock_in_copy();
    collector->concurrent.in_image = true;
    ku__concurrent_find(collector, collector->concurrent.answer);
}

/* The lock of the list of threads is held meanwhile: so no thread that is missing in the child holds it there. */
static bool start_child(ku__collector *collector) {
    ku__concurrent *on = &collector->concurrent;
    ku__interpreters_lock();
    on->child = ku__image_start(find_in_image, collector, CHILD_SECONDS);
    ku__interpreters_unlock();
    on->owner = getpid();
    return on->child != 0;
}

/* From when the heap is covered to the clone nothing is allocated. */
static bool prepare(ku__collector *collector, size_t objects) {
    ku_heap *heap = collector->heap;
    PyInterpreterState_GetDict(collector->interpreter); /* is made when it is first asked for: not in the child */
    uintptr_t base;
    size_t span;
    if (collector->rolled && !ku__roll_cover(heap)) {
        return false;
    }
    ku__roll_window(heap, &base, &span);
    return ku__concurrent_has_room(&collector->concurrent.room) && open_answer(&collector->concurrent, objects) &&
           ku__watch_begin(base, span);
}

/* As after a full collection: nothing is young. */
static void age_all(ku__collector *collector, size_t objects) {
    ku__gc_state *state = state_of(collector);
    for (int i = 0; i < KU__GENERATION_FULL; i++) {
        ku__gc_list_join(ku__gc_list(state, i), ku__gc_list(state, KU__GENERATION_FULL));
    }
    state->long_lived_total = (Py_ssize_t)objects;
    state->long_lived_pending = 0;
    collector->unsure = true; /* of what was young, the child alone has seen who is on no roll */
    collector->concurrent.step_young = collector->pacer.young;
    collector->concurrent.step_found = 0;
    collector->pacer.young = 0;
    collector->pacer.policy.pending = 0;
}

static bool begin(ku__collector *collector) {
    ku__concurrent *on = &collector->concurrent;
    size_t objects = objects_about(collector);
    if (!prepare(collector, objects) || !start_child(collector)) {
        if (on->answer != NULL) {
            drop_answer(on);
        }
        on->refused++;
        note_failure(on);
        return false;
    }
    on->frozen = last_frozen(collector);
    on->phase = KU__PHASE_CHILD;
    on->looks = 1;
    on->begun++;
    age_all(collector, objects);
    return true;
}

/* ---- the child has answered ---- */

static bool take_answer(ku__collector *collector) {
    ku__concurrent *on = &collector->concurrent;
    on->held_bytes = (on->answer->count + 1) * sizeof(uintptr_t);
    on->held = ku__pages_map(on->held_bytes);
    on->held_count = on->decided = on->asked = on->missed = 0;
    on->step_seen = on->answer->seen;
    on->phase = KU__PHASE_HOLD;
    return on->held != NULL;
}

/* What was born before kucha came cannot be watched, and so not be held: of a heap that is mostly of it nothing would
 * come. */
static bool is_of_use(ku__answer *answer) {
    return atomic_load(&answer->is_whole) != 0 &&
           (answer->elsewhere <= ELSEWHERE_MOST || answer->elsewhere <= answer->seen / 2);
}

/* False: nothing will come of it. */
static bool poll_child(ku__collector *collector) {
    ku__concurrent *on = &collector->concurrent;
    if (atomic_load_explicit(&on->answer->is_whole, memory_order_relaxed) == 0 && on->looks++ % LOOK_EVERY != 0) {
        return true;
    }
    ku__image_state state = ku__image_poll(on->child);
    if (state == KU__IMAGE_WORKS) {
        return true;
    }
    on->child = 0;
    if (state == KU__IMAGE_DONE && is_of_use(on->answer) && take_answer(collector)) {
        on->failures = 0;
        return true;
    }
    drop_answer(on);
    on->phase = KU__PHASE_IDLE;
    on->lost++;
    note_failure(on);
    return false;
}

/* ---- holding ---- */

static size_t budget(double rate, size_t first) {
    size_t objects = rate > 0 ? (size_t)(rate * SLICE) : first;
    return objects > SLICE_LEAST ? objects : SLICE_LEAST;
}

static double next_rate(double before, size_t objects, uint64_t took) {
    double rate = (double)objects / (double)(took != 0 ? took : 1);
    return before > 0 && rate > before * GROWTH_MOST ? before * GROWTH_MOST : rate;
}

/* One that is not held leaves the end of its component to the one before it. */
static void hold(ku__concurrent *on, uintptr_t item) {
    PyObject *dead = object_at(item);
    if (!ku__watch_freed(dead) && ku__gc_node(dead)->_gc_next != 0) {
        Py_INCREF(dead);
        on->held[on->held_count++] = item;
        return;
    }
    on->missed++;
    if ((item & 1) != 0 && on->held_count != 0) {
        on->held[on->held_count - 1] |= 1;
    }
}

static void hold_some(ku__concurrent *on, ku_heap *heap) {
    const ku__answer *answer = on->answer;
    if (heap != NULL) {
        ku__returns_drain(heap); /* what others have freed */
    }
    size_t end = on->asked + budget(on->hold_rate, HOLD_FIRST);
    end = end < answer->count ? end : answer->count;
    for (; on->asked < end; on->asked++) {
        if (on->asked + AHEAD < end) {
            __builtin_prefetch(ku__gc_node(object_at(answer->items[on->asked + AHEAD])), 1);
        }
        hold(on, answer->items[on->asked]);
    }
    if (on->asked == answer->count) {
        drop_answer(on);
        on->phase = KU__PHASE_DECIDE;
    }
}

/* ---- deciding ---- */

/* How long the object takes to be freed, in objects: what a long row holds is freed with it. */
static size_t weight(PyObject *item) {
    bool is_row = PyList_CheckExact(item) || PyTuple_CheckExact(item);
    return 1 + (is_row ? (size_t)Py_SIZE(item) / BIG_ROW : 0);
}

/* The end of the slice that begins with `first`: whole components, and at least one. */
static size_t slice_end(const ku__concurrent *on, size_t first) {
    size_t most = budget(on->decide_rate, SLICE_FIRST), weighs = 0, end = first;
    while (end < on->held_count && (end == first || weighs < most || (on->held[end - 1] & 1) == 0)) {
        weighs += weight(object_at(on->held[end++]));
    }
    return end;
}

/* The sentinel and the slice in the list that the interpreter is going to look at; all else that it would see waits. */
static bool show_slice(ku__collector *collector, int generation) {
    ku__concurrent *on = &collector->concurrent;
    collector->weak = PyWeakref_NewRef(&collector->sentinel.item, collector->shower);
    if (collector->weak == NULL) {
        PyErr_Clear();
        return false;
    }
    put_aside(collector, generation);
    PyGC_Head *list = ku__gc_list(state_of(collector), generation);
    collector->sentinel.node = (PyGC_Head){0}; /* not finalized */
    ku__gc_append(&collector->sentinel.node, list);
    on->slice_first = on->decided;
    on->slice_end = slice_end(on, on->decided);
    for (size_t i = on->slice_first; i < on->slice_end; i++) {
        PyGC_Head *node = ku__gc_node(object_at(on->held[i]));
        if (node->_gc_next != 0) {
            ku__gc_unlink(node);
            ku__gc_append(node, list);
        }
    }
    return true;
}

bool ku__concurrent_decides(const ku__concurrent *on) {
    return on->slice_first != on->slice_end;
}

int ku__concurrent_visit(const ku__concurrent *on, visitproc visit, void *argument) {
    for (size_t i = on->decided; i < on->slice_end; i++) {
        int stopped = visit(object_at(on->held[i]), argument);
        if (stopped != 0) {
            return stopped;
        }
    }
    return 0;
}

void ku__concurrent_let_go(ku__concurrent *on) {
    let_go_to(on, on->slice_end);
}

/* ---- the whole collection ---- */

static void finish(ku__collector *collector) {
    ku__concurrent *on = &collector->concurrent;
    ku__yield yield = {.young = on->step_young,
                       .candidates = on->step_seen,
                       .found = on->step_found,
                       .bytes = ku__collector_large_bytes(collector),
                       .later = collector->pacer.policy.pending};
    ku__policy_note(&collector->pacer.policy, KU__GENERATION_FULL, &yield, true);
    if (on->missed > MISSED_MOST && on->missed * MISSED_SHARE > on->held_count) {
        on->wait = 1;
    }
    drop_held(on);
    on->done++;
}

size_t ku__concurrent_taken(ku__collector *collector, size_t found) {
    ku__concurrent *on = &collector->concurrent;
    bool decided = ku__concurrent_decides(on);
    size_t objects = on->slice_end - on->slice_first;
    if (decided) {
        ku__concurrent_let_go(on);
        found -= found != 0;
        on->step_found += found;
        on->slice_first = on->slice_end = 0;
        on->slices++;
    }
    ku__concurrent_show(collector);
    mend_counts(collector);
    if (on->works) {
        on->slice_ended = ku__clock_nanoseconds();
        on->slice_took = on->slice_ended - on->slice_began;
    }
    if (decided) {
        on->decide_rate = next_rate(on->decide_rate, objects, on->slice_took);
        if (on->decided == on->held_count) {
            finish(collector);
        }
    }
    return decided ? found : 0;
}

static ku__turn take_turn(ku__collector *collector, int generation) {
    ku__concurrent *on = &collector->concurrent;
    on->works = true;
    on->slice_began = ku__clock_nanoseconds();
    if (on->phase == KU__PHASE_HOLD) {
        size_t before = on->asked;
        hold_some(on, collector->heap);
        on->hold_rate = next_rate(on->hold_rate, on->asked - before, ku__clock_nanoseconds() - on->slice_began);
        if (on->phase == KU__PHASE_DECIDE && on->held_count == 0) {
            finish(collector);
        }
        put_aside(collector, generation);
        return KU__TURN_TAKEN;
    }
    return show_slice(collector, generation) ? KU__TURN_TAKEN : KU__TURN_NOT_OURS;
}

/* In a child that the program has forked: the one who works is its parent's. */
static void forget_in_fork(ku__collector *collector) {
    drop_answer(&collector->concurrent);
    unage(collector);
    collector->concurrent.child = 0;
    collector->concurrent.phase = KU__PHASE_IDLE;
}

/* A chance that is left to another interpreter, which is in the middle of a collection under the same lock. */
static ku__turn stand(ku__collector *collector, bool wanted) {
    ku__concurrent *on = &collector->concurrent;
    uint64_t now = ku__clock_nanoseconds();
    on->stands = on->stands != 0 ? on->stands : now;
    if (now - on->stands < STANDS_MOST) {
        return wanted ? KU__TURN_NOT_YET : KU__TURN_NOT_OURS;
    }
    on->stands = 0;
    ku__concurrent_give_up(collector);
    return wanted ? KU__TURN_AT_ONE_GO : KU__TURN_NOT_OURS;
}

/* A chance while a collection is under way. */
static ku__turn go_on(ku__collector *collector, int generation, bool wanted) {
    ku__concurrent *on = &collector->concurrent;
    if (on->phase == KU__PHASE_CHILD && on->owner != getpid()) {
        forget_in_fork(collector);
        return KU__TURN_NOT_OURS;
    }
    if (on->phase == KU__PHASE_CHILD) {
        if (!poll_child(collector)) {
            return KU__TURN_AT_ONE_GO;
        }
        return wanted || generation == KU__GENERATION_FULL ? KU__TURN_NOT_YET : KU__TURN_NOT_OURS;
    }
    if (on->slice_ended != 0 && ku__clock_nanoseconds() - on->slice_ended < on->slice_took) {
        return wanted || generation == KU__GENERATION_FULL ? KU__TURN_NOT_YET : KU__TURN_NOT_OURS;
    }
    if (ku__fact_neighbour_collects(collector->interpreter)) {
        return stand(collector, wanted || generation == KU__GENERATION_FULL);
    }
    on->stands = 0;
    return take_turn(collector, generation);
}

/* Whether the program would stand still for longer by a look at one go. A process may hold much besides objects. */
static bool is_worth_a_child(const ku__concurrent *on, size_t objects) {
    if (!on->weighs) {
        return objects >= on->least;
    }
    return objects >= LEAST && COLD + (uint64_t)objects * LOOK > WORTH * (ku__process_resident() / 1024) * CLONE;
}

static ku__turn start(ku__collector *collector) {
    ku__concurrent *on = &collector->concurrent;
    if (!is_worth_a_child(on, objects_about(collector))) {
        return KU__TURN_AT_ONE_GO;
    }
    if (on->wait != 0) {
        on->wait--;
        return KU__TURN_AT_ONE_GO;
    }
    on->works = true;
    on->slice_began = ku__clock_nanoseconds();
    return begin(collector) ? KU__TURN_NOT_YET : KU__TURN_AT_ONE_GO;
}

ku__turn ku__concurrent_turn(ku__collector *collector, int generation, bool automatic, bool wanted) {
    ku__concurrent *on = &collector->concurrent;
    if (!on->on) {
        return KU__TURN_NOT_OURS;
    }
    on->works = false;
    bool theirs = !automatic || state_of(collector)->debug != 0;
    if (on->phase != KU__PHASE_IDLE && (theirs || on->frozen != last_frozen(collector))) {
        ku__concurrent_give_up(collector);
    }
    ku__turn turn = KU__TURN_NOT_OURS;
    if (!theirs) {
        bool due = wanted || generation == KU__GENERATION_FULL;
        turn = on->phase != KU__PHASE_IDLE ? go_on(collector, generation, wanted) : due ? start(collector) : turn;
    }
    if (turn == KU__TURN_NOT_YET) {
        put_aside(collector, generation);
        turn = KU__TURN_TAKEN;
    }
    return turn;
}

#endif
