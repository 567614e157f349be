// int8 convolutions and fully connected layers as sums over runs of neighbouring bytes.
//
// The input is copied once, padded with the zero point and raised by 128 to unsigned values, which is what the dot
// product instructions take; the bias has 128 * sum(weights) and zero_point * sum(weights) taken off. Sums are kept
// modulo 2**32, so they are exact whenever the true accumulator lies within int32, which the Python side has proven.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "requantize.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define HAS_X86_PATHS 1
#include <immintrin.h>
#endif

extern "C" {

// Mirrors nets/execute/native/plans.py: Window. Sizes in elements.
struct Window {
    int32_t height, width, channels;              // input
    int32_t top, bottom, left, right;             // padding
    int32_t out_height, out_width, out_channels;  // output
    int32_t stride_y, stride_x, dilation_y, dilation_x;
    int32_t kernel_y, kernel_x;
    int32_t zero;                                 // input zero point
    int32_t groups_of_four;                       // four-byte steps of one output's sum
};
}

static const int LANES = 16;  // output channels of one block

// Rows of the padded input follow each other; up to 64 elements beyond the last one may be read.
static INLINE int64_t padded_row(const Window& w) { return static_cast<int64_t>(w.left + w.width + w.right) * w.channels; }
static INLINE int64_t padded_size(const Window& w) { return padded_row(w) * (w.top + w.height + w.bottom) + 64; }

template <typename Input>
static INLINE void raise_all(const int8_t* __restrict x, Input* __restrict to, int64_t count) {
    for (int64_t i = 0; i < count; ++i) to[i] = static_cast<uint8_t>(static_cast<uint8_t>(x[i]) ^ 0x80);
}
MULTIVERSION static void raised(const int8_t* x, uint8_t* to, int64_t count) { raise_all(x, to, count); }
MULTIVERSION static void raised(const int8_t* x, int16_t* to, int64_t count) { raise_all(x, to, count); }

template <typename Input>
static void pad_raised(const Window& w, const int8_t* x, Input* padded) {
    const int64_t row = padded_row(w), inner = static_cast<int64_t>(w.width) * w.channels;
    const Input fill = static_cast<uint8_t>(static_cast<uint8_t>(w.zero) ^ 0x80);
    Input* to = std::fill_n(padded, w.top * row, fill);
    for (int64_t y = 0; y < w.height; ++y) {
        to = std::fill_n(to, static_cast<int64_t>(w.left) * w.channels, fill);
        raised(x + y * inner, to, inner);
        to = std::fill_n(to + inner, static_cast<int64_t>(w.right) * w.channels, fill);
    }
    std::fill_n(to, w.bottom * row + 64, fill);
}

// Where the sum of each output pixel begins, in elements of the padded input.
static std::vector<int64_t> pixel_offsets(const Window& w) {
    std::vector<int64_t> offsets;
    offsets.reserve(static_cast<size_t>(w.out_height) * w.out_width);
    for (int64_t y = 0; y < w.out_height; ++y)
        for (int64_t x = 0; x < w.out_width; ++x)
            offsets.push_back(y * w.stride_y * padded_row(w) + x * w.stride_x * w.channels);
    return offsets;
}

// What one tile works on: some output pixels by one to four blocks of LANES output channels.
// `steps` are offsets of groups of four inputs.
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
    int64_t acc_stride;  // accumulators from one pixel to the next
};

// Plain C++. Weights are [step][block][lane][4].
struct Plain {
    using Input = uint8_t;
    using Weight = int8_t;
    template <int BLOCKS>
    static constexpr int pixels() { return 1; }
    template <int PIXELS, int BLOCKS>
    static void run(const Tile<Input, Weight>& tile) {
        for (int b = 0; b < BLOCKS; ++b) block(tile, b);
    }
    MULTIVERSION static void block(const Tile<Input, Weight>& tile, int b) {
        uint32_t sum[LANES];
        for (int lane = 0; lane < LANES; ++lane) sum[lane] = static_cast<uint32_t>(tile.bias[b * LANES + lane]);
        for (int64_t s = 0; s < tile.step_count; ++s) {
            const uint8_t* x = tile.image + tile.pixels[0] + tile.steps[s];
            const int8_t* w = tile.weights + s * tile.weight_stride + b * LANES * 4;
            for (int lane = 0; lane < LANES; ++lane)
                sum[lane] += static_cast<uint32_t>(
                    x[0] * w[4 * lane] + x[1] * w[4 * lane + 1] + x[2] * w[4 * lane + 2] + x[3] * w[4 * lane + 3]
                );
        }
        for (int lane = 0; lane < LANES; ++lane) tile.acc[b * LANES + lane] = static_cast<int32_t>(sum[lane]);
    }
};

