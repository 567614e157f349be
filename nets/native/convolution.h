// int8 convolutions and fully connected layers as sums over runs of neighbouring bytes.
//
// The input is copied once, padded with the zero point and raised by 128 to unsigned bytes, which is what the dot
// product instructions take; the bias has 128 * sum(weights) and zero_point * sum(weights) taken off. Sums are kept
// modulo 2**32, so they are exact whenever the true accumulator lies within int32, which the Python side has proven.
#pragma once

#include <cstring>
#include <vector>

#include "requantize.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define HAS_VNNI_PATH 1
#include <immintrin.h>
#endif

extern "C" {

// Mirrors nets/native/plans.py: Window. Sizes in elements.
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

// Rows of the padded input follow each other; 64 bytes at the end may be read beyond the last one.
static INLINE int64_t padded_row(const Window& w) { return static_cast<int64_t>(w.left + w.width + w.right) * w.channels; }
static INLINE int64_t padded_size(const Window& w) { return padded_row(w) * (w.top + w.height + w.bottom) + 64; }

MULTIVERSION static void copy_raised(const int8_t* x, uint8_t* to, int64_t count) {
    for (int64_t i = 0; i < count; ++i) to[i] = static_cast<uint8_t>(x[i]) ^ 0x80;
}

static void pad_raised(const Window& w, const int8_t* x, uint8_t* padded) {
    const int64_t row = padded_row(w), inner = static_cast<int64_t>(w.width) * w.channels;
    const int fill = static_cast<uint8_t>(w.zero) ^ 0x80;
    std::memset(padded, fill, w.top * row);
    for (int64_t y = 0; y < w.height; ++y) {
        uint8_t* to = padded + (w.top + y) * row;
        std::memset(to, fill, static_cast<int64_t>(w.left) * w.channels);
        copy_raised(x + y * inner, to + static_cast<int64_t>(w.left) * w.channels, inner);
        std::memset(to + static_cast<int64_t>(w.left) * w.channels + inner, fill, static_cast<int64_t>(w.right) * w.channels);
    }
    std::memset(padded + (w.top + w.height) * row, fill, w.bottom * row + 64);
}

// Where the sum of each output pixel begins, in bytes of the padded input.
static std::vector<int64_t> pixel_offsets(const Window& w) {
    std::vector<int64_t> offsets;
    offsets.reserve(static_cast<size_t>(w.out_height) * w.out_width);
    for (int64_t y = 0; y < w.out_height; ++y)
        for (int64_t x = 0; x < w.out_width; ++x)
            offsets.push_back(y * w.stride_y * padded_row(w) + x * w.stride_x * w.channels);
    return offsets;
}

// One tile: PIXELS output pixels by BLOCKS blocks of LANES output channels.
// `steps` are byte offsets of the four-byte groups; weights are [step][block][lane][4].
#ifdef HAS_VNNI_PATH
template <int PIXELS, int BLOCKS>
__attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni"))) static void tile_vnni(
    const uint8_t* image, const int64_t* pixels, const int32_t* steps, int64_t count, const int8_t* weights,
    int64_t weight_stride, const int32_t* bias, int32_t* acc, int64_t stride
) {
    __m512i sum[PIXELS][BLOCKS];
    for (int p = 0; p < PIXELS; ++p)
        for (int b = 0; b < BLOCKS; ++b) sum[p][b] = _mm512_loadu_si512(bias + b * LANES);
    const uint8_t* base[PIXELS];
    for (int p = 0; p < PIXELS; ++p) base[p] = image + pixels[p];
    for (int64_t s = 0; s < count; ++s) {
        __m512i w[BLOCKS];
        for (int b = 0; b < BLOCKS; ++b) w[b] = _mm512_loadu_si512(weights + s * weight_stride + b * LANES * 4);
        const int64_t at = steps[s];
#pragma GCC unroll 16
        for (int p = 0; p < PIXELS; ++p) {
            int32_t four;
            std::memcpy(&four, base[p] + at, 4);
            const __m512i x = _mm512_set1_epi32(four);
            for (int b = 0; b < BLOCKS; ++b) sum[p][b] = _mm512_dpbusd_epi32(sum[p][b], x, w[b]);
        }
    }
    for (int p = 0; p < PIXELS; ++p)
        for (int b = 0; b < BLOCKS; ++b) _mm512_storeu_si512(acc + p * stride + b * LANES, sum[p][b]);
}
#endif

