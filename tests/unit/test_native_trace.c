/* test_native_trace.c: heaps traced over C stacks: what is counted, where it was made, and how readings compare.
 *
 * The functions that allocate are exported, not inlined, and keep their frames, so that any unwinder sees them, and the
 * dynamic linker alone can name them. Lines are asserted only where libdw is there to tell them.
 */
#include "support.h"

#include "os/symbols.h"
#include "trace/native.h"
#include <kucha/kucha.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OWN_FRAME __attribute__((noinline, noclone, optimize("no-optimize-sibling-calls")))
#if defined(__clang__)
#undef OWN_FRAME
#define OWN_FRAME __attribute__((noinline, disable_tail_calls))
#endif

void *make_small(ku_heap *heap, size_t size);
void *make_other(ku_heap *heap, size_t size);
void *make_deep(ku_heap *heap, size_t size, int depth);
enum { LINE_OF_SMALL = __LINE__ + 3 };

OWN_FRAME void *make_small(ku_heap *heap, size_t size) {
    void *block = ku_heap_malloc(heap, size);
    __asm__ volatile("" : : "r"(block) : "memory");
    return block;
}

OWN_FRAME void *make_other(ku_heap *heap, size_t size) {
    void *block = ku_heap_malloc(heap, size);
    __asm__ volatile("" : : "r"(block) : "memory");
    return block;
}

OWN_FRAME void *make_deep(ku_heap *heap, size_t size, int depth) {
    void *block = depth == 0 ? make_small(heap, size) : make_deep(heap, size, depth - 1);
    __asm__ volatile("" : : "r"(block) : "memory");
    return block;
}

typedef struct traced {
    ku_heap *heap;
    ku_trace *trace;
} traced;

static traced begin(unsigned frames) {
    traced it = {.heap = ku_heap_new(NULL, NULL)};
    ku_error error = {.code = KU_OK};
    it.trace = ku_trace_start(&(ku_trace_options){.frames = frames}, &error);
    if (it.trace == NULL || ku_trace_add(it.trace, it.heap, &error) != KU_OK) {
        fail_msg("%s", error.message);
    }
    return it;
}

static void end(traced it) {
    ku_trace_stop(it.trace);
    ku_heap_delete(it.heap);
}

static uint64_t live(const traced *it) {
    uint64_t now, peak;
    ku_trace_memory(it->trace, &now, &peak);
    return now;
}

static bool knows_lines(void) {
    ku__symbols *symbols = ku__symbols_open();
    ku__place_in_code places[KU__PLACES_MOST];
    assert_non_null(symbols);
    ku__symbols_find(symbols, (uintptr_t)make_small, places);
    bool known = ku__symbols_know_lines(symbols) && places[0].line != 0;
    ku__symbols_close(symbols);
    return known;
}

/* ---- counting ---- */

static void bytes_are_counted_as_they_were_asked_for(void **state) {
    (void)state;
    traced it = begin(5);
    static const size_t sizes[] = {0, 1, 15, 16, 17, 100, 512, 513, 5000, 100000};
    uint64_t expected = 0;
    void *blocks[sizeof sizes / sizeof *sizes];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        blocks[i] = make_small(it.heap, sizes[i]);
        expected += sizes[i] + (sizes[i] == 0);
        assert_int_equal(live(&it), expected);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ku_heap_free(it.heap, blocks[i]);
        expected -= sizes[i] + (sizes[i] == 0);
        assert_int_equal(live(&it), expected);
    }
    end(it);
}

static void every_call_that_gives_out_memory_is_seen(void **state) {
    (void)state;
    traced it = begin(5);
    void *zeroed = ku_heap_calloc(it.heap, 3, 10);
    void *large = ku_heap_calloc(it.heap, 3, 1000);
    assert_int_equal(live(&it), 3030);
    void *aligned = ku_heap_aligned_alloc(it.heap, 4096, 3);
    assert_int_equal((uintptr_t)aligned % 4096, 0);
    assert_int_equal(live(&it), 3033);
    zeroed = ku_heap_realloc(it.heap, zeroed, 31);  /* in place */
    zeroed = ku_heap_realloc(it.heap, zeroed, 200); /* another class */
    large = ku_heap_realloc(it.heap, large, 9000);
    assert_int_equal(live(&it), 9203);
    zeroed = ku_heap_realloc(it.heap, zeroed, 2000);
    large = ku_heap_realloc(it.heap, large, 20);
    assert_int_equal(live(&it), 2023);
    void *fresh = ku_heap_realloc(it.heap, NULL, 7);
    ku_heap_free_sized(it.heap, zeroed, 2000);
    ku_heap_free(it.heap, large);
    ku_heap_free(it.heap, aligned);
    assert_int_equal(live(&it), 7);
    ku_heap_free(it.heap, fresh);
    assert_int_equal(live(&it), 0);
    end(it);
}

