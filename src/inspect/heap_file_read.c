/* heap_file_read.c: opening a heap file; see heap_file.h.
 *
 * Each step trusts only what the one before has checked: the header and its table (every section lies inside, in order,
 * and has whole entries); sizes that must agree; checksums; then every number that refers to another entry is compared
 * with how many there are. A checksum is no proof against a file that was made to hurt, so the last step never trusts
 * one.
 */
#include "inspect/heap_file.h"

#include "os/failure.h"
#include "os/pages.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define REFUSE(error, ...) (ku__error_format((error), KU_CORRUPT, 0, "the heap file is damaged: " __VA_ARGS__), false)

static const char *section_name(int section) {
    static const char *const names[KU__SECTIONS] = {
        "facts",  "regions", "places",      "shapes of nodes",      "sizes",   "counts",      "slacks",
        "flags",  "ages",    "degrees",     "birthplaces of nodes", "targets", "wide values", "labels",
        "types",  "shapes",  "runs",        "birthplaces",          "frames",  "texts",       "bytes of texts",
        "arenas", "room",    "equal nodes",
    };
    return names[section];
}

/* ---- header and table ---- */

static bool check_header(const ku__heap_head *head, size_t size, ku_error *error) {
    const ku__heap_header *header = &head->header;
    if (size < sizeof header->magic || memcmp(header->magic, KU__HEAP_MAGIC, sizeof header->magic) != 0) {
        ku__error_format(error, KU_CORRUPT, 0, "this is not a heap file of kucha");
        return false;
    }
    if (size < sizeof *head) {
        return REFUSE(error, "it ends within its header");
    }
    if (header->byte_order != KU__HEAP_BYTE_ORDER) {
        return REFUSE(error, "its byte order is none that a heap file has on this machine");
    }
    if (header->version != KU_HEAP_FILE_VERSION || header->sections != KU__SECTIONS) {
        ku__error_format(error, KU_CORRUPT, 0, "the heap file has format version %u; this kucha reads version %u",
                         (unsigned)header->version, (unsigned)KU_HEAP_FILE_VERSION);
        return false;
    }
    if (header->checksum != ku__heap_checksum(head)) {
        return REFUSE(error, "the checksum of its header is wrong");
    }
    if (header->file_size != size) {
        return REFUSE(error, "it has %llu bytes and should have %llu", (unsigned long long)size,
                      (unsigned long long)header->file_size);
    }
    return true;
}

static bool check_table(const ku__heap_head *head, size_t size, ku_error *error) {
    uint64_t end = sizeof *head;
    for (int i = 0; i < KU__SECTIONS; i++) {
        const ku__heap_section *section = &head->table[i];
        if (section->item != ku__section_items[i] || section->offset < end || section->offset % KU__HEAP_ALIGN != 0 ||
            section->offset > size || section->size > size - section->offset || section->size % section->item != 0 ||
            section->size / section->item >= UINT32_MAX) {
            return REFUSE(error, "the section \"%s\" does not lie inside of it", section_name(i));
        }
        end = section->offset + section->size;
    }
    return true;
}

static uint32_t entries(const ku__heap_head *head, int section) {
    return (uint32_t)(head->table[section].size / head->table[section].item);
}

static bool check_sizes(const ku__heap_head *head, ku_error *error) {
    uint32_t nodes = entries(head, KU__SECTION_PLACES), sited = entries(head, KU__SECTION_SITE_OF);
    for (int i = KU__SECTION_PLACES; i <= KU__SECTION_DEGREES; i++) {
        if (entries(head, i) != nodes) {
            return REFUSE(error, "the section \"%s\" has not one entry for each node", section_name(i));
        }
    }
    static const int not_empty[] = {KU__SECTION_INFO,   KU__SECTION_REGIONS, KU__SECTION_PLACES,
                                    KU__SECTION_SHAPES, KU__SECTION_SITES,   KU__SECTION_TEXTS};
    for (size_t i = 0; i < sizeof not_empty / sizeof not_empty[0]; i++) {
        if (entries(head, not_empty[i]) == 0) {
            return REFUSE(error, "the section \"%s\" is empty", section_name(not_empty[i]));
        }
    }
    if (nodes > KU_GRAPH_NODES_MAX || (sited != 0 && sited != nodes) || entries(head, KU__SECTION_SITES) < 2 ||
        entries(head, KU__SECTION_INFO) != 1) {
        return REFUSE(error, "its sections do not fit each other");
    }
    return true;
}

