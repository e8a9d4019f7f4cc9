/* test_large.c: large blocks and their registry: siblings that share one, blocks freed behind its back; sized frees. */
#include "support.h"

#include "alloc/fast.h"

#include <kucha/kucha.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static ku_heap *heap_of(ku_domain domain) {
    ku_heap *heap = ku_heap_new(&(ku_heap_options){.name = "large", .domain = domain}, NULL);
    assert_non_null(heap);
    return heap;
}

static uint32_t *site_of(ku_heap *heap, const void *block) {
    ku__block_facts facts;
    assert_true(ku__block_find(heap, block, &facts));
    return facts.site;
}

static void one_siblings_sites_go_without_the_others(void **state) {
    (void)state;
    ku_heap *objects = heap_of(KU_DOMAIN_OBJECT), *buffers = heap_of(KU_DOMAIN_BUFFER);
    ku__heap_join_registry(buffers, objects);
    assert_true(ku__sites_enable(objects) && ku__sites_enable(buffers));
    void *object = ku_heap_malloc(objects, 5000), *buffer = ku_heap_malloc(buffers, 5000);
    *site_of(objects, object) = 7;
    *site_of(buffers, buffer) = 8;
    ku__sites_disable(objects);
    ku__sites_disable(objects); /* they are off: nothing happens */
    assert_non_null(site_of(buffers, buffer));
    assert_int_equal(*site_of(buffers, buffer), 8);
    assert_true(ku__sites_enable(objects));
    assert_int_equal(*site_of(objects, object), 0);
    assert_int_equal(*site_of(buffers, buffer), 8);
    ku__sites_disable(objects);
    ku__sites_disable(buffers);
    assert_null(site_of(buffers, buffer));
    ku_heap_delete(buffers);
    ku_heap_delete(objects);
}

static void a_heap_that_ends_takes_only_its_own_sites(void **state) {
    (void)state;
    ku_heap *objects = heap_of(KU_DOMAIN_OBJECT), *buffers = heap_of(KU_DOMAIN_BUFFER);
    ku__heap_join_registry(buffers, objects);
    assert_true(ku__sites_enable(objects) && ku__sites_enable(buffers));
    void *object = ku_heap_malloc(objects, 5000);
    *site_of(objects, object) = 7;
    ku_heap_delete(buffers);
    assert_int_equal(*site_of(objects, object), 7);
    ku__sites_disable(objects);
    assert_null(site_of(objects, object));
    ku_heap_delete(objects);
}

static void a_block_freed_behind_our_back_is_forgotten_when_its_address_comes_again(void **state) {
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* their allocators do not give out an address again for a long time */
#endif
    ku_heap *heap = heap_of(KU_DOMAIN_BUFFER);
    void *block = ku_heap_malloc(heap, 1000);
    free(block);
    void *again = ku_heap_malloc(heap, 1000);
    assert_ptr_equal(again, block);
    ku_heap_stats stats;
    ku_heap_stats_read(heap, &stats);
    assert_int_equal(stats.large_blocks, 1);
    assert_int_equal(stats.large_bytes, 1000);
    ku_heap_free(heap, again);
    ku_heap_stats_read(heap, &stats);
    assert_int_equal(stats.large_blocks, 0);
    assert_int_equal(stats.large_bytes, 0);
    ku_heap_delete(heap);
}

/* What `act` writes to standard error. */
static size_t bytes_said(void (*act)(ku_heap *heap), ku_heap *heap) {
    FILE *file = tmpfile();
    int before = dup(STDERR_FILENO);
    assert_true(file != NULL && before >= 0 && dup2(fileno(file), STDERR_FILENO) >= 0);
    act(heap);
    long said = lseek(STDERR_FILENO, 0, SEEK_CUR);
    dup2(before, STDERR_FILENO);
    close(before);
    fclose(file);
    return (size_t)said;
}

static void free_aligned_blocks(ku_heap *heap) {
    for (size_t alignment = 16; alignment <= 128; alignment *= 2) {
        for (size_t size = 0; size <= 600; size++) {
            void *block = ku_heap_aligned_alloc(heap, alignment, size);
            assert_non_null(block);
            assert_int_equal((uintptr_t)block % alignment, 0);
            ku_heap_free_sized(heap, block, size);
        }
    }
}

static void free_with_a_wrong_size(ku_heap *heap) {
    ku_heap_free_sized(heap, ku_heap_malloc(heap, 100), 20);
}

static void sized_frees_of_aligned_blocks_are_no_faults(void **state) {
    (void)state;
    ku_heap *heap = heap_of(KU_DOMAIN_NATIVE);
    assert_int_equal(bytes_said(free_aligned_blocks, heap), 0);
#ifdef KU_CHECKING
    assert_int_not_equal(bytes_said(free_with_a_wrong_size, heap), 0);
#else
    assert_int_equal(bytes_said(free_with_a_wrong_size, heap), 0);
#endif
    ku_heap_delete(heap);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_siblings_sites_go_without_the_others),
        cmocka_unit_test(a_heap_that_ends_takes_only_its_own_sites),
        cmocka_unit_test(a_block_freed_behind_our_back_is_forgotten_when_its_address_comes_again),
        cmocka_unit_test(sized_frees_of_aligned_blocks_are_no_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
