/* primitives.c: the functions of the language that are written in C, and values as text. */
#include "lisp.h"

#include <stdio.h>
#include <string.h>

static ku_object *wrong(interpreter *lisp, const char *wanted, ku_object *value) {
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *text = ku_hold(&frame, 0, lisp_text(lisp, value, true));
    return text == NULL ? NULL : ku_fail_null(lisp->isolate, KU_TYPE, "%s wanted, not %s", wanted, ku_str_text(text));
}

static ku_object *truth(interpreter *lisp, bool value) {
    return ku_new_reference(ku_bool(lisp->isolate, value));
}

static bool is_number(const ku_object *value) {
    return ku_is_exactly(value, KU_BUILTIN_INT) || ku_is_exactly(value, KU_BUILTIN_FLOAT);
}

/* ---- text ---- */

enum { TEXT_DEPTH = 100 /* values inside of values that are shown; deeper ones, and cycles, end in "..." */ };

static bool add_text(interpreter *lisp, ku_object *pieces, ku_object *value, bool quoted, int depth);

static bool add_piece(interpreter *lisp, ku_object *pieces, const char *text) {
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *piece = ku_hold(&frame, 0, ku_str_new(lisp->isolate, text, strlen(text)));
    return piece != NULL && ku_list_append(lisp->isolate, pieces, piece);
}

static bool add_list(interpreter *lisp, ku_object *pieces, ku_object *value, bool quoted, int depth) {
    const char *before = "(";
    for (; is_type(value, lisp->pair); value = ((pair *)value)->rest, before = " ") {
        if (!add_piece(lisp, pieces, before) || !add_text(lisp, pieces, ((pair *)value)->first, quoted, depth - 1)) {
            return false;
        }
    }
    bool proper = ku_is(value, lisp->nothing);
    return (proper || (add_piece(lisp, pieces, " . ") && add_text(lisp, pieces, value, quoted, depth - 1))) &&
           add_piece(lisp, pieces, ")");
}

static bool add_vector(interpreter *lisp, ku_object *pieces, ku_object *value, bool quoted, int depth) {
    if (!add_piece(lisp, pieces, "#(")) {
        return false;
    }
    for (size_t i = 0; i < ku_list_length(value); i++) {
        if ((i > 0 && !add_piece(lisp, pieces, " ")) ||
            !add_text(lisp, pieces, ku_list_at(value, i), quoted, depth - 1)) {
            return false;
        }
    }
    return add_piece(lisp, pieces, ")");
}

static bool add_string(interpreter *lisp, ku_object *pieces, const char *text) {
    char quoted[3] = "";
    bool done = add_piece(lisp, pieces, "\"");
    for (; done && *text != '\0'; text++) {
        bool special = *text == '"' || *text == '\\' || *text == '\n';
        size_t plain = strcspn(text, "\"\\\n");
        KU_FRAME(lisp->isolate, frame, 1);
        if (special) {
            quoted[0] = '\\';
            quoted[1] = *text == '\n' ? 'n' : *text;
            done = add_piece(lisp, pieces, quoted);
        } else {
            ku_object *run = ku_hold(&frame, 0, ku_str_new(lisp->isolate, text, plain));
            done = run != NULL && ku_list_append(lisp->isolate, pieces, run);
            text += plain - 1;
        }
    }
    return done && add_piece(lisp, pieces, "\"");
}

/* What has a name and nothing more to show: #<closure square>. */
static bool add_named(interpreter *lisp, ku_object *pieces, const char *kind, const char *name) {
    return add_piece(lisp, pieces, "#<") && add_piece(lisp, pieces, kind) &&
           (name == NULL || (add_piece(lisp, pieces, " ") && add_piece(lisp, pieces, name))) &&
           add_piece(lisp, pieces, ">");
}

static bool add_closure(interpreter *lisp, ku_object *pieces, const closure *value) {
    ku_object *name = ((syntax *)value->lambda)->b;
    return add_named(lisp, pieces, "closure", name == NULL ? NULL : ku_str_text(((named *)name)->name));
}

