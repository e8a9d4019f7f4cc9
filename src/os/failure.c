/* failure.c: see failure.h. */
#include "failure.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void ku__error_format(ku_error *error, ku_code code, int os_error, const char *format, ...) {
    if (error == NULL) return;
    int saved = errno;
    *error = (ku_error){.code = code, .os_error = os_error};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    errno = saved;
}
