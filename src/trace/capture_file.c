/* capture_file.c: see capture_file.h. */
#include "capture_file.h"

#include "columns.h"
#include "fast.h"
#include "os/clock.h"
#include "tables.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_FIRST ((size_t)256 << 10) /* a chunk's payload aims at this; 16 Ki records of 16 bytes */
#define PLACE_PAGES_LEAST 4              /* 2048 sites: an interpreter's start-up */
#define PLACE_HEAPS_LEAST 8

/* ---- errors ---- */

static bool refuse_write(const ku__capture_file *capture, ku_error *error) {
    int why = errno;
    ku__error_format(error, KU_IO, why, "the capture %.120s cannot be written: %s", capture->file.path, strerror(why));
    return false;
}

static bool refuse_memory(ku_error *error) {
    ku__error_format(error, KU_NO_MEMORY, 0, "no memory to write the capture");
    return false;
}

static bool write_at(const ku__capture_file *capture, const void *bytes, size_t size, uint64_t offset,
                     ku_error *error) {
    return ku__file_write(&capture->file, bytes, size, offset) || refuse_write(capture, error);
}

/* ---- chunks that only grow ---- */

static bool buffer_reserve(ku__capture_file *capture, size_t payload, ku_error *error) {
    size_t needed = sizeof(ku__file_chunk) + payload + 8;
    if (needed <= capture->buffer_size) return true;
    if (needed < BUFFER_FIRST) needed = BUFFER_FIRST;
    uint8_t *buffer = ku__metadata_map(capture->tracer->tables, needed);
    if (buffer == NULL) return refuse_memory(error);
    ku__metadata_unmap(capture->tracer->tables, capture->buffer, capture->buffer_size);
    capture->buffer = buffer;
    capture->buffer_size = needed;
    return true;
}

static uint8_t *payload_of(const ku__capture_file *capture) {
    return capture->buffer + sizeof(ku__file_chunk);
}

/* Writes the payload that lies in the buffer as a chunk behind the last one. */
static bool append_chunk(ku__capture_file *capture, ku__file_state *state, const char *type, uint64_t count,
                         size_t size, ku_error *error) {
    ku__file_chunk head = {.size = size, .count = count, .checksum = XXH64(payload_of(capture), size, 0)};
    memcpy(head.type, type, sizeof head.type);
    memcpy(capture->buffer, &head, sizeof head);
    size_t padded = (size + 7) & ~(size_t)7;
    memset(payload_of(capture) + size, 0, padded - size);
    if (!write_at(capture, capture->buffer, sizeof head + padded, state->end, error)) return false;
    state->end += sizeof head + padded;
    return true;
}

static bool append_records(ku__capture_file *capture, ku__file_state *state, const char *type, const ku__column *column,
                           uint32_t size, uint64_t first, uint64_t last, ku_error *error) {
    if (!buffer_reserve(capture, BUFFER_FIRST - sizeof(ku__file_chunk) - 8, error)) return false;
    uint64_t batch = (BUFFER_FIRST - sizeof(ku__file_chunk) - 8) / size;
    while (first < last) {
        uint64_t count = last - first < batch ? last - first : batch;
        uint8_t *next = payload_of(capture);
        for (uint64_t i = 0; i < count; i++, next += size)
            memcpy(next, ku__column_at(column, (uint32_t)(first + i)),
                   size); /* a node's last word, its site, is not read */
        if (!append_chunk(capture, state, type, count, count * size, error)) return false;
        first += count;
    }
    return true;
}

/* How many strings from `first` go into one chunk, and its payload's size: as many as fit, one at least. */
static uint64_t strings_batch(const ku__tables *tables, uint64_t first, uint64_t last, size_t *size) {
    uint64_t next = first;
    *size = 0;
    while (next < last) {
        const ku__string *string = ku__column_at(&tables->strings, (uint32_t)next);
        size_t more = sizeof(uint32_t) + string->size + 1;
        if (next > first && *size + more > BUFFER_FIRST / 2) break;
        *size += more;
        next++;
    }
    return next - first;
}

