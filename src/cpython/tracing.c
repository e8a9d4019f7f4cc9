/* tracing.c: starting and stopping tracing under CPython.
 *
 * Start: a tracer, site tables for every heap (all slots 0, whatever an earlier tracer wrote), the raw domain's
 * wrapper, and last the traced entry points. Stop goes the other way round. A tracer is only read once entry points can
 * no longer reach it.
 */
#include "cpython/tracing.h"

#include "alloc/arenas.h"
#include "cpython/collections.h"
#include "cpython/many.h"
#include "cpython/pending.h"
#include "cpython/raw.h"
#include "os/clock.h"
#include "os/pages.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Fifty points a second, ten microseconds each: what rises within a second is seen, at less than a thousandth of a
 * processor. After 4096 points they are as far apart again. */
#define DENSE_SECONDS 0.02

ku__tracing ku__tracing_state;

static const char UNKNOWN[] = "<unknown>"; /* tracemalloc's word for what no frame asked for */

static int refuse(ku_error *error, ku_code code, const char *sentence) {
    *error = (ku_error){.code = code};
    snprintf(error->message, sizeof error->message, "%s", sentence);
    return -1;
}

/* ---- site tables ---- */

/* The main interpreter's tables go; those of others, who may be allocating now, only lose their meaning until their
 * interpreter takes part in tracing again. */
static void disable_sites(void) {
    ku__house *house = ku__house_next(NULL);
    ku__sites_disable(house->objects);
    ku__sites_disable(house->buffers);
    while ((house = ku__house_next(house)) != NULL) {
        ku__sites_outdate(house->objects);
        ku__sites_outdate(house->buffers);
    }
}

bool ku__tracing_prepare(ku__house *house) {
    house->era = ku__tracing_era();
    return ku__sites_enable(house->objects) && ku__sites_enable(house->buffers);
}

/* ---- what the capture shows of heaps ---- */

/* Runs in the capture's thread, without any lock: plain words that may be an operation old. */
static void capture_memory(void *context, uint64_t *arena_bytes, uint64_t *large_bytes) {
    (void)context;
    uint64_t arenas = 0, large = 0;
    for (const ku__house *house = ku__house_next(NULL); house != NULL; house = ku__house_next(house)) {
        arenas += (house->objects->arenas + house->buffers->arenas) * KU__ARENA_SIZE;
        large += house->objects->large_bytes + house->buffers->large_bytes;
    }
    *arena_bytes = arenas;
    *large_bytes = large;
}

static void count_occupancy(ku_heap *heap, ku__reading reading, ku_capture_heap *out) {
    enum { ARENAS_AT_ONCE = 4096 };
    static ku_arena_stats arenas[ARENAS_AT_ONCE]; /* under the main lane's lock; 16 GiB of wide arenas */
    size_t count = ku__heap_arenas_of(heap, reading, arenas, ARENAS_AT_ONCE);
    if (count > ARENAS_AT_ONCE) {
        count = ARENAS_AT_ONCE;
    }
    for (size_t i = 0; i < count; i++) {
        size_t tenth = arenas[i].bytes_used * 10 / KU__ARENA_SIZE;
        bool full = arenas[i].pools_free == 0 && tenth >= 10;
        out->occupancy[full ? KU_CAPTURE_HISTOGRAM - 1 : tenth > 9 ? 9 : tenth]++;
    }
}

