/* producers_words.c: references, types and birthplaces of dead objects, in words. See producers.h.
 *
 * What a reference is called is found as for a heap file (graph_read.h). Here it is put the way a person would say it:
 *
 *     Node.parent -> Node                    an attribute, whether the instance keeps it in a dict or beside its own
 *     Node.children[...] -> Node             an item of a container that an attribute names
 *     variable walk of function visit        a name that a function closes over
 *     local error of frame of load           what a traceback keeps
 *
 * Lists, dicts, cells, bound methods and tracebacks are the way from one object with a name to the next. The local of a
 * frame is a leftover, the other references of its cycle are the program's data.
 */
#include "cpython/graph_facts.h"

#if KU__FACTS_SUPPORTED

#include "cpython/graph_read.h"
#include "cpython/many.h"
#include "cpython/producers.h"
#include "cpython/tracing.h"
#include "cpython/types.h"
#include "trace/fast.h"

#include <kucha/group.h>
#include <string.h>

enum { NAME_MOST = 256 }; /* bytes of a name */

/* ---- writing ---- */

static void put_text(ku__phrase *to, const PyObject *text) {
    char name[NAME_MOST];
    size_t size = text == NULL ? 0 : ku__utf8_of(text, name, sizeof name);
    ku__phrase_put(to, "%.*s", (int)size, name);
}

static uint32_t keep(const ku__words *words, const ku__phrase *from) {
    return ku__producers_keep(words->all, from);
}

static PyObject *object_of(uintptr_t item) {
    return (PyObject *)item; // NOLINT(performance-no-int-to-ptr)
}

/* ---- references ---- */

static volatile uint32_t running; /* of ku__reading: of use in a child only */
static const uint8_t banned[1];

typedef struct reader {
    ku__producing_see *see;
    void *argument;
    uint64_t beside;
    bool shares_keys;
} reader;

static void pass_on(void *argument, const ku__reference *reference) {
    const reader *by = argument;
    by->see(by->argument, reference->target);
}

static void add_beside(void *argument, uintptr_t block, size_t size, ku__buffer_kind kind) {
    (void)block;
    reader *by = argument;
    by->beside += kind == KU__BUFFER_KEYS && by->shares_keys ? 0 : size;
}

static uint64_t read_object(void *context, uintptr_t address, ku__producing_see *see, void *argument) {
    ku__words *words = context;
    PyObject *item = object_of(address);
    reader by = {.see = see, .argument = argument};
    by.shares_keys = PyDict_Check(item) && ((const PyDictObject *)(const void *)item)->ma_values != NULL;
    ku__reading reading = {
        .telling = {.see = pass_on, .own = add_beside, .argument = &by}, .running = &running, .banned = banned};
    reading.expected = words->expected;
    ku__read_object(&reading, item, 0, true);
    words->expected = reading.expected;
    return ku__object_bytes(item, ku__front_of(Py_TYPE(item))) + by.beside;
}

typedef struct finding {
    uintptr_t target;
    ku__reference best; /* the first that has a name, or the first */
    bool any;
} finding;

static void compare(void *argument, const ku__reference *reference) {
    finding *by = argument;
    if (reference->target == by->target && (!by->any || by->best.kind == KU_EDGE_UNKNOWN)) {
        by->best = *reference;
        by->any = true;
    }
}

static void own_nothing(void *argument, uintptr_t block, size_t size, ku__buffer_kind kind) {
    (void)argument;
    (void)block;
    (void)size;
    (void)kind;
}

/* What the reference is called. */
static ku__reference find_reference(ku__words *words, PyObject *from, PyObject *to) {
    finding by = {.target = (uintptr_t)to, .best = {.kind = KU_EDGE_UNKNOWN}};
    ku__reading reading = {.telling = {.see = compare, .own = own_nothing, .argument = &by, .named = true},
                           .running = &running,
                           .banned = banned};
    reading.expected = words->expected;
    ku__read_object(&reading, from, 0, true);
    words->expected = reading.expected;
    return by.best;
}

static bool is_called(const ku__reference *reference, const char *name) {
    return reference->fixed != NULL && strcmp(reference->fixed, name) == 0;
}

/* ---- objects ---- */