#ifdef HAS_X86_PATHS
// Pairs of 16-bit products. Weights are [step][block][pair][lane][2]; the input has 16 bits too.
struct Avx2 {
    using Input = int16_t;
    using Weight = int16_t;
    template <int BLOCKS>
    static constexpr int pixels() { return 6; }
    template <int PIXELS, int BLOCKS>
    static void run(const Tile<Input, Weight>& tile) {
        for (int b = 0; b < BLOCKS; ++b) block<PIXELS>(tile, b);
    }
    template <int PIXELS>
    __attribute__((target("avx2"))) static void block(const Tile<Input, Weight>& tile, int b) {
        __m256i sum[PIXELS][2];
        for (int p = 0; p < PIXELS; ++p)
            for (int half = 0; half < 2; ++half) sum[p][half] = load(tile.bias + b * LANES + half * 8);
        for (int64_t s = 0; s < tile.step_count; ++s) {
            const int16_t* weights = tile.weights + s * tile.weight_stride + b * LANES * 4;
            for (int pair = 0; pair < 2; ++pair) {
                const __m256i low = load(weights + pair * 32), high = load(weights + pair * 32 + 16);
#pragma GCC unroll 8
                for (int p = 0; p < PIXELS; ++p) {
                    int32_t two;
                    std::memcpy(&two, tile.image + tile.pixels[p] + tile.steps[s] + pair * 2, 4);
                    const __m256i x = _mm256_set1_epi32(two);
                    sum[p][0] = _mm256_add_epi32(sum[p][0], _mm256_madd_epi16(x, low));
                    sum[p][1] = _mm256_add_epi32(sum[p][1], _mm256_madd_epi16(x, high));
                }
            }
        }
        for (int p = 0; p < PIXELS; ++p)
            for (int half = 0; half < 2; ++half)
                _mm256_storeu_si256(
                    reinterpret_cast<__m256i*>(tile.acc + p * tile.acc_stride + b * LANES + half * 8), sum[p][half]
                );
    }
    __attribute__((target("avx2"))) static inline __m256i load(const void* from) {
        return _mm256_loadu_si256(static_cast<const __m256i*>(from));
    }
};

// Dot products of four bytes. Weights are [step][block][lane][4].
struct Vnni {
    using Input = uint8_t;
    using Weight = int8_t;
    template <int BLOCKS>
    static constexpr int pixels() { return BLOCKS == 4 ? 6 : BLOCKS == 2 ? 12 : 16; }
    template <int PIXELS, int BLOCKS>
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni"))) static void run(const Tile<Input, Weight>& tile) {
        __m512i sum[PIXELS][BLOCKS];
        const uint8_t* base[PIXELS];
        for (int p = 0; p < PIXELS; ++p) base[p] = tile.image + tile.pixels[p];
        for (int p = 0; p < PIXELS; ++p)
            for (int b = 0; b < BLOCKS; ++b) sum[p][b] = _mm512_loadu_si512(tile.bias + b * LANES);
        for (int64_t s = 0; s < tile.step_count; ++s) {
            __m512i w[BLOCKS];
            for (int b = 0; b < BLOCKS; ++b)
                w[b] = _mm512_loadu_si512(tile.weights + s * tile.weight_stride + b * LANES * 4);
            const int64_t at = tile.steps[s];
#pragma GCC unroll 16
            for (int p = 0; p < PIXELS; ++p) {
                int32_t four;
                std::memcpy(&four, base[p] + at, 4);
                const __m512i x = _mm512_set1_epi32(four);
                for (int b = 0; b < BLOCKS; ++b) sum[p][b] = _mm512_dpbusd_epi32(sum[p][b], x, w[b]);
            }
        }
        for (int p = 0; p < PIXELS; ++p)
            for (int b = 0; b < BLOCKS; ++b)
                _mm512_storeu_si512(tile.acc + p * tile.acc_stride + b * LANES, sum[p][b]);
    }
};
#endif

template <typename Path, int BLOCKS>
static void columns(Tile<typename Path::Input, typename Path::Weight> tile, int64_t count, int64_t block) {
    constexpr int PIXELS = Path::template pixels<BLOCKS>();
    tile.weights += block * LANES * 4;
    tile.bias += block * LANES;
    tile.acc += block * LANES;
    int64_t p = 0;
    for (; p + PIXELS <= count; p += PIXELS) {
        Path::template run<PIXELS, BLOCKS>(tile);
        tile.pixels += PIXELS;
        tile.acc += PIXELS * tile.acc_stride;
    }
    for (; p < count; ++p) {
        Path::template run<1, BLOCKS>(tile);
        tile.pixels += 1;
        tile.acc += tile.acc_stride;
    }
}

static const int64_t PIXELS_AT_ONCE = 48;  // a multiple of all tiles; their accumulators stay in the first cache

