/* capture_exit.h: the exit code of a process, written into its capture when everything else is over.
 *
 * A capture is finished while the interpreter can still run code (atexit), and at that moment nobody knows the exit
 * code: flushing standard output may still change it. exit(3) knows. So the last state of the finished file is
 * remembered, and when the process ends through exit(), it is written once more, one sequence number later, with the
 * exit code: the counts stay where they are, and nothing else of the file changes.
 *
 * A process that ends another way (_exit(2), a signal, exec) leaves the file as it was finished.
 */
#ifndef KU__TRACE_CAPTURE_EXIT_H
#define KU__TRACE_CAPTURE_EXIT_H

#include "capture_file.h"

/* Remembers the file, whose last state has been written and which is about to be closed, until this process ends.
 * Only the last one is remembered. False where the system does not tell exit codes; nothing is remembered then. The
 * code of the library must stay loaded from now on. */
bool ku__capture_exit_remember(const ku__capture_file *capture);

#endif
