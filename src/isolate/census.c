/* census.c: how many objects of each type live. See kucha/census.h.
 *
 * The header of every block is read, pool by pool; which blocks are taken their pool's bitmap says, so that nothing
 * else is touched. What is counted by number of type lies in pages that are there where a number was met.
 */
#include "alloc/large.h"
#include "alloc/pools.h"
#include "object/object.h"
#include "object/types.h"
#include "object/verify.h"
#include "os/pages.h"

#include <kucha/census.h>
#include <kucha/stats.h>
#include <stdlib.h>
#include <string.h>

/* How far ahead memory is fetched, in bytes: over the border of a page, where the machine's own prefetching ends. */
enum { AHEAD = 2048 };

struct ku_census {
    size_t bytes; /* of this mapping */
    size_t count;
    ku_census_heap heaps[KU_HEAP_COUNT];
    ku_census_row rows[];
};

typedef struct tally {
    size_t objects, bytes, immortal;
} tally;

typedef struct counting {
    tally *tallies; /* by number of type; number 0: no object */
    size_t types;   /* that have objects */
    ku_census_heap *heap;
} counting;

static void count(counting *work, const ku_object *object, size_t size) {
    tally *of = &work->tallies[ku__number_of(object) < KU_TYPES_MAX ? ku__number_of(object) : 0];
    work->types += of->objects == 0 && ku__number_of(object) != 0;
    of->objects++;
    of->bytes += size;
    of->immortal += ku_is_immortal(object);
}

static void count_pool(const ku__pool_view *pool, void *argument) {
    for (size_t word = 0; word * 64 < pool->capacity; word++) {
        for (uint64_t left = ku__pool_view_taken(pool, word); left != 0; left &= left - 1) {
            const char *block = pool->first + (word * 64 + (size_t)__builtin_ctzll(left)) * pool->size;
            __builtin_prefetch(block + AHEAD);
            count(argument, (const ku_object *)(const void *)block, pool->size);
        }
    }
}

static bool count_large(const ku__large_entry *entry, uint32_t site, void *argument) {
    (void)site;
    count(argument, (const ku_object *)entry->address, entry->size);
    return true;
}

/* What the tallies have grown by is this heap's. */
static void count_objects(ku_isolate *isolate, ku_isolate_heap which, counting *work) {
    ku_heap *heap = ku_isolate_heap_of(isolate, which);
    tally before = work->tallies[0];
    ku__heap_flush(heap);
    ku__pools_visit(heap, count_pool, work);
    ku__large_walk(heap, count_large, work);
    work->heap[which].raw_blocks = work->tallies[0].objects - before.objects;
    work->heap[which].raw_bytes = work->tallies[0].bytes - before.bytes;
}

static void read_heap(ku_isolate *isolate, ku_isolate_heap which, ku_census_heap *heap) {
    ku_heap_stats stats;
    ku_heap_stats_read(ku_isolate_heap_of(isolate, which), &stats);
    size_t blocks = stats.blocks_used + stats.large_blocks, bytes = stats.bytes_used + stats.large_bytes;
    if (which == KU_HEAP_BUFFERS) {
        heap->raw_blocks = blocks;
        heap->raw_bytes = bytes;
    } else {
        heap->objects = blocks - heap->raw_blocks;
        heap->object_bytes = bytes - heap->raw_bytes;
    }
    heap->free_blocks = stats.blocks_free;
    heap->free_bytes = stats.bytes_free;
}

/* ---- rows ---- */

static int by_bytes(const void *left, const void *right) {
    const ku_census_row *a = left, *b = right;
    int order = (a->bytes < b->bytes) - (a->bytes > b->bytes);
    return order != 0 ? order : strcmp(a->name, b->name);
}

static void add_row(ku_census *census, const ku_type *type, const tally *of) {
    ku_census_row *row = &census->rows[census->count++];
    *row = (ku_census_row){.type = type, .objects = of->objects, .bytes = of->bytes, .immortal = of->immortal};
    strncpy(row->name, type->own.name, sizeof row->name - 1);
}

static ku_census *rows_of(const counting *work, const ku_census_heap *heaps) {
    size_t bytes = sizeof(ku_census) + work->types * sizeof(ku_census_row), left = work->types;
    ku_census *census = ku__pages_map(bytes);
    if (census == NULL) {
        return NULL;
    }
    census->bytes = bytes;
    memcpy(census->heaps, heaps, sizeof census->heaps);
    for (uint32_t number = 1; left > 0 && number < KU_TYPES_MAX; number++) {
        if (work->tallies[number].objects != 0) {
            add_row(census, ku__type_maps[number].type, &work->tallies[number]);
            left--;
        }
    }
    qsort(census->rows, census->count, sizeof *census->rows, by_bytes);
    return census;
}

ku_census *ku_census_take(ku_isolate *isolate, ku_error *error) {
    ku_census_heap heaps[KU_HEAP_COUNT] = {{0}};
    size_t bytes = KU_TYPES_MAX * sizeof(tally);
    counting work = {.tallies = ku__pages_map(bytes), .heap = heaps};
    ku_census *census = NULL;
    ku__quarantine_flush(isolate);
    if (work.tallies != NULL) {
        count_objects(isolate, KU_HEAP_TRACKED, &work);
        count_objects(isolate, KU_HEAP_ATOMS, &work);
        for (int which = 0; which < KU_HEAP_COUNT; which++) {
            read_heap(isolate, (ku_isolate_heap)which, &heaps[which]);
        }
        census = rows_of(&work, heaps);
    }
    ku__pages_unmap(work.tallies, bytes);
    if (census == NULL) {
        ku__error_fill(error, KU_NO_MEMORY, "the system refused memory for a census");
    }
    return census;
}

/* ---- reading ---- */

void ku_census_delete(ku_census *census) {
    if (census != NULL) {
        ku__pages_unmap(census, census->bytes);
    }
}

size_t ku_census_types(const ku_census *census) {
    return census->count;
}

const ku_census_row *ku_census_row_at(const ku_census *census, size_t row) {
    return row < census->count ? &census->rows[row] : NULL;
}

const ku_census_row *ku_census_find(const ku_census *census, const ku_type *type) {
    for (size_t i = 0; i < census->count; i++) {
        if (census->rows[i].type == type) {
            return &census->rows[i];
        }
    }
    return NULL;
}

void ku_census_heap_read(const ku_census *census, ku_isolate_heap which, ku_census_heap *heap) {
    *heap = which < KU_HEAP_COUNT ? census->heaps[which] : (ku_census_heap){0};
}

int ku_census_print(const ku_census *census, FILE *stream, size_t most) {
    static const char *const names[KU_HEAP_COUNT] = {"tracked", "atoms", "buffers"};
    fprintf(stream, "%12s %14s  type\n", "objects", "bytes");
    for (size_t i = 0; i < census->count && (most == 0 || i < most); i++) {
        fprintf(stream, "%12zu %14zu  %s\n", census->rows[i].objects, census->rows[i].bytes, census->rows[i].name);
    }
    fprintf(stream, "%12s %14s %12s %14s %12s %14s  heap\n", "objects", "bytes", "raw blocks", "bytes", "free blocks",
            "bytes");
    for (int i = 0; i < KU_HEAP_COUNT; i++) {
        const ku_census_heap *heap = &census->heaps[i];
        fprintf(stream, "%12zu %14zu %12zu %14zu %12zu %14zu  %s\n", heap->objects, heap->object_bytes,
                heap->raw_blocks, heap->raw_bytes, heap->free_blocks, heap->free_bytes, names[i]);
    }
    return ferror(stream) != 0 ? -1 : 0;
}
