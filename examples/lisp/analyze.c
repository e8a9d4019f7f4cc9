/* analyze.c: from data to nodes. Syntax is checked, special forms are told apart, and variables are found here, once.
 *
 * There are eight special forms; all others are macros of the prelude. A macro is a closure that is given the parts of
 * the form as its arguments, and gives the datum that stands for it.
 *
 * A scope is the list of the names of one environment's slots: the parameters of a lambda, then what its body defines.
 * Scopes live in the C stack while their lambda is analyzed; their names are a list object, in a slot of the frame.
 */
#include "lisp.h"

#include <string.h>

typedef struct known {
    const struct known *outer;
    ku_object *names; /* list of symbols, in order of slots */
} known;

static ku_object *analyze(interpreter *lisp, ku_object *datum, const known *scope);

static ku_object *complain(interpreter *lisp, const char *what, ku_object *datum) {
    return lisp_complain(lisp, KU_VALUE, what, datum);
}

/* Items of a list; -1 where it is none. */
static int length_of(const interpreter *lisp, ku_object *datum) {
    int length = 0;
    for (; is_type(datum, lisp->pair); datum = rest(datum)) {
        length++;
    }
    return ku_is(datum, lisp->nothing) ? length : -1;
}

/* ---- nodes ---- */

/* A node over up to three parts, which are taken over. NULL, with the error pending, when one of them could not be
 * made. */
static ku_object *node_of(interpreter *lisp, syntax_kind operation, ku_object *a, ku_object *b, ku_object *c) {
    KU_FRAME(lisp->isolate, frame, 3);
    ku_hold(&frame, 0, a);
    ku_hold(&frame, 1, b);
    ku_hold(&frame, 2, c);
    bool whole = ku_pending_error(lisp->isolate) == NULL;
    syntax *made = whole ? (syntax *)ku_new(lisp->isolate, lisp->node) : NULL;
    if (made != NULL) {
        made->operation = operation;
        made->a = ku_escape(&frame, 0);
        made->b = ku_escape(&frame, 1);
        made->c = ku_escape(&frame, 2);
    }
    return (ku_object *)made;
}

static ku_object *constant(interpreter *lisp, ku_object *value) {
    return node_of(lisp, NODE_CONSTANT, ku_new_reference(value), NULL, NULL);
}

/* The nodes of a list of expressions, as a tuple. */
static ku_object *analyze_each(interpreter *lisp, ku_object *list, const known *scope) {
    KU_FRAME(lisp->isolate, frame, 2);
    ku_object *nodes = ku_hold(&frame, 0, ku_list_new(lisp->isolate, NULL, 0));
    for (; nodes != NULL && is_type(list, lisp->pair); list = rest(list)) {
        ku_object *node = ku_hold(&frame, 1, analyze(lisp, first(list), scope));
        if (node == NULL || !ku_list_append(lisp->isolate, nodes, node)) {
            return NULL;
        }
    }
    return nodes == NULL ? NULL : ku_tuple_from(lisp->isolate, nodes);
}

static ku_object *analyze_body(interpreter *lisp, ku_object *body, const known *scope) {
    int length = length_of(lisp, body);
    if (length <= 0) {
        return complain(lisp, "a body needs an expression:", body);
    }
    return length == 1 ? analyze(lisp, first(body), scope)
                       : node_of(lisp, NODE_SEQUENCE, analyze_each(lisp, body, scope), NULL, NULL);
}

/* ---- variables ---- */

static int slot_of(const known *scope, const ku_object *symbol) {
    size_t slot = ku_list_length(scope->names);
    while (slot > 0 && !ku_is(ku_list_at(scope->names, slot - 1), symbol)) {
        slot--;
    }
    return (int)slot - 1;
}

/* Makes a node that was made for a global variable one for the local of the same name, if there is one. */
static ku_object *found(ku_object *node, const known *scope, const ku_object *symbol, syntax_kind local) {
    syntax *made = (syntax *)node;
    for (int depth = 0; made != NULL && scope != NULL; scope = scope->outer, depth++) {
        int slot = slot_of(scope, symbol);
        if (slot >= 0) {
            made->operation = local;
            made->depth = depth;
            made->index = slot;
            break;
        }
    }
    return node;
}

static ku_object *variable(interpreter *lisp, ku_object *symbol, const known *scope) {
    ku_object *made = node_of(lisp, NODE_GLOBAL, ku_new_reference(symbol), NULL, NULL);
    return found(made, scope, symbol, NODE_LOCAL);
}

/* ---- lambda ---- */

