/* fault.h: telling the programmer of a misuse that the allocator noticed. */
#ifndef KU__FAULT_H
#define KU__FAULT_H

/* One sentence about a block on standard error, in one write(2) and without allocating; the block is left alone and the
 * program goes on. Misuse that fences find (fences.h) carries more and can be made fatal. */
void ku__fault_report(const char *what, const void *block);

#endif
