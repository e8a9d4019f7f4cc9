/* native.h: a trace over C stacks (kucha/trace.h), and the two engines that it rests on.
 *
 * While the program runs, sites are stacks of return addresses. The engine (trace.h) keeps a *module* as a code record:
 * its file, and where it is loaded, in the place of a line table; the instruction is the distance from there. So a
 * library costs one record, and a frame one entry, however many functions there are, and nothing is looked up.
 *
 * To read, everything is resolved into a second engine, whose code records are lines of functions: file, function,
 * line. One address becomes as many frames as calls were inlined there. The second engine then gives snapshots and
 * files as any other does.
 */
#ifndef KU__TRACE_NATIVE_H
#define KU__TRACE_NATIVE_H

#include "alloc/watch.h"
#include "os/symbols.h"
#include "os/unwind.h"
#include "trace/trace.h"
#include <kucha/trace.h>

struct ku_trace {
    ku__watcher watcher; /* first: heaps know the trace by it */
    ku__tracer *tracer;
    unsigned frames;
    ku__unwind_kind unwinder;
    bool lost; /* a heap could not get a site table: nothing is counted any more */
    ku_error failure;
    ku_heap **heaps; /* of malloc(3) */
    size_t heap_count;
};

/* The sites of the trace in an engine of lines. NULL with `error` filled. */
ku__tracer *ku__native_resolve(const ku_trace *trace, ku_error *error);

/* The address of a frame, one byte before where its call returns to; 0 where its module is no longer what it was. */
uintptr_t ku__native_address(const ku__tracer *tracer, const ku__frame *frame, const char **module);

#endif