/* Adds a parameter, or what the body defines, to the names; false, with the error pending, for what is no symbol. */
static bool add_name(interpreter *lisp, ku_object *names, ku_object *name) {
    return is_type(name, lisp->symbol) ? ku_list_append(lisp->isolate, names, name)
                                       : complain(lisp, "a name must be a symbol:", name) != NULL;
}

/* What (define name ...) or (define (name ...) ...) defines. */
static ku_object *defined_name(const interpreter *lisp, ku_object *form) {
    ku_object *target = first(rest(form));
    return is_type(target, lisp->pair) ? first(target) : target;
}

static bool is_definition(const interpreter *lisp, ku_object *datum);

static bool add_definitions(interpreter *lisp, ku_object *body, ku_object *names) {
    bool done = true;
    for (; done && is_type(body, lisp->pair); body = rest(body)) {
        done = !is_definition(lisp, first(body)) || add_name(lisp, names, defined_name(lisp, first(body)));
    }
    return done;
}

static ku_object *lambda(interpreter *lisp, ku_object *name, ku_object *parameters, ku_object *body,
                         const known *outer) {
    KU_FRAME(lisp->isolate, frame, 1);
    known inner = {outer, ku_hold(&frame, 0, ku_list_new(lisp->isolate, NULL, 0))};
    bool done = inner.names != NULL;
    for (; done && is_type(parameters, lisp->pair); parameters = rest(parameters)) {
        done = add_name(lisp, inner.names, first(parameters));
    }
    size_t count = done ? ku_list_length(inner.names) : 0;
    bool takes_rest = !ku_is(parameters, lisp->nothing); /* (a b . others), or others alone */
    done = done && (!takes_rest || add_name(lisp, inner.names, parameters));
    if (!done || !add_definitions(lisp, body, inner.names)) {
        return NULL;
    }
    ku_object *code = analyze_body(lisp, body, &inner);
    syntax *made = (syntax *)node_of(lisp, NODE_LAMBDA, code, ku_new_reference(name), NULL);
    if (made != NULL) {
        made->index = (int32_t)count;
        made->depth = (int32_t)ku_list_length(inner.names);
        made->rest = takes_rest;
    }
    return (ku_object *)made;
}

/* ---- special forms: `form` is the whole list, its length already checked ---- */

static ku_object *form_quote(interpreter *lisp, ku_object *form, const known *scope) {
    (void)scope;
    return constant(lisp, first(rest(form)));
}

static ku_object *form_if(interpreter *lisp, ku_object *form, const known *scope) {
    ku_object *parts = rest(form), *last = rest(rest(parts));
    ku_object *test = analyze(lisp, first(parts), scope);
    ku_object *then = analyze(lisp, first(rest(parts)), scope);
    ku_object *otherwise = analyze(lisp, is_type(last, lisp->pair) ? first(last) : lisp->nothing, scope);
    return node_of(lisp, NODE_IF, test, then, otherwise);
}

/* Of a global variable, or of a slot that the lambda around has for it: its body was looked through. */
static ku_object *form_define(interpreter *lisp, ku_object *form, const known *scope) {
    ku_object *target = first(rest(form)), *name = defined_name(lisp, form), *parts = rest(rest(form)), *value;
    if (!is_type(name, lisp->symbol) || (!is_type(target, lisp->pair) && length_of(lisp, form) != 3)) {
        return complain(lisp, "define takes a name and one value:", form);
    }
    value = is_type(target, lisp->pair) ? lambda(lisp, name, rest(target), parts, scope)
                                        : analyze(lisp, first(parts), scope);
    ku_object *made = node_of(lisp, NODE_DEFINE, value, ku_new_reference(name), NULL);
    return found(made, scope, name, NODE_SET_LOCAL);
}

static ku_object *form_set(interpreter *lisp, ku_object *form, const known *scope) {
    ku_object *name = first(rest(form));
    if (!is_type(name, lisp->symbol)) {
        return complain(lisp, "set! needs a name:", form);
    }
    ku_object *value = analyze(lisp, first(rest(rest(form))), scope);
    return found(node_of(lisp, NODE_SET_GLOBAL, value, ku_new_reference(name), NULL), scope, name, NODE_SET_LOCAL);
}

static ku_object *form_lambda(interpreter *lisp, ku_object *form, const known *scope) {
    return lambda(lisp, NULL, first(rest(form)), rest(rest(form)), scope);
}

static ku_object *form_begin(interpreter *lisp, ku_object *form, const known *scope) {
    return analyze_body(lisp, rest(form), scope);
}

