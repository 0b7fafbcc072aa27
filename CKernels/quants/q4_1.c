// Q4_1: 32 values of 4 bits with an f16 scale and minimum, 5 bits a weight. w = d * q + m.
#include "quants/codes.h"

typedef struct {
    uint16_t d, m;  ///< f16
    uint8_t qs[16]; ///< value i in the low half of byte i, value 16 + i in the high half
} q4_1_block;
_Static_assert(sizeof(q4_1_block) == 20, "as in the file");

static void explode(const uint8_t *block, apus_codes *c) {
    q4_1_block b;
    __builtin_memcpy(&b, block, sizeof b);
    c->d = b.d;
    c->m = b.m;
    for (int i = 0; i < 16; i++) {
        c->codes[i] = b.qs[i] & 15;
        c->codes[16 + i] = b.qs[i] >> 4;
    }
}

#define APUS_QUANT q4_1
#define APUS_QUANT_NAME "Q4_1"
#define APUS_QUANT_ID 3
#define APUS_BITS 4
#define APUS_OFFSET 0
#define APUS_SCALE APUS_SCALE_DM
#define APUS_GROUPS 1
#define APUS_HAS_MIN 1
#define APUS_FORM APUS_MINIMA
#define APUS_BLOCK 32
#define APUS_BLOCK_BYTES sizeof(q4_1_block)
#include "quants/integer.h"
