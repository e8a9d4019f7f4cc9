/* raw.h: tracing of the raw domain: PyMem_RawMalloc and its like, which are called without the GIL.
 *
 * The raw domain keeps its allocator; a wrapper in front of it notes each block's site in a registry of its own, under
 * a mutex of its own. The wrapper's functions use no ctx of theirs (they are given the original's), so a thread that
 * reads the domain's structure while it is exchanged finds a working pair whatever it reads (cpython 128679). The GIL
 * is never taken: a thread that happens to hold it gives the block its Python stack, any other the unknown site.
 */
#ifndef KU__RAW_H
#define KU__RAW_H

#include "cpython/tracing.h"

/* Puts the wrapper in place. False with `error` filled: the domain is not the system's malloc, or memory is refused. */
bool ku__raw_start(ku_error *error);

/* Takes it away again, and forgets the registry. Where another wrapper sits on top, ours stays and only forwards. */
void ku__raw_stop(void);

/* In a forked child: the lock, which fork(2) happened under, is made anew. */
void ku__raw_after_fork_in_child(void);

/* Keeps every thread out of the registry and the raw lane's counts; around fork(2) too. */
void ku__raw_lock(void);
void ku__raw_unlock(void);

/* Calls `visit` for each block that is in the registry, in no order. It must neither allocate nor free in the raw
 * domain. */
typedef void ku__raw_visitor(uint32_t site, size_t size, void *argument);
void ku__raw_walk(ku__raw_visitor *visit, void *argument);

/* Memory of the registry. */
size_t ku__raw_metadata_bytes(void);

#endif
