/* file.h: a file that is written beside a program that knows nothing of it.
 *
 * The program may close every descriptor that it did not open (daemons and os.closerange() do) and open files of its
 * own under the same numbers. So the descriptor is kept high, and before every use it is compared with the file that
 * was made; one that is not ours any more is never written to, nor closed: the file is opened again by its name.
 *
 * Sources: open(2), fstat(2), pwrite(2), setrlimit(2) (SIGXFSZ).
 */
#ifndef KU__FILE_H
#define KU__FILE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KU__PATH_MAX = 4096 };

typedef struct ku__file {
    int descriptor; /* -1 when closed */
    uint64_t device, inode;
    char path[KU__PATH_MAX]; /* absolute */
} ku__file;

/* Makes a file that nobody else may read (0600); one that exists is left alone (EEXIST). False with errno set. */
bool ku__file_create(ku__file *file, const char *path);

/* Sees to it that the descriptor is the file that was made. False with errno set when the file is gone. The system
 * gives the number of a deleted file to the next one: ku__file_starts_with() tells the two apart. */
bool ku__file_hold(ku__file *file);

/* Does the file begin with these bytes? At most 256. False with errno set where it does not. */
bool ku__file_starts_with(const ku__file *file, const void *bytes, size_t size);

/* Writes all bytes at the offset, or extends the file to `size`. False with errno set. After ku__file_hold(). */
bool ku__file_write(const ku__file *file, const void *bytes, size_t size, uint64_t offset);
bool ku__file_extend(const ku__file *file, uint64_t size);

void ku__file_close(ku__file *file);

/* Between the two, a write beyond RLIMIT_FSIZE is an error (EFBIG) and no signal for this thread. */
typedef struct ku__file_shield {
    sigset_t before;
    bool was_pending;
} ku__file_shield;

void ku__file_shield_begin(ku__file_shield *shield);
void ku__file_shield_end(ku__file_shield *shield);

#endif
