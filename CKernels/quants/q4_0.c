// Q4_0: 32 values of 4 bits with an f16 scale, 4.5 bits a weight. w = d * (q - 8).
#include "quants/codes.h"

typedef struct {
    uint16_t d;     ///< f16
    uint8_t qs[16]; ///< value i in the low half of byte i, value 16 + i in the high half
} q4_0_block;
_Static_assert(sizeof(q4_0_block) == 18, "as in the file");

static void explode(const uint8_t *block, apus_codes *c) {
    q4_0_block b;
    __builtin_memcpy(&b, block, sizeof b);
    c->d = b.d;
    for (int i = 0; i < 16; i++) {
        c->codes[i] = b.qs[i] & 15;
        c->codes[16 + i] = b.qs[i] >> 4;
    }
}

#define APUS_QUANT q4_0
#define APUS_QUANT_NAME "Q4_0"
#define APUS_QUANT_ID 2
#define APUS_BITS 4
#define APUS_OFFSET 8
#define APUS_SCALE APUS_SCALE_D
#define APUS_GROUPS 1
#define APUS_HAS_MIN 0
#define APUS_FORM APUS_PLAIN
#define APUS_BLOCK 32
#define APUS_BLOCK_BYTES sizeof(q4_0_block)
#include "quants/integer.h"
