/* fences.c: see fences.h and kucha/fences.h. */
#define _GNU_SOURCE
#include "alloc/fences.h"

#include "alloc/large.h"
#include "alloc/tables.h"
#include "os/pages.h"

#include <dlfcn.h>
#include <kucha/fences.h>
#include <kucha/stats.h>
#include <string.h>
#include <unistd.h>

enum {
    FILL_NEW = 0xCD,
    FILL_FREED = 0xDD,
    FILL_GUARD = 0xFD,
    TAIL_BYTES = 16,
    LEAST_OFFSET = 64,       /* of the payload in an aligned plain block: a power of two with room for the header */
    ALIGNMENT_MAX = 1 << 20, /* as kucha/heap.h allows */
    QUARANTINE_BLOCKS = 1024,
    QUARANTINE_BYTES = 1 << 20,
};
#define MARK_LIVE 0x6B75636861313131u /* words that no pointer and no small number looks like */
#define MARK_FREED 0x6B75636861222222u

typedef struct header {
    uint64_t mark;
    size_t size;
    void *plain;
    const void *allocated_at;
    uint16_t heap; /* number of the heap that made it */
    uint16_t spare;
    _Atomic(uint32_t) returns; /* how often it was put, or should have been put, on the list of returns */
    void *next_return; /* on the heap's list of returns; not in the payload, which may be too small and is guarded */
    uint64_t unused;
    unsigned char guard[8];
} header;

struct ku__fences {
    ku_fault_handler *handler;
    void *argument;
    struct {
        header *block;
        const void *freed_at;
    } quarantine[QUARANTINE_BLOCKS]; /* a ring: `count` blocks from `oldest` */
    size_t oldest, count, bytes;
};

bool ku__fences_open(ku_heap *heap) {
    heap->fences = ku__pages_map(sizeof *heap->fences);
    return heap->fences != NULL;
}

void ku__fences_close(ku_heap *heap) {
    ku__pages_unmap(heap->fences, sizeof *heap->fences);
    heap->fences = NULL;
}

/* ---- telling ---- */

static const char *kind_text(ku_fault_kind kind) {
    switch (kind) {
    case KU_FAULT_UNDERRUN: return "bytes before the block were written";
    case KU_FAULT_OVERRUN: return "bytes after the block were written";
    case KU_FAULT_DOUBLE_FREE: return "the block was freed twice";
    case KU_FAULT_WRONG_HEAP: return "the block was freed through a heap that did not make it";
    case KU_FAULT_USE_AFTER_FREE: return "the block was written after it was freed";
    case KU_FAULT_FOREIGN: return "the address is not the start of a block of this library";
    }
    return "unknown fault";
}

static size_t add_place(char *text, size_t capacity, const char *what, const void *address) {
    if (address == NULL) {
        return 0;
    }
    Dl_info info;
    size_t room = capacity;
    int length;
    if (dladdr(address, &info) != 0 && info.dli_sname != NULL) {
        size_t offset = (size_t)((const char *)address - (const char *)info.dli_saddr);
        length = snprintf(text, room, "; %s at %s+0x%zx", what, info.dli_sname, offset);
    } else if (dladdr(address, &info) != 0 && info.dli_fname != NULL) {
        size_t offset = (size_t)((const char *)address - (const char *)info.dli_fbase);
        length = snprintf(text, room, "; %s at %s+0x%zx", what, info.dli_fname, offset);
    } else {
        length = snprintf(text, room, "; %s at %p", what, address);
    }
    return length > 0 ? (size_t)length : 0;
}

size_t ku_fault_describe(const ku_fault *fault, char *text, size_t capacity) {
    int length = snprintf(text, capacity, "kucha: heap \"%s\": %s (block %p of %zu bytes, byte %zu)", fault->heap_name,
                          kind_text(fault->kind), fault->block, fault->size, fault->offset);
    size_t total = length > 0 ? (size_t)length : 0;
    const struct {
        const char *what;
        const void *address;
    } places[] = {{"made", fault->allocated_at}, {"freed", fault->freed_at}, {"noticed", fault->noticed_at}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        size_t room = total < capacity ? capacity - total : 0;
        total += add_place(room != 0 ? text + total : NULL, room, places[i].what, places[i].address);
    }
    return total;
}

