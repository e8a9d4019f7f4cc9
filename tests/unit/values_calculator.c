/* values_calculator.c: a program that reckons with values, for values_against_python.py.
 *
 * Each line of standard input is an operation and its operands, Python literals, with tabs between them; the answer is
 * the repr of the result, or "TypeError: message". After each line all objects but the immortal ones must be gone.
 */
#include <ctype.h>
#include <kucha/kucha.h>
#include <stdlib.h>
#include <string.h>

/* ---- literals ---- no memory is ever refused here, so results are not looked at */

typedef struct reader {
    ku_isolate *isolate;
    const char *at;
} reader;

static ku_object *read_value(reader *r);

static void skip_blanks(reader *r) {
    while (*r->at == ' ') {
        r->at++;
    }
}

static bool take(reader *r, char c) {
    skip_blanks(r);
    if (*r->at != c) {
        return false;
    }
    r->at++;
    return true;
}

/* A code point of a literal; bytes keep theirs as they are. */
static uint32_t read_escape(reader *r) {
    char kind = *r->at++;
    size_t digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    if (digits == 0) {
        return kind == 'n' ? '\n' : kind == 't' ? '\t' : kind == 'r' ? '\r' : (uint32_t)kind;
    }
    char text[9] = {0};
    memcpy(text, r->at, digits);
    r->at += digits;
    return (uint32_t)strtoul(text, NULL, 16);
}

static size_t put_utf8(char *to, uint32_t c) {
    ku_error error;
    ku_isolate *isolate = ku_isolate_new(NULL, &error); /* one of its own: chr() is tested elsewhere */
    ku_object *text = ku_str_from_code_point(isolate, c);
    size_t size = ku_str_size(text);
    memcpy(to, ku_str_text(text), size);
    ku_decref(isolate, text);
    ku_isolate_delete(isolate);
    return size;
}

static ku_object *read_text(reader *r, bool bytes) {
    char quote = *r->at++, *made = malloc(strlen(r->at) * 4 + 4);
    size_t size = 0;
    while (*r->at != quote) {
        if (*r->at != '\\') {
            made[size++] = *r->at++;
            continue;
        }
        r->at++;
        uint32_t c = read_escape(r);
        if (bytes || c < 0x80) {
            made[size++] = (char)c;
        } else {
            size += put_utf8(made + size, c);
        }
    }
    r->at++;
    ku_object *text = bytes ? ku_bytes_new(r->isolate, made, size) : ku_str_new(r->isolate, made, size);
    free(made);
    return text;
}

static ku_object *read_number(reader *r) {
    const char *start = r->at;
    bool is_float = false;
    while (isalnum((unsigned char)*r->at) || strchr("+-._", *r->at) != NULL) {
        if (*r->at == '\0') {
            break;
        }
        is_float = is_float || strchr(".einf", *r->at) != NULL;
        r->at++;
    }
    size_t length = (size_t)(r->at - start);
    return is_float ? ku_float_parse(r->isolate, start, length) : ku_int_parse(r->isolate, start, length, 10);
}

/* Items up to `close` into a list. */
static ku_object *read_items(reader *r, char close) {
    ku_object *list = ku_list_new(r->isolate, NULL, 0);
    while (!take(r, close)) {
        ku_object *item = read_value(r);
        ku_list_append(r->isolate, list, item);
        ku_decref(r->isolate, item);
        take(r, ',');
    }
    return list;
}

static ku_object *read_dict_or_set(reader *r) {
    ku_object *made = NULL;
    while (!take(r, '}')) {
        ku_object *key = read_value(r);
        if (take(r, ':')) {
            ku_object *value = read_value(r);
            made = made != NULL ? made : ku_dict_new(r->isolate);
            ku_dict_set(r->isolate, made, key, value);
            ku_decref(r->isolate, value);
        } else {
            made = made != NULL ? made : ku_set_new(r->isolate);
            ku_set_add(r->isolate, made, key);
        }
        ku_decref(r->isolate, key);
        take(r, ',');
    }
    return made != NULL ? made : ku_dict_new(r->isolate);
}

static bool take_word(reader *r, const char *word) {
    size_t size = strlen(word);
    if (strncmp(r->at, word, size) != 0) {
        return false;
    }
    r->at += size;
    return true;
}

static ku_object *read_value(reader *r) {
    skip_blanks(r);
    if (take_word(r, "None")) {
        return ku_none(r->isolate);
    }
    if (take_word(r, "True") || take_word(r, "False")) {
        return ku_bool(r->isolate, r->at[-2] == 'u');
    }
    if (take_word(r, "set()")) {
        return ku_set_new(r->isolate);
    }
    if (*r->at == '\'' || *r->at == '"') {
        return read_text(r, false);
    }
    if (*r->at == 'b') {
        r->at++;
        return read_text(r, true);
    }
    if (take(r, '[')) {
        return read_items(r, ']');
    }
    if (take(r, '(')) {
        ku_object *list = read_items(r, ')'), *made = ku_tuple_from(r->isolate, list);
        ku_decref(r->isolate, list);
        return made;
    }
    return take(r, '{') ? read_dict_or_set(r) : read_number(r);
}

