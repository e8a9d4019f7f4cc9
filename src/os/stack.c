/* stack.c: where the calling thread's C stack ends. See stack.h. */
#include "os/stack.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* What is kept free below: whoever finds that the stack is used up still reports it, runs finalizers, and gives up
 * references 50 calls deep (KU__DEPTH_MAX), which the sanitizers' builds need 200 KiB for. A small stack keeps a
 * quarter. */
enum { RESERVE = 256 << 10 };

/* The main thread's stack grows as far as its limit allows, which may be "unlimited". */
static const size_t LARGEST = (size_t)1 << 30;

static bool ask_system(uintptr_t *end, size_t *bytes) {
    pthread_attr_t attributes;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) {
        return false;
    }
    void *lowest = NULL;
    pthread_attr_getstack(&attributes, &lowest, bytes);
    pthread_attr_destroy(&attributes);
    *end = (uintptr_t)lowest + *bytes;
    return true;
}

static uintptr_t ask(void) {
    uintptr_t end;
    size_t bytes;
    if (!ask_system(&end, &bytes)) {
        return 0;
    }
    bytes = bytes > LARGEST ? LARGEST : bytes;
    return end - bytes + (bytes / 4 < RESERVE ? bytes / 4 : RESERVE);
}

uintptr_t ku__stack_least(void) {
    static _Thread_local uintptr_t known;
    if (known == 0) {
        known = ask();
    }
    return known;
}

uintptr_t ku__stack_end(void) {
    static _Thread_local uintptr_t known;
    size_t bytes;
    if (known == 0 && !ask_system(&known, &bytes)) {
        known = 0;
    }
    return known;
}