static bool append_strings(ku__capture_file *capture, ku__file_state *state, uint64_t first, uint64_t last,
                           ku_error *error) {
    const ku__tables *tables = capture->tracer->tables;
    while (first < last) {
        size_t size;
        uint64_t count = strings_batch(tables, first, last, &size);
        if (!buffer_reserve(capture, size, error)) return false;
        uint8_t *lengths = payload_of(capture), *bytes = lengths + count * sizeof(uint32_t);
        for (uint64_t i = 0; i < count; i++) {
            const ku__string *string = ku__column_at(&tables->strings, (uint32_t)(first + i));
            uint32_t length = (uint32_t)string->size;
            memcpy(lengths + i * sizeof length, &length, sizeof length);
            memcpy(bytes, string->bytes, string->size);
            bytes[string->size] = 0;
            bytes += string->size + 1;
        }
        if (!append_chunk(capture, state, "TEXT", count, size, error)) return false;
        first += count;
    }
    return true;
}

static bool append_new_entries(ku__capture_file *capture, ku__file_state *next, ku_error *error) {
    const ku__tables *tables = capture->tracer->tables;
    const ku__file_state *last = &capture->state;
    /* What a published entry refers to was published earlier, so counts are read from the outside in. */
    next->sites = ku__column_count(&tables->sites);
    next->nodes = ku__column_count(&tables->nodes);
    next->frames = ku__column_count(&tables->frames);
    next->codes = ku__column_count(&tables->codes);
    next->strings = ku__column_count(&tables->strings);
    return append_strings(capture, next, last->strings, next->strings, error) &&
           append_records(capture, next, "CODE", &tables->codes, sizeof(ku__file_code), last->codes, next->codes,
                          error) &&
           append_records(capture, next, "FRAM", &tables->frames, sizeof(ku__file_pair), last->frames, next->frames,
                          error) &&
           append_records(capture, next, "NODE", &tables->nodes, sizeof(ku__file_pair), last->nodes, next->nodes,
                          error) &&
           append_records(capture, next, "SITE", &tables->sites, sizeof(uint32_t), last->sites, next->sites, error);
}

/* ---- timeline ---- */

bool ku__capture_file_point_due(const ku__capture_file *capture) {
    return ku__clock_monotonic() - capture->started >= capture->next_point;
}

static void note_collections(ku__capture_file *capture, double moment, const ku_capture_collections *collections) {
    const ku_capture_collections *last = &capture->last_collections;
    if (memcmp(last->collections, collections->collections, sizeof last->collections) == 0) return;
    capture->last_collections = *collections;
    capture->last_collections.seconds = moment;
    capture->collections[capture->collections_waiting++] = capture->last_collections;
}

void ku__capture_file_note(ku__capture_file *capture, const ku_capture_point *point,
                           const ku_capture_collections *collections) {
    uint64_t peak_bytes;
    ku_capture_point *whole = &capture->points[capture->points_waiting++];
    *whole = *point;
    whole->seconds = ku__clock_monotonic() - capture->started;
    ku__traced_memory(capture->tracer, &whole->live_bytes, &peak_bytes);
    if (collections != NULL) note_collections(capture, whole->seconds, collections);
    if ((capture->state.points + capture->points_waiting) % KU__TIMELINE_LEVEL == 0) capture->point_distance *= 2;
    /* A little early is as good as on time: the thread that asks wakes at the same distance, give or take. */
    capture->next_point = whole->seconds + capture->point_distance * 0.9;
}

static bool append_waiting(ku__capture_file *capture, ku__file_state *next, const char *type, const void *entries,
                           size_t count, size_t entry_size, ku_error *error) {
    if (count == 0) return true;
    size_t size = count * entry_size;
    if (!buffer_reserve(capture, size, error)) return false;
    memcpy(payload_of(capture), entries, size);
    return append_chunk(capture, next, type, count, size, error);
}

static bool append_timeline(ku__capture_file *capture, ku__file_state *next, ku_error *error) {
    if (!append_waiting(capture, next, "TIME", capture->points, capture->points_waiting, sizeof capture->points[0],
                        error) ||
        !append_waiting(capture, next, "COLL", capture->collections, capture->collections_waiting,
                        sizeof capture->collections[0], error))
        return false;
    next->points += capture->points_waiting;
    capture->points_waiting = capture->collections_waiting = 0;
    return true;
}

/* ---- counts ---- */

