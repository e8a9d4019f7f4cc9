/* fast.h: the half of tracing that runs at every allocation. Include it in entry points only.
 *
 * Counting has neither a lock nor an atomic read-modify-write (gcc 12 at -O2 on x86-64: 13 instructions for an
 * allocation, 20 for a free, which also looks for a peak and for a temporary block): one thread at a time changes a
 * lane, the holder of its lock. Other threads only read, so every word is a *cell*: aligned, changed by an ordinary
 * instruction, read and written whole (C11 relaxed atomics; on x86-64 an addition to memory is one instruction).
 *
 * Peaks are exact and lazy. A peak is the program's total at a moment when it is higher than ever before. Between the
 * last allocation and the next free the total does not move, so it is enough to look when something is about to shrink
 * (total > peak: a new peak with a new number is declared) and when somebody reads. A site whose peak_number is not
 * the program's has not changed since that peak, so what was live at the peak is what is live; before its first change
 * after a peak it saves its live counts beside the number. O(1) per operation, nothing is ever copied for all sites.
 *
 * Numbers of peaks carry the lane in the lowest bit, so that two lanes never make the same number. While two lanes run
 * at the same instant the moment of a peak is uncertain by the operations in flight; with one lane at a time it is
 * exact.
 */
#ifndef KU__TRACE_FAST_H
#define KU__TRACE_FAST_H

#include "trace.h"

static inline uint64_t ku__cell_read(const ku__cell *cell) {
    return __atomic_load_n(&cell->word, __ATOMIC_RELAXED);
}

static inline void ku__cell_write(ku__cell *cell, uint64_t word) {
    __atomic_store_n(&cell->word, word, __ATOMIC_RELAXED);
}

#if defined(__SANITIZE_THREAD__)
#define KU__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define KU__TSAN 1
#endif
#endif

/* Adds (modulo 2^64, so that a negative number subtracts). Only the holder of the lane may. */
static inline void ku__cell_add(ku__cell *cell, uint64_t amount) {
#if defined(__x86_64__) && defined(__GNUC__) && !defined(KU__TSAN)
    /* One instruction: compilers do not fuse a relaxed load and store, and a plain += would be a data race. */
    __asm__("addq %1, %0" : "+m"(cell->word) : "re"(amount) : "cc");
#else
    ku__cell_write(cell, ku__cell_read(cell) + amount);
#endif
}

#ifndef KU__UNLIKELY /* alloc/fast.h has the same */
#define KU__UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#endif

/* ---- from a stack to its site ---- */

static inline uint64_t ku__stack_hash_start(const ku__tracer *tracer) {
    return __atomic_load_n(&tracer->seed, __ATOMIC_RELAXED);
}

/* One frame more: a 64 by 64 bit multiplication folded to 64 bits, which mixes every bit of the address into every bit
 * of the hash (the folding is wyhash's). The chance that two of a million stacks share a hash is 3 in 10^8. */
static inline uint64_t ku__stack_hash_add(uint64_t hash, const void *instruction) {
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)(hash ^ (uint64_t)(uintptr_t)instruction) * 0x9E3779B97F4A7C15u; /* 2^64 / golden ratio, odd */
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The site that was interned with this hash in this epoch; 0 when the cache does not know. */
static inline uint32_t ku__site_cached(const ku__tracer *tracer, uint64_t hash) {
    uint64_t place = hash & tracer->cache_mask;
    const ku__cache_entry *entry = &tracer->cache[place];
    if (KU__UNLIKELY(entry->hash != hash)) {
        entry = &tracer->cache[place ^ 1];
        if (entry->hash != hash) return 0;
    }
    return (uint32_t)entry->site;
}

/* ---- counting ---- */

static inline ku__site_counts *ku__site_counts_of(const ku__tracer *tracer, ku__lane_id lane, uint32_t site) {
    /* Few programs have more sites than the first chunk holds: its base is loaded without waiting for the site. */
    uintptr_t base = tracer->lanes[lane].chunks[0];
    if (KU__UNLIKELY(site >> KU__SITE_CHUNK_BITS != 0)) {
        base = tracer->lanes[lane].chunks[site >> KU__SITE_CHUNK_BITS];
    }
    return (ku__site_counts *)(base + (uintptr_t)site * sizeof(ku__site_counts));
}

/* Before the first change of a site after a peak: what is live now was live at the peak. */
static inline void ku__site_save_peak(ku__site_counts *counts, uint64_t number) {
    ku__cell_write(&counts->peak_bytes, ku__cell_read(&counts->allocated_bytes) - ku__cell_read(&counts->freed_bytes));
    ku__cell_write(&counts->peak_blocks,
                   ku__cell_read(&counts->allocated_blocks) - ku__cell_read(&counts->freed_blocks));
    ku__cell_write(&counts->peak_number, number);
}

