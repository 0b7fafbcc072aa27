// Q5_K: 256 values of 5 bits in 8 blocks of 32 with 6-bit scales and minima, 5.5 bits a weight.
// w = d * scale * q - dmin * min.
#include "quants/codes.h"

// The 6-bit scales and minima of 8 blocks of 32 in 12 bytes: 0 to 3 in the low bits of bytes 0 to 3 (scales) and 4 to 7
// (minima); 4 to 7 have their low 4 bits in bytes 8 to 11 (scale low half, minimum high half) and their high 2 bits
// above the six of bytes 0 to 7.
typedef struct {
    uint16_t d, dmin; ///< f16
    uint8_t scales[12];
    uint8_t qh[32];  ///< the fifth bit of value i of block j is bit j of byte i
    uint8_t qs[128]; ///< 32 bytes hold two blocks: the first in the low halves, the second in the high ones
} q5_k_block;
_Static_assert(sizeof(q5_k_block) == 176, "as in the file");

static void explode(const uint8_t *block, apus_codes *c) {
    q5_k_block b;
    __builtin_memcpy(&b, block, sizeof b);
    c->d = b.d;
    c->m = b.dmin;
    for (int j = 0; j < 4; j++) {
        c->sub_scale[j] = b.scales[j] & 63;
        c->sub_min[j] = b.scales[4 + j] & 63;
        c->sub_scale[4 + j] = (uint8_t)((b.scales[8 + j] & 15) | (b.scales[j] >> 6) << 4);
        c->sub_min[4 + j] = (uint8_t)(b.scales[8 + j] >> 4 | (b.scales[4 + j] >> 6) << 4);
    }
    for (int j = 0; j < 4; j++) {
        for (int i = 0; i < 32; i++) {
            c->codes[64 * j + i] = (uint8_t)((b.qs[32 * j + i] & 15) | ((b.qh[i] >> (2 * j)) & 1) << 4);
            c->codes[64 * j + 32 + i] = (uint8_t)(b.qs[32 * j + i] >> 4 | ((b.qh[i] >> (2 * j + 1)) & 1) << 4);
        }
    }
}

#define APUS_QUANT q5_k
#define APUS_QUANT_NAME "Q5_K"
#define APUS_QUANT_ID 13
#define APUS_BITS 5
#define APUS_OFFSET 0
#define APUS_SCALE APUS_SCALE_SUPER6
#define APUS_GROUPS 1
#define APUS_HAS_MIN 1
#define APUS_FORM APUS_MINIMA
#define APUS_BLOCK 256
#define APUS_BLOCK_BYTES sizeof(q5_k_block)
#include "quants/integer.h"
