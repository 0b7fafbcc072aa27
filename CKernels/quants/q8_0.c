// Q8_0: 32 signed bytes with an f16 scale, 8.5 bits a weight. w = d * q.
#include "quants/codes.h"

typedef struct {
    uint16_t d; ///< f16
    int8_t qs[32];
} q8_0_block;
_Static_assert(sizeof(q8_0_block) == 34, "as in the file");

static void explode(const uint8_t *block, apus_codes *c) {
    q8_0_block b;
    __builtin_memcpy(&b, block, sizeof b);
    c->d = b.d;
    __builtin_memcpy(c->codes, b.qs, sizeof b.qs);
}

#define APUS_QUANT q8_0
#define APUS_QUANT_NAME "Q8_0"
#define APUS_QUANT_ID 8
#define APUS_BITS 8
#define APUS_OFFSET 0
#define APUS_SCALE APUS_SCALE_D
#define APUS_GROUPS 1
#define APUS_HAS_MIN 0
#define APUS_FORM APUS_SIGNED
#define APUS_BLOCK 32
#define APUS_BLOCK_BYTES sizeof(q8_0_block)
#include "quants/integer.h"
