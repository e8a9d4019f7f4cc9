/* test_backing.c: pages that are taken before they are touched: when, how many too much, what is given back, and what
 * prices make of the wish for huge pages. */
#include "support.h"

#include "alloc/backing.h"
#include "alloc/tables.h"
#include "os/pages.h"

#include <kucha/kucha.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SMALL_MIB = 2, LARGE_MIB = 96, BLOCK = 512, PER_MIB = (1 << 20) / BLOCK };

static ku_heap *heap_with(ku_huge_pages wish) {
    ku_heap_options options = {.name = "backing", .huge_pages = wish};
    ku_heap *heap = ku_heap_new(&options, NULL);
    assert_non_null(heap);
    return heap;
}

/* Fills the heap with blocks of which every one is written to, linked so that they can be freed; the last one. */
static void *fill(ku_heap *heap, size_t mib, void *last) {
    for (size_t i = 0; i < mib * PER_MIB; i++) {
        void **block = ku_heap_malloc(heap, BLOCK);
        assert_non_null(block);
        memset(block, 1, BLOCK);
        *block = last;
        last = block;
    }
    return last;
}

static void drop(ku_heap *heap, void *last) {
    while (last != NULL) {
        void *next = *(void **)last;
        ku_heap_free(heap, last);
        last = next;
    }
}

static size_t resident(ku_heap *heap) {
    size_t count = ku_heap_arenas_read(heap, NULL, 0), bytes = 0;
    ku_arena_stats *arenas = calloc(count + 1, sizeof *arenas);
    assert_int_equal(ku_heap_arenas_read(heap, arenas, count), count);
    for (size_t i = 0; i < count; i++) {
        bytes += ku__pages_resident((void *)arenas[i].address, KU__ARENA_SIZE);
    }
    free(arenas);
    return bytes;
}

static void small_heaps_take_nothing_ahead(void **state) {
    (void)state;
    ku_heap *heap = heap_with(KU_HUGE_AUTO);
    void *last = fill(heap, SMALL_MIB, NULL);
    ku_heap_stats stats;
    ku_heap_stats_read(heap, &stats);
    size_t least = (size_t)KU__AHEAD_POOLS * KU__POOL_SIZE; /* in the small geometries 2 MiB are many pools */
    assert_true(SMALL_MIB << 20 > least || stats.bytes_populated == 0);
    assert_int_equal(stats.arenas_huge, 0);
    drop(heap, last);
    ku_heap_delete(heap);
}

static void large_heaps_take_little_too_much(void **state) {
    (void)state;
    ku_heap *heap = heap_with(KU_HUGE_AUTO);
    void *last = fill(heap, LARGE_MIB, NULL);
    ku_heap_stats stats;
    ku_heap_stats_read(heap, &stats);
    if (KU__POOL_SIZE > ku__page_size() && heap->backing.wish == KU_HUGE_AUTO) { /* else this system cannot */
        assert_true(stats.bytes_populated >= (size_t)(LARGE_MIB / 3) << 20);
    }
    size_t used = stats.bytes_used + stats.pools_used * KU__POOL_SIZE / 64; /* blocks, and the ends of pools */
    assert_true(resident(heap) <= used + KU__POOL_SIZE + KU__HUGE_PAGE);
    drop(heap, last);
    ku_heap_delete(heap);
}

static void never_is_never(void **state) {
    (void)state;
    ku_heap *heap = heap_with(KU_HUGE_NEVER);
    void *last = fill(heap, LARGE_MIB, NULL);
    ku_heap_stats stats;
    ku_heap_stats_read(heap, &stats);
    assert_int_equal(stats.bytes_populated, 0);
    assert_int_equal(stats.arenas_huge, 0);
    drop(heap, last);
    ku_heap_delete(heap);
}

static void always_is_from_the_first_arena_on(void **state) {
    (void)state;
    ku_heap *heap = heap_with(KU_HUGE_ALWAYS);
    void *last = fill(heap, 1, NULL);
    ku_heap_stats stats;
    ku_heap_stats_read(heap, &stats);
    assert_int_equal(stats.arenas_huge, stats.arenas);
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    assert_int_equal(ku_heap_stats_print(heap, stream), 0);
    fclose(stream);
    assert_non_null(strstr(text, "on huge pages"));
    free(text);
    drop(heap, last);
    ku_heap_delete(heap);
}

