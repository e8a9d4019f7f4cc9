/* test_faults.c: every request for memory that the library makes of the system is refused in turn; and starts and
 * forks under limits that a user may have set. */
#include "support.h"

#include "alloc/fast.h"
#include "os/pages.h"

#include <kucha/kucha.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef KU_CHECKING
enum { KEPT = 3000 };

/* Uses most of the library; whatever is refused must be reported, and all that was given must go back. Returns
 * whether nothing was refused. */
static bool scenario(unsigned flags) {
    static void *kept[KEPT];
    ku_error error = {0};
    ku_heap_options options = {.name = "faults", .flags = flags};
    ku_heap *heap = ku_heap_new(&options, &error);
    if (heap == NULL) {
        assert_int_equal(error.code, KU_NO_MEMORY);
        return false;
    }
    bool whole = true;
    memset(kept, 0, sizeof kept);
    if ((flags & KU_HEAP_FENCES) == 0) {
        whole = ku__sites_enable(heap);
    }
    for (size_t i = 0; i < KEPT; i++) {
        kept[i] = ku_heap_malloc(heap, i % 10 == 0 ? 600 + i : i % 513);
        if (kept[i] == NULL) {
            assert_int_equal(ku_heap_last_refusal(heap), KU_NO_MEMORY);
            whole = false;
        } else {
            memset(kept[i], 1, i % 513);
        }
    }
    whole = whole && !heap->sites_lost;
    for (size_t i = 0; i < KEPT; i++) {
        ku_heap_free(heap, kept[i]);
    }
    void *after = ku_heap_malloc(heap, 100); /* still usable */
    assert_true(after != NULL || !whole);
    ku_heap_free(heap, after);
    ku_heap_purge(heap);
    ku_heap_stats stats;
    ku_heap_stats_read(heap, &stats);
    if ((flags & KU_HEAP_FENCES) == 0) {
        assert_int_equal(stats.blocks_used + stats.large_blocks, 0);
    }
    ku_heap_delete(heap);
    return whole;
}

static void refuse_each(unsigned flags) {
    assert_true(scenario(flags));
    size_t number = 1, refused = 0;
    for (;; number++) {
        ku__pages_fail_at(number);
        bool whole = scenario(flags);
        size_t asked = ku__pages_fail_at(0);
        if (asked < number) {
            assert_true(whole);
            break;
        }
        refused += !whole;
    }
    assert_true(number > 4);
    assert_true(refused >= 3);
}

static void each_refusal_is_reported_and_leaves_the_heap_whole(void **state) {
    (void)state;
    refuse_each(0);
}

static void each_refusal_behind_fences_too(void **state) {
    (void)state;
    refuse_each(KU_HEAP_FENCES);
}
#endif

/* ---- limits of the process, each in a child ---- */

static int in_child(int (*body)(void)) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(body());
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* their shadow alone is over such limits */
#define ADDRESS_LIMITS 1
#endif

static int use_some(size_t bytes) {
    ku_heap *heap = ku_heap_new(NULL, NULL);
    if (heap == NULL) {
        return 10;
    }
    for (size_t i = 0; i < bytes / 512; i++) {
        unsigned char *block = ku_heap_malloc(heap, 512);
        if (block == NULL) {
            return 11;
        }
        block[0] = 1;
    }
    ku_heap_delete(heap);
    return 0;
}

#ifdef ADDRESS_LIMITS
static int limit_addresses(size_t bytes) {
    struct rlimit limit = {bytes, bytes};
    return setrlimit(RLIMIT_AS, &limit);
}

static int start_under_a_gibibyte(void) {
    return limit_addresses((size_t)1 << 30) != 0 ? 9 : use_some((size_t)100 << 20);
}

static int start_under_64_mebibytes(void) {
    return limit_addresses((size_t)64 << 20) != 0 ? 9 : use_some((size_t)10 << 20);
}

static int lower_the_limit_later(void) {
    ku_heap *heap = ku_heap_new(NULL, NULL);
    if (heap == NULL || ku_heap_malloc(heap, 100) == NULL || limit_addresses((size_t)1 << 30) != 0) {
        return 9;
    }
    void *libc_block = malloc((size_t)10 << 20), *block = ku_heap_malloc(heap, (size_t)10 << 20);
    int result = libc_block == NULL || block == NULL;
    free(libc_block);
    ku_heap_delete(heap);
    return result;
}

static int run_into_the_limit(void) {
    if (limit_addresses((size_t)300 << 20) != 0) {
        return 9;
    }
    ku_heap *heap = ku_heap_new(NULL, NULL);
    void *last = NULL, *block;
    while ((block = ku_heap_malloc(heap, 256)) != NULL) {
        memcpy(block, &last, sizeof last);
        last = block;
    }
    if (ku_heap_last_refusal(heap) != KU_NO_MEMORY) {
        return 12;
    }
    while (last != NULL) {
        memcpy(&block, last, sizeof block);
        ku_heap_free(heap, last);
        last = block;
    }
    return ku_heap_malloc(heap, 400) == NULL;
}

