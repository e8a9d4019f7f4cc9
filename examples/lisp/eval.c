/* eval.c: from nodes to values. See lisp.h for the kinds of nodes.
 *
 * lisp_eval() is one loop. What a tail call needs (the code, its environment) replaces what the frame's slots held, so
 * a loop of a million calls runs in one frame of the C stack and leaves nothing behind; only what is not in tail
 * position recurs.
 */
#include "lisp.h"

/* The slots of an evaluation's frame. */
enum { FUNCTION, ENVIRONMENT, VALUE, ARGUMENTS, FEW_ARGUMENTS = 4, SLOTS = ARGUMENTS + FEW_ARGUMENTS };

/* ---- variables ---- */

static ku_object **slots_of(environment *of) {
    return ku_tail(&of->header, offsetof(environment, slots), of->length);
}

static ku_object **slot_of(const syntax *node, ku_object *outermost) {
    environment *found = (environment *)outermost;
    for (int32_t depth = node->depth; depth > 0; depth--) {
        found = (environment *)found->outer;
    }
    return &slots_of(found)[node->index];
}

static ku_object *local(interpreter *lisp, const syntax *node, ku_object *outermost) {
    ku_object *value = *slot_of(node, outermost);
    return value != NULL ? ku_new_reference(value)
                         : lisp_complain(lisp, KU_NAME, "a variable is used before it is defined:", node->a);
}

static ku_object *global(interpreter *lisp, const syntax *node) {
    ku_object *value = ((named *)node->a)->value;
    return value != NULL ? ku_new_reference(value) : lisp_complain(lisp, KU_NAME, "this name is not defined:", node->a);
}

static ku_object *assign(interpreter *lisp, const syntax *node, ku_object *outermost) {
    KU_FRAME(lisp->isolate, frame, 1);
    named *name = (named *)node->b;
    if (ku_hold(&frame, 0, lisp_eval(lisp, node->a, outermost)) == NULL) {
        return NULL;
    }
    if (node->operation == NODE_SET_GLOBAL && name->value == NULL) {
        return lisp_complain(lisp, KU_NAME, "set! of a name that is not defined:", node->b);
    }
    ku_object **place = node->operation == NODE_SET_LOCAL ? slot_of(node, outermost) : &name->value;
    ku_replace(lisp->isolate, place, ku_escape(&frame, 0));
    return ku_new_reference(node->operation == NODE_DEFINE ? node->b : lisp->nothing);
}

/* ---- calls ---- */

static ku_object *make_closure(interpreter *lisp, ku_object *lambda, ku_object *outermost) {
    closure *made = (closure *)ku_new(lisp->isolate, lisp->closure);
    if (made != NULL) {
        made->lambda = ku_new_reference(lambda);
        made->environment = ku_new_reference(outermost);
    }
    return (ku_object *)made;
}

/* An environment with room for so many values, which are still to come. */
static environment *new_environment(interpreter *lisp, ku_object *outer, size_t slots) {
    environment *made = (environment *)ku_new_sized(lisp->isolate, lisp->environment, slots);
    if (made != NULL) {
        made->outer = ku_new_reference(outer);
    }
    return made;
}

/* Puts the values of nodes into slots. */
static bool eval_into(interpreter *lisp, environment *to, ku_object *nodes, ku_object *outermost) {
    for (size_t i = 0; i < ku_tuple_length(nodes); i++) {
        ku_object *value = lisp_eval(lisp, ku_tuple_at(nodes, i), outermost);
        if (value == NULL) {
            return false;
        }
        ku_replace(lisp->isolate, &slots_of(to)[i], value);
    }
    return true;
}

static bool check_count(interpreter *lisp, ku_object *function, size_t count) {
    const syntax *lambda = (const syntax *)((closure *)function)->lambda;
    size_t wanted = (size_t)lambda->index;
    if (count == wanted || (lambda->rest && count > wanted)) {
        return true;
    }
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *text = ku_hold(&frame, 0, lisp_text(lisp, function, true));
    return text != NULL && ku_fail(lisp->isolate, KU_TYPE, "%s takes %s%zu arguments, not %zu", ku_str_text(text),
                                   lambda->rest ? "at least " : "", wanted, count);
}

