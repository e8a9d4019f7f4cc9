/* analyze.c: from data to nodes. Syntax is checked, special forms are told apart, and variables are found here, once.
 *
 * A scope is the list of the names of one environment's slots: the parameters of a lambda, then what its body defines.
 * Scopes live in the C stack while their lambda is analyzed; their names are a list object, in a slot of the frame.
 */
#include "lisp.h"

typedef struct known {
    const struct known *outer;
    ku_object *names; /* list of symbols, in order of slots */
} known;

static ku_object *analyze(interpreter *lisp, ku_object *datum, const known *scope);
static ku_object *analyze_body(interpreter *lisp, ku_object *body, const known *scope);

static ku_object *complain(interpreter *lisp, const char *what, ku_object *datum) {
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *text = ku_hold(&frame, 0, lisp_text(lisp, datum, true));
    return text == NULL ? NULL : ku_fail_null(lisp->isolate, KU_VALUE, "%s: %s", what, ku_str_text(text));
}

/* ---- lists ---- */

static bool is_pair(const interpreter *lisp, const ku_object *datum) {
    return is_type(datum, lisp->pair);
}
static ku_object *first(ku_object *datum) {
    return ((pair *)datum)->first;
}
static ku_object *rest(ku_object *datum) {
    return ((pair *)datum)->rest;
}

/* Items of a list; -1 where it is none. */
static int length_of(const interpreter *lisp, ku_object *datum) {
    int length = 0;
    for (; is_pair(lisp, datum); datum = rest(datum)) {
        length++;
    }
    return ku_is(datum, lisp->nothing) ? length : -1;
}

static bool is_word(const interpreter *lisp, const ku_object *datum, keyword word) {
    return ku_is(datum, lisp->words[word]);
}

/* ---- nodes ---- */

static syntax *new_node(interpreter *lisp, syntax_kind operation) {
    syntax *made = (syntax *)ku_new(lisp->isolate, lisp->node);
    if (made != NULL) {
        made->operation = operation;
    }
    return made;
}

