/* line_resident.c: see line_resident.h. */
#include "cpython/line_resident.h"

#include "os/clock.h"
#include "os/proc.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

enum { STATM_CAPACITY = 256 }; /* seven numbers of at most 20 digits */

static ku__kept statm = {.descriptor = -1};
static bool watches_forks;

/* ---- one reading ---- */

/* The child's descriptor would go on about its parent. */
static void forget_in_child(void) {
    ku__proc_drop(&statm);
    statm.descriptor = -1;
}

static void watch_forks(void) {
    if (!watches_forks) {
        watches_forks = pthread_atfork(NULL, NULL, forget_in_child) == 0;
    }
}

static const char *number(const char *at, uint64_t *value) {
    const char *begin = at;
    *value = 0;
    while (*at >= '0' && *at <= '9') {
        *value = *value * 10 + (uint64_t)(*at++ - '0');
    }
    return at == begin ? NULL : at;
}

/* "size resident shared text lib data dirty\n"; -1 for any other text, which a foreign file may have. */
static int64_t resident_pages(const char *text) {
    uint64_t value, resident = 0;
    for (int i = 0; i < 7; i++) {
        text = number(text, &value);
        if (text == NULL || *text++ != (i == 6 ? '\n' : ' ')) {
            return -1;
        }
        resident = i == 1 ? value : resident;
    }
    return (int64_t)resident;
}

static int64_t read_kept(void) {
    char text[STATM_CAPACITY];
    if (statm.descriptor < 0 || ku__proc_read(statm.descriptor, text, sizeof text) <= 0) {
        return -1;
    }
    return resident_pages(text);
}

/* By a new descriptor, which is kept if there is room. */
static int64_t read_anew(void) {
    char text[STATM_CAPACITY];
    ku__proc_drop(&statm);
    statm.descriptor = -1;
    int descriptor = ku__proc_open(NULL, (int)getpid(), "statm");
    if (descriptor < 0) {
        return -1;
    }
    int64_t pages = ku__proc_read(descriptor, text, sizeof text) > 0 ? resident_pages(text) : -1;
    watch_forks();
    if (!watches_forks || !ku__proc_keep(&statm, descriptor)) {
        ku__proc_close(descriptor);
    }
    return pages;
}

int64_t ku__resident_read(void) {
    static int64_t page;
    if (page == 0) {
        page = sysconf(_SC_PAGESIZE);
    }
    int64_t pages = read_kept();
    if (pages < 0) {
        pages = read_anew();
    }
    return pages < 0 ? -1 : pages * page;
}

/* ---- ticks: the processor's own counter, because the question comes at every line ---- */

static inline uint64_t ticks(void) {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t count;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
    return count;
#else
    return ku__clock_nanoseconds();
#endif
}

static struct {
    uint64_t ticks, nanoseconds; /* the beginning */
    uint64_t step, age;          /* KU__RESIDENT_STEP and _AGE in ticks; 0 while not known */
} calibration;

enum { CALIBRATED_AFTER = 1000000 }; /* ns; a clock that is 25 ns off is then right to one in 40,000 */

static void calibrate(uint64_t now) {
    uint64_t clock = ku__clock_nanoseconds();
    if (calibration.nanoseconds == 0) {
        calibration.ticks = now;
        calibration.nanoseconds = clock;
    } else if (clock - calibration.nanoseconds >= CALIBRATED_AFTER) {
        double rate = (double)(now - calibration.ticks) / (double)(clock - calibration.nanoseconds);
        calibration.step = (uint64_t)(rate * KU__RESIDENT_STEP) + 1;
        calibration.age = (uint64_t)(rate * KU__RESIDENT_AGE) + 1;
    }
}

/* ---- asking ---- */

static int64_t read_and_note(ku__resident *resident, int64_t movement) {
    int64_t bytes = ku__resident_read();
    resident->bytes = bytes < 0 ? resident->bytes : bytes;
    resident->movement = movement;
    resident->read_at = resident->seen_at = ticks(); /* the reading itself is no line's time */
    return resident->bytes;
}

int64_t ku__resident_ask(ku__resident *resident, ku__resident_when when, const ku__counts *counts) {
    if (when == KU__RESIDENT_OFF) {
        return 0;
    }
    int64_t movement = counts->allocated + counts->freed;
    if (when == KU__RESIDENT_EVERY) {
        return read_and_note(resident, movement);
    }
    uint64_t now = ticks();
    if (KU__UNLIKELY(calibration.step == 0)) {
        calibrate(now);
        return read_and_note(resident, movement);
    }
    bool moved = movement - resident->movement >= KU__RESIDENT_MOVEMENT || now - resident->seen_at > calibration.step ||
                 now - resident->read_at > calibration.age;
    resident->seen_at = now;
    return moved ? read_and_note(resident, movement) : resident->bytes;
}
