/* python.h: the interpreter in a core: its version, its layout, its state.
 *
 * Everything begins at _PyRuntime, which is found by the symbol of that name in the program or its libraries, or, from
 * 3.13 on, by the text that it begins with, which needs no file at all.
 *
 * Sources: Include/internal/pycore_runtime.h and pycore_debug_offsets.h (_Py_DebugOffsets: "xdebugpy", the version,
 * whether there is no GIL, and offsets), Python/pylifecycle.c (Py_Version), at the versions of layout.h.
 */
#ifndef KU__COREFILE_PYTHON_H
#define KU__COREFILE_PYTHON_H

#include "corefile/image.h"
#include "corefile/layout.h"
#include "inspect/python_make.h"

/* What CPython's own structures have in the same place in all versions: Include/object.h, Include/cpython/object.h. */
enum {
    KU__AT_TYPE = 8,         /* ob_type */
    KU__AT_SIZE = 16,        /* ob_size of a PyVarObject */
    KU__HEADER = 16,         /* PyObject */
    KU__VAR_HEADER = 24,     /* PyVarObject */
    KU__GC_HEAD = 16,        /* in front of what the collector tracks */
    KU__TYPE_NAME = 24,      /* tp_name */
    KU__TYPE_BASIC = 32,     /* tp_basicsize */
    KU__TYPE_ITEM = 40,      /* tp_itemsize */
    KU__TYPE_FLAGS = 168,    /* tp_flags */
    KU__TYPE_TRAVERSE = 184, /* tp_traverse */
    KU__TYPE_WEAK = 208,     /* tp_weaklistoffset */
    KU__TYPE_MEMBERS = 240,  /* tp_members */
    KU__TYPE_BASE = 256,     /* tp_base */
    KU__TYPE_DICT = 264,     /* tp_dict */
    KU__TYPE_DICT_AT = 288,  /* tp_dictoffset */
    KU__TYPE_BASES = 336,    /* tp_bases */
    KU__TYPE_MRO = 344,      /* tp_mro */
    KU__TYPE_BYTES = 400,    /* what every version's type has at least */
};

/* Py_TPFLAGS_*: Include/object.h. */
enum {
    KU__FLAG_STATIC_BUILTIN = 1 << 1,
    KU__FLAG_INLINE_VALUES = 1 << 2, /* from 3.13 on */
    KU__FLAG_MANAGED_DICT = 1 << 4,
    KU__FLAG_HEAP_TYPE = 1 << 9,
    KU__FLAG_TRACKED = 1 << 14, /* HAVE_GC */
    KU__FLAG_LIST = 1 << 25,
    KU__FLAG_TUPLE = 1 << 26,
    KU__FLAG_TEXT = 1 << 28,
    KU__FLAG_DICT = 1 << 29,
    KU__FLAG_EXCEPTION = 1 << 30,
};
#define KU__FLAG_TYPE ((uint64_t)1 << 31)

enum { KU__MINOR_UNTAGGED = 13 }; /* the last version whose frames hold plain addresses */

typedef struct ku__python {
    uint32_t version; /* PY_VERSION_HEX */
    unsigned minor;
    ku__layout layout;
    uintptr_t runtime;
    uintptr_t interpreter; /* the main one */
    uintptr_t modules;     /* sys.modules */
    uintptr_t type_type, object_type;
    char text[24]; /* "CPython 3.11.7" */
} ku__python;

/* Finds the interpreter. False with `error` filled: KU_CORRUPT where there is none, or one that cannot be read;
 * `*none` says which. */
bool ku__python_find(ku__python *python, ku__image *image, bool *none, ku_error *error);

static inline uint64_t ku__type_flags_at(ku__image *image, uintptr_t type) {
    return ku__image_number(image, type + KU__TYPE_FLAGS, 8);
}

/* Whether an object lies at an address whose type is a type: as far as a core can tell. */
bool ku__python_is_object(const ku__python *python, ku__image *image, uintptr_t object);

ku__key_table ku__key_table_at(const ku__python *python, ku__image *image, uintptr_t keys);
/* That of a dict that has its values beside the keys; all zero for others. */
ku__key_table ku__key_table_of_dict(const ku__python *python, ku__image *image, uintptr_t dict);

/* A str's text as UTF-8, cut to `size`; returns its bytes, 0 for what is no str. */
size_t ku__python_text(const ku__python *python, ku__image *image, uintptr_t text, char *out, size_t size);

/* What a dict of this kind has under a name; 0: nothing. */
uintptr_t ku__python_value(const ku__python *python, ku__image *image, uintptr_t dict, const char *name);

/* A whole number that fits 64 bits and is not negative; false: it is something else. */
bool ku__python_number(const ku__python *python, ku__image *image, uintptr_t number, uint64_t *value);

/* ---- frames ---- */

/* The innermost frame of a thread with code, and the one that called a frame; 0: none. */
uintptr_t ku__frame_first(const ku__python *python, ku__image *image, uintptr_t thread);
uintptr_t ku__frame_next(const ku__python *python, ku__image *image, uintptr_t frame);

static inline uintptr_t ku__untagged(const ku__python *python, uintptr_t word) {
    return word & ~(uintptr_t)(uint32_t)python->layout.frame_tags;
}

ku__frame_view ku__frame_at(const ku__python *python, ku__image *image, uintptr_t frame);

#endif
