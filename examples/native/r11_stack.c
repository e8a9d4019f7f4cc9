/* r11_stack.c: objects live in the heap, frames hold references; when a function returns, its references go (R11). */
#include "show.h"

static size_t alive;

static bool on_end(ku_isolate *isolate, ku_object *self) {
    (void)isolate;
    (void)self;
    alive--;
    return true;
}

static const ku_type_spec spec = {.name = "thing", .finalize = on_end, .size = sizeof(ku_object)};

static ku_object *make(ku_isolate *isolate) {
    alive++;
    return ku_new(isolate, type_of(&spec));
}

/* Makes three, and gives one to its caller. */
static ku_object *work(ku_isolate *isolate) {
    KU_FRAME(isolate, frame, 3);
    ku_hold(&frame, 0, make(isolate));
    ku_hold(&frame, 1, make(isolate));
    ku_hold(&frame, 2, make(isolate));
    puts("what the stack holds inside of work():");
    ku_stack_print(isolate, stdout);
    return ku_escape(&frame, 1);
}

static size_t depth_of(ku_isolate *isolate) {
    KU_FRAME(isolate, frame, 1);
    if (!ku_frame_entered(&frame)) {
        return 0;
    }
    ku_hold(&frame, 0, make(isolate));
    return depth_of(isolate) + 1;
}

int main(void) {
    ku_isolate *isolate = open_isolate();
    {
        KU_FRAME(isolate, frame, 1);
        ku_object *kept = ku_hold(&frame, 0, work(isolate));
        printf("after it returned, %zu is alive, held by %zu slot\n", alive, ku_stack_holds(isolate, kept));
    }
    printf("after main's block, %zu\n", alive);

    for (int i = 0; i < 100000; i++) {
        KU_SCOPE(isolate, round); /* gives up whatever a round made, however many */
        for (int j = 0; j < 3; j++) {
            ku_own(&round, make(isolate));
        }
    }
    printf("after a loop that made 300000, %zu\n", alive);

    ku_set_recursion_limit(isolate, 1000);
    printf("endless recursion ended at %zu\n", depth_of(isolate));
    show_error(isolate, "with");
    printf("and left %zu\n", alive);
    return (int)ku_isolate_delete(isolate);
}
