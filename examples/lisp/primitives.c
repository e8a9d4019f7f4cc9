/* primitives.c: the functions of the language that are written in C: what the prelude cannot do itself.
 *
 * What each takes stands beside it in the table at the end, a letter for an argument, and is checked before the call:
 *
 *     . anything    n number    i int    p pair    s string    y symbol    v vector    t table    c condition
 *     *             the last letter again, any number of times, or not at all
 */
#include "lisp.h"

#include <stdio.h>
#include <string.h>

#define UNUSED __attribute__((unused))
#define PRIMITIVE(name)                                                                                                \
    static ku_object *name(UNUSED interpreter *lisp, UNUSED ku_object *const *with, UNUSED size_t count)
#define GIVES(name, value)                                                                                             \
    PRIMITIVE(name) {                                                                                                  \
        return value;                                                                                                  \
    }

static ku_object *truth(interpreter *lisp, int value) {
    return value < 0 ? NULL : ku_new_reference(ku_bool(lisp->isolate, value > 0));
}

static ku_object *nothing(interpreter *lisp, bool done) {
    return done ? ku_new_reference(lisp->nothing) : NULL;
}

/* ---- what primitives take ---- */

static bool is_number(const ku_object *value) {
    return ku_is_exactly(value, KU_BUILTIN_INT) || ku_is_exactly(value, KU_BUILTIN_FLOAT);
}

static const char *name_of(char letter) {
    switch (letter) {
    case 'n': return "a number wanted, not";
    case 'i': return "a whole number wanted, not";
    case 'p': return "a pair wanted, not";
    case 's': return "a string wanted, not";
    case 'y': return "a symbol wanted, not";
    case 'v': return "a vector wanted, not";
    case 't': return "a table wanted, not";
    default: return "a condition wanted, not";
    }
}

static bool is_one(const interpreter *lisp, const ku_object *value, char letter) {
    switch (letter) {
    case 'n': return is_number(value);
    case 'i': return ku_is_exactly(value, KU_BUILTIN_INT);
    case 'p': return is_type(value, lisp->pair);
    case 's': return ku_is_str(value);
    case 'y': return is_type(value, lisp->symbol);
    case 'v': return ku_is_list(value);
    case 't': return ku_is_dict(value);
    case 'c': return is_type(value, lisp->condition);
    default: return true;
    }
}

bool lisp_check_arguments(interpreter *lisp, const primitive *called, ku_object *const *with, size_t count) {
    const char *letter = called->takes;
    for (size_t i = 0; i < count; i++) {
        if (*letter == '\0') {
            return ku_fail(lisp->isolate, KU_TYPE, "%s does not take %zu arguments", called->name, count);
        }
        if (!is_one(lisp, with[i], *letter)) {
            lisp_complain(lisp, KU_TYPE, name_of(*letter), with[i]);
            return false;
        }
        letter += letter[1] != '*';
    }
    return *letter == '\0' || letter[1] == '*' ||
           ku_fail(lisp->isolate, KU_TYPE, "%s does not take %zu arguments", called->name, count);
}

/* An index from 0 to `limit`; false with the error pending. */
static bool index_of(interpreter *lisp, const ku_object *value, size_t limit, size_t *index) {
    int64_t number = -1;
    bool fits = ku_int_value(lisp->isolate, value, &number) && number >= 0 && (uint64_t)number <= limit;
    *index = (size_t)number;
    return fits || ku_fail(lisp->isolate, KU_INDEX, "an index from 0 to %zu is wanted", limit);
}

/* ---- numbers ---- */

typedef ku_object *arithmetic(ku_isolate *isolate, ku_object *a, ku_object *b);

/* (f a b c) is (f (f a b) c); with one argument, or none, it is (f start a). */
static ku_object *reduce(interpreter *lisp, arithmetic *operation, int start, ku_object *const *with, size_t count) {
    KU_FRAME(lisp->isolate, frame, 1);
    size_t at = count > 1 ? 1 : 0;
    ku_object *result = ku_hold(&frame, 0, at == 1 ? ku_new_reference(with[0]) : ku_int(lisp->isolate, start));
    for (; result != NULL && at < count; at++) {
        result = ku_hold(&frame, 0, operation(lisp->isolate, result, with[at]));
    }
    return ku_escape(&frame, 0);
}

