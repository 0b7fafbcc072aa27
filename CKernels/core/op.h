// What the executor knows of an op, and what the ops share.
#ifndef APUS_OP_H
#define APUS_OP_H

#include "apus_kernels.h"

/// Runs tiles [begin, end) of an op. `scratch` is the thread's own, 64-byte aligned.
typedef void (*apus_op_run)(const apus_op *op, const apus_step *step, uint32_t begin, uint32_t end, void *scratch);

/// Weights in memory.
typedef struct apus_range {
    const uint8_t *at;
    size_t bytes;
} apus_range;

typedef struct apus_op_traits {
    uint32_t (*tiles)(const apus_op *op, const apus_step *step);   ///< independent pieces in a step
    size_t (*scratch_bytes)(const apus_op *op, size_t max_tokens); ///< NULL: none
    /// How many tiles are better run together than one by one. NULL: 1.
    uint32_t (*grain)(const apus_op *op, const apus_step *step);
    /// The weights that tiles [begin, end) read, from the first on: threads that wait fetch them. NULL: none.
    void (*weights)(const apus_op *op, uint32_t begin, uint32_t end, apus_range ranges[2]);
    apus_op_run run[APUS_ISA_COUNT];
} apus_op_traits;

/// Tokens that an op works on.
static inline uint32_t apus_row_count(apus_rows rows, const apus_step *step) {
    return (uint32_t)(rows == APUS_ROWS_LOGITS ? step->n_logits : step->n_tokens);
}

/// The segment that a token of the step belongs to.
static inline const apus_segment *apus_segment_of(const apus_step *step, uint32_t token) {
    int32_t low = 0, high = step->n_segments - 1;
    while (low < high) {
        const int32_t middle = (low + high + 1) / 2;
        if (step->segments[middle].first_token <= (int32_t)token)
            low = middle;
        else
            high = middle - 1;
    }
    return &step->segments[low];
}

// Packed activations: tiles of up to 12 tokens, in order, each n = min(12, what is left) tokens wide.
//   APUS_ACT_F32: (cols, n) f32.
//   APUS_ACT_BF16: (cols, n) f32 with the values of bf16: rounded to nearest, ties to even, and 0 below 2^-49 (see
//     quants/bf16.c); or (cols / 2, n, 2) bf16 where the variant in use has BF16 dot products. A column of zeros more
//     when cols is odd.
//   APUS_ACT_Q8: for each block of 32 columns a record of 48 n bytes:
//     (8, n) int32, four int8 each: columns 4 s … 4 s + 3 of the block;
//     (n) f32 scale = max |x| / 127;  (n) f32 scale * sum of the 32 int8;
//     (2, n) int32: -32 * the sum of the 32 int8, and of the first 16: what integer sums start at, for codes that 32 is
//     to be taken off.
#define APUS_Q8_RECORD 48
#define APUS_START_OFFSET 32

/// A token's place in packed activations.
typedef struct apus_act_place {
    size_t tile_offset; ///< bytes before the token's tile
    size_t width;       ///< tokens in the tile
    size_t lane;        ///< the token's index in it
} apus_act_place;

static inline size_t apus_act_column_bytes(apus_act_format format, size_t cols) {
    switch (format) {
    case APUS_ACT_F32:
        return cols * sizeof(float);
    case APUS_ACT_BF16:
        return (cols + 1) / 2 * 2 * sizeof(float);
    case APUS_ACT_Q8:
        break;
    }
    return cols / APUS_ACT_BLOCK * APUS_Q8_RECORD;
}

static inline apus_act_place apus_act_place_of(apus_act_format format, size_t cols, size_t token, size_t tokens) {
    const size_t tile = token / APUS_TILE_TOKENS, left = tokens - tile * APUS_TILE_TOKENS;
    return (apus_act_place){
        .tile_offset = tile * APUS_TILE_TOKENS * apus_act_column_bytes(format, cols),
        .width = left < APUS_TILE_TOKENS ? left : APUS_TILE_TOKENS,
        .lane = token % APUS_TILE_TOKENS,
    };
}

#endif
