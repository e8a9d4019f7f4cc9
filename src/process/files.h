/* files.h: the files of one process, by descriptors that are kept (os/proc.h), and only ever of that process.
 *
 * The text of a kept descriptor is judged before it is believed: statm must be seven numbers, stat and status must name
 * the pid (and stat the time of start). What fails that is looked at closer: a descriptor that is not the file that was
 * opened is dropped, and the file is opened again.
 *
 * A file that is opened by its path may be another process's, when the number was given away meanwhile. So the time of
 * start is read after the file was opened: a process that is there with that time has been there all along. A folder
 * that is kept needs no such look.
 *
 * A file is kept from the second reading on: most programs look at most processes once.
 */
#ifndef KU__FILES_H
#define KU__FILES_H

#include <kucha/process.h>
#include <sys/types.h>

typedef enum ku__process_file { KU__FOLDER, KU__STATM, KU__STAT, KU__STATUS } ku__process_file;

enum {
    KU__STATM_CAPACITY = 192,   /* seven numbers of 64 bits with what is between them take 147 at most */
    KU__STAT_CAPACITY = 2048,   /* 52 numbers and a name */
    KU__STATUS_CAPACITY = 8192, /* about 1.5 KiB, more with thousands of supplementary groups; those come late enough */
};

/* Reads one of the three files that can be kept; its length, or -1 with errno set (ESRCH: the process is gone). */
ssize_t ku__process_text(ku_process *process, ku__process_file file, char *text, size_t capacity);

/* Opens any other file of the process; the descriptor is the caller's. -1 with errno set. */
int ku__process_file_open(ku_process *process, const char *name);

/* A copy for one reading by another thread, while the owner goes on: it shares the folder, if that is kept (this call
 * sees to that, from the second time on), keeps nothing itself, and is not closed. */
ku_process ku__process_borrow(ku_process *process);

/* The time of start in a text of stat, in ticks; false when the text is none. */
bool ku__stat_started(const char *text, uint64_t *started);

/* What follows the name in a text of stat, from the state on; NULL when the text is none. */
const char *ku__stat_after_name(const char *text);

/* Tells why something could not be read: looks whether the process is gone, a zombie, or another by now. Fills in the
 * error and returns its code, never KU_OK. */
ku_code ku__process_failed(ku_process *process, int why, const char *what, ku_error *error);

#endif
