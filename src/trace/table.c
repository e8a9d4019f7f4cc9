/* table.c: columns, indexes and strings; see tables.h. */
#include "os/pages.h"
#include "tables.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <string.h>

/* Strings are cut from pieces of this size; a string that is larger gets a piece of its own. 256 KiB hold the names
 * and line tables of about a thousand functions. */
#define PIECE_SIZE ((size_t)256 << 10)

static int64_t fail_at = -1; /* allocations until they fail; negative is never */

void ku__trace_fail_at(int64_t n) {
    __atomic_store_n(&fail_at, n, __ATOMIC_RELAXED);
}

static bool must_fail(void) {
    int64_t left = __atomic_load_n(&fail_at, __ATOMIC_RELAXED);
    if (left < 0) return false;
    if (left == 0) return true;
    __atomic_store_n(&fail_at, left - 1, __ATOMIC_RELAXED);
    return false;
}

static void mapped_change(ku__tables *tables, uint64_t amount) {
    __atomic_fetch_add(&tables->mapped.word, amount, __ATOMIC_RELAXED);
}

void *ku__metadata_map(ku__tables *tables, size_t bytes) {
    if (must_fail()) return NULL;
    void *memory = ku__pages_map(bytes);
    if (memory != NULL && tables != NULL) mapped_change(tables, bytes);
    return memory;
}

void ku__metadata_unmap(ku__tables *tables, void *address, size_t bytes) {
    if (address == NULL) return;
    ku__pages_unmap(address, bytes);
    if (tables != NULL) mapped_change(tables, (uint64_t)0 - bytes);
}

/* ---- columns ---- */

#define DIRECTORY_SIZE (sizeof(uint8_t *) * KU__COLUMN_CHUNKS)

static size_t chunk_size(const ku__column *column) {
    return (size_t)column->item_size << KU__COLUMN_CHUNK_BITS;
}

bool ku__column_init(ku__tables *tables, ku__column *column, uint32_t item_size) {
    column->item_size = item_size;
    column->chunks = ku__metadata_map(tables, DIRECTORY_SIZE);
    if (column->chunks == NULL || ku__column_next(tables, column) == NULL) return false;
    ku__column_publish(column); /* entry 0, all zeros */
    return true;
}

void ku__column_release(ku__tables *tables, ku__column *column) {
    if (column->chunks == NULL) return;
    for (size_t i = 0; i < KU__COLUMN_CHUNKS && column->chunks[i] != NULL; i++)
        ku__metadata_unmap(tables, column->chunks[i], chunk_size(column));
    ku__metadata_unmap(tables, column->chunks, DIRECTORY_SIZE);
    column->chunks = NULL;
}

void *ku__column_next(ku__tables *tables, ku__column *column) {
    uint32_t number = column->count;
    if (number >= KU__COLUMN_CAPACITY) return NULL;
    uint8_t **chunk = &column->chunks[number >> KU__COLUMN_CHUNK_BITS];
    if (*chunk == NULL) {
        uint8_t *memory = ku__metadata_map(tables, chunk_size(column));
        if (memory == NULL) return NULL;
        __atomic_store_n(chunk, memory, __ATOMIC_RELAXED);
    }
    return ku__column_at(column, number);
}

/* ---- indexes ---- */

bool ku__index_init(ku__tables *tables, ku__index *index, uint64_t slots) {
    index->slots = ku__metadata_map(tables, slots * sizeof(uint64_t));
    index->mask = slots - 1;
    index->used = 0;
    return index->slots != NULL;
}

void ku__index_release(ku__tables *tables, ku__index *index) {
    ku__metadata_unmap(tables, index->slots, (index->mask + 1) * sizeof(uint64_t));
    index->slots = NULL;
}

/* The upper 32 bits of a slot are the lower 32 of the hash: enough for the place in any table up to 2^32 slots. */
static uint64_t slot_of(uint64_t hash, uint32_t number) {
    return hash << 32 | number;
}

static void insert_slot(ku__index *index, uint64_t slot) {
    uint64_t position = (slot >> 32) & index->mask;
    while (index->slots[position] != 0) position = (position + 1) & index->mask;
    index->slots[position] = slot;
    index->used++;
}

bool ku__index_reserve(ku__tables *tables, ku__index *index) {
    if ((index->used + 1) * 2 <= index->mask + 1) return true;
    ku__index larger;
    if (!ku__index_init(tables, &larger, (index->mask + 1) * 2)) return false;
    for (uint64_t i = 0; i <= index->mask; i++)
        if (index->slots[i] != 0) insert_slot(&larger, index->slots[i]);
    ku__index_release(tables, index);
    *index = larger;
    return true;
}

