/* kucha.h: all public headers.
 *
 * A program includes this one, or only the concepts that it uses. Everything here needs libc and threads only.
 */
#ifndef KUCHA_KUCHA_H
#define KUCHA_KUCHA_H

#include <kucha/arena_map.h>
#include <kucha/budget.h>
#include <kucha/cache.h>
#include <kucha/capture.h>
#include <kucha/census.h>
#include <kucha/channel.h>
#include <kucha/check.h>
#include <kucha/comparison.h>
#include <kucha/container.h>
#include <kucha/diff.h>
#include <kucha/dominators.h>
#include <kucha/error.h>
#include <kucha/fences.h>
#include <kucha/frame.h>
#include <kucha/function.h>
#include <kucha/gc.h>
#include <kucha/graph.h>
#include <kucha/group.h>
#include <kucha/heap.h>
#include <kucha/heap_dump.h>
#include <kucha/heap_file.h>
#include <kucha/histogram.h>
#include <kucha/isolate.h>
#include <kucha/limits.h>
#include <kucha/lock.h>
#include <kucha/message.h>
#include <kucha/namespace.h>
#include <kucha/object.h>
#include <kucha/operations.h>
#include <kucha/partition.h>
#include <kucha/paths.h>
#include <kucha/process.h>
#include <kucha/producers.h>
#include <kucha/progress.h>
#include <kucha/query.h>
#include <kucha/scope.h>
#include <kucha/selection.h>
#include <kucha/stats.h>
#include <kucha/suspects.h>
#include <kucha/system.h>
#include <kucha/text.h>
#include <kucha/trace.h>
#include <kucha/type.h>
#include <kucha/usage.h>
#include <kucha/value.h>
#include <kucha/version.h>
#include <kucha/weakref.h>
#include <kucha/worker.h>

#endif
