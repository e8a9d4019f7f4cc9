/* thread_slot.c: where the interpreter keeps the running thread's state. See facts_thread.h.
 *
 * The thread-local block of the library or program that holds the interpreter is searched for a word that is the
 * running thread's state. A word is the one looked for if it becomes NULL when the GIL is given up, and if in another
 * thread the word at the same distance from the thread pointer is NULL first and then that thread's state. (The
 * interpreter's other thread-local pointer to a thread state, for PyGILState, stays when the GIL goes.)
 */
#include "cpython/facts.h"

#if KU__FACTS_SUPPORTED && PY_VERSION_HEX >= 0x030C0000

#include "os/thread.h"

#include <link.h>

ptrdiff_t ku__thread_slot;

PyThreadState *ku__thread_by_call(void) {
    return (PyThreadState *)_PyThreadState_GetCurrent(); /* 3.12's header declares it as data; it is a function */
}

enum { CANDIDATES_MOST = 8 };

typedef struct search {
    uintptr_t function; /* an address in the interpreter's code */
    const PyThreadState *thread;
    size_t count;
    ptrdiff_t slots[CANDIDATES_MOST];
} search;

static char *thread_pointer(void) {
#if defined(__x86_64__)
    char *pointer;
    __asm__("movq %%fs:0, %0" : "=r"(pointer));
    return pointer;
#else
    return __builtin_thread_pointer();
#endif
}

static bool holds_function(const struct dl_phdr_info *info, uintptr_t function) {
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type == PT_LOAD && function - (info->dlpi_addr + part->p_vaddr) < part->p_memsz) {
            return true;
        }
    }
    return false;
}

static void scan(search *wanted, char *block, size_t bytes) {
    for (size_t at = 0; at + sizeof(void *) <= bytes && wanted->count < CANDIDATES_MOST; at += sizeof(void *)) {
        if (*(PyThreadState **)(void *)(block + at) == wanted->thread) {
            wanted->slots[wanted->count++] = block + at - thread_pointer();
        }
    }
}

static int visit(struct dl_phdr_info *info, size_t size, void *argument) {
    search *wanted = argument;
    if (size < sizeof *info || info->dlpi_tls_data == NULL || !holds_function(info, wanted->function)) {
        return 0;
    }
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type == PT_TLS) {
            scan(wanted, info->dlpi_tls_data, info->dlpi_phdr[i].p_memsz);
        }
    }
    return 1;
}

/* Keeps the candidates at which the calling thread has `thread`. */
static void keep_those_with(search *wanted, const PyThreadState *thread) {
    size_t kept = 0;
    for (size_t i = 0; i < wanted->count; i++) {
        if (ku__thread_at(wanted->slots[i]) == thread) {
            wanted->slots[kept++] = wanted->slots[i];
        }
    }
    wanted->count = kept;
}

static void *confirm(void *argument) {
    search *wanted = argument;
    keep_those_with(wanted, NULL);
    PyGILState_STATE state = PyGILState_Ensure();
    keep_those_with(wanted, PyThreadState_Get());
    PyGILState_Release(state);
    keep_those_with(wanted, NULL);
    return NULL;
}

/* In a thread that ends before this returns. */
static void confirm_elsewhere(search *wanted) {
    ku__thread helper;
    PyThreadState *self = PyEval_SaveThread();
    keep_those_with(wanted, NULL);
    if (ku__thread_start(&helper, confirm, wanted, 0) == 0) {
        ku__thread_end(&helper);
    } else {
        wanted->count = 0;
    }
    PyEval_RestoreThread(self);
}

void ku__thread_slot_find(void) {
    search wanted = {.function = (uintptr_t)&_PyThreadState_GetCurrent, .thread = PyThreadState_Get()};
    dl_iterate_phdr(visit, &wanted);
    if (wanted.count > 0) {
        confirm_elsewhere(&wanted);
    }
    if (wanted.count == 1) {
        ku__thread_slot = wanted.slots[0];
    }
}

#else

typedef int ku__nothing_to_find; /* a file of C is not empty */

#endif
