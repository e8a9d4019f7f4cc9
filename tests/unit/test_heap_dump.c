/* test_heap_dump.c: what is alive in an isolate: counted, as a graph, and in heap files at events. */
#include "native.h"

#include <kucha/heap_dump.h>
#include <kucha/heap_file.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NODES = 500 };

/* Something of each kind: a tree of nodes, a list, a dict of names, a dict of numbers, a set, a tuple, long things, an
 * instance with attributes, a type made at run time, a weak reference, a namespace. */
typedef struct world {
    ku_isolate *isolate;
    ku_object *all; /* a list, a root */
} world;

static void keep(world *of, ku_object *made) {
    assert_non_null(made);
    assert_true(ku_list_append(of->isolate, of->all, made));
    ku_decref(of->isolate, made);
}

static ku_object *make_tree(ku_isolate *isolate) {
    ku_object *top = NULL;
    for (int i = 0; i < NODES; i++) {
        ku_object *next = new_node(isolate, i);
        as_node(next)->left = top;
        as_node(next)->right = ku_int(isolate, 100000 + i);
        top = next;
    }
    return top;
}

static ku_object *make_dict(ku_isolate *isolate, bool names) {
    ku_object *dict = ku_dict_new(isolate);
    for (int i = 0; i < 20; i++) {
        char text[16];
        snprintf(text, sizeof text, "name%d", i);
        ku_object *key = names ? ku_intern_text(isolate, text) : ku_int(isolate, 1000 + i);
        ku_object *value = ku_float(isolate, i);
        assert_true(ku_dict_set(isolate, dict, key, value));
        ku_decref(isolate, key);
        ku_decref(isolate, value);
    }
    ku_object *last = names ? ku_intern_text(isolate, "name7") : ku_int(isolate, 1007);
    assert_true(ku_dict_delete(isolate, dict, last)); /* a hole in the table */
    ku_decref(isolate, last);
    return dict;
}

static void keep_instances(world *of) {
    static const ku_type_spec spec = {.name = "Point", .size = sizeof(ku_object), .flags = KU_TYPE_DICT};
    ku_isolate *isolate = of->isolate;
    ku_object *type = ku_type_new(isolate, &spec, NULL, 0);
    assert_non_null(type);
    for (int i = 0; i < 3; i++) {
        ku_object *point = ku_call(isolate, type, NULL, 0), *value = ku_float(isolate, 0.5 + i);
        assert_true(ku_set(isolate, point, "x", value));
        assert_true(ku_set(isolate, point, "y", value));
        ku_decref(isolate, value);
        if (i == 2) {
            ku_object *dict = ku_get_dict(isolate, point);
            ku_decref(isolate, dict);
        }
        keep(of, point);
    }
    ku_decref(isolate, type);
}

static world make_world(unsigned flags) {
    ku_error error;
    world made = {.isolate = ku_isolate_new(&(ku_isolate_options){.name = "world", .flags = flags}, &error)};
    assert_non_null(made.isolate);
    ku_isolate *isolate = made.isolate;
    made.all = ku_list_new(isolate, NULL, 0);
    keep(&made, make_tree(isolate));
    keep(&made, make_dict(isolate, true));
    keep(&made, make_dict(isolate, false));
    ku_object *items[100];
    for (int i = 0; i < 100; i++) {
        items[i] = ku_int(isolate, 5000 + i);
    }
    keep(&made, ku_tuple_new(isolate, items, 3));
    keep(&made, ku_tuple_new(isolate, items, 100)); /* its items lie in a buffer */
    keep(&made, ku_set_new(isolate));
    for (int i = 0; i < 100; i++) {
        ku_decref(isolate, items[i]);
    }
    char text[2000];
    memset(text, 'x', sizeof text);
    keep(&made, ku_str_new(isolate, text, sizeof text));
    keep(&made, ku_bytes_new(isolate, text, 77));
    keep(&made, ku_int_parse(isolate, "123456789012345678901234567890", 30, 10));
    keep(&made, ku_namespace_new(isolate, "module of the world"));
    ku_object *first = ku_list_at(made.all, 0);
    keep(&made, ku_weakref_new(isolate, first, NULL));
    keep_instances(&made);
    return made;
}

