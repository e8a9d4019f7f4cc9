/* heap_dump.h: what is alive in an isolate and who holds it: as a graph, and as a heap file.
 *
 * The graph (graph.h) has a node for every object, every buffer that one owns, and every block that is neither; an edge
 * for every reference, with the name that the table of fields gives it; and what holds all that: threads with their
 * frames and scopes, roots (ku_root_add), immortal objects, what the library keeps itself, and "C or unknown" for
 * references in variables of C, which are known by counts that are larger than the references that were found. Where
 * the isolate keeps birthplaces (KU_ISOLATE_BIRTHPLACES), nodes have them.
 *
 * A heap file (heap_file.h) is a graph on disk. To write one the process is copied (clone(2); only the pages that
 * change are copied in truth), and the copy reads the heap and writes the file: the program stops for the copying
 * alone, some milliseconds for each GiB. The copy has no exit signal, so no SIGCHLD comes and wait(2) does not see it.
 * It writes under another name, for its owner alone (0600), and renames the file when it is whole: a copy that is
 * killed leaves nothing under the final name. Files hold no values, unless they are asked for.
 *
 * `kucha heap` of the Python package reads these files (docs/heap.md), and so do ku_heap_file_open() and the functions
 * of dominators.h, histogram.h, paths.h, query.h, diff.h and suspects.h.
 *
 * Lock: the isolate's, unless it says otherwise. Nothing here allocates in the isolate's heaps, and none of the
 * program's code runs but `traverse` hooks, in the copy where there is one.
 *
 * In a child of fork(2) nothing is written by itself: events belong to the process that asked for them.
 */
#ifndef KUCHA_HEAP_DUMP_H
#define KUCHA_HEAP_DUMP_H

#include <kucha/graph.h>
#include <kucha/isolate.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ku_heap_file_flags {
    KU_HEAP_FILE_VALUES = 1 << 0,  /* strings have their text as label: whoever reads the file reads them */
    KU_HEAP_FILE_NO_WAIT = 1 << 1, /* the call returns when the process is copied; the file appears later */
} ku_heap_file_flags;

/* The isolate's heap as a graph in memory, of pages of its own: about 16 bytes an object and 4 a reference. The program
 * stands still until it is made. `flags`: KU_HEAP_FILE_VALUES or 0. NULL with `error` filled (may be NULL):
 * KU_NO_MEMORY. Close it with ku_graph_close(); it needs neither the lock nor the isolate. */
KU_API ku_graph *ku_graph_take(ku_isolate *isolate, unsigned flags, ku_error *error);

/* How the writing of a file went. */
typedef struct ku_heap_file_outcome {
    double stopped; /* seconds that the program stood still for the copying */
    double lasted;  /* seconds until the file was there */
    uint32_t nodes, edges;
    uint64_t bytes; /* of the file */
} ku_heap_file_outcome;

/* Writes the isolate's heap as a heap file; one of that name is replaced. `flags` are of ku_heap_file_flags; `outcome`
 * may be NULL. Waits until the file is there, with the lock held, unless KU_HEAP_FILE_NO_WAIT is among the flags: then
 * only `stopped` is known, and ku_heap_file_wait() tells how it went. KU_OK, or the code in `error` (may be NULL):
 * KU_IO with errno, KU_NO_MEMORY, KU_INVALID for a path that is too long, KU_STATE when the copy was killed. */
KU_API ku_code ku_heap_file_take(ku_isolate *isolate, const char *path, unsigned flags, ku_heap_file_outcome *outcome,
                                 ku_error *error);

/* Waits for the oldest file that was not waited for and is not told of yet, and tells how it went, as
 * ku_heap_file_take() does; false when there is none. `code` and the rest may be NULL. At most 16 are remembered: of
 * more the oldest are forgotten. Any thread, without a lock. */
KU_API bool ku_heap_file_wait(ku_code *code, ku_heap_file_outcome *outcome, ku_error *error);

/* When a file is to be written without a call. */
typedef struct ku_heap_file_events {
    const char *path; /* copied. The second file of these events is called app.2.heap for app.heap, and so on */
    unsigned flags;   /* KU_HEAP_FILE_VALUES or 0 */
    int signal;       /* at this signal, such as SIGUSR1; 0: at none */
    bool at_limit;    /* when the hard limit of the isolate's budget (budget.h) refuses a request for the first time,
                         before the error: nothing has been let go yet */
    bool at_exit;     /* at the beginning of ku_isolate_delete(), or at exit(3) on the thread that holds the lock */
} ku_heap_file_events;

/* Has files written at events, in place of what was asked for before; NULL: at none. A thread waits for the signal and
 * takes the isolate's lock to answer: the program answers at ku_frame_entered(), ku_lock_yield(), or where it has
 * released the lock. The signal's handler of before is put back when events change or the isolate ends. KU_OK, or the
 * code in `error` (may be NULL): KU_INVALID for a path that is empty or too long, KU_NO_MEMORY, KU_IO with errno for a
 * signal that cannot be caught or a thread that cannot be had, KU_STATE where 16 isolates wait for signals. May release
 * the lock for a moment. */
KU_API ku_code ku_heap_file_set_events(ku_isolate *isolate, const ku_heap_file_events *events, ku_error *error);

#ifdef __cplusplus
}
#endif

#endif
