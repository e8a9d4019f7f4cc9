/* fault.c: see fault.h. */
#include "alloc/fault.h"

#include <stdio.h>
#include <unistd.h>

void ku__fault_report(const char *what, const void *block) {
    char text[200];
    int length = snprintf(text, sizeof text, "kucha: %s (block %p); it was left alone\n", what, block);
    if (length > 0) {
        size_t bytes = (size_t)length < sizeof text ? (size_t)length : sizeof text - 1;
        ssize_t written = write(STDERR_FILENO, text, bytes);
        (void)written; /* nothing can be done where standard error is closed */
    }
}
