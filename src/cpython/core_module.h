/* core_module.h: what the files of the extension module kucha._corefile share. */
#ifndef KU__CORE_MODULE_H
#define KU__CORE_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* layout_differences() of the module (core_layout.c). */
PyObject *ku__core_layout_call(PyObject *module, PyObject *unused);

#endif