static void end_world(world *of) {
    ku_decref(of->isolate, of->all);
    close_isolate(of->isolate);
}

/* ---- census ---- */

static size_t objects_of(const ku_census *census, const ku_type *type) {
    const ku_census_row *row = ku_census_find(census, type);
    return row != NULL ? row->objects : 0;
}

static void test_a_census_counts_every_object_exactly(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("census");
    ku_census *before = ku_census_take(isolate, NULL);
    assert_non_null(before);
    ku_object *tree = make_tree(isolate);
    ku_object *text = ku_str(isolate, "some text that is not interned");
    ku_census *after = ku_census_take(isolate, NULL);
    ku_type *node_type = type_of_spec(&node_spec), *int_type = ku_builtin_type(KU_BUILTIN_INT);
    assert_int_equal(objects_of(after, node_type) - objects_of(before, node_type), NODES);
    assert_int_equal(objects_of(after, int_type) - objects_of(before, int_type), NODES);
    assert_int_equal(ku_census_find(after, node_type)->bytes, NODES * 32);
    assert_string_equal(ku_census_find(after, node_type)->name, "node");
    assert_int_equal(
        objects_of(after, ku_builtin_type(KU_BUILTIN_STR)) - objects_of(before, ku_builtin_type(KU_BUILTIN_STR)), 1);
    size_t objects = 0, sum = 0;
    for (size_t i = 0; i < ku_census_types(after); i++) {
        objects += ku_census_row_at(after, i)->objects;
        assert_true(i == 0 || ku_census_row_at(after, i)->bytes <= ku_census_row_at(after, i - 1)->bytes);
    }
    assert_null(ku_census_row_at(after, ku_census_types(after)));
    for (int i = 0; i < KU_HEAP_COUNT; i++) {
        ku_census_heap heap;
        ku_census_heap_read(after, (ku_isolate_heap)i, &heap);
        sum += heap.objects;
        assert_true(heap.free_bytes == 0 || heap.free_blocks != 0);
    }
    assert_int_equal(objects, ku_isolate_objects(isolate, NULL));
    assert_int_equal(sum, objects);
    ku_decref(isolate, text);
    ku_decref(isolate, tree);
    close_isolate(isolate);
    FILE *nowhere = fopen("/dev/null", "w");
    assert_int_equal(ku_census_print(after, nowhere, 3), 0); /* it needs no isolate */
    fclose(nowhere);
    ku_census_delete(before);
    ku_census_delete(after);
    ku_census_delete(NULL);
}

/* ---- graphs ---- */

static uint32_t node_of(const ku_graph *graph, const void *object) {
    uint32_t at = ku_graph_node_at(graph, (uintptr_t)object);
    assert_int_not_equal(at, KU_GRAPH_NONE);
    return at;
}

static ku_node read_node(const ku_graph *graph, uint32_t number) {
    ku_node at;
    ku_graph_node_read(graph, number, &at);
    return at;
}

static const char *type_name(const ku_graph *graph, uint32_t at) {
    ku_node_type type;
    ku_graph_type_read(graph, ku_graph_type(graph, at), &type);
    return ku_graph_text(graph, type.name).bytes;
}

/* How many edges from one node to another have this name; with NULL any name. */
static size_t edges_between(const ku_graph *graph, uint32_t from, uint32_t to, const char *name) {
    uint32_t count;
    size_t found = 0;
    const uint32_t *targets = ku_graph_targets(graph, from, &count);
    for (uint32_t i = 0; i < count; i++) {
        char text[KU_GRAPH_EDGE_TEXT];
        found += targets[i] == to &&
                 (name == NULL || strcmp(ku_graph_edge_text(graph, from, i, text, sizeof text), name) == 0);
    }
    return found;
}

