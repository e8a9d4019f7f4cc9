/* test_aside.c: a process beside this one has its memory, none of its signals, and an end that nobody is told of. */
#define _GNU_SOURCE
#include "os/aside.h"

#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct seen {
    pid_t process, group;
    sigset_t blocked;
    char *allocated;
    int file;
} seen;

static void look(void *argument) {
    seen *at = argument;
    at->process = (pid_t)syscall(SYS_getpid);
    at->group = getpgid(0);
    sigprocmask(SIG_SETMASK, NULL, &at->blocked);
    at->allocated = strdup("made there");
    at->file = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void test_it_shares_memory_and_files_and_nothing_of_signals(void **state) {
    (void)state;
    seen at = {.file = -1};
    sigset_t before, after;
    sigprocmask(SIG_SETMASK, NULL, &before);
    assert_true(ku__aside_run(look, &at));
    sigprocmask(SIG_SETMASK, NULL, &after);
    assert_int_not_equal(at.process, getpid());
    assert_int_equal(at.group, at.process);
    assert_string_equal(at.allocated, "made there");
    assert_int_equal(close(at.file), 0);
    free(at.allocated);
    for (int number = 1; number < 32; number++) {
        assert_true(number == SIGKILL || number == SIGSTOP || sigismember(&at.blocked, number));
        assert_int_equal(sigismember(&after, number), sigismember(&before, number));
    }
}

static void fail_at(int number) {
    (void)number;
    abort();
}

static void test_its_end_is_told_nobody(void **state) {
    (void)state;
    seen at = {.file = -1};
    void (*before)(int) = signal(SIGCHLD, fail_at);
    for (int i = 0; i < 100; i++) {
        assert_true(ku__aside_run(look, &at));
        free(at.allocated);
        close(at.file);
        assert_int_equal(waitpid(-1, NULL, __WALL | WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
    }
    signal(SIGCHLD, before);
}

static void be_ended(void *argument) {
    (void)argument;
    syscall(SYS_kill, (pid_t)syscall(SYS_getpid), SIGKILL);
}

static void test_whoever_ends_it_is_noticed(void **state) {
    (void)state;
    assert_false(ku__aside_run(be_ended, NULL));
    assert_int_equal(errno, ECANCELED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_shares_memory_and_files_and_nothing_of_signals),
        cmocka_unit_test(test_its_end_is_told_nobody),
        cmocka_unit_test(test_whoever_ends_it_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
