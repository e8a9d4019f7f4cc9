/* watch.c: see watch.h. */
#include "cpython/watch.h"

#include "alloc/large.h"
#include "alloc/tables.h"
#include "cpython/counted.h"
#include "os/pages.h"

enum {
    UNIT_BITS = 4, /* blocks lie at multiples of 16 bytes */
    WORD = 64,
    HEADER = 16, /* of the collector; as much again where a type has more in front */
    OTHERS_LEAST = 1 << 12,
    OTHERS_MOST = 1 << 22, /* places, 32 MiB: after two million large blocks freed, all of them count as freed */
};

static struct {
    bool on, blind;
    uintptr_t base;
    size_t span;
    uint64_t *bits;
    size_t bits_bytes;
    uintptr_t *others; /* open addressing; 0 is empty */
    size_t others_mask, others_count;
    bool others_blind;
} watch;

/* ---- the table ---- */

/* The block's place, or the empty one where it would lie: Fibonacci hashing (Knuth, volume 3, 6.4). */
static uintptr_t *place_of(uintptr_t block) {
    size_t at = (size_t)((block * UINT64_C(0x9E3779B97F4A7C15)) >> 20);
    for (;; at++) {
        uintptr_t *place = &watch.others[at & watch.others_mask];
        if (*place == 0 || *place == block) {
            return place;
        }
    }
}

static size_t others_bytes(void) {
    return (watch.others_mask + 1) * sizeof *watch.others;
}

static bool grow(void) {
    uintptr_t *old = watch.others;
    size_t bytes = others_bytes(), places = bytes / sizeof *old;
    uintptr_t *table = places < OTHERS_MOST ? ku__pages_map(bytes * 2) : NULL;
    if (table == NULL) {
        return false;
    }
    watch.others = table;
    watch.others_mask = places * 2 - 1;
    for (size_t i = 0; i < places; i++) {
        if (old[i] != 0) {
            *place_of(old[i]) = old[i];
        }
    }
    ku__pages_unmap(old, bytes);
    return true;
}

static KU__COLD void note_other(uintptr_t block) {
    if (watch.others_blind || block == 0) {
        return;
    }
    if (watch.others_count * 2 > watch.others_mask && !grow()) {
        watch.others_blind = true;
        return;
    }
    uintptr_t *place = place_of(block);
    watch.others_count += *place == 0;
    *place = block;
}

static inline void note(const void *block) {
    uintptr_t offset = (uintptr_t)block - watch.base;
    if (KU__LIKELY(offset < watch.span)) {
        offset >>= UNIT_BITS;
        watch.bits[offset / WORD] |= (uint64_t)1 << (offset % WORD);
    } else if (watch.on && !ku__in_range(block)) {
        note_other((uintptr_t)block);
    }
}

void ku__watch_note(const void *block) {
    note(block);
}

/* ---- entry points ---- */

/* The set behind; read at every call, because others come and go meanwhile. */
static inline const ku__entry_set *behind(void) {
    return ku__bridge_state.counted ? &ku__entries_counted : ku__bridge_state.behind;
}

static void *watched_malloc(void *ctx, size_t size) {
    return behind()->malloc(ctx, size);
}

static void *watched_calloc(void *ctx, size_t count, size_t size) {
    return behind()->calloc(ctx, count, size);
}

/* A block that stays where it is may hold something else all the same. */
static void *watched_realloc(void *ctx, void *block, size_t size) {
    note(block);
    return behind()->realloc(ctx, block, size);
}

static void watched_free(void *ctx, void *block) {
    note(block);
    behind()->free(ctx, block);
}

const ku__entry_set ku__entries_watched = {watched_malloc, watched_calloc, watched_realloc, watched_free};

/* ---- beginning and end ---- */

static void release(void) {
    ku__pages_unmap(watch.bits, watch.bits_bytes);
    if (watch.others != NULL) {
        ku__pages_unmap(watch.others, others_bytes());
    }
    watch.on = watch.blind = watch.others_blind = false;
    watch.span = watch.others_count = 0;
    watch.bits = NULL;
    watch.others = NULL;
}

bool ku__watch_begin(uintptr_t base, size_t span) {
    if (watch.on) {
        return false;
    }
    watch.bits_bytes = (span >> (UNIT_BITS + 3)) + sizeof(uint64_t);
    watch.bits = ku__pages_map(watch.bits_bytes);
    watch.others_mask = OTHERS_LEAST - 1;
    watch.others = ku__pages_map(others_bytes());
    if (watch.bits == NULL || watch.others == NULL || !ku__bridge_watch(true)) {
        release();
        return false;
    }
    watch.base = base;
    watch.span = span;
    watch.on = true;
    return true;
}

void ku__watch_end(void) {
    if (watch.on) {
        watch.span = 0;
        ku__bridge_watch(false);
        release();
    }
}

void ku__watch_blind(void) {
    watch.blind = true;
}

static bool bit_of(uintptr_t offset) {
    offset >>= UNIT_BITS;
    return (watch.bits[offset / WORD] >> (offset % WORD) & 1) != 0;
}

static bool is_noted(uintptr_t block) {
    return *place_of(block) != 0;
}

static bool is_large(uintptr_t block) {
    ku__large_entry entry;
    uint32_t *site;
    return ku__large_find(ku__bridge_state.main_house->objects, (const void *)block, &entry, &site);
}

bool ku__watch_freed(const void *item) {
    uintptr_t block = (uintptr_t)item - HEADER, offset = block - watch.base;
    if (!watch.on || watch.blind) {
        return true;
    }
    if (offset < watch.span) {
        return bit_of(offset) || (offset >= HEADER && bit_of(offset - HEADER));
    }
    /* Where one of the two began and was freed, the other may begin by now. */
    bool noted = watch.others_blind || is_noted(block) || is_noted(block - HEADER);
    return noted || !(is_large(block) || is_large(block - HEADER));
}
