/* test_order.c: addresses put in order, against the definition: each is there as before, none in front of a lower. */
#include "inspect/order.h"
#include "support.h"

#include <stdlib.h>

enum { MOST = 20000, ROUNDS = 60 };

typedef uintptr_t drawing(size_t i);

static uint64_t drawn = 1;

static uint64_t draw(void) {
    return next_random(&drawn);
}

static uintptr_t anywhere(size_t i) {
    (void)i;
    return draw();
}

/* Two mappings far apart, as heaps have them. */
static uintptr_t in_a_heap(size_t i) {
    (void)i;
    return ((uintptr_t)0x7f3200000000 >> (draw() & 1)) + (draw() % (1 << 20)) * 16;
}

static uintptr_t rising(size_t i) {
    return i * 32;
}

static uintptr_t falling(size_t i) {
    return (MOST - i) * 32;
}

static uintptr_t all_the_same(size_t i) {
    (void)i;
    return 0x5000;
}

static void check_ordered(drawing *address, size_t count) {
    ku__placed *items = calloc(count + 1, sizeof *items);
    uintptr_t *before = calloc(count + 1, sizeof *before);
    unsigned char *seen = calloc(count + 1, 1);
    assert_true(items != NULL && before != NULL && seen != NULL);
    for (size_t i = 0; i < count; i++) {
        before[i] = address(i);
        items[i] = (ku__placed){before[i], (uint32_t)i};
    }
    ku__order_placed(items, count);
    for (size_t i = 0; i < count; i++) {
        assert_true(i == 0 || items[i - 1].address <= items[i].address);
        assert_true(items[i].number < count && seen[items[i].number]++ == 0);
        assert_int_equal(items[i].address, before[items[i].number]);
    }
    free(seen);
    free(before);
    free(items);
}

static void any_addresses_come_in_order(void **state) {
    (void)state;
    drawing *const kinds[] = {anywhere, in_a_heap, rising, falling, all_the_same};
    for (size_t kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++) {
        for (size_t count = 0; count < 100; count++) {
            check_ordered(kinds[kind], count);
        }
        check_ordered(kinds[kind], MOST);
        for (int round = 0; round < ROUNDS; round++) {
            check_ordered(kinds[kind], draw() % 2000);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_addresses_come_in_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
