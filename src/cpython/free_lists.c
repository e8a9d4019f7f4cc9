/* free_lists.c: see free_lists.h. */
#include "cpython/facts.h"

#include "cpython/free_lists.h"

#ifdef KU__FACT_FREE_LISTS

enum { CLOSED = -1 }; /* the interpreter's own word for it */

static ku__free_list aside[KU__FREE_LIST_COUNT];

static ku__free_list *lists(void) {
    return ku__fact_free_lists(PyInterpreterState_Main());
}

static bool lies_on(ku__free_list_probe probe) {
    if (probe.object == NULL) {
        PyErr_Clear();
        return false;
    }
    const void *address = probe.object;
    Py_DECREF(probe.object);
    return probe.list->freelist == address && probe.list->size > 0 && probe.list->size <= probe.most;
}

static bool probe_all(void) {
    for (int i = 0; i < KU__FREE_LIST_PROBES; i++) {
        if (!lies_on(ku__fact_free_list_probe(PyInterpreterState_Main(), i))) {
            return false;
        }
    }
    return true;
}

bool ku__free_lists_known(void) {
    static enum { NOT_ASKED, KNOWN, UNKNOWN } answer;
    if (answer == NOT_ASKED) {
        answer = probe_all() ? KNOWN : UNKNOWN;
    }
    return answer == KNOWN;
}

void ku__free_lists_close(void) {
    ku__free_list *list = lists();
    for (int i = 0; i < KU__FREE_LIST_COUNT; i++) {
        if (i != KU__FREE_LIST_OF_COLLECTOR) {
            aside[i] = list[i];
            list[i] = (ku__free_list){.size = CLOSED};
        }
    }
}

void ku__free_lists_open(void) {
    ku__free_list *list = lists();
    for (int i = 0; i < KU__FREE_LIST_COUNT; i++) {
        if (i != KU__FREE_LIST_OF_COLLECTOR) {
            list[i] = aside[i];
        }
    }
}

#else

bool ku__free_lists_known(void) {
    return false;
}

void ku__free_lists_close(void) {}

void ku__free_lists_open(void) {}

#endif
