/* test_rows.c: blocks that are alike are counted together; see src/trace/rows.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "trace/rows.h"
#include "trace/trace.h"

static void test_blocks_that_are_alike_make_one_row(void **state) {
    (void)state;
    ku__rows rows;
    assert_true(ku__rows_open(&rows));
    for (int i = 0; i < 1000; i++) {
        ku__rows_add(&rows, 7, 0, 48, 1);
        ku__rows_add(&rows, 8, 0, 48, 1);
    }
    ku__rows_add(&rows, 7, 3, 48, 1);
    assert_true(ku__rows_finish(&rows));
    assert_int_equal(rows.used, 3);
    assert_int_equal(rows.table[0].site, 7);
    assert_int_equal(rows.table[0].count, 1000);
    assert_int_equal(rows.table[1].site, 8);
    assert_int_equal(rows.table[2].domain, 3);
    ku__rows_close(&rows);
}

static void test_a_table_that_grows_loses_nothing(void **state) {
    (void)state;
    enum { SITES = 5000, ROUNDS = 3 };
    ku__rows rows;
    assert_true(ku__rows_open(&rows));
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t site = 1; site <= SITES; site++) {
            ku__rows_add(&rows, site, 0, 16 * (site % 5 + 1), 2);
        }
    }
    assert_true(ku__rows_finish(&rows));
    assert_int_equal(rows.used, SITES);
    for (size_t i = 0; i < rows.used; i++) {
        assert_int_equal(rows.table[i].count, 2 * ROUNDS);
        assert_int_equal(rows.table[i].size, 16 * (rows.table[i].site % 5 + 1));
        assert_true(i == 0 || rows.table[i - 1].size >= rows.table[i].size);
    }
    ku__rows_close(&rows);
}

static void test_without_memory_rows_are_missing_and_it_says_so(void **state) {
    (void)state;
    ku__rows rows;
    ku__trace_fail_at(0);
    assert_false(ku__rows_open(&rows));
    ku__trace_fail_at(1);
    assert_true(ku__rows_open(&rows));
    for (uint32_t site = 1; site <= 5000; site++) {
        ku__rows_add(&rows, site, 0, 16, 1);
    }
    ku__trace_fail_at(-1);
    assert_false(ku__rows_finish(&rows));
    assert_true(rows.used > 1000);
    ku__rows_close(&rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_that_are_alike_make_one_row),
        cmocka_unit_test(test_a_table_that_grows_loses_nothing),
        cmocka_unit_test(test_without_memory_rows_are_missing_and_it_says_so),
    };
    return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
