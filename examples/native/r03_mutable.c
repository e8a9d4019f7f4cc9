/* r03_mutable.c: adding in place makes a new int or str, and changes a list (row R3). */
#include "show.h"

/* Does `a += b` on what slot 0 of a frame holds, and says whether it is the same object afterwards. */
static void add_in_place(ku_isolate *isolate, const char *name, ku_object *a, ku_object *b) {
    KU_FRAME(isolate, frame, 2);
    ku_hold(&frame, 0, a);
    ku_hold(&frame, 1, b);
    uintptr_t before = ku_id(a);
    ku_object *result = ku_add_in_place(isolate, a, b);
    printf("%s: same object afterwards: %s\n", name, yes(ku_id(result) == before));
    show(isolate, "  now", ku_hold(&frame, 0, result));
}

static ku_object *list_of(ku_isolate *isolate, int64_t number) {
    KU_FRAME(isolate, frame, 1);
    ku_object *item = ku_hold(&frame, 0, ku_int(isolate, number));
    return ku_list_new(isolate, &item, 1);
}

int main(void) {
    ku_isolate *isolate = open_isolate();
    add_in_place(isolate, "int", ku_int(isolate, 1000), ku_int(isolate, 1));
    add_in_place(isolate, "str", ku_str(isolate, "spam"), ku_str(isolate, "!"));
    add_in_place(isolate, "list", list_of(isolate, 1), list_of(isolate, 2));
    return (int)ku_isolate_delete(isolate);
}