static void what_was_made_before_is_left_alone(void **state) {
    (void)state;
    ku_heap *heap = ku_heap_new(NULL, NULL);
    void *small = make_small(heap, 40), *large = make_small(heap, 4000), *kept = make_small(heap, 30);
    ku_trace *trace = ku_trace_start(NULL, NULL);
    assert_int_equal(ku_trace_frames(trace), 10);
    assert_int_equal(ku_trace_add(trace, heap, NULL), KU_OK);
    traced it = {heap, trace};
    ku_heap_free(heap, small);
    large = ku_heap_realloc(heap, large, 5000); /* from now on it is known */
    assert_int_equal(live(&it), 5000);
    ku_trace_frame frames[4];
    assert_int_equal(ku_trace_of(trace, kept, frames, 4), 0);
    ku_heap_free(heap, kept);
    ku_heap_free(heap, large);
    assert_int_equal(live(&it), 0);
    end(it);
}

static void the_peak_is_exact_and_can_be_reset(void **state) {
    (void)state;
    traced it = begin(3);
    uint64_t now, peak;
    void *block = make_small(it.heap, 10000);
    ku_heap_free(it.heap, block);
    block = make_other(it.heap, 300);
    ku_trace_memory(it.trace, &now, &peak);
    assert_int_equal(now, 300);
    assert_int_equal(peak, 10000);
    ku_capture *capture = ku_trace_snapshot(it.trace, NULL);
    ku_capture_info info;
    ku_capture_info_read(capture, &info);
    assert_int_equal(info.peak_bytes, 10000);
    uint64_t at_peak = 0;
    for (size_t i = 0; i < ku_capture_site_count(capture); i++) {
        at_peak += ku_capture_counts_of(capture)[i].peak_bytes;
    }
    assert_int_equal(at_peak, 10000);
    ku_capture_close(capture);
    ku_trace_reset_peak(it.trace);
    ku_trace_memory(it.trace, &now, &peak);
    assert_int_equal(peak, 300);
    ku_heap_free(it.heap, block);
    end(it);
}

static void clearing_forgets_what_is_live(void **state) {
    (void)state;
    traced it = begin(3);
    void *old = make_small(it.heap, 100), *large = make_small(it.heap, 10000);
    assert_int_equal(ku_trace_clear(it.trace, NULL), KU_OK);
    assert_int_equal(live(&it), 0);
    void *fresh = make_small(it.heap, 50);
    ku_heap_free(it.heap, old);
    ku_heap_free(it.heap, large);
    assert_int_equal(live(&it), 50);
    ku_heap_free(it.heap, fresh);
    assert_true(ku_trace_overhead(it.trace) > 1000);
    assert_null(ku_trace_failure(it.trace));
    end(it);
}

/* ---- heaps ---- */

static void a_heap_that_leaves_takes_its_blocks_along(void **state) {
    (void)state;
    traced it = begin(3);
    ku_heap *second = ku_heap_new(NULL, NULL), *third = ku_heap_new(NULL, NULL);
    assert_int_equal(ku_trace_add(it.trace, second, NULL), KU_OK);
    assert_int_equal(ku_trace_add(it.trace, third, NULL), KU_OK);
    assert_ptr_equal(ku_trace_of_heap(second), it.trace);
    void *here = make_small(it.heap, 10), *there = make_small(second, 1000), *small = make_small(second, 30);
    make_small(third, 100);
    make_small(third, 100000);
    assert_int_equal(live(&it), 101140);
    ku_heap_delete(third);
    assert_int_equal(live(&it), 1040);
    ku_trace_remove(it.trace, second);
    assert_null(ku_trace_of_heap(second));
    assert_int_equal(live(&it), 10);
    ku_heap_free(second, there);
    ku_heap_free(second, small);
    void *again = make_small(second, 20); /* by the fast path again */
    assert_int_equal(live(&it), 10);
    ku_heap_free(second, again);
    ku_heap_delete(second);
    ku_heap_free(it.heap, here);
    end(it);
}

