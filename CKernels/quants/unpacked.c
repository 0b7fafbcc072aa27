// The product of an unpacked tile with many tokens, shared by the integer types: compute-bound, so the tile stays in
// the first two cache levels and is reused for every tile of 12 tokens.
#include "quants/quant.h"

#define APUS_BODY "quants/unpacked.inl.h"
#include "isa/foreach_isa.h"

const apus_unpacked_fn apus_unpacked_product[APUS_FORM_COUNT][APUS_ISA_COUNT] = {
    [APUS_PLAIN] = APUS_VARIANTS(plain),         [APUS_MINIMA] = APUS_VARIANTS(minima),
    [APUS_HALVES] = APUS_VARIANTS(halves),       [APUS_HALF_MINIMA] = APUS_VARIANTS(half_minima),
    [APUS_SIGNED] = APUS_VARIANTS(signed_bytes),
};
