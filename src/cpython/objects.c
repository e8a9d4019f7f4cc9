/* objects.c: from an object to its block, and the mode in which every object has its own birthplace.
 *
 * An object that the interpreter takes from a free list makes no call to the allocator: its block keeps the birthplace
 * of whoever used it first. From 3.14 the free lists are closed instead (free_lists.h). Where they cannot be, the
 * interpreter can tell of every object that is created, from 3.13 on (PyRefTracer); then the slot is written anew with
 * the place where the object was made. For an object whose block has just been allocated the place is the same and
 * nothing changes.
 *
 * Sources: Doc/c-api/init.rst (PyRefTracer_SetTracer: one slot for the process; the function is called with the GIL
 * held and must not touch the object's count), Objects/typeobject.c and Include/internal/pycore_gc.h (what lies in
 * front of an object: two words of the collector, and before them up to two words for a dict and weak references).
 */
#include "cpython/frames.h"

#include "cpython/free_lists.h"
#include "cpython/many.h"
#include "cpython/selfcheck.h"

#include <dlfcn.h>

bool ku__object_block(ku_heap *heap, PyObject *value, void **block, ku__block_facts *facts) {
    enum { WORDS_IN_FRONT_MOST = 4 };
    char *start = (char *)value;
    if (ku__block_find(heap, start, facts) && !facts->is_large) {
        uintptr_t offset = (uintptr_t)start - heap->base;
        uintptr_t in_pool = (offset & (KU__POOL_SIZE - 1)) - ku__pool_first(offset >> KU__POOL_BITS);
        *block = start - in_pool % facts->size;
        ku__block_find(heap, *block, facts);
        return facts->owner != NULL;
    }
    for (size_t words = 0; words <= WORDS_IN_FRONT_MOST; words += 2) {
        *block = start - words * sizeof(void *);
        if (ku__block_find(heap, *block, facts) && facts->is_large) {
            return true;
        }
    }
    return false;
}

#if PY_VERSION_HEX >= 0x030D0000

/* The block was counted at another site: it moves to this one, with the same size. */
static void restamp(ku__tracer *tracer, void *block, const ku__block_facts *facts) {
    uint32_t slot = *facts->site;
    uint32_t site = ku__site_here(tracer);
    uint32_t before = KU__SLOT_SITE(slot);
    if (site == 0 || site == before) {
        return;
    }
    size_t size = facts->is_large ? facts->size : ku__slot_bytes(slot, facts->size);
    *facts->site = ku__slot_of(KU__TAG(site), size) | (slot & KU__SLOT_CODE);
    if (before != 0) {
        ku__count_resized(tracer, KU__LANE_MAIN, before, size, site, size, block);
    } else {
        ku__count_allocated(tracer, KU__LANE_MAIN, site, size, block);
    }
}

static int hear(PyObject *value, PyRefTracerEvent event, void *context) {
    (void)context;
    if (event != PyRefTracer_CREATE) {
        return 0;
    }
    bool many = ku__bridge_state.many;
    if (many) {
        ku__many_tracing_lock();
    }
    ku__tracer *tracer = ku__tracing_state.tracer;
    ku__block_facts facts;
    void *block;
    bool heard = tracer != NULL && (!many || ku__many_takes_part());
    ku_heap *heap = ku__bridge_state.main_house->objects; /* inside the lock any will do */
    if (heard && ku__object_block(heap, value, &block, &facts) && facts.site != NULL) {
        restamp(tracer, block, &facts);
    }
    if (many) {
        ku__many_tracing_unlock();
    }
    return 0;
}

static const void *library_of(uintptr_t function) {
    Dl_info info;
    return dladdr((void *)function, &info) != 0 ? info.dli_fbase : NULL;
}

/* CPython 3.13's tracemalloc leaves its function in the slot when it stops: one of the interpreter's own, while
 * tracemalloc does not trace, is in nobody's use. */
static bool slot_taken(void) {
    void *context;
    PyRefTracer now = PyRefTracer_GetTracer(&context);
    if (now == NULL) {
        return false;
    }
    bool own = library_of((uintptr_t)now) == library_of((uintptr_t)&PyRefTracer_SetTracer);
    return !own || ku__tracemalloc_runs();
}

static bool hear_start(ku_error *error) {
    if (slot_taken()) {
        *error = (ku_error){.code = KU_STATE,
                            .message =
                                "the mode \"objects\" needs the interpreter's reference tracer, "
                                "which another tool is using"};
        return false;
    }
    if (PyRefTracer_SetTracer(hear, NULL) != 0) {
        PyErr_Clear();
        *error = (ku_error){.code = KU_STATE, .message = "the interpreter did not accept a reference tracer"};
        return false;
    }
    return true;
}

static bool lists_closed;

bool ku__objects_start(ku_error *error) {
    if (!ku__free_lists_known()) {
        return hear_start(error);
    }
    ku__free_lists_close();
    lists_closed = true;
    return true;
}

void ku__objects_stop(void) {
    void *context;
    if (lists_closed) {
        ku__free_lists_open();
        lists_closed = false;
    } else if (PyRefTracer_GetTracer(&context) == hear) {
        PyRefTracer_SetTracer(NULL, NULL);
    }
}

#else

bool ku__objects_start(ku_error *error) {
    *error = (ku_error){.code = KU_STATE,
                        .message =
                            "the mode \"objects\" needs CPython 3.13 or later: earlier ones tell "
                            "nobody when an object comes from a free list"};
    return false;
}

void ku__objects_stop(void) {}

#endif