static void what_cannot_be_traced_is_refused(void **state) {
    (void)state;
    traced it = begin(3);
    ku_error error = {.code = KU_OK};
    ku_heap *fenced = ku_heap_new(&(ku_heap_options){.flags = KU_HEAP_FENCES}, NULL);
    assert_int_equal(ku_trace_add(it.trace, fenced, &error), KU_STATE);
    assert_non_null(strstr(error.message, "fences"));
    ku_trace *other = ku_trace_start(NULL, NULL);
    assert_int_equal(ku_trace_add(other, it.heap, &error), KU_STATE);
    ku_trace_remove(other, it.heap); /* not its own: nothing */
    assert_ptr_equal(ku_trace_of_heap(it.heap), it.trace);
    ku_trace_stop(other);
    assert_null(ku_trace_start(&(ku_trace_options){.frames = 256}, &error));
    assert_int_equal(error.code, KU_INVALID);
    assert_null(ku_trace_start(&(ku_trace_options){.unwinder = (ku_trace_unwinder)9}, &error));
    ku_trace_stop(NULL);
    ku_heap_delete(fenced);
    end(it);
}

static void *free_remotely(void *argument) {
    void **blocks = argument;
    ku_heap_free_remote(blocks[0]);
    ku_heap_free_remote(blocks[1]);
    return NULL;
}

static void what_other_threads_free_is_counted_when_the_holder_comes_by(void **state) {
    (void)state;
    ku_heap *heap = ku_heap_new(&(ku_heap_options){.flags = KU_HEAP_SHARED}, NULL);
    ku_trace *trace = ku_trace_start(NULL, NULL);
    assert_int_equal(ku_trace_add(trace, heap, NULL), KU_OK);
    traced it = {heap, trace};
    void *blocks[] = {make_small(heap, 100), make_small(heap, 10000)};
    pthread_t thread;
    pthread_create(&thread, NULL, free_remotely, blocks);
    pthread_join(thread, NULL);
    ku_heap_purge(heap);
    assert_int_equal(live(&it), 0);
    end(it);
}

/* A hundred pairs of lists that hold each other, and a text. */
static void make_objects(ku_isolate *isolate) {
    for (int i = 0; i < 100; i++) {
        KU_FRAME(isolate, frame, 3);
        ku_object *first = ku_hold(&frame, 0, ku_list_new(isolate, NULL, 0));
        ku_object *second = ku_hold(&frame, 1, ku_list_new(isolate, NULL, 0));
        ku_list_append(isolate, first, second);
        ku_list_append(isolate, second, first);
        ku_list_append(isolate, first, ku_hold(&frame, 2, ku_int(isolate, 1000000 + i)));
    }
}

static void objects_of_an_isolate_are_traced_until_they_are_collected(void **state) {
    (void)state;
    ku_isolate *isolate = ku_isolate_new(NULL, NULL);
    make_objects(isolate);
    ku_gc_collect(isolate, 2);
    ku_trace *trace = ku_trace_start(NULL, NULL);
    traced it = {.trace = trace};
    for (int which = KU_HEAP_TRACKED; which <= KU_HEAP_BUFFERS; which++) {
        ku_heap *heap = ku_isolate_heap_of(isolate, (ku_isolate_heap)which);
        assert_int_equal(ku_trace_add(trace, heap, NULL), KU_OK);
    }
    ku_gc_disable(isolate);
    make_objects(isolate);
    uint64_t grown = live(&it);
    assert_true(grown > 200 * 32);
    ku_gc_collect(isolate, 2);
    assert_true(live(&it) * 10 < grown); /* what the collector keeps for itself stays */
    assert_int_equal(ku_isolate_delete(isolate), 0);
    assert_int_equal(live(&it), 0);
    ku_trace_stop(trace);
}

