/* living.c: see living.h. */
#define _GNU_SOURCE
#include "corefile/living.h"

#include "corefile/halt.h"
#include "os/aside.h"
#include "os/clock.h"
#include "os/failure.h"
#include "os/pages.h"
#include "os/proc.h"
#include "os/thread.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Untouched pages between touched ones of one mapping are copied as zeros where they are not more than this: an array
 * that was never filled to its end must be readable as a whole. What is larger is a reservation. */
#define GAP_MOST ((uintptr_t)64 << 20)

/* A collection takes seconds in the largest heaps; one that takes longer is one that hangs. */
#define BUSY_SECONDS 30.0

enum { AT_ONCE = 64 << 20, LOOK_NANOSECONDS = 2 * 1000 * 1000, PAGE_ENTRIES = 4096 };

typedef struct area {
    uintptr_t start, end;
    bool is_file, deleted;
} area;

/* Bytes to be copied, and where to. */
typedef struct span {
    uintptr_t start;
    size_t size, at;
} span;

typedef struct copying {
    ku__image *image;
    pid_t process;
    ku__growing areas, pieces; /* area; span: what the copy shall hold */
    ku__growing spans;         /* span: what of that is read */
    size_t size;
    int page_map; /* -1: it cannot be had */
} copying;

static bool refuse(ku_error *error, ku_code code, int os_error, const char *sentence) {
    ku__error_format(error, code, os_error, "%s", sentence);
    return false;
}

static bool no_memory(ku_error *error) {
    return refuse(error, KU_NO_MEMORY, 0, "no memory to copy a process to");
}

/* ---- files of /proc ---- */

static int open_of(pid_t process, const char *name) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)process, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* A whole file behind what is in `out`, with a zero at its end. */
static bool read_whole(pid_t process, const char *name, ku__growing *out, ku_error *error) {
    int file = open_of(process, name);
    if (file < 0) {
        return refuse(error, errno == ENOENT ? KU_GONE : KU_DENIED, errno, "the process may not be read");
    }
    ssize_t got = 1;
    while (got > 0 && ku__growing_reserve(out, (size_t)1 << 16)) {
        got = read(file, out->bytes + out->used, ((size_t)1 << 16) - 1);
        out->used += got > 0 ? (size_t)got : 0;
    }
    int why = errno;
    close(file);
    if (got > 0) {
        return no_memory(error);
    }
    out->bytes[out->used] = '\0';
    return got == 0 || refuse(error, why == ESRCH ? KU_GONE : KU_IO, why, "the process has ended");
}

/* ---- what is mapped ---- */

static bool ends_with(const char *text, const char *end) {
    size_t size = strlen(text), tail = strlen(end);
    return size >= tail && strcmp(text + size - tail, end) == 0;
}

/* Memory of the kernel's own that looks like the process's, and what it shares with others: no object lies there. */
static bool is_left_out(const char *permissions, const char *name) {
    return permissions[0] != 'r' || permissions[3] == 's' || strncmp(name, "[v", 2) == 0;
}

typedef struct map_line {
    uintptr_t start, end, offset;
    const char *permissions; /* four letters */
    const char *name;        /* empty: none */
} map_line;

/* "start-end permissions offset device inode  name" (proc(5)); false for what is no such line. */
static bool parse_line(const char *line, map_line *to) {
    char *at;
    to->start = (uintptr_t)strtoull(line, &at, 16);
    if (*at != '-') {
        return false;
    }
    to->end = (uintptr_t)strtoull(at + 1, &at, 16);
    if (strlen(at) < sizeof " rwxp" || to->start >= to->end) {
        return false;
    }
    to->permissions = at + 1;
    to->offset = (uintptr_t)strtoull(to->permissions + 4, &at, 16);
    const char *inode = strchr(at + (*at == ' ' ? 1 : 0), ' ');
    if (inode == NULL) {
        return false;
    }
    inode += strspn(inode, " ");
    to->name = inode + strspn(inode, "0123456789");
    to->name += strspn(to->name, " ");
    return true;
}

static bool add_area(copying *work, const char *text) {
    map_line line;
    if (!parse_line(text, &line) || is_left_out(line.permissions, line.name)) {
        return true;
    }
    const char *name = line.name;
    area found = {.start = line.start, .end = line.end, .is_file = name[0] == '/'};
    found.deleted = found.is_file && ends_with(name, " (deleted)");
    ku__mapped_file *file = found.is_file ? ku__growing_push(&work->image->mapped, sizeof *file) : NULL;
    area *room = ku__growing_push(&work->areas, sizeof *room);
    if (room == NULL || (found.is_file && file == NULL)) {
        return false;
    }
    *room = found;
    if (file != NULL) {
        *file = (ku__mapped_file){line.start, line.end, line.offset, name, found.deleted};
    }
    return true;
}

