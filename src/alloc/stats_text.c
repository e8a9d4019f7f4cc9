/* stats_text.c: a heap's statistics as a table for people. See kucha/stats.h. */
#include <kucha/stats.h>

static int print_totals(const ku_heap_stats *s, FILE *stream) {
    fprintf(stream, "heap \"%s\": %zu arenas of %zu KiB (at most %zu, %zu taken in all), pools of %zu KiB\n", s->name,
            s->arenas, s->arena_size >> 10, s->arenas_peak, s->arenas_taken, s->pool_size >> 10);
    fprintf(stream, "  small blocks  %12zu live, %14zu bytes; %zu free in pools in use, %zu bytes\n", s->blocks_used,
            s->bytes_used, s->blocks_free, s->bytes_free);
    fprintf(stream, "  large blocks  %12zu live, %14zu bytes; %zu bytes at most\n", s->large_blocks, s->large_bytes,
            s->large_bytes_peak);
    fprintf(stream, "  pools         %12zu in use, %12zu free\n", s->pools_used, s->pools_free);
    fprintf(stream, "  held %zu bytes, mapped %zu, tables %zu, limit ", s->bytes_held, s->bytes_mapped,
            s->metadata_bytes);
    return s->limit != 0 ? fprintf(stream, "%zu\n", s->limit) : fprintf(stream, "none\n");
}

static int print_classes(const ku_heap_stats *s, FILE *stream) {
    int result = fprintf(stream, "\n  class   size    pools   blocks used   blocks free   in use   tail bytes\n");
    for (unsigned i = 0; i < KU_CLASS_COUNT && result >= 0; i++) {
        const ku_class_stats *of = &s->classes[i];
        if (of->pools != 0) {
            double all = (double)(of->blocks_used + of->blocks_free);
            result = fprintf(stream, "  %5u  %5zu  %7zu  %12zu  %12zu   %5.1f%%  %11zu\n", i, of->block_size, of->pools,
                             of->blocks_used, of->blocks_free, 100 * (double)of->blocks_used / all, of->tail_bytes);
        }
    }
    return result;
}

int ku_heap_stats_print(ku_heap *heap, FILE *stream) {
    ku_heap_stats stats;
    ku_heap_stats_read(heap, &stats);
    bool written = print_totals(&stats, stream) >= 0 && print_classes(&stats, stream) >= 0;
    return written && !ferror(stream) ? 0 : -1;
}
