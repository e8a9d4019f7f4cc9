/* isolates.c: two isolates on two cores against one: how much more work is done.
 *
 * A worker builds binary trees with parent links, cycles that only the collector frees, and drops them, for a given
 * time; a tree is a unit of work. Rounds of one worker and of two alternate, so that whatever else the machine does
 * falls on both. Two figures for each pair of rounds:
 *
 *     wall    units of two workers in the time, over units of one: 2.0 where there are two idle cores
 *     cpu     twice the units that two workers did for a second of their own CPU time, over those of one: what isolates
 *             cost each other by sharing anything (locks, cache lines, the system's tables), whatever else runs
 *
 * Prints one line of JSON with the medians. Usage: isolates [ROUNDS [SECONDS [DEPTH]]]
 */
#include <kucha/kucha.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS_MOST = 101, WORKERS = 2 };

typedef struct node {
    ku_object header;
    ku_object *left, *right, *parent;
} node;

static const ku_field fields[] = {
    {.name = "left", .offset = offsetof(node, left), .kind = KU_FIELD_OWNED},
    {.name = "right", .offset = offsetof(node, right), .kind = KU_FIELD_OWNED},
    {.name = "parent", .offset = offsetof(node, parent), .kind = KU_FIELD_OWNED},
    {.name = NULL},
};
static const ku_type_spec spec = {.name = "node", .size = sizeof(node), .fields = fields};

static atomic_bool stop;
static int depth = 12;

typedef struct work {
    double units;
    double cpu; /* seconds */
} work;

static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* A tree whose nodes hold their parents; NULL without memory. */
static ku_object *make_tree(ku_isolate *isolate, ku_type *type, int height, ku_object *parent) {
    node *made = (node *)ku_new(isolate, type);
    if (made == NULL) {
        fprintf(stderr, "isolates: out of memory\n");
        exit(2);
    }
    made->parent = ku_new_reference(parent);
    if (height > 0) {
        made->left = make_tree(isolate, type, height - 1, &made->header);
        made->right = make_tree(isolate, type, height - 1, &made->header);
    }
    return &made->header;
}

static int run(ku_isolate *isolate, void *argument) {
    work *mine = argument;
    ku_type *type = ku_type_static(&spec, NULL);
    double start = cpu_seconds();
    double units = 0;
    for (; !atomic_load_explicit(&stop, memory_order_relaxed); units++) {
        ku_decref(isolate, make_tree(isolate, type, depth, NULL));
    }
    *mine = (work){units, cpu_seconds() - start};
    ku_gc_collect(isolate, 2);
    return 0;
}

/* Workers run for so many seconds; what they did in all. */
static work measure(int workers, double seconds) {
    work each[WORKERS] = {{0, 0}}, all = {0, 0};
    ku_worker *running[WORKERS];
    atomic_store(&stop, false);
    for (int i = 0; i < workers; i++) {
        running[i] = ku_worker_start(NULL, run, &each[i], NULL);
        if (running[i] == NULL) {
            exit(2);
        }
    }
    struct timespec pause = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&pause, NULL);
    atomic_store(&stop, true);
    for (int i = 0; i < workers; i++) {
        ku_worker_join(running[i], NULL);
        all.units += each[i].units;
        all.cpu += each[i].cpu;
    }
    return all;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count) {
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

int main(int count, char **arguments) {
    size_t rounds = count > 1 ? strtoul(arguments[1], NULL, 10) : 9;
    double seconds = count > 2 ? strtod(arguments[2], NULL) : 1;
    depth = count > 3 ? atoi(arguments[3]) : depth;
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MOST ? ROUNDS_MOST : rounds;
    static double wall[ROUNDS_MOST], cpu[ROUNDS_MOST];
    measure(1, seconds / 4);
    for (size_t i = 0; i < rounds; i++) {
        work one = measure(1, seconds), two = measure(WORKERS, seconds);
        wall[i] = two.units / one.units;
        cpu[i] = WORKERS * (two.units / two.cpu) / (one.units / one.cpu);
    }
    printf("{\"program\": \"isolates\", \"rounds\": %zu, \"wall\": %.3f, \"cpu\": %.3f}\n", rounds,
           median(wall, rounds), median(cpu, rounds));
    return 0;
}
