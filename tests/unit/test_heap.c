/* test_heap.c: heaps as a program meets them: classes, sizes, limits, purging, several heaps, remote frees. */
#include "support.h"

#include "alloc/fast.h"
#include "os/pages.h"

#include <kucha/kucha.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static ku_heap *heap_with(unsigned flags, size_t limit) {
    ku_error error = {0};
    ku_heap_options options = {.name = "test", .flags = flags, .limit = limit};
    ku_heap *heap = ku_heap_new(&options, &error);
    assert_non_null(heap);
    return heap;
}

static ku_heap_stats stats_of(ku_heap *heap) {
    ku_heap_stats stats;
    ku_heap_stats_read(heap, &stats);
    return stats;
}

static void forty_bytes_take_a_block_of_48(void **state) {
    (void)state;
    ku_heap *heap = heap_with(0, 0);
    void *block = ku_heap_malloc(heap, 40);
    assert_int_equal(ku_heap_usable_size(heap, block), 48);
    ku_heap_stats stats = stats_of(heap);
    assert_int_equal(stats.classes[2].block_size, 48);
    assert_int_equal(stats.classes[2].blocks_used, 1);
    ku_heap_delete(heap);
}

static void every_small_size_gets_its_class(void **state) {
    (void)state;
    ku_heap *heap = heap_with(0, 0);
    for (size_t size = 0; size <= 512; size++) {
        void *block = ku_heap_malloc(heap, size);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 16, 0);
        size_t expected = size == 0 ? 16 : (size + 15) / 16 * 16;
        assert_int_equal(ku_heap_usable_size(heap, block), expected);
        memset(block, 0xA5, size);
        ku_heap_free_sized(heap, block, size);
    }
    assert_int_equal(stats_of(heap).blocks_used, 0);
    ku_heap_delete(heap);
}

static void pool_arithmetic_is_the_classic_one(void **state) {
    (void)state;
    ku_heap *heap = heap_with(0, 0);
    ku_heap_stats stats = stats_of(heap);
    ku_heap_delete(heap);
    assert_int_equal(stats.arena_size / stats.pool_size, 64);
    for (size_t size = 16; size <= 512; size += 16) {
        ku_heap *one = heap_with(0, 0);
        ku_heap_malloc(one, size);
        ku_heap_stats after = stats_of(one);
        size_t blocks = after.classes[size / 16 - 1].blocks_used + after.classes[size / 16 - 1].blocks_free;
        assert_int_equal(blocks, (stats.pool_size - ku__pool_first(0)) / size);
        if (stats.arena_size == 256 * 1024 && size == 16) { /* classic: pools of 4 KiB */
            assert_int_equal(blocks, 256);
        }
        if (stats.arena_size == 256 * 1024 && size == 64) {
            assert_int_equal(blocks, 64);
        }
        ku_heap_delete(one);
    }
}

static void an_emptied_pool_serves_another_size(void **state) {
    (void)state;
    ku_heap *heap = heap_with(0, 0);
    size_t count = stats_of(heap).pool_size / 32 * 8;
    void **blocks = calloc(count, sizeof *blocks);
    for (size_t i = 0; i < count; i++) {
        blocks[i] = ku_heap_malloc(heap, 32);
    }
    size_t pools_before = stats_of(heap).pools_used;
    for (size_t i = 0; i < count; i++) {
        ku_heap_free(heap, blocks[i]);
    }
    for (size_t i = 0; i < count / 4; i++) {
        blocks[i] = ku_heap_malloc(heap, 96);
    }
    ku_heap_stats after = stats_of(heap);
    assert_true(after.pools_used <= pools_before);
    assert_int_equal(after.arenas_peak, after.arenas);
    free(blocks);
    ku_heap_delete(heap);
}

