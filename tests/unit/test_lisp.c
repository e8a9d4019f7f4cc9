/* test_lisp.c: the example of a language over libkucha runs its programs, leaves nothing behind, and survives limits.
 *
 * Every program of examples/lisp that has an .expected beside it is run in this process; what it prints is compared.
 * The hostile build collects at every allocation, so there only the smallest runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lisp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *read_whole(FILE *file) {
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *text = calloc(1, size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, size, file), size);
    return text;
}

static char *path_of(char *room, size_t size, const char *name, const char *suffix) {
    snprintf(room, size, "%s/%s.%s", LISP_FOLDER, name, suffix);
    return room;
}

/* Standard output goes to a file from here to output_end(), which gives what was written. */
static int output_begin(FILE *file) {
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    dup2(fileno(file), STDOUT_FILENO);
    return saved;
}

static char *output_end(FILE *file, int saved) {
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    return read_whole(file);
}

static void open_lisp(interpreter *lisp) {
    char path[4096];
    ku_error error = {0};
    if (!lisp_open(lisp, path_of(path, sizeof path, "prelude", "lisp"), &error)) {
        fail_msg("the interpreter does not start: %s", error.message);
    }
}

/* Runs a program; its error, if it ends with one, is told in `error`. */
static bool run_file(interpreter *lisp, const char *name, ku_error *error) {
    char path[4096];
    KU_FRAME(lisp->isolate, frame, 1);
    bool done = ku_hold(&frame, 0, lisp_load(lisp, path_of(path, sizeof path, name, "lisp"))) != NULL;
    if (!done) {
        *error = *ku_pending_error(lisp->isolate);
        ku_clear_error(lisp->isolate);
    }
    return done;
}

static void run_and_compare(const char *name) {
    interpreter lisp;
    ku_error error = {0};
    open_lisp(&lisp);
    FILE *file = tmpfile();
    int saved = output_begin(file);
    bool done = run_file(&lisp, name, &error);
    char *printed = output_end(file, saved);
    if (!done) {
        fail_msg("%s: %s", name, error.message);
    }
    char path[4096];
    FILE *expected_file = fopen(path_of(path, sizeof path, name, "expected"), "rb");
    assert_non_null(expected_file);
    char *expected = read_whole(expected_file);
    assert_string_equal(printed, expected);
    assert_int_equal(lisp_close(&lisp), 0);
    fclose(expected_file);
    fclose(file);
    free(expected);
    free(printed);
}

static void test_programs_print_what_they_must(void **state) {
    (void)state;
    run_and_compare("small");
#ifndef KU_HOSTILE
    static const char *const names[] = {"tour", "queens", "trees", "gcbench", "strings", "leak"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        run_and_compare(names[i]);
    }
#endif
}

static char *run_text(interpreter *lisp, const char *text) {
    KU_FRAME(lisp->isolate, frame, 2);
    ku_object *value = ku_hold(&frame, 0, lisp_run(lisp, "test", text));
    if (value == NULL) {
        char *message = strdup(ku_pending_error(lisp->isolate)->message);
        ku_clear_error(lisp->isolate);
        return message;
    }
    ku_object *shown = ku_hold(&frame, 1, lisp_text(lisp, value, true));
    assert_non_null(shown);
    return strdup(ku_str_text(shown));
}

/* What is wrong gets a sentence, and the interpreter goes on. */
static void test_errors_say_what_is_wrong(void **state) {
    (void)state;
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"(car 5)", "a pair wanted, not 5"},
        {"(nobody)", "this name is not defined: nobody"},
        {"(define (f x) x) (f)", "#<closure f> takes 1 arguments, not 0"},
        {"(\"text\" 1)", "this is no function: \"text\""},
        {"(if)", "this form has too few or too many parts: (if)"},
        {"(+ 1 'a)", "a number wanted, not a"},
        {"(let ((x)) x)", "a binding is a name and a value: (x)"},
        {"(1 2", "test:1: a list is not closed: its ) is missing"},
        {")", "test:1: there is a ) too many"},
        {"\"open", "test:1: a string is not closed: its \" is missing"},
        {"(letrec ((a b) (b 1)) a)", "a variable is used before it is defined: b"},
        {"(set! unknown 1)", "set! of a name that is not defined: unknown"},
        {"(error \"broken:\" 1 \"two\")", "broken: 1 \"two\""},
        {"(string-append \"a\" 1)", "a string wanted, not 1"},
        {"(cons 1)", "cons does not take 1 arguments"},
        {"(cond (#f))", "a clause is a test and a body: (#f)"},
        {"(vector-ref (make-vector 2 0) -1)", "an index from 0 to 1 is wanted"},
    };
    interpreter lisp;
    open_lisp(&lisp);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *said = run_text(&lisp, cases[i].text);
        assert_string_equal(said, cases[i].said);
        free(said);
    }
    assert_int_equal(lisp_close(&lisp), 0);
}

