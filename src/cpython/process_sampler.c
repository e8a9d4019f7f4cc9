/* process_sampler.c: kucha._process.Sampler: this process's memory every so often, while its program runs.
 *
 * A thread of the system's that never asks for the GIL reads the process's memory, waits, and reads again, so that
 * a call into C that keeps the GIL for seconds is sampled as well as any other; nothing of the interpreter is
 * touched. The readings go into an array of its own (mmap by way of malloc; 16 bytes each), or, where only the most
 * is wanted, into one. There is one reading before the thread starts, and one after it was told to stop.
 *
 * With children: all processes of the machine are looked at for those that descend from this one (proc_pid_stat(5), the
 * parent), and what they have is added. A process that ends meanwhile has nothing.
 *
 * A fork: the thread ends before it, and goes on afterwards with the reading that was due next (process_fork.h). The
 * child has no such thread, and what it has of the Sampler is only fit to be thrown away.
 *
 * Lock: the thread's own mutex guards `stop`; the array is the thread's until it was joined.
 */
#include "cpython/process_fork.h"
#include "cpython/process_module.h"

#include "os/clock.h"
#include "os/proc.h"
#include "os/thread.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef enum measure {
    MEASURE_RSS,
    MEASURE_PSS,
    MEASURE_USS,
} measure;

typedef struct sample {
    double bytes, time; /* seconds since 1970 */
} sample;

typedef struct sampler {
    PyObject_HEAD ku__fork_guest guest;
    double interval; /* seconds */
    measure what;
    bool children;
    bool most_only; /* keep the highest sample alone */
    bool running;   /* begun, and not stopped yet */
    bool threaded;  /* there is a thread */
    bool stop;
    struct timespec due; /* the next reading */
    ku__thread thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    ku_process process;
    sample *samples;
    size_t count, room, taken;
} sampler;

/* ---- one reading ---- */

static double bytes_of(ku_process *process, measure what) {
    ku_error ignored;
    ku_process_memory memory;
    ku_process_footprint footprint;
    if (what == MEASURE_RSS) {
        return ku_process_memory_read(process, &memory, &ignored) == KU_OK ? (double)memory.rss : 0;
    }
    if (ku_process_footprint_read(process, &footprint, &ignored) != KU_OK) {
        return 0;
    }
    return (double)(what == MEASURE_PSS ? footprint.pss : footprint.uss);
}

enum { PROCESSES_MOST = 1 << 16 }; /* what is looked at of one machine; most have a few hundred */

static int parent_of(int pid) {
    ku_process process;
    ku_process_state state;
    ku_error ignored;
    int parent = 0;
    if (ku_process_open(&process, NULL, pid, &ignored) == KU_OK) {
        parent = ku_process_state_read(&process, &state, &ignored) == KU_OK ? state.parent : 0;
        ku_process_close(&process);
    }
    return parent;
}

static double bytes_of_pid(int pid, measure what) {
    ku_process process;
    ku_error ignored;
    double bytes = 0;
    if (ku_process_open(&process, NULL, pid, &ignored) == KU_OK) {
        bytes = bytes_of(&process, what);
        ku_process_close(&process);
    }
    return bytes;
}

/* Adds up the descendants of `ancestor`: those found in one round are the parents looked for in the next. */
static double bytes_of_family(const int *pids, const int *parents, size_t count, int ancestor, measure what) {
    double bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (parents[i] == ancestor && pids[i] != ancestor) {
            bytes += bytes_of_pid(pids[i], what) + bytes_of_family(pids, parents, count, pids[i], what);
        }
    }
    return bytes;
}

static double bytes_of_children(measure what) {
    int *pids = malloc(2 * PROCESSES_MOST * sizeof *pids);
    if (pids == NULL) {
        return 0;
    }
    int *parents = pids + PROCESSES_MOST;
    ssize_t found = ku__proc_list(NULL, pids, PROCESSES_MOST);
    size_t count = found < 0 ? 0 : found > PROCESSES_MOST ? PROCESSES_MOST : (size_t)found;
    for (size_t i = 0; i < count; i++) {
        parents[i] = parent_of(pids[i]);
    }
    double bytes = bytes_of_family(pids, parents, count, (int)getpid(), what);
    free(pids);
    return bytes;
}

