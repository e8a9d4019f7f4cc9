/* texts.c: texts and shapes of a graph that is being made: equal ones once. See maker.h. */
#include "inspect/shapes.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>

enum { TEXT_MOST = 65535 };

/* ---- texts ---- */

static bool is_text(const ku__maker *maker, uint32_t number, const char *bytes, size_t size) {
    const uint32_t *table = KU__GROWING_ITEMS(&maker->sections[KU__SECTION_TEXTS], uint32_t);
    const char *all = maker->sections[KU__SECTION_TEXT_BYTES].bytes;
    return table[number + 1] - table[number] - 1 == size && memcmp(all + table[number], bytes, size) == 0;
}

static uint32_t add_text(ku__maker *maker, const char *bytes, size_t size, uint64_t hash) {
    ku__growing *all = &maker->sections[KU__SECTION_TEXT_BYTES], *table = &maker->sections[KU__SECTION_TEXTS];
    if (all->used + size + 1 > UINT32_MAX) {
        return ku__maker_fail(maker, KU_LIMIT, "a heap's graph holds at most 4 GiB of names");
    }
    char *room = ku__growing_push(all, size + 1);
    uint32_t *end = room == NULL ? NULL : ku__growing_push(table, sizeof *end);
    if (end == NULL) {
        return ku__maker_fail(maker, KU_NO_MEMORY, "no memory for the names of a heap's graph");
    }
    memcpy(room, bytes, size);
    room[size] = '\0';
    *end = (uint32_t)all->used;
    uint32_t number = (uint32_t)KU__GROWING_COUNT(table, uint32_t) - 2;
    if (!ku__by_hash_add(&maker->text_index, hash, number + 1)) {
        return ku__maker_fail(maker, KU_NO_MEMORY, "no memory for the names of a heap's graph");
    }
    return number;
}

uint32_t ku__maker_text(ku__maker *maker, const char *bytes, size_t size) {
    if (maker->failed) {
        return KU_GRAPH_NONE;
    }
    size = size < TEXT_MOST ? size : TEXT_MOST;
    uint64_t hash = XXH3_64bits(bytes, size), position = (uint32_t)hash;
    for (uint32_t found; (found = ku__by_hash_next(&maker->text_index, hash, &position)) != 0;) {
        if (is_text(maker, found - 1, bytes, size)) {
            return found - 1;
        }
    }
    return add_text(maker, bytes, size, hash);
}

/* ---- shapes ---- */

static bool is_shape(const ku__maker *maker, uint32_t number, uint32_t type, const ku__growing *runs) {
    const ku__shape *shape = KU__GROWING_ITEMS(&maker->sections[KU__SECTION_SHAPES], ku__shape) + number;
    const ku__run *all = KU__GROWING_ITEMS(&maker->sections[KU__SECTION_RUNS], ku__run);
    size_t size = (shape[1].first_run - shape[0].first_run) * sizeof(ku__run);
    return shape->type == type && size == runs->used &&
           (size == 0 || memcmp(all + shape->first_run, runs->bytes, size) == 0);
}

static uint32_t add_shape(ku__maker *maker, uint32_t type, const ku__growing *runs, uint64_t hash) {
    ku__growing *table = &maker->sections[KU__SECTION_SHAPES], *all = &maker->sections[KU__SECTION_RUNS];
    uint32_t number = (uint32_t)KU__GROWING_COUNT(table, ku__shape) - 1;
    char *room = ku__growing_push(all, runs->used);
    ku__shape *end = ku__growing_push(table, sizeof *end);
    if (end == NULL || (room == NULL && runs->used != 0)) {
        return ku__maker_fail(maker, KU_NO_MEMORY, "no memory for the names of a heap's references");
    }
    if (runs->used != 0) {
        memcpy(room, runs->bytes, runs->used);
    }
    end[-1].type = type;
    *end = (ku__shape){.first_run = (uint32_t)KU__GROWING_COUNT(all, ku__run)};
    if (!ku__by_hash_add(&maker->shape_index, hash, number + 1)) {
        return ku__maker_fail(maker, KU_NO_MEMORY, "no memory for the names of a heap's graph");
    }
    return number;
}

uint32_t ku__shape_intern(ku__maker *maker, uint32_t type, const ku__growing *runs) {
    uint64_t hash = type * 0x9E3779B97F4A7C15u ^ (runs->used == 0 ? 0 : XXH3_64bits(runs->bytes, runs->used));
    uint64_t position = (uint32_t)hash;
    for (uint32_t found; (found = ku__by_hash_next(&maker->shape_index, hash, &position)) != 0;) {
        if (is_shape(maker, found - 1, type, runs)) {
            return found - 1;
        }
    }
    return add_shape(maker, type, runs, hash);
}

/* ---- runs ---- */

/* Whether the edge at `position` is what the run says that it is. */
static bool continues(const ku__run *run, uint32_t position, const ku__run *edge) {
    uint32_t along = position - run->start;
    if (run->kind == KU__RUN_ENTRIES) {
        return edge->text == KU_GRAPH_NONE && edge->kind == (along % 2 == 0 ? KU_EDGE_KEY : KU_EDGE_VALUE) &&
               edge->number == run->number + along / 2;
    }
    return edge->kind == run->kind && edge->text == run->text &&
           edge->number == run->number + (ku__run_counts(run) ? along : 0);
}

bool ku__runs_add(ku__growing *runs, uint32_t position, ku__run edge) {
    ku__run *last = runs->used == 0 ? NULL : KU__GROWING_ITEMS(runs, ku__run) + KU__GROWING_COUNT(runs, ku__run) - 1;
    if (last != NULL && continues(last, position, &edge)) {
        return true;
    }
    /* a key alone may begin entries; the next edge tells */
    if (last != NULL && last->kind == KU_EDGE_KEY && position == last->start + 1 && edge.kind == KU_EDGE_VALUE &&
        edge.text == KU_GRAPH_NONE && edge.number == last->number) {
        last->kind = KU__RUN_ENTRIES;
        return true;
    }
    ku__run *run = ku__growing_push(runs, sizeof *run);
    if (run == NULL) {
        return false;
    }
    edge.start = position;
    *run = edge;
    return true;
}