static uint32_t place_named(const ku_graph *graph, const char *name) {
    for (uint32_t at = ku_graph_node_count(graph); at-- > 0;) {
        ku_node read = read_node(graph, at);
        if ((read.flags & KU_NODE_PLACE) != 0 && read.label != KU_GRAPH_NONE &&
            strcmp(ku_graph_text(graph, read.label).bytes, name) == 0) {
            return at;
        }
    }
    fail_msg("no place '%s'", name);
    return KU_GRAPH_NONE;
}

/* Every reference that the collector sees is an edge, and of objects there is no other. */
static void compare_with_referents(const ku_graph *graph, ku_isolate *isolate, ku_object *object) {
    uint32_t at = node_of(graph, object), count;
    ku_object *list = ku_list_new(isolate, &object, 1);
    ku_object *referents = ku_gc_get_referents(isolate, &object, 1);
    size_t length = ku_list_length(referents), edges = 0;
    for (size_t i = 0; i < length; i++) {
        assert_true(edges_between(graph, at, node_of(graph, ku_list_at(referents, i)), NULL) > 0);
    }
    const uint32_t *targets = ku_graph_targets(graph, at, &count);
    for (uint32_t i = 0; i < count; i++) {
        edges += (ku_graph_flags(graph, targets[i]) & KU_NODE_BUFFER) == 0;
    }
    assert_int_equal(edges, length);
    ku_decref(isolate, referents);
    ku_decref(isolate, list);
}

static void test_a_graph_has_every_object_and_reference(void **state) {
    (void)state;
    world of = make_world(0);
    ku_isolate *isolate = of.isolate;
    size_t bytes;
    size_t objects = ku_isolate_objects(isolate, &bytes);
    ku_graph *graph = ku_graph_take(isolate, 0, NULL);
    assert_non_null(graph);
    size_t found = 0;
    for (uint32_t at = 1; at < ku_graph_node_count(graph); at++) {
        uint32_t flags = ku_graph_flags(graph, at);
        found += (flags & (KU_NODE_BUFFER | KU_NODE_PLACE | KU_NODE_FREE_LISTED | KU_NODE_UNKNOWN)) == 0;
        assert_int_equal(flags & KU_NODE_OPAQUE, 0);
    }
    assert_int_equal(found, objects);
    ku_graph_info info;
    ku_graph_info_read(graph, &info);
    assert_true(info.allocated >= bytes);
    assert_int_equal(info.process, getpid());
    assert_int_equal(info.has_values, 0);
    assert_true(ku_graph_arena_count(graph) >= 3);
    for (size_t i = 0; i < ku_list_length(of.all); i++) {
        compare_with_referents(graph, isolate, ku_list_at(of.all, i));
    }
    ku_graph_close(graph);
    end_world(&of);
}

static void test_edges_have_the_names_that_fields_give_them(void **state) {
    (void)state;
    world of = make_world(0);
    ku_isolate *isolate = of.isolate;
    ku_graph *graph = ku_graph_take(isolate, 0, NULL);
    ku_object *tree = ku_list_at(of.all, 0), *named = ku_list_at(of.all, 1);
    assert_int_equal(edges_between(graph, node_of(graph, of.all), node_of(graph, tree), "item 0"), 1);
    assert_int_equal(edges_between(graph, node_of(graph, tree), node_of(graph, as_node(tree)->left), "attribute left"),
                     1);
    ku_object *key = ku_intern_text(isolate, "name3"), *value = ku_dict_get(isolate, named, key);
    assert_int_equal(edges_between(graph, node_of(graph, named), node_of(graph, value), "value of name3"), 1);
    ku_decref(isolate, value);
    ku_decref(isolate, key);
    size_t length = ku_list_length(of.all);
    for (int i = 1; i <= 3; i++) {
        ku_object *point = ku_list_at(of.all, length - (size_t)i), *x = ku_get(isolate, point, "x");
        uint32_t holder = node_of(graph, point);
        if (i == 1) { /* a dict of its own */
            ku_object *dict = ku_get_dict(isolate, point);
            assert_int_equal(edges_between(graph, holder, node_of(graph, dict), NULL), 1);
            holder = node_of(graph, dict);
            ku_decref(isolate, dict);
        } else {
            assert_int_equal(edges_between(graph, holder, node_of(graph, x), "attribute x"), 1);
        }
        assert_int_equal(edges_between(graph, holder, node_of(graph, x), NULL), 2); /* y too */
        assert_string_equal(type_name(graph, node_of(graph, point)), "Point");
        assert_int_equal(edges_between(graph, node_of(graph, point),
                                       node_of(graph, ku_type_object(isolate, ku_type_of(point))), NULL),
                         1);
        ku_decref(isolate, x);
    }
    ku_graph_close(graph);
    end_world(&of);
}

