/* layout.c: see layout.h. */
#include "corefile/layout.h"

#include <stddef.h>

/* A column of the table. */
#define IN_311(name, value, ...) .name = (value),
#define IN_312(name, a, value, ...) .name = (value),
#define IN_313(name, a, b, value, ...) .name = (value),
#define IN_314(name, a, b, c, value, ...) .name = (value),
#define IN_315(name, a, b, c, d, value) .name = (value),

const ku__layout *ku__layout_of(unsigned minor) {
    static const ku__layout layouts[] = {
        {KU__LAYOUT_FIELDS(IN_311)}, {KU__LAYOUT_FIELDS(IN_312)}, {KU__LAYOUT_FIELDS(IN_313)},
        {KU__LAYOUT_FIELDS(IN_314)}, {KU__LAYOUT_FIELDS(IN_315)},
    };
    return minor < KU__LAYOUT_FIRST || minor > KU__LAYOUT_LAST ? NULL : &layouts[minor - KU__LAYOUT_FIRST];
}
