/* graph_copies.c: see graph_copies.h. */
#include "cpython/graph_copies.h"

#include "os/clock.h"
#include "os/clone.h"
#include "os/pages.h"
#include "os/shared.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEPT_MOST = 16 }; /* each is a process as large as the program */

typedef struct kept {
    pid_t copy;
    ku__dump_common *shared;
} kept;

static kept copies[KEPT_MOST]; /* the oldest first */
static size_t copy_count;

ku__dump_common *ku__copies_common(const char *path) {
    ku__dump_common *shared = ku__shared_map(sizeof *shared);
    if (shared != NULL) {
        snprintf(shared->path, sizeof shared->path, "%s", path);
    }
    return shared;
}

void ku__copies_remove_part(const ku__dump_common *shared) {
    char part[PATH_MAX + 32];
    if (shared->writer != 0) {
        snprintf(part, sizeof part, "%s.%ld.part", shared->path, (long)shared->writer);
        unlink(part);
    }
}

static void read_outcome(const ku__dump_common *shared, ku__dump_outcome *outcome) {
    struct stat facts;
    *outcome = shared->outcome;
    if (shared->finished == 0) {
        outcome->error =
            (ku_error){.code = KU_STATE, .message = "the copy of the process that reads its heap was killed"};
        ku__copies_remove_part(shared);
    }
    outcome->bytes = outcome->error.code == KU_OK && stat(shared->path, &facts) == 0 ? (uint64_t)facts.st_size : 0;
    outcome->stopped = shared->stopped;
    outcome->lasted = ku__clock_monotonic() - shared->began;
}

void ku__copies_end(pid_t copy, ku__dump_common *shared, ku__dump_outcome *outcome) {
    int status = 0;
    Py_BEGIN_ALLOW_THREADS;
    ku__clone_wait(copy, -1, &status);
    Py_END_ALLOW_THREADS;
    read_outcome(shared, outcome);
    ku__pages_unmap(shared, sizeof *shared);
}

static kept take_out(size_t index) {
    kept taken = copies[index];
    memmove(&copies[index], &copies[index + 1], (copy_count - index - 1) * sizeof *copies);
    copy_count--;
    return taken;
}

void ku__copies_keep(pid_t copy, ku__dump_common *shared) {
    ku__dump_outcome ignored;
    if (copy_count == KEPT_MOST) {
        kept oldest = take_out(0);
        ku__copies_end(oldest.copy, oldest.shared, &ignored);
    }
    copies[copy_count++] = (kept){copy, shared};
}

bool ku__copies_wait(pid_t copy, ku__dump_outcome *outcome, char *path) {
    size_t index = 0;
    while (index < copy_count && copy != 0 && copies[index].copy != copy) {
        index++;
    }
    if (index == copy_count) {
        return false;
    }
    kept found = take_out(index); /* before the GIL is given up: nobody else waits for it */
    if (path != NULL) {
        memcpy(path, found.shared->path, sizeof found.shared->path);
    }
    ku__copies_end(found.copy, found.shared, outcome);
    return true;
}
