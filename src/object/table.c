/* table.c: the hash table of dict and set. See table.h. */
#include "object/table.h"

#include "object/values.h"

#include <string.h>

enum { EMPTY = 0, TAKEN = 1, FIRST_ENTRY = 2 };

/* ---- the index ---- */

/* Bytes of a place: what the numbers of `capacity` entries and two marks need. */
static size_t place_bytes(uint32_t capacity) {
    return capacity <= UINT8_MAX - FIRST_ENTRY ? 1 : capacity <= UINT16_MAX - FIRST_ENTRY ? 2 : 4;
}

static uint8_t index_bits(uint32_t capacity) {
    if (capacity <= KU__TABLE_SCANNED) {
        return 0;
    }
    uint64_t places = capacity + (uint64_t)capacity / 2;
    return (uint8_t)(64 - __builtin_clzll(places - 1));
}

static size_t hashes_bytes(uint32_t capacity) {
    uint8_t bits = index_bits(capacity);
    return capacity * sizeof(uint64_t) + (bits != 0 ? place_bytes(capacity) << bits : 0);
}

static inline void *index_of(const ku__table *table) {
    return table->hashes + table->capacity;
}

static inline uint32_t place_get(const ku__table *table, size_t place) {
    switch (place_bytes(table->capacity)) {
    case 1: return ((const uint8_t *)index_of(table))[place];
    case 2: return ((const uint16_t *)index_of(table))[place];
    default: return ((const uint32_t *)index_of(table))[place];
    }
}

static inline void place_set(ku__table *table, size_t place, uint32_t number) {
    switch (place_bytes(table->capacity)) {
    case 1: ((uint8_t *)index_of(table))[place] = (uint8_t)number; break;
    case 2: ((uint16_t *)index_of(table))[place] = (uint16_t)number; break;
    default: ((uint32_t *)index_of(table))[place] = number;
    }
}

static inline size_t first_place(const ku__table *table, uint64_t hash) {
    return (size_t)((hash * 0x9E3779B97F4A7C15u) >> (64 - table->bits)); /* 2^64 over the golden ratio */
}
static inline size_t next_place(const ku__table *table, size_t place) {
    return (place + 1) & (((size_t)1 << table->bits) - 1);
}

static void index_add(ku__table *table, size_t entry) {
    if (table->bits == 0) {
        return;
    }
    size_t place = first_place(table, table->hashes[entry]);
    while (place_get(table, place) >= FIRST_ENTRY) {
        place = next_place(table, place);
    }
    place_set(table, place, (uint32_t)entry + FIRST_ENTRY);
}

static void index_take(ku__table *table, size_t entry) {
    if (table->bits == 0) {
        return;
    }
    size_t place = first_place(table, table->hashes[entry]);
    while (place_get(table, place) != entry + FIRST_ENTRY) {
        place = next_place(table, place);
    }
    place_set(table, place, TAKEN);
}

/* ---- finding ---- */

/* Whether the key of an entry with the same hash is this one: 1, 0, -1; `*changed` when the table did meanwhile. */
static int is_key(ku_isolate *isolate, const ku__table *table, size_t entry, ku_object *key, bool *changed) {
    ku_object *own = ku__table_key(table, entry);
    if (own == key) {
        return 1;
    }
    if (own == NULL) {
        return 0;
    }
    if (ku_is_exactly(own, KU_BUILTIN_STR) && ku_is_exactly(key, KU_BUILTIN_STR)) {
        return ku__str_equal(own, key);
    }
    uint16_t changes = table->changes;
    ku_object **items = table->items;
    ku_incref(own);
    int answer = ku_equal(isolate, own, key);
    *changed = table->changes != changes || table->items != items || table->items == NULL;
    ku_decref(isolate, own);
    *changed = *changed || table->changes != changes || table->items != items || table->items == NULL;
    return answer;
}

/* One search: an entry, -1, -2, or -3 for "the table changed". */
static int64_t search_scan(ku_isolate *isolate, ku__table *table, ku_object *key, uint64_t hash) {
    size_t entries = table->used / table->width;
    for (size_t i = 0; i < entries; i++) {
        if (table->hashes[i] == hash) {
            bool changed = false;
            int answer = is_key(isolate, table, i, key, &changed);
            if (answer < 0 || changed) {
                return answer < 0 ? -2 : -3;
            }
            if (answer > 0) {
                return (int64_t)i;
            }
        }
    }
    return -1;
}

static int64_t search_index(ku_isolate *isolate, ku__table *table, ku_object *key, uint64_t hash) {
    for (size_t place = first_place(table, hash);; place = next_place(table, place)) {
        uint32_t number = place_get(table, place);
        if (number == EMPTY) {
            return -1;
        }
        if (number == TAKEN || table->hashes[number - FIRST_ENTRY] != hash) {
            continue;
        }
        bool changed = false;
        int answer = is_key(isolate, table, number - FIRST_ENTRY, key, &changed);
        if (answer < 0 || changed) {
            return answer < 0 ? -2 : -3;
        }
        if (answer > 0) {
            return (int64_t)(number - FIRST_ENTRY);
        }
    }
}

int64_t ku__table_find(ku_isolate *isolate, ku__table *table, ku_object *key, uint64_t hash) {
    int64_t found;
    do {
        if (table->items == NULL) {
            return -1;
        }
        found = table->bits == 0 ? search_scan(isolate, table, key, hash) : search_index(isolate, table, key, hash);
    } while (found == -3);
    return found;
}

/* ---- growing ---- */

