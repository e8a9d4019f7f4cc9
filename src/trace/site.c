/* site.c: from a stack of frames to the number of a site, and back; see trace.h and tables.h. */
#include "fast.h"
#include "os/clock.h"
#include "tables.h"

/* The cache of stacks grows with the sites, so that at most a quarter of it is in use, from 64 KiB to 4 MiB: more
 * would not stay in a second-level cache, and a miss costs about as much. A stack has two places, side by side in one
 * line of the processor's cache. (One place and half in use: 112,000 of 650,000 look-ups of binary trees with 10
 * frames, 3,154 sites, missed.) */
#define CACHE_LAST ((uint64_t)1 << 18)

static uint32_t frame_intern(ku__tables *tables, const ku__frame *frame) {
    uint64_t hash = ku__hash_words(frame->code, frame->instruction);
    uint64_t position = hash & 0xFFFFFFFFu;
    for (uint32_t found; (found = ku__index_next(&tables->frame_index, hash, &position)) != 0;) {
        const ku__frame *known = ku__column_at(&tables->frames, found);
        if (known->code == frame->code && known->instruction == frame->instruction) return found;
    }
    if (!ku__index_reserve(tables, &tables->frame_index)) return 0;
    ku__frame *room = ku__column_next(tables, &tables->frames);
    if (room == NULL) return 0;
    *room = *frame;
    uint32_t number = ku__column_publish(&tables->frames);
    ku__index_insert(&tables->frame_index, hash, number);
    return number;
}

static uint32_t node_intern(ku__tables *tables, uint32_t parent, uint32_t frame) {
    uint64_t hash = ku__hash_words(parent, frame);
    uint64_t position = hash & 0xFFFFFFFFu;
    for (uint32_t found; (found = ku__index_next(&tables->node_index, hash, &position)) != 0;) {
        const ku__node *known = ku__column_at(&tables->nodes, found);
        if (known->parent == parent && known->frame == frame) return found;
    }
    if (!ku__index_reserve(tables, &tables->node_index)) return 0;
    ku__node *room = ku__column_next(tables, &tables->nodes);
    if (room == NULL) return 0;
    *room = (ku__node){.parent = parent, .frame = frame};
    uint32_t number = ku__column_publish(&tables->nodes);
    ku__index_insert(&tables->node_index, hash, number);
    return number;
}

/* Counts of a chunk of sites for both lanes, in one piece. */
static bool counts_reserve(ku__tracer *tracer, uint32_t site) {
    uint32_t chunk = site >> KU__SITE_CHUNK_BITS;
    if (tracer->lanes[0].chunks[chunk] != 0) return true;
    size_t lane_bytes = sizeof(ku__site_counts) << KU__SITE_CHUNK_BITS;
    uintptr_t memory = (uintptr_t)ku__metadata_map(tracer->tables, lane_bytes * KU__LANE_COUNT);
    if (memory == 0) return false;
    for (uintptr_t lane = 0; lane < KU__LANE_COUNT; lane++)
        __atomic_store_n(&tracer->lanes[lane].chunks[chunk], memory + lane * lane_bytes - chunk * lane_bytes,
                         __ATOMIC_RELAXED);
    return true;
}

bool ku__site_zero(ku__tracer *tracer) {
    return counts_reserve(tracer, 0);
}

static uint32_t site_new(ku__tracer *tracer, ku__node *node, uint32_t node_number) {
    ku__tables *tables = tracer->tables;
    uint32_t *room = ku__column_next(tables, &tables->sites);
    uint16_t *depth = ku__column_next(tables, &tables->depths);
    if (room == NULL || depth == NULL || !counts_reserve(tracer, tables->sites.count)) return 0;
    *room = node_number;
    *depth = 0;
    ku__column_publish(&tables->depths);
    node->site = ku__column_publish(&tables->sites);
    return node->site;
}

/* The newest is looked at first. What was there takes the other place, which may be its own first one. */
static void cache_put(ku__cache_entry *cache, uint64_t mask, ku__cache_entry entry) {
    ku__cache_entry *first = ku__cache_at(cache, entry.hash & mask);
    if (first->tag != 0 && first->hash != entry.hash) *ku__cache_other(cache, entry.hash & mask) = *first;
    *first = entry;
}

/* A larger cache is a convenience: when memory is refused, the small one stays. */
static void cache_grow(ku__tracer *tracer) {
    uint64_t entries = tracer->cache_mask / sizeof(ku__cache_entry) + 1;
    if (tracer->tables->sites.count * (uint64_t)4 <= entries || entries >= CACHE_LAST) return;
    ku__cache_entry *larger = ku__metadata_map(tracer->tables, entries * 2 * sizeof *larger);
    if (larger == NULL) return;
    for (uint64_t i = 0; i < entries; i++)
        if (tracer->cache[i].tag != 0) cache_put(larger, (entries * 2 - 1) * sizeof *larger, tracer->cache[i]);
    ku__metadata_unmap(tracer->tables, tracer->cache, entries * sizeof *larger);
    tracer->cache = larger;
    tracer->cache_mask = (entries * 2 - 1) * sizeof *larger;
}

