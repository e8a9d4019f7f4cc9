/* lisp.h: an interpreter for a small Lisp, whose every value is a kucha object.
 *
 * It shows libkucha as a language builder meets it. The interpreter has no memory management of its own: it makes
 * objects, keeps what it needs for a moment in the slots of a frame (kucha/frame.h), and returns. Nothing in it gives a
 * reference up by hand; what goes is freed by its count, and closures that hold themselves by the collector.
 *
 *     read.c        text to lists, symbols, numbers, strings
 *     analyze.c     lists to nodes: special forms are told apart and variables found once, not at every evaluation
 *     eval.c        nodes to values; a loop for tail calls, recursion for the rest
 *     show.c        values to text
 *     primitives.c  the functions that are written in C
 *     lisp.c        types, symbols, starting, loading files
 *     main.c        the command line and the prompt
 *     prelude.lisp  the rest of the language in itself: let, cond, guard and their like are macros there
 *
 * Numbers, strings, booleans, vectors (lists) and tables (dicts) are kucha's own values; '() is none. Pairs, symbols,
 * closures, primitives, environments, nodes and conditions are types of this program, described by field tables.
 *
 * Unless it says otherwise, a function gives a new reference, or NULL with the error pending; arguments are borrowed.
 */
#ifndef LISP_H
#define LISP_H

#include <kucha/kucha.h>

typedef struct interpreter {
    ku_isolate *isolate;
    ku_type *pair, *symbol, *closure, *primitive, *environment, *node, *condition;
    ku_frame frame; /* the outermost: what the interpreter as a whole holds */
    ku_object *held[1];
    ku_object *symbols; /* dict from text to symbol, held by the frame */
    ku_object *nothing; /* '() */
} interpreter;

typedef struct pair {
    ku_object header;
    ku_object *first, *rest;
} pair;

typedef struct named {
    ku_object header;
    ku_object *name;
    ku_object *value; /* of the global variable; NULL: unbound */
    ku_object *macro; /* closure from the parts of a form to what stands for it; NULL: none */
    int32_t form;     /* of the special forms (analyze.c); 0: none */
} named;

/* What is to be evaluated. Which of the members mean something, and what, is said beside each kind. */
typedef enum syntax_kind {
    NODE_CONSTANT,   /* a: the value */
    NODE_LOCAL,      /* a: the symbol; depth environments up, slot `index` */
    NODE_GLOBAL,     /* a: the symbol */
    NODE_SET_LOCAL,  /* a: node of the value; b: the symbol; depth, index */
    NODE_SET_GLOBAL, /* a: node of the value; b: the symbol */
    NODE_DEFINE,     /* a: node of the value; b: the symbol */
    NODE_IF,         /* a: test; b, c: then and else */
    NODE_LAMBDA,     /* a: body; b: name or NULL; index: parameters; depth: slots; rest: takes any number more */
    NODE_SEQUENCE,   /* a: tuple of nodes, at least one */
    NODE_OR,         /* likewise */
    NODE_CALL,       /* a: node of the function; b: tuple of nodes of the arguments */
} syntax_kind;

typedef struct syntax {
    ku_object header;
    int32_t operation, depth, index;
    bool rest;
    ku_object *a, *b, *c;
} syntax;

typedef struct environment {
    ku_object header;
    ku_object *outer; /* NULL: the outermost */
    size_t length;
    ku_object *slots[]; /* NULL: not yet defined */
} environment;

typedef struct closure {
    ku_object header;
    ku_object *lambda; /* syntax */
    ku_object *environment;
} closure;

typedef ku_object *primitive_function(interpreter *lisp, ku_object *const *arguments, size_t count);
typedef struct primitive {
    ku_object header;
    const char *name;
    const char *takes; /* a letter for each argument, see primitives.c */
    primitive_function *function;
} primitive;

/* What (error ...) raises, and what an error of the library becomes. */
typedef struct condition {
    ku_object header;
    ku_object *message; /* str */
    ku_object *irritants;
} condition;

static inline bool is_type(const ku_object *object, const ku_type *type) {
    return ku_type_of(object) == type;
}
static inline ku_object *first(ku_object *list) {
    return ((pair *)list)->first;
}
static inline ku_object *rest(ku_object *list) {
    return ((pair *)list)->rest;
}

/* ---- lisp.c ---- */

/* Fills `lisp` with a new isolate, its types and primitives, and reads the prelude. False with `error` filled. */
bool lisp_open(interpreter *lisp, const char *prelude, ku_error *error);
/* Ends the isolate; returns how many objects were still alive, which is told on standard error. */
size_t lisp_close(interpreter *lisp);

ku_object *lisp_cons(interpreter *lisp, ku_object *first, ku_object *rest);
ku_object *lisp_condition(interpreter *lisp, ku_object *message, ku_object *irritants);
/* The one symbol of this name. */
ku_object *lisp_symbol(interpreter *lisp, const char *text, size_t length);

/* Evaluates all forms of a file or a text; the value of the last. */
ku_object *lisp_load(interpreter *lisp, const char *path);
ku_object *lisp_run(interpreter *lisp, const char *name, const char *text);

/* ---- read.c ---- */

typedef struct source {
    interpreter *lisp;
    const char *name; /* for messages */
    const char *at;
    int line;
    bool is_open; /* the text ended inside of a datum */
} source;

/* The next datum of the text; NULL without a pending error at its end. */
ku_object *lisp_read(source *reader);
/* Whether the text ends inside of a datum: the prompt then asks for more. */
bool lisp_is_open(interpreter *lisp, const char *text);

/* ---- analyze.c, eval.c ---- */
ku_object *lisp_analyze(interpreter *lisp, ku_object *datum);
bool lisp_name_forms(interpreter *lisp); /* at the start; false with the error pending */
ku_object *lisp_eval(interpreter *lisp, ku_object *node, ku_object *environment);
ku_object *lisp_apply(interpreter *lisp, ku_object *function, ku_object *arguments); /* a list of them */

/* ---- primitives.c ---- */
bool lisp_define_primitives(interpreter *lisp);
/* Whether the arguments are what a primitive takes; false with the error pending. */
bool lisp_check_arguments(interpreter *lisp, const primitive *called, ku_object *const *arguments, size_t count);

/* ---- show.c ---- */
/* A value as text: as (display ...) shows it, or, with `quoted`, as (write ...) does. A str. */
ku_object *lisp_text(interpreter *lisp, ku_object *value, bool quoted);
/* Sets the pending error: what is wrong, and the value that is. Gives NULL. */
ku_object *lisp_complain(interpreter *lisp, ku_code code, const char *what, ku_object *value);

#endif