/* ---- operations ---- */

static ku_object *of_answer(ku_isolate *isolate, int answer) {
    return answer < 0 ? NULL : ku_bool(isolate, answer > 0);
}

static ku_object *pair(ku_isolate *isolate, ku_object *a, ku_object *b) {
    ku_object *items[] = {a, b}, *made = ku_tuple_new(isolate, items, 2);
    ku_decref(isolate, a);
    ku_decref(isolate, b);
    return made;
}

static ku_object *do_divmod(ku_isolate *isolate, ku_object **v) {
    ku_object *quotient, *remainder;
    return ku_divmod(isolate, v[0], v[1], &quotient, &remainder) ? pair(isolate, quotient, remainder) : NULL;
}

static int64_t bound(const ku_isolate *isolate, const ku_object *value) {
    int64_t number = KU_OMITTED;
    if (!ku_is_none(value)) {
        ku_int_value((ku_isolate *)(uintptr_t)isolate, value, &number);
    }
    return number;
}

static ku_object *changed(ku_object *object, bool done) {
    return done ? ku_new_reference(object) : NULL;
}

static const char *const binaries[] = {"add",    "sub",    "mul", "truediv", "floordiv", "mod", "pow",
                                       "lshift", "rshift", "and", "or",      "xor",      NULL};
static const char *const unaries[] = {"neg", "pos", "abs", "invert", NULL};
static const char *const comparisons[] = {"lt", "le", "eq", "ne", "gt", "ge", NULL};