static bool read_areas(copying *work, ku_error *error) {
    ku__growing *texts = &work->image->texts;
    if (!read_whole(work->process, "maps", texts, error)) {
        return false;
    }
    for (char *line = texts->bytes, *end; *line != '\0'; line = end) {
        end = strchrnul(line, '\n');
        if (*end != '\0') {
            *end++ = '\0';
        }
        if (!add_area(work, line)) {
            return no_memory(error);
        }
    }
    return work->areas.used != 0 || refuse(error, KU_ZOMBIE, 0, "the process has ended");
}

/* ---- which pages ---- */

static bool push_span(ku__growing *to, uintptr_t start, uintptr_t end, size_t at) {
    span *room = ku__growing_push(to, sizeof *room);
    if (room != NULL) {
        *room = (span){start, end - start, at};
    }
    return room != NULL;
}

/* Pages in use of one mapping, one after the other. */
typedef struct selection {
    copying *work;
    const area *from;
    uintptr_t piece, start, end; /* the piece begun, and the pages begun in it; start == end: none */
    bool begun, failed;
} selection;

static void end_span(selection *chosen) {
    copying *work = chosen->work;
    if (chosen->start != chosen->end) {
        chosen->failed = chosen->failed || !push_span(&work->spans, chosen->start, chosen->end,
                                                      work->size + (chosen->start - chosen->piece));
    }
    chosen->start = chosen->end;
}

static void end_piece(selection *chosen, uintptr_t end) {
    end_span(chosen);
    if (chosen->begun) {
        chosen->failed = chosen->failed || !push_span(&chosen->work->pieces, chosen->piece, end, chosen->work->size);
        chosen->work->size += end - chosen->piece;
    }
    chosen->begun = false;
}

static uintptr_t gap_of(const area *from) {
    return from->is_file ? 0 : GAP_MOST; /* pages of a file that are not copied are read there */
}

static void choose(selection *chosen, uintptr_t start, uintptr_t end) {
    const area *from = chosen->from;
    if (chosen->begun && start - chosen->end > gap_of(from)) {
        end_piece(chosen, chosen->end);
    }
    if (!chosen->begun) {
        bool near_begin = chosen->end == 0 && start - from->start <= gap_of(from);
        chosen->piece = near_begin ? from->start : start;
        chosen->begun = true;
        chosen->start = start;
    } else if (start != chosen->end) {
        end_span(chosen);
        chosen->start = start;
    }
    chosen->end = end;
}

static bool is_wanted(const area *from, uint64_t entry) {
    const uint64_t of_file = (uint64_t)1 << 61, swapped = (uint64_t)1 << 62, present = (uint64_t)1 << 63;
    return from->deleted || ((entry & (present | swapped)) != 0 && !(from->is_file && (entry & of_file) != 0));
}

static void choose_by_map(selection *chosen) {
    uint64_t entries[PAGE_ENTRIES];
    size_t page = ku__page_size();
    for (uintptr_t at = chosen->from->start; at < chosen->from->end;) {
        size_t left = (chosen->from->end - at) / page, count = left < PAGE_ENTRIES ? left : PAGE_ENTRIES;
        ssize_t got = pread(chosen->work->page_map, entries, count * sizeof entries[0], (off_t)(at / page * 8));
        if (got < (ssize_t)sizeof entries[0]) {
            break;
        }
        for (size_t i = 0; i < (size_t)got / sizeof entries[0]; i++, at += page) {
            if (is_wanted(chosen->from, entries[i])) {
                choose(chosen, at, at + page);
            }
        }
    }
}

static bool choose_pages(copying *work, ku_error *error) {
    size_t count = KU__GROWING_COUNT(&work->areas, area);
    bool failed = false;
    for (size_t i = 0; i < count && !failed; i++) {
        selection chosen = {.work = work, .from = KU__GROWING_ITEMS(&work->areas, area) + i};
        if (work->page_map >= 0) {
            choose_by_map(&chosen);
        } else {
            choose(&chosen, chosen.from->start, chosen.from->end);
        }
        bool near_end = chosen.begun && chosen.from->end - chosen.end <= gap_of(chosen.from);
        end_span(&chosen);
        end_piece(&chosen, near_end ? chosen.from->end : chosen.end);
        failed = chosen.failed;
    }
    return !failed || no_memory(error);
}

