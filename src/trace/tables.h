/* tables.h: what tracing remembers: texts, code records, frames, stacks, sites. Only for src/trace.
 *
 * Every kind is a *column*: entries in chunks that never move, found through a directory, numbered from 0, where entry
 * 0 stands for nothing. One thread appends (the holder of the main lane) and publishes the new count with release;
 * whoever reads the count with acquire may read everything below it.
 *
 * A stack is a path in a tree: a *node* is a frame and the node of its caller, so stacks that share their outer frames
 * share their nodes, and a stack of 255 frames costs one node when only its innermost frame is new. A site is a node
 * that allocated. Frames are pairs of code record and instruction, made once each.
 *
 * Entries are found again by content through an *index*: an open-addressing table of (32 bits of hash, number), at most
 * half full, that the holder of the main lane alone uses.
 */
#ifndef KU__TRACE_TABLES_H
#define KU__TRACE_TABLES_H

#include "trace.h"

enum {
    KU__COLUMN_CHUNK_BITS = 12, /* 4096 entries: 32 to 64 KiB for the kinds below */
    KU__COLUMN_CHUNKS = 1 << (KU__SITE_BITS - KU__COLUMN_CHUNK_BITS),
    KU__COLUMN_CAPACITY = 1 << KU__SITE_BITS,
};

typedef struct ku__column {
    uint8_t **chunks;   /* KU__COLUMN_CHUNKS of them; mapped, touched as far as used */
    uint32_t item_size; /* bytes per entry */
    uint32_t count;     /* published entries */
} ku__column;

typedef struct ku__index {
    uint64_t *slots; /* hash in the upper half, number in the lower; 0 is empty */
    uint64_t mask;
    uint64_t used; /* invariant: used * 2 <= mask + 1 */
} ku__index;

typedef struct ku__string {
    const uint8_t *bytes;
    uint64_t size;
} ku__string;

typedef struct ku__code {
    uint32_t filename; /* numbers of strings; a line table is a string too */
    uint32_t qualname;
    uint32_t line_table;
    int32_t first_line;
} ku__code;

typedef struct ku__node {
    uint32_t parent; /* the caller's node, 0 at the outermost frame; always a lower number */
    uint32_t frame;
    uint32_t site; /* 0 until the stack allocates; only the holder of the main lane reads it */
} ku__node;

/* Which code record an address stands for: open addressing, at most half full, deletion by moving back. */
typedef struct ku__binding {
    const void *address; /* NULL is empty */
    uint32_t code;
} ku__binding;

/* A piece of memory for bytes of strings; pieces are linked so that they can be released. */
typedef struct ku__piece {
    struct ku__piece *next;
    size_t size; /* with this header */
} ku__piece;

typedef struct ku__tables {
    ku__column strings, codes, frames, nodes, sites; /* an entry of sites is the number of its node */
    ku__column depths;                               /* uint16_t a site: see ku__site_note_depth() */
    ku__index string_index, code_index, frame_index, node_index;
    ku__binding *bindings;
    uint64_t binding_mask;
    uint64_t binding_count;
    ku__piece *pieces; /* the first is being filled */
    size_t piece_used; /* bytes of it */
    uint64_t epoch;
    uint64_t misses;
    uint64_t miss_nanoseconds;
    ku__cell mapped; /* bytes of metadata, for ku__tracer_cost() */
    ku_error error;  /* why the tracer failed */
} ku__tables;

/* Metadata memory: zeroed pages, counted; NULL when the system (or a test) refuses. */
void *ku__metadata_map(ku__tables *tables, size_t bytes);
void ku__metadata_unmap(ku__tables *tables, void *address, size_t bytes);

/* Marks the tracer failed, with a reason; later reasons are dropped. Returns 0, which callers return in turn. */
uint32_t ku__tracer_fail(ku__tracer *tracer, ku_code code, const char *what);

bool ku__column_init(ku__tables *tables, ku__column *column, uint32_t item_size);
void ku__column_release(ku__tables *tables, ku__column *column);

/* Room for one entry behind the last; NULL when memory is refused or the column is full. It counts once published. */
void *ku__column_next(ku__tables *tables, ku__column *column);

/* Publishes the entry that ku__column_next() gave, and returns its number. */
static inline uint32_t ku__column_publish(ku__column *column) {
    uint32_t number = column->count;
    __atomic_store_n(&column->count, number + 1, __ATOMIC_RELEASE);
    return number;
}

static inline uint32_t ku__column_count(const ku__column *column) {
    return __atomic_load_n(&column->count, __ATOMIC_ACQUIRE);
}

static inline void *ku__column_at(const ku__column *column, uint32_t number) {
    uint8_t *chunk = __atomic_load_n(&column->chunks[number >> KU__COLUMN_CHUNK_BITS], __ATOMIC_RELAXED);
    return chunk + (size_t)(number & ((1u << KU__COLUMN_CHUNK_BITS) - 1)) * column->item_size;
}

bool ku__index_init(ku__tables *tables, ku__index *index, uint64_t slots);
void ku__index_release(ku__tables *tables, ku__index *index);

/* Makes sure that one more number fits; false when memory is refused (the index stays as it was). */
bool ku__index_reserve(ku__tables *tables, ku__index *index);

/* Adds a number that is not 0, after ku__index_reserve(). */
void ku__index_insert(ku__index *index, uint64_t hash, uint32_t number);

/* Walks the numbers whose hash may be `hash`: start with *position = hash, ends with 0. */
uint32_t ku__index_next(const ku__index *index, uint64_t hash, uint64_t *position);

/* A good 64-bit hash of two words. */
static inline uint64_t ku__hash_words(uint64_t a, uint64_t b) {
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)(a ^ 0x9E3779B97F4A7C15u) * (b ^ 0xD1B54A32D192ED03u); /* the golden ratio's, and a prime's */
    uint64_t folded = (uint64_t)product ^ (uint64_t)(product >> 64);
    return folded ^ (folded >> 29) ^ a * 0xBF58476D1CE4E5B9u;
}

/* The number of a string with these bytes, made if need be; 0 is the empty string. False when memory is refused. */
bool ku__string_intern(ku__tables *tables, const void *bytes, size_t size, uint32_t *number);
void ku__strings_release(ku__tables *tables);

/* Makes the counts of site 0, so that every chunk of a published site exists. */
bool ku__site_zero(ku__tracer *tracer);

bool ku__bindings_init(ku__tables *tables);
void ku__bindings_release(ku__tables *tables);

#ifdef KU_CHECKING
void ku__tables_check(const ku__tables *tables); /* aborts when an invariant above does not hold */
#endif

#endif
