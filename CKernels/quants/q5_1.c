// Q5_1: 32 values of 5 bits with an f16 scale and minimum, 6 bits a weight. w = d * q + m.
#include "quants/codes.h"

typedef struct {
    uint16_t d, m;  ///< f16
    uint8_t qh[4];  ///< the fifth bit of value i is bit i, little-endian
    uint8_t qs[16]; ///< value i in the low half of byte i, value 16 + i in the high half
} q5_1_block;
_Static_assert(sizeof(q5_1_block) == 24, "as in the file");

static void explode(const uint8_t *block, apus_codes *c) {
    q5_1_block b;
    __builtin_memcpy(&b, block, sizeof b);
    c->d = b.d;
    c->m = b.m;
    uint8_t high[32];
    for (int j = 0; j < 4; j++) apus_spread_bits(b.qh[j], high + 8 * j);
    for (int i = 0; i < 16; i++) {
        c->codes[i] = (uint8_t)((b.qs[i] & 15) | high[i] << 4);
        c->codes[16 + i] = (uint8_t)(b.qs[i] >> 4 | high[16 + i] << 4);
    }
}

#define APUS_QUANT q5_1
#define APUS_QUANT_NAME "Q5_1"
#define APUS_QUANT_ID 7
#define APUS_BITS 5
#define APUS_OFFSET 0
#define APUS_SCALE APUS_SCALE_DM
#define APUS_GROUPS 1
#define APUS_HAS_MIN 1
#define APUS_FORM APUS_MINIMA
#define APUS_BLOCK 32
#define APUS_BLOCK_BYTES sizeof(q5_1_block)
#include "quants/integer.h"
