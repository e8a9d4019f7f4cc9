/* collect.c: what collections cost: the same graphs for kucha (-DBENCH_KUCHA) and for Boehm's collector
 * (-DBENCH_BOEHM).
 *
 *     collect trees [DEPTH] [TIMES]    binary trees with links to the parent, built so many times, each dropped before
 *                                      the next; then a full collection with one alive, and with it dead
 *     collect list [NODES]             a doubly linked list: build, full collection alive, dead
 *     collect random [NODES] [shuffle] objects with three references to others at random; full collection alive. With
 *                                      `shuffle`, their order in memory has nothing to do with that of the references
 *     collect grow [NODES] [MODE]      a heap that grows: the longest and the sum of pauses. MODE: whole, stepped,
 *     forked
 *
 * A node has left, right, parent: 32 bytes with kucha's header; Boehm's are of 32 bytes as well. Time is
 * CPU time of the process, so Boehm's is run with one marking thread (GC_MARKERS=1); a full collection of what lives is
 * the best of TRIES. One line of JSON.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TRIES = 3 };

static double milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

/* xorshift64* (Vigna 2016), as in measure.h, whose allocators this program has no use for. */
static uint32_t random_below(uint64_t *state, uint32_t bound) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (uint32_t)(((*state * UINT64_C(0x2545F4914F6CDD1D) >> 32) * bound) >> 32);
}

static size_t number(int argc, char **argv, int index, size_t fallback) {
    return argc > index ? strtoull(argv[index], NULL, 10) : fallback;
}

#ifdef BENCH_BOEHM
#include <gc.h>

typedef struct node {
    uint64_t header;
    struct node *left, *right, *parent;
} node;
static node *root; /* a global: Boehm's roots */

static void open_heap(void) {
    GC_INIT();
}
static node *new_node(void) {
    return GC_MALLOC(sizeof(node));
}
static void set(node **place, node *value) {
    *place = value;
}
static void hand_over(node **place, node *value) {
    *place = value;
}
static void drop(node **place) {
    *place = NULL;
}
static void collect(void) {
    GC_gcollect();
}
static void print_pauses(void) {
    printf(", \"collections\": %lu", (unsigned long)GC_get_gc_no());
}
static void set_mode(const char *mode) {
    (void)mode;
}

#else
#include <kucha/kucha.h>

typedef struct node {
    ku_object header;
    struct node *left, *right, *parent;
} node;
static const ku_field fields[] = {
    {"left", offsetof(node, left), KU_FIELD_OWNED, 0, 0},
    {"right", offsetof(node, right), KU_FIELD_OWNED, 0, 0},
    {"parent", offsetof(node, parent), KU_FIELD_OWNED, 0, 0},
    {NULL, 0, 0, 0, 0},
};
static const ku_type_spec spec = {.name = "node", .size = sizeof(node), .fields = fields};
static ku_isolate *isolate;
static ku_type *type;
static node *root;

static void open_heap(void) {
    const char *wish = getenv("KUCHA_BENCH_HUGE"); /* as in calls.h */
    ku_isolate_options options = {.name = "bench"};
    if (wish != NULL) {
        options.huge_pages = strcmp(wish, "always") == 0 ? KU_HUGE_ALWAYS : KU_HUGE_NEVER;
    }
    isolate = ku_isolate_new(&options, NULL);
    type = ku_type_static(&spec, NULL);
    if (getenv("BENCH_NO_ROOT") == NULL) {
        ku_root_add(isolate, (ku_object **)(void *)&root);
    }
}
static node *new_node(void) {
    return (node *)(void *)ku_new(isolate, type);
}
static void set(node **place, node *value) {
    ku_replace(isolate, (ku_object **)(void *)place, ku_new_reference((ku_object *)value));
}
static void hand_over(node **place, node *value) {
    ku_replace(isolate, (ku_object **)(void *)place, (ku_object *)value);
}
static void drop(node **place) {
    ku_clear(isolate, (ku_object **)(void *)place);
}
static void collect(void) {
    ku_gc_collect(isolate, 2);
}
static void print_pauses(void) {
    ku_gc_pauses pauses[KU_GC_GENERATIONS];
    ku_gc_get_pauses(isolate, pauses);
    size_t count = 0;
    double longest = 0, total = 0;
    for (int i = 0; i < KU_GC_GENERATIONS; i++) {
        count += pauses[i].count;
        total += pauses[i].total * 1e3;
        longest = pauses[i].longest * 1e3 > longest ? pauses[i].longest * 1e3 : longest;
    }
    printf(", \"collections\": %zu, \"pauses_ms\": %.2f, \"longest_ms\": %.2f", count, total, longest);
}
static void set_mode(const char *mode) {
    double pause = 0.010;
    if (strcmp(mode, "whole") != 0) {
        ku_gc_set_mode(isolate, strcmp(mode, "forked") == 0 ? KU_GC_FORKED : KU_GC_STEPPED, pause);
    }
}
#endif

