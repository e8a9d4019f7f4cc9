/* graph_names.c: texts, types, labels and birthplaces of a graph that is made. See graph_making.h. */
#include "cpython/graph_facts.h"

#if KU__FACTS_SUPPORTED

#include "cpython/graph_making.h"
#include "cpython/graph_read.h"
#include "cpython/tracing.h"
#include "trace/fast.h"

#include <kucha/group.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MOST = 256 }; /* bytes of a name: more is a text, not a name */

static uint32_t keep(ku__making *making, const void *address, uint32_t text) {
    if (!ku__pointer_add(&making->names, (uintptr_t)address, text)) {
        return ku__maker_fail(&making->maker, KU_NO_MEMORY, "no memory for the names of a heap's graph");
    }
    return text;
}

uint32_t ku__name_of_text(ku__making *making, const PyObject *text) {
    uint32_t found = ku__pointer_find(&making->names, (uintptr_t)text);
    if (found != KU__POINTER_NONE) {
        return found;
    }
    char bytes[NAME_MOST];
    return keep(making, text, ku__maker_text(&making->maker, bytes, ku__utf8_of(text, bytes, sizeof bytes)));
}

uint32_t ku__name_of_chars(ku__making *making, const char *chars) {
    uint32_t found = ku__pointer_find(&making->names, (uintptr_t)chars);
    if (found != KU__POINTER_NONE) {
        return found;
    }
    return keep(making, chars, ku__maker_text(&making->maker, chars, strnlen(chars, NAME_MOST)));
}

/* ---- types ---- */

static bool text_is(const PyObject *text, const char *chars) {
    char bytes[NAME_MOST];
    size_t size = ku__utf8_of(text, bytes, sizeof bytes);
    return size == strlen(chars) && memcmp(bytes, chars, size) == 0;
}

/* What a namespace has under a name; NULL. */
static PyObject *value_of(const PyObject *namespace, const char *name) {
    const PyDictObject *dict = (const PyDictObject *)(const void *)namespace;
    if (dict == NULL || dict->ma_values != NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < dict->ma_keys->dk_nentries; i++) {
        PyObject *value, *key = ku__fact_key(dict->ma_keys, (size_t)i, &value);
        if (key != NULL && value != NULL && PyUnicode_Check(key) && text_is(key, name)) {
            return value;
        }
    }
    return NULL;
}

const PyObject *ku__module_of_type(const PyTypeObject *type) {
    PyObject *module = value_of(type->tp_dict, "__module__");
    return module != NULL && PyUnicode_Check(module) ? module : NULL;
}

/* A static type's name has its module in front; one without is a builtin. */
static uint32_t make_static_type(ku__making *making, const PyTypeObject *type) {
    const char *dot = strrchr(type->tp_name, '.');
    uint32_t module = dot == NULL ? ku__name_of_chars(making, "builtins")
                                  : ku__maker_text(&making->maker, type->tp_name, (size_t)(dot - type->tp_name));
    return ku__maker_type(&making->maker, module, ku__name_of_chars(making, dot == NULL ? type->tp_name : dot + 1), 0);
}