/* A node over up to three parts, which are taken over; NULL where a part is NULL that must not be. */
static ku_object *node_of(interpreter *lisp, syntax_kind operation, ku_object *a, ku_object *b, ku_object *c) {
    KU_FRAME(lisp->isolate, frame, 3);
    bool whole = ku_hold(&frame, 0, a) != NULL;
    ku_hold(&frame, 1, b);
    ku_hold(&frame, 2, c);
    syntax *made = whole ? new_node(lisp, operation) : NULL;
    if (made != NULL) {
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
    for (; nodes != NULL && is_pair(lisp, list); list = rest(list)) {
        ku_object *node = ku_hold(&frame, 1, analyze(lisp, first(list), scope));
        if (node == NULL || !ku_list_append(lisp->isolate, nodes, node)) {
            return NULL;
        }
    }
    return nodes == NULL ? NULL : ku_tuple_from(lisp->isolate, nodes);
}

/* ---- variables ---- */

static int slot_of(interpreter *lisp, const known *scope, const ku_object *symbol) {
    for (size_t i = ku_list_length(scope->names); i-- > 0;) {
        if (ku_is(ku_list_at(scope->names, i), symbol)) {
            return (int)i;
        }
    }
    (void)lisp;
    return -1;
}

/* Makes `found` the node of a local variable, or leaves it as it is: a global one. */
static void find_variable(interpreter *lisp, syntax *found, const known *scope, const ku_object *symbol,
                          syntax_kind local) {
    for (int depth = 0; scope != NULL; scope = scope->outer, depth++) {
        int slot = slot_of(lisp, scope, symbol);
        if (slot >= 0) {
            found->operation = local;
            found->depth = depth;
            found->index = slot;
            return;
        }
    }
}

static ku_object *variable(interpreter *lisp, ku_object *symbol, const known *scope) {
    ku_object *made = node_of(lisp, NODE_GLOBAL, ku_new_reference(symbol), NULL, NULL);
    if (made != NULL) {
        find_variable(lisp, (syntax *)made, scope, symbol, NODE_LOCAL);
    }
    return made;
}

static ku_object *assignment(interpreter *lisp, ku_object *symbol, ku_object *value, const known *scope) {
    ku_object *made = node_of(lisp, NODE_SET_GLOBAL, value, ku_new_reference(symbol), NULL);
    if (made != NULL) {
        find_variable(lisp, (syntax *)made, scope, symbol, NODE_SET_LOCAL);
    }
    return made;
}

/* ---- lambda ---- */

/* The names of a lambda's parameters go to `names`; `takes_rest` when the last one takes what is left. */
static bool add_parameters(interpreter *lisp, ku_object *parameters, ku_object *names, bool *takes_rest) {
    for (; is_pair(lisp, parameters); parameters = rest(parameters)) {
        if (!is_type(first(parameters), lisp->symbol)) {
            complain(lisp, "a parameter must be a symbol", first(parameters));
            return false;
        }
        if (!ku_list_append(lisp->isolate, names, first(parameters))) {
            return false;
        }
    }
    *takes_rest = !ku_is(parameters, lisp->nothing);
    if (*takes_rest && !is_type(parameters, lisp->symbol)) {
        complain(lisp, "parameters must be a list of symbols", parameters);
        return false;
    }
    return !*takes_rest || ku_list_append(lisp->isolate, names, parameters);
}

/* What (define name ...) or (define (name ...) ...) defines; NULL with an error for anything else. */
static ku_object *defined_name(interpreter *lisp, ku_object *datum) {
    ku_object *target = length_of(lisp, datum) >= 2 ? first(rest(datum)) : lisp->nothing;
    target = is_pair(lisp, target) ? first(target) : target;
    return is_type(target, lisp->symbol) ? target : complain(lisp, "define needs a name", datum);
}

static bool is_definition(const interpreter *lisp, ku_object *datum) {
    return is_pair(lisp, datum) && is_word(lisp, first(datum), WORD_DEFINE);
}

static bool add_definitions(interpreter *lisp, ku_object *body, ku_object *names) {
    for (; is_pair(lisp, body); body = rest(body)) {
        if (is_definition(lisp, first(body))) {
            ku_object *name = defined_name(lisp, first(body));
            if (name == NULL || !ku_list_append(lisp->isolate, names, name)) {
                return false;
            }
        }
    }
    return true;
}

static ku_object *lambda(interpreter *lisp, ku_object *name, ku_object *parameters, ku_object *body,
                         const known *outer) {
    KU_FRAME(lisp->isolate, frame, 2);
    known inner = {.outer = outer, .names = ku_hold(&frame, 0, ku_list_new(lisp->isolate, NULL, 0))};
    bool takes_rest = false;
    if (inner.names == NULL || !add_parameters(lisp, parameters, inner.names, &takes_rest)) {
        return NULL;
    }
    size_t count = ku_list_length(inner.names);
    if (!add_definitions(lisp, body, inner.names)) {
        return NULL;
    }
    ku_object *code = analyze_body(lisp, body, &inner);
    ku_object *made = node_of(lisp, NODE_LAMBDA, code, ku_new_reference(name), NULL);
    if (made != NULL) {
        ((syntax *)made)->index = (int32_t)count - takes_rest;
        ((syntax *)made)->depth = (int32_t)ku_list_length(inner.names);
        ((syntax *)made)->rest = takes_rest;
    }
    return made;
}

static ku_object *analyze_body(interpreter *lisp, ku_object *body, const known *scope) {
    int length = length_of(lisp, body);
    if (length <= 0) {
        return complain(lisp, "a body needs an expression", body);
    }
    if (length == 1) {
        return analyze(lisp, first(body), scope);
    }
    return node_of(lisp, NODE_SEQUENCE, analyze_each(lisp, body, scope), NULL, NULL);
}

/* ---- special forms: `form` is the whole list, its length already checked ---- */

static ku_object *form_quote(interpreter *lisp, ku_object *form, const known *scope) {
    (void)scope;
    return constant(lisp, first(rest(form)));
}

/* A test with two outcomes; parts are taken over. */
static ku_object *choice(interpreter *lisp, ku_object *test, ku_object *then, ku_object *otherwise) {
    if (then == NULL || otherwise == NULL) {
        KU_FRAME(lisp->isolate, frame, 3);
        ku_hold(&frame, 0, test);
        ku_hold(&frame, 1, then);
        ku_hold(&frame, 2, otherwise);
        return NULL;
    }
    return node_of(lisp, NODE_IF, test, then, otherwise);
}

static ku_object *form_if(interpreter *lisp, ku_object *form, const known *scope) {
    ku_object *parts = rest(form), *last = rest(rest(parts));
    KU_FRAME(lisp->isolate, frame, 2);
    ku_object *test = ku_hold(&frame, 0, analyze(lisp, first(parts), scope));
    ku_object *then = test == NULL ? NULL : ku_hold(&frame, 1, analyze(lisp, first(rest(parts)), scope));
    if (then == NULL) {
        return NULL;
    }
    ku_object *otherwise = is_pair(lisp, last) ? analyze(lisp, first(last), scope) : constant(lisp, lisp->nothing);
    return choice(lisp, ku_escape(&frame, 0), ku_escape(&frame, 1), otherwise);
}

static ku_object *form_when(interpreter *lisp, ku_object *form, const known *scope) {
    KU_FRAME(lisp->isolate, frame, 2);
    ku_object *test = ku_hold(&frame, 0, analyze(lisp, first(rest(form)), scope));
    ku_object *body = test == NULL ? NULL : ku_hold(&frame, 1, analyze_body(lisp, rest(rest(form)), scope));
    if (body == NULL) {
        return NULL;
    }
    bool unless = is_word(lisp, first(form), WORD_UNLESS);
    ku_object *otherwise = constant(lisp, lisp->nothing);
    ku_object *then = ku_escape(&frame, 1);
    return choice(lisp, ku_escape(&frame, 0), unless ? otherwise : then, unless ? then : otherwise);
}

static ku_object *form_define(interpreter *lisp, ku_object *form, const known *scope) {
    ku_object *name = defined_name(lisp, form);
    if (name == NULL) {
        return NULL;
    }
    ku_object *target = first(rest(form)), *value;
    if (is_pair(lisp, target)) {
        value = lambda(lisp, name, rest(target), rest(rest(form)), scope);
    } else if (length_of(lisp, form) != 3) {
        return complain(lisp, "define takes a name and one value", form);
    } else {
        value = analyze(lisp, first(rest(rest(form))), scope);
    }
    if (scope != NULL) {
        return assignment(lisp, name, value, scope); /* the slot is there: the body was looked through */
    }
    return node_of(lisp, NODE_DEFINE, value, ku_new_reference(name), NULL);
}

static ku_object *form_set(interpreter *lisp, ku_object *form, const known *scope) {
    ku_object *name = first(rest(form));
    if (!is_type(name, lisp->symbol)) {
        return complain(lisp, "set! needs a name", form);
    }
    return assignment(lisp, name, analyze(lisp, first(rest(rest(form))), scope), scope);
}

static ku_object *form_lambda(interpreter *lisp, ku_object *form, const known *scope) {
    return lambda(lisp, NULL, first(rest(form)), rest(rest(form)), scope);
}

static ku_object *form_begin(interpreter *lisp, ku_object *form, const known *scope) {
    return analyze_body(lisp, rest(form), scope);
}

/* The names (part 0) or the values (part 1) of the bindings of a let, as a list in the same order. */
static ku_object *binding_parts(interpreter *lisp, ku_object *bindings, int part) {
    KU_FRAME(lisp->isolate, frame, 1);
    if (!is_pair(lisp, bindings)) {
        return ku_new_reference(lisp->nothing);
    }
    if (length_of(lisp, first(bindings)) != 2) {
        return complain(lisp, "a binding is a name and a value", first(bindings));
    }
    ku_object *others = ku_hold(&frame, 0, binding_parts(lisp, rest(bindings), part));
    ku_object *binding = first(bindings);
    return others == NULL ? NULL : lisp_cons(lisp, part == 0 ? first(binding) : first(rest(binding)), others);
}

/* A call: parts are taken over. */
static ku_object *call(interpreter *lisp, ku_object *function, ku_object *arguments) {
    KU_FRAME(lisp->isolate, frame, 2);
    ku_hold(&frame, 0, function);
    ku_hold(&frame, 1, arguments);
    bool whole = function != NULL && arguments != NULL;
    return whole ? node_of(lisp, NODE_CALL, ku_escape(&frame, 0), ku_escape(&frame, 1), NULL) : NULL;
}

/* (let name ((a x) ...) body): a lambda that its own environment knows by name, called with x ... */
static ku_object *named_let(interpreter *lisp, ku_object *form, const known *outer) {
    KU_FRAME(lisp->isolate, frame, 5);
    ku_object *name = first(rest(form)), *bindings = first(rest(rest(form))), *body = rest(rest(rest(form)));
    ku_object *names = ku_hold(&frame, 0, binding_parts(lisp, bindings, 0));
    ku_object *values = names == NULL ? NULL : ku_hold(&frame, 1, binding_parts(lisp, bindings, 1));
    known own = {.outer = outer,
                 .names = values == NULL ? NULL : ku_hold(&frame, 2, ku_list_new(lisp->isolate, NULL, 0))};
    if (own.names == NULL || !ku_list_append(lisp->isolate, own.names, name)) {
        return NULL;
    }
    /* ((lambda () (set! name (lambda (a ...) body)) name)) gives the function; its scope has one slot, the name. */
    ku_object *loop = lambda(lisp, name, names, body, &own);
    ku_object *set = ku_hold(&frame, 3, assignment(lisp, name, loop, &own));
    ku_object *get = set == NULL ? NULL : ku_hold(&frame, 4, variable(lisp, name, &own));
    ku_object *both[] = {set, get};
    ku_object *steps = get == NULL ? NULL : ku_tuple_new(lisp->isolate, both, 2);
    ku_object *sequence = node_of(lisp, NODE_SEQUENCE, steps, NULL, NULL);
    ku_object *maker = ku_hold(&frame, 3, node_of(lisp, NODE_LAMBDA, sequence, NULL, NULL));
    if (maker == NULL) {
        return NULL;
    }
    ((syntax *)maker)->depth = 1;
    ku_object *function = call(lisp, ku_escape(&frame, 3), ku_tuple_new(lisp->isolate, NULL, 0));
    return call(lisp, function, analyze_each(lisp, values, outer));
}

static ku_object *form_let(interpreter *lisp, ku_object *form, const known *scope) {
    if (is_type(first(rest(form)), lisp->symbol)) {
        return length_of(lisp, form) >= 4 ? named_let(lisp, form, scope)
                                          : complain(lisp, "a named let needs bindings and a body", form);
    }
    KU_FRAME(lisp->isolate, frame, 2);
    ku_object *bindings = first(rest(form));
    ku_object *names = ku_hold(&frame, 0, binding_parts(lisp, bindings, 0));
    ku_object *values = names == NULL ? NULL : ku_hold(&frame, 1, binding_parts(lisp, bindings, 1));
    if (values == NULL) {
        return NULL;
    }
    return call(lisp, lambda(lisp, NULL, names, rest(rest(form)), scope), analyze_each(lisp, values, scope));
}

/* (let* ((a x) more ...) body) is (let ((a x)) (let* (more ...) body)). */
static ku_object *form_let_star(interpreter *lisp, ku_object *form, const known *scope) {
    ku_object *bindings = first(rest(form)), *body = rest(rest(form));
    if (!is_pair(lisp, bindings) || ku_is(rest(bindings), lisp->nothing)) {
        return form_let(lisp, form, scope);
    }
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *inner = ku_hold(&frame, 0, lisp_cons(lisp, rest(bindings), body));
    inner = inner == NULL ? NULL : ku_hold(&frame, 0, lisp_cons(lisp, lisp->words[WORD_LET_STAR], inner));
    inner = inner == NULL ? NULL : ku_hold(&frame, 0, lisp_cons(lisp, inner, lisp->nothing));
    ku_object *outer = inner == NULL ? NULL : ku_hold(&frame, 0, lisp_cons(lisp, lisp->nothing, inner));
    if (outer == NULL) {
        return NULL;
    }
    ku_object *one = lisp_cons(lisp, first(bindings), lisp->nothing);
    if (one == NULL) {
        return NULL;
    }
    ku_replace(lisp->isolate, &((pair *)outer)->first, one);
    outer = ku_hold(&frame, 0, lisp_cons(lisp, lisp->words[WORD_LET], outer));
    return outer == NULL ? NULL : form_let(lisp, outer, scope);
}

/* The bindings of a letrec as definitions, in order, in front of its body. */
static ku_object *definitions(interpreter *lisp, ku_object *bindings, ku_object *body) {
    if (!is_pair(lisp, bindings)) {
        return ku_new_reference(body);
    }
    if (length_of(lisp, first(bindings)) != 2) {
        return complain(lisp, "a binding is a name and a value", first(bindings));
    }
    KU_FRAME(lisp->isolate, frame, 2);
    ku_object *others = ku_hold(&frame, 0, definitions(lisp, rest(bindings), body));
    ku_object *define =
        others == NULL ? NULL : ku_hold(&frame, 1, lisp_cons(lisp, lisp->words[WORD_DEFINE], first(bindings)));
    return define == NULL ? NULL : lisp_cons(lisp, define, others);
}

/* (letrec ((a x) ...) body) is a body that defines a as x, ... */
static ku_object *form_letrec(interpreter *lisp, ku_object *form, const known *scope) {
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *body = ku_hold(&frame, 0, definitions(lisp, first(rest(form)), rest(rest(form))));
    ku_object *function = body == NULL ? NULL : lambda(lisp, NULL, lisp->nothing, body, scope);
    return function == NULL ? NULL : call(lisp, function, ku_tuple_new(lisp->isolate, NULL, 0));
}

/* The clauses of a cond from here on, as a chain of choices. */
static ku_object *clauses(interpreter *lisp, ku_object *left, ku_object *otherwise, const known *scope) {
    if (!is_pair(lisp, left)) {
        return ku_new_reference(otherwise);
    }
    ku_object *clause = first(left);
    if (length_of(lisp, clause) < 2) {
        return complain(lisp, "a clause is a test and a body", clause);
    }
    if (is_word(lisp, first(clause), WORD_ELSE)) {
        return analyze_body(lisp, rest(clause), scope);
    }
    KU_FRAME(lisp->isolate, frame, 2);
    ku_object *test = ku_hold(&frame, 0, analyze(lisp, first(clause), scope));
    ku_object *body = test == NULL ? NULL : ku_hold(&frame, 1, analyze_body(lisp, rest(clause), scope));
    ku_object *others = body == NULL ? NULL : clauses(lisp, rest(left), otherwise, scope);
    return others == NULL ? NULL : choice(lisp, ku_escape(&frame, 0), ku_escape(&frame, 1), others);
}

static ku_object *form_cond(interpreter *lisp, ku_object *form, const known *scope) {
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *otherwise = ku_hold(&frame, 0, constant(lisp, lisp->nothing));
    return otherwise == NULL ? NULL : clauses(lisp, rest(form), otherwise, scope);
}

static ku_object *form_and_or(interpreter *lisp, ku_object *form, const known *scope) {
    syntax_kind operation = is_word(lisp, first(form), WORD_AND) ? NODE_AND : NODE_OR;
    if (ku_is(rest(form), lisp->nothing)) {
        return constant(lisp, ku_bool(lisp->isolate, operation == NODE_AND));
    }
    return node_of(lisp, operation, analyze_each(lisp, rest(form), scope), NULL, NULL);
}

/* (guard (e clause ...) body ...): the clauses are a function of what was raised; without a match it is raised anew. */
static ku_object *form_guard(interpreter *lisp, ku_object *form, const known *outer) {
    ku_object *head = first(rest(form));
    if (!is_pair(lisp, head) || !is_type(first(head), lisp->symbol)) {
        return complain(lisp, "guard needs a name and clauses", form);
    }
    KU_FRAME(lisp->isolate, frame, 4);
    known own = {.outer = outer, .names = ku_hold(&frame, 0, ku_list_new(lisp->isolate, NULL, 0))};
    if (own.names == NULL || !ku_list_append(lisp->isolate, own.names, first(head))) {
        return NULL;
    }
    ku_object *again = ku_hold(&frame, 1, lisp_cons(lisp, first(head), lisp->nothing));
    again = again == NULL ? NULL : ku_hold(&frame, 1, lisp_cons(lisp, lisp->words[WORD_RAISE], again));
    ku_object *otherwise = again == NULL ? NULL : ku_hold(&frame, 2, analyze(lisp, again, &own));
    ku_object *handler = otherwise == NULL ? NULL : clauses(lisp, rest(head), otherwise, &own);
    handler = ku_hold(&frame, 3, node_of(lisp, NODE_LAMBDA, handler, NULL, NULL));
    if (handler == NULL) {
        return NULL;
    }
    ((syntax *)handler)->index = 1;
    ((syntax *)handler)->depth = 1;
    ku_object *body = analyze_body(lisp, rest(rest(form)), outer);
    return node_of(lisp, NODE_GUARD, body, ku_escape(&frame, 3), NULL);
}

/* ---- everything ---- */

typedef ku_object *form_function(interpreter *lisp, ku_object *form, const known *scope);
static const struct form {
    form_function *function;
    int least, most; /* items of the list, the word included; most 0 is no bound */
} forms[WORD_COUNT] = {
    [WORD_QUOTE] = {form_quote, 2, 2},   [WORD_IF] = {form_if, 3, 4},
    [WORD_DEFINE] = {form_define, 3, 0}, [WORD_SET] = {form_set, 3, 3},
    [WORD_LAMBDA] = {form_lambda, 3, 0}, [WORD_BEGIN] = {form_begin, 2, 0},
    [WORD_LET] = {form_let, 3, 0},       [WORD_LET_STAR] = {form_let_star, 3, 0},
    [WORD_LETREC] = {form_letrec, 3, 0}, [WORD_COND] = {form_cond, 2, 0},
    [WORD_AND] = {form_and_or, 1, 0},    [WORD_OR] = {form_and_or, 1, 0},
    [WORD_WHEN] = {form_when, 3, 0},     [WORD_UNLESS] = {form_when, 3, 0},
    [WORD_GUARD] = {form_guard, 3, 0},
};

/* The form that a list is by its first symbol; NULL: a call. */
static const struct form *form_of(const interpreter *lisp, const ku_object *head) {
    for (int word = 0; word < WORD_COUNT; word++) {
        if (forms[word].function != NULL && is_word(lisp, head, (keyword)word)) {
            return &forms[word];
        }
    }
    return NULL;
}

static ku_object *analyze_list(interpreter *lisp, ku_object *datum, const known *scope) {
    int length = length_of(lisp, datum);
    if (length < 0) {
        return complain(lisp, "a dotted pair is no expression", datum);
    }
    const struct form *form = form_of(lisp, first(datum));
    if (form == NULL) {
        KU_FRAME(lisp->isolate, frame, 1);
        ku_object *function = ku_hold(&frame, 0, analyze(lisp, first(datum), scope));
        ku_object *arguments = function == NULL ? NULL : analyze_each(lisp, rest(datum), scope);
        return arguments == NULL ? NULL : call(lisp, ku_escape(&frame, 0), arguments);
    }
    if (length < form->least || (form->most != 0 && length > form->most)) {
        return complain(lisp, "this form has too few or too many parts", datum);
    }
    return form->function(lisp, datum, scope);
}

static ku_object *analyze(interpreter *lisp, ku_object *datum, const known *scope) {
    if (is_type(datum, lisp->symbol)) {
        return variable(lisp, datum, scope);
    }
    return is_pair(lisp, datum) ? analyze_list(lisp, datum, scope) : constant(lisp, datum);
}

ku_object *lisp_analyze(interpreter *lisp, ku_object *datum) {
    return analyze(lisp, datum, NULL);
}
