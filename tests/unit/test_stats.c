/* test_stats.c: what a heap tells of itself, as data, as text and as a picture, against a model kept beside it. */
#include "support.h"

#include "os/pages.h"

#include <kucha/kucha.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT = 30000 };

typedef struct model {
    ku_heap *heap;
    void *blocks[COUNT];
    size_t sizes[COUNT];
    size_t used[KU_CLASS_COUNT];
    size_t small, small_bytes, large, large_bytes;
} model;

static void count_block(model *m, size_t size, bool more) {
    size_t one = more ? 1 : (size_t)-1;
    if (size > KU_SMALL_MAX) {
        m->large += one;
        m->large_bytes += one * size;
    } else {
        m->used[(size - 1) / 16] += one;
        m->small += one;
        m->small_bytes += one * ((size + 15) / 16 * 16);
    }
}

static model *filled_model(const char *name) {
    static model m;
    memset(&m, 0, sizeof m);
    ku_heap_options options = {.name = name};
    m.heap = ku_heap_new(&options, NULL);
    uint64_t random = 42;
    for (size_t i = 0; i < COUNT; i++) {
        m.sizes[i] = next_random(&random) % 530 + 1;
        m.blocks[i] = ku_heap_malloc(m.heap, m.sizes[i]);
        assert_non_null(m.blocks[i]);
        count_block(&m, m.sizes[i], true);
    }
    for (size_t i = 0; i < COUNT; i++) {
        if (next_random(&random) % 3 != 0) {
            ku_heap_free(m.heap, m.blocks[i]);
            count_block(&m, m.sizes[i], false);
            m.blocks[i] = NULL;
        }
    }
    return &m;
}

static void numbers_are_those_of_the_model(void **state) {
    (void)state;
    model *m = filled_model("numbers");
    ku_heap_stats s;
    ku_heap_stats_read(m->heap, &s);
    size_t pools = 0;
    for (unsigned c = 0; c < KU_CLASS_COUNT; c++) {
        const ku_class_stats *of = &s.classes[c];
        assert_int_equal(of->blocks_used, m->used[c]);
        /* every byte of a pool is a block's or lost at its end */
        assert_int_equal((of->blocks_used + of->blocks_free) * of->block_size + of->tail_bytes,
                         of->pools * s.pool_size);
        pools += of->pools;
    }
    assert_int_equal(s.blocks_used, m->small);
    assert_int_equal(s.bytes_used, m->small_bytes);
    assert_int_equal(s.large_blocks, m->large);
    assert_int_equal(s.large_bytes, m->large_bytes);
    assert_true(s.large_bytes_peak >= s.large_bytes);
    assert_int_equal(s.pools_used, pools);
    assert_int_equal((s.pools_used + s.pools_free) * s.pool_size, s.arenas * s.arena_size);
    assert_int_equal(s.bytes_held, s.pools_used * s.pool_size + s.large_bytes);
    assert_int_equal(s.bytes_mapped, s.arenas * s.arena_size + s.large_bytes);
    ku_heap_delete(m->heap);
}

static void arenas_add_up_and_come_in_order(void **state) {
    (void)state;
    model *m = filled_model("arenas");
    static ku_arena_stats arenas[4096];
    size_t count = ku_heap_arenas_read(m->heap, arenas, 4096), blocks = 0, bytes = 0;
    assert_in_range(count, 1, 4096);
    for (size_t i = 0; i < count; i++) {
        blocks += arenas[i].blocks_used;
        bytes += arenas[i].bytes_used;
        assert_int_equal(arenas[i].pools_used + arenas[i].pools_free, 64);
        assert_true(i == 0 || arenas[i].address > arenas[i - 1].address);
    }
    assert_int_equal(blocks, m->small);
    assert_int_equal(bytes, m->small_bytes);
    assert_int_equal(ku_heap_arenas_read(m->heap, arenas, 0), count); /* the count does not need room */
    ku_heap_delete(m->heap);
}

typedef struct met {
    const model *m;
    const char *last;
    size_t count;
} met;

static bool meet(const ku_block *block, void *argument) {
    met *so_far = argument;
    if (!block->is_large) {
        assert_true((const char *)block->address > so_far->last);
        so_far->last = block->address;
        assert_int_equal(block->size % 16, 0);
    }
    assert_int_equal(block->site, 0);
    so_far->count++;
    return true;
}

static void a_walk_meets_small_blocks_in_order_of_address(void **state) {
    (void)state;
    model *m = filled_model("walk");
    met so_far = {m, NULL, 0};
    assert_int_equal(ku_heap_walk(m->heap, meet, &so_far), m->small + m->large);
    assert_int_equal(so_far.count, m->small + m->large);
    ku_heap_delete(m->heap);
}

static void purging_gives_pages_inside_of_pools_and_spares_live_blocks(void **state) {
    (void)state;
    ku_heap *heap = ku_heap_new(NULL, NULL);
    static unsigned char *blocks[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = ku_heap_malloc(heap, 256);
        memset(blocks[i], (int)(i % 250 + 1), 256);
    }
    for (size_t i = 0; i < COUNT; i++) {
        if (i % 100 != 0) { /* one in 25 KiB stays */
            ku_heap_free(heap, blocks[i]);
        }
    }
    ku_heap_stats before, after;
    ku_heap_stats_read(heap, &before);
    size_t given = ku_heap_purge(heap);
    ku_heap_stats_read(heap, &after);
    /* pages of 4 KiB, each live block keeping two at most; fewer bytes where pages are larger */
    assert_true(given >= (size_t)COUNT * 256 / 2 || ku__page_size() > 4096 || before.pool_size <= 4096);
    assert_int_equal(after.blocks_used, before.blocks_used);
    for (size_t i = 0; i < COUNT; i += 100) {
        for (size_t byte = 0; byte < 256; byte++) {
            assert_int_equal(blocks[i][byte], i % 250 + 1);
        }
    }
    assert_int_equal(ku_heap_purge(heap), 0); /* nothing is left to give */
    ku_heap_delete(heap);
}

