/* facts_interpreters.h: the list of interpreters, the same from 3.12 to 3.15 but for its lock.
 *
 * Sources: Include/internal/pycore_runtime.h and pycore_runtime_structs.h (_PyRuntime.interpreters: mutex, head),
 * pycore_interp.h and pycore_interp_structs.h (next, id), Python/pystate.c (HEAD_LOCK guards the list; nothing
 * allocates from the object or mem domain while holding it). From 3.13 the lock is a PyMutex, whose waiting function
 * may give up the GIL, which must not happen inside an allocator; so it is tried until it is free.
 */
#ifndef KU__FACTS_INTERPRETERS_H
#define KU__FACTS_INTERPRETERS_H

#include "internal/pycore_interp.h"
#include "internal/pycore_obmalloc.h"
#include "internal/pycore_runtime.h"

#if PY_VERSION_HEX < 0x030D0000

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

/* False, and no lock, where some thread, perhaps this one, is in the list. */
static inline bool ku__interpreters_try_lock(void) {
    return PyThread_acquire_lock(_PyRuntime.interpreters.mutex, NOWAIT_LOCK) != 0;
}

/* Whether some thread, perhaps this one, is in the list. */
static inline bool ku__fact_interpreters_locked(void) {
    if (!ku__interpreters_try_lock()) {
        return true;
    }
    ku__interpreters_unlock();
    return false;
}

#else

#include <sched.h>

/* False, and no lock, where some thread, perhaps this one, is in the list. Another may be parked on the lock: its bit
 * stays. */
static inline bool ku__interpreters_try_lock(void) {
    uint8_t *bits = &_PyRuntime.interpreters.mutex._bits;
    uint8_t open = __atomic_load_n(bits, __ATOMIC_RELAXED) & (uint8_t)~1u;
    return __atomic_compare_exchange_n(bits, &open, (uint8_t)(open | 1), false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void ku__interpreters_lock(void) {
    while (!ku__interpreters_try_lock()) {
        sched_yield();
    }
}

/* Whether some thread, perhaps this one, is in the list. */
static inline bool ku__fact_interpreters_locked(void) {
    return (__atomic_load_n(&_PyRuntime.interpreters.mutex._bits, __ATOMIC_RELAXED) & 1) != 0;
}

static inline void ku__interpreters_unlock(void) {
    PyMutex_Unlock(&_PyRuntime.interpreters.mutex);
}

/* In a copy of the process that was made while its maker held the lock. There is nobody else in it, so nobody is woken
 * up. */
static inline void ku__interpreters_unlock_in_copy(void) {
    __atomic_store_n(&_PyRuntime.interpreters.mutex._bits, 0, __ATOMIC_RELEASE);
}

#endif

/* Whether another interpreter runs under the same lock. Of one that is being made it is not said before it can run.
 * Source: struct _ceval_state (gil). */
static inline bool ku__fact_shares_lock(const PyInterpreterState *interpreter) {
    bool shares = false;
    ku__interpreters_lock();
    for (const PyInterpreterState *at = _PyRuntime.interpreters.head; at != NULL && !shares; at = at->next) {
        shares = at != interpreter && __atomic_load_n(&at->ceval.gil, __ATOMIC_RELAXED) == interpreter->ceval.gil;
    }
    ku__interpreters_unlock();
    return shares;
}

/* Whether another interpreter that runs under the same lock is in the middle of a collection: code of its program's has
 * been called by it. */
static inline bool ku__fact_neighbour_collects(const PyInterpreterState *interpreter) {
    bool collects = false;
    ku__interpreters_lock();
    for (const PyInterpreterState *at = _PyRuntime.interpreters.head; at != NULL && !collects; at = at->next) {
        collects = at != interpreter && __atomic_load_n(&at->ceval.gil, __ATOMIC_RELAXED) == interpreter->ceval.gil &&
                   at->gc.collecting != 0;
    }
    ku__interpreters_unlock();
    return collects;
}

/* The number that an interpreter keeps for its life and no other is ever given. */
static inline int64_t ku__fact_interpreter_id(const PyInterpreterState *interpreter) {
    return interpreter->id;
}

static inline bool ku__fact_interpreter_lives(int64_t id) {
    bool lives = false;
    ku__interpreters_lock();
    for (const PyInterpreterState *at = _PyRuntime.interpreters.head; at != NULL && !lives; at = at->next) {
        lives = at->id == id;
    }
    ku__interpreters_unlock();
    return lives;
}

static inline size_t ku__fact_interpreter_count(void) {
    size_t count = 0;
    ku__interpreters_lock();
    for (const PyInterpreterState *at = _PyRuntime.interpreters.head; at != NULL; at = at->next) {
        count++;
    }
    ku__interpreters_unlock();
    return count;
}

#endif
