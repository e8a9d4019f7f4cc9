/* held.c: which heaps the calling thread may touch. See held.h. */
#include "object/held.h"

#ifdef KU_CHECKING

#include "alloc/fast.h"
#include "alloc/tables.h"

#include <stdio.h>
#include <stdlib.h>

enum { WORD_BITS = 64 };

/* One bit for each heap's number. */
static _Thread_local uint64_t held[(KU__HEAPS_MAX + WORD_BITS) / WORD_BITS];

void ku__held_note(const ku_heap *heap, bool is_held) {
    uint64_t bit = (uint64_t)1 << heap->number % WORD_BITS;
    uint64_t *word = &held[heap->number / WORD_BITS];
    *word = is_held ? *word | bit : *word & ~bit;
}

bool ku__held_heap(const ku_heap *heap) {
    return (held[heap->number / WORD_BITS] >> heap->number % WORD_BITS & 1) != 0;
}

bool ku__held_object(const void *object) {
    const ku_heap *heap = ku_heap_find(object);
    return heap == NULL || ku__held_heap(heap);
}

static _Noreturn void stop(const ku_heap *heap) {
    fprintf(stderr,
            "kucha: an object of isolate '%s' is used by a thread that does not hold its lock: take it first "
            "(ku_thread_enter, ku_lock_acquire)\n",
            heap->name);
    abort();
}

void ku__held_check_heap(const ku_heap *heap) {
    if (!ku__held_heap(heap)) {
        stop(heap);
    }
}

void ku__held_check(const void *object) {
    if (!ku__held_object(object)) {
        stop(ku_heap_find(object));
    }
}

#endif