static ku_object *form_or(interpreter *lisp, ku_object *form, const known *scope) {
    return ku_is(rest(form), lisp->nothing) ? constant(lisp, ku_bool(lisp->isolate, false))
                                            : node_of(lisp, NODE_OR, analyze_each(lisp, rest(form), scope), NULL, NULL);
}

/* (define-macro (name parameter ...) body ...) takes effect at once, for what is analyzed from now on. */
static ku_object *form_macro(interpreter *lisp, ku_object *form, const known *scope) {
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *head = first(rest(form));
    if (scope != NULL || !is_type(head, lisp->pair) || !is_type(first(head), lisp->symbol)) {
        return complain(lisp, "define-macro takes a name and parameters, outside of functions:", form);
    }
    ku_object *code = ku_hold(&frame, 0, lambda(lisp, first(head), rest(head), rest(rest(form)), NULL));
    ku_object *macro = code == NULL ? NULL : lisp_eval(lisp, code, NULL);
    if (macro == NULL) {
        return NULL;
    }
    ku_replace(lisp->isolate, &((named *)first(head))->macro, macro);
    return constant(lisp, first(head));
}

/* ---- everything ---- */

static const struct form {
    const char *word;
    ku_object *(*function)(interpreter *lisp, ku_object *form, const known *scope);
    int least, most; /* items of the list, the word included; most 0 is no bound */
} forms[] = {
    {NULL, NULL, 0, 0}, /* of symbols that name no form */
    {"define", form_define, 3, 0},
    {"quote", form_quote, 2, 2},
    {"if", form_if, 3, 4},
    {"set!", form_set, 3, 3},
    {"lambda", form_lambda, 3, 0},
    {"begin", form_begin, 2, 0},
    {"or", form_or, 1, 0},
    {"define-macro", form_macro, 3, 0},
};
enum { FORM_DEFINE = 1, FORMS = sizeof forms / sizeof *forms };

bool lisp_name_forms(interpreter *lisp) {
    for (int form = 1; form < FORMS; form++) {
        KU_FRAME(lisp->isolate, frame, 1);
        named *symbol = (named *)ku_hold(&frame, 0, lisp_symbol(lisp, forms[form].word, strlen(forms[form].word)));
        if (symbol == NULL) {
            return false;
        }
        symbol->form = form;
    }
    return true;
}

static int form_of(const interpreter *lisp, ku_object *datum) {
    return is_type(first(datum), lisp->symbol) ? ((named *)first(datum))->form : 0;
}

static bool is_definition(const interpreter *lisp, ku_object *datum) {
    return is_type(datum, lisp->pair) && form_of(lisp, datum) == FORM_DEFINE && length_of(lisp, datum) >= 3;
}

static ku_object *expand(interpreter *lisp, ku_object *datum, const known *scope) {
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *meant = ku_hold(&frame, 0, lisp_apply(lisp, ((named *)first(datum))->macro, rest(datum)));
    return meant == NULL ? NULL : analyze(lisp, meant, scope);
}

static ku_object *analyze_list(interpreter *lisp, ku_object *datum, const known *scope) {
    int length = length_of(lisp, datum), form = form_of(lisp, datum);
    if (length < 0) {
        return complain(lisp, "a dotted pair is no expression:", datum);
    }
    if (form != 0) {
        bool fits = length >= forms[form].least && (forms[form].most == 0 || length <= forms[form].most);
        return fits ? forms[form].function(lisp, datum, scope)
                    : complain(lisp, "this form has too few or too many parts:", datum);
    }
    if (is_type(first(datum), lisp->symbol) && ((named *)first(datum))->macro != NULL) {
        return expand(lisp, datum, scope);
    }
    ku_object *function = analyze(lisp, first(datum), scope);
    return node_of(lisp, NODE_CALL, function, function == NULL ? NULL : analyze_each(lisp, rest(datum), scope), NULL);
}

/* NULL where an error is pending already, so that forms can be made part by part. */
static ku_object *analyze(interpreter *lisp, ku_object *datum, const known *scope) {
    KU_FRAME(lisp->isolate, frame, 0);
    if (ku_pending_error(lisp->isolate) != NULL || !ku_frame_entered(&frame)) {
        return NULL; /* of a macro without end: too deep */
    }
    if (is_type(datum, lisp->symbol)) {
        return variable(lisp, datum, scope);
    }
    return is_type(datum, lisp->pair) ? analyze_list(lisp, datum, scope) : constant(lisp, datum);
}

ku_object *lisp_analyze(interpreter *lisp, ku_object *datum) {
    return analyze(lisp, datum, NULL);
}
