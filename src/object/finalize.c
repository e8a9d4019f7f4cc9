/* finalize.c: objects that call a function when another one dies, or when the isolate ends (weakref.finalize).
 *
 * A finalize object that is alive holds its function and arguments, and a weak reference to its object whose callback
 * finds it again. It is kept alive itself by the isolate's list of them, which has a reference to each, in the order in
 * which they were made. Dying takes it off the list, so it calls once at most, however it comes to that.
 *
 * Lock: the isolate's. Source: the Python library reference, "weakref", finalize objects; Lib/weakref.py of 3.14.
 */
#include "object/finalize.h"

#include "object/weak.h"

#include <kucha/container.h>
#include <kucha/function.h>
#include <kucha/value.h>

typedef ku__finalize finalize;

static finalize *as_finalize(const ku_object *object) {
    return (finalize *)(uintptr_t)object;
}

/* ---- the list ---- */

static void enlist(ku_isolate *isolate, finalize *made) {
    made->next = (finalize *)(void *)isolate->exits;
    made->before = NULL;
    if (made->next != NULL) {
        made->next->before = made;
    }
    isolate->exits = &made->header;
    ku_incref(&made->header);
}

/* The caller gives up the list's reference. */
static void delist(ku_isolate *isolate, finalize *dead) {
    if (dead->before != NULL) {
        dead->before->next = dead->next;
    } else {
        isolate->exits = dead->next != NULL ? &dead->next->header : NULL;
    }
    if (dead->next != NULL) {
        dead->next->before = dead->before;
    }
    dead->next = dead->before = NULL;
}

/* ---- dying ---- */

/* What a finalize object held, taken out of it: references of the taker's. */
typedef struct held {
    ku_object *reference, *function, *arguments;
} held;

/* Makes it dead; false when it was. The object itself may be gone afterwards, unless the caller has a reference. */
static bool take(ku_isolate *isolate, finalize *alive, held *out) {
    *out = (held){alive->reference, alive->function, alive->arguments};
    if (alive->reference == NULL) {
        return false;
    }
    /* its callback may wait to be called, behind the one that called us */
    ((ku__callback *)(void *)((ku__weakref *)(void *)alive->reference)->callback)->argument = NULL;
    alive->reference = alive->function = alive->arguments = NULL;
    delist(isolate, alive);
    ku_decref(isolate, &alive->header);
    return true;
}

static void give_up(ku_isolate *isolate, held *of) {
    ku_release(isolate, of->arguments);
    ku_release(isolate, of->function);
    ku_release(isolate, of->reference);
}

static ku_object *call(ku_isolate *isolate, const held *of) {
    size_t count = of->arguments != NULL ? ku_tuple_length(of->arguments) : 0;
    enum { FEW = 8 };
    ku_object *few[FEW] = {NULL};
    ku_object **items = count > FEW ? ku_buffer_new(isolate, count * sizeof *items) : few;
    if (items == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        items[i] = ku_tuple_at(of->arguments, i); /* the tuple is held, and cannot change */
    }
    ku_object *result = ku_call(isolate, of->function, items, count);
    if (items != few) {
        ku_buffer_free(isolate, items);
    }
    return result;
}

/* The callback of the weak reference: the object dies. `argument` is the finalize object as long as that is alive. */
static void referent_dies(ku_isolate *isolate, ku_object *reference, void *argument) {
    (void)reference;
    held of;
    if (argument != NULL && take(isolate, (finalize *)argument, &of)) {
        ku_release(isolate, call(isolate, &of)); /* its error is for whoever called the callback to tell */
        give_up(isolate, &of);
    }
}

/* ---- the public side ---- */

ku_object *ku_finalize_new(ku_isolate *isolate, ku_object *object, ku_object *function, ku_object *arguments) {
    if (arguments != NULL && !ku_is_tuple(arguments)) {
        return ku_fail_null(isolate, KU_TYPE, "arguments of a finalize object are a tuple, not '%s'",
                            ku_type_name(ku_type_of(arguments)));
    }
    finalize *made = (finalize *)(void *)ku__object_new(isolate, KU_BUILTIN_FINALIZE);
    if (made == NULL) {
        return NULL;
    }
    ku_object *reference = ku_weakref_new_c(isolate, object, referent_dies, made);
    if (reference == NULL) {
        ku_decref(isolate, &made->header);
        return NULL;
    }
    made->reference = reference;
    made->function = ku_new_reference(function);
    made->arguments = ku_new_reference(arguments);
    made->atexit = true;
    enlist(isolate, made);
    return &made->header;
}

