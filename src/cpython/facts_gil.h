/* facts_gil.h: the GIL as it lies in memory, for a thread that only looks: who holds it, how often it changed hands.
 *
 * Sources: Include/internal/pycore_gil.h at v3.11.7 to v3.15.2 (_gil_runtime_state: last_holder, locked, switch_number,
 * cond), pycore_runtime.h of 3.11 (_PyRuntime.ceval.gil, one for the process), pycore_ceval_state.h and
 * pycore_interp_structs.h from 3.12 on (interpreter.ceval.gil, which interpreters may share), Python/ceval_gil.c
 * (take_gil waits on cond; drop_gil leaves last_holder as it is and sets locked to 0), cpython/pystate.h
 * (native_thread_id), Python/pystate.c (HEAD_LOCK guards the lists of interpreters and of their threads: a state is
 * freed only after it was taken out).
 */
#ifndef KU__FACTS_GIL_H
#define KU__FACTS_GIL_H

#include "cpython/facts.h"

#if KU__FACTS_SUPPORTED

#include "internal/pycore_gil.h"
#include "internal/pycore_interp.h"

typedef struct _gil_runtime_state ku__gil_of_python;

#if PY_VERSION_HEX < 0x030C0000

static inline bool ku__fact_threads_try_lock(void) {
    return PyThread_acquire_lock(_PyRuntime.interpreters.mutex, NOWAIT_LOCK) != 0;
}

static inline void ku__fact_threads_unlock(void) {
    PyThread_release_lock(_PyRuntime.interpreters.mutex);
}

static inline const ku__gil_of_python *ku__fact_gil(const PyInterpreterState *interpreter) {
    (void)interpreter;
    return &_PyRuntime.ceval.gil;
}

#else

static inline bool ku__fact_threads_try_lock(void) {
    return ku__interpreters_try_lock();
}

static inline void ku__fact_threads_unlock(void) {
    ku__interpreters_unlock();
}

static inline const ku__gil_of_python *ku__fact_gil(const PyInterpreterState *interpreter) {
    return interpreter->ceval.gil;
}

#endif

/* The thread that holds it, not to be followed; NULL where none does. */
static inline const void *ku__fact_gil_holder(const ku__gil_of_python *gil) {
#if PY_VERSION_HEX < 0x030D0000
    bool locked = _Py_atomic_load_relaxed(&gil->locked) > 0;
    return locked ? (const void *)_Py_atomic_load_relaxed(&gil->last_holder) : NULL;
#else
    bool locked = __atomic_load_n(&gil->locked, __ATOMIC_RELAXED) > 0;
    return locked ? (const void *)__atomic_load_n(&gil->last_holder, __ATOMIC_RELAXED) : NULL;
#endif
}

static inline unsigned long ku__fact_gil_switches(const ku__gil_of_python *gil) {
    return __atomic_load_n(&gil->switch_number, __ATOMIC_RELAXED);
}

/* Interpreters and their threads, once ku__fact_threads_try_lock() has given the lock. */
static inline const PyInterpreterState *ku__fact_interpreters(void) {
    return _PyRuntime.interpreters.head;
}

static inline const PyInterpreterState *ku__fact_interpreter_after(const PyInterpreterState *interpreter) {
    return interpreter->next;
}

static inline const PyThreadState *ku__fact_threads(const PyInterpreterState *interpreter) {
    return interpreter->threads.head;
}

#endif

#endif
