/* names.c: what an edge is called: from its node's shape, and as words. */
#include "inspect/graph.h"

#include <stdio.h>
#include <string.h>

/* The last run that begins at or before the position; NULL where the shape has none. */
static const ku__run *run_at(const ku_graph *graph, uint32_t shape, uint32_t position) {
    uint32_t low = graph->shape_table[shape].first_run, high = graph->shape_table[shape + 1].first_run;
    if (low >= high || graph->runs[low].start > position) {
        return NULL;
    }
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (graph->runs[middle].start <= position) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return &graph->runs[low];
}

ku_edge_name ku_graph_edge_name(const ku_graph *graph, uint32_t node, uint32_t position) {
    const ku__run *run = run_at(graph, graph->shape_of[node], position);
    if (run == NULL) {
        return (ku_edge_name){.kind = KU_EDGE_UNKNOWN, .text = KU_GRAPH_NONE, .number = position};
    }
    uint32_t along = position - run->start;
    if (run->kind == KU__RUN_ENTRIES) {
        return (ku_edge_name){.kind = along % 2 == 0 ? KU_EDGE_KEY : KU_EDGE_VALUE,
                              .text = KU_GRAPH_NONE,
                              .number = (uint64_t)run->number + along / 2};
    }
    return (ku_edge_name){
        .kind = run->kind, .text = run->text, .number = (uint64_t)run->number + (ku__run_counts(run) ? along : 0)};
}

const char *ku_edge_kind_name(uint32_t kind) {
    static const char *const names[KU_EDGE_KINDS] = {
        [KU_EDGE_UNKNOWN] = "unknown", [KU_EDGE_TYPE] = "type",     [KU_EDGE_ATTRIBUTE] = "attribute",
        [KU_EDGE_SLOT] = "slot",       [KU_EDGE_ITEM] = "item",     [KU_EDGE_KEY] = "key",
        [KU_EDGE_VALUE] = "value",     [KU_EDGE_LOCAL] = "local",   [KU_EDGE_CELL] = "cell",
        [KU_EDGE_STACK] = "stack",     [KU_EDGE_BUFFER] = "buffer", [KU_EDGE_ROOT] = "root",
    };
    return kind < KU_EDGE_KINDS ? names[kind] : "unknown";
}

const char *ku_graph_reason_name(uint32_t reason) {
    static const char *const names[KU_GRAPH_REASONS] = {
        [KU_GRAPH_REQUESTED] = "request",   [KU_GRAPH_SIGNAL] = "signal", [KU_GRAPH_MEMORY_ERROR] = "memory error",
        [KU_GRAPH_LIMIT] = "limit",         [KU_GRAPH_EXIT] = "exit",     [KU_GRAPH_IMPORTED] = "import",
        [KU_GRAPH_SYNTHETIC] = "synthetic",
    };
    return reason < KU_GRAPH_REASONS ? names[reason] : "unknown";
}

char *ku_graph_edge_text(const ku_graph *graph, uint32_t node, uint32_t position, char *out, size_t size) {
    ku_edge_name name = ku_graph_edge_name(graph, node, position);
    ku_text text = ku_graph_text(graph, name.text);
    int shown = text.size < KU_GRAPH_EDGE_TEXT - 64 ? (int)text.size : KU_GRAPH_EDGE_TEXT - 64;
    if (size == 0) {
        return out;
    }
    if (name.kind == KU_EDGE_ROOT) {
        snprintf(out, size, "%.*s", shown > 0 ? shown : 4, shown > 0 ? text.bytes : "root");
    } else if (name.text != KU_GRAPH_NONE) {
        const char *kind = name.kind == KU_EDGE_VALUE ? "value of" : ku_edge_kind_name(name.kind);
        snprintf(out, size, "%s %.*s", kind, shown, text.bytes);
    } else if (name.kind == KU_EDGE_TYPE || name.kind == KU_EDGE_BUFFER) {
        snprintf(out, size, "%s", ku_edge_kind_name(name.kind));
    } else {
        snprintf(out, size, "%s %llu", ku_edge_kind_name(name.kind), (unsigned long long)name.number);
    }
    return out;
}
