/* process.c: see process.h. */
#define _DEFAULT_SOURCE
#include "process.h"

#include "pages.h"

#include <fcntl.h>
#include <stdlib.h>
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