static void empty_arenas_go_back_to_the_system(void **state) {
    (void)state;
    ku_heap *heap = heap_with(0, 0);
    size_t count = stats_of(heap).arena_size / 512 * 10;
    void **blocks = calloc(count, sizeof *blocks);
    for (size_t i = 0; i < count; i++) {
        blocks[i] = ku_heap_malloc(heap, 512);
        memset(blocks[i], 1, 512);
    }
    assert_true(stats_of(heap).arenas >= 10);
    for (size_t i = 0; i < count; i++) {
        ku_heap_free(heap, blocks[i]);
    }
    struct timespec pause = {0, 300 * 1000 * 1000};
    nanosleep(&pause, NULL); /* hysteresis keeps them for 200 ms */
    for (size_t i = 0; i < 2000; i++) {
        blocks[i] = ku_heap_malloc(heap, 512);
    }
    assert_true(stats_of(heap).arenas <= 2 + 2000 * 512 / stats_of(heap).arena_size + 1);
    for (size_t i = 0; i < 2000; i++) {
        ku_heap_free(heap, blocks[i]);
    }
    assert_true(ku_heap_purge(heap) > 0);
    assert_int_equal(stats_of(heap).arenas, 0);
    assert_non_null(ku_heap_malloc(heap, 512));
    free(blocks);
    ku_heap_delete(heap);
}

/* One block keeps its arena in use; what is around it is no longer wanted. */
static void pools_that_stay_free_give_their_pages_back(void **state) {
    (void)state;
    enum { MALLOCS = 2000 }; /* so that slow paths are taken */
    ku_heap *heap = heap_with(0, 0);
    size_t arena = stats_of(heap).arena_size, count = arena / 512 * 9 / 10;
    char **blocks = calloc(count, sizeof *blocks);
    for (size_t i = 0; i < count; i++) {
        blocks[i] = ku_heap_malloc(heap, 512);
        memset(blocks[i], 1, 512);
    }
    char *middle = (char *)((uintptr_t)blocks[count / 2] & ~(uintptr_t)4095);
    for (size_t i = 1; i < count; i++) {
        ku_heap_free(heap, blocks[i]);
    }
    assert_int_not_equal(ku__pages_resident(middle, 4096), 0);
    for (int turn = 0; turn < 3; turn++) {
        struct timespec pause = {0, 300 * 1000 * 1000};
        nanosleep(&pause, NULL);
        for (size_t i = 0; i < MALLOCS; i++) {
            ku_heap_free(heap, ku_heap_malloc(heap, 4096));
        }
    }
    assert_int_equal(ku__pages_resident(middle, 4096), 0);
    assert_int_equal(stats_of(heap).arenas, 1);
    assert_int_equal(blocks[0][511], 1);
    for (size_t i = 1; i < count; i++) {
        blocks[i] = ku_heap_malloc(heap, 512);
        memset(blocks[i], 2, 512);
    }
    assert_int_equal(stats_of(heap).arenas, 1);
    free(blocks);
    ku_heap_delete(heap);
}

static void a_limit_refuses_and_leaves_the_heap_usable(void **state) {
    (void)state;
    ku_heap *heap = heap_with(0, 1 << 20);
    size_t count = 0;
    void *last = NULL, *block;
    while ((block = ku_heap_malloc(heap, 64)) != NULL) {
        memcpy(block, &last, sizeof last);
        last = block;
        count++;
    }
    assert_int_equal(ku_heap_last_refusal(heap), KU_LIMIT);
    assert_true(count * 64 <= 1 << 20);
    assert_true(count * 64 >= (1 << 20) - 2 * stats_of(heap).pool_size);
    assert_null(ku_heap_malloc(heap, 10000));
    assert_null(ku_heap_realloc(heap, last, 10000));
    while (last != NULL) {
        memcpy(&block, last, sizeof block);
        ku_heap_free(heap, last);
        last = block;
    }
    assert_non_null(ku_heap_malloc(heap, 64));
    assert_non_null(ku_heap_malloc(heap, 10000));
    assert_int_equal(ku_heap_set_limit(heap, 0), 1 << 20);
    assert_non_null(ku_heap_malloc(heap, 2 << 20));
    ku_heap_delete(heap);
}

/* Each class keeps its last empty pool and blocks in its magazine; at a limit they serve whoever asks. */
static void a_limit_counts_nothing_that_only_waits(void **state) {
    (void)state;
    ku_heap *heap = heap_with(0, 4 * KU__POOL_SIZE);
    for (size_t size = 16; size <= 512; size += 16) {
        void *block = ku_heap_malloc(heap, size);
        assert_non_null(block);
        ku_heap_free(heap, block);
    }
    void *large = ku_heap_malloc(heap, 4 * KU__POOL_SIZE - 100);
    assert_non_null(large);
    ku_heap_free(heap, large);
    large = ku_heap_malloc(heap, KU__POOL_SIZE);
    ku_heap_free(heap, ku_heap_malloc(heap, 16));
    large = ku_heap_realloc(heap, large, 4 * KU__POOL_SIZE);
    assert_non_null(large);
    assert_int_equal(ku_heap_last_refusal(heap), KU_OK);
    assert_null(ku_heap_malloc(heap, 1));
    assert_int_equal(ku_heap_last_refusal(heap), KU_LIMIT);
    ku_heap_delete(heap);
}

