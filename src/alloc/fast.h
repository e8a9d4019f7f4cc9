/* fast.h: the heap's structure, and the paths that every malloc and free takes, for inlining into entry points.
 *
 * Magazines. For each class: `first`, the block that the next malloc pops, and a stack of those that follow it, in an
 * array whose item 0 is NULL while the magazine holds anything:
 *
 *     empty:      first == NULL, top == items
 *     n blocks:   first, then items[n - 1], items[n - 2], ... items[1]; items[0] == NULL, top == items + n <= limit
 *
 * so that "empty" is seen in the value popped. A block in a magazine counts as taken from its pool. That `first` is
 * kept out of the array shortens the chain of loads from a free to the next malloc: pairs of 16 to 512 bytes took 3.2
 * ns a call instead of 4.4 (an array alone), and a random mix of mallocs and frees, where a list through the blocks or
 * a one-entry cache was slower, stayed as quick.
 *
 * The class map has 16 bits for each pool of the range: 0 where no pool in use lies; else
 *
 *     bits 0-4 the class, bit 5 "some block here was sampled", bits 6-15 the heap's number (1 to 1023).
 *
 * entry ^ heap->tag, with tag == number << 6, is below 32 exactly for a pool of this heap with nothing sampled in it.
 * All else (another heap, no pool, a sampled pool) is 32 or more and takes the slow path. An entry that is 0 gives the
 * tag, which is 64 or more.
 *
 * A heap whose calls must all be looked at (fences) has front magazines that are empty, and full: top == limit; its
 * blocks wait in `inner`.
 *
 * Lock: the heap's holder, throughout. Source: Bonwick and Adams, "Magazines and Vmem", USENIX 2001.
 */
#ifndef KU__FAST_H
#define KU__FAST_H

#include "alloc/annotate.h"
#include "alloc/backing.h"
#include "alloc/geometry.h"

#include <stdatomic.h>

#define KU__LIKELY(x) __builtin_expect(!!(x), 1)
#define KU__UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Entry points begin a cache line: where the linker happened to put them elsewhere, a mix of mallocs and frees over
 * 1,000 blocks took 5.4 ns a call instead of 3.1. */
#define KU__ALIGNED_CODE __attribute__((aligned(64)))

enum {
    KU__MAP_CLASS = 31,   /* mask of the class in a class-map entry */
    KU__MAP_SAMPLED = 32, /* some block of the pool was sampled */
    KU__MAP_SHIFT = 6,    /* where the heap's number begins */
    KU__HEAPS_MAX = 1023,
};

typedef struct ku__magazines {
    void *first[KU_CLASS_COUNT];
    void **top[KU_CLASS_COUNT];
    void **limit[KU_CLASS_COUNT];
} ku__magazines;

/* Bits that end with their blocks: see roll.h. */
typedef struct ku__roll {
    uintptr_t base; /* of the window of addresses that has bits */
    size_t span;    /* its bytes; 0: nobody keeps a roll */
    uint64_t *bits; /* one word more than the window needs */
    size_t bytes;   /* mapped */
} ku__roll;

typedef struct ku__arena ku__arena;
typedef struct ku__pool ku__pool;
typedef struct ku__large ku__large;
typedef struct ku__fences ku__fences;

struct ku_heap {
    /* what the fast paths read: never changes after ku_heap_new() */
    uintptr_t base;       /* first address of the range */
    size_t range;         /* its bytes */
    uintptr_t class_map;  /* where the entry of address 0 would lie: a block's entry is found by a shift alone */
    unsigned tag;         /* number << KU__MAP_SHIFT; a number of no heap where every call is looked at */
    unsigned number;      /* 1 to KU__HEAPS_MAX */
    uintptr_t site_table; /* likewise, where the slots of address 0 would lie; only those of arenas with sites_on may
                             be touched */
    ku__magazines magazines;
    uint64_t reciprocals[KU_CLASS_COUNT]; /* ku__reciprocals, within reach of the same register */
    ku__roll roll;                        /* changed by whoever keeps it */

