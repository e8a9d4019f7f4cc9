/* query_parse.c: the text of a query as steps of a machine with a stack; see kucha/query.h for the language.
 *
 * Recursive descent, one function a level: or, and, not and relations, what stands alone. Steps come out in the order
 * in which the machine takes them (postfix). The first error is kept, with the character it was found at.
 */
#include "inspect/query.h"

#include "inspect/links.h"

#include <string.h>

typedef struct parser {
    const char *text, *at;
    ku__query *query;
    ku_error *error;
    bool failed;
    int depth;
} parser;

static void fail(parser *p, const char *what) {
    if (!p->failed && p->error != NULL) {
        *p->error = (ku_error){.code = KU_VALUE};
        snprintf(p->error->message, sizeof p->error->message, "query, character %zu: %s", (size_t)(p->at - p->text) + 1,
                 what);
    }
    p->failed = true;
}

/* ---- words ---- */

static void skip_space(parser *p) {
    while (*p->at == ' ' || *p->at == '\t' || *p->at == '\n') p->at++;
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static size_t word_length(const parser *p) {
    size_t length = 0;
    while (is_letter(p->at[length])) length++;
    return length;
}

static bool take_word(parser *p, const char *word) {
    skip_space(p);
    size_t length = word_length(p);
    if (length != strlen(word) || strncmp(p->at, word, length) != 0) return false;
    p->at += length;
    return true;
}

static bool take_sign(parser *p, const char *sign) {
    skip_space(p);
    if (strncmp(p->at, sign, strlen(sign)) != 0) return false;
    p->at += strlen(sign);
    return true;
}

static void add(parser *p, ku__step step) {
    if (p->query->count == KU__STEPS_MOST) {
        fail(p, "the query is too long");
    } else {
        p->query->steps[p->query->count++] = step;
    }
}

/* ---- comparisons ---- */

static const char *const field_names[KU__FIELDS] = {
    "type", "module", "label", "site",     "size", "slack",     "retained",
    "held", "count",  "age",   "distance", "refs", "referrers", "address",
};

static const struct {
    const char *sign;
    ku__compare compare;
} compare_signs[] = {{"!=", KU__NE}, {"!~", KU__HAS_NOT}, {"<=", KU__LE}, {">=", KU__GE}, {"==", KU__EQ},
                     {"=", KU__EQ},  {"<", KU__LT},       {">", KU__GT},  {"~", KU__HAS}};

static bool is_text_field(ku__field field) {
    return field <= KU__FIELD_SITE;
}

static void take_compare(parser *p, ku__step *step) {
    for (size_t i = 0; i < sizeof compare_signs / sizeof compare_signs[0]; i++) {
        if (!take_sign(p, compare_signs[i].sign)) continue;
        step->compare = compare_signs[i].compare;
        bool part = step->compare == KU__HAS || step->compare == KU__HAS_NOT;
        bool order = step->compare >= KU__LT && step->compare <= KU__GE;
        if (is_text_field(step->field) && order) fail(p, "texts are compared by =, !=, ~ and !~");
        if (!is_text_field(step->field) && part) fail(p, "numbers are compared by =, !=, <, <=, > and >=");
        return;
    }
    fail(p, "expected a comparison: =, !=, <, <=, >, >=, ~ or !~");
}

static void take_text(parser *p, ku__step *step) {
    skip_space(p);
    char quote = *p->at;
    if (quote != '"' && quote != '\'') {
        fail(p, "expected a text in quotes");
        return;
    }
    const char *begin = p->at + 1, *end = strchr(begin, quote);
    if (end == NULL) {
        fail(p, "the text has no closing quote");
        return;
    }
    step->text = begin;
    step->text_size = (size_t)(end - begin);
    p->at = end + 1;
}

static unsigned digit_value(char c) {
    if (is_digit(c)) return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f') return (unsigned)(c - 'a') + 10;
    if (c >= 'A' && c <= 'F') return (unsigned)(c - 'A') + 10;
    return 99;
}

static unsigned take_unit(parser *p) {
    static const char units[] = "kKmMgG";
    const char *found = *p->at != '\0' ? strchr(units, *p->at) : NULL;
    if (found == NULL) return 0;
    p->at++;
    if (strncmp(p->at, "iB", 2) == 0) p->at += 2;
    return (unsigned)((found - units) / 2 + 1) * 10;
}

static void take_number(parser *p, ku__step *step) {
    skip_space(p);
    unsigned base = strncmp(p->at, "0x", 2) == 0 ? 16 : 10;
    if (base == 16) p->at += 2;
    if (digit_value(*p->at) >= base) {
        fail(p, "expected a number");
        return;
    }
    uint64_t value = 0;
    for (; digit_value(*p->at) < base; p->at++)
        if (__builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, digit_value(*p->at), &value))
            fail(p, "the number is too large");
    unsigned shift = base == 16 ? 0 : take_unit(p);
    if (value > UINT64_MAX >> shift) fail(p, "the number is too large");
    step->number = value << shift;
    if (is_letter(*p->at) || is_digit(*p->at)) fail(p, "expected a number, such as 512, 10k or 0x7f00");
}

