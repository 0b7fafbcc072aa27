// Multiplies a Q4_K matrix, as a GGUF file holds it, with the activations of a few tokens, and checks it by a plain
// loop.
#include <apus_kernels.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 200, COLS = 512, TOKENS = 3, THREADS = 2, Q4_K = 12, BLOCK = 256, BLOCK_BYTES = 144 };

static uint8_t file[ROWS][COLS / BLOCK][BLOCK_BYTES]; // d (f16), dmin (f16), 12 bytes of scales, 128 of nibbles
static float x[TOKENS][COLS], y[TOKENS][ROWS];

int main(void) {
    srand(1);
    for (int row = 0; row < ROWS; row++)
        for (int block = 0; block < COLS / BLOCK; block++) {
            uint8_t *bytes = file[row][block];
            for (int i = 0; i < BLOCK_BYTES; i++) bytes[i] = (uint8_t)rand();
            bytes[0] = bytes[2] = 0, bytes[1] = bytes[3] = 0x0c; // both 2^-12
        }
    for (int t = 0; t < TOKENS; t++)
        for (int col = 0; col < COLS; col++) x[t][col] = (float)rand() / (float)RAND_MAX - 0.5f;

    // Once: the matrix in the layout that the kernels of this machine want.
    const apus_quant *quant = apus_quant_find(Q4_K);
    apus_weights weights = {.quant = quant, .rows = ROWS, .cols = COLS};
    weights.tiles = apus_pages_alloc(apus_weights_bytes(quant, ROWS, COLS));
    apus_weights_pack(&weights, file, 0, ROWS);

    // For every step: the activations packed, and a plan of one product run on a team of threads.
    void *acts = apus_pages_alloc(apus_acts_bytes(APUS_ACT_Q8, TOKENS, COLS));
    apus_acts_pack(APUS_ACT_Q8, acts, &x[0][0], TOKENS, COLS);
    const apus_op op = {.kind = APUS_OP_matmul,
                        .matmul = {.in = {.q8 = acts},
                                   .products = {{.weights = weights, .out = &y[0][0], .ld = ROWS}},
                                   .n_products = 1}};
    apus_plan plan = {.ops = &op, .n_ops = 1, .scratch_bytes = apus_plan_scratch_bytes(&op, 1, TOKENS)};
    plan.scratch = apus_pages_alloc(THREADS * plan.scratch_bytes + 64);
    const apus_step step = {.n_tokens = TOKENS};
    apus_plan_run(&plan, &step, THREADS);

    // Activations have 8 bits for 32 values: each is off by half a step at the most, of which there are 127 to the
    // largest.
    double worst = 0;
    for (int row = 0; row < ROWS; row++) {
        float w[COLS];
        apus_quant_decode(quant, file[row], w, COLS);
        for (int t = 0; t < TOKENS; t++) {
            double sum = 0, bound = 1e-3;
            for (int col = 0; col < COLS; col++) sum += (double)w[col] * x[t][col], bound += fabs(w[col]) * 0.5 / 254;
            worst = fmax(worst, fabs(y[t][row] - sum) / bound);
        }
    }
    printf("%s: the largest error is %.3f of what rounding allows\n", apus_isa_name(apus_isa_active()), worst);
    return worst <= 1 ? 0 : 1;
}
