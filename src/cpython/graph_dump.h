/* graph_dump.h: writing a heap file out of a running interpreter. */
#ifndef KU__GRAPH_DUMP_H
#define KU__GRAPH_DUMP_H

#include <kucha/graph.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct ku__dump_outcome {
    double stopped, lasted; /* seconds */
    uint64_t nodes, edges, bytes;
    uint32_t banned; /* types that could not be asked */
    pid_t copy;      /* that works on while the program goes on; 0: none */
    ku_error error;  /* KU_OK: the file is there */
} ku__dump_outcome;

/* Writes a heap file at an absolute path; with what is equal to what only where `equals` asks for it, which takes a
 * third of the time. The holder of the main interpreter's GIL, which is given up while the copy works, unless `wait` is
 * false: then the outcome tells only how long the program was stopped and which copy works, the GIL is kept all the
 * time, and the file appears when it is whole. False: no copy could be made; `outcome->error` says why, or an exception
 * is set. */
bool ku__dump_heap(const char *path, ku_graph_reason reason, const char *program, bool wait, bool equals,
                   ku__dump_outcome *outcome);

#endif
