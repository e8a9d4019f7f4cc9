/* concurrent_room.c: whether a concurrent collection could take memory that is not there.
 *
 * In the worst case every page is written to while the child lives, by us or by the child, and there are two of each.
 * So as much as is resident must be free: of the machine, and of the process's control group. Limits on a process alone
 * (RLIMIT_AS, RLIMIT_DATA) are not touched by copies: where they refuse the tables that we or the child need, that is
 * a failure like others.
 *
 * To ask takes as long as a clone of a small process. So where there is plenty, the answer holds for a moment.
 *
 * Sources: cgroups(7); proc_meminfo(5), MemAvailable.
 */
#include "cpython/concurrent.h"

#include "os/clock.h"
#include "os/process.h"

#include <kucha/limits.h>
#include <kucha/system.h>

#if KU__FACTS_SUPPORTED

enum {
    TABLES_SHARE = 8,      /* the child's tables come to less than an eighth of a heap that is half dead */
    KNOWN_FOR = 500000000, /* nanoseconds for which room that was found is taken to be there, */
    KNOWN_SHARE = 8,       /* if no more than an eighth of it is asked for */
};

static uint64_t machine_has(void) {
    ku_system_memory memory;
    ku_error ignored;
    return ku_system_memory_read(NULL, &memory, &ignored) == KU_OK ? memory.available : 0;
}

/* The group's limit is that of all processes in it. */
static uint64_t group_has(void) {
    ku_cgroup group;
    ku_error ignored;
    if (ku_cgroup_read(NULL, 0, &group, &ignored) != KU_OK) {
        return 0;
    }
    bool slowed = group.version == 2 && group.memory_high < group.memory_limit;
    uint64_t most = slowed ? group.memory_high : group.memory_limit;
    if (group.version == 0 || most == KU_UNLIMITED) {
        return UINT64_MAX;
    }
    uint64_t used = group.memory_used > group.memory_reclaimable ? group.memory_used - group.memory_reclaimable : 0;
    return most > used ? most - used : 0;
}

/* The least of what the machine and the group have. */
static uint64_t room_now(void) {
    uint64_t machine = machine_has(), group = group_has();
    return machine < group ? machine : group;
}

bool ku__concurrent_has_room(ku__room *known) {
    uint64_t resident = ku__process_resident(), needed = resident + resident / TABLES_SHARE;
    uint64_t now = ku__clock_nanoseconds();
    if (known->bytes / KNOWN_SHARE < needed || now - known->seen > KNOWN_FOR) {
        *known = (ku__room){.bytes = room_now(), .seen = now};
    }
    return resident != 0 && known->bytes >= needed;
}

#endif
