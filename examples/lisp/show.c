/* show.c: values as text. A value's text is collected as a list of pieces, and joined at the end. See lisp.h. */
#include "lisp.h"

enum { TEXT_DEPTH = 100 /* values inside of values that are shown; deeper ones, and cycles, end in "..." */ };

typedef struct shown {
    interpreter *lisp;
    ku_object *pieces;
    bool quoted;
} shown;

static bool add(const shown *to, ku_object *value, int depth);

/* Takes the piece over; NULL is what could not be made. */
static bool add_piece(const shown *to, ku_object *piece) {
    KU_FRAME(to->lisp->isolate, frame, 1);
    return ku_hold(&frame, 0, piece) != NULL && ku_list_append(to->lisp->isolate, to->pieces, piece);
}

static bool add_text(const shown *to, const char *text) {
    return add_piece(to, ku_str(to->lisp->isolate, text));
}

static bool add_list(const shown *to, ku_object *value, int depth) {
    const char *before = "(";
    for (; is_type(value, to->lisp->pair); value = rest(value), before = " ") {
        if (!add_text(to, before) || !add(to, first(value), depth)) {
            return false;
        }
    }
    bool proper = ku_is(value, to->lisp->nothing);
    return (proper || (add_text(to, " . ") && add(to, value, depth))) && add_text(to, ")");
}

static bool add_vector(const shown *to, ku_object *value, int depth) {
    bool done = add_text(to, "#(");
    for (size_t i = 0; done && i < ku_list_length(value); i++) {
        done = (i == 0 || add_text(to, " ")) && add(to, ku_list_at(value, i), depth);
    }
    return done && add_text(to, ")");
}

/* A string as it is read: in quotes, with a \ before what would end it. */
static bool add_string(const shown *to, ku_object *value) {
    KU_FRAME(to->lisp->isolate, frame, 1);
    ku_object *room = ku_hold(&frame, 0, ku_bytes_new(to->lisp->isolate, NULL, 2 * ku_str_size(value) + 2));
    if (room == NULL) {
        return false;
    }
    char *bytes = (char *)(uintptr_t)ku_bytes_data(room), *at = bytes;
    *at++ = '"';
    const char *text = ku_str_text(value), *end = text + ku_str_size(value);
    for (; text < end; text++) {
        if (*text == '"' || *text == '\\' || *text == '\n') {
            *at++ = '\\';
        }
        *at++ = *text == '\n' ? 'n' : *text;
    }
    *at++ = '"';
    return add_piece(to, ku_str_new(to->lisp->isolate, bytes, (size_t)(at - bytes)));
}

static bool add_closure(const shown *to, const closure *value) {
    const named *name = (const named *)((syntax *)value->lambda)->b;
    return add_piece(to, name == NULL ? ku_str(to->lisp->isolate, "#<closure>")
                                      : ku_str_format(to->lisp->isolate, "#<closure %s>", ku_str_text(name->name)));
}

/* The message, and behind it what it is about. */
static bool add_condition(const shown *to, const condition *value, int depth) {
    bool done = add_piece(to, ku_new_reference(value->message));
    const shown irritants = {to->lisp, to->pieces, true};
    for (ku_object *left = value->irritants; done && is_type(left, to->lisp->pair); left = rest(left)) {
        done = add_text(to, " ") && add(&irritants, first(left), depth);
    }
    return done;
}

static bool add_own(const shown *to, ku_object *value, int depth) {
    const interpreter *lisp = to->lisp;
    const ku_type *type = ku_type_of(value);
    if (type == lisp->pair) {
        return add_list(to, value, depth);
    }
    if (type == lisp->symbol) {
        return add_piece(to, ku_new_reference(((named *)value)->name));
    }
    if (type == lisp->closure) {
        return add_closure(to, (closure *)value);
    }
    if (type == lisp->condition) {
        return add_condition(to, (condition *)value, depth);
    }
    return add_piece(to, type == lisp->primitive
                             ? ku_str_format(lisp->isolate, "#<primitive %s>", ((primitive *)value)->name)
                             : ku_repr(lisp->isolate, value));
}

static bool add(const shown *to, ku_object *value, int depth) {
    if (depth == 0) {
        return add_text(to, "...");
    }
    if (ku_is(value, to->lisp->nothing)) {
        return add_text(to, "()");
    }
    if (ku_is_exactly(value, KU_BUILTIN_BOOL)) {
        return add_text(to, ku_is(value, ku_bool(to->lisp->isolate, true)) ? "#t" : "#f");
    }
    if (ku_is_str(value)) {
        return to->quoted ? add_string(to, value) : add_piece(to, ku_new_reference(value));
    }
    if (ku_is_list(value)) {
        return add_vector(to, value, depth - 1);
    }
    return ku_is_dict(value) ? add_text(to, "#<table>") : add_own(to, value, depth - 1);
}

ku_object *lisp_text(interpreter *lisp, ku_object *value, bool quoted) {
    KU_FRAME(lisp->isolate, frame, 2);
    const shown to = {lisp, ku_hold(&frame, 0, ku_list_new(lisp->isolate, NULL, 0)), quoted};
    ku_object *between = to.pieces == NULL ? NULL : ku_hold(&frame, 1, ku_str(lisp->isolate, ""));
    bool done = between != NULL && add(&to, value, TEXT_DEPTH);
    return done ? ku_str_join(lisp->isolate, between, to.pieces) : NULL;
}

ku_object *lisp_complain(interpreter *lisp, ku_code code, const char *what, ku_object *value) {
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *text = ku_hold(&frame, 0, lisp_text(lisp, value, true));
    return text == NULL ? NULL : ku_fail_null(lisp->isolate, code, "%s %s", what, ku_str_text(text));
}
