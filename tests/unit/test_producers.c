/* test_producers.c: who makes cycles: what collections find dead is told by the reference that closed the cycle, by
 * type and by birthplace; what lives on, or was never garbage, is not. */
#include "objects.h"

typedef struct page {
    ku_object header;
    ku_object *book;
} page;
typedef struct book {
    ku_object header;
    ku_object *pages, *turned;
} book;

static const ku_field page_fields[] = {{"book", offsetof(page, book), KU_FIELD_OWNED}, {NULL}};
static const ku_field book_fields[] = {
    {"pages", offsetof(book, pages), KU_FIELD_OWNED}, {"turned", offsetof(book, turned), KU_FIELD_OWNED}, {NULL}};
static const ku_type_spec page_spec = {.name = "page", .size = sizeof(page), .fields = page_fields};
static const ku_type_spec book_spec = {.name = "book", .size = sizeof(book), .fields = book_fields};

static ku_object *new_of(ku_isolate *isolate, const ku_type_spec *spec) {
    ku_object *made = ku_new(isolate, type_of_spec(spec));
    assert_non_null(made);
    return made;
}

/* A node that refers to itself, and to nothing else. */
static void drop_loop(ku_isolate *isolate) {
    ku_object *made = new_of(isolate, &node_spec);
    as_node(made)->left = made; /* the only reference: ours is handed over */
}

static ku_object *grow(ku_isolate *isolate, ku_object *parent, int depth) {
    KU_FRAME(isolate, frame, 0);
    ku_object *made = new_of(isolate, &node_spec);
    as_node(made)->parent = ku_new_reference(parent);
    if (depth > 0) {
        as_node(made)->left = grow(isolate, made, depth - 1);
        as_node(made)->right = grow(isolate, made, depth - 1);
    }
    return made;
}

static ku_producers *watch(ku_isolate *isolate) {
    ku_gc_disable(isolate); /* when things are collected is the test's to say, in every build */
    ku_gc_collect(isolate, KU_GC_ALL);
    ku_producers *made = ku_producers_start(isolate);
    assert_non_null(made);
    return made;
}

static ku_producers_totals totals_of(const ku_producers *from) {
    ku_producers_totals totals;
    ku_producers_read(from, &totals);
    return totals;
}

/* The one row of cycles that there is. */
static const ku_producer *only_cycle(ku_producers *from) {
    const ku_producer *rows;
    assert_int_equal(ku_producers_cycles(from, &rows), 1);
    return rows;
}

static void a_tree_with_links_to_the_parent_is_closed_by_them(void **state) {
    (void)state;
    ku_isolate *isolate = isolate_with(&(ku_isolate_options){.flags = KU_ISOLATE_BIRTHPLACES});
    ku_producers *watching = watch(isolate);
    ku_object *tree = grow(isolate, NULL, 3);
    size_t bytes = ku_size_of(isolate, tree);
    ku_gc_collect(isolate, KU_GC_ALL);
    assert_int_equal(totals_of(watching).dead, 0); /* it lives */
    ku_decref(isolate, tree);
    assert_int_equal(ku_gc_collect(isolate, KU_GC_ALL), 15);

    const ku_producer *cycle = only_cycle(watching);
    assert_int_equal(cycle->kind, KU_CLOSING_ATTRIBUTE);
    assert_string_equal(cycle->closing, "node.parent -> node");
    assert_string_equal(cycle->name, "parent");
    assert_string_equal(cycle->type, "node");
    assert_string_equal(cycle->example, "node.left -> node.parent -> node (the first)");
    assert_non_null(strstr(cycle->place, "test_producers.c:"));
    assert_non_null(strstr(cycle->place, " in grow"));
    assert_non_null(strstr(cycle->advice, "weak"));
    assert_int_equal(cycle->cycles, 1);
    assert_int_equal(cycle->objects, 15);
    assert_int_equal(cycle->bytes, 15 * bytes);
    assert_int_equal(cycle->collections, 1);

    const ku_producers_dead *found;
    assert_int_equal(ku_producers_found(watching, &found), 1);
    assert_string_equal(found[0].type, "node");
    assert_int_equal(found[0].objects, 15);
    ku_producers_stop(watching);
    assert_int_equal(ku_isolate_delete(isolate), 0);
}