static void test_sizes_add_up_to_what_the_heaps_gave_out(void **state) {
    (void)state;
    world of = make_world(0);
    ku_isolate *isolate = of.isolate;
    ku_object *tree = ku_list_at(of.all, 0), *bytes = ku_list_at(of.all, 7);
    ku_graph *graph = ku_graph_take(isolate, 0, NULL);
    uint64_t sum = 0;
    for (uint32_t at = 1; at < ku_graph_node_count(graph); at++) {
        ku_node read = read_node(graph, at);
        sum += read.size + read.slack;
    }
    ku_graph_info info;
    ku_graph_info_read(graph, &info);
    assert_int_equal(sum, info.allocated);
    assert_int_equal(read_node(graph, node_of(graph, tree)).size, sizeof(node));
    ku_node found = read_node(graph, node_of(graph, bytes));
    assert_string_equal(type_name(graph, node_of(graph, bytes)), "bytes");
    assert_true(found.slack < 16 && found.size > 77 && found.size + found.slack == ku_size_of(isolate, bytes));
    uint64_t room = ku_graph_room(graph, node_of(graph, of.all));
    assert_true(room % sizeof(void *) == 0);
    ku_graph_close(graph);
    end_world(&of);
}

static ku_object *global;

static void look_from_a_frame(world *of) {
    KU_FRAME(of->isolate, frame, 2);
    ku_object *held = ku_hold(&frame, 0, new_node(of->isolate, 1));
    ku_object *in_c = new_node(of->isolate, 2);
    global = new_node(of->isolate, 3);
    assert_true(ku_root_add(of->isolate, &global));
    ku_graph *graph = ku_graph_take(of->isolate, 0, NULL);
    uint32_t thread = place_named(graph, "thread 1"), count;
    const uint32_t *frames = ku_graph_targets(graph, thread, &count);
    assert_int_equal(count, 1);
    ku_node read = read_node(graph, frames[0]);
    assert_non_null(strstr(ku_graph_text(graph, read.label).bytes, "look_from_a_frame at "));
    assert_int_equal(edges_between(graph, frames[0], node_of(graph, held), NULL), 1);
    uint32_t unknown = place_named(graph, "C or unknown"), isolate = place_named(graph, "isolate world");
    assert_int_equal(edges_between(graph, unknown, node_of(graph, in_c), NULL), 1);
    assert_int_equal(edges_between(graph, unknown, node_of(graph, held), NULL), 0);
    assert_int_equal(edges_between(graph, unknown, node_of(graph, global), NULL), 0);
    assert_int_equal(edges_between(graph, isolate, node_of(graph, global), "root 1"), 1);
    uint32_t immortal = place_named(graph, "immortal");
    assert_int_equal(edges_between(graph, immortal, node_of(graph, ku_none(of->isolate)), NULL), 1);
    assert_int_equal(edges_between(graph, unknown, node_of(graph, of->all), NULL), 1);
    assert_int_equal(ku_graph_flags(graph, node_of(graph, of->all)) & KU_NODE_DEAD, 0);
    ku_graph_close(graph);
    ku_root_remove(of->isolate, &global);
    ku_decref(of->isolate, global);
    ku_decref(of->isolate, in_c);
}