/* Copies the entries that are there, without gaps. */
static void copy_entries(const ku__table *from, ku__table *to) {
    size_t entries = from->items != NULL ? from->used / from->width : 0, at = 0;
    for (size_t i = 0; i < entries; i++) {
        if (from->items[i * from->width] != NULL) {
            memcpy(to->items + at * to->width, from->items + i * from->width, from->width * sizeof *to->items);
            to->hashes[at] = from->hashes[i];
            index_add(to, at++);
        }
    }
    to->used = at * to->width;
    to->live = (uint32_t)at;
}

/* Moves to memory for `capacity` entries, at least as many as there are. */
static bool resize(ku_isolate *isolate, ku__table *table, size_t capacity) {
    if (capacity > UINT32_MAX - FIRST_ENTRY) {
        return ku_fail(isolate, KU_NO_MEMORY, "a table of more than 2^32 entries");
    }
    ku__table to = {.capacity = (uint32_t)capacity, .width = table->width, .changes = table->changes};
    to.bits = index_bits(to.capacity);
    uint16_t changes = table->changes;
    to.items = (ku_object **)ku_buffer_new(isolate, capacity * table->width * sizeof *to.items);
    to.hashes = to.items != NULL ? (uint64_t *)ku_buffer_new(isolate, hashes_bytes(to.capacity)) : NULL;
    /* a budget that was asked may have run code of the program, and that may have filled this table */
    if (to.hashes == NULL || (table->changes != changes && ku__table_length(table) > capacity)) {
        bool refused = to.hashes == NULL;
        ku_buffer_free(isolate, to.items);
        ku_buffer_free(isolate, to.hashes);
        return !refused && resize(isolate, table, table->live + table->live / 2 + KU__TABLE_FIRST);
    }
    memset(to.hashes + capacity, 0, hashes_bytes(to.capacity) - capacity * sizeof *to.hashes);
    copy_entries(table, &to);
    to.changes = (uint16_t)(table->changes + 1);
    ku_object **items = table->items;
    uint64_t *hashes = table->hashes;
    *table = to;
    ku_buffer_free(isolate, items);
    ku_buffer_free(isolate, hashes);
    return true;
}

/* Doubles while that is little and then by half: an index has at least half as many places again either way. Where much
 * was taken out, the same memory will do again. */
static size_t next_capacity(size_t live) {
    if (live < KU__TABLE_FIRST) {
        return KU__TABLE_FIRST;
    }
    return live < 50000 ? live * 2 : live + live / 2; /* CPython's old rule had the same turning point */
}

bool ku__table_reserve(ku_isolate *isolate, ku__table *table, size_t more) {
    size_t entries = table->items != NULL ? table->used / table->width : 0;
    if (table->items != NULL && entries + more <= table->capacity) {
        return true;
    }
    size_t needed = ku__table_length(table) + more, next = next_capacity(ku__table_length(table));
    return resize(isolate, table, needed > next ? needed : next);
}

bool ku__table_add(ku_isolate *isolate, ku__table *table, ku_object *key, uint64_t hash, ku_object *value) {
    if (!ku__table_reserve(isolate, table, 1)) {
        return false;
    }
    size_t entry = table->used / table->width;
    table->hashes[entry] = hash;
    ku_incref(key);
    table->items[table->used] = key;
    table->first = table->live == 0 ? (uint32_t)entry : table->first;
    if (table->width == 2) {
        ku_incref(value);
        table->items[table->used + 1] = value;
    }
    table->used += table->width;
    table->live++;
    table->changes++;
    index_add(table, entry);
    ku__table_check(table);
    return true;
}

/* ---- taking out ---- */

void ku__table_take(ku__table *table, size_t entry, ku_object **key, ku_object **value) {
    ku_object **at = table->items + entry * table->width;
    index_take(table, entry);
    *key = at[0];
    at[0] = NULL;
    if (table->width == 2) {
        *value = at[1];
        at[1] = NULL;
    }
    table->live--;
    table->changes++;
    while (table->live > 0 && table->items[table->first * table->width] == NULL) {
        table->first++;
    }
    while (table->used > 0 && table->items[table->used - table->width] == NULL && table->bits == 0) {
        table->used -= table->width; /* without an index nothing else refers to entries at the end */
    }
    ku__table_check(table);
}

void ku__table_clear(ku_isolate *isolate, ku__table *table) {
    ku__table old = *table;
    *table = (ku__table){.width = old.width, .changes = (uint16_t)(old.changes + 1)};
    for (size_t i = 0; old.items != NULL && i < old.used; i++) {
        ku_release(isolate, old.items[i]);
    }
    ku_buffer_free(isolate, old.items);
    ku_buffer_free(isolate, old.hashes);
}

bool ku__table_next(const ku__table *table, size_t *entry) {
    size_t entries = table->items != NULL ? table->used / table->width : 0;
    *entry = *entry < table->first ? table->first : *entry;
    while (*entry < entries && table->items[*entry * table->width] == NULL) {
        ++*entry;
    }
    return *entry < entries;
}

#ifdef KU_CHECKING
void ku__table_check(const ku__table *table) {
    assert(table->width == 1 || table->width == 2);
    if (table->items == NULL) {
        return;
    }
    assert(table->hashes != NULL && table->used % table->width == 0);
    assert(table->used <= (size_t)table->capacity * table->width && table->live <= table->used / table->width);
    assert(table->bits == index_bits(table->capacity));
    assert(table->live == 0 || table->items[table->first * table->width] != NULL);
}
#else
void ku__table_check(const ku__table *table) {
    (void)table;
}
#endif
