/* model.h: what the collector must know of an object, and of nothing else.
 *
 * The collector is written once and compiled for each kind of heap: native objects (src/object), CPython's, and the
 * synthetic ones of its tests. A file that wants a collector defines what stands below, as types and static inline
 * functions of these names, and then includes gc/collector.h. No call on a hot path goes through a pointer.
 *
 *     typedef ... model_object;     what references point to
 *     typedef ... model_context;    whatever the functions need
 *
 *     uint32_t model_count(const model_object *object)
 *         References that there are to it. KU__MODEL_IMMORTAL or more: it never dies, and what it refers to lives.
 *
 *     bool model_is_exempt(const model_object *object)
 *         Not to be collected now, though it is a block that is taken: its end has begun, or it is in no cycle. It is
 *         as if it were outside of the heap: what it refers to is held by it.
 *
 *     unsigned model_traits(const model_object *object)
 *         KU__MODEL_* below, as things are now. What has none is a block of which only references matter; many such
 *         are freed at once, without being looked at again.
 *
 *     void model_fields(model_object *object, ku__model_visit *visit, void *argument)
 *     bool model_has_others(const model_object *object)
 *     void model_others(model_object *object, ku__model_visit *visit, void *argument)
 *         Call visit(place, argument) for each reference that is not NULL and not in the object's array: in places
 *         known by the type alone; and, if there are others, those. Each counted reference is visited once: one
 *         visited and not counted frees what lives; one counted and not visited keeps what is dead. model_fields() is
 *         always_inline, so that `visit` is inlined.
 *
 *     typedef ... model_shape;      what objects of one kind have in common; .has_others as model_has_others() says
 *     void model_shape_of(model_shape *shape, const model_object *object)
 *     void model_fields_by(const model_shape *shape, model_object *object, ku__model_visit *visit, void *argument)
 *         The same as above in two parts, for whoever looks at many objects: where `shape`, that of another object or
 *         all 0, is not this object's, it becomes so, behind a branch; and the fields are visited by it. Both
 *         always_inline.
 *
 *     const void *model_array_at(const model_object *object)
 *         Where memory begins that must be read for its array; NULL when there is none. It is prefetched.
 *
 *     model_object **model_array(model_object *object, size_t *length)
 *         References outside of the object, in one array; some may be NULL.
 *
 *     void model_roots(model_context *context, ku__model_visit *visit, void *argument)
 *         Places known to hold references from outside. A shortcut: none is needed.
 *
 * The end of objects that were found dead (ending.h says in which order):
 *
 *     void model_weak_mark(model_context *context, model_object *object, bool on)
 *         `object` has KU__MODEL_REFERS_WEAKLY and is garbage: its callback must not be called.
 *     void model_weak_clear(model_context *context, model_object *object, bool call)
 *         Clears weak references to the object. With `call`, callbacks are kept for model_weak_call().
 *     bool model_weak_call(model_context *context)      calls them; false when there were none
 *     void model_finalize(model_context *context, model_object *object)      holds the object meanwhile
 *     void model_drop(model_context *context, model_object *object)          gives up a reference to what lives
 *     void model_hold(model_context *context, model_object *object)          takes one
 *     void model_clear(model_context *context, model_object *object)         makes it give up all that it refers to
 *     void model_strip(model_context *context, model_object *object)         frees what it owns beside references; must
 *                                                                            run no code of the program
 *     void model_freed(model_object *object)            its block is about to be given back; for checking builds
 *
 * Source of the scheme: Bacon, Attanasio, Lee, Rajan and Smith, "Java without the coffee breaks", PLDI 2001, section 4,
 * and Python/gc.c of CPython 3.14 for what a program can see of it.
 */
#ifndef KU__MODEL_H
#define KU__MODEL_H

#define KU__MODEL_IMMORTAL 0x80000000u

enum {
    KU__MODEL_FINALIZER = 1 << 0,     /* has a finalizer that was not run yet */
    KU__MODEL_WEAK = 1 << 1,          /* there are weak references to it */
    KU__MODEL_REFERS_WEAKLY = 1 << 2, /* is a weak reference, whose callback dies with it */
    KU__MODEL_OWNS = 1 << 3,          /* has more than references: model_strip() */
    KU__MODEL_SINGLY = 1 << 4,        /* must be cleared and end by its count, like any other object */
};

#endif
