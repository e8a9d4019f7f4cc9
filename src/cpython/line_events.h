/* line_events.h: what a profiler of lines does when a function that it looks at is called, goes to a line, or ends.
 *
 * Each thread has the stack of those of its calls that some recorder looks at, innermost last, and the recorders that
 * are on in it. A line's time is from the event that reached it to the next event of the same call; what the line calls
 * counts in it. Then it has "run": its stretch goes into the tables of all recorders that are on in the thread and know
 * the code object. A call that was under way when the recorder was switched on is on no stack, and its events are
 * passed over until it is called anew, as with sys.settrace.
 *
 * Every byte stands once in a table. A line has what it calls, but for what has lines of its own in the same table:
 * inner functions, comprehensions before 3.12, and the function itself when it is called again.
 *
 * The highest point of a line. counts.high is the thread's since the innermost call's line began; a call that ends its
 * line hands the height on to its caller, before it begins to measure anew. So each event looks at two calls, however
 * deep the stack is.
 *
 * The events are those of sys.settrace; line_hooks.c makes them out of what the interpreter offers.
 *
 * Lock: the GIL of the main interpreter.
 */
#ifndef KU__LINE_EVENTS_H
#define KU__LINE_EVENTS_H

#include "cpython/line_table.h"

/* Switches the recorder on in the calling thread, once more where it is on; `off` switches it off once. False without
 * memory. */
bool ku__line_on(ku__recorder *recorder);
void ku__line_off(ku__recorder *recorder);

/* How often the recorder is on in the calling thread. */
unsigned ku__line_is_on(const ku__recorder *recorder);

/* Whether any recorder is on in the calling thread. */
bool ku__line_any(void);

/* The events. `code` is the code object, `line` where the call stands. 0, or -1 with an exception set, which a
 * reader in Python raised. */
int ku__line_called(const void *code, int line);
int ku__line_reached(const void *code, int line);
int ku__line_returned(const void *code);

/* Whether a chooser was just asked about the code object, and said that nobody wants it: False. */
bool ku__line_passed(const void *code);

/* The line that the innermost call stands at, if it is `code`'s; else 0. */
int ku__line_now(const void *code);

#endif