/* Makes the values from `from` on a list, in the slot of that number. */
static bool gather_rest(interpreter *lisp, environment *made, size_t from, ku_object *const *values, size_t count) {
    ku_replace(lisp->isolate, &slots_of(made)[from], ku_new_reference(lisp->nothing));
    for (size_t i = count; i > from; i--) {
        ku_object *longer = lisp_cons(lisp, values[i - 1], slots_of(made)[from]);
        if (longer == NULL) {
            return false;
        }
        ku_replace(lisp->isolate, &slots_of(made)[from], longer);
    }
    return true;
}

/* The environment of a call of a closure with values. */
static ku_object *bind_values(interpreter *lisp, ku_object *function, ku_object *const *values, size_t count) {
    KU_FRAME(lisp->isolate, frame, 1);
    const closure *called = (const closure *)function;
    const syntax *lambda = (const syntax *)called->lambda;
    if (!check_count(lisp, function, count)) {
        return NULL;
    }
    environment *made = new_environment(lisp, called->environment, (size_t)lambda->depth);
    ku_hold(&frame, 0, (ku_object *)made);
    size_t wanted = (size_t)lambda->index;
    for (size_t i = 0; made != NULL && i < wanted; i++) {
        ku_replace(lisp->isolate, &slots_of(made)[i], ku_new_reference(values[i]));
    }
    bool whole = made != NULL && (!lambda->rest || gather_rest(lisp, made, wanted, values, count));
    return whole ? ku_escape(&frame, 0) : NULL;
}

/* The same, with the values of `nodes`: mostly they go straight into it. */
static ku_object *bind(interpreter *lisp, ku_object *function, ku_object *nodes, ku_object *outermost) {
    KU_FRAME(lisp->isolate, frame, 1);
    const closure *called = (const closure *)function;
    const syntax *lambda = (const syntax *)called->lambda;
    size_t count = ku_tuple_length(nodes);
    if (!lambda->rest && !check_count(lisp, function, count)) {
        return NULL;
    }
    environment *made = lambda->rest ? new_environment(lisp, NULL, count)
                                     : new_environment(lisp, called->environment, (size_t)lambda->depth);
    ku_hold(&frame, 0, (ku_object *)made);
    if (made == NULL || !eval_into(lisp, made, nodes, outermost)) {
        return NULL;
    }
    return lambda->rest ? bind_values(lisp, function, slots_of(made), count) : ku_escape(&frame, 0);
}

static ku_object *call_values(interpreter *lisp, const primitive *called, ku_object *const *values, size_t count) {
    return lisp_check_arguments(lisp, called, values, count) ? called->function(lisp, values, count) : NULL;
}

/* A call of a primitive; a few arguments go to slots of the caller's frame, more to an object. */
static ku_object *call_primitive(interpreter *lisp, ku_frame *frame, const primitive *called, ku_object *nodes) {
    size_t count = ku_tuple_length(nodes);
    ku_object *outermost = ku_slot(frame, ENVIRONMENT), *values[FEW_ARGUMENTS];
    if (count > FEW_ARGUMENTS) {
        environment *many = new_environment(lisp, NULL, count);
        ku_hold(frame, ARGUMENTS, (ku_object *)many);
        bool whole = many != NULL && eval_into(lisp, many, nodes, outermost);
        return whole ? call_values(lisp, called, slots_of(many), count) : NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        values[i] = ku_hold(frame, ARGUMENTS + i, lisp_eval(lisp, ku_tuple_at(nodes, i), outermost));
        if (values[i] == NULL) {
            return NULL;
        }
    }
    return call_values(lisp, called, values, count);
}

/* ---- the loop ---- */

static bool is_true(const interpreter *lisp, const ku_object *value) {
    return !ku_is(value, ku_bool(lisp->isolate, false));
}

/* All but the last node of a sequence or an `or`; the last is in tail position. *done: `or` ended early, with the value
 * in its slot. False with the error pending. */
static bool eval_but_last(interpreter *lisp, ku_frame *frame, const syntax *node, bool *done) {
    size_t last = ku_tuple_length(node->a) - 1;
    for (size_t i = 0; i < last && !*done; i++) {
        ku_object *item = ku_tuple_at(node->a, i);
        ku_object *value = ku_hold(frame, VALUE, lisp_eval(lisp, item, ku_slot(frame, ENVIRONMENT)));
        if (value == NULL) {
            return false;
        }
        *done = node->operation == NODE_OR && is_true(lisp, value);
    }
    return true;
}