static void print_fault(const ku_fault *fault) {
    char text[600];
    size_t length = ku_fault_describe(fault, text, sizeof text - 1);
    length = length < sizeof text - 1 ? length : sizeof text - 2;
    text[length] = '\n';
    ssize_t written = write(STDERR_FILENO, text, length + 1);
    (void)written; /* nothing can be done where standard error is closed */
}

static void report(ku_heap *heap, ku_fault fault) {
    fault.heap_name = heap->name;
    fault.noticed_at = heap->caller;
    ku__fences *fences = heap->fences;
    if (fences->handler != NULL) {
        fences->handler(&fault, fences->argument);
    } else {
        print_fault(&fault);
    }
}

void ku_heap_set_fault_handler(ku_heap *heap, ku_fault_handler *handler, void *argument) {
    if (heap->fences != NULL) {
        heap->fences->handler = handler;
        heap->fences->argument = argument;
    }
}

/* ---- looking ---- */

static header *header_of(const void *payload) {
    return (header *)(uintptr_t)payload - 1;
}

static unsigned char *payload_of(const header *block) {
    return (unsigned char *)(uintptr_t)(block + 1);
}

/* The first byte of [at, at + bytes) that is not `fill`, or `bytes`. */
static size_t first_other(const unsigned char *at, size_t bytes, unsigned char fill) {
    size_t i = 0;
    while (i < bytes && at[i] == fill) {
        i++;
    }
    return i;
}

static ku_fault fault_of(ku_fault_kind kind, const header *block, size_t offset) {
    return (ku_fault){.kind = kind,
                      .block = payload_of(block),
                      .size = block->size,
                      .offset = offset,
                      .allocated_at = block->allocated_at};
}

/* Reports damage around a live block; true when it is whole. */
static bool guards_hold(ku_heap *heap, const header *block) {
    size_t before = sizeof block->guard;
    while (before > 0 && block->guard[before - 1] == FILL_GUARD) {
        before--;
    }
    if (before > 0) {
        report(heap, fault_of(KU_FAULT_UNDERRUN, block, sizeof block->guard - before + 1));
        return false;
    }
    size_t after = first_other(payload_of(block) + block->size, TAIL_BYTES, FILL_GUARD);
    if (after < TAIL_BYTES) {
        report(heap, fault_of(KU_FAULT_OVERRUN, block, after));
        return false;
    }
    return true;
}

static const void *freed_at(const ku__fences *fences, const header *block) {
    for (size_t i = 0; i < fences->count; i++) {
        size_t at = (fences->oldest + i) % QUARANTINE_BLOCKS;
        if (fences->quarantine[at].block == block) {
            return fences->quarantine[at].freed_at;
        }
    }
    return NULL;
}

/* Whether a small address is the payload of a block that its pool has given away. */
static bool is_small_payload(const void *payload) {
    const void *plain = header_of(payload);
    return ku__in_range(plain) && ku__small_is_taken(plain);
}

/* A small address in a heap that has no fences, and so no headers. */
static bool is_unfenced(const void *payload) {
    const ku_heap *owner = ku_heap_find(payload);
    return owner != NULL && owner->fences == NULL;
}

static bool has_header(const void *payload) {
    const header *block = header_of(payload);
    bool small = ku__in_range(payload);
    return ((uintptr_t)payload & (KU_CLASS_STEP - 1)) == 0 && (!small || is_small_payload(payload)) &&
           (block->mark == MARK_LIVE || block->mark == MARK_FREED);
}

/* Whether `payload` may be freed or resized through this heap; reports why not. */
static bool is_mine(ku_heap *heap, const void *payload) {
    const header *block = header_of(payload);
    ku_fault fault = {.block = payload};
    if (is_unfenced(payload)) {
        fault.kind = KU_FAULT_WRONG_HEAP;
    } else if (!has_header(payload)) {
        fault.kind = KU_FAULT_FOREIGN;
    } else if (block->mark == MARK_FREED) {
        fault = fault_of(KU_FAULT_DOUBLE_FREE, block, 0);
        fault.freed_at = freed_at(heap->fences, block);
    } else if (block->heap != heap->number) {
        fault = fault_of(KU_FAULT_WRONG_HEAP, block, 0);
    } else {
        return true;
    }
    report(heap, fault);
    return false;
}

