/* usage.c: what a process has used; see kucha/usage.h. */
#include "os/failure.h"
#include "os/machine.h"

#include <errno.h>
#include <kucha/usage.h>

#define SECONDS(name, meaning)                                                                                         \
    { #name, "s", meaning, true, false, offsetof(ku_usage, name) }
#define COUNT(name, unit, meaning)                                                                                     \
    { #name, unit, meaning, false, false, offsetof(ku_usage, name) }
#define UNUSED(name, meaning)                                                                                          \
    { #name, "", meaning, false, true, offsetof(ku_usage, name) }

static const ku_usage_field fields[] = {
    SECONDS(utime, "CPU time in the program."),
    SECONDS(stime, "CPU time in the system."),
    COUNT(maxrss, "KiB", "The most that was in memory at a time; of children, the largest child's."),
    UNUSED(ixrss, "Shared text in memory; Linux does not count it."),
    UNUSED(idrss, "Data in memory; Linux does not count it."),
    UNUSED(isrss, "Stack in memory; Linux does not count it."),
    COUNT(minflt, "", "Page faults that needed no disk."),
    COUNT(majflt, "", "Page faults that read from a disk."),
    UNUSED(nswap, "Times swapped out whole; Linux does not swap so."),
    COUNT(inblock, "blocks of 512 bytes", "Read from disks, cache hits not counted."),
    COUNT(oublock, "blocks of 512 bytes", "Written to disks, or to the cache to be written later."),
    UNUSED(msgsnd, "Messages sent; Linux does not count them."),
    UNUSED(msgrcv, "Messages received; Linux does not count them."),
    UNUSED(nsignals, "Signals received; Linux does not count them."),
    COUNT(nvcsw, "", "Times it waited for something and gave up the processor."),
    COUNT(nivcsw, "", "Times the system took the processor away."),
};

const ku_usage_field *ku_usage_fields(size_t *count) {
    *count = sizeof fields / sizeof fields[0];
    return fields;
}

static double seconds_of(struct timeval time) {
    return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

ku_code ku_usage_read(int of, ku_usage *usage, ku_error *error) {
    struct rusage read;
    if (ku__usage(of, &read) != 0) {
        ku__error_format(error, KU_INVALID, errno,
                         "usage is kept of the process, its children and the thread, not of %d", of);
        return KU_INVALID;
    }
    *usage = (ku_usage){
        .utime = seconds_of(read.ru_utime),
        .stime = seconds_of(read.ru_stime),
        .maxrss = read.ru_maxrss,
        .ixrss = read.ru_ixrss,
        .idrss = read.ru_idrss,
        .isrss = read.ru_isrss,
        .minflt = read.ru_minflt,
        .majflt = read.ru_majflt,
        .nswap = read.ru_nswap,
        .inblock = read.ru_inblock,
        .oublock = read.ru_oublock,
        .msgsnd = read.ru_msgsnd,
        .msgrcv = read.ru_msgrcv,
        .nsignals = read.ru_nsignals,
        .nvcsw = read.ru_nvcsw,
        .nivcsw = read.ru_nivcsw,
    };
    return KU_OK;
}

size_t ku_usage_page_size(void) {
    return (size_t)ku__page_bytes();
}
