/* test_trace.c: the engine of tracing against a simple model: interning, the cache and its epochs, counts and peaks,
 * failure of every metadata allocation. */
#include "trace/fast.h"
#include "trace/sample.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t random_state = 0x243F6A8885A308D3u;

static uint64_t random_word(void) { /* xorshift64*: repeatable */
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 0x2545F4914F6CDD1Du;
}

static unsigned random_below(unsigned bound) {
    return (unsigned)(random_word() >> 33) % bound;
}

static ku__tracer *tracer_of(unsigned frames, uint64_t interval) {
    ku_error error;
    ku__tracer_options options = {.frames = frames, .sample_interval = interval, .seed = 42};
    ku__tracer *tracer = ku__tracer_new(&options, &error);
    assert_non_null(tracer);
    return tracer;
}

static ku__code_facts facts_of(const char *filename, const char *qualname, int32_t first_line) {
    return (ku__code_facts){filename, strlen(filename), qualname, strlen(qualname), NULL, 0, first_line};
}

static uint32_t one_frame_site(ku__tracer *tracer, uint32_t code, uint32_t instruction) {
    ku__frame frame = {code, instruction};
    return ku__site_intern(tracer, &frame, 1, 0);
}

static void test_options_out_of_range_are_refused(void **state) {
    (void)state;
    ku_error error;
    assert_null(ku__tracer_new(&(ku__tracer_options){.frames = 256}, &error));
    assert_int_equal(error.code, KU_INVALID);
    assert_null(ku__tracer_new(&(ku__tracer_options){.mode = (ku__trace_mode)9}, &error));
    assert_int_equal(error.code, KU_INVALID);
    assert_null(ku__tracer_new(&(ku__tracer_options){.sample_interval = UINT64_MAX}, &error));
    assert_int_equal(error.code, KU_INVALID);
    ku__tracer_delete(NULL);
}

static void test_equal_contents_are_one_record(void **state) {
    (void)state;
    ku__tracer *tracer = tracer_of(1, 0);
    char place[2000];
    ku__code_facts facts = facts_of("<string>", "<module>", 1);
    facts.line_table = (const uint8_t *)"\x80\x01";
    facts.line_table_bytes = 2;
    uint32_t first = ku__code_add(tracer, &place[0], &facts);
    for (int i = 1; i < 2000; i++) {
        assert_int_equal(ku__code_add(tracer, &place[i], &facts), first);
        ku__code_detach(tracer, &place[i]);
    }
    facts.first_line = 2;
    uint32_t second = ku__code_add(tracer, &place[1], &facts);
    assert_int_not_equal(second, first);
    ku__code_facts read;
    assert_true(ku__code_read(tracer, second, &read));
    assert_string_equal(read.filename, "<string>");
    assert_string_equal(read.qualname, "<module>");
    assert_int_equal(read.line_table_bytes, 2);
    assert_int_equal(read.first_line, 2);
    assert_false(ku__code_read(tracer, 0, &read));
    assert_false(ku__code_read(tracer, second + 1, &read));
    ku__trace_cost cost;
    ku__tracer_cost(tracer, &cost);
    assert_int_equal(cost.codes, 2);
    ku__tracer_delete(tracer);
}

static void test_counts_cost_as_much_as_there_are_sites(void **state) {
    (void)state;
    ku__tracer *tracer = tracer_of(1, 0);
    ku__trace_cost few, many;
    ku__tracer_cost(tracer, &few);
    assert_true(few.metadata_bytes < (uint64_t)2
                                         << 20); /* the first chunk of counts alone has 4 MiB of addresses a lane */
    for (uint32_t i = 0; i < 2000; i++) assert_int_not_equal(one_frame_site(tracer, 0, i), 0);
    ku__tracer_cost(tracer, &many);
    assert_int_equal(many.sites, few.sites + 2000);
    assert_true(many.metadata_bytes >= few.metadata_bytes + 2000 * sizeof(ku__site_counts) * KU__LANE_COUNT);
    ku__tracer_delete(tracer);
}