void ku__index_insert(ku__index *index, uint64_t hash, uint32_t number) {
    insert_slot(index, slot_of(hash, number));
}

uint32_t ku__index_next(const ku__index *index, uint64_t hash, uint64_t *position) {
    for (;;) {
        uint64_t slot = index->slots[*position & index->mask];
        if (slot == 0) return 0;
        ++*position;
        if (slot >> 32 == (hash & 0xFFFFFFFFu)) return (uint32_t)slot;
    }
}

/* ---- strings ---- */

static uint8_t *string_room(ku__tables *tables, size_t size) {
    if (tables->pieces == NULL || tables->pieces->size - tables->piece_used < size) {
        size_t bytes = sizeof(ku__piece) + size > PIECE_SIZE ? sizeof(ku__piece) + size : PIECE_SIZE;
        ku__piece *piece = ku__metadata_map(tables, bytes);
        if (piece == NULL) return NULL;
        piece->size = bytes;
        piece->next = tables->pieces;
        tables->pieces = piece;
        tables->piece_used = sizeof(ku__piece);
    }
    return (uint8_t *)tables->pieces + tables->piece_used;
}

static bool string_equals(const ku__tables *tables, uint32_t number, const void *bytes, size_t size) {
    const ku__string *string = ku__column_at(&tables->strings, number);
    return string->size == size && memcmp(string->bytes, bytes, size) == 0;
}

bool ku__string_intern(ku__tables *tables, const void *bytes, size_t size, uint32_t *number) {
    *number = 0;
    if (size == 0) return true;
    uint64_t hash = XXH3_64bits(bytes, size);
    uint64_t position = hash & 0xFFFFFFFFu;
    for (uint32_t found; (found = ku__index_next(&tables->string_index, hash, &position)) != 0;) {
        if (string_equals(tables, found, bytes, size)) {
            *number = found;
            return true;
        }
    }
    if (!ku__index_reserve(tables, &tables->string_index)) return false;
    ku__string *string = ku__column_next(tables, &tables->strings);
    uint8_t *room = string == NULL ? NULL : string_room(tables, size + 1);
    if (room == NULL) return false;
    memcpy(room, bytes, size); /* a zero byte follows: pieces arrive zeroed */
    tables->piece_used += size + 1;
    *string = (ku__string){.bytes = room, .size = size};
    *number = ku__column_publish(&tables->strings);
    ku__index_insert(&tables->string_index, hash, *number);
    return true;
}

void ku__strings_release(ku__tables *tables) {
    while (tables->pieces != NULL) {
        ku__piece *piece = tables->pieces;
        tables->pieces = piece->next;
        ku__metadata_unmap(tables, piece, piece->size);
    }
}

/* ---- checking ---- */

#ifdef KU_CHECKING
#include <stdlib.h>

static void check(bool holds) {
    if (!holds) abort();
}

static void index_check(const ku__index *index, const ku__column *column) {
    if (index->slots == NULL) return;
    check(index->used * 2 <= index->mask + 1 && (index->mask & (index->mask + 1)) == 0);
    uint64_t used = 0;
    for (uint64_t i = 0; i <= index->mask; i++) {
        used += index->slots[i] != 0;
        check((uint32_t)index->slots[i] < column->count);
    }
    check(used == index->used);
}

static void stacks_check(const ku__tables *tables) {
    for (uint32_t i = 1; i < tables->nodes.count; i++) {
        const ku__node *node = ku__column_at(&tables->nodes, i);
        check(node->parent < i && node->frame != 0 && node->frame < tables->frames.count);
        check(node->site < tables->sites.count);
        check(node->site == 0 || *(const uint32_t *)ku__column_at(&tables->sites, node->site) == i);
    }
}

/* A tracer that could not be made whole has columns without chunks. */
void ku__tables_check(const ku__tables *tables) {
    if (tables->sites.chunks == NULL || tables->sites.count == 0) return;
    index_check(&tables->string_index, &tables->strings);
    index_check(&tables->code_index, &tables->codes);
    index_check(&tables->frame_index, &tables->frames);
    index_check(&tables->node_index, &tables->nodes);
    stacks_check(tables);
    uint64_t bound = 0;
    for (uint64_t i = 0; tables->bindings != NULL && i <= tables->binding_mask; i++) {
        bound += tables->bindings[i].address != NULL;
        check((tables->bindings[i].address == NULL) == (tables->bindings[i].code == 0));
    }
    check(bound == tables->binding_count);
}
#endif
