// Depthwise convolutions with multiplier 1.
//
// AVX-512: for one row of outputs, the bytes of four vertical taps are interleaved channel by channel, so that each
// column is an operand of the dot product instruction, and serves all outputs that cover it.
#pragma once

#include <algorithm>

#include "convolution.h"

// Plain C++. The image is padded and raised; taps are offsets, weights int16 [tap][channel].
static void depthwise_by_taps(const WeightedPlan& plan, const int8_t* x, int8_t* y, int64_t images) {
    using Tiles = PlainTiles;
    const Window& w = plan.window;
    const int64_t channels = w.channels, row = padded_row(w), tap_count = static_cast<int64_t>(w.kernel_y) * w.kernel_x;
    auto* padded = scratch<typename Tiles::Input>(PADDED, row * (w.top + w.height + w.bottom) + 64);
    int32_t* acc = scratch<int32_t>(ACCUMULATORS, channels + LANES);
    const int16_t* weights = static_cast<const int16_t*>(plan.weights);
    const int32_t *bias = plan.bias, *steps = plan.steps;
    for (int64_t image = 0; image < images; ++image) {
        pad<Tiles>(w, x + image * w.height * w.width * channels, padded);
        for (int64_t oy = 0; oy < w.out_height; ++oy)
            for (int64_t ox = 0; ox < w.out_width; ++ox, y += channels) {
                const auto* at = padded + oy * w.stride_y * row + ox * w.stride_x * channels;
                Tiles::Path::call([=]() INLINE_LAMBDA {
                    int32_t* __restrict sum = acc;
                    for (int64_t c = 0; c < channels; ++c) sum[c] = bias[c];
                    for (int64_t t = 0; t < tap_count; ++t) {
                        const auto* __restrict from = at + steps[t];
                        const int16_t* __restrict weight = weights + t * channels;
                        for (int64_t c = 0; c < channels; ++c)
                            sum[c] += static_cast<int32_t>(static_cast<int16_t>(from[c])) * weight[c];
                    }
                });
                requantize<typename Tiles::Path>(*plan.requant, {acc, channels, y, channels, 1, 0, channels});
            }
    }
}

#ifdef HAS_X86_PATHS
// Pairs of taps with SSE2. The image is padded and raised; weights are [pair][block][LANES][2].
static void depthwise_by_pairs_sse2(const WeightedPlan& plan, const int8_t* x, int8_t* y, int64_t images) {
    const Window& w = plan.window;
    const int64_t channels = w.channels, row = padded_row(w), blocks = (channels + LANES - 1) / LANES;
    const int64_t pairs = (static_cast<int64_t>(w.kernel_y) * w.kernel_x + 1) / 2, step = w.stride_x * channels;
    const auto load = [](const void* from) { return _mm_loadu_si128(static_cast<const __m128i*>(from)); };
    int16_t* padded = scratch<int16_t>(PADDED, row * (w.top + w.height + w.bottom) + 64);
    int32_t* acc = scratch<int32_t>(ACCUMULATORS, w.out_width * LANES);
    for (int64_t image = 0; image < images; ++image) {
        pad<Sse2Tiles>(w, x + image * w.height * w.width * channels, padded);
        for (int64_t out_row = 0; out_row < w.out_height; ++out_row, y += w.out_width * channels)
            for (int64_t block = 0; block < blocks; ++block) {
                const int64_t first = block * LANES, present = std::min(LANES, channels - first);
                for (int64_t eight = 0; eight < 2; ++eight) {
                    const int64_t channel = first + 8 * eight;
                    const int16_t* at = padded + out_row * w.stride_y * row + channel;
                    for (int64_t ox = 0; ox < w.out_width; ++ox, at += step) {
                        const int16_t* weights = static_cast<const int16_t*>(plan.weights) + channel * 2;
                        __m128i low = load(plan.bias + channel), high = load(plan.bias + channel + 4);
                        for (int64_t pair = 0; pair < pairs; ++pair, weights += blocks * LANES * 2) {
                            const __m128i a = load(at + plan.steps[2 * pair]), b = load(at + plan.steps[2 * pair + 1]);
                            low = _mm_add_epi32(low, _mm_madd_epi16(_mm_unpacklo_epi16(a, b), load(weights)));
                            high = _mm_add_epi32(high, _mm_madd_epi16(_mm_unpackhi_epi16(a, b), load(weights + 8)));
                        }
                        auto* to = reinterpret_cast<__m128i*>(acc + ox * LANES + 8 * eight);
                        _mm_store_si128(to, low);
                        _mm_store_si128(to + 1, high);
                    }
                }
                requantize<Sse2>(*plan.requant, {acc, LANES, y + first, channels, w.out_width, first, present});
            }
    }
}