    /* the slow path's */
    ku__magazines *inner; /* where free blocks really wait: magazines, or behind them `hidden` */
    ku__magazines hidden;
    uint32_t partial[KU_CLASS_COUNT];          /* first pool with free blocks, by class; KU__NO_POOL is none */
    uint32_t apart[KU_CLASS_COUNT];            /* the same, of pools for samples alone */
    uint32_t by_free[KU__POOLS_PER_ARENA + 1]; /* first arena with so many free pools; KU__NO_ARENA is none */
    uint32_t touched;                          /* first of the pools that blocks were taken from (walk.h) */
    bool watched;                              /* such pools are listed */
    _Atomic(void *) returns;                   /* blocks freed by other threads, linked through their first word */
    ku__large *large;                          /* registry of large blocks; may be shared with a sibling */
    size_t limit;                              /* bytes; SIZE_MAX is none */
    size_t lease;                              /* as memory goes back, the limit stays at most so far above what is
                                                  held; SIZE_MAX: it stays as it is. Not for shared heaps */
    size_t pools_used;                         /* pools with a class */
    uint32_t pools_of[KU_CLASS_COUNT];         /* the same by class */
    ku__backing backing;
    size_t arenas, arenas_peak, arenas_taken;
    size_t arenas_idle;                       /* arenas of which no pool is in use */
    uint64_t idle_check;                      /* no idle arena is due to go back before this time, in milliseconds */
    size_t pools_dirty;                       /* free pools with pages that were touched */
    uint64_t pools_check;                     /* none of them is due to be looked at before this time */
    _Atomic size_t large_blocks, large_bytes; /* a remote free changes them, under the registry's lock */
    size_t large_bytes_peak;
    ku_code last_refusal;
    unsigned flags;
    bool sites_on;          /* arenas have site tables */
    bool sites_lost;        /* a table could not be had: tracing must stop before another slot is touched */
    _Atomic bool sites_old; /* what the slots say is over: nobody reads them */
    bool shared;            /* the registry is used under its lock */
    ku_domain domain;
    char name[32];
    ku__fences *fences;                   /* NULL without KU_HEAP_FENCES */
    struct ku__watcher *watcher;          /* is told of every block (watch.h); NULL: nobody is */
    void (*on_return)(const void *block); /* is told of blocks that others have freed, before their memory is used
                                             again; NULL: nobody is */
    const void *caller;   /* return address of the public call that took a slow path, for fences and watchers */
    const void *frame;    /* the frame record of that call, for watchers that walk frame pointers; NULL: not known */
    struct ku_heap *next; /* list of all heaps, under the process's lock */
    void *mapping;        /* the pages that hold this structure and the magazines' items */
    size_t mapping_bytes;
};

/* Every block's index is offset * reciprocal >> 32: exact for offsets below 2^16 and sizes to 512, because the error
 * of the rounded-up reciprocal, under size / 2^32 for each byte of offset, stays below one part in `size`. */
#define KU__RECIPROCAL(size) ((uint32_t)(((uint64_t)1 << 32) / (size) + ((((uint64_t)1 << 32) % (size)) != 0)))
#define KU__R(i) KU__RECIPROCAL(((i) + 1) * KU_CLASS_STEP)
static const uint32_t ku__reciprocals[KU_CLASS_COUNT] = {
    KU__R(0),  KU__R(1),  KU__R(2),  KU__R(3),  KU__R(4),  KU__R(5),  KU__R(6),  KU__R(7),
    KU__R(8),  KU__R(9),  KU__R(10), KU__R(11), KU__R(12), KU__R(13), KU__R(14), KU__R(15),
    KU__R(16), KU__R(17), KU__R(18), KU__R(19), KU__R(20), KU__R(21), KU__R(22), KU__R(23),
    KU__R(24), KU__R(25), KU__R(26), KU__R(27), KU__R(28), KU__R(29), KU__R(30), KU__R(31),
};

static inline size_t ku__class_size(unsigned class_index) {
    return ((size_t)class_index + 1) * KU_CLASS_STEP;
}

/* A block of 1 to 512 bytes, or NULL: then ask ku__slow_malloc(), which also takes every other size. */
static inline void *ku__fast_malloc(ku_heap *heap, size_t size) {
    size_t class_index = (size - 1) / KU_CLASS_STEP;
    if (KU__UNLIKELY(class_index >= KU_CLASS_COUNT)) {
        return NULL;
    }
    void *block = heap->magazines.first[class_index];
    if (KU__LIKELY(block != NULL)) {
        void **top = heap->magazines.top[class_index] - 1;
        heap->magazines.first[class_index] = *top;
        heap->magazines.top[class_index] = top;
        ku__note_taken(heap, block, ku__class_size(class_index));
    }
    return block;
}

/* The class-map entry of an address in the range. The look-up does not wait for the range compare, and a free
 * followed by a malloc feels it: 4.3 ns a call instead of 6.1 in pairs of 16 to 512 bytes. */
static inline const uint16_t *ku__class_entry(const ku_heap *heap, const void *block) {
    return (const uint16_t *)(heap->class_map + ((uintptr_t)block >> KU__POOL_BITS) * sizeof(uint16_t));
}

/* The class-map entry of an address xor the heap's tag: the class (0 to 31) of a block of this heap in a pool with
 * nothing sampled; 32 to 63 the same with KU__MAP_SAMPLED; more for everything else. */
static inline unsigned ku__class_of(const ku_heap *heap, const void *block) {
    if (KU__UNLIKELY((uintptr_t)block - heap->base >= heap->range)) {
        return ~0u;
    }
    return *ku__class_entry(heap, block) ^ heap->tag;
}