static bool check_sums(const ku__heap_head *head, const uint8_t *bytes, ku_error *error) {
    for (int i = 0; i < KU__SECTIONS; i++) {
        const ku__heap_section *section = &head->table[i];
        if (XXH3_64bits(bytes + section->offset, section->size) != section->checksum) {
            return REFUSE(error, "the checksum of the section \"%s\" is wrong", section_name(i));
        }
    }
    return true;
}

/* ---- what refers to what ---- */

/* The largest of many numbers, four at a time. */
static uint32_t largest(const uint32_t *words, size_t count) {
    uint32_t most = 0;
    for (size_t i = 0; i < count; i++) {
        most = words[i] > most ? words[i] : most;
    }
    return most;
}

static bool is_text(const ku_graph *graph, uint32_t text) {
    return text == KU_GRAPH_NONE || text < graph->texts;
}

static bool check_offsets(const ku_graph *graph, ku__section section, const uint32_t *table, uint32_t count,
                          uint32_t end, ku_error *error) {
    for (uint32_t i = 0; i < count; i++) {
        if (table[i] > table[i + 1]) {
            return REFUSE(error, "the section \"%s\" goes back", section_name((int)section));
        }
    }
    (void)graph;
    return (table[0] == 0 && table[count] == end) ||
           REFUSE(error, "the section \"%s\" does not cover what it divides", section_name((int)section));
}

static bool check_texts(const ku_graph *graph, ku_error *error) {
    uint32_t bytes = (uint32_t)graph->sections[KU__SECTION_TEXT_BYTES].size;
    if (!check_offsets(graph, KU__SECTION_TEXTS, graph->text_table, graph->texts, bytes, error)) {
        return false;
    }
    for (uint32_t i = 0; i < graph->texts; i++) {
        uint32_t end = graph->text_table[i + 1];
        if (end == graph->text_table[i] || graph->text_bytes[end - 1] != '\0') {
            return REFUSE(error, "text %u has no end", (unsigned)i);
        }
    }
    return true;
}

static bool check_frames(const ku_graph *graph, ku_error *error) {
    uint32_t count = (uint32_t)(graph->sections[KU__SECTION_FRAMES].size / sizeof(ku_graph_frame));
    for (uint32_t i = 0; i < count; i++) {
        if (!is_text(graph, graph->frames[i].function) || !is_text(graph, graph->frames[i].file)) {
            return REFUSE(error, "frame %u of a birthplace names a text that is not there", (unsigned)i);
        }
    }
    return check_offsets(graph, KU__SECTION_SITES, graph->site_table, graph->sites, count, error);
}

static bool check_types(const ku_graph *graph, ku_error *error) {
    for (uint32_t i = 0; i < graph->types; i++) {
        const ku_node_type *type = &graph->type_table[i];
        if (!is_text(graph, type->module) || !is_text(graph, type->name) ||
            (type->node != KU_GRAPH_NONE && type->node >= graph->nodes)) {
            return REFUSE(error, "type %u names a text or a node that is not there", (unsigned)i);
        }
    }
    return true;
}

static bool check_runs(const ku_graph *graph, const ku__shape *shape, ku_error *error) {
    for (uint32_t i = shape[0].first_run; i < shape[1].first_run; i++) {
        const ku__run *run = &graph->runs[i];
        if (run->kind >= KU__RUN_KINDS || !is_text(graph, run->text) ||
            (i > shape[0].first_run && run->start <= run[-1].start)) {
            return REFUSE(error, "run %u of names is none", (unsigned)i);
        }
    }
    return true;
}

