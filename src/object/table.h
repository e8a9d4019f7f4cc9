/* table.h: the hash table of dict and set: entries in the order in which they came, found by hash.
 *
 * An entry is `width` references: key and value of a dict, the item of a set. They lie one after the other in `items`,
 * which the collector knows as an array of references; NULL where an entry was taken out. Their hashes lie apart, in
 * the same order, and behind the hashes an index, from 9 entries on: a power of two of places, each the number of an
 * entry plus 2, 0 for empty, 1 for "was taken"; a place is found by multiplying the hash (Knuth 3, 6.4, Fibonacci
 * hashing), and probed linearly. It has at least half as many places again as entries fit. Up to 8 entries, their
 * hashes are compared one by one.
 *
 * Invariants: used is a multiple of width and at most capacity * width; live <= used / width; each live entry has
 * exactly one place in the index; items == NULL means an empty table, whatever the other fields say.
 */
#ifndef KU__TABLE_H
#define KU__TABLE_H

#include "object/object.h"

typedef struct ku__table {
    ku_object **items; /* a buffer; NULL: empty */
    size_t used;       /* references in use, those of entries that were taken out included */
    uint64_t *hashes;  /* a buffer: `capacity` hashes, then the index */
    uint32_t live;     /* entries that are there */
    uint32_t first;    /* no entry before it is there: so that taking the oldest takes constant time on average */
    uint32_t capacity; /* entries that fit */
    uint16_t changes;  /* goes up when entries come or go: a search that called the program's code looks at it */
    uint8_t width;     /* references of an entry: 1 or 2 */
    uint8_t bits;      /* log2 of the places of the index; 0: none */
} ku__table;

enum {
    KU__TABLE_SCANNED = 8, /* entries that do without an index: their hashes are one cache line */
    KU__TABLE_FIRST = 4,   /* entries that the first memory is for */
};

/* The entry with an equal key: its number, or -1 when there is none, -2 with the error pending. May call code of the
 * program, and holds the key of the entry meanwhile; if the table changes, the search begins anew. */
int64_t ku__table_find(ku_isolate *isolate, ku__table *table, ku_object *key, uint64_t hash);

/* Adds an entry whose key is not there; references are taken. False without memory: nothing has changed. */
bool ku__table_add(ku_isolate *isolate, ku__table *table, ku_object *key, uint64_t hash, ku_object *value);

/* Takes an entry out: its references are the caller's. */
void ku__table_take(ku__table *table, size_t entry, ku_object **key, ku_object **value);

/* Room for so many entries more, so that adding them cannot fail. */
bool ku__table_reserve(ku_isolate *isolate, ku__table *table, size_t more);

/* Empties the table: what was in it is given up after it is empty. */
void ku__table_clear(ku_isolate *isolate, ku__table *table);

/* The next entry at or after `*entry`; false at the end. *entry is left at the one found. */
bool ku__table_next(const ku__table *table, size_t *entry);

static inline size_t ku__table_length(const ku__table *table) {
    return table->items != NULL ? table->live : 0;
}
static inline ku_object *ku__table_key(const ku__table *table, size_t entry) {
    return table->items[entry * table->width];
}
static inline ku_object **ku__table_value(const ku__table *table, size_t entry) {
    return &table->items[entry * table->width + 1];
}

/* Invariants, in the checking build. */
void ku__table_check(const ku__table *table);

#endif
