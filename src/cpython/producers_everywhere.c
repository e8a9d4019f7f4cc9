/* producers_everywhere.c: see producers_watcher.h. */
#include "cpython/facts_gc.h"

#include "cpython/module.h"
#include "cpython/producers_watcher.h"

#include <pthread.h>
#include <stdatomic.h>

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;

void ku__producers_before_fork(void) {
    pthread_mutex_lock(&list_lock);
}

void ku__producers_after_fork(void) {
    pthread_mutex_unlock(&list_lock);
}

#if KU__FACTS_SUPPORTED

static const char OWNER[] = "kucha._core.watcher";

/* Under the lock, but for what is atomic, which is written under it. */
static struct {
    ku__watcher *watchers;
    atomic_uint count;
    atomic_uint users; /* of the sum */
    uint64_t era;      /* the number of the sum; 0: there was none yet */
    ku__producers sum;
} everyone;

bool ku__watchers_any(void) {
    return (atomic_load_explicit(&everyone.count, memory_order_relaxed) |
            atomic_load_explicit(&everyone.users, memory_order_relaxed)) != 0;
}

bool ku__everyone_wanted(void) {
    return atomic_load_explicit(&everyone.users, memory_order_relaxed) != 0;
}

/* ---- the list ---- */

ku__watcher *ku__watcher_here(void) {
    if (atomic_load_explicit(&everyone.count, memory_order_relaxed) == 0) {
        return NULL;
    }
    int64_t id = PyInterpreterState_GetID(PyInterpreterState_Get());
    pthread_mutex_lock(&list_lock);
    ku__watcher *at = everyone.watchers;
    while (at != NULL && at->id != id) {
        at = at->next;
    }
    pthread_mutex_unlock(&list_lock);
    return at;
}

static void take_off(const ku__watcher *watcher) {
    pthread_mutex_lock(&list_lock);
    ku__watcher **at = &everyone.watchers;
    while (*at != NULL && *at != watcher) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        *at = watcher->next;
        atomic_fetch_sub_explicit(&everyone.count, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&list_lock);
}

static void owner_dies(PyObject *capsule) {
    ku__watcher *watcher = PyCapsule_GetPointer(capsule, OWNER);
    take_off(watcher);
    for (; watcher->wide > 0; watcher->wide--) {
        ku__everyone_end();
    }
    ku__watcher_free(watcher);
}

bool ku__watcher_enlist(ku__watcher *watcher) {
    PyObject *dict = PyInterpreterState_GetDict(watcher->interpreter);
    PyObject *capsule = dict == NULL ? NULL : PyCapsule_New(watcher, OWNER, owner_dies);
    bool owned = capsule != NULL && PyDict_SetItemString(dict, OWNER, capsule) == 0;
    if (capsule != NULL && !owned) {
        PyCapsule_SetDestructor(capsule, NULL);
    }
    Py_XDECREF(capsule);
    if (!owned) {
        PyErr_Clear();
        return false;
    }
    pthread_mutex_lock(&list_lock);
    watcher->next = everyone.watchers;
    everyone.watchers = watcher;
    atomic_fetch_add_explicit(&everyone.count, 1, memory_order_relaxed);
    pthread_mutex_unlock(&list_lock);
    return true;
}

void ku__watcher_dismiss(ku__watcher *watcher) {
    PyObject *dict = PyInterpreterState_GetDict(watcher->interpreter);
    take_off(watcher);
    if (dict == NULL || PyDict_DelItemString(dict, OWNER) != 0) {
        PyErr_Clear();
    }
}

/* ---- the sum ---- */

int ku__everyone_begin(ku__producers *before) {
    pthread_mutex_lock(&list_lock);
    int there = everyone.users == 0 ? 0 : ku__producers_copy(&everyone.sum, before) ? 1 : -1;
    if (there == 0) {
        there = ku__producers_open(&everyone.sum, NULL, NULL) ? 0 : -1;
        everyone.era++;
    }
    if (there >= 0) {
        atomic_fetch_add_explicit(&everyone.users, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&list_lock);
    return there;
}

void ku__everyone_end(void) {
    pthread_mutex_lock(&list_lock);
    if (everyone.users != 0 && atomic_fetch_sub_explicit(&everyone.users, 1, memory_order_relaxed) == 1) {
        ku__producers_close(&everyone.sum);
    }
    pthread_mutex_unlock(&list_lock);
}

/* What a watcher had counted before there was this sum is none of it. */
void ku__everyone_add(ku__watcher *watcher) {
    pthread_mutex_lock(&list_lock);
    if (everyone.users != 0) {
        ku__producers_add_up(&watcher->all, &watcher->summed, watcher->era == everyone.era ? &everyone.sum : NULL);
        watcher->era = everyone.era;
    }
    pthread_mutex_unlock(&list_lock);
}

void ku__everyone_missed(void) {
    pthread_mutex_lock(&list_lock);
    everyone.sum.refused += everyone.users != 0;
    pthread_mutex_unlock(&list_lock);
}

int ku__producers_read(bool everywhere, ku__producers *copy) {
    const ku__watcher *watcher = everywhere ? NULL : ku__watcher_here();
    int there = 0;
    if (watcher != NULL && watcher->users != 0) {
        there = ku__producers_copy(&watcher->all, copy) ? 1 : -1;
    }
    pthread_mutex_lock(&list_lock);
    if (everywhere && everyone.users != 0) {
        there = ku__producers_copy(&everyone.sum, copy) ? 1 : -1;
    }
    pthread_mutex_unlock(&list_lock);
    if (there < 0) {
        PyErr_NoMemory();
    }
    return there;
}

#else

int ku__producers_read(bool everywhere, ku__producers *copy) {
    (void)everywhere;
    (void)copy;
    return 0;
}

#endif