static uint32_t intern(ku__tracer *tracer, const ku__frame *frames, unsigned count, uint64_t hash) {
    ku__tables *tables = tracer->tables;
    if (count == 0 || ku__cell_read(&tracer->failed)) return 0;
    if (count > tracer->frames) count = tracer->frames;
    uint32_t number = 0;
    for (unsigned i = count; i-- > 0;) {
        uint32_t frame = frame_intern(tables, &frames[i]);
        number = frame == 0 ? 0 : node_intern(tables, number, frame);
        if (number == 0) return ku__tracer_fail(tracer, KU_NO_MEMORY, "stacks");
    }
    ku__node *node = ku__column_at(&tables->nodes, number);
    uint32_t site = node->site != 0 ? node->site : site_new(tracer, node, number);
    if (site == 0) return ku__tracer_fail(tracer, KU_NO_MEMORY, "the counts of sites");
    cache_grow(tracer);
    if (hash != 0) cache_put(tracer->cache, tracer->cache_mask, (ku__cache_entry){.hash = hash, .tag = KU__TAG(site)});
    return site;
}

uint32_t ku__site_intern(ku__tracer *tracer, const ku__frame *frames, unsigned count, uint64_t hash) {
    uint64_t start = ku__clock_nanoseconds();
    uint32_t site = intern(tracer, frames, count, hash);
    tracer->tables->misses++;
    tracer->tables->miss_nanoseconds += ku__clock_nanoseconds() - start;
    return site;
}

void ku__site_note_depth(ku__tracer *tracer, uint32_t site, unsigned depth) {
    uint16_t *noted = ku__column_at(&tracer->tables->depths, site);
    if (*noted == 0) *noted = (uint16_t)(depth < UINT16_MAX ? depth : UINT16_MAX);
}

uint32_t ku__site_count(const ku__tracer *tracer) {
    return ku__column_count(&tracer->tables->sites);
}

unsigned ku__site_frames(const ku__tracer *tracer, uint32_t site, ku__frame *frames, unsigned capacity) {
    const ku__tables *tables = tracer->tables;
    if (site == 0 || site >= ku__column_count(&tables->sites)) return 0;
    unsigned count = 0;
    for (uint32_t number = *(uint32_t *)ku__column_at(&tables->sites, site); number != 0; count++) {
        const ku__node *node = ku__column_at(&tables->nodes, number);
        if (count < capacity) frames[count] = *(const ku__frame *)ku__column_at(&tables->frames, node->frame);
        number = node->parent;
    }
    return count;
}

/* ---- counts, read ---- */

/* Sums are modulo 2^64: a block born in one lane may be freed in the other, so that one lane's share is negative. Freed
 * is read before allocated: while the program runs, a sum is then late rather than negative. */
static void add_lane(ku__site_sums *sums, const ku__site_counts *counts, uint64_t number, bool peak_is_now) {
    uint64_t live_bytes = 0 - ku__cell_read(&counts->freed_bytes);
    uint64_t live_blocks = 0 - ku__cell_read(&counts->freed_blocks);
    uint64_t total_bytes = ku__cell_read(&counts->allocated_bytes);
    uint64_t total_blocks = ku__cell_read(&counts->allocated_blocks);
    live_bytes += total_bytes;
    live_blocks += total_blocks;
    bool saved = !peak_is_now && ku__cell_read(&counts->peak_number) == number;
    sums->live_bytes += live_bytes;
    sums->live_blocks += live_blocks;
    sums->peak_bytes += saved ? ku__cell_read(&counts->peak_bytes) : live_bytes;
    sums->peak_blocks += saved ? ku__cell_read(&counts->peak_blocks) : live_blocks;
    sums->total_bytes += total_bytes;
    sums->total_blocks += total_blocks;
    sums->temporary_blocks += ku__cell_read(&counts->temporary_blocks);
}

/* A sum below zero was read while an operation was half done. */
static void not_negative(uint64_t *sum) {
    if ((int64_t)*sum < 0) *sum = 0;
}

void ku__sites_read(const ku__tracer *tracer, uint32_t first, uint32_t count, ku__site_sums *sums) {
    uint64_t number = ku__cell_read(&tracer->peak_number);
    uint64_t live, peak;
    ku__traced_memory(tracer, &live, &peak);
    bool peak_is_now = live > ku__cell_read(&tracer->peak_bytes); /* higher than ever, and not yet declared */
    for (uint32_t i = 0; i < count; i++) {
        sums[i] = (ku__site_sums){0};
        for (int lane = 0; lane < KU__LANE_COUNT; lane++)
            add_lane(&sums[i], ku__site_counts_of(tracer, (ku__lane_id)lane, first + i), number, peak_is_now);
        not_negative(&sums[i].live_bytes);
        not_negative(&sums[i].live_blocks);
        not_negative(&sums[i].peak_bytes);
        not_negative(&sums[i].peak_blocks);
    }
}

void ku__traced_memory(const ku__tracer *tracer, uint64_t *live_bytes, uint64_t *peak_bytes) {
    uint64_t peak = ku__cell_read(&tracer->peak_bytes);
    *live_bytes = ku__cell_read(&tracer->lanes[KU__LANE_MAIN].live_bytes) +
                  ku__cell_read(&tracer->lanes[KU__LANE_RAW].live_bytes);
    not_negative(live_bytes); /* one lane may have been read before a block went from one to the other, one after */
    *peak_bytes = *live_bytes > peak ? *live_bytes : peak;
}

void ku__peak_reset(ku__tracer *tracer) {
    ku__lane *lane = &tracer->lanes[KU__LANE_MAIN];
    ku__cell_add(&lane->peaks, KU__LANE_COUNT);
    ku__cell_write(&tracer->peak_bytes,
                   ku__cell_read(&lane->live_bytes) + ku__cell_read(&tracer->lanes[KU__LANE_RAW].live_bytes));
    ku__cell_write(&tracer->peak_number, ku__cell_read(&lane->peaks));
}
