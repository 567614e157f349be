// Instruction paths: one body of plain C++ compiled for each, and what intrinsics need.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

#if defined(__x86_64__) && defined(__GNUC__)
#define HAS_X86_PATHS 1
#include <immintrin.h>
#define ON_AVX2 __attribute__((target("avx2,fma,bmi2")))
#ifdef __clang__
#define ON_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,bmi2")))
#else
#define ON_AVX512 \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,bmi2,prefer-vector-width=512")))
#endif
#endif

#ifdef __GNUC__
#define INLINE inline __attribute__((always_inline))
#define INLINE_LAMBDA __attribute__((always_inline))
#else
#define INLINE inline
#define INLINE_LAMBDA
#endif

// `call` compiles a body, which is inlined, for the path's instructions. What it captures is copied, so that the
// compiler sees that no output overlaps it. `unrolled` calls a body, inlined too, with constants from 0 to COUNT - 1:
// only so do arrays of registers stay in registers.
struct Plain {
    template <typename Body>
    static void call(const Body& body) {
        const Body own = body;
        own();
    }
};

#ifdef HAS_X86_PATHS
struct Sse2 : Plain {
    template <int COUNT, typename Body>
    static INLINE void unrolled(const Body& body) {
        unrolled_over(body, std::make_integer_sequence<int, COUNT>());
    }
    template <typename Body, int... AT>
    static INLINE void unrolled_over(const Body& body, std::integer_sequence<int, AT...>) {
        (body(std::integral_constant<int, AT>()), ...);
    }
};

struct Avx2 {
    template <typename Body>
    ON_AVX2 static void call(const Body& body) {
        const Body own = body;
        own();
    }
    template <int COUNT, typename Body>
    ON_AVX2 static INLINE void unrolled(const Body& body) {
        unrolled_over(body, std::make_integer_sequence<int, COUNT>());
    }
    template <typename Body, int... AT>
    ON_AVX2 static INLINE void unrolled_over(const Body& body, std::integer_sequence<int, AT...>) {
        (body(std::integral_constant<int, AT>()), ...);
    }
};

struct Vnni {
    template <typename Body>
    ON_AVX512 static void call(const Body& body) {
        const Body own = body;
        own();
    }
    template <int COUNT, typename Body>
    ON_AVX512 static INLINE void unrolled(const Body& body) {
        unrolled_over(body, std::make_integer_sequence<int, COUNT>());
    }
    template <typename Body, int... AT>
    ON_AVX512 static INLINE void unrolled_over(const Body& body, std::integer_sequence<int, AT...>) {
        (body(std::integral_constant<int, AT>()), ...);
    }
};
#endif

// The fastest path of this machine: -1 plain C++, 0 SSE2, 1 AVX2, 2 AVX-512 VNNI.
static int32_t best_path_here() {
#ifdef HAS_X86_PATHS
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi2")) return 0;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vnni"))
        return 2;
    return 1;
#else
    return -1;
#endif
}

// Memory of one thread, kept between calls, at the start of a cache line. Slots are used at the same time.
enum Slot { PADDED, ACCUMULATORS, FILL, SLOTS };

template <typename Element>
static Element* scratch(Slot slot, int64_t elements) {
    struct Buffer {
        std::unique_ptr<unsigned char[]> bytes;
        size_t size = 0;
    };
    static thread_local Buffer buffers[SLOTS];
    Buffer& buffer = buffers[slot];
    const size_t needed = static_cast<size_t>(elements) * sizeof(Element) + 64;
    if (buffer.size < needed) {
        buffer.bytes.reset(new unsigned char[needed]);
        buffer.size = needed;
    }
    const uintptr_t start = reinterpret_cast<uintptr_t>(buffer.bytes.get());
    return reinterpret_cast<Element*>((start + 63) / 64 * 64);
}
