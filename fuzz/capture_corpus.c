/* capture_corpus.c: see capture_corpus.h. */
#include "capture_corpus.h"
#include "target.h"

#include "trace/format.h"

#include <kucha/group.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- seeds ---- */

typedef struct builder {
    uint8_t *bytes;
    ku__file_state state;
} builder;

static void add_chunk(builder *out, const char *type, uint64_t count, const void *payload, size_t size) {
    ku__file_chunk head = {.size = size, .count = count};
    memcpy(head.type, type, 4);
    memcpy(out->bytes + out->state.end, &head, sizeof head);
    if (size != 0) memcpy(out->bytes + out->state.end + sizeof head, payload, size);
    out->state.end += sizeof head + ((size + 7) & ~(size_t)7);
}

static void add_texts(builder *out, unsigned functions) {
    uint8_t payload[4096];
    unsigned count = functions + 2;
    uint32_t length = 4, table_length = 9;
    size_t used = count * sizeof length;
    static const uint8_t table[] = {0x80 | 11 << 3 | 1, 0, 0, 0x80 | 14 << 3, 2, 0, 1, 1, 0x80 | 15 << 3};
    for (unsigned i = 0; i < count; i++) {
        bool is_table = i == 1;
        memcpy(payload + i * sizeof length, is_table ? &table_length : &length, sizeof length);
        memcpy(payload + used, is_table ? (const void *)table : "f.py", is_table ? table_length : length);
        if (i > 1) payload[used] = (uint8_t)('a' + i % 26);
        used += (is_table ? table_length : length) + 1;
        payload[used - 1] = 0;
    }
    add_chunk(out, "TEXT", count, payload, used);
    out->state.strings += count;
}

static void add_codes_and_frames(builder *out, unsigned functions) {
    ku__file_code codes[64];
    ku__file_pair frames[128];
    for (uint32_t i = 0; i < functions; i++) {
        codes[i] = (ku__file_code){1 + i % 2, 3 + i, 2, (int32_t)(10 * i)};
        frames[2 * i] = (ku__file_pair){i + 1, 0};
        frames[2 * i + 1] = (ku__file_pair){i + 1, 4};
    }
    add_chunk(out, "CODE", functions, codes, functions * sizeof codes[0]);
    add_chunk(out, "FRAM", functions * 2ull, frames, functions * 2 * sizeof frames[0]);
    out->state.codes += functions;
    out->state.frames += functions * 2;
}

static void add_sites(builder *out, unsigned functions, unsigned depth) {
    ku__file_pair nodes[512];
    uint32_t sites[512];
    unsigned count = 0;
    for (uint32_t i = 0; i < functions * 2 && count + depth < 512; i++)
        for (uint32_t level = 0; level < depth; level++, count++) {
            nodes[count] = (ku__file_pair){level == 0 ? 0 : count, 1 + (i + level) % (functions * 2)};
            sites[count] = count + 1;
        }
    add_chunk(out, "NODE", count, nodes, count * sizeof nodes[0]);
    add_chunk(out, "SITE", count, sites, count * sizeof sites[0]);
    out->state.nodes += count;
    out->state.sites += count;
}

static void add_place(builder *out, unsigned heaps) {
    uint64_t pages = (out->state.sites + KU__FILE_PAGE_ROWS - 1) / KU__FILE_PAGE_ROWS;
    ku__file_table table = {.rows = out->state.sites, .pages = pages, .heaps = heaps};
    out->state.table = sizeof table + pages * 8 + heaps * sizeof(ku_capture_heap);
    table.rows_offset = (out->state.table + 7) & ~7ull;
    ku__file_chunk head = {.type = "PLAC", .size = table.rows_offset + pages * KU__FILE_PAGE_SIZE};
    memcpy(out->bytes + out->state.end, &head, sizeof head);
    out->state.place = out->state.end + sizeof head;
    memcpy(out->bytes + out->state.place, &table, sizeof table);
    for (uint64_t site = 1; site < out->state.sites; site++) {
        ku_capture_counts counts = {site * 100, site, site * 200, site * 2, site * 400, site * 4, site % 3};
        memcpy(out->bytes + out->state.place + table.rows_offset + site * sizeof counts, &counts, sizeof counts);
    }
    out->state.end = out->state.place + head.size;
}

