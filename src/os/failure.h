/* failure.h: filling in the one error structure (kucha/error.h). Every room may use it; nothing is allocated. */
#ifndef KU__FAILURE_H
#define KU__FAILURE_H

#include <kucha/error.h>

/* Fills the error, if there is one, with a code, errno (or 0) and a formatted sentence; longer ones are cut. Keeps
 * errno. */
__attribute__((format(printf, 4, 5))) void ku__error_format(ku_error *error, ku_code code, int os_error,
                                                            const char *format, ...);

#endif