static inline ku__site_counts *ku__site_change(ku__tracer *tracer, ku__lane_id lane, uint32_t site) {
    ku__site_counts *counts = ku__site_counts_of(tracer, lane, site);
    uint64_t number = ku__cell_read(&tracer->peak_number);
    if (KU__UNLIKELY(ku__cell_read(&counts->peak_number) != number)) ku__site_save_peak(counts, number);
    return counts;
}

/* Before the program's total shrinks: was it higher than ever? */
static inline void ku__peak_notice(ku__tracer *tracer, ku__lane_id lane) {
    uint64_t total = ku__cell_read(&tracer->lanes[KU__LANE_MAIN].live_bytes) +
                     ku__cell_read(&tracer->lanes[KU__LANE_RAW].live_bytes);
    if (KU__UNLIKELY(total > ku__cell_read(&tracer->peak_bytes))) {
        ku__lane *own = &tracer->lanes[lane];
        ku__cell_add(&own->peaks, KU__LANE_COUNT);
        ku__cell_write(&tracer->peak_bytes, total);
        ku__cell_write(&tracer->peak_number, ku__cell_read(&own->peaks) + (uint64_t)lane);
    }
}

/* The weighted forms: exact tracing counts one block of `bytes`; a sample counts the blocks it stands for. */
static inline void ku__count_add(ku__tracer *tracer, ku__lane_id lane, uint32_t site, uint64_t bytes, uint64_t blocks) {
    ku__site_counts *counts = ku__site_change(tracer, lane, site);
    ku__cell_add(&counts->allocated_bytes, bytes);
    ku__cell_add(&counts->allocated_blocks, blocks);
    ku__cell_add(&tracer->lanes[lane].live_bytes, bytes);
}

static inline ku__site_counts *ku__count_take(ku__tracer *tracer, ku__lane_id lane, uint32_t site, uint64_t bytes,
                                              uint64_t blocks) {
    ku__peak_notice(tracer, lane);
    ku__site_counts *counts = ku__site_change(tracer, lane, site);
    ku__cell_add(&counts->freed_bytes, bytes);
    ku__cell_add(&counts->freed_blocks, blocks);
    ku__cell_add(&tracer->lanes[lane].live_bytes, (uint64_t)0 - bytes);
    return counts;
}

/* A block of `bytes` (as asked for) was born at `site`, which is not 0. */
static inline void ku__count_allocated(ku__tracer *tracer, ku__lane_id lane, uint32_t site, size_t bytes,
                                       const void *block) {
    ku__count_add(tracer, lane, site, bytes, 1);
    tracer->lanes[lane].last_block = block;
}

/* The block is about to be freed: the site and the bytes it was counted with. */
static inline void ku__count_freed(ku__tracer *tracer, ku__lane_id lane, uint32_t site, size_t bytes,
                                   const void *block) {
    ku__site_counts *counts = ku__count_take(tracer, lane, site, bytes, 1);
    if (KU__UNLIKELY(tracer->lanes[lane].last_block == block)) {
        ku__cell_add(&counts->temporary_blocks, 1);
        tracer->lanes[lane].last_block = NULL;
    }
}

/* A block was resized (moved or not): it now belongs to where it was resized. Counts as a free and an allocation that
 * happen at once: a peak is never made of both sizes. */
static inline void ku__count_resized(ku__tracer *tracer, ku__lane_id lane, uint32_t old_site, size_t old_bytes,
                                     uint32_t new_site, size_t new_bytes, const void *new_block) {
    if (new_bytes <= old_bytes) ku__peak_notice(tracer, lane); /* equal: the total stays, but not where it lies */
    ku__site_counts *before = ku__site_change(tracer, lane, old_site);
    ku__cell_add(&before->freed_bytes, old_bytes);
    ku__cell_add(&before->freed_blocks, 1);
    ku__site_counts *after = ku__site_change(tracer, lane, new_site);
    ku__cell_add(&after->allocated_bytes, new_bytes);
    ku__cell_add(&after->allocated_blocks, 1);
    ku__cell_add(&tracer->lanes[lane].live_bytes, (uint64_t)new_bytes - (uint64_t)old_bytes);
    tracer->lanes[lane].last_block = new_block;
}

/* ---- sampling: see sample.h for what the numbers mean ---- */

/* An allocation of `bytes` passes: is it a sample? Then the caller interns the site and calls ku__sample_allocated().
 * A request of 0 bytes counts as 1. */
static inline bool ku__sample_due(ku__tracer *tracer, ku__lane_id lane, size_t bytes) {
    int64_t left = tracer->lanes[lane].countdown - (int64_t)(bytes + (bytes == 0));
    tracer->lanes[lane].countdown = left;
    return KU__UNLIKELY(left < 0);
}

#endif
