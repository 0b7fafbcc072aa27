// Makes an integer weight type out of its file's definitions. Before including, a type's file defines
//   APUS_QUANT      the type's name in lower case, as in quants/registry.h
//   APUS_QUANT_NAME its name in ggml, APUS_QUANT_ID its number there
//   APUS_BITS       bits of a code in a tile: 2, 3, 4, 5, 6 or 8
//   APUS_CODEBOOK   if its codes are looked up: a constant array of 16, which the stored bits are indices of
//   APUS_OFFSET     to take off a code
//   APUS_SCALE      an apus_scale_form
//   APUS_GROUPS     scales in a block of 32: 1 or 2
//   APUS_HAS_MIN    1 if each scale has a minimum beside it, or 0
//   APUS_FORM       the apus_unpacked_form of its product; APUS_SIGNED: codes are int8, the others 0 to 127
//   APUS_BLOCK, APUS_BLOCK_BYTES   of the file's format
// and the function `static void explode(const uint8_t *block, apus_codes *codes)`, which gives indices with a codebook.

// Unpacked: see apus_unpacked_form.
_Static_assert(APUS_FORM == APUS_PLAIN || APUS_FORM == APUS_HALVES ? APUS_OFFSET <= APUS_START_OFFSET
                                                                   : APUS_OFFSET == 0,
               "an offset of the form");
#ifndef APUS_CODEBOOK // the types that have one are among the tests' extremes
_Static_assert(APUS_FORM == APUS_SIGNED ||
                   (1 << APUS_BITS) - 1 + (APUS_HAS_MIN ? 0 : APUS_START_OFFSET - APUS_OFFSET) <=
                       (APUS_HAS_MIN ? 31 : 63),
               "codes as large as quants/unpacked_avx2.inl.h adds up in 16 bits");
#endif

#define TYPE_FN(name) APUS_CONCAT(name, APUS_QUANT)
#define UNPACK_CODES APUS_CONCAT(unpack, APUS_BITS)
#define UNPACK_SCALES APUS_CONCAT(scales, APUS_SCALE)

/// Bytes of a tile that the scales of a block of 32 columns take (or their share of a record), and the whole block.
static size_t block_scale_bytes(void) { return apus_scale_record(APUS_SCALE) * 32 / APUS_BLOCK; }
static size_t block_bytes(void) { return block_scale_bytes() + apus_plane_bytes(APUS_BITS); }

/// Blocks of 32 columns in the span that starts at block `first`.
static size_t span_blocks(size_t cols, size_t first) {
    const size_t left = cols / 32 - first, most = apus_span_blocks(APUS_SCALE);
    return left < most ? left : most;
}

static void decode_codes(apus_codes *codes, float *dst) {
#ifdef APUS_CODEBOOK
    for (size_t i = 0; i < APUS_BLOCK; i++) codes->codes[i] = (uint8_t)APUS_CODEBOOK[codes->codes[i]];
#endif
    apus_codes_decode(codes, APUS_SCALE, APUS_FORM == APUS_SIGNED, APUS_OFFSET, APUS_BLOCK, dst);
}

static void decode(const void *src, float *dst, size_t n) {
    const uint8_t *block = src;
    apus_codes codes;
    for (size_t i = 0; i < n; i += APUS_BLOCK, block += APUS_BLOCK_BYTES) {
        explode(block, &codes);
        decode_codes(&codes, dst + i);
    }
}

static void pack_tile(uint8_t *tile, const uint8_t *src, size_t n_rows, size_t cols) {
    const size_t row_bytes = cols / APUS_BLOCK * APUS_BLOCK_BYTES;
    apus_codes codes[4];
    for (size_t first = 0; first < cols / 32; first += apus_span_blocks(APUS_SCALE)) {
        const size_t blocks = span_blocks(cols, first);
        uint8_t *scales = tile + first * block_bytes(), *planes = scales + blocks * block_scale_bytes();
        __builtin_memset(scales, 0, blocks * block_scale_bytes()); // they are put together of bits
        for (size_t i = 0; i < blocks; i += APUS_BLOCK / 32) {
            for (size_t row = 0; row < APUS_TILE_ROWS; row += 4) {
                for (size_t r = 0; r < 4; r++) {
                    if (row + r >= n_rows) {
                        __builtin_memset(codes[r].codes, 0, APUS_BLOCK);
                        continue;
                    }
                    explode(src + (row + r) * row_bytes + (first + i) * 32 / APUS_BLOCK * APUS_BLOCK_BYTES, &codes[r]);
                    apus_put_scales(scales, APUS_SCALE, i * 32 / APUS_BLOCK, row + r, &codes[r]);
                }
                for (size_t j = 0; j < APUS_BLOCK / 32; j++)
                    apus_put_codes(planes + (i + j) * apus_plane_bytes(APUS_BITS), APUS_BITS, row, codes, 32 * j);
            }
        }
    }
}

static void decode_lane(const uint8_t *tile, size_t lane, size_t cols, float *dst) {
    apus_codes codes;
    for (size_t first = 0; first < cols / 32; first += apus_span_blocks(APUS_SCALE)) {
        const size_t blocks = span_blocks(cols, first);
        const uint8_t *scales = tile + first * block_bytes(), *planes = scales + blocks * block_scale_bytes();
        for (size_t i = 0; i < blocks; i += APUS_BLOCK / 32) {
            apus_get_scales(scales, APUS_SCALE, i * 32 / APUS_BLOCK, lane, &codes);
            for (size_t j = 0; j < APUS_BLOCK / 32; j++)
                apus_get_codes(planes + (i + j) * apus_plane_bytes(APUS_BITS), APUS_BITS, lane, codes.codes + 32 * j);
            decode_codes(&codes, dst + (first + i) * 32);
        }
    }
}

#define APUS_BODY "quants/integer.inl.h"
#include "isa/foreach_isa.h"

const apus_quant APUS_CONCAT(apus_quant, APUS_QUANT) = {
    .name = APUS_QUANT_NAME,
    .ggml_type = APUS_QUANT_ID,
    .block = APUS_BLOCK,
    .block_bytes = APUS_BLOCK_BYTES,
    .act_format = APUS_ACT_Q8,
    .decode = decode,
    .pack_tile = pack_tile,
    .decode_lane = decode_lane,
    .product = APUS_VARIANTS(product),
    .form = APUS_FORM,
    .unpack = APUS_VARIANTS(unpack),
};