/* What the prelude makes of the few forms that the analyzer knows. */
static void test_macros_make_new_forms(void **state) {
    (void)state;
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"(define-macro (swap a b) `(let ((kept ,a)) (set! ,a ,b) (set! ,b kept)))"
         "(define x 1) (define y 2) (swap x y) (list x y)",
         "(2 1)"},
        {"`(1 ,(+ 1 1) ,@(list 3 4) . 5)", "(1 2 3 4 . 5)"},
        {"(let* ((a 1) (b (+ a 1))) (list (and) (and a b) (or) (or #f b)))", "(#t 2 #f 2)"},
        {"(letrec ((even? (lambda (n) (if (= n 0) #t (odd? (- n 1))))) (odd? (lambda (n) (if (= n 0) #f (even? (- n "
         "1))))))"
         "(even? 100))",
         "#t"},
        {"(guard (e ((number? e) (+ e 1)) (else 'other)) (raise 41))", "42"},
        {"(guard (e ((number? e) e)) (raise 'unknown))", "unknown"},
        {"(define (f a . others) (list a others)) (list (f 1) (apply f '(1 2 3 4 5 6)))", "((1 ()) (1 (2 3 4 5 6)))"},
        {"(cond (#f 1) ((= 1 1) 2 3) (else 4))", "3"},
        {"(list (quotient -7 2) (quotient 7 2) (modulo -7 2) (/ 6 3) (/ 1 2) (- 5))", "(-3 3 1 2 0.5 -5)"},
        {"(equal? '(1 (2 #(3)) \"x\") (list 1 (list 2 (list->vector '(3))) \"x\"))", "#t"},
    };
    interpreter lisp;
    open_lisp(&lisp);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *said = run_text(&lisp, cases[i].text);
        assert_string_equal(said, cases[i].said);
        free(said);
    }
    assert_int_equal(lisp_close(&lisp), 0);
}

#ifndef KU_HOSTILE /* too many steps, with a collection at each */
static void test_recursion_without_end_is_an_error(void **state) {
    (void)state;
    interpreter lisp;
    open_lisp(&lisp);
    ku_set_recursion_limit(lisp.isolate, 500);
    char *said = run_text(&lisp, "(define (deep n) (+ 1 (deep n))) (deep 0)");
    assert_non_null(strstr(said, "recursion"));
    free(said);
    said = run_text(&lisp, "(define-macro (again) '(again)) (again)");
    assert_non_null(strstr(said, "recursion"));
    free(said);
    said = run_text(&lisp, "(+ 1 2)");
    assert_string_equal(said, "3");
    free(said);
    assert_int_equal(lisp_close(&lisp), 0);
}

/* A program that wants more than its budget ends with an error at the allocation; everything is still freed. */
static void test_a_budget_ends_the_program_and_not_the_interpreter(void **state) {
    (void)state;
    interpreter lisp;
    open_lisp(&lisp);
    ku_budget_stats stats;
    ku_budget_get_stats(lisp.isolate, &stats);
    assert_true(ku_budget_set(lisp.isolate, &(ku_budget){.hard = stats.held + (4 << 20)}));
    char *said = run_text(&lisp,
                          "(define (grow all) (grow (cons all all))) (define kept '())"
                          "(let loop () (set! kept (cons 1 kept)) (loop))");
    assert_non_null(strstr(said, "limit"));
    free(said);
    said = run_text(&lisp, "(set! kept '()) (length (iota 1000))");
    assert_string_equal(said, "1000");
    free(said);
    assert_int_equal(lisp_close(&lisp), 0);
}

#endif

/* The interpreter's sources leave memory to the library: nothing is given up by hand. */
static void test_there_is_no_memory_management_in_it(void **state) {
    (void)state;
    static const char *const sources[] = {"analyze", "eval", "lisp", "primitives", "read", "show", "main"};
    static const char *const words[] = {"ku_decref", "ku_release", "ku_clear(", "ku_incref",
                                        "ku_buffer", "malloc",     "free(",     "ku_object_end"};
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        char path[4096];
        FILE *file = fopen(path_of(path, sizeof path, sources[i], "c"), "rb");
        assert_non_null(file);
        char *text = read_whole(file);
        for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
            if (strstr(text, words[w]) != NULL) {
                fail_msg("%s.c uses %s", sources[i], words[w]);
            }
        }
        fclose(file);
        free(text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_programs_print_what_they_must),
        cmocka_unit_test(test_errors_say_what_is_wrong),
        cmocka_unit_test(test_macros_make_new_forms),
        cmocka_unit_test(test_there_is_no_memory_management_in_it),
#ifndef KU_HOSTILE
        cmocka_unit_test(test_recursion_without_end_is_an_error),
        cmocka_unit_test(test_a_budget_ends_the_program_and_not_the_interpreter),
#endif
    };
    return cmocka_run_group_tests_name("lisp", tests, NULL, NULL);
}
