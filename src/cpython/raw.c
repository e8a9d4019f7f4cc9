/* raw.c: the raw domain's wrapper and registry. See raw.h.
 *
 * The registry is a hash table with open addressing and linear probing, at most 5/8 full; deletion moves later entries
 * of a run back (Knuth, volume 3, section 6.4, algorithm R). An entry is taken out before its block is given back, so
 * that no other thread can register the address in between.
 *
 * A block that is not in the registry (older than tracing, or not sampled) is passed through.
 */
#include "cpython/facts.h"

#include "cpython/raw.h"

#include "cpython/frames.h"
#include "cpython/many.h"
#include "os/pages.h"
#include "trace/sample.h"

#include <pthread.h>

typedef struct entry {
    uintptr_t address; /* 0: empty */
    uint32_t site;
    uint32_t era; /* low bits of the era of the tracer that the site is of; set in entries that are taken out */
    size_t size;
} entry;

enum { FIRST_CAPACITY = 1 << 12 }; /* 96 KiB: an interpreter at rest has a few thousand raw blocks */

/* Everything under `lock`. */
static struct {
    ku__tracer *tracer; /* NULL: only forward */
    uint64_t era;       /* of the tracer */
    entry *entries;
    size_t capacity; /* a power of two */
    size_t used;
    bool lost; /* memory for the registry was refused: new blocks are not traced */
} registry;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static PyMemAllocatorEx original; /* fixed while the wrapper is in place, and after */
static bool chained;              /* the wrapper was left under somebody else's, who may still call it */

/* ---- the registry ---- */

static size_t place_of(uintptr_t address) {
    size_t mask = registry.capacity - 1;
    size_t at = (size_t)((address >> 4) * 0x9E3779B97F4A7C15u >> 32) & mask;
    while (registry.entries[at].address != 0 && registry.entries[at].address != address) {
        at = (at + 1) & mask;
    }
    return at;
}

static bool reserve(size_t capacity) {
    entry *entries = ku__pages_map(capacity * sizeof *entries);
    if (entries == NULL) {
        return false;
    }
    entry *old = registry.entries;
    size_t old_capacity = registry.capacity;
    registry.entries = entries;
    registry.capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].address != 0) {
            entries[place_of(old[i].address)] = old[i];
        }
    }
    ku__pages_unmap(old, old_capacity * sizeof *old);
    return true;
}

static bool put(uintptr_t address, uint32_t site, size_t size) {
    if (registry.used >= registry.capacity / 8 * 5 && !reserve(registry.capacity * 2)) {
        registry.lost = true;
        ku__tracing_give_up("tracing stopped: the system refused memory for the registry of raw blocks");
        return false;
    }
    entry *at = &registry.entries[place_of(address)];
    registry.used += at->address == 0;
    *at = (entry){.address = address, .site = site, .size = size};
    return true;
}

static void remove_at(size_t gap) {
    size_t mask = registry.capacity - 1;
    for (size_t next = (gap + 1) & mask; registry.entries[next].address != 0; next = (next + 1) & mask) {
        size_t home = (size_t)((registry.entries[next].address >> 4) * 0x9E3779B97F4A7C15u >> 32) & mask;
        if (((next - home) & mask) >= ((next - gap) & mask)) {
            registry.entries[gap] = registry.entries[next];
            gap = next;
        }
    }
    registry.entries[gap].address = 0;
    registry.used--;
}

/* ---- tracing ---- */

/* The site of the calling thread. A thread without the GIL has no Python stack that it may look at. */
static uint32_t site_of_caller(void) {
    uint32_t site = ku__tracing_state.unknown;
    if (!ku__fact_holds_lock()) {
        return site;
    }
    bool many = ku__bridge_state.many;
    if (many) {
        ku__many_tracing_lock();
    }
    ku__tracer *tracer = ku__tracing_state.tracer;
    if (tracer != NULL && (!many || ku__many_takes_part())) {
        site = ku__site_here(tracer);
    }
    if (many) {
        ku__many_tracing_unlock();
    }
    return site;
}

static void born_locked(const void *block, size_t size, uint32_t site) {
    ku__tracer *tracer = registry.tracer;
    bool sampled = tracer->sample_interval > 0;
    if (sampled && !ku__sample_due(tracer, KU__LANE_RAW, size)) {
        return;
    }
    bool known = site != 0 && !registry.lost && put((uintptr_t)block, site, size);
    if (sampled && known) {
        ku__sample_allocated(tracer, KU__LANE_RAW, site, size, block);
    } else if (sampled) {
        ku__sample_skip(tracer, KU__LANE_RAW);
    } else if (known) {
        ku__count_allocated(tracer, KU__LANE_RAW, site, size, block);
    }
}

/* A new block. The site is found before the lock is taken, because finding it may take the lock of many.c; so it may
 * be the site of a tracer that has been stopped since. */
static void born(const void *block, size_t size) {
    if (ku__tracing_state.tracer == NULL) {
        return; /* tracing has given up; what was counted is still uncounted when it goes */
    }
    uint64_t era = ku__tracing_era();
    uint32_t site = site_of_caller();
    pthread_mutex_lock(&lock);
    if (registry.tracer != NULL && registry.era == era) {
        born_locked(block, size + (size == 0), site);
    }
    pthread_mutex_unlock(&lock);
}

