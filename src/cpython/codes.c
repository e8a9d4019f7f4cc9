/* codes.c: code records: our own copy of what a report needs of a code object.
 *
 * When a code object is freed its address may be used again, and everything remembered about addresses must go: a new
 * epoch, in which every stack is looked up again once. Programs that import, or that call eval() or namedtuple(), free
 * code objects all the time. So their blocks are kept back, up to RETIRED_MOST of them: an address that is not given
 * out again cannot mislead. Then all are detached and freed together.
 *
 * Called inside the allocator, so nothing here goes through Python's allocator or may raise: texts are read straight
 * out of the str objects. Compact ASCII is copied as it stands; everything else is encoded here to UTF-8, where a byte
 * that Python smuggled into a file name (PEP 383, U+DC80 to U+DCFF) becomes that byte again and any other lone
 * surrogate becomes U+FFFD.
 *
 * The block of a code object whose record exists is marked with KU__SLOT_CODE, so that freeing it detaches the record.
 * A code object that was born before install has no slot; every block that goes back to the original allocator is
 * looked up instead. Sources: Include/cpython/code.h, PEP 393.
 */
#include "cpython/tracing.h"

#include "cpython/untraced.h"
#include "os/pages.h"

#include <string.h>

/* Room for texts that must be encoded; grown as needed, never returned. Belongs to the holder of the main lane. */
typedef struct scratch {
    char *bytes;
    size_t size;
} scratch;

static scratch encoded_filename, encoded_qualname;

static bool scratch_reserve(scratch *room, size_t size) {
    if (room->size >= size) {
        return true;
    }
    char *bytes = ku__pages_map(size);
    if (bytes == NULL) {
        return false;
    }
    ku__pages_unmap(room->bytes, room->size);
    *room = (scratch){.bytes = bytes, .size = size};
    return true;
}

/* Writes one code point as UTF-8 and returns the bytes used. */
static size_t encode(Py_UCS4 point, char *out) {
    if (point >= 0xDC80 && point <= 0xDCFF) {
        out[0] = (char)(point - 0xDC00);
        return 1;
    }
    if (point >= 0xD800 && point <= 0xDFFF) {
        point = 0xFFFD;
    }
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xC0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3F));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xE0 | point >> 12);
        out[1] = (char)(0x80 | (point >> 6 & 0x3F));
        out[2] = (char)(0x80 | (point & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | point >> 18);
    out[1] = (char)(0x80 | (point >> 12 & 0x3F));
    out[2] = (char)(0x80 | (point >> 6 & 0x3F));
    out[3] = (char)(0x80 | (point & 0x3F));
    return 4;
}

/* The text of a str as UTF-8, in place or in `room`; "?" where there is none to be had. */
static void read_text(PyObject *text, scratch *room, const char **bytes, size_t *size) {
    *bytes = "?";
    *size = 1;
    if (text == NULL || !PyUnicode_Check(text)) {
        return;
    }
    size_t length = (size_t)PyUnicode_GET_LENGTH(text);
    if (PyUnicode_IS_COMPACT_ASCII(text)) {
        *bytes = PyUnicode_DATA(text);
        *size = length;
        return;
    }
    if (!scratch_reserve(room, length * 4 + 1)) {
        return;
    }
    int kind = (int)PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        used += encode(PyUnicode_READ(kind, data, (Py_ssize_t)i), room->bytes + used);
    }
    *bytes = room->bytes;
    *size = used;
}

/* Marks the block that holds the code object. A code object has no collector's header: block and object begin
 * together. */
static void mark_block(const PyCodeObject *code) {
    ku__block_facts facts;
    if (ku__block_find(ku__bridge_state.main_house->objects, code, &facts) && facts.site != NULL) {
        *facts.site |= KU__SLOT_CODE;
        if (!facts.is_large && facts.owner != NULL && ku__tracing_state.tracer->sample_interval > 0) {
            ku__pool_mark_sampled(facts.owner, code);
        }
    }
}

static uint32_t make_record(ku__tracer *tracer, PyCodeObject *code) {
    ku__code_facts facts = {.first_line = code->co_firstlineno};
    read_text(code->co_filename, &encoded_filename, &facts.filename, &facts.filename_bytes);
    read_text(code->co_qualname, &encoded_qualname, &facts.qualname, &facts.qualname_bytes);
    if (code->co_linetable != NULL && PyBytes_Check(code->co_linetable)) {
        facts.line_table = (const uint8_t *)PyBytes_AS_STRING(code->co_linetable);
        facts.line_table_bytes = (size_t)PyBytes_GET_SIZE(code->co_linetable);
    }
    uint32_t record = ku__code_add(tracer, code, &facts);
    if (record != 0) {
        mark_block(code);
    }
    return record;
}

uint32_t ku__code_record(ku__tracer *tracer, PyCodeObject *code) {
    uint32_t record = ku__code_find(tracer, code);
    return record != 0 ? record : make_record(tracer, code);
}

/* ---- freed code ---- */

enum {
    RETIRED_MOST = 64, /* importing argparse and json freed 41 code objects; one epoch costs about 1 ms there */
    RETIRED_BYTES = 512 * 1024, /* what may be kept back in all */
};

static struct {
    unsigned count;
    size_t bytes;
    struct {
        ku_heap *heap;
        void *block;
    } items[RETIRED_MOST];
} retired; /* under the GIL: not used while there are several */

void ku__codes_release(ku__tracer *tracer) {
    for (unsigned i = 0; i < retired.count; i++) {
        ku__code_detach(tracer, retired.items[i].block);
    }
    for (unsigned i = 0; i < retired.count; i++) {
        ku__untraced_slow_free(retired.items[i].heap, retired.items[i].block);
    }
    retired.count = 0;
    retired.bytes = 0;
}

bool ku__code_retire(ku__tracer *tracer, ku_heap *heap, void *block, size_t size) {
    if (ku__bridge_state.many || size > RETIRED_BYTES) {
        ku__code_detach(tracer, block);
        return false;
    }
    if (retired.count == RETIRED_MOST || retired.bytes + size > RETIRED_BYTES) {
        ku__codes_release(tracer);
    }
    retired.items[retired.count].heap = heap;
    retired.items[retired.count].block = block;
    retired.count++;
    retired.bytes += size;
    return true;
}