static void test_roots_are_told_apart(void **state) {
    (void)state;
    world of = make_world(0);
    look_from_a_frame(&of);
    end_world(&of);
}

static void test_garbage_that_no_collection_has_found_is_dead(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("garbage");
    ku_gc_disable(isolate);
    ku_object *one = new_node(isolate, 1), *two = new_node(isolate, 2);
    as_node(one)->left = two;
    as_node(two)->left = one;
    ku_graph *graph = ku_graph_take(isolate, 0, NULL);
    assert_int_equal(ku_graph_flags(graph, node_of(graph, one)) & KU_NODE_DEAD, KU_NODE_DEAD);
    assert_int_equal(ku_graph_flags(graph, node_of(graph, two)) & KU_NODE_DEAD, KU_NODE_DEAD);
    ku_graph_close(graph);
    close_isolate(isolate);
}

static ku_object *born_here(ku_isolate *isolate) {
    KU_FRAME(isolate, frame, 1);
    return new_node(isolate, 1);
}

static void test_nodes_have_their_birthplaces(void **state) {
    (void)state;
    world of = make_world(KU_ISOLATE_BIRTHPLACES);
    ku_object *born = born_here(of.isolate);
    ku_graph *graph = ku_graph_take(of.isolate, 0, NULL);
    ku_graph_frame frame;
    assert_int_equal(ku_graph_site_read(graph, ku_graph_site(graph, node_of(graph, born)), &frame, 1), 1);
    assert_string_equal(ku_graph_text(graph, frame.function).bytes, "born_here");
    assert_non_null(strstr(ku_graph_text(graph, frame.file).bytes, "test_heap_dump.c"));
    assert_true(frame.line > 0);
    ku_graph_close(graph);
    ku_decref(of.isolate, born);
    end_world(&of);
}

/* ---- files ---- */

typedef struct folder {
    char path[64], file[96], second[96];
} folder;

static folder new_folder(void) {
    folder made;
    strcpy(made.path, "/tmp/kucha-heap-XXXXXX");
    assert_non_null(mkdtemp(made.path));
    snprintf(made.file, sizeof made.file, "%s/a.heap", made.path);
    snprintf(made.second, sizeof made.second, "%s/a.2.heap", made.path);
    return made;
}

/* Also a test that nothing else is in it. */
static void end_folder(folder *of) {
    unlink(of->file);
    unlink(of->second);
    assert_int_equal(rmdir(of->path), 0);
}

static ku_graph *open_file(const char *path, ku_graph_reason reason) {
    ku_error error;
    ku_graph *graph = ku_heap_file_open(path, &error);
    if (graph == NULL) {
        fail_msg("%s", error.message);
    }
    ku_graph_info info;
    ku_graph_info_read(graph, &info);
    assert_int_equal(info.reason, reason);
    return graph;
}

static void test_a_file_holds_what_the_graph_does(void **state) {
    (void)state;
    world of = make_world(0);
    folder in = new_folder();
    ku_heap_file_outcome outcome;
    assert_int_equal(ku_heap_file_take(of.isolate, in.file, 0, &outcome, NULL), KU_OK);
    ku_graph *direct = ku_graph_take(of.isolate, 0, NULL), *read = open_file(in.file, KU_GRAPH_REQUESTED);
    assert_int_equal(ku_graph_node_count(read), ku_graph_node_count(direct));
    assert_int_equal(ku_graph_edge_count(read), ku_graph_edge_count(direct));
    assert_int_equal(outcome.nodes, ku_graph_node_count(read));
    assert_int_equal(outcome.edges, ku_graph_edge_count(read));
    assert_true(outcome.bytes > outcome.nodes && outcome.stopped >= 0 && outcome.lasted >= outcome.stopped);
    for (uint32_t at = 0; at < ku_graph_node_count(read); at++) {
        ku_node one = read_node(read, at), other = read_node(direct, at);
        assert_int_equal(one.address, other.address);
        assert_int_equal(one.size, other.size);
        assert_int_equal(one.count, other.count);
        assert_string_equal(type_name(read, at), type_name(direct, at));
    }
    ku_graph_close(read);
    ku_graph_close(direct);
    end_folder(&in);
    end_world(&of);
}

