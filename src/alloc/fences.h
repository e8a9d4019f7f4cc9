/* fences.h (internal): the debug layer over plain blocks. The contract is kucha/fences.h.
 *
 * A fenced block is a plain block that holds
 *
 *     [ ku__fence header, 64 bytes ][ payload, size bytes ][ 16 guard bytes ]
 *
 * The header's last 8 bytes are guard bytes too. A block with an alignment over 16 is always a large one: the payload
 * lies as many bytes into the plain block as its alignment, at least 64, the header just before it, and the plain block
 * begins with the header's address.
 */
#ifndef KU__FENCES_H
#define KU__FENCES_H

#include "alloc/fast.h"

bool ku__fences_open(ku_heap *heap);
void ku__fences_close(ku_heap *heap); /* nothing when it has none */

void *ku__fence_malloc(ku_heap *heap, size_t size);
void *ku__fence_aligned_alloc(ku_heap *heap, size_t alignment, size_t size);
ku__freed ku__fence_free(ku_heap *heap, void *payload);
void *ku__fence_resize(ku_heap *heap, void *payload, size_t size, bool *foreign);
size_t ku__fence_usable_size(ku_heap *heap, const void *payload);

/* Whether the payload's plain block is a large one of this heap's own registry; takes no lock but the registry's. */
bool ku__fence_owns_large(ku_heap *heap, const void *payload);
/* Where a payload keeps its link in a list of returns. */
void **ku__fence_return_link(void *payload);
/* Called by whoever returns a block to a heap that it does not hold: false when it is on that heap's list already. */
bool ku__fence_note_return(void *payload);
/* Frees a block from the list, and reports it when it was returned more than once. */
void ku__fence_take_return(ku_heap *heap, void *payload);

/* For walks: the payload of a plain block, and its size; NULL when the block is not live (in quarantine, or damaged).
 * */
void *ku__fence_payload(void *plain, size_t *size);

/* Plain blocks, for the layer above. */
bool ku__small_is_taken(const void *block); /* the start of a block that its pool has given away */
void *ku__plain_malloc(ku_heap *heap, size_t size);
void *ku__plain_resize(ku_heap *heap, void *block, size_t size, bool *foreign);
ku__freed ku__plain_free(ku_heap *heap, void *block);

/* Empties the list of returns, and all magazines, into the pools. */
void ku__returns_drain(ku_heap *heap);
void ku__heap_flush(ku_heap *heap);

/* Blocks of a class that wait in a magazine. */
size_t ku__magazine_blocks(const ku_heap *heap, unsigned class_index);

/* After a refusal: gives up what only waits, that is blocks in magazines, the last empty pool of each class, and,
 * where the system refused, idle arenas. Whether anything came of it, so that it is worth asking again. Takes the
 * process's lock. */
bool ku__heap_make_room(ku_heap *heap);

#endif
