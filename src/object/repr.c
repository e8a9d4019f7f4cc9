/* repr.c: objects as text: repr() and str() of all that is built in.
 *
 * Text is put together in a buffer that grows. Containers whose repr is being made are kept in a list of the isolate:
 * one that is met again inside of itself is shown as [...], {...} or (...) (reprlib.recursive_repr, Py_ReprEnter).
 */
#include "object/values.h"

#include "object/utf8.h"

#include <stdio.h>
#include <string.h>

/* ---- text that grows ---- */

void ku__text_add(ku__text *text, const char *bytes, size_t size) {
    if (text->failed) {
        return;
    }
    if (text->room - text->size < size) {
        size_t room = (text->size + size) * 2 < 64 ? 64 : (text->size + size) * 2;
        char *grown = (char *)ku_buffer_resize(text->isolate, text->bytes, room); /* nobody else knows of it */
        if (grown == NULL) {
            text->failed = true;
            return;
        }
        text->bytes = grown;
        text->room = room;
    }
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
}

static void add(ku__text *text, const char *terminated) {
    ku__text_add(text, terminated, strlen(terminated));
}

void ku__text_add_repr(ku__text *text, ku_object *object) {
    ku_object *shown = text->failed ? NULL : ku_repr(text->isolate, object);
    if (shown == NULL) {
        text->failed = true;
        return;
    }
    ku__text_add(text, ku_str_text(shown), ku_str_size(shown));
    ku_decref(text->isolate, shown);
}

ku_object *ku__text_end(ku__text *text) {
    ku_object *made =
        text->failed ? NULL : ku_str_new(text->isolate, text->bytes != NULL ? text->bytes : "", text->size);
    ku_buffer_free(text->isolate, text->bytes);
    text->bytes = NULL;
    return made;
}

/* ---- containers inside of themselves ---- */

int ku__show_begin(ku_isolate *isolate, ku_object *container) {
    ku__values *v = isolate->values;
    for (size_t i = 0; i < v->showing_count; i++) {
        if (v->showing[i] == container) {
            return 0;
        }
    }
    if (v->showing_count == v->showing_room) {
        size_t room = v->showing_room * 2 + 8;
        ku_object **grown = (ku_object **)ku_buffer_resize(isolate, v->showing, room * sizeof *grown);
        if (grown == NULL) {
            return -1;
        }
        v->showing = grown;
        v->showing_room = room;
    }
    v->showing[v->showing_count++] = container;
    return 1;
}

void ku__show_end(ku_isolate *isolate) {
    isolate->values->showing_count--;
}

/* ---- containers ---- */

typedef void add_items(ku__text *text, ku_object *container);

static ku_object *show(ku_isolate *isolate, ku_object *container, add_items *items, const char *open, const char *close,
                       const char *again) {
    ku__text text = {.isolate = isolate};
    int begun = ku__show_begin(isolate, container);
    if (begun <= 0) {
        return begun == 0 ? ku_str(isolate, again) : NULL;
    }
    add(&text, open);
    items(&text, container);
    add(&text, close);
    ku__show_end(isolate);
    return ku__text_end(&text);
}

/* Of a list or tuple; read by index each time, since showing an item may change a list. */
static void sequence_items(ku__text *text, ku_object *container) {
    ku_object *item;
    for (size_t i = 0; !text->failed; i++) {
        item = ku_is_tuple(container) ? ku_tuple_at(container, i) : ku_list_at(container, i);
        if (item == NULL) {
            break;
        }
        if (i > 0) {
            add(text, ", ");
        }
        ku_incref(item);
        ku__text_add_repr(text, item);
        ku_decref(text->isolate, item);
    }
}

static void tuple_items(ku__text *text, ku_object *container) {
    sequence_items(text, container);
    if (ku_tuple_length(container) == 1) {
        add(text, ",");
    }
}

static void hashed_items(ku__text *text, ku_object *container) {
    const ku__table *table = ku__table_of(container);
    bool first = true;
    for (size_t entry = 0; !text->failed && ku__table_next(table, &entry); entry++) {
        ku_object *key = ku_new_reference(ku__table_key(table, entry));
        ku_object *value = table->width == 2 ? ku_new_reference(*ku__table_value(table, entry)) : NULL;
        if (!first) {
            add(text, ", ");
        }
        first = false;
        ku__text_add_repr(text, key);
        if (value != NULL) {
            add(text, ": ");
            ku__text_add_repr(text, value);
        }
        ku_decref(text->isolate, key);
        ku_release(text->isolate, value);
    }
}

