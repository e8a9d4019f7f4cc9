/* error.c: names of codes, and Python's for them. See kucha/error.h. */
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
    case KU_GONE: return "KU_GONE";
    case KU_ZOMBIE: return "KU_ZOMBIE";
    case KU_DENIED: return "KU_DENIED";
    case KU_TYPE: return "KU_TYPE";
    case KU_ATTRIBUTE: return "KU_ATTRIBUTE";
    case KU_NAME: return "KU_NAME";
    case KU_KEY: return "KU_KEY";
    case KU_INDEX: return "KU_INDEX";
    case KU_VALUE: return "KU_VALUE";
    case KU_OVERFLOW: return "KU_OVERFLOW";
    case KU_ZERO_DIVISION: return "KU_ZERO_DIVISION";
    case KU_RECURSION: return "KU_RECURSION";
    case KU_REFERENCE: return "KU_REFERENCE";
    case KU_RUNTIME: return "KU_RUNTIME";
    case KU_RAISED: return "KU_RAISED";
    }
    return "unknown";
}

const char *ku_code_exception(ku_code code) {
    switch (code) {
    case KU_OK: return "no error";
    case KU_NO_MEMORY:
    case KU_LIMIT: return "MemoryError";
    case KU_INVALID: return "ValueError";
    case KU_CORRUPT: return "SystemError";
    case KU_IO: return "OSError";
    case KU_STATE: return "RuntimeError";
    case KU_GONE:
    case KU_ZOMBIE: return "ProcessLookupError";
    case KU_DENIED: return "PermissionError";
    case KU_TYPE: return "TypeError";
    case KU_ATTRIBUTE: return "AttributeError";
    case KU_NAME: return "NameError";
    case KU_KEY: return "KeyError";
    case KU_INDEX: return "IndexError";
    case KU_VALUE: return "ValueError";
    case KU_OVERFLOW: return "OverflowError";
    case KU_ZERO_DIVISION: return "ZeroDivisionError";
    case KU_RECURSION: return "RecursionError";
    case KU_REFERENCE: return "ReferenceError";
    case KU_RUNTIME: return "RuntimeError";
    case KU_RAISED: return "Exception";
    }
    return "unknown";
}
