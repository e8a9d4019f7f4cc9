/* map_svg.c: a picture of a heap's arenas. See kucha/stats.h.
 *
 * A row for each arena, a cell for each of its 64 pools. Hue is the size class, from blue for 16 bytes to red for
 * 512; a cell is filled from below by the share of its blocks that are live, on a pale ground of the same hue; hollow
 * grey is a pool without a class. At the right end of a row stands how much of the arena is live: short bars in long
 * maps are arenas that a few blocks keep.
 *
 * Rows shrink as arenas become many, so that 1,000 of them are still a picture: below ROW_WITH_TEXT a row has no
 * label of its own and every so many rows one stands beside. Every cell says its numbers in a title (a tooltip) as
 * long as cells are few.
 *
 * The picture is one <svg> element with numeric width and height and no ids, so that several can be put into one
 * document.
 */
#include "alloc/arenas.h"

#include <kucha/stats.h>

enum {
    LEFT = 132, /* addresses: 14 digits of a monospaced 11 pixel font */
    CELL = 12,  /* width of a pool */
    BAR = 110,  /* the bar of live bytes */
    TOP = 78,
    BOTTOM = 66, /* legend */
    MARGIN = 16,
    HEIGHT_WANTED = 1600, /* of all rows, as long as a row can be ROW_LEAST high */
    ROW_MOST = 18,
    ROW_LEAST = 3,
    ROW_WITH_TEXT = 11, /* rows at least so high have a label each */
    TITLES_MOST = 100,  /* arenas: 6,400 cells with tooltips are a file of 1 MB */
    WIDTH = LEFT + KU__POOLS_PER_ARENA * CELL + MARGIN + BAR + MARGIN,
    CELLS_RIGHT = LEFT + KU__POOLS_PER_ARENA * CELL,
};

typedef struct canvas {
    FILE *stream;
    size_t arenas;
    size_t row_height;
    size_t row;
    size_t label_every;
} canvas;

/* Blue (225 degrees) over green and yellow to red (0). */
static unsigned hue_of(unsigned class_index) {
    return 225 - class_index * 225 / (KU_CLASS_COUNT - 1);
}

/* Yellows and greens look lighter than blues at equal lightness. */
static unsigned lightness_of(unsigned class_index) {
    unsigned hue = hue_of(class_index);
    return hue > 40 && hue < 190 ? 40 : 50;
}

static void write_escaped(FILE *stream, const char *text) {
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        switch (*at) {
        case '<': fputs("&lt;", stream); break;
        case '>': fputs("&gt;", stream); break;
        case '&': fputs("&amp;", stream); break;
        case '"': fputs("&quot;", stream); break;
        default:
            fputc(*at < 0x20 || *at > 0x7e ? '?' : *at,
                  stream); /* XML has no control characters; bytes may be no UTF-8 */
        }
    }
}

static double mebibytes(size_t bytes) {
    return (double)bytes / (1 << 20);
}

static void draw_cell(const canvas *to, uint32_t number, unsigned column) {
    const ku__pool *pool = ku__pool_at(number);
    unsigned hue = hue_of(pool->class_index), light = lightness_of(pool->class_index), x = LEFT + column * CELL;
    unsigned taken = pool->taken, capacity = pool->capacity;
    capacity = capacity > taken ? capacity : taken + (taken == 0); /* of a heap that runs they may not fit together */
    double inner = (double)to->row_height - 1, filled = inner * taken / capacity;
    double y = (double)(TOP + to->row * to->row_height);
    fprintf(to->stream, "<g><rect x=\"%u\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" fill=\"hsl(%u,65%%,88%%)\"/>", x, y,
            CELL - 1, inner, hue);
    fprintf(to->stream, "<rect x=\"%u\" y=\"%.2f\" width=\"%d\" height=\"%.2f\" fill=\"hsl(%u,65%%,%u%%)\"/>", x,
            y + inner - filled, CELL - 1, filled, hue, light);
    if (to->arenas <= TITLES_MOST) {
        fprintf(to->stream, "<title>blocks of %zu bytes: %u of %u live</title>", ku__class_size(pool->class_index),
                taken, capacity);
    }
    fprintf(to->stream, "</g>\n");
}

static void draw_frame(const canvas *to, uint32_t number, const ku_arena_stats *stats) {
    size_t y = TOP + to->row * to->row_height, inner = to->row_height - 1;
    double part = (double)stats->bytes_used / (double)KU__ARENA_SIZE;
    fprintf(to->stream, "<rect x=\"%d\" y=\"%zu\" width=\"%d\" height=\"%zu\" fill=\"#ececec\"/>\n", LEFT, y,
            KU__POOLS_PER_ARENA * CELL - 1, inner);
    fprintf(to->stream, "<rect x=\"%d\" y=\"%zu\" width=\"%d\" height=\"%zu\" fill=\"#ececec\"/>", CELLS_RIGHT + MARGIN,
            y, BAR, inner);
    fprintf(to->stream, "<rect x=\"%d\" y=\"%zu\" width=\"%.1f\" height=\"%zu\" fill=\"#555\"/>\n",
            CELLS_RIGHT + MARGIN, y, BAR * part, inner);
    if (to->row % to->label_every == 0) {
        size_t base = y + (to->row_height >= ROW_WITH_TEXT ? to->row_height / 2 + 4 : 9);
        fprintf(to->stream, "<text x=\"%d\" y=\"%zu\" text-anchor=\"end\">%p</text>\n", LEFT - 8, base,
                (void *)ku__arena_address(number));
    }
    if (to->row_height >= ROW_WITH_TEXT) {
        fprintf(to->stream, "<text x=\"%d\" y=\"%zu\" text-anchor=\"end\" fill=\"%s\">%.0f%%</text>\n",
                CELLS_RIGHT + MARGIN + BAR - 4, y + to->row_height / 2 + 4, part > 0.75 ? "#fff" : "#333", 100 * part);
    }
}

