// The common form of integer weight types, between the file's blocks and packed tiles: unsigned codes and scales.
//   value = scale * (code - offset) + minimum
// Types with a codebook store 4-bit indices into 16 codes. How tiles are laid out: a tile is 16 rows, in spans of 32 to
// 256 columns (fewer at the end). A span begins with its scales, the planes of codes follow; it is as short as whole
// cache lines of scales let it be, so that a product reads memory in the order of addresses: that is what the processor
// fetches ahead by itself (of Q4_1 twice as much a second as of scales that stand behind 256 columns of planes).
//   scales: as the type's scale form says, 16 rows side by side.
//   planes: for each 32 columns, the low bits of the codes, then the bits above, each of
//     four bits (4 vectors of 64 bytes; byte 4 r + i of vector v holds column 4 v + i of row r in its low half and
//     column
//       16 + 4 v + i in its high half),
//     two bits (2 vectors: vector v holds columns 16 v … 16 v + 15; bits 2 s and 2 s + 1 of byte 4 r + i are of column
//       16 v + 4 s + i), or
//     one bit (1 vector: bit s of byte 4 r + i is of column 4 s + i):
//     2-bit codes: two; 3: two and one; 4: four; 5: four and one; 6: four and two.
//     8-bit codes: 8 vectors, byte 4 r + i of vector s is column 4 s + i.
// The columns of a vector's bytes are those of vpdpbusd and sdot: four neighbours of a row in a lane.
#ifndef APUS_CODES_H
#define APUS_CODES_H

#include "quants/quant.h"

/// One block of a row: up to 256 values.
typedef struct apus_codes {
    uint8_t codes[256];
    uint16_t d;            ///< f16 scale, or E8M0
    uint16_t m;            ///< f16 minimum, or scale of the minima
    uint8_t sub_scale[16]; ///< per 32 values (6 bits), or per 16 (int8, 4 or 6 bits)
    uint8_t sub_min[16];   ///< per 32 values (6 bits), or per 16 (4 bits)
} apus_codes;

/// How a type stores scales, in a tile and per block of 32 columns.
typedef enum apus_scale_form {
    APUS_SCALE_D,       ///< f16 d
    APUS_SCALE_E8,      ///< E8M0: d = 2^(e - 128)
    APUS_SCALE_DM,      ///< f16 d, f16 m: value = d * code + m
    APUS_SCALE_SUPER4,  ///< per 256: f16 d, f16 m, 4-bit scales and minima per 16: d * scale * code - m * min
    APUS_SCALE_SUPER6,  ///< per 256: f16 d, f16 m, 6-bit scales and minima: d * scale * code - m * min
    APUS_SCALE_SIGNED6, ///< per 256: f16 d, 6-bit scales: d * (scale - 32) * (code - offset)
    APUS_SCALE_HALVES6, ///< per 256: f16 d, 6-bit scales per 16: d * (scale - 32) * (code - offset)
    APUS_SCALE_SUPER8,  ///< per 256: f16 d, int8 scales per 16: d * scale * (code - offset)
} apus_scale_form;

static inline size_t apus_plane_bytes(int bits) { return (size_t)bits * 64; }

/// Bytes of a record of scales: of one block of 32 columns, or of 256.
static inline size_t apus_scale_record(apus_scale_form form) {
    switch (form) {
    case APUS_SCALE_D:
        return 32;
    case APUS_SCALE_E8:
        return 16;
    case APUS_SCALE_DM:
        return 64;
    case APUS_SCALE_SUPER4:
        return 320;
    case APUS_SCALE_SUPER6:
        return 256;
    case APUS_SCALE_SIGNED6:
        return 128;
    case APUS_SCALE_HALVES6:
        return 224;
    case APUS_SCALE_SUPER8:
        return 288;
    }
    return 0;
}

// Where things stand in a record: d (16 f16, or 16 E8M0), then m (16 f16) if the form has one, then
//   SUPER4: 16 x 16 bytes, scale in the low half and minimum in the high one;
//   SUPER8: 16 x 16 bytes;
//   6-bit numbers, scales and minima alike: the low 4 bits (numbers 2 j and 2 j + 1 in the halves of byte j, r), and
//   elsewhere the high 2 bits (numbers 4 j … 4 j + 3 in byte j, r).
enum { SUPER6_LOW = 64, SUPER6_HIGH = 192 }; // a scale and its minimum are neighbours
enum { SIGNED6_LOW = 32, SIGNED6_HIGH = 96 };
enum { HALVES6_LOW = 32, HALVES6_HIGH = 160 };

/// Blocks of 32 columns in a span: as few as have scales of whole 64 bytes, or a record of them.
static inline size_t apus_span_blocks(apus_scale_form form) {
    switch (form) {
    case APUS_SCALE_D:
        return 2;
    case APUS_SCALE_E8:
        return 4;
    case APUS_SCALE_DM:
        return 1;
    default:
        return 8;
    }
}