/* Also what nobody ever touched, and what the kernel would make huge pages of again. */
static void purging_gives_back_what_was_taken_ahead(void **state) {
    (void)state;
    static const ku_huge_pages wishes[] = {KU_HUGE_AUTO, KU_HUGE_ALWAYS};
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
        ku_heap *heap = heap_with(wishes[i]);
        void *kept = fill(heap, 1, NULL);
        drop(heap, fill(heap, LARGE_MIB, NULL));
        ku_heap_purge(heap);
        ku_heap_stats stats;
        ku_heap_stats_read(heap, &stats);
        assert_int_equal(stats.arenas_huge, 0);
        assert_true(resident(heap) <= stats.bytes_used + 32 * ku__page_size());
        kept = fill(heap, LARGE_MIB, kept); /* and it goes on */
        drop(heap, kept);
        ku_heap_delete(heap);
    }
}

static void a_pool_that_went_back_is_not_counted(void **state) {
    (void)state;
    ku_heap *heap = heap_with(KU_HUGE_AUTO);
    drop(heap, fill(heap, LARGE_MIB, NULL));
    ku_heap_purge(heap);
    for (unsigned c = 0; c < KU_CLASS_COUNT; c++) {
        assert_int_equal(heap->pools_of[c], 0);
    }
    ku_heap_delete(heap);
}

static void huge_pages_stay_while_they_are_cheaper(void **state) {
    (void)state;
    const size_t held = KU__HUGE_FROM;
    ku__backing backing;
    ku__backing_open(&backing, KU_HUGE_AUTO);
    assert_false(backing.on_huge);
    assert_int_equal(backing.trial_at, held);
    ku__backing_note_small(&backing, 8000);
    ku__backing_note_small(&backing, 16000);
    assert_true(backing.small_price > 8999 && backing.small_price < 9001);
    ku__backing_note_huge(&backing, 3000, held);
    assert_true(backing.on_huge);
    assert_int_equal(backing.trial_at, held); /* every next arena is tried */
    ku__backing_note_huge(&backing, 50000, held * 3);
    assert_false(backing.on_huge);
    assert_int_equal(backing.trial_at, held * 6);
    ku__backing_note_huge(&backing, -1, held * 6); /* none came */
    assert_false(backing.on_huge);
    assert_int_equal(backing.trial_at, held * 12);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(KU_HOSTILE) /* what those add to a program is over the limit */
/* A control group that the test makes for itself, where it may: version 1 has a folder for memory, 2 one for all. */
typedef struct group {
    char folder[64], limit[96], members[96];
} group;

static bool write_number(const char *path, size_t number) {
    FILE *file = fopen(path, "w");
    if (file == NULL) return false;
    bool done = fprintf(file, "%zu\n", number) > 0;
    return fclose(file) == 0 && done;
}

static bool group_make(group *made, size_t limit) {
    static const char *const places[][2] = {{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
                                            {"/sys/fs/cgroup", "memory.max"}};
    for (size_t version = 0; version < 2; version++) {
        snprintf(made->folder, sizeof made->folder, "%s/kucha-test-%d", places[version][0], (int)getpid());
        snprintf(made->limit, sizeof made->limit, "%s/%s", made->folder, places[version][1]);
        snprintf(made->members, sizeof made->members, "%s/cgroup.procs", made->folder);
        if (mkdir(made->folder, 0755) != 0) continue;
        if (access(made->limit, W_OK) == 0 && write_number(made->limit, limit)) return true;
        rmdir(made->folder);
    }
    return false;
}

enum { NOT_ALLOWED = 77 };

static int fill_in_group(const group *own) {
    if (!write_number(own->members, 0)) return NOT_ALLOWED; /* 0 is who writes it */
    ku_heap *heap = heap_with(KU_HUGE_AUTO);
    fill(heap, LARGE_MIB, NULL);
    return 0;
}

/* With room for the blocks, for what may be taken too much (1/64 and a huge page), and for 12 MiB of a process. */
static void a_control_group_that_has_room_kills_nobody(void **state) {
    (void)state;
    group own;
    if (!group_make(&own, ((size_t)(LARGE_MIB + LARGE_MIB / 64 + 12) << 20) + KU__HUGE_PAGE)) skip();
    pid_t child = fork();
    if (child == 0) _exit(fill_in_group(&own));
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    rmdir(own.folder);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_ALLOWED) skip();
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}
#endif

static void is_whole(const void *last, size_t mib) {
    static const char ones[BLOCK - sizeof(void *)];
    char expected[sizeof ones];
    size_t blocks = 0;
    memset(expected, 1, sizeof expected);
    for (; last != NULL; last = *(void *const *)last, blocks++) {
        assert_memory_equal((const char *)last + sizeof(void *), expected, sizeof expected);
    }
    assert_int_equal(blocks, mib * PER_MIB);
}

/* Where the system can: whether huge pages may be had is its own business. */
static void gathering_keeps_every_block(void **state) {
    (void)state;
    enum { MIB = 24, LONG = 60 };
    static const ku_huge_pages wishes[] = {KU_HUGE_AUTO, KU_HUGE_NEVER};
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
        ku_heap *heap = heap_with(wishes[i]);
        void *last = fill(heap, MIB, NULL);
        size_t before = resident(heap);
        ku__backing_gather(heap, LONG);
        ku_heap_stats stats;
        ku_heap_stats_read(heap, &stats);
        is_whole(last, MIB);
        bool may = wishes[i] == KU_HUGE_AUTO && KU__ARENA_SIZE >= KU__HUGE_PAGE && !heap->backing.cannot_gather;
        assert_true(may == (stats.arenas_huge != 0));
        assert_true(resident(heap) <= before + before / 16); /* the ends of pools, which nobody touched */
        drop(heap, last);
        ku_heap_purge(heap);
        ku_heap_stats_read(heap, &stats);
        assert_int_equal(stats.arenas_huge, 0);
        ku_heap_delete(heap);
    }
}

