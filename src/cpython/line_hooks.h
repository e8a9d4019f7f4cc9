/* line_hooks.h: making the interpreter tell a profiler of lines where the program is.
 *
 * 3.11: a trace function in C (PyEval_SetTrace), one for the thread. The interpreter calls it for each line of all code
 * of the thread, which is what the interpreter can do; code that nobody looks at costs that call and two compares. One
 * that was there before (sys.settrace) is called after ours, and is put back at the end.
 *
 * From 3.12: callbacks for sys.monitoring (PEP 669), which the Python side registers for the code objects that are
 * looked at (python/kucha/_lines.py): code that nobody looks at pays nothing. sys.settrace has line events that
 * LINE has not: one for each jump back to the start of the line that it comes from, such as a comprehension's. JUMP
 * tells of those; a jump that is none is switched off where it stands.
 *
 * Sources: Python/ceval.c v3.11.7 (call_trace, maybe_call_line_trace); Python/legacy_tracing.c v3.12.1 to v3.15.2.
 */
#ifndef KU__LINE_HOOKS_H
#define KU__LINE_HOOKS_H

#include <stdbool.h>

/* The calling thread begins to be traced, or ends; nothing from 3.12 on. */
void ku__line_hook(void);
void ku__line_unhook(void);

#endif
