/* producers.c: what was counted, by key. See producers.h. */
#include "inspect/producers.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>

enum {
    RECORDS_MOST = 20000, /* a program that names a thousand types at random would fill memory; 64 bytes each */
    INDEX_LEAST = 1024,
};

bool ku__producers_open(ku__producers *all, const ku__producing *heap, void *words) {
    *all = (ku__producers){.heap = heap, .words = words};
    if (!ku__maker_open(&all->texts, 1, false)) {
        return false;
    }
    ku__record *none = ku__growing_push(&all->records, sizeof *none);
    if (none == NULL || !ku__by_hash_open(&all->by_key, INDEX_LEAST)) {
        ku__producers_close(all);
        return false;
    }
    *none = (ku__record){0};
    return true;
}

void ku__producers_close(ku__producers *all) {
    ku__producers_drop(all);
    ku__growing *rows[] = {&all->dead, &all->first, &all->targets, &all->cycles, &all->items, &all->records};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ku__growing_release(rows[i]);
    }
    ku__pointer_close(&all->numbers);
    ku__components_close(&all->components);
    ku__maker_close(&all->texts);
    ku__by_hash_close(&all->by_key);
    *all = (ku__producers){0};
}

static bool is_like(const ku__record *one, const ku__record *other) {
    return one->kind == other->kind && one->source == other->source && one->place == other->place &&
           one->closing == other->closing;
}

static uint32_t add(ku__producers *all, const ku__record *like, uint64_t hash) {
    uint32_t number = (uint32_t)KU__GROWING_COUNT(&all->records, ku__record);
    ku__record *record = number < RECORDS_MOST ? ku__growing_push(&all->records, sizeof *record) : NULL;
    if (record == NULL || !ku__by_hash_add(&all->by_key, hash, number)) {
        all->records.used -= record != NULL ? sizeof *record : 0;
        return 0;
    }
    *record = (ku__record){.kind = like->kind,
                           .source = like->source,
                           .place = like->place,
                           .closing = like->closing,
                           .name = like->name,
                           .example = KU_GRAPH_NONE};
    return number;
}

uint32_t ku__record_for(ku__producers *all, const ku__record *like) {
    const uint32_t key[] = {like->kind, like->source, like->place, like->closing};
    uint64_t hash = XXH3_64bits(key, sizeof key), position = (uint32_t)hash;
    for (uint32_t found; (found = ku__by_hash_next(&all->by_key, hash, &position)) != 0;) {
        if (is_like(ku__record_at(all, found), like)) {
            return found;
        }
    }
    return add(all, like, hash);
}