static uint64_t table_size(uint64_t pages, uint64_t heaps) {
    return sizeof(ku__file_table) + pages * sizeof(uint64_t) + heaps * sizeof(ku_capture_heap);
}

/* Rows start on a page of the file system, so that a page of rows touches as few of those as possible. */
static uint64_t rows_offset(const ku__place *place) {
    return (table_size(place->pages_most, place->heaps_most) + 4095) & ~(uint64_t)4095;
}

static uint64_t doubled(uint64_t least, uint64_t needed) {
    while (least < needed) least *= 2;
    return least;
}

/* A place that has become too small is left behind in the file; since sizes double, all of them together are smaller
 * than the last. */
static bool place_reserve(ku__capture_file *capture, ku__place *place, ku__file_state *next, uint64_t pages,
                          uint64_t heaps, ku_error *error) {
    if (place->offset != 0 && pages <= place->pages_most && heaps <= place->heaps_most) return true;
    ku__place larger = {.pages_most = doubled(PLACE_PAGES_LEAST, pages),
                        .heaps_most = doubled(PLACE_HEAPS_LEAST, heaps)};
    larger.checksums = ku__metadata_map(capture->tracer->tables, larger.pages_most * sizeof(uint64_t));
    if (larger.checksums == NULL) return refuse_memory(error);
    ku__metadata_unmap(capture->tracer->tables, place->checksums, place->pages_most * sizeof(uint64_t));
    *place = larger;
    ku__file_chunk head = {.type = {'P', 'L', 'A', 'C'},
                           .size = rows_offset(place) + place->pages_most * KU__FILE_PAGE_SIZE};
    if (!write_at(capture, &head, sizeof head, next->end, error)) return false;
    place->offset = next->end + sizeof head;
    next->end = place->offset + head.size;
    return ku__file_extend(&capture->file, next->end) || refuse_write(capture, error);
}

static bool write_page(ku__capture_file *capture, ku__place *place, uint64_t page, uint64_t rows, ku_error *error) {
    uint64_t first = page * KU__FILE_PAGE_ROWS;
    uint64_t count = rows - first < KU__FILE_PAGE_ROWS ? rows - first : KU__FILE_PAGE_ROWS;
    ku__sites_read(capture->tracer, (uint32_t)first, (uint32_t)count, capture->page);
    memset(&capture->page[count], 0, (KU__FILE_PAGE_ROWS - count) * sizeof capture->page[0]);
    uint64_t checksum = XXH64(capture->page, KU__FILE_PAGE_SIZE, 0);
    if (page < place->pages && place->checksums[page] == checksum) return true;
    place->checksums[page] = checksum;
    return write_at(capture, capture->page, KU__FILE_PAGE_SIZE,
                    place->offset + rows_offset(place) + page * KU__FILE_PAGE_SIZE, error);
}

static bool write_table(ku__capture_file *capture, const ku__place *place, ku__file_state *next, uint64_t pages,
                        ku_error *error) {
    next->place = place->offset;
    next->table = table_size(pages, capture->heap_count);
    if (!buffer_reserve(capture, next->table, error)) return false;
    ku__file_table table = {next->sites, pages, capture->heap_count, rows_offset(place)};
    uint8_t *bytes = capture->buffer;
    memcpy(bytes, &table, sizeof table);
    memcpy(bytes + sizeof table, place->checksums, pages * sizeof(uint64_t));
    memcpy(bytes + sizeof table + pages * sizeof(uint64_t), capture->heaps,
           capture->heap_count * sizeof(ku_capture_heap));
    next->table_checksum = XXH64(bytes, next->table, 0);
    return write_at(capture, bytes, next->table, place->offset, error);
}

static bool write_counts(ku__capture_file *capture, ku__file_state *next, ku_error *error) {
    ku__place *place = &capture->places[next->sequence % 2];
    uint64_t pages = (next->sites + KU__FILE_PAGE_ROWS - 1) / KU__FILE_PAGE_ROWS;
    if (!place_reserve(capture, place, next, pages, capture->heap_count, error)) return false;
    for (uint64_t page = 0; page < pages; page++)
        if (!write_page(capture, place, page, next->sites, error)) return false;
    place->pages = pages;
    return write_table(capture, place, next, pages, error);
}

