// The common form of integer weight types, between the file's blocks and packed tiles: unsigned codes and scales.
//   value = scale * (code - offset) + minimum
// and how tiles are laid out. A tile is 16 rows; two regions follow each other:
//   planes: for each 32 columns, the low 4 bits of the codes (4 vectors of 64 bytes; byte 4 r + i of vector v holds
//     column 4 v + i of row r in its low half and column 16 + 4 v + i in its high half), then the bits above:
//     a fifth (1 vector: bit s of byte 4 r + i is of column 4 s + i), or a fifth and sixth (2 vectors: vector v holds
//     columns 16 v … 16 v + 15, two bits each). 8-bit codes: 8 vectors, byte 4 r + i of vector s is column 4 s + i.
//   scales: as the type's scale form says, 16 rows side by side.
// The columns of a vector's bytes are those of vpdpbusd and sdot: four neighbours of a row in a lane.
#ifndef APUS_CODES_H
#define APUS_CODES_H

#include "quants/quant.h"

/// One block of a row: up to 256 values.
typedef struct apus_codes {
    uint8_t codes[256];
    uint16_t d;            ///< f16 scale
    uint16_t m;            ///< f16 minimum, or scale of the minima
    uint8_t sub_scale[16]; ///< per 32 values (6 bits), or per 16 (int8)
    uint8_t sub_min[8];    ///< per 32 values (6 bits)
} apus_codes;

/// How a type stores scales, in a tile and per block of 32 columns.
typedef enum apus_scale_form {
    APUS_SCALE_D,      ///< f16 d
    APUS_SCALE_DM,     ///< f16 d, f16 m: value = d * code + m
    APUS_SCALE_SUPER6, ///< per 256: f16 d, f16 m, 6-bit scales and minima: d * scale * code - m * min
    APUS_SCALE_SUPER8, ///< per 256: f16 d, int8 scales per 16: d * scale * (code - offset)
} apus_scale_form;

static inline size_t apus_plane_bytes(int bits) { return bits == 8 ? 512 : bits == 6 ? 384 : bits == 5 ? 320 : 256; }

/// Bytes of a tile's scales.
static inline size_t apus_scale_bytes(apus_scale_form form, size_t cols) {
    return form == APUS_SCALE_D        ? cols / 32 * 32
           : form == APUS_SCALE_DM     ? cols / 32 * 64
           : form == APUS_SCALE_SUPER6 ? cols / 256 * 256
                                       : cols / 256 * 288;
}

// Within a SUPER6 record of 256 bytes: d, m (16 f16 each); then for scales and minima alike the low 4 bits (4 x 16
// bytes: blocks 2 j and 2 j + 1 in the halves of byte j, r) and the high 2 bits (2 x 16 bytes: blocks 4 j … 4 j + 3).
enum { SUPER6_SCALE_LOW = 64, SUPER6_MIN_LOW = 128, SUPER6_SCALE_HIGH = 192, SUPER6_MIN_HIGH = 224 };

static inline void apus_put_codes(uint8_t *planes, int bits, size_t row, const uint8_t *codes) {
    if (bits == 8) {
        for (size_t s = 0; s < 8; s++) __builtin_memcpy(planes + s * 64 + row * 4, codes + 4 * s, 4);
        return;
    }
    uint32_t step[8]; // four columns each
    __builtin_memcpy(step, codes, 32);
    for (size_t v = 0; v < 4; v++) {
        const uint32_t both = (step[v] & 0x0f0f0f0f) | (step[v + 4] & 0x0f0f0f0f) << 4;
        __builtin_memcpy(planes + v * 64 + row * 4, &both, 4);
    }
    if (bits == 5) {
        uint32_t high = 0;
        for (int s = 0; s < 8; s++) high |= ((step[s] >> 4) & 0x01010101) << s;
        __builtin_memcpy(planes + 256 + row * 4, &high, 4);
    } else if (bits == 6) {
        for (size_t v = 0; v < 2; v++) {
            uint32_t high = 0;
            for (size_t i = 0; i < 4; i++) high |= ((step[4 * v + i] >> 4) & 0x03030303) << (2 * i);
            __builtin_memcpy(planes + 256 + v * 64 + row * 4, &high, 4);
        }
    }
}

static inline void apus_get_codes(const uint8_t *planes, int bits, size_t row, uint8_t *codes) {
    if (bits == 8) {
        for (size_t s = 0; s < 8; s++) __builtin_memcpy(codes + 4 * s, planes + s * 64 + row * 4, 4);
        return;
    }
    for (size_t c = 0; c < 32; c++) {
        const size_t s = c / 4, byte = row * 4 + c % 4;
        uint8_t code = (planes[(s % 4) * 64 + byte] >> (s < 4 ? 0 : 4)) & 15;
        if (bits == 5) code |= ((planes[256 + byte] >> s) & 1) << 4;
        if (bits == 6) code |= ((planes[256 + s / 4 * 64 + byte] >> (2 * (s % 4))) & 3) << 4;
        codes[c] = code;
    }
}

