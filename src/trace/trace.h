/* trace.h: birthplaces. The engine that every tracing mode shares; it knows nothing of CPython.
 *
 * A *site* is the number of an interned stack of frames. Number 0 is "not traced". A *frame* is a code record and the
 * offset in bytes of an instruction in it; lines are computed from the record's line table when somebody reads.
 *
 * How an entry point uses it (fast.h has the inline half):
 *
 *     hash = ku__stack_hash_start(tracer);                     // knows the epoch
 *     for each frame, innermost first: hash = ku__stack_hash_add(hash, address of its instruction);
 *     site = ku__site_cached(tracer, hash);
 *     if (site == 0) {                                         // rare
 *         for each frame: code = ku__code_find(tracer, code object), or ku__code_add(tracer, code object, facts)
 *         site = ku__site_intern(tracer, frames, count, hash); // fills the cache; 0 when tracing has failed
 *     }
 *     write ku__slot_of(tag, bytes) into the block's slot; ku__count_allocated(tracer, lane, site, bytes, block);
 *
 * Addresses. Code records are found by the address of the code object and survive it. Whoever frees a code object (the
 * slot of its block has KU__SLOT_CODE) calls ku__code_detach() first; the epoch moves on, so that nothing remembered
 * about an address outlives what was there. Records with equal contents are one record, so a program that
 * compiles the same source for ever does not grow.
 *
 * Locking. Everything belongs to the holder of the main lane: whoever holds the GIL while one GIL exists; where
 * several exist, entry points take ku__lane_lock(tracer, KU__LANE_MAIN) around the whole sequence above. What runs
 * without any GIL (the raw domain) uses only the KU__LANE_RAW counts, under ku__lane_lock(tracer, KU__LANE_RAW), with
 * a site that was interned before, and never interns. Functions that read sums, and the capture thread, need no lock:
 * counts are relaxed atomic cells, and entries of tables below their published count never change or move.
 *
 * Failure. When the system refuses memory for a table, the tracer is *failed*: interning returns 0 from then on,
 * counts of sites that exist stay usable, and ku__tracer_failure() says what happened. The caller stops tracing when
 * convenient.
 */
#ifndef KU__TRACE_H
#define KU__TRACE_H

#include <kucha/capture.h>
#include <kucha/error.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KU__FRAMES_MAX = 255,
    KU__SITE_BITS = 27, /* a slot of the site table: rest of the size, site << 4, code flag << 31 */
    KU__SITE_SHIFT = 4,
    KU__SITE_LAST = (1 << 27) - 1,
    KU__SITE_CHUNK_BITS = 16, /* counts come in chunks of 65,536 sites, 4 MiB of addresses a lane, touched as used */
    KU__SITE_CHUNKS = 1 << (KU__SITE_BITS - KU__SITE_CHUNK_BITS),
};
#define KU__SLOT_CODE 0x80000000u /* the block is a code object that a code record refers to */

#define KU__SLOT_SITE(slot) (((slot) >> KU__SITE_SHIFT) & (uint32_t)KU__SITE_LAST)

/* A slot's *tag* is its site where it lies in the slot: KU__SITE_SHIFT bits up, nothing below. It is what the cache of
 * stacks keeps, and times 4 it is the distance of the site's counts from those of site 0. */
#define KU__TAG(site) ((site) << KU__SITE_SHIFT)
#define KU__SLOT_TAG(slot) ((slot) & ~15u)

/* Tags of the sites whose counts are in the first chunk: those that entry points count by themselves. */
#define KU__TAG_IS_NEAR(tag) ((tag)-16u < KU__TAG(1u << KU__SITE_CHUNK_BITS) - 16u)

/* The lowest bits of a slot are those of the bytes asked for, less one. They complete the size class of a block, whose
 * size is the next multiple of 16. */
static inline uint32_t ku__slot_of(uint32_t tag, size_t bytes) {
    return tag | (uint32_t)((bytes - 1) & 15);
}
static inline size_t ku__slot_bytes(uint32_t slot, size_t block_size) {
    return block_size - 15 + (slot & 15);
}

