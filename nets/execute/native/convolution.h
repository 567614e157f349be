// int8 convolutions and fully connected layers as sums over runs of neighbouring bytes.
//
// The dot product instructions take unsigned inputs: they are raised by 128, and the bias has 128 * sum(weights) and
// zero_point * sum(weights) taken off. Sums are kept modulo 2**32, so they are exact whenever the true accumulator lies
// within int32, which the Python side has proven.
#pragma once

#include <algorithm>
#include <cstring>

#include "requantize.h"

extern "C" {

// Mirrors nets/execute/native/plans.py: WindowStruct. Sizes in elements.
struct Window {
    int32_t height, width, channels;              // input
    int32_t top, bottom, left, right;             // padding
    int32_t out_height, out_width, out_channels;  // output
    int32_t stride_y, stride_x, dilation_y, dilation_x;
    int32_t kernel_y, kernel_x;
    int32_t zero;                                 // input zero point
    int32_t groups_of_four;                       // four-byte steps of one output's sum
};

// Mirrors WeightedStruct. `steps` are offsets of groups of four inputs from the first input of an output's sum.
struct WeightedPlan {
    Window window;
    const Requant* requant;
    const int32_t* steps;
    const void* weights;
    const int32_t* bias;
};
}

static const int64_t PIXELS_AT_ONCE = 48;  // a multiple of all tiles; their accumulators stay in the first cache
static const int64_t BLOCKS_AT_ONCE = 4;

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
// Pairs of 16-bit products. Weights are [step][pair][block][lane][2]; the input has 16 bits too.
struct Avx2Tiles {
    using Path = Avx2;
    using Input = int16_t;
    using Weight = int16_t;
    static constexpr int64_t BLOCK_WEIGHTS = LANES * 2;
    static INLINE Input taken(int8_t x) { return static_cast<uint8_t>(static_cast<uint8_t>(x) ^ 0x80); }
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

// Up to PIXELS_AT_ONCE pixels; the list of pixels goes on, with any valid ones, to a multiple of the tile's.
template <typename Tiles, int BLOCKS>
static void accumulate(Tile<typename Tiles::Input, typename Tiles::Weight> tile, int64_t count) {
    constexpr int PIXELS = Tiles::template pixels<BLOCKS>();
    for (int64_t p = 0; p < count; p += PIXELS) {
        if (count - p == 1) return Tiles::template run<1, BLOCKS>(tile);
        Tiles::template run<PIXELS, BLOCKS>(tile);
        tile.pixels += PIXELS;
        tile.acc += PIXELS * BLOCKS * LANES;
    }
}

// All output channels of up to PIXELS_AT_ONCE pixels, whose outputs follow each other.
template <typename Tiles>
static void pixels_done(
    const WeightedPlan& plan, const typename Tiles::Input* image, const int64_t* pixels, int64_t count, int8_t* out
) {
    const int64_t channels = plan.window.out_channels, blocks = (channels + LANES - 1) / LANES;
    const auto* weights = static_cast<const typename Tiles::Weight*>(plan.weights);
    int32_t* acc = scratch<int32_t>(ACCUMULATORS, PIXELS_AT_ONCE * BLOCKS_AT_ONCE * LANES);
    for (int64_t b = 0; b < blocks;) {
        const int64_t left = blocks - b, taken = left >= 4 ? 4 : left >= 2 ? 2 : 1;
        const Tile<typename Tiles::Input, typename Tiles::Weight> tile = {
            image, pixels, plan.steps, plan.window.groups_of_four, weights + b * Tiles::BLOCK_WEIGHTS, blocks * LANES * 4,
            plan.bias + b * LANES, acc,
        };
        if (taken == 4) accumulate<Tiles, 4>(tile, count);
        else if (taken == 2) accumulate<Tiles, 2>(tile, count);
        else accumulate<Tiles, 1>(tile, count);
        const int64_t first = b * LANES;
        requantize<typename Tiles::Path>(
            *plan.requant,
            {acc, taken * LANES, out + first, channels, count, first, std::min(taken * LANES, channels - first)}
        );
        b += taken;
    }
}

template <typename Tiles>
static void take(const int8_t* from, typename Tiles::Input* to, int64_t count) {
    if (std::is_same<typename Tiles::Input, int8_t>::value) {
        std::memcpy(to, from, static_cast<size_t>(count));
        return;
    }
    Tiles::Path::call([=]() INLINE_LAMBDA {
        const int8_t* __restrict source = from;
        typename Tiles::Input* __restrict target = to;
        for (int64_t i = 0; i < count; ++i) target[i] = Tiles::taken(source[i]);
    });
}

// A pixel's sum is over one run of its channels: all pixels of all images are rows of one matrix.
template <typename Tiles>
static void pointwise(const WeightedPlan& plan, const int8_t* x, int8_t* y, int64_t rows) {
    const int64_t inner = plan.window.channels;
    const bool in_place = std::is_same<typename Tiles::Input, int8_t>::value && inner % 4 == 0;
    auto* copy = in_place ? nullptr : scratch<typename Tiles::Input>(PADDED, PIXELS_AT_ONCE * inner + 64);
    int64_t pixels[PIXELS_AT_ONCE];
    for (int64_t row = 0; row < rows; row += PIXELS_AT_ONCE) {
        const int64_t count = std::min(PIXELS_AT_ONCE, rows - row);
        for (int64_t p = 0; p < PIXELS_AT_ONCE; ++p) pixels[p] = std::min(p, count - 1) * inner;
        const int8_t* here = x + row * inner;
        if (!in_place) take<Tiles>(here, copy, count * inner);
        const auto* image = in_place ? reinterpret_cast<const typename Tiles::Input*>(here) : copy;
        pixels_done<Tiles>(plan, image, pixels, count, y + row * plan.window.out_channels);
    }
}

// Rows of the padded input follow each other; up to 64 elements beyond the last one may be read.
static INLINE int64_t padded_row(const Window& w) { return static_cast<int64_t>(w.left + w.width + w.right) * w.channels; }

template <typename Tiles>
static void pad(const Window& w, const int8_t* x, typename Tiles::Input* to) {
    const int64_t row = padded_row(w), inner = static_cast<int64_t>(w.width) * w.channels;
    const auto fill = Tiles::taken(static_cast<int8_t>(w.zero));
    to = std::fill_n(to, w.top * row, fill);
    for (int64_t y = 0; y < w.height; ++y) {
        to = std::fill_n(to, static_cast<int64_t>(w.left) * w.channels, fill);
        take<Tiles>(x + y * inner, to, inner);
        to = std::fill_n(to + inner, static_cast<int64_t>(w.right) * w.channels, fill);
    }
    std::fill_n(to, w.bottom * row + 64, fill);
}

template <typename Tiles>
static void windowed(const WeightedPlan& plan, const int8_t* x, int8_t* y, int64_t images) {
    const Window& w = plan.window;
    const int64_t total = static_cast<int64_t>(w.out_height) * w.out_width, row = padded_row(w);
    auto* padded = scratch<typename Tiles::Input>(PADDED, row * (w.top + w.height + w.bottom) + 64);
    const int64_t step = static_cast<int64_t>(w.stride_x) * w.channels, row_step = w.stride_y * row;
    int64_t pixels[PIXELS_AT_ONCE];
    for (int64_t image = 0; image < images; ++image) {
        pad<Tiles>(w, x + image * w.height * w.width * w.channels, padded);
        int64_t column = 0, row_start = 0;
        for (int64_t first = 0; first < total; first += PIXELS_AT_ONCE) {
            const int64_t count = std::min(PIXELS_AT_ONCE, total - first);
            for (int64_t p = 0; p < count; ++p) {
                pixels[p] = row_start + column * step;
                if (++column == w.out_width) column = 0, row_start += row_step;
            }
            std::fill(pixels + count, pixels + PIXELS_AT_ONCE, pixels[count - 1]);
            pixels_done<Tiles>(plan, padded, pixels, count, y + (image * total + first) * w.out_channels);
        }
    }
}

template <typename Tiles>
static void convolve(const WeightedPlan& plan, const int8_t* x, int8_t* y, int64_t images) {
    const Window& w = plan.window;
    const bool unpadded = w.top + w.bottom + w.left + w.right == 0;
    if (unpadded && w.kernel_y * w.kernel_x == 1 && w.stride_y == 1 && w.stride_x == 1)
        return pointwise<Tiles>(plan, x, y, images * w.height * w.width);
    windowed<Tiles>(plan, x, y, images);
}
