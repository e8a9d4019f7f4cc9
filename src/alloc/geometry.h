/* geometry.h: sizes of arenas and pools, fixed at build time (meson -Dgeometry=wide|large|classic).
 *
 * classic: 256 KiB arenas of 4 KiB pools, CPython's until 3.9; 64 pools to an arena, 256 blocks of 16 bytes to a pool.
 * large:   1 MiB arenas of 16 KiB pools, CPython's since 3.10.
 * wide:    4 MiB arenas of 64 KiB pools, two huge pages to an arena: what measured best, and the default.
 *
 * Nothing of a pool's administration lies inside the pool, so a pool of the classic geometry holds exactly 256 blocks
 * of 16 bytes, or 64 of 64 bytes.
 *
 * Invariants: POOLS_PER_ARENA == ARENA_SIZE / POOL_SIZE == 64; BLOCKS_MAX == POOL_SIZE / 16; all are powers of two.
 */
#ifndef KU__GEOMETRY_H
#define KU__GEOMETRY_H

#include <kucha/heap.h>

#if defined(KU_GEOMETRY_CLASSIC)
#define KU__POOL_BITS 12
#elif defined(KU_GEOMETRY_LARGE)
#define KU__POOL_BITS 14
#else
#define KU__POOL_BITS 16
#endif

#define KU__ARENA_BITS (KU__POOL_BITS + 6)
#define KU__POOL_SIZE ((size_t)1 << KU__POOL_BITS)
#define KU__ARENA_SIZE ((size_t)1 << KU__ARENA_BITS)
#define KU__POOLS_PER_ARENA 64 /* one bit each in a 64-bit word */
#define KU__BLOCKS_MAX (KU__POOL_SIZE / KU_CLASS_STEP)

/* Addresses that the range covers: 2^22 pools in every geometry, so that the class map is 4 MiB of (untouched) address
 * space, small enough to start under `ulimit -v 1048576`. wide: 256 GiB; large: 64 GiB; classic: 16 GiB. */
#define KU__RANGE_BITS (KU__POOL_BITS + 22)
#define KU__RANGE_SIZE ((size_t)1 << KU__RANGE_BITS)

/* Where the first block of a pool begins: KU__POOL_SHIFT bytes in, and a cache line further for each of so many
 * colours, by number of the pool (Bonwick, "The Slab Allocator", USENIX 1994, section 4.1). Without colours the
 * first blocks of all classes fall into one set of the first-level cache: pairs of 16 to 512 bytes took 6.1 ns a
 * call instead of 3.8. A pool of the classic geometry has one colour, so that it holds exactly 256 blocks of 16
 * bytes. */
#if defined(KU_GEOMETRY_CLASSIC)
#define KU__POOL_COLOURS 1u
#elif defined(KU_GEOMETRY_LARGE)
#define KU__POOL_COLOURS 4u
#else
#define KU__POOL_COLOURS 16u
#endif

/* Blocks of 64 bytes begin at 48 modulo 64, as pymalloc's do by the size of its pool header: a container's collector
 * header is then at the end of one cache line and its count at the start of the next, which the stock collector
 * walks quicker: a program that builds containers took 0.86 of pymalloc's time with a shift of 48, 0.91 with 32 and
 * 0.90 with none. */
#ifndef KU__POOL_SHIFT
#if defined(KU_GEOMETRY_CLASSIC)
#define KU__POOL_SHIFT 0u
#else
#define KU__POOL_SHIFT 48u
#endif
#endif

static inline uint32_t ku__pool_first(uintptr_t number) {
    return KU__POOL_SHIFT + (uint32_t)(number % KU__POOL_COLOURS) * 64;
}

/* The site table has four bytes for every smallest block: a quarter of the range, touched where blocks are traced. */
#define KU__SITES_PER_POOL KU__BLOCKS_MAX

#endif
