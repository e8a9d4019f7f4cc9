/* test_lock.c: threads that share an isolate: exclusion, turns, requests at the switch interval, and what is a thread's
 * own. ThreadSanitizer watches this program in `make tsan`. */
#include "native.h"

#include "object/held.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, ROUNDS = 20000 };

typedef struct shared {
    ku_isolate *isolate;
    ku_object *object;
    uint64_t plain; /* written by whoever holds the lock: a race is seen by ThreadSanitizer, and in the sum */
    _Atomic bool stop;
} shared;

static void *count_up(void *argument) {
    shared *all = argument;
    assert_true(ku_thread_enter(all->isolate, NULL));
    for (int i = 0; i < ROUNDS; i++) {
        KU_FRAME(all->isolate, frame, 1);
        assert_true(ku_frame_entered(&frame));
        ku_hold(&frame, 0, ku_new_reference(all->object));
        all->plain++;
        if (i % 100 == 0) {
            KU_UNLOCKED(all->isolate) {
                sched_yield();
            }
        }
        assert_ptr_equal(ku_slot(&frame, 0), all->object);
    }
    ku_thread_leave(all->isolate);
    return NULL;
}

static void test_counts_are_right_however_many_threads_take_turns(void **state) {
    (void)state;
    shared all = {.isolate = open_isolate("shared")};
    assert_true(ku_lock_set_interval(all.isolate, 0.0001));
    all.object = new_node(all.isolate, 1);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, &all), 0);
    }
    KU_UNLOCKED(all.isolate) {
        for (int i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
        }
    }
    assert_int_equal(all.plain, (uint64_t)THREADS * ROUNDS);
    assert_int_equal(ku_reference_count(all.object), 1);
    ku_lock_stats stats;
    ku_lock_get_stats(all.isolate, &stats);
    assert_int_equal(stats.threads, 1);
    assert_int_equal(stats.waiting, 0);
    assert_true(stats.acquisitions >= (uint64_t)THREADS * ROUNDS / 100);
    assert_true(stats.waits <= stats.acquisitions && stats.handovers <= stats.requests);
    assert_true(stats.waited >= stats.waited_most && stats.held >= stats.held_most);
    ku_decref(all.isolate, all.object);
    close_isolate(all.isolate);
}

static void *compute(void *argument) {
    shared *all = argument;
    assert_true(ku_thread_enter(all->isolate, NULL));
    while (!atomic_load(&all->stop)) {
        KU_FRAME(all->isolate, frame, 0);
        assert_true(ku_frame_entered(&frame));
        all->plain++;
    }
    ku_thread_leave(all->isolate);
    return NULL;
}

static void test_a_computing_thread_hands_over_when_asked(void **state) {
    (void)state;
    shared all = {.isolate = open_isolate("busy")};
    assert_true(ku_lock_set_interval(all.isolate, 0.001));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, compute, &all), 0);
    uint64_t before = 0;
    for (int i = 0; i < 20; i++) {
        while (all.plain == before) {
            KU_FRAME(all.isolate, frame, 0); /* the thread never sleeps: only by asking does it get the lock */
            ku_lock_release(all.isolate);
            sched_yield();
            ku_lock_acquire(all.isolate);
        }
        before = all.plain;
    }
    atomic_store(&all.stop, true);
    KU_UNLOCKED(all.isolate) {
        pthread_join(thread, NULL);
    }
    ku_lock_stats stats;
    ku_lock_get_stats(all.isolate, &stats);
    assert_true(stats.handovers > 0);
    assert_true(stats.waits > 0 && stats.waited > 0);
    close_isolate(all.isolate);
}

static void *fail_in_thread(void *argument) {
    shared *all = argument;
    assert_true(ku_thread_enter(all->isolate, NULL));
    assert_null(ku_pending_error(all->isolate));
    ku_fail(all->isolate, KU_VALUE, "the other thread's");
    ku_thread_leave(all->isolate);
    return NULL;
}

