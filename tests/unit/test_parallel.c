/* test_parallel.c: several heaps at once, each with its thread, and blocks that other threads give back.
 * ThreadSanitizer watches this program in `make tsan`. */
#include "support.h"

#include <kucha/kucha.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { THREADS = 4, MAILBOX = 256 };

/* What one thread leaves for the next to free. */
static _Atomic(void *) mail[THREADS][MAILBOX];

typedef struct worker {
    pthread_t thread;
    unsigned number;
    size_t operations;
} worker;

static ku_heap *shared_heap(void) {
    ku_heap_options options = {.name = "parallel", .flags = KU_HEAP_SHARED};
    ku_heap *heap = ku_heap_new(&options, NULL);
    assert_non_null(heap);
    return heap;
}

static void take_mail(unsigned number, size_t place) {
    void *block = mail[number][place] != NULL ? atomic_exchange(&mail[number][place], NULL) : NULL;
    ku_heap_free_remote(block);
}

/* Blocks go to the next worker's box; where that is full, home. */
static void post(ku_heap *heap, unsigned number, size_t place, void *block) {
    void *empty = NULL;
    if (!atomic_compare_exchange_strong(&mail[(number + 1) % THREADS][place], &empty, block)) {
        ku_heap_free(heap, block);
    }
}

static void *work(void *argument) {
    worker *me = argument;
    ku_heap *heap = shared_heap();
    uint64_t random = 77 + me->number;
    for (size_t i = 0; i < me->operations; i++) {
        size_t r = next_random(&random), size = r % 16 == 0 ? 513 + r / 16 % 3000 : r / 16 % 512;
        unsigned char *block = ku_heap_malloc(heap, size);
        assert_non_null(block);
        memset(block, (int)me->number, size);
        post(heap, me->number, r / 65536 % MAILBOX, block);
        take_mail(me->number, next_random(&random) % MAILBOX);
        if (i % 5000 == 0) {
            ku_heap_purge(heap);
        }
    }
    return heap;
}

static void *make_and_end(void *argument) {
    worker *me = argument;
    for (size_t i = 0; i < me->operations; i++) {
        ku_heap *heap = shared_heap();
        void *small = ku_heap_malloc(heap, 100), *large = ku_heap_malloc(heap, 1000);
        assert_non_null(small);
        assert_non_null(large);
        ku_heap_free(heap, small);
        ku_heap_delete(heap); /* with its large block */
    }
    return NULL;
}

static size_t empty_mail(void) {
    size_t left = 0;
    for (unsigned n = 0; n < THREADS; n++) {
        for (size_t i = 0; i < MAILBOX; i++) {
            left += mail[n][i] != NULL;
            take_mail(n, i);
        }
    }
    return left;
}

static void blocks_given_to_other_threads_all_come_home(void **state) {
    (void)state;
    worker workers[THREADS];
    ku_heap *heaps[THREADS];
    for (unsigned n = 0; n < THREADS; n++) {
        workers[n] = (worker){.number = n, .operations = OPERATIONS / THREADS / 2};
        assert_int_equal(pthread_create(&workers[n].thread, NULL, work, &workers[n]), 0);
    }
    worker other = {.operations = 200};
    pthread_create(&other.thread, NULL, make_and_end, &other);
    for (unsigned n = 0; n < THREADS; n++) {
        void *heap;
        pthread_join(workers[n].thread, &heap);
        heaps[n] = heap;
    }
    pthread_join(other.thread, NULL);
    assert_true(empty_mail() > 0);
    for (unsigned n = 0; n < THREADS; n++) {
        ku_heap_stats s;
        ku_heap_stats_read(heaps[n], &s);
        assert_int_equal(s.blocks_used, 0);
        assert_int_equal(s.large_blocks, 0);
        assert_int_equal(s.large_bytes, 0);
        ku_heap_delete(heaps[n]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_given_to_other_threads_all_come_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
