/* collector_mark.c: which tracked objects live: all that can be reached from known roots.
 *
 * Roots: sys.modules, the interpreter's dict, the frames of every thread with what hangs on their states, frozen
 * objects, and the dicts of static types; and what collector_guess.h finds. What is missing here is found out by the
 * interpreter itself.
 *
 * How it is marked says collector_marker.h, and how by several threads collector_team.h.
 */
#include "cpython/collector.h"
#include "cpython/collector_guess.h"
#include "cpython/collector_marker.h"
#include "cpython/collector_team.h"

#include "cpython/selfcheck.h"

#if KU__FACTS_SUPPORTED

static void mark_thread(ku__marker *by, PyThreadState *thread) {
    ku__marker_mark(by, thread->dict);
    ku__marker_mark(by, thread->context);
    ku__marker_mark(by, thread->async_gen_firstiter);
    ku__marker_mark(by, thread->async_gen_finalizer);
    const ku__frame_of_python *frame = ku__fact_top(thread);
    for (; frame != NULL; frame = ku__fact_back(frame)) {
        if (ku__fact_has_code(frame)) {
            ku__fact_frame_each(frame, ku__marker_visit, by);
        }
    }
}

/* Threads may come and go without the GIL, but not while the lock is held. */
static void mark_threads(ku__marker *by, PyInterpreterState *interpreter) {
    ku__interpreters_lock();
    PyThreadState *thread = PyInterpreterState_ThreadHead(interpreter);
    for (; thread != NULL; thread = PyThreadState_Next(thread)) {
        mark_thread(by, thread);
    }
    ku__interpreters_unlock();
}

/* Frozen objects are in no list that was entered, but perhaps on the roll. They are taken before anybody marks: one
 * that was met by marking could be untracked, or stay a candidate (collector_marker.h), and would be frozen no more.
 * How many were candidates. */
static size_t take_frozen(ku__collector *collector) {
    const PyGC_Head *list = &ku__fact_gc(collector->interpreter)->permanent_generation.head;
    size_t count = 0;
    for (PyGC_Head *at = ku__gc_next(list); collector->entered_by_roll && at != list; at = ku__gc_next(at)) {
        count += ku__marks_take(&collector->marks, ku__gc_object(at));
    }
    return count;
}

/* They live. */
static void mark_frozen(ku__marker *by, ku__gc_state *state) {
    const PyGC_Head *list = &state->permanent_generation.head;
    for (PyGC_Head *at = ku__gc_next(list); at != list; at = ku__gc_next(at)) {
        PyObject *item = ku__gc_object(at);
        Py_TYPE(item)->tp_traverse(item, ku__marker_visit, by);
        ku__marker_run(by);
    }
}

static void mark_statics(ku__marker *by, const ku__collector *collector) {
    for (size_t i = 0; i < collector->statics_count; i++) {
        PyTypeObject *type = collector->statics[i];
#if PY_VERSION_HEX >= 0x030C0000
        PyObject *dict = PyType_GetDict(type); /* each interpreter has its own of a builtin type */
        ku__marker_mark(by, dict);
        Py_XDECREF(dict);
#else
        ku__marker_mark(by, type->tp_dict);
        ku__marker_mark(by, type->tp_subclasses);
        ku__marker_mark(by, type->tp_mro);
        ku__marker_mark(by, type->tp_bases);
        ku__marker_mark(by, type->tp_cache);
#endif
    }
}

bool ku__collector_mark(ku__collector *collector, unsigned threads) {
    const ku__marks *marks = &collector->marks;
    ku__marker by = {.see = {marks->base, marks->span, marks->bits, 0},
                     .marks = &collector->marks,
                     .roll = collector->rolled ? &collector->heap->roll : NULL,
                     .layouts = {.traverse = collector->traverse}};
    if (!ku__stack_open(&collector->stack) || !ku__stack_open(&collector->doubtful)) {
        return false;
    }
    ku__marker_open(&by, &collector->stack, &collector->doubtful);
    collector->gone = take_frozen(collector);
    ku__team *team = ku__team_open(&collector->team, &by, threads);
    collector->threads_used = ku__team_size(team);
    ku__marker_mark(&by, PyImport_GetModuleDict());
    ku__marker_mark(&by, PyInterpreterState_GetDict(collector->interpreter));
    ku__marker_mark(&by, collector->theirs);
    mark_threads(&by, collector->interpreter);
    mark_statics(&by, collector);
    mark_frozen(&by, ku__fact_gc(collector->interpreter));
    ku__team_run(&by);
    collector->gone += ku__guesses_mark(&by, collector);
    bool whole = team == NULL || ku__team_close(team);
    return whole && !collector->stack.refused && !collector->doubtful.refused;
}

#endif
