/* process.c: see process.h. */
#define _DEFAULT_SOURCE
#include "process.h"

#include "pages.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The second number of /proc/self/statm, in pages. Without stdio: this runs beside a program that must not see it. */
uint64_t ku__process_resident(void) {
    char text[128];
    int descriptor = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return 0;
    ssize_t got = read(descriptor, text, sizeof text - 1);
    close(descriptor);
    if (got <= 0) return 0;
    text[got] = 0;
    char *rest;
    strtoull(text, &rest, 10);
    return strtoull(rest, NULL, 10) * ku__page_size();
}

/* The text is "running", or the number of the system call and its arguments. */
static bool read_call(long thread, char *text, size_t size) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%ld/syscall", thread);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return false;
    ssize_t got = read(descriptor, text, size - 1);
    close(descriptor);
    text[got > 0 ? got : 0] = 0;
    return got > 0;
}

ku__doing ku__process_thread_doing(long thread, uintptr_t *address) {
    char text[256], *rest;
    if (!read_call(thread, text, sizeof text)) return KU__DOING_UNKNOWN;
    long number = strtol(text, &rest, 10);
    if (rest == text) return KU__DOING_RUNS;
    if (number != SYS_futex) return KU__DOING_ELSE;
    *address = (uintptr_t)strtoull(rest, NULL, 16);
    return KU__DOING_FUTEX;
}

#ifdef __GLIBC__

static void (*at_exit)(int status);

static void pass_on(int status, void *ignored) {
    (void)ignored;
    at_exit(status);
}

bool ku__process_at_exit(void (*call)(int status)) {
    at_exit = call;
    return on_exit(pass_on, NULL) == 0;
}

#else

bool ku__process_at_exit(void (*call)(int status)) {
    (void)call;
    return false;
}

#endif
