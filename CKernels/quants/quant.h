// What a weight type is: its descriptor, and the product functions that types share.
#ifndef APUS_QUANT_H
#define APUS_QUANT_H

#include "core/op.h"
#include "isa/isa.h"

/// Where the products of a tile's 16 rows go.
typedef struct apus_sums {
    float *at; ///< at[t * ld + r]
    size_t ld;
    bool add; ///< add to what is there
} apus_sums;

/// The same from token t on.
static inline apus_sums apus_sums_from(apus_sums out, size_t t) {
    return (apus_sums){.at = out.at + t * out.ld, .ld = out.ld, .add = out.add};
}

/// One tile of 16 rows times all tokens. `rest` is a second plane of activations, whose product is added, or NULL; with
/// one, `out` is set. `scratch` is as long as apus_product_scratch_bytes() says.
typedef void (*apus_product_fn)(const uint8_t *tile, size_t cols, const void *acts, const void *rest, size_t tokens,
                                apus_sums out, void *scratch);

/// Shared by the types: one scale per 32 values; the same with a minimum; a scale per 16; the same with a minimum per
/// 16; signed bytes with one scale. Values with minima have no offset, unsigned ones without are unpacked so that
/// APUS_START_OFFSET is to be taken off.
typedef enum apus_unpacked_form {
    APUS_PLAIN,
    APUS_MINIMA,
    APUS_HALVES,
    APUS_HALF_MINIMA,
    APUS_SIGNED,
    APUS_FORM_COUNT
} apus_unpacked_form;

/// Unpacks values, scales and minima (where there are any) of `blocks` blocks of a tile from block `first` on, whole
/// spans but at the tile's end, as apus_unpacked has them, but so that the blocks of `n` tiles take turns, of which
/// this is number `i`.
typedef void (*apus_unpack_fn)(const uint8_t *tile, size_t first, size_t blocks, size_t i, size_t n, uint8_t *values,
                               float *scales, float *minima);

/// Four tiles times all tokens. `sums` has room for (tokens, 4, 16).
typedef void (*apus_four_fn)(const uint8_t *const tiles[4], size_t cols, const void *acts, size_t tokens,
                             const apus_sums out[4], float *sums);

struct apus_quant {
    const char *name;
    uint32_t ggml_type;
    uint32_t block;       ///< values in a block of the file
    uint32_t block_bytes; ///< bytes of it
    apus_act_format act_format;
    void (*decode)(const void *src, float *dst, size_t n);
    /// Packs n_rows <= 16 rows of src (n_rows, cols in blocks); the rows that are missing become zeros.
    void (*pack_tile)(uint8_t *tile, const uint8_t *src, size_t n_rows, size_t cols);
    /// Decodes row `lane` of a tile.
    void (*decode_lane)(const uint8_t *tile, size_t lane, size_t cols, float *dst);
    apus_product_fn product[APUS_ISA_COUNT];
    apus_four_fn four[APUS_ISA_COUNT]; ///< of float types
    apus_unpacked_form form;           ///< of integer types, as `unpack`
    apus_unpack_fn unpack[APUS_ISA_COUNT];
};

/// From one tile of a matrix to its next.
static inline size_t apus_tile_step(const apus_weights *weights) {
    return apus_quant_tile_bytes(weights->quant, weights->cols) * (weights->stride > 1 ? weights->stride : 1);
}

static inline uint8_t *apus_tile(const apus_weights *weights, size_t tile) {
    return weights->tiles + tile * apus_tile_step(weights);
}

/// Most tokens that share a block which is unpacked in registers. Products of a few times that and more unpack a whole
/// tile first and reuse it.
#define APUS_DIRECT_TOKENS 8

/// Scratch of a product over `cols` inputs: a tile's int8 values, two scales and two minima per block.
static inline size_t apus_product_scratch_bytes(size_t cols) { return cols * 16 + (cols / 32 + 1) * 4 * 64; }

/// An unpacked tile, for products of many tokens.
typedef struct apus_unpacked {
    const uint8_t *values; ///< (cols / 32, 512) in the order of the instruction set: quants/unpacked_*.inl.h
    const float *scales;   ///< (cols / 32, groups, 16)
    const float *minima;   ///< as the scales, or NULL
    const uint8_t *next;   ///< the packed tile after it, mostly the thread's next one: fetched beside the last products
    size_t block_bytes;    ///< of the packed tile
} apus_unpacked;

typedef void (*apus_unpacked_fn)(const apus_unpacked *tile, size_t cols, const void *acts, size_t tokens,
                                 apus_sums out);

extern const apus_unpacked_fn apus_unpacked_product[APUS_FORM_COUNT][APUS_ISA_COUNT];

static inline float apus_f16_to_f32(uint16_t half) {
    _Static_assert(sizeof(float) == 4, "f32");
    const uint32_t magnitude = half & 0x7fffu, sign = (uint32_t)(half & 0x8000u) << 16;
    union {
        uint32_t bits;
        float value;
    } f;
    if (magnitude < 0x400) {
        f.bits = magnitude | 0x3f000000u;
        f.value -= 0.5f;
        f.bits |= sign;
    } else if (magnitude >= 0x7c00) {
        f.bits = (magnitude << 13) | 0x7f800000u | sign;
    } else {
        f.bits = ((magnitude << 13) + (112u << 23)) | sign;
    }
    return f.value;
}

#endif
