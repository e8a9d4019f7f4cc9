/* test_python_types.c: the table that tells what blocks of a Python heap are, and memory that may not be there. */
#include "support.h"

#include "inspect/memory.h"
#include "inspect/python_make.h"
#include "os/pages.h"

#include <string.h>

enum { TYPES = 20000, STEP = 32 };

static uintptr_t address_of(uint32_t number) {
    return 0x10000 + (uintptr_t)number * STEP;
}

static void test_types_are_found_by_their_address_however_many_there_are(void **state) {
    (void)state;
    ku__type_table types;
    assert_true(ku__type_table_open(&types));
    for (uint32_t i = 0; i < TYPES; i++) {
        assert_true(ku__type_table_add(&types, address_of(i), 16 * (i % 3)));
        assert_true(ku__type_table_add(&types, address_of(i), 0)); /* is there already, and stays */
    }
    assert_int_equal(ku__type_table_count(&types), TYPES);
    for (uint32_t i = 0; i < TYPES; i++) {
        assert_true(ku__type_table_may(&types, address_of(i)));
        assert_int_equal(ku__type_table_find(&types, address_of(i)), i);
        assert_int_equal(ku__type_table_at(&types, i)->front, 16 * (i % 3));
        assert_int_equal(ku__type_table_find(&types, address_of(i) + 8), KU__NO_TYPE);
    }
    assert_int_equal(ku__type_table_find(&types, 0), KU__NO_TYPE);
    ku__type_table_close(&types);
}

static void test_a_block_is_what_a_type_in_its_own_place_says(void **state) {
    (void)state;
    ku__type_table types;
    assert_true(ku__type_table_open(&types));
    const uintptr_t plain = 0x1000, tracked = 0x2000, fronted = 0x3000;
    assert_true(ku__type_table_add(&types, plain, 0) && ku__type_table_add(&types, tracked, 16) &&
                ku__type_table_add(&types, fronted, 32));
    const uintptr_t blocks[][6] = {
        {1, plain, 0, 0, 0, 0},   {0, 0, 1, tracked, 0, 0}, {0, 0, 0, 0, 1, fronted},
        {1, tracked, 0, 0, 0, 0}, /* a type in a place that is not its own */
        {0, 0, 1, fronted, 0, 0}, {0, 0, 0, 0, 1, plain},   {7, 7, 7, 7, 7, 7},
    };
    const uint32_t seen[] = {0, 1, 2, KU__NO_TYPE, KU__NO_TYPE, KU__NO_TYPE, KU__NO_TYPE};
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++) {
        ku__sighting sight = ku__sight(&types, blocks[i], sizeof blocks[i]);
        assert_int_equal(sight.type, seen[i]);
        assert_int_equal(sight.front, seen[i] == KU__NO_TYPE ? 0 : 16 * seen[i]);
        assert_true(seen[i] == KU__NO_TYPE ||
                    ku__sight_again(&types, blocks[i], sight, ku__type_table_at(&types, seen[i])->address));
    }
    assert_int_equal(ku__sight(&types, blocks[1], 16).type, KU__NO_TYPE); /* the block ends before */
    ku__type_table_close(&types);
}

static void test_what_a_free_list_keeps_has_no_count(void **state) {
    (void)state;
    assert_true(ku__is_kept(0));
    assert_true(ku__is_kept(0x7f1234567890)); /* a link to the next */
    assert_false(ku__is_kept(1));
    assert_false(ku__is_kept(UINT32_MAX));
    assert_false(ku__is_kept((uint64_t)1 << 48 | 3)); /* a flag above a count */
}

static void test_memory_that_is_not_there_can_be_asked_for(void **state) {
    (void)state;
    ku__memory own = {.seek = NULL};
    uint64_t number = 42, read = 0;
    assert_true(ku__memory_try(&own, (uintptr_t)&number, &read, sizeof read));
    assert_int_equal(read, 42);
    char *pages = ku__pages_map(ku__page_size());
    assert_non_null(pages);
    ku__pages_unmap(pages, ku__page_size());
    assert_false(ku__memory_try(&own, (uintptr_t)pages, &read, sizeof read));
}

typedef struct two_pieces {
    ku__memory memory; /* first */
    ku__piece pieces[2];
    int seeks;
} two_pieces;

static bool seek(ku__memory *memory, uintptr_t address) {
    two_pieces *two = (two_pieces *)(void *)memory;
    two->seeks++;
    for (size_t i = 0; i < 2; i++) {
        if (address >= two->pieces[i].start && address < two->pieces[i].end) {
            memory->window = two->pieces[i];
            return true;
        }
    }
    return false;
}

static void test_memory_in_pieces_is_looked_for_once_for_each(void **state) {
    (void)state;
    static const char low[17] = "0123456789abcdef", high[9] = "ABCDEFGH";
    two_pieces two = {.memory = {.seek = seek}, .pieces = {{0x1000, 0x1010, low}, {0x2000, 0x2008, high}}};
    char out[4];
    size_t size;
    assert_memory_equal(ku__memory_at(&two.memory, 0x1002, 4), "2345", 4);
    assert_memory_equal(ku__memory_at(&two.memory, 0x100c, 4), "cdef", 4);
    assert_int_equal(two.seeks, 1);
    assert_null(ku__memory_at(&two.memory, 0x100d, 4)); /* ends outside */
    assert_null(ku__memory_at(&two.memory, 0x1800, 1));
    assert_true(ku__memory_try(&two.memory, 0x2004, out, sizeof out));
    assert_memory_equal(out, "EFGH", 4);
    assert_false(ku__memory_try(&two.memory, 0x2005, out, sizeof out));
    assert_int_equal(ku__memory_u8(&two.memory, 0x2000), 'A');
    assert_int_equal(ku__memory_word(&two.memory, 0x3000), 0);
    assert_memory_equal(ku__memory_text(&two.memory, 0x2006, 8, &size), "GH", 2);
    assert_int_equal(size, 2); /* the piece ends before a zero came */
    assert_null(ku__memory_text(&two.memory, 0, 8, &size));
}

static void test_characters_of_all_widths_are_written_as_utf8(void **state) {
    (void)state;
    const uint8_t narrow[] = {'a', 0xe9};
    const uint16_t middle[] = {'a', 0x43a, 0x20ac};
    const uint32_t wide[] = {'a', 0x1f40d};
    char out[16];
    assert_int_equal(ku__python_utf8(narrow, 1, 2, out, sizeof out), 3);
    assert_memory_equal(out, "a\xc3\xa9", 3);
    assert_int_equal(ku__python_utf8(middle, 2, 3, out, sizeof out), 6);
    assert_memory_equal(out, "a\xd0\xba\xe2\x82\xac", 6);
    assert_int_equal(ku__python_utf8(wide, 4, 2, out, sizeof out), 5);
    assert_memory_equal(out, "a\xf0\x9f\x90\x8d", 5);
    assert_int_equal(ku__python_utf8(wide, 4, 2, out, 4), 1); /* a character that might not fit is left out */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types_are_found_by_their_address_however_many_there_are),
        cmocka_unit_test(test_a_block_is_what_a_type_in_its_own_place_says),
        cmocka_unit_test(test_what_a_free_list_keeps_has_no_count),
        cmocka_unit_test(test_memory_that_is_not_there_can_be_asked_for),
        cmocka_unit_test(test_memory_in_pieces_is_looked_for_once_for_each),
        cmocka_unit_test(test_characters_of_all_widths_are_written_as_utf8),
    };
    return cmocka_run_group_tests_name("python_types", tests, NULL, NULL);
}