ku_object *ku__list_repr(ku_isolate *isolate, ku_object *self) {
    return show(isolate, self, sequence_items, "[", "]", "[...]");
}
ku_object *ku__tuple_repr(ku_isolate *isolate, ku_object *self) {
    return show(isolate, self, tuple_items, "(", ")", "(...)");
}
ku_object *ku__dict_repr(ku_isolate *isolate, ku_object *self) {
    return show(isolate, self, hashed_items, "{", "}", "{...}");
}
ku_object *ku__set_repr(ku_isolate *isolate, ku_object *self) {
    return ku_set_length(self) == 0 ? ku_str(isolate, "set()")
                                    : show(isolate, self, hashed_items, "{", "}", "set(...)");
}

/* ---- text ---- */

/* Single quotes, unless there are some in the text and no double ones. */
static char quote_for(const char *bytes, size_t size) {
    return memchr(bytes, '\'', size) != NULL && memchr(bytes, '"', size) == NULL ? '"' : '\'';
}

/* The escape of a byte of ASCII that has a short one, else NULL. */
static const char *short_escape(unsigned char c) {
    switch (c) {
    case '\t': return "\\t";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\\': return "\\\\";
    default: return NULL;
    }
}

static void add_escaped(ku__text *text, uint32_t c) {
    char escape[12];
    const char *format = c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x";
    int size = snprintf(escape, sizeof escape, format, (unsigned)c);
    ku__text_add(text, escape, (size_t)size);
}

/* One code point of `step` bytes. */
static void add_shown(ku__text *text, const char *at, size_t step, char quote) {
    uint32_t c = ku__utf8_get(at);
    const char *escape = c < 0x80 ? short_escape((unsigned char)c) : NULL;
    if (escape != NULL) {
        add(text, escape);
    } else if (c == (uint32_t)quote) {
        ku__text_add(text, "\\", 1);
        ku__text_add(text, at, 1);
    } else if (ku__is_printable(c)) {
        ku__text_add(text, at, step);
    } else {
        add_escaped(text, c);
    }
}

ku_object *ku__str_repr(ku_isolate *isolate, ku_object *self) {
    ku__text text = {.isolate = isolate};
    const char *bytes = ku_str_text(self);
    size_t size = ku_str_size(self);
    char quote = quote_for(bytes, size);
    ku__text_add(&text, &quote, 1);
    for (size_t at = 0; at < size && !text.failed; at += ku__utf8_step(bytes[at])) {
        add_shown(&text, bytes + at, ku__utf8_step(bytes[at]), quote);
    }
    ku__text_add(&text, &quote, 1);
    return ku__text_end(&text);
}

ku_object *ku__bytes_repr(ku_isolate *isolate, ku_object *self) {
    ku__text text = {.isolate = isolate};
    const char *data = ku_bytes_data(self);
    size_t length = ku_bytes_length(self);
    char quote = quote_for(data, length);
    add(&text, "b");
    ku__text_add(&text, &quote, 1);
    for (size_t i = 0; i < length && !text.failed; i++) {
        if ((uint8_t)data[i] < 0x80) {
            add_shown(&text, data + i, 1, quote);
        } else {
            add_escaped(&text, (uint8_t)data[i]);
        }
    }
    ku__text_add(&text, &quote, 1);
    return ku__text_end(&text);
}

/* ---- of anything ---- */

ku_object *ku_repr(ku_isolate *isolate, ku_object *object) {
    ku_repr_hook *hook = ku__type_of(object)->repr;
    if (hook == NULL) {
        return ku_str_format(isolate, "<%s object at %p>", ku__type_name(object), (void *)object);
    }
    if (!ku__deeper(isolate, " while getting the repr of an object")) {
        return NULL;
    }
    ku_object *shown = hook(isolate, object);
    ku__back(isolate);
    return shown;
}

ku_object *ku_to_str(ku_isolate *isolate, ku_object *object) {
    const ku_operations *o = ku__type_of(object)->operations;
    return o != NULL && o->text != NULL ? o->text(isolate, object) : ku_repr(isolate, object);
}