/* ---- text and picture ---- */

typedef int writer(ku_heap *heap, FILE *stream);

static char *written_by(writer *write, ku_heap *heap) {
    static char *text; /* static: GCC 12 takes what the stream stores there for a pointer to the variable */
    static size_t size;
    FILE *stream = open_memstream(&text, &size);
    assert_int_equal(write(heap, stream), 0);
    fclose(stream);
    return text;
}

static size_t occurrences(const char *text, const char *word) {
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += strlen(word)) {
        count++;
    }
    return count;
}

static void the_table_names_every_class_in_use(void **state) {
    (void)state;
    model *m = filled_model("table");
    char *text = written_by(ku_heap_stats_print, m->heap), line[200];
    assert_non_null(strstr(text, "Heap \"table\""));
    for (unsigned c = 0; c < KU_CLASS_COUNT; c++) {
        const char *row;
        snprintf(line, sizeof line, "\n  %5u  ", (c + 1) * 16);
        assert_non_null(row = strstr(text, line));
        size_t pools, used;
        assert_int_equal(sscanf(row + strlen(line), "%zu %zu", &pools, &used), 2);
        assert_int_equal(used, m->used[c]);
    }
    assert_int_equal(occurrences(text, " to "), 10); /* rows of the histogram */
    free(text);
    ku_heap_delete(m->heap);
}

static void an_empty_heap_has_a_table_and_a_picture_too(void **state) {
    (void)state;
    ku_heap *heap = ku_heap_new(NULL, NULL);
    char *text = written_by(ku_heap_stats_print, heap), *picture = written_by(ku_heap_map_svg, heap);
    assert_non_null(strstr(text, "no limit"));
    assert_non_null(strstr(picture, "</svg>"));
    free(text);
    free(picture);
    ku_heap_delete(heap);
}

/* Elements are closed in the order in which they were opened, and no raw < or & stands in text: what makes XML
 * well-formed where, as here, there are neither comments nor entities of its own. */
static void assert_well_formed(const char *xml) {
    char open[16][16];
    size_t depth = 0, roots = 0;
    for (const char *at = strchr(xml, '<'); at != NULL; at = strchr(at, '<')) {
        const char *end = strchr(at, '>');
        assert_non_null(end);
        assert_true(memchr(at + 1, '<', (size_t)(end - at - 1)) == NULL);
        size_t name = strcspn(at + (at[1] == '/' ? 2 : 1), " />");
        if (at[1] == '/') {
            assert_true(depth > 0);
            assert_memory_equal(open[--depth], at + 2, name);
        } else if (end[-1] != '/') {
            assert_true(depth < 16 && name < 15);
            roots += depth == 0;
            memcpy(open[depth++], at + 1, name);
        }
        at = end;
    }
    assert_int_equal(depth, 0);
    assert_int_equal(roots, 1);
    for (const char *at = strchr(xml, '&'); at != NULL; at = strchr(at + 1, '&')) {
        assert_in_range(strcspn(at, ";"), 2, 6);
    }
}

static void the_map_has_a_row_for_each_arena_and_a_cell_for_each_pool(void **state) {
    (void)state;
    model *m = filled_model("<map> & \"name\"");
    ku_heap_stats s;
    ku_heap_stats_read(m->heap, &s);
    char *picture = written_by(ku_heap_map_svg, m->heap);
    assert_well_formed(picture);
    assert_int_equal(occurrences(picture, "<g><rect"), s.pools_used);
    assert_non_null(strstr(picture, "&lt;map&gt; &amp; &quot;name&quot;"));
    ku_arena_stats first;
    ku_heap_arenas_read(m->heap, &first, 1);
    char address[32];
    snprintf(address, sizeof address, ">%p<", (void *)first.address);
    assert_int_equal(occurrences(picture, address), 1);
    free(picture);
    ku_heap_delete(m->heap);
}

static void a_stream_that_refuses_is_reported(void **state) {
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    if (full == NULL) {
        skip();
    }
    setvbuf(full, NULL, _IONBF, 0);
    ku_heap *heap = ku_heap_new(NULL, NULL);
    assert_int_equal(ku_heap_stats_print(heap, full), -1);
    assert_int_equal(ku_heap_map_svg(heap, full), -1);
    fclose(full);
    ku_heap_delete(heap);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_the_model),
        cmocka_unit_test(arenas_add_up_and_come_in_order),
        cmocka_unit_test(a_walk_meets_small_blocks_in_order_of_address),
        cmocka_unit_test(purging_gives_pages_inside_of_pools_and_spares_live_blocks),
        cmocka_unit_test(the_table_names_every_class_in_use),
        cmocka_unit_test(an_empty_heap_has_a_table_and_a_picture_too),
        cmocka_unit_test(the_map_has_a_row_for_each_arena_and_a_cell_for_each_pool),
        cmocka_unit_test(a_stream_that_refuses_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