static void describe_heap(ku_heap *heap, ku__reading reading, int64_t owner, ku_capture_heap *out) {
    ku_heap_stats stats;
    ku__heap_stats_of(heap, reading, &stats);
    *out = (ku_capture_heap){
        .domain = stats.domain,
        .limit = stats.limit,
        .arena_size = stats.arena_size,
        .pool_size = stats.pool_size,
        .arenas = stats.arenas,
        .arenas_peak = stats.arenas_peak,
        .arenas_taken = stats.arenas_taken,
        .pools_used = stats.pools_used,
        .pools_free = stats.pools_free,
        .blocks_used = stats.blocks_used,
        .bytes_used = stats.bytes_used,
        .blocks_free = stats.blocks_free,
        .bytes_free = stats.bytes_free,
        .large_blocks = stats.large_blocks,
        .large_bytes = stats.large_bytes,
        .large_bytes_peak = stats.large_bytes_peak,
        .bytes_held = stats.bytes_held,
        .bytes_mapped = stats.bytes_mapped,
        .metadata_bytes = stats.metadata_bytes,
    };
    if (owner == 0) {
        memcpy(out->name, stats.name, sizeof out->name);
    } else {
        snprintf(out->name, sizeof out->name, "%.7s of interpreter %" PRId64, stats.name, owner);
    }
    count_occupancy(heap, reading, out);
}

/* The main interpreter's heaps come first. */
static size_t capture_heaps(void *context, ku_capture_heap *heaps, size_t capacity) {
    (void)context;
    size_t count = 0;
    for (ku__house *house = ku__house_next(NULL); house != NULL; house = ku__house_next(house), count += 2) {
        ku__reading reading = ku__many_reads(house) ? KU__READ_OWN : KU__READ_RUNNING;
        int64_t owner = atomic_load(&house->owner);
        if (count + 2 <= capacity) {
            describe_heap(house->objects, reading, owner, &heaps[count]);
            describe_heap(house->buffers, reading, owner, &heaps[count + 1]);
        }
    }
    return count;
}

static void capture_watch(void *context, ku_capture_collections *collections) {
    (void)context;
    ku__collections_read(collections, true);
}

static ku__capture *start_capture(ku__tracer *tracer, const ku__tracing_options *options, ku_error *error) {
    ku__capture_options how = {
        .path = options->capture_path,
        .command = options->command,
        .python = ku__tracing_state.python,
        .follow_fork = options->follow_fork,
        .point_seconds = options->timeline ? DENSE_SECONDS : 0,
        .memory = capture_memory,
        .watch = options->timeline ? capture_watch : NULL,
        .heaps = capture_heaps,
        .due = ku__pending_ask,
        .after_fork = ku__pending_ask_after_fork,
    };
    return ku__capture_start(tracer, &how, error);
}

/* ---- start and stop ---- */

/* The site of blocks that no Python frame asked for. Its code record is bound to an address that no code object has. */
static uint32_t make_unknown_site(ku__tracer *tracer) {
    ku__code_facts facts = {.filename = UNKNOWN,
                            .filename_bytes = sizeof UNKNOWN - 1,
                            .qualname = UNKNOWN,
                            .qualname_bytes = sizeof UNKNOWN - 1};
    ku__frame frame = {.code = ku__code_add(tracer, UNKNOWN, &facts)};
    return frame.code == 0 ? 0 : ku__site_intern(tracer, &frame, 1, 0);
}

static ku__tracer *make_tracer(const ku__tracing_options *options, ku_error *error) {
    ku__tracer_options how = {
        .frames = options->frames,
        .mode = options->objects ? KU__TRACE_OBJECTS : KU__TRACE_BLOCKS,
        .sample_interval = options->sample_interval,
    };
    ku__tracer *tracer = ku__tracer_new(&how, error);
    if (tracer == NULL) {
        return NULL;
    }
    ku__tracing_state.unknown = make_unknown_site(tracer);
    if (ku__tracing_state.unknown == 0) {
        *error = *ku__tracer_failure(tracer);
        ku__tracer_delete(tracer);
        return NULL;
    }
    return tracer;
}

/* Everything that can fail, in an order in which each step can be undone. */
static int begin(const ku__tracing_options *options, ku_error *error) {
    ku__tracing *tracing = &ku__tracing_state;
    ku__tracer *tracer = make_tracer(options, error);
    if (tracer == NULL) {
        return -1;
    }
    __atomic_fetch_add(&tracing->era, 1, __ATOMIC_RELAXED);
    if (!ku__tracing_prepare(ku__bridge_state.main_house)) {
        disable_sites();
        ku__tracer_delete(tracer);
        return refuse(error, KU_NO_MEMORY, "the system refused memory for the table of birthplaces");
    }
    if (options->capture_path != NULL) {
        tracing->capture = start_capture(tracer, options, error);
        if (tracing->capture == NULL) {
            disable_sites();
            ku__tracer_delete(tracer);
            return -1;
        }
    }
    tracing->kept = tracer;
    return 0;
}

