// Pools and means over windows.
#pragma once

#include <algorithm>

#include "requantize.h"

extern "C" {

enum PoolKind { MAXIMUM = 0, AVERAGE = 1, SUM = 2, FLOAT_SUM = 3 };

// Mirrors nets/execute/native/plans.py: PoolStruct.
struct PoolPlan {
    int32_t kind;
    int32_t height, width, channels, out_height, out_width;
    int32_t kernel_y, kernel_x, stride_y, stride_x, top, left;
    int32_t q_min, q_max;
    int32_t zero;            // SUM: subtracted from each input
    const Requant* requant;  // SUM
    float scale, offset;     // FLOAT_SUM: rint(float32(sum) * scale + offset)
};
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
    const int32_t kind = p.kind;
    const float scale = p.scale, offset = p.offset;
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
            int8_t* __restrict out = to;
            if (kind == FLOAT_SUM) {
                const float least = static_cast<float>(low), most = static_cast<float>(high), magic = 12582912.0f;
                for (int64_t c = 0; c < channels; ++c) {
                    const float value = static_cast<float>(total[c]) * scale + offset;
                    // 1.5 * 2**23: its last bit counts ones, so the sum is rounded to even.
                    const float rounded = (std::min(std::max(value, least), most) + magic) - magic;
                    out[c] = static_cast<int8_t>(static_cast<int32_t>(rounded));
                }
            }
            if (kind != AVERAGE) return;
            const double count = static_cast<double>(taps), half = static_cast<double>(taps / 2);
            // A quotient of 32-bit integers, rounded to float64, has the whole part of the exact one.
            for (int64_t c = 0; c < channels; ++c) {
                const double value = total[c], raised = value > 0 ? value + half : value - half;
                const int32_t mean = static_cast<int32_t>(raised / count);
                out[c] = static_cast<int8_t>(std::min(std::max<double>(mean, low), high));
            }
        });
        if (kind == SUM) requantize<Path>(*p.requant, {acc, channels, to, channels, 1, 0, channels});
    });
}
