/* living.h: the memory of a process that goes on, copied while it stands still for a moment (halt.h), to be read as
 * that of a core file is (image.h).
 *
 * It is done by a process beside this one (os/aside.h): who asks may be stopped meanwhile, and what he reads goes on.
 * Where a thread of it waits in the kernel and cannot be stopped, all are let go, and it is tried once more when that
 * thread waits no longer.
 *
 * Copied is what a core would hold: private memory that was written to, page by page as the kernel's page map tells.
 * Pages that were only read out of files are left to the files, which are found as the process sees them (below
 * /proc/PID/root); a file that is there no more is copied. Where the machine has too little memory left for the copy,
 * it lies in a file without a name beside the heap file that is made.
 *
 * Sources: proc_pid_maps(5), proc_pid_pagemap(5) (bits 61 to 63), process_vm_readv(2), open(2) (O_TMPFILE).
 */
#ifndef KU__LIVING_H
#define KU__LIVING_H

#include "corefile/image.h"

typedef struct ku__living_order {
    uint32_t process;
    const char *folder; /* for a copy that is too large for memory */
    uintptr_t busy;     /* an int of the process's that must be 0 when it is copied; 0: none */
    double hold;        /* seconds that it may stand still for a thread that cannot be stopped */
    double patience;    /* seconds that such a thread is waited for; nothing stands still meanwhile */
} ku__living_order;

/* Opens the copy; `*stopped` grows by the seconds that the process stood still. False with `error` filled: as
 * ku__halt(), and KU_STATE where `busy` stays. Ends with ku__image_close(). */
bool ku__living_open(ku__image *image, const ku__living_order *order, double *stopped, ku_error *error);

#endif