/* The value of a node that needs no loop. */
static ku_object *eval_simple(interpreter *lisp, const syntax *node, ku_object *outermost) {
    switch ((syntax_kind)node->operation) {
    case NODE_CONSTANT: return ku_new_reference(node->a);
    case NODE_LOCAL: return local(lisp, node, outermost);
    case NODE_GLOBAL: return global(lisp, node);
    case NODE_LAMBDA: return make_closure(lisp, (ku_object *)(uintptr_t)node, outermost);
    default: return assign(lisp, node, outermost);
    }
}

/* A call: of a primitive, whose value is the result and *code is NULL; or of a closure, whose body is the next *code,
 * in its own environment. */
static ku_object *eval_call(interpreter *lisp, ku_frame *frame, const syntax *call, ku_object **code) {
    ku_object *outermost = ku_slot(frame, ENVIRONMENT);
    ku_object *function = ku_hold(frame, VALUE, lisp_eval(lisp, call->a, outermost));
    *code = NULL;
    if (function == NULL) {
        return NULL;
    }
    if (is_type(function, lisp->primitive)) {
        return call_primitive(lisp, frame, (const primitive *)function, call->b);
    }
    if (!is_type(function, lisp->closure)) {
        return lisp_complain(lisp, KU_TYPE, "this is no function:", function);
    }
    ku_object *inner = bind(lisp, function, call->b, outermost);
    if (inner != NULL) {
        *code = ((syntax *)((closure *)function)->lambda)->a;
        ku_hold(frame, FUNCTION, ku_escape(frame, VALUE)); /* keeps the code that runs from now on */
        ku_hold(frame, ENVIRONMENT, inner);
    }
    return NULL;
}

ku_object *lisp_eval(interpreter *lisp, ku_object *code, ku_object *outermost) {
    KU_FRAME(lisp->isolate, frame, SLOTS);
    if (!ku_frame_entered(&frame)) {
        return NULL; /* too deep: the error is pending */
    }
    ku_hold(&frame, ENVIRONMENT, ku_new_reference(outermost));
    while (code != NULL) {
        const syntax *node = (syntax *)code;
        bool done = false;
        ku_object *value;
        switch ((syntax_kind)node->operation) {
        case NODE_IF:
            value = ku_hold(&frame, VALUE, lisp_eval(lisp, node->a, ku_slot(&frame, ENVIRONMENT)));
            if (value == NULL) {
                return NULL;
            }
            code = is_true(lisp, value) ? node->b : node->c;
            break;
        case NODE_SEQUENCE:
        case NODE_OR:
            if (!eval_but_last(lisp, &frame, node, &done) || done) {
                return done ? ku_escape(&frame, VALUE) : NULL;
            }
            code = ku_tuple_at(node->a, ku_tuple_length(node->a) - 1);
            break;
        case NODE_CALL:
            value = eval_call(lisp, &frame, node, &code);
            if (code == NULL) {
                return value;
            }
            break;
        default: return eval_simple(lisp, node, ku_slot(&frame, ENVIRONMENT));
        }
    }
    return NULL;
}

ku_object *lisp_apply(interpreter *lisp, ku_object *function, ku_object *arguments) {
    KU_FRAME(lisp->isolate, frame, 2);
    size_t count = 0, place = 0;
    for (ku_object *left = arguments; is_type(left, lisp->pair); left = rest(left)) {
        count++;
    }
    environment *values = new_environment(lisp, NULL, count);
    ku_hold(&frame, 0, (ku_object *)values);
    for (; values != NULL && place < count; arguments = rest(arguments)) {
        ku_replace(lisp->isolate, &slots_of(values)[place++], ku_new_reference(first(arguments)));
    }
    if (values == NULL) {
        return NULL;
    }
    if (is_type(function, lisp->primitive)) {
        return call_values(lisp, (const primitive *)function, slots_of(values), count);
    }
    if (!is_type(function, lisp->closure)) {
        return lisp_complain(lisp, KU_TYPE, "this is no function:", function);
    }
    ku_object *inner = ku_hold(&frame, 1, bind_values(lisp, function, slots_of(values), count));
    return inner == NULL ? NULL : lisp_eval(lisp, ((syntax *)((closure *)function)->lambda)->a, inner);
}
