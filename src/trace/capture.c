/* capture.c: the capture's life beside the program: the helper thread, forks, the end; see capture.h.
 *
 * Two locks. `life` guards which capture there is and whether its thread runs; it is held across a fork, and the
 * helper thread never takes it, so the thread can be joined under it. `writing` guards the file; whoever updates it
 * (the thread, a flush, the end) holds it. Order: life, then writing.
 *
 * States: a capture is *running* (its thread is), *resting* (after a fork in the parent: joined, to be restarted),
 * *waiting* (in a child that follows: its own file is still to be made), *detached* (in a child that does not) or
 * *off* (a write failed).
 */
#include "capture.h"

#include "capture_exit.h"
#include "capture_file.h"
#include "columns.h"
#include "os/clock.h"
#include "os/process.h"
#include "os/thread.h"
#include "sample.h"
#include "tables.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Twice a second, so that with the time an update takes a kill loses less than a second. An update that costs more
 * than a tenth of that makes the next one wait longer, up to the second that is promised. */
#define UPDATE_SECONDS 0.5
#define UPDATE_SECONDS_MOST 0.9
#define UPDATE_SHARE 9 /* seconds of rest for a second of work */

/* os.fork() counts the process's threads right after fork(2) returns (CPython 3.12 and later,
 * warn_about_fork_with_threads) and takes well under a millisecond to get there, some time slices on a busy machine.
 * A child that is about to exec must not leave a file. */
#define REST_SECONDS_PARENT 0.1
#define REST_SECONDS_CHILD 0.020

/* A fork updates a file that is older than this: many forks must not mean many updates. */
#define FORK_FLUSH_SECONDS 0.25

/* The deepest call is one of snprintf(), on an error; the largest frame of ours is a state of the file, 160 bytes. A
 * sixteenth of the system's default leaves room for a sanitizer's frames. */
#define THREAD_STACK ((size_t)512 << 10)

typedef enum capture_phase { RUNNING, RESTING, WAITING, DETACHED, OFF } capture_phase;

enum { ATTEND_START = 1, ATTEND_HEAPS = 2 };

struct ku__capture {
    ku__tracer *tracer;
    ku__capture_options options; /* texts in it are not kept */
    uint32_t command, python;    /* numbers of the tracer's strings */
    capture_phase phase;         /* under life */
    double start_at;             /* RESTING and WAITING: when the thread may come back; monotonic */
    bool has_thread;
    ku__thread thread;
    pthread_mutex_t writing;
    pthread_cond_t wake;
    bool exiting;       /* under life: the process is ending, and its exit code will be known */
    bool stop;          /* under writing: the thread is to end */
    bool off;           /* under writing: a write failed; error says why */
    double updated;     /* under writing: monotonic */
    double update_cost; /* under writing: seconds that the last update took */
    double seconds;     /* under writing: processor time of all updates of this process */
    ku_error error;
    char parent_path[KU__PATH_MAX];
    ku__capture_file file;
};

uint32_t ku__capture_attention;

static pthread_mutex_t life = PTHREAD_MUTEX_INITIALIZER;
static ku__capture *current; /* under life */
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void attention_set(uint32_t bits) {
    __atomic_fetch_or(&ku__capture_attention, bits, __ATOMIC_RELAXED);
}
static void attention_clear(uint32_t bits) {
    __atomic_fetch_and(&ku__capture_attention, ~bits, __ATOMIC_RELAXED);
}

/* ---- updating ---- */

/* With `writing` held. The first failure is said once, on standard error, without stdio: the program may be using
 * it. */
static void turn_off(ku__capture *capture, const ku_error *error) {
    if (capture->off) return;
    capture->off = true;
    capture->error = *error;
    dprintf(STDERR_FILENO, "kucha: %s; the capture is off, the program goes on\n", error->message);
}

/* With `writing` held: a point of the timeline, where one is due. */
static void note_point(ku__capture *capture, bool ending) {
    ku__capture_file *file = &capture->file;
    if (!(ending || ku__capture_file_point_due(file)) || !ku__capture_file_point_fits(file)) return;
    void *context = capture->options.context;
    ku_capture_point point = {.resident_bytes = ku__process_resident()};
    ku_capture_collections collections = {.seconds = 0};
    if (capture->options.memory != NULL) capture->options.memory(context, &point.arena_bytes, &point.large_bytes);
    if (capture->options.watch != NULL) capture->options.watch(context, &collections);
    ku__capture_file_note(file, &point, capture->options.watch == NULL ? NULL : &collections);
}

