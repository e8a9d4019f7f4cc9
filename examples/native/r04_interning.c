/* r04_interning.c: interned against equal: small numbers and names exist once; others are equal, not the same (R4). */
#include "show.h"

/* Both references are given up. */
static void compare(ku_isolate *isolate, const char *what, ku_object *a, ku_object *b) {
    KU_FRAME(isolate, frame, 2);
    ku_hold(&frame, 0, a);
    ku_hold(&frame, 1, b);
    printf("%-24s equal %s, same object %s\n", what, yes(ku_equal(isolate, a, b) == 1), yes(ku_is(a, b)));
}

int main(void) {
    ku_isolate *isolate = open_isolate();
    compare(isolate, "256 and 256", ku_int(isolate, 256), ku_int(isolate, 256));
    compare(isolate, "257 and 257", ku_int(isolate, 257), ku_int(isolate, 257));
    compare(isolate, "'name' and 'name'", ku_str(isolate, "name"), ku_str(isolate, "name"));
    compare(isolate, "'two words', twice", ku_str(isolate, "two words"), ku_str(isolate, "two words"));
    compare(isolate, "the same, interned", ku_intern_text(isolate, "two words"), ku_intern_text(isolate, "two words"));
    compare(isolate, "none and none", ku_none(isolate), ku_none(isolate));

    ku_object *none = ku_none(isolate);
    ku_decref(isolate, none); /* an immortal object does not count */
    printf("none is immortal: %s\n", yes(ku_is_immortal(none)));
    return (int)ku_isolate_delete(isolate);
}