static bool add_other(interpreter *lisp, ku_object *pieces, ku_object *value) {
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *text = ku_hold(&frame, 0, ku_repr(lisp->isolate, value));
    return text != NULL && ku_list_append(lisp->isolate, pieces, text);
}

static bool add_text(interpreter *lisp, ku_object *pieces, ku_object *value, bool quoted, int depth) {
    if (depth == 0) {
        return add_piece(lisp, pieces, "...");
    }
    if (ku_is(value, lisp->nothing)) {
        return add_piece(lisp, pieces, "()");
    }
    if (is_type(value, lisp->pair)) {
        return add_list(lisp, pieces, value, quoted, depth);
    }
    if (is_type(value, lisp->symbol)) {
        return ku_list_append(lisp->isolate, pieces, ((named *)value)->name);
    }
    if (is_type(value, lisp->closure)) {
        return add_closure(lisp, pieces, (closure *)value);
    }
    if (is_type(value, lisp->primitive)) {
        return add_named(lisp, pieces, "primitive", ((primitive *)value)->name);
    }
    if (is_type(value, lisp->condition)) {
        return add_named(lisp, pieces, "condition", ku_str_text(((condition *)value)->message));
    }
    if (ku_is_exactly(value, KU_BUILTIN_BOOL)) {
        return add_piece(lisp, pieces, ku_is(value, ku_bool(lisp->isolate, true)) ? "#t" : "#f");
    }
    if (ku_is_exactly(value, KU_BUILTIN_LIST)) {
        return add_vector(lisp, pieces, value, quoted, depth);
    }
    if (ku_is_exactly(value, KU_BUILTIN_STR)) {
        return quoted ? add_string(lisp, pieces, ku_str_text(value)) : ku_list_append(lisp->isolate, pieces, value);
    }
    return ku_is_exactly(value, KU_BUILTIN_DICT) ? add_named(lisp, pieces, "table", NULL)
                                                 : add_other(lisp, pieces, value);
}

static ku_object *join(interpreter *lisp, ku_object *pieces) {
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *nothing = ku_hold(&frame, 0, ku_str_new(lisp->isolate, "", 0));
    return nothing == NULL ? NULL : ku_str_join(lisp->isolate, nothing, pieces);
}

ku_object *lisp_text(interpreter *lisp, ku_object *value, bool quoted) {
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *pieces = ku_hold(&frame, 0, ku_list_new(lisp->isolate, NULL, 0));
    return pieces != NULL && add_text(lisp, pieces, value, quoted, TEXT_DEPTH) ? join(lisp, pieces) : NULL;
}

/* ---- numbers ---- */

typedef ku_object *arithmetic(ku_isolate *isolate, ku_object *a, ku_object *b);

static ku_object *number_pair(interpreter *lisp, arithmetic *operation, ku_object *a, ku_object *b) {
    if (!is_number(a) || !is_number(b)) {
        return wrong(lisp, "a number", is_number(a) ? b : a);
    }
    return operation(lisp->isolate, a, b);
}

/* (f a b c) is (f (f a b) c). */
static ku_object *reduce(interpreter *lisp, arithmetic *operation, ku_object *start, ku_object *const *arguments,
                         size_t count) {
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *result = ku_hold(&frame, 0, ku_new_reference(start));
    for (size_t i = 0; result != NULL && i < count; i++) {
        result = ku_hold(&frame, 0, number_pair(lisp, operation, result, arguments[i]));
    }
    return result == NULL ? NULL : ku_escape(&frame, 0);
}

static ku_object *add(interpreter *lisp, ku_object *const *arguments, size_t count) {
    if (count == 2) {
        return number_pair(lisp, ku_add, arguments[0], arguments[1]);
    }
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *zero = ku_hold(&frame, 0, ku_int(lisp->isolate, 0));
    return zero == NULL ? NULL : reduce(lisp, ku_add, zero, arguments, count);
}

