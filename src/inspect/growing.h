/* growing.h: an array that grows, in pages: what it holds never moves byte by byte (mremap), and nothing of it is in a
 * heap that is being looked at.
 *
 * Zeroed means empty. A push that is refused memory says so and leaves the array as it was.
 */
#ifndef KU__GROWING_H
#define KU__GROWING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ku__growing {
    char *bytes;     /* NULL: nothing yet */
    size_t used;     /* bytes */
    size_t capacity; /* bytes */
} ku__growing;

/* Makes room for `more` bytes behind those in use; false when refused. */
bool ku__growing_reserve(ku__growing *array, size_t more);
void ku__growing_release(ku__growing *array);

/* Room for `size` bytes, which count as used; NULL when refused. */
static inline void *ku__growing_push(ku__growing *array, size_t size) {
    if (__builtin_expect(array->capacity - array->used < size, 0) && !ku__growing_reserve(array, size)) {
        return NULL;
    }
    void *room = array->bytes + array->used;
    array->used += size;
    return room;
}

#define KU__GROWING_ITEMS(array, type) ((type *)(void *)(array)->bytes)
#define KU__GROWING_COUNT(array, type) ((array)->used / sizeof(type))

#endif
