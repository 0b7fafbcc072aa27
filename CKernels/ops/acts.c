// Packs activations outside of the fused ops: for tests, and for callers that bring their own.
#ifndef APUS_BODY
#include "core/op.h"
#include "isa/isa.h"

typedef void (*pack_fn)(const apus_acts *out, const float *src, size_t tokens, size_t cols);

#define APUS_BODY "ops/acts.c"
#include "isa/foreach_isa.h"

static const pack_fn pack[APUS_ISA_COUNT] = APUS_VARIANTS(pack);

size_t apus_acts_bytes(apus_act_format format, size_t tokens, size_t cols) {
    return tokens * apus_act_column_bytes(format, cols);
}

void apus_acts_pack(apus_act_format format, void *dst, const float *src, size_t tokens, size_t cols) {
    const apus_acts out = {.q8 = format == APUS_ACT_Q8 ? dst : NULL,
                           .f32 = format == APUS_ACT_F32 ? dst : NULL,
                           .bf16 = format == APUS_ACT_BF16 ? dst : NULL};
    pack[apus_isa_active()](&out, src, tokens, cols);
}
#else
#include "ops/acts.inl.h"

static void V(pack)(const apus_acts *out, const float *src, size_t tokens, size_t cols) {
    for (size_t t = 0; t < tokens; t++)
        for (size_t c = 0; c < cols; c += APUS_ACT_BLOCK)
            V(put_acts)(out, cols, tokens, t, 1, c, src + t * cols + c,
                        cols - c < APUS_ACT_BLOCK ? cols - c : APUS_ACT_BLOCK);
}
#endif
