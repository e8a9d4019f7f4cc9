/* symbols.c: see symbols.h. */
#include "os/symbols.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

/* Its headers, for the shapes of what it gives, are wanted when this is compiled, but not demanded. */
#if __has_include(<elfutils/libdwfl.h>) && __has_include(<dwarf.h>)
#define KU_HAVE_LIBDW
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <pthread.h>

/* What is used of libdw, each under its own name. */
#define FUNCTIONS(each)                                                                                                \
    each(dwfl_begin) each(dwfl_end) each(dwfl_linux_proc_report) each(dwfl_report_end) each(dwfl_addrmodule)           \
        each(dwfl_module_addrname) each(dwfl_module_getsrc) each(dwfl_module_addrdie) each(dwfl_lineinfo)              \
            each(dwfl_linux_proc_find_elf) each(dwfl_standard_find_debuginfo) each(dwarf_getscopes)                    \
                each(dwarf_getscopes_die) each(dwarf_tag) each(dwarf_diename) each(dwarf_attr_integrate)               \
                    each(dwarf_formudata) each(dwarf_getsrcfiles) each(dwarf_filesrc) each(dwarf_diecu)                \
                        each(dwfl_module_info)

#define MEMBER(name) __typeof__(name) *name;
static struct {
    FUNCTIONS(MEMBER)
    bool there;
} dw;

static void load(void) {
    void *library = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        return;
    }
    dw.there = true;
#define FIND(name)                                                                                                     \
    {                                                                                                                  \
        void *found = dlsym(library, #name);                                                                           \
        __builtin_memcpy(&dw.name, &found, sizeof found); /* ISO C has no cast from an object to a function */         \
        dw.there = dw.there && found != NULL;                                                                          \
    }
    FUNCTIONS(FIND)
}

static bool have_libdw(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return dw.there;
}

struct ku__symbols {
    Dwfl *session; /* NULL: the dynamic linker is asked */
    Dwfl_Callbacks callbacks;
};

static void begin(ku__symbols *symbols) {
    symbols->callbacks.find_elf = dw.dwfl_linux_proc_find_elf;
    symbols->callbacks.find_debuginfo = dw.dwfl_standard_find_debuginfo;
    Dwfl *session = dw.dwfl_begin(&symbols->callbacks);
    bool whole = session != NULL && dw.dwfl_linux_proc_report(session, getpid()) == 0 &&
                 dw.dwfl_report_end(session, NULL, NULL) == 0;
    if (!whole && session != NULL) {
        dw.dwfl_end(session);
    }
    symbols->session = whole ? session : NULL;
}

/* ---- one address, by libdw ---- */

static unsigned number_of(Dwarf_Die *die, unsigned name) {
    Dwarf_Attribute attribute;
    Dwarf_Word value = 0;
    return dw.dwarf_formudata(dw.dwarf_attr_integrate(die, name, &attribute), &value) == 0 ? (unsigned)value : 0;
}

/* Where an inlined function was called: in the file and line of the function around it. */
static void call_site(Dwarf_Die *inlined, ku__place_in_code *place) {
    Dwarf_Die unit;
    Dwarf_Files *files;
    size_t count;
    unsigned file = number_of(inlined, DW_AT_call_file);
    place->line = (int)number_of(inlined, DW_AT_call_line);
    place->file = NULL;
    if (dw.dwarf_diecu(inlined, &unit, NULL, NULL) != NULL && dw.dwarf_getsrcfiles(&unit, &files, &count) == 0 &&
        file < count) {
        place->file = dw.dwarf_filesrc(files, file, NULL, NULL);
    }
}

/* The functions around an instruction, whose own file and line stand in places[0] already. */
static size_t enclosing(Dwfl_Module *module, Dwarf_Addr address, ku__place_in_code *places) {
    Dwarf_Addr bias;
    Dwarf_Die *scopes = NULL, *unit = dw.dwfl_module_addrdie(module, address, &bias);
    int inner = unit != NULL ? dw.dwarf_getscopes(unit, address - bias, &scopes) : 0;
    Dwarf_Die *around = NULL;
    /* Scopes by address end at the function that an inlined one was written in; those by its entry go on outwards. */
    int count = inner > 0 ? dw.dwarf_getscopes_die(&scopes[0], &around) : 0;
    size_t found = 0;
    for (int i = 0; i < count && found < KU__PLACES_MOST; i++) {
        int tag = dw.dwarf_tag(&around[i]);
        if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram) {
            continue;
        }
        places[found++].function = dw.dwarf_diename(&around[i]);
        if (tag == DW_TAG_subprogram) {
            break;
        }
        if (found < KU__PLACES_MOST) {
            call_site(&around[i], &places[found]);
        }
    }
    free(around);
    free(scopes);
    return found;
}

static size_t find_by_libdw(ku__symbols *symbols, uintptr_t address, ku__place_in_code *places) {
    Dwfl_Module *module = dw.dwfl_addrmodule(symbols->session, address);
    if (module == NULL) {
        return 0;
    }
    places[0] = (ku__place_in_code){0};
    Dwfl_Line *line = dw.dwfl_module_getsrc(module, address);
    if (line != NULL) {
        places[0].file = dw.dwfl_lineinfo(line, NULL, &places[0].line, NULL, NULL, NULL);
    }
    size_t count = line != NULL ? enclosing(module, address, places) : 0;
    if (count == 0) {
        places[0].function = dw.dwfl_module_addrname(module, address);
        count = 1;
    }
    if (places[0].file == NULL) {
        places[0].file = dw.dwfl_module_info(module, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
        places[0].line = 0;
    }
    return count;
}

#else

struct ku__symbols {
    void *session; /* always NULL */
};

#endif

/* ---- one address, by the dynamic linker ---- */

static size_t find_by_linker(uintptr_t address, ku__place_in_code *places) {
    Dl_info info;
    places[0] = (ku__place_in_code){0};
    if (dladdr((const void *)address, &info) != 0) {
        places[0].function = info.dli_sname;
        places[0].file = info.dli_fname;
    }
    return 1;
}

/* ---- for the library ---- */

ku__symbols *ku__symbols_open(void) {
    ku__symbols *symbols = calloc(1, sizeof *symbols);
#ifdef KU_HAVE_LIBDW
    if (symbols != NULL && have_libdw()) {
        begin(symbols);
    }
#endif
    return symbols;
}

void ku__symbols_close(ku__symbols *symbols) {
#ifdef KU_HAVE_LIBDW
    if (symbols != NULL && symbols->session != NULL) {
        dw.dwfl_end(symbols->session);
    }
#endif
    free(symbols);
}

bool ku__symbols_know_lines(const ku__symbols *symbols) {
    return symbols->session != NULL;
}

size_t ku__symbols_find(ku__symbols *symbols, uintptr_t address, ku__place_in_code *places) {
    size_t count = 0;
    (void)symbols;
#ifdef KU_HAVE_LIBDW
    if (symbols->session != NULL) {
        count = find_by_libdw(symbols, address, places);
    }
#endif
    return count != 0 ? count : find_by_linker(address, places);
}