static void an_isolate_with_birthplaces_is_not_traced(void **state) {
    (void)state;
    ku_isolate *isolate = ku_isolate_new(&(ku_isolate_options){.flags = KU_ISOLATE_BIRTHPLACES}, NULL);
    ku_trace *trace = ku_trace_start(NULL, NULL);
    ku_heap *heap = ku_isolate_heap_of(isolate, KU_HEAP_TRACKED);
    assert_int_equal(ku_trace_add(trace, heap, NULL), KU_STATE);
    ku_trace_stop(trace);
    assert_int_equal(ku_isolate_delete(isolate), 0);
}

/* ---- stacks ---- */

static size_t index_of(const ku_trace_frame *frames, size_t count, const char *function) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(frames[i].function, function) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

static void check_stack(ku_trace_unwinder unwinder) {
    ku_error error = {.code = KU_OK};
    ku_heap *heap = ku_heap_new(NULL, NULL);
    ku_trace *trace = ku_trace_start(&(ku_trace_options){.frames = 20, .unwinder = unwinder}, &error);
    if (trace == NULL && error.code == KU_STATE) {
        ku_heap_delete(heap);
        return; /* not installed here */
    }
    assert_int_equal(ku_trace_add(trace, heap, &error), KU_OK);
    void *block = make_deep(heap, 64, 2);
    ku_trace_frame frames[40];
    size_t count = ku_trace_of(trace, block, frames, 40);
    assert_true(count >= 5);
    assert_string_equal(frames[0].function, "make_small");
    assert_string_equal(frames[1].function, "make_deep");
    assert_string_equal(frames[3].function, "make_deep");
    assert_true(index_of(frames, count, "main") > 3);
    assert_non_null(frames[0].address);
    if (knows_lines()) {
        assert_int_equal(frames[0].line, LINE_OF_SMALL);
        assert_non_null(strstr(frames[0].file, "test_native_trace.c"));
    } else {
        assert_non_null(strstr(frames[0].file, "test_native_trace"));
    }
    assert_int_equal(ku_trace_of(trace, block, frames, 1), count);
    ku_heap_free(heap, block);
    assert_int_equal(ku_trace_of(trace, block, frames, 40), 0);
    ku_trace_stop(trace);
    ku_heap_delete(heap);
}

static void a_block_tells_the_stack_that_made_it(void **state) {
    (void)state;
    check_stack(KU_TRACE_ANY);
    check_stack(KU_TRACE_LIBUNWIND);
    check_stack(KU_TRACE_LIBC);
}

static void frame_pointers_end_where_the_stack_does(void **state) {
    (void)state;
    ku_heap *heap = ku_heap_new(NULL, NULL);
    ku_trace *trace = ku_trace_start(&(ku_trace_options){.frames = 255, .unwinder = KU_TRACE_FRAME_POINTERS}, NULL);
    assert_int_equal(ku_trace_add(trace, heap, NULL), KU_OK);
    traced it = {heap, trace};
    void *block = make_deep(heap, 64, 100); /* whatever registers hold: counted, and nothing is read amiss */
    assert_int_equal(live(&it), 64);
    ku_heap_free(heap, block);
    end(it);
}

static void as_many_frames_are_kept_as_were_asked_for(void **state) {
    (void)state;
    traced it = begin(2);
    void *block = make_deep(it.heap, 64, 5);
    ku_trace_frame frames[4];
    assert_int_equal(ku_trace_of(it.trace, block, frames, 4), 2);
    assert_string_equal(frames[1].function, "make_deep");
    ku_heap_free(it.heap, block);
    end(it);
}

/* ---- snapshots ---- */

/* The row of a group with this function as innermost frame. */
static const ku_group_row *row_of(const ku_capture *capture, const ku_groups *groups, const char *function) {
    for (size_t i = 0; i < groups->count; i++) {
        uint32_t frame;
        ku_capture_frame read;
        ku_capture_code code;
        if (ku_capture_stack_read(capture, groups->rows[i].site, &frame, 1) == 0) {
            continue;
        }
        ku_capture_frame_read(capture, frame, &read);
        ku_capture_code_read(capture, read.code, &code);
        if (strcmp(code.qualname.bytes, function) == 0) {
            return &groups->rows[i];
        }
    }
    return NULL;
}

