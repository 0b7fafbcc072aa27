// Q2_K: 256 values of 2 bits in 16 blocks of 16 with 4-bit scales and minima, 2.625 bits a weight.
// w = d * scale * q - dmin * min.
#include "quants/codes.h"

typedef struct {
    uint8_t scales[16]; ///< of block j: scale in the low half, minimum in the high half
    uint8_t qs[64];     ///< of 128 values, 32 bytes: byte i holds values i, 32 + i, 64 + i, 96 + i
    uint16_t d, dmin;   ///< f16
} q2_k_block;
_Static_assert(sizeof(q2_k_block) == 84, "as in the file");

static void explode(const uint8_t *block, apus_codes *c) {
    q2_k_block b;
    __builtin_memcpy(&b, block, sizeof b);
    c->d = b.d;
    c->m = b.dmin;
    for (int j = 0; j < 16; j++) {
        c->sub_scale[j] = b.scales[j] & 15;
        c->sub_min[j] = b.scales[j] >> 4;
    }
#pragma clang loop unroll(full) // shifts become constants, and bytes vectors
    for (int j = 0; j < 8; j++)
        for (int i = 0; i < 32; i++) c->codes[32 * j + i] = b.qs[j / 4 * 32 + i] >> j % 4 * 2 & 3;
}

#define APUS_QUANT q2_k
#define APUS_QUANT_NAME "Q2_K"
#define APUS_QUANT_ID 10
#define APUS_BITS 2
#define APUS_OFFSET 0
#define APUS_SCALE APUS_SCALE_SUPER4
#define APUS_GROUPS 2
#define APUS_HAS_MIN 1
#define APUS_FORM APUS_HALF_MINIMA
#define APUS_BLOCK 256
#define APUS_BLOCK_BYTES sizeof(q2_k_block)
#include "quants/integer.h"