static ku_object *multiply(interpreter *lisp, ku_object *const *arguments, size_t count) {
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *one = ku_hold(&frame, 0, ku_int(lisp->isolate, 1));
    return one == NULL ? NULL : reduce(lisp, ku_multiply, one, arguments, count);
}

static ku_object *subtract(interpreter *lisp, ku_object *const *arguments, size_t count) {
    if (count > 1) {
        return reduce(lisp, ku_subtract, arguments[0], arguments + 1, count - 1);
    }
    return is_number(arguments[0]) ? ku_unary(lisp->isolate, KU_NEGATIVE, arguments[0])
                                   : wrong(lisp, "a number", arguments[0]);
}

/* A quotient of ints that is whole is an int, any other a float. */
static ku_object *divide_pair(ku_isolate *isolate, ku_object *a, ku_object *b) {
    if (ku_is_exactly(a, KU_BUILTIN_INT) && ku_is_exactly(b, KU_BUILTIN_INT)) {
        KU_FRAME(isolate, frame, 1);
        ku_object *left = ku_hold(&frame, 0, ku_remainder(isolate, a, b));
        int whole = left == NULL ? -1 : ku_truth(isolate, left);
        if (whole != 1) {
            return whole < 0 ? NULL : ku_floor_divide(isolate, a, b);
        }
    }
    return ku_divide(isolate, a, b);
}

static ku_object *divide(interpreter *lisp, ku_object *const *arguments, size_t count) {
    return reduce(lisp, divide_pair, arguments[0], arguments + 1, count - 1);
}

static ku_object *modulo(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    return number_pair(lisp, ku_remainder, arguments[0], arguments[1]);
}

/* Towards zero: what floors goes through the positive side. */
static ku_object *quotient_pair(ku_isolate *isolate, ku_object *a, ku_object *b) {
    KU_FRAME(isolate, frame, 3);
    ku_object *zero = ku_hold(&frame, 0, ku_int(isolate, 0));
    int a_low = zero == NULL ? -1 : ku_compare(isolate, KU_LESS, a, zero);
    int b_low = a_low < 0 ? -1 : ku_compare(isolate, KU_LESS, b, zero);
    if (b_low < 0 || a_low == b_low) {
        return b_low < 0 ? NULL : ku_floor_divide(isolate, a, b);
    }
    ku_object *turned = ku_hold(&frame, 1, ku_unary(isolate, KU_NEGATIVE, a));
    ku_object *floor = turned == NULL ? NULL : ku_hold(&frame, 2, ku_floor_divide(isolate, turned, b));
    return floor == NULL ? NULL : ku_unary(isolate, KU_NEGATIVE, floor);
}

static ku_object *quotient(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    return number_pair(lisp, quotient_pair, arguments[0], arguments[1]);
}

static ku_object *expt(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    return number_pair(lisp, ku_power, arguments[0], arguments[1]);
}

static ku_object *compare(interpreter *lisp, ku_comparison comparison, ku_object *const *arguments, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!is_number(arguments[i])) {
            return wrong(lisp, "a number", arguments[i]);
        }
    }
    for (size_t i = 1; i < count; i++) {
        int holds = ku_compare(lisp->isolate, comparison, arguments[i - 1], arguments[i]);
        if (holds <= 0) {
            return holds < 0 ? NULL : truth(lisp, false);
        }
    }
    return truth(lisp, true);
}

#define COMPARISON(name, comparison)                                                                                   \
    static ku_object *name(interpreter *lisp, ku_object *const *arguments, size_t count) {                             \
        return compare(lisp, comparison, arguments, count);                                                            \
    }
COMPARISON(same, KU_EQUAL)
COMPARISON(less, KU_LESS)
COMPARISON(more, KU_GREATER)
COMPARISON(at_most, KU_LESS_EQUAL)
COMPARISON(at_least, KU_GREATER_EQUAL)

/* ---- any value ---- */

static ku_object *is_eq(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    return truth(lisp, ku_is(arguments[0], arguments[1]));
}

