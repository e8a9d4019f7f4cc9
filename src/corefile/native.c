/* native.c: see native.h. All is found through the anchor, which the library fills in with its first isolate; the graph
 * is made by what makes one of a living isolate (isolate/graph_make.c), over the core's memory. */
#include "corefile/native.h"

#include "corefile/anchor.h"
#include "isolate/graph_making.h"
#include "os/failure.h"

/* Which structures the program's library had: another version's are other ones. */
static bool read_layout(ku__image *image, const ku__anchor *anchor, ku__native_layout *layout) {
    uintptr_t address = (uintptr_t)anchor->native;
    const void *there = ku__image_at(image, address, sizeof *layout);
    if (there == NULL || ku__image_u32(image, address) != sizeof *layout) {
        return false;
    }
    memcpy(layout, there, sizeof *layout);
    return true;
}

ku_graph *ku__core_native(ku__image *image, const char *note, bool *none, ku_error *error) {
    ku__native_order order = {.memory = &image->memory,
                              .words = image->dumped / sizeof(uintptr_t) + UINT16_MAX,
                              .info = {.process = image->process, .reason = KU_GRAPH_IMPORTED},
                              .program = image->program,
                              .runtime = KU__CORE_NATIVE,
                              .note = note};
    *none = !ku__anchor_find(image, true, &order.anchor);
    if (*none) {
        return NULL;
    }
    if (!read_layout(image, &order.anchor, &order.layout)) {
        ku__error_format(error, KU_CORRUPT, 0,
                         "the core is of a program with another version of kucha's C library, or the file of the "
                         "library is not here: name the program, or give --root");
        return NULL;
    }
    return ku__native_graph(&order, error);
}
