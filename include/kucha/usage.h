/* usage.h: what a process has used: the fields of getrusage(2), by name, with what each means on this system.
 *
 * Any thread may call; nothing is allocated. Sources: getrusage(2), kernel/sys.c (getrusage) of Linux 6.18.
 */
#ifndef KUCHA_USAGE_H
#define KUCHA_USAGE_H

#include <kucha/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Linux never sets the fields that are marked "0". They are there because other systems do. */
typedef struct ku_usage {
    double utime;     /* seconds of CPU time in the program */
    double stime;     /* seconds of CPU time in the system */
    int64_t maxrss;   /* KiB: the most that was in memory; of children, the largest child's */
    int64_t ixrss;    /* 0: shared text */
    int64_t idrss;    /* 0: data */
    int64_t isrss;    /* 0: stack */
    int64_t minflt;   /* page faults that needed no disk */
    int64_t majflt;   /* page faults that read from a disk */
    int64_t nswap;    /* 0: times swapped out whole */
    int64_t inblock;  /* blocks of 512 bytes read from disks */
    int64_t oublock;  /* blocks of 512 bytes written to disks */
    int64_t msgsnd;   /* 0: messages sent */
    int64_t msgrcv;   /* 0: messages received */
    int64_t nsignals; /* 0: signals received */
    int64_t nvcsw;    /* times it waited for something */
    int64_t nivcsw;   /* times the system took the processor away */
} ku_usage;

typedef enum ku_usage_of {
    KU_USAGE_SELF = 0,      /* all threads of the process */
    KU_USAGE_CHILDREN = -1, /* children that have ended and were waited for, and theirs */
    KU_USAGE_THREAD = 1,    /* the calling thread */
} ku_usage_of;

/* KU_INVALID when `of` is none of the three. */
KU_API ku_code ku_usage_read(int of, ku_usage *usage, ku_error *error);

typedef struct ku_usage_field {
    const char *name;    /* such as "maxrss" */
    const char *unit;    /* "s", "KiB", "blocks of 512 bytes" or "" for a plain count */
    const char *meaning; /* in a sentence */
    bool is_seconds;     /* a double in the structure, else an int64_t */
    bool always_zero;    /* this system never sets it */
    size_t offset;       /* where it lies in ku_usage */
} ku_usage_field;

/* The fields in the order of the structure; static storage. */
KU_API const ku_usage_field *ku_usage_fields(size_t *count);

/* Bytes of a page of memory. */
KU_API size_t ku_usage_page_size(void);

#ifdef __cplusplus
}
#endif

#endif
