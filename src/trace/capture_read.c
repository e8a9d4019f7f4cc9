/* capture_read.c: reading a capture file; see kucha/capture.h and format.h.
 *
 * Three passes, each trusting only what the one before has checked: header and state (which state counts, and that its
 * bytes are there); chunks (every chunk lies inside, its checksum holds, its entries are counted); columns (filled in
 * file order, every number that refers to another entry is compared with how many there are). A program may be writing
 * the file meanwhile: a state that is overwritten while it is read fails a checksum, and the file is read again.
 *
 * The file is copied into memory and never mapped: it may be cut meanwhile, and whoever reads a mapping of it then
 * ends by SIGBUS. Only the part that its states speak of is copied, so that a file may be longer than that at will.
 */
#include "columns.h"
#include "format.h"
#include "os/pages.h"
#include "tables.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_TRIES 4 /* a state is whole for a second at least; reading takes a tenth */

typedef struct reading {
    const uint8_t *bytes;
    size_t size;
    ku__file_header header;
    ku__file_state state;
    ku_capture *capture;
    ku_text *strings; /* state.strings of them */
    ku__column_sizes filled;
    size_t strings_filled;
    size_t collections; /* records of collections, as counted */
    ku_error *error;
} reading;

/* Copies a structure out: the file's offsets need not be aligned. Null where it is not inside. */
static bool fetch(const reading *work, uint64_t offset, void *structure, size_t size) {
    if (offset > work->size || size > work->size - offset) return false;
    memcpy(structure, work->bytes + offset, size);
    return true;
}

#define REFUSE(work, ...) (ku__error_format((work)->error, KU_CORRUPT, 0, __VA_ARGS__), false)

/* ---- header and state ---- */

static bool read_header(reading *work) {
    ku__file_header *header = &work->header;
    if (!fetch(work, 0, header, sizeof *header) || memcmp(header->magic, KU__FILE_MAGIC, sizeof header->magic) != 0)
        return REFUSE(work, "this is not a capture of kucha");
    if (header->byte_order != KU__FILE_BYTE_ORDER)
        return REFUSE(work, "the capture is damaged: its byte order is none that a capture has");
    if (header->version != KU_CAPTURE_VERSION)
        return REFUSE(work, "the capture has format version %u; this kucha reads version %u", (unsigned)header->version,
                      (unsigned)KU_CAPTURE_VERSION);
    if (header->checksum != XXH64(header, offsetof(ku__file_header, checksum), 0))
        return REFUSE(work, "the capture is damaged: the checksum of its header is wrong");
    if (header->frames == 0 || header->frames > KU__FRAMES_MAX || header->mode > KU__TRACE_OBJECTS ||
        header->block_unit == 0)
        return REFUSE(work, "the capture is damaged: its header holds options that do not exist");
    return true;
}

static bool state_valid(const reading *work, int place, ku__file_state *state) {
    return fetch(work, KU__FILE_STATE_OFFSET + (uint64_t)place * KU__FILE_STATE_STEP, state, sizeof *state) &&
           memcmp(state->magic, KU__STATE_MAGIC, sizeof state->magic) == 0 &&
           state->checksum == XXH64(state, offsetof(ku__file_state, checksum), 0) &&
           state->identity == work->header.identity && state->sequence % 2 == (uint64_t)place;
}

static bool choose_state(reading *work) {
    ku__file_state states[2];
    bool valid[2];
    for (int place = 0; place < 2; place++) valid[place] = state_valid(work, place, &states[place]);
    if (!valid[0] && !valid[1]) return REFUSE(work, "the capture is damaged or cut: it holds no whole state");
    work->state = valid[0] && (!valid[1] || states[0].sequence > states[1].sequence) ? states[0] : states[1];
    if (work->state.end > work->size)
        return REFUSE(work, "the capture is cut: %zu bytes of %llu are there", work->size,
                      (unsigned long long)work->state.end);
    if (work->state.end < KU__FILE_CHUNKS_OFFSET)
        return REFUSE(work, "the capture is damaged: its state ends before the first chunk");
    return true;
}

/* ---- chunks ---- */

typedef struct chunk {
    ku__file_chunk head;
    const uint8_t *payload;
    uint64_t offset; /* of the payload */
} chunk;

