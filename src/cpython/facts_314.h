/* facts_314.h: the private structures of CPython 3.14.
 *
 * Sources, all at tags v3.14.5 and v3.14.10: Include/internal/pycore_interpframe_structs.h (_PyInterpreterFrame:
 * f_executable is a tagged reference to the code object, or to None in a frame with owner FRAME_OWNED_BY_INTERPRETER or
 * FRAME_OWNED_BY_CSTACK, which mark an entry from C; instr_ptr is the instruction being executed),
 * Include/internal/pycore_stackref.h (PyStackRef_AsPyObjectBorrow takes the tag off), Include/cpython/pystate.h
 * (_ts.current_frame; cframe is gone).
 */
#ifndef KU__FACTS_314_H
#define KU__FACTS_314_H

#include "cpython/facts_interpreters.h"
#include "cpython/facts_thread.h"
#include "internal/pycore_interpframe.h"
#include "internal/pycore_pystate.h"

#define KU__FACTS_SUPPORTED 1
#define KU__FACTS_LEAST_MICRO                                                                                          \
    5 /* 3.14.5 took the incremental collector out and changed private structures (cpython 148726) */

#define KU__FACT_TOP(thread) (thread)->current_frame
#define KU__FACT_BOTTOM(thread) NULL
#define KU__FACT_HAS_CODE(frame) ((frame)->owner < FRAME_OWNED_BY_INTERPRETER)
#define KU__FACT_INSTRUCTION(frame) (frame)->instr_ptr
#include "cpython/facts_frames.h"
#include "cpython/facts_free_lists.h"
#include "cpython/facts_stackref.h"

#endif
