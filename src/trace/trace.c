/* trace.c: a tracer's beginning and end, its epochs, its failure, its locks; see trace.h.
 *
 * A tracer is two pieces of mapped memory: the hot half (ku__tracer), whose directories are mostly untouched, and the
 * tables. Nothing comes from malloc.
 */
#include "fast.h"
#include "os/pages.h"
#include "sample.h"
#include "tables.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What an interpreter's start-up needs: about 2000 sites, as many frames, 4000 texts. Everything doubles later. */
#define CACHE_FIRST ((uint64_t)1 << 12)
#define INDEX_FIRST ((uint64_t)1 << 12)

static void error_set(ku_error *error, ku_code code, const char *message) {
    if (error == NULL) return;
    *error = (ku_error){.code = code};
    snprintf(error->message, sizeof error->message, "%s", message);
}

static bool options_valid(const ku__tracer_options *options, ku_error *error) {
    if (options->frames > KU__FRAMES_MAX) {
        error_set(error, KU_INVALID, "the number of frames must be from 1 to 255");
        return false;
    }
    if (options->mode != KU__TRACE_BLOCKS && options->mode != KU__TRACE_OBJECTS) {
        error_set(error, KU_INVALID, "the mode of tracing must be blocks or objects");
        return false;
    }
    if (options->sample_interval > (uint64_t)1 << 40) {
        error_set(error, KU_INVALID, "the sampling interval must not be over 2^40 bytes");
        return false;
    }
    return true;
}

static bool tables_init(ku__tables *tables) {
    return ku__column_init(tables, &tables->strings, sizeof(ku__string)) &&
           ku__column_init(tables, &tables->codes, sizeof(ku__code)) &&
           ku__column_init(tables, &tables->frames, sizeof(ku__frame)) &&
           ku__column_init(tables, &tables->nodes, sizeof(ku__node)) &&
           ku__column_init(tables, &tables->sites, sizeof(uint32_t)) &&
           ku__column_init(tables, &tables->depths, sizeof(uint16_t)) &&
           ku__index_init(tables, &tables->string_index, INDEX_FIRST) &&
           ku__index_init(tables, &tables->code_index, INDEX_FIRST) &&
           ku__index_init(tables, &tables->frame_index, INDEX_FIRST) &&
           ku__index_init(tables, &tables->node_index, INDEX_FIRST) && ku__bindings_init(tables);
}

static void tables_release(ku__tables *tables) {
    ku__column_release(tables, &tables->strings);
    ku__column_release(tables, &tables->codes);
    ku__column_release(tables, &tables->frames);
    ku__column_release(tables, &tables->nodes);
    ku__column_release(tables, &tables->sites);
    ku__column_release(tables, &tables->depths);
    ku__index_release(tables, &tables->string_index);
    ku__index_release(tables, &tables->code_index);
    ku__index_release(tables, &tables->frame_index);
    ku__index_release(tables, &tables->node_index);
    ku__bindings_release(tables);
    ku__strings_release(tables);
}

static uint64_t seed_of_moment(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return ku__hash_words((uint64_t)now.tv_sec << 32 | (uint64_t)now.tv_nsec, (uint64_t)getpid());
}

static void lanes_init(ku__tracer *tracer, uint64_t seed) {
    for (int lane = 0; lane < KU__LANE_COUNT; lane++) {
        pthread_mutex_init(&tracer->lanes[lane].mutex, NULL);
        ku__sample_seed(tracer, (ku__lane_id)lane, ku__hash_words(seed, (uint64_t)lane));
    }
}

static bool tracer_init(ku__tracer *tracer, const ku__tracer_options *options) {
    tracer->frames = options->frames == 0 ? 1 : options->frames;
    tracer->mode = options->mode;
    tracer->sample_interval = (double)options->sample_interval;
    tracer->block_unit = options->sample_interval == 0 ? 1 : KU__SAMPLED_UNIT;
    lanes_init(tracer, options->seed != 0 ? options->seed : seed_of_moment());
    tracer->cache = ku__metadata_map(tracer->tables, CACHE_FIRST * sizeof(ku__cache_entry));
    tracer->cache_mask = (CACHE_FIRST - 1) * sizeof(ku__cache_entry);
    if (tracer->cache == NULL || !tables_init(tracer->tables) || !ku__site_zero(tracer)) return false;
    ku__epoch_advance(tracer);
    return true;
}