/* ---- copying ---- */

/* Bytes that the machine can still give without writing others to disk; 0: it does not say. */
static size_t memory_left(void) {
    static const char name[] = "MemAvailable:";
    char text[4096];
    const char *at = ku__proc_text(NULL, 0, "meminfo", text, sizeof text) > 0 ? strstr(text, name) : NULL;
    return at != NULL ? (size_t)strtoull(at + sizeof name - 1, NULL, 10) << 10 : 0;
}

static int file_for(const char *folder, size_t size) {
    int file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file < 0) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/.kucha-copy-XXXXXX", folder);
        file = mkostemp(path, O_CLOEXEC);
        if (file >= 0) {
            unlink(path);
        }
    }
    if (file >= 0 && posix_fallocate(file, 0, (off_t)size) != 0) { /* a full disk is told of here, not by SIGBUS */
        close(file);
        file = -1;
    }
    return file;
}

static void *room_for(size_t size, const char *folder) {
    enum { SHARE = 2 }; /* the graph that is made of it needs about a third of it */
    if (size < memory_left() / SHARE) {
        return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    }
    int file = file_for(folder, size);
    void *room = file < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (file >= 0) {
        close(file);
    }
    return room;
}

/* A page that the kernel does not give (a device's, a guard) stays zero. */
static bool copy_span(const copying *work, const span *from, char *to, ku_error *error) {
    size_t page = ku__page_size();
    for (size_t done = 0; done < from->size;) {
        size_t left = from->size - done;
        struct iovec here = {to + done, left < AT_ONCE ? left : AT_ONCE},
                     there = {(void *)(from->start + done), here.iov_len};
        ssize_t got = process_vm_readv(work->process, &here, 1, &there, 1, 0);
        if (got < 0 && errno != EFAULT) {
            int why = errno;
            return refuse(error, why == ESRCH ? KU_GONE : KU_DENIED, why, "the process may not be read");
        }
        done += got > 0 ? (size_t)got : page - (from->start + done) % page;
    }
    return true;
}

static bool copy_all(copying *work, const char *folder, ku_error *error) {
    char *room = work->size == 0 ? MAP_FAILED : room_for(work->size, folder);
    if (room == MAP_FAILED) {
        return no_memory(error);
    }
    work->image->bytes = room;
    work->image->size = work->size;
    work->image->is_mapping = true;
    size_t count = KU__GROWING_COUNT(&work->spans, span);
    const span *all = KU__GROWING_ITEMS(&work->spans, span);
    for (size_t i = 0; i < count; i++) {
        if (!copy_span(work, &all[i], room + all[i].at, error)) {
            return false;
        }
    }
    return true;
}

static bool take_pieces(copying *work, ku_error *error) {
    size_t count = KU__GROWING_COUNT(&work->pieces, span);
    for (size_t i = 0; i < count; i++) {
        const span *from = KU__GROWING_ITEMS(&work->pieces, span) + i;
        ku__piece *room = ku__growing_push(&work->image->regions, sizeof *room);
        if (room == NULL) {
            return no_memory(error);
        }
        *room = (ku__piece){from->start, from->start + from->size, work->image->bytes + from->at};
        work->image->dumped += from->size;
    }
    ku__image_settle(work->image);
    return true;
}

/* ---- what process it is ---- */

static bool describe(copying *work, ku_error *error) {
    ku__growing text = {0};
    ku__image *image = work->image;
    image->process = (uint32_t)work->process;
    bool read = read_whole(work->process, "cmdline", &text, error);
    for (size_t i = 0; read && i + 1 < text.used && i + 1 < sizeof image->program; i++) {
        image->program[i] = text.bytes[i] == '\0' ? ' ' : text.bytes[i];
    }
    text.used = 0;
    read = read && read_whole(work->process, "auxv", &text, error);
    for (size_t at = 0; read && at + 16 <= text.used; at += 16) {
        uint64_t entry[2];
        memcpy(entry, text.bytes + at, sizeof entry);
        image->entry = entry[0] == AT_ENTRY ? (uintptr_t)entry[1] : image->entry;
    }
    ku__growing_release(&text);
    return read;
}

/* ---- all of it ---- */

