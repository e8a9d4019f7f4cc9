/* read.c: from text to data: lists, symbols, numbers, strings, vectors. See lisp.h. */
#include "lisp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READ_NESTING = 1000 /* lists inside of lists: each takes a frame of the C stack */ };

static ku_object *complain(source *reader, const char *what) {
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

static ku_object *read_datum(source *reader, int nesting);

/* ---- strings ---- */

static char escaped(char letter) {
    switch (letter) {
    case 'n': return '\n';
    case 't': return '\t';
    default: return letter;
    }
}

/* The text of a string without its escapes goes into `text`, which has room for as much as lies between the quotes. */
static size_t unescape(const char *from, const char *end, char *text) {
    size_t length = 0;
    while (from < end) {
        bool escape = *from == '\\' && from + 1 < end;
        text[length++] = escape ? escaped(from[1]) : *from;
        from += escape ? 2 : 1;
    }
    return length;
}

static const char *string_end(const char *at) {
    while (*at != '"' && *at != '\0') {
        at += at[0] == '\\' && at[1] != '\0' ? 2 : 1;
    }
    return at;
}

static ku_object *read_string(source *reader) {
    const char *start = reader->at + 1, *end = string_end(start);
    if (*end == '\0') {
        return complain(reader, "a string is not closed: its \" is missing");
    }
    KU_FRAME(reader->lisp->isolate, frame, 1);
    ku_object *room = ku_hold(&frame, 0, ku_bytes_new(reader->lisp->isolate, start, (size_t)(end - start)));
    if (room == NULL) {
        return NULL;
    }
    for (const char *at = start; at < end; at++) {
        reader->line += *at == '\n';
    }
    reader->at = end + 1;
    char *text = (char *)(uintptr_t)ku_bytes_data(room);
    return ku_str_new(reader->lisp->isolate, text, unescape(start, end, text));
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
    size_t length = strcspn(text, " \t\r\n()\";'");
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

static ku_object *quoted(source *reader, int nesting) {
    interpreter *lisp = reader->lisp;
    KU_FRAME(lisp->isolate, frame, 1);
    reader->at++;
    ku_object *datum = ku_hold(&frame, 0, read_datum(reader, nesting));
    if (datum == NULL) {
        return ku_pending_error(lisp->isolate) != NULL ? NULL : complain(reader, "nothing follows the quote");
    }
    ku_object *list = ku_hold(&frame, 0, lisp_cons(lisp, datum, lisp->nothing));
    return list == NULL ? NULL : lisp_cons(lisp, lisp->words[WORD_QUOTE], list);
}

/* The datum behind the dot of (a . b), and the bracket. */
static bool read_rest(source *reader, pair *last, int nesting) {
    ku_object *rest = read_datum(reader, nesting);
    if (rest == NULL) {
        return false;
    }
    ku_replace(reader->lisp->isolate, &last->rest, rest);
    skip_space(reader);
    if (*reader->at != ')') {
        complain(reader, "one datum and a bracket must follow the dot");
        return false;
    }
    reader->at++;
    return true;
}

static bool at_dot(const char *at) {
    return at[0] == '.' && at[1] != '\0' && strchr(" \t\r\n(", at[1]) != NULL;
}

static ku_object *read_list(source *reader, int nesting) {
    interpreter *lisp = reader->lisp;
    KU_FRAME(lisp->isolate, frame, 2);
    ku_object *head = ku_hold(&frame, 0, lisp_cons(lisp, lisp->nothing, lisp->nothing)); /* one before the first */
    if (head == NULL) {
        return NULL;
    }
    reader->at++;
    for (pair *last = (pair *)head;;) {
        skip_space(reader);
        if (*reader->at == '\0') {
            return complain(reader, "a list is not closed: its ) is missing");
        }
        if (*reader->at == ')') {
            reader->at++;
            break;
        }
        if (at_dot(reader->at) && (ku_object *)last != head) {
            reader->at++;
            if (!read_rest(reader, last, nesting)) {
                return NULL;
            }
            break;
        }
        ku_object *datum = ku_hold(&frame, 1, read_datum(reader, nesting));
        ku_object *next = datum == NULL ? NULL : lisp_cons(lisp, datum, lisp->nothing);
        if (next == NULL) {
            return NULL;
        }
        ku_replace(lisp->isolate, &last->rest, next);
        last = (pair *)next;
    }
    return ku_new_reference(((pair *)head)->rest);
}

static ku_object *read_vector(source *reader, int nesting) {
    interpreter *lisp = reader->lisp;
    KU_FRAME(lisp->isolate, frame, 2);
    reader->at++;
    ku_object *items = ku_hold(&frame, 0, read_list(reader, nesting));
    ku_object *vector = items == NULL ? NULL : ku_hold(&frame, 1, ku_list_new(lisp->isolate, NULL, 0));
    if (vector == NULL) {
        return NULL;
    }
    for (; is_type(items, lisp->pair); items = ((pair *)items)->rest) {
        if (!ku_list_append(lisp->isolate, vector, ((pair *)items)->first)) {
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
    case '\'': return quoted(reader, nesting - 1);
    case '"': return read_string(reader);
    case '#':
        if (reader->at[1] == '(') {
            return read_vector(reader, nesting - 1);
        }
        return read_atom(reader);
    default: return read_atom(reader);
    }
}

ku_object *lisp_read(source *reader) {
    return read_datum(reader, READ_NESTING);
}

bool lisp_is_open(const char *text) {
    int depth = 0;
    for (; *text != '\0'; text++) {
        if (*text == '"') {
            text = string_end(text + 1);
            if (*text == '\0') {
                return true;
            }
        } else if (*text == ';') {
            text += strcspn(text, "\n");
            if (*text == '\0') {
                break;
            }
        }
        depth += (*text == '(') - (*text == ')');
    }
    return depth > 0;
}
