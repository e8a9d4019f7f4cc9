/* read.c: from text to data: lists, symbols, numbers, strings, vectors. See lisp.h. */
#include "lisp.h"

#include <stdlib.h>
#include <string.h>

enum { READ_NESTING = 1000 /* lists inside of lists: each takes frames of the C stack */ };

static ku_object *read_datum(source *reader, int nesting);

static ku_object *complain(source *reader, const char *what) {
    reader->is_open = *reader->at == '\0';
    return ku_fail_null(reader->lisp->isolate, KU_VALUE, "%s:%d: %s", reader->name, reader->line, what);
}

static void skip_space(source *reader) {
    for (;; reader->at++) {
        if (*reader->at == ';') {
            reader->at += strcspn(reader->at, "\n");
        }
        if (*reader->at == '\n') {
            reader->line++;
        } else if (*reader->at == '\0' || strchr(" \t\r", *reader->at) == NULL) {
            return;
        }
    }
}

/* ---- strings ---- */

/* Bytes from the opening quote of a string to the closing one, or to the end of the text. */
static size_t string_size(const char *start) {
    const char *at = start + 1;
    while (*at != '"' && *at != '\0') {
        at += at[0] == '\\' && at[1] != '\0' ? 2 : 1;
    }
    return (size_t)(at - start);
}

static char escaped(char letter) {
    return letter == 'n' ? '\n' : letter == 't' ? '\t' : letter;
}

/* A string: its text without the escapes is put together in a bytes object, which has room for it with them. */
static ku_object *read_string(source *reader) {
    ku_isolate *isolate = reader->lisp->isolate;
    KU_FRAME(isolate, frame, 1);
    const char *at = reader->at + 1, *end = reader->at + string_size(reader->at);
    ku_object *room = ku_hold(&frame, 0, ku_bytes_new(isolate, NULL, (size_t)(end - at)));
    if (room == NULL) {
        return NULL;
    }
    char *text = (char *)(uintptr_t)ku_bytes_data(room);
    size_t length = 0;
    for (; at < end; at++) {
        bool escape = *at == '\\' && at + 1 < end;
        at += escape;
        text[length++] = escape ? escaped(*at) : *at;
        reader->line += *at == '\n';
    }
    reader->at = end;
    if (*end == '\0') {
        return complain(reader, "a string is not closed: its \" is missing");
    }
    reader->at++;
    return ku_str_new(isolate, text, length);
}

/* ---- numbers and symbols ---- */

static bool looks_numeric(const char *text, size_t length) {
    size_t digits = 0;
    for (size_t i = 0; i < length; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        digits += digit;
        bool sign = (text[i] == '-' || text[i] == '+') && (i == 0 || text[i - 1] == 'e');
        if (!digit && !sign && text[i] != '.' && !(text[i] == 'e' && digits > 0)) {
            return false;
        }
    }
    return digits > 0;
}

static ku_object *read_atom(source *reader) {
    const char *text = reader->at;
    size_t length = strcspn(text, " \t\r\n()\";'`,");
    reader->at += length;
    ku_isolate *isolate = reader->lisp->isolate;
    if (length == 2 && text[0] == '#' && (text[1] == 't' || text[1] == 'f')) {
        return ku_new_reference(ku_bool(isolate, text[1] == 't'));
    }
    if (!looks_numeric(text, length)) {
        return lisp_symbol(reader->lisp, text, length);
    }
    if (memchr(text, '.', length) != NULL || memchr(text, 'e', length) != NULL) {
        return ku_float(isolate, strtod(text, NULL));
    }
    return ku_int_parse(isolate, text, length, 10);
}

/* ---- lists ---- */

/* 'x is (quote x), `x (quasiquote x), ,x (unquote x), ,@x (unquote-splicing x). */
static ku_object *read_quoted(source *reader, int nesting) {
    interpreter *lisp = reader->lisp;
    KU_FRAME(lisp->isolate, frame, 2);
    const char *name = *reader->at == '\''    ? "quote"
                       : *reader->at == '`'   ? "quasiquote"
                       : reader->at[1] == '@' ? "unquote-splicing"
                                              : "unquote";
    reader->at += strcmp(name, "unquote-splicing") == 0 ? 2 : 1;
    ku_object *datum = ku_hold(&frame, 0, read_datum(reader, nesting));
    if (datum == NULL) {
        return ku_pending_error(lisp->isolate) != NULL ? NULL : complain(reader, "nothing follows the quote");
    }
    ku_object *list = ku_hold(&frame, 0, lisp_cons(lisp, datum, lisp->nothing));
    ku_object *symbol = list == NULL ? NULL : ku_hold(&frame, 1, lisp_symbol(lisp, name, strlen(name)));
    return symbol == NULL ? NULL : lisp_cons(lisp, symbol, list);
}