static bool check_shapes(const ku_graph *graph, ku_error *error) {
    uint32_t runs = (uint32_t)(graph->sections[KU__SECTION_RUNS].size / sizeof(ku__run));
    if (graph->shape_table[graph->shapes].first_run != runs) {
        return REFUSE(error, "its shapes do not cover their names");
    }
    for (uint32_t i = 0; i < graph->shapes; i++) {
        const ku__shape *shape = &graph->shape_table[i];
        if (shape[0].type >= graph->types || shape[0].first_run > shape[1].first_run || shape[1].first_run > runs) {
            return REFUSE(error, "shape %u names a type or a run that is not there", (unsigned)i);
        }
        if (!check_runs(graph, shape, error)) {
            return false;
        }
    }
    return true;
}

/* Addresses ascend: within a region places do, and a region begins above the end of the last one. */
static bool check_places(const ku_graph *graph, ku_error *error) {
    uint32_t regions = (uint32_t)(graph->sections[KU__SECTION_REGIONS].size / sizeof(ku__region));
    uint64_t last = 0;
    for (uint32_t i = 0; i < regions; i++) {
        const ku__region *region = &graph->regions[i];
        uint32_t end = i + 1 < regions ? region[1].first : graph->nodes;
        if ((i == 0 ? region->first != 0 : region->first <= region[-1].first) || end > graph->nodes ||
            region->first >= end || (i != 0 && region->base <= last) ||
            region->base > UINT64_MAX - ((uint64_t)UINT32_MAX << KU__PLACE_BITS)) {
            return REFUSE(error, "region %u of addresses is none", (unsigned)i);
        }
        for (uint32_t node = region->first + 1; node < end; node++) {
            if (graph->places[node] <= graph->places[node - 1]) {
                return REFUSE(error, "the addresses of its nodes do not ascend at node %u", (unsigned)node);
            }
        }
        last = region->base + ((uint64_t)graph->places[end - 1] << KU__PLACE_BITS);
    }
    return true;
}

static bool check_wide(const ku_graph *graph, ku_error *error) {
    uint32_t count = (uint32_t)(graph->sections[KU__SECTION_WIDE].size / sizeof(ku__wide));
    for (uint32_t i = 0; i < count; i++) {
        const ku__wide *wide = &graph->wide[i];
        bool ascends =
            i == 0 || wide->what > wide[-1].what || (wide->what == wide[-1].what && wide->node > wide[-1].node);
        if (wide->what >= KU__WIDES || wide->node >= graph->nodes || !ascends) {
            return REFUSE(error, "wide value %u is none", (unsigned)i);
        }
    }
    count = (uint32_t)(graph->sections[KU__SECTION_LABELS].size / sizeof(ku__label));
    for (uint32_t i = 0; i < count; i++) {
        const ku__label *label = &graph->labels[i];
        if (label->node >= graph->nodes || !is_text(graph, label->text) || (i != 0 && label->node <= label[-1].node)) {
            return REFUSE(error, "label %u is none", (unsigned)i);
        }
    }
    return true;
}

/* Arenas ascend and do not overlap, so that each node lies in one at most. */
static bool check_arenas(const ku_graph *graph, ku_error *error) {
    uint64_t end = 0;
    for (uint32_t i = 0; i < graph->arenas; i++) {
        const ku_graph_arena *arena = &graph->arena_table[i];
        if (arena->address < end || arena->bytes == 0 || arena->bytes > UINT64_MAX - arena->address ||
            arena->pool_bytes == 0 || arena->bytes % arena->pool_bytes != 0 ||
            arena->free_pools > arena->bytes / arena->pool_bytes || !is_text(graph, arena->heap)) {
            return REFUSE(error, "arena %u is none", (unsigned)i);
        }
        end = arena->address + arena->bytes;
    }
    return true;
}

static bool check_facts(const ku_graph *graph, const ku__fact *facts, uint32_t count, bool nodes, ku_error *error) {
    for (uint32_t i = 0; i < count; i++) {
        if (facts[i].node >= graph->nodes || (i != 0 && facts[i].node <= facts[i - 1].node) ||
            (nodes && facts[i].value > facts[i].node)) {
            return REFUSE(error, "entry %u of its nodes with room, or with equals, is none", (unsigned)i);
        }
    }
    return true;
}