static sample take(sampler *self) {
    double bytes = bytes_of(&self->process, self->what);
    if (self->children) {
        bytes += bytes_of_children(self->what);
    }
    return (sample){.bytes = bytes, .time = ku__clock_calendar()};
}

/* ---- the thread ---- */

enum { ROOM_FIRST = 256 };

/* Where there is no memory for more, the newest reading takes the place of the last. */
static void keep(sampler *self, sample taken) {
    self->taken++;
    if (self->most_only && self->count > 0) {
        self->samples[0] = taken.bytes > self->samples[0].bytes ? taken : self->samples[0];
        return;
    }
    if (self->count == self->room) {
        assert(self->room >= ROOM_FIRST);
        sample *larger = realloc(self->samples, 2 * self->room * sizeof *larger);
        if (larger == NULL) {
            self->samples[self->count - 1] = taken;
            return;
        }
        self->samples = larger;
        self->room *= 2;
    }
    self->samples[self->count++] = taken;
}

static struct timespec after(double seconds) {
    struct timespec when;
    clock_gettime(CLOCK_MONOTONIC, &when);
    double whole = floor(seconds);
    when.tv_sec += (time_t)whole;
    when.tv_nsec += (long)((seconds - whole) * 1e9);
    if (when.tv_nsec >= 1000000000) {
        when.tv_sec++;
        when.tv_nsec -= 1000000000;
    }
    return when;
}

/* Waits for the next reading to be due, or for the end; true at the end. */
static bool told_to_stop(sampler *self) {
    pthread_mutex_lock(&self->mutex);
    while (!self->stop && pthread_cond_timedwait(&self->wake, &self->mutex, &self->due) == 0) {}
    bool stop = self->stop;
    pthread_mutex_unlock(&self->mutex);
    return stop;
}

static void *run(void *argument) {
    sampler *self = argument;
    while (!told_to_stop(self)) {
        keep(self, take(self));
        self->due = after(self->interval);
    }
    return NULL;
}

/* Returns 0, or an errno value. */
static int start_thread(sampler *self) {
    self->stop = false;
    int failure = ku__thread_start(&self->thread, run, self, 0);
    self->threaded = failure == 0;
    return failure;
}

static void end_thread(sampler *self) {
    if (!self->threaded) {
        return;
    }
    pthread_mutex_lock(&self->mutex);
    self->stop = true;
    pthread_cond_signal(&self->wake);
    pthread_mutex_unlock(&self->mutex);
    ku__thread_end(&self->thread);
    self->threaded = false;
}

/* ---- forks ---- */

static sampler *of_guest(ku__fork_guest *guest) {
    return (sampler *)(void *)((char *)guest - offsetof(sampler, guest));
}

static void pause_guest(ku__fork_guest *guest) {
    end_thread(of_guest(guest));
}

/* Where the system refuses the thread, the readings so far and the last one are what there is. */
static void resume_guest(ku__fork_guest *guest) {
    start_thread(of_guest(guest));
}

static void lose_guest(ku__fork_guest *guest) {
    of_guest(guest)->running = false;
}

/* ---- begin and end ---- */

/* The program's other threads go on meanwhile: a reading under way may take a while where there are many processes. */
static void finish(sampler *self) {
    if (!self->running) {
        return;
    }
    self->running = false;
    ku__fork_leave(&self->guest);
    Py_BEGIN_ALLOW_THREADS end_thread(self);
    keep(self, take(self));
    Py_END_ALLOW_THREADS
}

static void prepare_wake(sampler *self) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->wake, &attributes);
    pthread_condattr_destroy(&attributes);
}