template <typename Path>
static void convolve_on(
    const Window& w, const Requant& requant, const int32_t* steps, const void* weights, const int32_t* bias,
    const int8_t* x, int8_t* y, int64_t images
) {
    const std::vector<int64_t> pixels = pixel_offsets(w);
    const int64_t total = static_cast<int64_t>(pixels.size());
    const int64_t blocks = (w.out_channels + LANES - 1) / LANES, lanes = blocks * LANES;
    std::vector<typename Path::Input> padded(padded_size(w));
    std::vector<int32_t> acc(PIXELS_AT_ONCE * lanes);
    Tile<typename Path::Input, typename Path::Weight> tile = {
        padded.data(), nullptr, steps, w.groups_of_four, static_cast<const typename Path::Weight*>(weights),
        lanes * 4, bias, acc.data(), lanes,
    };
    for (int64_t image = 0; image < images; ++image) {
        pad_raised(w, x + image * w.height * w.width * w.channels, padded.data());
        int8_t* out = y + image * total * w.out_channels;
        for (int64_t p = 0; p < total; p += PIXELS_AT_ONCE) {
            const int64_t count = std::min(PIXELS_AT_ONCE, total - p);
            tile.pixels = pixels.data() + p;
            int64_t b = 0;
            for (; b + 4 <= blocks; b += 4) columns<Path, 4>(tile, count, b);
            for (; b + 2 <= blocks; b += 2) columns<Path, 2>(tile, count, b);
            for (; b < blocks; ++b) columns<Path, 1>(tile, count, b);
            requantize_rows(requant, acc.data(), out + p * w.out_channels, count, w.out_channels, lanes);
        }
    }
}

extern "C" {

// images int8 [images][height][width][channels] to int8 [images][out_height][out_width][out_channels].
// `path` is one of best_path(); weights are packed for it.
void convolve(
    const Window* window, const Requant* requant, const int32_t* steps, const void* weights, const int32_t* bias,
    const int8_t* x, int8_t* y, int64_t images, int32_t path
) {
#ifdef HAS_X86_PATHS
    if (path == 2) return convolve_on<Vnni>(*window, *requant, steps, weights, bias, x, y, images);
    if (path == 1) return convolve_on<Avx2>(*window, *requant, steps, weights, bias, x, y, images);
#endif
    (void)path;
    convolve_on<Plain>(*window, *requant, steps, weights, bias, x, y, images);
}
}

// One output pixel of a depthwise convolution with multiplier 1: taps are byte offsets, weights [tap][channel].
MULTIVERSION static void depthwise_row(
    const uint8_t* image, const int64_t* pixels, int64_t count, const int32_t* taps, int64_t tap_count,
    const int16_t* weights, const int32_t* bias, int32_t* acc, int64_t channels
) {
    for (int64_t p = 0; p < count; ++p) {
        int32_t* sum = acc + p * channels;
        for (int64_t c = 0; c < channels; ++c) sum[c] = bias[c];
        for (int64_t t = 0; t < tap_count; ++t) {
            const uint8_t* x = image + pixels[p] + taps[t];
            const int16_t* w = weights + t * channels;
            for (int64_t c = 0; c < channels; ++c) sum[c] += static_cast<int32_t>(static_cast<int16_t>(x[c])) * w[c];
        }
    }
}

extern "C" {

void convolve_depthwise(
    const Window* window, const Requant* requant, const int32_t* taps, const int16_t* weights, const int32_t* bias,
    const int8_t* x, int8_t* y, int64_t images
) {
    const Window& w = *window;
    const std::vector<int64_t> pixels = pixel_offsets(w);
    const int64_t total = static_cast<int64_t>(pixels.size()), channels = w.channels;
    std::vector<uint8_t> padded(padded_size(w));
    std::vector<int32_t> acc(PIXELS_AT_ONCE * channels);
    for (int64_t image = 0; image < images; ++image) {
        pad_raised(w, x + image * w.height * w.width * channels, padded.data());
        for (int64_t p = 0; p < total; p += PIXELS_AT_ONCE) {
            const int64_t count = std::min(PIXELS_AT_ONCE, total - p);
            depthwise_row(padded.data(), pixels.data() + p, count, taps, static_cast<int64_t>(w.kernel_y) * w.kernel_x,
                          weights, bias, acc.data(), channels);
            requantize_rows(*requant, acc.data(), y + (image * total + p) * channels, count, channels, channels);
        }
    }
}

// The fastest way that this machine has: 0 plain, 1 AVX2, 2 AVX-512 VNNI.
int32_t best_path(void) {
#ifdef HAS_X86_PATHS
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni"))
        return 2;
    if (__builtin_cpu_supports("avx2")) return 1;
#endif
    return 0;
}
}
