/* selfcheck.h: every private fact about this interpreter, held against what it says in public. */
#ifndef KU__SELFCHECK_H
#define KU__SELFCHECK_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>

/* Fills `reason` with a sentence when this interpreter is not one that the facts are true of, and returns false. Runs a
 * few lines of Python; never leaves an exception behind. The answer is found once and remembered. */
bool ku__selfcheck(char *reason, size_t size);

/* Whether the interpreter compiles hot code to machine code (sys._jit, from 3.14). */
bool ku__jit_enabled(void);

/* Whether tracemalloc is tracing. */
bool ku__tracemalloc_runs(void);

/* Whether the allocators in place are the interpreter's own, as a stock start gives them; else a sentence that names
 * who is in front of them. */
bool ku__stock_allocators(char *reason, size_t size);

#endif
