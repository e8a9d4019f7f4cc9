/* dominators.c: three ways to find dominators, over a graph that looks like a heap.
 *
 *     dominators [NODES] [ALGORITHM]   semi: the library's; lengauer: Lengauer and Tarjan's, with path compression;
 *                                      iterative: Cooper, Harvey and Kennedy's ("A simple, fast dominance algorithm",
 *                                      2001), in reverse postorder until nothing changes
 *
 * The graph: node v is held by one earlier node (half the time one of the last 64, as a container and its items, else
 * anywhere), by node 1, which stands for a type, and once in two by one more node anywhere. One line of JSON: seconds
 * of processor time of each step, and the most memory that was resident.
 */
#include "inspect/tree.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* xorshift64* (Vigna 2016). */
static uint32_t random_below(uint64_t *state, uint32_t bound) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)(((*state * UINT64_C(0x2545F4914F6CDD1D) >> 32) * bound) >> 32);
}

/* ---- the graph ---- */

typedef struct edge_plan {
    uint32_t source[3], count;
} edge_plan;

static edge_plan edges_into(uint64_t *state, uint32_t v, uint32_t nodes) {
    uint32_t near = v < 64 ? v : 64;
    edge_plan plan = {
        .source = {random_below(state, 2) ? v - 1 - random_below(state, near) : random_below(state, v), v}, .count = 2};
    if (random_below(state, 2)) plan.source[plan.count++] = random_below(state, nodes);
    return plan;
}

static ku__links make_graph(uint32_t nodes) {
    uint32_t *first = calloc(nodes + 2, sizeof *first);
    uint64_t state = 88172645463325252u;
    for (uint32_t v = 1; v < nodes; v++) {
        edge_plan plan = edges_into(&state, v, nodes);
        for (uint32_t i = 0; i < plan.count; i++) first[plan.source[i] + 2]++;
    }
    for (uint32_t v = 0; v < nodes; v++) first[v + 2] += first[v + 1];
    uint32_t *target = malloc(first[nodes + 1] * sizeof *target);
    state = 88172645463325252u;
    for (uint32_t v = 1; v < nodes; v++) {
        edge_plan plan = edges_into(&state, v, nodes);
        for (uint32_t i = 0; i < plan.count; i++) target[first[plan.source[i] + 1]++] = i == 1 ? 1 : v;
    }
    return (ku__links){.nodes = nodes, .first = first, .target = target};
}

/* Reversed by counting, as the library does it for who holds what. */
static ku__reversed reverse(const ku__links *links) {
    uint32_t edges = links->first[links->nodes], *first = ku__array_map(links->nodes + 1, sizeof *first);
    uint32_t *source = ku__array_map(edges, sizeof *source), sum = 0;
    for (uint32_t e = 0; e < edges; e++) first[links->target[e]]++;
    for (uint32_t v = 0; v < links->nodes; v++) first[v] = sum += first[v];
    first[links->nodes] = sum;
    for (uint32_t v = links->nodes; v-- > 0;)
        for (uint32_t e = links->first[v + 1]; e-- > links->first[v];) source[--first[links->target[e]]] = v;
    return (ku__reversed){first, source};
}

/* ---- what the two others share: depth-first numbers (from 0) and postorder ---- */

typedef struct numbering {
    uint32_t *number, *vertex, *parent, *cursor, *post, *postorder, met, left;
} numbering;

static uint32_t *words(uint32_t nodes) {
    return ku__array_map(nodes, sizeof(uint32_t));
}

static numbering number_nodes(const ku__links *links) {
    uint32_t n = links->nodes;
    numbering w = {words(n), words(n), words(n), words(n), words(n), words(n), 0, 0};
    memset(w.number, 0xff, n * sizeof(uint32_t));
    uint32_t at = 0;
    w.number[0] = w.met++;
    for (;;) {
        uint32_t e = links->first[at] + w.cursor[at], end = links->first[at + 1];
        while (e < end && w.number[links->target[e]] != KU__NO_NODE) e++;
        w.cursor[at] = e - links->first[at];
        if (e < end) {
            uint32_t next = links->target[e];
            w.vertex[w.met] = next;
            w.parent[next] = at;
            w.number[next] = w.met++;
            at = next;
        } else {
            w.post[at] = w.left;
            w.postorder[w.left++] = at;
            if (at == 0) return w;
            at = w.parent[at];
        }
    }
}

/* ---- Lengauer-Tarjan, the simple link and eval; arrays by node ---- */

typedef struct tarjan {
    numbering w;
    uint32_t *semi, *ancestor, *label, *bucket, *next, *stack;
} tarjan;

static uint32_t evaluate(tarjan *t, uint32_t v) {
    if (t->ancestor[v] == KU__NO_NODE) return v;
    uint32_t depth = 0, at = v;
    while (t->ancestor[t->ancestor[at]] != KU__NO_NODE) {
        t->stack[depth++] = at;
        at = t->ancestor[at];
    }
    while (depth > 0) {
        uint32_t below = t->stack[--depth];
        if (t->semi[t->label[at]] < t->semi[t->label[below]]) t->label[below] = t->label[at];
        t->ancestor[below] = t->ancestor[at];
        at = below;
    }
    return t->label[v];
}