static bool is_busy(pid_t process, uintptr_t word) {
    int busy = 0;
    struct iovec here = {&busy, sizeof busy}, there = {(void *)word, sizeof busy};
    return word != 0 && process_vm_readv(process, &here, 1, &there, 1, 0) == (ssize_t)sizeof busy && busy != 0;
}

static bool copy(copying *work, const char *folder, ku_error *error) {
    work->page_map = open_of(work->process, "pagemap");
    bool copied = read_areas(work, error) && choose_pages(work, error) && copy_all(work, folder, error);
    if (work->page_map >= 0) {
        close(work->page_map);
    }
    return copied;
}

static void pause_shortly(void) {
    nanosleep(&(struct timespec){.tv_nsec = LOOK_NANOSECONDS}, NULL);
}

/* What is done by who stops the process. */
typedef struct visit {
    copying *work;
    const ku__living_order *order;
    ku_error *error;
    double stopped;
    pid_t stuck; /* see halt.h */
    bool done;
} visit;

/* Stops the process at a moment at which it is not busy. */
static bool halt_idle(visit *by, ku__halted *halted) {
    pid_t process = (pid_t)by->order->process;
    double until = ku__clock_monotonic() + BUSY_SECONDS;
    while (ku__halt(halted, process, by->order->hold, by->error)) {
        if (!is_busy(process, by->order->busy)) {
            return true;
        }
        ku__halt_end(halted);
        by->stopped += halted->stood;
        if (ku__clock_monotonic() > until) {
            return refuse(by->error, KU_STATE, 0, "it has been collecting garbage for half a minute");
        }
        pause_shortly();
    }
    by->stopped += halted->stood;
    by->stuck = halted->stuck;
    return false;
}

static void pay(void *argument) {
    visit *by = argument;
    ku__halted halted;
    by->done = halt_idle(by, &halted);
    if (by->done) {
        by->done = copy(by->work, by->order->folder, by->error);
        ku__halt_end(&halted);
        by->stopped += halted.stood;
    }
}

static void *pay_in_thread(void *argument) {
    pay(argument);
    return NULL;
}

/* Where only who began a process may trace it (kernel.yama.ptrace_scope), that is this process, and none beside it. In
 * a thread of its own, with which the last hold on the process ends (halt.h): the caller may live on for long. */
static bool visit_by_thread(visit *by) {
    ku__thread thread;
    int why = ku__thread_start(&thread, pay_in_thread, by, 0);
    if (why != 0) {
        return refuse(by->error, KU_NO_MEMORY, why, "no thread to copy a process by");
    }
    ku__thread_end(&thread);
    return by->done;
}

static bool visit_once(visit *by) {
    if (!ku__aside_run(pay, by)) {
        by->done = false;
        return refuse(by->error, KU_STATE, errno, "the process that was to copy it was ended, or could not be begun");
    }
    bool denied = !by->done && by->error->code == KU_DENIED && by->work->areas.used == 0;
    return denied ? visit_by_thread(by) : by->done;
}

/* Whether the thread that could not be stopped waits no longer, before it is too late for another try. A program whose
 * threads wait off and on shall get on meanwhile: it is left alone for longer than it stood still. */
static bool await_thread(const visit *by, double until) {
    enum { TIMES_AS_LONG = 4 };
    double now = ku__clock_monotonic(), from = now + TIMES_AS_LONG * by->stopped;
    while (now < until && (now < from || ku__halt_waits((pid_t)by->order->process, by->stuck))) {
        pause_shortly();
        now = ku__clock_monotonic();
    }
    return now < until;
}

static bool visit_process(copying *work, const ku__living_order *order, double *stopped, ku_error *error) {
    ku_error why = {.code = KU_OK};
    visit by;
    double until = ku__clock_monotonic() + order->patience;
    bool done;
    do {
        by = (visit){.work = work, .order = order, .error = &why};
        done = visit_once(&by);
        *stopped += by.stopped;
    } while (!done && by.stuck != 0 && await_thread(&by, until));
    if (!done && error != NULL) {
        *error = why;
    }
    return done;
}

bool ku__living_open(ku__image *image, const ku__living_order *order, double *stopped, ku_error *error) {
    copying work = {.image = image, .process = (pid_t)order->process};
    ku__image_begin(image);
    bool opened = describe(&work, error) && visit_process(&work, order, stopped, error) && take_pieces(&work, error);
    ku__growing_release(&work.areas);
    ku__growing_release(&work.pieces);
    ku__growing_release(&work.spans);
    if (!opened) {
        ku__image_close(image);
    }
    return opened;
}
