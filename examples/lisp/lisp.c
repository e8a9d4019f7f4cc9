/* lisp.c: the types of the interpreter, its symbols, and loading programs. See lisp.h. */
#include "lisp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- types: all that kucha has to know of what lies inside ---- */

static const ku_field pair_fields[] = {
    {"first", offsetof(pair, first), KU_FIELD_OWNED},
    {"rest", offsetof(pair, rest), KU_FIELD_OWNED},
    {NULL},
};
static const ku_type_spec pair_spec = {.name = "pair", .size = sizeof(pair), .fields = pair_fields};

static const ku_field symbol_fields[] = {
    {"name", offsetof(named, name), KU_FIELD_OWNED},
    {"value", offsetof(named, value), KU_FIELD_OWNED},
    {"macro", offsetof(named, macro), KU_FIELD_OWNED},
    {"form", offsetof(named, form), KU_FIELD_INT32},
    {NULL},
};
static const ku_type_spec symbol_spec = {.name = "symbol", .size = sizeof(named), .fields = symbol_fields};

static const ku_field node_fields[] = {
    {"operation", offsetof(syntax, operation), KU_FIELD_INT32},
    {"depth", offsetof(syntax, depth), KU_FIELD_INT32},
    {"index", offsetof(syntax, index), KU_FIELD_INT32},
    {"rest", offsetof(syntax, rest), KU_FIELD_BOOL},
    {"a", offsetof(syntax, a), KU_FIELD_OWNED},
    {"b", offsetof(syntax, b), KU_FIELD_OWNED},
    {"c", offsetof(syntax, c), KU_FIELD_OWNED},
    {NULL},
};
static const ku_type_spec node_spec = {.name = "node", .size = sizeof(syntax), .fields = node_fields};

static const ku_field environment_fields[] = {
    {"outer", offsetof(environment, outer), KU_FIELD_OWNED},
    {"length", offsetof(environment, length), KU_FIELD_SIZE, KU_FIELD_READ_ONLY},
    {"slots", offsetof(environment, slots), KU_FIELD_TAIL, 0, offsetof(environment, length)},
    {NULL},
};
static const ku_type_spec environment_spec = {
    .name = "environment", .size = sizeof(environment), .fields = environment_fields};

static const ku_field closure_fields[] = {
    {"lambda", offsetof(closure, lambda), KU_FIELD_OWNED},
    {"environment", offsetof(closure, environment), KU_FIELD_OWNED},
    {NULL},
};
static const ku_type_spec closure_spec = {.name = "closure", .size = sizeof(closure), .fields = closure_fields};

static const ku_field primitive_fields[] = {
    {"name", offsetof(primitive, name), KU_FIELD_TEXT},
    {"takes", offsetof(primitive, takes), KU_FIELD_TEXT},
    {"function", offsetof(primitive, function), KU_FIELD_PLAIN},
    {NULL},
};
static const ku_type_spec primitive_spec = {
    .name = "primitive", .size = sizeof(primitive), .fields = primitive_fields, .flags = KU_TYPE_ACYCLIC};

static const ku_field condition_fields[] = {
    {"message", offsetof(condition, message), KU_FIELD_OWNED},
    {"irritants", offsetof(condition, irritants), KU_FIELD_OWNED},
    {NULL},
};
static const ku_type_spec condition_spec = {.name = "condition", .size = sizeof(condition), .fields = condition_fields};

static bool make_types(interpreter *lisp, ku_error *error) {
    const struct {
        ku_type **type;
        const ku_type_spec *spec;
    } all[] = {
        {&lisp->pair, &pair_spec},           {&lisp->symbol, &symbol_spec},
        {&lisp->node, &node_spec},           {&lisp->environment, &environment_spec},
        {&lisp->closure, &closure_spec},     {&lisp->primitive, &primitive_spec},
        {&lisp->condition, &condition_spec},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        *all[i].type = ku_type_static(all[i].spec, error);
        if (*all[i].type == NULL) {
            return false;
        }
    }
    return true;
}

/* ---- making values ---- */

ku_object *lisp_cons(interpreter *lisp, ku_object *first, ku_object *rest) {
    pair *made = (pair *)ku_new(lisp->isolate, lisp->pair);
    if (made != NULL) {
        made->first = ku_new_reference(first);
        made->rest = ku_new_reference(rest);
    }
    return (ku_object *)made;
}

