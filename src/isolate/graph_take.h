/* graph_take.h: what ku_graph_take() and the copies that write heap files share. */
#ifndef KU__GRAPH_TAKE_H
#define KU__GRAPH_TAKE_H

#include "isolate/graph_making.h"
#include "object/object.h"

#include <kucha/heap_dump.h>

/* As ku_heap_file_take(), for a reason. */
ku_code ku__heap_file_take(ku_isolate *isolate, const char *path, unsigned flags, ku_graph_reason reason,
                           ku_heap_file_outcome *outcome, ku_error *error);

/* The graph of an isolate of this process, with what is known of the process. */
ku_graph *ku__graph_take(ku_isolate *isolate, unsigned flags, const ku_graph_info *info, ku_error *error);

#endif
