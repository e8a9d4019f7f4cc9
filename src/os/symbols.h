/* symbols.h: functions, files and lines of C code in this process, by address.
 *
 * elfutils' libdw reads what compilers write for debuggers (DWARF), also where that lies in files of its own. It is
 * loaded when first asked for. Where it is not installed, or kucha was built without its header, the dynamic linker
 * tells what it knows: the file a piece of code came from, and the names that are exported.
 *
 * An address that was inlined stands for several places: the function that holds the instruction, and those whose text
 * was put into it, innermost first.
 *
 * A `ku__symbols` is one look at what is loaded at that moment. It is not cheap: its first question of a library reads
 * that library's tables. One thread at a time uses it. Memory comes from malloc(3), as elfutils' does.
 *
 * Sources: libdwfl.h and libdw.h of elfutils 0.188; DWARF 5, 3.3.8 (inlined subroutines); dladdr(3).
 */
#ifndef KU__SYMBOLS_H
#define KU__SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KU__PLACES_MOST = 32 }; /* inlined into each other; deeper ones are left out */

typedef struct ku__symbols ku__symbols;

/* Text is good until the symbols are closed. */
typedef struct ku__place_in_code {
    const char *function; /* NULL: not known */
    const char *file;     /* the source file, or where that is not known, the program or library; NULL: neither */
    int line;             /* 0: not known */
} ku__place_in_code;

/* NULL without memory. */
ku__symbols *ku__symbols_open(void);
void ku__symbols_close(ku__symbols *symbols);

/* Whether libdw reads for it: else there are names of exported functions, and no lines. */
bool ku__symbols_know_lines(const ku__symbols *symbols);

/* The places of the instruction at `address`, innermost first; fills up to KU__PLACES_MOST, returns how many there are:
 * at least one. For a return address, the caller asks one byte before it: the call, and not what comes after. */
size_t ku__symbols_find(ku__symbols *symbols, uintptr_t address, ku__place_in_code *places);

#endif
