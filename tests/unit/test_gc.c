/* test_gc.c: the collector of native objects: what dies and what stays, in which order; generations and triggers; the
 * interface of kucha/gc.h that gives no lists. */
#include "native.h"

#include "object/collect.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static ku_isolate *isolate;
static char notes[256]; /* what happened, in order */

static void note(const char *what) {
    strncat(notes, what, sizeof notes - strlen(notes) - 1);
}

static int setup(void **state) {
    (void)state;
    isolate = open_isolate("gc");
    ku_gc_disable(isolate);
    nodes_finalized = 0;
    notes[0] = '\0';
    return 0;
}

static int teardown(void **state) {
    (void)state;
    close_isolate(isolate);
    return 0;
}

static void set(ku_object **place, ku_object *value) {
    ku_replace(isolate, place, ku_new_reference(value));
}

/* Two nodes that refer to each other; the caller has one reference to the first, and the second has none beside. */
static ku_object *pair(ku_object *(*make)(ku_isolate *isolate)) {
    ku_object *a = make(isolate), *b = make(isolate);
    as_node(a)->left = b;
    set(&as_node(b)->left, a);
    return a;
}

static ku_object *make_node(ku_isolate *of) {
    return new_node(of, 0);
}

static size_t tracked_blocks(void) {
    ku_heap_stats stats;
    ku_gc_collect(isolate, 0); /* flushes what checking builds keep back */
    ku_heap_stats_read(ku_isolate_heap_of(isolate, KU_HEAP_TRACKED), &stats);
    return stats.blocks_used;
}

/* ---- what dies ---- */

static void two_objects_that_refer_to_each_other_are_found(void **state) {
    (void)state;
    size_t before = tracked_blocks();
    ku_object *a = pair(make_node);
    assert_int_equal(ku_gc_collect(isolate, 2), 0); /* the program holds one */
    ku_decref(isolate, a);
    assert_int_equal(tracked_blocks(), before + 2); /* they are old now: the young generation does not look at them */
    assert_int_equal(ku_gc_collect(isolate, 2), 2);
    assert_int_equal(tracked_blocks(), before);
}

static void an_object_that_refers_to_itself_is_found(void **state) {
    (void)state;
    ku_object *a = make_node(isolate);
    set(&as_node(a)->left, a);
    ku_decref(isolate, a);
    assert_int_equal(ku_gc_collect(isolate, 0), 1);
}

static void what_garbage_refers_to_is_given_up_once(void **state) {
    (void)state;
    ku_object *a = pair(make_node), *kept = make_node(isolate);
    set(&as_node(a)->right, kept);
    set(&as_node(as_node(a)->left)->right, kept);
    assert_int_equal(ku_reference_count(kept), 3);
    ku_decref(isolate, a);
    assert_int_equal(ku_gc_collect(isolate, 2), 2);
    assert_int_equal(ku_reference_count(kept), 1);
    ku_decref(isolate, kept);
}

static void a_root_place_keeps_what_it_holds(void **state) {
    (void)state;
    ku_object *place = pair(make_node);
    assert_true(ku_root_add(isolate, &place));
    assert_int_equal(ku_gc_collect(isolate, 2), 0);
    ku_root_remove(isolate, &place);
    assert_int_equal(ku_gc_collect(isolate, 2), 0); /* its count keeps it too */
    ku_clear(isolate, &place);
    assert_int_equal(ku_gc_collect(isolate, 2), 2);
}

static void a_frame_keeps_what_it_holds(void **state) {
    (void)state;
    {
        KU_FRAME(isolate, frame, 1);
        ku_object *a = ku_hold(&frame, 0, pair(make_node));
        assert_int_equal(ku_gc_collect(isolate, 2), 0);
        assert_int_equal(ku_reference_count(a), 2);
    }
    assert_int_equal(ku_gc_collect(isolate, 2), 2);
}

static void immortal_objects_and_what_they_refer_to_stay(void **state) {
    (void)state;
    ku_object *a = pair(make_node);
    ku_make_immortal(isolate, a);
    assert_int_equal(ku_gc_collect(isolate, 2), 0);
    assert_int_equal(ku_gc_collect(isolate, 2), 0);
    assert_ptr_equal(as_node(as_node(a)->left)->left, a);
}