/* ---- sorts of references ---- */

static void drop_book(ku_isolate *isolate, size_t pages) {
    ku_object *made = new_of(isolate, &book_spec), *list = ku_list_new(isolate, NULL, 0);
    ((book *)(void *)made)->pages = list;
    for (size_t i = 0; i < pages; i++) {
        ku_object *one = new_of(isolate, &page_spec);
        ((page *)(void *)one)->book = ku_new_reference(made);
        assert_true(ku_list_append(isolate, list, one));
        ku_decref(isolate, one);
    }
    ku_decref(isolate, made);
}

static void containers_are_only_on_the_way(void **state) {
    ku_isolate *isolate = *state;
    ku_producers *watching = watch(isolate);
    drop_book(isolate, 3);
    assert_int_equal(ku_gc_collect(isolate, KU_GC_ALL), 5);
    const ku_producer *cycle = only_cycle(watching);
    if (strcmp(cycle->closing, "page.book -> book") == 0) { /* whichever lies first in memory is told first */
        assert_string_equal(cycle->example, "book.pages[0] -> page.book -> book (the first)");
    } else {
        assert_string_equal(cycle->closing, "book.pages[...] -> page");
        assert_string_equal(cycle->example, "page.book -> book.pages[0] -> page (the first)");
    }
    assert_null(cycle->place); /* the isolate does not keep them */
    assert_int_equal(cycle->objects, 5);
    ku_producers_stop(watching);
}

static void an_item_of_a_container_closes_a_cycle(void **state) {
    ku_isolate *isolate = *state;
    ku_producers *watching = watch(isolate);
    ku_object *list = ku_list_new(isolate, NULL, 0), *dict = ku_dict_new(isolate), *name = ku_str(isolate, "inner");
    assert_true(ku_list_append(isolate, list, dict));
    assert_true(ku_dict_set(isolate, dict, name, list));
    ku_decref(isolate, name);
    ku_decref(isolate, dict);
    ku_decref(isolate, list);
    assert_int_equal(ku_gc_collect(isolate, KU_GC_ALL), 2);
    const ku_producer *cycle = only_cycle(watching);
    assert_int_equal(cycle->kind, KU_CLOSING_ITEM);
    bool from_dict = strcmp(cycle->closing, "dict['inner'] -> list") == 0; /* whichever lies first in memory */
    assert_true(from_dict || strcmp(cycle->closing, "list[...] -> dict") == 0);
    ku_producers_stop(watching);
}

static ku_object *turn(ku_isolate *isolate, ku_object *self, ku_object *const *arguments, size_t count) {
    (void)arguments;
    (void)count;
    (void)isolate;
    return ku_new_reference(self);
}

static void a_bound_method_of_the_object_that_keeps_it_is_told(void **state) {
    static const ku_method methods[] = {{"turn", turn, 0, 0}, {NULL, NULL, 0, 0}};
    static const ku_type_spec turner = {
        .name = "turner", .size = sizeof(book), .fields = book_fields, .methods = methods};
    ku_isolate *isolate = *state;
    ku_object *made = new_of(isolate, &turner);
    ku_producers *watching = watch(isolate);
    ((book *)(void *)made)->turned = ku_get(isolate, made, "turn");
    assert_non_null(((book *)(void *)made)->turned);
    ku_decref(isolate, made);
    assert_int_equal(ku_gc_collect(isolate, KU_GC_ALL), 2);
    const ku_producer *cycle = only_cycle(watching);
    assert_int_equal(cycle->kind, KU_CLOSING_METHOD);
    assert_string_equal(cycle->closing, "turner.turned.__self__ -> turner");
    ku_producers_stop(watching);
}

