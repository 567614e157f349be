// Elementwise sums and products, functions of one byte, extrema, pools and copies.
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

// Mirrors SumStruct, ProductStruct, LookupStruct, PoolStruct, CopyStruct. Constants have LANES entries.
struct SumPlan {
    const Requant* requant;
    Operand operands[2];
    int64_t elements;  // of one sample
    int32_t exact;     // whether float64 gives the tables' values
};

struct ProductPlan {
    const Requant* requant;
    int32_t zeros[2];
    int64_t elements;
};

struct LookupPlan {
    const int8_t* table;  // by unsigned byte
    int64_t elements;
};

enum PoolKind { MAXIMUM = 0, AVERAGE = 1, SUM = 2 };

struct PoolPlan {
    int32_t kind;
    int32_t height, width, channels, out_height, out_width;
    int32_t kernel_y, kernel_x, stride_y, stride_x, top, left;
    int32_t q_min, q_max;
    int32_t zero;            // SUM: subtracted from each input
    const Requant* requant;  // SUM
};

// Pieces of `bytes[i]`, one from each input in turn, `count` times a sample.
struct JoinPlan {
    const int64_t* bytes;
    int64_t inputs, count;
};

// Strided copy of an array of up to six axes: sizes of the output, strides in the input.
struct CopyPlan {
    int64_t sizes[6], strides[6];
    int64_t input_bytes;  // of one sample
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
static void sum(const SumPlan& plan, const int8_t* a, const int8_t* b, int8_t* y, int64_t samples) {
    const Operand first = plan.operands[0], second = plan.operands[1];
    const bool exact = plan.exact != 0;
    in_parts<Path>(*plan.requant, y, samples * plan.elements, [&](int64_t from, int64_t part, int32_t* sums) {
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
static void product(const ProductPlan& plan, const int8_t* a, const int8_t* b, int8_t* y, int64_t samples) {
    const int32_t first = plan.zeros[0], second = plan.zeros[1];
    in_parts<Path>(*plan.requant, y, samples * plan.elements, [&](int64_t from, int64_t part, int32_t* products) {
        Path::call([=]() INLINE_LAMBDA {
            const int8_t* __restrict left = a + from;
            const int8_t* __restrict right = b + from;
            int32_t* __restrict acc = products;
            for (int64_t i = 0; i < part; ++i) acc[i] = (left[i] - first) * (right[i] - second);
        });
    });
}

static void lookup(const LookupPlan& plan, const int8_t* x, int8_t* y, int64_t samples) {
    int8_t table[256];
    std::memcpy(table, plan.table, sizeof(table));
    const int64_t count = samples * plan.elements;
    for (int64_t i = 0; i < count; ++i) y[i] = table[static_cast<uint8_t>(x[i])];
}

// Calls `body(first input of the window, pointer to the output, rows, columns)` for the valid part of each window.
template <typename Body>
static void windows(const PoolPlan& p, const int8_t* x, int8_t* y, int64_t samples, Body&& body) {
    const int64_t row = static_cast<int64_t>(p.width) * p.channels;
    for (int64_t sample = 0; sample < samples; ++sample, x += p.height * row)
        for (int64_t oy = 0; oy < p.out_height; ++oy) {
            const int64_t y0 = oy * p.stride_y - p.top, y1 = std::min<int64_t>(y0 + p.kernel_y, p.height);
            const int64_t top = std::max<int64_t>(y0, 0);
            for (int64_t ox = 0; ox < p.out_width; ++ox, y += p.channels) {
                const int64_t x0 = ox * p.stride_x - p.left, x1 = std::min<int64_t>(x0 + p.kernel_x, p.width);
                const int64_t left = std::max<int64_t>(x0, 0);
                body(x + top * row + left * p.channels, y, std::max<int64_t>(y1 - top, 0), std::max<int64_t>(x1 - left, 0));
            }
        }
}

template <typename Path>
static void maxima(const PoolPlan& p, const int8_t* x, int8_t* y, int64_t samples) {
    const int64_t channels = p.channels, row = static_cast<int64_t>(p.width) * channels;
    const int8_t low = static_cast<int8_t>(p.q_min), high = static_cast<int8_t>(p.q_max);
    windows(p, x, y, samples, [&](const int8_t* from, int8_t* to, int64_t rows, int64_t columns) {
        Path::call([=]() INLINE_LAMBDA {
            int8_t* __restrict out = to;
            for (int64_t c = 0; c < channels; ++c) out[c] = low;
            for (int64_t dy = 0; dy < rows; ++dy)
                for (int64_t dx = 0; dx < columns; ++dx) {
                    const int8_t* __restrict in = from + dy * row + dx * channels;
                    for (int64_t c = 0; c < channels; ++c) out[c] = std::max(out[c], in[c]);
                }
            for (int64_t c = 0; c < channels; ++c) out[c] = std::min(out[c], high);
        });
    });
}

// Sums of each window, and what becomes of them: a mean rounded half away from zero, or a rescaler's output.
template <typename Path>
static void sums(const PoolPlan& p, const int8_t* x, int8_t* y, int64_t samples) {
    const int64_t channels = p.channels, row = static_cast<int64_t>(p.width) * channels;
    int32_t* acc = scratch<int32_t>(ACCUMULATORS, channels + LANES);
    const double low = p.q_min, high = p.q_max;
    const int32_t zero = p.zero;
    const bool averages = p.kind == AVERAGE;
    windows(p, x, y, samples, [&](const int8_t* from, int8_t* to, int64_t rows, int64_t columns) {
        const int64_t taps = rows * columns;
        Path::call([=]() INLINE_LAMBDA {
            int32_t* __restrict total = acc;
            const int32_t start = static_cast<int32_t>(-zero * taps);
            for (int64_t c = 0; c < channels; ++c) total[c] = start;
            for (int64_t dy = 0; dy < rows; ++dy)
                for (int64_t dx = 0; dx < columns; ++dx) {
                    const int8_t* __restrict in = from + dy * row + dx * channels;
                    for (int64_t c = 0; c < channels; ++c) total[c] += in[c];
                }
            if (!averages) return;
            int8_t* __restrict out = to;
            const double count = static_cast<double>(taps), half = static_cast<double>(taps / 2);
            // A quotient of 32-bit integers, rounded to float64, has the whole part of the exact one.
            for (int64_t c = 0; c < channels; ++c) {
                const double value = total[c], raised = value > 0 ? value + half : value - half;
                const int32_t mean = static_cast<int32_t>(raised / count);
                out[c] = static_cast<int8_t>(std::min(std::max<double>(mean, low), high));
            }
        });
        if (!averages) requantize<Path>(*p.requant, {acc, channels, to, channels, 1, 0, channels});
    });
}

static void join(const JoinPlan& plan, const int8_t* const* inputs, int8_t* y, int64_t samples) {
    for (int64_t piece = 0; piece < samples * plan.count; ++piece)
        for (int64_t i = 0; i < plan.inputs; ++i) {
            std::memcpy(y, inputs[i] + piece * plan.bytes[i], static_cast<size_t>(plan.bytes[i]));
            y += plan.bytes[i];
        }
}

static void copy_strided(const CopyPlan& plan, const int8_t* x, int8_t* y, int64_t samples) {
    const int64_t* n = plan.sizes;
    const int64_t* s = plan.strides;
    for (int64_t sample = 0; sample < samples; ++sample, x += plan.input_bytes)
        for (int64_t i = 0; i < n[0]; ++i)
            for (int64_t j = 0; j < n[1]; ++j)
                for (int64_t k = 0; k < n[2]; ++k)
                    for (int64_t l = 0; l < n[3]; ++l)
                        for (int64_t m = 0; m < n[4]; ++m) {
                            const int8_t* from = x + i * s[0] + j * s[1] + k * s[2] + l * s[3] + m * s[4];
                            if (s[5] == 1) std::memcpy(y, from, static_cast<size_t>(n[5]));
                            else
                                for (int64_t o = 0; o < n[5]; ++o) y[o] = from[o * s[5]];
                            y += n[5];
                        }
}
