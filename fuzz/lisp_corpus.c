/* lisp_corpus.c: texts for the reader of the Lisp, and their mutations. See lisp_corpus.h.
 *
 * What is read is analyzed too, up to the first form that is none, with the macros of the prelude, which always end.
 * Else nothing is evaluated, because a text that a fuzzer makes up need not end; so texts that define macros are left
 * out.
 */
#include "lisp_corpus.h"

#include "lisp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const texts[] = {
    "(define (fact n) (if (= n 0) 1 (* n (fact (- n 1))))) ; comment\n(fact 20)\n",
    "'(a b . c) #(1 2.5e-3 \"text \\\" \\n \\\\\") #t #f () -17 99999999999999999999999999\n",
    "(let loop ((i 0) (s \"\")) (cond ((> i 9) s) (else (loop (+ i 1) (string-append s \"x\")))))\n",
    "(guard (e (#t (list 'caught e))) (raise (list 1 2 3)))\n(define-values x)\n",
    "(let* ((a 1) (b (lambda (x . rest) (set! a x) rest))) (and (or #f a) (when a (begin b)) (unless b 1)))\n",
};

enum { TEXTS = sizeof texts / sizeof texts[0], MUTATIONS = 4000 };

static interpreter lisp;

/* As the process ends: an object that is left over is one that an error path forgot. */
static void close_lisp(void) {
    if (lisp_close(&lisp) != 0) {
        _Exit(1);
    }
}

/* The interpreter that everything is read by, made at the first call. */
static interpreter *reader_lisp(void) {
    static bool is_open;
    ku_error error = {0};
    if (!is_open && !lisp_open(&lisp, LISP_PRELUDE, &error)) {
        fprintf(stderr, "the interpreter does not start: %s\n", error.message);
        exit(1);
    }
    if (!is_open) {
        atexit(close_lisp);
    }
    is_open = true;
    return &lisp;
}

static bool use_data(source *reader) {
    KU_FRAME(lisp.isolate, frame, 2);
    while (ku_hold(&frame, 0, lisp_read(reader)) != NULL) {
        ku_hold(&frame, 1, lisp_analyze(&lisp, ku_slot(&frame, 0)));
        if (ku_pending_error(lisp.isolate) != NULL) {
            return false;
        }
    }
    return ku_pending_error(lisp.isolate) == NULL;
}

bool lisp_use(const uint8_t *text, size_t size) {
    static char copy[LISP_SIZE_MOST + 1];
    source reader = {.lisp = reader_lisp(), .name = "fuzz", .at = copy, .line = 1};
    size = size < LISP_SIZE_MOST ? size : LISP_SIZE_MOST;
    memcpy(copy, text, size);
    copy[size] = '\0';
    bool whole = strstr(copy, "define-macro") == NULL && use_data(&reader);
    ku_clear_error(lisp.isolate);
    return whole;
}

static size_t seed(unsigned number, uint8_t *bytes) {
    size_t size = strlen(texts[number]);
    memcpy(bytes, texts[number], size);
    return size;
}

/* Letters that mean something to the reader take the place of others, parts are repeated and texts are cut. */
static size_t mutate(uint8_t *bytes, size_t size) {
    static const char telling[] = "()\"\\'.;#-+0e \n\x80\xff";
    for (uint64_t changes = 1 + fuzz_random() % 5; changes > 0; changes--) {
        size_t at = fuzz_random() % size;
        switch (fuzz_random() % 8) {
        case 0: size = at + 1; break;
        case 1: memmove(bytes + at / 2, bytes + at, size - at); break;
        case 2: bytes[at] ^= (uint8_t)(1u << fuzz_random() % 8); break;
        default: bytes[at] = (uint8_t)telling[fuzz_random() % (sizeof telling - 1)]; break;
        }
    }
    return size;
}

const fuzz_corpus corpus = {.what = "program",
                            .seeds = TEXTS,
                            .mutations = MUTATIONS,
                            .size_most = LISP_SIZE_MOST,
                            .seed = seed,
                            .accepts = lisp_use,
                            .mutate = mutate};
