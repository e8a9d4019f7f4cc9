/* python_graph.c: see python_graph.h. */
#include "inspect/python_graph.h"

const char *const ku__place_names[KU__PLACES] = {
    [KU__PLACE_MODULES] = "modules",
    [KU__PLACE_INTERPRETER] = "interpreter",
    [KU__PLACE_IMMORTAL] = "immortal",
    [KU__PLACE_UNKNOWN] = "C or unknown",
};

const char *const ku__system_names[KU__SYSTEM_TYPES] = {
    [KU__SYSTEM_ROOT] = "<root>",
    [KU__SYSTEM_PLACE] = "<place>",
    [KU__SYSTEM_FRAME] = "<frame>",
    [KU__SYSTEM_BUFFERS + KU__BUFFER_UNKNOWN] = "<buffer>",
    [KU__SYSTEM_BUFFERS + KU__BUFFER_ITEMS] = "<items of list>",
    [KU__SYSTEM_BUFFERS + KU__BUFFER_KEYS] = "<keys of dict>",
    [KU__SYSTEM_BUFFERS + KU__BUFFER_VALUES] = "<attributes>",
    [KU__SYSTEM_BUFFERS + KU__BUFFER_SET] = "<table of set>",
    [KU__SYSTEM_BUFFERS + KU__BUFFER_TEXT] = "<text of str>",
    [KU__SYSTEM_BUFFERS + KU__BUFFER_BYTES] = "<bytes of bytearray>",
    [KU__SYSTEM_BUFFERS + KU__BUFFER_BLOCK] = "<items of deque>",
    [KU__SYSTEM_BLOCK] = "<block>",
};