typedef bool plain_finder(ku_heap *heap, const void *plain);

static bool is_registered(ku_heap *heap, const void *plain) {
    ku__block_facts facts;
    return ku__block_find(heap, plain, &facts);
}

static bool is_own_large(ku_heap *heap, const void *plain) {
    ku__large_entry entry;
    uint32_t *site;
    return ku__large_find(heap, plain, &entry, &site);
}

/* The plain block of a large one begins with its header, or as many bytes before the payload as its alignment. */
static bool has_large_plain(ku_heap *heap, const void *payload, plain_finder *find) {
    bool found = find(heap, header_of(payload));
    for (size_t before = LEAST_OFFSET; before <= ALIGNMENT_MAX && !found; before *= 2) {
        found = find(heap, (const char *)payload - before);
    }
    return found;
}

/* Of a wild address even the header may not be readable. */
static bool is_readable(ku_heap *heap, const void *payload) {
    if (ku__in_range(payload)) {
        return ku__process_tables.class_map[ku__pool_number(payload)] != 0;
    }
    return has_large_plain(heap, payload, is_registered);
}

bool ku__fence_owns_large(ku_heap *heap, const void *payload) {
    return has_large_plain(heap, payload, is_own_large);
}

void **ku__fence_return_link(void *payload) {
    return &header_of(payload)->next_return;
}

bool ku__fence_note_return(void *payload) {
    return atomic_fetch_add_explicit(&header_of(payload)->returns, 1, memory_order_relaxed) == 0;
}

void ku__fence_take_return(ku_heap *heap, void *payload) {
    uint32_t returns = 1;
    if (is_readable(heap, payload) && has_header(payload)) {
        returns = atomic_exchange_explicit(&header_of(payload)->returns, 0, memory_order_relaxed);
    }
    ku__fence_free(heap, payload);
    if (returns > 1) {
        ku__fence_free(heap, payload); /* as often as the handler is to hear of it: once */
    }
}

/* ---- quarantine ---- */

static void release_oldest(ku_heap *heap) {
    ku__fences *fences = heap->fences;
    header *block = fences->quarantine[fences->oldest].block;
    const void *place = fences->quarantine[fences->oldest].freed_at;
    fences->oldest = (fences->oldest + 1) % QUARANTINE_BLOCKS;
    fences->count--;
    fences->bytes -= block->size;
    size_t damaged = first_other(payload_of(block), block->size, FILL_FREED);
    if (damaged < block->size) {
        ku_fault fault = fault_of(KU_FAULT_USE_AFTER_FREE, block, damaged);
        fault.freed_at = place;
        report(heap, fault);
        return; /* somebody still writes there: the block stays out of use */
    }
    void *plain = block->plain;
    block->mark = 0;
    ku__plain_free(heap, plain);
}

static void quarantine(ku_heap *heap, header *block) {
    ku__fences *fences = heap->fences;
    while (fences->count == QUARANTINE_BLOCKS ||
           (fences->count > 0 && fences->bytes + block->size > QUARANTINE_BYTES)) {
        release_oldest(heap);
    }
    size_t at = (fences->oldest + fences->count) % QUARANTINE_BLOCKS;
    fences->quarantine[at].block = block;
    fences->quarantine[at].freed_at = heap->caller;
    fences->count++;
    fences->bytes += block->size;
}

/* ---- blocks ---- */

static void *refuse_size(ku_heap *heap) {
    heap->last_refusal = KU_INVALID;
    return NULL;
}

/* Fences a block whose header is to lie at `block`, inside the plain block. */
static void *fence(ku_heap *heap, void *plain, header *block, size_t size) {
    *block = (header){
        .mark = MARK_LIVE, .size = size, .plain = plain, .allocated_at = heap->caller, .heap = (uint16_t)heap->number};
    memset(block->guard, FILL_GUARD, sizeof block->guard);
    memset(payload_of(block), FILL_NEW, size);
    memset(payload_of(block) + size, FILL_GUARD, TAIL_BYTES);
    return payload_of(block);
}