/// Sets byte i to bit i.
static inline void apus_spread_bits(uint8_t bits, uint8_t bytes[8]) {
    const uint64_t ones = 0x0101010101010101u, each = bits * ones & 0x8040201008040201u; // byte i has no bit but i
    const uint64_t spread = (each + 0x7f * ones) >> 7 & ones;
    __builtin_memcpy(bytes, &spread, 8);
}

static inline int apus_high_shift(int bits) { return bits < 4 ? 2 : 4; }

/// Writes codes `first` to `first` + 31 of four rows, `row` and those after it. (At once: 16 bytes lie together in a
/// plane.)
static inline void apus_put_codes(uint8_t *planes, int bits, size_t row, const apus_codes codes[4], size_t first) {
    i32x4 step[8]; // four columns of each row
    for (size_t half = 0; half < 2; half++) {
        for (size_t r = 0; r < 4; r++) __builtin_memcpy(&step[4 * half + r], codes[r].codes + first + 16 * half, 16);
        apus_transpose(step + 4 * half);
    }
    uint8_t *to = planes + row * 4;
    if (bits == 8) {
        for (size_t s = 0; s < 8; s++) __builtin_memcpy(to + s * 64, &step[s], 16);
        return;
    }
    if (bits >= 4) {
        for (size_t v = 0; v < 4; v++, to += 64) {
            const i32x4 both = (step[v] & 0x0f0f0f0f) | (step[v + 4] & 0x0f0f0f0f) << 4;
            __builtin_memcpy(to, &both, 16);
        }
    }
    if (bits == 6 || bits < 4) {
        const int shift = bits == 6 ? 4 : 0;
        for (size_t v = 0; v < 2; v++, to += 64) {
            i32x4 two = {0};
            for (size_t i = 0; i < 4; i++) two |= ((step[4 * v + i] >> shift) & 0x03030303) << (int)(2 * i);
            __builtin_memcpy(to, &two, 16);
        }
    }
    if (bits == 5 || bits == 3) {
        i32x4 one = {0};
        for (int s = 0; s < 8; s++) one |= ((step[s] >> apus_high_shift(bits)) & 0x01010101) << s;
        __builtin_memcpy(to, &one, 16);
    }
}

static inline void apus_get_codes(const uint8_t *planes, int bits, size_t row, uint8_t *codes) {
    if (bits == 8) {
        for (size_t s = 0; s < 8; s++) __builtin_memcpy(codes + 4 * s, planes + s * 64 + row * 4, 4);
        return;
    }
    for (size_t c = 0; c < 32; c++) {
        const size_t s = c / 4;
        const uint8_t *from = planes + row * 4 + c % 4;
        uint8_t code = 0;
        if (bits >= 4) {
            code = (from[s % 4 * 64] >> (s < 4 ? 0 : 4)) & 15;
            from += 256;
        }
        if (bits == 6 || bits < 4) {
            code |= ((from[s / 4 * 64] >> (2 * (s % 4))) & 3) << (bits == 6 ? 4 : 0);
            from += 128;
        }
        if (bits == 5 || bits == 3) code |= ((*from >> s) & 1) << apus_high_shift(bits);
        codes[c] = code;
    }
}

static inline void apus_put_bits(uint8_t *byte, uint8_t value, int shift) { *byte = (uint8_t)(*byte | value << shift); }

/// The 6-bit number j of a row.
static inline void apus_put_six(uint8_t *low, uint8_t *high, size_t j, size_t row, uint8_t value) {
    apus_put_bits(low + j / 2 * 16 + row, value & 15, j % 2 * 4);
    apus_put_bits(high + j / 4 * 16 + row, value >> 4, j % 4 * 2);
}

static inline uint8_t apus_get_six(const uint8_t *low, const uint8_t *high, size_t j, size_t row) {
    const int l = (low[j / 2 * 16 + row] >> (j % 2 * 4)) & 15, h = (high[j / 4 * 16 + row] >> (j % 4 * 2)) & 3;
    return (uint8_t)(l | h << 4);
}

