/* query.h: a query taken apart, between the parser (query_parse.c) and what answers it (query.c). */
#ifndef KU__QUERY_H
#define KU__QUERY_H

#include <kucha/query.h>

#include <stddef.h>

typedef enum ku__field {
    KU__FIELD_TYPE, /* texts */
    KU__FIELD_MODULE,
    KU__FIELD_LABEL,
    KU__FIELD_SITE,
    KU__FIELD_SIZE, /* numbers */
    KU__FIELD_SLACK,
    KU__FIELD_RETAINED,
    KU__FIELD_HELD,
    KU__FIELD_COUNT,
    KU__FIELD_AGE,
    KU__FIELD_DISTANCE,
    KU__FIELD_REFS,
    KU__FIELD_REFERRERS,
    KU__FIELD_ADDRESS,
    KU__FIELDS,
} ku__field;

typedef enum ku__compare { KU__EQ, KU__NE, KU__LT, KU__LE, KU__GT, KU__GE, KU__HAS, KU__HAS_NOT } ku__compare;

typedef enum ku__step_kind {
    KU__STEP_COMPARE, /* pushes a set */
    KU__STEP_FLAG,
    KU__STEP_NOT, /* changes the set at the top */
    KU__STEP_HELD_BY,
    KU__STEP_HOLDS,
    KU__STEP_WITHIN,
    KU__STEP_AND, /* takes the set at the top into the one below */
    KU__STEP_OR,
} ku__step_kind;

/* A query as steps of a machine with a stack of sets. */
typedef struct ku__step {
    ku__step_kind kind;
    ku__field field;
    ku__compare compare;
    unsigned flag;    /* ku_node_flags */
    uint64_t number;  /* what is compared with */
    const char *text; /* the same for texts: a part of the query, not terminated */
    size_t text_size;
} ku__step;

/* A query of so many words is written by a machine, and can be split; so many parentheses help nobody. */
enum { KU__STEPS_MOST = 256, KU__QUERY_DEPTH = 32 };

typedef struct ku__query {
    size_t count;
    ku__step steps[KU__STEPS_MOST];
    unsigned needs;
} ku__query;

/* False with `error` filled. The query refers to the text. */
bool ku__query_parse(const char *text, ku__query *query, ku_error *error);

#endif