static void statistics_are_by_place(void **state) {
    (void)state;
    traced it = begin(1);
    void *blocks[30];
    for (int i = 0; i < 30; i++) {
        blocks[i] = i % 3 == 0 ? make_other(it.heap, 1000) : make_small(it.heap, 10);
    }
    ku_heap_free(it.heap, blocks[1]);
    ku_capture *capture = ku_trace_snapshot(it.trace, NULL);
    ku_groups *groups = ku_capture_group(capture, KU_GROUP_STACK, false, NULL);
    if (knows_lines()) {
        const ku_group_row *small = row_of(capture, groups, "make_small"),
                           *other = row_of(capture, groups, "make_other");
        assert_int_equal(other->counts.live_bytes, 10000);
        assert_int_equal(small->counts.live_blocks, 19);
        assert_int_equal(small->counts.total_blocks, 20);
        assert_int_equal(small->line, LINE_OF_SMALL);
        assert_ptr_equal(other, &groups->rows[0]);
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < groups->count; i++) {
        sum += groups->rows[i].counts.live_bytes;
    }
    assert_int_equal(sum, 10190);
    ku_groups_free(groups);
    end(it); /* a snapshot outlives what it was taken of */
    ku_capture_info info;
    ku_capture_info_read(capture, &info);
    assert_int_equal(info.live_bytes, 10190);
    ku_capture_close(capture);
}

static void changes_are_found_largest_first(void **state) {
    (void)state;
    traced it = begin(4);
    void *gone = make_deep(it.heap, 4000, 1), *kept = make_small(it.heap, 10);
    ku_capture *older = ku_trace_snapshot(it.trace, NULL);
    ku_heap_free(it.heap, gone);
    void *more = make_other(it.heap, 90000);
    ku_capture *newer = ku_trace_snapshot(it.trace, NULL);
    ku_changes *changes = ku_capture_compare(newer, older, KU_GROUP_STACK, false, NULL);
    assert_int_equal(changes->count, 3);
    assert_int_equal(changes->rows[0].more_bytes, 90000);
    assert_int_equal(changes->rows[0].more_blocks, 1);
    assert_int_equal(changes->rows[0].older_site, 0);
    assert_int_equal(changes->rows[1].more_bytes, -4000);
    assert_int_equal(changes->rows[1].live_bytes, 0);
    assert_int_equal(changes->rows[2].more_bytes, 0);
    assert_int_equal(changes->rows[2].live_bytes, 10);
    ku_changes_free(changes);
    changes = ku_capture_compare(newer, newer, KU_GROUP_LINE, true, NULL);
    for (size_t i = 0; i < changes->count; i++) {
        assert_int_equal(changes->rows[i].more_bytes, 0);
    }
    ku_changes_free(changes);
    ku_error error;
    assert_null(ku_capture_compare(newer, older, KU_GROUP_STACK, true, &error));
    assert_int_equal(error.code, KU_INVALID);
    ku_heap_free(it.heap, kept);
    ku_heap_free(it.heap, more);
    ku_capture_close(older);
    ku_capture_close(newer);
    end(it);
}

static uint64_t live_of(const ku_capture *capture) {
    uint64_t sum = 0;
    for (size_t i = 0; i < ku_capture_site_count(capture); i++) {
        sum += ku_capture_counts_of(capture)[i].live_bytes;
    }
    return sum;
}

static void filters_keep_what_they_name(void **state) {
    (void)state;
    traced it = begin(5);
    void *small = make_small(it.heap, 10), *other = make_other(it.heap, 200), *deep = make_deep(it.heap, 3000, 1);
    const struct {
        ku_capture_filter_rule rules[2];
        size_t count;
        uint64_t left;
    } cases[] = {
        {{{.inclusive = true, .function = "make_small"}}, 1, 3010},
        {{{.inclusive = false, .function = "make_small"}}, 1, 200},
        {{{.inclusive = true, .all_frames = true, .function = "make_d*"}}, 1, 3000},
        {{{.inclusive = true, .function = "make_*"}, {.all_frames = true, .function = "make_deep"}}, 2, 210},
        {{{.inclusive = true, .filename = "*no such file"}}, 1, 0},
        {{{.inclusive = true, .filename = "*test_native_trace*"}}, 1, 3210},
        {{{.inclusive = true, .line = 1}}, 1, 0},
        {{{.inclusive = true}}, 0, 3210},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ku_capture *capture = ku_trace_snapshot(it.trace, NULL);
        size_t sites = ku_capture_filter(capture, cases[i].rules, cases[i].count);
        assert_int_equal(live_of(capture), cases[i].left);
        assert_int_equal(sites == 0, cases[i].left == 0);
        ku_capture_close(capture);
    }
    ku_heap_free(it.heap, small);
    ku_heap_free(it.heap, other);
    ku_heap_free(it.heap, deep);
    end(it);
}

