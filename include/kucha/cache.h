/* cache.h: a bounded cache that forgets what was not used for longest.
 *
 * Holds at most `maxsize` entries. Setting one more forgets the entry that was looked up or set least recently. Looking
 * up counts a hit or a miss. Everything takes constant time. A cache is an object: it can be an attribute, and cycles
 * through it are collected.
 *
 * Lock: the isolate's. Source: the Python library reference, functools.lru_cache and its cache_info().
 */
#ifndef KUCHA_CACHE_H
#define KUCHA_CACHE_H

#include <kucha/object.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ku_cache_info {
    uint64_t hits;   /* look-ups that found their key */
    uint64_t misses; /* look-ups that did not */
    size_t maxsize;  /* SIZE_MAX: no bound */
    size_t currsize; /* entries now */
} ku_cache_info;

/* SIZE_MAX is no bound; with 0 nothing is ever kept, and every look-up is a miss. */
KU_API ku_object *ku_cache_new(ku_isolate *isolate, size_t maxsize);

/* True with *value new, or NULL when the key is not there; counts either. False: hashing or comparing failed. */
KU_API bool ku_cache_get(ku_isolate *isolate, ku_object *cache, ku_object *key, ku_object **value);

/* Sets an entry, and makes it the one used last. */
KU_API bool ku_cache_set(ku_isolate *isolate, ku_object *cache, ku_object *key, ku_object *value);

/* What the key stands for; where it is not there, the result of function(key), which is kept. New. */
KU_API ku_object *ku_cache_call(ku_isolate *isolate, ku_object *cache, ku_object *function, ku_object *key);

/* Forgets all entries and sets hits and misses to 0. */
KU_API bool ku_cache_clear(ku_isolate *isolate, ku_object *cache);

/* False for what is no cache (without an error). */
KU_API bool ku_cache_read(const ku_object *cache, ku_cache_info *info);

#ifdef __cplusplus
}
#endif

#endif
