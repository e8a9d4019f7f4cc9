/* test_annotations.c: AddressSanitizer and Memcheck see a misuse of kucha's blocks in a client program. Where neither
 * is there, the program shows that the same uses without misuse are silent. The misuse happens in a child: this
 * program, called by the name of the misuse. */
#include "support.h"

#include "alloc/annotate.h"

#include <kucha/kucha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REPORTED = 99 }; /* exit code that the tools are told to use */

static int misuse(const char *name) {
    ku_heap *heap = ku_heap_new(NULL, NULL);
    volatile char *block = ku_heap_malloc(heap, 48);
    block[0] = 1;
    if (strcmp(name, "read-after-free") == 0) {
        ku_heap_free(heap, (void *)block);
        printf("%d\n", block[0]);
    } else if (strcmp(name, "write-after-free") == 0) {
        ku_heap_free(heap, (void *)block);
        block[40] = 1;
    } else if (strcmp(name, "never-given-out") == 0) {
        block[48 * 60] = 1;
    } else if (strcmp(name, "nothing") == 0) {
        for (int i = 0; i < 10000; i++) {
            char *other = ku_heap_malloc(heap, (size_t)i % 700);
            memset(other, i, (size_t)i % 700);
            ku_heap_free(heap, i % 3 == 0 ? ku_heap_realloc(heap, other, 77) : other);
        }
        ku_heap_purge(heap);
    }
    ku_heap_delete(heap);
    return 0;
}

#if defined(KU__ANNOTATE_ASAN)
static const char *const tool = "ASAN_OPTIONS=exitcode=99 ";
#elif defined(KU_ANNOTATE_VALGRIND)
static const char *const tool = "valgrind -q --error-exitcode=99 ";
#else
static const char *const tool = NULL;
#endif

static int run(const char *name) {
    char self[1000], command[1200];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(length > 0);
    self[length] = '\0';
    snprintf(command, sizeof command, "%s'%s' %s >/dev/null 2>&1", tool != NULL ? tool : "", self, name);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void correct_use_is_silent(void **state) {
    (void)state;
    assert_int_equal(run("nothing"), 0);
}

static void misuse_is_reported(void **state) {
    (void)state;
    if (tool == NULL) {
        skip();
    }
    assert_int_equal(run("read-after-free"), REPORTED);
    assert_int_equal(run("write-after-free"), REPORTED);
    assert_int_equal(run("never-given-out"), REPORTED);
}

int main(int argc, char **argv) {
    if (argc > 1) {
        return misuse(argv[1]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(correct_use_is_silent),
        cmocka_unit_test(misuse_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
