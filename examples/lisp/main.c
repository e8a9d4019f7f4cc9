/* main.c: the command line: files are run in turn; without one, or with -i after them, a prompt.
 *
 *     lisp [--prelude FILE] [--limit BYTES] [-i] [FILE ...]
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

typedef struct command {
    const char *prelude;
    size_t limit; /* bytes that the program may hold; 0 is no limit */
    bool prompt;
    char **files;
} command;

static bool usage(const char *problem) {
    fprintf(stderr, "lisp: %s\nusage: lisp [--prelude FILE] [--limit BYTES] [-i] [FILE ...]\n", problem);
    return false;
}

static bool read_settings(char **arguments, command *settings) {
    *settings = (command){.prelude = LISP_PRELUDE};
    char **at = arguments + 1;
    for (; *at != NULL && **at == '-'; at++) {
        if (strcmp(*at, "-i") == 0) {
            settings->prompt = true;
            continue;
        }
        bool limit = strcmp(*at, "--limit") == 0;
        if ((!limit && strcmp(*at, "--prelude") != 0) || at[1] == NULL) {
            return usage(at[1] == NULL ? "an option lacks its value" : "there is no such option");
        }
        char *end = NULL;
        at++;
        if (!limit) {
            settings->prelude = *at;
        } else if ((settings->limit = strtoull(*at, &end, 10)) == 0 || *end != '\0') {
            return usage("--limit wants a number of bytes");
        }
    }
    settings->files = at;
    settings->prompt = settings->prompt || *at == NULL;
    return true;
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
static bool read_typed(char *text, size_t capacity) {
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
    } while (lisp_is_open(text));
    return true;
}

int main(int count, char **arguments) {
    (void)count;
    command settings;
    interpreter lisp;
    ku_error error;
    if (!read_settings(arguments, &settings)) {
        return 2;
    }
    if (!lisp_open(&lisp, settings.prelude, &error)) {
        fprintf(stderr, "lisp: %s\n", error.message);
        return 2;
    }
    if (settings.limit != 0) {
        ku_budget_set(lisp.isolate, &(ku_budget){.hard = settings.limit});
    }
    bool failed = false;
    for (char **file = settings.files; *file != NULL && !failed; file++) {
        KU_FRAME(lisp.isolate, frame, 1);
        failed = ku_hold(&frame, 0, lisp_load(&lisp, *file)) == NULL;
        if (failed) {
            tell_error(&lisp);
        }
    }
    static char typed[1 << 16]; /* the longest expression that can be typed */
    while (settings.prompt && !failed && read_typed(typed, sizeof typed)) {
        run_typed(&lisp, typed);
    }
    return lisp_close(&lisp) > 0 || failed;
}