/* Bindings against an array: random additions and removals, so that removal meets long runs of neighbours. */
static void test_bindings_follow_a_model(void **state) {
    (void)state;
    enum { PLACES = 3000 };
    static char places[PLACES];
    static uint32_t bound[PLACES];
    ku__tracer *tracer = tracer_of(1, 0);
    memset(bound, 0, sizeof bound);
    char name[32];
    for (int step = 0; step < 200000; step++) {
        unsigned i = random_below(PLACES);
        assert_int_equal(ku__code_find(tracer, &places[i]), bound[i]);
        if (bound[i] != 0 && random_below(2)) {
            ku__code_detach(tracer, &places[i]);
            bound[i] = 0;
        } else {
            snprintf(name, sizeof name, "f%u", random_below(500));
            ku__code_facts facts = facts_of("a.py", name, 1);
            bound[i] = ku__code_add(tracer, &places[i], &facts);
            assert_int_not_equal(bound[i], 0);
        }
    }
    for (unsigned i = 0; i < PLACES; i++) assert_int_equal(ku__code_find(tracer, &places[i]), bound[i]);
    ku__tracer_delete(tracer);
}

static void test_stacks_are_interned_whole_and_cut_to_the_limit(void **state) {
    (void)state;
    ku__tracer *tracer = tracer_of(3, 0);
    ku__frame stack[5] = {{1, 10}, {2, 20}, {3, 30}, {4, 40}, {5, 50}};
    uint32_t three = ku__site_intern(tracer, stack, 3, 0);
    assert_int_equal(ku__site_intern(tracer, stack, 5, 0), three); /* innermost three of five */
    uint32_t two = ku__site_intern(tracer, stack, 2, 0);
    assert_int_not_equal(two, three);
    assert_int_equal(ku__site_intern(tracer, stack, 0, 0), 0);
    ku__frame read[4];
    assert_int_equal(ku__site_frames(tracer, three, read, 4), 3);
    assert_memory_equal(read, stack, 3 * sizeof read[0]);
    assert_int_equal(ku__site_frames(tracer, two, read, 1), 2);
    assert_int_equal(ku__site_frames(tracer, 0, read, 4), 0);
    assert_int_equal(ku__site_frames(tracer, ku__site_count(tracer), read, 4), 0);
    ku__tracer_delete(tracer);
}

/* 20000 random stacks out of few frames, each interned twice, by hash and without, and read back. */
static void test_many_stacks_keep_their_numbers(void **state) {
    (void)state;
    enum { STACKS = 20000, DEPTH = 12 };
    static ku__frame stacks[STACKS][DEPTH];
    static unsigned depths[STACKS];
    static uint32_t sites[STACKS];
    ku__tracer *tracer = tracer_of(DEPTH, 0);
    for (int i = 0; i < STACKS; i++) {
        depths[i] = 1 + random_below(DEPTH);
        for (unsigned k = 0; k < depths[i]; k++) stacks[i][k] = (ku__frame){1 + random_below(9), 2 * random_below(5)};
        sites[i] = ku__site_intern(tracer, stacks[i], depths[i], random_word() | 1);
        assert_int_not_equal(sites[i], 0);
    }
    for (int i = 0; i < STACKS; i++) {
        ku__frame read[DEPTH];
        assert_int_equal(ku__site_intern(tracer, stacks[i], depths[i], 0), sites[i]);
        assert_int_equal(ku__site_frames(tracer, sites[i], read, DEPTH), depths[i]);
        assert_memory_equal(read, stacks[i], depths[i] * sizeof read[0]);
    }
    ku__tracer_delete(tracer);
}

