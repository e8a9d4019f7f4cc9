/* test_fences.c: every kind of misuse is found, and named with the places where the block was made, freed and looked
 * at. */
#include "support.h"

#include <kucha/kucha.h>
#include <string.h>

/* Not static: the report names these functions by their dynamic symbols. Weak: so the compiler makes no copy of its
 * own. */
void *make_a_block(ku_heap *heap, size_t size);
void free_a_block(ku_heap *heap, void *block);

__attribute__((noinline, weak)) void *make_a_block(ku_heap *heap, size_t size) {
    void *block = ku_heap_malloc(heap, size);
    __asm__ volatile("" : : "r"(block) : "memory"); /* no tail call: the frame must be there to be named */
    return block;
}

__attribute__((noinline, weak)) void free_a_block(ku_heap *heap, void *block) {
    ku_heap_free(heap, block);
    __asm__ volatile("" : : : "memory");
}

typedef struct faults {
    ku_fault last;
    size_t count;
    char text[600];
} faults;

static void remember(const ku_fault *fault, void *argument) {
    faults *seen = argument;
    seen->last = *fault;
    seen->count++;
    ku_fault_describe(fault, seen->text, sizeof seen->text);
}

static ku_heap *fenced_heap(faults *seen) {
    ku_heap_options options = {.name = "fenced", .flags = KU_HEAP_FENCES};
    ku_heap *heap = ku_heap_new(&options, NULL);
    assert_non_null(heap);
    memset(seen, 0, sizeof *seen);
    ku_heap_set_fault_handler(heap, remember, seen);
    return heap;
}

static void assert_names(const faults *seen, const char *word) {
    if (strstr(seen->text, word) == NULL) {
        fail_msg("\"%s\" is not in: %s", word, seen->text);
    }
}

static void a_write_after_the_end_is_found_when_the_block_is_freed(void **state) {
    (void)state;
    faults seen;
    ku_heap *heap = fenced_heap(&seen);
    for (size_t size = 1; size < 1000; size += 61) {
        seen.count = 0;
        unsigned char *block = make_a_block(heap, size);
        block[size + 3] = 7;
        free_a_block(heap, block);
        assert_int_equal(seen.count, 1);
        assert_int_equal(seen.last.kind, KU_FAULT_OVERRUN);
        assert_int_equal(seen.last.offset, 3);
        assert_int_equal(seen.last.size, size);
        assert_names(&seen, "make_a_block");
        assert_names(&seen, "free_a_block");
    }
    ku_heap_delete(heap);
}

static void a_write_before_the_start_is_found(void **state) {
    (void)state;
    faults seen;
    ku_heap *heap = fenced_heap(&seen);
    unsigned char *block = make_a_block(heap, 40);
    block[-2] = 7;
    free_a_block(heap, block);
    assert_int_equal(seen.last.kind, KU_FAULT_UNDERRUN);
    assert_int_equal(seen.last.offset, 2);
    ku_heap_delete(heap);
}

static void a_block_freed_twice_is_found_with_both_places(void **state) {
    (void)state;
    faults seen;
    ku_heap *heap = fenced_heap(&seen);
    void *block = make_a_block(heap, 40);
    free_a_block(heap, block);
    assert_int_equal(seen.count, 0);
    free_a_block(heap, block);
    assert_int_equal(seen.last.kind, KU_FAULT_DOUBLE_FREE);
    assert_non_null(seen.last.freed_at);
    assert_names(&seen, "freed at free_a_block");
    assert_names(&seen, "made at make_a_block");
    ku_heap_delete(heap);
}

static void a_write_after_free_is_found_by_a_check_and_on_reuse(void **state) {
    (void)state;
    faults seen;
    ku_heap *heap = fenced_heap(&seen);
    unsigned char *block = make_a_block(heap, 40);
    free_a_block(heap, block);
    block[9] = 1;
    assert_int_equal(ku_heap_check_fences(heap), 1);
    assert_int_equal(seen.last.kind, KU_FAULT_USE_AFTER_FREE);
    assert_int_equal(seen.last.offset, 9);
    seen.count = 0;
    for (int i = 0; i < 5000; i++) {
        free_a_block(heap, make_a_block(heap, 40));
    }
    assert_int_equal(seen.count, 1); /* once, when it left the quarantine; it is never used again */
    assert_names(&seen, "free_a_block");
    ku_heap_delete(heap);
}

static void a_block_of_another_heap_is_the_wrong_domain(void **state) {
    (void)state;
    faults seen, other_seen;
    ku_heap *heap = fenced_heap(&seen), *other = fenced_heap(&other_seen);
    void *block = make_a_block(other, 40);
    free_a_block(heap, block);
    assert_int_equal(seen.last.kind, KU_FAULT_WRONG_HEAP);
    assert_null(ku_heap_realloc(heap, block, 100));
    assert_int_equal(seen.count, 2);
    free_a_block(other, block);
    assert_int_equal(other_seen.count, 0);
    ku_heap_delete(heap);
    ku_heap_delete(other);
}

static void the_middle_of_a_block_is_not_a_block(void **state) {
    (void)state;
    faults seen;
    ku_heap *heap = fenced_heap(&seen);
    char *block = make_a_block(heap, 100);
    memset(block, 0, 100);
    free_a_block(heap, block + 64);
    assert_int_equal(seen.last.kind, KU_FAULT_FOREIGN);
    free_a_block(heap, block);
    assert_int_equal(seen.count, 1);
    ku_heap_delete(heap);
}

