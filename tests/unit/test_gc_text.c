/* test_gc_text.c: what the collector prints and tells is what CPython's gc module prints and tells: debug flags,
 * callbacks, garbage.
 *
 * The same program is run here and by whatever python3 there is; every version from 3.11 to 3.15 says the same but for
 * addresses, seconds, and how many objects the interpreter itself has, which are replaced on both sides.
 */
#include "objects.h"

#include <ctype.h>
#include <unistd.h>

static const char python[] =
    "import gc, sys\n"
    "class Node:\n"
    "    __slots__ = ('left', 'right', '__weakref__')\n"
    "class Watched(Node):\n"
    "    __slots__ = ()\n"
    "    def __del__(self): pass\n"
    "def pair(kind):\n"
    "    a, b = kind(), kind()\n"
    "    a.left, b.left = b, a\n"
    "def say(*what):\n"
    "    print(*what, file=sys.stderr)\n"
    "def said(phase, info):\n"
    "    if phase == 'start':\n"
    "        say('start', info['generation'])\n"
    "    else:\n"
    "        say('stop', info['generation'], info['collected'], info['uncollectable'])\n"
    "gc.disable()\n"
    "gc.collect()\n"
    "say('flags', gc.DEBUG_STATS, gc.DEBUG_COLLECTABLE, gc.DEBUG_UNCOLLECTABLE, gc.DEBUG_SAVEALL, gc.DEBUG_LEAK)\n"
    "for generation in (0, 1, 2):\n"
    "    gc.set_debug(gc.DEBUG_STATS | gc.DEBUG_COLLECTABLE)\n"
    "    pair(Node)\n"
    "    found = gc.collect(generation)\n"
    "    gc.set_debug(0)\n"
    "    say('found', found)\n"
    "gc.set_debug(gc.DEBUG_STATS | gc.DEBUG_UNCOLLECTABLE)\n"
    "pair(Watched)\n"
    "say('found', gc.collect())\n"
    "gc.set_debug(gc.DEBUG_LEAK)\n"
    "pair(Node)\n"
    "found = gc.collect()\n"
    "gc.set_debug(0)\n"
    "say('found', found, *[type(o).__name__ for o in gc.garbage])\n"
    "gc.garbage.clear()\n"
    "gc.collect()\n"
    "gc.callbacks.append(said)\n"
    "pair(Node)\n"
    "gc.collect(1)\n"
    "gc.collect()\n";

/* ---- the same for a heap of ours ---- */

static bool pass(ku_isolate *isolate, ku_object *self) {
    (void)isolate;
    (void)self;
    return true;
}

static const ku_type_spec pair_spec = {
    .name = "Node", .size = sizeof(node), .fields = node_fields, .flags = KU_TYPE_WEAKREFS};
static const ku_type_spec watched_spec = {
    .name = "Watched", .size = sizeof(node), .fields = node_fields, .finalize = pass};

static void pair(ku_isolate *isolate, const ku_type_spec *kind) {
    ku_object *a = ku_new(isolate, type_of_spec(kind)), *b = ku_new(isolate, type_of_spec(kind));
    as_node(a)->left = b;
    as_node(b)->left = a;
}

static void say(ku_isolate *isolate, ku_gc_phase phase, const ku_gc_info *info, void *argument) {
    (void)isolate;
    (void)argument;
    if (phase == KU_GC_START) {
        fprintf(stderr, "start %d\n", info->generation);
    } else {
        fprintf(stderr, "stop %d %zu %zu\n", info->generation, info->collected, info->uncollectable);
    }
}

static void tell_garbage(ku_isolate *isolate, size_t found) {
    ku_object *garbage = ku_gc_garbage(isolate);
    fprintf(stderr, "found %zu", found);
    for (size_t i = 0; i < ku_list_length(garbage); i++) {
        fprintf(stderr, " %s", ku_type_name(ku_type_of(ku_list_at(garbage, i))));
    }
    fputc('\n', stderr);
    ku_list_clear(isolate, garbage);
}

static void run_ours(ku_isolate *isolate) {
    ku_gc_disable(isolate);
    ku_gc_collect(isolate, 2);
    fprintf(stderr, "flags %d %d %d %d %d\n", KU_GC_STATS, KU_GC_COLLECTABLE, KU_GC_UNCOLLECTABLE, KU_GC_SAVEALL,
            KU_GC_LEAK);
    for (int generation = 0; generation < KU_GC_GENERATIONS; generation++) {
        ku_gc_set_debug(isolate, KU_GC_STATS | KU_GC_COLLECTABLE);
        pair(isolate, &pair_spec);
        size_t found = ku_gc_collect(isolate, generation);
        ku_gc_set_debug(isolate, 0);
        fprintf(stderr, "found %zu\n", found);
    }
    ku_gc_set_debug(isolate, KU_GC_STATS | KU_GC_UNCOLLECTABLE);
    pair(isolate, &watched_spec);
    fprintf(stderr, "found %zu\n", ku_gc_collect(isolate, KU_GC_ALL));
    ku_gc_set_debug(isolate, KU_GC_LEAK);
    pair(isolate, &pair_spec);
    size_t found = ku_gc_collect(isolate, KU_GC_ALL);
    ku_gc_set_debug(isolate, 0);
    tell_garbage(isolate, found);
    ku_gc_collect(isolate, KU_GC_ALL);
    assert_true(ku_gc_add_callback(isolate, say, NULL));
    pair(isolate, &pair_spec);
    ku_gc_collect(isolate, 1);
    ku_gc_collect(isolate, KU_GC_ALL);
    ku_gc_remove_callback(isolate, say, NULL);
}

/* ---- comparing ---- */

enum { TEXT_SIZE = 1 << 14 };

static void read_back(FILE *file, char *text) {
    rewind(file);
    text[fread(text, 1, TEXT_SIZE - 1, file)] = '\0';
    fclose(file);
}

/* Puts # in the place of an address and of a number with a point; and, in lines about what the interpreter has, of
 * every number. */
static void smooth(char *text) {
    char *to = text;
    bool own = false;
    for (const char *at = text; *at != '\0';) {
        own = strncmp(at, "gc: objects in", 14) == 0 || (own && *at != '\n');
        size_t digits = strncmp(at, "0x", 2) == 0 ? 2 + strspn(at + 2, "0123456789abcdef") : strspn(at, "0123456789.");
        bool number = isdigit((unsigned char)*at) && (own || at[1] == 'x' || memchr(at, '.', digits) != NULL);
        at += number ? digits : 1;
        *to++ = number ? '#' : at[-1];
    }
    *to = '\0';
}

static void test_the_collector_says_what_cpythons_says(void **state) {
    static char ours[TEXT_SIZE], theirs[TEXT_SIZE];
    char command[64 + sizeof python];
    snprintf(command, sizeof command, "python3 -I -S -c \"%s\" 2>&1", python);
    FILE *answer = popen(command, "r");
    assert_non_null(answer);
    theirs[fread(theirs, 1, TEXT_SIZE - 1, answer)] = '\0';
    if (pclose(answer) != 0) {
        print_message("no python3 to compare with: %s\n", theirs);
        skip();
    }
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stderr);
    int saved = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    run_ours((ku_isolate *)*state);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    read_back(file, ours);
    smooth(ours);
    smooth(theirs);
    assert_non_null(strstr(ours, "gc: done, 2 unreachable, 0 uncollectable, #s elapsed\n"));
    assert_string_equal(ours, theirs);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_collector_says_what_cpythons_says, open_isolate, close_isolate)};
    return cmocka_run_group_tests_name("the collector's words", tests, NULL, NULL);
}
