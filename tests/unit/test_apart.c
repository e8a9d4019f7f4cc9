/* test_apart.c: pools for samples alone: their blocks and no others lie in them, and they end with the samples. */
#include "support.h"

#include "alloc/fast.h"

#include <kucha/kucha.h>

enum { SIZE = 64, CLASS = SIZE / KU_CLASS_STEP - 1, BLOCKS = 5000 };

static ku_heap *heap_with(unsigned flags, size_t limit) {
    ku_heap *heap = ku_heap_new(&(ku_heap_options){.name = "apart", .flags = flags, .limit = limit}, NULL);
    assert_non_null(heap);
    assert_true(ku__sites_enable(heap));
    return heap;
}

static bool lies_apart(ku_heap *heap, const void *block) {
    ku__block_facts facts;
    assert_true(ku__block_find(heap, block, &facts));
    return facts.is_sampled;
}

static uintptr_t pool_of(const void *block) {
    return (uintptr_t)block >> KU__POOL_BITS;
}

static void samples_lie_in_pools_of_their_own(void **state) {
    (void)state;
    static void *blocks[BLOCKS];
    ku_heap *heap = heap_with(0, 0);
    void *sample = ku__apart_malloc(heap, CLASS);
    assert_non_null(sample);
    assert_true(lies_apart(heap, sample));
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = ku_heap_malloc(heap, SIZE);
        assert_false(lies_apart(heap, blocks[i]));
    }
    ku_heap_free(heap, sample);
    for (size_t i = 0; i < BLOCKS; i++) {
        ku_heap_free(heap, blocks[i]);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = ku_heap_malloc(heap, SIZE);
        assert_false(lies_apart(heap, blocks[i]));
    }
    void *again = ku__apart_malloc(heap, CLASS);
    assert_ptr_equal(again, sample);
    ku_heap_delete(heap);
}

static void pools_apart_fill_up_and_empty(void **state) {
    (void)state;
    static void *samples[BLOCKS];
    ku_heap *heap = heap_with(0, 0);
    for (size_t i = 0; i < BLOCKS; i++) {
        samples[i] = ku__apart_malloc(heap, CLASS);
        assert_true(lies_apart(heap, samples[i]));
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        ku_heap_free(heap, samples[i]);
    }
    ku_heap_purge(heap);
    void *block = ku__apart_malloc(heap, CLASS);
    assert_true(lies_apart(heap, block));
    ku_heap_free(heap, block);
    ku_heap_delete(heap);
}

static void pools_apart_join_the_others_when_sampling_ends(void **state) {
    (void)state;
    ku_heap *heap = heap_with(0, 0);
    void *sample = ku__apart_malloc(heap, CLASS), *other = ku__apart_malloc(heap, CLASS);
    ku__sites_disable(heap);
    assert_false(lies_apart(heap, sample));
    ku_heap_free(heap, sample);
    bool met = false;
    for (size_t i = 0; i < BLOCKS && !met; i++) {
        met = pool_of(ku_heap_malloc(heap, SIZE)) == pool_of(other);
    }
    assert_true(met);
    ku_heap_delete(heap);
}

static void where_there_is_none_to_be_had_nothing_changes(void **state) {
    (void)state;
    ku_heap *full = heap_with(0, KU__POOL_SIZE);
    assert_non_null(ku_heap_malloc(full, SIZE));
    assert_null(ku__apart_malloc(full, CLASS));
    assert_int_equal(ku_heap_last_refusal(full), KU_OK);
    ku_heap_delete(full);
    ku_heap *fenced = heap_with(KU_HEAP_FENCES, 0);
    assert_null(ku__apart_malloc(fenced, CLASS));
    ku_heap_delete(fenced);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_lie_in_pools_of_their_own),
        cmocka_unit_test(pools_apart_fill_up_and_empty),
        cmocka_unit_test(pools_apart_join_the_others_when_sampling_ends),
        cmocka_unit_test(where_there_is_none_to_be_had_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
