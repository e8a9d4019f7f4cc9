/* bridge.h: the state of the bridge between CPython's memory domains and kucha's heaps; one for the process.
 *
 * What CPython calls. The interpreter reaches an allocator through four functions and a `ctx` (PyMemAllocatorEx); the
 * heap is the ctx. For one GIL there are several sets of entry points (plain, traced, sampled), and what is on or off
 * is decided by which set is in place, never by a test in the set. For many GILs there is one set, which asks (many.c).
 *
 * What was there before. The allocators found at install are kept in `original`. A block that no heap knows was born
 * before and goes back to them; so they must stay usable, and so the bridge can never be taken out again: a block of
 * ours would reach an allocator that does not know it.
 *
 * Houses. A house is what one interpreter owns: a heap for its objects and one for its buffers, which share a registry
 * of large blocks. Houses are never freed; that of an interpreter that ended is taken over by a later one (many.c).
 *
 * Lock: the GIL of the main interpreter, but for the fields said to be read without it.
 */
#ifndef KU__BRIDGE_H
#define KU__BRIDGE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "alloc/fast.h"

#include <stdatomic.h>
#include <stdbool.h>

/* A variable of this module alone: read without a detour through the table of what may be elsewhere. */
#define KU__HIDDEN __attribute__((visibility("hidden")))

/* A slow path: kept out of the entry points that call it. */
#define KU__COLD __attribute__((noinline, cold))

typedef struct ku__house {
    _Atomic(int64_t) owner; /* id of the interpreter; ids are never given twice */
    ku_heap *objects;       /* NULL in both where the system refused a heap: then the original allocator serves */
    ku_heap *buffers;
    uint64_t era;           /* the tracer that the heaps' slots are of; under the lock of tracing (many.h) */
    bool watched;           /* the set for many tells watch.h of what its interpreter frees; under its GIL */
    struct ku__house *next; /* written before the house is published in `houses`; never changes */
} ku__house;

typedef enum ku__entry_kind {
    KU__ENTRIES_PLAIN,
    KU__ENTRIES_TRACED_ONE, /* one frame */
    KU__ENTRIES_TRACED,
    KU__ENTRIES_SAMPLED,
} ku__entry_kind;

/* One set of entry points, without the ctx. */
typedef struct ku__entry_set {
    void *(*malloc)(void *ctx, size_t size);
    void *(*calloc)(void *ctx, size_t count, size_t size);
    void *(*realloc)(void *ctx, void *block, size_t size);
    void (*free)(void *ctx, void *block);
} ku__entry_set;

typedef struct ku__bridge {
    bool installed;
    bool many;  /* there may be several GILs: entry points look up the running interpreter */
    bool gated; /* see ku__bridge_gate() */
    ku__entry_kind kind;
    bool rolled;                        /* of the sets for one GIL, those are used that keep rolls (alloc/roll.h) */
    bool counted;                       /* the set of counted.h stands in front */
    bool watched;                       /* for one GIL: the set of watch.h stands in front of all */
    const struct ku__entry_set *placed; /* the set that was last put in place */
    const struct ku__entry_set *behind; /* the set for (kind, many): the same, or what stands behind counted.h's */
    PyMemAllocatorEx original_objects;  /* fixed at install; read without a lock */
    PyMemAllocatorEx original_buffers;
    ku__house *main_house;       /* fixed at install; read without a lock */
    _Atomic(ku__house *) houses; /* all of them; only ever grows at its head */
    _Atomic(size_t) house_count;
} ku__bridge;

extern KU__HIDDEN ku__bridge ku__bridge_state;

/* For one GIL: without rolls, which cost every free four instructions, and with. */
extern KU__HIDDEN const ku__entry_set ku__entries_plain, ku__entries_rolled;
extern KU__HIDDEN const ku__entry_set ku__entries_traced_one, ku__entries_traced_one_rolled;
extern KU__HIDDEN const ku__entry_set ku__entries_traced, ku__entries_traced_rolled;
extern KU__HIDDEN const ku__entry_set ku__entries_sampled, ku__entries_sampled_rolled;
/* For several GILs, whatever is traced; rolls are kept. */
extern KU__HIDDEN const ku__entry_set ku__entries_many;

/* Makes the main interpreter's heaps and puts the plain entry points in place. Returns 0, or -1 with a sentence in
 * `error`. The caller has made sure that the allocators in place are stock ones. */
int ku__bridge_install(ku_error *error);

/* Whether the entry points that CPython calls now are the ones the bridge last put there, in both domains. */
bool ku__bridge_in_place(void);

/* Puts the set for (`kind`, many) in place. False, and no change, when somebody else's functions are there now. */
bool ku__bridge_switch(ku__entry_kind kind, bool many);

/* Puts the counting set (counted.h) in front of the one in place, or takes it away. False, and no change, where
 * kucha is not installed or somebody else's functions are there now. While several interpreters run what is there
 * stays; true where that is the counting set. */
bool ku__bridge_count(bool counted);

/* Puts entry points that keep rolls in place of those that do not, or the other way round, now and whenever others are
 * chosen. False, and no change, as above. */
bool ku__bridge_roll(bool rolled);

/* Has what the main interpreter's heap frees told to watch.h, or no longer: for one GIL by the watching set in front of
 * all others, for many by their own set. False, and no beginning, where kucha is not installed or somebody else's
 * functions are there now. */
bool ku__bridge_watch(bool watched);

/* For when there will be several GILs and the entry points cannot be exchanged, because another tool's wrapper has
 * ours in its hands and calls them with the main interpreter's heaps, whichever interpreter runs: closes the front
 * of those heaps, so that every call takes a slow path, which asks who is running. Nothing is traced from then on. */
void ku__bridge_gate(void);

/* A house with two new heaps, not yet in the list; heaps NULL where the system refused. NULL without memory at all. */
ku__house *ku__house_new(int64_t owner, ku_error *error);

/* All houses with heaps, the main interpreter's first: NULL gives the first, and the last gives NULL. Any thread. */
ku__house *ku__house_next(const ku__house *after);

/* The allocator that blocks of this heap's domain came from before install. */
static inline const PyMemAllocatorEx *ku__original_of(const ku_heap *heap) {
    return heap->domain == KU_DOMAIN_OBJECT ? &ku__bridge_state.original_objects : &ku__bridge_state.original_buffers;
}

#endif
