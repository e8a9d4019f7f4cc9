/* r01_counting.c: every object counts the references to it, and goes when the last one does (row R1). */
#include "show.h"

typedef struct link {
    ku_object header;
    ku_object *next;
} link_t;

static size_t finalized;

static bool on_end(ku_isolate *isolate, ku_object *self) {
    (void)isolate;
    (void)self;
    finalized++;
    return true;
}

static const ku_field fields[] = {{"next", offsetof(link_t, next), KU_FIELD_OWNED}, {NULL}};
static const ku_type_spec link_spec = {.name = "link", .size = sizeof(link_t), .fields = fields, .finalize = on_end};

/* A chain of `length` links, each of which holds the next. The result is a new reference to the first. */
static ku_object *make_chain(ku_isolate *isolate, size_t length) {
    ku_object *chain = NULL;
    for (size_t i = 0; i < length; i++) {
        ku_object *first = ku_new(isolate, type_of(&link_spec));
        if (first == NULL) {
            break;
        }
        ((link_t *)first)->next = chain; /* takes the reference over */
        chain = first;
    }
    return chain;
}

static void counts(ku_isolate *isolate) {
    KU_FRAME(isolate, frame, 3);
    ku_object *list = ku_hold(&frame, 0, ku_list_new(isolate, NULL, 0));
    printf("one slot holds the list: %u\n", ku_reference_count(list));
    ku_hold(&frame, 1, ku_new_reference(list));
    printf("two slots hold it: %u\n", ku_reference_count(list));
    ku_hold(&frame, 2, ku_tuple_new(isolate, &list, 1));
    printf("a tuple does too: %u\n", ku_reference_count(list));
    ku_hold(&frame, 1, NULL);
    ku_hold(&frame, 2, NULL);
    printf("slot and tuple let go: %u\n", ku_reference_count(list));
}

int main(void) {
    ku_isolate *isolate = open_isolate();
    counts(isolate);

    ku_object *one = make_chain(isolate, 1);
    ku_decref(isolate, one);
    printf("freed at once: %s\n", yes(finalized == 1));

    finalized = 0;
    ku_object *chain = make_chain(isolate, 1000000);
    ku_decref(isolate, chain); /* each frees the next; the C stack stays shallow */
    printf("freed of a chain of a million: %zu\n", finalized);
    return (int)ku_isolate_delete(isolate);
}