static void attributes_have_their_names_in_either_lay_out(void **state) {
    ku_isolate *isolate = *state;
    ku_object *type = ku_type_new(isolate, &(ku_type_spec){.name = "Open", .flags = KU_TYPE_DICT}, NULL, 0);
    assert_non_null(type);
    ku_producers *watching = watch(isolate);
    for (int own_dict = 0; own_dict < 2; own_dict++) {
        ku_object *made = ku_new(isolate, ku_type_from(type));
        assert_true(ku_set(isolate, made, "me", made));
        if (own_dict != 0) {
            ku_object *dict = ku_get(isolate, made, "__dict__");
            assert_non_null(dict);
            ku_decref(isolate, dict);
        }
        ku_decref(isolate, made);
        assert_int_equal(ku_gc_collect(isolate, KU_GC_ALL), 1 + own_dict);
    }
    const ku_producer *cycle = only_cycle(watching);
    assert_string_equal(cycle->closing, "Open.me -> Open");
    assert_string_equal(cycle->example, "Open.me -> Open (the same)");
    assert_int_equal(cycle->cycles, 2);
    assert_int_equal(cycle->objects, 3);
    assert_int_equal(cycle->collections, 2);
    ku_producers_stop(watching);
    ku_decref(isolate, type);
}

static void a_type_that_holds_an_instance_is_a_cycle_of_types(void **state) {
    ku_isolate *isolate = *state;
    ku_producers *watching = watch(isolate);
    ku_object *type = ku_type_new(isolate, &(ku_type_spec){.name = "Single"}, NULL, 0);
    ku_object *made = ku_new(isolate, ku_type_from(type));
    assert_true(ku_set(isolate, type, "instance", made));
    ku_decref(isolate, made);
    ku_decref(isolate, type);
    assert_true(ku_gc_collect(isolate, KU_GC_ALL) >= 2);
    const ku_producer *cycle = only_cycle(watching);
    assert_non_null(strstr(cycle->example, "type Single"));
    ku_producers_stop(watching);
}

/* ---- what is not counted ---- */

static ku_object *held;

static bool hold_it(ku_isolate *isolate, ku_object *self) {
    (void)isolate;
    held = ku_new_reference(self);
    return true;
}

static void what_a_finalizer_revives_is_not_counted(void **state) {
    static const ku_type_spec reviving = {
        .name = "reviving", .size = sizeof(node), .fields = node_fields, .finalize = hold_it};
    ku_isolate *isolate = *state;
    ku_producers *watching = watch(isolate);
    ku_object *made = new_of(isolate, &reviving);
    as_node(made)->left = made;
    as_node(made)->right = new_of(isolate, &node_spec); /* kept by the cycle, and so by who holds it */
    drop_loop(isolate);
    assert_int_equal(ku_gc_collect(isolate, KU_GC_ALL), 1);
    assert_string_equal(only_cycle(watching)->closing, "node.left -> node");
    assert_int_equal(totals_of(watching).dead, 3);
    assert_int_equal(totals_of(watching).looked, 1);
    ku_clear(isolate, &held);
    assert_int_equal(ku_gc_collect(isolate, KU_GC_ALL), 2); /* now it dies */
    assert_int_equal(totals_of(watching).looked, 3);
    assert_int_equal(totals_of(watching).cycles, 2);
    ku_producers_stop(watching);
}

static void what_is_kept_to_be_seen_is_counted(void **state) {
    ku_isolate *isolate = *state;
    ku_producers *watching = watch(isolate);
    ku_gc_set_debug(isolate, KU_GC_SAVEALL);
    drop_loop(isolate);
    assert_int_equal(ku_gc_collect(isolate, KU_GC_ALL), 1);
    ku_gc_set_debug(isolate, 0);
    assert_int_equal(only_cycle(watching)->objects, 1);
    assert_int_equal(ku_list_length(ku_gc_garbage(isolate)), 1);
    ku_object *saved = ku_list_at(ku_gc_garbage(isolate), 0);
    ku_clear(isolate, &as_node(saved)->left);
    ku_list_clear(isolate, ku_gc_garbage(isolate));
    ku_producers_stop(watching);
}

/* ---- watches ---- */

