/* stack.h: where the calling thread's C stack ends. Source: pthread_getattr_np(3). */
#ifndef KU__STACK_H
#define KU__STACK_H

#include <stdint.h>

/* The lowest address that the calling thread's stack may grow to, with room left there for those who run when it has
 * been reached; 0 where the system does not tell. Asked of the system once for each thread. */
uintptr_t ku__stack_least(void);

/* The address behind the highest of the calling thread's stack; 0 where the system does not tell. Asked of the system
 * once for each thread. */
uintptr_t ku__stack_end(void);

#endif