/* What the cache says is always what interning would say now, while code objects come and go at the same addresses. */
static void test_an_address_used_again_never_names_the_old_place(void **state) {
    (void)state;
    enum { CODES = 8, BYTES = 64 };
    static char objects[CODES][BYTES];
    ku__tracer *tracer = tracer_of(2, 0);
    uint32_t identity[CODES] = {0};
    unsigned hits = 0, identities = 0;
    for (int step = 0; step < 300000; step++) {
        unsigned inner = random_below(CODES), outer = random_below(CODES);
        if (random_below(500) == 0) {
            ku__code_detach(tracer, objects[inner]);
            identity[inner] = 0;
        }
        unsigned members[2] = {inner, outer};
        unsigned offsets[2] = {2 * random_below(2), 2 * random_below(2)};
        for (int k = 0; k < 2; k++) {
            if (identity[members[k]] == 0) identity[members[k]] = ++identities;
        }
        uint64_t hash = ku__stack_hash_start(tracer);
        for (int k = 0; k < 2; k++) hash = ku__stack_hash_add(hash, &objects[members[k]][offsets[k]]);
        uint32_t site = ku__site_cached(tracer, hash);
        hits += site != 0;
        if (site == 0) {
            ku__frame frames[2];
            for (int k = 0; k < 2; k++) {
                const char *address = objects[members[k]];
                char name[32];
                snprintf(name, sizeof name, "%u", identity[members[k]]);
                ku__code_facts facts = facts_of("m.py", name, (int32_t)identity[members[k]]);
                uint32_t code = ku__code_find(tracer, address);
                frames[k] = (ku__frame){code ? code : ku__code_add(tracer, address, &facts), offsets[k]};
            }
            site = ku__site_intern(tracer, frames, 2, hash);
        }
        ku__frame read[2];
        assert_int_equal(ku__site_frames(tracer, site, read, 2), 2);
        for (int k = 0; k < 2; k++) {
            ku__code_facts facts;
            assert_true(ku__code_read(tracer, read[k].code, &facts));
            assert_int_equal(facts.first_line, identity[members[k]]);
            assert_int_equal(read[k].instruction, offsets[k]);
        }
    }
    assert_true(hits > 100000); /* else the cache was not tested: a detach comes every 500 steps, of 256 stacks */
    ku__tracer_delete(tracer);
}

/* ---- counts ---- */

enum { SITES = 60, BLOCKS = 4000 };

typedef struct model_block {
    uint32_t site; /* 0: not live */
    size_t bytes;
} model_block;

typedef struct model {
    ku__site_sums sums[SITES];
    uint64_t live, peak;
    long last; /* block allocated last in each lane: index, or -1 */
    long last_of[KU__LANE_COUNT];
    model_block blocks[BLOCKS];
    char address[BLOCKS];
} model;

static void model_allocated(model *m, unsigned index, uint32_t site, size_t bytes, int lane) {
    m->blocks[index] = (model_block){site, bytes};
    ku__site_sums *sums = &m->sums[site];
    sums->live_bytes += bytes, sums->live_blocks++;
    sums->total_bytes += bytes, sums->total_blocks++;
    m->live += bytes;
    m->last_of[lane] = index;
}

static void model_freed(model *m, unsigned index) {
    ku__site_sums *sums = &m->sums[m->blocks[index].site];
    sums->live_bytes -= m->blocks[index].bytes, sums->live_blocks--;
    m->live -= m->blocks[index].bytes;
    m->blocks[index].site = 0;
}

static void model_peak(model *m) {
    if (m->live <= m->peak) return;
    m->peak = m->live;
    for (int i = 0; i < SITES; i++) {
        m->sums[i].peak_bytes = m->sums[i].live_bytes;
        m->sums[i].peak_blocks = m->sums[i].live_blocks;
    }
}

static void model_compare(const model *m, const ku__tracer *tracer) {
    ku__site_sums sums[SITES];
    ku__sites_read(tracer, 0, SITES, sums);
    for (int i = 0; i < SITES; i++) assert_memory_equal(&sums[i], &m->sums[i], sizeof sums[i]);
    uint64_t live, peak;
    ku__traced_memory(tracer, &live, &peak);
    assert_int_equal(live, m->live);
    assert_int_equal(peak, m->peak);
}

static void model_step(model *m, ku__tracer *tracer, int lanes) {
    unsigned index = random_below(BLOCKS);
    ku__lane_id lane = (ku__lane_id)random_below((unsigned)lanes);
    const void *block = &m->address[index];
    uint32_t site = 1 + random_below(SITES - 1);
    size_t bytes = 1 + random_below(random_below(8) ? 512 : 100000);
    model_block old = m->blocks[index];
    if (old.site == 0) {
        ku__count_allocated(tracer, lane, site, bytes, block);
        model_allocated(m, index, site, bytes, lane);
        if (random_below(4)) return model_peak(m);
        model_peak(m);
        old = m->blocks[index];
        if (m->last_of[lane] == (long)index) m->sums[old.site].temporary_blocks++;
        if (m->last_of[lane] == (long)index) m->last_of[lane] = -1;
        ku__count_freed(tracer, lane, old.site, old.bytes, block);
        model_freed(m, index);
    } else if (random_below(3) == 0) {
        ku__count_resized(tracer, lane, old.site, old.bytes, site, bytes, block);
        model_freed(m, index);
        model_allocated(m, index, site, bytes, lane);
        model_peak(m);
    } else {
        if (m->last_of[lane] == (long)index) m->sums[old.site].temporary_blocks++;
        if (m->last_of[lane] == (long)index) m->last_of[lane] = -1;
        ku__count_freed(tracer, lane, old.site, old.bytes, block);
        model_freed(m, index);
    }
}

