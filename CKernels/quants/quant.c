// Looks weight types up and packs matrices.
#include "quants/quant.h"

#define APUS_QUANT_ENTRY(name) extern const apus_quant apus_quant_##name;
#include "quants/registry.h"
#undef APUS_QUANT_ENTRY

static const apus_quant *const all[] = {
#define APUS_QUANT_ENTRY(name) &apus_quant_##name,
#include "quants/registry.h"
#undef APUS_QUANT_ENTRY
};

const apus_quant *apus_quant_at(size_t index) { return index < sizeof all / sizeof *all ? all[index] : NULL; }

const apus_quant *apus_quant_find(uint32_t ggml_type) {
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]->ggml_type == ggml_type) return all[i];
    return NULL;
}

const char *apus_quant_name(const apus_quant *quant) { return quant->name; }
uint32_t apus_quant_ggml_type(const apus_quant *quant) { return quant->ggml_type; }
size_t apus_quant_block(const apus_quant *quant) { return quant->block; }
size_t apus_quant_block_bytes(const apus_quant *quant) { return quant->block_bytes; }
apus_act_format apus_quant_act_format(const apus_quant *quant) { return quant->act_format; }

size_t apus_quant_tile_bytes(const apus_quant *quant, size_t cols) {
    // A tile holds the same bits as 16 rows of the file, and starts on a cache line.
    return (cols / quant->block * quant->block_bytes * APUS_TILE_ROWS + 63) / 64 * 64;
}

void apus_quant_decode(const apus_quant *quant, const void *src, float *dst, size_t n) { quant->decode(src, dst, n); }

size_t apus_weights_bytes(const apus_quant *quant, size_t rows, size_t cols) {
    return (rows + APUS_TILE_ROWS - 1) / APUS_TILE_ROWS * apus_quant_tile_bytes(quant, cols);
}

void apus_weights_pack(const apus_weights *weights, const void *src, size_t row, size_t n_rows) {
    const apus_quant *quant = weights->quant;
    const size_t row_bytes = weights->cols / quant->block * quant->block_bytes;
    for (size_t i = 0; i < n_rows; i += APUS_TILE_ROWS) {
        const size_t left = n_rows - i;
        quant->pack_tile(apus_tile(weights, (row + i) / APUS_TILE_ROWS), (const uint8_t *)src + i * row_bytes,
                         left < APUS_TILE_ROWS ? left : APUS_TILE_ROWS, weights->cols);
    }
}

void apus_weights_decode_row(const apus_weights *weights, size_t row, float *dst) {
    weights->quant->decode_lane(apus_tile(weights, row / APUS_TILE_ROWS), row % APUS_TILE_ROWS, weights->cols, dst);
}
