/* fences.h: finding misuse of blocks.
 *
 * A heap made with KU_HEAP_FENCES puts guard bytes before and after every block, fills new memory with 0xCD and freed
 * memory with 0xDD, and keeps freed blocks aside for a while (the last 1,024, at most 1 MiB) before they are used
 * again. It finds
 *
 *     a write before or after a block          when the block is freed or resized, or when the heap is checked
 *     a double free, a free inside a block     at once
 *     a block freed through another heap       at once
 *     a write after free                       when the block leaves the quarantine, or when the heap is checked
 *
 * and names the call that made the block, the call that freed it and the call that noticed, as symbol and offset. The
 * fill patterns are those of the Microsoft debug heap and of CPython's debug hooks (Objects/obmalloc.c).
 */
#ifndef KUCHA_FENCES_H
#define KUCHA_FENCES_H

#include <kucha/heap.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ku_fault_kind {
    KU_FAULT_UNDERRUN = 1, /* bytes before the block were written */
    KU_FAULT_OVERRUN,      /* bytes after it */
    KU_FAULT_DOUBLE_FREE,
    KU_FAULT_WRONG_HEAP,     /* freed or resized through a heap that did not make it: the wrong domain */
    KU_FAULT_USE_AFTER_FREE, /* written after it was freed */
    KU_FAULT_FOREIGN,        /* not the start of a block of this library */
} ku_fault_kind;

typedef struct ku_fault {
    ku_fault_kind kind;
    const void *block;     /* as the program knows it */
    size_t size;           /* bytes asked for; 0 when unknown */
    size_t offset;         /* first damaged byte: from the end of the block for an overrun, backwards from its start for
                                  an underrun, from its start for a use after free */
    const char *heap_name; /* of the heap that noticed */
    const void *allocated_at; /* return addresses of the calls; NULL when unknown */
    const void *freed_at;
    const void *noticed_at;
} ku_fault;

/* Called for each fault, with the heap's lock held; it must not use the heap. It may end the program; when it
 * returns, the damaged block is kept out of use for good and the program goes on. */
typedef void ku_fault_handler(const ku_fault *fault, void *argument);

/* Sets who is told. NULL restores the default, which writes ku_fault_describe()'s sentence to standard error. */
KU_API void ku_heap_set_fault_handler(ku_heap *heap, ku_fault_handler *handler, void *argument);

/* The fault in one sentence, cut to `capacity` bytes and terminated. Returns the length that it has in full. */
KU_API size_t ku_fault_describe(const ku_fault *fault, char *text, size_t capacity);

/* Looks at every live block and at the quarantine; returns the number of faults, each of which was also reported. 0
 * for a heap without fences. */
KU_API size_t ku_heap_check_fences(ku_heap *heap);

#ifdef __cplusplus
}
#endif

#endif
