// MXFP4: 32 floats of 4 bits (E2M1) with an E8M0 scale, 4.25 bits a weight. w = 2^(e - 127) * value.
// Format: OCP Microscaling Formats (MX) Specification, version 1.0.
#include "quants/codes.h"

typedef struct {
    uint8_t e;      ///< E8M0
    uint8_t qs[16]; ///< value i in the low half of byte i, value 16 + i in the high half
} mxfp4_block;
_Static_assert(sizeof(mxfp4_block) == 17, "as in the file");

/// Twice the value of each E2M1 number (0, 0.5, 1, 1.5, 2, 3, 4, 6, then the negative ones), plus 12.
static const uint8_t mxfp4_book[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};

static void explode(const uint8_t *block, apus_codes *c) {
    mxfp4_block b;
    __builtin_memcpy(&b, block, sizeof b);
    c->d = b.e;
    for (int i = 0; i < 16; i++) {
        c->codes[i] = b.qs[i] & 15;
        c->codes[16 + i] = b.qs[i] >> 4;
    }
}

#define APUS_QUANT mxfp4
#define APUS_QUANT_NAME "MXFP4"
#define APUS_QUANT_ID 39
#define APUS_BITS 4
#define APUS_CODEBOOK mxfp4_book
#define APUS_OFFSET 12
#define APUS_SCALE APUS_SCALE_E8
#define APUS_GROUPS 1
#define APUS_HAS_MIN 0
#define APUS_FORM APUS_PLAIN
#define APUS_BLOCK 32
#define APUS_BLOCK_BYTES sizeof(mxfp4_block)
#include "quants/integer.h"
