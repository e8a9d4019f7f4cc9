/* graph_take.c: an isolate's heap as a graph, and as a file that a copy of the process writes. See kucha/heap_dump.h.
 *
 * The copy shares one page with the program, in which it says how it went. Copies that are not waited for are kept in a
 * list, so that nothing of them but their entry in the table of processes is left when they have ended.
 */
#include "isolate/graph_take.h"
#include "object/types.h"

#include "inspect/graph.h"
#include "os/clock.h"
#include "os/clone.h"
#include "os/pages.h"
#include "os/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <kucha/heap_file.h>
#include <kucha/version.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the graph ---- */

enum { PROGRAM_MOST = 512 };

/* The command line, as the system keeps it: read without memory of malloc's. */
static void read_program(char *program) {
    int file = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t size = file >= 0 ? read(file, program, PROGRAM_MOST - 1) : 0;
    size = size > 0 ? size : 0;
    program[size] = '\0';
    for (ssize_t i = 0; i + 1 < size; i++) {
        program[i] = program[i] == '\0' ? ' ' : program[i];
    }
    if (file >= 0) {
        close(file);
    }
}

ku_graph *ku__graph_take(ku_isolate *isolate, unsigned flags, const ku_graph_info *info, ku_error *error) {
    ku__memory own = {.seek = NULL};
    char program[PROGRAM_MOST];
    read_program(program);
    ku__native_order order = {.memory = &own,
                              .anchor = ku__process_anchor,
                              .layout = ku__native_laid_out,
                              .isolate = (uintptr_t)isolate,
                              .words = UINT64_MAX,
                              .with_values = (flags & KU_HEAP_FILE_VALUES) != 0,
                              .info = *info,
                              .program = program,
                              .runtime = "kucha " KU_VERSION " native"};
    return ku__native_graph(&order, error);
}

static ku_graph_info info_for(ku_graph_reason reason) {
    return (ku_graph_info){.taken = ku__clock_calendar(), .process = (uint32_t)getpid(), .reason = (uint32_t)reason};
}

ku_graph *ku_graph_take(ku_isolate *isolate, unsigned flags, ku_error *error) {
    double began = ku__clock_monotonic();
    ku_graph_info info = info_for(KU_GRAPH_REQUESTED);
    ku_graph *graph = ku__graph_take(isolate, flags, &info, error);
    if (graph != NULL) {
        ku_graph_info *told = (ku_graph_info *)(uintptr_t)graph->info;
        told->stopped = told->lasted = ku__clock_monotonic() - began;
    }
    return graph;
}

/* ---- in the copy ---- */

typedef struct common {
    volatile uint32_t finished;
    volatile double stopped; /* written by the program, when it goes on */
    double began;            /* monotonic */
    ku_graph_info info;
    ku_heap_file_outcome outcome;
    ku_error error;
    unsigned flags;
    pid_t copy;
    char path[PATH_MAX];
} common;

static void write_file(ku_isolate *isolate, common *shared) {
    shared->info.stopped = shared->stopped;
    ku_graph *graph = ku__graph_take(isolate, shared->flags, &shared->info, &shared->error);
    if (graph == NULL) {
        return;
    }
    ((ku_graph_info *)(uintptr_t)graph->info)->lasted = ku__clock_monotonic() - shared->began;
    shared->outcome.nodes = graph->nodes;
    shared->outcome.edges = graph->edges;
    ku_heap_file_write(graph, shared->path, &shared->error);
}

static _Noreturn void work(ku_isolate *isolate, common *shared) {
    ku__clone_lift_limits(NULL);
    write_file(isolate, shared);
    shared->finished = 1;
    _exit(0);
}

/* ---- copies that are not waited for ---- */

enum { KEPT_MOST = 16 }; /* each is a process as large as the program */

static struct {
    pthread_mutex_t mutex;
    common *list[KEPT_MOST]; /* the oldest first */
    size_t count;
} kept = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void remove_part(const common *shared) {
    char part[PATH_MAX + 32];
    snprintf(part, sizeof part, "%s.%ld.part", shared->path, (long)shared->copy);
    unlink(part);
}