// Pairs of taps, interleaved in registers. The image is padded and raised; weights are [pair][block][half][8][2].
ON_AVX2 static void depthwise_by_pairs(const WeightedPlan& plan, const int8_t* x, int8_t* y, int64_t images) {
    const Window& w = plan.window;
    const int64_t channels = w.channels, row = padded_row(w), blocks = (channels + LANES - 1) / LANES;
    const int64_t pairs = (static_cast<int64_t>(w.kernel_y) * w.kernel_x + 1) / 2, step = w.stride_x * channels;
    int16_t* padded = scratch<int16_t>(PADDED, row * (w.top + w.height + w.bottom) + 64);
    int32_t* acc = scratch<int32_t>(ACCUMULATORS, w.out_width * LANES);
    for (int64_t image = 0; image < images; ++image) {
        pad<Avx2Tiles>(w, x + image * w.height * w.width * channels, padded);
        for (int64_t out_row = 0; out_row < w.out_height; ++out_row, y += w.out_width * channels)
            for (int64_t block = 0; block < blocks; ++block) {
                const int64_t first = block * LANES, present = std::min(LANES, channels - first);
                const int16_t* at = padded + out_row * w.stride_y * row + first;
                const __m256i low_bias = Avx2Tiles::load(plan.bias + first);
                const __m256i high_bias = Avx2Tiles::load(plan.bias + first + 8);
                for (int64_t ox = 0; ox < w.out_width; ++ox, at += step) {
                    const int16_t* weights = static_cast<const int16_t*>(plan.weights) + block * LANES * 2;
                    // Channels 0 to 3 and 8 to 11, then the others.
                    __m256i even = _mm256_permute2x128_si256(low_bias, high_bias, 0x20);
                    __m256i odd = _mm256_permute2x128_si256(low_bias, high_bias, 0x31);
                    for (int64_t pair = 0; pair < pairs; ++pair, weights += blocks * LANES * 2) {
                        const __m256i a = Avx2Tiles::load(at + plan.steps[2 * pair]);
                        const __m256i b = Avx2Tiles::load(at + plan.steps[2 * pair + 1]);
                        const __m256i low = _mm256_unpacklo_epi16(a, b), high = _mm256_unpackhi_epi16(a, b);
                        even = _mm256_add_epi32(even, _mm256_madd_epi16(low, Avx2Tiles::load(weights)));
                        odd = _mm256_add_epi32(odd, _mm256_madd_epi16(high, Avx2Tiles::load(weights + 16)));
                    }
                    auto* to = reinterpret_cast<__m256i*>(acc + ox * LANES);
                    _mm256_store_si256(to, _mm256_permute2x128_si256(even, odd, 0x20));
                    _mm256_store_si256(to + 1, _mm256_permute2x128_si256(even, odd, 0x31));
                }
                requantize<Avx2>(*plan.requant, {acc, LANES, y + first, channels, w.out_width, first, present});
            }
    }
}

// Columns of one row of outputs: [group of four vertical taps][block of LANES channels][column][lane][tap].
struct Columns {
    const Window& w;
    int64_t groups, blocks, count;
    uint8_t* bytes;
    const int8_t* fill;  // a row of zero points

    explicit Columns(const Window& window) : w(window) {
        groups = (w.kernel_y + 3) / 4;
        blocks = (w.channels + LANES - 1) / LANES;
        count = w.left + w.width + w.right + 16 * w.stride_x;  // a tile may read beyond the last output
        bytes = scratch<uint8_t>(PADDED, groups * blocks * count * LANES * 4);
        const int64_t row = static_cast<int64_t>(w.width) * w.channels;
        int8_t* zeros = scratch<int8_t>(FILL, row + LANES);
        std::fill_n(zeros, row, static_cast<int8_t>(w.zero));
        fill = zeros;
        std::fill_n(bytes, groups * blocks * count * LANES * 4, static_cast<uint8_t>(w.zero ^ 0x80));
    }
    uint8_t* at(int64_t group, int64_t block) const { return bytes + (group * blocks + block) * count * LANES * 4; }

    const int8_t* source(const int8_t* image, int64_t out_row, int64_t tap) const {
        const int64_t y = out_row * w.stride_y - w.top + tap * w.dilation_y;
        const bool inside = tap < w.kernel_y && y >= 0 && y < w.height;
        return inside ? image + y * w.width * w.channels : fill;
    }

