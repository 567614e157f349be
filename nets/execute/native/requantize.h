// Requantization of int32 accumulators to int8, one function for each rule of nets/network/contracts.py.
//
// Every rule is exact integer or IEEE arithmetic, written so that compilers vectorise it; the Python side prepares the
// per-channel constants. docs/numerics.md is normative.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "paths.h"

static const int64_t LANES = 16;  // output channels of one block

extern "C" {

// Mirrors nets/execute/native/rules.py: RequantStruct. Arrays have an entry for each channel, and are filled up to LANES.
struct Requant {
    int32_t rule;             // a Rule
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
    const double* __restrict half64;      // the floor rules: rounding constant
    const double* __restrict away64;     // FLOOR64_AWAY: added with the sign of the accumulator
};
}

enum Rule {
    SHIFT = 0,
    SHIFT_MAGNITUDE = 1,
    DOUBLE = 2,
    DOUBLE_LEFT = 3,
    FLOAT32_EVEN = 4,
    FLOAT64_AWAY = 5,
    FLOOR64 = 6,       // the integer rules in float64, if the Python side has proven that it is exact
    FLOOR64_AWAY = 7,
};

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

// floor(x * scale + half), if the Python side has proven that nothing is rounded.
INLINE int8_t by_floor(double x, double scale, double half, const Requant& r) {
    const double low = r.q_min - r.zero, high = r.q_max - r.zero;
    return static_cast<int8_t>(static_cast<int32_t>(std::min(std::max(std::floor(x * scale + half), low), high)) + r.zero);
}

INLINE int8_t by_floor64(int32_t acc, const Requant& r, int64_t c) {
    return by_floor(acc, r.scale64[c], r.half64[c], r);
}

INLINE int8_t by_floor64_away(int32_t acc, const Requant& r, int64_t c) {
    const double x = acc;
    return by_floor(x, r.scale64[c], r.half64[c] + std::copysign(r.away64[c], x), r);
}

// A block of rows by up to LANES channels, of which `channel` is the first; strides are from one row to the next.
struct Rows {
    const int32_t* acc;  // LANES can be read
    int64_t acc_stride;
    int8_t* out;
    int64_t out_stride;
    int64_t rows, channel, count;
};

template <typename Function>
INLINE void each(const Rows& block, Function&& function) {
    const int32_t* __restrict acc = block.acc;
    int8_t* __restrict out = block.out;
    if (block.count == LANES) {
        for (int64_t row = 0; row < block.rows; ++row, acc += block.acc_stride, out += block.out_stride)
            for (int64_t lane = 0; lane < LANES; ++lane) out[lane] = function(acc[lane], block.channel + lane);
    } else {
        for (int64_t row = 0; row < block.rows; ++row, acc += block.acc_stride, out += block.out_stride)
            for (int64_t lane = 0; lane < block.count; ++lane) out[lane] = function(acc[lane], block.channel + lane);
    }
}

template <typename Path>
static void requantize_block(const Requant& requant, const Rows& block) {
    const Requant r = requant;  // a copy: its fields cannot alias the output
#define BY(expression)                                                                                         \
    return Path::call([=]() INLINE_LAMBDA {                                                                    \
        each(block, [=](int32_t a, int64_t c) INLINE_LAMBDA { return expression; });                           \
    })
    switch (r.rule) {
        case SHIFT: BY(by_shift(a, r, c));
        case SHIFT_MAGNITUDE: BY(by_magnitude(a, r, c));
        case DOUBLE: BY(by_two_shifts(a, r, c));
        case DOUBLE_LEFT: BY(by_two_shifts(saturated(static_cast<int64_t>(a) << r.left[c]), r, c));
        case FLOAT32_EVEN: BY(by_float32(a, r, c));
        case FLOAT64_AWAY: BY(by_float64(a, r, c));
        case FLOOR64: BY(by_floor64(a, r, c));
        case FLOOR64_AWAY: BY(by_floor64_away(a, r, c));
    }
#undef BY
}

#ifdef HAS_X86_PATHS
// Rounded integers of sixteen accumulators under a floating-point rule, zero point included, not yet clamped.
// Rounding the sum down keeps its floor, however many bits the product has: integers are float64 values.
struct Floor64 {
    __m512d scale[2], half[2];
    __m512i zero;
    ON_AVX512 INLINE Floor64(const Requant& r, int64_t c) {
        for (int at = 0; at < 2; ++at) {
            scale[at] = _mm512_loadu_pd(r.scale64 + c + 8 * at);
            half[at] = _mm512_loadu_pd(r.half64 + c + 8 * at);
        }
        zero = _mm512_set1_epi32(r.zero);
    }
    ON_AVX512 INLINE __m512i sixteen(__m512i acc) const {
        const __m512d low = low_eight(acc), high = high_eight(acc);
        return joined(floored(low, scale[0], half[0]), floored(high, scale[1], half[1]), zero);
    }
    ON_AVX512 static INLINE __m512d low_eight(__m512i acc) { return _mm512_cvtepi32_pd(_mm512_castsi512_si256(acc)); }
    ON_AVX512 static INLINE __m512d high_eight(__m512i acc) {
        return _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(acc, 1));
    }
    ON_AVX512 static INLINE __m256i floored(__m512d x, __m512d scale, __m512d half) {
        const __m512d sum = _mm512_fmadd_round_pd(x, scale, half, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
        return _mm512_cvt_roundpd_epi32(sum, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    }
    ON_AVX512 static INLINE __m512i joined(__m256i low, __m256i high, __m512i zero) {
        return _mm512_add_epi32(_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1), zero);
    }
};

