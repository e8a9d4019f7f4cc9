/* test_calls.c: what the checking build asks of every public call: that nothing it is given was freed, and that it
 * leaks no reference. Each fault happens in a child, which must end with the sentence that names the object.
 *
 * calls_table.h is made of the public headers (scripts/tools/checked_calls.py): one entry for each place of each
 * function for an object. So a new function is tested as soon as it is declared.
 */
#include "objects.h"

#include "calls_table.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* AddressSanitizer sees the use of a freed object before the library does, and says less. */
#if defined(__SANITIZE_ADDRESS__)
#define FREED "use-after-poison"
#define FREED_PLACE ""
#else
#define FREED "kucha: use after free, or of what is no object: object of type 'node' at 0x"
#define FREED_PLACE ", made_here"
#endif

static char said[1 << 16]; /* by the child */

/* Runs act() in a child with an isolate; its standard error is in `said`. Returns whether the child came to the end. */
static bool comes_to_its_end(void (*act)(ku_isolate *isolate, ku_object *object), bool freed) {
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        ku_isolate *isolate = isolate_with(&(ku_isolate_options){.flags = KU_ISOLATE_CHECK_CALLS});
        static const ku_place place = {__FILE__, "made_here", __LINE__};
        ku_frame frame;
        ku_frame_enter(&frame, isolate, &place, NULL, 0);
        ku_object *object = ku_new(isolate, type_of_spec(&node_spec));
        if (freed) {
            ku_decref(isolate, object);
        }
        act(isolate, object);
        _exit(0);
    }
    close(ends[1]);
    size_t length = 0;
    for (ssize_t got; (got = read(ends[0], said + length, sizeof said - 1 - length)) > 0;) {
        length += (size_t)got;
    }
    said[length] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void every_call_finds_a_freed_object_and_its_birthplace(void **state) {
    (void)state;
    assert_true(sizeof calls / sizeof *calls > 200);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (comes_to_its_end(calls[i].call, true) || strstr(said, FREED) == NULL || strstr(said, FREED_PLACE) == NULL) {
            fail_msg("%s: not found, but: %s", calls[i].name, said);
        }
    }
}

/* A function of the program that takes a reference for good. */
static ku_object *keep_one(ku_isolate *isolate, ku_object *self, ku_object *const *arguments, size_t count) {
    (void)self;
    (void)count;
    ku_incref(arguments[0]);
    return ku_none(isolate);
}

static void call_what_leaks(ku_isolate *isolate, ku_object *object) {
    ku_object *function = ku_function_new(isolate, "keep_one", keep_one, 1, 1, NULL);
    ku_call(isolate, function, &object, 1);
}

static void a_call_that_leaks_a_reference_is_told_with_the_birthplace(void **state) {
    (void)state;
    assert_false(comes_to_its_end(call_what_leaks, false));
    assert_non_null(strstr(said, "kucha: ku_call leaked 1 reference: object of type 'node' at 0x"));
    assert_non_null(strstr(said, ", made_here"));
}

static ku_object *kept;
static bool keep_at_the_end(ku_isolate *isolate, ku_object *self) {
    (void)isolate;
    kept = ku_new_reference(as_node(self)->left);
    return true;
}

/* Not the call's own work, but done in it: giving up a reference is a call, too. */
static void end_what_leaks(ku_isolate *isolate, ku_object *object) {
    static const ku_type_spec spec = {
        .name = "keeper", .size = sizeof(node), .fields = node_fields, .finalize = keep_at_the_end};
    ku_object *keeper = ku_new(isolate, type_of_spec(&spec));
    as_node(keeper)->left = object;
    ku_object *list = ku_list_new(isolate, &keeper, 1);
    ku_decref(isolate, keeper);
    ku_list_clear(isolate, list);
}

static void a_finalizer_that_leaks_is_told(void **state) {
    (void)state;
    assert_false(comes_to_its_end(end_what_leaks, false));
    assert_non_null(strstr(said, "kucha: ku_list_clear leaked 1 reference: object of type 'node' at 0x"));
}

static void keep_in_a_root(ku_isolate *isolate, ku_object *object) {
    ku_root_add(isolate, &kept);
    end_what_leaks(isolate, object);
}

static void what_a_root_keeps_is_no_leak(void **state) {
    (void)state;
    if (!comes_to_its_end(keep_in_a_root, false)) {
        fail_msg("%s", said);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_finds_a_freed_object_and_its_birthplace),
        cmocka_unit_test(a_call_that_leaks_a_reference_is_told_with_the_birthplace),
        cmocka_unit_test(a_finalizer_that_leaks_is_told),
        cmocka_unit_test(what_a_root_keeps_is_no_leak),
    };
    return cmocka_run_group_tests_name("objects: calls in the checking build", tests, NULL, NULL);
}