static bool check_info(const ku_graph *graph, ku_error *error) {
    const ku_graph_info *info = graph->info;
    return (is_text(graph, info->program) && is_text(graph, info->runtime) && is_text(graph, info->note) &&
            info->reason < KU_GRAPH_REASONS) ||
           REFUSE(error, "its facts name a text or a reason that does not exist");
}

static bool check_numbers(const ku_graph *graph, ku_error *error) {
    if (largest(graph->shape_of, graph->nodes) >= graph->shapes) {
        return REFUSE(error, "a node names a shape that is not there");
    }
    if (graph->edges != 0 && largest(graph->targets, graph->edges) >= graph->nodes) {
        return REFUSE(error, "a reference leads to a node that is not there");
    }
    if (graph->site_of != NULL && largest(graph->site_of, graph->nodes) >= graph->sites) {
        return REFUSE(error, "a node names a birthplace that is not there");
    }
    return true;
}

static bool check_contents(const ku_graph *graph, ku_error *error) {
    return check_texts(graph, error) && check_info(graph, error) && check_frames(graph, error) &&
           check_types(graph, error) && check_shapes(graph, error) && check_places(graph, error) &&
           check_wide(graph, error) && check_numbers(graph, error) && check_arenas(graph, error) &&
           check_facts(graph, graph->rooms, graph->roomy, false, error) &&
           check_facts(graph, graph->equal_table, graph->equals, true, error);
}

/* ---- opening ---- */

static ku_graph *open_checked(const ku__heap_head *head, const uint8_t *bytes, ku_error *error) {
    ku_graph *graph = ku__pages_map(sizeof *graph);
    if (graph == NULL) {
        ku__error_format(error, KU_NO_MEMORY, 0, "no memory for a heap's graph");
        return NULL;
    }
    for (int i = 0; i < KU__SECTIONS; i++) {
        graph->sections[i].bytes = bytes + head->table[i].offset;
        graph->sections[i].size = head->table[i].size;
    }
    if (!ku__graph_adopt(graph, error) || !check_contents(graph, error)) {
        ku_graph_close(graph);
        return NULL;
    }
    return graph;
}

ku_graph *ku_heap_file_open_bytes(const void *bytes, size_t size, ku_error *error) {
    ku__heap_head head = {0}; /* copied: what was checked is what is used */
    memcpy(&head, bytes, size < sizeof head ? size : sizeof head);
    if (!check_header(&head, size, error) || !check_table(&head, size, error) || !check_sizes(&head, error) ||
        !check_sums(&head, bytes, error)) {
        return NULL;
    }
    return open_checked(&head, bytes, error);
}

/* The whole file, or NULL with *size 0 and `error` filled. */
static void *map_file(int descriptor, const char *path, size_t *size, ku_error *error) {
    struct stat facts;
    *size = 0;
    if (fstat(descriptor, &facts) != 0) {
        ku__error_format(error, KU_IO, errno, "%s: %s", path, strerror(errno));
        return NULL;
    }
    if (!S_ISREG(facts.st_mode) || facts.st_size == 0) {
        ku__error_format(error, KU_CORRUPT, 0, "%s is not a heap file of kucha", path);
        return NULL;
    }
    void *bytes = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (bytes == MAP_FAILED) {
        ku__error_format(error, KU_NO_MEMORY, errno, "%s could not be mapped: %s", path, strerror(errno));
        return NULL;
    }
    *size = (size_t)facts.st_size;
    return bytes;
}

ku_graph *ku_heap_file_open(const char *path, ku_error *error) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        ku__error_format(error, KU_IO, errno, "%s: %s", path, strerror(errno));
        return NULL;
    }
    size_t size;
    void *bytes = map_file(descriptor, path, &size, error);
    close(descriptor);
    if (bytes == NULL) {
        return NULL;
    }
    ku_graph *graph = ku_heap_file_open_bytes(bytes, size, error);
    if (graph == NULL) {
        munmap(bytes, size);
        return NULL;
    }
    graph->mapping = bytes;
    graph->mapping_bytes = size;
    return graph;
}