// The same in plain C++, one pixel and one block at a time.
MULTIVERSION static void tile_plain(
    const uint8_t* image, const int64_t* pixels, int64_t pixel_count, const int32_t* steps, int64_t count,
    const int8_t* weights, int64_t weight_stride, const int32_t* bias, int32_t* acc, int64_t stride
) {
    for (int64_t p = 0; p < pixel_count; ++p) {
        uint32_t sum[LANES];
        for (int lane = 0; lane < LANES; ++lane) sum[lane] = static_cast<uint32_t>(bias[lane]);
        for (int64_t s = 0; s < count; ++s) {
            const uint8_t* x = image + pixels[p] + steps[s];
            const int8_t* w = weights + s * weight_stride;
            for (int lane = 0; lane < LANES; ++lane) {
                const int32_t products = x[0] * w[4 * lane] + x[1] * w[4 * lane + 1] + x[2] * w[4 * lane + 2] + x[3] * w[4 * lane + 3];
                sum[lane] += static_cast<uint32_t>(products);
            }
        }
        for (int lane = 0; lane < LANES; ++lane) acc[p * stride + lane] = static_cast<int32_t>(sum[lane]);
    }
}

struct Tile {
    const uint8_t* image;
    const int32_t* steps;
    int64_t step_count;
    int64_t weight_stride;  // bytes from one step to the next
    int64_t acc_stride;     // accumulators from one pixel to the next
    bool vnni;
};

template <int PIXELS, int BLOCKS>
static void columns(
    const Tile& t, const int64_t* pixels, int64_t count, const int8_t* weights, const int32_t* bias, int32_t* acc
) {
    if (!t.vnni) {
        for (int b = 0; b < BLOCKS; ++b)
            tile_plain(t.image, pixels, count, t.steps, t.step_count, weights + b * LANES * 4, t.weight_stride,
                       bias + b * LANES, acc + b * LANES, t.acc_stride);
        return;
    }
#ifdef HAS_VNNI_PATH
    int64_t p = 0;
    for (; p + PIXELS <= count; p += PIXELS)
        tile_vnni<PIXELS, BLOCKS>(t.image, pixels + p, t.steps, t.step_count, weights, t.weight_stride, bias,
                                  acc + p * t.acc_stride, t.acc_stride);
    for (; p < count; ++p)
        tile_vnni<1, BLOCKS>(t.image, pixels + p, t.steps, t.step_count, weights, t.weight_stride, bias,
                             acc + p * t.acc_stride, t.acc_stride);
#endif
}

// All output channels of some pixels, in blocks of 64, 32 and 16 lanes.
static void accumulate_pixels(
    const Tile& t, const int64_t* pixels, int64_t count, const int8_t* weights, const int32_t* bias, int32_t* acc
) {
    const int64_t blocks = t.acc_stride / LANES;
    int64_t b = 0;
    for (; b + 4 <= blocks; b += 4)
        columns<6, 4>(t, pixels, count, weights + b * LANES * 4, bias + b * LANES, acc + b * LANES);
    for (; b + 2 <= blocks; b += 2)
        columns<12, 2>(t, pixels, count, weights + b * LANES * 4, bias + b * LANES, acc + b * LANES);
    for (; b < blocks; ++b)
        columns<16, 1>(t, pixels, count, weights + b * LANES * 4, bias + b * LANES, acc + b * LANES);
}

static const int64_t PIXELS_AT_ONCE = 48;  // a multiple of 6, 12 and 16; their accumulators stay in the first cache

extern "C" {

// images int8 [images][height][width][channels] to int8 [images][out_height][out_width][out_channels].
void convolve(
    const Window* window, const Requant* requant, const int32_t* steps, const int8_t* weights, const int32_t* bias,
    const int8_t* x, int8_t* y, int64_t images, int32_t use_vnni
) {
    const Window& w = *window;
    const std::vector<int64_t> pixels = pixel_offsets(w);
    const int64_t total = static_cast<int64_t>(pixels.size());
    const int64_t lanes = (w.out_channels + LANES - 1) / LANES * LANES;
    std::vector<uint8_t> padded(padded_size(w));
    std::vector<int32_t> acc(PIXELS_AT_ONCE * lanes);
    const Tile tile = {padded.data(), steps, w.groups_of_four, lanes * 4, lanes, use_vnni != 0};
    for (int64_t image = 0; image < images; ++image) {
        pad_raised(w, x + image * w.height * w.width * w.channels, padded.data());
        int8_t* out = y + image * total * w.out_channels;
        for (int64_t p = 0; p < total; p += PIXELS_AT_ONCE) {
            const int64_t count = std::min(PIXELS_AT_ONCE, total - p);
            accumulate_pixels(tile, pixels.data() + p, count, weights, bias, acc.data());
            requantize_rows(*requant, acc.data(), out + p * w.out_channels, count, w.out_channels, lanes);
        }
    }
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

int32_t has_vnni(void) {
#ifdef HAS_VNNI_PATH
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
#else
    return 0;
#endif
}
}
