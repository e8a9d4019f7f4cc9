/* test_object_verify.c: what the checking build finds: a count below zero, a use after free, a use while an object
 * ends. Each fault happens in a child, which must end with the sentence that names the object. In other builds there is
 * nothing to find. */
#include "objects.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef KU_CHECKING

/* Whatever a tool adds to the report, the sentence is in it. */
static void assert_fault(void (*act)(ku_isolate *isolate), const char *sentence, const char *place) {
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        ku_isolate *isolate = isolate_with(&(ku_isolate_options){.flags = KU_ISOLATE_BIRTHPLACES});
        KU_FRAME(isolate, frame, 0);
        act(isolate);
        _exit(0);
    }
    close(ends[1]);
    static char text[1 << 16];
    size_t length = 0;
    for (ssize_t got; (got = read(ends[0], text + length, sizeof text - 1 - length)) > 0;) {
        length += (size_t)got;
    }
    text[length] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    if (strstr(text, sentence) == NULL || strstr(text, place) == NULL) {
        fail_msg("not found: %s ... %s\nin: %s", sentence, place, text);
    }
}

static ku_object *made_here(ku_isolate *isolate) {
    KU_FRAME(isolate, frame, 0);
    return ku_new(isolate, type_of_spec(&node_spec));
}

static void use_after_free(ku_isolate *isolate) {
    ku_object *object = made_here(isolate);
    ku_decref(isolate, object);
    ku_incref(object);
}

static void give_up_twice(ku_isolate *isolate) {
    ku_object *object = made_here(isolate);
    object->count = 0;
    ku_decref(isolate, object);
}

static ku_object *ending;
static void use_what_ends(ku_isolate *isolate, ku_object *reference, void *argument) {
    (void)isolate;
    (void)reference;
    (void)argument;
    ku_incref(ending);
}
static void use_while_it_ends(ku_isolate *isolate) {
    ending = made_here(isolate);
    ku_weakref_new_c(isolate, ending, use_what_ends, NULL);
    ku_decref(isolate, ending);
}

#if defined(__SANITIZE_ADDRESS__)
#define FREED "use-after-poison"
#define FREED_PLACE ""
#else
#define FREED "kucha: use after free, or of what is no object: object of type 'node' at 0x"
#define FREED_PLACE ", made_here"
#endif

static void a_use_after_free_is_found_with_the_birthplace(void **state) {
    (void)state;
    assert_fault(use_after_free, FREED, FREED_PLACE);
}

static void a_count_below_zero_is_found_with_the_birthplace(void **state) {
    (void)state;
    assert_fault(give_up_twice, "kucha: count below zero: object of type 'node' at 0x", ", made_here");
}

static void a_use_while_an_object_ends_is_found(void **state) {
    (void)state;
    assert_fault(use_while_it_ends, "kucha: use of an object while it ends: object of type 'node' at 0x",
                 ", made_here");
}

#else

static void only_the_checking_build_looks(void **state) {
    (void)state;
    ku_isolate *isolate = isolate_with(NULL);
    ku_object *object = ku_new(isolate, type_of_spec(&node_spec));
    ku_incref(object);
    ku_decref(isolate, object);
    assert_int_equal(ku_reference_count(object), 1);
    ku_decref(isolate, object);
    assert_int_equal(ku_isolate_delete(isolate), 0);
}

#endif

int main(void) {
    const struct CMUnitTest tests[] = {
#ifdef KU_CHECKING
        cmocka_unit_test(a_use_after_free_is_found_with_the_birthplace),
        cmocka_unit_test(a_count_below_zero_is_found_with_the_birthplace),
        cmocka_unit_test(a_use_while_an_object_ends_is_found),
#else
        cmocka_unit_test(only_the_checking_build_looks),
#endif
    };
    return cmocka_run_group_tests_name("objects: the checking build", tests, NULL, NULL);
}
