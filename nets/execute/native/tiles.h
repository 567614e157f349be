// Sums of products of one tile: some output pixels by one to four blocks of LANES output channels.
#pragma once

#include <cstring>

#include "requantize.h"

// What one tile works on: some output pixels by one to four blocks of LANES output channels.
template <typename Input, typename Weight>
struct Tile {
    const Input* image;
    const int64_t* pixels;
    const int32_t* steps;
    int64_t step_count;
    const Weight* weights;
    int64_t weight_stride;  // weights from one step to the next
    const int32_t* bias;
    int32_t* acc;
};

// Plain C++. Weights are [step][block][lane][4].
struct PlainTiles {
    using Path = Plain;
    using Input = uint8_t;
    using Weight = int8_t;
    static constexpr int64_t BLOCK_WEIGHTS = LANES * 4;  // from one block to the next
    static Input taken(int8_t x) { return static_cast<uint8_t>(static_cast<uint8_t>(x) ^ 0x80); }
    template <int BLOCKS>
    static constexpr int pixels() { return 1; }
    template <int PIXELS, int BLOCKS>
    static void run(const Tile<Input, Weight>& tile) {
        for (int b = 0; b < BLOCKS; ++b) block(tile, b);
    }
    static void block(const Tile<Input, Weight>& tile, int b) {
        uint32_t sum[LANES];
        for (int lane = 0; lane < LANES; ++lane) sum[lane] = static_cast<uint32_t>(tile.bias[b * LANES + lane]);
        for (int64_t s = 0; s < tile.step_count; ++s) {
            const uint8_t* x = tile.image + tile.pixels[0] + tile.steps[s];
            const int8_t* w = tile.weights + s * tile.weight_stride + b * BLOCK_WEIGHTS;
            for (int lane = 0; lane < LANES; ++lane)
                sum[lane] += static_cast<uint32_t>(
                    x[0] * w[4 * lane] + x[1] * w[4 * lane + 1] + x[2] * w[4 * lane + 2] + x[3] * w[4 * lane + 3]
                );
        }
        for (int lane = 0; lane < LANES; ++lane) tile.acc[b * LANES + lane] = static_cast<int32_t>(sum[lane]);
    }
};

#ifdef HAS_X86_PATHS
// What tiles of pairs of 16-bit products share. Weights are [step][pair][block][lane][2]; the input has 16 bits too.
struct PairTiles {
    using Input = int16_t;
    using Weight = int16_t;
    static constexpr int64_t BLOCK_WEIGHTS = LANES * 2;
    static INLINE Input taken(int8_t x) { return static_cast<uint8_t>(static_cast<uint8_t>(x) ^ 0x80); }
};

// With what every x86-64 has.
struct Sse2Tiles : PairTiles {
    using Path = Sse2;
    template <int BLOCKS>
    static constexpr int pixels() { return 2; }
    template <int PIXELS, int BLOCKS>
    static void run(const Tile<Input, Weight>& tile) {
        for (int b = 0; b < BLOCKS; ++b) block<PIXELS, BLOCKS>(tile, b);
    }
    template <int PIXELS, int BLOCKS>
    static void block(const Tile<Input, Weight>& tile, int b) {
        __m128i sum[PIXELS][4];
        Sse2::unrolled<PIXELS>([&](auto p) INLINE_LAMBDA {
            Sse2::unrolled<4>([&](auto q) INLINE_LAMBDA { sum[p][q] = load(tile.bias + b * LANES + q * 4); });
        });
        const int16_t* weights = tile.weights + b * BLOCK_WEIGHTS;
        for (int64_t pair = 0; pair < 2 * tile.step_count; ++pair, weights += tile.weight_stride / 2) {
            const int64_t at = tile.steps[pair / 2] + pair % 2 * 2;
            Sse2::unrolled<PIXELS>([&](auto p) INLINE_LAMBDA {
                int32_t two;
                std::memcpy(&two, tile.image + tile.pixels[p] + at, 4);
                const __m128i x = _mm_set1_epi32(two);
                Sse2::unrolled<4>([&](auto q) INLINE_LAMBDA {
                    sum[p][q] = _mm_add_epi32(sum[p][q], _mm_madd_epi16(x, load(weights + q * 8)));
                });
            });
        }
        Sse2::unrolled<PIXELS>([&](auto p) INLINE_LAMBDA {
            auto* acc = reinterpret_cast<__m128i*>(tile.acc + (p * BLOCKS + b) * LANES);
            Sse2::unrolled<4>([&](auto q) INLINE_LAMBDA { _mm_store_si128(acc + q, sum[p][q]); });
        });
    }
    // Weights, biases and accumulators begin cache lines.
    static INLINE __m128i load(const void* from) { return _mm_load_si128(static_cast<const __m128i*>(from)); }
};

