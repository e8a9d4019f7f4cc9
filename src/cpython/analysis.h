/* analysis.h: what the files of kucha._core.Analysis share. */
#ifndef KU__ANALYSIS_H
#define KU__ANALYSIS_H

#include "cpython/module.h"

#include <kucha/dominators.h>
#include <kucha/paths.h>

/* A graph, and what was computed of it so far. A selection of nodes is a bytes object for Python, a bit a node. */
typedef struct ku__analysis {
    PyObject_HEAD ku_graph *graph;
    ku_dominators *dominators; /* NULL until asked for, as the next */
    ku_paths *paths;
    PyObject *tell; /* called with (stage, share of it that is done), or NULL */
} ku__analysis;

enum { KU__NODE_TEXT = 512 };

/* What is computed on demand; NULL with an exception. */
ku_dominators *ku__analysis_dominators(ku__analysis *self);
ku_paths *ku__analysis_paths(ku__analysis *self);

/* Raises what fits; returns NULL. */
PyObject *ku__analysis_raise(const ku_error *error);

/* A node out of a Python integer; false with IndexError where there is none. */
bool ku__analysis_node_of(const ku__analysis *self, PyObject *number, uint32_t *node);

/* Where Python gives None or a bytes object as long as the graph wants it: *selection is NULL or new. False with an
 * exception. */
bool ku__analysis_selection(const ku__analysis *self, PyObject *given, ku_selection **selection);

/* The other way round: a bit a node. */
PyObject *ku__analysis_selection_bytes(const ku_selection *selection);

/* A text of a graph, UTF-8 or not. */
PyObject *ku__analysis_text(const char *text);

/* ---- methods, by file ---- */

extern PyMethodDef ku__analysis_methods[];

#define KU__ANALYSIS_METHOD(name) PyObject *ku__analysis_##name(PyObject *self, PyObject *arguments)

KU__ANALYSIS_METHOD(info); /* analysis_read.c */
KU__ANALYSIS_METHOD(node);
KU__ANALYSIS_METHOD(references);
KU__ANALYSIS_METHOD(referrers);
KU__ANALYSIS_METHOD(edge);
KU__ANALYSIS_METHOD(node_at);
KU__ANALYSIS_METHOD(site);
KU__ANALYSIS_METHOD(column);
KU__ANALYSIS_METHOD(type_names);
KU__ANALYSIS_METHOD(histogram); /* analysis_calls.c */
KU__ANALYSIS_METHOD(select);
KU__ANALYSIS_METHOD(nodes);
KU__ANALYSIS_METHOD(retained);
KU__ANALYSIS_METHOD(retained_by);
KU__ANALYSIS_METHOD(dominated);
KU__ANALYSIS_METHOD(paths_to);
KU__ANALYSIS_METHOD(between);
KU__ANALYSIS_METHOD(merged);
KU__ANALYSIS_METHOD(diff);
KU__ANALYSIS_METHOD(suspects);
KU__ANALYSIS_METHOD(pins); /* analysis_memory.c */
KU__ANALYSIS_METHOD(arenas);
KU__ANALYSIS_METHOD(arena_map);
KU__ANALYSIS_METHOD(duplicates);
KU__ANALYSIS_METHOD(rooms);
KU__ANALYSIS_METHOD(room);
KU__ANALYSIS_METHOD(equal);

/* A function of the module (analysis_build.c): a heap file out of Python's lists. */
PyObject *ku__heap_build_call(PyObject *module, PyObject *arguments);

/* The type kucha._core.Analysis; NULL with an exception. */
PyObject *ku__analysis_type_new(PyObject *module);

/* The type kucha._core.Objects (analysis_objects.c), likewise. */
PyObject *ku__objects_type_new(PyObject *module);

#endif
