/* test_thread.c: threads of the library's own are gone when their end was waited for, and hear no signals. */
#include "os/thread.h"

#include "support.h"

#include <dirent.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

static int thread_count(void) {
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

static void *note(void *argument) {
    atomic_int *ran = argument;
    ++*ran;
    return NULL;
}

/* With pthread_join() alone, a few of ten thousand threads are still listed when it returns. */
static void test_no_thread_is_listed_once_its_end_was_waited_for(void **state) {
    (void)state;
    int before = thread_count(), listed = 0;
    atomic_int ran = 0;
    for (int i = 0; i < 3000; i++) {
        ku__thread thread;
        assert_int_equal(ku__thread_start(&thread, note, &ran, i % 2 == 0 ? 0 : (size_t)256 << 10), 0);
        ku__thread_end(&thread);
        listed += thread_count() != before;
    }
    assert_int_equal(ran, 3000);
    assert_int_equal(listed, 0);
}

static void *blocked_signals(void *argument) {
    pthread_sigmask(SIG_SETMASK, NULL, argument);
    return NULL;
}

static void test_every_signal_is_blocked_in_it_and_none_in_who_starts_it(void **state) {
    (void)state;
    sigset_t before, inside, after;
    ku__thread thread;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(ku__thread_start(&thread, blocked_signals, &inside, 0), 0);
    ku__thread_end(&thread);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int number = 1; number < 32; number++) {
        if (number != SIGKILL && number != SIGSTOP) assert_true(sigismember(&inside, number));
        assert_int_equal(sigismember(&after, number), sigismember(&before, number));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_thread_is_listed_once_its_end_was_waited_for),
        cmocka_unit_test(test_every_signal_is_blocked_in_it_and_none_in_who_starts_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
