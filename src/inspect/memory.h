/* memory.h: memory that is read by address: the process's own, or that of another one, out of a core file.
 *
 * Who walks a heap asks here for every byte, so that one walk serves both. Of its own memory a process is told what it
 * asks for, and must know that it is there, or ask ku__memory_try(); of another one (corefile/image.h) NULL or 0 where
 * not all of it is.
 *
 * Another one's memory is in pieces; the one that was read last is the *window*, in which nothing is looked for.
 */
#ifndef KU__MEMORY_H
#define KU__MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A piece of memory that can be read. */
typedef struct ku__piece {
    uintptr_t start, end;
    const char *bytes;
} ku__piece;

typedef struct ku__memory ku__memory;
struct ku__memory {
    /* Makes the piece that holds an address the window; false: none does. NULL: the process's own memory. */
    bool (*seek)(ku__memory *memory, uintptr_t address);
    ku__piece window;
};

static inline bool ku__memory_is_own(const ku__memory *memory) {
    return memory->seek == NULL;
}

/* Whether the window, now, holds an address. */
static inline bool ku__memory_holds(ku__memory *memory, uintptr_t address) {
    return (address >= memory->window.start && address < memory->window.end) || memory->seek(memory, address);
}

/* `size` bytes at an address; NULL where not all of them are there. */
static inline const void *ku__memory_at(ku__memory *memory, uintptr_t address, size_t size) {
    if (ku__memory_is_own(memory)) {
        return (const void *)address;
    }
    if (!ku__memory_holds(memory, address)) {
        return NULL;
    }
    uintptr_t offset = address - memory->window.start;
    return size <= memory->window.end - memory->window.start - offset ? memory->window.bytes + offset : NULL;
}

/* Copies `size` bytes at an address that may be no memory at all, of the process's own too: false where not all of them
 * are there. */
bool ku__memory_try(ku__memory *memory, uintptr_t address, void *out, size_t size);

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
static inline int64_t ku__memory_signed(ku__memory *memory, uintptr_t address) {
    return (int64_t)ku__memory_number(memory, address, sizeof(int64_t));
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
    const char *text = address == 0 ? NULL : ku__memory_at(memory, address, 1);
    size_t left = text == NULL ? 0 : ku__memory_is_own(memory) ? most : memory->window.end - address;
    *size = text == NULL ? 0 : strnlen(text, left < most ? left : most);
    return text;
}

#endif