static int position(const char *const *names, const char *name) {
    for (int i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

static ku_object *arithmetic(ku_isolate *isolate, const char *name, ku_object **v) {
    bool in_place = name[0] == 'i' && position(binaries, name + 1) >= 0;
    int which = position(binaries, in_place ? name + 1 : name);
    if (which >= 0) {
        return (in_place ? ku_binary_in_place : ku_binary)(isolate, (ku_operator)which, v[0], v[1]);
    }
    which = position(unaries, name);
    if (which >= 0) {
        return ku_unary(isolate, (ku_unary_operator)which, v[0]);
    }
    which = position(comparisons, name);
    return of_answer(isolate, ku_compare(isolate, (ku_comparison)which, v[0], v[1]));
}

static ku_object *do_hash(ku_isolate *isolate, ku_object **v) {
    uint64_t hash;
    return ku_hash(isolate, v[0], &hash) ? ku_int(isolate, (int64_t)hash) : NULL;
}
static ku_object *do_bool(ku_isolate *isolate, ku_object **v) {
    return of_answer(isolate, ku_truth(isolate, v[0]));
}
static ku_object *do_len(ku_isolate *isolate, ku_object **v) {
    int64_t length = ku_length(isolate, v[0]);
    return length < 0 ? NULL : ku_int(isolate, length);
}
static ku_object *do_in(ku_isolate *isolate, ku_object **v) {
    return of_answer(isolate, ku_contains(isolate, v[1], v[0]));
}
static ku_object *do_get(ku_isolate *isolate, ku_object **v) {
    return ku_get_item(isolate, v[0], v[1]);
}
static ku_object *do_set(ku_isolate *isolate, ku_object **v) {
    return changed(v[0], ku_set_item(isolate, v[0], v[1], v[2]));
}
static ku_object *do_del(ku_isolate *isolate, ku_object **v) {
    return changed(v[0], ku_delete_item(isolate, v[0], v[1]));
}
static ku_object *do_slice(ku_isolate *isolate, ku_object **v) {
    return ku_get_slice(isolate, v[0], bound(isolate, v[1]), bound(isolate, v[2]), bound(isolate, v[3]));
}
static ku_object *do_set_slice(ku_isolate *isolate, ku_object **v) {
    return changed(v[0],
                   ku_set_slice(isolate, v[0], bound(isolate, v[1]), bound(isolate, v[2]), bound(isolate, v[3]), v[4]));
}
static ku_object *do_list(ku_isolate *isolate, ku_object **v) {
    return ku_list_from(isolate, v[0]);
}
static ku_object *do_repr(ku_isolate *isolate, ku_object **v) {
    return ku_repr(isolate, v[0]);
}
static ku_object *do_str(ku_isolate *isolate, ku_object **v) {
    return ku_to_str(isolate, v[0]);
}
static ku_object *do_int(ku_isolate *isolate, ku_object **v) {
    double value;
    if (!ku_is_str(v[0])) {
        return ku_float_value(isolate, v[0], &value) ? ku_int_from_double(isolate, value) : NULL;
    }
    return ku_int_parse(isolate, ku_str_text(v[0]), ku_str_size(v[0]), v[1] != NULL ? (int)bound(isolate, v[1]) : 10);
}
static ku_object *do_text(ku_isolate *isolate, ku_object **v) {
    return ku_int_text(isolate, v[0], (int)bound(isolate, v[1]));
}
static ku_object *do_float(ku_isolate *isolate, ku_object **v) {
    double value;
    if (ku_is_str(v[0])) {
        return ku_float_parse(isolate, ku_str_text(v[0]), ku_str_size(v[0]));
    }
    return ku_float_value(isolate, v[0], &value) ? ku_float(isolate, value) : NULL;
}
static ku_object *do_find(ku_isolate *isolate, ku_object **v) {
    int64_t at = ku_str_find(isolate, v[0], v[1], (size_t)bound(isolate, v[2]));
    return at == -2 ? NULL : ku_int(isolate, at);
}
static ku_object *do_join(ku_isolate *isolate, ku_object **v) {
    return ku_str_join(isolate, v[0], v[1]);
}
static ku_object *do_sort(ku_isolate *isolate, ku_object **v) {
    return changed(v[0], ku_list_sort(isolate, v[0]));
}
static ku_object *do_copy(ku_isolate *isolate, ku_object **v) {
    return ku_deepcopy(isolate, v[0]);
}
static ku_object *do_decode(ku_isolate *isolate, ku_object **v) {
    return ku_bytes_decode(isolate, v[0]);
}
static ku_object *do_bits(ku_isolate *isolate, ku_object **v) {
    return ku_int(isolate, (int64_t)ku_int_bits(v[0]));
}
static ku_object *do_insert(ku_isolate *isolate, ku_object **v) {
    return changed(v[0], ku_list_insert(isolate, v[0], bound(isolate, v[1]), v[2]));
}
static ku_object *do_pop(ku_isolate *isolate, ku_object **v) {
    ku_object *item = ku_list_pop(isolate, v[0], bound(isolate, v[1]));
    return item != NULL ? pair(isolate, item, ku_new_reference(v[0])) : NULL;
}
static ku_object *do_remove(ku_isolate *isolate, ku_object **v) {
    return changed(v[0], ku_list_remove(isolate, v[0], v[1]));
}
static ku_object *do_chr(ku_isolate *isolate, ku_object **v) {
    return ku_str_from_code_point(isolate, (uint32_t)bound(isolate, v[0]));
}

static const struct {
    const char *name;
    ku_object *(*run)(ku_isolate *isolate, ku_object **values);
} others[] = {
    {"divmod", do_divmod},
    {"hash", do_hash},
    {"bool", do_bool},
    {"len", do_len},
    {"in", do_in},
    {"getitem", do_get},
    {"setitem", do_set},
    {"del", do_del},
    {"slice", do_slice},
    {"list", do_list},
    {"repr", do_repr},
    {"str", do_str},
    {"int", do_int},
    {"text", do_text},
    {"float", do_float},
    {"find", do_find},
    {"join", do_join},
    {"sort", do_sort},
    {"setslice", do_set_slice},
    {"deepcopy", do_copy},
    {"decode", do_decode},
    {"bits", do_bits},
    {"pop", do_pop},
    {"insert", do_insert},
    {"remove", do_remove},
    {"chr", do_chr},
};

static ku_object *run(ku_isolate *isolate, const char *name, ku_object **values) {
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (strcmp(others[i].name, name) == 0) {
            return others[i].run(isolate, values);
        }
    }
    return arithmetic(isolate, name, values);
}

static void show(ku_isolate *isolate, ku_object *result) {
    ku_object *shown = result != NULL ? ku_repr(isolate, result) : NULL;
    if (shown != NULL) {
        puts(ku_str_text(shown));
    } else {
        const ku_error *error = ku_pending_error(isolate);
        printf("%s: %s\n", ku_code_exception(error->code), error->message);
        ku_clear_error(isolate);
    }
    ku_release(isolate, shown);
}

enum { OPERANDS = 5 };

static void answer(ku_isolate *isolate, char *line) {
    ku_object *values[OPERANDS] = {NULL};
    char *name = strtok(line, "\t");
    for (size_t i = 0; i < OPERANDS; i++) {
        reader r = {isolate, strtok(NULL, "\t")};
        if (r.at == NULL) {
            break;
        }
        values[i] = read_value(&r);
    }
    ku_object *result = run(isolate, name, values);
    show(isolate, result);
    ku_release(isolate, result);
    for (size_t i = 0; i < OPERANDS; i++) {
        ku_release(isolate, values[i]);
    }
}

int main(void) {
    ku_error error;
    ku_isolate *isolate = ku_isolate_new(NULL, &error);
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    while (isolate != NULL && (size = getline(&line, &room, stdin)) > 0) {
        line[size - 1] = '\0';
        answer(isolate, line);
        fflush(stdout);
    }
    free(line);
    return isolate == NULL || ku_isolate_delete(isolate) != 0;
}