struct Floor64Away {
    Floor64 floor;
    __m512d away[2];
    ON_AVX512 INLINE Floor64Away(const Requant& r, int64_t c) : floor(r, c) {
        for (int at = 0; at < 2; ++at) away[at] = _mm512_loadu_pd(r.away64 + c + 8 * at);
    }
    ON_AVX512 INLINE __m512i sixteen(__m512i acc) const {
        const __m512d low = Floor64::low_eight(acc), high = Floor64::high_eight(acc);
        return Floor64::joined(
            Floor64::floored(low, floor.scale[0], nudged(low, 0)), Floor64::floored(high, floor.scale[1], nudged(high, 1)),
            floor.zero
        );
    }
    ON_AVX512 INLINE __m512d nudged(__m512d x, int at) const {
        const __m512d sign = _mm512_and_pd(x, _mm512_set1_pd(-0.0));
        return _mm512_add_pd(floor.half[at], _mm512_or_pd(sign, away[at]));
    }
};

struct Float32Even {
    __m512 scale, low, high;
    __m512i zero;
    ON_AVX512 INLINE Float32Even(const Requant& r, int64_t c) {
        scale = _mm512_loadu_ps(r.scale32 + c);
        low = _mm512_set1_ps(static_cast<float>(r.q_min - r.zero));
        high = _mm512_set1_ps(static_cast<float>(r.q_max - r.zero));
        zero = _mm512_set1_epi32(r.zero);
    }
    ON_AVX512 INLINE __m512i sixteen(__m512i acc) const {
        const __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(acc), scale);
        const __m512 bounded = _mm512_min_ps(_mm512_max_ps(scaled, low), high);
        return _mm512_add_epi32(_mm512_cvt_roundps_epi32(bounded, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), zero);
    }
};

// Masked stores are slow on some machines: blocks of LANES do without.
template <typename Rounding>
ON_AVX512 static void requantize_sixteen(const Requant& r, const Rows& block) {
    const Rounding rounding(r, block.channel);
    const __m128i low = _mm_set1_epi8(static_cast<char>(r.q_min)), high = _mm_set1_epi8(static_cast<char>(r.q_max));
    const int64_t rows = block.rows, acc_stride = block.acc_stride, out_stride = block.out_stride;
    const int32_t* acc = block.acc;
    int8_t* out = block.out;
    const auto bytes = [&](const int32_t* from) ON_AVX512 INLINE_LAMBDA {
        const __m128i rounded = _mm512_cvtsepi32_epi8(rounding.sixteen(_mm512_loadu_si512(from)));
        return _mm_min_epi8(_mm_max_epi8(rounded, low), high);
    };
    if (block.count == LANES) {
        for (int64_t row = 0; row < rows; ++row, acc += acc_stride, out += out_stride)
            _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes(acc));
    } else {
        const __mmask16 lanes = static_cast<__mmask16>((1u << block.count) - 1);
        for (int64_t row = 0; row < rows; ++row, acc += acc_stride, out += out_stride)
            _mm_mask_storeu_epi8(out, lanes, bytes(acc));
    }
}
#endif

#ifdef HAS_X86_PATHS
// The same with AVX2, which has no rounding direction of single instructions: the mode is down while this runs.
template <bool AWAY>
ON_AVX2 __attribute__((noinline)) static void floors_avx2(const Requant& r, const Rows& block) {
    __m256d scale[4], half[4], away[4];
    for (int at = 0; at < 4; ++at) {
        scale[at] = _mm256_loadu_pd(r.scale64 + block.channel + 4 * at);
        half[at] = _mm256_loadu_pd(r.half64 + block.channel + 4 * at);
        if (AWAY) away[at] = _mm256_loadu_pd(r.away64 + block.channel + 4 * at);
    }
    const __m128i low = _mm_set1_epi8(static_cast<char>(r.q_min)), high = _mm_set1_epi8(static_cast<char>(r.q_max));
    const __m128i zero = _mm_set1_epi16(static_cast<int16_t>(r.zero));
    const int32_t* acc = block.acc;
    int8_t* out = block.out;
    for (int64_t row = 0; row < block.rows; ++row, acc += block.acc_stride, out += block.out_stride) {
        __m128i whole[4];
        for (int at = 0; at < 4; ++at) {
            const __m256d x = _mm256_cvtepi32_pd(_mm_loadu_si128(reinterpret_cast<const __m128i*>(acc + 4 * at)));
            const __m256d sign = _mm256_and_pd(x, _mm256_set1_pd(-0.0));
            const __m256d added = AWAY ? _mm256_add_pd(half[at], _mm256_or_pd(sign, away[at])) : half[at];
            whole[at] = _mm256_cvtpd_epi32(_mm256_fmadd_pd(x, scale[at], added));
        }
        const __m128i first = _mm_adds_epi16(_mm_packs_epi32(whole[0], whole[1]), zero);
        const __m128i second = _mm_adds_epi16(_mm_packs_epi32(whole[2], whole[3]), zero);
        const __m128i bytes = _mm_min_epi8(_mm_max_epi8(_mm_packs_epi16(first, second), low), high);
        if (block.count == LANES) {
            _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
        } else {
            alignas(16) int8_t kept[LANES];
            _mm_store_si128(reinterpret_cast<__m128i*>(kept), bytes);
            std::copy_n(kept, block.count, out);
        }
    }
}

