// IQ4_NL: 32 indices of 4 bits into a codebook, with an f16 scale, 4.5 bits a weight. w = d * book[q].
#include "quants/codes.h"
#include "quants/iq4.h"

typedef struct {
    uint16_t d;     ///< f16
    uint8_t qs[16]; ///< value i in the low half of byte i, value 16 + i in the high half
} iq4_nl_block;
_Static_assert(sizeof(iq4_nl_block) == 18, "as in the file");

static void explode(const uint8_t *block, apus_codes *c) {
    iq4_nl_block b;
    __builtin_memcpy(&b, block, sizeof b);
    c->d = b.d;
    for (int i = 0; i < 16; i++) {
        c->codes[i] = b.qs[i] & 15;
        c->codes[16 + i] = b.qs[i] >> 4;
    }
}

#define APUS_QUANT iq4_nl
#define APUS_QUANT_NAME "IQ4_NL"
#define APUS_QUANT_ID 20
#define APUS_BITS 4
#define APUS_CODEBOOK apus_iq4_book
#define APUS_OFFSET 0
#define APUS_SCALE APUS_SCALE_D
#define APUS_GROUPS 1
#define APUS_HAS_MIN 0
#define APUS_FORM APUS_SIGNED
#define APUS_BLOCK 32
#define APUS_BLOCK_BYTES sizeof(iq4_nl_block)
#include "quants/integer.h"
