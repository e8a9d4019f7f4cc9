/* proc.c: see proc.h. */
#include "proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PATH_CAPACITY = 4096,
    /* Programs use low numbers; select() and many tests look at those below 64 only. The same as in file.c. */
    DESCRIPTOR_LEAST = 200,
    KEEP_MOST = 256,
    KEEP_SHARE = 8,
};

static atomic_int kept_now;

/* ---- opening ---- */

static bool make_path(char *path, const char *root, int pid, const char *name) {
    const char *start = root != NULL ? root : "/proc";
    int length;
    if (pid == 0) {
        length = snprintf(path, PATH_CAPACITY, "%s/%s", start, name);
    } else if (name == NULL) {
        length = snprintf(path, PATH_CAPACITY, "%s/%d", start, pid);
    } else {
        length = snprintf(path, PATH_CAPACITY, "%s/%d/%s", start, pid, name);
    }
    if (length < PATH_CAPACITY) return true;
    errno = ENAMETOOLONG;
    return false;
}

int ku__proc_open(const char *root, int pid, const char *name) {
    char path[PATH_CAPACITY];
    if (!make_path(path, root, pid, name)) return -1;
    return open(path, (name != NULL ? O_RDONLY : O_PATH | O_DIRECTORY) | O_CLOEXEC);
}

int ku__proc_open_at(int folder, const char *name) {
    return openat(folder, name, O_RDONLY | O_CLOEXEC);
}

void ku__proc_close(int descriptor) {
    int saved = errno;
    close(descriptor);
    errno = saved;
}

/* ---- keeping ---- */

int ku__proc_keep_most(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
    rlim_t share = limit.rlim_cur / KEEP_SHARE;
    return share < KEEP_MOST ? (int)share : KEEP_MOST;
}

static bool reserve(void) {
    if (atomic_fetch_add(&kept_now, 1) < ku__proc_keep_most()) return true;
    atomic_fetch_sub(&kept_now, 1);
    return false;
}

bool ku__proc_keep(ku__kept *kept, int descriptor) {
    struct stat status;
    if (fstat(descriptor, &status) != 0 || !reserve()) return false;
    int higher = fcntl(descriptor, F_DUPFD_CLOEXEC, DESCRIPTOR_LEAST);
    if (higher >= 0) close(descriptor); /* refused by a small limit on descriptors: then the low one does */
    *kept = (ku__kept){higher >= 0 ? higher : descriptor, status.st_dev, status.st_ino};
    return true;
}

bool ku__proc_is(const ku__kept *kept) {
    struct stat status;
    return kept->descriptor >= 0 && fstat(kept->descriptor, &status) == 0 && status.st_dev == kept->device &&
           status.st_ino == kept->inode;
}

void ku__proc_drop(ku__kept *kept) {
    if (kept->descriptor < 0) return;
    if (ku__proc_is(kept)) close(kept->descriptor);
    kept->descriptor = -1;
    atomic_fetch_sub(&kept_now, 1);
}

/* ---- reading ---- */

ssize_t ku__proc_read(int descriptor, char *text, size_t capacity) {
    ssize_t got;
    do {
        got = pread(descriptor, text, capacity - 1, 0);
    } while (got < 0 && errno == EINTR);
    text[got > 0 ? got : 0] = 0;
    return got;
}

ssize_t ku__proc_read_all(int descriptor, char *text, size_t capacity) {
    size_t used = 0;
    while (used + 1 < capacity) {
        ssize_t got = pread(descriptor, text + used, capacity - 1 - used, (off_t)used);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        if (got == 0) break;
        used += (size_t)got;
    }
    text[used] = 0;
    return (ssize_t)used;
}

ssize_t ku__proc_text(const char *root, int pid, const char *name, char *text, size_t capacity) {
    int descriptor = ku__proc_open(root, pid, name);
    if (descriptor < 0) return -1;
    ssize_t got = ku__proc_read(descriptor, text, capacity);
    ku__proc_close(descriptor);
    return got;
}

ssize_t ku__proc_link(const char *root, int pid, const char *name, char *target, size_t capacity) {
    char path[PATH_CAPACITY];
    if (!make_path(path, root, pid, name)) return -1;
    ssize_t got = readlink(path, target, capacity - 1);
    target[got > 0 ? got : 0] = 0;
    return got;
}

/* ---- line by line ---- */

void ku__lines_start(ku__lines *lines, int descriptor) {
    lines->descriptor = descriptor;
    lines->failure = descriptor < 0 ? errno : 0;
    lines->begin = lines->end = 0;
    lines->is_over = descriptor < 0;
}

/* Moves what is left of the buffer to its front and reads behind it. */
static void fill(ku__lines *lines) {
    memmove(lines->text, lines->text + lines->begin, lines->end - lines->begin);
    lines->end -= lines->begin;
    lines->begin = 0;
    ssize_t got;
    do {
        got = read(lines->descriptor, lines->text + lines->end, KU__LINES_CAPACITY - lines->end);
    } while (got < 0 && errno == EINTR);
    if (got < 0) lines->failure = errno;
    if (got <= 0) lines->is_over = true;
    if (got > 0) lines->end += (size_t)got;
}

static char *give(ku__lines *lines, size_t size, bool has_newline, size_t *given) {
    char *line = lines->text + lines->begin;
    line[size] = 0;
    lines->begin += size + has_newline;
    *given = size;
    return line;
}

char *ku__lines_next(ku__lines *lines, size_t *size) {
    size_t looked = 0; /* bytes that are known to hold no newline */
    for (;;) {
        size_t held = lines->end - lines->begin;
        char *start = lines->text + lines->begin;
        char *newline = memchr(start + looked, '\n', held - looked);
        if (newline != NULL) return give(lines, (size_t)(newline - start), true, size);
        if (lines->is_over || held == KU__LINES_CAPACITY)
            return held == 0 || lines->failure != 0 ? NULL : give(lines, held, false, size);
        looked = held;
        fill(lines);
    }
}

void ku__lines_end(ku__lines *lines) {
    if (lines->descriptor >= 0) ku__proc_close(lines->descriptor);
    lines->descriptor = -1;
}

/* ---- which processes there are ---- */

static int number_of(const char *name) {
    if (*name < '1' || *name > '9') return 0;
    char *rest;
    long number = strtol(name, &rest, 10);
    return *rest == 0 && number <= INT32_MAX ? (int)number : 0;
}

ssize_t ku__proc_list(const char *root, int *pids, size_t capacity) {
    DIR *folder = opendir(root != NULL ? root : "/proc");
    if (folder == NULL) return -1;
    size_t count = 0;
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        int number = number_of(entry->d_name);
        if (number == 0) continue;
        if (count < capacity) pids[count] = number;
        count++;
    }
    int saved = errno;
    closedir(folder);
    errno = saved;
    return (ssize_t)count;
}
