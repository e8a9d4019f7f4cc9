/* r06_finalizers.c: a finalizer runs once, before its object goes; deleting a name gives up a reference (row R6). */
#include "show.h"

typedef struct resource {
    ku_object header;
    int64_t number;
} resource;

static ku_object *saved; /* what a finalizer brought back to life */

static bool on_end(ku_isolate *isolate, ku_object *self) {
    int64_t number = ((resource *)self)->number;
    printf("  finalizer of %d\n", (int)number);
    if (number == 3 && saved == NULL) {
        saved = ku_new_reference(self);
    }
    return number != 4 || ku_fail(isolate, KU_RUNTIME, "it went wrong");
}

static const ku_field fields[] = {{"number", offsetof(resource, number), KU_FIELD_INT64}, {NULL}};
static const ku_type_spec spec = {.name = "resource", .size = sizeof(resource), .fields = fields, .finalize = on_end};

static ku_object *make(ku_isolate *isolate, int64_t number) {
    resource *made = (resource *)ku_new(isolate, type_of(&spec));
    made->number = number;
    return (ku_object *)made;
}

static void report(ku_isolate *isolate, const ku_unraisable *what, void *argument) {
    (void)isolate;
    (void)argument;
    printf("  swallowed while %s: %s\n", what->where, what->error->message);
}

int main(void) {
    ku_isolate *isolate = open_isolate();
    ku_isolate_set_unraisable(isolate, report, NULL);
    {
        KU_FRAME(isolate, frame, 2);
        ku_hold(&frame, 0, make(isolate, 1));
        ku_hold(&frame, 1, ku_new_reference(ku_slot(&frame, 0)));
        puts("one of two names is deleted");
        ku_hold(&frame, 0, NULL);
        puts("the other one too");
        ku_hold(&frame, 1, NULL);

        puts("by hand it is an ordinary call");
        ku_object *second = ku_hold(&frame, 0, make(isolate, 2));
        ku_call_finalizer(isolate, second);
        printf("  finalized: %s\n", yes(ku_is_finalized(second)));
        ku_hold(&frame, 0, NULL);

        puts("a finalizer may bring its object back");
        ku_hold(&frame, 0, make(isolate, 3));
        ku_hold(&frame, 0, NULL);
        printf("  alive: %s, finalized: %s\n", yes(saved != NULL), yes(ku_is_finalized(saved)));
        ku_clear(isolate, &saved);
        puts("  and it is not called again");

        puts("an error in it goes to a hook");
        ku_hold(&frame, 0, make(isolate, 4));
    }
    return (int)ku_isolate_delete(isolate);
}