static void counts_of_many_hundreds_are_exact(void **state) {
    (void)state;
    enum { HOLDERS = 1024 };
    ku_object *centre = make_node(isolate), *first = NULL, **last = &first;
    for (int i = 0; i < HOLDERS; i++) { /* a ring of holders, each of which refers to the centre */
        ku_object *holder = make_node(isolate);
        set(&as_node(holder)->right, centre);
        *last = holder;
        last = &as_node(holder)->left;
    }
    set(last, first);
    set(&as_node(centre)->left, first);
    ku_object *outside = centre; /* one reference more than the multiple of 256 */
    ku_decref(isolate, first);
    first = NULL;
    assert_int_equal(ku_gc_collect(isolate, 2), 0);
    ku_decref(isolate, outside);
    assert_int_equal(ku_gc_collect(isolate, 2), HOLDERS + 1);
}

/* docs/collector.md, "Trial deletion, by an example". */
static void the_example_of_the_documentation_is_right(void **state) {
    (void)state;
    ku_object *a = pair(make_node), *c = pair(make_node);
    ku_object *b = as_node(a)->left, *d = as_node(c)->left;
    set(&as_node(b)->right, c);
    ku_decref(isolate, a);
    assert_int_equal(ku_reference_count(a), 1);
    assert_int_equal(ku_reference_count(b), 1);
    assert_int_equal(ku_reference_count(c), 3);
    assert_int_equal(ku_reference_count(d), 1);
    assert_int_equal(ku_gc_collect(isolate, 2), 2);
    assert_int_equal(ku_reference_count(c), 2);
    assert_ptr_equal(as_node(c)->left, d);
    ku_decref(isolate, c);
    assert_int_equal(ku_gc_collect(isolate, 2), 2);
}

/* ---- the order of the end ---- */

static char said[] = "callback ";
static ku_object *revived;
static bool revive(ku_isolate *of, ku_object *self) {
    (void)of;
    note("finalizer ");
    revived = ku_new_reference(self);
    return true;
}
static const ku_type_spec phoenix_spec = {
    .name = "phoenix", .size = sizeof(node), .fields = node_fields, .flags = KU_TYPE_WEAKREFS, .finalize = revive};
static ku_object *make_phoenix(ku_isolate *of) {
    return ku_new(of, type_of_spec(&phoenix_spec));
}

static void a_finalizer_runs_once_for_each_object_found(void **state) {
    (void)state;
    ku_decref(isolate, pair(new_watched));
    assert_int_equal(ku_gc_collect(isolate, 0), 2);
    assert_int_equal(nodes_finalized, 2);
    assert_int_equal(ku_gc_collect(isolate, 2), 0);
    assert_int_equal(nodes_finalized, 2);
}

static void what_a_finalizer_takes_hold_of_lives_on(void **state) {
    (void)state;
    ku_object *a = pair(make_phoenix);
    ku_decref(isolate, a);
    assert_int_equal(ku_gc_collect(isolate, 2), 0); /* nothing was lost */
    assert_non_null(revived);
    assert_true(ku_is_finalized(revived));
    assert_ptr_equal(as_node(as_node(revived)->left)->left, revived);
    ku_object *first = revived,
              *second = as_node(revived)->left; /* each finalizer took a reference: the last is kept */
    revived = NULL;
    ku_decref(isolate, first);
    ku_decref(isolate, second); /* which the first finalizer took */
    assert_int_equal(ku_gc_collect(isolate, 2), 2);
    assert_null(revived); /* and was not called again */
}

static void on_weak(ku_isolate *of, ku_object *reference, void *argument) {
    ku_object *referent = ku_weakref_get(of, reference);
    assert_null(referent);
    note((const char *)argument);
}

static void weak_references_are_cleared_before_finalizers_run(void **state) {
    (void)state;
    ku_object *a = pair(make_phoenix);
    ku_object *weak = ku_weakref_new_c(isolate, a, on_weak, said);
    ku_decref(isolate, a);
    ku_gc_collect(isolate, 2);
    assert_string_equal(notes, "callback finalizer finalizer ");
    assert_null(ku_weakref_get(isolate, weak)); /* though the object was brought back */
    ku_decref(isolate, weak);
    ku_object *first = revived;
    revived = NULL;
    ku_decref(isolate, as_node(first)->left);
    ku_decref(isolate, first);
    assert_int_equal(ku_gc_collect(isolate, 2), 2);
}

