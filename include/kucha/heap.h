/* heap.h: heaps, and the blocks that they give out.
 *
 * A heap gives out blocks. Requests of 1 to 512 bytes are rounded up to one of 32 size classes, sixteen bytes apart,
 * and come from pools, each of which holds blocks of a single class; pools are cut from arenas, and arenas come from
 * the operating system, all inside one range of addresses. Larger requests go to the system's allocator and are kept in
 * a registry, so that they too are counted and found. The vocabulary is that of CPython's Objects/obmalloc.c.
 *
 * Locking. A heap belongs to whoever holds its lock: calls that take a `ku_heap *` must not run at the same time on one
 * heap, and the library does not check. Different heaps are independent and run in parallel. The only call on a block
 * that any thread may make is ku_heap_free_remote().
 *
 * Alignment. Every block is aligned to 16 bytes. ku_heap_aligned_alloc() gives more.
 *
 * Failure. A request that cannot be met returns NULL and changes nothing; ku_heap_last_refusal() tells a limit from a
 * system without memory. The heap stays whole and usable.
 */
#ifndef KUCHA_HEAP_H
#define KUCHA_HEAP_H

#include <kucha/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    KU_CLASS_STEP = 16,  /* bytes between two size classes, and the alignment of blocks */
    KU_CLASS_COUNT = 32, /* size classes: 16, 32, ... 512 */
    KU_SMALL_MAX = 512,  /* the largest request that a pool serves, in bytes */
};

typedef struct ku_heap ku_heap;

/* Which kind of memory a heap holds. Blocks of two domains never share a pool, so a walk over one domain's pools meets
 * nothing of the other (cf. PyMemAllocatorDomain). */
typedef enum ku_domain {
    KU_DOMAIN_OBJECT = 1, /* objects: every block starts with a header that a collector knows */
    KU_DOMAIN_BUFFER = 2, /* raw bytes that an object owns: item arrays, tables, text */
    KU_DOMAIN_NATIVE = 3, /* memory of a C program */
} ku_domain;

typedef enum ku_heap_flags {
    KU_HEAP_FENCES = 1 << 1, /* debug fences around every block; see fences.h */
    KU_HEAP_SHARED = 1 << 2, /* large blocks too may be freed by ku_heap_free_remote(); costs them a lock */
} ku_heap_flags;

/* Whether a heap may take memory from the system before it is used: by whole pools, and on huge pages. */
typedef enum ku_huge_pages {
    KU_HUGE_AUTO = 0,   /* once the heap is so large that it costs a few per cent of memory at most; huge pages while
                           they prove to be cheaper than others */
    KU_HUGE_ALWAYS = 1, /* every arena is to lie on huge pages */
    KU_HUGE_NEVER = 2,  /* every page comes when it is touched */
} ku_huge_pages;

typedef struct ku_heap_options {
    const char *name; /* shown in statistics and messages; copied; at most 31 bytes are kept; NULL is "heap" */
    ku_domain domain; /* 0 is KU_DOMAIN_NATIVE */
    unsigned flags;   /* of ku_heap_flags */
    size_t limit;     /* bytes that the heap may hold (see ku_heap_set_limit); 0 is no limit */
    ku_huge_pages huge_pages;
} ku_heap_options;

/* Makes a heap. `options` may be NULL. Returns NULL and fills `error` when the system has no memory or an option is out
 * of range. The caller owns the heap and ends it with ku_heap_delete(). */
KU_API ku_heap *ku_heap_new(const ku_heap_options *options, ku_error *error);

/* Ends a heap: every block, large ones too, is released to the system and no address of it may be used again. */
KU_API void ku_heap_delete(ku_heap *heap);

/* A block of at least `size` bytes, contents undefined; a size of 0 gives a block of its own, as malloc(3) may. */
KU_API void *ku_heap_malloc(ku_heap *heap, size_t size);

/* A zeroed block for `count` items of `size` bytes; NULL where the product overflows. */
KU_API void *ku_heap_calloc(ku_heap *heap, size_t count, size_t size);

/* Resizes a block: contents up to the smaller size are kept. NULL as `block` is a malloc. On failure the old block
 * stays as it was. A size of 0 gives a block of the smallest class, and never frees. */
KU_API void *ku_heap_realloc(ku_heap *heap, void *block, size_t size);

/* Frees a block of this heap; NULL does nothing. A block of another heap of this library goes home safely, provided the
 * caller holds that heap's lock too. An address that lies in none of the library's pools and is no large block of it is
 * reported on standard error and left alone. A double free, and an address inside a block, are found by fences only. */
KU_API void ku_heap_free(ku_heap *heap, void *block);

/* As ku_heap_free(), for a caller that knows the size it asked for; in the checking build a wrong size is reported. */
KU_API void ku_heap_free_sized(ku_heap *heap, void *block, size_t size);

/* A block of `size` bytes at a multiple of `alignment`, a power of two of at most 1 MiB. Freed as any other block. */
KU_API void *ku_heap_aligned_alloc(ku_heap *heap, size_t alignment, size_t size);

/* Frees a block of any heap from any thread, without that heap's lock: it is put on the owner's list of returns,
 * which the owner empties when it next takes its slow path. A large block is
 * found only if its heap was made with KU_HEAP_SHARED; it is freed at once, under the lock of the heap's registry. */
KU_API void ku_heap_free_remote(void *block);

/* Bytes that may be used at `block`, at least what was asked for; 0 for an address that is not a live block of
 * `heap`. (A block that was freed a moment ago may still answer.) */
KU_API size_t ku_heap_usable_size(const ku_heap *heap, const void *block);

/* The heap whose arenas contain `address`, or NULL. Large blocks are not found this way. Any thread may ask. */
KU_API ku_heap *ku_heap_find(const void *address);

/* Why the last request of this heap returned NULL: KU_LIMIT, KU_NO_MEMORY or KU_INVALID; KU_OK when none has. */
KU_API ku_code ku_heap_last_refusal(const ku_heap *heap);

/* Sets the limit in bytes: the bytes of pools in use (whole pools, KU_POOL_SIZE each) plus large blocks never go over
 * it. 0 removes the limit. A limit under what the heap holds now is allowed: the next request that needs a new pool
 * or a large block is refused. Returns the limit before. */
KU_API size_t ku_heap_set_limit(ku_heap *heap, size_t limit);

/* Gives back to the system all memory that no block needs: empty arenas at once, without the hysteresis of the normal
 * path, and in other arenas every page on which no block is live, also inside of pools in use. Returns the bytes given
 * back, as far as they were resident. */
KU_API size_t ku_heap_purge(ku_heap *heap);

#ifdef __cplusplus
}
#endif

#endif
