/* heap_corpus.c: seeds of the fuzz target of heap files: a graph with every kind of edge, and an empty one. */
#include "heap_corpus.h"

#include "inspect/heap_file.h"
#include "target.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- seeds ---- */

static uint32_t add_node(ku_graph_builder *builder, uint64_t address, uint32_t type, uint32_t label) {
    ku_node node = {
        .address = address, .type = type, .size = address % 100000, .slack = 300, .site = 1, .label = label};
    return ku_graph_builder_node(builder, &node);
}

static ku_graph *example(unsigned number) {
    ku_graph_builder *builder = ku_graph_builder_new(NULL);
    if (builder == NULL) {
        abort();
    }
    uint32_t type = ku_graph_builder_type(builder, "module", "type", KU_NODE_TYPE_HEAP);
    uint32_t text = ku_graph_builder_text(builder, "name", 4);
    ku_graph_builder_site(builder, &(ku_graph_frame){.function = text, .file = text, .line = 3}, 1);
    uint32_t holder = add_node(builder, (uint64_t)1 << 45, type, text);
    ku_graph_builder_edge(builder, 0, holder, &(ku_edge_name){.kind = KU_EDGE_ROOT, .text = text});
    for (uint32_t i = 0; number > 0 && i < 300; i++) { /* more edges than a degree of one byte can say */
        uint32_t node = add_node(builder, 4096 + 64 * (uint64_t)i, type, KU_GRAPH_NONE);
        ku_edge_name name = {.kind = i % KU_EDGE_KINDS, .text = i % 3 == 0 ? text : KU_GRAPH_NONE, .number = i};
        ku_graph_builder_edge(builder, holder, node, &name);
    }
    ku_graph_builder_type_node(builder, type, holder);
    return ku_graph_builder_finish(builder, NULL);
}

static size_t seed(unsigned number, uint8_t *bytes) {
    char path[] = "/tmp/kucha-fuzz-heap-XXXXXX";
    int descriptor = mkstemp(path);
    ku_graph *graph = example(number);
    if (descriptor < 0 || graph == NULL || ku_heap_file_write(graph, path, NULL) != KU_OK) {
        abort();
    }
    close(descriptor); /* of what stood there before */
    ku_graph_close(graph);
    descriptor = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = read(descriptor, bytes, HEAP_SIZE_MOST);
    close(descriptor);
    unlink(path);
    return size > 0 ? (size_t)size : 0;
}

/* ---- use ---- */

static void ask_node(const ku_graph *graph, uint32_t node) {
    char text[KU_GRAPH_EDGE_TEXT];
    ku_node read;
    uint32_t count;
    ku_graph_node_read(graph, node, &read);
    if (ku_graph_node_at(graph, read.address) != node) {
        fprintf(stderr, "a node is not found at its address\n");
        abort();
    }
    ku_graph_text(graph, read.label);
    ku_graph_targets(graph, node, &count);
    for (uint32_t i = 0; i < count; i++) {
        ku_graph_edge_text(graph, node, i, text, sizeof text);
    }
    ku_graph_referrers(graph, node, &count, NULL);
}

bool heap_use(const uint8_t *bytes, size_t size) {
    static _Alignas(64) uint8_t aligned[HEAP_SIZE_MOST];
    ku_error error = {0};
    size = size < sizeof aligned ? size : sizeof aligned;
    memcpy(aligned, bytes, size);
    ku_graph *graph = ku_heap_file_open_bytes(aligned, size, &error);
    if (graph == NULL) {
        return false;
    }
    for (uint32_t node = 0; node < ku_graph_node_count(graph); node++) {
        ask_node(graph, node);
    }
    for (uint32_t site = 0; site < ku_graph_site_count(graph); site++) {
        ku_graph_frame frames[4];
        ku_graph_site_read(graph, site, frames, 4);
    }
    ku_graph_close(graph);
    return true;
}

void heap_repair(uint8_t *bytes, size_t size) {
    ku__heap_head head;
    if (size < sizeof head) {
        return;
    }
    memcpy(&head, bytes, sizeof head);
    head.header.file_size = size;
    for (int i = 0; i < KU__SECTIONS; i++) {
        ku__heap_section *section = &head.table[i];
        if (section->offset <= size && section->size <= size - section->offset) {
            section->checksum = XXH3_64bits(bytes + section->offset, section->size);
        }
    }
    head.header.checksum = ku__heap_checksum(&head);
    memcpy(bytes, &head, sizeof head);
}

/* A few bytes changed, or a word set to a number that is often one too far. */
static size_t mutate(uint8_t *bytes, size_t size) {
    static const uint32_t far[] = {0, 1, 12, 13, 255, 302, 303, 65535, INT32_MAX, UINT32_MAX - 1, UINT32_MAX};
    for (uint64_t changes = 1 + fuzz_random() % 4; changes > 0; changes--) {
        size_t at = fuzz_random() % size & ~(size_t)3;
        if (fuzz_random() % 2 == 0) {
            bytes[at] = (uint8_t)fuzz_random();
        } else if (at + sizeof far[0] <= size) {
            memcpy(bytes + at, &far[fuzz_random() % (sizeof far / sizeof far[0])], sizeof far[0]);
        }
    }
    return fuzz_random() % 16 == 0 ? fuzz_random() % size : size;
}

const fuzz_corpus corpus = {
    .what = "heap file",
    .seeds = 2,
    .mutations = 3000,
    .size_most = HEAP_SIZE_MOST,
    .seed = seed,
    .accepts = heap_use,
    .mutate = mutate,
};