static void the_callback_of_a_weak_reference_that_is_garbage_too_is_not_called(void **state) {
    (void)state;
    ku_object *a = pair(make_node);
    as_node(a)->right = ku_weakref_new_c(isolate, a, on_weak, said);
    ku_decref(isolate, a);
    assert_in_range(ku_gc_collect(isolate, 2), 2, 3);
    assert_string_equal(notes, "");
}

/* ---- types of all shapes ---- */

typedef struct shelf {
    ku_object header;
    size_t length;
    ku_object **items;
    void *buffer;
    ku_object *tail_none;
} shelf;
static const ku_field shelf_fields[] = {
    {"items", offsetof(shelf, items), KU_FIELD_ITEMS, KU_FIELD_HIDDEN, offsetof(shelf, length)},
    {"buffer", offsetof(shelf, buffer), KU_FIELD_BUFFER, KU_FIELD_HIDDEN},
    {NULL},
};
static const ku_type_spec shelf_spec = {.name = "shelf", .size = sizeof(shelf), .fields = shelf_fields};

typedef struct row {
    ku_object header;
    size_t length;
    ku_object *cells[];
} row;
static const ku_field row_fields[] = {
    {"cells", offsetof(row, cells), KU_FIELD_TAIL, KU_FIELD_HIDDEN, offsetof(row, length)},
    {NULL},
};
static const ku_type_spec row_spec = {.name = "row", .size = sizeof(row), .fields = row_fields};

static ku_object *new_shelf(size_t length) {
    shelf *made = (shelf *)ku_new(isolate, type_of_spec(&shelf_spec));
    made->items = (ku_object **)ku_buffer_new(isolate, length * sizeof(ku_object *));
    memset((void *)made->items, 0, length * sizeof(ku_object *));
    made->length = length;
    made->buffer = ku_buffer_new(isolate, 100);
    return &made->header;
}

static void arrays_and_buffers_go_with_their_objects(void **state) {
    (void)state;
    size_t bytes_before, bytes_after;
    ku_gc_collect(isolate, 2);
    ku_isolate_objects(isolate, &bytes_before);
    ku_object *a = new_shelf(1000), *b = ku_new_sized(isolate, type_of_spec(&row_spec), 500);
    ku_object *c = ku_new_sized(isolate, type_of_spec(&row_spec), 3);
    ku_object **long_tail = ku_tail(b, offsetof(row, cells), 500), **short_tail = ku_tail(c, offsetof(row, cells), 3);
    for (int i = 0; i < 1000; i++) {
        ((shelf *)a)->items[i] = ku_new_reference(i % 2 == 0 ? b : c);
    }
    long_tail[499] = ku_new_reference(c);
    short_tail[2] = ku_new_reference(a);
    ku_decref(isolate, b);
    ku_decref(isolate, c);
    assert_int_equal(ku_gc_collect(isolate, 2), 0);
    ku_decref(isolate, a);
    assert_int_equal(ku_gc_collect(isolate, 2), 3);
    ku_isolate_objects(isolate, &bytes_after);
    assert_int_equal(bytes_after, bytes_before);
}

/* ---- generations ---- */

static void survivors_move_up_and_the_oldest_are_looked_at_by_full_collections_only(void **state) {
    (void)state;
    ku__space *space = &isolate->gc->space;
    ku_gc_collect(isolate, 2);
    size_t old = ku__space_count(space, 2);
    ku_object *a = pair(make_node);
    ku_gc_collect(isolate, 0);
    assert_int_equal(ku__space_count(space, 1), 2);
    ku_gc_collect(isolate, 1);
    assert_int_equal(ku__space_count(space, 1), 0);
    assert_int_equal(ku__space_count(space, 2), old + 2);
    ku_decref(isolate, a);
    assert_int_equal(ku_gc_collect(isolate, 0), 0);
    assert_int_equal(ku_gc_collect(isolate, 1), 0);
    assert_int_equal(ku_gc_collect(isolate, 2), 2);
}

static void the_block_of_an_old_object_makes_a_young_one(void **state) {
    (void)state;
    ku_object *a = make_node(isolate);
    ku_gc_collect(isolate, 2);
    ku_decref(isolate, a); /* its block is the next that is given out, at least in the normal build */
    ku_decref(isolate, pair(make_node));
    assert_int_equal(ku_gc_collect(isolate, 0), 2);
}