size_t corpus_seed(unsigned number, uint8_t *bytes) {
    unsigned functions = number * 3 % 20, depth = 1 + number * 5 % 12;
    ku__file_header header = {.magic = {'K', 'U', 'C', 'H', 'A', 'C', 'A', 'P'},
                              .version = KU_CAPTURE_VERSION,
                              .byte_order = KU__FILE_BYTE_ORDER,
                              .process = 1,
                              .frames = depth,
                              .block_unit = 1,
                              .identity = number};
    memcpy(bytes, &header, sizeof header);
    builder out = {bytes,
                   {.magic = KU__STATE_MAGIC,
                    .identity = number,
                    .sequence = number,
                    .updated = 1.5,
                    .flags = 1,
                    .end = KU__FILE_CHUNKS_OFFSET,
                    .strings = 1,
                    .codes = 1,
                    .frames = 1,
                    .nodes = 1,
                    .sites = 1}};
    if (functions != 0) {
        add_texts(&out, functions);
        add_codes_and_frames(&out, functions);
        add_sites(&out, functions, depth);
    }
    ku_capture_point point = {.seconds = 1, .live_bytes = 7};
    add_chunk(&out, "TIME", 1, &point, sizeof point);
    out.state.points = 1;
    add_chunk(&out, "NEWS", 0, NULL, 0); /* a type of a later writer */
    add_place(&out, number % 3);
    memcpy(bytes + KU__FILE_STATE_OFFSET + number % 2 * KU__FILE_STATE_STEP, &out.state, sizeof out.state);
    corpus_repair(bytes, out.state.end);
    size_t size = out.state.end;
    while (bytes[size - 1] == 0) size--;
    return size;
}

/* ---- mutated captures ---- */

static uint64_t asked_for(const uint8_t *bytes, size_t size) {
    uint64_t most = size;
    for (int place = 0; place < 2; place++) {
        ku__file_state state;
        size_t offset = KU__FILE_STATE_OFFSET + (size_t)place * KU__FILE_STATE_STEP;
        if (offset + sizeof state > size) continue;
        memcpy(&state, bytes + offset, sizeof state);
        if (state.end > most && state.end <= CORPUS_SIZE_MOST) most = state.end;
    }
    return most;
}

size_t corpus_extend(const uint8_t *input, size_t size, uint8_t *bytes) {
    if (size > CORPUS_SIZE_MOST) size = CORPUS_SIZE_MOST;
    size_t whole = asked_for(input, size);
    if (size != 0) memcpy(bytes, input, size);
    memset(bytes + size, 0, whole - size);
    return whole;
}

static void repair_chunks(uint8_t *bytes, size_t size) {
    for (uint64_t offset = KU__FILE_CHUNKS_OFFSET; offset < size && size - offset >= sizeof(ku__file_chunk);) {
        ku__file_chunk head;
        memcpy(&head, bytes + offset, sizeof head);
        uint64_t room = size - offset - sizeof head;
        if (head.size > room) return;
        if (memcmp(head.type, "PLAC", 4) != 0) head.checksum = XXH64(bytes + offset + sizeof head, head.size, 0);
        memcpy(bytes + offset, &head, sizeof head);
        offset += sizeof head + ((head.size + 7) & ~7ull);
    }
}

static void repair_place(uint8_t *bytes, size_t size, ku__file_state *state) {
    ku__file_table table;
    if (state->place > size || state->table > size - state->place || state->table < sizeof table) return;
    uint8_t *payload = bytes + state->place;
    uint64_t room = size - state->place;
    memcpy(&table, payload, sizeof table);
    uint64_t pages = table.pages < (state->table - sizeof table) / 8 ? table.pages : (state->table - sizeof table) / 8;
    for (uint64_t page = 0; page < pages; page++) {
        uint64_t start = page * KU__FILE_PAGE_SIZE;
        if (table.rows_offset > room || start + KU__FILE_PAGE_SIZE > room - table.rows_offset) break;
        uint64_t checksum = XXH64(payload + table.rows_offset + start, KU__FILE_PAGE_SIZE, 0);
        memcpy(payload + sizeof table + page * 8, &checksum, sizeof checksum);
    }
    state->table_checksum = XXH64(payload, state->table, 0);
}

