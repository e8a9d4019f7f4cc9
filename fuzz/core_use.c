/* core_use.c: see core_use.h. */
#include "core_use.h"

#include "corefile/corefile.h"
#include "inspect/heap_file.h"

#include <kucha/kucha.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Below it there are no files: what a core's changed names lead to must not decide what is found. */
#define NOWHERE "/dev/null/"

ku_graph *core_read(const char *bytes, size_t size) {
    ku__core_outcome outcome;
    ku_error error = {.code = KU_OK};
    ku__core_order order = {.bytes = bytes, .size = size, .root = NOWHERE};
    ku_graph *graph = ku__core_graph(&order, &outcome, &error);
    if (graph == NULL && (error.code == KU_OK || error.message[0] == '\0')) {
        fprintf(stderr, "a core is refused without a word\n");
        abort();
    }
    return graph;
}

static void ask_node(const ku_graph *graph, uint32_t node) {
    char text[KU_GRAPH_EDGE_TEXT];
    ku_node read;
    uint32_t count;
    ku_graph_node_read(graph, node, &read);
    ku_graph_text(graph, read.label);
    const uint32_t *targets = ku_graph_targets(graph, node, &count);
    for (uint32_t i = 0; i < count; i++) {
        if (targets[i] >= ku_graph_node_count(graph)) {
            fprintf(stderr, "an edge leads out of the graph\n");
            abort();
        }
        ku_graph_edge_text(graph, node, i, text, sizeof text);
    }
}

static void read_back(const ku_graph *graph) {
    static char path[64];
    ku_error error = {.code = KU_OK};
    if (path[0] == '\0') {
        snprintf(path, sizeof path, "/tmp/kucha-fuzz-core-%ld.heap", (long)getpid());
    }
    ku_code code = ku_heap_file_write(graph, path, &error);
    ku_graph *again = code == KU_OK ? ku_heap_file_open(path, &error) : NULL;
    unlink(path);
    if (again == NULL || ku_graph_node_count(again) != ku_graph_node_count(graph)) {
        fprintf(stderr, "what was made of a core is no heap file: %s\n", error.message);
        abort();
    }
    ku_graph_close(again);
}

void core_ask(ku_graph *graph) {
    for (uint32_t node = 0; node < ku_graph_node_count(graph); node++) {
        ask_node(graph, node);
    }
    read_back(graph);
}