static void frozen_objects_are_not_looked_at(void **state) {
    (void)state;
    ku_decref(isolate, pair(make_node));
    ku_gc_freeze(isolate);
    assert_true(ku_gc_get_freeze_count(isolate) >= 2);
    assert_int_equal(ku_gc_collect(isolate, 2), 0);
    ku_gc_unfreeze(isolate);
    assert_int_equal(ku_gc_get_freeze_count(isolate), 0);
    assert_int_equal(ku_gc_collect(isolate, 2), 2);
}

static void new_objects_beyond_the_threshold_collect(void **state) {
    (void)state;
    int counts[KU_GC_GENERATIONS];
    ku_gc_collect(isolate, 2);
    ku_gc_enable(isolate);
    ku_gc_set_threshold(isolate, (const int[]){100, 5, 5});
    ku_gc_stats before[KU_GC_GENERATIONS], after[KU_GC_GENERATIONS];
    ku_gc_get_stats(isolate, before);
    for (int i = 0; i < 10000; i++) {
        ku_decref(isolate, pair(make_node));
        ku_gc_get_count(isolate, counts);
        assert_true(counts[0] <= 101);
    }
    ku_gc_get_stats(isolate, after);
    assert_true(after[0].collections > before[0].collections);
    assert_true(after[1].collections > before[1].collections);
#ifndef KU_HOSTILE
    assert_true(after[0].collected - before[0].collected > 15000);
#endif
    ku_gc_disable(isolate);
    for (int i = 0; i < 300; i++) {
        ku_decref(isolate, pair(make_node));
    }
    ku_gc_get_count(isolate, counts);
    assert_in_range(counts[0], 600, 701);
}

static void outstanding_garbage_stays_bounded(void **state) {
    (void)state;
    enum { LIVE = 40000, MADE = 400000 };
    ku_object *list = NULL;
    for (int i = 0; i < LIVE; i++) {
        ku_object *item = make_node(isolate);
        as_node(item)->left = list;
        list = item;
    }
    ku_gc_collect(isolate, 2);
    ku_gc_enable(isolate);
    size_t most = 0;
    for (int i = 0; i < MADE; i += 2) {
        ku_decref(isolate, pair(make_node));
        if (i % 1000 == 0) {
            size_t objects = ku_isolate_objects(isolate, NULL);
            most = objects > most ? objects : most;
        }
    }
    ku_decref(isolate, list);
    size_t bound = LIVE / 4 > 10000 ? LIVE / 4 : 10000;
    assert_true(most < LIVE + bound + 1000); /* types and such beside */
}

static void large_buffers_collect_by_their_bytes(void **state) {
    (void)state;
    enum { BYTES = 4 << 20 };
    ku_gc_enable(isolate);
    size_t most = 0, bytes;
    for (int i = 0; i < 100; i++) { /* far fewer objects than any threshold */
        ku_object *a = new_shelf(BYTES / sizeof(ku_object *));
        ((shelf *)a)->items[0] = a;
        ku_isolate_objects(isolate, &bytes);
        most = bytes > most ? bytes : most;
    }
    assert_true(most < (size_t)16 * BYTES);
    ku_gc_collect(isolate, 2);
}

/* More of them on the way to be looked at than are fetched ahead (KU__AHEAD), held by this function alone. */
static void many_arrays_at_once_lose_nothing(void **state) {
    (void)state;
    enum { SHELVES = 200, EACH_HAS = 20 };
    ku_object *all = new_shelf(SHELVES);
    for (int i = 0; i < SHELVES; i++) {
        ku_object *inner = ((shelf *)all)->items[i] = new_shelf(EACH_HAS);
        for (int j = 0; j < EACH_HAS; j++) {
            ((shelf *)inner)->items[j] = make_node(isolate);
        }
    }
    assert_int_equal(ku_gc_collect(isolate, 2), 0);
    assert_int_equal(ku_gc_collect(isolate, 2), 0);
    ku_decref(isolate, all);
}

