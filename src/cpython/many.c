/* many.c: entry points for several GILs. See many.h.
 *
 * Locks. An interpreter's heaps belong to its GIL. The list of houses is read without a lock and grows by compare and
 * swap; a house is claimed the same way.
 */
#include "cpython/facts.h"

#include "cpython/many.h"

#include "cpython/collector_everywhere.h"
#include "cpython/frames.h"
#include "cpython/sampled.h"
#include "cpython/traced.h"
#include "cpython/untraced.h"
#include "cpython/watch.h"

#include <sched.h>

/* ---- which heap ---- */

/* The house that this thread used last. Another interpreter may run in the same thread next, so its owner is
 * compared. */
static _Thread_local __attribute__((tls_model("initial-exec"))) ku__house *last_used;

static ku__house *find_house(int64_t id) {
    ku__house *house = atomic_load_explicit(&ku__bridge_state.houses, memory_order_acquire);
    while (house != NULL && atomic_load_explicit(&house->owner, memory_order_acquire) != id) {
        house = house->next;
    }
    return house;
}

/* The owner of a house that is read after its interpreter's end: nobody's number. */
enum { READER = -1 };

/* Moves into a house whose interpreter has ended. Numbers of interpreters are never given twice, so what has ended
 * stays so. `was` is the number of that. */
static bool claim(ku__house *house, int64_t id, int64_t *was) {
    *was = atomic_load_explicit(&house->owner, memory_order_acquire);
    return *was != READER && !ku__fact_interpreter_lives(*was) &&
           atomic_compare_exchange_strong(&house->owner, was, id);
}

static ku__house *claim_house(int64_t id) {
    ku__house *house = atomic_load_explicit(&ku__bridge_state.houses, memory_order_acquire);
    int64_t was;
    while (house != NULL && !claim(house, id, &was)) {
        house = house->next;
    }
    return house;
}

bool ku__many_borrow(ku__house *house, int64_t *owner) {
    return claim(house, READER, owner);
}

void ku__many_give_back(ku__house *house, int64_t owner) {
    atomic_store_explicit(&house->owner, owner, memory_order_release);
}

static void publish(ku__house *house) {
    ku__house *head = atomic_load_explicit(&ku__bridge_state.houses, memory_order_relaxed);
    do {
        house->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&ku__bridge_state.houses, &head, house, memory_order_release,
                                                    memory_order_relaxed));
    atomic_fetch_add(&ku__bridge_state.house_count, 1);
}

/* A house whose heaps the system refuses is kept as it is: its interpreter uses the original allocator from the first
 * block to the last. NULL only when there is not even a page for the house. */
static ku__house *make_house(int64_t id) {
    ku_error ignored;
    ku__house *house = ku__house_new(id, &ignored);
    if (house == NULL) {
        return NULL;
    }
    if (house->objects != NULL) {
        ku__heap_share(house->objects);
        ku__heap_share(house->buffers);
    }
    publish(house);
    return house;
}

/* The running interpreter has allocated for the first time. */
static ku__house *move_in(const PyThreadState *thread, int64_t id) {
    ku__house *house = claim_house(id);
#if KU__FACTS_SUPPORTED
    ku__everywhere_begun(thread->interp);
#else
    (void)thread;
#endif
    return house != NULL ? house : make_house(id);
}

static ku__house *settle(const PyThreadState *thread, int64_t id) {
    ku__house *house = find_house(id);
    last_used = house != NULL ? house : move_in(thread, id);
    return last_used;
}

/* The running interpreter's house; NULL where no interpreter runs in this thread, or there is no page for one. */
static inline ku__house *house_here(void) {
    const PyThreadState *thread = ku__fact_thread();
    if (KU__UNLIKELY(thread == NULL)) {
        return NULL;
    }
    int64_t id = ku__fact_interpreter_id(thread->interp);
    ku__house *house = last_used;
    if (KU__UNLIKELY(house == NULL || atomic_load_explicit(&house->owner, memory_order_relaxed) != id)) {
        house = settle(thread, id);
    }
    return house;
}

/* The house's heap of the ctx's domain; NULL where the original allocator must serve: there is no house, or the system
 * refused it a heap. */
static inline ku_heap *heap_in(const ku__house *house, const ku_heap *ctx) {
    if (KU__UNLIKELY(house == NULL)) {
        return NULL;
    }
    return ctx->domain == KU_DOMAIN_OBJECT ? house->objects : house->buffers;
}

