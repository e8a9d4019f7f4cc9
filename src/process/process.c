/* process.c: finding a process, and its files; see kucha/process.h and files.h. */
#include "files.h"
#include "os/failure.h"
#include "os/machine.h"
#include "os/proc.h"
#include "text.h"

#include <errno.h>

_Static_assert(sizeof(((ku_process *)0)->kept[0]) == sizeof(ku__kept), "the public header spells ku__kept out");

/* In ku_process.started: the system would not say when the process started, so identity cannot be compared. */
#define UNKNOWN_START UINT64_MAX

static const char *const file_names[KU_PROCESS_KEPT] = {NULL, "statm", "stat", "status"};

static ku__kept *kept_of(ku_process *process, ku__process_file file) {
    return (ku__kept *)(void *)&process->kept[file];
}

/* ---- judging texts ---- */

const char *ku__stat_after_name(const char *text) {
    const char *bracket = strrchr(text, ')'); /* the name may hold brackets itself; what follows it does not */
    return bracket != NULL && bracket[1] == ' ' ? bracket + 2 : NULL;
}

/* Field 22 of proc_pid_stat(5); the state, from which we count, is field 3. */
bool ku__stat_started(const char *text, uint64_t *started) {
    enum { STATE = 3, STARTED = 22 };
    const char *at = ku__stat_after_name(text);
    if (at == NULL || *at == 0) return false;
    at++;
    for (int field = STATE + 1; at != NULL && field <= STARTED; field++) at = ku__text_number(at, started);
    return at != NULL;
}

static bool is_start(const ku_process *process, const char *stat) {
    uint64_t started;
    return ku__stat_started(stat, &started) && (process->started == UNKNOWN_START || process->started == started);
}

static bool is_statm(const char *text) {
    uint64_t ignored;
    for (int number = 0; number < 7; number++) {
        text = ku__text_number(text, &ignored);
        if (text == NULL) return false;
    }
    return text[0] == '\n' && text[1] == 0;
}

static bool names_pid(const ku_process *process, const char *at) {
    return at != NULL && ku__text_value(at) == (uint64_t)process->pid;
}

static bool is_right(const ku_process *process, ku__process_file file, const char *text) {
    switch (file) {
    case KU__STATM: return is_statm(text);
    case KU__STAT: return names_pid(process, text) && is_start(process, text);
    default: {
        const char *pid = strstr(text, "\nPid:");
        return pid != NULL && names_pid(process, pid + 5);
    }
    }
}

/* ---- opening ---- */

static bool is_still_there(const ku_process *process) {
    char text[KU__STAT_CAPACITY];
    if (process->started == UNKNOWN_START) return ku__pid_exists(process->pid);
    return ku__proc_text(process->root, process->pid, "stat", text, sizeof text) > 0 && is_start(process, text);
}

/* The folder is opened before the look, as files are. */
static void keep_folder(ku_process *process) {
    int folder = ku__proc_open(process->root, process->pid, NULL);
    if (folder < 0) return;
    if (!is_still_there(process) || !ku__proc_keep(kept_of(process, KU__FOLDER), folder)) ku__proc_close(folder);
}

ku_process ku__process_borrow(ku_process *process) {
    if (process->opened++ > 0 && process->kept[KU__FOLDER].descriptor < 0) keep_folder(process);
    ku_process copy = *process;
    copy.opened = 0;
    for (int file = KU__STATM; file < KU_PROCESS_KEPT; file++) copy.kept[file].descriptor = -1;
    memset(copy.reads, 0, sizeof copy.reads);
    return copy;
}

int ku__process_file_open(ku_process *process, const char *name) {
    ku__kept *folder = kept_of(process, KU__FOLDER);
    if (folder->descriptor >= 0) {
        if (ku__proc_is(folder)) return ku__proc_open_at(folder->descriptor, name);
        ku__proc_drop(folder);
    }
    int descriptor = ku__proc_open(process->root, process->pid, name);
    if (descriptor < 0) return -1;
    if (!is_still_there(process)) {
        ku__proc_close(descriptor);
        errno = ESRCH;
        return -1;
    }
    if (process->opened++ > 0) keep_folder(process);
    return descriptor;
}

/* Opens, reads, and keeps the descriptor if the file was read before. */
static ssize_t read_anew(ku_process *process, ku__process_file file, char *text, size_t capacity) {
    int descriptor = ku__process_file_open(process, file_names[file]);
    if (descriptor < 0) return -1;
    ssize_t got = ku__proc_read(descriptor, text, capacity);
    bool was_read = process->reads[file] > 0;
    process->reads[file] = 1;
    if (got <= 0 || !was_read || !ku__proc_keep(kept_of(process, file), descriptor)) ku__proc_close(descriptor);
    return got;
}