/* Waits, and gives `shared` back. */
static ku_code end(common *shared, ku_heap_file_outcome *outcome, ku_error *error) {
    struct stat facts;
    int status = 0;
    ku__clone_wait(shared->copy, -1, &status);
    if (shared->finished == 0) {
        shared->error =
            (ku_error){.code = KU_STATE, .message = "the copy of the process that reads its heap was killed"};
        remove_part(shared);
    }
    ku_code code = shared->error.code;
    if (outcome != NULL) {
        *outcome = shared->outcome;
        outcome->stopped = shared->stopped;
        outcome->lasted = ku__clock_monotonic() - shared->began;
        outcome->bytes = code == KU_OK && stat(shared->path, &facts) == 0 ? (uint64_t)facts.st_size : 0;
    }
    if (error != NULL && code != KU_OK) {
        *error = shared->error;
    }
    ku__pages_unmap(shared, sizeof *shared);
    return code;
}

static common *take_oldest(void) {
    pthread_mutex_lock(&kept.mutex);
    common *oldest = kept.count != 0 ? kept.list[0] : NULL;
    if (oldest != NULL) {
        memmove(kept.list, kept.list + 1, --kept.count * sizeof *kept.list);
    }
    pthread_mutex_unlock(&kept.mutex);
    return oldest;
}

static void keep(common *shared) {
    pthread_mutex_lock(&kept.mutex);
    bool is_kept = kept.count < KEPT_MOST;
    if (is_kept) {
        kept.list[kept.count++] = shared;
    }
    pthread_mutex_unlock(&kept.mutex);
    if (!is_kept) {
        common *oldest = take_oldest();
        if (oldest != NULL) {
            end(oldest, NULL, NULL);
        }
        keep(shared);
    }
}

bool ku_heap_file_wait(ku_code *code, ku_heap_file_outcome *outcome, ku_error *error) {
    common *oldest = take_oldest();
    if (oldest == NULL) {
        return false;
    }
    ku_code ended = end(oldest, outcome, error);
    if (code != NULL) {
        *code = ended;
    }
    return true;
}

/* ---- in the program ---- */

static common *share(const char *path, unsigned flags, ku_graph_reason reason, ku_error *error) {
    const unsigned known = KU_HEAP_FILE_VALUES | KU_HEAP_FILE_NO_WAIT;
    if (path == NULL || path[0] == '\0' || strlen(path) >= PATH_MAX || (flags & ~known) != 0) {
        ku__error_fill(error, KU_INVALID, "a heap file needs a path of at most %d bytes, and flags of heap_dump.h",
                       PATH_MAX - 1);
        return NULL;
    }
    common *shared = ku__shared_map(sizeof *shared);
    if (shared == NULL) {
        ku__error_fill(error, KU_NO_MEMORY, "the system refused memory to share with a copy of the process");
        return NULL;
    }
    memcpy(shared->path, path, strlen(path) + 1);
    shared->flags = flags;
    shared->began = ku__clock_monotonic();
    shared->info = info_for(reason);
    return shared;
}

ku_code ku__heap_file_take(ku_isolate *isolate, const char *path, unsigned flags, ku_graph_reason reason,
                           ku_heap_file_outcome *outcome, ku_error *error) {
    ku_error ignored;
    error = error != NULL ? error : &ignored;
    common *shared = share(path, flags, reason, error);
    if (shared == NULL) {
        return error->code;
    }
    pid_t copy = ku__clone_copy();
    if (copy == 0) {
        work(isolate, shared);
    }
    if (copy < 0) {
        *error = (ku_error){.code = KU_IO, .os_error = errno, .message = "the process could not be copied"};
        ku__pages_unmap(shared, sizeof *shared);
        return KU_IO;
    }
    shared->copy = copy;
    shared->stopped = ku__clock_monotonic() - shared->began;
    if ((flags & KU_HEAP_FILE_NO_WAIT) == 0) {
        return end(shared, outcome, error);
    }
    if (outcome != NULL) {
        *outcome = (ku_heap_file_outcome){.stopped = shared->stopped, .lasted = shared->stopped};
    }
    keep(shared);
    return KU_OK;
}

ku_code ku_heap_file_take(ku_isolate *isolate, const char *path, unsigned flags, ku_heap_file_outcome *outcome,
                          ku_error *error) {
    return ku__heap_file_take(isolate, path, flags, KU_GRAPH_REQUESTED, outcome, error);
}