static void test_values_are_there_only_when_they_are_asked_for(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("values");
    ku_object *text = ku_str(isolate, "a secret of the program's");
    folder in = new_folder();
    for (unsigned flags = 0; flags <= KU_HEAP_FILE_VALUES; flags++) {
        assert_int_equal(ku_heap_file_take(isolate, in.file, flags, NULL, NULL), KU_OK);
        ku_graph *graph = open_file(in.file, KU_GRAPH_REQUESTED);
        ku_node at = read_node(graph, node_of(graph, text));
        if (flags == 0) {
            assert_int_equal(at.label, KU_GRAPH_NONE);
        } else {
            assert_string_equal(ku_graph_text(graph, at.label).bytes, "a secret of the program's");
        }
        bool found = false;
        for (uint32_t i = 0; i < ku_graph_text_count(graph); i++) {
            found = found || strstr(ku_graph_text(graph, i).bytes, "secret") != NULL;
        }
        assert_int_equal(found, flags != 0);
        ku_graph_close(graph);
    }
    end_folder(&in);
    ku_decref(isolate, text);
    close_isolate(isolate);
}

static void test_a_file_that_is_not_waited_for_is_told_of_later(void **state) {
    (void)state;
    world of = make_world(0);
    folder in = new_folder();
    ku_code code = KU_STATE;
    ku_heap_file_outcome outcome;
    assert_false(ku_heap_file_wait(NULL, NULL, NULL));
    assert_int_equal(ku_heap_file_take(of.isolate, in.file, KU_HEAP_FILE_NO_WAIT, NULL, NULL), KU_OK);
    ku_object *later = new_node(of.isolate, 1);       /* the program goes on */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* and sees no child */
    assert_true(ku_heap_file_wait(&code, &outcome, NULL));
    assert_int_equal(code, KU_OK);
    ku_graph *graph = open_file(in.file, KU_GRAPH_REQUESTED);
    assert_int_equal(outcome.nodes, ku_graph_node_count(graph));
    ku_graph_close(graph);
    ku_decref(of.isolate, later);
    end_folder(&in);
    end_world(&of);
}

static void test_what_cannot_be_written_is_said(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("errors");
    ku_error error = {.code = KU_OK};
    assert_int_equal(ku_heap_file_take(isolate, "/nowhere at all/a.heap", 0, NULL, &error), KU_IO);
    assert_int_equal(error.code, KU_IO);
    assert_non_null(strstr(error.message, "/nowhere at all/a.heap"));
    assert_int_equal(ku_heap_file_take(isolate, "", 0, NULL, &error), KU_INVALID);
    assert_int_equal(ku_heap_file_take(isolate, "a", 1u << 20, NULL, &error), KU_INVALID);
    assert_int_equal(ku_heap_file_set_events(isolate, &(ku_heap_file_events){.path = ""}, &error), KU_INVALID);
    ku_heap_file_events bad = {.path = "a", .signal = SIGKILL};
    assert_int_equal(ku_heap_file_set_events(isolate, &bad, &error), KU_IO);
    assert_int_equal(ku_heap_file_set_events(isolate, NULL, &error), KU_OK);
    close_isolate(isolate);
}

/* ---- events ---- */