struct Avx2Tiles : PairTiles {
    using Path = Avx2;
    template <int BLOCKS>
    static constexpr int pixels() { return 6; }
    template <int PIXELS, int BLOCKS>
    static void run(const Tile<Input, Weight>& tile) {
        for (int b = 0; b < BLOCKS; ++b) block<PIXELS, BLOCKS>(tile, b);
    }
    template <int PIXELS, int BLOCKS>
    ON_AVX2 static void block(const Tile<Input, Weight>& tile, int b) {
        __m256i sum[PIXELS][2];
        const int16_t* base[PIXELS];
        const __m256i low_bias = load(tile.bias + b * LANES), high_bias = load(tile.bias + b * LANES + 8);
        Avx2::unrolled<PIXELS>([&](auto p) ON_AVX2 INLINE_LAMBDA {
            base[p] = tile.image + tile.pixels[p];
            sum[p][0] = low_bias;
            sum[p][1] = high_bias;
        });
        const int16_t* weights = tile.weights + b * BLOCK_WEIGHTS;
        for (int64_t pair = 0; pair < 2 * tile.step_count; ++pair, weights += tile.weight_stride / 2) {
            const int64_t at = tile.steps[pair / 2] + pair % 2 * 2;
            const __m256i low = load(weights), high = load(weights + 16);
            Avx2::unrolled<PIXELS>([&](auto p) ON_AVX2 INLINE_LAMBDA {
                int32_t two;
                std::memcpy(&two, base[p] + at, 4);
                const __m256i x = _mm256_set1_epi32(two);
                sum[p][0] = _mm256_add_epi32(sum[p][0], _mm256_madd_epi16(x, low));
                sum[p][1] = _mm256_add_epi32(sum[p][1], _mm256_madd_epi16(x, high));
            });
        }
        Avx2::unrolled<PIXELS>([&](auto p) ON_AVX2 INLINE_LAMBDA {
            auto* acc = reinterpret_cast<__m256i*>(tile.acc + (p * BLOCKS + b) * LANES);
            _mm256_storeu_si256(acc, sum[p][0]);
            _mm256_storeu_si256(acc + 1, sum[p][1]);
        });
    }
    ON_AVX2 static INLINE __m256i load(const void* from) {
        return _mm256_loadu_si256(static_cast<const __m256i*>(from));
    }
};

// Dot products of four bytes. Weights are [step][block][lane][4]; inputs are raised in registers.
struct VnniTiles {
    using Path = Vnni;
    using Input = int8_t;
    using Weight = int8_t;
    static constexpr int64_t BLOCK_WEIGHTS = LANES * 4;
    static INLINE Input taken(int8_t x) { return x; }
    template <int BLOCKS>
    static constexpr int pixels() { return BLOCKS == 4 ? 6 : BLOCKS == 2 ? 12 : 16; }
    template <int PIXELS, int BLOCKS>
    ON_AVX512 static void run(const Tile<Input, Weight>& tile) {
        const __m512i raise = _mm512_set1_epi8(static_cast<char>(0x80));
        __m512i sum[PIXELS][BLOCKS];
        const int8_t* base[PIXELS];
        Vnni::unrolled<PIXELS>([&](auto p) ON_AVX512 INLINE_LAMBDA {
            base[p] = tile.image + tile.pixels[p];
            Vnni::unrolled<BLOCKS>([&](auto b) ON_AVX512 INLINE_LAMBDA {
                sum[p][b] = _mm512_loadu_si512(tile.bias + b * LANES);
            });
        });
        const int8_t* weights = tile.weights;
        for (int64_t s = 0; s < tile.step_count; ++s, weights += tile.weight_stride) {
            __m512i w[BLOCKS];
            Vnni::unrolled<BLOCKS>([&](auto b) ON_AVX512 INLINE_LAMBDA {
                w[b] = _mm512_loadu_si512(weights + b * BLOCK_WEIGHTS);
            });
            const int64_t at = tile.steps[s];
            Vnni::unrolled<PIXELS>([&](auto p) ON_AVX512 INLINE_LAMBDA {
                int32_t four;
                std::memcpy(&four, base[p] + at, 4);
                const __m512i x = _mm512_xor_si512(_mm512_set1_epi32(four), raise);
                Vnni::unrolled<BLOCKS>([&](auto b) ON_AVX512 INLINE_LAMBDA {
                    sum[p][b] = _mm512_dpbusd_epi32(sum[p][b], x, w[b]);
                });
            });
        }
        Vnni::unrolled<PIXELS>([&](auto p) ON_AVX512 INLINE_LAMBDA {
            Vnni::unrolled<BLOCKS>([&](auto b) ON_AVX512 INLINE_LAMBDA {
                _mm512_storeu_si512(tile.acc + (p * BLOCKS + b) * LANES, sum[p][b]);
            });
        });
    }
};
#endif