/* A quotient of ints that is whole is an int, any other a float. */
static ku_object *divide_pair(ku_isolate *isolate, ku_object *a, ku_object *b) {
    if (ku_is_exactly(a, KU_BUILTIN_INT) && ku_is_exactly(b, KU_BUILTIN_INT)) {
        KU_FRAME(isolate, frame, 1);
        ku_object *left = ku_hold(&frame, 0, ku_remainder(isolate, a, b));
        int broken = left == NULL ? -1 : ku_truth(isolate, left);
        if (broken != 1) {
            return broken < 0 ? NULL : ku_floor_divide(isolate, a, b);
        }
    }
    return ku_divide(isolate, a, b);
}

static ku_object *compare(interpreter *lisp, ku_comparison comparison, ku_object *const *with, size_t count) {
    int holds = 1;
    for (size_t i = 1; i < count && holds == 1; i++) {
        holds = ku_compare(lisp->isolate, comparison, with[i - 1], with[i]);
    }
    return truth(lisp, holds);
}

GIVES(add, reduce(lisp, ku_add, 0, with, count))
GIVES(subtract, reduce(lisp, ku_subtract, 0, with, count))
GIVES(multiply, reduce(lisp, ku_multiply, 1, with, count))
GIVES(divide, reduce(lisp, divide_pair, 1, with, count))
GIVES(floor_divide, ku_floor_divide(lisp->isolate, with[0], with[1]))
GIVES(modulo, ku_remainder(lisp->isolate, with[0], with[1]))
GIVES(expt, ku_power(lisp->isolate, with[0], with[1]))
GIVES(same, compare(lisp, KU_EQUAL, with, count))
GIVES(less, compare(lisp, KU_LESS, with, count))
GIVES(more, compare(lisp, KU_GREATER, with, count))
GIVES(at_most, compare(lisp, KU_LESS_EQUAL, with, count))
GIVES(at_least, compare(lisp, KU_GREATER_EQUAL, with, count))

/* ---- any value ---- */

GIVES(is_eq, truth(lisp, ku_is(with[0], with[1])))
GIVES(is_same, truth(lisp, ku_equal(lisp->isolate, with[0], with[1])))
GIVES(is_null, truth(lisp, ku_is(with[0], lisp->nothing)))
GIVES(is_pair, truth(lisp, is_type(with[0], lisp->pair)))
GIVES(is_symbol, truth(lisp, is_type(with[0], lisp->symbol)))
GIVES(is_string, truth(lisp, ku_is_str(with[0])))
GIVES(is_a_number, truth(lisp, is_number(with[0])))
GIVES(is_vector, truth(lisp, ku_is_list(with[0])))
GIVES(is_table, truth(lisp, ku_is_dict(with[0])))
GIVES(is_condition, truth(lisp, is_type(with[0], lisp->condition)))
GIVES(is_procedure, truth(lisp, is_type(with[0], lisp->closure) || is_type(with[0], lisp->primitive)))

/* ---- pairs ---- */

GIVES(cons, lisp_cons(lisp, with[0], with[1]))
GIVES(car, ku_new_reference(first(with[0])))
GIVES(cdr, ku_new_reference(rest(with[0])))
GIVES(apply, lisp_apply(lisp, with[0], with[1]))

PRIMITIVE(set_car) {
    ku_replace(lisp->isolate, &((pair *)with[0])->first, ku_new_reference(with[1]));
    return nothing(lisp, true);
}

PRIMITIVE(set_cdr) {
    ku_replace(lisp->isolate, &((pair *)with[0])->rest, ku_new_reference(with[1]));
    return nothing(lisp, true);
}

/* ---- strings and symbols ---- */

PRIMITIVE(string_append) {
    KU_FRAME(lisp->isolate, frame, 2);
    ku_object *pieces = ku_hold(&frame, 0, ku_tuple_new(lisp->isolate, with, count));
    ku_object *between = pieces == NULL ? NULL : ku_hold(&frame, 1, ku_str(lisp->isolate, ""));
    return between == NULL ? NULL : ku_str_join(lisp->isolate, between, pieces);
}

GIVES(string_length, ku_int(lisp->isolate, (int64_t)ku_str_length(with[0])))