/* Instances of types made at run time end together, and their types after them; `same` collects both at once. */
static void run_time_instances_end(bool same) {
    enum { TYPES = 3, INSTANCES = 600 };
    ku_object *types[TYPES];
    for (int t = 0; t < TYPES; t++) {
        types[t] = ku_type_new(isolate, &(ku_type_spec){.name = "made", .flags = KU_TYPE_DICT}, NULL, 0);
    }
    for (int i = 0; i < INSTANCES; i++) {
        ku_type *type = ku_type_from(types[i % TYPES]);
        ku_object *a = ku_new(isolate, type), *b = ku_new(isolate, type), *text = ku_str(isolate, "of the world");
        assert_true(ku_set(isolate, a, "other", b));
        assert_true(ku_set(isolate, b, "other", a));
        assert_true(ku_set(isolate, a, "text", text));
        if (i % 7 == 0) {
            assert_true(ku_set(isolate, types[i % TYPES], "instance", a)); /* the type in a cycle with it */
        }
        ku_decref(isolate, text);
        ku_decref(isolate, a);
        ku_decref(isolate, b);
    }
    if (!same) {
        assert_true(ku_gc_collect(isolate, 2) >= 2 * (INSTANCES - TYPES));
    }
    for (int t = 0; t < TYPES; t++) {
        ku_decref(isolate, types[t]);
    }
    assert_true(ku_gc_collect(isolate, 2) >= (same ? 2 * INSTANCES + TYPES : TYPES));
}

/* The first time makes what an isolate keeps. */
static void run_time_instances_end_twice(bool same) {
    run_time_instances_end(same);
    size_t before = tracked_blocks();
    run_time_instances_end(same);
    assert_int_equal(tracked_blocks(), before);
}

static void instances_of_run_time_types_end_before_their_types(void **state) {
    (void)state;
    run_time_instances_end_twice(true);
}

static void run_time_types_outlive_their_instances(void **state) {
    (void)state;
    run_time_instances_end_twice(false);
}

/* ---- steps ---- */

static void a_collection_in_steps_finds_the_same(void **state) {
    (void)state;
    enum { NODES = 20000 };
    ku_object *live = NULL;
    for (int i = 0; i < NODES; i++) {
        ku_object *item = make_node(isolate);
        as_node(item)->left = live;
        live = item;
        ku_decref(isolate, pair(make_node));
    }
    assert_true(ku_root_add(isolate, &live));
    size_t found = 0, steps = 1;
    while (!ku_gc_step(isolate, 1e-6, &found)) {
        steps++;
        ku_object *item = make_node(isolate); /* the program goes on */
        as_node(item)->left = live;
        live = item;
    }
    assert_int_equal(found, 2 * NODES);
    assert_true(steps > 10);
    ku_root_remove(isolate, &live);
    ku_decref(isolate, live);
}

static void what_is_freed_between_steps_is_no_matter(void **state) {
    (void)state;
    enum { NODES = 5000 };
    ku_object *live = NULL;
    for (int i = 0; i < NODES; i++) {
        ku_object *item = make_node(isolate);
        as_node(item)->left = live;
        live = item;
    }
    assert_true(ku_root_add(isolate, &live));
    size_t found = 0;
    for (int i = 0; !ku_gc_step(isolate, 1e-6, &found); i++) {
        if (i == 1) {
            ku_clear(isolate, &live);
        }
    }
    assert_int_equal(found, 0);
    ku_root_remove(isolate, &live);
    assert_int_equal(ku_gc_collect(isolate, 2), 0);
}

/* Blocks of what was to be marked are taken by new objects, of other sizes too, which a younger collection moves up. */
static void younger_collections_run_between_steps(void **state) {
    (void)state;
    enum { NODES = 20000, PAIRS = 3000 };
    ku_object *live = NULL, *kept = NULL;
    for (int i = 0; i < NODES; i++) {
        ku_object *item = make_node(isolate);
        as_node(item)->left = live;
        live = item;
    }
    assert_true(ku_root_add(isolate, &live));
    assert_true(ku_root_add(isolate, &kept));
    size_t found = 0;
    assert_false(ku_gc_step(isolate, 1e-6, &found));
    for (int round = 0; round < 5; round++) {
        ku_replace(isolate, &live, ku_new_reference(as_node(live)->left));
        for (int i = 0; i < PAIRS; i++) {
            ku_decref(isolate, pair(make_node));
            ku_object *item = i % 2 != 0 ? new_shelf(4) : make_node(isolate);
            ku_replace(isolate, &kept, item);
        }
        assert_int_equal(ku_gc_collect(isolate, round % 2), 2 * PAIRS);
        for (int i = 0; i < NODES / 8; i++) {
            ku_replace(isolate, &live, ku_new_reference(as_node(live)->left));
        }
        if (ku_gc_step(isolate, 1e-6, &found)) {
            break;
        }
    }
    while (isolate->gc->stepping && !ku_gc_step(isolate, 1e-6, &found)) {}
    size_t length = 0;
    for (ku_object *at = live; at != NULL; at = as_node(at)->left) {
        length++;
    }
    assert_in_range(length, NODES / 4, NODES);
    assert_int_equal(ku_gc_collect(isolate, 2), 0);
    ku_clear(isolate, &live);
    ku_clear(isolate, &kept);
    ku_root_remove(isolate, &live);
    ku_root_remove(isolate, &kept);
}

