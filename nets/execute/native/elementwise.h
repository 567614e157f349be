// Elementwise sums and products, and pools.
#pragma once

#include <vector>

#include "requantize.h"

static const int64_t ELEMENTS_AT_ONCE = 1024;

// Inputs are int8, so each operand's rescaled value comes from a table of 256: exact for any rule.
MULTIVERSION static void table_sums(
    const int8_t* a, const int8_t* b, const int32_t* table_a, const int32_t* table_b, int32_t* acc, int64_t count
) {
    for (int64_t i = 0; i < count; ++i)
        acc[i] = table_a[static_cast<uint8_t>(a[i])] + table_b[static_cast<uint8_t>(b[i])];
}

MULTIVERSION static void products(
    const int8_t* a, const int8_t* b, int32_t zero_a, int32_t zero_b, int32_t* acc, int64_t count
) {
    for (int64_t i = 0; i < count; ++i) acc[i] = (a[i] - zero_a) * (b[i] - zero_b);
}

extern "C" {

// One rescaler for all elements: its arrays have one entry, repeated ELEMENTS_AT_ONCE times by the caller.
void add_tables(
    const Requant* requant, const int32_t* table_a, const int32_t* table_b, const int8_t* a, const int8_t* b, int8_t* y,
    int64_t count
) {
    int32_t acc[ELEMENTS_AT_ONCE];
    for (int64_t i = 0; i < count; i += ELEMENTS_AT_ONCE) {
        const int64_t part = std::min(ELEMENTS_AT_ONCE, count - i);
        table_sums(a + i, b + i, table_a, table_b, acc, part);
        requantize_rows(*requant, acc, y + i, 1, part, part);
    }
}

void multiply(
    const Requant* requant, int32_t zero_a, int32_t zero_b, const int8_t* a, const int8_t* b, int8_t* y, int64_t count
) {
    int32_t acc[ELEMENTS_AT_ONCE];
    for (int64_t i = 0; i < count; i += ELEMENTS_AT_ONCE) {
        const int64_t part = std::min(ELEMENTS_AT_ONCE, count - i);
        products(a + i, b + i, zero_a, zero_b, acc, part);
        requantize_rows(*requant, acc, y + i, 1, part, part);
    }
}
}
