/* stats_text.c: a heap's statistics as a table for people. See kucha/stats.h.
 *
 * Sums first, then a line for each size class in use, then how full the arenas are: an arena goes back to the system
 * only when it is empty, so many arenas in the first rows of the last table are memory that a few blocks hold.
 */
#include "alloc/arenas.h"

enum {
    BUCKETS = 10, /* of occupancy, ten per cent each */
    BAR = 40,     /* characters of the longest bar */
};

typedef struct amount {
    char text[16];
} amount;

/* Bytes as a person reads them: up to four digits and a unit. */
static amount bytes_of(size_t bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    unsigned unit = 0;
    while (value >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1024;
        unit++;
    }
    amount result;
    snprintf(result.text, sizeof result.text, value < 99.95 && value != (double)(size_t)value ? "%.1f %s" : "%.0f %s",
             value, units[unit]);
    return result;
}

static double share(size_t part, size_t whole) {
    return whole != 0 ? 100 * (double)part / (double)whole : 0;
}

static void print_totals(const ku_heap_stats *s, FILE *stream) {
    size_t tail = 0;
    for (unsigned c = 0; c < KU_CLASS_COUNT; c++) {
        tail += s->classes[c].tail_bytes;
    }
    size_t arenas = s->arenas * s->arena_size;
    fprintf(stream, "Heap \"%s\"\n", s->name);
    fprintf(stream, "  %-22s %12zu blocks  %10s  %5.1f%% of the arenas\n", "small, live", s->blocks_used,
            bytes_of(s->bytes_used).text, share(s->bytes_used, arenas));
    fprintf(stream, "  %-22s %12zu blocks  %10s  %5.1f%%\n", "small, free in pools", s->blocks_free,
            bytes_of(s->bytes_free).text, share(s->bytes_free, arenas));
    fprintf(stream, "  %-22s %12s         %10s  %5.1f%%\n", "ends of pools", "", bytes_of(tail).text,
            share(tail, arenas));
    fprintf(stream, "  %-22s %12zu pools   %10s  %5.1f%%\n", "free pools", s->pools_free,
            bytes_of(s->pools_free * s->pool_size).text, share(s->pools_free * s->pool_size, arenas));
    fprintf(stream, "  %-22s %12zu arenas  %10s  (%zu at most, %zu taken in all; %s each, pools of %s)\n", "arenas",
            s->arenas, bytes_of(arenas).text, s->arenas_peak, s->arenas_taken, bytes_of(s->arena_size).text,
            bytes_of(s->pool_size).text);
    if (s->arenas_huge != 0 || s->bytes_populated != 0) {
        fprintf(stream, "  %-22s %12zu arenas  %10s  (on huge pages; whole pools that were taken ahead)\n",
                "before their first use", s->arenas_huge, bytes_of(s->bytes_populated).text);
    }
    fprintf(stream, "  %-22s %12zu blocks  %10s  (%s at most)\n", "large, live", s->large_blocks,
            bytes_of(s->large_bytes).text, bytes_of(s->large_bytes_peak).text);
    fprintf(stream, "  %-22s %12s         %10s\n", "tables beside them", "", bytes_of(s->metadata_bytes).text);
    fprintf(stream, "  %-22s %12s         %10s  ", "held", "", bytes_of(s->bytes_held).text);
    fprintf(stream, s->limit != 0 ? "(limit %s)\n" : "(no limit)\n", bytes_of(s->limit).text);
}

static void print_classes(const ku_heap_stats *s, FILE *stream) {
    fprintf(stream, "\n  %5s  %8s  %12s  %12s  %6s  %10s  %10s\n", "size", "pools", "blocks used", "blocks free",
            "in use", "free", "pool ends");
    for (unsigned i = 0; i < KU_CLASS_COUNT; i++) {
        const ku_class_stats *of = &s->classes[i];
        if (of->pools != 0) {
            fprintf(stream, "  %5zu  %8zu  %12zu  %12zu  %5.1f%%  %10s  %10s\n", of->block_size, of->pools,
                    of->blocks_used, of->blocks_free, share(of->blocks_used, of->blocks_used + of->blocks_free),
                    bytes_of(of->blocks_free * of->block_size).text, bytes_of(of->tail_bytes).text);
        }
    }
}

typedef struct histogram {
    size_t arenas[BUCKETS];
    size_t bytes[BUCKETS];
} histogram;

static void count_arena(uint32_t number, const ku_arena_stats *arena, void *argument) {
    (void)number;
    histogram *of = argument;
    size_t bucket = arena->bytes_used * BUCKETS / KU__ARENA_SIZE;
    bucket = bucket < BUCKETS ? bucket : BUCKETS - 1;
    of->arenas[bucket]++;
    of->bytes[bucket] += arena->bytes_used;
}

static void print_bar(FILE *stream, size_t part, size_t most) {
    for (size_t i = 0; i < (part * BAR + most - 1) / most; i++) {
        fputc('#', stream);
    }
}

static void print_histogram(const histogram *of, FILE *stream) {
    size_t most = 1;
    for (unsigned i = 0; i < BUCKETS; i++) {
        most = of->arenas[i] > most ? of->arenas[i] : most;
    }
    fprintf(stream, "\n  %11s  %8s  %10s\n", "bytes live", "arenas", "live");
    for (unsigned i = 0; i < BUCKETS; i++) {
        fprintf(stream, "  %3u to %3u%%  %8zu  %10s", i * 10, i * 10 + 10, of->arenas[i], bytes_of(of->bytes[i]).text);
        fputs(of->arenas[i] != 0 ? "  " : "", stream);
        print_bar(stream, of->arenas[i], most);
        fputc('\n', stream);
    }
}

int ku__heap_stats_write(ku_heap *heap, ku__reading reading, FILE *stream) {
    ku_heap_stats stats;
    ku__heap_stats_of(heap, reading, &stats);
    print_totals(&stats, stream);
    if (stats.pools_used != 0) {
        print_classes(&stats, stream);
    }
    if (stats.arenas != 0) {
        histogram of = {0};
        ku__arenas_visit(heap, count_arena, &of);
        print_histogram(&of, stream);
    }
    return ferror(stream) ? -1 : 0;
}

int ku_heap_stats_print(ku_heap *heap, FILE *stream) {
    return ku__heap_stats_write(heap, KU__READ_OWN, stream);
}