/* Pairs are compared item by item, everything else as kucha compares. */
static ku_object *is_equal(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    ku_object *a = arguments[0], *b = arguments[1];
    while (is_type(a, lisp->pair) && is_type(b, lisp->pair)) {
        KU_FRAME(lisp->isolate, frame, 1);
        ku_object *both[] = {((pair *)a)->first, ((pair *)b)->first};
        if (!ku_frame_entered(&frame)) {
            return NULL;
        }
        ku_object *equal = ku_hold(&frame, 0, is_equal(lisp, both, 2));
        if (equal == NULL || ku_is(equal, ku_bool(lisp->isolate, false))) {
            return equal == NULL ? NULL : truth(lisp, false);
        }
        a = ((pair *)a)->rest;
        b = ((pair *)b)->rest;
    }
    int equal = ku_equal(lisp->isolate, a, b);
    return equal < 0 ? NULL : truth(lisp, equal == 1);
}

#define QUESTION(name, condition)                                                                                      \
    static ku_object *name(interpreter *lisp, ku_object *const *arguments, size_t count) {                             \
        const ku_object *value = arguments[0];                                                                         \
        (void)count;                                                                                                   \
        return truth(lisp, condition);                                                                                 \
    }
QUESTION(is_null, ku_is(value, lisp->nothing))
QUESTION(is_a_pair, is_type(value, lisp->pair))
QUESTION(is_symbol, is_type(value, lisp->symbol))
QUESTION(is_string, ku_is_exactly(value, KU_BUILTIN_STR))
QUESTION(is_a_number, is_number(value))
QUESTION(is_vector, ku_is_exactly(value, KU_BUILTIN_LIST))
QUESTION(is_table, ku_is_exactly(value, KU_BUILTIN_DICT))
QUESTION(is_condition, is_type(value, lisp->condition))
QUESTION(is_procedure, is_type(value, lisp->closure) || is_type(value, lisp->primitive))

/* ---- pairs ---- */

static ku_object *cons(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    return lisp_cons(lisp, arguments[0], arguments[1]);
}

static ku_object *car(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    return is_type(arguments[0], lisp->pair) ? ku_new_reference(((pair *)arguments[0])->first)
                                             : wrong(lisp, "a pair", arguments[0]);
}

static ku_object *cdr(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    return is_type(arguments[0], lisp->pair) ? ku_new_reference(((pair *)arguments[0])->rest)
                                             : wrong(lisp, "a pair", arguments[0]);
}

static ku_object *set_part(interpreter *lisp, ku_object *const *arguments, bool rest) {
    if (!is_type(arguments[0], lisp->pair)) {
        return wrong(lisp, "a pair", arguments[0]);
    }
    pair *changed = (pair *)arguments[0];
    ku_replace(lisp->isolate, rest ? &changed->rest : &changed->first, ku_new_reference(arguments[1]));
    return ku_new_reference(lisp->nothing);
}

static ku_object *set_car(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    return set_part(lisp, arguments, false);
}

static ku_object *set_cdr(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    return set_part(lisp, arguments, true);
}

static ku_object *apply(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    return lisp_apply(lisp, arguments[0], arguments[1]);
}

/* ---- strings and symbols ---- */

static ku_object *string_append(interpreter *lisp, ku_object *const *arguments, size_t count) {
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *pieces = ku_hold(&frame, 0, ku_list_new(lisp->isolate, NULL, 0));
    for (size_t i = 0; pieces != NULL && i < count; i++) {
        if (!ku_is_exactly(arguments[i], KU_BUILTIN_STR)) {
            return wrong(lisp, "a string", arguments[i]);
        }
        if (!ku_list_append(lisp->isolate, pieces, arguments[i])) {
            return NULL;
        }
    }
    return pieces == NULL ? NULL : join(lisp, pieces);
}

static ku_object *string_length(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    return ku_is_exactly(arguments[0], KU_BUILTIN_STR) ? ku_int(lisp->isolate, (int64_t)ku_str_length(arguments[0]))
                                                       : wrong(lisp, "a string", arguments[0]);
}

