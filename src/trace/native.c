/* native.c: tracing heaps over C stacks while the program runs: what happens at each block, starting and stopping. See
 * native.h and kucha/trace.h. */
#include "trace/native.h"

#include "alloc/large.h"
#include "alloc/tables.h"
#include "os/failure.h"
#include "trace/fast.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum {
    FRAMES_DEFAULT = 10, /* as kucha run has it */
    OWN_MOST = 16,       /* calls of this library between the program's and the unwinder */
    MODULE_SPAN = 32,    /* bits of a distance inside a module; code without one is cut into such spans */
};

/* ---- stacks ---- */

/* A record for the module that an address lies in: its file, and where it begins. */
static uint32_t module_of(ku__tracer *tracer, uintptr_t address, uintptr_t *begin) {
    Dl_info info;
    bool known = dladdr((const void *)address, &info) != 0 && info.dli_fbase != NULL;
    *begin = known ? (uintptr_t)info.dli_fbase : address >> MODULE_SPAN << MODULE_SPAN;
    const char *file = known && info.dli_fname != NULL ? info.dli_fname : "";
    ku__code_facts facts;
    uint32_t code = ku__code_find(tracer, (const void *)*begin);
    if (code != 0 && ku__code_read(tracer, code, &facts)) {
        if (facts.filename_bytes == strlen(file) && memcmp(facts.filename, file, facts.filename_bytes) == 0) {
            return code;
        }
        ku__code_detach(tracer, (const void *)*begin); /* another library lies there now */
    }
    facts = (ku__code_facts){.filename = file,
                             .filename_bytes = strlen(file),
                             .qualname = "",
                             .line_table = (const uint8_t *)begin,
                             .line_table_bytes = sizeof *begin};
    return ku__code_add(tracer, (const void *)*begin, &facts);
}

static uint32_t intern(ku_trace *trace, void *const *addresses, unsigned count, uint64_t hash) {
    ku__frame frames[KU__FRAMES_MAX];
    for (unsigned i = 0; i < count; i++) {
        uintptr_t begin, address = (uintptr_t)addresses[i];
        uint32_t code = module_of(trace->tracer, address, &begin);
        if (code == 0) {
            return 0;
        }
        frames[i] = (ku__frame){.code = code, .instruction = (uint32_t)(address - begin)};
    }
    return ku__site_intern(trace->tracer, frames, count, hash);
}

/* The return addresses of the calling stack, behind one place that is free. */
static unsigned walk(const ku_trace *trace, const ku_heap *heap, void **addresses) {
    return ku__unwind(trace->unwinder, heap->frame, addresses + 1, trace->frames + OWN_MOST);
}

/* Where the program's own frames begin: at the call that the heap noted. A call from inside the library (an object's
 * memory) notes none, and shows all. Frame records may begin behind the call: then it is put in front. */
static unsigned first_own(ku_heap *heap, void **addresses, unsigned count) {
    const void *caller = heap->caller;
    heap->caller = heap->frame = NULL;
    for (unsigned i = 1; caller != NULL && i <= count && i <= OWN_MOST; i++) {
        if (addresses[i] == caller) {
            return i;
        }
    }
    addresses[0] = (void *)(uintptr_t)caller;
    return caller == NULL ? 1 : 0;
}

static uint32_t site_here(ku_trace *trace, ku_heap *heap) {
    void *addresses[1 + KU__FRAMES_MAX + OWN_MOST];
    unsigned found = walk(trace, heap, addresses);
    unsigned first = first_own(heap, addresses, found);
    unsigned count = found + 1 - first < trace->frames ? found + 1 - first : trace->frames;
    uint64_t hash = ku__stack_hash_start(trace->tracer);
    for (unsigned i = 0; i < count; i++) {
        hash = ku__stack_hash_add(hash, addresses[first + i]);
    }
    uint32_t site = ku__site_cached(trace->tracer, hash);
    return site != 0 || count == 0 ? site : intern(trace, addresses + first, count, hash);
}

/* ---- blocks ---- */

static ku_trace *trace_of(ku__watcher *watcher) {
    return (ku_trace *)(void *)watcher;
}

static bool counts(ku_trace *trace, const ku_heap *heap) {
    if (KU__UNLIKELY(heap->sites_lost && !trace->lost)) {
        trace->lost = true;
        ku__error_format(&trace->failure, KU_NO_MEMORY, 0,
                         "tracing stopped: the system refused memory for the table of birthplaces");
    }
    return !trace->lost;
}

/* What a block was counted with; false where it was not. */
static bool counted_with(const ku__block_facts *facts, uint32_t *site, size_t *size) {
    uint32_t slot = facts->site == NULL ? 0 : *facts->site;
    *site = KU__SLOT_SITE(slot);
    *size = facts->is_large ? facts->size : ku__slot_bytes(slot, facts->size);
    return *site != 0;
}

