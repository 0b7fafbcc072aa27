// Q6_K: 256 values of 6 bits in 16 blocks of 16 with int8 scales, 6.5625 bits a weight. w = d * scale * (q - 32).
#include "quants/codes.h"

typedef struct {
    uint8_t ql[128]; ///< low 4 bits: of 128 values, 64 bytes: values 0 to 63 in the low halves, 64 to 127 in the high
    uint8_t qh[64];  ///< high 2 bits: of 128 values, 32 bytes: byte i holds values i, 32 + i, 64 + i, 96 + i
    int8_t scales[16];
    uint16_t d; ///< f16
} q6_k_block;
_Static_assert(sizeof(q6_k_block) == 210, "as in the file");

static void explode(const uint8_t *block, apus_codes *c) {
    q6_k_block b;
    __builtin_memcpy(&b, block, sizeof b);
    c->d = b.d;
    __builtin_memcpy(c->sub_scale, b.scales, sizeof b.scales);
#pragma clang loop unroll(full) // shifts become constants, and bytes vectors
    for (int j = 0; j < 8; j++) {
        const uint8_t *low = b.ql + j / 4 * 64 + j % 2 * 32, *high = b.qh + j / 4 * 32;
        for (int i = 0; i < 32; i++)
            c->codes[32 * j + i] = (uint8_t)((low[i] >> j % 4 / 2 * 4 & 15) | (high[i] >> j % 4 * 2 & 3) << 4);
    }
}

#define APUS_QUANT q6_k
#define APUS_QUANT_NAME "Q6_K"
#define APUS_QUANT_ID 14
#define APUS_BITS 6
#define APUS_OFFSET 32
#define APUS_SCALE APUS_SCALE_SUPER8
#define APUS_GROUPS 2
#define APUS_HAS_MIN 0
#define APUS_FORM APUS_HALVES
#define APUS_BLOCK 256
#define APUS_BLOCK_BYTES sizeof(q6_k_block)
#include "quants/integer.h"
