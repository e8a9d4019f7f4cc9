/* run.c: see run.h. */
#include "gc/run.h"

#include "os/pages.h"

#include <stdlib.h>
#include <string.h>

enum {
    STACK_LEAST = 1 << 13, /* 64 KiB: enough for most heaps, and one size for every page size in use */
    BIG_LEAST = 1 << 10,
};

/* Twice the room in new pages; NULL leaves the old ones. */
static void *doubled(void *old, size_t bytes, size_t least) {
    size_t wanted = bytes != 0 ? bytes * 2 : least;
    void *larger = ku__pages_map(wanted);
    if (larger != NULL && old != NULL) {
        memcpy(larger, old, bytes);
        ku__pages_unmap(old, bytes);
    }
    return larger;
}

bool ku__stack_grow(ku__stack *stack) {
    size_t bytes = stack->capacity * sizeof *stack->entries;
    void *larger = doubled(stack->entries, bytes, STACK_LEAST * sizeof *stack->entries);
    if (larger == NULL) {
        stack->failed = true;
        return false;
    }
    stack->entries = (uint64_t *)larger;
    stack->capacity = stack->capacity != 0 ? stack->capacity * 2 : STACK_LEAST;
    return true;
}

void ku__run_close(ku__run *run) {
    ku__pages_unmap(run->stack.entries, run->stack.capacity * sizeof *run->stack.entries);
    ku__pages_unmap(run->big, run->big_capacity * sizeof *run->big);
    run->stack = (ku__stack){0};
    run->big = NULL;
    run->big_count = run->big_capacity = 0;
}

bool ku__run_note_big(ku__run *run, uint64_t number, uint32_t count) {
    if (run->big_count == run->big_capacity) {
        void *larger = doubled(run->big, run->big_capacity * sizeof *run->big, BIG_LEAST * sizeof *run->big);
        if (larger == NULL) {
            run->stack.failed = true;
            return false;
        }
        run->big = (ku__big *)larger;
        run->big_capacity = run->big_capacity != 0 ? run->big_capacity * 2 : BIG_LEAST;
    }
    run->big[run->big_count++] = (ku__big){.number = number, .count = count};
    return true;
}

static int by_number(const void *a, const void *b) {
    uint64_t one = ((const ku__big *)a)->number, other = ((const ku__big *)b)->number;
    return (one > other) - (one < other);
}

void ku__run_sort_big(ku__run *run) {
    qsort(run->big, run->big_count, sizeof *run->big, by_number);
}

ku__big *ku__run_find_big(ku__run *run, uint64_t number) {
    size_t low = 0, high = run->big_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (run->big[middle].number < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < run->big_count && run->big[low].number == number ? &run->big[low] : NULL;
}

size_t ku__run_count(const ku__run *run) {
    const ku__space *space = run->space;
    size_t count = 0;
    for (uint32_t i = 0; i < space->scope.count; i++) {
        uint32_t slot = space->scope.slots[i];
        const uint64_t *word = &space->candidates[(size_t)slot * KU__SLOT_WORDS];
        for (uint32_t w = 0; w < space->slots[slot].words; w++) {
            count += (size_t)__builtin_popcountll(word[w]);
        }
    }
    return count;
}