static void gathering_ends_with_its_time(void **state) {
    (void)state;
    ku_heap *heap = heap_with(KU_HUGE_AUTO);
    void *last = fill(heap, 12, NULL);
    ku__backing_gather(heap, 0);
    ku_heap_stats stats;
    ku_heap_stats_read(heap, &stats);
    assert_int_equal(stats.arenas_huge, 0);
    drop(heap, last);
    ku_heap_delete(heap);
}

static void imaged_heaps_ask_for_huge_pages(void **state) {
    (void)state;
    ku_isolate *isolate = ku_isolate_new(NULL, NULL);
    assert_true(ku_gc_set_mode(isolate, KU_GC_FORKED, 0.01));
    void *last = fill(ku_isolate_heap_of(isolate, KU_HEAP_BUFFERS), 2 * (KU__HUGE_IMAGED >> 20), NULL);
    ku_heap_stats stats;
    ku_heap_stats_read(ku_isolate_heap_of(isolate, KU_HEAP_BUFFERS), &stats);
    assert_true(stats.arenas_huge >= KU__HUGE_IMAGED / KU__ARENA_SIZE);
    assert_true(stats.arenas_huge < stats.arenas); /* a small heap does not */
    drop(ku_isolate_heap_of(isolate, KU_HEAP_BUFFERS), last);
    ku_isolate_delete(isolate);
}

static void a_wish_that_is_not_named_is_refused(void **state) {
    (void)state;
    ku_error error;
    assert_null(ku_heap_new(&(ku_heap_options){.huge_pages = (ku_huge_pages)3}, &error));
    assert_int_equal(error.code, KU_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_heaps_take_nothing_ahead),
        cmocka_unit_test(large_heaps_take_little_too_much),
        cmocka_unit_test(never_is_never),
        cmocka_unit_test(always_is_from_the_first_arena_on),
        cmocka_unit_test(purging_gives_back_what_was_taken_ahead),
        cmocka_unit_test(a_pool_that_went_back_is_not_counted),
        cmocka_unit_test(gathering_keeps_every_block),
        cmocka_unit_test(gathering_ends_with_its_time),
        cmocka_unit_test(imaged_heaps_ask_for_huge_pages),
        cmocka_unit_test(huge_pages_stay_while_they_are_cheaper),
#if !defined(__SANITIZE_ADDRESS__) && !defined(KU_HOSTILE)
        cmocka_unit_test(a_control_group_that_has_room_kills_nobody),
#endif
        cmocka_unit_test(a_wish_that_is_not_named_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