/* ---- states ---- */

static bool write_state(ku__capture_file *capture, ku__file_state *next, ku_error *error) {
    next->checksum = XXH64(next, offsetof(ku__file_state, checksum), 0);
    uint64_t offset = KU__FILE_STATE_OFFSET + (next->sequence % 2) * KU__FILE_STATE_STEP;
    if (!write_at(capture, next, sizeof *next, offset, error)) return false;
    capture->state = *next;
    return true;
}

bool ku__capture_file_update(ku__capture_file *capture, const ku__capture_ending *ending, ku_error *error) {
    if (!ku__file_hold(&capture->file) ||
        !ku__file_starts_with(&capture->file, &capture->header, sizeof capture->header))
        return refuse_write(capture, error);
    ku__file_state next = capture->state;
    next.sequence++;
    next.updated = ku__clock_monotonic() - capture->started;
    ku__traced_memory(capture->tracer, &next.live_bytes, &next.peak_bytes);
    if (ku__tracer_failure(capture->tracer) != NULL) next.flags |= KU__STATE_FAILED;
    if (ending != NULL && ending->finished) next.flags |= KU__STATE_FINISHED;
    if (ending != NULL) next.exit_code = ending->exit_code;
    return append_new_entries(capture, &next, error) && append_timeline(capture, &next, error) &&
           write_counts(capture, &next, error) && write_state(capture, &next, error);
}

static void fill_header(ku__capture_file *capture) {
    const ku__tracer *tracer = capture->tracer;
    capture->header = (ku__file_header){
        .version = KU_CAPTURE_VERSION,
        .byte_order = KU__FILE_BYTE_ORDER,
        .process = (uint32_t)getpid(),
        .frames = tracer->frames,
        .mode = (uint32_t)tracer->mode,
        .block_unit = tracer->block_unit,
        .sample_interval = (uint64_t)tracer->sample_interval,
        .started = ku__clock_calendar(),
    };
    memcpy(capture->header.magic, KU__FILE_MAGIC, sizeof capture->header.magic);
    uint64_t moment;
    memcpy(&moment, &capture->header.started, sizeof moment);
    capture->header.identity = ku__hash_words(moment, (uint64_t)getpid() ^ capture->file.inode << 20);
    capture->header.checksum = XXH64(&capture->header, offsetof(ku__file_header, checksum), 0);
}

bool ku__capture_file_open(ku__capture_file *capture, ku__tracer *tracer, const char *path, uint32_t command,
                           uint32_t python, double distance, ku_error *error) {
    capture->tracer = tracer;
    if (*(const unsigned char *)&(const uint32_t){1} != 1) {
        ku__error_format(error, KU_STATE, 0, "captures are written on little-endian machines only");
        return false;
    }
    if (!ku__file_create(&capture->file, path)) {
        int why = errno;
        ku__error_format(error, KU_IO, why, "the capture %.120s cannot be made: %s", path, strerror(why));
        return false;
    }
    fill_header(capture);
    capture->started = ku__clock_monotonic();
    capture->point_distance = distance;
    capture->state = (ku__file_state){
        .identity = capture->header.identity,
        .exit_code = -1,
        .end = KU__FILE_CHUNKS_OFFSET,
        .strings = 1,
        .codes = 1,
        .frames = 1,
        .nodes = 1,
        .sites = 1,
        .command = command,
        .python = python,
    };
    memcpy(capture->state.magic, KU__STATE_MAGIC, sizeof capture->state.magic);
    if (write_at(capture, &capture->header, sizeof capture->header, 0, error) &&
        ku__capture_file_update(capture, NULL, error))
        return true;
    unlink(capture->file.path); /* it was made a moment ago and holds nothing */
    return false;
}

void ku__capture_file_close(ku__capture_file *capture) {
    if (capture->tracer == NULL) return;
    ku__file_close(&capture->file);
    ku__tables *tables = capture->tracer->tables;
    for (int i = 0; i < 2; i++)
        ku__metadata_unmap(tables, capture->places[i].checksums, capture->places[i].pages_most * sizeof(uint64_t));
    ku__metadata_unmap(tables, capture->buffer, capture->buffer_size);
    capture->tracer = NULL;
}