ku_object *lisp_condition(interpreter *lisp, ku_object *message, ku_object *irritants) {
    condition *made = (condition *)ku_new(lisp->isolate, lisp->condition);
    if (made != NULL) {
        made->message = ku_new_reference(message);
        made->irritants = ku_new_reference(irritants);
    }
    return (ku_object *)made;
}

ku_object *lisp_symbol(interpreter *lisp, const char *text, size_t length) {
    KU_FRAME(lisp->isolate, frame, 2);
    ku_object *name = ku_hold(&frame, 0, ku_str_new(lisp->isolate, text, length));
    ku_object *found = NULL;
    if (name == NULL || !ku_dict_find(lisp->isolate, lisp->symbols, name, &found) || found != NULL) {
        return found;
    }
    named *made = (named *)ku_hold(&frame, 1, ku_new(lisp->isolate, lisp->symbol));
    if (made == NULL) {
        return NULL;
    }
    made->name = ku_new_reference(name);
    return ku_dict_set(lisp->isolate, lisp->symbols, name, &made->header) ? ku_escape(&frame, 1) : NULL;
}

/* ---- loading ---- */

/* Evaluates what stands next in the text; NULL without a pending error at its end. */
static ku_object *run_next(source *reader) {
    interpreter *lisp = reader->lisp;
    KU_FRAME(lisp->isolate, frame, 2);
    ku_object *datum = ku_hold(&frame, 0, lisp_read(reader));
    ku_object *code = datum == NULL ? NULL : ku_hold(&frame, 1, lisp_analyze(lisp, datum));
    return code == NULL ? NULL : lisp_eval(lisp, code, NULL);
}

ku_object *lisp_run(interpreter *lisp, const char *name, const char *text) {
    source reader = {.lisp = lisp, .name = name, .at = text, .line = 1};
    KU_FRAME(lisp->isolate, frame, 1);
    ku_hold(&frame, 0, ku_new_reference(lisp->nothing));
    for (;;) {
        ku_object *value = run_next(&reader);
        if (value == NULL) {
            return ku_pending_error(lisp->isolate) != NULL ? NULL : ku_escape(&frame, 0);
        }
        ku_hold(&frame, 0, value);
    }
}

/* The bytes of a file, with a zero behind them, as an object. */
static ku_object *file_text(interpreter *lisp, const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return ku_fail_null(lisp->isolate, KU_IO, "%s cannot be read: %s", path, strerror(errno));
    }
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    ku_object *bytes = size < 0 ? NULL : ku_bytes_new(lisp->isolate, NULL, (size_t)size);
    bool whole = bytes != NULL && fread((char *)(uintptr_t)ku_bytes_data(bytes), 1, (size_t)size, file) == (size_t)size;
    fclose(file);
    KU_FRAME(lisp->isolate, frame, 1);
    ku_hold(&frame, 0, bytes);
    if (bytes != NULL && !whole) {
        return ku_fail_null(lisp->isolate, KU_IO, "%s cannot be read", path);
    }
    return ku_escape(&frame, 0);
}

ku_object *lisp_load(interpreter *lisp, const char *path) {
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *bytes = ku_hold(&frame, 0, file_text(lisp, path));
    return bytes == NULL ? NULL : lisp_run(lisp, path, ku_bytes_data(bytes));
}

/* ---- starting and ending ---- */

bool lisp_open(interpreter *lisp, const char *prelude, ku_error *error) {
    static const ku_place place = {__FILE__, "lisp", __LINE__};
    *lisp = (interpreter){.isolate = ku_isolate_new(&(ku_isolate_options){.name = "lisp"}, error)};
    if (lisp->isolate == NULL) {
        return false;
    }
    ku_frame_enter(&lisp->frame, lisp->isolate, &place, lisp->held, 1);
    lisp->nothing = ku_none(lisp->isolate);
    lisp->symbols = ku_hold(&lisp->frame, 0, ku_dict_new(lisp->isolate));
    bool types = make_types(lisp, error);
    if (types && lisp->symbols != NULL && lisp_name_forms(lisp) && lisp_define_primitives(lisp)) {
        KU_FRAME(lisp->isolate, frame, 1);
        if (ku_hold(&frame, 0, lisp_load(lisp, prelude)) != NULL) {
            return true;
        }
    }
    if (types) {
        *error = *ku_pending_error(lisp->isolate);
    }
    lisp_close(lisp);
    return false;
}

size_t lisp_close(interpreter *lisp) {
    ku_frame_leave(&lisp->frame);
    return ku_isolate_delete(lisp->isolate);
}
