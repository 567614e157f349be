// Requantization of int32 accumulators to int8, one function for each rule of nets/network/contracts.py.
//
// Every rule is exact integer or IEEE arithmetic, written so that compilers vectorise it; the Python side prepares the
// per-channel constants. docs/numerics.md is normative.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

// The compiler makes one copy for each instruction set and the loader picks the machine's. Levels of x86-64 are known to
// GCC 12; an earlier one is given the instructions that matter most.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
#define MULTIVERSION __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#elif defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define MULTIVERSION __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define MULTIVERSION
#endif
#define INLINE inline __attribute__((always_inline))

extern "C" {

// Mirrors nets/execute/native/plans.py: Requant. Arrays have one entry for each channel, and all of them `repeat` times over.
struct Requant {
    int32_t rule;             // a Rule
    int32_t repeat;
    int32_t zero;             // output zero point
    int32_t q_min;            // bounds of the output integer
    int32_t q_max;
    const int64_t* __restrict multiplier;
    const int64_t* __restrict half;      // added before the shift
    const int64_t* __restrict shift;     // right shift, 0 to 63
    const int64_t* __restrict offset;    // 2**63 >> shift
    const int64_t* __restrict left;      // tflite_double: left shift, 0 to 31
    const int64_t* __restrict nudge;     // tflite_double: 1 where the second shift is not 0
    const float* __restrict scale32;
    const double* __restrict scale64;
};
}

enum Rule { SHIFT = 0, SHIFT_MAGNITUDE = 1, DOUBLE = 2, DOUBLE_LEFT = 3, FLOAT32_EVEN = 4, FLOAT64_AWAY = 5 };

// Arithmetic right shift of a 64-bit sum by a per-lane count. Biasing by 2**63 makes it a logical one, which AVX2 has too.
INLINE int64_t shifted(int64_t value, int64_t shift, int64_t offset) {
    const uint64_t biased = static_cast<uint64_t>(value) ^ (1ull << 63);
    return static_cast<int64_t>((biased >> shift) - static_cast<uint64_t>(offset));
}

INLINE int8_t clamped(int64_t q, const Requant& r) {
    const int64_t low = static_cast<int64_t>(r.q_min) - r.zero, high = static_cast<int64_t>(r.q_max) - r.zero;
    return static_cast<int8_t>(std::min(std::max(q, low), high) + r.zero);
}

INLINE int8_t by_shift(int32_t acc, const Requant& r, int64_t c) {
    const int64_t product = static_cast<int64_t>(acc) * static_cast<int32_t>(r.multiplier[c]);
    return clamped(shifted(product + r.half[c], r.shift[c], r.offset[c]), r);
}

INLINE int8_t by_magnitude(int32_t acc, const Requant& r, int64_t c) {
    const int64_t magnitude = acc < 0 ? -static_cast<int64_t>(acc) : static_cast<int64_t>(acc);
    const int64_t q = shifted(magnitude * r.multiplier[c] + r.half[c], r.shift[c], r.offset[c]);
    return clamped(acc < 0 ? -q : q, r);
}

// gemmlowp: half up at bit 31, then half away from zero at the second shift.
INLINE int8_t by_two_shifts(int64_t operand, const Requant& r, int64_t c) {
    const int64_t high = shifted(operand * r.multiplier[c] + (1ll << 30), 31, 1ll << 32);
    const int64_t away = high < 0 ? r.nudge[c] : 0;
    return clamped(shifted(high + r.half[c] - away, r.shift[c], r.offset[c]), r);
}

INLINE int64_t saturated(int64_t value) {
    return std::min<int64_t>(std::max<int64_t>(value, INT32_MIN), INT32_MAX);
}

// Clamped to output bounds first: rounding keeps integers, and the magic number needs less than 2**22.
INLINE int8_t by_float32(int32_t acc, const Requant& r, int64_t c) {
    const float low = static_cast<float>(r.q_min - r.zero), high = static_cast<float>(r.q_max - r.zero);
    const float scaled = std::min(std::max(static_cast<float>(acc) * r.scale32[c], low), high);
    const float magic = 12582912.0f;  // 1.5 * 2**23: its last bit counts ones, so the sum is rounded to even
    const float rounded = (scaled + magic) - magic;
    return static_cast<int8_t>(static_cast<int32_t>(rounded) + r.zero);
}

INLINE int8_t by_float64(int32_t acc, const Requant& r, int64_t c) {
    const double low = r.q_min - r.zero, high = r.q_max - r.zero;
    const double scaled = std::min(std::max(static_cast<double>(acc) * r.scale64[c], low), high);
    const int32_t whole = static_cast<int32_t>(scaled);  // towards zero
    const double rest = scaled - whole;
    return static_cast<int8_t>(whole + (rest >= 0.5) - (rest <= -0.5) + r.zero);
}

// `rows` of `channels` accumulators, `stride` apart, to as many dense rows of int8.
template <typename Function>
INLINE void each_row(
    const int32_t* __restrict acc, int8_t* __restrict out, int64_t rows, int64_t channels, int64_t stride, Function&& function
) {
    for (int64_t row = 0; row < rows; ++row)
        for (int64_t c = 0; c < channels; ++c) out[row * channels + c] = function(acc[row * stride + c], c);
}

// Short rows that follow each other are taken several at once, so that the inner loop is worth vectorising.
template <typename Function>
INLINE void each(
    const int32_t* acc, int8_t* out, int64_t rows, int64_t channels, int64_t stride, int64_t repeat, Function&& function
) {
    const int64_t together = stride == channels ? repeat : 1;
    const int64_t groups = rows / together, done = groups * together;
    each_row(acc, out, groups, channels * together, stride * together, function);
    each_row(acc + done * stride, out + done * channels, rows - done, channels, stride, function);
}

MULTIVERSION static void requantize_rows(
    const Requant& requant, const int32_t* acc, int8_t* out, int64_t rows, int64_t channels, int64_t stride
) {
    const Requant r = requant;  // a copy: its fields cannot alias the output
#define BY(expression) \
    return each(acc, out, rows, channels, stride, r.repeat, \
                [&](int32_t a, int64_t c) __attribute__((always_inline)) { return expression; })
    switch (r.rule) {
        case SHIFT: BY(by_shift(a, r, c));
        case SHIFT_MAGNITUDE: BY(by_magnitude(a, r, c));
        case DOUBLE: BY(by_two_shifts(a, r, c));
        case DOUBLE_LEFT: BY(by_two_shifts(saturated(static_cast<int64_t>(a) << r.left[c]), r, c));
        case FLOAT32_EVEN: BY(by_float32(a, r, c));
        case FLOAT64_AWAY: BY(by_float64(a, r, c));
    }
#undef BY
}
