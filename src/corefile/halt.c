/* halt.c: see halt.h. */
#include "corefile/halt.h"

#include "os/clock.h"
#include "os/failure.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

/* A thread that waits for nothing stops as soon as it has a processor, most in 1 ms; on a machine that is overloaded by
 * far it may be kept from one for seconds. */
#define STOP_SECONDS 10.0

enum { LOOK_NANOSECONDS = 100 * 1000 };

typedef struct thread {
    pid_t id;
    int signal; /* that it was given just then; 0: none */
    bool stopped;
} thread;

static thread *threads_of(const ku__halted *halted, size_t *count) {
    *count = KU__GROWING_COUNT(&halted->threads, thread);
    return KU__GROWING_ITEMS(&halted->threads, thread);
}

static bool refuse(ku_error *error, ku_code code, int os_error, const char *sentence) {
    ku__error_format(error, code, os_error, "%s", sentence);
    return false;
}

static bool is_known(const ku__halted *halted, pid_t id) {
    size_t count;
    const thread *all = threads_of(halted, &count);
    for (size_t i = 0; i < count; i++) {
        if (all[i].id == id) {
            return true;
        }
    }
    return false;
}

/* The letter of /proc/PID/task/ID/stat behind the name, which may hold anything; 0: there is no such thread. */
static char state_of(pid_t process, pid_t id) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%ld/task/%ld/stat", (long)process, (long)id);
    FILE *file = fopen(path, "re");
    size_t size = file == NULL ? 0 : fread(text, 1, sizeof text - 1, file);
    if (file != NULL) {
        fclose(file);
    }
    text[size] = '\0';
    const char *end = strrchr(text, ')');
    return end != NULL && end[1] == ' ' ? end[2] : '\0';
}

static bool has_ended(pid_t process, pid_t id) {
    char state = state_of(process, id);
    return state == '\0' || state == 'Z' || state == 'X';
}

/* One that has just ended is no failure. */
static bool seize(ku__halted *halted, pid_t process, pid_t id, ku_error *error) {
    if (ptrace(PTRACE_SEIZE, id, NULL, NULL) != 0) {
        int why = errno;
        return why == ESRCH || has_ended(process, id) || refuse(error, KU_DENIED, why, "the process may not be read");
    }
    thread *room = ku__growing_push(&halted->threads, sizeof *room);
    if (room == NULL) {
        ptrace(PTRACE_DETACH, id, NULL, NULL);
        return refuse(error, KU_NO_MEMORY, 0, "no memory to read a process with");
    }
    *room = (thread){.id = id};
    ptrace(PTRACE_INTERRUPT, id, NULL, NULL);
    return true;
}

static bool seize_new(ku__halted *halted, pid_t process, bool *found, ku_error *error) {
    char path[32];
    snprintf(path, sizeof path, "/proc/%ld/task", (long)process);
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return refuse(error, errno == ENOENT ? KU_GONE : KU_IO, errno, "there is no such process");
    }
    bool done = true;
    *found = false;
    for (const struct dirent *entry; done && (entry = readdir(folder)) != NULL;) {
        pid_t id = (pid_t)strtol(entry->d_name, NULL, 10);
        if (id > 0 && !is_known(halted, id)) {
            size_t before = halted->threads.used;
            done = seize(halted, process, id, error);
            *found = *found || halted->threads.used != before;
        }
    }
    closedir(folder);
    return done;
}

/* The end of the first thread is the process's: it is left for its parent to hear of, who may be this program. That
 * of any other is taken, for which an execve(2) of the process's waits. */
static void note_end(thread *at, pid_t process) {
    if (at->id != process) {
        waitpid(at->id, NULL, __WALL | WNOHANG);
    }
    at->id = 0;
    at->stopped = true;
}

/* Whether a thread has stopped, by being asked or because a signal came first; or has ended. */
static bool has_stopped(thread *at, pid_t process) {
    siginfo_t told = {.si_pid = 0};
    int failed = waitid(P_PID, (id_t)at->id, &told, WSTOPPED | WEXITED | WNOHANG | WNOWAIT | __WALL);
    if (failed != 0 ? errno == ECHILD : told.si_pid != 0 && told.si_code != CLD_TRAPPED) {
        note_end(at, process);
    } else if (failed == 0 && told.si_pid != 0) {
        at->stopped = true;
        at->signal = told.si_status >> 8 == 0 ? told.si_status : 0; /* else it is an event's number, and a signal */
    }
    return at->stopped;
}

/* Whether all have stopped. Those that have are looked at, too: all end at once when the process is killed, and the
 * first cannot be seen to before the others are taken. */
static bool look(ku__halted *halted, pid_t process) {
    size_t count, running = 0;
    thread *all = threads_of(halted, &count);
    for (size_t i = 0; i < count; i++) {
        running += all[i].id != 0 && !has_stopped(&all[i], process);
    }
    return running == 0;
}

bool ku__halt_waits(pid_t process, pid_t id) {
    return state_of(process, id) == 'D';
}

/* A thread that has not stopped, and will not before what it waits for is there; 0: none. */
static pid_t find_stuck(const ku__halted *halted, pid_t process) {
    size_t count;
    const thread *all = threads_of(halted, &count);
    for (size_t i = 0; i < count; i++) {
        if (all[i].id != 0 && !all[i].stopped && ku__halt_waits(process, all[i].id)) {
            return all[i].id;
        }
    }
    return 0;
}

static bool await(ku__halted *halted, pid_t process, double hold, ku_error *error) {
    while (!look(halted, process)) {
        double held = ku__clock_monotonic() - halted->since;
        halted->stuck = held >= hold ? find_stuck(halted, process) : 0;
        if (halted->stuck != 0) {
            ku__error_format(error, KU_STATE, 0, "its thread %ld waits in the kernel and cannot be stopped there",
                             (long)halted->stuck);
            return false;
        }
        if (held > STOP_SECONDS && held >= hold) {
            return refuse(error, KU_STATE, 0, "a thread of it gets no processor and could not be stopped");
        }
        nanosleep(&(struct timespec){.tv_nsec = LOOK_NANOSECONDS}, NULL);
    }
    return true;
}

bool ku__halt(ku__halted *halted, pid_t process, double hold, ku_error *error) {
    *halted = (ku__halted){.since = ku__clock_monotonic()};
    bool found = true, done = true;
    while (done && found) { /* a thread that has not stopped yet may begin others */
        done = seize_new(halted, process, &found, error) && await(halted, process, hold, error);
    }
    size_t count, left = 0;
    const thread *all = threads_of(halted, &count);
    for (size_t i = 0; i < count; i++) {
        left += all[i].id != 0;
    }
    if (done && left == 0) {
        done = refuse(error, KU_ZOMBIE, 0, "the process has ended");
    }
    if (!done) {
        ku__halt_end(halted);
    }
    return done;
}

void ku__halt_end(ku__halted *halted) {
    size_t count;
    const thread *all = threads_of(halted, &count);
    for (size_t i = 0; i < count; i++) {
        if (all[i].id != 0) { /* of one that has not stopped this fails: it goes on when this thread ends */
            ptrace(PTRACE_DETACH, all[i].id, NULL, (void *)(uintptr_t)(unsigned)all[i].signal);
        }
    }
    ku__growing_release(&halted->threads);
    halted->stood = ku__clock_monotonic() - halted->since;
}
