/* query.c: the steps of a query, carried out over the columns of a graph; see kucha/query.h, and query_parse.c for the
 * steps.
 *
 * A machine with a stack of sets, a bit a node. Texts are compared once for each type, text or birthplace that there
 * is; a table of the answers then serves all nodes.
 */
#include "inspect/query.h"

#include "inspect/graph.h"
#include "inspect/links.h"
#include "inspect/selection.h"

#include <kucha/histogram.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = 512 };

typedef struct machine {
    const ku_query_context *context;
    const ku_graph *graph;
    ku_error *error;
    ku_selection *stack[KU__STEPS_MOST + 1];
    size_t depth;
} machine;

static ku_selection *push(machine *m) {
    ku_selection *made = ku_selection_new(m->graph->nodes, false, m->error);
    if (made != NULL) m->stack[m->depth++] = made;
    return made;
}

/* ---- texts ---- */

static bool text_answers(const ku__step *step, ku_text text) {
    bool same = text.size == step->text_size && memcmp(text.bytes, step->text, text.size) == 0;
    switch (step->compare) {
    case KU__EQ: return same;
    case KU__NE: return !same;
    case KU__HAS: return step->text_size == 0 || memmem(text.bytes, text.size, step->text, step->text_size) != NULL;
    default: return step->text_size != 0 && memmem(text.bytes, text.size, step->text, step->text_size) == NULL;
    }
}

static bool type_answers(const ku_graph *graph, const ku__step *step, uint32_t type) {
    char text[TEXT];
    if (step->field == KU__FIELD_MODULE)
        return text_answers(step, ku_graph_text(graph, graph->type_table[type].module));
    ku_graph_type_text(graph, type, text, sizeof text);
    return text_answers(step, (ku_text){.bytes = text, .size = strlen(text)});
}

static bool frame_is(const ku_graph *graph, const ku__step *step, const ku_graph_frame *frame) {
    char text[TEXT];
    ku_text function = ku_graph_text(graph, frame->function), file = ku_graph_text(graph, frame->file);
    snprintf(text, sizeof text, "%.*s (%.*s:%d)", (int)function.size, function.bytes, (int)file.size, file.bytes,
             (int)frame->line);
    return text_answers(step, (ku_text){.bytes = text, .size = strlen(text)});
}

/* Of = and ~ one frame must answer, of != and !~ all of them. */
static bool site_answers(const ku_graph *graph, const ku__step *step, uint32_t site) {
    enum { FRAMES = 256 };
    ku_graph_frame frames[FRAMES];
    bool all = step->compare == KU__NE || step->compare == KU__HAS_NOT;
    size_t count = site == 0 ? 0 : ku_graph_site_read(graph, site, frames, FRAMES);
    for (size_t i = 0; i < count && i < FRAMES; i++)
        if (frame_is(graph, step, &frames[i]) != all) return !all;
    return all;
}

static void compare_types(const ku_graph *graph, const ku__step *step, uint8_t *answers, ku_selection *set) {
    for (uint32_t type = 0; type < graph->types; type++) answers[type] = type_answers(graph, step, type);
    for (uint32_t v = 0; v < graph->nodes; v++)
        if (answers[ku__graph_type(graph, v)]) ku_selection_add(set, v);
}

static void compare_sites(const ku_graph *graph, const ku__step *step, uint8_t *answers, ku_selection *set) {
    for (uint32_t site = 0; site <= graph->sites; site++)
        answers[site] = site < graph->sites || site == 0 ? site_answers(graph, step, site) : 0;
    for (uint32_t v = 0; v < graph->nodes; v++)
        if (answers[ku__graph_site(graph, v)]) ku_selection_add(set, v);
}