/* Builds a heap with garbage until full collections by children, or in steps, have run. */
static void collects_beside_the_program(ku_gc_mode mode) {
    ku_object *live = NULL;
    size_t finished = 0;
    assert_true(ku_root_add(isolate, &live));
    assert_true(ku_gc_set_mode(isolate, mode, 1e-6));
    ku_gc_enable(isolate);
    for (int i = 0; i < 400000 && (finished < 3 || i < 5000); i++) {
        ku_object *item = make_node(isolate);
        as_node(item)->left = live;
        live = item;
        ku_decref(isolate, pair(make_node));
        ku_gc_stats stats[KU_GC_GENERATIONS];
        ku_gc_get_stats(isolate, stats);
        finished = stats[2].collections;
    }
    assert_true(finished >= 1);
    size_t length = 0;
    for (ku_object *at = live; at != NULL; at = as_node(at)->left) {
        length++;
    }
    assert_true(length > 1000);
    ku_gc_set_mode(isolate, KU_GC_WHOLE, 0);
    ku_gc_disable(isolate);
    ku_gc_collect(isolate, 2);
    assert_true(ku_isolate_objects(isolate, NULL) < length + 2000);
    ku_root_remove(isolate, &live);
    ku_decref(isolate, live);
}

static void automatic_collections_in_steps_keep_what_lives(void **state) {
    (void)state;
    collects_beside_the_program(KU_GC_STEPPED);
}

static void automatic_collections_by_a_child_keep_what_lives(void **state) {
    (void)state;
    collects_beside_the_program(KU_GC_FORKED);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child that the program could meet */
    assert_int_equal(errno, ECHILD);
}

static void a_child_that_is_killed_loses_nothing(void **state) {
    (void)state;
    ku_object *live = NULL;
    assert_true(ku_gc_set_mode(isolate, KU_GC_FORKED, 1e-6));
    ku_gc_enable(isolate);
    size_t killed = 0;
    for (int i = 0; i < 200000; i++) {
        ku_object *item = make_node(isolate);
        as_node(item)->left = live;
        live = item;
        if (isolate->gc->child != 0) {
            killed++;
            kill(isolate->gc->child, SIGKILL);
        }
    }
    size_t length = 0;
    for (ku_object *at = live; at != NULL; at = as_node(at)->left) {
        length++;
    }
    assert_int_equal(length, 200000);
#ifndef KU_HOSTILE
    assert_true(killed > 0);
#endif
    ku_gc_set_mode(isolate, KU_GC_WHOLE, 0);
    ku_decref(isolate, live);
}

static void pauses_are_counted(void **state) {
    (void)state;
    ku_gc_pauses pauses[KU_GC_GENERATIONS];
    ku_gc_get_pauses(isolate, pauses);
    size_t before = pauses[2].count;
    ku_gc_collect(isolate, 2);
    ku_gc_get_pauses(isolate, pauses);
    size_t sum = 0;
    for (int i = 0; i < KU_GC_PAUSE_PLACES; i++) {
        sum += pauses[2].histogram[i];
    }
    assert_int_equal(pauses[2].count, before + 1);
    assert_int_equal(sum, pauses[2].count);
    assert_true(pauses[2].longest > 0 && pauses[2].total >= pauses[2].longest);
}

/* ---- lists ---- */

static bool has(ku_object *list, const ku_object *object) {
    bool found = false;
    for (size_t i = 0; i < ku_list_length(list); i++) {
        found |= ku_list_at(list, i) == object;
    }
    ku_decref(isolate, list);
    return found;
}

static void objects_are_listed_by_generation(void **state) {
    (void)state;
    ku_object *a = make_node(isolate);
    assert_true(has(ku_gc_get_objects(isolate, KU_GC_ALL), a));
    ku_gc_collect(isolate, 0);
    assert_true(has(ku_gc_get_objects(isolate, 1), a));
    assert_false(has(ku_gc_get_objects(isolate, 0), a));
    ku_gc_collect(isolate, 2);
    assert_true(has(ku_gc_get_objects(isolate, 2), a));
    assert_null(ku_gc_get_objects(isolate, 3));
    assert_int_equal(pending_code(isolate), KU_VALUE);
    ku_clear_error(isolate);
    ku_decref(isolate, a);
}

