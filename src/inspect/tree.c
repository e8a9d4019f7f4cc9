/* tree.c: dominators, by the semi-NCA algorithm.
 *
 * A node d dominates v when every path from the root to v goes through d; the nearest such d is v's immediate
 * dominator. The algorithm: number the nodes in depth-first order; find semidominators from the last number to the
 * first with path compression, as Lengauer and Tarjan do; then, in ascending order, the immediate dominator of v is the
 * nearest ancestor of v in the tree built so far whose number is not above v's semidominator. The worst case is
 * quadratic, which nobody has met: on heaps it does less work a node than Lengauer-Tarjan, because no buckets are kept
 * (bench/c/dominators.c compares the two, and the iterative algorithm).
 *
 * Sources: T. Lengauer and R. E. Tarjan, "A fast algorithm for finding dominators in a flowgraph", TOPLAS 1979;
 * L. Georgiadis, "Linear-time algorithms for dominators and related problems", Princeton 2005, chapter 2.
 *
 * What the root does not reach (garbage in cycles, before a collection) is numbered after everything that it does, each
 * piece as a tree of its own. It holds nothing that the root reaches: edges from a higher piece into a lower one
 * are not followed back, so garbage changes no retained size of what lives.
 *
 * All of the search is in depth-first numbers, 6 words of 4 bytes a node beside the reversed edges. Nothing recurses.
 */
#include "inspect/tree.h"

/* Memory that will be needed is fetched early, so that several accesses wait at once. Along the edges of one node:
 * AHEAD places on. Most nodes have few, so across nodes too: where the sources of the node FAR numbers on begin, then
 * the first of these when it is MIDDLE on, then what is known of that one when it is NEAR. */
enum { AHEAD = 8, NEAR = 6, MIDDLE = 12, FAR = 18 };

/* Used together, so kept together: one access to memory, not two. */
typedef struct hold {
    uint32_t parent; /* number to number, in the depth-first tree; then compressed */
    uint32_t label;  /* first the next edge to look at, then the least semidominator on the compressed path */
} hold;

typedef struct search {
    const ku__links *links;
    const ku__reversed *reversed;
    uint32_t *number; /* node to depth-first number plus 1; 0 while not met */
    uint32_t *vertex; /* number to node: the caller's `order` */
    hold *holds;      /* by number */
    uint32_t *semi;
    uint32_t *dominator; /* number to number */
    uint32_t *waiting;   /* a path being compressed */
    uint32_t met;
    uint32_t reached; /* numbers from this one on are not reached from the root */
} search;

static void release(search *work) {
    size_t nodes = work->links->nodes;
    ku__array_unmap(work->number, nodes, sizeof(uint32_t));
    ku__array_unmap(work->holds, nodes, sizeof(hold));
    ku__array_unmap(work->semi, nodes, sizeof(uint32_t));
    ku__array_unmap(work->waiting, nodes, sizeof(uint32_t));
}

static bool prepare(search *work, ku_error *error) {
    size_t nodes = work->links->nodes;
    work->number = ku__array_map(nodes, sizeof(uint32_t));
    work->holds = ku__array_map(nodes, sizeof(hold));
    work->semi = ku__array_map(nodes, sizeof(uint32_t));
    work->waiting = ku__array_map(nodes, sizeof(uint32_t));
    if (work->number != NULL && work->holds != NULL && work->semi != NULL && work->waiting != NULL) return true;
    release(work);
    return ku__inspect_no_memory(error);
}

/* ---- depth-first numbers ---- */

static void meet(search *work, uint32_t node, uint32_t parent) {
    uint32_t at = work->met++;
    work->number[node] = at + 1;
    work->vertex[at] = node;
    work->holds[at].parent = parent;
    work->holds[at].label = 0;
}

/* The next node that the node numbered `at` leads to and that was not met; false where there is none. */
static bool advance(search *work, uint32_t at, uint32_t *found) {
    const uint32_t *first = &work->links->first[work->vertex[at]];
    const uint32_t *target = work->links->target + first[0];
    uint32_t count = first[1] - first[0];
    for (uint32_t i = work->holds[at].label; i < count; i++) {
        if (i + AHEAD < count) __builtin_prefetch(&work->number[target[i + AHEAD]]);
        if (i + 2 < count) __builtin_prefetch(&work->links->first[target[i + 2]]);
        if (work->number[target[i]] == 0) {
            work->holds[at].label = i + 1;
            *found = target[i];
            return true;
        }
    }
    return false;
}

/* Meets everything that `top` leads to. The way back is the chain of parents; no other stack is needed. */
static bool descend(search *work, uint32_t top, const ku_progress *progress, ku_error *error) {
    uint32_t start = work->met, at = start, next;
    meet(work, top, start);
    for (;;) {
        if (!advance(work, at, &next)) {
            if (at == start) return true;
            at = work->holds[at].parent;
            continue;
        }
        meet(work, next, at);
        at = work->met - 1;
        if (at % KU__TELL_EVERY == 0 && !ku__tell(progress, "numbering", at, work->links->nodes, error)) return false;
    }
}