/* Who counts: the holder of the GIL, and whoever allocates without it. The program's totals are the sums of both. */
typedef enum ku__lane_id { KU__LANE_MAIN, KU__LANE_RAW, KU__LANE_COUNT } ku__lane_id;

typedef enum ku__trace_mode {
    KU__TRACE_BLOCKS,  /* a site for every block */
    KU__TRACE_OBJECTS, /* and for every object that comes from a free list; the engine does not tell the difference */
} ku__trace_mode;

typedef struct ku__frame {
    uint32_t code;        /* code record, 0 is none */
    uint32_t instruction; /* byte offset of the instruction in the code */
} ku__frame;

/* What a code record keeps; everything is copied. Line tables are CPython's location table of 3.11 and later
 * (Objects/locations.md in CPython); an empty one means that every instruction is on first_line. */
typedef struct ku__code_facts {
    const char *filename; /* UTF-8, need not be terminated */
    size_t filename_bytes;
    const char *qualname;
    size_t qualname_bytes;
    const uint8_t *line_table;
    size_t line_table_bytes;
    int32_t first_line;
} ku__code_facts;

/* A word that one thread at a time changes and any thread may read; see fast.h. */
typedef struct ku__cell {
    uint64_t word;
} ku__cell;

/* The counts of one site in one lane; one cache line. What is live is allocated less freed. `blocks` are in units of
 * the tracer's block_unit: 1 when exact; when sampled, counts are estimates and blocks have KU__SAMPLED_UNIT
 * fractions. */
typedef struct ku__site_counts {
    ku__cell peak_number; /* peak_* hold what was live at this peak; another number than the tracer's: what is live */
    ku__cell allocated_bytes;
    ku__cell allocated_blocks;
    ku__cell freed_bytes;
    ku__cell freed_blocks;
    ku__cell temporary_blocks; /* freed before any other block was allocated in the lane */
    ku__cell peak_bytes;
    ku__cell peak_blocks;
} ku__site_counts;

#define KU__SAMPLED_UNIT 65536u /* fractions of a block: an estimate's rounding stays under 1/65536 of a block each */

typedef struct ku__lane {
    ku__cell live_bytes;
    ku__cell peaks;         /* peaks that this lane declared; makes numbers of peaks unique without a lock */
    const void *last_block; /* the block allocated last, for temporary blocks */
    int64_t countdown;      /* sampling: bytes until the next sample */
    int64_t last_countdown; /* countdown when last_block was allocated */
    uint64_t random[2];     /* sampling: state of the generator */
    pthread_mutex_t mutex;
    uintptr_t chunks[KU__SITE_CHUNKS]; /* chunk k's address less k chunks, so that adding site * 64 gives the counts */
} ku__lane;

typedef struct ku__cache_entry {
    uint64_t hash;
    uint64_t tag; /* 0: empty */
} ku__cache_entry;

/* The hot half is here so that fast.h can inline; the rest is the business of src/trace. Lies in mapped memory: its
 * directories of chunks cost address space (512 KiB) and are touched only as far as used. */
typedef struct ku__tracer {
    uint64_t seed;          /* where a hash over a stack starts; another one in every epoch */
    ku__cache_entry *cache; /* two places for each stack */
    uint64_t cache_mask;    /* what of a hash is the distance in bytes of its entry: (entries - 1) * 16 */
    ku__cell peak_number;   /* number of the program's last peak */
    ku__cell peak_bytes;    /* the program's total at that peak */
    double sample_interval; /* mean bytes between samples; 0 is exact */
    unsigned frames;        /* of ku__tracer_options */
    ku__trace_mode mode;
    uint32_t block_unit;       /* 1, or KU__SAMPLED_UNIT */
    ku__cell failed;           /* 1 once a table could not grow */
    struct ku__tables *tables; /* code records, frames, stacks: see tables.h */
    ku__lane lanes[KU__LANE_COUNT];
} ku__tracer;

typedef struct ku__tracer_options {
    unsigned frames; /* 1 to KU__FRAMES_MAX; 0 is 1 */
    ku__trace_mode mode;
    uint64_t sample_interval; /* mean bytes between two samples; 0 traces every block */
    uint64_t seed;            /* of the sampler; 0 takes one from the clock and the process id */
} ku__tracer_options;

