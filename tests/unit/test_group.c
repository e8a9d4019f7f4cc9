/* test_group.c: lines out of location tables, and statistics over sites against a simple sum. */
#include "trace/fast.h"
#include "trace/lines.h"
#include "trace/snapshot.h"

#include <kucha/group.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Entries by hand, one of each kind: (first byte, ...) as CPython's Objects/locations.md has them. */
static void test_every_kind_of_entry_gives_its_line(void **state) {
    (void)state;
    static const uint8_t table[] = {
        0x80 | 0 << 3 | 0,  0x12,                 /* short: line 10, 1 unit: bytes 0-1 */
        0x80 | 12 << 3 | 1, 3,        4,          /* two lines on, 2 units: bytes 2-5, line 12 */
        0x80 | 15 << 3 | 0,                       /* none: bytes 6-7 */
        0x80 | 13 << 3 | 0, 5,                    /* -2: bytes 8-9, line 10 */
        0x80 | 14 << 3 | 7, 0x40 | 8, 3, 0, 1, 2, /* +100: 8 units, bytes 10-25, line 110 */
        0x80 | 10 << 3 | 0, 1,        2,          /* +0: bytes 26-27 */
    };
    static const struct {
        uint32_t instruction;
        int32_t line;
    } cases[] = {{0, 10}, {2, 12}, {4, 12}, {6, 0}, {8, 10}, {10, 110}, {24, 110}, {26, 110}, {28, 110}, {9999, 110}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(ku_line_of(table, sizeof table, 10, cases[i].instruction), cases[i].line);
    assert_int_equal(ku_line_of(NULL, 0, 77, 12), 77);
    for (size_t size = 0; size < sizeof table; size++)
        ku_line_of(table, size, INT32_MAX, UINT32_MAX); /* cut anywhere */
}

/* co_linetable of CPython 3.11.7 for the function below, and what its co_lines() says of every instruction.
 *
 *     def f(items):
 *         total = 0
 *         for item in items:
 *             if (item
 *                     > 3):
 *                 total += item
 *         return [total,
 *                 items]
 */
static void test_a_real_table_gives_what_co_lines_gives(void **state) {
    (void)state;
    static const uint8_t table[] = {128, 0,   216, 12,  13,  128, 69,  216, 16, 21,  240, 0,   3,   5,   26, 240,
                                    0,   3,   5,   26,  136, 4,   216, 12,  16, 216, 18,  19,  242, 3,   1,  13,
                                    20,  240, 0,   1,   13,  20,  224, 12,  17, 144, 84,  137, 77,  136, 69, 248,
                                    216, 12,  17,  216, 12,  17,  240, 3,   1,  12,  19,  240, 0,   1,   5,  19};
    static const int32_t lines[] = {1, 2, 2, 3, 3, 3, 3, 4, 5, 4, 4, 4, 4, 6, 6, 6, 6, 6, 0, 7, 8, 7, 7};
    static const int32_t first_line = 1;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_int_equal(ku_line_of(table, sizeof table, first_line, (uint32_t)(2 * i)), lines[i]);
}

enum { FILES = 7, LINES = 9, DEPTH = 5, STACKS = 3000 };

typedef struct expected {
    ku_capture_counts by_line[FILES][LINES], by_line_cumulative[FILES][LINES], by_file[FILES];
} expected;

static void add(ku_capture_counts *sum, const ku_capture_counts *counts) {
    uint64_t *a = (uint64_t *)sum;
    const uint64_t *b = (const uint64_t *)counts;
    for (size_t i = 0; i < sizeof *sum / sizeof *a; i++) a[i] += b[i];
}

/* Code f * 2 + k is function k of file f; instruction 2 * i of it is on line i of LINES, through a table. */
static uint32_t code_of(ku__tracer *tracer, unsigned file, unsigned function) {
    static uint8_t table[2 * LINES];
    for (unsigned i = 0; i < LINES; i++) table[2 * i] = 0x80 | 13 << 3, table[2 * i + 1] = i == 0 ? 0 : 2; /* +1 */
    char name[16], place[16];
    snprintf(name, sizeof name, "%c.py", 'a' + file);
    snprintf(place, sizeof place, "f%u", function);
    ku__code_facts facts = {name, strlen(name), place, strlen(place), table, sizeof table, 1};
    static char addresses[FILES * 2];
    uint32_t code = ku__code_find(tracer, &addresses[file * 2 + function]);
    return code ? code : ku__code_add(tracer, &addresses[file * 2 + function], &facts);
}

static void one_stack(ku__tracer *tracer, expected *sums) {
    ku__frame frames[DEPTH];
    unsigned files[DEPTH], lines[DEPTH], depth = 1 + (unsigned)rand() % DEPTH;
    for (unsigned i = 0; i < depth; i++) {
        files[i] = (unsigned)rand() % FILES, lines[i] = (unsigned)rand() % LINES;
        frames[i] = (ku__frame){code_of(tracer, files[i], (unsigned)rand() % 2), 2 * lines[i]};
    }
    uint32_t site = ku__site_intern(tracer, frames, depth, 0);
    uint64_t bytes = 1 + (uint64_t)rand() % 500;
    char block;
    ku__count_allocated(tracer, KU__LANE_MAIN, site, bytes, &block);
    ku_capture_counts counts = {bytes, 1, bytes, 1, bytes, 1, 0};
    add(&sums->by_line[files[0]][lines[0]], &counts);
    add(&sums->by_file[files[0]], &counts);
    for (unsigned i = 0; i < depth; i++) {
        bool seen = false;
        for (unsigned k = 0; k < i; k++) seen |= files[k] == files[i] && lines[k] == lines[i];
        if (!seen) add(&sums->by_line_cumulative[files[i]][lines[i]], &counts);
    }
}

static void check_rows(const ku_groups *groups, const expected *sums, ku_group_key key, bool cumulative) {
    size_t nonzero = 0;
    for (int f = 0; f < FILES; f++)
        for (int l = 0; l < (key == KU_GROUP_FILE ? 1 : LINES); l++)
            nonzero += (key == KU_GROUP_FILE ? sums->by_file[f]
                        : cumulative         ? sums->by_line_cumulative[f][l]
                                             : sums->by_line[f][l])
                           .live_blocks != 0;
    assert_int_equal(groups->count, nonzero);
    for (size_t i = 0; i < groups->count; i++) {
        const ku_group_row *row = &groups->rows[i];
        int f = row->filename.bytes[0] - 'a';
        const ku_capture_counts *sum = key == KU_GROUP_FILE ? &sums->by_file[f]
                                       : cumulative         ? &sums->by_line_cumulative[f][row->line - 1]
                                                            : &sums->by_line[f][row->line - 1];
        assert_memory_equal(&row->counts, sum, sizeof *sum);
        if (i > 0) assert_true(groups->rows[i - 1].counts.live_bytes >= row->counts.live_bytes);
    }
}

static void test_groups_are_the_sums_of_their_sites(void **state) {
    (void)state;
    static expected sums;
    memset(&sums, 0, sizeof sums);
    ku__tracer *tracer = ku__tracer_new(&(ku__tracer_options){.frames = DEPTH}, NULL);
    assert_non_null(tracer);
    for (int i = 0; i < STACKS; i++) one_stack(tracer, &sums);
    ku_capture *snapshot = ku__snapshot_take(tracer, NULL);
    assert_non_null(snapshot);
    for (int cumulative = 0; cumulative < 2; cumulative++) {
        ku_groups *groups = ku_capture_group(snapshot, KU_GROUP_LINE, cumulative, NULL);
        assert_non_null(groups);
        check_rows(groups, &sums, KU_GROUP_LINE, cumulative);
        ku_groups_free(groups);
    }
    ku_groups *groups = ku_capture_group(snapshot, KU_GROUP_FILE, false, NULL);
    check_rows(groups, &sums, KU_GROUP_FILE, false);
    ku_groups_free(groups);
    ku_capture_close(snapshot);
    ku__tracer_delete(tracer);
}

static void test_stacks_with_equal_lines_are_one_group(void **state) {
    (void)state;
    ku__tracer *tracer = ku__tracer_new(&(ku__tracer_options){.frames = DEPTH}, NULL);
    char block;
    for (unsigned function = 0; function < 2; function++) { /* two functions with the same lines in their tables */
        ku__frame frames[2] = {{code_of(tracer, 1, function), 4}, {code_of(tracer, 2, 0), 6}};
        ku__count_allocated(tracer, KU__LANE_MAIN, ku__site_intern(tracer, frames, 2, 0), 10, &block);
        ku__count_allocated(tracer, KU__LANE_MAIN, ku__site_intern(tracer, frames, 1, 0), 3, &block);
    }
    ku_capture *snapshot = ku__snapshot_take(tracer, NULL);
    ku_groups *groups = ku_capture_group(snapshot, KU_GROUP_STACK, false, NULL);
    assert_int_equal(groups->count, 2);
    assert_int_equal(groups->rows[0].counts.live_bytes, 20);
    assert_int_equal(groups->rows[1].counts.live_bytes, 6);
    assert_int_equal(groups->rows[0].line, 3);
    uint32_t frames[2];
    assert_int_equal(ku_capture_stack_read(snapshot, groups->rows[0].site, frames, 2), 2);
    ku_groups_free(groups);
    ku_error error;
    assert_null(ku_capture_group(snapshot, KU_GROUP_STACK, true, &error));
    assert_int_equal(error.code, KU_INVALID);
    assert_null(ku_capture_group(snapshot, (ku_group_key)7, false, &error));
    ku_capture_close(snapshot);
    ku__tracer_delete(tracer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_entry_gives_its_line),
        cmocka_unit_test(test_a_real_table_gives_what_co_lines_gives),
        cmocka_unit_test(test_groups_are_the_sums_of_their_sites),
        cmocka_unit_test(test_stacks_with_equal_lines_are_one_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
