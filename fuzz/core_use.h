/* core_use.h: a core in memory is read, and all that can be asked of the graph is asked: what both fuzz targets of the
 * reader of cores do, and the program that makes seeds smaller. */
#ifndef FUZZ_CORE_USE_H
#define FUZZ_CORE_USE_H

#include <kucha/graph.h>
#include <stdbool.h>
#include <stddef.h>

/* The graph of a core, NULL where it is refused. Ends the program when it is refused without a sentence. No file that
 * the core names is opened. `bytes` are aligned to 8. */
ku_graph *core_read(const char *bytes, size_t size);

/* Asks a graph everything, writes it and reads it back, which must succeed: whatever a core holds, what comes of it is
 * a whole heap file. */
void core_ask(ku_graph *graph);

#endif