/* Makes a tracer. NULL with `error` filled when an option is out of range (KU_INVALID) or memory is refused. Site slots
 * written for an earlier tracer mean nothing to this one: clear them before. */
ku__tracer *ku__tracer_new(const ku__tracer_options *options, ku_error *error);

/* Releases everything. No capture may refer to it any more. NULL does nothing. */
void ku__tracer_delete(ku__tracer *tracer);

/* NULL while all is well, else why tracing failed. */
const ku_error *ku__tracer_failure(const ku__tracer *tracer);

/* The code record that `address` stands for now, 0 when there is none. Innards are two cache misses at most. */
uint32_t ku__code_find(const ku__tracer *tracer, const void *address);

/* Binds `address` to a record with these facts, a new one or one with equal contents. Returns the record, 0 when the
 * tracer has failed. The caller sets KU__SLOT_CODE in the slot of the block that holds `address`. */
uint32_t ku__code_add(ku__tracer *tracer, const void *address, const ku__code_facts *facts);

/* Forgets `address`, before the code object there is freed. An address that is not bound does nothing. */
void ku__code_detach(ku__tracer *tracer, const void *address);

/* Starts a new epoch: everything cached by address is forgotten. ku__code_detach() does it by itself. */
void ku__epoch_advance(ku__tracer *tracer);

/* The site of a stack of `count` frames, innermost first; counts beyond the tracer's frames are cut. `hash` is what the
 * caller looked up in the cache, 0 to leave the cache alone. Returns 0 when the tracer has failed, and for no
 * frames. */
uint32_t ku__site_intern(ku__tracer *tracer, const ku__frame *frames, unsigned count, uint64_t hash);

/* Notes how deep the stack was of which a site keeps the innermost frames, when it was first seen. Holder of the main
 * lane. */
void ku__site_note_depth(ku__tracer *tracer, uint32_t site, unsigned depth);

/* Sites, 0 included: site numbers are below this. Any thread may ask. */
uint32_t ku__site_count(const ku__tracer *tracer);

/* The frames of a site, innermost first; fills up to `capacity` and returns how many there are. Any thread may ask. */
unsigned ku__site_frames(const ku__tracer *tracer, uint32_t site, ku__frame *frames, unsigned capacity);

/* The facts of a record; pointers stay valid as long as the tracer. False for a number that is none. Any thread may
 * ask. */
bool ku__code_read(const ku__tracer *tracer, uint32_t code, ku__code_facts *facts);

/* What a report shows of a site: the sum of its lanes, peaks resolved. Blocks are in units of block_unit. */
typedef ku_capture_counts ku__site_sums;

/* Reads the counts of sites first to first + count - 1 (all must exist). Exact for the holder of the locks; anybody
 * else may meet an operation half done. */
void ku__sites_read(const ku__tracer *tracer, uint32_t first, uint32_t count, ku__site_sums *sums);

/* Live bytes and the highest they have been (since ku__peak_reset()). Any thread may ask. */
void ku__traced_memory(const ku__tracer *tracer, uint64_t *live_bytes, uint64_t *peak_bytes);

/* Makes now the peak. Needs the locks of both lanes where they are in use. */
void ku__peak_reset(ku__tracer *tracer);

typedef struct ku__trace_cost {
    uint64_t sites, codes, frames;
    uint64_t metadata_bytes; /* mapped for tables, cache, and the counts of as many sites as there are */
    uint64_t epochs;
    uint64_t misses;           /* stacks that were not found in the cache */
    uint64_t miss_nanoseconds; /* spent on interning them and their code records */
} ku__trace_cost;

void ku__tracer_cost(const ku__tracer *tracer, ku__trace_cost *cost);

void ku__lane_lock(ku__tracer *tracer, ku__lane_id lane);
void ku__lane_unlock(ku__tracer *tracer, ku__lane_id lane);

/* After fork, in the child: makes the mutexes new. capture.h calls it by itself; a tracer without a capture needs
 * it. */
void ku__tracer_after_fork_in_child(ku__tracer *tracer);

/* Tests make metadata allocation `n` (from 0) from now on fail, and all after it; a negative number stops that. */
void ku__trace_fail_at(int64_t n);

#endif
