/* native_layout.c: see native_layout.h. */
#include "isolate/native_layout.h"

#include "isolate/running.h"
#include "object/birth.h"
#include "object/class.h"
#include "object/collect.h"
#include "object/finalize.h"
#include "object/lookup.h"
#include "object/values.h"

const ku__native_layout ku__native_laid_out = {
    .bytes = sizeof(ku__native_layout),
#define X(name, structure, member) .name = (uint32_t)offsetof(structure, member),
    KU__NATIVE_FIELDS(X)
#undef X
#define X(name, structure) .name = (uint32_t)sizeof(structure),
        KU__NATIVE_SIZES(X)
#undef X
            .isolates = &ku__isolates,
    .maps = &ku__type_maps,
    .trace = &ku__trace_anchored,
};
