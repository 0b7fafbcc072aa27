// Makes a float weight type out of its file's definitions. Before including, a type's file defines APUS_QUANT,
// APUS_QUANT_NAME and APUS_QUANT_ID (see quants/integer.h), the type `element` of a weight in the file, the function
// `static float widen(element)`, and includes this from both passes (see quants/f16.c). A type may also define
//   APUS_FLOAT_ACTS  the format of its activations
//   APUS_STEP_COLS   how many columns stand side by side: a tile is (cols / APUS_STEP_COLS, 16 rows, APUS_STEP_COLS),
//   the
//                    columns that are missing at the end zeros
#ifndef APUS_FLOAT_ACTS
#define APUS_FLOAT_ACTS APUS_ACT_F32
#endif
#ifndef APUS_STEP_COLS
#define APUS_STEP_COLS 1
#endif

static void decode(const void *src, float *dst, size_t n) {
    for (size_t i = 0; i < n; i++) {
        element e;
        __builtin_memcpy(&e, (const uint8_t *)src + i * sizeof e, sizeof e);
        dst[i] = widen(e);
    }
}

/// Bytes before an element of a tile.
static size_t place(size_t row, size_t col) {
    const size_t step = col / APUS_STEP_COLS, first = (step * APUS_TILE_ROWS + row) * APUS_STEP_COLS;
    return (first + col % APUS_STEP_COLS) * sizeof(element);
}

static void pack_tile(uint8_t *tile, const uint8_t *src, size_t n_rows, size_t cols) {
    const size_t whole = (cols + APUS_STEP_COLS - 1) / APUS_STEP_COLS * APUS_STEP_COLS;
    if (n_rows < APUS_TILE_ROWS || whole != cols) __builtin_memset(tile, 0, whole * APUS_TILE_ROWS * sizeof(element));
    for (size_t c = 0; c < cols; c++)
        for (size_t row = 0; row < n_rows; row++)
            __builtin_memcpy(tile + place(row, c), src + (row * cols + c) * sizeof(element), sizeof(element));
}

static void decode_lane(const uint8_t *tile, size_t lane, size_t cols, float *dst) {
    for (size_t c = 0; c < cols; c++) decode(tile + place(lane, c), dst + c, 1);
}

#define APUS_BODY APUS_FILE
#include "isa/foreach_isa.h"

const apus_quant APUS_CONCAT(apus_quant, APUS_QUANT) = {
    .name = APUS_QUANT_NAME,
    .ggml_type = APUS_QUANT_ID,
    .block = 1,
    .block_bytes = sizeof(element),
    .act_format = APUS_FLOAT_ACTS,
    .decode = decode,
    .pack_tile = pack_tile,
    .decode_lane = decode_lane,
    .product = APUS_VARIANTS(product),
};
