/* backing.c: see backing.h. */
#include "alloc/backing.h"

#include "alloc/tables.h"
#include "os/clock.h"
#include "os/pages.h"

void ku__backing_open(ku__backing *backing, ku_huge_pages wish) {
    *backing = (ku__backing){.wish = wish, .on_huge = wish == KU_HUGE_ALWAYS, .trial_at = KU__HUGE_FROM};
}

void ku__backing_note_small(ku__backing *backing, double price) {
    /* an eighth of the new one: a single interruption must not decide */
    backing->small_price = backing->small_price == 0 ? price : backing->small_price * 7 / 8 + price / 8;
}

void ku__backing_note_huge(ku__backing *backing, double price, size_t held) {
    backing->on_huge = price >= 0 && price <= backing->small_price;
    backing->trial_at = backing->on_huge ? held : held * 2;
}

/* Takes the pages of a range; the price of it by this thread's own time, or a negative one when the system cannot. */
static double price_of(void *address, size_t bytes, size_t counted_as) {
    double began = ku__clock_thread();
    if (!ku__pages_populate(address, bytes)) {
        return -1;
    }
    return (ku__clock_thread() - began) * 1e9 * KU__PRICED_BYTES / (double)counted_as;
}

/* ---- pools ---- */

/* The slots that the pool's blocks have in the site table: as many bytes as a quarter of its smallest blocks need. */
static void populate_sites(const ku_heap *heap, uint32_t number, const ku__pool *pool) {
    size_t bytes = (pool->capacity + 1u) * sizeof(uint32_t);
    if (heap->sites_on && bytes > ku__page_size() && ku__process_tables.arenas[ku__arena_of_pool(number)].has_sites) {
        ku__pages_populate(ku__process_tables.sites + (size_t)number * KU__SITES_PER_POOL, bytes);
    }
}

/* One pool is taken ahead for its price alone when it is soon to be compared with another. */
static bool is_due(const ku_heap *heap, unsigned class_index) {
    const ku__backing *backing = &heap->backing;
    bool wants_price = backing->small_price == 0 && heap->pools_used >= KU__HUGE_FROM / 2 / KU__POOL_SIZE;
    return heap->pools_of[class_index] >= KU__AHEAD_POOLS || wants_price;
}

void ku__backing_pool(ku_heap *heap, uint32_t number) {
    const ku__pool *pool = ku__pool_at(number);
    bool is_ahead = ku__process_tables.arenas[ku__arena_of_pool(number)].ahead;
    if (heap->backing.wish != KU_HUGE_AUTO || is_ahead || KU__POOL_SIZE <= ku__page_size() ||
        !is_due(heap, pool->class_index)) {
        return;
    }
    double price = price_of(ku__pool_address(number), KU__POOL_SIZE, KU__POOL_SIZE);
    if (price < 0) { /* an old kernel, or no memory: the faults will tell */
        heap->backing.wish = KU_HUGE_NEVER;
        return;
    }
    ku__backing_note_small(&heap->backing, price);
    heap->backing.populated += KU__POOL_SIZE;
    populate_sites(heap, number, pool);
}

/* ---- arenas ---- */

/* One page is asked for. Where a huge page could be had, all of it is there afterwards. */
static double try_huge(char *address) {
    size_t page = ku__page_size();
    double price = price_of(address, page, KU__HUGE_PAGE);
    return ku__pages_resident(address + KU__HUGE_PAGE - page, page) != 0 ? price : -1;
}

bool ku__backing_arena(ku_heap *heap, uint32_t number) {
    ku__backing *backing = &heap->backing;
    char *address = ku__arena_address(number);
    size_t held = heap->arenas * KU__ARENA_SIZE;
    if (backing->wish == KU_HUGE_ALWAYS ||
        (backing->wish == KU_HUGE_AUTO && backing->imaged_from != 0 && held >= backing->imaged_from)) {
        ku__pages_advise_huge(address, KU__ARENA_SIZE);
        return true;
    }
    bool may_try = backing->wish == KU_HUGE_AUTO && KU__ARENA_SIZE >= KU__HUGE_PAGE && backing->small_price != 0;
    if (!may_try || held < backing->trial_at) {
        return false;
    }
    ku__pages_advise_huge(address, KU__ARENA_SIZE);
    ku__backing_note_huge(backing, try_huge(address), held);
    if (!backing->on_huge) {
        ku__backing_make_small(number);
    }
    return true;
}

/* Its own list of arenas without a free pool: what belongs to other heaps is not looked at. */
void ku__backing_gather(ku_heap *heap, double seconds) {
    ku__backing *backing = &heap->backing;
    double end = ku__clock_thread() + seconds;
    if (backing->wish != KU_HUGE_AUTO || KU__ARENA_SIZE < KU__HUGE_PAGE) {
        return;
    }
    for (uint32_t i = heap->by_free[0]; i != KU__NONE && !backing->cannot_gather;
         i = ku__process_tables.arenas[i].next) {
        ku__arena *arena = &ku__process_tables.arenas[i];
        if (arena->ahead || arena->small) {
            continue;
        }
        if (ku__clock_thread() >= end) {
            break;
        }
        arena->ahead = ku__pages_gather(ku__arena_address(i), KU__ARENA_SIZE);
        backing->cannot_gather = !arena->ahead;
    }
}

void ku__backing_make_small(uint32_t number) {
    ku__process_tables.arenas[number].small = true;
    ku__pages_advise_small(ku__arena_address(number), KU__ARENA_SIZE);
}
