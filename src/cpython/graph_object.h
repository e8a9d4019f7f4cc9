/* graph_object.h: graphs as Python objects. */
#ifndef KU__GRAPH_OBJECT_H
#define KU__GRAPH_OBJECT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <kucha/graph.h>

/* The graph of a kucha._core.Graph, which lives as long as the object; NULL with TypeError for anything else. */
ku_graph *ku__graph_of(PyObject *module, PyObject *object);

#endif