static bool is_principal(uintptr_t address) {
    PyObject *item = object_of(address);
    return !(PyDict_CheckExact(item) || PyList_CheckExact(item) || PyTuple_CheckExact(item) ||
             PyAnySet_CheckExact(item) || PyCell_Check(item) || PyMethod_Check(item) || PyTraceBack_Check(item));
}

static bool is_generator(PyObject *item) {
    return PyGen_Check(item) || PyCoro_CheckExact(item) || PyAsyncGen_CheckExact(item);
}

static const char *last_part(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot == NULL ? name : dot + 1;
}

static void put_type(ku__phrase *to, const PyTypeObject *type) {
    if ((type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0) {
        put_text(to, ((const PyHeapTypeObject *)(const void *)type)->ht_qualname);
    } else {
        ku__phrase_put(to, "%.*s", NAME_MOST, last_part(type->tp_name));
    }
}

static const PyObject *code_name(PyObject *frame) {
    const ku__frame_of_python *inner = ((const PyFrameObject *)(const void *)frame)->f_frame;
    return inner != NULL && ku__fact_has_code(inner) ? ku__fact_code(inner)->co_qualname : NULL;
}

/* An object as a person would call it. */
static void put_object(ku__phrase *to, PyObject *item) {
    if (PyFrame_Check(item)) {
        ku__phrase_put(to, "frame of ");
        put_text(to, code_name(item));
    } else if (PyFunction_Check(item)) {
        ku__phrase_put(to, "function ");
        put_text(to, ((const PyFunctionObject *)(const void *)item)->func_qualname);
    } else if (is_generator(item)) {
        ku__phrase_put(to, "%s ", last_part(Py_TYPE(item)->tp_name));
        put_text(to, ((const PyGenObject *)(const void *)item)->gi_qualname);
    } else if (PyType_Check(item)) {
        ku__phrase_put(to, "class ");
        put_type(to, (const PyTypeObject *)(const void *)item);
    } else {
        put_type(to, Py_TYPE(item));
    }
}

/* ---- parts of a cycle ---- */

static PyObject *object_at(const ku__part *of, uint32_t number) {
    return object_of(ku__part_item(of, number));
}

static ku__reference reference_at(ku__words *words, const ku__part *of, uint32_t number) {
    return find_reference(words, object_at(of, number), object_at(of, number + 1));
}

static void put_name(ku__phrase *to, const ku__reference *reference) {
    if (reference->string != 0) {
        put_text(to, (const PyObject *)reference->string);
    } else if (reference->fixed != NULL) {
        ku__phrase_put(to, "%.*s", NAME_MOST, reference->fixed);
    }
}

/* A reference behind the first of a part. */
static void put_step(ku__phrase *to, const ku__reference *reference, bool exact) {
    bool named = reference->string != 0 || reference->fixed != NULL;
    if (reference->kind == KU_EDGE_KEY) {
        ku__phrase_put(to, " key");
    } else if (reference->kind == KU_EDGE_VALUE && named) {
        ku__phrase_put(to, "['");
        put_name(to, reference);
        ku__phrase_put(to, "']");
    } else if (reference->kind == KU_EDGE_ITEM && exact) {
        ku__phrase_put(to, "[%u]", reference->number);
    } else if (reference->kind == KU_EDGE_ITEM || reference->kind == KU_EDGE_VALUE) {
        ku__phrase_put(to, "[...]");
    } else if (named) {
        ku__phrase_put(to, ".");
        put_name(to, reference);
    } else {
        ku__phrase_put(to, reference->kind == KU_EDGE_TYPE ? ".__class__" : " (by a reference that has no name)");
    }
}

/* The name of a variable that a function closes over, by its place in the tuple of cells; NULL. */
static const PyObject *variable_of(PyObject *function, uint32_t place) {
    const PyCodeObject *code = (const PyCodeObject *)((const PyFunctionObject *)(const void *)function)->func_code;
    const PyTupleObject *names = (const PyTupleObject *)(const void *)code->co_localsplusnames;
    Py_ssize_t at = (Py_ssize_t)code->co_nlocalsplus - code->co_nfreevars + (Py_ssize_t)place;
    return place < (uint32_t)code->co_nfreevars && at >= 0 && at < Py_SIZE(names) ? names->ob_item[at] : NULL;
}

/* function -> __closure__ -> item -> cell -> what the variable holds. Returns the references told, or 0. */
static uint32_t put_variable(ku__words *words, const ku__part *of, ku__phrase *to, ku__phrase *name) {
    PyObject *function = object_at(of, of->first);
    if (!PyFunction_Check(function) || of->end - of->first < 3 || !PyCell_Check(object_at(of, of->first + 2))) {
        return 0;
    }
    ku__reference cells = reference_at(words, of, of->first), place = reference_at(words, of, of->first + 1);
    const PyObject *variable =
        is_called(&cells, "__closure__") && place.kind == KU_EDGE_ITEM ? variable_of(function, place.number) : NULL;
    if (variable == NULL) {
        return 0;
    }
    put_text(name, variable);
    ku__phrase_put(to, "variable %.*s of ", (int)name->used, name->bytes);
    put_object(to, function);
    return 3;
}

static bool is_entry(const ku__reference *reference) {
    return reference->kind == KU_EDGE_ITEM || reference->kind == KU_EDGE_VALUE || reference->kind == KU_EDGE_KEY;
}

/* The references that an instance's dict is only a place for are its own. */
static uint32_t put_attribute(ku__words *words, const ku__part *of, ku__phrase *to, ku__phrase *name, bool *entry) {
    PyObject *item = object_at(of, of->first);
    ku__reference reference = reference_at(words, of, of->first);
    uint32_t told = 1;
    if (is_called(&reference, "__dict__") && of->end - of->first > 1 && !PyType_Check(item)) {
        ku__reference inner = reference_at(words, of, of->first + 1);
        if (inner.kind == KU_EDGE_VALUE && inner.string != 0) {
            reference = inner;
            reference.kind = KU_EDGE_ATTRIBUTE;
            told = 2;
        }
    }
    *entry = is_entry(&reference);
    put_name(name, &reference);
    if (reference.kind == KU_EDGE_LOCAL) {
        ku__phrase_put(to, "local %.*s of ", (int)name->used, name->bytes);
        put_object(to, item);
    } else {
        put_object(to, item);
        put_step(to, &reference, of->exact);
    }
    return told;
}

/* What the sort of its references is; by the objects on the way and the first of them. */
static ku__closing closing_of(const ku__part *of, bool variable, bool named) {
    PyObject *item = object_at(of, of->first);
    bool method = false, container = false;
    for (uint32_t i = of->first + 1; i < of->end; i++) {
        method |= PyMethod_Check(object_at(of, i)) != 0;
        container |= !PyMethod_Check(object_at(of, i)) && !PyCell_Check(object_at(of, i));
    }
    if (PyFrame_Check(item) || is_generator(item)) {
        return PyFrame_Check(item) ? KU__CLOSING_LOCAL : KU__CLOSING_GENERATOR;
    }
    if (PyType_Check(item) || variable) {
        return variable ? KU__CLOSING_VARIABLE : KU__CLOSING_CLASS;
    }
    if (method) {
        return KU__CLOSING_METHOD;
    }
    bool direct = is_principal((uintptr_t)item) && named;
    return !is_principal((uintptr_t)item) || (container && !direct) ? KU__CLOSING_ITEM
           : direct                                                 ? KU__CLOSING_ATTRIBUTE
                                                                    : KU__CLOSING_OTHER;
}

/* Writes a part, up to the object that it leads to. */
static ku__closing put_part(void *context, const ku__part *of, ku__phrase *to, ku__phrase *name) {
    ku__words *words = context;
    uint32_t told = put_variable(words, of, to, name);
    bool variable = told != 0, item = false;
    told = variable ? told : put_attribute(words, of, to, name, &item);
    for (uint32_t i = of->first + told; i < of->end; i++) {
        ku__reference reference = reference_at(words, of, i);
        item |= is_entry(&reference);
        put_step(to, &reference, of->exact);
    }
    ku__closing closing = closing_of(of, variable, name->used != 0);
    bool plain = closing == KU__CLOSING_ATTRIBUTE || closing == KU__CLOSING_OTHER;
    return plain && item ? KU__CLOSING_ITEM : closing;
}

/* ---- types ---- */

static void put_full_type(ku__phrase *to, const PyTypeObject *type) {
    const PyObject *module = (type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0 ? ku__module_of_type(type) : NULL;
    if (module == NULL) {
        const char *name = type->tp_name;
        ku__phrase_put(to, "%.*s", NAME_MOST, strncmp(name, "builtins.", 9) == 0 ? name + 9 : name);
        return;
    }
    put_text(to, module);
    if (strcmp(to->bytes, "__main__") == 0 || strcmp(to->bytes, "builtins") == 0) {
        to->used = 0;
    } else {
        ku__phrase_put(to, ".");
    }
    put_type(to, type);
}

void ku__words_begin(ku__words *words) {
    memset(words->types, 0, sizeof words->types);
}

void ku__words_close(ku__words *words) {
    ku__growing_release(&words->expected);
    ku__pointer_close(&words->places);
}

static uint32_t text_of_type(void *context, uintptr_t item) {
    ku__words *words = context;
    const PyTypeObject *type = Py_TYPE(object_of(item));
    size_t at = ((uintptr_t)type >> 4) % (sizeof words->types / sizeof words->types[0]);
    if (words->types[at].type != type) {
        ku__phrase text = {.used = 0};
        put_full_type(&text, type);
        words->types[at].type = type;
        words->types[at].text = keep(words, &text);
    }
    return words->types[at].text;
}

/* ---- birthplaces ---- */

static uint32_t text_of_site(ku__words *words, const ku__tracer *tracer, uint32_t site) {
    ku__frame frame;
    ku__code_facts code;
    if (ku__site_frames(tracer, site, &frame, 1) == 0 || frame.code == 0 || !ku__code_read(tracer, frame.code, &code)) {
        return KU_GRAPH_NONE;
    }
    int32_t line = ku_line_of(code.line_table, code.line_table_bytes, code.first_line, frame.instruction);
    ku__phrase text = {.used = 0};
    ku__phrase_put(&text, "%.*s:%d", (int)code.filename_bytes, code.filename, (int)line);
    if (code.qualname_bytes > 0 && code.qualname[0] != '<') { /* <module> says nothing */
        ku__phrase_put(&text, " in %.*s", (int)code.qualname_bytes, code.qualname);
    }
    return keep(words, &text);
}

static uint32_t place_of(ku__words *words, const ku__tracer *tracer, uintptr_t item) {
    enum { ERA = 32 }; /* sites have 27 bits */
    ku__block_facts facts;
    void *block;
    if (tracer == NULL || words->heap == NULL || !ku__object_block(words->heap, object_of(item), &block, &facts) ||
        facts.site == NULL || KU__SLOT_SITE(*facts.site) == 0) {
        return KU_GRAPH_NONE;
    }
    uint32_t site = KU__SLOT_SITE(*facts.site);
    uintptr_t key = (uintptr_t)ku__tracing_era() << ERA | site;
    uint32_t found = ku__pointer_find(&words->places, key);
    if (found == KU__POINTER_NONE) {
        found = text_of_site(words, tracer, site);
        ku__pointer_add(&words->places, key, found); /* refused: it is found again the next time */
    }
    return found;
}

/* The main interpreter starts and stops tracing: to it alone what was traced is there until then. To others it is while
 * it goes on. */
static uint32_t text_of_place(void *context, uintptr_t item) {
    ku__words *words = context;
    if (!ku__bridge_state.many) {
        return place_of(words, ku__tracing_state.kept, item);
    }
    ku__many_tracing_lock();
    uint32_t text = place_of(words, words->is_main ? ku__tracing_state.kept : ku__tracing_now(), item);
    ku__many_tracing_unlock();
    return text;
}

/* ---- all of it ---- */

static bool is_leftover(uintptr_t item) {
    return PyFrame_Check(object_of(item));
}

static void put_item(void *context, ku__phrase *to, uintptr_t item) {
    (void)context;
    put_object(to, object_of(item));
}

const ku__producing ku__python_words = {
    .read = read_object,
    .type = text_of_type,
    .place = text_of_place,
    .is_principal = is_principal,
    .is_leftover = is_leftover,
    .put_object = put_item,
    .put_part = put_part,
};

#endif
