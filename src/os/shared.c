/* shared.c: memory that processes share, and waiting in it. See shared.h. */
#include "os/shared.h"

#include "os/pages.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void *ku__shared_map(size_t bytes) {
#ifdef KU_CHECKING
    if (ku__pages_refused()) {
        return NULL;
    }
#endif
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return pages != MAP_FAILED ? pages : NULL;
}

/* FUTEX_WAIT_BITSET takes a point of time on the monotonic clock; FUTEX_WAIT would take a length. */
void ku__shared_wait(_Atomic uint32_t *word, uint32_t value, uint64_t deadline) {
    struct timespec when = {.tv_sec = (time_t)(deadline / 1000000000u), .tv_nsec = (long)(deadline % 1000000000u)};
    const struct timespec *until = deadline != UINT64_MAX ? &when : NULL;
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET, value, until, NULL, FUTEX_BITSET_MATCH_ANY);
}

void ku__shared_wake(_Atomic uint32_t *word) {
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
