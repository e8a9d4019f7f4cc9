/* heap_file.h: the lay-out of a heap file; docs/heap-file.md explains it, kucha/heap_file.h is its use.
 *
 *     header          ku__heap_header
 *     table           ku__heap_section for each section, in their order
 *     sections        each begins at a multiple of 64 bytes, in their order; between them are zeros
 *
 * All numbers are little-endian; a machine of another kind refuses the file by its byte order. The header's checksum
 * covers the header before it and the table.
 */
#ifndef KU__HEAP_FILE_H
#define KU__HEAP_FILE_H

#include "inspect/graph.h"

#include <kucha/heap_file.h>

#define KU__HEAP_MAGIC "KUCHAHPF"
#define KU__HEAP_BYTE_ORDER 0x01020304u
#define KU__HEAP_ALIGN ((uint64_t)64) /* a cache line */

typedef struct ku__heap_header {
    char magic[8];
    uint32_t byte_order;
    uint32_t version;
    uint64_t file_size;
    uint32_t sections;
    uint32_t zero;
    uint64_t checksum; /* XXH3, 64 bits, of the bytes before it and of the table */
} ku__heap_header;

typedef struct ku__heap_section {
    uint64_t offset;
    uint64_t size;
    uint64_t checksum; /* XXH3, 64 bits */
    uint32_t item;     /* bytes of an entry */
    uint32_t zero;
} ku__heap_section;

typedef struct ku__heap_head {
    ku__heap_header header;
    ku__heap_section table[KU__SECTIONS];
} ku__heap_head;

/* The header's checksum as it must be. */
uint64_t ku__heap_checksum(const ku__heap_head *head);

#endif
