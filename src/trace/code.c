/* code.c: code records, and the addresses that stand for them; see trace.h and tables.h.
 *
 * A record is found twice over: by the address of a code object (bindings, which come and go with the objects) and by
 * content (the index, which only grows). Several addresses may be bound to one record.
 */
#include "os/clock.h"
#include "tables.h"

#define BINDINGS_FIRST 1024 /* slots at the start, 16 KiB; a small script has a few hundred functions that allocate */

static uint64_t address_hash(const void *address) {
    return ku__hash_words((uintptr_t)address, 0);
}

bool ku__bindings_init(ku__tables *tables) {
    tables->bindings = ku__metadata_map(tables, BINDINGS_FIRST * sizeof(ku__binding));
    tables->binding_mask = BINDINGS_FIRST - 1;
    return tables->bindings != NULL;
}

void ku__bindings_release(ku__tables *tables) {
    ku__metadata_unmap(tables, tables->bindings, (tables->binding_mask + 1) * sizeof(ku__binding));
    tables->bindings = NULL;
}

/* Where `address` is, or the empty place where it belongs. */
static ku__binding *binding_place(const ku__tables *tables, const void *address) {
    uint64_t position = address_hash(address) & tables->binding_mask;
    while (tables->bindings[position].address != NULL && tables->bindings[position].address != address)
        position = (position + 1) & tables->binding_mask;
    return &tables->bindings[position];
}

static bool bindings_reserve(ku__tables *tables) {
    if ((tables->binding_count + 1) * 2 <= tables->binding_mask + 1) return true;
    ku__tables larger = {.binding_mask = tables->binding_mask * 2 + 1};
    size_t bytes = (larger.binding_mask + 1) * sizeof(ku__binding);
    larger.bindings = ku__metadata_map(tables, bytes);
    if (larger.bindings == NULL) return false;
    for (uint64_t i = 0; i <= tables->binding_mask; i++)
        if (tables->bindings[i].address != NULL)
            *binding_place(&larger, tables->bindings[i].address) = tables->bindings[i];
    ku__bindings_release(tables);
    tables->bindings = larger.bindings;
    tables->binding_mask = larger.binding_mask;
    return true;
}

/* Empties a place and moves back what was pushed behind it, so that a search never meets a gap (Knuth, TAOCP 3, 6.4
 * R). */
static void binding_remove(ku__tables *tables, ku__binding *binding) {
    uint64_t hole = (uint64_t)(binding - tables->bindings);
    uint64_t mask = tables->binding_mask;
    for (uint64_t next = (hole + 1) & mask; tables->bindings[next].address != NULL; next = (next + 1) & mask) {
        uint64_t home = address_hash(tables->bindings[next].address) & mask;
        if (((next - home) & mask) >= ((next - hole) & mask)) {
            tables->bindings[hole] = tables->bindings[next];
            hole = next;
        }
    }
    tables->bindings[hole] = (ku__binding){.address = NULL};
    tables->binding_count--;
}

uint32_t ku__code_find(const ku__tracer *tracer, const void *address) {
    return binding_place(tracer->tables, address)->code;
}

static bool record_of_facts(ku__tables *tables, const ku__code_facts *facts, ku__code *record) {
    record->first_line = facts->first_line;
    return ku__string_intern(tables, facts->filename, facts->filename_bytes, &record->filename) &&
           ku__string_intern(tables, facts->qualname, facts->qualname_bytes, &record->qualname) &&
           ku__string_intern(tables, facts->line_table, facts->line_table_bytes, &record->line_table);
}

static bool record_equals(const ku__code *a, const ku__code *b) {
    return a->filename == b->filename && a->qualname == b->qualname && a->line_table == b->line_table &&
           a->first_line == b->first_line;
}

/* The number of a record with this content, made if need be; 0 when memory is refused. */
static uint32_t record_intern(ku__tables *tables, const ku__code *record) {
    uint64_t hash = ku__hash_words(ku__hash_words(record->filename, record->qualname),
                                   (uint64_t)record->line_table << 32 | (uint32_t)record->first_line);
    uint64_t position = hash & 0xFFFFFFFFu;
    for (uint32_t found; (found = ku__index_next(&tables->code_index, hash, &position)) != 0;)
        if (record_equals(ku__column_at(&tables->codes, found), record)) return found;
    if (!ku__index_reserve(tables, &tables->code_index)) return 0;
    ku__code *room = ku__column_next(tables, &tables->codes);
    if (room == NULL) return 0;
    *room = *record;
    uint32_t number = ku__column_publish(&tables->codes);
    ku__index_insert(&tables->code_index, hash, number);
    return number;
}

static uint32_t add(ku__tracer *tracer, const void *address, const ku__code_facts *facts) {
    ku__tables *tables = tracer->tables;
    ku__code record;
    uint32_t number = 0;
    if (record_of_facts(tables, facts, &record) && bindings_reserve(tables)) number = record_intern(tables, &record);
    if (number == 0) return ku__tracer_fail(tracer, KU_NO_MEMORY, "code records");
    ku__binding *binding = binding_place(tables, address);
    if (binding->address == NULL)
        tables->binding_count++;
    else if (binding->code != number)
        ku__epoch_advance(tracer); /* bound anew without a detach */
    *binding = (ku__binding){.address = address, .code = number};
    return number;
}

uint32_t ku__code_add(ku__tracer *tracer, const void *address, const ku__code_facts *facts) {
    uint64_t start = ku__clock_nanoseconds();
    uint32_t number = add(tracer, address, facts);
    tracer->tables->miss_nanoseconds += ku__clock_nanoseconds() - start;
    return number;
}

void ku__code_detach(ku__tracer *tracer, const void *address) {
    ku__binding *binding = binding_place(tracer->tables, address);
    if (binding->address == NULL) return;
    binding_remove(tracer->tables, binding);
    ku__epoch_advance(tracer);
}

bool ku__code_read(const ku__tracer *tracer, uint32_t code, ku__code_facts *facts) {
    const ku__tables *tables = tracer->tables;
    if (code == 0 || code >= ku__column_count(&tables->codes)) return false;
    const ku__code *record = ku__column_at(&tables->codes, code);
    const ku__string *filename = ku__column_at(&tables->strings, record->filename);
    const ku__string *qualname = ku__column_at(&tables->strings, record->qualname);
    const ku__string *line_table = ku__column_at(&tables->strings, record->line_table);
    *facts = (ku__code_facts){
        .filename = filename->size ? (const char *)filename->bytes : "",
        .filename_bytes = filename->size,
        .qualname = qualname->size ? (const char *)qualname->bytes : "",
        .qualname_bytes = qualname->size,
        .line_table = line_table->bytes,
        .line_table_bytes = line_table->size,
        .first_line = record->first_line,
    };
    return true;
}
