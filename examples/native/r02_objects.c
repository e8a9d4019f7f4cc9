/* r02_objects.c: everything is an object, with a type, a size and an identity apart from equality (row R2). */
#include "show.h"

static void describe(ku_isolate *isolate, ku_object *object) {
    KU_FRAME(isolate, frame, 1);
    ku_object *text = ku_hold(&frame, 0, ku_repr(isolate, object));
    printf("%-12s %s\n", ku_type_name(ku_type_of(object)), ku_str_text(text));
}

static ku_object *twice(ku_isolate *isolate, ku_object *self, ku_object *const *arguments, size_t count) {
    (void)self;
    (void)count;
    return ku_add(isolate, arguments[0], arguments[0]);
}

static void kinds(ku_isolate *isolate) {
    KU_SCOPE(isolate, scope);
    describe(isolate, ku_none(isolate));
    describe(isolate, ku_bool(isolate, true));
    describe(isolate, ku_own(&scope, ku_int(isolate, 7)));
    describe(isolate, ku_own(&scope, ku_float(isolate, 0.1)));
    describe(isolate, ku_own(&scope, ku_str(isolate, "text")));
    describe(isolate, ku_own(&scope, ku_list_new(isolate, NULL, 0)));
    ku_object *function = ku_own(&scope, ku_function_new(isolate, "twice", twice, 1, 1, NULL));
    ku_object *argument = ku_own(&scope, ku_int(isolate, 21));
    show(isolate, "function     called with 21", ku_own(&scope, ku_call(isolate, function, &argument, 1)));
    ku_object *type = ku_type_object(isolate, ku_type_of(function)); /* a type is an object, of type "type" */
    printf("%-12s %s\n", ku_type_name(ku_type_of(type)), ku_type_name(ku_type_from(type)));
}

static void identity(ku_isolate *isolate) {
    KU_FRAME(isolate, frame, 3);
    ku_object *item = ku_hold(&frame, 0, ku_int(isolate, 1));
    ku_object *a = ku_hold(&frame, 1, ku_list_new(isolate, &item, 1));
    ku_object *b = ku_hold(&frame, 2, ku_list_new(isolate, &item, 1));
    printf("a == b: %s\n", yes(ku_equal(isolate, a, b) == 1));
    printf("a is b: %s\n", yes(ku_is(a, b)));
    printf("id(a) == id(b): %s\n", yes(ku_id(a) == ku_id(b)));
}

int main(void) {
    ku_isolate *isolate = open_isolate();
    printf("a header has %zu bytes\n", sizeof(ku_object));
    kinds(isolate);
    identity(isolate);
    return (int)ku_isolate_delete(isolate);
}
