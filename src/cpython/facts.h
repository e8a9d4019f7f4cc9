/* facts.h: what the bridge knows of an interpreter's private structures, one file for each minor version.
 *
 * Include it before anything else: the chosen file needs Py_BUILD_CORE_MODULE, which must be defined before Python.h is
 * read. Only the files that walk frames include it; all others see CPython through its public headers.
 *
 * Each facts_NNN.h defines the same few functions, all inline because traced entry points call them for every
 * allocation:
 *
 *     ku__fact_thread()          the running thread's state; NULL where this thread does not hold the lock of its
 *                                interpreter (before 3.12: some thread's state, see ku__fact_holds_lock)
 *     ku__fact_thread_quick()    the same without a call, where ku__fact_quick()
 *     ku__fact_holds_lock()      whether the calling thread may look at frames at all; any thread may ask
 *     ku__fact_top(thread)       its innermost frame, NULL where it runs no Python code
 *     ku__fact_set_top(...)      makes another frame the innermost (program.c), and
 *     ku__fact_bottom(thread)    what is innermost in a thread that runs nothing yet
 *     ku__fact_back(frame)       the caller's frame, or NULL
 *     ku__fact_has_code(frame)   false for the frames that only mark an entry from C
 *     ku__fact_instruction(frame) address of the code unit being executed; sometimes a unit before the first one
 *     ku__fact_code(frame)       the frame's code object, borrowed
 *     ku__fact_bytecode(code)    address of its first code unit
 *     ku__fact_interpreter_...   the number of an interpreter, whether it lives, and how many do
 *
 * and KU__FACTS_SUPPORTED, with KU__FACTS_LEAST_MICRO, the first micro version the facts are true of. The facts are
 * checked against public answers at start (selfcheck.c); nothing is installed when one of them is not as expected.
 */
#ifndef KU__FACTS_H
#define KU__FACTS_H

#define Py_BUILD_CORE_MODULE 1
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The interpreter's own headers have parameters that the default build does not use. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"

#if defined(Py_GIL_DISABLED)
#include "cpython/facts_none.h"
#elif PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030C0000
#include "cpython/facts_311.h"
#elif PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030D0000
#include "cpython/facts_312.h"
#elif PY_VERSION_HEX >= 0x030D0000 && PY_VERSION_HEX < 0x030E0000
#include "cpython/facts_313.h"
#elif PY_VERSION_HEX >= 0x030E0000 && PY_VERSION_HEX < 0x030F0000
#include "cpython/facts_314.h"
#elif PY_VERSION_HEX >= 0x030F0000 && PY_VERSION_HEX < 0x03100000
#include "cpython/facts_315.h"
#else
#include "cpython/facts_none.h"
#endif

#pragma GCC diagnostic pop

#endif