/* All heaps that share a registry take its lock once one of them does. */
static void sharing_goes_with_the_registry(void **state) {
    (void)state;
    ku_heap *first = heap_with(0, 0), *second = heap_with(0, 0), *third = heap_with(KU_HEAP_SHARED, 0);
    ku__heap_join_registry(second, first);
    assert_false(first->shared || second->shared);
    ku__heap_join_registry(third, first);
    assert_true(first->shared && second->shared && third->shared);
    ku_heap_free_remote(ku_heap_malloc(second, 5000));
    assert_int_equal(stats_of(second).large_blocks, 0);
    ku_heap_delete(first);
    ku_heap_delete(third);
    ku_heap_delete(second);
}

static void calloc_zeroes_and_refuses_overflow(void **state) {
    (void)state;
    ku_heap *heap = heap_with(0, 0);
    for (size_t size = 1; size < 3000; size += 7) {
        unsigned char *dirty = ku_heap_malloc(heap, size);
        memset(dirty, 0xff, size);
        ku_heap_free(heap, dirty);
        unsigned char *block = ku_heap_calloc(heap, 1, size);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(block[i], 0);
        }
        ku_heap_free(heap, block);
    }
    assert_null(ku_heap_calloc(heap, SIZE_MAX / 2, 3));
    assert_int_equal(ku_heap_last_refusal(heap), KU_INVALID);
    assert_null(ku_heap_malloc(heap, SIZE_MAX - 4));
    ku_heap_delete(heap);
}

static void realloc_keeps_contents_across_classes_and_large(void **state) {
    (void)state;
    ku_heap *heap = heap_with(0, 0);
    size_t sizes[] = {1, 16, 17, 400, 512, 513, 5000, 100000, 600, 512, 30, 0, 700, 3};
    unsigned char *block = ku_heap_realloc(heap, NULL, 1);
    block[0] = 7;
    for (size_t i = 0, have = 1; i < sizeof sizes / sizeof *sizes; i++) {
        block = ku_heap_realloc(heap, block, sizes[i]);
        assert_non_null(block);
        size_t kept = sizes[i] < have ? sizes[i] : have;
        for (size_t j = 0; j < kept; j++) {
            assert_int_equal(block[j], (unsigned char)(j + 7));
        }
        for (size_t j = 0; j < sizes[i]; j++) {
            block[j] = (unsigned char)(j + 7);
        }
        have = sizes[i];
    }
    ku_heap_free(heap, block);
    ku_heap_stats stats = stats_of(heap);
    assert_int_equal(stats.blocks_used + stats.large_blocks + stats.large_bytes, 0);
    ku_heap_delete(heap);
}

static void aligned_blocks_are_aligned_and_free_like_others(void **state) {
    (void)state;
    ku_heap *heap = heap_with(0, 0);
    for (size_t alignment = 1; alignment <= 1 << 20; alignment *= 2) {
        for (size_t size = 0; size < 2000; size += 333) {
            void *block = ku_heap_aligned_alloc(heap, alignment, size);
            assert_non_null(block);
            assert_int_equal((uintptr_t)block % alignment, 0);
            assert_true(ku_heap_usable_size(heap, block) >= size);
            ku_heap_free(heap, block);
        }
    }
    assert_null(ku_heap_aligned_alloc(heap, 3, 10));
    assert_null(ku_heap_aligned_alloc(heap, 2 << 20, 10));
    assert_int_equal(stats_of(heap).large_blocks, 0);
    ku_heap_delete(heap);
}

static void large_blocks_are_counted_and_found(void **state) {
    (void)state;
    ku_heap *heap = heap_with(0, 0);
    enum { COUNT = 5000 };
    void **blocks = calloc(COUNT, sizeof *blocks);
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = ku_heap_malloc(heap, 513 + i);
    }
    assert_int_equal(stats_of(heap).large_blocks, COUNT);
    for (size_t i = 0; i < COUNT; i += 2) {
        ku_heap_free(heap, blocks[i]);
    }
    for (size_t i = 1; i < COUNT; i += 2) {
        assert_int_equal(ku_heap_usable_size(heap, blocks[i]), 513 + i);
    }
    assert_int_equal(stats_of(heap).large_blocks, COUNT / 2);
    free(blocks);
    ku_heap_delete(heap); /* frees the rest: LeakSanitizer would tell */
}

