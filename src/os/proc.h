/* proc.h: files of /proc, and descriptors of them that are kept.
 *
 * Opening a file of /proc costs three times what reading it does, so whoever asks about a process again and again keeps
 * the descriptor and reads at offset 0: the system writes the text anew for each such read. Three things follow.
 *
 * Which files. statm, stat and status find the process's memory at each read, so a kept descriptor stays right over an
 * exec. maps, smaps and smaps_rollup are bound to the address space of the moment they were opened, and would go on
 * about one that is gone (or, in a child of vfork, about the parent's): they are opened for each reading.
 *
 * Which process. A descriptor of /proc/PID names the process and not the number: when the process is gone, reading
 * fails with ESRCH, whoever has the number now. A folder that is kept (O_PATH) is as good for files opened through it.
 *
 * How many. A program may look at thousands of processes and has 1,024 descriptors, so only ku__proc_keep_most() are
 * kept at a time, one in eight of what the program may open and never more than 256; all others are opened and closed.
 * Kept ones lie high (200 and up), out of the way of select(). A program may close what it has not opened (daemons do),
 * and give the number to a file of its own; before one is closed it is compared with the file that was opened, and
 * whoever reads one must judge the text strictly, and call ku__proc_is() when it is not what it must be. Reading at an
 * offset takes nothing from a foreign file: pipes, sockets and terminals refuse it.
 *
 * Any thread may call; one descriptor belongs to one caller at a time.
 *
 * Sources: proc(5); fs/proc/base.c, fs/proc/task_mmu.c (proc_mem_open) of Linux 6.18.
 */
#ifndef KU__PROC_H
#define KU__PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A descriptor with what tells whether it is still the file that was opened. */
typedef struct ku__kept {
    int descriptor; /* -1: none */
    uint64_t device, inode;
} ku__kept;

/* Opens ROOT/PID/NAME, or ROOT/NAME when `pid` is 0; a NULL name is the folder itself (O_PATH). A NULL root is /proc.
 * -1 with errno set. */
int ku__proc_open(const char *root, int pid, const char *name);

/* The same for a file in a folder that is open. */
int ku__proc_open_at(int folder, const char *name);

/* Closes a descriptor that is not kept; errno stays what it was. */
void ku__proc_close(int descriptor);

/* Takes a descriptor over to be kept; false, and the descriptor stays the caller's, when there are enough. */
bool ku__proc_keep(ku__kept *kept, int descriptor);

/* Whether the descriptor is still the file that was kept. */
bool ku__proc_is(const ku__kept *kept);

/* Closes what is kept, if it is still that file. */
void ku__proc_drop(ku__kept *kept);

/* At most this many are kept, in the whole process. */
int ku__proc_keep_most(void);

/* Reads from the start of the file; the text is terminated, and cut at `capacity` - 1 bytes. Its length, or -1 with
 * errno set. One pread(2). */
ssize_t ku__proc_read(int descriptor, char *text, size_t capacity);

/* Reads the whole file, however many reads that takes; else as ku__proc_read(). */
ssize_t ku__proc_read_all(int descriptor, char *text, size_t capacity);

/* Opens, reads from the start (one read) and closes. */
ssize_t ku__proc_text(const char *root, int pid, const char *name, char *text, size_t capacity);

/* The target of the link ROOT/PID/NAME, terminated; its length, or -1 with errno set. */
ssize_t ku__proc_link(const char *root, int pid, const char *name, char *target, size_t capacity);

/* ---- line by line ---- */

/* Bytes read at a time. The system hands out one page at a time of the long files anyway. */
enum { KU__LINES_CAPACITY = 32768 };

typedef struct ku__lines {
    int descriptor; /* owned; -1 when it could not be opened */
    int failure;    /* errno of a read that failed, else 0 */
    size_t begin, end;
    bool is_over;
    char text[KU__LINES_CAPACITY + 1];
} ku__lines;

/* Takes the descriptor over; -1 is an empty file, with errno as its failure. */
void ku__lines_start(ku__lines *lines, int descriptor);

/* The next line, without its newline, terminated, valid until the next call; NULL at the end and at a failure. A line
 * longer than the buffer comes in pieces. */
char *ku__lines_next(ku__lines *lines, size_t *size);

void ku__lines_end(ku__lines *lines);

/* ---- which processes there are ---- */

/* Puts up to `capacity` process numbers into `pids`, in the order of the folder, and says how many there are: -1 with
 * errno set when the folder cannot be read. */
ssize_t ku__proc_list(const char *root, int *pids, size_t capacity);

#endif