static void fresh_and_freed_memory_have_their_patterns(void **state) {
    (void)state;
    faults seen;
    ku_heap *heap = fenced_heap(&seen);
    unsigned char *block = make_a_block(heap, 100);
    assert_int_equal(block[0], 0xCD);
    assert_int_equal(block[99], 0xCD);
    unsigned char *zeroed = ku_heap_calloc(heap, 10, 10);
    assert_int_equal(zeroed[99], 0);
    free_a_block(heap, block);
    assert_int_equal(block[50], 0xDD);
    ku_heap_delete(heap);
}

static void aligned_and_resized_blocks_are_fenced_too(void **state) {
    (void)state;
    faults seen;
    ku_heap *heap = fenced_heap(&seen);
    for (size_t alignment = 32; alignment <= 4096; alignment *= 2) {
        unsigned char *block = ku_heap_aligned_alloc(heap, alignment, 77);
        assert_int_equal((uintptr_t)block % alignment, 0);
        assert_int_equal(ku_heap_usable_size(heap, block), 77);
        block = ku_heap_realloc(heap, block, 333);
        assert_int_equal(ku_heap_check_fences(heap), 0);
        block[333] = 0;
        assert_int_equal(ku_heap_check_fences(heap), 1);
        block[333] = 0xFD;
        free_a_block(heap, block);
    }
    assert_int_equal(seen.count, 8);
    ku_heap_delete(heap);
}

static bool count_one(const ku_block *block, void *argument) {
    assert_int_equal(block->size, 40);
    assert_ptr_equal(block->address, argument);
    return true;
}

static void walks_show_blocks_as_the_program_knows_them(void **state) {
    (void)state;
    faults seen;
    ku_heap *heap = fenced_heap(&seen);
    void *gone = make_a_block(heap, 30), *block = make_a_block(heap, 40);
    free_a_block(heap, gone);
    assert_int_equal(ku_heap_walk(heap, count_one, block), 1);
    ku_heap_delete(heap);
}

static void a_heap_without_fences_has_nothing_to_check(void **state) {
    (void)state;
    ku_heap *heap = ku_heap_new(NULL, NULL);
    ku_heap_malloc(heap, 10);
    assert_int_equal(ku_heap_check_fences(heap), 0);
    ku_heap_delete(heap);
}

static void blocks_returned_by_others_keep_their_guards(void **state) {
    (void)state;
    faults seen;
    ku_heap_options options = {.name = "fenced", .flags = KU_HEAP_FENCES | KU_HEAP_SHARED};
    ku_heap *heap = ku_heap_new(&options, NULL);
    memset(&seen, 0, sizeof seen);
    ku_heap_set_fault_handler(heap, remember, &seen);
    for (size_t size = 1; size < 2000; size += 7) {
        ku_heap_free_remote(make_a_block(heap, size));
    }
    ku_heap_free_remote(ku_heap_aligned_alloc(heap, 4096, 100));
    ku_heap_stats stats;
    ku_heap_stats_read(heap, &stats); /* takes the returns in */
    assert_int_equal(seen.count, 0);
    unsigned char *damaged = make_a_block(heap, 3);
    damaged[3] = 1;
    ku_heap_free_remote(damaged);
    ku_heap_stats_read(heap, &stats);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.last.kind, KU_FAULT_OVERRUN);
    ku_heap_delete(heap);
}

static void a_block_returned_twice_is_found(void **state) {
    (void)state;
    faults seen;
    ku_heap *heap = fenced_heap(&seen);
    unsigned char *first = make_a_block(heap, 40), *second = make_a_block(heap, 40);
    ku_heap_free_remote(first);
    ku_heap_free_remote(second);
    ku_heap_free_remote(first);
    ku_heap_stats stats;
    ku_heap_stats_read(heap, &stats); /* takes the returns in */
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.last.kind, KU_FAULT_DOUBLE_FREE);
    assert_ptr_equal(seen.last.block, first);
    ku_heap_free_remote(second); /* it came home already */
    ku_heap_stats_read(heap, &stats);
    assert_int_equal(seen.count, 2);
    assert_ptr_equal(seen.last.block, second);
    ku_heap_delete(heap);
}

static void a_block_of_a_heap_without_fences_is_the_wrong_domain(void **state) {
    (void)state;
    faults seen;
    ku_heap *heap = fenced_heap(&seen), *plain = ku_heap_new(NULL, NULL);
    void *first = ku_heap_malloc(plain, 16); /* no header can lie before the first block of an arena */
    free_a_block(heap, first);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.last.kind, KU_FAULT_WRONG_HEAP);
    assert_int_equal(ku_heap_usable_size(heap, first), 0);
    assert_int_equal(ku_heap_usable_size(plain, first), 16);
    ku_heap_delete(plain);
    ku_heap_delete(heap);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_returned_by_others_keep_their_guards),
        cmocka_unit_test(a_block_returned_twice_is_found),
        cmocka_unit_test(a_block_of_a_heap_without_fences_is_the_wrong_domain),
        cmocka_unit_test(a_write_after_the_end_is_found_when_the_block_is_freed),
        cmocka_unit_test(a_write_before_the_start_is_found),
        cmocka_unit_test(a_block_freed_twice_is_found_with_both_places),
        cmocka_unit_test(a_write_after_free_is_found_by_a_check_and_on_reuse),
        cmocka_unit_test(a_block_of_another_heap_is_the_wrong_domain),
        cmocka_unit_test(the_middle_of_a_block_is_not_a_block),
        cmocka_unit_test(fresh_and_freed_memory_have_their_patterns),
        cmocka_unit_test(aligned_and_resized_blocks_are_fenced_too),
        cmocka_unit_test(walks_show_blocks_as_the_program_knows_them),
        cmocka_unit_test(a_heap_without_fences_has_nothing_to_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
