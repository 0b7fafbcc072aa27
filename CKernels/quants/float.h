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

_Static_assert(APUS_STEP_COLS * sizeof(element) == 4 || (APUS_STEP_COLS == 1 && sizeof(element) == 2), "pack_tile");

/// Bytes before an element of a tile.
static size_t place(size_t row, size_t col) {
    const size_t step = col / APUS_STEP_COLS, first = (step * APUS_TILE_ROWS + row) * APUS_STEP_COLS;
    return (first + col % APUS_STEP_COLS) * sizeof(element);
}

static void pack_tile(uint8_t *tile, const uint8_t *src, size_t n_rows, size_t cols) {
    const size_t whole = (cols + APUS_STEP_COLS - 1) / APUS_STEP_COLS * APUS_STEP_COLS;
    if (n_rows < APUS_TILE_ROWS || whole != cols) __builtin_memset(tile, 0, whole * APUS_TILE_ROWS * sizeof(element));
    // Four words of all rows at a time, as far as they go: the columns of a step, or two steps where it has two bytes.
    const size_t row_bytes = cols * sizeof(element);
    size_t at = 0;
    for (; n_rows == APUS_TILE_ROWS && at + 16 <= row_bytes; at += 16) {
        int32_t words[4][APUS_TILE_ROWS];
        for (size_t row = 0; row < APUS_TILE_ROWS; row += 4) {
            i32x4 x[4];
            for (size_t i = 0; i < 4; i++) __builtin_memcpy(&x[i], src + (row + i) * row_bytes + at, 16);
            apus_transpose(x);
            for (size_t i = 0; i < 4; i++) __builtin_memcpy(words[i] + row, &x[i], 16);
        }
        if (APUS_STEP_COLS * sizeof(element) == 4) {
            __builtin_memcpy(tile + at * APUS_TILE_ROWS, words, sizeof words);
            continue;
        }
        uint16_t halves[8][APUS_TILE_ROWS];
        for (size_t i = 0; i < 4; i++) {
            for (size_t row = 0; row < APUS_TILE_ROWS; row++) {
                halves[2 * i][row] = (uint16_t)words[i][row];
                halves[2 * i + 1][row] = (uint16_t)((uint32_t)words[i][row] >> 16);
            }
        }
        __builtin_memcpy(tile + at * APUS_TILE_ROWS, halves, sizeof halves);
    }
    for (size_t c = at / sizeof(element); c < cols; c++)
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
    .four = APUS_VARIANTS(four),
};