static int start(sampler *self) {
    prepare_wake(self);
    self->guest = (ku__fork_guest){.pause = pause_guest, .resume = resume_guest, .lose = lose_guest};
    keep(self, take(self));
    self->due = after(0);
    int failure = start_thread(self);
    if (failure == 0 && !ku__fork_enter(&self->guest)) {
        end_thread(self);
        failure = ENOMEM;
    }
    if (failure != 0) {
        errno = failure;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    self->running = true;
    return 0;
}

/* ---- the type ---- */

static bool read_measure(const char *word, measure *what) {
    static const char *const words[] = {[MEASURE_RSS] = "rss", "pss", "uss"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(words[i], word) == 0) {
            *what = (measure)i;
            return true;
        }
    }
    PyErr_Format(PyExc_ValueError, "what is measured must be 'rss', 'pss' or 'uss', not '%s'", word);
    return false;
}

static int prepare(sampler *self) {
    ku_error error = {0};
    self->process.pid = 0;
    self->samples = malloc(ROOM_FIRST * sizeof *self->samples);
    if (self->samples == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    self->room = ROOM_FIRST;
    if (ku_process_open(&self->process, NULL, (int)getpid(), &error) != KU_OK) {
        self->process.pid = 0;
        ku__raise_system(&error, NULL);
        return -1;
    }
    return start(self);
}

static PyObject *make(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static const char *const names[] = {"interval", "what", "children", "most_only", NULL};
    double interval;
    const char *word = "rss";
    int children = 0, most_only = 0;
    measure what;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "d|$spp:Sampler", (char **)(uintptr_t)names, &interval, &word,
                                     &children, &most_only) ||
        !read_measure(word, &what)) {
        return NULL;
    }
    if (!(interval >= 0 && interval < 1e9)) {
        PyErr_SetString(PyExc_ValueError, "the interval must be a number of seconds that is not below 0");
        return NULL;
    }
    sampler *made = (sampler *)type->tp_alloc(type, 0);
    if (made == NULL) {
        return NULL;
    }
    made->interval = interval;
    made->what = what;
    made->children = children != 0;
    made->most_only = most_only != 0;
    if (prepare(made) != 0) {
        Py_CLEAR(made);
    }
    return (PyObject *)made;
}

static void dealloc(PyObject *object) {
    sampler *self = (sampler *)object;
    PyTypeObject *type = Py_TYPE(object);
    finish(self);
    if (self->process.pid != 0) {
        ku_process_close(&self->process);
    }
    free(self->samples);
    type->tp_free(object);
    Py_DECREF(type);
}

PyDoc_STRVAR(stop_doc,
             "stop() -> (samples, taken)\n\nTakes the last sample and stops. samples: (bytes, time), in order; "
             "taken: how many there\nwere, which is more where only the most is kept.");

static PyObject *stop_call(PyObject *object, PyObject *ignored) {
    (void)ignored;
    sampler *self = (sampler *)object;
    finish(self);
    PyObject *list = PyList_New((Py_ssize_t)self->count);
    for (size_t i = 0; list != NULL && i < self->count; i++) {
        PyObject *pair = Py_BuildValue("(dd)", self->samples[i].bytes, self->samples[i].time);
        if (pair == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)i, pair);
        }
    }
    return list == NULL ? NULL : Py_BuildValue("(Nn)", list, (Py_ssize_t)self->taken);
}

PyDoc_STRVAR(type_doc,
             "Sampler(interval, *, what='rss', children=False, most_only=False)\n\nBegins to read this process's "
             "memory every `interval` seconds, without the GIL.\nwhat: 'rss', 'pss' or 'uss'.");

static PyMethodDef methods[] = {
    {"stop", stop_call, METH_NOARGS, stop_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)(uintptr_t)make},
    {Py_tp_dealloc, (void *)(uintptr_t)dealloc},
    {Py_tp_methods, methods},
    {Py_tp_doc, (void *)(uintptr_t)type_doc},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "kucha._process.Sampler",
    .basicsize = sizeof(sampler),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

int ku__sampler_type_add(PyObject *module) {
    PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
    int result = type == NULL ? -1 : PyModule_AddObjectRef(module, "Sampler", type);
    Py_XDECREF(type);
    return result;
}
