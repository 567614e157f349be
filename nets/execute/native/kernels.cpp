// The native kernels of the integer executor: plain C functions, called through ctypes without the interpreter lock.

#include "convolution.h"
#include "depthwise.h"
#include "elementwise.h"
#include "moves.h"
#include "pools.h"

#ifdef __unix__
#include <unistd.h>
#endif

extern "C" {

// Mirrors nets/execute/native/steps.py: StepStruct. Inputs and output are places in the list of tensors.
struct Step {
    int32_t kind;    // a Kind
    int32_t output;
    const int32_t* inputs;
    int64_t input_count;
    const void* plan;
};
}

enum Kind { CONVOLUTION = 0, DEPTHWISE = 1, ELEMENTWISE_SUM = 2, PRODUCT = 3, LOOKUP = 4, POOL = 5, JOIN = 6, COPY = 7, RUNS = 8 };

static const int64_t MOST_INPUTS = 64;  // as in steps.py

template <typename Path, typename Tiles>
static void run_step(const Step& step, int8_t* const* tensors, int64_t samples) {
    const int8_t* inputs[MOST_INPUTS];
    for (int64_t i = 0; i < step.input_count; ++i) inputs[i] = tensors[step.inputs[i]];
    int8_t* y = tensors[step.output];
    switch (step.kind) {
        case CONVOLUTION: return convolve<Tiles>(*static_cast<const WeightedPlan*>(step.plan), inputs[0], y, samples);
        case DEPTHWISE: {
            const WeightedPlan& plan = *static_cast<const WeightedPlan*>(step.plan);
#ifdef HAS_X86_PATHS
            if (std::is_same<Path, Vnni>::value) return depthwise_by_columns(plan, inputs[0], y, samples);
            if (std::is_same<Path, Avx2>::value) return depthwise_by_pairs(plan, inputs[0], y, samples);
            if (std::is_same<Path, Sse2>::value) return depthwise_by_pairs_sse2(plan, inputs[0], y, samples);
#endif
            return depthwise_by_taps(plan, inputs[0], y, samples);
        }
        case ELEMENTWISE_SUM:
            return sum<Path>(*static_cast<const SumPlan*>(step.plan), inputs[0], inputs[1], y, samples);
        case PRODUCT:
            return product<Path>(*static_cast<const ProductPlan*>(step.plan), inputs[0], inputs[1], y, samples);
        case LOOKUP: return lookup(*static_cast<const LookupPlan*>(step.plan), inputs[0], y, samples);
        case POOL: {
            const PoolPlan& plan = *static_cast<const PoolPlan*>(step.plan);
            if (plan.kind == MAXIMUM) return maxima<Path>(plan, inputs[0], y, samples);
            return sums<Path>(plan, inputs[0], y, samples);
        }
        case JOIN: return join(*static_cast<const JoinPlan*>(step.plan), inputs, y, samples);
        case RUNS: return copy_runs(*static_cast<const RunsPlan*>(step.plan), inputs[0], y, samples);
        case COPY: return copy_strided(*static_cast<const CopyPlan*>(step.plan), inputs[0], y, samples);
    }
}

template <typename Path, typename Tiles>
static void run_all(const Step* steps, int64_t count, int8_t* const* tensors, int64_t samples) {
    for (int64_t i = 0; i < count; ++i) run_step<Path, Tiles>(steps[i], tensors, samples);
}

extern "C" {

// Changes whenever a structure or a signature does, so that a stale build is noticed.
int32_t kernels_version(void) { return 5; }

int32_t best_path(void) { return best_path_here(); }

// Runs steps in order on int8 tensors [samples][...], whose addresses are listed, on one of the paths from -1 to best_path().
void run_steps(const Step* steps, int64_t count, int8_t* const* tensors, int64_t samples, int32_t path) {
#ifdef HAS_X86_PATHS
    if (path == 2) return run_all<Vnni, VnniTiles>(steps, count, tensors, samples);
    if (path == 1) return run_all<Avx2, Avx2Tiles>(steps, count, tensors, samples);
    if (path == 0) return run_all<Sse2, Sse2Tiles>(steps, count, tensors, samples);
#endif
    (void)path;
    run_all<Plain, PlainTiles>(steps, count, tensors, samples);
}

// Bytes of this machine's second cache, or 0 if it is not known.
int64_t second_cache(void) {
#ifdef _SC_LEVEL2_CACHE_SIZE
    return std::max<int64_t>(0, sysconf(_SC_LEVEL2_CACHE_SIZE));
#else
    return 0;
#endif
}
}
