/* sites.h: birthplaces of blocks, out of the tables of a tracer in any memory; see trace/anchor.h. */
#ifndef KU__SITES_H
#define KU__SITES_H

#include "inspect/maker.h"
#include "inspect/memory.h"
#include "trace/anchor.h"

typedef struct ku__sites {
    ku__memory *memory;
    ku__maker *maker;
    ku__trace_anchor at;
    uintptr_t tables; /* of the tracer; 0: nothing was traced */
    uint32_t *sites;  /* of the maker, by site of the tracer */
    uint32_t count;
} ku__sites;

/* Looks at a tracer (0: none), whose parts lie as `anchor`, an address too, says. False: memory was refused. */
bool ku__sites_open(ku__sites *sites, ku__memory *memory, uintptr_t tracer, uintptr_t anchor);
void ku__sites_close(ku__sites *sites);

/* The maker's site for what stands in a block's slot of the site table; 0: nothing is known. */
uint32_t ku__sites_of(ku__sites *sites, uint32_t slot);

#endif