/* Few nodes have a label: labels are asked, in the order of their nodes; for all nodes without one, the empty text. */
static void compare_labels(const ku_graph *graph, const ku__step *step, ku_selection *set) {
    bool without = text_answers(step, ku_graph_text(graph, KU_GRAPH_NONE));
    size_t labels = graph->sections[KU__SECTION_LABELS].size / sizeof *graph->labels, next = 0;
    for (uint32_t v = 0; without && v < graph->nodes; v++) {
        while (next < labels && graph->labels[next].node < v) next++;
        if (next == labels || graph->labels[next].node != v) ku_selection_add(set, v);
    }
    for (size_t i = 0; i < labels; i++)
        if (text_answers(step, ku_graph_text(graph, graph->labels[i].text)))
            ku_selection_add(set, graph->labels[i].node);
}

static bool compare_texts(machine *m, const ku__step *step, ku_selection *set) {
    size_t most = (m->graph->types > m->graph->sites ? m->graph->types : m->graph->sites) + (size_t)1;
    uint8_t *answers = ku__pages_map(most);
    if (answers == NULL) return ku__inspect_no_memory(m->error);
    switch (step->field) {
    case KU__FIELD_LABEL: compare_labels(m->graph, step, set); break;
    case KU__FIELD_SITE: compare_sites(m->graph, step, answers, set); break;
    default: compare_types(m->graph, step, answers, set); break;
    }
    ku__pages_unmap(answers, most);
    return true;
}

/* ---- numbers ---- */

static uint64_t number_of(const machine *m, ku__field field, uint32_t node) {
    const ku_graph *graph = m->graph;
    switch (field) {
    case KU__FIELD_SIZE: return ku__graph_size(graph, node);
    case KU__FIELD_SLACK: return ku__graph_slack(graph, node);
    case KU__FIELD_RETAINED: return ku_dominators_retained(m->context->dominators, node);
    case KU__FIELD_HELD: return ku_dominators_held(m->context->dominators, node);
    case KU__FIELD_COUNT: return graph->counts[node];
    case KU__FIELD_AGE: return graph->ages[node];
    case KU__FIELD_DISTANCE: return ku_paths_distance(m->context->paths, node);
    case KU__FIELD_REFS: return graph->first[node + 1] - graph->first[node];
    case KU__FIELD_REFERRERS: return graph->referrer_first[node + 1] - graph->referrer_first[node];
    default: return ku_graph_address(graph, node);
    }
}

static bool number_answers(ku__compare compare, uint64_t value, uint64_t with) {
    switch (compare) {
    case KU__EQ: return value == with;
    case KU__NE: return value != with;
    case KU__LT: return value < with;
    case KU__LE: return value <= with;
    case KU__GT: return value > with;
    default: return value >= with;
    }
}

static bool compare_numbers(machine *m, const ku__step *step, ku_selection *set) {
    if (step->field == KU__FIELD_REFERRERS && !ku__graph_index_referrers(m->context->graph, m->error)) return false;
    for (uint32_t v = 0; v < m->graph->nodes; v++)
        if (number_answers(step->compare, number_of(m, step->field, v), step->number)) ku_selection_add(set, v);
    return true;
}

/* ---- relations; each changes the set at the top ---- */

static void held_by(const ku_graph *graph, const ku_selection *holders, ku_selection *made) {
    for (uint32_t v = 0; (v = ku_selection_next(holders, v)) != KU_GRAPH_NONE; v++) {
        uint32_t count;
        const uint32_t *targets = ku__graph_targets(graph, v, &count);
        for (uint32_t i = 0; i < count; i++) ku_selection_add(made, targets[i]);
    }
}

static void holding(const ku_graph *graph, const ku_selection *held, ku_selection *made) {
    for (uint32_t v = 0; v < graph->nodes; v++) {
        uint32_t count;
        const uint32_t *targets = ku__graph_targets(graph, v, &count);
        for (uint32_t i = 0; i < count; i++) {
            if (!ku__selected(held, targets[i])) continue;
            ku_selection_add(made, v);
            break;
        }
    }
}

