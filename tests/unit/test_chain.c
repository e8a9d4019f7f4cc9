/* test_chain.c: chains of links end, also those that lead in a circle. */
#include "support.h"

#include "inspect/chain.h"

enum { LINKS = 1000 };

/* How many links are followed when the last of `count`, numbered from 1, leads to number `to`. */
static unsigned follow(unsigned count, unsigned to) {
    unsigned steps = 0;
    for (ku__chain chain = ku__chain_from(1); chain.at != 0; steps++) {
        assert_true(chain.at <= count);
        ku__chain_step(&chain, chain.at < count ? chain.at + 1 : to);
    }
    return steps;
}

static void test_a_chain_is_followed_to_its_end(void **state) {
    (void)state;
    for (unsigned count = 1; count <= LINKS; count++) {
        assert_int_equal(follow(count, 0), count);
    }
}

static void test_a_circle_is_left_after_all_of_it_was_met(void **state) {
    (void)state;
    for (unsigned to = 1; to <= LINKS; to++) {
        unsigned steps = follow(LINKS, to);
        assert_true(steps >= LINKS && steps <= 4 * LINKS);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_chain_is_followed_to_its_end),
        cmocka_unit_test(test_a_circle_is_left_after_all_of_it_was_met),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
