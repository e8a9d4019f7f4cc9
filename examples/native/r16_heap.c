/* r16_heap.c: what is in the heap and who holds it: a census, a graph, what would go with what, a heap file (row R16).
 *
 * With an argument it leaves the heap file under that name, for `kucha heap`.
 */
#include "show.h"

#include <kucha/dominators.h>
#include <kucha/heap_dump.h>
#include <string.h>
#include <unistd.h>

enum { SESSIONS = 1000 };

typedef struct session {
    ku_object header;
    ku_object *user, *pages;
} session;

static const ku_field fields[] = {
    {"user", offsetof(session, user), KU_FIELD_OWNED}, {"pages", offsetof(session, pages), KU_FIELD_OWNED}, {NULL}};
static const ku_type_spec session_spec = {.name = "session", .size = sizeof(session), .fields = fields};

static ku_object *sessions; /* a root: a list that somebody forgot to empty */

static void open_sessions(ku_isolate *isolate) {
    for (int i = 0; i < SESSIONS; i++) {
        session *made = (session *)ku_new(isolate, type_of(&session_spec));
        made->user = ku_int(isolate, 100000 + i);
        made->pages = ku_list_new(isolate, NULL, 0);
        ku_list_append(isolate, sessions, &made->header);
        ku_decref(isolate, &made->header);
    }
}

/* How many of each? */
static void count(ku_isolate *isolate) {
    ku_census *census = ku_census_take(isolate, NULL);
    const ku_census_row *row = ku_census_find(census, type_of(&session_spec));
    printf("%d sessions, %d bytes\n", (int)row->objects, (int)row->bytes);
    ku_census_delete(census);
}

static const char *type_name(const ku_graph *graph, uint32_t node) {
    ku_node_type type;
    ku_graph_type_read(graph, ku_graph_type(graph, node), &type);
    return ku_graph_text(graph, type.name).bytes;
}

/* The name of the reference by which one node holds another. */
static const char *reference(const ku_graph *graph, uint32_t from, uint32_t to, char *text) {
    uint32_t edges, i = 0;
    const uint32_t *targets = ku_graph_targets(graph, from, &edges);
    while (i < edges && targets[i] != to) {
        i++;
    }
    return ku_graph_edge_text(graph, from, i, text, KU_GRAPH_EDGE_TEXT);
}

/* Who holds this one, and who holds that, up to the root? */
static void show_holders(ku_graph *graph, uint32_t node) {
    while (node != KU_GRAPH_ROOT) {
        char text[KU_GRAPH_EDGE_TEXT];
        uint32_t holders;
        uint32_t holder = ku_graph_referrers(graph, node, &holders, NULL)[holders - 1];
        printf("  %s is held by %s: %s\n", type_name(graph, node), type_name(graph, holder),
               reference(graph, holder, node, text));
        node = holder;
    }
}

/* And what would go if it went? */
static void ask(ku_isolate *isolate) {
    ku_graph *graph = ku_graph_take(isolate, 0, NULL);
    show_holders(graph, ku_graph_node_at(graph, (uintptr_t)ku_list_at(sessions, SESSIONS / 2)));
    ku_dominators *tree = ku_dominators_new(graph, NULL, NULL);
    uint32_t list = ku_graph_node_at(graph, (uintptr_t)sessions);
    printf("without the list, %d nodes would go\n", (int)ku_dominators_held(tree, list));
    ku_dominators_delete(tree);
    ku_graph_close(graph);
}

static int leave_file(ku_isolate *isolate, const char *path) {
    ku_error error;
    if (ku_heap_file_take(isolate, path, 0, NULL, &error) != KU_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    return 0;
}

int main(int count_of_arguments, char **arguments) {
    ku_isolate *isolate = open_isolate();
    sessions = ku_list_new(isolate, NULL, 0);
    ku_root_add(isolate, &sessions);
    open_sessions(isolate);
    count(isolate);
    ask(isolate);
    int status = count_of_arguments > 1 ? leave_file(isolate, arguments[1]) : 0;
    ku_root_remove(isolate, &sessions);
    ku_decref(isolate, sessions);
    return (int)ku_isolate_delete(isolate) + status;
}
