/* python_types.h: the types of a Python heap, found by their address: how a block is told to be an object, and of
 * which. Of a living interpreter cpython/types.h collects them, of one in a core file corefile/types.h.
 *
 * A block of the obj domain is an object where a type stands in the place in which an object that has this type would
 * have it: behind what the type puts in front of its objects (two words of the collector, two for attributes and weak
 * references). Blocks of the mem domain never share a pool with it and are never asked. The answer is good for counts:
 * a block whose words say "list" may still be something that no object is; whoever wants to follow its references asks
 * for more (python_make.h).
 *
 * The table is plain memory, in pages, and can be read in a child of a clone.
 *
 * Sources: _PyType_PreHeaderSize() in Include/internal/pycore_object.h, v3.11.7 to v3.15.2;
 * Include/internal/pycore_freelist.h of 3.14 (the first word of what a free list keeps is a link).
 */
#ifndef KU__PYTHON_TYPES_H
#define KU__PYTHON_TYPES_H

#include "inspect/growing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Two words each, see above; together what a type has in front of its objects at most. */
enum { KU__FRONT_PART = 16, KU__FRONT_MOST = 32 };

#define KU__NO_TYPE UINT32_MAX

typedef struct ku__type_entry {
    uintptr_t address;
    uint32_t front; /* bytes in front of its objects */
    uint8_t beside; /* ku__beside_kind; whoever collects types of a living interpreter sets it */
} ku__type_entry;

typedef struct ku__type_table {
    ku__growing entries; /* ku__type_entry, in the order they were found; `object` first */
    uintptr_t *slots;    /* open addressing by address, at most half full: a type */
    uint32_t *numbers;   /* its number */
    size_t mask;
    uint64_t *filter; /* a bit for each type, by hash: what has none is no type */
} ku__type_table;

/* Bits of the filter: 4 KiB, which stay in the first cache. A thousand types leave one in 30 words that are no type to
 * be looked for in the table. */
enum { KU__TYPE_FILTER_BITS = 15 };

/* An empty table; false when memory is refused. Ends with ku__type_table_close(). */
bool ku__type_table_open(ku__type_table *types);
void ku__type_table_close(ku__type_table *types);

/* Adds a type, whose number is that of types before it. One that is there already stays. False: memory was refused. */
bool ku__type_table_add(ku__type_table *types, uintptr_t address, uint32_t front);

static inline const ku__type_entry *ku__type_table_at(const ku__type_table *types, uint32_t number) {
    return KU__GROWING_ITEMS(&types->entries, ku__type_entry) + number;
}

static inline uint32_t ku__type_table_count(const ku__type_table *types) {
    return (uint32_t)KU__GROWING_COUNT(&types->entries, ku__type_entry);
}

/* Types are at least 16 bytes apart, and mostly much further. */
static inline uint64_t ku__type_table_hash(uintptr_t address) {
    return (address >> 4) * 0x9E3779B97F4A7C15u; /* 2^64 / golden ratio */
}

static inline size_t ku__type_table_home(const ku__type_table *types, uintptr_t address) {
    return ku__type_table_hash(address) >> 20 & types->mask;
}

/* False: no type lies at this address. */
static inline bool ku__type_table_may(const ku__type_table *types, uintptr_t address) {
    uint64_t bit = ku__type_table_hash(address) >> (64 - KU__TYPE_FILTER_BITS);
    return (types->filter[bit / 64] >> bit % 64 & 1) != 0;
}

/* The number of the type at this address; KU__NO_TYPE. The address is not followed. */
static inline uint32_t ku__type_table_find(const ku__type_table *types, uintptr_t address) {
    for (size_t at = ku__type_table_home(types, address);; at = (at + 1) & types->mask) {
        if (types->slots[at] == address) {
            return address != 0 ? types->numbers[at] : KU__NO_TYPE;
        }
        if (types->slots[at] == 0) {
            return KU__NO_TYPE;
        }
    }
}

/* What a block looks like. */
typedef struct ku__sighting {
    uint32_t type;  /* KU__NO_TYPE: no object */
    uint32_t front; /* the object begins so many bytes in */
} ku__sighting;

/* `size` is at least 16. Reads at most the block's first 48 bytes. */
static inline ku__sighting ku__sight(const ku__type_table *types, const void *block, size_t size) {
    const uintptr_t *words = block;
    for (uint32_t front = 0; front <= KU__FRONT_MOST && front + KU__FRONT_PART <= size; front += KU__FRONT_PART) {
        uintptr_t word = words[front / sizeof(uintptr_t) + 1];
        uint32_t type = ku__type_table_may(types, word) ? ku__type_table_find(types, word) : KU__NO_TYPE;
        if (type != KU__NO_TYPE && ku__type_table_at(types, type)->front == front) {
            return (ku__sighting){type, front};
        }
    }
    return (ku__sighting){KU__NO_TYPE, 0};
}

/* Whether ku__sight() says of a block what it said of another one of the same size, of which `address` is the type. It
 * takes the first place in which a type stands that has it there, so the places before must hold none at all. */
static inline bool ku__sight_again(const ku__type_table *types, const void *block, ku__sighting last,
                                   uintptr_t address) {
    const uintptr_t *words = block;
    if (words[last.front / sizeof(uintptr_t) + 1] != address) {
        return false;
    }
    for (uint32_t front = 0; front < last.front; front += KU__FRONT_PART) {
        if (ku__type_table_may(types, words[front / sizeof(uintptr_t) + 1])) {
            return false;
        }
    }
    return true;
}

/* Whether a free list keeps the object whose first word this is for the next of its type: its count is 0, or (from 3.14
 * on) a link to another, which no count can be: a count has 32 bits, and flags above 48. */
static inline bool ku__is_kept(uint64_t word) {
    return word == 0 || (word >> 32 & 0xffff) != 0;
}

#endif
