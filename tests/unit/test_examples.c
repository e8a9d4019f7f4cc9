/* test_examples.c: the programs of examples/native print what is written beside them.
 *
 * EXAMPLES_SOURCE is the folder of the sources, EXAMPLES_BUILD that of the programs; the build defines both.
 */
#include "support.h"

#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum { TEXT_MOST = 1 << 16, LEAST_EXAMPLES = 15 };

/* Reads to the end; returns the terminated text. */
static const char *read_all(FILE *stream, char *text) {
    size_t length = fread(text, 1, TEXT_MOST - 1, stream);
    text[length] = '\0';
    return text;
}

static const char *expected_of(const char *path, char *text) {
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    read_all(file, text);
    fclose(file);
    return text;
}

static void run_and_compare(const char *expected_path) {
    static char wanted[TEXT_MOST], printed[TEXT_MOST];
    char command[8192], path[4096];
    snprintf(path, sizeof path, "%s", expected_path);
    char *name = basename(path);
    name[strcspn(name, ".")] = '\0';
    snprintf(command, sizeof command, "'%s/%s' 2>&1", EXAMPLES_BUILD, name);
    FILE *stream = popen(command, "r"); /* the command is of this build's own making */
    assert_non_null(stream);
    read_all(stream, printed);
    int status = pclose(stream);
    if (strcmp(printed, expected_of(expected_path, wanted)) != 0) {
        print_message("%s printed\n%s", name, printed);
    }
    assert_string_equal(printed, wanted);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_examples_print_what_is_written_beside_them(void **state) {
    (void)state;
    glob_t found;
    assert_int_equal(glob(EXAMPLES_SOURCE "/*.expected", 0, NULL, &found), 0);
    assert_true(found.gl_pathc >= LEAST_EXAMPLES);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        run_and_compare(found.gl_pathv[i]);
    }
    globfree(&found);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_examples_print_what_is_written_beside_them)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
