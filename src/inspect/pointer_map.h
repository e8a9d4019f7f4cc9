/* pointer_map.h: numbers by address, in pages: usable in the child of a clone, where malloc is not. */
#ifndef KU__POINTER_MAP_H
#define KU__POINTER_MAP_H

#include "os/pages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KU__POINTER_NONE UINT32_MAX

typedef struct ku__pointer_map {
    struct ku__pointer_slot {
        uintptr_t address; /* 0: empty */
        uint32_t number;
    } * slots; /* open addressing, at most half full; NULL: nothing yet */
    size_t mask, used;
} ku__pointer_map;

/* Neighbours in memory are neighbours in the table, in groups of 32: who asks for one mostly asks for others next, and
 * then their page of the table is at hand. Blocks of most allocators are 16 bytes apart at least. */
static inline size_t ku__pointer_home(const ku__pointer_map *map, uintptr_t address) {
    enum { UNIT_BITS = 4, GROUP_BITS = 5 };
    uintptr_t unit = address >> UNIT_BITS, group = unit >> GROUP_BITS;
    size_t base = group * 0x9E3779B97F4A7C15u >> 20; /* 2^64 / golden ratio */
    return (base << GROUP_BITS | (unit & ((1 << GROUP_BITS) - 1))) & map->mask;
}

static inline uint32_t ku__pointer_find(const ku__pointer_map *map, uintptr_t address) {
    if (map->slots == NULL) {
        return KU__POINTER_NONE;
    }
    for (size_t at = ku__pointer_home(map, address);; at = (at + 1) & map->mask) {
        if (map->slots[at].address == address && address != 0) {
            return map->slots[at].number;
        }
        if (map->slots[at].address == 0) {
            return KU__POINTER_NONE;
        }
    }
}

static inline void ku__pointer_place(ku__pointer_map *map, uintptr_t address, uint32_t number) {
    size_t at = ku__pointer_home(map, address);
    while (map->slots[at].address != 0) {
        at = (at + 1) & map->mask;
    }
    map->slots[at].address = address;
    map->slots[at].number = number;
}

static inline void ku__pointer_close(ku__pointer_map *map) {
    if (map->slots != NULL) {
        ku__pages_unmap(map->slots, (map->mask + 1) * sizeof *map->slots);
        *map = (ku__pointer_map){0};
    }
}

/* Adds an address that is not there and not 0. False when memory is refused. */
static inline bool ku__pointer_add(ku__pointer_map *map, uintptr_t address, uint32_t number) {
    enum { LEAST = 4096 };
    if (map->slots == NULL || map->used * 2 > map->mask) {
        size_t slots = map->slots == NULL ? LEAST : (map->mask + 1) * 2;
        ku__pointer_map larger = {.slots = ku__pages_map(slots * sizeof *larger.slots), .mask = slots - 1};
        if (larger.slots == NULL) {
            return false;
        }
        for (size_t i = 0; map->slots != NULL && i <= map->mask; i++) {
            if (map->slots[i].address != 0) {
                ku__pointer_place(&larger, map->slots[i].address, map->slots[i].number);
            }
        }
        larger.used = map->used;
        ku__pointer_close(map);
        *map = larger;
    }
    ku__pointer_place(map, address, number);
    map->used++;
    return true;
}

#endif