/* ---- without a heap ---- */

/* Frees a block where no heap of ours serves: it may still be some heap's. */
static void free_without_heap(const ku_heap *ctx, void *block) {
    if (block != NULL && ku_heap_find(block) != NULL) {
        ku_heap_free_remote(block);
        return;
    }
    const PyMemAllocatorEx *original = ku__original_of(ctx);
    original->free(original->ctx, block);
}

static void *realloc_without_heap(const ku_heap *ctx, void *block, size_t size) {
    const PyMemAllocatorEx *original = ku__original_of(ctx);
    ku__block_facts facts;
    if (block == NULL || ku_heap_find(block) == NULL ||
        !ku__block_find(ku__bridge_state.main_house->objects, block, &facts)) {
        return original->realloc(original->ctx, block, size);
    }
    void *moved = original->malloc(original->ctx, size);
    if (moved != NULL) {
        memcpy(moved, block, size < facts.size ? size : facts.size);
        ku_heap_free_remote(block);
    }
    return moved;
}

static void *malloc_without_heap(const ku_heap *ctx, size_t size) {
    const PyMemAllocatorEx *original = ku__original_of(ctx);
    return original->malloc(original->ctx, size);
}

static void *calloc_without_heap(const ku_heap *ctx, size_t count, size_t size) {
    const PyMemAllocatorEx *original = ku__original_of(ctx);
    return original->calloc(original->ctx, count, size);
}

/* ---- tracing ----
 *
 * A traced call holds one lock from before the allocation until the block is counted, because slots, registries and
 * counts are used by all interpreters. The tracer is read again inside the lock; ku__tracing_stop() takes it away
 * inside the lock. So while something is traced, no interpreter is inside a heap without the lock once it has made its
 * first traced call: its later calls find the tracer too, whichever thread makes them, because threads of an
 * interpreter follow each other through its GIL.
 *
 * An interpreter prepares its own heaps for the tracer at its first traced call, which it knows by the tracer's era.
 * Until then the slots of its blocks mean nothing (ku__sites_outdate()). */

/* Recursive: a block born before install is resized inside the lock by the original allocator, which may call the
 * raw domain. */
static pthread_mutex_t tracing_lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

void ku__many_tracing_lock(void) {
    pthread_mutex_lock(&tracing_lock);
}

void ku__many_tracing_unlock(void) {
    pthread_mutex_unlock(&tracing_lock);
}

void ku__many_after_fork_in_child(void) {
    tracing_lock = (pthread_mutex_t)PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
}

/* Takes the lock. The tracer that a call of this house counts with; NULL: nothing is traced any more. */
static ku__tracer *enter(ku__house *house) {
    ku__many_tracing_lock();
    ku__tracer *tracer = ku__tracing_now();
    if (tracer != NULL && house->era != ku__tracing_era() && !ku__tracing_prepare(house)) {
        ku__tracing_give_up("tracing stopped: the system refused memory for the table of birthplaces");
        return NULL;
    }
    return tracer;
}

bool ku__many_takes_part(void) {
    const PyThreadState *thread = ku__fact_thread();
    if (thread == NULL) {
        return false;
    }
    const ku__house *house = find_house(ku__fact_interpreter_id(thread->interp));
    return house != NULL && house->era == ku__tracing_era();
}

KU__COLD static void *counted_malloc(ku__house *house, ku_heap *heap, size_t size) {
    ku__tracer *tracer = enter(house);
    void *block = tracer == NULL                 ? ku__untraced_malloc(heap, size)
                  : tracer->sample_interval == 0 ? ku__traced_malloc(heap, tracer, size, KU__STACK_ANY)
                                                 : ku__sampled_malloc(heap, tracer, size);
    ku__many_tracing_unlock();
    return block;
}

KU__COLD static void *counted_calloc(ku__house *house, ku_heap *heap, size_t count, size_t size) {
    ku__tracer *tracer = enter(house);
    void *block = tracer == NULL                 ? ku__untraced_calloc(heap, count, size)
                  : tracer->sample_interval == 0 ? ku__traced_calloc(heap, tracer, count, size, KU__STACK_ANY)
                                                 : ku__sampled_calloc(heap, tracer, count, size);
    ku__many_tracing_unlock();
    return block;
}