/* Writes a new block's site. 0 where it is not to be counted. */
static uint32_t mark(ku_trace *trace, ku_heap *heap, void *block, size_t size) {
    ku__block_facts facts;
    if (!counts(trace, heap) || !ku__block_find(heap, block, &facts) || facts.site == NULL) {
        return 0;
    }
    uint32_t site = site_here(trace, heap);
    *facts.site = site == 0 ? 0 : ku__slot_of(KU__TAG(site), size);
    return site;
}

static void born(ku__watcher *watcher, ku_heap *heap, void *block, size_t size) {
    ku_trace *trace = trace_of(watcher);
    size += size == 0; /* a block for nothing is made, and counted, as one byte */
    uint32_t site = mark(trace, heap, block, size);
    if (site != 0) {
        ku__count_allocated(trace->tracer, KU__LANE_MAIN, site, size, block);
    }
}

static void ending(ku__watcher *watcher, ku_heap *heap, void *block) {
    ku_trace *trace = trace_of(watcher);
    ku__block_facts facts;
    uint32_t site;
    size_t size;
    if (counts(trace, heap) && ku__block_find(heap, block, &facts) && counted_with(&facts, &site, &size)) {
        *facts.site = 0;
        ku__count_freed(trace->tracer, KU__LANE_MAIN, site, size, block);
    }
}

static void *resize(ku__watcher *watcher, ku_heap *heap, void *block, size_t size, bool *foreign) {
    ku_trace *trace = trace_of(watcher);
    ku__block_facts facts;
    uint32_t old_site = 0;
    size_t old_size = 0;
    bool counted = counts(trace, heap) && ku__block_find(heap, block, &facts) && facts.owner == heap &&
                   counted_with(&facts, &old_site, &old_size);
    void *resized = ku__plain_resize(heap, block, size, foreign);
    if (resized == NULL) {
        return NULL;
    }
    size += size == 0;
    uint32_t site = mark(trace, heap, resized, size);
    if (counted && site != 0) {
        ku__count_resized(trace->tracer, KU__LANE_MAIN, old_site, old_size, site, size, resized);
    } else if (counted) {
        ku__count_freed(trace->tracer, KU__LANE_MAIN, old_site, old_size, block);
    } else if (site != 0) {
        ku__count_allocated(trace->tracer, KU__LANE_MAIN, site, size, resized);
    }
    return resized;
}

/* ---- heaps ---- */

static void heap_ends(ku__watcher *watcher, ku_heap *heap) {
    ku_trace_remove(trace_of(watcher), heap);
}

ku_trace *ku_trace_of_heap(const ku_heap *heap) {
    bool ours = heap->watcher != NULL && heap->watcher->born == born;
    return ours ? trace_of(heap->watcher) : NULL;
}

static ku_code refuse(ku_error *error, ku_code code, const char *why) {
    ku__error_format(error, code, 0, "the heap cannot be traced: %s", why);
    return code;
}

ku_code ku_trace_add(ku_trace *trace, ku_heap *heap, ku_error *error) {
    if (heap->fences != NULL || heap->watcher != NULL || heap->sites_on) {
        return refuse(error, KU_STATE, "it has fences or birthplaces, or another trace looks at it");
    }
    ku_heap **heaps = realloc(trace->heaps, (trace->heap_count + 1) * sizeof *heaps);
    if (heaps == NULL || !ku__sites_enable(heap)) {
        trace->heaps = heaps != NULL ? heaps : trace->heaps;
        return refuse(error, KU_NO_MEMORY, "the system refused memory");
    }
    trace->heaps = heaps;
    heaps[trace->heap_count++] = heap;
    ku__heap_watch(heap, &trace->watcher);
    return KU_OK;
}

typedef struct leaving {
    ku_trace *trace;
    ku_heap *heap;
} leaving;

static bool leave_large(const ku__large_entry *entry, uint32_t slot, void *argument) {
    const leaving *left = argument;
    if (entry->heap == left->heap->number && KU__SLOT_SITE(slot) != 0) {
        ku__count_freed(left->trace->tracer, KU__LANE_MAIN, KU__SLOT_SITE(slot), entry->size, NULL);
    }
    return true;
}

/* The blocks of one pool that are counted: those that are free have no site. */
static void leave_pool(const leaving *left, uint32_t number) {
    const ku__pool *pool = ku__pool_at(number);
    size_t size = ku__class_size(pool->class_index);
    const char *block = ku__pool_address(number) + ku__pool_first(number);
    for (size_t i = 0; i < pool->capacity; i++, block += size) {
        uint32_t *slot = ku__site_slot(left->heap, block, pool->class_index);
        if (KU__SLOT_SITE(*slot) != 0) {
            ku__count_freed(left->trace->tracer, KU__LANE_MAIN, KU__SLOT_SITE(*slot), ku__slot_bytes(*slot, size),
                            NULL);
        }
    }
}