static void run_model(int lanes, int steps, bool reset) {
    model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->last_of[0] = m->last_of[1] = -1;
    ku__tracer *tracer = tracer_of(1, 0);
    for (uint32_t i = 1; i < SITES; i++) assert_int_equal(one_frame_site(tracer, 1, i), i);
    for (int step = 0; step < steps; step++) {
        model_step(m, tracer, lanes);
        if (random_below(200) == 0 || step < 2000) model_compare(m, tracer);
        if (reset && random_below(1000) == 0) {
            ku__peak_reset(tracer);
            m->peak = 0;
            model_peak(m);
            model_compare(m, tracer);
        }
    }
    model_compare(m, tracer);
    ku__tracer_delete(tracer);
    free(m);
}

static void test_counts_and_peaks_follow_a_model(void **state) {
    (void)state;
    for (int round = 0; round < 20; round++) run_model(1, 30000, false);
}

static void test_two_lanes_sum_up_and_blocks_may_change_lanes(void **state) {
    (void)state;
    for (int round = 0; round < 20; round++) run_model(2, 30000, false);
}

static void test_a_reset_peak_is_now(void **state) {
    (void)state;
    for (int round = 0; round < 10; round++) run_model(2, 30000, true);
}

/* ---- failure ---- */

static bool busy(ku__tracer *tracer) {
    char name[64];
    static char places[20000];
    for (uint32_t i = 1; i < 20000; i++) {
        snprintf(name, sizeof name, "function_%u", i);
        ku__code_facts facts = facts_of("busy.py", name, (int32_t)i);
        uint32_t code = ku__code_find(tracer, &places[i]);
        if (code == 0) code = ku__code_add(tracer, &places[i], &facts);
        ku__frame frames[2] = {{code, i}, {1 + i % 7, i % 3}};
        uint32_t site = code == 0 ? 0 : ku__site_intern(tracer, frames, 2, i | 1);
        if (site == 0) return false;
        ku__count_allocated(tracer, KU__LANE_MAIN, site, i, NULL);
        ku__count_freed(tracer, KU__LANE_RAW, site, i, name);
    }
    return true;
}

/* Makes metadata allocation 0, 1, 2 ... fail (and all later ones) until none is reached any more. */
static void test_every_refused_allocation_stops_tracing_with_a_message(void **state) {
    (void)state;
    int failed_starts = 0, failed_later = 0;
    bool whole = false;
    for (int64_t n = 0; !whole; n++) {
        ku_error error = {0};
        ku__trace_fail_at(n);
        ku__tracer_options options = {.frames = 2};
        ku__tracer *tracer = ku__tracer_new(&options, &error);
        if (tracer == NULL) {
            assert_int_equal(error.code, KU_NO_MEMORY);
            failed_starts++;
            continue;
        }
        whole = busy(tracer);
        if (!whole) {
            const ku_error *why = ku__tracer_failure(tracer);
            assert_non_null(why);
            assert_int_equal(why->code, KU_NO_MEMORY);
            assert_non_null(strstr(why->message, "tracing stopped"));
            failed_later++;
            ku__trace_fail_at(-1); /* memory is back: a failed tracer stays failed, and its counts stay whole */
            assert_int_equal(one_frame_site(tracer, 77, 77), 0);
            uint64_t live, peak;
            ku__traced_memory(tracer, &live, &peak);
            assert_int_equal(live, 0);
        } else {
            assert_null(ku__tracer_failure(tracer));
        }
        ku__tracer_delete(tracer);
    }
    ku__trace_fail_at(-1);
    assert_true(failed_starts >= 10);
    assert_true(failed_later >= 20);
}

