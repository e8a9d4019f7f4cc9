/* r09_gc.c: the gc interface: thresholds, callbacks, referrers and referents, what is tracked, garbage (row R9). */
#include "show.h"

static void on_phase(ku_isolate *isolate, ku_gc_phase phase, const ku_gc_info *info, void *argument) {
    (void)isolate;
    (void)argument;
    if (info->generation != 2) {
        return; /* automatic ones, of the young, come when they come */
    }
    if (phase == KU_GC_START) {
        puts("  start");
    } else {
        printf("  stop, collected %zu\n", info->collected);
    }
}

/* A list that holds itself, dropped. */
static void make_garbage(ku_isolate *isolate) {
    KU_FRAME(isolate, frame, 1);
    ku_object *list = ku_hold(&frame, 0, ku_list_new(isolate, NULL, 0));
    ku_list_append(isolate, list, list);
}

static void relations(ku_isolate *isolate) {
    KU_FRAME(isolate, frame, 4);
    ku_object *number = ku_hold(&frame, 0, ku_int(isolate, 1000));
    ku_object *inner = ku_hold(&frame, 1, ku_list_new(isolate, &number, 1));
    ku_object *outer = ku_hold(&frame, 2, ku_list_new(isolate, &inner, 1));
    show(isolate, "referents of the outer list", ku_hold(&frame, 3, ku_gc_get_referents(isolate, &outer, 1)));
    ku_hold(&frame, 3, NULL); /* that list referred to the inner one, too */
    ku_object *referrers = ku_hold(&frame, 3, ku_gc_get_referrers(isolate, &inner, 1));
    printf("the inner list has %zu referrer, the outer one: %s\n", ku_list_length(referrers),
           yes(ku_list_at(referrers, 0) == outer));
    printf("tracked: a list %s, an int %s\n", yes(ku_gc_is_tracked(inner)), yes(ku_gc_is_tracked(number)));
}

int main(void) {
    ku_isolate *isolate = open_isolate();
    int thresholds[KU_GC_GENERATIONS];
    ku_gc_get_threshold(isolate, thresholds);
    printf("thresholds %d, %d, %d; enabled: %s\n", thresholds[0], thresholds[1], thresholds[2],
           yes(ku_gc_is_enabled(isolate)));
    relations(isolate);

    ku_gc_collect(isolate, 2);
    ku_gc_add_callback(isolate, on_phase, NULL);
    make_garbage(isolate);
    puts("a full collection:");
    ku_gc_collect(isolate, 2);
    ku_gc_remove_callback(isolate, on_phase, NULL);

    ku_gc_set_debug(isolate, KU_GC_SAVEALL);
    make_garbage(isolate);
    ku_gc_collect(isolate, 2);
    show(isolate, "saved instead of freed", ku_gc_garbage(isolate));
    ku_gc_set_debug(isolate, 0);
    ku_list_clear(isolate, ku_gc_garbage(isolate));

    ku_gc_stats stats[KU_GC_GENERATIONS];
    ku_gc_get_stats(isolate, stats);
    printf("collected by full collections: %zu\n", stats[2].collected);
    return (int)ku_isolate_delete(isolate);
}