/* With `writing` held. */
static bool update(ku__capture *capture, const ku__capture_ending *ending) {
    if (capture->off) return false;
    ku_error error;
    ku__file_shield shield;
    double begun = ku__clock_monotonic(), used = ku__clock_thread();
    note_point(capture, ending != NULL);
    ku__file_shield_begin(&shield);
    bool done = ku__capture_file_update(&capture->file, ending, &error);
    ku__file_shield_end(&shield);
    if (!done) turn_off(capture, &error);
    capture->updated = ku__clock_monotonic();
    capture->update_cost = capture->updated - begun;
    capture->seconds += ku__clock_thread() - used;
    return done;
}

/* ---- the thread ---- */

static double next_update(const ku__capture *capture) {
    double rest = capture->update_cost * UPDATE_SHARE;
    if (rest < UPDATE_SECONDS) rest = UPDATE_SECONDS;
    if (rest > UPDATE_SECONDS_MOST) rest = UPDATE_SECONDS_MOST;
    return capture->updated + rest;
}

/* Points that are further apart than updates are taken with those; denser ones make the thread wake in between. */
static struct timespec next_wake(const ku__capture *capture) {
    const ku__capture_file *file = &capture->file;
    double when = next_update(capture), point = file->started + file->next_point;
    if (file->point_distance < UPDATE_SECONDS && point < when && ku__capture_file_point_fits(file)) when = point;
    return (struct timespec){.tv_sec = (time_t)when, .tv_nsec = (long)((when - (double)(time_t)when) * 1e9)};
}

static void note_between(ku__capture *capture) {
    double used = ku__clock_thread();
    note_point(capture, false);
    capture->seconds += ku__clock_thread() - used;
}

static void *run_thread(void *argument) {
    ku__capture *capture = argument;
    pthread_mutex_lock(&capture->writing);
    while (!capture->stop && !capture->off) {
        struct timespec when = next_wake(capture);
        int woken = 0;
        while (!capture->stop && woken == 0) woken = pthread_cond_timedwait(&capture->wake, &capture->writing, &when);
        if (capture->stop) break;
        if (ku__clock_monotonic() < next_update(capture)) {
            note_between(capture);
            continue;
        }
        update(capture, NULL);
        if (capture->options.heaps == NULL) continue;
        attention_set(ATTEND_HEAPS);
        if (capture->options.due != NULL) capture->options.due(capture->options.context);
    }
    pthread_mutex_unlock(&capture->writing);
    return NULL;
}

