/* annotate.h: what tools and the hostile build are told when a block is given out and comes back.
 *
 * A magazine hides a free block from every tool: its memory is mapped and nobody called free(3). So the places where
 * a block leaves and enters a magazine say so:
 *
 *     AddressSanitizer   the block is poisoned while it is free, and so is all of an arena that is not a live block.
 *                        Arenas are roots for LeakSanitizer, because they may hold the only pointer to a large block.
 *                        On by itself where the compiler has -fsanitize=address.
 *     Memcheck           heaps are memory pools, blocks are chunks of them, by Valgrind's client requests. A request
 *                        costs a handful of instructions even outside of Valgrind, so it is asked for:
 *                        meson -Dannotations=valgrind.
 *     hostile build      new memory is filled with 0xCD, freed memory with 0xDD.
 *
 * Otherwise all of it is nothing. A block is known by the whole size of its class, as ku_heap_usable_size() promises
 * it.
 *
 * Sources: compiler-rt's sanitizer/asan_interface.h and lsan_interface.h; the Valgrind manual, section 4.8, "Memory
 * Pools".
 */
#ifndef KU__ANNOTATE_H
#define KU__ANNOTATE_H

#include <stddef.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define KU__ANNOTATE_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KU__ANNOTATE_ASAN
#endif
#endif

#ifdef KU__ANNOTATE_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#endif
#ifdef KU_ANNOTATE_VALGRIND
#include <valgrind/memcheck.h>
#endif

/* A block of `heap` is about to be given out. */
static inline void ku__note_taken(const void *heap, void *block, size_t size) {
    (void)heap;
    (void)block;
    (void)size;
#ifdef KU_ANNOTATE_VALGRIND
    VALGRIND_MEMPOOL_ALLOC(heap, block, size);
#endif
#ifdef KU__ANNOTATE_ASAN
    ASAN_UNPOISON_MEMORY_REGION(block, size);
#endif
#ifdef KU_HOSTILE
    memset(block, 0xCD, size);
#ifdef KU_ANNOTATE_VALGRIND
    VALGRIND_MAKE_MEM_UNDEFINED(block, size);
#endif
#endif
}

/* A block came back; nothing of it will be read or written until it is given out again. */
static inline void ku__note_freed(const void *heap, void *block, size_t size) {
    (void)heap;
    (void)block;
    (void)size;
#ifdef KU_HOSTILE
    memset(block, 0xDD, size);
#endif
#ifdef KU__ANNOTATE_ASAN
    ASAN_POISON_MEMORY_REGION(block, size);
#endif
#ifdef KU_ANNOTATE_VALGRIND
    VALGRIND_MEMPOOL_FREE(heap, block);
#endif
}

/* An arena was mapped: nothing of it is anybody's yet. */
static inline void ku__note_arena_taken(void *arena, size_t bytes) {
    (void)arena;
    (void)bytes;
#ifdef KU__ANNOTATE_ASAN
    ASAN_POISON_MEMORY_REGION(arena, bytes);
    __lsan_register_root_region(arena, bytes);
#endif
#ifdef KU_ANNOTATE_VALGRIND
    VALGRIND_MAKE_MEM_NOACCESS(arena, bytes);
#endif
}

/* An arena is about to be unmapped: whoever maps these addresses next must find them clean. */
static inline void ku__note_arena_given(void *arena, size_t bytes) {
    (void)arena;
    (void)bytes;
#ifdef KU__ANNOTATE_ASAN
    __lsan_unregister_root_region(arena, bytes);
    ASAN_UNPOISON_MEMORY_REGION(arena, bytes);
#endif
}

static inline void ku__note_heap_made(const void *heap) {
    (void)heap;
#ifdef KU_ANNOTATE_VALGRIND
    VALGRIND_CREATE_MEMPOOL(heap, 0, 0);
#endif
}

static inline void ku__note_heap_ended(const void *heap) {
    (void)heap;
#ifdef KU_ANNOTATE_VALGRIND
    VALGRIND_DESTROY_MEMPOOL(heap);
#endif
}

#endif
