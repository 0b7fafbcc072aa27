// The products of four unpacked tiles with many tokens, where a word of the activations is read once for all four:
// for processors that read fewer words into all lanes than they multiply. (One Ice Lake core, products of bytes alone,
// GMAC/s by tiles x tokens in registers: 1 x 12 171, 2 x 6 234, 4 x 6 346 of 353; with scales: 1 x 12 139, 4 x 3 245.)
// Eight blocks of the four are unpacked at a time and multiplied by all tokens, whose sums wait in memory meanwhile.
// Float types: quants/float.inl.h.
#include "quants/four.h"

/// Blocks [first, first + blocks) of a tile's.
typedef struct apus_stretch {
    size_t first, blocks, of;
} apus_stretch;

#define APUS_BODY "quants/four.inl.h"
#include "isa/foreach_isa.h"

#if defined(__x86_64__)
typedef void (*four_fn)(const apus_unpacked *tiles, apus_stretch part, const void *acts, size_t tokens,
                        const apus_sums out[4], float *sums);

static const four_fn products[APUS_FORM_COUNT] = {
    [APUS_PLAIN] = plain_avx512vnni,         [APUS_MINIMA] = minima_avx512vnni,
    [APUS_HALVES] = halves_avx512vnni,       [APUS_HALF_MINIMA] = half_minima_avx512vnni,
    [APUS_SIGNED] = signed_bytes_avx512vnni,
};

bool apus_takes_four(const apus_quant *quant, size_t tokens) {
    enum { LEAST = 12, LEAST_FLOAT = 24 }; // fewer multiply weights as they are read
    const apus_isa isa = apus_isa_active();
    if (quant->act_format == APUS_ACT_Q8) return tokens >= LEAST && isa == APUS_ISA_AVX512VNNI && apus_isa_shares();
    return tokens >= LEAST_FLOAT && (isa == APUS_ISA_AVX512VNNI || isa == APUS_ISA_AVX512) && apus_isa_shares();
}

void apus_four_products(const apus_quant *quant, const uint8_t *const tiles[4], size_t cols, const void *acts,
                        size_t tokens, const apus_sums out[4], void *scratch) {
    if (quant->act_format != APUS_ACT_Q8) {
        quant->four[apus_isa_active()](tiles, cols, acts, tokens, out, scratch);
        return;
    }
    // Whole spans of every type; their values, scales and activations of 12 tokens stay in the first cache level.
    enum { BLOCKS = 8 };
    const size_t of = cols / 32;
    _Alignas(64) uint8_t values[BLOCKS * 4 * 512];
    _Alignas(64) float scales[BLOCKS * 4 * 2 * 16], minima[BLOCKS * 4 * 2 * 16];
    const apus_unpacked unpacked = {.values = values, .scales = scales, .minima = minima};
    for (size_t first = 0; first < of; first += BLOCKS) {
        const apus_stretch part = {first, of - first < BLOCKS ? of - first : BLOCKS, of};
        for (size_t i = 0; i < 4; i++)
            quant->unpack[APUS_ISA_AVX512VNNI](tiles[i], first, part.blocks, i, 4, values, scales, minima);
        products[quant->form](&unpacked, part, acts, tokens, out, scratch);
    }
}
#else
bool apus_takes_four(const apus_quant *quant, size_t tokens) {
    (void)quant;
    (void)tokens;
    return false;
}

void apus_four_products(const apus_quant *quant, const uint8_t *const tiles[4], size_t cols, const void *acts,
                        size_t tokens, const apus_sums out[4], void *scratch) {
    for (size_t i = 0; i < 4; i++)
        quant->product[apus_isa_active()](tiles[i], cols, acts, NULL, tokens, out[i], scratch);
}
#endif
