/* anchor.c: see anchor.h. */
#include "corefile/anchor.h"

enum { POOL_BITS_MOST = 20 }; /* larger pools no build of kucha has */

static bool is_sane(const ku__anchor *anchor) {
    return anchor->bytes == sizeof *anchor && anchor->pool_bits >= 12 && anchor->pool_bits <= POOL_BITS_MOST &&
           anchor->pools_per_arena == 64 && anchor->pool_colours != 0 && anchor->pool_colours <= 64 &&
           anchor->class_step == KU_CLASS_STEP && anchor->pool_shift < 4096 && anchor->tables != NULL;
}

bool ku__anchor_find(ku__image *image, bool native, ku__anchor *anchor) {
    for (uintptr_t at = 0; (at = ku__image_search(image, KU__ANCHOR_MAGIC, sizeof anchor->magic, at)) != 0; at++) {
        const void *found = ku__image_at(image, at, sizeof *anchor);
        if (found != NULL) {
            memcpy(anchor, found, sizeof *anchor);
            if (is_sane(anchor) && (native ? anchor->native != NULL : anchor->objects != NULL)) {
                return true;
            }
        }
    }
    return false;
}