static uint32_t make_type(ku__making *making, const PyTypeObject *type) {
    if ((type->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0) {
        return make_static_type(making, type);
    }
    const PyObject *module = ku__module_of_type(type),
                   *name = ((const PyHeapTypeObject *)(const void *)type)->ht_qualname;
    return ku__maker_type(&making->maker, module == NULL ? KU_GRAPH_NONE : ku__name_of_text(making, module),
                          name == NULL ? ku__name_of_chars(making, type->tp_name) : ku__name_of_text(making, name),
                          KU_NODE_TYPE_HEAP);
}

bool ku__make_types(ku__making *making) {
    for (int i = 0; i < KU__SYSTEM_TYPES; i++) {
        ku__maker_type(&making->maker, KU_GRAPH_NONE, ku__name_of_chars(making, ku__system_names[i]),
                       KU_NODE_TYPE_SYSTEM);
    }
    making->first_type = KU__SYSTEM_TYPES;
    for (uint32_t i = 0; i < ku__types_count(&making->still.types); i++) {
        make_type(making, ku__types_at(&making->still.types, i)->type);
    }
    return !making->maker.failed;
}

/* ---- labels ---- */

static uint32_t label_of_text(ku__making *making, PyObject *name) {
    return name != NULL && PyUnicode_Check(name) ? ku__name_of_text(making, name) : KU_GRAPH_NONE;
}

/* Where it has got to; its name alone when it is at its end. */
static uint32_t label_of_generator(ku__making *making, PyObject *object) {
    const PyGenObject *generator = (const PyGenObject *)(const void *)object;
    return ku__fact_generator_runs(object) ? ku__name_of_frame(making, &generator->gi_iframe)
                                           : label_of_text(making, generator->gi_qualname);
}

static uint32_t label_of_frame(ku__making *making, PyObject *object) {
    const ku__frame_of_python *frame = ((const PyFrameObject *)(const void *)object)->f_frame;
    return frame != NULL && ku__fact_has_code(frame) ? ku__name_of_frame(making, frame) : KU_GRAPH_NONE;
}

/* Objects that only the collector's lists make sure of: what merely looks like one has fields of any value. */
static uint32_t label_of_tracked(ku__making *making, PyObject *object) {
    if (PyModule_Check(object)) {
        return label_of_text(making, value_of(PyModule_GetDict(object), "__name__"));
    }
    if (PyMethod_Check(object)) {
        PyObject *function = PyMethod_GET_FUNCTION(object);
        return PyFunction_Check(function) ? ku__label_of(making, function, true) : KU_GRAPH_NONE;
    }
    if (PyCFunction_Check(object)) {
        return ku__name_of_chars(making, ((const PyCFunctionObject *)(const void *)object)->m_ml->ml_name);
    }
    if (PyGen_Check(object) || PyCoro_CheckExact(object) || PyAsyncGen_CheckExact(object)) {
        return label_of_generator(making, object);
    }
    return PyFrame_Check(object) ? label_of_frame(making, object) : KU_GRAPH_NONE;
}

uint32_t ku__label_of(ku__making *making, PyObject *object, bool tracked) {
    if (PyFunction_Check(object)) {
        return label_of_text(making, ((const PyFunctionObject *)(const void *)object)->func_qualname);
    }
    if (PyCode_Check(object)) {
        return label_of_text(making, ((const PyCodeObject *)(const void *)object)->co_qualname);
    }
    if (PyType_Check(object)) {
        return ku__name_of_chars(making, ((const PyTypeObject *)(const void *)object)->tp_name);
    }
    return tracked ? label_of_tracked(making, object) : KU_GRAPH_NONE;
}

uint32_t ku__name_of_frame(ku__making *making, const void *address) {
    const ku__frame_of_python *frame = address;
    PyCodeObject *code = ku__fact_code(frame);
    char function[NAME_MOST], file[NAME_MOST], text[2 * NAME_MOST + 32];
    size_t function_size = ku__utf8_of(code->co_qualname, function, sizeof function);
    size_t file_size = ku__utf8_of(code->co_filename, file, sizeof file);
    const PyBytesObject *lines = (const PyBytesObject *)(const void *)code->co_linetable;
    ptrdiff_t offset = (ptrdiff_t)(ku__fact_instruction(frame) - ku__fact_bytecode(code));
    int32_t line = ku_line_of((const uint8_t *)lines->ob_sval, (size_t)Py_SIZE(lines), code->co_firstlineno,
                              offset > 0 ? (uint32_t)offset : 0);
    int size =
        snprintf(text, sizeof text, "%.*s at %.*s:%d", (int)function_size, function, (int)file_size, file, (int)line);
    return ku__maker_text(&making->maker, text, size > 0 ? (size_t)size : 0);
}

/* ---- birthplaces ---- */

static ku_graph_frame frame_of_site(ku__making *making, const ku__tracer *tracer, ku__frame frame) {
    ku__code_facts facts;
    if (frame.code == 0 || !ku__code_read(tracer, frame.code, &facts)) {
        return (ku_graph_frame){.function = KU_GRAPH_NONE, .file = KU_GRAPH_NONE};
    }
    return (ku_graph_frame){
        .function = ku__maker_text(&making->maker, facts.qualname, facts.qualname_bytes),
        .file = ku__maker_text(&making->maker, facts.filename, facts.filename_bytes),
        .line = ku_line_of(facts.line_table, facts.line_table_bytes, facts.first_line, frame.instruction)};
}

uint32_t ku__site_of_slot(ku__making *making, uint32_t slot) {
    uint32_t site = KU__SLOT_SITE(slot);
    if (site == 0 || site >= making->site_count) {
        return 0;
    }
    if (making->sites[site] == 0) {
        enum { DEPTH = 255 };
        ku__frame frames[DEPTH];
        ku_graph_frame told[DEPTH];
        const ku__tracer *tracer = ku__tracing_state.kept;
        unsigned count = ku__site_frames(tracer, site, frames, DEPTH);
        for (unsigned i = 0; i < count; i++) {
            told[i] = frame_of_site(making, tracer, frames[i]);
        }
        making->sites[site] = ku__maker_site(&making->maker, told, count);
    }
    return making->sites[site];
}

#endif
