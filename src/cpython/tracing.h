/* tracing.h: tracing under CPython: what traced entry points share with the calls that start, stop and read it.
 *
 * There is one tracer in a process at a time. It belongs to the holder of the GIL while there is one GIL; where there
 * may be many, the entry points of many.c hold its main lane's lock. Nothing here ever allocates through Python,
 * raises, or runs Python code: it is called inside the allocator.
 */
#ifndef KU__TRACING_H
#define KU__TRACING_H

#include "cpython/bridge.h"
#include "trace/capture.h"
#include "trace/trace.h"

typedef struct ku__tracing {
    ku__tracer *tracer;   /* what entry points count with; NULL while nothing is traced, and after giving up */
    int64_t *countdown;   /* bytes until the next sample: the tracer's main lane's, or, without a tracer, one that is of
                             no consequence; never NULL once anything was traced */
    ku__tracer *kept;     /* the same, and still there for reading after giving up; NULL while nothing was started */
    uint32_t unknown;     /* site of what no Python frame asked for */
    ku__capture *capture; /* NULL without a file */
    bool objects;         /* objects from free lists have birthplaces of their own (objects.c) */
    bool timeline;        /* collections are watched for the capture */
    bool raw;             /* the raw domain is traced */
    double started;       /* monotonic seconds */
    uint64_t era;         /* the number of the tracer, from 1; changes while `tracer` is NULL */
    char python[32];      /* version of the interpreter, such as "3.11.7"; filled at install */
} ku__tracing;

extern KU__HIDDEN ku__tracing ku__tracing_state;

typedef struct ku__tracing_options {
    unsigned frames;
    bool objects;
    uint64_t sample_interval;
    const char *capture_path; /* NULL: no file */
    const char *command;
    bool follow_fork;
    bool timeline; /* the capture's timeline is dense, and shows collections; the caller has them counted */
} ku__tracing_options;

/* What entry points count with now. Any thread may ask; what is done with it needs the main lane's lock. */
static inline ku__tracer *ku__tracing_now(void) {
    return __atomic_load_n(&ku__tracing_state.tracer, __ATOMIC_RELAXED);
}

static inline uint64_t ku__tracing_era(void) {
    return __atomic_load_n(&ku__tracing_state.era, __ATOMIC_RELAXED);
}

/* Empties the slots of the house's blocks for the tracer of now. False when the system refuses the tables. The holder
 * of the house's heaps, under the lock of tracing. */
bool ku__tracing_prepare(ku__house *house);

/* Starts tracing. 0, or -1 with `error` filled; then nothing has changed. KU_IO with EEXIST where the capture
 * exists. */
int ku__tracing_start(const ku__tracing_options *options, ku_error *error);

/* Stops and forgets everything that was traced; the capture gets its last state with `exit_code` (-1: not known), and
 * where the process is ending (`exiting`) the true one when that is known. 0, or -1 with `error` filled: KU_STATE and
 * nothing has changed, or tracing has stopped and the capture could not be finished. */
int ku__tracing_stop(int exit_code, bool exiting, ku_error *error);

/* From inside the allocator: tracing cannot go on. Says so once on standard error; what was counted can still be
 * read. */
void ku__tracing_give_up(const char *reason);

/* The code record of a code object, made if need be; 0 when the tracer has failed. Takes a PyCodeObject. */
uint32_t ku__code_record(ku__tracer *tracer, PyCodeObject *code);

/* The block of a code object that has a record is being freed. The block is kept for a while, so that a program
 * which makes and drops code all the time does not forget all its cached stacks each time; false: free it now, the
 * record is detached. */
bool ku__code_retire(ku__tracer *tracer, ku_heap *heap, void *block, size_t size);

/* Detaches and frees all that are kept. Before tracing stops, and before there are several GILs. */
void ku__codes_release(ku__tracer *tracer);

/* The block that holds `value`, which may begin behind a collector's header and a dict's: its facts, and its address in
 * `block`. `heap` is that of the running interpreter's objects. False where the object does not lie in a block of ours.
 */
bool ku__object_block(ku_heap *heap, PyObject *value, void **block, ku__block_facts *facts);

/* ---- objects from free lists (objects.c) ---- */

/* From now on they are traced, too: free lists are closed, or the interpreter's reference tracer is put in place. False
 * with `error` filled: this interpreter has neither, or the tracer's slot is taken. */
bool ku__objects_start(ku_error *error);
void ku__objects_stop(void);

#endif
