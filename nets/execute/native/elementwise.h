// Elementwise sums and products, and functions of one byte.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include "requantize.h"

extern "C" {

// One rescaled operand of a sum: floor((x - zero) * scale + 0.5 + away with the sign of x - zero), in float64.
struct Operand {
    int32_t zero;
    int32_t sign;               // 1, or -1 if it is subtracted
    double scale, away, half;
    const int32_t* table;       // the same values by unsigned byte, sign included; used if `exact` is 0
};

// Mirror SumStruct, ProductStruct and LookupStruct. Constants have LANES entries.
struct SumPlan {
    const Requant* requant;
    Operand operands[2];
    int64_t elements;    // of one sample of the output
    int64_t periods[2];  // of one sample of each operand, which repeats
    int32_t exact;     // whether float64 gives the tables' values
};

struct ProductPlan {
    const Requant* requant;
    int32_t zeros[2];
    int64_t elements, periods[2];
};

struct LookupPlan {
    const int8_t* table;  // by unsigned byte
    int64_t elements;
};
}

static const int64_t ELEMENTS_AT_ONCE = 1024;

INLINE int32_t rescaled(int8_t byte, const Operand& o) {
    const double x = static_cast<int32_t>(byte) - o.zero;
    return o.sign * static_cast<int32_t>(std::floor((x * o.scale + o.half) + std::copysign(o.away, x)));
}

// Passes accumulators of a few elements at a time to one rescaler for all of them.
template <typename Path, typename Body>
static void in_parts(const Requant& requant, int8_t* y, int64_t count, Body&& body) {
    int32_t* acc = scratch<int32_t>(ACCUMULATORS, ELEMENTS_AT_ONCE);
    for (int64_t i = 0; i < count; i += ELEMENTS_AT_ONCE) {
        const int64_t part = std::min(ELEMENTS_AT_ONCE, count - i), rows = part / LANES, done = rows * LANES;
        body(i, part, acc);
        requantize<Path>(requant, {acc, LANES, y + i, LANES, rows, 0, LANES});
        if (done < part) requantize<Path>(requant, {acc + done, LANES, y + i + done, LANES, 1, 0, part - done});
    }
}

// One sample of an operand, repeated until it has as many elements as the output.
static const int8_t* repeated(const int8_t* x, int64_t period, int64_t elements, Slot slot) {
    if (period == elements) return x;
    int8_t* all = scratch<int8_t>(slot, elements);
    for (int64_t i = 0; i < elements; i += period) std::memcpy(all + i, x, static_cast<size_t>(period));
    return all;
}

// Calls `body(a, b, y, elements)` for samples whose operands repeat, or once for all samples if none does.
template <typename Plan, typename Body>
static void each_sample(const Plan& plan, const int8_t* a, const int8_t* b, int8_t* y, int64_t samples, Body&& body) {
    const int64_t elements = plan.elements, first = plan.periods[0], second = plan.periods[1];
    if (first == elements && second == elements) return body(a, b, y, samples * elements);
    for (int64_t sample = 0; sample < samples; ++sample, a += first, b += second, y += elements)
        body(repeated(a, first, elements, PADDED), repeated(b, second, elements, FILL), y, elements);
}

#ifdef HAS_X86_PATHS
// Sixteen rescaled operands, added to or subtracted from what is there.
struct Operand512 {
    __m512d scale, half, away;
    __m512i zero;
    __mmask16 negative;
    ON_AVX512 INLINE explicit Operand512(const Operand& o) {
        scale = _mm512_set1_pd(o.scale);
        half = _mm512_set1_pd(o.half);
        away = _mm512_set1_pd(o.away);
        zero = _mm512_set1_epi32(o.zero);
        negative = o.sign < 0 ? 0xffff : 0;
    }
    ON_AVX512 INLINE __m256i eight(__m512d x) const {
        const __m512d sign = _mm512_and_pd(x, _mm512_set1_pd(-0.0));
        return Floor64::floored(x, scale, _mm512_add_pd(half, _mm512_or_pd(sign, away)));
    }
    ON_AVX512 INLINE __m512i added(__m512i sum, const int8_t* bytes) const {
        const __m128i read = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
        const __m512i x = _mm512_sub_epi32(_mm512_cvtepi8_epi32(read), zero);
        const __m256i low = eight(Floor64::low_eight(x)), high = eight(Floor64::high_eight(x));
        const __m512i value = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
        return _mm512_add_epi32(sum, _mm512_mask_sub_epi32(value, negative, _mm512_setzero_si512(), value));
    }
};