static bool at_dot(const char *at) {
    return at[0] == '.' && at[1] != '\0' && strchr(" \t\r\n(", at[1]) != NULL;
}

/* What is behind the dot of (a . b), and the bracket. */
static bool read_rest(source *reader, pair *last, int nesting) {
    reader->at++;
    ku_object *tail = read_datum(reader, nesting);
    if (tail == NULL) {
        return false;
    }
    ku_replace(reader->lisp->isolate, &last->rest, tail);
    skip_space(reader);
    return *reader->at == ')' || complain(reader, "one datum and a bracket must follow the dot") != NULL;
}

/* Reads what follows `last`, up to the bracket. */
static bool read_items(source *reader, pair *last, int nesting) {
    interpreter *lisp = reader->lisp;
    bool is_first = true;
    for (skip_space(reader); *reader->at != ')'; skip_space(reader), is_first = false) {
        KU_FRAME(lisp->isolate, frame, 1);
        if (*reader->at == '\0') {
            return complain(reader, "a list is not closed: its ) is missing") != NULL;
        }
        if (at_dot(reader->at) && !is_first) {
            return read_rest(reader, last, nesting);
        }
        ku_object *datum = ku_hold(&frame, 0, read_datum(reader, nesting));
        ku_object *next = datum == NULL ? NULL : lisp_cons(lisp, datum, lisp->nothing);
        if (next == NULL) {
            return false;
        }
        ku_replace(lisp->isolate, &last->rest, next);
        last = (pair *)next;
    }
    return true;
}

static ku_object *read_list(source *reader, int nesting) {
    interpreter *lisp = reader->lisp;
    KU_FRAME(lisp->isolate, frame, 1);
    ku_object *before = ku_hold(&frame, 0, lisp_cons(lisp, lisp->nothing, lisp->nothing)); /* the first */
    reader->at++;
    if (before == NULL || !read_items(reader, (pair *)before, nesting)) {
        return NULL;
    }
    reader->at++;
    return ku_new_reference(rest(before));
}

static ku_object *read_vector(source *reader, int nesting) {
    interpreter *lisp = reader->lisp;
    KU_FRAME(lisp->isolate, frame, 2);
    reader->at++;
    ku_object *items = ku_hold(&frame, 0, read_list(reader, nesting));
    ku_object *vector = items == NULL ? NULL : ku_hold(&frame, 1, ku_list_new(lisp->isolate, NULL, 0));
    for (; vector != NULL && is_type(items, lisp->pair); items = rest(items)) {
        if (!ku_list_append(lisp->isolate, vector, first(items))) {
            return NULL;
        }
    }
    return ku_escape(&frame, 1);
}

static ku_object *read_datum(source *reader, int nesting) {
    if (nesting == 0) {
        return complain(reader, "lists are nested too deep");
    }
    skip_space(reader);
    switch (*reader->at) {
    case '\0': return NULL;
    case '(': return read_list(reader, nesting - 1);
    case ')': return complain(reader, "there is a ) too many");
    case '\'':
    case '`':
    case ',': return read_quoted(reader, nesting - 1);
    case '"': return read_string(reader);
    default: return strncmp(reader->at, "#(", 2) == 0 ? read_vector(reader, nesting - 1) : read_atom(reader);
    }
}

ku_object *lisp_read(source *reader) {
    return read_datum(reader, READ_NESTING);
}

bool lisp_is_open(interpreter *lisp, const char *text) {
    source reader = {.lisp = lisp, .name = "input", .at = text, .line = 1};
    KU_FRAME(lisp->isolate, frame, 1);
    while (ku_hold(&frame, 0, lisp_read(&reader)) != NULL) {}
    ku_clear_error(lisp->isolate);
    return reader.is_open;
}