static void end(int exit_code, bool *finished, ku_error *error) {
    ku__tracing *tracing = &ku__tracing_state;
    *finished = true;
    if (tracing->capture != NULL) {
        *finished = ku__capture_finish(tracing->capture, exit_code, error);
        tracing->capture = NULL;
    }
    ku__codes_release(tracing->kept);
    disable_sites();
    ku__tracer_delete(tracing->kept);
    tracing->kept = NULL;
}

/* What a sample is counted down in while there is no tracer. */
static int64_t nobody = INT64_MAX;

static void set_countdown(ku__tracer *tracer) {
    int64_t *countdown = tracer != NULL ? &tracer->lanes[KU__LANE_MAIN].countdown : &nobody;
    __atomic_store_n(&ku__tracing_state.countdown, countdown, __ATOMIC_RELAXED);
}

/* No entry point of another interpreter is inside when the tracer comes or goes. */
static void publish(ku__tracer *tracer) {
    ku__many_tracing_lock();
    set_countdown(tracer);
    __atomic_store_n(&ku__tracing_state.tracer, tracer, __ATOMIC_RELAXED);
    ku__many_tracing_unlock();
}

static ku__entry_kind entries_for(const ku__tracing_options *options) {
    if (options->sample_interval > 0) {
        return KU__ENTRIES_SAMPLED;
    }
    return options->frames == 1 ? KU__ENTRIES_TRACED_ONE : KU__ENTRIES_TRACED;
}

int ku__tracing_start(const ku__tracing_options *options, ku_error *error) {
    ku__tracing *tracing = &ku__tracing_state;
    if (tracing->kept != NULL) {
        return refuse(error, KU_STATE, "tracing is on already; stop it first");
    }
    if (!ku__bridge_in_place()) {
        return refuse(error, KU_STATE,
                      "another tool has put its own allocator in front of kucha's, so tracing cannot "
                      "start before that tool has stopped");
    }
    if (begin(options, error) != 0) {
        return -1;
    }
    bool raw = ku__raw_start(error);
    if (!raw || (options->objects && !ku__objects_start(error))) {
        ku_error ignored;
        bool finished;
        if (raw) {
            ku__raw_stop();
        }
        end(-1, &finished, &ignored);
        return -1;
    }
    tracing->objects = options->objects;
    tracing->started = ku__clock_monotonic();
    publish(tracing->kept);
    ku__bridge_switch(entries_for(options), ku__bridge_state.many);
    return 0;
}

int ku__tracing_stop(int exit_code, bool exiting, ku_error *error) {
    ku__tracing *tracing = &ku__tracing_state;
    if (tracing->kept == NULL) {
        return refuse(error, KU_STATE, "tracing is not on");
    }
    if (tracing->objects) {
        ku__objects_stop();
        tracing->objects = false;
    }
    ku__raw_stop();
    /* A wrapper on top of ours keeps the traced entry points: they find no tracer and work as plain ones. */
    ku__bridge_switch(KU__ENTRIES_PLAIN, ku__bridge_state.many);
    publish(NULL);
    if (exiting && tracing->capture != NULL) {
        ku__capture_expect_exit(tracing->capture);
    }
    bool finished;
    end(exit_code, &finished, error);
    return finished ? 0 : -1;
}

void ku__tracing_give_up(const char *reason) {
    /* A thread without the GIL may be the one that gives up, so the pointer is taken away in one piece. */
    if (__atomic_exchange_n(&ku__tracing_state.tracer, NULL, __ATOMIC_RELAXED) == NULL) {
        return;
    }
    set_countdown(NULL);
    fprintf(stderr, "kucha: %s; the program goes on\n", reason);
}