static void empty_bucket(tarjan *t, uint32_t of, uint32_t *idom) {
    for (uint32_t v = t->bucket[of]; v != KU__NO_NODE; v = t->next[v]) {
        uint32_t u = evaluate(t, v);
        idom[v] = t->semi[u] < t->semi[v] ? u : of;
    }
    t->bucket[of] = KU__NO_NODE;
}

static void lengauer_tarjan(const ku__links *links, const ku__reversed *reversed, uint32_t *idom) {
    uint32_t n = links->nodes;
    tarjan t = {number_nodes(links), words(n), words(n), words(n), words(n), words(n), words(n)};
    memset(t.ancestor, 0xff, n * sizeof(uint32_t));
    memset(t.bucket, 0xff, n * sizeof(uint32_t));
    for (uint32_t v = 0; v < n; v++) t.semi[v] = t.w.number[v], t.label[v] = v;
    for (uint32_t i = t.w.met; i-- > 1;) {
        uint32_t v = t.w.vertex[i];
        for (uint32_t e = reversed->first[v]; e < reversed->first[v + 1]; e++) {
            if (t.w.number[reversed->source[e]] == KU__NO_NODE) continue;
            uint32_t u = evaluate(&t, reversed->source[e]);
            if (t.semi[u] < t.semi[v]) t.semi[v] = t.semi[u];
        }
        uint32_t to = t.w.vertex[t.semi[v]];
        t.next[v] = t.bucket[to];
        t.bucket[to] = v;
        t.ancestor[v] = t.w.parent[v];
        empty_bucket(&t, t.w.parent[v], idom);
    }
    idom[0] = KU__NO_NODE;
    for (uint32_t i = 1; i < t.w.met; i++) {
        uint32_t v = t.w.vertex[i];
        if (idom[v] != t.w.vertex[t.semi[v]]) idom[v] = idom[idom[v]];
    }
}

/* ---- iterative ---- */

static uint32_t meet(const numbering *w, const uint32_t *idom, uint32_t a, uint32_t b) {
    while (a != b) {
        while (w->post[a] < w->post[b]) a = idom[a];
        while (w->post[b] < w->post[a]) b = idom[b];
    }
    return a;
}

static bool improve(const numbering *w, const ku__reversed *reversed, uint32_t *idom, uint32_t v) {
    uint32_t found = KU__NO_NODE;
    for (uint32_t e = reversed->first[v]; e < reversed->first[v + 1]; e++) {
        uint32_t source = reversed->source[e];
        if (w->number[source] == KU__NO_NODE || idom[source] == KU__NO_NODE) continue;
        found = found == KU__NO_NODE ? source : meet(w, idom, found, source);
    }
    bool changed = found != idom[v];
    idom[v] = found;
    return changed;
}

static void iterative(const ku__links *links, const ku__reversed *reversed, uint32_t *idom) {
    numbering w = number_nodes(links);
    memset(idom, 0xff, links->nodes * sizeof(uint32_t));
    idom[0] = 0;
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = w.left - 1; i-- > 0;) changed = improve(&w, reversed, idom, w.postorder[i]) || changed;
    }
    idom[0] = KU__NO_NODE;
}

/* ---- the program ---- */

static uint64_t checksum(const uint32_t *idom, uint32_t nodes) {
    uint64_t sum = 0;
    for (uint32_t v = 0; v < nodes; v++) sum = sum * 31 + idom[v];
    return sum;
}

static int run(const ku__links *links, const char *algorithm) {
    uint32_t *idom = words(links->nodes), *order = words(links->nodes), reached;
    double start = seconds();
    ku__reversed reversed = reverse(links);
    double turned = seconds();
    if (strcmp(algorithm, "semi") == 0) {
        if (!ku__dominate(links, &reversed, idom, order, &reached, NULL, NULL)) return 1;
    } else if (strcmp(algorithm, "lengauer") == 0) {
        lengauer_tarjan(links, &reversed, idom);
    } else {
        iterative(links, &reversed, idom);
    }
    double done = seconds();
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf(
        "{\"algorithm\": \"%s\", \"nodes\": %u, \"edges\": %u, \"referrers\": %.3f, \"dominators\": %.3f, "
        "\"resident_mib\": %ld, \"checksum\": \"%llx\"}\n",
        algorithm, links->nodes, links->first[links->nodes], turned - start, done - turned, usage.ru_maxrss / 1024,
        (unsigned long long)checksum(idom, links->nodes));
    return 0;
}

int main(int argc, char **argv) {
    uint32_t nodes = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;
    ku__links links = make_graph(nodes);
    return run(&links, argc > 2 ? argv[2] : "semi");
}