static double best_collection(void) {
    double best = 1e9;
    for (int i = 0; i < TRIES; i++) {
        double began = milliseconds();
        collect();
        double took = milliseconds() - began;
        best = took < best ? took : best;
    }
    return best;
}

static double one_collection(void) {
    double began = milliseconds();
    collect();
    return milliseconds() - began;
}

static void report(const char *name, double build, double live, double dead) {
    printf("{\"program\": \"collect\", \"graph\": \"%s\", \"build_ms\": %.1f, \"live_ms\": %.1f, \"dead_ms\": %.1f",
           name, build, live, dead);
    print_pauses();
    printf("}\n");
}

/* ---- trees ---- */

/* Gives a node two subtrees of this depth, from the top down: all of it hangs on the root all the time. */
static void grow_tree(node *made, unsigned depth) {
    if (depth == 0) {
        return;
    }
    hand_over(&made->left, new_node());
    set(&made->left->parent, made);
    hand_over(&made->right, new_node());
    set(&made->right->parent, made);
    grow_tree(made->left, depth - 1);
    grow_tree(made->right, depth - 1);
}

static void run_trees(unsigned depth, unsigned times) {
    double began = milliseconds();
    for (unsigned i = 0; i < times; i++) {
        drop(&root);
        hand_over(&root, new_node());
        grow_tree(root, depth);
    }
    double built = milliseconds() - began;
    collect();
    double live = best_collection();
    drop(&root);
    report("trees", built, live, one_collection());
}

/* ---- a doubly linked list ---- */

static void make_list(size_t nodes) {
    node *last = NULL;
    for (size_t i = 0; i < nodes; i++) {
        node *made = new_node();
        if (last == NULL) {
            hand_over(&root, made);
        } else {
            hand_over(&last->right, made);
            set(&made->left, last);
        }
        last = made;
    }
}

static void run_list(size_t nodes) {
    double began = milliseconds();
    make_list(nodes);
    double built = milliseconds() - began;
    double live = best_collection();
    drop(&root);
    report("list", built, live, one_collection());
}

/* ---- random links ---- */

static void shuffle(node **all, size_t nodes, uint64_t *state) {
    for (size_t i = nodes - 1; i > 0; i--) {
        size_t other = random_below(state, (uint32_t)(i + 1));
        node *kept = all[i];
        all[i] = all[other];
        all[other] = kept;
    }
}

/* In creation order, an object refers to the one made after it and to two others near and far; shuffled, all three are
 * anywhere. The chain by `parent` keeps all of them alive. */
static void link_random(node **all, size_t nodes, uint64_t *state) {
    for (size_t i = 0; i < nodes; i++) {
        set(&all[i]->left, all[random_below(state, (uint32_t)nodes)]);
        set(&all[i]->right, all[random_below(state, (uint32_t)nodes)]);
        if (i > 0) {
            hand_over(&all[i - 1]->parent, all[i]);
        }
    }
}

static void run_random(size_t nodes, bool shuffled) {
    static node *table[1 << 24]; /* static: no heap's, and a root for Boehm */
    node **all = table;
    uint64_t state = 88172645463325252u;
    double began = milliseconds();
    for (size_t i = 0; i < nodes; i++) {
        all[i] = new_node();
    }
    if (shuffled) {
        shuffle(all, nodes, &state);
    }
    hand_over(&root, all[0]);
    link_random(all, nodes, &state);
    memset(table, 0, sizeof table);
    double built = milliseconds() - began;
    collect();
    double live = best_collection();
    drop(&root);
    report(shuffled ? "shuffled" : "random", built, live, one_collection());
    fprintf(stderr, "%.1f ns an object\n", live * 1e6 / (double)nodes);
}

/* ---- a heap that grows ---- */

static void run_grow(size_t nodes, const char *mode) {
    set_mode(mode);
    double began = milliseconds();
    make_list(nodes);
    double built = milliseconds() - began;
    report(mode, built, 0, 0);
}

int main(int argc, char **argv) {
    const char *graph = argc > 1 ? argv[1] : "trees";
    open_heap();
    if (strcmp(graph, "trees") == 0) {
        run_trees((unsigned)number(argc, argv, 2, 20), (unsigned)number(argc, argv, 3, 10));
    } else if (strcmp(graph, "list") == 0) {
        run_list(number(argc, argv, 2, 10000000));
    } else if (strcmp(graph, "random") == 0) {
        run_random(number(argc, argv, 2, 4000000), argc > 3);
    } else if (strcmp(graph, "grow") == 0) {
        run_grow(number(argc, argv, 2, 10000000), argc > 3 ? argv[3] : "whole");
    } else {
        fprintf(stderr, "collect: trees, list, random or grow\n");
        return 2;
    }
    return 0;
}