static bool number_all(search *work, const ku_progress *progress, ku_error *error) {
    if (!descend(work, 0, progress, error)) return false;
    work->reached = work->met;
    /* Tops of garbage: what nothing leads to first, then whatever a cycle has left. */
    for (int cycles = 0; cycles < 2; cycles++)
        for (uint32_t v = 0; v < work->links->nodes && work->met < work->links->nodes; v++)
            if (work->number[v] == 0 && (cycles || work->reversed->first[v] == work->reversed->first[v + 1]))
                if (!descend(work, v, progress, error)) return false;
    return true;
}

/* ---- semidominators ---- */

/* Makes `at`, whose number is above `limit`, hang from an ancestor not above it, with the least label on the way. */
static void compress(search *work, uint32_t at, uint32_t limit) {
    uint32_t depth = 0;
    while (work->holds[at].parent > limit) {
        work->waiting[depth++] = at;
        at = work->holds[at].parent;
    }
    while (depth > 0) {
        uint32_t below = work->waiting[--depth];
        if (work->holds[at].label < work->holds[below].label) work->holds[below].label = work->holds[at].label;
        work->holds[below].parent = work->holds[at].parent;
        at = below;
    }
}

/* The first number of the piece that `at` belongs to is its own parent. */
static bool is_top(const search *work, uint32_t at) {
    return work->dominator[at] == at;
}

static uint32_t least_over(search *work, uint32_t at, uint32_t source) {
    uint32_t from = work->number[source] - 1;
    if (from <= at) return from;
    if (work->holds[from].parent > at) compress(work, from, at);
    return work->holds[from].label;
}

static void fetch_early(const search *work, uint32_t at) {
    const uint32_t *first = work->reversed->first, *source = work->reversed->source, *vertex = work->vertex;
    __builtin_prefetch(&first[vertex[at - FAR]]);
    __builtin_prefetch(&source[first[vertex[at - MIDDLE]]]);
    uint32_t begin = first[vertex[at - NEAR]], end = first[vertex[at - NEAR] + 1];
    for (uint32_t e = begin; e < end && e < begin + AHEAD; e++) __builtin_prefetch(&work->number[source[e]]);
}

/* Sources that belong to a later piece hold nothing of this one. `end` is the first number of the next piece. */
static void find_semidominator(search *work, uint32_t at, uint32_t end) {
    uint32_t node = work->vertex[at], least = at;
    const uint32_t *first = &work->reversed->first[node];
    for (uint32_t e = first[0]; e < first[1]; e++) {
        if (e + AHEAD < first[1]) __builtin_prefetch(&work->number[work->reversed->source[e + AHEAD]]);
        uint32_t source = work->reversed->source[e];
        if (work->number[source] - 1 >= end) continue;
        uint32_t found = least_over(work, at, source);
        if (found < least) least = found;
    }
    work->semi[at] = work->holds[at].label = least;
}

static bool find_semidominators(search *work, const ku_progress *progress, ku_error *error) {
    uint32_t nodes = work->links->nodes, end = nodes;
    for (uint32_t at = nodes; at-- > 0;) {
        if (at >= FAR) fetch_early(work, at);
        if (is_top(work, at)) {
            work->semi[at] = work->holds[at].label = at;
            end = at;
        } else {
            find_semidominator(work, at, end);
        }
        if (at % KU__TELL_EVERY == 0 && !ku__tell(progress, "dominators", nodes - at, nodes, error)) return false;
    }
    return true;
}

/* ---- dominators ---- */

static void find_dominators(search *work) {
    for (uint32_t at = 0; at < work->links->nodes; at++) {
        if (is_top(work, at)) continue;
        uint32_t above = work->dominator[at];
        while (above > work->semi[at]) above = work->dominator[above];
        work->dominator[at] = above;
    }
}

/* From numbers to nodes. `waiting` holds the numbers meanwhile, because `dominator` is the caller's array. */
static void name_dominators(search *work, uint32_t *idom) {
    uint32_t nodes = work->links->nodes;
    for (uint32_t at = 0; at < nodes; at++)
        work->waiting[at] = is_top(work, at) ? KU__NO_NODE : work->vertex[work->dominator[at]];
    for (uint32_t at = 0; at < nodes; at++) idom[work->vertex[at]] = work->waiting[at];
}

static void start_labels(search *work) {
    for (uint32_t at = 0; at < work->links->nodes; at++) {
        work->holds[at].label = at;
        work->dominator[at] = work->holds[at].parent;
    }
}

bool ku__dominate(const ku__links *links, const ku__reversed *reversed, uint32_t *idom, uint32_t *order,
                  uint32_t *reached, const ku_progress *progress, ku_error *error) {
    search work = {.links = links, .reversed = reversed, .vertex = order, .dominator = idom};
    if (!prepare(&work, error)) return false;
    bool whole = number_all(&work, progress, error);
    if (whole) {
        start_labels(&work);
        whole = find_semidominators(&work, progress, error);
    }
    if (whole) {
        find_dominators(&work);
        name_dominators(&work, idom);
        *reached = work.reached;
    }
    release(&work);
    return whole;
}
