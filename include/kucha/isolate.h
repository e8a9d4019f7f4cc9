/* isolate.h: isolates: heaps of objects that share nothing.
 *
 * An isolate has its own allocator, collector, lock, singletons, interned strings and pending error. Objects of two
 * isolates never refer to one another; what passes between them is copied (channel.h). Everything that takes an isolate
 * must hold its lock (lock.h); a program with one thread never notices: the thread that makes an isolate holds it.
 *
 * What lies where: objects that may be part of cycles in one heap of 512-byte blocks at most, which the collector
 * walks; objects that may not be in a second; arrays, tables and text in a third (heap.h).
 */
#ifndef KUCHA_ISOLATE_H
#define KUCHA_ISOLATE_H

#include <kucha/heap.h>
#include <kucha/object.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ku_isolate_flags {
    KU_ISOLATE_BIRTHPLACES = 1 << 0, /* remember where every object was made (ku_birthplace); 4 bytes for each block */
    KU_ISOLATE_CHECK_CALLS = 1 << 1, /* checking build: compare the references held before and after every call, and end
                                         the program at one that leaks (check.h); birthplaces are remembered, too */
    KU_ISOLATE_NO_COLLECTOR = 1 << 2, /* automatic collection starts disabled, as after ku_gc_disable() */
} ku_isolate_flags;

/* Objects of one type and birthplace that were alive when their isolate was deleted. */
typedef struct ku_leak {
    const char *type;
    ku_place place; /* all unknown without KU_ISOLATE_BIRTHPLACES */
    size_t objects;
    size_t bytes;
} ku_leak;

/* Told once for each ku_leak, most bytes first. The isolate is all but gone: it must not be used. */
typedef void ku_leak_hook(const ku_leak *leak, void *argument);

/* An error that nobody can be given: of a finalizer, a callback, a deallocation. */
typedef struct ku_unraisable {
    const ku_error *error;
    ku_object *value;  /* borrowed, or NULL: what came with it */
    const char *where; /* such as "calling the finalizer of", "calling the callback of" */
    ku_object *object; /* borrowed: whose; NULL where that cannot be said */
} ku_unraisable;

/* Called with the isolate usable and no error pending; an error that it leaves is dropped. */
typedef void ku_unraisable_hook(ku_isolate *isolate, const ku_unraisable *what, void *argument);

typedef struct ku_isolate_options {
    const char *name;    /* shown in statistics and reports; NULL is "isolate" */
    unsigned flags;      /* of ku_isolate_flags */
    ku_leak_hook *leaks; /* NULL: a table on standard error, when there are any */
    void *leaks_argument;
    ku_unraisable_hook *unraisable; /* NULL: "Exception ignored while ...", on standard error */
    void *unraisable_argument;
    ku_huge_pages huge_pages; /* of all three heaps (heap.h) */
} ku_isolate_options;

/* Makes an isolate, whose lock the calling thread then holds. `options` may be NULL. NULL with `error` filled: memory,
 * or an option out of range. */
KU_API ku_isolate *ku_isolate_new(const ku_isolate_options *options, ku_error *error);

/* Ends an isolate: exit functions run (finalize objects with atexit, newest first), garbage is collected, then what is
 * still alive and not immortal is told to the leak hook, and everything is released; finalizers of leaked objects are
 * not run. Returns the number of leaked objects. NULL is 0. Needs the lock; no frame may be left. */
KU_API size_t ku_isolate_delete(ku_isolate *isolate);

KU_API const char *ku_isolate_name(const ku_isolate *isolate);

/* Objects that are alive, immortal ones included, and the bytes of all blocks and buffers. Walks the heap. */
KU_API size_t ku_isolate_objects(ku_isolate *isolate, size_t *bytes);

/* The isolate's three heaps, for statistics (stats.h) and traces (trace.h). Nobody else may allocate from the first
 * two. */
typedef enum ku_isolate_heap { KU_HEAP_TRACKED, KU_HEAP_ATOMS, KU_HEAP_BUFFERS, KU_HEAP_COUNT } ku_isolate_heap;
KU_API ku_heap *ku_isolate_heap_of(ku_isolate *isolate, ku_isolate_heap which);

/* Exchanges the unraisable hook; NULL is the default. */
KU_API void ku_isolate_set_unraisable(ku_isolate *isolate, ku_unraisable_hook *hook, void *argument);

/* A place of the program that holds a reference (or NULL) and lives outside of the heap: the collector then starts from
 * there and need not deduce it from counts. Only a shortcut: a reference held anywhere keeps its object by its count.
 * KU_NO_MEMORY when the table cannot grow. Remove it before the place goes. */
KU_API bool ku_root_add(ku_isolate *isolate, ku_object **place);
KU_API void ku_root_remove(ku_isolate *isolate, ku_object **place);

/* ---- buffers ---- arrays, tables and text that an object owns (KU_FIELD_ITEMS, KU_FIELD_BUFFER) */

/* NULL with KU_NO_MEMORY or KU_LIMIT pending. A buffer's size may be asked of it by usable size only. */
KU_API void *ku_buffer_new(ku_isolate *isolate, size_t bytes);
KU_API void *ku_buffer_resize(ku_isolate *isolate, void *buffer, size_t bytes); /* NULL leaves the old one as it was */
KU_API void ku_buffer_free(ku_isolate *isolate, void *buffer);                  /* NULL does nothing */

#ifdef __cplusplus
}
#endif

#endif