// The same with SSE2, which has no fused sums: the Python side has proven that nothing is rounded.
template <bool AWAY>
__attribute__((noinline)) static void floors_sse2(const Requant& r, const Rows& block) {
    const __m128i zero = _mm_set1_epi16(static_cast<int16_t>(r.zero));
    const __m128i low = _mm_set1_epi16(static_cast<int16_t>(r.q_min)), high = _mm_set1_epi16(static_cast<int16_t>(r.q_max));
    const double *scale = r.scale64 + block.channel, *half = r.half64 + block.channel, *away = r.away64 + block.channel;
    const auto two = [=](const int32_t* acc, int64_t at) INLINE_LAMBDA {
        const __m128d x = _mm_cvtepi32_pd(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(acc + at)));
        const __m128d sum = _mm_add_pd(_mm_mul_pd(x, _mm_loadu_pd(scale + at)), _mm_loadu_pd(half + at));
        const __m128d sign = _mm_and_pd(x, _mm_set1_pd(-0.0));
        return _mm_cvtpd_epi32(AWAY ? _mm_add_pd(sum, _mm_or_pd(sign, _mm_loadu_pd(away + at))) : sum);
    };
    const auto eight = [=](const int32_t* acc, int64_t at) INLINE_LAMBDA {
        const __m128i first = _mm_unpacklo_epi64(two(acc, at), two(acc, at + 2));
        const __m128i second = _mm_unpacklo_epi64(two(acc, at + 4), two(acc, at + 6));
        const __m128i moved = _mm_adds_epi16(_mm_packs_epi32(first, second), zero);
        return _mm_min_epi16(_mm_max_epi16(moved, low), high);
    };
    const int32_t* acc = block.acc;
    int8_t* out = block.out;
    for (int64_t row = 0; row < block.rows; ++row, acc += block.acc_stride, out += block.out_stride) {
        const __m128i bytes = _mm_packs_epi16(eight(acc, 0), eight(acc, 8));
        if (block.count == LANES) {
            _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
        } else {
            alignas(16) int8_t kept[LANES];
            _mm_store_si128(reinterpret_cast<__m128i*>(kept), bytes);
            std::copy_n(kept, block.count, out);
        }
    }
}

template <typename Path>
static void floors_down(const Requant& r, const Rows& block) {
    const bool fused = std::is_same<Path, Avx2>::value;
    const unsigned mode = _mm_getcsr();
    _mm_setcsr((mode & ~static_cast<unsigned>(_MM_ROUND_MASK)) | _MM_ROUND_DOWN);
    if (r.rule == FLOOR64_AWAY) fused ? floors_avx2<true>(r, block) : floors_sse2<true>(r, block);
    else fused ? floors_avx2<false>(r, block) : floors_sse2<false>(r, block);
    _mm_setcsr(mode);
}
#endif

// Rows of any number of channels. Up to LANES - 1 accumulators beyond the last of a row can be read.
template <typename Path>
static void requantize(const Requant& requant, Rows rows) {
    const int64_t end = rows.channel + rows.count;
    for (; rows.channel < end; rows.channel += LANES, rows.acc += LANES, rows.out += LANES) {
        rows.count = std::min(LANES, end - rows.channel);
#ifdef HAS_X86_PATHS
        if (std::is_same<Path, Vnni>::value) {
            if (requant.rule == FLOOR64) { requantize_sixteen<Floor64>(requant, rows); continue; }
            if (requant.rule == FLOOR64_AWAY) { requantize_sixteen<Floor64Away>(requant, rows); continue; }
            if (requant.rule == FLOAT32_EVEN) { requantize_sixteen<Float32Even>(requant, rows); continue; }
        }
        const bool directed = std::is_same<Path, Avx2>::value || std::is_same<Path, Sse2>::value;
        if (directed && (requant.rule == FLOOR64 || requant.rule == FLOOR64_AWAY)) {
            floors_down<Path>(requant, rows);
            continue;
        }
#endif
        requantize_block<Path>(requant, rows);
    }
}