static unsigned needs_of(ku__field field) {
    switch (field) {
    case KU__FIELD_RETAINED:
    case KU__FIELD_HELD: return KU_QUERY_NEEDS_DOMINATORS;
    case KU__FIELD_DISTANCE: return KU_QUERY_NEEDS_PATHS;
    default: return 0;
    }
}

static bool take_comparison(parser *p) {
    for (unsigned i = 0; i < KU__FIELDS; i++) {
        if (!take_word(p, field_names[i])) continue;
        ku__step step = {.kind = KU__STEP_COMPARE, .field = (ku__field)i};
        p->query->needs |= needs_of(step.field);
        take_compare(p, &step);
        if (p->failed) return true;
        if (is_text_field(step.field)) {
            take_text(p, &step);
        } else {
            take_number(p, &step);
        }
        add(p, step);
        return true;
    }
    return false;
}

static bool take_flag(parser *p) {
    static const struct {
        const char *name;
        unsigned flag;
    } flags[] = {
        {"dead", KU_NODE_DEAD},     {"free", KU_NODE_FREE_LISTED}, {"tracked", KU_NODE_TRACKED},
        {"buffer", KU_NODE_BUFFER}, {"unknown", KU_NODE_UNKNOWN},  {"immortal", KU_NODE_IMMORTAL},
        {"place", KU_NODE_PLACE},   {"opaque", KU_NODE_OPAQUE},
    };
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if (!take_word(p, flags[i].name)) continue;
        add(p, (ku__step){.kind = KU__STEP_FLAG, .flag = flags[i].flag});
        return true;
    }
    return false;
}

/* ---- expressions ---- */

static void take_or(parser *p);

static void take_alone(parser *p) {
    if (take_sign(p, "(")) {
        take_or(p);
        if (!p->failed && !take_sign(p, ")")) fail(p, "expected )");
    } else if (!take_flag(p) && !take_comparison(p)) {
        fail(p, *p->at == '\0' ? "the query ends where a field or a word should stand"
                               : "no such field or word; see the list of fields in the documentation of queries");
    }
}

/* "held" is a field too: a relation where "by" follows. */
static bool take_held_by(parser *p) {
    const char *begin = p->at;
    if (take_word(p, "held") && take_word(p, "by")) return true;
    p->at = begin;
    return false;
}

static void take_not(parser *p) {
    ku__step after = {.kind = KU__STEP_COMPARE};
    if (++p->depth > KU__QUERY_DEPTH) {
        fail(p, "too many levels");
    } else if (take_word(p, "not")) {
        after.kind = KU__STEP_NOT;
    } else if (take_held_by(p)) {
        after.kind = KU__STEP_HELD_BY;
    } else if (take_word(p, "holds")) {
        after.kind = KU__STEP_HOLDS;
    } else if (take_word(p, "within")) {
        after.kind = KU__STEP_WITHIN;
        p->query->needs |= KU_QUERY_NEEDS_DOMINATORS;
    }
    if (!p->failed && after.kind == KU__STEP_COMPARE) {
        take_alone(p);
    } else if (!p->failed) {
        take_not(p);
        add(p, after);
    }
    p->depth--;
}

static void take_and(parser *p) {
    take_not(p);
    while (!p->failed && take_word(p, "and")) {
        take_not(p);
        add(p, (ku__step){.kind = KU__STEP_AND});
    }
}

static void take_or(parser *p) {
    take_and(p);
    while (!p->failed && take_word(p, "or")) {
        take_and(p);
        add(p, (ku__step){.kind = KU__STEP_OR});
    }
}

bool ku__query_parse(const char *text, ku__query *query, ku_error *error) {
    parser p = {.text = text, .at = text, .query = query, .error = error};
    query->count = 0;
    query->needs = 0;
    take_or(&p);
    skip_space(&p);
    if (!p.failed && *p.at != '\0') fail(&p, "expected and, or, or the end");
    return !p.failed;
}

ku_code ku_query_check(const char *text, unsigned *needs, ku_error *error) {
    ku__query query;
    if (!ku__query_parse(text, &query, error)) return KU_VALUE;
    *needs = query.needs;
    return KU_OK;
}
