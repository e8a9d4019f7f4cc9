/* fast.h: the half of tracing that runs at every allocation. Include it in entry points only.
 *
 * Counting has neither a lock nor an atomic read-modify-write: one thread at a time changes a
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

/* A word of this lane, read by the lane's holder: nobody else writes it, so an ordinary load is no race, and compilers
 * put it into the instruction that uses it. */
static inline uint64_t ku__cell_own(const ku__cell *cell) {
    return cell->word;
}

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

static inline ku__cache_entry *ku__cache_at(ku__cache_entry *cache, uint64_t distance) {
    return (ku__cache_entry *)(void *)((char *)cache + distance);
}

/* The other of the two places that a stack has, in the same line of the processor's cache. */
static inline ku__cache_entry *ku__cache_other(ku__cache_entry *cache, uint64_t distance) {
    return ku__cache_at(cache, distance ^ sizeof(ku__cache_entry));
}

/* The tag of the site that was interned with this hash in this epoch; 0 when the cache does not know. The place is
 * taken from the hash as it is: its bits from the fourth on have to differ. */
static inline uint32_t ku__tag_cached(const ku__tracer *tracer, uint64_t hash) {
    uint64_t distance = hash & tracer->cache_mask;
    const ku__cache_entry *entry = ku__cache_at(tracer->cache, distance);
    if (KU__UNLIKELY(entry->hash != hash)) {
        entry = ku__cache_other(tracer->cache, distance);
        if (entry->hash != hash) return 0;
    }
    return (uint32_t)entry->tag;
}

static inline uint32_t ku__site_cached(const ku__tracer *tracer, uint64_t hash) {
    return ku__tag_cached(tracer, hash) >> KU__SITE_SHIFT;
}

/* ---- counting ---- */

static inline ku__site_counts *ku__site_counts_of(const ku__tracer *tracer, ku__lane_id lane, uint32_t site) {
    uintptr_t base = tracer->lanes[lane].chunks[site >> KU__SITE_CHUNK_BITS];
    return (ku__site_counts *)(base + (uintptr_t)site * sizeof(ku__site_counts));
}

/* The counts of a site whose tag is near: few programs have any others. */
static inline ku__site_counts *ku__site_counts_near(const ku__tracer *tracer, ku__lane_id lane, uint32_t tag) {
    _Static_assert(sizeof(ku__site_counts) == 4 << KU__SITE_SHIFT, "a tag times 4 is a distance");
    return (ku__site_counts *)(tracer->lanes[lane].chunks[0] + (uintptr_t)tag * 4);
}

/* Before the first change of a site after a peak: what is live now was live at the peak. */
static inline void ku__site_save_peak(ku__site_counts *counts, uint64_t number) {
    ku__cell_write(&counts->peak_bytes, ku__cell_read(&counts->allocated_bytes) - ku__cell_read(&counts->freed_bytes));
    ku__cell_write(&counts->peak_blocks,
                   ku__cell_read(&counts->allocated_blocks) - ku__cell_read(&counts->freed_blocks));
    ku__cell_write(&counts->peak_number, number);
}

static inline void ku__site_change(const ku__tracer *tracer, ku__site_counts *counts) {
    uint64_t number = ku__cell_read(&tracer->peak_number);
    if (KU__UNLIKELY(ku__cell_own(&counts->peak_number) != number)) ku__site_save_peak(counts, number);
}

/* Before the program's total shrinks: was it higher than ever? */
static inline void ku__peak_notice(ku__tracer *tracer, ku__lane_id lane) {
    uint64_t total = ku__cell_own(&tracer->lanes[lane].live_bytes) +
                     ku__cell_read(&tracer->lanes[KU__LANE_MAIN + KU__LANE_RAW - lane].live_bytes);
    if (KU__UNLIKELY(total > ku__cell_read(&tracer->peak_bytes))) {
        ku__lane *own = &tracer->lanes[lane];
        ku__cell_add(&own->peaks, KU__LANE_COUNT);
        ku__cell_write(&tracer->peak_bytes, total);
        ku__cell_write(&tracer->peak_number, ku__cell_read(&own->peaks) + (uint64_t)lane);
    }
}