/* Puts a block of class `class_index` into its magazine; false when that is full. */
static inline bool ku__fast_push(ku_heap *heap, void *block, unsigned class_index) {
    void **top = heap->magazines.top[class_index];
    if (KU__UNLIKELY(top == heap->magazines.limit[class_index])) {
        return false;
    }
    *top = heap->magazines.first[class_index];
    heap->magazines.first[class_index] = block;
    heap->magazines.top[class_index] = top + 1;
    ku__note_freed(heap, block, ku__class_size(class_index));
    return true;
}

/* Frees a block, or false: then ask ku__slow_free(). */
static inline bool ku__fast_free(ku_heap *heap, void *block) {
    unsigned class_index = ku__class_of(heap, block);
    return KU__LIKELY(class_index < KU_CLASS_COUNT) && ku__fast_push(heap, block, class_index);
}

/* The slot of a small block in the site table: that of its offset in the pool divided by its size. Where the first
 * block begins does not matter: it shifts all slots of a pool by the same number, and (KU__POOL_SIZE - 1) / size is
 * still below KU__SITES_PER_POOL. `class_index` is that of the block. Needs sites_on. */
static inline uint32_t *ku__site_slot(const ku_heap *heap, const void *block, unsigned class_index) {
    uintptr_t address = (uintptr_t)block;
    uint64_t index = (address & (KU__POOL_SIZE - 1)) * heap->reciprocals[class_index] >> 32;
    uintptr_t slots = heap->site_table + (address >> KU__POOL_BITS) * (KU__SITES_PER_POOL * sizeof(uint32_t));
    return (uint32_t *)(void *)slots + index;
}

/* ---- the slow paths, for entry points ---- */

/* Any size: refills the magazine, or makes a large block. NULL when refused (ku_heap_last_refusal() says why). After it
 * returns, heap->sites_lost may have become true: then no slot of the block may be touched. */
void *ku__slow_malloc(ku_heap *heap, size_t size);

typedef enum ku__freed {
    KU__FREED,
    KU__FREED_REMOTE, /* the block went to its own heap's list of returns */
    KU__FOREIGN,      /* not a block of this library: nothing was done */
} ku__freed;

/* Frees anything: a block whose magazine is full, of a sampled pool, of another heap, or a large one. */
ku__freed ku__slow_free(ku_heap *heap, void *block);

/* Resizes in place or by moving. For a block that is not this library's it returns NULL with *foreign true. The site
 * of a block that moved is 0 in its new slot unless the caller writes it. */
void *ku__resize(ku_heap *heap, void *block, size_t size, bool *foreign);

/* What the caller needs to know of any block before it frees or resizes it. */
typedef struct ku__block_facts {
    ku_heap *owner; /* NULL: foreign */
    size_t size;    /* of the class, or what was asked for of a large block */
    uint32_t *site; /* slot, NULL when the owner has no site table */
    bool is_large;
    bool is_sampled; /* its pool's sampled bit is set */
} ku__block_facts;
bool ku__block_find(ku_heap *heap, const void *block, ku__block_facts *facts);

/* Whether a block is certainly not this library's, for a quick way out: blocks born before install are freed by the ten
 * thousand when an interpreter ends. False where that would take a lock or a longer look. */
bool ku__block_is_foreign(const ku_heap *heap, const void *block);

/* A block of a class from a pool that holds samples alone and is marked so: frees everywhere else keep their fast path.
 * NULL when there is none to be had, and in a heap without fast paths; last_refusal stays as it was. */
void *ku__apart_malloc(ku_heap *heap, unsigned class_index);

/* Marks the pool of a small block as holding sampled blocks: from now on frees of it take the slow path. */
void ku__pool_mark_sampled(ku_heap *heap, const void *block);

/* Claims site tables for the heap's arenas, present and future; all slots 0, also where there were older ones that
 * ku__sites_outdate() was called for. False when the system refuses. */
bool ku__sites_enable(ku_heap *heap);

/* Gives the site tables back. No slot may be touched afterwards. Also clears the sampled bits of pools. */
void ku__sites_disable(ku_heap *heap);

/* Makes the slots of a heap that another thread may be using mean nothing; its holder gives the tables back, or takes
 * new ones, when it next comes by. Any thread, while nobody writes slots. */
void ku__sites_outdate(ku_heap *heap);

/* From now on the heap's blocks may be freed by other threads through ku_heap_free_remote(), large ones too. */
void ku__heap_share(ku_heap *heap);

/* From now on no call of this heap takes a fast path, so that the slow ones can look at each. The blocks in the
 * magazines stay there, behind the front. For the time being nobody else may be inside a fast path of the heap. */
void ku__heap_close_front(ku_heap *heap);

/* Takes that back. Not for a heap with fences. */
void ku__heap_open_front(ku_heap *heap);

/* Makes `heap` use the registry of large blocks of `sibling` (same lock), so that either finds the other's. Only while
 * `heap` has no large blocks. Blocks keep the heap that made them. */
void ku__heap_join_registry(ku_heap *heap, ku_heap *sibling);

#endif
