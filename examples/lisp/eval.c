/* eval.c: from nodes to values. See lisp.h for the kinds of nodes.
 *
 * lisp_eval() is one loop. What a tail call needs (the code, its environment) replaces what the frame's slots held, so
 * a loop of a million calls runs in one frame of the C stack and leaves nothing behind; only what is not in tail
 * position recurs.
 */
#include "lisp.h"

#include <string.h>

/* The slots of an evaluation's frame. */
enum { FUNCTION, ENVIRONMENT, VALUE, ARGUMENTS, FEW_ARGUMENTS = 4, SLOTS = ARGUMENTS + FEW_ARGUMENTS };

static ku_object *complain(interpreter *lisp, ku_code code, const char *what, ku_object *value) {
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *text = ku_hold(&frame, 0, lisp_text(lisp, value, true));
    return text == NULL ? NULL : ku_fail_null(lisp->isolate, code, "%s: %s", what, ku_str_text(text));
}

/* ---- variables ---- */

static ku_object **slot_of(const syntax *node, ku_object *outermost) {
    environment *found = (environment *)outermost;
    for (int32_t depth = node->depth; depth > 0; depth--) {
        found = (environment *)found->outer;
    }
    return &ku_tail(&found->header, offsetof(environment, slots), found->length)[node->index];
}

static ku_object *local(interpreter *lisp, const syntax *node, ku_object *outermost) {
    ku_object *value = *slot_of(node, outermost);
    return value != NULL ? ku_new_reference(value)
                         : ku_fail_null(lisp->isolate, KU_NAME, "a variable is used before it is defined");
}

static ku_object *global(interpreter *lisp, const syntax *node) {
    named *name = (named *)node->a;
    return name->value != NULL ? ku_new_reference(name->value)
                               : complain(lisp, KU_NAME, "this name is not defined", node->a);
}

