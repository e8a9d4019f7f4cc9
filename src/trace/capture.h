/* capture.h: the capture file as it is written beside a running program.
 *
 * A capture is a file of chunks (docs/capture-file.md; the reader is kucha/capture.h). A helper thread brings it up to
 * date twice a second; what kills the program, SIGKILL included, loses at most what happened since. The thread blocks
 * all signals, never takes the GIL or a lane's lock, and reads only published tables and cells.
 *
 * Errors. A write that fails (full disk, limit on file sizes, file taken away) is reported once on standard error; the
 * capture is then off and the program goes on. The file keeps the last whole state.
 *
 * Fork. The thread is joined (after an update) before a fork, so that os.fork() finds a single-threaded program. It
 * comes back with ku__capture_resume(), which `after_fork` is there to bring about, or with the first
 * ku__capture_touch() a few milliseconds later. The child never writes to its parent's file: it has no capture, or,
 * with follow_fork, one of its own at PATH.PID, started by its first flush or touch.
 *
 * There is one capture in a process at a time. Calls need the main lane's lock, except where they say otherwise.
 */
#ifndef KU__TRACE_CAPTURE_H
#define KU__TRACE_CAPTURE_H

#include "fast.h"
#include <kucha/capture.h>

typedef struct ku__capture ku__capture;

/* Bytes that a timeline point shows beside those of the tracer. Called in the helper thread: must be safe without any
 * lock. */
typedef void ku__capture_memory(void *context, uint64_t *arena_bytes, uint64_t *large_bytes);

/* What collections have done so far, but for the time of the entry; `longest` since the last call. Called in the
 * helper thread, without any lock. */
typedef void ku__capture_watch(void *context, ku_capture_collections *collections);

/* Fills up to `capacity` heaps and returns how many there are. Called with the main lane's lock held, out of
 * ku__capture_touch(), _flush() and _finish(), at most twice a second. */
typedef size_t ku__capture_heaps(void *context, ku_capture_heap *heaps, size_t capacity);

/* Asks for a call of the capture by a thread of the program, if it can be had. Called without the main lane's lock: by
 * the helper thread, or inside fork(2). */
typedef void ku__capture_duty(void *context);

typedef struct ku__capture_options {
    const char *path;    /* made with O_EXCL, mode 0600 */
    const char *command; /* shown in reports; NULL is "" */
    const char *python;  /* version of the interpreter, such as "3.11.7"; NULL is "" */
    bool follow_fork;
    double point_seconds;         /* between two points of the timeline at first; 0: half a second */
    ku__capture_memory *memory;   /* NULL: zeros */
    ku__capture_watch *watch;     /* NULL: collections are not in the timeline */
    ku__capture_heaps *heaps;     /* NULL: none */
    ku__capture_duty *due;        /* the heaps are to be described: see to a ku__capture_touch() soon; NULL: none */
    ku__capture_duty *after_fork; /* the same for ku__capture_resume(), in the parent, by the thread that forked */
    void *context;
} ku__capture_options;

/* Makes the file, writes a first state, starts the thread. NULL with `error` filled (KU_IO with errno, EEXIST where
 * something is there already; KU_NO_MEMORY; KU_STATE where a capture runs). */
ku__capture *ku__capture_start(ku__tracer *tracer, const ku__capture_options *options, ku_error *error);

/* Brings the file up to date now. False when the capture is off, with the reason in `error`. */
bool ku__capture_flush(ku__capture *capture, ku_error *error);

/* Stops the thread, writes the last state with the exit code (a negative number where none is known) and the mark of a
 * clean end, closes the file, releases the capture. False when the file could not be finished. In a forked child that
 * does not follow, only releases. */
bool ku__capture_finish(ku__capture *capture, int exit_code, ku_error *error);

/* The capture is about to be finished because the process is ending: where it ends by exit(3), the exit code is written
 * into the finished file then (capture_exit.h), in place of the one given to ku__capture_finish(). */
void ku__capture_expect_exit(ku__capture *capture);

/* As ku__capture_finish() without an end record: the capture is dropped as it stands. */
void ku__capture_abandon(ku__capture *capture);

/* NULL while the capture is being written, else why it is off. */
const ku_error *ku__capture_failure(const ku__capture *capture);

/* Seconds of a processor that writing the capture has taken so far. Any thread may ask. */
double ku__capture_seconds(ku__capture *capture);

/* The path that this process writes to (a following child's differs from the one given). */
const char *ku__capture_path(const ku__capture *capture);

extern uint32_t ku__capture_attention; /* not 0 while ku__capture_touch() has something to do; relaxed */

void ku__capture_attend(void);

/* After a fork, in the parent: starts the thread again, once a fork's caller does not count threads any more. Does
 * nothing where there is nothing to start. */
void ku__capture_resume(void);

/* From the slow path of tracing (a stack that the cache did not know) and of the allocator: restarts the thread after a
 * fork, starts a following child's file, refreshes the statistics of heaps. One load and a branch when nothing is
 * due. */
static inline void ku__capture_touch(void) {
    if (KU__UNLIKELY(__atomic_load_n(&ku__capture_attention, __ATOMIC_RELAXED) != 0)) ku__capture_attend();
}

#endif