static void each_watch_counts_for_itself(void **state) {
    ku_isolate *isolate = *state;
    ku_producers *first = watch(isolate);
    drop_loop(isolate);
    ku_gc_collect(isolate, KU_GC_ALL);
    ku_producers *second = watch(isolate);
    drop_loop(isolate);
    drop_loop(isolate);
    ku_gc_collect(isolate, 0);
    assert_int_equal(totals_of(first).cycles, 3);
    assert_int_equal(totals_of(second).cycles, 2);
    ku_producers_stop(first);
    drop_loop(isolate);
    ku_gc_collect(isolate, KU_GC_ALL);
    assert_int_equal(totals_of(second).cycles, 3);
    ku_producers_stop(second);
    ku_producers_stop(NULL);
    drop_loop(isolate);
    assert_int_equal(ku_gc_collect(isolate, KU_GC_ALL), 1);
}

static void collections_in_steps_are_told_of_as_well(void **state) {
    ku_isolate *isolate = *state;
    ku_producers *watching = watch(isolate);
    size_t found = 0;
    drop_loop(isolate);
    while (!ku_gc_step(isolate, 0.001, &found)) {}
    assert_int_equal(found, 1);
    assert_int_equal(totals_of(watching).cycles, 1);
    ku_producers_stop(watching);
}

static void a_watch_ends_with_its_isolate(void **state) {
    (void)state;
    ku_isolate *isolate = isolate_with(&(ku_isolate_options){.name = "short"});
    watch(isolate);
    watch(isolate);
    drop_loop(isolate);
    assert_int_equal(ku_isolate_delete(isolate), 0); /* a leak would be a sanitizer's to tell */
}

static void of_very_many_a_sample_is_told(void **state) {
    enum { MANY = 260000, LOOKED_MOST = 200000 };
    ku_isolate *isolate = *state;
    ku_producers *watching = watch(isolate);
    for (size_t i = 0; i < MANY; i++) {
        drop_loop(isolate);
    }
    assert_int_equal(ku_gc_collect(isolate, KU_GC_ALL), MANY);
    ku_producers_totals totals = totals_of(watching);
    assert_int_equal(totals.dead, MANY);
    assert_true(totals.looked <= LOOKED_MOST && totals.looked >= LOOKED_MOST / 2);
    assert_int_equal(totals.cycles, totals.looked);
    const ku_producer *cycle = only_cycle(watching);
    assert_int_equal(cycle->cycles + totals.unnamed, totals.cycles);
    assert_true(totals.unnamed != 0);
    ku_producers_stop(watching);
}

static void the_table_says_what_to_do(void **state) {
    ku_isolate *isolate = *state;
    ku_producers *watching = watch(isolate);
    drop_book(isolate, 2);
    drop_loop(isolate);
    ku_gc_collect(isolate, KU_GC_ALL);
    char text[4096] = "";
    FILE *stream = fmemopen(text, sizeof text, "w");
    assert_int_equal(ku_producers_print(watching, stream, 0), 0);
    fclose(stream);
    assert_non_null(strstr(text, "2 cycles; 5 objects, "));
    assert_non_null(strstr(text, "page.book -> book"));
    assert_non_null(strstr(text, "node.left -> node (the same)\n"));
    assert_non_null(strstr(text, "weak reference"));
    const ku_producer *rows;
    assert_int_equal(ku_producers_cycles(watching, &rows), 2);
    assert_true(rows[0].bytes >= rows[1].bytes);
    ku_producers_stop(watching);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_with_links_to_the_parent_is_closed_by_them),
        TEST(containers_are_only_on_the_way),
        TEST(an_item_of_a_container_closes_a_cycle),
        TEST(a_bound_method_of_the_object_that_keeps_it_is_told),
        TEST(attributes_have_their_names_in_either_lay_out),
        TEST(a_type_that_holds_an_instance_is_a_cycle_of_types),
        TEST(what_a_finalizer_revives_is_not_counted),
        TEST(what_is_kept_to_be_seen_is_counted),
        TEST(each_watch_counts_for_itself),
        TEST(collections_in_steps_are_told_of_as_well),
        cmocka_unit_test(a_watch_ends_with_its_isolate),
        TEST(of_very_many_a_sample_is_told),
        TEST(the_table_says_what_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