/* All blocks of a heap are counted as freed. */
static void leave(const leaving *left) {
    for (uint32_t count = 0; count <= KU__POOLS_PER_ARENA; count++) {
        for (uint32_t a = left->heap->by_free[count]; a != KU__NONE; a = ku__process_tables.arenas[a].next) {
            for (uint32_t i = 0; i < KU__POOLS_PER_ARENA; i++) {
                uint32_t number = a * KU__POOLS_PER_ARENA + i;
                if (ku__process_tables.class_map[number] != 0) {
                    leave_pool(left, number);
                }
            }
        }
    }
    ku__large_walk(left->heap, leave_large, (void *)(uintptr_t)left);
}

void ku_trace_remove(ku_trace *trace, ku_heap *heap) {
    if (heap->watcher != &trace->watcher) {
        return;
    }
    ku__heap_unwatch(heap);
    if (!trace->lost) {
        leave(&(leaving){trace, heap});
    }
    ku__sites_disable(heap);
    for (size_t i = 0; i < trace->heap_count; i++) {
        if (trace->heaps[i] == heap) {
            trace->heaps[i] = trace->heaps[--trace->heap_count];
            return;
        }
    }
}

/* ---- the trace ---- */

static const ku__unwind_kind kinds[] = {
    [KU_TRACE_ANY] = KU__UNWIND_ANY,
    [KU_TRACE_LIBUNWIND] = KU__UNWIND_LIBUNWIND,
    [KU_TRACE_LIBC] = KU__UNWIND_LIBC,
    [KU_TRACE_FRAME_POINTERS] = KU__UNWIND_FRAMES,
};

static ku__tracer *make_tracer(unsigned frames, ku_error *error) {
    const ku__tracer_options options = {.frames = frames};
    return ku__tracer_new(&options, error);
}

ku_trace *ku_trace_start(const ku_trace_options *options, ku_error *error) {
    static const ku_trace_options plain;
    options = options != NULL ? options : &plain;
    if (options->frames > KU__FRAMES_MAX || (unsigned)options->unwinder > KU_TRACE_FRAME_POINTERS) {
        ku__error_format(error, KU_INVALID, 0, "a trace keeps 1 to %d frames, by an unwinder of kucha/trace.h",
                         KU__FRAMES_MAX);
        return NULL;
    }
    ku_trace *trace = calloc(1, sizeof *trace);
    if (trace == NULL) {
        ku__error_format(error, KU_NO_MEMORY, 0, "a trace could not be started: the system refused memory");
        return NULL;
    }
    trace->watcher = (ku__watcher){.born = born, .ending = ending, .resize = resize, .heap_ends = heap_ends};
    trace->frames = options->frames != 0 ? options->frames : FRAMES_DEFAULT;
    if (!ku__unwind_open(kinds[options->unwinder], &trace->unwinder)) {
        ku__error_format(error, KU_STATE, 0, "the unwinder is not installed; KU_TRACE_ANY takes one that is");
    } else {
        trace->tracer = make_tracer(trace->frames, error);
    }
    if (trace->tracer == NULL) {
        free(trace);
        return NULL;
    }
    return trace;
}

void ku_trace_stop(ku_trace *trace) {
    if (trace == NULL) {
        return;
    }
    trace->lost = true; /* nothing needs to be counted as freed */
    while (trace->heap_count > 0) {
        ku_trace_remove(trace, trace->heaps[0]);
    }
    ku__tracer_delete(trace->tracer);
    free(trace->heaps);
    free(trace);
}

/* A new engine, and slots that are all 0: what they said is of the old one. */
ku_code ku_trace_clear(ku_trace *trace, ku_error *error) {
    ku__tracer *tracer = make_tracer(trace->frames, error);
    if (tracer == NULL) {
        return KU_NO_MEMORY;
    }
    ku__tracer_delete(trace->tracer);
    trace->tracer = tracer;
    trace->lost = false;
    trace->failure = (ku_error){.code = KU_OK};
    for (size_t i = 0; i < trace->heap_count; i++) {
        ku__sites_disable(trace->heaps[i]);
        if (!ku__sites_enable(trace->heaps[i])) {
            trace->heaps[i]->sites_lost = true;
            counts(trace, trace->heaps[i]);
        }
    }
    return trace->lost ? refuse(error, KU_NO_MEMORY, "the system refused memory") : KU_OK;
}

unsigned ku_trace_frames(const ku_trace *trace) {
    return trace->frames;
}

void ku_trace_memory(const ku_trace *trace, uint64_t *live_bytes, uint64_t *peak_bytes) {
    ku__traced_memory(trace->tracer, live_bytes, peak_bytes);
}

void ku_trace_reset_peak(ku_trace *trace) {
    ku__peak_reset(trace->tracer);
}

uint64_t ku_trace_overhead(const ku_trace *trace) {
    ku__trace_cost cost;
    ku__tracer_cost(trace->tracer, &cost);
    return cost.metadata_bytes + sizeof *trace + trace->heap_count * sizeof *trace->heaps;
}

const ku_error *ku_trace_failure(const ku_trace *trace) {
    return trace->lost ? &trace->failure : ku__tracer_failure(trace->tracer);
}