static void referrers_and_referents_are_direct(void **state) {
    (void)state;
    ku_object *a = pair(make_node), *b = as_node(a)->left;
    assert_true(has(ku_gc_get_referrers(isolate, &a, 1), b));
    assert_false(has(ku_gc_get_referrers(isolate, &a, 1), a));
    assert_true(has(ku_gc_get_referents(isolate, &a, 1), b));
    assert_true(ku_gc_is_tracked(a));
    ku_decref(isolate, a);
    ku_gc_collect(isolate, 2);
}

static void what_is_found_can_be_saved(void **state) {
    (void)state;
    ku_object *a = pair(make_node);
    ku_gc_set_debug(isolate, KU_GC_SAVEALL);
    ku_decref(isolate, a);
    assert_int_equal(ku_gc_collect(isolate, 2), 2);
    ku_gc_set_debug(isolate, 0);
    ku_object *garbage = ku_gc_garbage(isolate);
    assert_int_equal(ku_list_length(garbage), 2);
    assert_true(has(ku_new_reference(garbage), a));
    assert_ptr_equal(as_node(as_node(a)->left)->left, a);
}

/* ---- callbacks ---- */

static void on_collection(ku_isolate *of, ku_gc_phase phase, const ku_gc_info *info, void *argument) {
    char text[64];
    (void)argument;
    assert_int_equal(ku_gc_collect(of, 2), 0); /* not inside of one */
    snprintf(text, sizeof text, "%s %d %zu; ", phase == KU_GC_START ? "start" : "stop", info->generation,
             info->collected);
    note(text);
}

static void callbacks_hear_of_the_start_and_the_stop(void **state) {
    (void)state;
    assert_true(ku_gc_add_callback(isolate, on_collection, NULL));
    ku_decref(isolate, pair(make_node));
    ku_gc_collect(isolate, 1);
    ku_gc_remove_callback(isolate, on_collection, NULL);
    ku_gc_remove_callback(isolate, on_collection, NULL);
    ku_gc_collect(isolate, 1);
    assert_string_equal(notes, "start 1 0; stop 1 2; ");
}

int main(void) {
#define EACH(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        EACH(two_objects_that_refer_to_each_other_are_found),
        EACH(an_object_that_refers_to_itself_is_found),
        EACH(what_garbage_refers_to_is_given_up_once),
        EACH(a_root_place_keeps_what_it_holds),
        EACH(a_frame_keeps_what_it_holds),
        EACH(immortal_objects_and_what_they_refer_to_stay),
        EACH(counts_of_many_hundreds_are_exact),
        EACH(the_example_of_the_documentation_is_right),
        EACH(a_finalizer_runs_once_for_each_object_found),
        EACH(what_a_finalizer_takes_hold_of_lives_on),
        EACH(weak_references_are_cleared_before_finalizers_run),
        EACH(the_callback_of_a_weak_reference_that_is_garbage_too_is_not_called),
        EACH(arrays_and_buffers_go_with_their_objects),
        EACH(survivors_move_up_and_the_oldest_are_looked_at_by_full_collections_only),
        EACH(the_block_of_an_old_object_makes_a_young_one),
        EACH(frozen_objects_are_not_looked_at),
        EACH(new_objects_beyond_the_threshold_collect),
        EACH(outstanding_garbage_stays_bounded),
        EACH(large_buffers_collect_by_their_bytes),
        EACH(a_collection_in_steps_finds_the_same),
        EACH(many_arrays_at_once_lose_nothing),
        EACH(instances_of_run_time_types_end_before_their_types),
        EACH(run_time_types_outlive_their_instances),
        EACH(what_is_freed_between_steps_is_no_matter),
        EACH(younger_collections_run_between_steps),
        EACH(automatic_collections_in_steps_keep_what_lives),
        EACH(automatic_collections_by_a_child_keep_what_lives),
        EACH(a_child_that_is_killed_loses_nothing),
        EACH(pauses_are_counted),
        EACH(objects_are_listed_by_generation),
        EACH(referrers_and_referents_are_direct),
        EACH(what_is_found_can_be_saved),
        EACH(callbacks_hear_of_the_start_and_the_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
