/* calls.h: the allocator under measurement, as five calls.
 *
 * Every program in this folder is one source compiled three times:
 *
 *   BENCH_MALLOC    malloc and free of the process; a peer (jemalloc, tcmalloc, mimalloc) replaces them by LD_PRELOAD
 *   BENCH_PYMALLOC  PyObject_Malloc and PyObject_Free of an embedded libpython
 *   BENCH_KUCHA     ku_heap_malloc and ku_heap_free of one heap, from the shared libkucha
 *
 * In each case a call crosses from the program into a shared library through the PLT, as a user's would, and is
 * inlined nowhere; so what differs between two results is the allocator. kucha's calls carry one argument more, the
 * heap, and pymalloc's pass through PyObject_Malloc's own indirection, since users of either pay for that as well.
 */
#ifndef KUCHA_BENCH_CALLS_H
#define KUCHA_BENCH_CALLS_H

#include <stddef.h>

#if defined(BENCH_KUCHA)

#include <kucha/heap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ku_heap *bench_heap;

/* KUCHA_BENCH_HUGE=always or never in the environment, so that one binary measures all settings. */
static void bench_start(void) {
    const char *huge = getenv("KUCHA_BENCH_HUGE");
    ku_heap_options options = {.name = "bench", .domain = KU_DOMAIN_NATIVE};
    if (huge != NULL) {
        options.huge_pages = strcmp(huge, "always") == 0 ? KU_HUGE_ALWAYS : KU_HUGE_NEVER;
    }
    ku_error error = {0};
    bench_heap = ku_heap_new(&options, &error);
    if (bench_heap == NULL) {
        fprintf(stderr, "bench: %s\n", error.message);
        exit(2);
    }
}

static inline void *bench_malloc(size_t size) {
    return ku_heap_malloc(bench_heap, size);
}

static inline void bench_free(void *block) {
    ku_heap_free(bench_heap, block);
}

static inline void bench_purge(void) {
    ku_heap_purge(bench_heap);
}

static const char *bench_kind(void) {
    return "kucha";
}

#elif defined(BENCH_PYMALLOC)

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* The interpreter is not started: the object domain works without it, and its own blocks would be noise. */
static void bench_start(void) {}

static inline void *bench_malloc(size_t size) {
    return PyObject_Malloc(size);
}

static inline void bench_free(void *block) {
    PyObject_Free(block);
}

/* pymalloc has no such call: it unmaps an arena when its last pool is empty. */
static inline void bench_purge(void) {}

static const char *bench_kind(void) {
    return "pymalloc";
}

#elif defined(BENCH_MALLOC)

#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>

static void bench_start(void) {}

static inline void *bench_malloc(size_t size) {
    return malloc(size);
}

static inline void bench_free(void *block) {
    free(block);
}

/* Each peer's own way of giving memory back, looked up by name in whatever was preloaded. glibc's comes last, since
 * its malloc_trim is there even when another malloc serves the process. */
static inline void bench_purge(void) {
    void (*collect)(bool) = (void (*)(bool))dlsym(RTLD_DEFAULT, "mi_collect");
    void (*release)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "MallocExtension_ReleaseFreeMemory");
    int (*control)(const char *, void *, size_t *, void *, size_t) =
        (int (*)(const char *, void *, size_t *, void *, size_t))dlsym(RTLD_DEFAULT, "mallctl");
    int (*trim)(size_t) = (int (*)(size_t))dlsym(RTLD_DEFAULT, "malloc_trim");
    if (collect != NULL) {
        collect(true);
    } else if (release != NULL) {
        release();
    } else if (control != NULL) {
        control("thread.tcache.flush", NULL, NULL, NULL, 0);
        control("arena.4096.purge", NULL, NULL, NULL, 0); /* 4096 is MALLCTL_ARENAS_ALL */
    } else if (trim != NULL) {
        trim(0);
    }
}

static const char *bench_kind(void) {
    return "malloc";
}

#else
#error "define BENCH_MALLOC, BENCH_PYMALLOC or BENCH_KUCHA"
#endif

#endif
