/* capture_object.c: a capture file as Python values: columns, read once and checked by the C reader.
 *
 * Everything that comes out of a file is text or numbers; texts that are not UTF-8 keep their bytes as surrogates.
 */
#include "cpython/module.h"

#include <kucha/capture.h>
#include <stdint.h>
#include <stdlib.h>

typedef unsigned long long wide; /* what "K" of Py_BuildValue takes */

static PyStructSequence_Field fields[] = {
    {"header", "dict: version, pid, times, command, python, how it was traced"},
    {"codes", "list of (filename, qualname, first_line)"},
    {"frames", "list of (index of code, line, instruction)"},
    {"stacks", "list of tuples of indices of frames, innermost first; one for each site"},
    {"counts",
     "list of (live bytes, live blocks, peak bytes, peak blocks, total bytes, total blocks, temporary blocks)"},
    {"totals", "dict: live_bytes, peak_bytes, updates, failed"},
    {"timeline", "list of (seconds, live bytes, resident bytes, bytes of arenas, bytes of large blocks)"},
    {"collections",
     "list of (seconds, collections of each generation, nanoseconds of each, longest, collected, uncollectable)"},
    {"arenas", "list of dicts: each heap when the program last had time to say"},
    {NULL, NULL},
};

enum { FIELDS = sizeof fields / sizeof fields[0] - 1 };

static PyStructSequence_Desc description = {"kucha._core.Capture", "A capture that has been read.", fields, FIELDS};

KU__AT_IMPORT PyObject *ku__capture_type_new(PyObject *module) {
    (void)module;
    return (PyObject *)PyStructSequence_NewType(&description);
}

static PyObject *text(ku_text value) {
    return ku__text(value.bytes, value.size);
}

/* ---- columns: each makes one item of a list ---- */

typedef PyObject *make_item(const ku_capture *capture, size_t index);

static PyObject *make_list(const ku_capture *capture, size_t first, size_t end, make_item *make) {
    PyObject *list = PyList_New((Py_ssize_t)(end - first));
    for (size_t i = first; list != NULL && i < end; i++) {
        PyObject *item = make(capture, i);
        if (item == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, (Py_ssize_t)(i - first), item);
        }
    }
    return list;
}

static PyObject *make_code(const ku_capture *capture, size_t index) {
    if (index == 0) {
        return Py_BuildValue("(ssi)", "<unknown>", "<unknown>", 0);
    }
    ku_capture_code code;
    ku_capture_code_read(capture, index, &code);
    return Py_BuildValue("(NNi)", text(code.filename), text(code.qualname), (int)code.first_line);
}

static PyObject *make_frame(const ku_capture *capture, size_t index) {
    ku_capture_frame frame;
    ku_capture_frame_read(capture, index, &frame);
    return Py_BuildValue("(IiI)", (unsigned)frame.code, (int)frame.line, (unsigned)frame.instruction);
}

static PyObject *make_stack(const ku_capture *capture, size_t site) {
    enum { FRAMES_MOST = 255 };
    uint32_t frames[FRAMES_MOST];
    size_t count = ku_capture_stack_read(capture, site, frames, FRAMES_MOST);
    count = count < FRAMES_MOST ? count : FRAMES_MOST;
    PyObject *stack = PyTuple_New((Py_ssize_t)count);
    for (size_t i = 0; stack != NULL && i < count; i++) {
        PyObject *number = PyLong_FromUnsignedLong(frames[i]);
        if (number == NULL) {
            Py_CLEAR(stack);
        } else {
            PyTuple_SET_ITEM(stack, (Py_ssize_t)i, number);
        }
    }
    return stack;
}

static PyObject *make_counts(const ku_capture *capture, size_t site) {
    ku_capture_info info;
    ku_capture_info_read(capture, &info);
    uint64_t unit = info.block_unit == 0 ? 1 : info.block_unit;
    const ku_capture_counts *c = &ku_capture_counts_of(capture)[site];
#define BLOCKS(count) ((wide)((count) / unit + ((count) % unit >= unit - unit / 2 && unit > 1)))
    return Py_BuildValue("(KKKKKKK)", (wide)c->live_bytes, BLOCKS(c->live_blocks), (wide)c->peak_bytes,
                         BLOCKS(c->peak_blocks), (wide)c->total_bytes, BLOCKS(c->total_blocks),
                         BLOCKS(c->temporary_blocks));
#undef BLOCKS
}

static PyObject *make_point(const ku_capture *capture, size_t index) {
    ku_capture_point point;
    ku_capture_point_read(capture, index, &point);
    return Py_BuildValue("(dKKKK)", point.seconds, (wide)point.live_bytes, (wide)point.resident_bytes,
                         (wide)point.arena_bytes, (wide)point.large_bytes);
}

static PyObject *make_collections(const ku_capture *capture, size_t index) {
    ku_capture_collections c;
    ku_capture_collections_read(capture, index, &c);
    return Py_BuildValue("(d(KKK)(KKK)KKK)", c.seconds, (wide)c.collections[0], (wide)c.collections[1],
                         (wide)c.collections[2], (wide)c.nanoseconds[0], (wide)c.nanoseconds[1], (wide)c.nanoseconds[2],
                         (wide)c.longest, (wide)c.collected, (wide)c.uncollectable);
}

