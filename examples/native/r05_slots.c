/* r05_slots.c: fixed slots against a dict of attributes, in bytes; and what slots refuse (row R5). */
#include "show.h"

static const ku_field slots[] = {{"x", KU_OFFSET_NEXT, KU_FIELD_OWNED},
                                 {"y", KU_OFFSET_NEXT, KU_FIELD_OWNED},
                                 {"z", KU_OFFSET_NEXT, KU_FIELD_OWNED},
                                 {NULL}};
static const ku_field others[] = {{"w", KU_OFFSET_NEXT, KU_FIELD_OWNED}, {NULL}};
static const ku_type_spec slotted_spec = {.name = "Slotted", .fields = slots};
static const ku_type_spec open_spec = {.name = "Open", .flags = KU_TYPE_DICT | KU_TYPE_WEAKREFS};
static const ku_type_spec other_spec = {.name = "Other", .fields = others};
static const ku_type_spec both_spec = {.name = "Both"};

/* An instance with x, y and z, in a slot of the caller's frame. */
static ku_object *make_point(ku_isolate *isolate, ku_object *type) {
    KU_FRAME(isolate, frame, 2);
    ku_object *point = ku_hold(&frame, 0, ku_new(isolate, ku_type_from(type)));
    ku_object *value = ku_hold(&frame, 1, ku_int(isolate, 1));
    bool made = point != NULL && ku_set(isolate, point, "x", value) && ku_set(isolate, point, "y", value) &&
                ku_set(isolate, point, "z", value);
    return made ? ku_escape(&frame, 0) : NULL;
}

int main(void) {
    ku_isolate *isolate = open_isolate();
    {
        KU_FRAME(isolate, frame, 6);
        ku_object *slotted = ku_hold(&frame, 0, ku_type_new(isolate, &slotted_spec, NULL, 0));
        ku_object *open = ku_hold(&frame, 1, ku_type_new(isolate, &open_spec, NULL, 0));
        ku_object *other = ku_hold(&frame, 2, ku_type_new(isolate, &other_spec, NULL, 0));
        ku_object *small = ku_hold(&frame, 3, make_point(isolate, slotted));
        ku_object *large = ku_hold(&frame, 4, make_point(isolate, open));
        printf("three slots: %zu bytes; three attributes in a dict: %zu bytes\n", ku_size_of(isolate, small),
               ku_size_of(isolate, large));

        if (!ku_set(isolate, small, "color", ku_none(isolate))) {
            show_error(isolate, "a new attribute of Slotted");
        }
        printf("a new attribute of Open: %s\n", yes(ku_set(isolate, large, "color", ku_none(isolate))));
        ku_hold(&frame, 5, ku_get(isolate, large, "colour"));
        show_error(isolate, "a name that is not there");

        show(isolate, "a weak reference to Slotted", ku_hold(&frame, 5, ku_weakref_new(isolate, small, NULL)));
        ku_type *const bases[] = {ku_type_from(slotted), ku_type_from(other)};
        show(isolate, "two bases with slots", ku_hold(&frame, 5, ku_type_new(isolate, &both_spec, bases, 2)));
    }
    return (int)ku_isolate_delete(isolate);
}
