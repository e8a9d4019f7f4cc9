/* pending.c: the pending error of an isolate, and errors that nobody can be given.
 *
 * An isolate has at most one pending error. A function that fails sets it; whoever handles the failure clears it.
 * Finalizers and callbacks run where the program did not ask for them, so around them the error of the code that
 * was interrupted is put aside, and theirs goes to the unraisable hook (cf. sys.unraisablehook).
 */
#include "object/object.h"

#include <kucha/operations.h>
#include <kucha/text.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const ku_error *ku_pending_error(const ku_isolate *isolate) {
    return isolate->pending.is_set ? &isolate->pending.error : NULL;
}

ku_object *ku_pending_value(const ku_isolate *isolate) {
    return isolate->pending.is_set ? isolate->pending.value : NULL;
}

void ku_clear_error(ku_isolate *isolate) {
    isolate->pending.is_set = false;
    ku_clear(isolate, &isolate->pending.value);
}

__attribute__((format(printf, 3, 0))) static void set_error(ku_isolate *isolate, ku_code code, const char *format,
                                                            va_list arguments) {
    ku_error error = {.code = code};
    vsnprintf(error.message, sizeof error.message, format, arguments); /* an argument may be the old message */
    ku_clear_error(isolate);
    isolate->pending.error = error;
    isolate->pending.is_set = true;
}

bool ku_fail(ku_isolate *isolate, ku_code code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    set_error(isolate, code, format, arguments);
    va_end(arguments);
    return false;
}

ku_object *ku_fail_null(ku_isolate *isolate, ku_code code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    set_error(isolate, code, format, arguments);
    va_end(arguments);
    return NULL;
}

bool ku_raise(ku_isolate *isolate, ku_object *value, const char *message) {
    ku_object *kept = ku_new_reference(value);
    ku_fail(isolate, KU_RAISED, "%s", message != NULL ? message : "");
    isolate->pending.value = kept;
    return false;
}

ku__pending ku__pending_take(ku_isolate *isolate) {
    ku__pending taken = isolate->pending;
    isolate->pending.is_set = false;
    isolate->pending.value = NULL;
    return taken;
}

void ku__pending_put(ku_isolate *isolate, ku__pending saved) {
    ku_clear_error(isolate);
    isolate->pending = saved;
}

/* The object's repr; where that fails, its type and address. */
static void print_object(ku_isolate *isolate, ku_object *object) {
    ku_object *text = ku_repr(isolate, object);
    if (text != NULL) {
        fprintf(stderr, " %s", ku_str_text(text));
        ku_decref(isolate, text);
    } else {
        ku_clear_error(isolate);
        fprintf(stderr, " <%s object at %p>", ku__type_of(object)->own.name, (void *)object);
    }
}

/* In the words of CPython 3.14's sys.unraisablehook. */
static void print_unraisable(ku_isolate *isolate, const ku_unraisable *what) {
    fprintf(stderr, "Exception ignored while %s", what->where);
    if (what->object != NULL) {
        print_object(isolate, what->object);
    }
    fprintf(stderr, ":\n%s: %s\n", ku_code_exception(what->error->code), what->error->message);
}

void ku__unraisable(ku_isolate *isolate, const char *where, ku_object *object) {
    ku__pending mine = ku__pending_take(isolate);
    if (!mine.is_set) {
        return;
    }
    ku_unraisable what = {.error = &mine.error, .value = mine.value, .where = where, .object = object};
    if (isolate->unraisable != NULL) {
        isolate->unraisable(isolate, &what, isolate->unraisable_argument);
    } else {
        print_unraisable(isolate, &what);
    }
    ku_release(isolate, mine.value);
    ku_clear_error(isolate);
}

void ku_isolate_set_unraisable(ku_isolate *isolate, ku_unraisable_hook *hook, void *argument) {
    isolate->unraisable = hook;
    isolate->unraisable_argument = argument;
}