ON_AVX512 static void sums_512(const Operand& a, const Operand& b, const int8_t* x, const int8_t* y, int32_t* acc, int64_t count) {
    const Operand512 left(a), right(b);
    for (int64_t i = 0; i < count; i += LANES)
        _mm512_storeu_si512(acc + i, right.added(left.added(_mm512_setzero_si512(), x + i), y + i));
}
#endif

template <typename Path>
static void dense_sum(const SumPlan& plan, const int8_t* a, const int8_t* b, int8_t* y, int64_t elements) {
    const Operand first = plan.operands[0], second = plan.operands[1];
    // Without an instruction for it, a floor costs more than a table.
    const bool exact = plan.exact != 0 && !std::is_base_of<Plain, Path>::value;
    in_parts<Path>(*plan.requant, y, elements, [&](int64_t from, int64_t part, int32_t* sums) {
        int64_t done = 0;
#ifdef HAS_X86_PATHS
        if (exact && std::is_same<Path, Vnni>::value) {
            done = part / LANES * LANES;
            sums_512(first, second, a + from, b + from, sums, done);
        }
#endif
        Path::call([=]() INLINE_LAMBDA {
            const int8_t* __restrict left = a + from;
            const int8_t* __restrict right = b + from;
            int32_t* __restrict acc = sums;
            if (exact) {
                for (int64_t i = done; i < part; ++i) acc[i] = rescaled(left[i], first) + rescaled(right[i], second);
            } else {
                for (int64_t i = 0; i < part; ++i)
                    acc[i] = first.table[static_cast<uint8_t>(left[i])] + second.table[static_cast<uint8_t>(right[i])];
            }
        });
    });
}

template <typename Path>
static void dense_product(const ProductPlan& plan, const int8_t* a, const int8_t* b, int8_t* y, int64_t elements) {
    const int32_t first = plan.zeros[0], second = plan.zeros[1];
    in_parts<Path>(*plan.requant, y, elements, [&](int64_t from, int64_t part, int32_t* products) {
        Path::call([=]() INLINE_LAMBDA {
            const int8_t* __restrict left = a + from;
            const int8_t* __restrict right = b + from;
            int32_t* __restrict acc = products;
            for (int64_t i = 0; i < part; ++i) acc[i] = (left[i] - first) * (right[i] - second);
        });
    });
}

template <typename Path>
static void sum(const SumPlan& plan, const int8_t* a, const int8_t* b, int8_t* y, int64_t samples) {
    each_sample(plan, a, b, y, samples, [&](const int8_t* left, const int8_t* right, int8_t* to, int64_t elements) {
        dense_sum<Path>(plan, left, right, to, elements);
    });
}

template <typename Path>
static void product(const ProductPlan& plan, const int8_t* a, const int8_t* b, int8_t* y, int64_t samples) {
    each_sample(plan, a, b, y, samples, [&](const int8_t* left, const int8_t* right, int8_t* to, int64_t elements) {
        dense_product<Path>(plan, left, right, to, elements);
    });
}

static void lookup(const LookupPlan& plan, const int8_t* x, int8_t* y, int64_t samples) {
    int8_t table[256];
    std::memcpy(table, plan.table, sizeof(table));
    const int64_t count = samples * plan.elements;
    for (int64_t i = 0; i < count; ++i) y[i] = table[static_cast<uint8_t>(x[i])];
}
