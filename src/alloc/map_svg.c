/* map_svg.c: a picture of a heap's arenas. See kucha/stats.h.
 *
 * A row for each arena, a cell for each of its 64 pools: the hue is the size class, the height of the filling is the
 * share of its blocks that are live, grey is a pool without a class.
 */
#include "alloc/fences.h"
#include "alloc/tables.h"

#include <kucha/stats.h>

enum { CELL = 12, LEFT = 150, TOP = 70, LEGEND = 60 };

static unsigned hue_of(unsigned class_index) {
    return class_index * 330 / KU_CLASS_COUNT;
}

static void draw_pool(FILE *stream, uint32_t number, unsigned column, size_t row) {
    unsigned x = LEFT + column * CELL;
    size_t y = TOP + row * CELL;
    fprintf(stream, "<rect x=\"%u\" y=\"%zu\" width=\"%d\" height=\"%d\" fill=\"#eee\"/>\n", x, y, CELL - 1, CELL - 1);
    if (ku__process_tables.class_map[number] == 0) {
        return;
    }
    const ku__pool *pool = ku__pool_at(number);
    double height = (CELL - 1) * (double)pool->taken / pool->capacity;
    fprintf(
        stream,
        "<rect x=\"%u\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" fill=\"hsl(%u,70%%,45%%)\"><title>%zu bytes: %u of %u "
        "live</title></rect>\n",
        x, (double)y + CELL - 1 - height, CELL - 1, height, hue_of(pool->class_index),
        ku__class_size(pool->class_index), pool->taken, pool->capacity);
}

static void draw_arena(FILE *stream, uint32_t arena, size_t row) {
    fprintf(stream, "<text x=\"8\" y=\"%zu\">%p</text>\n", TOP + row * CELL + CELL - 3,
            (void *)ku__arena_address(arena));
    for (unsigned i = 0; i < KU__POOLS_PER_ARENA; i++) {
        draw_pool(stream, arena * KU__POOLS_PER_ARENA + i, i, row);
    }
}

static void draw_legend(FILE *stream, size_t y) {
    for (unsigned c = 0; c < KU_CLASS_COUNT; c++) {
        unsigned x = LEFT + c * 2 * CELL;
        fprintf(stream, "<rect x=\"%u\" y=\"%zu\" width=\"%d\" height=\"%d\" fill=\"hsl(%u,70%%,45%%)\"/>\n", x, y,
                2 * CELL - 1, CELL, hue_of(c));
        if (c % 4 == 3) {
            fprintf(stream, "<text x=\"%u\" y=\"%zu\">%zu</text>\n", x, y + 2 * CELL, ku__class_size(c));
        }
    }
}

int ku_heap_map_svg(ku_heap *heap, FILE *stream) {
    ku_heap_stats stats;
    ku_heap_stats_read(heap, &stats);
    size_t height = TOP + stats.arenas * CELL + LEGEND;
    fprintf(stream,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\" font-family=\"monospace\" "
            "font-size=\"10\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
            LEFT + KU__POOLS_PER_ARENA * CELL + 20, height);
    fprintf(stream,
            "<text x=\"8\" y=\"24\" font-size=\"14\">Heap \"%s\": %zu arenas, %zu pools in use, %zu live blocks, %zu "
            "bytes</text>\n",
            stats.name, stats.arenas, stats.pools_used, stats.blocks_used, stats.bytes_used);
    size_t row = 0;
    for (uint32_t n = 0; row < stats.arenas && n < ku__process_tables.arena_slots; n++) {
        if (ku__process_tables.arenas[n].heap == heap) {
            draw_arena(stream, n, row++);
        }
    }
    draw_legend(stream, height - LEGEND + CELL);
    fprintf(stream, "</svg>\n");
    return ferror(stream) ? -1 : 0;
}