static ku_object *assign(interpreter *lisp, const syntax *node, ku_object *outermost) {
    ku_object *value = lisp_eval(lisp, node->a, outermost);
    if (value == NULL) {
        return NULL;
    }
    KU_FRAME(lisp->isolate, frame, 1);
    ku_hold(&frame, 0, value);
    named *name = (named *)node->b;
    if (node->operation == NODE_SET_LOCAL) {
        ku_replace(lisp->isolate, slot_of(node, outermost), ku_escape(&frame, 0));
    } else if (node->operation == NODE_SET_GLOBAL && name->value == NULL) {
        return complain(lisp, KU_NAME, "set! of a name that is not defined", node->b);
    } else {
        ku_replace(lisp->isolate, &name->value, ku_escape(&frame, 0));
    }
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

static bool check_count(interpreter *lisp, const syntax *lambda, ku_object *function, size_t count) {
    size_t wanted = (size_t)lambda->index;
    if (count == wanted || (lambda->rest && count > wanted)) {
        return true;
    }
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *text = ku_hold(&frame, 0, lisp_text(lisp, function, true));
    return text != NULL && ku_fail(lisp->isolate, KU_TYPE, "%s takes %s%zu arguments, not %zu", ku_str_text(text),
                                   lambda->rest ? "at least " : "", wanted, count);
}

/* An environment for a call, its parameters still empty. */
static environment *new_environment(interpreter *lisp, const closure *function) {
    const syntax *lambda = (const syntax *)function->lambda;
    environment *made = (environment *)ku_new_sized(lisp->isolate, lisp->environment, (size_t)lambda->depth);
    if (made != NULL) {
        made->outer = ku_new_reference(function->environment);
    }
    return made;
}

static ku_object **slots_of(environment *call) {
    return ku_tail(&call->header, offsetof(environment, slots), call->length);
}

/* The values of nodes from `from` on, as a list. */
static ku_object *eval_list(interpreter *lisp, ku_object *nodes, size_t from, ku_object *outermost) {
    if (from == ku_tuple_length(nodes)) {
        return ku_new_reference(lisp->nothing);
    }
    KU_FRAME(lisp->isolate, frame, 2);
    ku_object *value = ku_hold(&frame, 0, lisp_eval(lisp, ku_tuple_at(nodes, from), outermost));
    ku_object *others = value == NULL ? NULL : ku_hold(&frame, 1, eval_list(lisp, nodes, from + 1, outermost));
    return others == NULL ? NULL : lisp_cons(lisp, value, others);
}

/* The environment of a call of a closure with the values of `nodes`. */
static ku_object *bind(interpreter *lisp, ku_object *function, ku_object *nodes, ku_object *outermost) {
    const syntax *lambda = (const syntax *)((closure *)function)->lambda;
    if (!check_count(lisp, lambda, function, ku_tuple_length(nodes))) {
        return NULL;
    }
    KU_FRAME(lisp->isolate, frame, 1);
    environment *made = (environment *)ku_hold(&frame, 0, (ku_object *)new_environment(lisp, (closure *)function));
    if (made == NULL) {
        return NULL;
    }
    size_t wanted = (size_t)lambda->index;
    for (size_t i = 0; i < wanted + lambda->rest; i++) {
        ku_object *value =
            i == wanted ? eval_list(lisp, nodes, i, outermost) : lisp_eval(lisp, ku_tuple_at(nodes, i), outermost);
        if (value == NULL) {
            return NULL;
        }
        ku_replace(lisp->isolate, &slots_of(made)[i], value);
    }
    return ku_escape(&frame, 0);
}

static size_t count_of(const interpreter *lisp, const ku_object *list) {
    size_t count = 0;
    for (; is_type(list, lisp->pair); list = ((const pair *)list)->rest) {
        count++;
    }
    return count;
}

/* The same, of a call with a list of values. */
static ku_object *bind_values(interpreter *lisp, ku_object *function, ku_object *values) {
    const syntax *lambda = (const syntax *)((closure *)function)->lambda;
    size_t wanted = (size_t)lambda->index;
    environment *made =
        check_count(lisp, lambda, function, count_of(lisp, values)) ? new_environment(lisp, (closure *)function) : NULL;
    for (size_t i = 0; made != NULL && i < wanted; i++, values = ((pair *)values)->rest) {
        ku_replace(lisp->isolate, &slots_of(made)[i], ku_new_reference(((pair *)values)->first));
    }
    if (made != NULL && lambda->rest) {
        ku_replace(lisp->isolate, &slots_of(made)[wanted], ku_new_reference(values));
    }
    return (ku_object *)made;
}

static bool check_primitive(interpreter *lisp, const primitive *called, size_t count) {
    return (count >= called->least && count <= called->most) ||
           ku_fail(lisp->isolate, KU_TYPE, "%s does not take %zu arguments", called->name, count);
}

/* An object that holds `count` values, for calls with more arguments than a frame has slots for. */
static environment *new_arguments(interpreter *lisp, size_t count) {
    return (environment *)ku_new_sized(lisp->isolate, lisp->environment, count);
}

static ku_object *call_with_many(interpreter *lisp, const primitive *called, ku_object *nodes, ku_object *outermost) {
    KU_FRAME(lisp->isolate, frame, 1);
    size_t count = ku_tuple_length(nodes);
    environment *made = (environment *)ku_hold(&frame, 0, (ku_object *)new_arguments(lisp, count));
    for (size_t i = 0; made != NULL && i < count; i++) {
        ku_object *value = lisp_eval(lisp, ku_tuple_at(nodes, i), outermost);
        if (value == NULL) {
            return NULL;
        }
        ku_replace(lisp->isolate, &slots_of(made)[i], value);
    }
    return made == NULL ? NULL : called->function(lisp, slots_of(made), count);
}

/* A call of a primitive; its arguments go to slots of the caller's frame. */
static ku_object *call_primitive(interpreter *lisp, ku_frame *frame, ku_object *function, ku_object *nodes) {
    const primitive *called = (const primitive *)function;
    size_t count = ku_tuple_length(nodes);
    ku_object *outermost = ku_slot(frame, ENVIRONMENT);
    if (!check_primitive(lisp, called, count)) {
        return NULL;
    }
    if (count > FEW_ARGUMENTS) {
        return call_with_many(lisp, called, nodes, outermost);
    }
    ku_object *arguments[FEW_ARGUMENTS];
    for (size_t i = 0; i < count; i++) {
        arguments[i] = ku_hold(frame, ARGUMENTS + i, lisp_eval(lisp, ku_tuple_at(nodes, i), outermost));
        if (arguments[i] == NULL) {
            return NULL;
        }
    }
    return called->function(lisp, arguments, count);
}

/* ---- guard ---- */

static ku_object *guarded(interpreter *lisp, const syntax *node, ku_object *outermost) {
    ku_object *value = lisp_eval(lisp, node->a, outermost);
    if (value != NULL) {
        return value;
    }
    KU_FRAME(lisp->isolate, frame, 3);
    ku_object *raised = ku_hold(&frame, 0, lisp_caught(lisp));
    ku_object *handler = raised == NULL ? NULL : ku_hold(&frame, 1, make_closure(lisp, node->b, outermost));
    ku_object *arguments = handler == NULL ? NULL : ku_hold(&frame, 2, lisp_cons(lisp, raised, lisp->nothing));
    return arguments == NULL ? NULL : lisp_apply(lisp, handler, arguments);
}

/* ---- the loop ---- */

static bool is_true(const interpreter *lisp, const ku_object *value) {
    return !ku_is(value, ku_bool(lisp->isolate, false));
}

/* All but the last node of a sequence, and, or; the last is in tail position. *done: `and` or `or` ended early with the
 * value in its slot. False with the error pending. */
static bool eval_but_last(interpreter *lisp, ku_frame *frame, const syntax *node, bool *done) {
    size_t last = ku_tuple_length(node->a) - 1;
    for (size_t i = 0; i < last && !*done; i++) {
        ku_object *item = ku_tuple_at(node->a, i);
        ku_object *value = ku_hold(frame, VALUE, lisp_eval(lisp, item, ku_slot(frame, ENVIRONMENT)));
        if (value == NULL) {
            return false;
        }
        *done = node->operation != NODE_SEQUENCE && is_true(lisp, value) == (node->operation == NODE_OR);
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
    case NODE_GUARD: return guarded(lisp, node, outermost);
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
        return call_primitive(lisp, frame, function, call->b);
    }
    if (!is_type(function, lisp->closure)) {
        return complain(lisp, KU_TYPE, "this is no function", function);
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
        const syntax *node = (struct syntax *)code;
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
        case NODE_AND:
        case NODE_OR:
            if (!eval_but_last(lisp, &frame, node, &done)) {
                return NULL;
            }
            if (done) {
                return ku_escape(&frame, VALUE);
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
    if (is_type(function, lisp->closure)) {
        ku_object *inner = ku_hold(&frame, 0, bind_values(lisp, function, arguments));
        return inner == NULL ? NULL : lisp_eval(lisp, ((syntax *)((closure *)function)->lambda)->a, inner);
    }
    if (!is_type(function, lisp->primitive)) {
        return complain(lisp, KU_TYPE, "this is no function", function);
    }
    size_t count = count_of(lisp, arguments);
    const primitive *called = (const primitive *)function;
    environment *made = (environment *)ku_hold(&frame, 0, (ku_object *)new_arguments(lisp, count));
    if (made == NULL || !check_primitive(lisp, called, count)) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++, arguments = ((pair *)arguments)->rest) {
        ku_replace(lisp->isolate, &slots_of(made)[i], ku_new_reference(((pair *)arguments)->first));
    }
    return called->function(lisp, slots_of(made), count);
}
