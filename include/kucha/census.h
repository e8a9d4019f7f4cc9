/* census.h: how many objects of each type an isolate has now, and what they take.
 *
 * A census is one walk over the pools of the isolate's heaps, which looks at the header of every block that was given
 * out: exact for all types, numbers and text included, whatever the collector thinks of them. It allocates nothing in
 * the heaps, changes nothing, and costs some nanoseconds an object. For who holds what there are graphs (heap_dump.h).
 *
 * Lock: taking one needs the isolate's; reading one needs nothing, also when the isolate is gone.
 */
#ifndef KUCHA_CENSUS_H
#define KUCHA_CENSUS_H

#include <kucha/isolate.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ku_census ku_census;

/* The objects of one type. Bytes are those of their blocks, rounding included, and without buffers that they own. */
typedef struct ku_census_row {
    const ku_type *type; /* lives as long as it has instances */
    char name[80];       /* its name, cut where it is longer */
    size_t objects, bytes;
    size_t immortal; /* of the objects */
} ku_census_row;

/* One of the isolate's heaps. What is free lies in pools of the heap and is ready to be used again. */
typedef struct ku_census_heap {
    size_t objects, object_bytes;
    size_t raw_blocks, raw_bytes; /* buffers; in a checking build also blocks that are kept back after their end */
    size_t free_blocks, free_bytes;
} ku_census_heap;

/* Takes a census. NULL with `error` filled (may be NULL): KU_NO_MEMORY. End it with ku_census_delete(). */
KU_API ku_census *ku_census_take(ku_isolate *isolate, ku_error *error);

/* NULL does nothing. */
KU_API void ku_census_delete(ku_census *census);

/* How many types have objects, and each of them, most bytes first; NULL for a row that is not there. Rows live as long
 * as the census. */
KU_API size_t ku_census_types(const ku_census *census);
KU_API const ku_census_row *ku_census_row_at(const ku_census *census, size_t row);

/* The row of a type; NULL when it has no objects. */
KU_API const ku_census_row *ku_census_find(const ku_census *census, const ku_type *type);

/* A heap's sums. */
KU_API void ku_census_heap_read(const ku_census *census, ku_isolate_heap which, ku_census_heap *heap);

/* Writes a table for people, with at most so many types (0: all). Returns 0, or -1 when the stream refuses. */
KU_API int ku_census_print(const ku_census *census, FILE *stream, size_t most);

#ifdef __cplusplus
}
#endif

#endif