PRIMITIVE(substring) {
    size_t start, end;
    bool fit = index_of(lisp, with[2], ku_str_length(with[0]), &end) && index_of(lisp, with[1], end, &start);
    return fit ? ku_get_slice(lisp->isolate, with[0], (int64_t)start, (int64_t)end, 1) : NULL;
}

GIVES(symbol_to_string, ku_new_reference(((named *)with[0])->name))
GIVES(string_to_symbol, lisp_symbol(lisp, ku_str_text(with[0]), ku_str_size(with[0])))
GIVES(to_string, lisp_text(lisp, with[0], false))

/* ---- vectors and tables ---- */

PRIMITIVE(make_vector) {
    KU_FRAME(lisp->isolate, frame, 2);
    ku_object *one = ku_hold(&frame, 0, ku_list_new(lisp->isolate, &with[1], 1));
    ku_object *made = one == NULL ? NULL : ku_hold(&frame, 1, ku_multiply(lisp->isolate, one, with[0]));
    return made == NULL ? NULL : ku_escape(&frame, 1);
}

static bool vector_index(interpreter *lisp, ku_object *const *with, size_t *index) {
    size_t length = ku_list_length(with[0]);
    *index = 0;
    return length > 0 ? index_of(lisp, with[1], length - 1, index)
                      : ku_fail(lisp->isolate, KU_INDEX, "the vector is empty");
}

PRIMITIVE(vector_ref) {
    size_t index;
    return vector_index(lisp, with, &index) ? ku_new_reference(ku_list_at(with[0], index)) : NULL;
}

PRIMITIVE(vector_set) {
    size_t index;
    bool fits = vector_index(lisp, with, &index);
    return nothing(lisp, fits && ku_set_index(lisp->isolate, with[0], (int64_t)index, with[2]));
}

GIVES(vector_length, ku_int(lisp->isolate, (int64_t)ku_list_length(with[0])))
GIVES(make_table, ku_dict_new(lisp->isolate))

PRIMITIVE(table_ref) {
    ku_object *found = NULL;
    bool done = ku_dict_find(lisp->isolate, with[0], with[1], &found);
    return done && found == NULL ? ku_new_reference(with[2]) : found;
}

GIVES(table_set, nothing(lisp, ku_dict_set(lisp->isolate, with[0], with[1], with[2])))
GIVES(table_has, truth(lisp, ku_contains(lisp->isolate, with[0], with[1])))

/* ---- output, errors ---- */

static ku_object *show(interpreter *lisp, ku_object *value, bool quoted) {
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *text = ku_hold(&frame, 0, lisp_text(lisp, value, quoted));
    return nothing(lisp, text != NULL && fwrite(ku_str_text(text), 1, ku_str_size(text), stdout) == ku_str_size(text));
}

GIVES(display, show(lisp, with[0], false))
GIVES(write_value, show(lisp, with[0], true))

PRIMITIVE(raise_value) {
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *text = ku_hold(&frame, 0, lisp_text(lisp, with[0], false));
    if (text != NULL) {
        ku_raise(lisp->isolate, with[0], ku_str_text(text));
    }
    return NULL;
}

/* Takes the pending error away and gives what was raised: the value of (raise ...), or a condition. */
static ku_object *caught(interpreter *lisp) {
    KU_FRAME(lisp->isolate, frame, 1);
    const ku_error error = *ku_pending_error(lisp->isolate);
    bool raised = ku_hold(&frame, 0, ku_new_reference(ku_pending_value(lisp->isolate))) != NULL;
    ku_clear_error(lisp->isolate);
    if (raised && error.code == KU_RAISED) {
        return ku_escape(&frame, 0);
    }
    ku_object *message = ku_hold(&frame, 0, ku_str_new(lisp->isolate, error.message, strlen(error.message)));
    return message == NULL ? NULL : lisp_condition(lisp, message, lisp->nothing);
}

/* (call-guarded thunk handler): what thunk gives; if it fails, what handler gives for what was raised. */
PRIMITIVE(call_guarded) {
    ku_object *value = lisp_apply(lisp, with[0], lisp->nothing);
    if (value != NULL) {
        return value;
    }
    KU_FRAME(lisp->isolate, frame, 2);
    ku_object *raised = ku_hold(&frame, 0, caught(lisp));
    ku_object *list = raised == NULL ? NULL : ku_hold(&frame, 1, lisp_cons(lisp, raised, lisp->nothing));
    return list == NULL ? NULL : lisp_apply(lisp, with[1], list);
}