static void heaps_side_by_side_do_not_meet(void **state) {
    (void)state;
    ku_heap *one = heap_with(0, 0), *two = heap_with(0, 0);
    void *a = ku_heap_malloc(one, 100), *b = ku_heap_malloc(two, 100);
    assert_ptr_equal(ku_heap_find(a), one);
    assert_ptr_equal(ku_heap_find(b), two);
    assert_null(ku_heap_find(&one));
    ku_heap_free(one, b); /* goes home */
    assert_int_equal(stats_of(two).blocks_used, 0);
    assert_int_equal(stats_of(one).blocks_used, 1);
    ku_heap_delete(two);
    assert_int_equal(ku_heap_usable_size(one, a), 112);
    ku_heap_delete(one);
}

static void a_number_is_free_again_after_delete(void **state) {
    (void)state;
    for (int i = 0; i < 3000; i++) {
        ku_heap *heap = heap_with(0, 0);
        assert_non_null(ku_heap_malloc(heap, 32));
        ku_heap_delete(heap);
    }
}

static void the_heap_after_the_last_number_is_refused(void **state) {
    (void)state;
    static ku_heap *heaps[1100];
    ku_error error = {0};
    size_t made = 0;
    while (made < 1100 && (heaps[made] = ku_heap_new(NULL, &error)) != NULL) {
        made++;
    }
    assert_in_range(made, 1000, 1023);
    assert_int_equal(error.code, KU_LIMIT);
    while (made > 0) {
        ku_heap_delete(heaps[--made]);
    }
}

static bool count_bytes(const ku_block *block, void *argument) {
    *(size_t *)argument += block->size;
    return true;
}

static void a_walk_meets_every_live_block_once(void **state) {
    (void)state;
    ku_heap *heap = heap_with(0, 0);
    enum { COUNT = 20000 };
    void **blocks = calloc(COUNT, sizeof *blocks);
    size_t bytes = 0, live = 0;
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = ku_heap_malloc(heap, i % 700 + 1);
    }
    for (size_t i = 0; i < COUNT; i++) {
        if (i % 3 == 0) {
            ku_heap_free(heap, blocks[i]);
        } else {
            bytes += ku_heap_usable_size(heap, blocks[i]);
            live++;
        }
    }
    size_t walked = 0;
    assert_int_equal(ku_heap_walk(heap, count_bytes, &walked), live);
    assert_int_equal(walked, bytes);
    free(blocks);
    ku_heap_delete(heap);
}

static bool stop_at_once(const ku_block *block, void *argument) {
    (void)block;
    (void)argument;
    return false;
}

static void a_walk_stops_when_told(void **state) {
    (void)state;
    ku_heap *heap = heap_with(0, 0);
    ku_heap_malloc(heap, 10);
    ku_heap_malloc(heap, 10);
    assert_int_equal(ku_heap_walk(heap, stop_at_once, NULL), 1);
    ku_heap_delete(heap);
}

static void *free_from_another_thread(void *argument) {
    void **blocks = argument;
    for (size_t i = 0; blocks[i] != NULL; i++) {
        ku_heap_free_remote(blocks[i]);
    }
    return NULL;
}

static void blocks_freed_by_another_thread_come_home(void **state) {
    (void)state;
    ku_heap *heap = heap_with(KU_HEAP_SHARED, 0);
    enum { COUNT = 10000 };
    void **blocks = calloc(COUNT + 1, sizeof *blocks);
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            blocks[i] = ku_heap_malloc(heap, i % 600 + 8);
        }
        pthread_t thread;
        pthread_create(&thread, NULL, free_from_another_thread, blocks);
        for (int i = 0; i < 100000; i++) {
            ku_heap_free(heap, ku_heap_malloc(heap, 64));
        }
        pthread_join(thread, NULL);
    }
    ku_heap_stats stats = stats_of(heap);
    assert_int_equal(stats.blocks_used, 0);
    assert_int_equal(stats.large_blocks, 0);
    free(blocks);
    ku_heap_delete(heap);
}

