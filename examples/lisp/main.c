/* main.c: the command line: files are run in turn; without one, a prompt.
 *
 *     lisp [--limit BYTES] [FILE ...]
 *
 * Exit code: 0, 1 after an error of a program, 2 for a wrong command line.
 */
#include "lisp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef LISP_PRELUDE
#define LISP_PRELUDE "prelude.lisp"
#endif

/* The bytes of --limit, and the files behind it; false for a wrong command line. */
static bool read_settings(char **arguments, size_t *limit, char ***files) {
    char *end = NULL;
    *files = arguments + 1;
    *limit = 0;
    if (arguments[1] != NULL && strcmp(arguments[1], "--limit") == 0 && arguments[2] != NULL) {
        *limit = strtoull(arguments[2], &end, 10);
        *files = arguments + 3;
        return *limit != 0 && *end == '\0';
    }
    return arguments[1] == NULL || arguments[1][0] != '-';
}

/* Tells the pending error and forgets it. */
static void tell_error(interpreter *lisp) {
    fflush(stdout);
    const ku_error *error = ku_pending_error(lisp->isolate);
    fprintf(stderr, "error: %s\n", error->message);
    ku_clear_error(lisp->isolate);
}

/* Prints the value of what was typed, unless it is '(). */
static void run_typed(interpreter *lisp, const char *text) {
    KU_FRAME(lisp->isolate, frame, 2);
    ku_object *value = ku_hold(&frame, 0, lisp_run(lisp, "input", text));
    if (value == NULL) {
        tell_error(lisp);
        return;
    }
    ku_object *shown = ku_is(value, lisp->nothing) ? NULL : ku_hold(&frame, 1, lisp_text(lisp, value, true));
    if (shown != NULL) {
        puts(ku_str_text(shown));
    }
}

/* Reads lines until they are whole lists; false at the end of the input. */
static bool read_typed(interpreter *lisp, char *text, size_t capacity) {
    bool prompt = isatty(STDIN_FILENO);
    text[0] = '\0';
    do {
        size_t length = strlen(text);
        if (prompt) {
            fputs(length == 0 ? "> " : "  ", stdout);
            fflush(stdout);
        }
        if (length + 1 >= capacity || fgets(text + length, (int)(capacity - length), stdin) == NULL) {
            return length > 0;
        }
    } while (lisp_is_open(lisp, text));
    return true;
}

static bool run_files(interpreter *lisp, char **files) {
    bool done = true;
    for (; done && *files != NULL; files++) {
        KU_FRAME(lisp->isolate, frame, 1);
        done = ku_hold(&frame, 0, lisp_load(lisp, *files)) != NULL;
        if (!done) {
            tell_error(lisp);
        }
    }
    return done;
}

int main(int count, char **arguments) {
    (void)count;
    interpreter lisp;
    ku_error error;
    size_t limit;
    char **files;
    if (!read_settings(arguments, &limit, &files)) {
        fprintf(stderr, "usage: lisp [--limit BYTES] [FILE ...]\n");
        return 2;
    }
    if (!lisp_open(&lisp, LISP_PRELUDE, &error)) {
        fprintf(stderr, "lisp: %s\n", error.message);
        return 2;
    }
    if (limit != 0) {
        ku_budget_set(lisp.isolate, &(ku_budget){.hard = limit});
    }
    static char typed[1 << 16]; /* the longest expression that can be typed */
    bool done = run_files(&lisp, files);
    while (*files == NULL && read_typed(&lisp, typed, sizeof typed)) {
        run_typed(&lisp, typed);
    }
    return lisp_close(&lisp) > 0 || !done;
}
