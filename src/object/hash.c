/* hash.c: hashes of values.
 *
 * Numbers that are equal have equal hashes, whatever their types: the hash of a rational number is its value modulo the
 * prime 2^61 - 1, as in CPython (Python library reference, "Hashing of numeric types"), and the very same values. The
 * number 2^64 is 8 modulo the prime, so limbs are folded from the top with one product each; a double is folded by
 * pieces of its mantissa, and powers of two are rotations of 61 bits.
 *
 * Text and bytes: XXH3 of 64 bits, with a seed that each process draws once, so that nobody outside can choose keys
 * that collide. A hash of 0 means "not asked for yet" in a str, and is never given.
 *
 * Items of tuples: the lanes of xxHash as CPython uses them (Objects/tupleobject.c, from Yann Collet's XXH64), so that
 * equal tuples of numbers hash as there.
 */
#include "object/values.h"
#include "os/random.h"

#include <math.h>
#include <stdatomic.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define PRIME (((uint64_t)1 << 61) - 1)
enum { PRIME_BITS = 61 };

static _Atomic(uint64_t) seed; /* 0: not drawn yet */

void ku__hash_open(void) {
    uint64_t none = 0, drawn = ku__random_word() | 1;
    atomic_compare_exchange_strong(&seed, &none, drawn);
}

uint64_t ku__hash_text(const void *bytes, size_t size) {
    uint64_t hash = XXH3_64bits_withSeed(bytes, size, atomic_load_explicit(&seed, memory_order_relaxed));
    return hash != 0 ? hash : 1;
}

/* -1 is what CPython's functions return for an error, so no value has it. */
static uint64_t signed_hash(uint64_t magnitude, bool negative) {
    uint64_t hash = negative ? 0 - magnitude : magnitude;
    return hash == UINT64_MAX ? UINT64_MAX - 1 : hash;
}

static uint64_t fold(ku__limb2 value) {
    value = (value & PRIME) + (value >> PRIME_BITS);
    value = (value & PRIME) + (value >> PRIME_BITS);
    return value >= PRIME ? (uint64_t)(value - PRIME) : (uint64_t)value;
}

uint64_t ku__hash_int(const ku_object *number) {
    ku__magnitude m;
    ku__magnitude_of(number, &m);
    uint64_t hash = 0;
    for (size_t i = m.length; i-- > 0;) {
        hash = fold((ku__limb2)hash * 8 + m.limbs[i]);
    }
    return signed_hash(hash, m.negative);
}

static uint64_t rotate(uint64_t value, unsigned bits) {
    return bits == 0 ? value : ((value << bits) & PRIME) | value >> (PRIME_BITS - bits);
}

uint64_t ku__hash_double(const ku_object *number, double value) {
    if (isnan(value)) {
        return ku__hash_address(number); /* equal to nothing: each its own */
    }
    if (isinf(value)) {
        return signed_hash(314159, value < 0); /* sys.hash_info.inf */
    }
    int exponent;
    double fraction = frexp(fabs(value), &exponent);
    uint64_t hash = 0;
    while (fraction != 0) { /* 28 bits at a time: at most twice */
        hash = rotate(hash, 28);
        fraction *= 0x1p28;
        exponent -= 28;
        uint64_t piece = (uint64_t)fraction;
        fraction -= (double)piece;
        hash = fold((ku__limb2)hash + piece);
    }
    int turn = exponent >= 0 ? exponent % PRIME_BITS : PRIME_BITS - 1 - (-1 - exponent) % PRIME_BITS;
    return signed_hash(rotate(hash, (unsigned)turn), value < 0);
}

/* Blocks are 16 bytes apart: the lowest bits say nothing (Python/pyhash.c does the same). */
uint64_t ku__hash_address(const ku_object *object) {
    uintptr_t address = (uintptr_t)object;
    return signed_hash(address >> 4 | address << 60, false);
}

uint64_t ku__hash_items(const uint64_t *hashes, size_t count) {
    const uint64_t prime_1 = 11400714785074694791u, prime_2 = 14029467366897019727u, prime_5 = 2870177450012600261u;
    uint64_t sum = prime_5;
    for (size_t i = 0; i < count; i++) {
        sum += hashes[i] * prime_2;
        sum = sum << 31 | sum >> 33;
        sum *= prime_1;
    }
    sum += count ^ (prime_5 ^ 3527539u);
    return sum == UINT64_MAX ? 1546275796u : sum;
}
