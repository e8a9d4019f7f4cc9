/* trace.h: where the memory of a C program comes from: every block of a heap with the C stack that asked for it.
 *
 * A trace is to heaps what Python's tracemalloc is to an interpreter, with the same questions:
 *
 *     tracemalloc                            here
 *     start(frames), stop()                  ku_trace_start(), ku_trace_stop()
 *     get_traced_memory(), reset_peak()      ku_trace_memory(), ku_trace_reset_peak()
 *     clear_traces()                         ku_trace_clear()
 *     get_object_traceback(object)           ku_trace_of()
 *     take_snapshot()                        ku_trace_snapshot(): a ku_capture, as if read from a file
 *     snapshot.statistics(), cumulative      ku_capture_group() of kucha/group.h
 *     snapshot.compare_to()                  ku_capture_compare() of kucha/comparison.h
 *     snapshot.filter_traces()               ku_capture_filter() of kucha/comparison.h
 *     snapshot.dump(), Snapshot.load()       ku_trace_dump(), ku_capture_open(); `kucha report` shows such a file
 *     domains                                heaps: a trace may have several, a program several traces
 *
 * A heap that is traced takes the slow path at each call, and its stack is walked; one that is not pays nothing. A
 * stack that was seen before is found again by its addresses alone. Functions, files and lines are looked up when
 * somebody reads: by elfutils' libdw, where that is installed, with inlined functions as frames of their own; else the
 * dynamic linker tells the names of exported functions, and the library that each frame is in. Compile with -g: where
 * the lines of a function are not known, its file in a snapshot is "library(function)", and the line 0.
 *
 * Counts are exact: bytes as they were asked for, of blocks that were made since the heap was added. A heap is in one
 * trace at a time; one with fences (fences.h), or with birthplaces (isolate.h), in none. A library that is unloaded
 * takes its names with it: its frames then show as the library's name alone.
 *
 * Lock: one for the trace and all its heaps: whoever calls any of these, or uses any of the heaps, holds it. A snapshot
 * belongs to whoever took it.
 *
 * Source: the Python library reference, tracemalloc (3.14).
 */
#ifndef KUCHA_TRACE_H
#define KUCHA_TRACE_H

#include <kucha/capture.h>
#include <kucha/error.h>
#include <kucha/heap.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ku_trace ku_trace;

/* How the stack is walked. */
typedef enum ku_trace_unwinder {
    KU_TRACE_ANY = 0,        /* libunwind where it is installed, else the C library's backtrace(3) */
    KU_TRACE_LIBUNWIND,      /* by tables of call frames, which it remembers: some ten ns a frame */
    KU_TRACE_LIBC,           /* by the same tables, without memory: ten times as slow */
    KU_TRACE_FRAME_POINTERS, /* some ns a frame; for programs compiled with -fno-omit-frame-pointer alone */
} ku_trace_unwinder;

typedef struct ku_trace_options {
    unsigned frames; /* kept of each stack, innermost first: 1 to 255; 0 is 10 */
    ku_trace_unwinder unwinder;
} ku_trace_options;

/* A frame of a stack. Texts are cut where they are longer. */
typedef struct ku_trace_frame {
    const void *address; /* where the call returns to; NULL for the further frames of inlined functions */
    int32_t line;        /* 0: not known */
    char function[128];  /* empty: not known */
    char file[256];      /* of the source; the program or the library where that is not known */
} ku_trace_frame;

/* Begins a trace, of no heap yet. `options` may be NULL. NULL with `error` filled: KU_INVALID for an option out of
 * range, KU_STATE where the unwinder is not installed, KU_NO_MEMORY. */
KU_API ku_trace *ku_trace_start(const ku_trace_options *options, ku_error *error);

/* Ends it: all its heaps go on untraced. NULL does nothing. */
KU_API void ku_trace_stop(ku_trace *trace);

/* Has the trace look at a heap, from now on. KU_STATE: another trace does, or it has fences or birthplaces;
 * KU_NO_MEMORY. */
KU_API ku_code ku_trace_add(ku_trace *trace, ku_heap *heap, ku_error *error);

/* The heap goes on untraced; its blocks no longer count. Nothing for a heap that is not the trace's. A heap that is
 * deleted is removed by that. */
KU_API void ku_trace_remove(ku_trace *trace, ku_heap *heap);

/* The trace that looks at a heap, or NULL. */
KU_API ku_trace *ku_trace_of_heap(const ku_heap *heap);

/* Frames kept of each stack. */
KU_API unsigned ku_trace_frames(const ku_trace *trace);

/* Bytes that are live, and the most that ever were, since the start, or ku_trace_reset_peak(). */
KU_API void ku_trace_memory(const ku_trace *trace, uint64_t *live_bytes, uint64_t *peak_bytes);
KU_API void ku_trace_reset_peak(ku_trace *trace);

/* Forgets all blocks: what is live now counts no longer. */
KU_API ku_code ku_trace_clear(ku_trace *trace, ku_error *error);

/* Bytes that the tracing itself uses, but for four bytes for each sixteen of traced arenas. */
KU_API uint64_t ku_trace_overhead(const ku_trace *trace);

/* NULL while all is well. Else why blocks are no longer counted: the system refused memory for a table. */
KU_API const ku_error *ku_trace_failure(const ku_trace *trace);

/* The stack that made a block: fills up to `capacity` frames, innermost first, and returns how many there are; 0 for
 * what is no live block of a heap of the trace, or was made before. An inlined call is a frame. */
KU_API size_t ku_trace_of(ku_trace *trace, const void *block, ku_trace_frame *frames, size_t capacity);

/* All stacks and their counts, as a capture that needs neither the trace nor its heaps any more. Close it with
 * ku_capture_close(). NULL with `error` filled: KU_NO_MEMORY. */
KU_API ku_capture *ku_trace_snapshot(ku_trace *trace, ku_error *error);

/* Writes the same as a capture file, which must not be there yet and is readable by its owner alone. KU_IO with errno,
 * KU_NO_MEMORY. */
KU_API ku_code ku_trace_dump(ku_trace *trace, const char *path, ku_error *error);

#ifdef __cplusplus
}
#endif

#endif
