/* walk.c: giving back blocks of a pool together. See walk.h. */
#include "alloc/walk.h"

#include "alloc/check.h"
#include "alloc/watch.h"

#if defined(KU_HOSTILE) || defined(KU__ANNOTATE_ASAN) || defined(KU_ANNOTATE_VALGRIND)
static void note_all(ku_heap *heap, uint32_t number, const uint64_t *dead) {
    const ku__pool *pool = ku__pool_at(number);
    size_t size = ku__class_size(pool->class_index);
    char *first = ku__pool_address(number) + ku__pool_first(number);
    for (size_t word = 0; word * 64 < pool->capacity; word++) {
        for (uint64_t left = dead[word]; left != 0; left &= left - 1) {
            ku__note_freed(heap, first + (word * 64 + (size_t)__builtin_ctzll(left)) * size, size);
        }
    }
}
#else
#define note_all(heap, number, dead) ((void)0)
#endif

/* The same for a watcher, in any build. */
static void tell_all(ku_heap *heap, uint32_t number, const uint64_t *dead) {
    const ku__pool *pool = ku__pool_at(number);
    size_t size = ku__class_size(pool->class_index);
    char *first = ku__pool_address(number) + ku__pool_first(number);
    for (size_t word = 0; word * 64 < pool->capacity; word++) {
        for (uint64_t left = dead[word]; left != 0; left &= left - 1) {
            void *block = first + (word * 64 + (size_t)__builtin_ctzll(left)) * size;
            heap->watcher->ending(heap->watcher, heap, block);
        }
    }
}

#ifdef KU_CHECKING
static void check_taken(const ku_heap *heap, uint32_t number, const uint64_t *dead) {
    const ku__pool *pool = ku__pool_at(number);
    KU__CHECK(ku__walk_owns(heap, number));
    for (size_t word = 0; word * 64 < pool->capacity; word++) {
        KU__CHECK((dead[word] & ~ku__walk_taken(pool, word)) == 0);
    }
}
#else
#define check_taken(heap, number, dead) ((void)(heap))
#endif

void ku__walk_free(ku_heap *heap, uint32_t number, const uint64_t *dead) {
    check_taken(heap, number, dead);
    if (heap->watcher != NULL) {
        tell_all(heap, number, dead);
    }
    note_all(heap, number, dead);
    ku__pool_give_back_bits(number, dead);
}
