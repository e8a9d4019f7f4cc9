/* unwind.c: see unwind.h. */
#include "os/unwind.h"

#include "os/stack.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

typedef int backtrace_function(void **addresses, int capacity);

static backtrace_function *unw_backtrace; /* NULL: not looked for, or not there */

static void load_libunwind(void) {
    void *library = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
    if (library != NULL) {
        void *found = dlsym(library, "unw_backtrace");
        __builtin_memcpy(&unw_backtrace, &found, sizeof found); /* ISO C has no cast from an object to a function */
    }
}

static bool have_libunwind(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load_libunwind);
    return unw_backtrace != NULL;
}

/* The first call loads the compiler's run-time library, which takes memory and a lock: not in the middle of a
 * malloc. */
static bool have_libc(void) {
    void *address;
    return backtrace(&address, 1) == 1;
}

bool ku__unwind_open(ku__unwind_kind kind, ku__unwind_kind *found) {
    *found = kind;
    switch (kind) {
    case KU__UNWIND_ANY:
        *found = have_libunwind() ? KU__UNWIND_LIBUNWIND : KU__UNWIND_LIBC;
        return *found == KU__UNWIND_LIBUNWIND || have_libc();
    case KU__UNWIND_LIBUNWIND: return have_libunwind();
    case KU__UNWIND_LIBC: return have_libc();
    case KU__UNWIND_FRAMES: return true;
    }
    return false;
}

/* A frame record: where the caller's lies, and where the call returns to. */
typedef struct record {
    const struct record *outer;
    void *returns_to;
} record;

/* How far apart two frame records may lie: larger frames are arrays on the stack, and rare. */
enum { FRAME_MOST = 1 << 20 };

static bool is_above(const record *outer, const record *inner) {
    uintptr_t distance = (uintptr_t)outer - (uintptr_t)inner;
    return (uintptr_t)outer % sizeof(void *) == 0 && distance >= sizeof *outer && distance <= FRAME_MOST;
}

/* What a register holds that is no frame record may point between variables, where AddressSanitizer wants nobody to
 * read. */
#if defined(__clang__) || defined(__GNUC__)
#define READS_ANYWHERE __attribute__((no_sanitize("address")))
#else
#define READS_ANYWHERE
#endif

/* The end of the stack is the first page that is not there: a record that would lie in it was none. So every record's
 * address is compared with the stack's end before it is read. */
READS_ANYWHERE static unsigned walk(const record *frame, void **addresses, unsigned capacity) {
    uintptr_t end = ku__stack_end();
    unsigned count = 0;
    while (count < capacity && (uintptr_t)frame <= end - sizeof *frame && frame->returns_to != NULL) {
        addresses[count++] = frame->returns_to;
        if (!is_above(frame->outer, frame)) {
            break;
        }
        frame = frame->outer;
    }
    return count;
}

unsigned ku__unwind(ku__unwind_kind kind, const void *frame, void **addresses, unsigned capacity) {
    if (kind == KU__UNWIND_FRAMES) {
        return frame != NULL ? walk(frame, addresses, capacity) : 0;
    }
    int count =
        kind == KU__UNWIND_LIBUNWIND ? unw_backtrace(addresses, (int)capacity) : backtrace(addresses, (int)capacity);
    return count > 0 ? (unsigned)count : 0;
}
