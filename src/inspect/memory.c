/* memory.c: see memory.h. */
#include "inspect/memory.h"

#include <sys/uio.h>
#include <unistd.h>

/* process_vm_readv(2) fails where a read would end the process. */
bool ku__memory_try(ku__memory *memory, uintptr_t address, void *out, size_t size) {
    if (ku__memory_is_own(memory)) {
        struct iovec local = {out, size}, remote = {(void *)address, size};
        return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)size;
    }
    const void *at = ku__memory_at(memory, address, size);
    if (at != NULL) {
        memcpy(out, at, size);
    }
    return at != NULL;
}