static inline void apus_put_bits(uint8_t *byte, uint8_t value, int shift) { *byte = (uint8_t)(*byte | value << shift); }

/// Writes a block's scales; the region was zeroed before.
static inline void apus_put_scales(uint8_t *scales, apus_scale_form form, size_t block, size_t row,
                                   const apus_codes *c) {
    if (form == APUS_SCALE_D) {
        __builtin_memcpy(scales + block * 32 + row * 2, &c->d, 2);
    } else if (form == APUS_SCALE_DM) {
        __builtin_memcpy(scales + block * 64 + row * 2, &c->d, 2);
        __builtin_memcpy(scales + block * 64 + 32 + row * 2, &c->m, 2);
    } else if (form == APUS_SCALE_SUPER6) {
        uint8_t *record = scales + block * 256;
        __builtin_memcpy(record + row * 2, &c->d, 2);
        __builtin_memcpy(record + 32 + row * 2, &c->m, 2);
        for (size_t j = 0; j < 8; j++) {
            const int half = j % 2 * 4, quarter = j % 4 * 2;
            apus_put_bits(record + SUPER6_SCALE_LOW + j / 2 * 16 + row, c->sub_scale[j] & 15, half);
            apus_put_bits(record + SUPER6_MIN_LOW + j / 2 * 16 + row, c->sub_min[j] & 15, half);
            apus_put_bits(record + SUPER6_SCALE_HIGH + j / 4 * 16 + row, c->sub_scale[j] >> 4, quarter);
            apus_put_bits(record + SUPER6_MIN_HIGH + j / 4 * 16 + row, c->sub_min[j] >> 4, quarter);
        }
    } else {
        uint8_t *record = scales + block * 288;
        __builtin_memcpy(record + row * 2, &c->d, 2);
        for (size_t j = 0; j < 16; j++) record[32 + j * 16 + row] = c->sub_scale[j];
    }
}

static inline void apus_get_scales(const uint8_t *scales, apus_scale_form form, size_t block, size_t row,
                                   apus_codes *c) {
    if (form == APUS_SCALE_D) {
        __builtin_memcpy(&c->d, scales + block * 32 + row * 2, 2);
    } else if (form == APUS_SCALE_DM) {
        __builtin_memcpy(&c->d, scales + block * 64 + row * 2, 2);
        __builtin_memcpy(&c->m, scales + block * 64 + 32 + row * 2, 2);
    } else if (form == APUS_SCALE_SUPER6) {
        const uint8_t *record = scales + block * 256;
        __builtin_memcpy(&c->d, record + row * 2, 2);
        __builtin_memcpy(&c->m, record + 32 + row * 2, 2);
        for (size_t j = 0; j < 8; j++) {
            const int half = j % 2 * 4, quarter = j % 4 * 2;
            c->sub_scale[j] = ((record[SUPER6_SCALE_LOW + j / 2 * 16 + row] >> half) & 15) |
                              ((record[SUPER6_SCALE_HIGH + j / 4 * 16 + row] >> quarter) & 3) << 4;
            c->sub_min[j] = ((record[SUPER6_MIN_LOW + j / 2 * 16 + row] >> half) & 15) |
                            ((record[SUPER6_MIN_HIGH + j / 4 * 16 + row] >> quarter) & 3) << 4;
        }
    } else {
        const uint8_t *record = scales + block * 288;
        __builtin_memcpy(&c->d, record + row * 2, 2);
        for (size_t j = 0; j < 16; j++) c->sub_scale[j] = record[32 + j * 16 + row];
    }
}

/// The block's values: what the formula says, each operation rounded to f32 as gguf's numpy code does.
static inline void apus_codes_decode(const apus_codes *c, apus_scale_form form, int bits, int offset, size_t n,
                                     float *dst) {
    const float d = apus_f16_to_f32(c->d), m = apus_f16_to_f32(c->m);
    for (size_t i = 0; i < n; i++) {
        const int code = bits == 8 ? (int8_t)c->codes[i] : (int)c->codes[i];
        const float q = (float)(code - offset);
        switch (form) {
        case APUS_SCALE_D:
            dst[i] = d * q;
            break;
        case APUS_SCALE_DM:
            dst[i] = d * q + m;
            break;
        case APUS_SCALE_SUPER6:
            dst[i] = d * (float)c->sub_scale[i / 32] * q - m * (float)c->sub_min[i / 32];
            break;
        case APUS_SCALE_SUPER8:
            dst[i] = d * (float)(int8_t)c->sub_scale[i / 16] * q;
            break;
        }
    }
}

#endif