static bool next_chunk(reading *work, uint64_t *offset, chunk *found) {
    uint64_t start = *offset, end = work->state.end;
    if (end - start < sizeof found->head)
        return REFUSE(work, "the capture is damaged: a chunk at byte %llu is cut", (unsigned long long)start);
    memcpy(&found->head, work->bytes + start, sizeof found->head);
    uint64_t size = found->head.size, room = end - start - sizeof found->head;
    if (size > room || ((size + 7) & ~(uint64_t)7) > room)
        return REFUSE(work, "the capture is damaged: the chunk at byte %llu goes beyond the end",
                      (unsigned long long)start);
    found->offset = start + sizeof found->head;
    found->payload = work->bytes + found->offset;
    *offset = found->offset + ((size + 7) & ~(uint64_t)7);
    bool is_place = memcmp(found->head.type, "PLAC", 4) == 0;
    if (!is_place && found->head.checksum != XXH64(found->payload, size, 0))
        return REFUSE(work, "the capture is damaged: the checksum of the chunk at byte %llu is wrong",
                      (unsigned long long)start);
    return true;
}

/* Bytes of an entry, by type of chunk; 0 for types that have none of one size. */
static size_t entry_size(const chunk *part) {
    static const struct {
        char type[5];
        size_t size;
    } kinds[] = {{"CODE", sizeof(ku__file_code)},    {"FRAM", sizeof(ku__file_pair)},
                 {"NODE", sizeof(ku__file_pair)},    {"SITE", sizeof(uint32_t)},
                 {"TIME", sizeof(ku_capture_point)}, {"COLL", sizeof(ku_capture_collections)}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (memcmp(part->head.type, kinds[i].type, 4) == 0) return kinds[i].size;
    return 0;
}

/* Seconds that a clock may say; a hostile file may hold infinities and what is not a number. */
static bool moment_valid(double seconds) {
    return seconds >= 0 && seconds < 1e15;
}

typedef struct counted {
    uint64_t strings, codes, frames, nodes, sites, points, collections;
    bool place_found;
} counted;

static uint64_t *counter_of(counted *counts, const chunk *part) {
    if (memcmp(part->head.type, "TEXT", 4) == 0) return &counts->strings;
    if (memcmp(part->head.type, "CODE", 4) == 0) return &counts->codes;
    if (memcmp(part->head.type, "FRAM", 4) == 0) return &counts->frames;
    if (memcmp(part->head.type, "NODE", 4) == 0) return &counts->nodes;
    if (memcmp(part->head.type, "SITE", 4) == 0) return &counts->sites;
    if (memcmp(part->head.type, "TIME", 4) == 0) return &counts->points;
    if (memcmp(part->head.type, "COLL", 4) == 0) return &counts->collections;
    return NULL;
}

static bool count_chunk(reading *work, const chunk *part, counted *counts) {
    uint64_t *counter = counter_of(counts, part);
    size_t entry = entry_size(part);
    uint64_t least = entry != 0 ? entry : sizeof(uint32_t) + 1; /* a text has a length and a zero byte */
    if (counter != NULL) {
        bool fits = part->head.count <= part->head.size / least;
        if (!fits || (entry != 0 && part->head.count * entry != part->head.size))
            return REFUSE(work,
                          "the capture is damaged: the chunk at byte %llu does not hold as many entries as it says",
                          (unsigned long long)part->offset - sizeof part->head);
        *counter += part->head.count;
    }
    if (memcmp(part->head.type, "PLAC", 4) == 0 && part->offset == work->state.place) {
        counts->place_found = part->head.size >= work->state.table;
    }
    return true;
}

static bool count_chunks(reading *work) {
    counted counts = {.strings = 1, .codes = 1, .frames = 1, .nodes = 1, .sites = 1};
    chunk part;
    for (uint64_t offset = KU__FILE_CHUNKS_OFFSET; offset < work->state.end;)
        if (!next_chunk(work, &offset, &part) || !count_chunk(work, &part, &counts)) return false;
    const ku__file_state *state = &work->state;
    if (counts.strings != state->strings || counts.codes != state->codes || counts.frames != state->frames ||
        counts.nodes != state->nodes || counts.sites != state->sites || counts.points != state->points)
        return REFUSE(work, "the capture is damaged: its chunks do not hold what its state says");
    work->collections = counts.collections; /* the state does not say: readers of version 1 skip them */
    if (!counts.place_found)
        return REFUSE(work, "the capture is damaged: the counts of sites are not where its state says");
    if (!moment_valid(state->updated) || !moment_valid(work->header.started))
        return REFUSE(work, "the capture is damaged: its times are none");
    if (state->command >= state->strings || state->python >= state->strings)
        return REFUSE(work, "the capture is damaged: its state refers to a text that is not there");
    return true;
}

/* ---- columns ---- */

static bool fill_texts(reading *work, const chunk *part) {
    uint64_t count = part->head.count, used = count * sizeof(uint32_t);
    for (uint64_t i = 0; i < count; i++) {
        uint32_t length;
        memcpy(&length, part->payload + i * sizeof length, sizeof length);
        if (used >= part->head.size || length > part->head.size - used - 1 || part->payload[used + length] != 0)
            return REFUSE(work, "the capture is damaged: a text of the chunk at byte %llu goes beyond it",
                          (unsigned long long)part->offset - sizeof part->head);
        work->strings[work->strings_filled++] = (ku_text){(const char *)part->payload + used, length};
        used += (uint64_t)length + 1;
    }
    return true;
}

static bool fill_codes(reading *work, const chunk *part) {
    for (uint64_t i = 0; i < part->head.count; i++) {
        ku__file_code code;
        memcpy(&code, part->payload + i * sizeof code, sizeof code);
        if (code.filename >= work->state.strings || code.qualname >= work->state.strings ||
            code.line_table >= work->state.strings)
            return REFUSE(work, "the capture is damaged: code record %zu refers to a text that is not there",
                          work->filled.codes);
        work->capture->code_files[work->filled.codes] = code.filename;
        /* Texts may come in a later chunk: their numbers are resolved at the end. */
        work->capture->codes[work->filled.codes++] = (ku_capture_code){
            .filename.size = code.filename,
            .qualname.size = code.qualname,
            .line_table.size = code.line_table,
            .first_line = code.first_line,
        };
    }
    return true;
}

static bool fill_frames(reading *work, const chunk *part) {
    for (uint64_t i = 0; i < part->head.count; i++) {
        ku__file_pair pair;
        memcpy(&pair, part->payload + i * sizeof pair, sizeof pair);
        if (pair.first >= work->state.codes)
            return REFUSE(work, "the capture is damaged: frame %zu refers to a code record that is not there",
                          work->filled.frames);
        work->capture->frames[work->filled.frames++] =
            (ku_capture_frame){.code = pair.first, .instruction = pair.second};
    }
    return true;
}

static bool fill_nodes(reading *work, const chunk *part) {
    for (uint64_t i = 0; i < part->head.count; i++) {
        ku__file_pair pair;
        memcpy(&pair, part->payload + i * sizeof pair, sizeof pair);
        if (pair.first >= work->filled.nodes || pair.second == 0 || pair.second >= work->state.frames)
            return REFUSE(work, "the capture is damaged: stack node %zu refers to what is not there",
                          work->filled.nodes);
        work->capture->nodes[work->filled.nodes++] = (ku__path){pair.first, pair.second};
    }
    return true;
}

static bool fill_sites(reading *work, const chunk *part) {
    for (uint64_t i = 0; i < part->head.count; i++) {
        uint32_t node;
        memcpy(&node, part->payload + i * sizeof node, sizeof node);
        if (node == 0 || node >= work->state.nodes)
            return REFUSE(work, "the capture is damaged: site %zu refers to a stack that is not there",
                          work->filled.sites);
        work->capture->sites[work->filled.sites++] = node;
    }
    return true;
}

static bool fill_points(reading *work, const chunk *part) {
    for (uint64_t i = 0; i < part->head.count; i++) {
        ku_capture_point *point = &work->capture->points[work->filled.points++];
        memcpy(point, part->payload + i * sizeof *point, sizeof *point);
        if (!moment_valid(point->seconds))
            return REFUSE(work, "the capture is damaged: point %zu of its timeline has no time",
                          work->filled.points - 1);
    }
    return true;
}

static bool fill_collections(reading *work, const chunk *part) {
    for (uint64_t i = 0; i < part->head.count; i++) {
        ku_capture_collections *entry = &work->capture->collections[work->filled.collections++];
        memcpy(entry, part->payload + i * sizeof *entry, sizeof *entry);
        if (!moment_valid(entry->seconds))
            return REFUSE(work, "the capture is damaged: its record %zu of collections has no time",
                          work->filled.collections - 1);
    }
    return true;
}

static bool fill_chunk(reading *work, const chunk *part) {
    static const struct {
        char type[5];
        bool (*fill)(reading *, const chunk *);
    } kinds[] = {{"TEXT", fill_texts}, {"CODE", fill_codes},  {"FRAM", fill_frames},     {"NODE", fill_nodes},
                 {"SITE", fill_sites}, {"TIME", fill_points}, {"COLL", fill_collections}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (memcmp(part->head.type, kinds[i].type, 4) == 0) return kinds[i].fill(work, part);
    return true;
}

/* No stack is deeper than the tracer made any: walks over stacks stay cheap, whatever the file says. */
static bool depths_valid(reading *work) {
    const ku_capture *capture = work->capture;
    uint8_t *depths = ku__metadata_map(NULL, capture->sizes.nodes);
    if (depths == NULL) {
        ku__error_format(work->error, KU_NO_MEMORY, 0, "no memory to read the capture");
        return false;
    }
    bool valid = true;
    for (size_t node = 1; node < capture->sizes.nodes && valid; node++) {
        valid = depths[capture->nodes[node].parent] < work->header.frames;
        depths[node] = (uint8_t)(depths[capture->nodes[node].parent] + 1);
    }
    ku__pages_unmap(depths, capture->sizes.nodes);
    return valid ? true
                 : REFUSE(work, "the capture is damaged: a stack in it is deeper than %u frames",
                          (unsigned)work->header.frames);
}

static void resolve_texts(reading *work) {
    work->strings[0] = (ku_text){"", 0};
    for (size_t i = 0; i < work->filled.codes; i++) {
        ku_capture_code *code = &work->capture->codes[i];
        code->filename = work->strings[code->filename.size];
        code->qualname = work->strings[code->qualname.size];
        code->line_table = work->strings[code->line_table.size];
    }
}

/* ---- counts ---- */

static bool read_rows(reading *work, const ku__file_table *table, const uint8_t *payload, uint64_t size) {
    uint64_t rows_size = table->pages * KU__FILE_PAGE_SIZE;
    if (table->rows_offset > size || rows_size > size - table->rows_offset)
        return REFUSE(work, "the capture is damaged: the counts of sites go beyond their place");
    const uint8_t *rows = payload + table->rows_offset;
    for (uint64_t page = 0; page < table->pages; page++) {
        uint64_t checksum;
        memcpy(&checksum, payload + sizeof *table + page * sizeof checksum, sizeof checksum);
        if (checksum != XXH64(rows + page * KU__FILE_PAGE_SIZE, KU__FILE_PAGE_SIZE, 0))
            return REFUSE(work, "the capture is damaged: the checksum of counts page %llu is wrong",
                          (unsigned long long)page);
    }
    memcpy(work->capture->counts, rows, work->state.sites * sizeof(ku_capture_counts));
    return true;
}

static bool table_valid(reading *work, ku__file_table *table) {
    const ku__file_state *state = &work->state;
    const uint8_t *payload = work->bytes + state->place;
    if (state->table < sizeof *table || state->table_checksum != XXH64(payload, state->table, 0))
        return REFUSE(work, "the capture is damaged: the checksum of the table of counts is wrong");
    memcpy(table, payload, sizeof *table);
    uint64_t pages = (state->sites + KU__FILE_PAGE_ROWS - 1) / KU__FILE_PAGE_ROWS;
    uint64_t rest = state->table - sizeof *table;
    if (table->rows != state->sites || table->pages != pages || pages > rest / sizeof(uint64_t) ||
        table->heaps != (rest - pages * sizeof(uint64_t)) / sizeof(ku_capture_heap) ||
        (rest - pages * sizeof(uint64_t)) % sizeof(ku_capture_heap) != 0)
        return REFUSE(work, "the capture is damaged: the table of counts does not fit the number of sites");
    return true;
}

static void read_heaps(reading *work, const ku__file_table *table) {
    const uint8_t *heaps = work->bytes + work->state.place + sizeof *table + table->pages * sizeof(uint64_t);
    memcpy(work->capture->heaps, heaps, table->heaps * sizeof(ku_capture_heap));
    for (size_t i = 0; i < table->heaps; i++) work->capture->heaps[i].name[sizeof work->capture->heaps[i].name - 1] = 0;
}

static uint64_t place_size(const reading *work) {
    ku__file_chunk head;
    memcpy(&head, work->bytes + work->state.place - sizeof head, sizeof head);
    return head.size;
}

/* ---- all together ---- */

static bool fill_columns(reading *work) {
    work->filled = (ku__column_sizes){.codes = 1, .frames = 1, .nodes = 1, .sites = 1};
    work->strings_filled = 1;
    chunk part;
    for (uint64_t offset = KU__FILE_CHUNKS_OFFSET; offset < work->state.end;) {
        if (!next_chunk(work, &offset, &part) || !fill_chunk(work, &part)) return false;
    }
    resolve_texts(work);
    return depths_valid(work);
}

static void fill_info(reading *work) {
    const ku__file_header *header = &work->header;
    const ku__file_state *state = &work->state;
    work->capture->info = (ku_capture_info){
        .version = header->version,
        .process = header->process,
        .started = header->started,
        .updated = state->updated,
        .finished = (state->flags & KU__STATE_FINISHED) != 0,
        .exit_code = state->exit_code,
        .frames = header->frames,
        .mode = header->mode,
        .sample_interval = header->sample_interval,
        .block_unit = header->block_unit,
        .failed = (state->flags & KU__STATE_FAILED) != 0,
        .command = work->strings[state->command],
        .python = work->strings[state->python],
        .live_bytes = state->live_bytes,
        .peak_bytes = state->peak_bytes,
        .updates = state->sequence,
    };
}

static bool load_with_texts(reading *work) {
    ku__file_table table;
    if (!table_valid(work, &table)) return false;
    const ku__file_state *state = &work->state;
    ku__column_sizes sizes = {.codes = state->codes,
                              .frames = state->frames,
                              .nodes = state->nodes,
                              .sites = state->sites,
                              .points = state->points,
                              .collections = work->collections,
                              .heaps = table.heaps};
    work->capture = ku__columns_new(&sizes);
    bool memory = work->capture != NULL;
    if (memory && (!fill_columns(work) || !read_rows(work, &table, work->bytes + state->place, place_size(work))))
        return false;
    if (memory) {
        read_heaps(work, &table);
        fill_info(work);
        memory = ku__columns_resolve_lines(work->capture);
    }
    if (!memory)
        ku__error_format(work->error, KU_NO_MEMORY, 0, "no memory to read a capture of %zu sites", sizes.sites);
    return memory;
}

/* A capture of the bytes, which it does not own yet; NULL with the error filled. */
static ku_capture *load(const void *bytes, size_t size, ku_error *error) {
    reading work = {.bytes = bytes, .size = size, .error = error};
    if (!read_header(&work) || !choose_state(&work) || !count_chunks(&work)) return NULL;
    size_t strings_bytes = work.state.strings * sizeof(ku_text);
    work.strings = ku__metadata_map(NULL, strings_bytes);
    bool loaded = work.strings != NULL && load_with_texts(&work);
    if (work.strings == NULL) ku__error_format(error, KU_NO_MEMORY, 0, "no memory to read the capture");
    ku__metadata_unmap(NULL, work.strings, strings_bytes);
    if (loaded) return work.capture;
    ku_capture_close(work.capture);
    return NULL;
}

ku_capture *ku_capture_open_bytes(const void *bytes, size_t size, ku_error *error) {
    void *copy = ku__metadata_map(NULL, size + 1);
    if (copy == NULL) {
        ku__error_format(error, KU_NO_MEMORY, 0, "no memory to read a capture of %zu bytes", size);
        return NULL;
    }
    if (size != 0) memcpy(copy, bytes, size);
    ku_capture *capture = load(copy, size, error);
    if (capture == NULL) {
        ku__pages_unmap(copy, size + 1);
        return NULL;
    }
    capture->file = copy;
    capture->file_mapped = size + 1;
    return capture;
}

/* ---- files ---- */

typedef struct file_bytes {
    void *bytes;
    size_t size; /* what was read; a file that shrinks meanwhile gives less */
    size_t mapped;
} file_bytes;

static void file_release(const file_bytes *file) {
    if (file->bytes != NULL) ku__pages_unmap(file->bytes, file->mapped);
}

/* The first `size` bytes, or as many as there are. */
static bool read_bytes(int descriptor, void *bytes, size_t size, size_t *got) {
    for (*got = 0; *got < size;) {
        ssize_t more = pread(descriptor, (char *)bytes + *got, size - *got, (off_t)*got);
        if (more < 0 && errno == EINTR) continue;
        if (more <= 0) return more == 0;
        *got += (size_t)more;
    }
    return true;
}

/* How much of a file of `size` bytes is to be read: what the longer of its states speaks of, whether it is valid or
 * not. A file without states is no capture, and its beginning says so. */
static bool needed_bytes(int descriptor, size_t *size) {
    uint8_t start[KU__FILE_STATE_OFFSET + 2 * KU__FILE_STATE_STEP] = {0};
    size_t got, most = sizeof start;
    if (!read_bytes(descriptor, start, sizeof start, &got)) return false;
    for (int place = 0; place < 2; place++) {
        ku__file_state state;
        memcpy(&state, start + KU__FILE_STATE_OFFSET + (size_t)place * KU__FILE_STATE_STEP, sizeof state);
        bool is_state = memcmp(state.magic, KU__STATE_MAGIC, sizeof state.magic) == 0;
        if (is_state && state.end > most) most = (size_t)state.end;
    }
    if (*size > most) *size = most;
    return true;
}

/* False with errno set; ENOMEM too for a file that no memory of this machine could hold, such as one full of holes. */
static bool read_file(int descriptor, size_t size, file_bytes *file) {
    if (!needed_bytes(descriptor, &size)) return false;
    *file = (file_bytes){.mapped = size + 1};
    if (size <= ku__memory_physical()) file->bytes = ku__metadata_map(NULL, file->mapped);
    if (file->bytes == NULL) {
        errno = ENOMEM;
        return false;
    }
    return read_bytes(descriptor, file->bytes, size, &file->size);
}

static bool file_read(const char *path, file_bytes *file, ku_error *error) {
    /* O_NONBLOCK: opening a pipe by mistake must not wait for its other end. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    if (descriptor < 0 || fstat(descriptor, &status) != 0) {
        int why = errno;
        if (descriptor >= 0) close(descriptor);
        ku__error_format(error, KU_IO, why, "%s cannot be opened: %s", path, strerror(why));
        return false;
    }
    *file = (file_bytes){0};
    bool regular = S_ISREG(status.st_mode);
    bool done = regular && read_file(descriptor, (size_t)status.st_size, file);
    int why = errno;
    close(descriptor);
    if (!regular)
        ku__error_format(error, KU_INVALID, 0, "%s is not a file", path);
    else if (!done && why == ENOMEM)
        ku__error_format(error, KU_NO_MEMORY, 0, "no memory to read %s", path);
    else if (!done)
        ku__error_format(error, KU_IO, why, "%s cannot be read: %s", path, strerror(why));
    if (!done) file_release(file);
    return done;
}

ku_capture *ku_capture_open(const char *path, ku_error *error) {
    ku_error ignored;
    if (error == NULL) error = &ignored;
    for (int attempt = 0;; attempt++) {
        file_bytes file;
        if (!file_read(path, &file, error)) return NULL;
        ku_capture *capture = load(file.bytes, file.size, error);
        if (capture != NULL) {
            capture->file = file.bytes;
            capture->file_mapped = file.mapped;
            return capture;
        }
        file_release(&file);
        if (error->code != KU_CORRUPT || attempt + 1 == READ_TRIES) return NULL;
    }
}