/* Down the dominator tree from every member; a member met on the way has been taken care of, or will be. */
static bool within(machine *m, const ku_selection *tops, ku_selection *made) {
    uint32_t *waiting = ku__array_map(m->graph->nodes, sizeof(uint32_t)), depth = 0, count;
    if (waiting == NULL) return ku__inspect_no_memory(m->error);
    for (uint32_t v = 0; (v = ku_selection_next(tops, v)) != KU_GRAPH_NONE; v++) {
        if (ku__selected(made, v)) continue;
        ku_selection_add(made, v);
        waiting[depth++] = v;
        while (depth > 0) {
            const uint32_t *children = ku_dominators_children(m->context->dominators, waiting[--depth], &count);
            for (uint32_t i = 0; i < count; i++) {
                if (ku__selected(made, children[i])) continue;
                ku_selection_add(made, children[i]);
                waiting[depth++] = children[i];
            }
        }
    }
    ku__array_unmap(waiting, m->graph->nodes, sizeof(uint32_t));
    return true;
}

static bool relate(machine *m, ku__step_kind kind) {
    ku_selection *of = m->stack[m->depth - 1], *made = ku_selection_new(m->graph->nodes, false, m->error);
    if (made == NULL) return false;
    bool whole = true;
    if (kind == KU__STEP_HELD_BY) held_by(m->graph, of, made);
    if (kind == KU__STEP_HOLDS) holding(m->graph, of, made);
    if (kind == KU__STEP_WITHIN) whole = within(m, of, made);
    ku_selection_delete(of);
    m->stack[m->depth - 1] = made;
    return whole;
}

/* ---- the machine ---- */

static bool invert(machine *m) {
    ku_selection *all = ku_selection_new(m->graph->nodes, true, m->error);
    if (all == NULL) return false;
    ku_selection_combine(m->stack[m->depth - 1], KU_SELECTION_XOR, all);
    ku_selection_delete(all);
    return true;
}

static bool combine(machine *m, ku_selection_operation operation) {
    ku_selection *top = m->stack[--m->depth];
    ku_selection_combine(m->stack[m->depth - 1], operation, top);
    ku_selection_delete(top);
    return true;
}

static bool compare(machine *m, const ku__step *step) {
    ku_selection *set = push(m);
    if (set == NULL) return false;
    return step->field <= KU__FIELD_SITE ? compare_texts(m, step, set) : compare_numbers(m, step, set);
}

static bool select_flag(machine *m, unsigned flag) {
    ku_selection *set = push(m);
    for (uint32_t v = 0; set != NULL && v < m->graph->nodes; v++)
        if ((m->graph->flags[v] & flag) != 0) ku_selection_add(set, v);
    return set != NULL;
}

static bool take_step(machine *m, const ku__step *step) {
    switch (step->kind) {
    case KU__STEP_COMPARE: return compare(m, step);
    case KU__STEP_FLAG: return select_flag(m, step->flag);
    case KU__STEP_NOT: return invert(m);
    case KU__STEP_AND: return combine(m, KU_SELECTION_AND);
    case KU__STEP_OR: return combine(m, KU_SELECTION_OR);
    default: return relate(m, step->kind);
    }
}

static bool has_what_it_needs(const ku_query_context *context, unsigned needs, ku_error *error) {
    bool lacks = ((needs & KU_QUERY_NEEDS_DOMINATORS) != 0 && context->dominators == NULL) ||
                 ((needs & KU_QUERY_NEEDS_PATHS) != 0 && context->paths == NULL);
    return !lacks || ku__inspect_fail(error, KU_INVALID, "the query needs dominators or paths, which were not given");
}

ku_selection *ku_query_run(const ku_query_context *context, const char *text, ku_error *error) {
    ku__query query;
    machine m = {.context = context, .graph = context->graph, .error = error};
    if (!ku__query_parse(text, &query, error) || !has_what_it_needs(context, query.needs, error)) return NULL;
    bool whole = true;
    for (size_t i = 0; whole && i < query.count; i++) whole = take_step(&m, &query.steps[i]);
    while (m.depth > (whole ? 1 : 0)) ku_selection_delete(m.stack[--m.depth]);
    return whole ? m.stack[0] : NULL;
}