/* An index from 0 to `limit`; false with the error pending. */
static bool index_of(interpreter *lisp, ku_object *value, size_t limit, size_t *index) {
    int64_t number = -1;
    *index = 0;
    if (!ku_is_exactly(value, KU_BUILTIN_INT) || !ku_int_value(lisp->isolate, value, &number) || number < 0 ||
        (uint64_t)number > limit) {
        ku_clear_error(lisp->isolate);
        return ku_fail(lisp->isolate, KU_INDEX, "an index from 0 to %zu is wanted", limit);
    }
    *index = (size_t)number;
    return true;
}

static ku_object *substring(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    size_t start, end;
    if (!ku_is_exactly(arguments[0], KU_BUILTIN_STR)) {
        return wrong(lisp, "a string", arguments[0]);
    }
    if (!index_of(lisp, arguments[2], ku_str_length(arguments[0]), &end) ||
        !index_of(lisp, arguments[1], end, &start)) {
        return NULL;
    }
    return ku_get_slice(lisp->isolate, arguments[0], (int64_t)start, (int64_t)end, 1);
}

static ku_object *symbol_to_string(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    return is_type(arguments[0], lisp->symbol) ? ku_new_reference(((named *)arguments[0])->name)
                                               : wrong(lisp, "a symbol", arguments[0]);
}

static ku_object *string_to_symbol(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    return ku_is_exactly(arguments[0], KU_BUILTIN_STR)
               ? lisp_symbol(lisp, ku_str_text(arguments[0]), strlen(ku_str_text(arguments[0])))
               : wrong(lisp, "a string", arguments[0]);
}

static ku_object *to_string(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    return lisp_text(lisp, arguments[0], false);
}

/* ---- vectors and tables ---- */

static ku_object *make_vector(interpreter *lisp, ku_object *const *arguments, size_t count) {
    size_t length;
    if (!index_of(lisp, arguments[0], UINT32_MAX, &length)) {
        return NULL;
    }
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *made = ku_hold(&frame, 0, ku_list_new(lisp->isolate, NULL, 0));
    for (size_t i = 0; made != NULL && i < length; i++) {
        if (!ku_list_append(lisp->isolate, made, count == 2 ? arguments[1] : lisp->nothing)) {
            return NULL;
        }
    }
    return made == NULL ? NULL : ku_escape(&frame, 0);
}

static bool vector_index(interpreter *lisp, ku_object *const *arguments, size_t *index) {
    *index = 0;
    if (!ku_is_exactly(arguments[0], KU_BUILTIN_LIST)) {
        wrong(lisp, "a vector", arguments[0]);
        return false;
    }
    size_t length = ku_list_length(arguments[0]);
    return length > 0 ? index_of(lisp, arguments[1], length - 1, index)
                      : ku_fail(lisp->isolate, KU_INDEX, "the vector is empty");
}

static ku_object *vector_ref(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    size_t index;
    return vector_index(lisp, arguments, &index) ? ku_new_reference(ku_list_at(arguments[0], index)) : NULL;
}

static ku_object *vector_set(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    size_t index;
    bool done = vector_index(lisp, arguments, &index) &&
                ku_set_index(lisp->isolate, arguments[0], (int64_t)index, arguments[2]);
    return done ? ku_new_reference(lisp->nothing) : NULL;
}

static ku_object *vector_length(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    return ku_is_exactly(arguments[0], KU_BUILTIN_LIST) ? ku_int(lisp->isolate, (int64_t)ku_list_length(arguments[0]))
                                                        : wrong(lisp, "a vector", arguments[0]);
}

static ku_object *make_table(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)arguments;
    (void)count;
    return ku_dict_new(lisp->isolate);
}

static ku_object *table_ref(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    ku_object *found = NULL;
    if (!ku_is_exactly(arguments[0], KU_BUILTIN_DICT)) {
        return wrong(lisp, "a table", arguments[0]);
    }
    if (!ku_dict_find(lisp->isolate, arguments[0], arguments[1], &found)) {
        return NULL;
    }
    return found != NULL ? found : ku_new_reference(arguments[2]);
}

