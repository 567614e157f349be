// Operators that only move integers.
#pragma once

#include <cstdint>
#include <cstring>

extern "C" {

// Mirror JoinStruct, CopyStruct and RunsStruct of nets/execute/native/plans.py.
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

// Runs of elements that follow each other in the input; a start of -1 stands for zero points.
struct RunsPlan {
    const int64_t* starts;
    const int64_t* lengths;
    int64_t count, input_bytes;
    int32_t zero;
};
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

static void copy_runs(const RunsPlan& plan, const int8_t* x, int8_t* y, int64_t samples) {
    for (int64_t sample = 0; sample < samples; ++sample, x += plan.input_bytes)
        for (int64_t i = 0; i < plan.count; ++i) {
            const int64_t start = plan.starts[i], length = plan.lengths[i];
            if (start < 0) std::memset(y, plan.zero, static_cast<size_t>(length));
            else if (length == 1) *y = x[start];
            else std::memcpy(y, x + start, static_cast<size_t>(length));
            y += length;
        }
}