ku__tracer *ku__tracer_new(const ku__tracer_options *options, ku_error *error) {
    static const ku__tracer_options defaults = {.frames = 1};
    if (options == NULL) options = &defaults;
    if (!options_valid(options, error)) return NULL;
    ku__tracer *tracer = ku__metadata_map(NULL, sizeof *tracer);
    ku__tables *tables = tracer == NULL ? NULL : ku__metadata_map(NULL, sizeof *tables);
    if (tables == NULL) {
        ku__metadata_unmap(NULL, tracer, sizeof *tracer);
        error_set(error, KU_NO_MEMORY, "no memory to start tracing: the system refused it");
        return NULL;
    }
    tracer->tables = tables;
    if (!tracer_init(tracer, options)) {
        ku__tracer_delete(tracer);
        error_set(error, KU_NO_MEMORY, "no memory to start tracing: the system refused it");
        return NULL;
    }
    return tracer;
}

static void counts_release(ku__tracer *tracer) {
    size_t lane_bytes = sizeof(ku__site_counts) << KU__SITE_CHUNK_BITS;
    for (uintptr_t chunk = 0; chunk < KU__SITE_CHUNKS && tracer->lanes[0].chunks[chunk] != 0; chunk++) {
        void *memory = (void *)(tracer->lanes[0].chunks[chunk] + chunk * lane_bytes);
        ku__metadata_unmap(tracer->tables, memory, lane_bytes * KU__LANE_COUNT);
    }
}

void ku__tracer_delete(ku__tracer *tracer) {
    if (tracer == NULL) return;
#ifdef KU_CHECKING
    ku__tables_check(tracer->tables);
#endif
    counts_release(tracer);
    ku__metadata_unmap(tracer->tables, tracer->cache, tracer->cache_mask + sizeof(ku__cache_entry));
    tables_release(tracer->tables);
    for (int lane = 0; lane < KU__LANE_COUNT; lane++) pthread_mutex_destroy(&tracer->lanes[lane].mutex);
    ku__metadata_unmap(NULL, tracer->tables, sizeof *tracer->tables);
    ku__metadata_unmap(NULL, tracer, sizeof *tracer);
}

uint32_t ku__tracer_fail(ku__tracer *tracer, ku_code code, const char *what) {
    if (ku__cell_read(&tracer->failed)) return 0;
    ku_error *error = &tracer->tables->error;
    error->code = code;
    snprintf(error->message, sizeof error->message,
             "tracing stopped: the system refused memory for %s; what was traced until now is kept", what);
    __atomic_store_n(&tracer->failed.word, 1, __ATOMIC_RELEASE);
    return 0;
}

const ku_error *ku__tracer_failure(const ku__tracer *tracer) {
    return __atomic_load_n(&tracer->failed.word, __ATOMIC_ACQUIRE) ? &tracer->tables->error : NULL;
}

void ku__epoch_advance(ku__tracer *tracer) {
    /* Atomic, because fork handlers come here without any lock. Any constant does: one seed an epoch. */
    uint64_t epoch = __atomic_add_fetch(&tracer->tables->epoch, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&tracer->seed, ku__hash_words(epoch, 0x5851F42D4C957F2Du), __ATOMIC_RELAXED);
}

/* Bytes mapped for counts of sites that there are not yet. Chunks hold 65,536 sites, and the system gives their pages
 * when they are first written to: this is room for addresses and no memory. */
static size_t counts_to_come(const ku__tracer *tracer) {
    uint64_t sites = ku__column_count(&tracer->tables->sites), chunk = (uint64_t)1 << KU__SITE_CHUNK_BITS;
    uint64_t room = (sites + chunk - 1) / chunk * chunk;
    return (size_t)(room - sites) * sizeof(ku__site_counts) * KU__LANE_COUNT;
}

void ku__tracer_cost(const ku__tracer *tracer, ku__trace_cost *cost) {
    const ku__tables *tables = tracer->tables;
    *cost = (ku__trace_cost){
        .sites = ku__column_count(&tables->sites) - 1u,
        .codes = ku__column_count(&tables->codes) - 1u,
        .frames = ku__column_count(&tables->frames) - 1u,
        .metadata_bytes = ku__cell_read(&tables->mapped) - counts_to_come(tracer) + sizeof *tracer + sizeof *tables,
        .epochs = __atomic_load_n(&tables->epoch, __ATOMIC_RELAXED),
        .misses = tables->misses,
        .miss_nanoseconds = tables->miss_nanoseconds,
    };
}

void ku__lane_lock(ku__tracer *tracer, ku__lane_id lane) {
    pthread_mutex_lock(&tracer->lanes[lane].mutex);
}

void ku__lane_unlock(ku__tracer *tracer, ku__lane_id lane) {
    pthread_mutex_unlock(&tracer->lanes[lane].mutex);
}

void ku__tracer_after_fork_in_child(ku__tracer *tracer) {
    for (int lane = 0; lane < KU__LANE_COUNT; lane++) pthread_mutex_init(&tracer->lanes[lane].mutex, NULL);
}