KU__COLD static void *counted_realloc(ku__house *house, ku_heap *heap, void *block, size_t size) {
    ku__tracer *tracer = enter(house);
    void *resized = tracer == NULL                 ? ku__untraced_realloc(heap, block, size)
                    : tracer->sample_interval == 0 ? ku__traced_realloc(heap, tracer, block, size, KU__STACK_ANY)
                                                   : ku__sampled_realloc(heap, tracer, block, size);
    ku__many_tracing_unlock();
    return resized;
}

KU__COLD static void counted_free(ku__house *house, ku_heap *heap, void *block) {
    ku__tracer *tracer = enter(house);
    if (tracer == NULL) {
        ku__rolled_free(heap, block);
    } else if (tracer->sample_interval == 0) {
        ku__traced_free(heap, tracer, block, true);
    } else {
        ku__sampled_free(heap, tracer, block);
    }
    ku__many_tracing_unlock();
}

/* ---- entry points ----
 *
 * One set for all that can be on: where other interpreters run, functions cannot be exchanged at one moment for all,
 * and the running interpreter must be looked up in any case. */

KU__ALIGNED_CODE static void *many_malloc(void *ctx, size_t size) {
    ku__house *house = house_here();
    ku_heap *heap = heap_in(house, ctx);
    if (KU__UNLIKELY(heap == NULL)) {
        return malloc_without_heap(ctx, size);
    }
    return KU__LIKELY(ku__tracing_now() == NULL) ? ku__untraced_malloc(heap, size) : counted_malloc(house, heap, size);
}

KU__ALIGNED_CODE static void *many_calloc(void *ctx, size_t count, size_t size) {
    ku__house *house = house_here();
    ku_heap *heap = heap_in(house, ctx);
    if (KU__UNLIKELY(heap == NULL)) {
        return calloc_without_heap(ctx, count, size);
    }
    return KU__LIKELY(ku__tracing_now() == NULL) ? ku__untraced_calloc(heap, count, size)
                                                 : counted_calloc(house, heap, count, size);
}

KU__ALIGNED_CODE static void *many_realloc(void *ctx, void *block, size_t size) {
    ku__house *house = house_here();
    ku_heap *heap = heap_in(house, ctx);
    if (KU__UNLIKELY(heap == NULL)) {
        return realloc_without_heap(ctx, block, size);
    }
    if (KU__UNLIKELY(house->watched)) {
        ku__watch_note(block);
    }
    return KU__LIKELY(ku__tracing_now() == NULL) ? ku__untraced_realloc(heap, block, size)
                                                 : counted_realloc(house, heap, block, size);
}

KU__ALIGNED_CODE static void many_free(void *ctx, void *block) {
    ku__house *house = house_here();
    ku_heap *heap = heap_in(house, ctx);
    if (KU__UNLIKELY(heap == NULL)) {
        free_without_heap(ctx, block);
        return;
    }
    if (KU__UNLIKELY(house->watched)) {
        ku__watch_note(block);
    }
    if (KU__LIKELY(ku__tracing_now() == NULL)) {
        ku__rolled_free(heap, block);
    } else {
        counted_free(house, heap, block);
    }
}

const ku__entry_set ku__entries_many = {many_malloc, many_calloc, many_realloc, many_free};

bool ku__many_reads(const ku__house *house) {
    const PyThreadState *thread = ku__fact_thread();
    return !ku__bridge_state.many ||
           (thread != NULL && ku__fact_interpreter_id(thread->interp) == atomic_load(&house->owner));
}

/* ---- hearing of interpreters ---- */

bool ku__many_elsewhere(const ku_heap *heap) {
    const ku__house *main_house = ku__bridge_state.main_house;
    if (heap != main_house->objects && heap != main_house->buffers) {
        return false;
    }
    const PyThreadState *thread = ku__fact_thread();
    return thread == NULL || ku__fact_interpreter_id(thread->interp) != atomic_load(&main_house->owner);
}

#if KU__FACTS_SUPPORTED

static PyMemAllocatorEx raw_original; /* fixed at install */

/* The set for many stands. Another thread that makes an interpreter without the GIL may not go on before. */
static atomic_bool prepared;

#if PY_VERSION_HEX >= 0x030D0000
typedef _PyThreadStateImpl thread_state_block;
#else
typedef PyThreadState thread_state_block;
#endif