/// Writes a block's scales; the region was zeroed before.
static inline void apus_put_scales(uint8_t *scales, apus_scale_form form, size_t block, size_t row,
                                   const apus_codes *c) {
    uint8_t *record = scales + block * apus_scale_record(form);
    if (form == APUS_SCALE_E8) {
        record[row] = (uint8_t)c->d;
        return;
    }
    __builtin_memcpy(record + row * 2, &c->d, 2);
    switch (form) {
    case APUS_SCALE_D:
    case APUS_SCALE_E8:
        break;
    case APUS_SCALE_DM:
        __builtin_memcpy(record + 32 + row * 2, &c->m, 2);
        break;
    case APUS_SCALE_SUPER4:
        __builtin_memcpy(record + 32 + row * 2, &c->m, 2);
        for (size_t j = 0; j < 16; j++) record[64 + j * 16 + row] = (uint8_t)(c->sub_scale[j] | c->sub_min[j] << 4);
        break;
    case APUS_SCALE_SUPER6:
        __builtin_memcpy(record + 32 + row * 2, &c->m, 2);
        for (size_t j = 0; j < 8; j++) {
            apus_put_six(record + SUPER6_LOW, record + SUPER6_HIGH, 2 * j, row, c->sub_scale[j]);
            apus_put_six(record + SUPER6_LOW, record + SUPER6_HIGH, 2 * j + 1, row, c->sub_min[j]);
        }
        break;
    case APUS_SCALE_SIGNED6:
        for (size_t j = 0; j < 8; j++)
            apus_put_six(record + SIGNED6_LOW, record + SIGNED6_HIGH, j, row, c->sub_scale[j]);
        break;
    case APUS_SCALE_HALVES6:
        for (size_t j = 0; j < 16; j++)
            apus_put_six(record + HALVES6_LOW, record + HALVES6_HIGH, j, row, c->sub_scale[j]);
        break;
    case APUS_SCALE_SUPER8:
        for (size_t j = 0; j < 16; j++) record[32 + j * 16 + row] = c->sub_scale[j];
        break;
    }
}

static inline void apus_get_scales(const uint8_t *scales, apus_scale_form form, size_t block, size_t row,
                                   apus_codes *c) {
    const uint8_t *record = scales + block * apus_scale_record(form);
    if (form == APUS_SCALE_E8) {
        c->d = record[row];
        return;
    }
    __builtin_memcpy(&c->d, record + row * 2, 2);
    switch (form) {
    case APUS_SCALE_D:
    case APUS_SCALE_E8:
        break;
    case APUS_SCALE_DM:
        __builtin_memcpy(&c->m, record + 32 + row * 2, 2);
        break;
    case APUS_SCALE_SUPER4:
        __builtin_memcpy(&c->m, record + 32 + row * 2, 2);
        for (size_t j = 0; j < 16; j++) {
            c->sub_scale[j] = record[64 + j * 16 + row] & 15;
            c->sub_min[j] = record[64 + j * 16 + row] >> 4;
        }
        break;
    case APUS_SCALE_SUPER6:
        __builtin_memcpy(&c->m, record + 32 + row * 2, 2);
        for (size_t j = 0; j < 8; j++) {
            c->sub_scale[j] = apus_get_six(record + SUPER6_LOW, record + SUPER6_HIGH, 2 * j, row);
            c->sub_min[j] = apus_get_six(record + SUPER6_LOW, record + SUPER6_HIGH, 2 * j + 1, row);
        }
        break;
    case APUS_SCALE_SIGNED6:
        for (size_t j = 0; j < 8; j++)
            c->sub_scale[j] = apus_get_six(record + SIGNED6_LOW, record + SIGNED6_HIGH, j, row);
        break;
    case APUS_SCALE_HALVES6:
        for (size_t j = 0; j < 16; j++)
            c->sub_scale[j] = apus_get_six(record + HALVES6_LOW, record + HALVES6_HIGH, j, row);
        break;
    case APUS_SCALE_SUPER8:
        for (size_t j = 0; j < 16; j++) c->sub_scale[j] = record[32 + j * 16 + row];
        break;
    }
}

/// 2^(e - 128): half of what E8M0 means, since the codes that go with it are doubled. Below 2^-126 a subnormal number.
static inline float apus_e8_to_f32(uint32_t e) {
    const uint32_t bits = e < 2 ? (e + 1) << 21 : (e - 1) << 23;
    float value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}

/// The block's values: what the formula says, each operation rounded to f32 as gguf's numpy code does.
static inline void apus_codes_decode(const apus_codes *c, apus_scale_form form, bool is_signed, int offset, size_t n,
                                     float *dst) {
    const float d = form == APUS_SCALE_E8 ? apus_e8_to_f32(c->d) : apus_f16_to_f32(c->d), m = apus_f16_to_f32(c->m);
    for (size_t i = 0; i < n; i++) {
        const int code = is_signed ? (int8_t)c->codes[i] : (int)c->codes[i];
        const float q = (float)(code - offset);
        switch (form) {
        case APUS_SCALE_D:
        case APUS_SCALE_E8:
            dst[i] = d * q;
            break;
        case APUS_SCALE_DM:
            dst[i] = d * q + m;
            break;
        case APUS_SCALE_SUPER4:
            dst[i] = d * (float)c->sub_scale[i / 16] * q - m * (float)c->sub_min[i / 16];
            break;
        case APUS_SCALE_SUPER6:
            dst[i] = d * (float)c->sub_scale[i / 32] * q - m * (float)c->sub_min[i / 32];
            break;
        case APUS_SCALE_SIGNED6:
            dst[i] = d * (float)(c->sub_scale[i / 32] - 32) * q;
            break;
        case APUS_SCALE_HALVES6:
            dst[i] = d * (float)(c->sub_scale[i / 16] - 32) * q;
            break;
        case APUS_SCALE_SUPER8:
            dst[i] = d * (float)(int8_t)c->sub_scale[i / 16] * q;
            break;
        }
    }
}

#endif
