/* growing.c: see growing.h. */
#include "inspect/growing.h"

#include "os/pages.h"

/* A first allocation of 64 KiB: small graphs need no second, and a page table entry costs more than the rest. */
#define LEAST ((size_t)64 << 10)

bool ku__growing_reserve(ku__growing *array, size_t more) {
    size_t needed, wanted = array->capacity * 2;
    if (__builtin_add_overflow(array->used, more, &needed)) {
        return false;
    }
    if (needed <= array->capacity) {
        return true;
    }
    wanted = wanted < LEAST ? LEAST : wanted;
    wanted = wanted < needed ? needed : wanted;
    void *larger =
        array->bytes == NULL ? ku__pages_map(wanted) : ku__pages_resize(array->bytes, array->capacity, wanted);
    if (larger == NULL) {
        return false;
    }
    array->bytes = larger;
    array->capacity = wanted;
    return true;
}

void ku__growing_release(ku__growing *array) {
    ku__pages_unmap(array->bytes, array->capacity);
    *array = (ku__growing){0};
}