static PyObject *make_histogram(const uint64_t *occupancy) {
    PyObject *list = PyList_New(KU_CAPTURE_HISTOGRAM);
    for (Py_ssize_t i = 0; list != NULL && i < KU_CAPTURE_HISTOGRAM; i++) {
        PyObject *number = PyLong_FromUnsignedLongLong(occupancy[i]);
        if (number == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, i, number);
        }
    }
    return list;
}

static PyObject *make_heap(const ku_capture *capture, size_t index) {
    ku_capture_heap h;
    ku_capture_heap_read(capture, index, &h);
    return Py_BuildValue("{s:N,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:N}",
                         "name", ku__text(h.name, strnlen(h.name, sizeof h.name)), "domain", (wide)h.domain, "limit",
                         (wide)h.limit, "arena_size", (wide)h.arena_size, "pool_size", (wide)h.pool_size, "arenas",
                         (wide)h.arenas, "arenas_peak", (wide)h.arenas_peak, "arenas_taken", (wide)h.arenas_taken,
                         "pools_used", (wide)h.pools_used, "pools_free", (wide)h.pools_free, "blocks_used",
                         (wide)h.blocks_used, "bytes_used", (wide)h.bytes_used, "blocks_free", (wide)h.blocks_free,
                         "bytes_free", (wide)h.bytes_free, "large_blocks", (wide)h.large_blocks, "large_bytes",
                         (wide)h.large_bytes, "large_bytes_peak", (wide)h.large_bytes_peak, "bytes_held",
                         (wide)h.bytes_held, "bytes_mapped", (wide)h.bytes_mapped, "metadata_bytes",
                         (wide)h.metadata_bytes, "occupancy", make_histogram(h.occupancy));
}

/* ---- the rest ---- */

static PyObject *make_header(const ku_capture_info *info) {
    PyObject *ended = info->finished ? PyFloat_FromDouble(info->started + info->updated) : Py_NewRef(Py_None);
    PyObject *exit_code = info->exit_code >= 0 ? PyLong_FromLong(info->exit_code) : Py_NewRef(Py_None);
    return Py_BuildValue("{s:I,s:I,s:d,s:N,s:d,s:O,s:N,s:N,s:I,s:s,s:K,s:N}", "version", (unsigned)info->version, "pid",
                         (unsigned)info->process, "start_time", info->started, "end_time", ended, "updated",
                         info->started + info->updated, "finished", info->finished ? Py_True : Py_False, "python",
                         text(info->python), "command", text(info->command), "frames", (unsigned)info->frames, "mode",
                         info->mode == 1 ? "objects" : "blocks", "sample", (wide)info->sample_interval, "exit_code",
                         exit_code);
}

static PyObject *make_totals(const ku_capture_info *info) {
    return Py_BuildValue("{s:K,s:K,s:K,s:O}", "live_bytes", (wide)info->live_bytes, "peak_bytes",
                         (wide)info->peak_bytes, "updates", (wide)info->updates, "failed",
                         info->failed ? Py_True : Py_False);
}

static PyObject *make_capture(PyObject *module, const ku_capture *capture) {
    ku_capture_info info;
    ku_capture_info_read(capture, &info);
    size_t sites = ku_capture_site_count(capture);
    size_t first = sites > 0 ? 1 : 0; /* site 0 stands for what was not traced */
    PyObject *columns[FIELDS] = {
        make_header(&info),
        make_list(capture, 0, ku_capture_code_count(capture), make_code),
        make_list(capture, 0, ku_capture_frame_count(capture), make_frame),
        make_list(capture, first, sites, make_stack),
        make_list(capture, first, sites, make_counts),
        make_totals(&info),
        make_list(capture, 0, ku_capture_point_count(capture), make_point),
        make_list(capture, 0, ku_capture_collections_count(capture), make_collections),
        make_list(capture, 0, ku_capture_heap_count(capture), make_heap),
    };
    PyObject *result = PyStructSequence_New((PyTypeObject *)ku__state_of(module)->capture_type);
    bool whole = result != NULL;
    for (Py_ssize_t i = 0; i < FIELDS; i++) {
        whole = whole && columns[i] != NULL;
        if (result != NULL) {
            PyStructSequence_SetItem(result, i, columns[i]); /* takes NULL, and the reference */
        } else {
            Py_XDECREF(columns[i]);
        }
    }
    if (!whole) {
        Py_CLEAR(result);
    }
    return result;
}

static PyObject *raise_reading(PyObject *module, const ku_error *error, const char *path) {
    if (error->code == KU_CORRUPT) {
        PyErr_SetString(ku__state_of(module)->capture_error, error->message);
        return NULL;
    }
    return ku__raise(module, error, path);
}

PyObject *ku__capture_read_call(PyObject *module, PyObject *path) {
    PyObject *encoded;
    if (PyUnicode_FSConverter(path, &encoded) == 0) {
        return NULL;
    }
    ku_error error = {0};
    ku_capture *capture = ku_capture_open(PyBytes_AS_STRING(encoded), &error);
    PyObject *result =
        capture == NULL ? raise_reading(module, &error, PyBytes_AS_STRING(encoded)) : make_capture(module, capture);
    ku_capture_close(capture);
    Py_DECREF(encoded);
    return result;
}