#if PY_VERSION_HEX >= 0x030C0000

static void switch_to_many(void) {
    ku__heap_share(ku__bridge_state.main_house->objects);
    ku__heap_share(ku__bridge_state.main_house->buffers);
    if (ku__tracing_state.kept != NULL) {
        ku__codes_release(ku__tracing_state.kept);
    }
    if (ku__bridge_switch(ku__bridge_state.kind, true)) {
        return;
    }
    ku__tracing_give_up(
        "tracing stopped: a second interpreter is made while another tool stands in front of kucha's "
        "entry points");
    ku__bridge_gate();
}

/* There will be two GILs in a moment; this thread holds the only one. */
static void prepare(void) {
    if (!ku__bridge_state.many) {
        switch_to_many();
    }
    atomic_store_explicit(&prepared, true, memory_order_release);
}

/* Interpreters that have blocks of their own keep what they know of them here (3.13 and later). */
static bool looks_like_blocks_state(size_t count, size_t size) {
    const size_t expected = sizeof(struct _obmalloc_state);
    return count == 1 && size >= expected - expected / 8 && size <= expected + expected / 8;
}

enum { LOOKS_AT_LIST = 1000 };

/* True where this thread itself holds the lock; other threads hold it for a moment. */
static bool list_stays_locked(void) {
    for (int i = 0; i < LOOKS_AT_LIST; i++) {
        if (!ku__fact_interpreters_locked()) {
            return false;
        }
        sched_yield();
    }
    return true;
}

#endif

/* Another micro version's structure may be a little larger or smaller than the one this file was compiled with. Taking
 * something else for an interpreter costs speed, and nothing else. */
static bool looks_like_interpreter(size_t count, size_t size) {
    const size_t expected = sizeof(PyInterpreterState);
    return count == 1 && size >= expected - expected / 8 && size <= expected + expected / 8;
}

static bool looks_like_thread_state(size_t count, size_t size) {
    const size_t expected = sizeof(thread_state_block);
    return count == 1 && size >= expected - expected / 8 && size <= expected + expected / 8;
}

/* This thread is making an interpreter (3.11), and has given up the GIL for it (3.13 and later). */
static _Thread_local __attribute__((tls_model("initial-exec"))) bool expecting;

#if PY_VERSION_HEX < 0x030C0000

/* The new interpreter is the first of the list when memory for its first thread state is asked for. */
static KU__COLD void notice(size_t count, size_t size) {
    bool is_thread = looks_like_thread_state(count, size);
    expecting = !is_thread;
    if (is_thread) {
        ku__everywhere_begun(PyInterpreterState_Head());
    }
}

#else

/* The interpreter's memory is asked for under the lock of the list of interpreters, where nobody may wait for a GIL;
 * that of its blocks' state (where it has a GIL of its own) or of its first thread state is asked for next, without
 * that lock, and before the new interpreter can allocate anything. There the GIL is taken for a moment. */
static KU__COLD void notice(size_t count, size_t size) {
    if (ku__fact_holds_lock()) {
        expecting = false;
        prepare();
    } else if (!expecting) {
        expecting = true;
    } else if (looks_like_blocks_state(count, size) || looks_like_thread_state(count, size) || !list_stays_locked()) {
        expecting = false;
        PyGILState_STATE state = PyGILState_Ensure();
        prepare();
        PyGILState_Release(state);
    }
}

#endif

static void *watched_calloc(void *ctx, size_t count, size_t size) {
    (void)ctx;
    if (KU__UNLIKELY(expecting || looks_like_interpreter(count, size))) {
        if (atomic_load_explicit(&prepared, memory_order_acquire)) {
            expecting = false;
        } else {
            notice(count, size);
        }
    }
    return raw_original.calloc(raw_original.ctx, count, size);
}

void ku__many_watch(void) {
    PyMem_GetAllocator(PYMEM_DOMAIN_RAW, &raw_original);
    PyMemAllocatorEx watched = raw_original;
    watched.calloc = watched_calloc;
    PyMem_SetAllocator(PYMEM_DOMAIN_RAW, &watched);
}

#else

void ku__many_watch(void) {}

#endif

size_t ku__interpreter_count(void) {
    return ku__fact_interpreter_count();
}

bool ku__one_can_trace(void) {
    return ku__fact_quick();
}