void *ku__fence_malloc(ku_heap *heap, size_t size) {
    size_t extra = sizeof(header) + TAIL_BYTES;
    if (size > PTRDIFF_MAX - extra) {
        return refuse_size(heap);
    }
    void *plain = ku__plain_malloc(heap, size + extra);
    return plain != NULL ? fence(heap, plain, plain, size) : NULL;
}

void *ku__fence_aligned_alloc(ku_heap *heap, size_t alignment, size_t size) {
    size_t offset = alignment > LEAST_OFFSET ? alignment : LEAST_OFFSET;
    if (size > PTRDIFF_MAX - offset - TAIL_BYTES) {
        return refuse_size(heap);
    }
    char *plain = ku__large_malloc(heap, alignment, offset + size + TAIL_BYTES, false);
    if (plain == NULL) {
        return NULL;
    }
    header *block = (header *)(void *)(plain + offset) - 1;
    memcpy(plain, &block, sizeof block); /* walks find the header from the start of the plain block */
    return fence(heap, plain, block, size);
}

ku__freed ku__fence_free(ku_heap *heap, void *payload) {
    if (!is_readable(heap, payload)) {
        return KU__FOREIGN;
    }
    if (!is_mine(heap, payload)) {
        return KU__FREED; /* reported; the block is left alone */
    }
    header *block = header_of(payload);
    if (guards_hold(heap, block)) {
        block->mark = MARK_FREED;
        memset(payload, FILL_FREED, block->size);
        quarantine(heap, block);
    }
    return KU__FREED;
}

void *ku__fence_resize(ku_heap *heap, void *payload, size_t size, bool *foreign) {
    *foreign = !is_readable(heap, payload);
    if (*foreign || !is_mine(heap, payload)) {
        return NULL;
    }
    void *moved = ku__fence_malloc(heap, size);
    if (moved != NULL) {
        size_t old_size = header_of(payload)->size;
        memcpy(moved, payload, old_size < size ? old_size : size);
        ku__fence_free(heap, payload);
    }
    return moved;
}

size_t ku__fence_usable_size(ku_heap *heap, const void *payload) {
    bool live = is_readable(heap, payload) && !is_unfenced(payload) && has_header(payload) &&
                header_of(payload)->mark == MARK_LIVE && header_of(payload)->heap == heap->number;
    return live ? header_of(payload)->size : 0;
}

void *ku__fence_payload(void *plain, size_t *size) {
    header *block = plain;
    if (block->mark != MARK_LIVE && block->mark != MARK_FREED) {
        memcpy(&block, plain, sizeof block); /* a header that was moved up */
    }
    *size = block->size;
    return block->mark == MARK_LIVE ? payload_of(block) : NULL;
}

/* ---- checking all ---- */

typedef struct check {
    ku_heap *heap;
    size_t faults;
} check;

static bool check_block(const ku_block *block, void *argument) {
    check *run = argument;
    run->faults += !guards_hold(run->heap, header_of(block->address));
    return true;
}

size_t ku_heap_check_fences(ku_heap *heap) {
    if (heap->fences == NULL) {
        return 0;
    }
    heap->caller = __builtin_extract_return_addr(__builtin_return_address(0));
    check run = {.heap = heap};
    ku_heap_walk(heap, check_block, &run);
    ku__fences *fences = heap->fences;
    for (size_t i = 0; i < fences->count; i++) {
        size_t at = (fences->oldest + i) % QUARANTINE_BLOCKS;
        const header *block = fences->quarantine[at].block;
        size_t damaged = first_other(payload_of(block), block->size, FILL_FREED);
        if (damaged < block->size) {
            ku_fault fault = fault_of(KU_FAULT_USE_AFTER_FREE, block, damaged);
            fault.freed_at = fences->quarantine[at].freed_at;
            report(heap, fault);
            run.faults++;
        }
    }
    return run.faults;
}
