/* refusal.h: a heap file when memory is refused.
 *
 * The first request of the interpreter's (domains mem and obj) that the allocator cannot meet writes a heap file,
 * before the MemoryError is raised: nothing has been let go yet, and frames still show who asked. That is inside of an
 * allocator's function, so the GIL is kept, the collector is held, a pending exception is put aside, and the file is
 * written by a copy of the process that nobody waits for (graph_dump.h). A MemoryError that comes out of the program
 * without such a refusal (of numpy's own memory, say) is caught where it would be printed; its traceback still holds
 * the frames.
 *
 * One file is written, then nothing more: whoever runs out of memory once does so again, at once.
 *
 * Lock: the GIL of the main interpreter.
 */
#ifndef KU__REFUSAL_H
#define KU__REFUSAL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>

/* Whether a refusal is waited for; read without a lock. */
extern __attribute__((visibility("hidden"))) bool ku__refusal_armed;

/* Memory was refused, or a MemoryError is about to be printed; an exception may be set, and stays so. Any thread. */
__attribute__((cold, noinline)) void ku__refusal_seen(void);

static inline void *ku__or_refusal(void *block) {
    if (__builtin_expect(block == NULL, 0) && ku__refusal_armed) {
        ku__refusal_seen();
    }
    return block;
}

#endif