/* ---- sampling ---- */

static void test_samples_are_unbiased_and_give_back_what_they_took(void **state) {
    (void)state;
    enum { ROUNDS = 400000, INTERVAL = 4096 };
    static const size_t sizes[] = {1, 16, 48, 512, 4000, 70000};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        ku__tracer *tracer = tracer_of(1, INTERVAL);
        uint32_t site = one_frame_site(tracer, 1, 1);
        unsigned samples = 0;
        char block;
        for (int i = 0; i < ROUNDS; i++) {
            if (!ku__sample_due(tracer, KU__LANE_MAIN, sizes[s])) continue;
            ku__sample_allocated(tracer, KU__LANE_MAIN, site, sizes[s], &block);
            samples++;
        }
        ku__site_sums sums[2];
        ku__sites_read(tracer, 0, 2, sums);
        double p = -expm1(-(double)sizes[s] / INTERVAL);
        double deviation = sqrt(ROUNDS * (1 - p) / p); /* of the estimated number of blocks */
        double blocks = (double)sums[1].total_blocks / KU__SAMPLED_UNIT;
        assert_true(fabs(blocks - ROUNDS) <= 4.5 * deviation + 2);
        assert_true(fabs((double)sums[1].total_bytes - (double)ROUNDS * (double)sizes[s]) <=
                    4.5 * deviation * (double)sizes[s] + samples + 2.0 * (double)sizes[s]);
        for (unsigned i = 0; i < samples; i++) ku__sample_freed(tracer, KU__LANE_MAIN, site, sizes[s], &samples);
        ku__sites_read(tracer, 0, 2, sums);
        assert_int_equal(sums[1].live_bytes, 0);
        assert_int_equal(sums[1].live_blocks, 0);
        ku__tracer_delete(tracer);
    }
}

static void test_a_sample_is_temporary_only_when_nothing_was_allocated_between(void **state) {
    (void)state;
    ku__tracer *tracer = tracer_of(1, 1000);
    uint32_t site = one_frame_site(tracer, 1, 1);
    char a;
    ku__site_sums sums[2];
    while (!ku__sample_due(tracer, KU__LANE_MAIN, 16)) continue;
    ku__sample_allocated(tracer, KU__LANE_MAIN, site, 16, &a);
    ku__sample_freed(tracer, KU__LANE_MAIN, site, 16, &a);
    ku__sites_read(tracer, 0, 2, sums);
    assert_int_equal(sums[1].temporary_blocks, sums[1].total_blocks);
    while (!ku__sample_due(tracer, KU__LANE_MAIN, 16)) continue;
    ku__sample_allocated(tracer, KU__LANE_MAIN, site, 16, &a);
    (void)ku__sample_due(tracer, KU__LANE_MAIN, 1); /* something else is allocated */
    ku__sample_freed(tracer, KU__LANE_MAIN, site, 16, &a);
    ku__sites_read(tracer, 0, 2, sums);
    assert_int_equal(sums[1].temporary_blocks * 2, sums[1].total_blocks);
    ku__tracer_delete(tracer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_out_of_range_are_refused),
        cmocka_unit_test(test_equal_contents_are_one_record),
        cmocka_unit_test(test_counts_cost_as_much_as_there_are_sites),
        cmocka_unit_test(test_bindings_follow_a_model),
        cmocka_unit_test(test_stacks_are_interned_whole_and_cut_to_the_limit),
        cmocka_unit_test(test_many_stacks_keep_their_numbers),
        cmocka_unit_test(test_an_address_used_again_never_names_the_old_place),
        cmocka_unit_test(test_counts_and_peaks_follow_a_model),
        cmocka_unit_test(test_two_lanes_sum_up_and_blocks_may_change_lanes),
        cmocka_unit_test(test_a_reset_peak_is_now),
        cmocka_unit_test(test_every_refused_allocation_stops_tracing_with_a_message),
        cmocka_unit_test(test_samples_are_unbiased_and_give_back_what_they_took),
        cmocka_unit_test(test_a_sample_is_temporary_only_when_nothing_was_allocated_between),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
