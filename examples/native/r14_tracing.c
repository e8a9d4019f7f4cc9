/* r14_tracing.c: where the memory of a C program comes from: totals, stacks, statistics, changes (row R14). */
#include <kucha/kucha.h>
#include <stdio.h>
#include <string.h>

enum { NAMES = 100, ROWS = 10 };

/* Each a function of its own, as they are in any program that is worth tracing. */
#define SEPARATE __attribute__((noinline))

SEPARATE char *make_name(ku_heap *heap, int number);
SEPARATE double *make_row(ku_heap *heap);
SEPARATE void make_table(ku_heap *heap, double **rows);

char *make_name(ku_heap *heap, int number) {
    char *name = ku_heap_malloc(heap, 20);
    snprintf(name, 20, "name %d", number);
    return name;
}

double *make_row(ku_heap *heap) {
    double *row = ku_heap_calloc(heap, 125, sizeof *row);
    row[0] = 1;
    return row;
}

void make_table(ku_heap *heap, double **rows) {
    for (int i = 0; i < ROWS; i++) {
        rows[i] = make_row(heap);
    }
}

static void print_totals(const ku_trace *trace, const char *when) {
    uint64_t live, peak;
    ku_trace_memory(trace, &live, &peak);
    printf("%s: %d bytes live, %d at most\n", when, (int)live, (int)peak);
}

static void print_stack(ku_trace *trace, const void *block) {
    ku_trace_frame frames[2];
    if (ku_trace_of(trace, block, frames, 2) >= 2) {
        printf("a row was made by %s, called by %s\n", frames[0].function, frames[1].function);
    }
}

static void print_largest(const ku_capture *capture) {
    ku_groups *groups = ku_capture_group(capture, KU_GROUP_STACK, false, NULL);
    const ku_capture_counts *counts = &groups->rows[0].counts;
    printf("the largest of %zu stacks: %d bytes in %d blocks\n", groups->count, (int)counts->live_bytes,
           (int)counts->live_blocks);
    ku_groups_free(groups);
}

static void print_changes(const ku_capture *newer, const ku_capture *older) {
    ku_changes *changes = ku_capture_compare(newer, older, KU_GROUP_STACK, false, NULL);
    for (size_t i = 0; i < changes->count; i++) {
        printf("since then: %+d bytes in %+d blocks\n", (int)changes->rows[i].more_bytes,
               (int)changes->rows[i].more_blocks);
    }
    ku_changes_free(changes);
}

int main(void) {
    ku_heap *heap = ku_heap_new(NULL, NULL);
    ku_trace *trace = ku_trace_start(&(ku_trace_options){.frames = 5}, NULL);
    if (heap == NULL || trace == NULL || ku_trace_add(trace, heap, NULL) != KU_OK) {
        return 1;
    }
    double *rows[ROWS];
    make_table(heap, rows);
    print_totals(trace, "with a table");
    print_stack(trace, rows[0]);
    ku_capture *before = ku_trace_snapshot(trace, NULL);
    print_largest(before);
    for (int i = 1; i < ROWS; i++) {
        ku_heap_free(heap, rows[i]);
    }
    for (int i = 0; i < NAMES; i++) {
        make_name(heap, i);
    }
    print_totals(trace, "with names instead");
    ku_capture *after = ku_trace_snapshot(trace, NULL);
    print_changes(after, before);
    ku_capture_close(before);
    ku_capture_close(after);
    ku_trace_stop(trace);
    ku_heap_delete(heap);
    return 0;
}