static void locks_init(ku__capture *capture) {
    pthread_condattr_t attributes;
    pthread_mutex_init(&capture->writing, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&capture->wake, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* With `life` held. */
static bool thread_start(ku__capture *capture, ku_error *error) {
    capture->stop = false;
    int why = ku__thread_start(&capture->thread, run_thread, capture, THREAD_STACK);
    capture->has_thread = why == 0;
    capture->phase = why == 0 ? RUNNING : OFF;
    if (why == 0) return true;
    ku__error_format(error, KU_NO_MEMORY, why, "the thread that writes the capture cannot be started: %s",
                     strerror(why));
    return false;
}

/* With `life` held. */
static void thread_join(ku__capture *capture) {
    if (!capture->has_thread) return;
    pthread_mutex_lock(&capture->writing);
    capture->stop = true;
    pthread_cond_signal(&capture->wake);
    pthread_mutex_unlock(&capture->writing);
    ku__thread_end(&capture->thread);
    capture->has_thread = false;
}

/* ---- fork ---- */

static void before_fork(void) {
    pthread_mutex_lock(&life);
    if (current == NULL || current->phase != RUNNING) return;
    thread_join(current);
    pthread_mutex_lock(&current->writing);
    if (ku__clock_monotonic() - current->updated > FORK_FLUSH_SECONDS) update(current, NULL);
    pthread_mutex_unlock(&current->writing);
    current->phase = RESTING;
}

static void rest(ku__capture *capture, capture_phase phase, double seconds) {
    capture->phase = phase;
    capture->start_at = ku__clock_monotonic() + seconds;
    attention_set(ATTEND_START);
    ku__epoch_advance(capture->tracer); /* the next allocation takes the slow path, and comes by ku__capture_touch() */
}

static void after_fork_in_parent(void) {
    if (current != NULL && current->phase == RESTING) {
        rest(current, RESTING, REST_SECONDS_PARENT);
        if (current->options.after_fork != NULL) current->options.after_fork(current->options.context);
    }
    pthread_mutex_unlock(&life);
}

static void after_fork_in_child(void) {
    pthread_mutex_init(&life, NULL);
    attention_clear(ATTEND_START | ATTEND_HEAPS);
    if (current == NULL) return;
    ku__capture *capture = current;
    ku__tracer *tracer = capture->tracer;
    locks_init(capture);
    ku__tracer_after_fork_in_child(tracer);
    if (tracer->sample_interval > 0)
        for (int lane = 0; lane < KU__LANE_COUNT; lane++)
            ku__sample_seed(tracer, (ku__lane_id)lane, tracer->lanes[lane].random[0] + (uint64_t)getpid());
    capture->has_thread = false;
    capture->seconds = 0;
    ku__capture_file_close(&capture->file); /* this process's descriptor; the parent's stays open */
    capture->off = false;
    if (capture->options.follow_fork)
        rest(capture, WAITING, REST_SECONDS_CHILD);
    else
        capture->phase = DETACHED;
}

static void register_fork(void) {
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/* ---- starting ---- */

static bool open_file(ku__capture *capture, const char *path, ku_error *error) {
    memset(&capture->file, 0, sizeof capture->file);
    double distance = capture->options.point_seconds;
    ku__file_shield shield;
    ku__file_shield_begin(&shield);
    bool done = ku__capture_file_open(&capture->file, capture->tracer, path, capture->command, capture->python,
                                      distance > 0 ? distance : UPDATE_SECONDS, error);
    ku__file_shield_end(&shield);
    capture->updated = ku__clock_monotonic();
    return done;
}

/* With `life` held: what cannot be said to a caller. */
static bool turn_off_now(ku__capture *capture, const ku_error *error) {
    pthread_mutex_lock(&capture->writing);
    turn_off(capture, error);
    pthread_mutex_unlock(&capture->writing);
    capture->phase = OFF;
    return false;
}

/* With `life` held, in a child that follows: PATH.PID, and nothing is overwritten. */
static bool open_own_file(ku__capture *capture) {
    char path[KU__PATH_MAX + 16];
    ku_error error;
    snprintf(path, sizeof path, "%s.%ld", capture->parent_path, (long)getpid());
    return open_file(capture, path, &error) || turn_off_now(capture, &error);
}

static bool intern_text(ku__tracer *tracer, const char *text, uint32_t *number) {
    return ku__string_intern(tracer->tables, text == NULL ? "" : text, text == NULL ? 0 : strlen(text), number);
}

static void release(ku__capture *capture) {
    ku__capture_file_close(&capture->file);
    pthread_cond_destroy(&capture->wake);
    pthread_mutex_destroy(&capture->writing);
    ku__metadata_unmap(NULL, capture, sizeof *capture);
}

static ku__capture *start(ku__tracer *tracer, const ku__capture_options *options, ku_error *error) {
    ku__capture *capture = ku__metadata_map(NULL, sizeof *capture);
    if (capture == NULL) {
        ku__error_format(error, KU_NO_MEMORY, 0, "no memory to start a capture");
        return NULL;
    }
    capture->tracer = tracer;
    capture->options = *options;
    locks_init(capture);
    if (!intern_text(tracer, options->command, &capture->command) ||
        !intern_text(tracer, options->python, &capture->python)) {
        ku__error_format(error, KU_NO_MEMORY, 0, "no memory to start a capture");
    } else if (open_file(capture, options->path, error)) {
        memcpy(capture->parent_path, capture->file.file.path, sizeof capture->parent_path);
        if (thread_start(capture, error)) return capture;
    }
    release(capture);
    return NULL;
}

ku__capture *ku__capture_start(ku__tracer *tracer, const ku__capture_options *options, ku_error *error) {
    pthread_once(&fork_once, register_fork);
    pthread_mutex_lock(&life);
    ku__capture *capture = NULL;
    if (current != NULL)
        ku__error_format(error, KU_STATE, 0, "a capture of this process is being written already");
    else
        capture = current = start(tracer, options, error);
    pthread_mutex_unlock(&life);
    if (capture != NULL && capture->options.heaps != NULL) attention_set(ATTEND_HEAPS);
    return capture;
}

/* ---- what the program's own threads do ---- */

/* With the main lane's lock, `life` and `writing` held. */
static void refresh_heaps(ku__capture *capture) {
    if (capture->options.heaps == NULL) return;
    size_t count = capture->options.heaps(capture->options.context, capture->file.heaps, KU__CAPTURE_HEAPS_MAX);
    capture->file.heap_count = count < KU__CAPTURE_HEAPS_MAX ? count : KU__CAPTURE_HEAPS_MAX;
}

/* Never waits for an update that is under way: another touch will come. */
static void refresh_heaps_if_free(ku__capture *capture) {
    if (pthread_mutex_trylock(&capture->writing) != 0) return;
    refresh_heaps(capture);
    pthread_mutex_unlock(&capture->writing);
    attention_clear(ATTEND_HEAPS);
}

/* With `life` held, RESTING or WAITING. */
static void start_again(ku__capture *capture) {
    attention_clear(ATTEND_START);
    ku_error error;
    bool ready = capture->phase == RESTING || open_own_file(capture);
    if (ready && !thread_start(capture, &error)) turn_off_now(capture, &error);
}

static void start_if_due(ku__capture *capture) {
    if (capture->phase != RESTING && capture->phase != WAITING) {
        attention_clear(ATTEND_START);
    } else if (ku__clock_monotonic() < capture->start_at) {
        ku__epoch_advance(capture->tracer); /* keep coming */
    } else {
        start_again(capture);
    }
}

void ku__capture_resume(void) {
    if (pthread_mutex_trylock(&life) != 0) return; /* somebody starts, ends or forks: a touch will do it */
    if (current != NULL && current->phase == RESTING) start_again(current);
    pthread_mutex_unlock(&life);
}

void ku__capture_attend(void) {
    if (pthread_mutex_trylock(&life) != 0) return; /* somebody starts, ends or forks: another time */
    uint32_t due = __atomic_load_n(&ku__capture_attention, __ATOMIC_RELAXED);
    if (current == NULL) {
        attention_clear(due);
    } else {
        if (due & ATTEND_START) start_if_due(current);
        if ((due & ATTEND_HEAPS) && current->phase == RUNNING) refresh_heaps_if_free(current);
    }
    pthread_mutex_unlock(&life);
}

/* With `life` held: the file is this process's own and may be written. Fills `error` where it may not. */
static bool writable(ku__capture *capture, ku_error *error) {
    if (capture->phase == WAITING) {
        if (open_own_file(capture))
            capture->phase = RESTING;
        else if (error != NULL)
            *error = capture->error;
    }
    if (capture->phase == DETACHED)
        ku__error_format(error, KU_STATE, 0, "a forked child does not write its parent's capture");
    if (capture->phase == OFF && error != NULL) *error = capture->error;
    return capture->phase == RUNNING || capture->phase == RESTING;
}

static bool update_now(ku__capture *capture, const ku__capture_ending *ending, ku_error *error) {
    if (!writable(capture, error)) return false;
    pthread_mutex_lock(&capture->writing);
    refresh_heaps(capture);
    bool done = update(capture, ending);
    if (!done && error != NULL) *error = capture->error;
    pthread_mutex_unlock(&capture->writing);
    return done;
}

bool ku__capture_flush(ku__capture *capture, ku_error *error) {
    pthread_mutex_lock(&life);
    bool began = capture->phase == WAITING;
    bool done = update_now(capture, NULL, error);
    if (began && done) start_again(capture);
    pthread_mutex_unlock(&life);
    return done;
}

static bool end(ku__capture *capture, const ku__capture_ending *ending, ku_error *error) {
    pthread_mutex_lock(&life);
    thread_join(capture);
    bool detached = capture->phase == DETACHED;
    bool done = ending == NULL || detached || update_now(capture, ending, error);
    if (done && !detached && ending != NULL && capture->exiting) ku__capture_exit_remember(&capture->file);
    current = NULL;
    attention_clear(ATTEND_START | ATTEND_HEAPS);
    release(capture);
    pthread_mutex_unlock(&life);
    return done;
}

bool ku__capture_finish(ku__capture *capture, int exit_code, ku_error *error) {
    return end(capture, &(ku__capture_ending){.finished = true, .exit_code = exit_code < 0 ? -1 : exit_code}, error);
}

void ku__capture_expect_exit(ku__capture *capture) {
    pthread_mutex_lock(&life);
    capture->exiting = true;
    pthread_mutex_unlock(&life);
}

void ku__capture_abandon(ku__capture *capture) {
    end(capture, NULL, NULL);
}

const ku_error *ku__capture_failure(const ku__capture *capture) {
    ku__capture *own = (ku__capture *)capture; /* the lock is no part of what the caller sees */
    pthread_mutex_lock(&own->writing);
    bool off = own->off;
    pthread_mutex_unlock(&own->writing);
    return off ? &capture->error : NULL;
}

double ku__capture_seconds(ku__capture *capture) {
    pthread_mutex_lock(&capture->writing);
    double seconds = capture->seconds;
    pthread_mutex_unlock(&capture->writing);
    return seconds;
}

const char *ku__capture_path(const ku__capture *capture) {
    return capture->file.file.path[0] != 0 ? capture->file.file.path : capture->parent_path;
}
