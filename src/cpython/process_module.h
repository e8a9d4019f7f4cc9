/* process_module.h: what the files of the extension module kucha._process share.
 *
 * The module is the thin side of include/kucha/{process,system,limits,usage}.h for Python. It has nothing to do with
 * the allocator: it uses public calls of the interpreter only, works under every CPython that the package can be
 * installed on, and any interpreter of a process may import it.
 *
 * Results are named tuples of collections.namedtuple, made when the module is loaded, in kucha.psutil's name, so that
 * they compare, copy, print and pickle as those of psutil do.
 */
#ifndef KU__PROCESS_MODULE_H
#define KU__PROCESS_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <kucha/error.h>
#include <kucha/process.h>
#include <stdbool.h>

typedef enum ku__tuple {
    KU__PMEM,
    KU__PFULLMEM,
    KU__PFOOTPRINT,
    KU__PMMAP_GROUPED,
    KU__PMMAP_EXT,
    KU__PCPUTIMES,
    KU__PCTXSW,
    KU__PUIDS,
    KU__PGIDS,
    KU__SCPUTIMES,
    KU__CGROUP,
    KU__TUPLES,
} ku__tuple;

typedef struct ku__process_module {
    PyObject *tuples[KU__TUPLES]; /* classes */
    PyObject *rusage;             /* kucha.resource.struct_rusage */
    PyObject *process;            /* kucha._process.Process */
} ku__process_module;

static inline ku__process_module *ku__process_module_of(PyObject *module) {
    return PyModule_GetState(module);
}

/* A named tuple of those values; takes the references over, also when it fails. One that is NULL makes it fail, with
 * the exception that is set. */
PyObject *ku__named(const ku__process_module *state, ku__tuple kind, PyObject **values, Py_ssize_t count);

/* The same of numbers. */
PyObject *ku__named_sizes(const ku__process_module *state, ku__tuple kind, const uint64_t *values, Py_ssize_t count);
PyObject *ku__named_seconds(const ku__process_module *state, ku__tuple kind, const double *values, Py_ssize_t count);

/* Raises what fits: OSError with errno (and the path, if there is one), ValueError, MemoryError. Returns NULL. */
PyObject *ku__raise_system(const ku_error *error, const char *path);

/* ---- by file ---- */

PyObject *ku__process_type_new(PyObject *module); /* process_object.c */
PyObject *ku__rusage_type_new(void);              /* process_resource.c */
extern PyMethodDef ku__system_functions[];        /* process_system.c */
extern PyMethodDef ku__resource_functions[];      /* process_resource.c */
int ku__resource_constants(PyObject *module);     /* process_resource.c */
int ku__sampler_type_add(PyObject *module);       /* process_sampler.c */

/* The mappings of a process (process_maps.c): a list, grouped by path or not; NULL with an exception set, or, if
 * `failed` is filled in, without one. The GIL is let go of while the system is asked. */
PyObject *ku__memory_maps(const ku__process_module *state, ku_process *process, bool is_grouped, ku_error *failed);

#endif
