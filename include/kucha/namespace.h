/* namespace.h: names and what they stand for, as one object: a module.
 *
 * Its attributes are the entries of its dict. Globals of an interpreter live well in one: the collector takes it as a
 * known root when its place was given to ku_root_add().
 *
 * Lock: the isolate's. Source: the Python library reference, "Modules".
 */
#ifndef KUCHA_NAMESPACE_H
#define KUCHA_NAMESPACE_H

#include <kucha/object.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A namespace with an empty dict; "<module 'name'>" is its repr. */
KU_API ku_object *ku_namespace_new(ku_isolate *isolate, const char *name);

/* Its dict: borrowed; changes in it are changes of the attributes. NULL for what is no namespace. */
KU_API ku_object *ku_namespace_dict(const ku_object *space);

/* Its name, a str: borrowed. NULL for what is no namespace. */
KU_API ku_object *ku_namespace_name(const ku_object *space);

#ifdef __cplusplus
}
#endif

#endif