static void test_a_file_at_the_hard_limit_has_what_was_alive(void **state) {
    (void)state;
    enum { LIMIT = 4 << 20 };
    ku_isolate *isolate = open_isolate("limit");
    folder in = new_folder();
    ku_heap_file_events events = {.path = in.file, .at_limit = true};
    assert_int_equal(ku_heap_file_set_events(isolate, &events, NULL), KU_OK);
    assert_true(ku_budget_set(isolate, &(ku_budget){.hard = LIMIT}));
    ku_object *chain = NULL;
    size_t made = 0;
    for (int round = 0; round < 2; round++) { /* the second refusal writes no second file */
        for (ku_object *next; (next = new_node(isolate, 1)) != NULL; made++) {
            as_node(next)->left = chain;
            chain = next;
        }
        assert_int_equal(pending_code(isolate), KU_LIMIT);
        ku_clear_error(isolate);
    }
    ku_graph *graph = open_file(in.file, KU_GRAPH_LIMIT);
    size_t found = 0;
    for (uint32_t at = 1; at < ku_graph_node_count(graph); at++) {
        found += strcmp(type_name(graph, at), "node") == 0;
    }
    assert_int_equal(found, made);
    ku_graph_close(graph);
    ku_decref(isolate, chain);
    close_isolate(isolate);
    end_folder(&in);
}

static void test_a_file_at_a_signal_and_one_at_the_end(void **state) {
    (void)state;
    world of = make_world(0);
    folder in = new_folder();
    struct sigaction before, after;
    sigaction(SIGUSR2, NULL, &before);
    ku_heap_file_events events = {.path = in.file, .signal = SIGUSR2, .at_exit = true};
    assert_int_equal(ku_heap_file_set_events(of.isolate, &events, NULL), KU_OK);
    assert_int_equal(kill(getpid(), SIGUSR2), 0);
    for (bool there = false; !there; there = access(in.file, R_OK) == 0) {
        KU_UNLOCKED(of.isolate) {
            usleep(1000); /* the thread that writes gets the lock here */
        }
    }
    ku_graph_close(open_file(in.file, KU_GRAPH_SIGNAL));
    end_world(&of);
    ku_graph_close(open_file(in.second, KU_GRAPH_EXIT));
    sigaction(SIGUSR2, NULL, &after);
    assert_ptr_equal(before.sa_handler, after.sa_handler);
    end_folder(&in);
}

static void test_events_belong_to_the_process_that_asked(void **state) {
    (void)state;
    ku_isolate *isolate = open_isolate("fork");
    folder in = new_folder();
    ku_heap_file_events events = {.path = in.file, .signal = SIGUSR2, .at_exit = true};
    assert_int_equal(ku_heap_file_set_events(isolate, &events, NULL), KU_OK);
    pid_t child = fork();
    if (child == 0) {
        _exit(ku_isolate_delete(isolate) != 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_not_equal(access(in.file, F_OK), 0);
    assert_int_equal(ku_heap_file_set_events(isolate, NULL, NULL), KU_OK);
    close_isolate(isolate);
    assert_int_not_equal(access(in.file, F_OK), 0); /* called off */
    end_folder(&in);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_census_counts_every_object_exactly),
        cmocka_unit_test(test_a_graph_has_every_object_and_reference),
        cmocka_unit_test(test_edges_have_the_names_that_fields_give_them),
        cmocka_unit_test(test_sizes_add_up_to_what_the_heaps_gave_out),
        cmocka_unit_test(test_roots_are_told_apart),
        cmocka_unit_test(test_garbage_that_no_collection_has_found_is_dead),
        cmocka_unit_test(test_nodes_have_their_birthplaces),
        cmocka_unit_test(test_a_file_holds_what_the_graph_does),
        cmocka_unit_test(test_values_are_there_only_when_they_are_asked_for),
        cmocka_unit_test(test_a_file_that_is_not_waited_for_is_told_of_later),
        cmocka_unit_test(test_what_cannot_be_written_is_said),
        cmocka_unit_test(test_a_file_at_the_hard_limit_has_what_was_alive),
        cmocka_unit_test(test_a_file_at_a_signal_and_one_at_the_end),
        cmocka_unit_test(test_events_belong_to_the_process_that_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
