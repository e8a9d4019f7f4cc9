/* show.h: what the examples print with: an object's repr, or the error that a call left instead of one. */
#ifndef SHOW_H
#define SHOW_H

#include <kucha/kucha.h>
#include <stdio.h>
#include <stdlib.h>

/* An isolate, or the end of the program. */
static inline ku_isolate *open_isolate(void) {
    ku_error error;
    ku_isolate *isolate = ku_isolate_new(NULL, &error);
    if (isolate == NULL) {
        fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    return isolate;
}

/* The pending error as Python would show it; then it is forgotten. */
static inline void show_error(ku_isolate *isolate, const char *label) {
    const ku_error *error = ku_pending_error(isolate);
    printf("%s: %s: %s\n", label, ku_code_exception(error->code), error->message);
    ku_clear_error(isolate);
}

/* The repr of a borrowed object; for NULL, the error that is pending. */
static inline void show(ku_isolate *isolate, const char *label, ku_object *object) {
    KU_FRAME(isolate, frame, 1);
    ku_object *text = object != NULL ? ku_hold(&frame, 0, ku_repr(isolate, object)) : NULL;
    if (text != NULL) {
        printf("%s: %s\n", label, ku_str_text(text));
    } else {
        show_error(isolate, label);
    }
}

static inline const char *yes(bool answer) {
    return answer ? "yes" : "no";
}

/* The type of a spec that is known to be right. */
static inline ku_type *type_of(const ku_type_spec *spec) {
    ku_error error;
    ku_type *type = ku_type_static(spec, &error);
    if (type == NULL) {
        fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    return type;
}

#endif
