/* memory.h: memory that is read by address: the process's own, or that of another one, out of a core file.
 *
 * Who walks a heap asks here for every byte, so that one walk serves both. Of its own memory a process is told what it
 * asks for, and must know that it is there; of another one (corefile/image.h) NULL or 0 where not all of it is.
 */
#ifndef KU__MEMORY_H
#define KU__MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct ku__memory ku__memory;
struct ku__memory {
    /* What is at an address, and how many bytes of it are there, or NULL; NULL itself: the process's own memory. */
    const void *(*at)(ku__memory *memory, uintptr_t address, size_t *left);
};

static inline bool ku__memory_is_own(const ku__memory *memory) {
    return memory->at == NULL;
}

static inline const void *ku__memory_at(ku__memory *memory, uintptr_t address, size_t size) {
    if (memory->at == NULL) {
        return (const void *)address;
    }
    size_t left;
    const void *bytes = memory->at(memory, address, &left);
    return bytes != NULL && size <= left ? bytes : NULL;
}

/* A number of `size` bytes, 8 at most; 0 where nothing is. */
static inline uint64_t ku__memory_number(ku__memory *memory, uintptr_t address, size_t size) {
    uint64_t number = 0;
    const void *at = ku__memory_at(memory, address, size);
    if (at != NULL) {
        memcpy(&number, at, size);
    }
    return number;
}

static inline uintptr_t ku__memory_word(ku__memory *memory, uintptr_t address) {
    return (uintptr_t)ku__memory_number(memory, address, sizeof(uintptr_t));
}
static inline uint32_t ku__memory_u32(ku__memory *memory, uintptr_t address) {
    return (uint32_t)ku__memory_number(memory, address, sizeof(uint32_t));
}
static inline uint16_t ku__memory_u16(ku__memory *memory, uintptr_t address) {
    return (uint16_t)ku__memory_number(memory, address, sizeof(uint16_t));
}
static inline uint8_t ku__memory_u8(ku__memory *memory, uintptr_t address) {
    return (uint8_t)ku__memory_number(memory, address, sizeof(uint8_t));
}

/* `count` words at an address; NULL where not all of them are there, or they are not aligned. */
static inline const uintptr_t *ku__memory_words(ku__memory *memory, uintptr_t address, size_t count) {
    if (address % sizeof(uintptr_t) != 0 || count > SIZE_MAX / sizeof(uintptr_t)) {
        return NULL;
    }
    const void *words = ku__memory_at(memory, address, count * sizeof(uintptr_t));
    /* the segments of a damaged core may lie anywhere */
    return (uintptr_t)words % sizeof(uintptr_t) == 0 ? (const uintptr_t *)words : NULL;
}

/* Text that ends with a zero, at most `most` bytes of it; NULL where none begins. */
static inline const char *ku__memory_text(ku__memory *memory, uintptr_t address, size_t most, size_t *size) {
    size_t left = most;
    const char *text = memory->at != NULL ? (const char *)memory->at(memory, address, &left) : (const char *)address;
    *size = address == 0 || text == NULL ? 0 : strnlen(text, left < most ? left : most);
    return address == 0 ? NULL : text;
}

#endif
