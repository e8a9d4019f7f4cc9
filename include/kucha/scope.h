/* scope.h: scopes: owners of any number of references.
 *
 * A scope is a frame (frame.h) that grows. Every new reference can be given to it; it gives all of them up when its
 * block is left. Where a function does not know how many it will make, it opens a scope; where a loop makes some in
 * every round, it opens one in the body, so that the loop stays bounded:
 *
 *     KU_SCOPE(isolate, scope);
 *     ku_object *best = NULL;
 *     for (int64_t i = 0; i < n; i++) {
 *         KU_SCOPE(isolate, round);
 *         ku_object *candidate = ku_own(&round, make(isolate, i));
 *         if (candidate != NULL && better(candidate, best)) {
 *             best = ku_escape_to(&scope, candidate);
 *         }
 *     }
 *     return ku_scope_escape(&scope, best);
 *
 * What a scope owns is given up newest first. The first KU_SCOPE_OWN references lie in the scope itself, on the C
 * stack; further ones in blocks of the isolate's heap of buffers.
 *
 * Source: V8's HandleScope and EscapableHandleScope; talloc's contexts. Unlike theirs, a scope is a frame, and its
 * references are counted.
 */
#ifndef KUCHA_SCOPE_H
#define KUCHA_SCOPE_H

#include <kucha/frame.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { KU_SCOPE_OWN = 8 }; /* with them a scope is 128 bytes, two lines of cache */

typedef struct ku_scope {
    ku_frame frame;
    ku_object *own[KU_SCOPE_OWN];
} ku_scope;

/* Opens a scope, a variable of this name, until the end of the block. */
#define KU_SCOPE(isolate, name)                                                                                        \
    KU__PLACE(name);                                                                                                   \
    __attribute__((cleanup(ku_scope_leave))) ku_scope name;                                                            \
    ku_scope_enter(&name, isolate, &name##_place)

static inline void ku_scope_enter(ku_scope *scope, ku_isolate *isolate, const ku_place *place) {
    ku_frame_enter(&scope->frame, isolate, place, scope->own, 0);
}
static inline void ku_scope_leave(ku_scope *scope) {
    ku_frame_leave(&scope->frame);
}

/* The rest of ku_own(): when the scope's own places are taken. Not for programs. */
KU_API ku_object *ku_scope_own_more(ku_scope *scope, ku_object *reference);

/* Gives a new reference to the scope, and gives it back as a borrowed one, good as long as the scope. NULL goes
 * through. Where there is no memory to note it, it is given up and the result NULL, with the error pending. */
#define ku_own(scope, reference) (ku_frame_at(&(scope)->frame, __LINE__), ku_scope_own((scope), (reference)))
static inline ku_object *ku_scope_own(ku_scope *scope, ku_object *reference) {
    if (__builtin_expect(scope->frame.count == KU_SCOPE_OWN, 0)) {
        return ku_scope_own_more(scope, reference);
    }
    if (reference != NULL) {
        scope->own[scope->frame.count++] = reference;
    }
    return reference;
}

/* A new reference to what a scope owns, for whoever the scope's function returns to. NULL gives NULL. */
static inline ku_object *ku_scope_escape(ku_scope *scope, ku_object *object) {
    (void)scope;
    return ku_new_reference(object);
}

/* Has an outer scope own the object too, and gives it back as a borrowed reference, good as long as that one. */
static inline ku_object *ku_escape_to(ku_scope *outer, ku_object *object) {
    return ku_scope_own(outer, ku_new_reference(object));
}

/* Gives up everything that the scope owns, now. */
KU_API void ku_scope_clear(ku_scope *scope);

/* How many references it owns. */
KU_API size_t ku_scope_length(const ku_scope *scope);

#ifdef __cplusplus
}
#endif

#endif
