/* error.h: the one error type of the C library.
 *
 * A function that can fail takes a `ku_error *` as its last argument, or returns a `ku_code`. The caller owns the
 * structure; NULL means that the caller does not want the text. The message says what happened and what to do, in one
 * sentence, and is always terminated. Nothing in the library aborts or prints because memory ran out.
 */
#ifndef KUCHA_ERROR_H
#define KUCHA_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define KU_API __attribute__((visibility("default")))
#else
#define KU_API
#endif

typedef enum ku_code {
    KU_OK = 0,
    KU_NO_MEMORY, /* the system refused memory */
    KU_LIMIT,     /* the heap's own limit refused memory */
    KU_INVALID,   /* an argument is out of its range */
    KU_CORRUPT,   /* a block, a file or a structure does not hold what it must */
    KU_IO,        /* a file could not be read or written; `os_error` has errno */
    KU_STATE,     /* the call does not fit the state: already running, not started, closed */
    /* what a process that is looked at can do wrong */
    KU_GONE,   /* the process does not exist, or no longer */
    KU_ZOMBIE, /* the process has ended, its parent has not yet asked how, and nothing else is left of it */
    KU_DENIED, /* the system does not let this user do it */
    /* what a program's own values can do wrong; ku_code_exception() has the name that Python gives each */
    KU_TYPE,          /* an object is not of a type that the operation takes */
    KU_ATTRIBUTE,     /* no such attribute, or it cannot be set */
    KU_NAME,          /* no such name */
    KU_KEY,           /* no such key */
    KU_INDEX,         /* outside of a sequence */
    KU_VALUE,         /* the right type, but not a value that the operation takes */
    KU_OVERFLOW,      /* a number does not fit */
    KU_ZERO_DIVISION, /* division by zero */
    KU_RECURSION,     /* nested too deep */
    KU_REFERENCE,     /* a proxy whose referent is gone */
    KU_RUNTIME,       /* none of the above: a container changed while it was walked, ... */
    KU_RAISED,        /* raised by the program itself; the value that comes with it says more */
} ku_code;

typedef struct ku_error {
    ku_code code;
    int os_error; /* errno where the system said no, else 0 */
    char message[240];
} ku_error;

/* The name of a code, such as "KU_LIMIT"; static storage. */
KU_API const char *ku_code_name(ku_code code);

/* The exception that Python raises where this library says `code`, such as "TypeError"; static storage. */
KU_API const char *ku_code_exception(ku_code code);

#ifdef __cplusplus
}
#endif

#endif