static ku_object *table_set(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    if (!ku_is_exactly(arguments[0], KU_BUILTIN_DICT)) {
        return wrong(lisp, "a table", arguments[0]);
    }
    bool done = ku_dict_set(lisp->isolate, arguments[0], arguments[1], arguments[2]);
    return done ? ku_new_reference(lisp->nothing) : NULL;
}

static ku_object *table_has(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    if (!ku_is_exactly(arguments[0], KU_BUILTIN_DICT)) {
        return wrong(lisp, "a table", arguments[0]);
    }
    int found = ku_contains(lisp->isolate, arguments[0], arguments[1]);
    return found < 0 ? NULL : truth(lisp, found == 1);
}

/* ---- the world ---- */

static ku_object *show(interpreter *lisp, ku_object *value, bool quoted) {
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *text = ku_hold(&frame, 0, lisp_text(lisp, value, quoted));
    if (text == NULL) {
        return NULL;
    }
    fputs(ku_str_text(text), stdout);
    return ku_new_reference(lisp->nothing);
}

static ku_object *display(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    return show(lisp, arguments[0], false);
}

static ku_object *write_value(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    return show(lisp, arguments[0], true);
}

static ku_object *raise_value(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *text = ku_hold(&frame, 0, lisp_text(lisp, arguments[0], true));
    if (text != NULL) {
        ku_raise(lisp->isolate, arguments[0], ku_str_text(text));
    }
    return NULL;
}

static ku_object *error(interpreter *lisp, ku_object *const *arguments, size_t count) {
    KU_FRAME(lisp->isolate, frame, 2);
    ku_object *irritants = ku_hold(&frame, 0, ku_new_reference(lisp->nothing));
    for (size_t i = count; i > 1; i--) {
        irritants = ku_hold(&frame, 0, lisp_cons(lisp, arguments[i - 1], irritants));
        if (irritants == NULL) {
            return NULL;
        }
    }
    if (!ku_is_exactly(arguments[0], KU_BUILTIN_STR)) {
        return wrong(lisp, "a message", arguments[0]);
    }
    ku_object *made = ku_hold(&frame, 1, lisp_condition(lisp, arguments[0], irritants));
    if (made != NULL) {
        ku_raise(lisp->isolate, made, ku_str_text(arguments[0]));
    }
    return NULL;
}

static ku_object *error_part(interpreter *lisp, ku_object *value, bool message) {
    if (!is_type(value, lisp->condition)) {
        return wrong(lisp, "a condition", value);
    }
    return ku_new_reference(message ? ((condition *)value)->message : ((condition *)value)->irritants);
}

static ku_object *error_message(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    return error_part(lisp, arguments[0], true);
}

static ku_object *error_irritants(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    return error_part(lisp, arguments[0], false);
}

/* ---- the heap, for programs that want to look ---- */

static ku_object *collect(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)arguments;
    (void)count;
    return ku_int(lisp->isolate, (int64_t)ku_gc_collect(lisp->isolate, KU_GC_GENERATIONS - 1));
}

/* (collector #f) switches automatic collection off, (collector #t) on. */
static ku_object *collector(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    if (ku_is(arguments[0], ku_bool(lisp->isolate, false))) {
        ku_gc_disable(lisp->isolate);
    } else {
        ku_gc_enable(lisp->isolate);
    }
    return ku_new_reference(lisp->nothing);
}

/* (live "closure"): how many objects of this type the collector knows of. */
static ku_object *live(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    KU_FRAME(lisp->isolate, frame, 1);
    if (!ku_is_exactly(arguments[0], KU_BUILTIN_STR)) {
        return wrong(lisp, "the name of a type", arguments[0]);
    }
    ku_object *all = ku_hold(&frame, 0, ku_gc_get_objects(lisp->isolate, KU_GC_ALL));
    int64_t found = 0;
    for (size_t i = 0; all != NULL && i < ku_list_length(all); i++) {
        found += strcmp(ku_type_name(ku_type_of(ku_list_at(all, i))), ku_str_text(arguments[0])) == 0;
    }
    return all == NULL ? NULL : ku_int(lisp->isolate, found);
}