/* Takes a block out; false where it is not in the registry. */
static bool gone(const void *block, entry *was) {
    pthread_mutex_lock(&lock);
    bool known = false;
    if (registry.tracer != NULL) {
        size_t at = place_of((uintptr_t)block);
        *was = registry.entries[at];
        was->era = (uint32_t)registry.era;
        known = was->address != 0;
        if (known) {
            remove_at(at);
        }
        if (known && registry.tracer->sample_interval > 0) {
            ku__sample_freed(registry.tracer, KU__LANE_RAW, was->site, was->size, block);
        } else if (known) {
            ku__count_freed(registry.tracer, KU__LANE_RAW, was->site, was->size, block);
        }
    }
    pthread_mutex_unlock(&lock);
    return known;
}

/* ---- the wrapper ---- */

static bool tracing(void) {
    return __atomic_load_n(&registry.tracer, __ATOMIC_RELAXED) != NULL;
}

static void *raw_malloc(void *ctx, size_t size) {
    (void)ctx;
    void *block = original.malloc(original.ctx, size);
    if (block != NULL && tracing()) {
        born(block, size);
    }
    return block;
}

static void *raw_calloc(void *ctx, size_t count, size_t size) {
    (void)ctx;
    void *block = original.calloc(original.ctx, count, size);
    if (block != NULL && tracing()) {
        born(block, count * size);
    }
    return block;
}

/* A resize that fails puts the old block back: it lives on with its size and site. */
static void put_back(const entry *was) {
    pthread_mutex_lock(&lock);
    bool same = registry.tracer != NULL && (uint32_t)registry.era == was->era;
    if (same && put(was->address, was->site, was->size)) {
        if (registry.tracer->sample_interval > 0) {
            ku__sample_allocated(registry.tracer, KU__LANE_RAW, was->site, was->size, (const void *)was->address);
        } else {
            ku__count_allocated(registry.tracer, KU__LANE_RAW, was->site, was->size, (const void *)was->address);
        }
    }
    pthread_mutex_unlock(&lock);
}

static void *raw_realloc(void *ctx, void *block, size_t size) {
    (void)ctx;
    if (!tracing()) {
        return original.realloc(original.ctx, block, size);
    }
    entry was;
    bool known = block != NULL && gone(block, &was);
    void *resized = original.realloc(original.ctx, block, size);
    if (resized != NULL) {
        born(resized, size);
    } else if (known) {
        put_back(&was);
    }
    return resized;
}

static void raw_free(void *ctx, void *block) {
    (void)ctx;
    entry was;
    if (block != NULL && tracing()) {
        gone(block, &was);
    }
    original.free(original.ctx, block);
}

/* ---- in and out ---- */

static bool in_place(void) {
    PyMemAllocatorEx now;
    PyMem_GetAllocator(PYMEM_DOMAIN_RAW, &now);
    return now.malloc == raw_malloc && now.free == raw_free;
}

bool ku__raw_start(ku_error *error) {
    pthread_mutex_lock(&lock);
    registry.lost = false;
    bool room = registry.entries != NULL || reserve(FIRST_CAPACITY);
    if (room) {
        registry.era = ku__tracing_era();
        __atomic_store_n(&registry.tracer, ku__tracing_state.kept, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&lock);
    if (!room) {
        *error =
            (ku_error){.code = KU_NO_MEMORY, .message = "the system refused memory for the registry of raw blocks"};
        return false;
    }
    if (!in_place() && !chained) { /* wrapping what calls us would call in circles */
        PyMemAllocatorEx wrapper = {NULL, raw_malloc, raw_calloc, raw_realloc, raw_free};
        PyMem_GetAllocator(PYMEM_DOMAIN_RAW, &original);
        wrapper.ctx = original.ctx;
        PyMem_SetAllocator(PYMEM_DOMAIN_RAW, &wrapper);
    }
    return true;
}

void ku__raw_stop(void) {
    chained = !in_place();
    if (!chained) {
        PyMem_SetAllocator(PYMEM_DOMAIN_RAW, &original);
    }
    pthread_mutex_lock(&lock);
    __atomic_store_n(&registry.tracer, NULL, __ATOMIC_RELAXED);
    ku__pages_unmap(registry.entries, registry.capacity * sizeof(entry));
    registry.entries = NULL;
    registry.capacity = registry.used = 0;
    pthread_mutex_unlock(&lock);
}

void ku__raw_lock(void) {
    pthread_mutex_lock(&lock);
}

void ku__raw_unlock(void) {
    pthread_mutex_unlock(&lock);
}

void ku__raw_after_fork_in_child(void) {
    pthread_mutex_init(&lock, NULL);
}

void ku__raw_walk(ku__raw_visitor *visit, void *argument) {
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < registry.capacity; i++) {
        if (registry.entries[i].address != 0) {
            visit(registry.entries[i].site, registry.entries[i].size, argument);
        }
    }
    pthread_mutex_unlock(&lock);
}

size_t ku__raw_metadata_bytes(void) {
    return registry.capacity * sizeof(entry);
}