static bool is_finalize(ku_isolate *isolate, const ku_object *object) {
    return ku_is_exactly(object, KU_BUILTIN_FINALIZE) ||
           ku_fail(isolate, KU_TYPE, "expected a finalize object, got '%s'", ku_type_name(ku_type_of(object)));
}

ku_object *ku_finalize_call(ku_isolate *isolate, ku_object *object) {
    held of;
    if (!is_finalize(isolate, object)) {
        return NULL;
    }
    if (!take(isolate, as_finalize(object), &of)) {
        return ku_new_reference(ku_none(isolate));
    }
    ku_object *result = call(isolate, &of);
    give_up(isolate, &of);
    return result;
}

/* (object, function, arguments); none when the object is gone, or it was dead. */
static ku_object *described(ku_isolate *isolate, const held *of) {
    ku_object *object = of->reference != NULL ? ku_weakref_get(isolate, of->reference) : NULL;
    if (object == NULL) {
        return ku_new_reference(ku_none(isolate));
    }
    ku_object *arguments = of->arguments != NULL ? ku_new_reference(of->arguments) : ku_tuple_new(isolate, NULL, 0);
    ku_object *items[] = {object, of->function, arguments};
    ku_object *tuple = arguments != NULL ? ku_tuple_new(isolate, items, 3) : NULL;
    ku_release(isolate, arguments);
    ku_decref(isolate, object);
    return tuple;
}

ku_object *ku_finalize_peek(ku_isolate *isolate, ku_object *object) {
    if (!is_finalize(isolate, object)) {
        return NULL;
    }
    const finalize *asked = as_finalize(object);
    held of = {asked->reference, asked->function, asked->arguments};
    return described(isolate, &of);
}

ku_object *ku_finalize_detach(ku_isolate *isolate, ku_object *object) {
    held of;
    if (!is_finalize(isolate, object)) {
        return NULL;
    }
    if (!take(isolate, as_finalize(object), &of)) {
        return ku_new_reference(ku_none(isolate));
    }
    ku_object *result = described(isolate, &of);
    give_up(isolate, &of);
    return result;
}

bool ku_finalize_is_alive(const ku_object *object) {
    return ku_is_exactly(object, KU_BUILTIN_FINALIZE) && as_finalize(object)->reference != NULL;
}

bool ku_finalize_set_atexit(ku_object *object, bool atexit) {
    bool before = ku_is_exactly(object, KU_BUILTIN_FINALIZE) && as_finalize(object)->atexit;
    if (ku_is_exactly(object, KU_BUILTIN_FINALIZE)) {
        as_finalize(object)->atexit = atexit;
    }
    return before;
}

void ku__finalize_at_exit(ku_isolate *isolate) {
    while (isolate->exits != NULL) {
        finalize *newest = as_finalize(isolate->exits);
        bool wanted = newest->atexit;
        held of;
        take(isolate, newest, &of);
        if (wanted) {
            ku_release(isolate, call(isolate, &of));
            ku__unraisable(isolate, "calling atexit function of", of.function);
        }
        give_up(isolate, &of);
    }
}

void ku__finalize_visit(ku_isolate *isolate, ku_visit *visit, void *argument) {
    for (finalize *at = as_finalize(isolate->exits); at != NULL; at = at->next) {
        ku_object *held_by_the_list = &at->header;
        visit(&held_by_the_list, argument);
    }
}

/* ---- the type ---- */

static ku_object *call_hook(ku_isolate *isolate, ku_object *self, ku_object *const *arguments, size_t count) {
    (void)arguments;
    if (count != 0) {
        return ku_fail_null(isolate, KU_TYPE, "finalize object takes no arguments, got %zu", count);
    }
    return ku_finalize_call(isolate, self);
}

static const ku_field fields[] = {
    {"reference", offsetof(finalize, reference), KU_FIELD_OWNED, KU_FIELD_HIDDEN},
    {"function", offsetof(finalize, function), KU_FIELD_OWNED, KU_FIELD_HIDDEN},
    {"arguments", offsetof(finalize, arguments), KU_FIELD_OWNED, KU_FIELD_HIDDEN},
    {"next", offsetof(finalize, next), KU_FIELD_PLAIN, KU_FIELD_HIDDEN},
    {"before", offsetof(finalize, before), KU_FIELD_PLAIN, KU_FIELD_HIDDEN},
    {"atexit", offsetof(finalize, atexit), KU_FIELD_BOOL},
    {NULL},
};

const ku_type_spec ku__finalize_spec = {
    .name = "finalize",
    .size = sizeof(finalize),
    .fields = fields,
    .flags = KU_TYPE_ABSTRACT | KU_TYPE_FINAL,
    .call = call_hook,
};
