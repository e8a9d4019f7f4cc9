/* heap_file.h: a graph in a file: written whole or not at all, read in place.
 *
 * docs/heap-file.md has the format: columns, each with a checksum, mapped and used as they are; about 16 bytes a node
 * and 4 an edge. A file holds types, sizes, references and places, and no values, unless whoever had it written asked.
 *
 * The reader trusts nothing: every offset, count, number and checksum is looked at when the file is opened, and no call
 * reads outside of it. A file that is damaged, cut or hostile gives KU_CORRUPT and one sentence that says what is wrong
 * and where. A file that is cut by somebody while it is open ends the reader by SIGBUS, as any mapping does; kucha
 * itself never changes one: it writes a new one and renames it.
 */
#ifndef KUCHA_HEAP_FILE_H
#define KUCHA_HEAP_FILE_H

#include <kucha/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { KU_HEAP_FILE_VERSION = 2 };

/* Opens and checks a heap file. NULL with `error` filled: KU_IO (with errno), KU_CORRUPT, KU_NO_MEMORY. Close with
 * ku_graph_close(). */
KU_API ku_graph *ku_heap_file_open(const char *path, ku_error *error);

/* The same of bytes in memory, which must be aligned to 8 and stay as they are until the graph is closed. */
KU_API ku_graph *ku_heap_file_open_bytes(const void *bytes, size_t size, ku_error *error);

/* Writes a graph under a temporary name beside `path`, for its owner alone (0600), and gives it its name when all of it
 * is there; a file of that name is replaced. KU_OK, or the code in `error`: KU_IO (with errno), KU_NO_MEMORY. */
KU_API ku_code ku_heap_file_write(const ku_graph *graph, const char *path, ku_error *error);

#ifdef __cplusplus
}
#endif

#endif