/* The weighted forms: exact tracing counts one block of `bytes`; a sample counts the blocks it stands for. */
static inline void ku__counts_add(ku__tracer *tracer, ku__lane_id lane, ku__site_counts *counts, uint64_t bytes,
                                  uint64_t blocks) {
    ku__site_change(tracer, counts);
    ku__cell_add(&counts->allocated_bytes, bytes);
    ku__cell_add(&counts->allocated_blocks, blocks);
    ku__cell_add(&tracer->lanes[lane].live_bytes, bytes);
}

static inline void ku__counts_take(ku__tracer *tracer, ku__lane_id lane, ku__site_counts *counts, uint64_t bytes,
                                   uint64_t blocks) {
    ku__peak_notice(tracer, lane);
    ku__site_change(tracer, counts);
    ku__cell_add(&counts->freed_bytes, bytes);
    ku__cell_add(&counts->freed_blocks, blocks);
    ku__cell_add(&tracer->lanes[lane].live_bytes, (uint64_t)0 - bytes);
}

/* A block of `bytes` (as asked for) was born at the site with these counts, which is not site 0. */
static inline void ku__counts_allocated(ku__tracer *tracer, ku__lane_id lane, ku__site_counts *counts, size_t bytes,
                                        const void *block) {
    ku__counts_add(tracer, lane, counts, bytes, 1);
    tracer->lanes[lane].last_block = block;
}

/* The block is about to be freed: the site's counts and the bytes it was counted with. */
static inline void ku__counts_freed(ku__tracer *tracer, ku__lane_id lane, ku__site_counts *counts, size_t bytes,
                                    const void *block) {
    ku__counts_take(tracer, lane, counts, bytes, 1);
    if (KU__UNLIKELY(tracer->lanes[lane].last_block == block)) {
        ku__cell_add(&counts->temporary_blocks, 1);
        tracer->lanes[lane].last_block = NULL;
    }
}

/* A block was resized (moved or not): it now belongs to where it was resized. Counts as a free and an allocation that
 * happen at once: a peak is never made of both sizes. */
static inline void ku__counts_resized(ku__tracer *tracer, ku__lane_id lane, ku__site_counts *before, size_t old_bytes,
                                      ku__site_counts *after, size_t new_bytes, const void *new_block) {
    if (new_bytes <= old_bytes) ku__peak_notice(tracer, lane); /* equal: the total stays, but not where it lies */
    ku__site_change(tracer, before);
    ku__cell_add(&before->freed_bytes, old_bytes);
    ku__cell_add(&before->freed_blocks, 1);
    ku__site_change(tracer, after);
    ku__cell_add(&after->allocated_bytes, new_bytes);
    ku__cell_add(&after->allocated_blocks, 1);
    ku__cell_add(&tracer->lanes[lane].live_bytes, (uint64_t)new_bytes - (uint64_t)old_bytes);
    tracer->lanes[lane].last_block = new_block;
}

/* The same for any site, by its number. */
static inline void ku__count_allocated(ku__tracer *tracer, ku__lane_id lane, uint32_t site, size_t bytes,
                                       const void *block) {
    ku__counts_allocated(tracer, lane, ku__site_counts_of(tracer, lane, site), bytes, block);
}

static inline void ku__count_freed(ku__tracer *tracer, ku__lane_id lane, uint32_t site, size_t bytes,
                                   const void *block) {
    ku__counts_freed(tracer, lane, ku__site_counts_of(tracer, lane, site), bytes, block);
}

static inline void ku__count_resized(ku__tracer *tracer, ku__lane_id lane, uint32_t old_site, size_t old_bytes,
                                     uint32_t new_site, size_t new_bytes, const void *new_block) {
    ku__counts_resized(tracer, lane, ku__site_counts_of(tracer, lane, old_site), old_bytes,
                       ku__site_counts_of(tracer, lane, new_site), new_bytes, new_block);
}

/* ---- sampling: see sample.h for what the numbers mean ---- */

/* An allocation of `bytes`, which are not 0, passes: is it a sample? Then the caller interns the site and calls
 * ku__sample_allocated(). */
static inline bool ku__sample_passes(ku__tracer *tracer, ku__lane_id lane, size_t bytes) {
    int64_t left = tracer->lanes[lane].countdown - (int64_t)bytes;
    tracer->lanes[lane].countdown = left;
    return KU__UNLIKELY(left < 0);
}

/* The same for any request; one of 0 bytes counts as 1. */
static inline bool ku__sample_due(ku__tracer *tracer, ku__lane_id lane, size_t bytes) {
    return ku__sample_passes(tracer, lane, bytes + (bytes == 0));
}

#endif
