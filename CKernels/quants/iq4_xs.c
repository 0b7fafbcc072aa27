// IQ4_XS: 256 indices of 4 bits into a codebook in 8 blocks of 32 with 6-bit scales, 4.25 bits a weight.
// w = d * (scale - 32) * book[q].
#include "quants/codes.h"
#include "quants/iq4.h"

typedef struct {
    uint16_t d;          ///< f16
    uint8_t scales_h[2]; ///< the high 2 bits of scale j: bits 2 j and 2 j + 1, little-endian
    uint8_t scales_l[4]; ///< the low 4 bits of scales 2 j and 2 j + 1 in the halves of byte j
    uint8_t qs[128];     ///< 16 bytes a block: value i in the low half of byte i, value 16 + i in the high half
} iq4_xs_block;
_Static_assert(sizeof(iq4_xs_block) == 136, "as in the file");

static void explode(const uint8_t *block, apus_codes *c) {
    iq4_xs_block b;
    __builtin_memcpy(&b, block, sizeof b);
    c->d = b.d;
    for (int j = 0; j < 8; j++) {
        const int low = b.scales_l[j / 2] >> (j % 2 * 4) & 15, high = b.scales_h[j / 4] >> (j % 4 * 2) & 3;
        c->sub_scale[j] = (uint8_t)(low | high << 4);
        for (int i = 0; i < 16; i++) {
            c->codes[32 * j + i] = b.qs[16 * j + i] & 15;
            c->codes[32 * j + 16 + i] = b.qs[16 * j + i] >> 4;
        }
    }
}

#define APUS_QUANT iq4_xs
#define APUS_QUANT_NAME "IQ4_XS"
#define APUS_QUANT_ID 23
#define APUS_BITS 4
#define APUS_CODEBOOK apus_iq4_book
#define APUS_OFFSET 0
#define APUS_SCALE APUS_SCALE_SIGNED6
#define APUS_GROUPS 1
#define APUS_HAS_MIN 0
#define APUS_FORM APUS_SIGNED
#define APUS_BLOCK 256
#define APUS_BLOCK_BYTES sizeof(iq4_xs_block)
#include "quants/integer.h"
