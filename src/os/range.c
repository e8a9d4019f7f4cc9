/* range.c: see range.h. */
#include "os/range.h"

#include "os/pages.h"

/* ThreadSanitizer ends a program that maps memory outside of the few regions that it knows. */
#if defined(__SANITIZE_THREAD__)
#define ONLY_RESERVE true
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ONLY_RESERVE true
#endif
#endif
#ifndef ONLY_RESERVE
#define ONLY_RESERVE false
#endif

/* Windows are looked for here: far above where programs are loaded, far below where the system maps downwards from
 * the stack, and clear of AddressSanitizer's shadow (which ends at 0x10007fff8000) and of its own allocator
 * (0x500000000000). The second is for systems with 39 bits of addresses. */
static const struct {
    uintptr_t low;
    uintptr_t high;
} windows[] = {
    {0x200000000000, 0x400000000000},
    {0x2000000000, 0x6000000000},
};

/* As many random bits as the system gave to the address of one fresh page. */
static uintptr_t entropy(void) {
    void *page = ku__pages_map(ku__page_size());
    uintptr_t bits = (uintptr_t)page / ku__page_size();
    ku__pages_unmap(page, ku__page_size());
    return bits * (uintptr_t)0x9E3779B97F4A7C15u; /* Fibonacci hashing spreads the low bits upwards */
}

static bool claimable(uintptr_t base, size_t bytes) {
    size_t page = ku__page_size();
    uintptr_t probes[] = {base, base + bytes - page};
    for (int i = 0; i < 2; i++) {
        if (!ku__pages_claim((void *)probes[i], page)) {
            return false;
        }
        ku__pages_unmap((void *)probes[i], page);
    }
    return true;
}

static bool find_unreserved(ku__range *range, size_t arenas_bytes, size_t alignment,
                            size_t (*tables_for)(size_t arenas_bytes)) {
    size_t whole = arenas_bytes + tables_for(arenas_bytes);
    uintptr_t random = entropy();
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        if (windows[i].high - windows[i].low < whole + alignment) {
            continue;
        }
        uintptr_t places = (windows[i].high - windows[i].low - whole) / alignment;
        uintptr_t base = windows[i].low + (random >> 20) % places * alignment;
        if (claimable(base, whole)) {
            *range = (ku__range){base, arenas_bytes, whole - arenas_bytes, false};
            return true;
        }
    }
    return false;
}

bool ku__range_find(ku__range *range, size_t arenas_bytes, size_t least, size_t alignment,
                    size_t (*tables_for)(size_t arenas_bytes)) {
    if (!ONLY_RESERVE && find_unreserved(range, arenas_bytes, alignment, tables_for)) {
        return true;
    }
    for (size_t bytes = arenas_bytes; bytes >= least; bytes /= 2) {
        size_t tables = tables_for(bytes);
        /* under a small limit the slack for a generous alignment may be what does not fit */
        size_t multiple = alignment < bytes ? alignment : bytes;
        char *p = ku__pages_reserve(bytes + tables + multiple);
        if (p != NULL) {
            char *base = (char *)(((uintptr_t)p + multiple - 1) & ~(uintptr_t)(multiple - 1));
            size_t before = (size_t)(base - p);
            if (before != 0) {
                ku__pages_unmap(p, before);
            }
            if (before != multiple) {
                ku__pages_unmap(base + bytes + tables, multiple - before);
            }
            *range = (ku__range){(uintptr_t)base, bytes, tables, true};
            return true;
        }
    }
    return false;
}

void ku__range_drop(ku__range *range) {
    if (range->reserved) {
        ku__pages_unmap((void *)range->base, range->arenas_bytes + range->tables_bytes);
    }
    *range = (ku__range){0};
}

bool ku__range_take(const ku__range *range, void *address, size_t bytes) {
    return range->reserved ? ku__pages_commit(address, bytes) : ku__pages_claim(address, bytes);
}

void ku__range_give(const ku__range *range, void *address, size_t bytes) {
    if (range->reserved) {
        ku__pages_decommit(address, bytes);
    } else {
        ku__pages_unmap(address, bytes);
    }
}