ssize_t ku__process_text(ku_process *process, ku__process_file file, char *text, size_t capacity) {
    ku__kept *kept = kept_of(process, file);
    if (kept->descriptor >= 0) {
        ssize_t got = ku__proc_read(kept->descriptor, text, capacity);
        if (got > 0 && is_right(process, file, text)) return got;
        int why = errno;
        bool is_ours = ku__proc_is(kept);
        errno = why;
        if (is_ours) return got;
        ku__proc_drop(kept);
    }
    ssize_t got = read_anew(process, file, text, capacity);
    if (got <= 0 || is_right(process, file, text)) return got;
    errno = ESRCH; /* another process has the number */
    return -1;
}

/* ---- what went wrong ---- */

static ku_code gone(const ku_process *process, ku_error *error) {
    ku__error_format(error, KU_GONE, ESRCH, "process %d does not exist, or no longer", process->pid);
    return KU_GONE;
}

/* The file of stat cannot be read: is there no such process, or does /proc not show it? */
static ku_code not_shown(const ku_process *process, int why, ku_error *error) {
    const char *root = process->root != NULL ? process->root : "/proc";
    if (why == EACCES || why == EPERM) {
        ku__error_format(error, KU_DENIED, why, "this user may not look at process %d", process->pid);
        return KU_DENIED;
    }
    if (why != ENOENT && why != ESRCH && why != ENOTDIR) {
        ku__error_format(error, KU_IO, why, "%s/%d/stat cannot be read: %s", root, process->pid, strerror(why));
        return KU_IO;
    }
    if (!ku__pid_exists(process->pid)) return gone(process, error);
    ku__error_format(error, KU_GONE, why,
                     "the system has a process %d, but %s does not show it: it is not mounted there, or it hides other "
                     "users' processes (hidepid)",
                     process->pid, root);
    return KU_GONE;
}

ku_code ku__process_failed(ku_process *process, int why, const char *what, ku_error *error) {
    char text[KU__STAT_CAPACITY];
    if (why == EACCES || why == EPERM) {
        ku__error_format(error, KU_DENIED, why, "this user may not read %s of process %d", what, process->pid);
        return KU_DENIED;
    }
    if (ku__proc_text(process->root, process->pid, "stat", text, sizeof text) <= 0)
        return not_shown(process, errno, error);
    if (!is_start(process, text)) {
        ku__error_format(error, KU_GONE, ESTALE, "process %d has ended, and its number was given to another process",
                         process->pid);
        return KU_GONE;
    }
    const char *state = ku__stat_after_name(text);
    if (state != NULL && (*state == 'Z' || *state == 'X')) {
        ku__error_format(error, KU_ZOMBIE, why,
                         "process %d has ended and waits for its parent to ask how; it has no %s any more",
                         process->pid, what);
        return KU_ZOMBIE;
    }
    ku__error_format(error, KU_IO, why, "%s of process %d cannot be read: %s", what, process->pid, strerror(why));
    return KU_IO;
}

/* ---- the public calls ---- */

ku_code ku_process_open(ku_process *process, const char *root, int pid, ku_error *error) {
    char text[KU__STAT_CAPACITY];
    *process = (ku_process){.pid = pid, .root = root, .started = UNKNOWN_START};
    for (int file = 0; file < KU_PROCESS_KEPT; file++) process->kept[file].descriptor = -1;
    if (pid < 1) return gone(process, error);
    if (ku__proc_text(root, pid, "stat", text, sizeof text) <= 0) return not_shown(process, errno, error);
    if (ku__stat_started(text, &process->started)) return KU_OK;
    ku__error_format(error, KU_CORRUPT, 0, "%s/%d/stat is not what Linux writes there", root != NULL ? root : "/proc",
                     pid);
    return KU_CORRUPT;
}

void ku_process_close(ku_process *process) {
    for (int file = 0; file < KU_PROCESS_KEPT; file++) ku__proc_drop(kept_of(process, (ku__process_file)file));
}

/* Keeps nothing: whoever counts a program's descriptors asks this, too. */
ku_code ku_process_check(ku_process *process, ku_error *error) {
    char text[KU__STAT_CAPACITY];
    bool is_kept = process->kept[KU__STAT].descriptor >= 0;
    if (is_kept ? ku__process_text(process, KU__STAT, text, sizeof text) > 0 : is_still_there(process)) return KU_OK;
    return ku__process_failed(process, ESRCH, "state", error);
}