GIVES(make_condition, lisp_condition(lisp, with[0], with[1]))
GIVES(error_message, ku_new_reference(((condition *)with[0])->message))
GIVES(error_irritants, ku_new_reference(((condition *)with[0])->irritants))
GIVES(load, lisp_load(lisp, ku_str_text(with[0])))

/* ---- the heap, for programs that want to look ---- */

GIVES(collect, ku_int(lisp->isolate, (int64_t)ku_gc_collect(lisp->isolate, KU_GC_ALL)))

/* (collector #f) switches automatic collection off, (collector #t) on. */
PRIMITIVE(collector) {
    bool off = ku_is(with[0], ku_bool(lisp->isolate, false));
    (off ? ku_gc_disable : ku_gc_enable)(lisp->isolate);
    return nothing(lisp, true);
}

/* (live "closure"): how many objects of this type the collector knows of. */
PRIMITIVE(live) {
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *all = ku_hold(&frame, 0, ku_gc_get_objects(lisp->isolate, KU_GC_ALL));
    int64_t found = 0;
    for (size_t i = 0; all != NULL && i < ku_list_length(all); i++) {
        found += ku_str_is(with[0], ku_type_name(ku_type_of(ku_list_at(all, i))));
    }
    return all == NULL ? NULL : ku_int(lisp->isolate, found);
}

/* ---- the table ---- */

static const struct {
    const char *name, *takes;
    primitive_function *function;
} primitives[] = {
    {"+", "n*", add},
    {"-", "nn*", subtract},
    {"*", "n*", multiply},
    {"/", "nn*", divide},
    {"floor-divide", "nn", floor_divide},
    {"modulo", "nn", modulo},
    {"expt", "nn", expt},
    {"=", "nnn*", same},
    {"<", "nnn*", less},
    {">", "nnn*", more},
    {"<=", "nnn*", at_most},
    {">=", "nnn*", at_least},
    {"eq?", "..", is_eq},
    {"same?", "..", is_same},
    {"null?", ".", is_null},
    {"pair?", ".", is_pair},
    {"symbol?", ".", is_symbol},
    {"string?", ".", is_string},
    {"number?", ".", is_a_number},
    {"vector?", ".", is_vector},
    {"table?", ".", is_table},
    {"condition?", ".", is_condition},
    {"procedure?", ".", is_procedure},
    {"cons", "..", cons},
    {"car", "p", car},
    {"cdr", "p", cdr},
    {"set-car!", "p.", set_car},
    {"set-cdr!", "p.", set_cdr},
    {"apply", "..", apply},
    {"string-append", "s*", string_append},
    {"string-length", "s", string_length},
    {"substring", "sii", substring},
    {"symbol->string", "y", symbol_to_string},
    {"string->symbol", "s", string_to_symbol},
    {"->string", ".", to_string},
    {"make-vector", "i.", make_vector},
    {"vector-ref", "vi", vector_ref},
    {"vector-set!", "vi.", vector_set},
    {"vector-length", "v", vector_length},
    {"make-table", "", make_table},
    {"table-ref", "t..", table_ref},
    {"table-set!", "t..", table_set},
    {"table-has?", "t.", table_has},
    {"display", ".", display},
    {"write", ".", write_value},
    {"raise", ".", raise_value},
    {"call-guarded", "..", call_guarded},
    {"make-condition", "s.", make_condition},
    {"error-message", "c", error_message},
    {"error-irritants", "c", error_irritants},
    {"load", "s", load},
    {"collect", "", collect},
    {"collector", ".", collector},
    {"live", "s", live},
};

bool lisp_define_primitives(interpreter *lisp) {
    for (size_t i = 0; i < sizeof primitives / sizeof *primitives; i++) {
        KU_FRAME(lisp->isolate, frame, 1);
        ku_object *name = ku_hold(&frame, 0, lisp_symbol(lisp, primitives[i].name, strlen(primitives[i].name)));
        primitive *made = name == NULL ? NULL : (primitive *)ku_new(lisp->isolate, lisp->primitive);
        if (made == NULL) {
            return false;
        }
        made->name = primitives[i].name;
        made->takes = primitives[i].takes;
        made->function = primitives[i].function;
        ku_replace(lisp->isolate, &((named *)name)->value, (ku_object *)made);
    }
    return true;
}