static void draw_arena(uint32_t number, const ku_arena_stats *stats, void *argument) {
    canvas *to = argument;
    if (to->row == to->arenas) {
        return; /* taken while a heap that runs was being drawn */
    }
    draw_frame(to, number, stats);
    for (unsigned i = 0; i < KU__POOLS_PER_ARENA; i++) {
        uint32_t pool = number * KU__POOLS_PER_ARENA + i;
        if (ku__process_tables.class_map[pool] != 0) {
            draw_cell(to, pool, i);
        }
    }
    to->row++;
}

static void draw_title(FILE *stream, const ku_heap_stats *s) {
    size_t arenas = s->arenas * s->arena_size;
    fprintf(stream, "<text x=\"%d\" y=\"28\" font-size=\"16\" font-weight=\"bold\">Heap \"", MARGIN);
    write_escaped(stream, s->name);
    fprintf(stream, "\"</text>\n<text x=\"%d\" y=\"48\" font-size=\"12\">", MARGIN);
    fprintf(stream, "%zu arenas, %.1f MiB; %.1f MiB live in %zu small blocks (%.0f%%); %zu pools in use, %zu free; ",
            s->arenas, mebibytes(arenas), mebibytes(s->bytes_used), s->blocks_used,
            arenas != 0 ? 100 * (double)s->bytes_used / (double)arenas : 0, s->pools_used, s->pools_free);
    fprintf(stream, "besides %zu large blocks, %.1f MiB</text>\n", s->large_blocks, mebibytes(s->large_bytes));
    fprintf(stream, "<g fill=\"#777\"><text x=\"%d\" y=\"%d\" text-anchor=\"end\">arena</text>", LEFT - 8, TOP - 8);
    fprintf(stream, "<text x=\"%d\" y=\"%d\">its %d pools of %zu KiB</text>", LEFT, TOP - 8, KU__POOLS_PER_ARENA,
            s->pool_size >> 10);
    fprintf(stream, "<text x=\"%d\" y=\"%d\">bytes live</text></g>\n", CELLS_RIGHT + MARGIN, TOP - 8);
}

static void draw_legend(FILE *stream, size_t y) {
    enum { SWATCH = 16 };
    fprintf(stream, "<text x=\"%d\" y=\"%zu\" text-anchor=\"end\" fill=\"#777\">block size</text>\n", LEFT - 8, y + 11);
    for (unsigned c = 0; c < KU_CLASS_COUNT; c++) {
        fprintf(stream, "<rect x=\"%u\" y=\"%zu\" width=\"%d\" height=\"14\" fill=\"hsl(%u,65%%,%u%%)\"/>\n",
                LEFT + c * SWATCH, y, SWATCH - 1, hue_of(c), lightness_of(c));
        if (c == 0 || c % 4 == 3) {
            fprintf(stream, "<text x=\"%u\" y=\"%zu\" text-anchor=\"middle\" fill=\"#333\">%zu</text>\n",
                    LEFT + c * SWATCH + 8, y + 28, ku__class_size(c));
        }
    }
    unsigned x = LEFT + (KU_CLASS_COUNT + 1) * SWATCH;
    fprintf(stream, "<rect x=\"%u\" y=\"%zu\" width=\"12\" height=\"14\" fill=\"hsl(%u,65%%,88%%)\"/>", x, y,
            hue_of(0));
    fprintf(stream, "<rect x=\"%u\" y=\"%zu\" width=\"12\" height=\"7\" fill=\"hsl(%u,65%%,%u%%)\"/>", x, y + 7,
            hue_of(0), lightness_of(0));
    fprintf(stream, "<text x=\"%u\" y=\"%zu\" fill=\"#333\">half live</text>\n", x + 18, y + 11);
    fprintf(stream, "<rect x=\"%u\" y=\"%zu\" width=\"12\" height=\"14\" fill=\"#ececec\"/>", x + 90, y);
    fprintf(stream, "<text x=\"%u\" y=\"%zu\" fill=\"#333\">free pool</text>\n", x + 108, y + 11);
}

static canvas canvas_for(FILE *stream, size_t arenas) {
    size_t row = arenas != 0 ? HEIGHT_WANTED / arenas : ROW_MOST;
    row = row > ROW_MOST ? ROW_MOST : row < ROW_LEAST ? ROW_LEAST : row;
    return (canvas){.stream = stream,
                    .arenas = arenas,
                    .row_height = row,
                    .label_every = row >= ROW_WITH_TEXT ? 1 : (2 * ROW_WITH_TEXT + row - 1) / row};
}

int ku__heap_map_write(ku_heap *heap, ku__reading reading, FILE *stream) {
    ku_heap_stats stats;
    ku__heap_stats_of(heap, reading, &stats);
    canvas to = canvas_for(stream, stats.arenas);
    size_t rows = stats.arenas * to.row_height, height = TOP + rows + BOTTOM;
    fprintf(stream,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\" viewBox=\"0 0 %d %zu\" "
            "font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"11\">\n"
            "<rect width=\"%d\" height=\"%zu\" fill=\"#fff\"/>\n",
            WIDTH, height, WIDTH, height, WIDTH, height);
    draw_title(stream, &stats);
    ku__arenas_visit(heap, draw_arena, &to);
    draw_legend(stream, TOP + rows + 18);
    fprintf(stream, "</svg>\n");
    return ferror(stream) ? -1 : 0;
}

int ku_heap_map_svg(ku_heap *heap, FILE *stream) {
    return ku__heap_map_write(heap, KU__READ_OWN, stream);
}
