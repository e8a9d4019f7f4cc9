/* builtins.c: the built-in types: their specs by number, and the root of all, `object`. */
#include "object/class.h"
#include "object/finalize.h"
#include "object/types.h"
#include "object/values.h"
#include "object/weak.h"

static const ku_type_spec object_spec = {
    .name = "object",
    .size = sizeof(ku_object),
    .doc = "The base of all types. An instance is nothing but itself: a mark that is equal to nothing else.",
};

const ku_type_spec *const ku__builtin_specs[KU_BUILTIN_COUNT] = {
    [KU_BUILTIN_OBJECT] = &object_spec,
    [KU_BUILTIN_TYPE] = &ku__class_spec,
    [KU_BUILTIN_NONE] = &ku__none_spec,
    [KU_BUILTIN_BOOL] = &ku__bool_spec,
    [KU_BUILTIN_INT] = &ku__int_spec,
    [KU_BUILTIN_FLOAT] = &ku__float_spec,
    [KU_BUILTIN_STR] = &ku__str_spec,
    [KU_BUILTIN_BYTES] = &ku__bytes_spec,
    [KU_BUILTIN_TUPLE] = &ku__tuple_spec,
    [KU_BUILTIN_LIST] = &ku__list_spec,
    [KU_BUILTIN_DICT] = &ku__dict_spec,
    [KU_BUILTIN_SET] = &ku__set_spec,
    [KU_BUILTIN_CELL] = &ku__cell_spec,
    [KU_BUILTIN_FUNCTION] = &ku__function_spec,
    [KU_BUILTIN_METHOD] = &ku__method_spec,
    [KU_BUILTIN_NAMESPACE] = &ku__namespace_spec,
    [KU_BUILTIN_CACHE] = &ku__cache_spec,
    [KU_BUILTIN_ITERATOR] = &ku__iterator_spec,
    [KU_BUILTIN_WEAKREF] = &ku__weakref_spec,
    [KU_BUILTIN_PROXY] = &ku__proxy_spec,
    [KU_BUILTIN_FINALIZE] = &ku__finalize_spec,
    [KU_BUILTIN_WEAK_VALUE_DICT] = &ku__weak_value_dict_spec,
    [KU_BUILTIN_WEAK_KEY_DICT] = &ku__weak_key_dict_spec,
    [KU_BUILTIN_WEAK_SET] = &ku__weak_set_spec,
    [KU_BUILTIN_CALLBACK] = &ku__callback_spec,
};
