/* selection.c: sets of nodes, a bit each; see kucha/selection.h. */
#include "inspect/selection.h"

#include "inspect/graph.h"
#include "inspect/links.h"

#include <stdlib.h>
#include <string.h>

ku_selection *ku_selection_new(uint32_t nodes, bool full, ku_error *error) {
    ku_selection *made = calloc(1, sizeof *made);
    uint32_t words = nodes / 64 + (nodes % 64 != 0);
    uint64_t *bits = made != NULL ? ku__array_map(words, sizeof(uint64_t)) : NULL;
    if (bits == NULL) {
        free(made);
        ku__inspect_no_memory(error);
        return NULL;
    }
    *made = (ku_selection){.nodes = nodes, .words = words, .bits = bits};
    if (full && words > 0) {
        memset(bits, 0xff, words * sizeof(uint64_t));
        if (nodes % 64 != 0) bits[words - 1] = ((uint64_t)1 << nodes % 64) - 1;
    }
    return made;
}

ku_selection *ku_selection_copy(const ku_selection *selection, ku_error *error) {
    ku_selection *made = ku_selection_new(selection->nodes, false, error);
    if (made != NULL) memcpy(made->bits, selection->bits, selection->words * sizeof(uint64_t));
    return made;
}

void ku_selection_delete(ku_selection *selection) {
    if (selection == NULL) return;
    ku__array_unmap(selection->bits, selection->words, sizeof(uint64_t));
    free(selection);
}

uint32_t ku_selection_nodes(const ku_selection *selection) {
    return selection->nodes;
}

uint32_t ku_selection_count(const ku_selection *selection) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < selection->words; i++) count += (uint32_t)__builtin_popcountll(selection->bits[i]);
    return count;
}

void ku_selection_add(ku_selection *selection, uint32_t node) {
    selection->bits[node / 64] |= (uint64_t)1 << node % 64;
}

void ku_selection_remove(ku_selection *selection, uint32_t node) {
    selection->bits[node / 64] &= ~((uint64_t)1 << node % 64);
}

bool ku_selection_has(const ku_selection *selection, uint32_t node) {
    return ku__selected(selection, node);
}

uint32_t ku_selection_next(const ku_selection *selection, uint32_t from) {
    if (from >= selection->nodes) return KU_GRAPH_NONE;
    uint32_t word = from / 64;
    uint64_t bits = selection->bits[word] & (UINT64_MAX << from % 64);
    while (bits == 0) {
        if (++word == selection->words) return KU_GRAPH_NONE;
        bits = selection->bits[word];
    }
    return word * 64 + (uint32_t)__builtin_ctzll(bits);
}

void ku_selection_combine(ku_selection *into, ku_selection_operation operation, const ku_selection *other) {
    for (uint32_t i = 0; i < into->words; i++) {
        switch (operation) {
        case KU_SELECTION_AND: into->bits[i] &= other->bits[i]; break;
        case KU_SELECTION_OR: into->bits[i] |= other->bits[i]; break;
        case KU_SELECTION_MINUS: into->bits[i] &= ~other->bits[i]; break;
        case KU_SELECTION_XOR: into->bits[i] ^= other->bits[i]; break;
        }
    }
}

uint64_t ku_selection_bytes(const ku_selection *selection, const ku_graph *graph) {
    uint64_t bytes = 0;
    for (uint32_t v = 0; (v = ku_selection_next(selection, v)) != KU_GRAPH_NONE; v++) bytes += ku__graph_size(graph, v);
    return bytes;
}

/* ---- what a set retains ---- */

/* Marks in `met` what the root reaches without entering the set; `waiting` has room for all nodes. */
static void mark_outside(const ku_graph *graph, const ku_selection *avoid, ku_selection *met, uint32_t *waiting) {
    uint32_t depth = 0;
    if (avoid != NULL && ku__selected(avoid, KU_GRAPH_ROOT)) return;
    ku_selection_add(met, KU_GRAPH_ROOT);
    waiting[depth++] = KU_GRAPH_ROOT;
    while (depth > 0) {
        uint32_t count;
        const uint32_t *targets = ku__graph_targets(graph, waiting[--depth], &count);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t next = targets[i];
            if (ku__selected(met, next) || (avoid != NULL && ku__selected(avoid, next))) continue;
            ku_selection_add(met, next);
            waiting[depth++] = next;
        }
    }
}

/* The members themselves, and what only they reach: reached from them, and not from outside. */
static uint64_t add_inside(const ku_graph *graph, const ku_selection *members, ku_selection *met, uint32_t *waiting,
                           uint32_t *held) {
    uint64_t bytes = 0;
    uint32_t depth = 0, all = 0;
    for (uint32_t v = 0; (v = ku_selection_next(members, v)) != KU_GRAPH_NONE; v++) {
        ku_selection_add(met, v);
        waiting[depth++] = v;
    }
    while (depth > 0) {
        uint32_t count, node = waiting[--depth];
        const uint32_t *targets = ku__graph_targets(graph, node, &count);
        bytes += ku__graph_size(graph, node);
        all++;
        for (uint32_t i = 0; i < count; i++) {
            if (ku__selected(met, targets[i])) continue;
            ku_selection_add(met, targets[i]);
            waiting[depth++] = targets[i];
        }
    }
    if (held != NULL) *held = all;
    return bytes;
}

uint64_t ku_selection_retained(const ku_selection *selection, const ku_graph *graph, uint32_t *held, ku_error *error) {
    ku_selection *met = ku_selection_new(graph->nodes, false, error);
    uint32_t *waiting = ku__array_map(graph->nodes, sizeof(uint32_t));
    uint64_t bytes = 0;
    if (held != NULL) *held = 0;
    if (met != NULL && waiting == NULL) ku__inspect_no_memory(error);
    if (met != NULL && waiting != NULL) {
        mark_outside(graph, selection, met, waiting);
        bytes = add_inside(graph, selection, met, waiting, held);
    }
    ku__array_unmap(waiting, graph->nodes, sizeof(uint32_t));
    ku_selection_delete(met);
    return bytes;
}
