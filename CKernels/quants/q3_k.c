// Q3_K: 256 values of 3 bits in 16 blocks of 16 with 6-bit scales, 3.4375 bits a weight.
// w = d * (scale - 32) * (q - 4).
#include "quants/codes.h"

typedef struct {
    uint8_t hmask[32]; ///< the third bit: bit j of byte i is of value 32 j + i
    uint8_t qs[64];    ///< of 128 values, 32 bytes: byte i holds the low bits of values i, 32 + i, 64 + i, 96 + i
    /// Low 4 bits: scale j < 8 in the low half of byte j, scale 8 + j in its high half; the high 2 bits of scales i,
    /// 4 + i, 8 + i and 12 + i in byte 8 + i.
    uint8_t scales[12];
    uint16_t d; ///< f16
} q3_k_block;
_Static_assert(sizeof(q3_k_block) == 110, "as in the file");

static void explode(const uint8_t *block, apus_codes *c) {
    q3_k_block b;
    __builtin_memcpy(&b, block, sizeof b);
    c->d = b.d;
    for (int j = 0; j < 16; j++) {
        const int low = b.scales[j % 8] >> (j < 8 ? 0 : 4) & 15, high = b.scales[8 + j % 4] >> (j / 4 * 2) & 3;
        c->sub_scale[j] = (uint8_t)(low | high << 4);
    }
#pragma clang loop unroll(full) // shifts become constants, and bytes vectors
    for (int j = 0; j < 8; j++)
        for (int i = 0; i < 32; i++)
            c->codes[32 * j + i] = (uint8_t)((b.qs[j / 4 * 32 + i] >> j % 4 * 2 & 3) | (b.hmask[i] >> j & 1) << 2);
}

#define APUS_QUANT q3_k
#define APUS_QUANT_NAME "Q3_K"
#define APUS_QUANT_ID 11
#define APUS_BITS 3
#define APUS_OFFSET 4
#define APUS_SCALE APUS_SCALE_HALVES6
#define APUS_GROUPS 2
#define APUS_HAS_MIN 0
#define APUS_FORM APUS_HALVES
#define APUS_BLOCK 256
#define APUS_BLOCK_BYTES sizeof(q3_k_block)
#include "quants/integer.h"
