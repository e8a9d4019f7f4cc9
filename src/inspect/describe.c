/* describe.c: types, birthplaces, nodes and keys of histograms as people read them; see kucha/histogram.h.
 *
 * Names come from the program that was looked at: whoever prints them decides what to do with odd characters.
 */
#include <kucha/histogram.h>

#include "inspect/graph.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { NAME = 256 };

static bool is_text(ku_text text, const char *word) {
    return text.size == strlen(word) && memcmp(text.bytes, word, text.size) == 0;
}

char *ku_graph_type_text(const ku_graph *graph, uint32_t type, char *out, size_t size) {
    const ku_node_type *read = &graph->type_table[type];
    ku_text module = ku_graph_text(graph, read->module), name = ku_graph_text(graph, read->name);
    if (module.size == 0 || is_text(module, "builtins")) {
        snprintf(out, size, "%.*s", (int)name.size, name.bytes);
    } else {
        snprintf(out, size, "%.*s.%.*s", (int)module.size, module.bytes, (int)name.size, name.bytes);
    }
    return out;
}

char *ku_graph_site_text(const ku_graph *graph, uint32_t site, char *out, size_t size) {
    ku_graph_frame frame;
    if (site == 0 || ku_graph_site_read(graph, site, &frame, 1) == 0) {
        snprintf(out, size, "unknown");
        return out;
    }
    ku_text function = ku_graph_text(graph, frame.function), file = ku_graph_text(graph, frame.file);
    snprintf(out, size, "%.*s (%.*s:%d)", (int)function.size, function.bytes, (int)file.size, file.bytes,
             (int)frame.line);
    return out;
}

char *ku_graph_node_text(const ku_graph *graph, uint32_t node, char *out, size_t size) {
    ku_node read;
    char type[NAME];
    ku_graph_node_read(graph, node, &read);
    ku_text label = ku_graph_text(graph, read.label);
    ku_graph_type_text(graph, read.type, type, sizeof type);
    if ((read.flags & KU_NODE_PLACE) != 0) {
        snprintf(out, size, "%.*s", (int)label.size, label.bytes);
        if (label.size == 0) snprintf(out, size, "%s", node == KU_GRAPH_ROOT ? "roots" : type);
    } else if (label.size != 0) {
        snprintf(out, size, "%s %.*s", type, (int)label.size, label.bytes);
    } else {
        snprintf(out, size, "%s at 0x%" PRIx64, type, read.address);
    }
    return out;
}

static void age_text(uint64_t value, char *out, size_t size) {
    if (value == KU_GRAPH_AGE_UNKNOWN) {
        snprintf(out, size, "unknown");
    } else {
        snprintf(out, size, "%" PRIu64, value);
    }
}

char *ku_histogram_text(const ku_graph *graph, ku_histogram_key key, uint64_t value, char *out, size_t size) {
    ku_text module;
    switch (key) {
    case KU_HISTOGRAM_TYPE: return ku_graph_type_text(graph, (uint32_t)value, out, size);
    case KU_HISTOGRAM_SITE: return ku_graph_site_text(graph, (uint32_t)value, out, size);
    case KU_HISTOGRAM_MODULE:
        module = ku_graph_text(graph, (uint32_t)value);
        snprintf(out, size, "%.*s", module.size == 0 ? 1 : (int)module.size, module.size == 0 ? "-" : module.bytes);
        return out;
    case KU_HISTOGRAM_SIZE: snprintf(out, size, "%" PRIu64 " bytes", value); return out;
    default: age_text(value, out, size); return out;
    }
}
