/* test_range.c: the window of addresses: claimed or reserved, and what to do where something else lies in it. */
#include "support.h"

#include "alloc/tables.h"
#include "os/pages.h"

#include <kucha/kucha.h>
#include <string.h>

static size_t no_tables(size_t arenas_bytes) {
    return arenas_bytes / 1024;
}

static void use_part(const ku__range *range, size_t bytes) {
    char *part = (char *)range->base + bytes;
    for (int round = 0; round < 2; round++) {
        assert_true(ku__range_take(range, part, bytes));
        for (size_t i = 0; i < bytes; i += 512) {
            assert_int_equal(part[i], 0); /* zero again after it was given back */
        }
        memset(part, 1, bytes);
        ku__range_give(range, part, bytes);
    }
}

static void a_window_is_found_and_its_parts_come_zeroed(void **state) {
    (void)state;
    ku__range range;
    assert_true(ku__range_find(&range, (size_t)1 << 34, (size_t)1 << 24, (size_t)1 << 30, no_tables));
    assert_int_equal(range.base % ((size_t)1 << 30), 0);
    assert_int_equal(range.arenas_bytes, (size_t)1 << 34);
    use_part(&range, (size_t)1 << 20);
    ku__range_drop(&range);
}

/* No window of the address space is so large, so one is reserved, as large as the system gives. */
static void where_none_can_be_claimed_one_is_reserved(void **state) {
    (void)state;
    ku__range range;
    assert_true(ku__range_find(&range, (size_t)1 << 50, (size_t)1 << 24, (size_t)1 << 30, no_tables));
    assert_true(range.reserved);
    assert_true(range.arenas_bytes < (size_t)1 << 50);
    assert_int_equal(range.base % (range.arenas_bytes < (size_t)1 << 30 ? range.arenas_bytes : (size_t)1 << 30), 0);
    use_part(&range, (size_t)1 << 20);
    ku__range_drop(&range);
    assert_int_equal(range.base, 0);
}

static void a_claim_takes_nothing_from_others(void **state) {
    (void)state;
    char *theirs = ku__pages_map(1 << 16);
    theirs[0] = 7;
    assert_false(ku__pages_claim(theirs, 1 << 16));
    assert_int_equal(theirs[0], 7);
    ku__pages_unmap(theirs, 1 << 16);
}

/* Something else may lie where the next arenas would go: they are made behind it. */
static void a_foreign_mapping_in_the_window_is_passed_over(void **state) {
    (void)state;
    ku_heap *heap = ku_heap_new(NULL, NULL);
    if (ku__process_tables.range.reserved) {
        ku_heap_delete(heap);
        skip(); /* all of it is ours */
    }
    void *block = ku_heap_malloc(heap, 512);
    uint32_t next = ku__arena_of_pool(ku__pool_number(block)) + 1;
    size_t page = ku__page_size();
    char *theirs = ku__arena_address(next) + KU__ARENA_SIZE / 2;
    assert_true(ku__pages_claim(theirs, page));
    theirs[0] = 7;
    for (size_t i = 0; i < 3 * KU__ARENA_SIZE / 512; i++) {
        block = ku_heap_malloc(heap, 512);
        assert_non_null(block);
        memset(block, 1, 512);
        assert_int_not_equal(ku__arena_of_pool(ku__pool_number(block)), next);
    }
    assert_int_equal(theirs[0], 7);
    assert_null(ku_heap_find(theirs));
    ku_heap_delete(heap);
    ku__pages_unmap(theirs, page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_is_found_and_its_parts_come_zeroed),
        cmocka_unit_test(where_none_can_be_claimed_one_is_reserved),
        cmocka_unit_test(a_claim_takes_nothing_from_others),
        cmocka_unit_test(a_foreign_mapping_in_the_window_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