void corpus_repair(uint8_t *bytes, size_t size) {
    ku__file_header header;
    if (size < sizeof header) return;
    memcpy(&header, bytes, sizeof header);
    header.checksum = XXH64(&header, offsetof(ku__file_header, checksum), 0);
    memcpy(bytes, &header, sizeof header);
    repair_chunks(bytes, size);
    for (int place = 0; place < 2; place++) {
        ku__file_state state;
        size_t offset = KU__FILE_STATE_OFFSET + (size_t)place * KU__FILE_STATE_STEP;
        if (offset + sizeof state > size) return;
        memcpy(&state, bytes + offset, sizeof state);
        repair_place(bytes, size, &state);
        state.checksum = XXH64(&state, offsetof(ku__file_state, checksum), 0);
        memcpy(bytes + offset, &state, sizeof state);
    }
}

/* ---- use ---- */

static uint64_t consumed; /* so that reading cannot be optimised away */

static void consume(const void *bytes, size_t size) {
    consumed += XXH64(bytes, size, consumed);
}

static void use_groups(const ku_capture *capture, ku_group_key key, bool cumulative) {
    ku_groups *groups = ku_capture_group(capture, key, cumulative, NULL);
    for (size_t i = 0; groups != NULL && i < groups->count; i++) {
        consume(groups->rows[i].filename.bytes, groups->rows[i].filename.size + 1);
        consume(&groups->rows[i].counts, sizeof groups->rows[i].counts);
    }
    ku_groups_free(groups);
}

static void use_sites(const ku_capture *capture) {
    uint32_t stack[255];
    for (size_t site = 0; site < ku_capture_site_count(capture); site++) {
        size_t depth = ku_capture_stack_read(capture, site, stack, 255);
        if (depth > 255) abort(); /* deeper than any tracer makes them */
        for (size_t i = 0; i < depth; i++) {
            ku_capture_frame frame;
            ku_capture_code code;
            ku_capture_frame_read(capture, stack[i], &frame);
            ku_capture_code_read(capture, frame.code, &code);
            if (code.filename.bytes[code.filename.size] != 0 || code.qualname.bytes[code.qualname.size] != 0) abort();
            consume(code.filename.bytes, code.filename.size);
            consume(code.qualname.bytes, code.qualname.size);
        }
    }
    consume(ku_capture_counts_of(capture), ku_capture_site_count(capture) * sizeof(ku_capture_counts));
}

int corpus_use(const uint8_t *bytes, size_t size) {
    ku_error error = {0};
    ku_capture *capture = ku_capture_open_bytes(bytes, size, &error);
    if (capture == NULL) {
        if (error.code == KU_OK || error.message[0] == 0) abort(); /* refused without a word */
        return 0;
    }
    ku_capture_info info;
    ku_capture_info_read(capture, &info);
    consume(info.command.bytes, info.command.size + 1);
    for (size_t i = 0; i < ku_capture_heap_count(capture); i++) {
        ku_capture_heap heap;
        ku_capture_heap_read(capture, i, &heap);
        consume(heap.name, strlen(heap.name));
    }
    use_sites(capture);
    use_groups(capture, KU_GROUP_LINE, false);
    use_groups(capture, KU_GROUP_LINE, true);
    use_groups(capture, KU_GROUP_FILE, true);
    use_groups(capture, KU_GROUP_STACK, false);
    ku_capture_close(capture);
    return 1;
}

/* ---- replayed ---- */

/* A few bytes changed, or a word set to a number that is often one too far. */
static size_t mutate(uint8_t *bytes, size_t size) {
    static const uint64_t far[] = {
        0, 1, 7, 255, 256, 511, 512, 513, 4095, 65536, UINT32_MAX, INT64_MAX, UINT64_MAX - 7, UINT64_MAX};
    for (uint64_t changes = 1 + fuzz_random() % 4; changes > 0; changes--) {
        size_t at = fuzz_random() % 3 == 0 ? 512 + fuzz_random() % 700 : fuzz_random() % size;
        if (fuzz_random() % 2)
            bytes[at] = (uint8_t)fuzz_random();
        else if ((at &= ~(size_t)7) + 8 <= size)
            memcpy(bytes + at, &far[fuzz_random() % (sizeof far / sizeof far[0])], 8);
    }
    return size;
}

static bool accepts(const uint8_t *seed, size_t size) {
    static uint8_t bytes[CORPUS_SIZE_MOST];
    return corpus_use(bytes, corpus_extend(seed, size, bytes)) != 0;
}

const fuzz_corpus corpus = {.what = "capture",
                            .seeds = CORPUS_SEEDS,
                            .mutations = 1500,
                            .size_most = CORPUS_SIZE_MOST,
                            .seed = corpus_seed,
                            .accepts = accepts,
                            .mutate = mutate};