static void a_dump_reads_as_the_snapshot_does(void **state) {
    (void)state;
    traced it = begin(6);
    void *small = make_small(it.heap, 10), *deep = make_deep(it.heap, 3000, 2);
    char path[] = "/tmp/kucha-test-native-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    ku_error error;
    assert_int_equal(ku_trace_dump(it.trace, path, &error), KU_IO); /* it is there */
    unlink(path);
    assert_int_equal(ku_trace_dump(it.trace, path, NULL), KU_OK);
    ku_capture *read = ku_capture_open(path, &error), *taken = ku_trace_snapshot(it.trace, NULL);
    assert_non_null(read);
    ku_changes *changes = ku_capture_compare(read, taken, KU_GROUP_STACK, false, NULL);
    assert_int_equal(changes->count, 2);
    assert_int_equal(changes->rows[0].more_bytes, 0);
    assert_int_equal(changes->rows[0].live_bytes, 3000);
    ku_capture_info info;
    ku_capture_info_read(read, &info);
    assert_true(info.finished);
    ku_changes_free(changes);
    ku_capture_close(read);
    ku_capture_close(taken);
    unlink(path);
    ku_heap_free(it.heap, small);
    ku_heap_free(it.heap, deep);
    end(it);
}

/* ---- a model ---- */

enum { SLOTS = 200 };

static void a_long_random_run_adds_up(void **state) {
    (void)state;
    traced it = begin(4);
    struct {
        void *block;
        size_t size;
    } slots[SLOTS] = {{NULL, 0}};
    uint64_t random = 99, expected = 0;
    for (size_t i = 0; i < OPERATIONS / 40; i++) {
        size_t at = next_random(&random) % SLOTS;
        size_t size = next_random(&random) % (next_random(&random) % 20 == 0 ? 20000 : 600) + 1;
        expected -= slots[at].size;
        if (slots[at].block == NULL) {
            slots[at].block = size % 2 == 0 ? make_small(it.heap, size) : make_deep(it.heap, size, (int)(size % 5));
            slots[at].size = size;
        } else if (size % 3 == 0) {
            slots[at].block = ku_heap_realloc(it.heap, slots[at].block, size);
            slots[at].size = size;
        } else {
            ku_heap_free(it.heap, slots[at].block);
            slots[at].block = NULL;
            slots[at].size = 0;
        }
        expected += slots[at].size;
        assert_int_equal(live(&it), expected);
    }
    ku_capture *capture = ku_trace_snapshot(it.trace, NULL);
    assert_int_equal(live_of(capture), expected);
    ku_capture_close(capture);
    end(it);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_counted_as_they_were_asked_for),
        cmocka_unit_test(every_call_that_gives_out_memory_is_seen),
        cmocka_unit_test(what_was_made_before_is_left_alone),
        cmocka_unit_test(the_peak_is_exact_and_can_be_reset),
        cmocka_unit_test(clearing_forgets_what_is_live),
        cmocka_unit_test(a_heap_that_leaves_takes_its_blocks_along),
        cmocka_unit_test(what_cannot_be_traced_is_refused),
        cmocka_unit_test(what_other_threads_free_is_counted_when_the_holder_comes_by),
        cmocka_unit_test(objects_of_an_isolate_are_traced_until_they_are_collected),
        cmocka_unit_test(an_isolate_with_birthplaces_is_not_traced),
        cmocka_unit_test(a_block_tells_the_stack_that_made_it),
        cmocka_unit_test(frame_pointers_end_where_the_stack_does),
        cmocka_unit_test(as_many_frames_are_kept_as_were_asked_for),
        cmocka_unit_test(statistics_are_by_place),
        cmocka_unit_test(changes_are_found_largest_first),
        cmocka_unit_test(filters_keep_what_they_name),
        cmocka_unit_test(a_dump_reads_as_the_snapshot_does),
        cmocka_unit_test(a_long_random_run_adds_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
