// What the tests know of the weight types beyond their descriptors: a line for each.
#ifndef APUS_TEST_TYPES_H
#define APUS_TEST_TYPES_H

#include "test.h"

typedef struct type_facts {
    const char *name;
    int halves[2];     ///< byte offsets of the f16 scales in a block, -1: none
    int exponent;      ///< byte offset of an E8M0 scale, -1: none
    int codes[2];      ///< types with minima: the codes' bytes, from and to; with codes of zero a block decodes to its
                       ///< minima
    int scales_a_tile; ///< products of a scale with an integer that a block of 32 columns adds up, minima included
} type_facts;

static const type_facts all_type_facts[] = {
    {"F32", {-1, -1}, -1, {0, 0}, 0},   {"F16", {-1, -1}, -1, {0, 0}, 0},   {"BF16", {-1, -1}, -1, {0, 0}, 0},
    {"Q8_0", {0, -1}, -1, {0, 0}, 1},   {"Q4_0", {0, -1}, -1, {0, 0}, 1},   {"Q4_1", {0, 2}, -1, {4, 20}, 2},
    {"Q5_0", {0, -1}, -1, {0, 0}, 1},   {"Q5_1", {0, 2}, -1, {4, 24}, 2},   {"Q2_K", {80, 82}, -1, {16, 80}, 4},
    {"Q3_K", {108, -1}, -1, {0, 0}, 2}, {"Q4_K", {0, 2}, -1, {16, 144}, 2}, {"Q5_K", {0, 2}, -1, {16, 176}, 2},
    {"Q6_K", {208, -1}, -1, {0, 0}, 2}, {"IQ4_NL", {0, -1}, -1, {0, 0}, 1}, {"IQ4_XS", {0, -1}, -1, {0, 0}, 1},
    {"MXFP4", {-1, -1}, 0, {0, 0}, 1},
};

static inline const type_facts *facts_of(const apus_quant *quant) {
    const size_t n = sizeof all_type_facts / sizeof *all_type_facts;
    for (size_t i = 0; i < n; i++)
        if (strcmp(all_type_facts[i].name, apus_quant_name(quant)) == 0) return &all_type_facts[i];
    check(false, "%s has no line in Tests/CKernelsTests/types.h", apus_quant_name(quant));
    exit(test_finish());
}

static inline bool is_float_type(const apus_quant *quant) { return apus_quant_act_format(quant) != APUS_ACT_Q8; }

/// `n` values (a multiple of the block) in the file's format. Wild: random bytes, NaN and infinite scales among them;
/// otherwise finite scales of magnitude 2^-13 to 2^-3, and normally distributed values in float types.
static inline void random_weights(const apus_quant *quant, uint8_t *to, size_t n, bool wild) {
    const size_t blocks = n / apus_quant_block(quant), bytes = apus_quant_block_bytes(quant);
    const type_facts *facts = facts_of(quant);
    for (size_t i = 0; i < blocks * bytes; i++) to[i] = (uint8_t)(random_bits() >> 32);
    if (wild) return;
    for (size_t b = 0; b < blocks; b++) {
        uint8_t *block = to + b * bytes;
        for (int i = 0; i < 2; i++) {
            if (facts->halves[i] < 0) continue;
            const double magnitude = exp2(-8 + 5 * random_uniform());
            const uint16_t half = half_of((float)(random_bits() & 1 ? magnitude : -magnitude));
            memcpy(block + facts->halves[i], &half, 2);
        }
        if (facts->exponent >= 0) block[facts->exponent] = (uint8_t)(115 + random_below(11));
        if (is_float_type(quant)) {
            const float value = random_normal();
            const uint16_t half =
                bytes == 2 && strcmp(facts->name, "F16") == 0 ? half_of(value) : (uint16_t)(bits_of(value) >> 16);
            memcpy(block, bytes == 4 ? (const void *)&value : &half, bytes);
        }
    }
}

/// A packed matrix made from (rows, cols) in the file's format.
static inline apus_weights packed_weights(const apus_quant *quant, const void *file, size_t rows, size_t cols) {
    const apus_weights weights = {.quant = quant,
                                  .tiles = edge_alloc(apus_weights_bytes(quant, rows, cols)),
                                  .rows = (uint32_t)rows,
                                  .cols = (uint32_t)cols};
    apus_weights_pack(&weights, file, 0, rows);
    return weights;
}

static inline size_t file_bytes(const apus_quant *quant, size_t values) {
    return values / apus_quant_block(quant) * apus_quant_block_bytes(quant);
}

#endif
