/* r08_cycles.c: two objects that refer to each other; generations that fill and move (row R8). */
#include "show.h"

typedef struct node {
    ku_object header;
    ku_object *other;
} node;

static const ku_field fields[] = {{"other", offsetof(node, other), KU_FIELD_OWNED}, {NULL}};
static const ku_type_spec spec = {.name = "node", .size = sizeof(node), .fields = fields, .flags = KU_TYPE_WEAKREFS};

static void make_pair(ku_isolate *isolate) {
    KU_FRAME(isolate, frame, 2);
    ku_object *a = ku_hold(&frame, 0, ku_new(isolate, type_of(&spec)));
    ku_object *b = ku_hold(&frame, 1, ku_new(isolate, type_of(&spec)));
    ((node *)a)->other = ku_new_reference(b);
    ((node *)b)->other = ku_new_reference(a);
} /* the frame lets go of both; each is still held by the other */

static void show_generations(ku_isolate *isolate, const char *when) {
    size_t objects[KU_GC_GENERATIONS];
    for (int generation = 0; generation < KU_GC_GENERATIONS; generation++) {
        KU_FRAME(isolate, frame, 1);
        objects[generation] = ku_list_length(ku_hold(&frame, 0, ku_gc_get_objects(isolate, generation)));
    }
    printf("%-18s %zu young, %zu middle, %zu old\n", when, objects[0], objects[1], objects[2]);
}

int main(void) {
    ku_isolate *isolate = open_isolate();
    ku_gc_disable(isolate);
    ku_gc_collect(isolate, 2);
    ku_gc_freeze(isolate); /* what the isolate itself is made of does not take part */

    make_pair(isolate);
    printf("counts cannot free a pair; the collector finds %zu objects\n", ku_gc_collect(isolate, 2));
    {
        KU_SCOPE(isolate, kept);
        for (int i = 0; i < 100; i++) {
            ku_own(&kept, ku_new(isolate, type_of(&spec)));
            make_pair(isolate);
        }
        show_generations(isolate, "made");
        printf("found: %zu\n", ku_gc_collect(isolate, 0));
        show_generations(isolate, "after collect(0)");
        ku_gc_collect(isolate, 1);
        show_generations(isolate, "after collect(1)");
        make_pair(isolate);
        show_generations(isolate, "a pair is made");
        printf("what is reachable is never touched: found %zu\n", ku_gc_collect(isolate, 2));
        show_generations(isolate, "after collect(2)");
    }
    return (int)ku_isolate_delete(isolate);
}