    ON_AVX512 void interleave(const int8_t* image, int64_t out_row) const {
        for (int64_t group = 0; group < groups; ++group) {
            const int8_t* rows[4];
            for (int64_t t = 0; t < 4; ++t) rows[t] = source(image, out_row, 4 * group + t);
            for (int64_t block = 0; block < blocks; ++block) {
                const int64_t first = block * LANES, present = std::min<int64_t>(LANES, w.channels - first);
                uint8_t* to = at(group, block) + w.left * LANES * 4;
                if (present == LANES) interleave_block(rows, first, to, [](const int8_t* from) ON_AVX512 INLINE_LAMBDA {
                    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
                });
                else interleave_block(rows, first, to, [=](const int8_t* from) ON_AVX512 INLINE_LAMBDA {
                    return _mm_maskz_loadu_epi8(static_cast<__mmask16>((1u << present) - 1), from);
                });
            }
        }
    }

    template <typename Load>
    ON_AVX512 INLINE void interleave_block(const int8_t* const* rows, int64_t first, uint8_t* to, Load load) const {
        const __m512i quads = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
        const __m512i taps = _mm512_broadcast_i32x4(_mm_set_epi8(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0));
        const __m512i raise = _mm512_set1_epi8(static_cast<char>(0x80));
        const int8_t *a = rows[0] + first, *b = rows[1] + first, *c = rows[2] + first, *d = rows[3] + first;
        const int64_t channels = w.channels, end = static_cast<int64_t>(w.width) * channels;
        for (int64_t from = 0; from < end; from += channels, to += LANES * 4) {
            __m512i four = _mm512_castsi128_si512(load(a + from));
            four = _mm512_inserti32x4(four, load(b + from), 1);
            four = _mm512_inserti32x4(four, load(c + from), 2);
            four = _mm512_inserti32x4(four, load(d + from), 3);
            // Rows of LANES bytes become rows of quads, and each four by four bytes are transposed.
            const __m512i mixed = _mm512_shuffle_epi8(_mm512_permutexvar_epi32(quads, four), taps);
            _mm512_store_si512(to, _mm512_xor_si512(mixed, raise));
        }
    }
};

// Sums of neighbouring outputs of one block. Weights are [group][horizontal tap][block][lane][4].
template <int PIXELS>
ON_AVX512 static void depthwise_tile(
    const Columns& columns, const int8_t* weights, __m512i bias, int64_t block, int64_t first, int32_t* acc
) {
    const Window& w = columns.w;
    const int64_t stride = w.stride_x * LANES * 4;
    __m512i sum[PIXELS];
    Vnni::unrolled<PIXELS>([&](auto p) ON_AVX512 INLINE_LAMBDA { sum[p] = bias; });
    for (int64_t group = 0; group < columns.groups; ++group)
        for (int64_t tap = 0; tap < w.kernel_x; ++tap) {
            const uint8_t* x = columns.at(group, block) + first * stride + tap * w.dilation_x * LANES * 4;
            const __m512i weight =
                _mm512_loadu_si512(weights + ((group * w.kernel_x + tap) * columns.blocks + block) * LANES * 4);
            Vnni::unrolled<PIXELS>([&](auto p) ON_AVX512 INLINE_LAMBDA {
                sum[p] = _mm512_dpbusd_epi32(sum[p], _mm512_load_si512(x + p * stride), weight);
            });
        }
    Vnni::unrolled<PIXELS>([&](auto p) ON_AVX512 INLINE_LAMBDA { _mm512_store_si512(acc + p * LANES, sum[p]); });
}

ON_AVX512 static void depthwise_by_columns(const WeightedPlan& plan, const int8_t* x, int8_t* y, int64_t images) {
    constexpr int PIXELS = 8;
    const Window& w = plan.window;
    const Columns columns(w);
    int32_t* acc = scratch<int32_t>(ACCUMULATORS, (w.out_width + PIXELS) * LANES);
    const int8_t* weights = static_cast<const int8_t*>(plan.weights);
    for (int64_t image = 0; image < images; ++image, x += static_cast<int64_t>(w.height) * w.width * w.channels)
        for (int64_t out_row = 0; out_row < w.out_height; ++out_row, y += static_cast<int64_t>(w.out_width) * w.channels) {
            columns.interleave(x, out_row);
            for (int64_t block = 0; block < columns.blocks; ++block) {
                const __m512i bias = _mm512_loadu_si512(plan.bias + block * LANES);
                for (int64_t first = 0; first < w.out_width; first += PIXELS)
                    depthwise_tile<PIXELS>(columns, weights, bias, block, first, acc + first * LANES);
                const int64_t channel = block * LANES, present = std::min<int64_t>(LANES, w.channels - channel);
                requantize<Vnni>(*plan.requant, {acc, LANES, y + channel, w.channels, w.out_width, channel, present});
            }
        }
}
#endif
