/* file.c: see file.h. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Programs use low numbers; select() and many tests look at those below 64 only. */
#define DESCRIPTOR_LEAST 200

static bool make_absolute(char *absolute, const char *path) {
    size_t used = 0;
    if (path[0] != '/') {
        if (getcwd(absolute, KU__PATH_MAX) == NULL) return false;
        used = strlen(absolute);
        if (used + 1 < KU__PATH_MAX) absolute[used++] = '/';
    }
    if (used + strlen(path) + 1 > KU__PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(absolute + used, path, strlen(path) + 1);
    return true;
}

static void move_up(ku__file *file) {
    int higher = fcntl(file->descriptor, F_DUPFD_CLOEXEC, DESCRIPTOR_LEAST);
    if (higher < 0) return; /* a small limit on descriptors: the low one does */
    close(file->descriptor);
    file->descriptor = higher;
}

bool ku__file_create(ku__file *file, const char *path) {
    struct stat status;
    file->descriptor = -1;
    if (!make_absolute(file->path, path)) return false;
    file->descriptor = open(file->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file->descriptor < 0 || fstat(file->descriptor, &status) != 0) return false;
    file->device = status.st_dev;
    file->inode = status.st_ino;
    move_up(file);
    return true;
}

static bool is_ours(const ku__file *file, int descriptor) {
    struct stat status;
    return descriptor >= 0 && fstat(descriptor, &status) == 0 && status.st_dev == file->device &&
           status.st_ino == file->inode;
}

bool ku__file_hold(ku__file *file) {
    if (is_ours(file, file->descriptor)) return true;
    file->descriptor = open(file->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (file->descriptor < 0) return false;
    if (!is_ours(file, file->descriptor)) {
        close(file->descriptor);
        file->descriptor = -1;
        errno = ESTALE;
        return false;
    }
    move_up(file);
    return true;
}

bool ku__file_starts_with(const ku__file *file, const void *bytes, size_t size) {
    char start[256];
    if (size <= sizeof start && pread(file->descriptor, start, size, 0) == (ssize_t)size &&
        memcmp(start, bytes, size) == 0)
        return true;
    errno = ESTALE;
    return false;
}

bool ku__file_write(const ku__file *file, const void *bytes, size_t size, uint64_t offset) {
    const char *next = bytes;
    while (size > 0) {
        ssize_t done = pwrite(file->descriptor, next, size, (off_t)offset);
        if (done < 0 && errno == EINTR) continue;
        if (done == 0) errno = ENOSPC;
        if (done <= 0) return false;
        next += done;
        offset += (uint64_t)done;
        size -= (size_t)done;
    }
    return true;
}

bool ku__file_extend(const ku__file *file, uint64_t size) {
    return ftruncate(file->descriptor, (off_t)size) == 0;
}

void ku__file_close(ku__file *file) {
    if (is_ours(file, file->descriptor)) close(file->descriptor);
    file->descriptor = -1;
}

void ku__file_shield_begin(ku__file_shield *shield) {
    sigset_t size_signal, pending;
    sigemptyset(&size_signal);
    sigaddset(&size_signal, SIGXFSZ);
    sigemptyset(&pending);
    sigpending(&pending);
    shield->was_pending = sigismember(&pending, SIGXFSZ) == 1;
    pthread_sigmask(SIG_BLOCK, &size_signal, &shield->before);
}

/* A signal that our own write raised is taken here, so that the program never sees it. */
void ku__file_shield_end(ku__file_shield *shield) {
    int saved = errno;
    sigset_t size_signal, pending;
    sigemptyset(&size_signal);
    sigaddset(&size_signal, SIGXFSZ);
    sigemptyset(&pending);
    sigpending(&pending);
    int taken;
    if (!shield->was_pending && sigismember(&pending, SIGXFSZ) == 1) sigwait(&size_signal, &taken);
    pthread_sigmask(SIG_SETMASK, &shield->before, NULL);
    errno = saved;
}
