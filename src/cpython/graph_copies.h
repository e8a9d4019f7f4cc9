/* graph_copies.h: copies of the process that write heap files, and what the program knows of those that still do.
 *
 * A copy that is not waited for is kept here until somebody asks how it ended (ku__copies_wait()); so nothing but its
 * entry in the table of processes is left of it meanwhile. One that was ended by somebody leaves the file that it had
 * begun, under its temporary name; whoever waits removes it.
 *
 * Lock: the GIL of the main interpreter.
 */
#ifndef KU__GRAPH_COPIES_H
#define KU__GRAPH_COPIES_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "cpython/graph_dump.h"

#include <limits.h>
#include <sys/types.h>

/* What the program and its copies share. */
typedef struct ku__dump_common {
    volatile uint32_t running; /* number of the type that is being asked */
    volatile uint32_t finished;
    volatile pid_t writer;   /* the copy that writes; 0 before the first */
    volatile double stopped; /* written by the program, when it goes on */
    double began;            /* monotonic */
    ku__dump_outcome outcome;
    char path[PATH_MAX];
} ku__dump_common;

/* Shared memory for one dump; NULL when the system refuses. */
ku__dump_common *ku__copies_common(const char *path);

/* Keeps a copy that works while the program goes on; takes `shared` over. Where as many wait as there is room for, the
 * oldest is waited for and forgotten. */
void ku__copies_keep(pid_t copy, ku__dump_common *shared);

/* Waits for one copy, or for the oldest (0), with the GIL given up. False: no such copy is kept. `path` has PATH_MAX
 * bytes; NULL: not asked for. */
bool ku__copies_wait(pid_t copy, ku__dump_outcome *outcome, char *path);

/* Waits for a copy that is not kept, with the GIL given up, reads its outcome, and gives `shared` back. */
void ku__copies_end(pid_t copy, ku__dump_common *shared, ku__dump_outcome *outcome);

/* {"stopped": ..., "lasted": ...}; NULL with an exception. graph_object.c. */
PyObject *ku__dump_outcome_object(const ku__dump_outcome *outcome);

/* Removes what a writer that was ended has left under its temporary name (heap_file_write.c). Any process. */
void ku__copies_remove_part(const ku__dump_common *shared);

#endif
