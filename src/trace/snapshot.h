/* snapshot.h: a tracer's sites seen from inside the process, as the same columns that a capture has.
 *
 * ku__snapshot_take() copies counts and stacks of all sites, so that the program may go on while a report is made. The
 * result is a ku_capture without a file: everything in kucha/capture.h and kucha/group.h works on it. Needs the lock
 * of the main lane; texts belong to the tracer, so the tracer must outlive it, unless ku__snapshot_own() was called.
 */
#ifndef KU__TRACE_SNAPSHOT_H
#define KU__TRACE_SNAPSHOT_H

#include "trace.h"
#include <kucha/capture.h>

/* NULL with `error` filled when memory is refused. Close with ku_capture_close(). */
ku_capture *ku__snapshot_take(const ku__tracer *tracer, ku_error *error);

/* Gives a snapshot copies of the texts it refers to (names; not line tables: lines are there), so that it may outlive
 * the tracer. False with `error` filled when memory is refused; then it is as it was. */
bool ku__snapshot_own(ku_capture *capture, ku_error *error);

#endif
