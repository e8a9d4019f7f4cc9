/* budget.h (internal): the state behind kucha/budget.h. */
#ifndef KU__BUDGET_H
#define KU__BUDGET_H

#include <kucha/budget.h>

typedef struct ku__budget {
    ku_budget set;
    bool passed; /* the soft limit was passed and said so; leases go up to the hard one */
    bool busy;   /* a limit is being dealt with: what is asked for meanwhile is leased or refused, no more */
    uint64_t soft_passed, collections, refusals;
} ku__budget;

/* For ku_isolate.refused: true when it is worth asking again. */
bool ku__budget_refused(ku_isolate *isolate, ku_heap *heap, size_t bytes);

#endif
