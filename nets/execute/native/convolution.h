// int8 convolutions and fully connected layers as sums over runs of neighbouring bytes.
//
// The dot product instructions take unsigned inputs: they are raised by 128, and the bias has 128 * sum(weights) and
// zero_point * sum(weights) taken off. Sums are kept modulo 2**32, so they are exact whenever the true accumulator lies
// within int32, which the Python side has proven.
#pragma once

#include <algorithm>
#include <cstring>

#include "requantize.h"
#include "tiles.h"

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
