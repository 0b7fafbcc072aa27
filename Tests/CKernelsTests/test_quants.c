// Weight types: decoding bit-exact with the vectors that Tests/Reference/quant_vectors.py writes (their layout is
// described there), and packing, which must lose nothing at any size.
//
//     test_quants [FOLDER]      the vectors' folder; default: the environment variable APUS_QUANT_VECTORS
#include "types.h"

typedef struct vectors {
    uint32_t block_values, block_bytes, n_blocks;
    uint8_t *blocks;
    float *decoded;
} vectors;

/// Reads <folder>/<type>.vec; false, with a failed check that says why, when it is not what it should be.
static bool read_vectors(const char *folder, const apus_quant *quant, vectors *v) {
    char path[4096], name[17] = "";
    snprintf(path, sizeof path, "%s/%s.vec", folder, apus_quant_name(quant));
    for (char *c = path + strlen(folder); *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z') *c = (char)(*c - 'A' + 'a');
    FILE *file = fopen(path, "rb");
    if (!check(file != NULL, "%s cannot be read: python Tests/Reference/quant_vectors.py FOLDER makes it", path))
        return false;
    uint8_t header[40] = {0};
    uint32_t numbers[4];
    bool ok = fread(header, sizeof header, 1, file) == 1;
    memcpy(name, header + 8, 16);
    memcpy(numbers, header + 24, sizeof numbers);
    *v = (vectors){.block_values = numbers[1], .block_bytes = numbers[2], .n_blocks = numbers[3]};
    ok = check(
        ok && memcmp(header, "APUSVEC1", 8) == 0 && strcmp(name, apus_quant_name(quant)) == 0 &&
            numbers[0] == apus_quant_ggml_type(quant) && v->block_values == apus_quant_block(quant) &&
            v->block_bytes == apus_quant_block_bytes(quant) && v->n_blocks > 0,
        "%s: type %u '%s' in blocks of %u values, %u bytes, but the kernels' %s is type %u, %zu values, %zu bytes",
        path, numbers[0], name, v->block_values, v->block_bytes, apus_quant_name(quant), apus_quant_ggml_type(quant),
        apus_quant_block(quant), apus_quant_block_bytes(quant));
    if (ok) {
        v->blocks = edge_alloc((size_t)v->n_blocks * v->block_bytes);
        v->decoded = edge_floats((size_t)v->n_blocks * v->block_values);
        ok = check(fread(v->blocks, v->block_bytes, v->n_blocks, file) == v->n_blocks &&
                       fread(v->decoded, 4 * v->block_values, v->n_blocks, file) == v->n_blocks && fgetc(file) == EOF,
                   "%s: not as long as its %u blocks are", path, v->n_blocks);
    }
    fclose(file);
    return ok;
}

static void test_decode(const apus_quant *quant, const vectors *v) {
    const size_t n = (size_t)v->n_blocks * v->block_values;
    float *decoded = edge_floats(n);
    for (size_t shift = 0; shift < 4; shift++) { // blocks of a file stand at any address
        const size_t keep = edge_count;
        uint8_t *blocks = edge_alloc((size_t)v->n_blocks * v->block_bytes + shift);
        memcpy(blocks, v->blocks, (size_t)v->n_blocks * v->block_bytes);
        memset(decoded, 255, n * sizeof(float));
        apus_quant_decode(quant, blocks, decoded, n);
        for (size_t b = 0; b < v->n_blocks; b++) {
            const float *got = decoded + b * v->block_values, *wanted = v->decoded + b * v->block_values;
            const size_t at = first_difference(got, wanted, v->block_values);
            check(at == v->block_values, "%s: value %zu of block %zu decodes to %a, wanted %a", apus_quant_name(quant),
                  at, b, at < v->block_values ? (double)got[at] : 0, at < v->block_values ? (double)wanted[at] : 0);
        }
        edge_release(keep);
    }
}

/// Rows [row, row + n) of a matrix of the vectors' blocks, wrapped around, at an address that is `shift` off.
static uint8_t *matrix_of(const vectors *v, size_t first_block, size_t blocks, size_t shift) {
    uint8_t *file = edge_alloc(blocks * v->block_bytes + shift);
    for (size_t b = 0; b < blocks; b++)
        memcpy(file + b * v->block_bytes, v->blocks + (first_block + b) % v->n_blocks * v->block_bytes, v->block_bytes);
    return file;
}

static void test_pack(const apus_quant *quant, const vectors *v, size_t rows, size_t row_blocks) {
    const size_t keep = edge_count, cols = row_blocks * v->block_values, shift = rows % 4;
    const size_t first = random_below(v->n_blocks), bytes = apus_weights_bytes(quant, rows, cols);
    const uint8_t *file = matrix_of(v, first, rows * row_blocks, shift);
    const apus_weights whole = packed_weights(quant, file, rows, cols);

    // Each row comes back, and so do the padding rows of the last tile: as whatever code 0 at scale 0 is, never
    // garbage.
    float *decoded = edge_floats(cols);
    for (size_t row = 0; row < rows; row++) {
        apus_weights_decode_row(&whole, row, decoded);
        bool same = true;
        for (size_t b = 0; b < row_blocks; b++)
            same = same && first_difference(decoded + b * v->block_values,
                                            v->decoded + (first + row * row_blocks + b) % v->n_blocks * v->block_values,
                                            v->block_values) == v->block_values;
        check(same, "%s: row %zu of %zu x %zu is not what was packed", apus_quant_name(quant), row, rows, cols);
    }
    for (size_t row = rows; row % APUS_TILE_ROWS != 0; row++) {
        apus_weights_decode_row(&whole, row, decoded);
        bool zero = true;
        for (size_t c = 0; c < cols; c++) zero = zero && decoded[c] == 0;
        check(zero, "%s: row %zu beyond %zu rows of %zu is not zero", apus_quant_name(quant), row, rows, cols);
    }

    // Packed in parts, last part first: the same bytes (what packing leaves alone is 255 in both).
    apus_weights parts = whole;
    parts.tiles = edge_alloc(bytes);
    for (size_t row = (rows - 1) / APUS_TILE_ROWS * APUS_TILE_ROWS + APUS_TILE_ROWS; row > 0;) {
        row -= APUS_TILE_ROWS;
        const size_t n = rows - row < APUS_TILE_ROWS ? rows - row : APUS_TILE_ROWS;
        apus_weights_pack(&parts, file + row * row_blocks * v->block_bytes, row, n);
    }
    check(memcmp(parts.tiles, whole.tiles, bytes) == 0, "%s: %zu x %zu packed by tiles differs", apus_quant_name(quant),
          rows, cols);

    const size_t tile = apus_quant_tile_bytes(quant, cols), row_bytes = row_blocks * v->block_bytes;
    check(tile <= 16 * row_bytes + 63 && tile % 64 == 0 && bytes == (rows + 15) / 16 * tile,
          "%s: %zu x %zu takes %zu bytes in tiles of %zu, %zu in the file", apus_quant_name(quant), rows, cols, bytes,
          tile, rows * row_bytes);
    edge_release(keep);
}

static void test_registry(void) {
    size_t n = 0;
    for (; apus_quant_at(n) != NULL; n++) {
        const apus_quant *quant = apus_quant_at(n);
        check(apus_quant_find(apus_quant_ggml_type(quant)) == quant, "%s is not found by its number",
              apus_quant_name(quant));
    }
    check(n >= 16, "only %zu weight types", n);
    check(apus_quant_at(n + 1000) == NULL, "there is a type past the last");
    static const uint32_t unsupported[] = {4, 5, 9, 15, 16, 19, 21, 22, 24, 27, 28, 29, 40, 1000, UINT32_MAX};
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++)
        check(apus_quant_find(unsupported[i]) == NULL, "type %u is found", unsupported[i]);
}

int main(int argc, char **argv) {
    const char *folder = argc > 1 ? argv[1] : getenv("APUS_QUANT_VECTORS");
    test_registry();
    if (!check(folder != NULL && *folder != '\0', "no folder of vectors: make it with python "
                                                  "Tests/Reference/quant_vectors.py FOLDER, then name it as the "
                                                  "argument or in APUS_QUANT_VECTORS"))
        return test_finish();
    for (size_t i = 0; apus_quant_at(i) != NULL; i++) {
        const apus_quant *quant = apus_quant_at(i);
        vectors v;
        if (!read_vectors(folder, quant, &v)) continue;
        test_decode(quant, &v);
        for (size_t rows = 1; rows <= 40; rows += test_small() ? 5 : 1)
            for (size_t blocks = 1; blocks <= (v.block_values == 1 ? 37 : 3); blocks += v.block_values == 1 ? 9 : 1)
                test_pack(quant, &v, rows, blocks);
        edge_release(0);
    }
    return test_finish();
}