static ku_object *load(interpreter *lisp, ku_object *const *arguments, size_t count) {
    (void)count;
    return ku_is_exactly(arguments[0], KU_BUILTIN_STR) ? lisp_load(lisp, ku_str_text(arguments[0]))
                                                       : wrong(lisp, "the name of a file", arguments[0]);
}

/* ---- the table ---- */

static const struct {
    const char *name;
    primitive_function *function;
    size_t least, most;
} primitives[] = {
    {"+", add, 0, SIZE_MAX},
    {"-", subtract, 1, SIZE_MAX},
    {"*", multiply, 0, SIZE_MAX},
    {"/", divide, 2, SIZE_MAX},
    {"quotient", quotient, 2, 2},
    {"modulo", modulo, 2, 2},
    {"expt", expt, 2, 2},
    {"=", same, 2, SIZE_MAX},
    {"<", less, 2, SIZE_MAX},
    {">", more, 2, SIZE_MAX},
    {"<=", at_most, 2, SIZE_MAX},
    {">=", at_least, 2, SIZE_MAX},
    {"eq?", is_eq, 2, 2},
    {"equal?", is_equal, 2, 2},
    {"null?", is_null, 1, 1},
    {"pair?", is_a_pair, 1, 1},
    {"symbol?", is_symbol, 1, 1},
    {"string?", is_string, 1, 1},
    {"number?", is_a_number, 1, 1},
    {"vector?", is_vector, 1, 1},
    {"table?", is_table, 1, 1},
    {"condition?", is_condition, 1, 1},
    {"procedure?", is_procedure, 1, 1},
    {"cons", cons, 2, 2},
    {"car", car, 1, 1},
    {"cdr", cdr, 1, 1},
    {"set-car!", set_car, 2, 2},
    {"set-cdr!", set_cdr, 2, 2},
    {"apply", apply, 2, 2},
    {"string-append", string_append, 0, SIZE_MAX},
    {"string-length", string_length, 1, 1},
    {"substring", substring, 3, 3},
    {"symbol->string", symbol_to_string, 1, 1},
    {"string->symbol", string_to_symbol, 1, 1},
    {"->string", to_string, 1, 1},
    {"make-vector", make_vector, 1, 2},
    {"vector-ref", vector_ref, 2, 2},
    {"vector-set!", vector_set, 3, 3},
    {"vector-length", vector_length, 1, 1},
    {"make-table", make_table, 0, 0},
    {"table-ref", table_ref, 3, 3},
    {"table-set!", table_set, 3, 3},
    {"table-has?", table_has, 2, 2},
    {"display", display, 1, 1},
    {"write", write_value, 1, 1},
    {"raise", raise_value, 1, 1},
    {"error", error, 1, SIZE_MAX},
    {"error-message", error_message, 1, 1},
    {"error-irritants", error_irritants, 1, 1},
    {"collect", collect, 0, 0},
    {"collector", collector, 1, 1},
    {"live", live, 1, 1},
    {"load", load, 1, 1},
};

bool lisp_define_primitives(interpreter *lisp) {
    for (size_t i = 0; i < sizeof primitives / sizeof *primitives; i++) {
        KU_FRAME(lisp->isolate, frame, 2);
        ku_object *name = ku_hold(&frame, 0, lisp_symbol(lisp, primitives[i].name, strlen(primitives[i].name)));
        primitive *made = name == NULL ? NULL : (primitive *)ku_new(lisp->isolate, lisp->primitive);
        if (made == NULL) {
            return false;
        }
        made->name = primitives[i].name;
        made->function = primitives[i].function;
        made->least = primitives[i].least;
        made->most = primitives[i].most;
        ku_replace(lisp->isolate, &((named *)name)->value, (ku_object *)made);
    }
    return true;
}
