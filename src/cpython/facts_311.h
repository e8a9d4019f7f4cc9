/* facts_311.h: the private structures of CPython 3.11.
 *
 * Sources, all at tag v3.11.7: Include/internal/pycore_frame.h (_PyInterpreterFrame: f_code, previous, prev_instr;
 * prev_instr is the code unit before the next instruction, perhaps an inline cache, perhaps one before the first),
 * Include/cpython/pystate.h (_ts.cframe->current_frame), Include/internal/pycore_runtime.h
 * (_PyRuntime.gilstate.tstate_current, which is the thread that holds the one GIL of the process, whoever asks),
 * Include/cpython/code.h (co_code_adaptive).
 *
 * Every frame has code: the frames that mark an entry from C came with 3.12.
 */
#ifndef KU__FACTS_311_H
#define KU__FACTS_311_H

#include "internal/pycore_frame.h"
#include "internal/pycore_runtime.h"

#define KU__FACTS_SUPPORTED 1
#define KU__FACTS_LEAST_MICRO 1 /* 3.11.0 unlinks a frame only after it cleared it (cpython 99729) */

static inline PyThreadState *ku__fact_thread(void) {
    return (PyThreadState *)_Py_atomic_load_relaxed(&_PyRuntime.gilstate.tstate_current);
}

static inline PyThreadState *ku__fact_thread_quick(void) {
    return ku__fact_thread();
}

static inline bool ku__fact_quick(void) {
    return true;
}

/* The two pointers are compared and not followed: the other thread's state may be freed at any moment. */
static inline bool ku__fact_holds_lock(void) {
    PyThreadState *own = PyGILState_GetThisThreadState();
    return own != NULL && own == ku__fact_thread();
}

#define KU__FACT_TOP(thread) (thread)->cframe->current_frame
#define KU__FACT_BOTTOM(thread) NULL
#define KU__FACT_HAS_CODE(frame) true
#define KU__FACT_INSTRUCTION(frame) (frame)->prev_instr
#include "cpython/facts_frames.h"

static inline PyCodeObject *ku__fact_code(const ku__frame_of_python *frame) {
    return frame->f_code;
}

static inline uintptr_t ku__fact_bytecode(const PyCodeObject *code) {
    return (uintptr_t)code->co_code_adaptive;
}

/* The words of a frame that may be its evaluation stack, where nobody knows how much of it is in use: NULL where the
 * end was saved. Some may be left over from before. */
static inline const uintptr_t *ku__fact_frame_guess(const ku__frame_of_python *frame, int *count) {
    const PyCodeObject *code = ku__fact_code(frame);
    *count = code->co_stacksize;
    return frame->stacktop < 0 ? (const uintptr_t *)&frame->localsplus[code->co_nlocalsplus] : NULL;
}

/* Calls visit(object, argument) for what a frame of a thread refers to: function, code, locals, and the evaluation
 * stack where its end was saved (stacktop, -1 while the frame runs). */
static inline void ku__fact_frame_each(const ku__frame_of_python *frame, visitproc visit, void *argument) {
    const PyCodeObject *code = ku__fact_code(frame);
    PyObject *const own[] = {(PyObject *)frame->f_func, (PyObject *)frame->f_code, frame->f_locals,
                             (PyObject *)frame->frame_obj};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        visit(own[i], argument);
    }
    int end = frame->stacktop >= 0 ? frame->stacktop : code->co_nlocalsplus;
    for (int i = 0; i < end; i++) {
        visit(frame->localsplus[i], argument);
    }
}

/* Source: Include/internal/pycore_runtime.h (_PyRuntime.interpreters.mutex guards every list of threads). */
static inline void ku__interpreters_lock(void) {
    PyThread_acquire_lock(_PyRuntime.interpreters.mutex, WAIT_LOCK);
}

static inline void ku__interpreters_unlock(void) {
    PyThread_release_lock(_PyRuntime.interpreters.mutex);
}

/* In a copy of the process that was made while its maker held the lock. There is nobody else in it. */
static inline void ku__interpreters_unlock_in_copy(void) {
    ku__interpreters_unlock();
}

/* All do, where there is more than one: the main one is the last of the list. */
static inline bool ku__fact_shares_lock(const PyInterpreterState *interpreter) {
    return _PyRuntime.interpreters.head != interpreter || interpreter->next != NULL;
}

/* Whether another interpreter that runs under the same lock is in the middle of a collection: code of its program's has
 * been called by it. */
static inline bool ku__fact_neighbour_collects(const PyInterpreterState *interpreter) {
    bool collects = false;
    ku__interpreters_lock();
    for (const PyInterpreterState *at = _PyRuntime.interpreters.head; at != NULL && !collects; at = at->next) {
        collects = at != interpreter && at->gc.collecting != 0;
    }
    ku__interpreters_unlock();
    return collects;
}

/* All interpreters share one GIL and so one pair of heaps: which one runs does not matter. */
static inline int64_t ku__fact_interpreter_id(const PyInterpreterState *interpreter) {
    (void)interpreter;
    return 0;
}

static inline bool ku__fact_interpreter_lives(int64_t id) {
    (void)id;
    return true;
}

static inline size_t ku__fact_interpreter_count(void) {
    return 1;
}

#endif
