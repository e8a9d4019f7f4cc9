/* state.c: state, status, command line and links of a process; see kucha/process.h. */
#include "files.h"
#include "os/failure.h"
#include "os/machine.h"
#include "os/proc.h"
#include "text.h"

#include <errno.h>

/* ---- stat ---- */

/* Numbers of fields in proc_pid_stat(5). */
enum {
    PARENT = 4,
    TERMINAL = 7,
    FLAGS = 9,
    USER = 14,
    SYSTEM = 15,
    CHILDREN_USER = 16,
    CHILDREN_SYSTEM = 17,
    THREADS = 20,
    STARTED = 22,
    PROCESSOR = 39,
    IO_WAIT = 42,
    FIELDS = 53,
};

/* Flags of a task, PF_EXITING and PF_KTHREAD of include/linux/sched.h: no header for programs has them, and they have
 * been the same since Linux 2.6 and 3.2. */
enum { IS_EXITING = 0x4, IS_KERNEL_THREAD = 0x200000 };

static void copy_name(ku_process_state *state, const char *text) {
    const char *start = strchr(text, '(');
    const char *end = strrchr(text, ')');
    if (start == NULL || end == NULL || end < start) return;
    size_t size = (size_t)(end - start - 1);
    if (size >= sizeof state->name) size = sizeof state->name - 1;
    memcpy(state->name, start + 1, size);
    state->name[size] = 0;
}

static void parse_stat(ku_process_state *state, const char *text) {
    uint64_t field[FIELDS] = {0};
    const char *at = ku__stat_after_name(text);
    *state = (ku_process_state){0};
    copy_name(state, text);
    state->state = *at++;
    for (int number = PARENT; number < FIELDS && at != NULL; number++) at = ku__text_number(at, &field[number]);
    double ticks = (double)ku__clock_ticks();
    state->parent = (int)field[PARENT];
    state->terminal = (int)field[TERMINAL];
    state->threads = (int)field[THREADS];
    state->processor = (int)field[PROCESSOR];
    state->is_kernels = (field[FLAGS] & IS_KERNEL_THREAD) != 0;
    state->is_ending = (field[FLAGS] & IS_EXITING) != 0;
    state->user = (double)field[USER] / ticks;
    state->system = (double)field[SYSTEM] / ticks;
    state->children_user = (double)field[CHILDREN_USER] / ticks;
    state->children_system = (double)field[CHILDREN_SYSTEM] / ticks;
    state->io_wait = (double)field[IO_WAIT] / ticks;
    state->started = field[STARTED];
    state->started_after_boot = (double)field[STARTED] / ticks;
}

ku_code ku_process_state_read(ku_process *process, ku_process_state *state, ku_error *error) {
    char text[KU__STAT_CAPACITY];
    ssize_t got = ku__process_text(process, KU__STAT, text, sizeof text);
    if (got <= 0) return ku__process_failed(process, got < 0 ? errno : ESRCH, "state", error);
    parse_stat(state, text);
    return KU_OK;
}

/* ---- status ---- */

static const ku__text_field sizes[] = {
    {"VmPeak:", offsetof(ku_process_status, vms_peak)},   {"VmLck:", offsetof(ku_process_status, locked)},
    {"VmHWM:", offsetof(ku_process_status, rss_peak)},    {"RssAnon:", offsetof(ku_process_status, rss_anonymous)},
    {"RssFile:", offsetof(ku_process_status, rss_file)},  {"RssShmem:", offsetof(ku_process_status, rss_shared)},
    {"VmPTE:", offsetof(ku_process_status, page_tables)}, {"VmSwap:", offsetof(ku_process_status, swap)},
};

static bool read_size(ku_process_status *status, const char *line) {
    for (size_t index = 0; index < sizeof sizes / sizeof sizes[0]; index++) {
        const char *at = ku__text_after(line, sizes[index].name);
        if (at == NULL) continue;
        *(uint64_t *)(void *)((char *)status + sizes[index].offset) = ku__text_value(at) << 10;
        return true;
    }
    return false;
}

/* Real, effective, saved (and one for file systems, which nobody asks for). */
static void read_three(const char *at, int *real, int *effective, int *saved) {
    uint64_t number[3] = {0};
    for (int index = 0; index < 3 && at != NULL; index++) at = ku__text_number(at, &number[index]);
    *real = (int)number[0];
    *effective = (int)number[1];
    *saved = (int)number[2];
}

static void read_line(ku_process_status *status, const char *line) {
    const char *at;
    if (read_size(status, line)) return;
    if ((at = ku__text_after(line, "Uid:")) != NULL) {
        read_three(at, &status->uid, &status->effective_uid, &status->saved_uid);
    } else if ((at = ku__text_after(line, "Gid:")) != NULL) {
        read_three(at, &status->gid, &status->effective_gid, &status->saved_gid);
    } else if ((at = ku__text_after(line, "Threads:")) != NULL) {
        status->threads = (int)ku__text_value(at);
    } else if ((at = ku__text_after(line, "voluntary_ctxt_switches:")) != NULL) {
        status->voluntary_switches = ku__text_value(at);
    } else if ((at = ku__text_after(line, "nonvoluntary_ctxt_switches:")) != NULL) {
        status->involuntary_switches = ku__text_value(at);
    }
}

ku_code ku_process_status_read(ku_process *process, ku_process_status *status, ku_error *error) {
    char text[KU__STATUS_CAPACITY];
    ssize_t got = ku__process_text(process, KU__STATUS, text, sizeof text);
    if (got <= 0) return ku__process_failed(process, got < 0 ? errno : ESRCH, "status", error);
    *status = (ku_process_status){0};
    for (const char *line = text; line != NULL; line = ku__text_next_line(line)) read_line(status, line);
    return KU_OK;
}

/* ---- command line and links ---- */

ku_code ku_process_command_line(ku_process *process, char *text, size_t capacity, size_t *size, ku_error *error) {
    *size = 0;
    int descriptor = ku__process_file_open(process, "cmdline");
    ssize_t got = descriptor < 0 ? -1 : ku__proc_read_all(descriptor, text, capacity);
    int why = errno;
    if (descriptor >= 0) ku__proc_close(descriptor);
    if (got < 0) return ku__process_failed(process, why, "command line", error);
    *size = (size_t)got;
    if (got > 0) return KU_OK;
    /* Empty: a thread of the kernel, or a process without memory. */
    ku_process_state state = {0};
    ku_code code = ku_process_state_read(process, &state, error);
    if (code != KU_OK || state.state != 'Z') return code;
    return ku__process_failed(process, ESRCH, "command line", error);
}

ku_code ku_process_link(ku_process *process, const char *name, char *path, size_t capacity, ku_error *error) {
    ssize_t got = ku__proc_link(process->root, process->pid, name, path, capacity);
    int why = errno;
    ku_process_state state = {0};
    if (got < 0 && why != ENOENT && why != ESRCH) return ku__process_failed(process, why, name, error);
    /* Read by its path, so the look at who it is comes after; and a link that is not there is a kernel's thread's. */
    ku_code code = ku_process_state_read(process, &state, error);
    if (code != KU_OK || got >= 0) return code;
    if (state.state == 'Z') return ku__process_failed(process, why, name, error);
    return KU_OK;
}
