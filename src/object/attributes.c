/* attributes.c: attributes of instances beyond their slots. See attributes.h. */
#include "object/attributes.h"

void ku__attributes_free(ku_isolate *isolate, uintptr_t *word) {
    if ((*word & 1) == 0) {
        ku_buffer_free(isolate, (void *)*word);
    }
    *word = 0;
}

/* In the order in which they were set, as a dict would. The instance is empty before the first value goes. */
void ku__attributes_clear(ku_isolate *isolate, uintptr_t *word) {
    uintptr_t held = *word;
    *word = 0;
    if ((held & 1) != 0) {
        ku_decref(isolate, (ku_object *)(held - 1));
        return;
    }
    ku__shared *shared = (ku__shared *)held;
    for (uint8_t i = 0; shared != NULL && i < shared->used; i++) {
        ku_decref(isolate, ku__shared_values(shared)[shared->order[i]]);
    }
    ku_buffer_free(isolate, shared);
}

size_t ku__attributes_size(ku_isolate *isolate, const uintptr_t *word) {
    return (*word & 1) == 0 ? ku_heap_usable_size(isolate->buffers, (const void *)*word) : 0;
}
