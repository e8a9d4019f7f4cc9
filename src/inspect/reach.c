/* reach.c: see reach.h. A breadth-first search over a bitmap; the queue is as long as there are nodes. */
#include "inspect/reach.h"

#include "os/failure.h"
#include "os/pages.h"

typedef struct search {
    uint64_t *seen;
    uint32_t *queue;
} search;

static bool visit(search *work, uint32_t node) {
    uint64_t bit = (uint64_t)1 << node % 64;
    bool is_new = (work->seen[node / 64] & bit) == 0;
    work->seen[node / 64] |= bit;
    return is_new;
}

static void walk(const ku_graph *graph, search *work) {
    uint32_t head = 0, tail = 0;
    visit(work, KU_GRAPH_ROOT);
    work->queue[tail++] = KU_GRAPH_ROOT;
    while (head < tail) {
        uint32_t count;
        const uint32_t *targets = ku__graph_targets(graph, work->queue[head++], &count);
        for (uint32_t i = 0; i < count; i++) {
            if (visit(work, targets[i])) {
                work->queue[tail++] = targets[i];
            }
        }
    }
}

bool ku__graph_mark_dead(ku_graph *graph, ku_error *error) {
    size_t bitmap = ((size_t)graph->nodes / 64 + 1) * sizeof(uint64_t), queue = (size_t)graph->nodes * sizeof(uint32_t);
    search work = {.seen = ku__pages_map(bitmap), .queue = ku__pages_map(queue + sizeof(uint32_t))};
    bool there = work.seen != NULL && work.queue != NULL;
    if (there && graph->nodes != 0) {
        const uint8_t excepted = KU_NODE_FREE_LISTED | KU_NODE_UNKNOWN | KU_NODE_PLACE | KU_NODE_IMMORTAL;
        uint8_t *flags = (uint8_t *)(uintptr_t)graph->flags;
        walk(graph, &work);
        for (uint32_t node = 0; node < graph->nodes; node++) {
            bool reached = (work.seen[node / 64] >> node % 64 & 1) != 0;
            flags[node] |= !reached && (flags[node] & excepted) == 0 ? KU_NODE_DEAD : 0;
        }
    }
    if (!there) {
        ku__error_format(error, KU_NO_MEMORY, 0, "no memory to find out what of a heap is alive");
    }
    ku__pages_unmap(work.seen, bitmap);
    ku__pages_unmap(work.queue, queue + sizeof(uint32_t));
    return there;
}