/* How many blocks a heap gives under the limit, through a page that a child shares. */
static size_t *blocks_given;

static int fill_to_the_limit(ku_huge_pages wish) {
    ku_heap_options options = {.huge_pages = wish};
    ku_heap *heap = ku_heap_new(&options, NULL);
    if (heap == NULL || limit_addresses((size_t)250 << 20) != 0) {
        return 9;
    }
    *blocks_given = 0;
    for (unsigned char *block; (block = ku_heap_malloc(heap, 256)) != NULL; ++*blocks_given) block[0] = 1;
    return ku_heap_last_refusal(heap) != KU_NO_MEMORY;
}

static int fill_with_memory_taken_ahead(void) {
    return fill_to_the_limit(KU_HUGE_AUTO);
}

static int fill_with_none_taken_ahead(void) {
    return fill_to_the_limit(KU_HUGE_NEVER);
}

static void memory_taken_ahead_costs_no_addresses(void **state) {
    (void)state;
    blocks_given = mmap(NULL, sizeof *blocks_given, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(blocks_given != MAP_FAILED);
    assert_int_equal(in_child(fill_with_none_taken_ahead), 0);
    size_t none = *blocks_given, apart = ((size_t)4 << 20) / 256; /* an arena */
    assert_int_equal(in_child(fill_with_memory_taken_ahead), 0);
    assert_true(*blocks_given > ((size_t)100 << 20) / 256);
    assert_in_range(*blocks_given, none - apart, none + apart);
    munmap(blocks_given, sizeof *blocks_given);
}

static void it_starts_and_works_under_a_gibibyte_of_addresses(void **state) {
    (void)state;
    assert_int_equal(in_child(start_under_a_gibibyte), 0);
}

static void it_starts_and_works_under_64_mebibytes(void **state) {
    (void)state;
    assert_int_equal(in_child(start_under_64_mebibytes), 0);
}

static void a_limit_lowered_later_leaves_room(void **state) {
    (void)state;
    assert_int_equal(in_child(lower_the_limit_later), 0);
}

static void the_limit_of_addresses_is_an_error_to_report(void **state) {
    (void)state;
    assert_int_equal(in_child(run_into_the_limit), 0);
}
#endif

/* Inside of AddressSanitizer or Valgrind a child that was refused at its very start reports so, as here. */
#ifdef KU_CHECKING
static size_t refused_request;

static int first_use(void) {
    ku__pages_fail_at(refused_request);
    bool whole = scenario(0);
    bool came = ku__pages_fail_at(0) >= refused_request;
    return scenario(0) ? (came ? 1 + whole : 0) : 20; /* afterwards all is well again */
}

static void each_refusal_at_the_very_start(void **state) {
    (void)state;
    size_t refused = 0;
    int code;
    for (refused_request = 1; (code = in_child(first_use)) != 0; refused_request++) {
        assert_in_range(code, 1, 2);
        refused += code == 1;
    }
    assert_true(refused >= 3);
}
#endif

/* ---- fork while another thread is busy ---- */

static _Atomic bool stop;

static void *keep_busy(void *argument) {
    ku_heap *heap = argument;
    void *blocks[200];
    while (!stop) {
        for (int i = 0; i < 200; i++) {
            blocks[i] = ku_heap_malloc(heap, 400 + (size_t)i * 7);
        }
        for (int i = 0; i < 200; i++) {
            ku_heap_free(heap, blocks[i]);
        }
        ku_heap_purge(heap);
    }
    return NULL;
}

static int use_after_fork(void) {
    return use_some((size_t)20 << 20);
}

static void a_forked_child_finds_no_lock_held(void **state) {
    (void)state;
    ku_heap_options options = {.flags = KU_HEAP_SHARED};
    ku_heap *heap = ku_heap_new(&options, NULL);
    pthread_t thread;
    stop = false;
    pthread_create(&thread, NULL, keep_busy, heap);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(in_child(use_after_fork), 0);
    }
    stop = true;
    pthread_join(thread, NULL);
    ku_heap_delete(heap);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#ifdef KU_CHECKING
        cmocka_unit_test(each_refusal_at_the_very_start), /* first: no heap was made yet in this process */
        cmocka_unit_test(each_refusal_is_reported_and_leaves_the_heap_whole),
        cmocka_unit_test(each_refusal_behind_fences_too),
#endif
#ifdef ADDRESS_LIMITS
        cmocka_unit_test(it_starts_and_works_under_a_gibibyte_of_addresses),
        cmocka_unit_test(it_starts_and_works_under_64_mebibytes),
        cmocka_unit_test(a_limit_lowered_later_leaves_room),
        cmocka_unit_test(the_limit_of_addresses_is_an_error_to_report),
        cmocka_unit_test(memory_taken_ahead_costs_no_addresses),
#endif
        cmocka_unit_test(a_forked_child_finds_no_lock_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
