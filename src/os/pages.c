/* pages.c: see pages.h. */
#define _GNU_SOURCE
#include "os/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#if defined(__linux__) && !defined(MADV_POPULATE_WRITE)
#define MADV_POPULATE_WRITE 23
#endif
#if defined(__linux__) && !defined(MADV_COLLAPSE)
#define MADV_COLLAPSE 25
#endif

#define COMMON_FLAGS (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

#ifdef KU_CHECKING
static _Atomic size_t fail_at;
static _Atomic size_t requests;

size_t ku__pages_fail_at(size_t countdown) {
    atomic_store(&fail_at, countdown);
    return atomic_exchange(&requests, 0);
}

bool ku__pages_refused(void) {
    size_t number = atomic_fetch_add(&requests, 1) + 1;
    bool now = number == atomic_load(&fail_at);
    errno = now ? ENOMEM : errno;
    return now;
}

static bool refused(void) {
    return ku__pages_refused();
}
#else
static bool refused(void) {
    return false;
}
#endif

size_t ku__page_size(void) {
    static _Atomic size_t known;
    size_t size = atomic_load_explicit(&known, memory_order_relaxed);
    if (size == 0) {
        size = (size_t)sysconf(_SC_PAGESIZE);
        atomic_store_explicit(&known, size, memory_order_relaxed);
    }
    return size;
}

size_t ku__memory_physical(void) {
    long pages = sysconf(_SC_PHYS_PAGES);
    return pages > 0 ? (size_t)pages * ku__page_size() : SIZE_MAX;
}

static size_t whole_pages(size_t bytes) {
    size_t mask = ku__page_size() - 1;
    return (bytes + mask) & ~mask;
}

void *ku__pages_map(size_t bytes) {
    if (refused()) {
        return NULL;
    }
    void *p = mmap(NULL, whole_pages(bytes), PROT_READ | PROT_WRITE, COMMON_FLAGS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

void *ku__pages_resize(void *address, size_t old_bytes, size_t new_bytes) {
    if (refused()) {
        return NULL;
    }
    void *p = mremap(address, whole_pages(old_bytes), whole_pages(new_bytes), MREMAP_MAYMOVE);
    return p == MAP_FAILED ? NULL : p;
}

void ku__pages_unmap(void *address, size_t bytes) {
    if (address != NULL) {
        munmap(address, whole_pages(bytes));
    }
}

bool ku__pages_claim(void *address, size_t bytes) {
    if (refused()) {
        return false;
    }
    void *p = mmap(address, bytes, PROT_READ | PROT_WRITE, COMMON_FLAGS | MAP_FIXED_NOREPLACE, -1, 0);
    if (p == address) {
        return true;
    }
    if (p != MAP_FAILED) { /* an old kernel took the address as a hint */
        munmap(p, bytes);
        errno = EEXIST;
    }
    return false;
}

void *ku__pages_reserve(size_t bytes) {
    if (refused()) {
        return NULL;
    }
    void *p = mmap(NULL, bytes, PROT_NONE, COMMON_FLAGS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

bool ku__pages_commit(void *address, size_t bytes) {
    return !refused() && mprotect(address, bytes, PROT_READ | PROT_WRITE) == 0;
}

void ku__pages_decommit(void *address, size_t bytes) {
    /* mapped afresh, so that the memory goes back at once and the pages read as zero when they are committed again */
    (void)mmap(address, bytes, PROT_NONE, COMMON_FLAGS | MAP_FIXED, -1, 0);
}

void ku__pages_discard(void *address, size_t bytes) {
    size_t mask = ku__page_size() - 1;
    uintptr_t first = ((uintptr_t)address + mask) & ~mask;
    uintptr_t end = ((uintptr_t)address + bytes) & ~mask;
    if (first < end) {
        madvise((void *)first, end - first, MADV_DONTNEED);
    }
}

void ku__pages_advise_huge(void *address, size_t bytes) {
#ifdef MADV_HUGEPAGE
    madvise(address, bytes, MADV_HUGEPAGE);
#else
    (void)address;
    (void)bytes;
#endif
}

void ku__pages_advise_small(void *address, size_t bytes) {
#ifdef MADV_NOHUGEPAGE
    madvise(address, bytes, MADV_NOHUGEPAGE);
#else
    (void)address;
    (void)bytes;
#endif
}

#ifdef MADV_COLLAPSE
/* Whether the administrator switched huge pages off; the kernel does not ask for that here. */
static bool is_never(void) {
    char text[64] = "";
    int file = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC);
    ssize_t got = file >= 0 ? read(file, text, sizeof text - 1) : 0;
    if (file >= 0) {
        close(file);
    }
    return got <= 0 || strstr(text, "[never]") != NULL;
}
#endif

bool ku__pages_gather(void *address, size_t bytes) {
#ifdef MADV_COLLAPSE
    return !is_never() && madvise(address, bytes, MADV_COLLAPSE) == 0;
#else
    (void)address;
    (void)bytes;
    return false;
#endif
}

bool ku__pages_populate(void *address, size_t bytes) {
#ifdef MADV_POPULATE_WRITE
    uintptr_t mask = ku__page_size() - 1;
    uintptr_t first = (uintptr_t)address & ~mask;
    return madvise((void *)first, whole_pages((uintptr_t)address + bytes - first), MADV_POPULATE_WRITE) == 0;
#else
    (void)address;
    (void)bytes;
    return false;
#endif
}

size_t ku__pages_resident(void *address, size_t bytes) {
    enum { BATCH = 1024 };
    unsigned char there[BATCH];
    size_t page = ku__page_size(), total = 0;
    char *at = address, *end = at + bytes;
    while (at < end) {
        size_t pages = (size_t)(end - at) / page;
        pages = pages < BATCH ? pages : BATCH;
        if (pages == 0 || mincore(at, pages * page, there) != 0) {
            break;
        }
        for (size_t i = 0; i < pages; i++) {
            total += (there[i] & 1) ? page : 0;
        }
        at += pages * page;
    }
    return total;
}
