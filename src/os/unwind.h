/* unwind.h: the return addresses on the calling thread's C stack.
 *
 * Three ways, each of which some programs cannot use:
 *
 *     KU__UNWIND_LIBUNWIND   libunwind's unw_backtrace(), by tables of call frames that every compiler writes, which it
 *                            remembers by address: tens of ns a frame. Loaded when first asked for; nothing is linked.
 *     KU__UNWIND_LIBC        backtrace(3), by the same tables through the compiler's own run-time library: about ten
 *                            times as slow, and always there
 *     KU__UNWIND_FRAMES      the chain of frame pointers, some ns a frame. Only for a program that was compiled with
 *                            -fno-omit-frame-pointer; of another it finds little. Each step is checked to go up, on
 *                            this thread's stack, so that a register that holds something else ends the walk, no more.
 *
 * Any thread may call. None of them takes memory from a heap of this library. Sources: unw_backtrace(3), backtrace(3);
 * the System V ABI for AMD64, 3.2.2, and the Procedure Call Standard for AArch64, 6.4.6, for frame records.
 */
#ifndef KU__UNWIND_H
#define KU__UNWIND_H

#include <stdbool.h>

typedef enum ku__unwind_kind {
    KU__UNWIND_ANY, /* libunwind where it can be loaded, else libc's */
    KU__UNWIND_LIBUNWIND,
    KU__UNWIND_LIBC,
    KU__UNWIND_FRAMES,
} ku__unwind_kind;

/* Loads what a kind needs. Answers the kind to be used, which is not KU__UNWIND_ANY; false where it cannot be had. */
bool ku__unwind_open(ku__unwind_kind kind, ku__unwind_kind *found);

/* Fills up to `capacity` return addresses, innermost first, and returns how many there are. The first few are those of
 * this library's own calls, the caller's first. `frame` is where KU__UNWIND_FRAMES starts: the frame address
 * of a function that keeps a frame record. */
unsigned ku__unwind(ku__unwind_kind kind, const void *frame, void **addresses, unsigned capacity);

#endif
