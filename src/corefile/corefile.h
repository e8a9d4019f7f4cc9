/* corefile.h: from a core file, or a process that goes on, to the graph of what was alive in it.
 *
 * Three kinds of programs leave cores that can be read: CPython 3.11 to 3.15 under kucha's allocator, of which every
 * block is known; CPython without it, of which everything is known that the collector's lists, modules, threads and
 * frames lead to; and programs of kucha's own C library, whose heaps are walked. docs/core-files.md has what a core
 * must hold.
 */
#ifndef KU__COREFILE_H
#define KU__COREFILE_H

#include <kucha/graph.h>

typedef struct ku__core_order {
    const char *path;    /* of the core; NULL: `bytes` */
    const char *program; /* of the program that left it; NULL: as the core names it */
    const char *root;    /* stands before the paths that the core names; NULL: none */
    const void *bytes;   /* aligned to 8 */
    size_t size;
    uint32_t process;   /* instead of a core: one that goes on, and is stopped while it is copied (living.h); 0: none */
    const char *folder; /* for a copy of it that is too large for memory */
    double hold;        /* seconds that it may stand still for a thread that waits in the kernel (halt.h) */
    double patience;    /* seconds that such a thread is waited for, while nothing stands still */
} ku__core_order;

/* What was found out, for people. */
typedef struct ku__core_outcome {
    char runtime[32]; /* "CPython 3.11.7" */
    bool hosted;      /* it ran under kucha */
    size_t missing;   /* files that the core leaves pages to, and that could not be had */
    char first_missing[128];
    double stopped; /* seconds that the process stood still */
} ku__core_outcome;

/* The graph; NULL with `error` filled: KU_IO, KU_NO_MEMORY, KU_CORRUPT with a sentence; of a process also KU_GONE,
 * KU_ZOMBIE, KU_DENIED and KU_STATE, as halt.h has them. */
ku_graph *ku__core_graph(const ku__core_order *order, ku__core_outcome *outcome, ku_error *error);

#endif
