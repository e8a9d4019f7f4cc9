/* query.h: which nodes of a graph answer to a description, in a small language.
 *
 *     type ~ "dict" and size > 1k
 *     retained > 1M and not held by (type = "module")
 *     site ~ "feed.py:12" or label = "cache"
 *
 * Fields with texts, compared by = and != (the whole text) and by ~ and !~ (part of it): type (with its module, as
 * "collections.deque"; plain for builtins), module, label, site (any frame of the birthplace, as "parse (feed.py:12)").
 * Fields with numbers, compared by = != < <= > >=, where k, M and G stand for 2^10, 2^20 and 2^30: size, slack,
 * retained, held (nodes that would go with it), count (references), age, distance (from the root), refs (edges out),
 * referrers (edges in), address (0x... too). Words that are true or not: dead, free, tracked, immortal, buffer,
 * unknown, opaque, place. `held by E`: a node that answers to E refers to it. `holds E`: it refers to one. `within E`:
 * one dominates it (or is it). E is a word, a comparison, or an expression in parentheses. not binds closest, then and,
 * then or.
 *
 * A comparison is one pass over a column; texts are compared once a type or birthplace, not once a node.
 */
#ifndef KUCHA_QUERY_H
#define KUCHA_QUERY_H

#include <kucha/dominators.h>
#include <kucha/paths.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a query needs beside the graph. */
typedef enum ku_query_needs {
    KU_QUERY_NEEDS_DOMINATORS = 1 << 0,
    KU_QUERY_NEEDS_PATHS = 1 << 1,
} ku_query_needs;

typedef struct ku_query_context {
    ku_graph *graph;
    const ku_dominators *dominators; /* NULL where the query does not need them */
    const ku_paths *paths;
} ku_query_context;

/* Whether the text is a query; *needs is a set of ku_query_needs. KU_OK, or KU_VALUE with `error` saying what is wrong
 * and at which character. */
KU_API ku_code ku_query_check(const char *text, unsigned *needs, ku_error *error);

/* The nodes that answer. NULL with `error` filled: KU_VALUE as above, KU_INVALID when the context lacks what the query
 * needs, KU_NO_MEMORY. Fills in the graph's index of referrers where the query asks for holders. */
KU_API ku_selection *ku_query_run(const ku_query_context *context, const char *text, ku_error *error);

#ifdef __cplusplus
}
#endif

#endif