static void test_a_pending_error_and_the_frames_are_a_thread_s_own(void **state) {
    (void)state;
    shared all = {.isolate = open_isolate("own")};
    {
        KU_FRAME(all.isolate, frame, 1);
        ku_hold(&frame, 0, new_node(all.isolate, 1));
        ku_fail(all.isolate, KU_KEY, "mine");
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, fail_in_thread, &all), 0);
        KU_UNLOCKED(all.isolate) {
            pthread_join(thread, NULL);
        }
        assert_string_equal(ku_pending_error(all.isolate)->message, "mine");
        ku_clear_error(all.isolate);
    }
    close_isolate(all.isolate);
}

static bool note_other(const ku_stack_entry *entry, void *argument) {
    size_t *of_others = argument;
    *of_others += entry->thread > 0 ? ku_stack_references(entry) : 0;
    return true;
}

static void *hold_and_wait(void *argument) {
    shared *all = argument;
    assert_true(ku_thread_enter(all->isolate, NULL));
    {
        KU_FRAME(all->isolate, frame, 2);
        ku_hold(&frame, 0, new_node(all->isolate, 1));
        ku_hold(&frame, 1, new_node(all->isolate, 2));
        all->plain = 1;
        KU_UNLOCKED(all->isolate) {
            while (!atomic_load(&all->stop)) {
                sched_yield();
            }
        }
    }
    ku_thread_leave(all->isolate);
    return NULL;
}

static void test_the_stack_of_a_thread_that_blocks_is_seen(void **state) {
    (void)state;
    shared all = {.isolate = open_isolate("blocked")};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, hold_and_wait, &all), 0);
    while (all.plain == 0) {
        ku_lock_release(all.isolate);
        sched_yield();
        ku_lock_acquire(all.isolate);
    }
    size_t of_others = 0;
    assert_int_equal(ku_stack_walk(all.isolate, note_other, &of_others), 1);
    assert_int_equal(of_others, 2);
    atomic_store(&all.stop, true);
    KU_UNLOCKED(all.isolate) {
        pthread_join(thread, NULL);
    }
    close_isolate(all.isolate);
}

static void test_entering_twice_and_wrong_intervals_are_refused(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("rules");
    ku_error error;
    assert_false(ku_thread_enter(isolate, &error));
    assert_int_equal(error.code, KU_STATE);
    assert_true(ku_lock_interval(isolate) == 0.005);
    assert_false(ku_lock_set_interval(isolate, 0));
    assert_false(ku_lock_set_interval(isolate, -1));
    assert_false(ku_lock_set_interval(isolate, 1001));
    assert_true(ku_lock_set_interval(isolate, 0.25));
    assert_true(ku_lock_interval(isolate) == 0.25);
    assert_true(ku_lock_is_held(isolate));
    ku_lock_release(isolate);
    assert_false(ku_lock_is_held(isolate));
    assert_false(ku_lock_yield(isolate) && false);
    ku_lock_acquire(isolate);
    close_isolate(isolate);
}

#ifdef KU_CHECKING
static void test_the_checking_build_ends_a_program_that_counts_without_the_lock(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("proof");
    ku_object *object = new_node(isolate, 1);
    assert_true(ku__held_object(object));
    ku_lock_release(isolate);
    assert_false(ku__held_object(object));
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        freopen("/dev/null", "w", stderr);
        signal(SIGABRT, SIG_DFL);
        ku_incref(object);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    ku_lock_acquire(isolate);
    ku_decref(isolate, object);
    close_isolate(isolate);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_are_right_however_many_threads_take_turns),
        cmocka_unit_test(test_a_computing_thread_hands_over_when_asked),
        cmocka_unit_test(test_a_pending_error_and_the_frames_are_a_thread_s_own),
        cmocka_unit_test(test_the_stack_of_a_thread_that_blocks_is_seen),
        cmocka_unit_test(test_entering_twice_and_wrong_intervals_are_refused),
#ifdef KU_CHECKING
        cmocka_unit_test(test_the_checking_build_ends_a_program_that_counts_without_the_lock),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
