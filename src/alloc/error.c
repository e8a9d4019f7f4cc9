/* error.c: names of codes. See kucha/error.h. */
#include <kucha/error.h>

const char *ku_code_name(ku_code code) {
    switch (code) {
    case KU_OK: return "KU_OK";
    case KU_NO_MEMORY: return "KU_NO_MEMORY";
    case KU_LIMIT: return "KU_LIMIT";
    case KU_INVALID: return "KU_INVALID";
    case KU_CORRUPT: return "KU_CORRUPT";
    case KU_IO: return "KU_IO";
    case KU_STATE: return "KU_STATE";
    }
    return "unknown";
}