static void bad_options_are_named(void **state) {
    (void)state;
    ku_error error = {0};
    ku_heap_options options = {.flags = 1u << 20};
    assert_null(ku_heap_new(&options, &error));
    assert_int_equal(error.code, KU_INVALID);
    assert_true(strlen(error.message) > 20);
    assert_string_equal(ku_code_name(KU_INVALID), "KU_INVALID");
}

/* ---- random operations against a model ---- */

typedef struct slot {
    unsigned char *block;
    size_t size;
    unsigned char fill;
} slot;

static void verify(const slot *s) {
    for (size_t i = 0; i < s->size; i++) {
        assert_int_equal(s->block[i], s->fill);
    }
}

static size_t some_size(uint64_t *random) {
    uint64_t r = next_random(random);
    return r % 10 == 0 ? r / 16 % 5000 : r / 16 % 513;
}

static void refill_slot(ku_heap *heap, slot *s, uint64_t *random) {
    s->size = some_size(random);
    s->fill = (unsigned char)next_random(random);
    s->block = ku_heap_malloc(heap, s->size);
    assert_non_null(s->block);
    memset(s->block, s->fill, s->size);
}

static void resize_slot(ku_heap *heap, slot *s, uint64_t *random) {
    size_t size = some_size(random), kept = size < s->size ? size : s->size;
    s->block = ku_heap_realloc(heap, s->block, size);
    assert_non_null(s->block);
    s->size = kept;
    verify(s);
    s->size = size;
    memset(s->block, s->fill, size);
}

static void random_operations(unsigned flags, size_t operations) {
    enum { SLOTS = 4000 };
    static slot slots[SLOTS];
    memset(slots, 0, sizeof slots);
    ku_heap *heap = heap_with(flags, 0);
    uint64_t random = 88172645463325252u;
    size_t live = 0;
    for (size_t i = 0; i < operations; i++) {
        slot *s = &slots[next_random(&random) % SLOTS];
        if (s->block == NULL) {
            refill_slot(heap, s, &random);
            live++;
        } else if (next_random(&random) % 4 == 0) {
            resize_slot(heap, s, &random);
        } else {
            verify(s);
            ku_heap_free(heap, s->block);
            s->block = NULL;
            live--;
        }
        if (i % (operations / 8) == 0) {
            size_t bytes = 0;
            assert_int_equal(ku_heap_walk(heap, count_bytes, &bytes), live);
            ku_heap_purge(heap);
        }
    }
    assert_int_equal(ku_heap_check_fences(heap), 0);
    ku_heap_delete(heap);
}

static void random_operations_agree_with_a_model(void **state) {
    (void)state;
    random_operations(0, OPERATIONS);
}

static void random_operations_agree_with_a_model_behind_fences(void **state) {
    (void)state;
    random_operations(KU_HEAP_FENCES, OPERATIONS / 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forty_bytes_take_a_block_of_48),
        cmocka_unit_test(every_small_size_gets_its_class),
        cmocka_unit_test(pool_arithmetic_is_the_classic_one),
        cmocka_unit_test(an_emptied_pool_serves_another_size),
        cmocka_unit_test(empty_arenas_go_back_to_the_system),
        cmocka_unit_test(pools_that_stay_free_give_their_pages_back),
        cmocka_unit_test(a_limit_refuses_and_leaves_the_heap_usable),
        cmocka_unit_test(a_limit_counts_nothing_that_only_waits),
        cmocka_unit_test(sharing_goes_with_the_registry),
        cmocka_unit_test(calloc_zeroes_and_refuses_overflow),
        cmocka_unit_test(realloc_keeps_contents_across_classes_and_large),
        cmocka_unit_test(aligned_blocks_are_aligned_and_free_like_others),
        cmocka_unit_test(large_blocks_are_counted_and_found),
        cmocka_unit_test(heaps_side_by_side_do_not_meet),
        cmocka_unit_test(a_number_is_free_again_after_delete),
        cmocka_unit_test(the_heap_after_the_last_number_is_refused),
        cmocka_unit_test(a_walk_meets_every_live_block_once),
        cmocka_unit_test(a_walk_stops_when_told),
        cmocka_unit_test(blocks_freed_by_another_thread_come_home),
        cmocka_unit_test(bad_options_are_named),
        cmocka_unit_test(random_operations_agree_with_a_model),
        cmocka_unit_test(random_operations_agree_with_a_model_behind_fences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
