// Apus kernels: the whole C interface. Weights are packed once, ops are records, a plan of ops runs on a team.
//
// Numerics: every result is bit-identical whatever the number of threads, of tokens in a step, the other sequences
// in it, or the instruction set. See ARCHITECTURE.md, "The same bits".
//
// Words: dim (width of the residual stream), head_dim, n_heads, n_kv_heads, row (of a weight matrix: one output),
// col (one input), token (one row of activations in a step). Sizes count elements unless they end in _bytes.
#ifndef APUS_KERNELS_H
#define APUS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define APUS_API __attribute__((visibility("default")))
#else
#define APUS_API
#endif

// ---------------------------------------------------------------------------------------------------------------
// Instruction sets

/// The variants of every kernel, slowest first within an architecture.
typedef enum apus_isa {
    APUS_ISA_PORTABLE,
    APUS_ISA_AVX2,       ///< AVX2, FMA, F16C
    APUS_ISA_AVX512,     ///< AVX-512 F, BW, CD, DQ, VL
    APUS_ISA_AVX512VNNI, ///< the above and VNNI, and BF16 where present
    APUS_ISA_NEON,
    APUS_ISA_NEON_DOTPROD,
    APUS_ISA_NEON_I8MM,
    APUS_ISA_COUNT
} apus_isa;

/// The name that `APUS_ISA` takes: portable avx2 avx512 avx512vnni neon neon-dotprod neon-i8mm.
APUS_API const char *apus_isa_name(apus_isa isa);
/// Whether this machine (and this build) can run a variant.
APUS_API bool apus_isa_available(apus_isa isa);
/// The variant in use: the one selected, or the best available.
APUS_API apus_isa apus_isa_active(void);
/// Selects a variant by name; NULL selects what the environment variable APUS_ISA says, or the best one without it.
/// Returns false and writes one line that lists the available names to `error` when the machine lacks it.
/// Not to be called while a plan runs or once weights are in use by another thread.
APUS_API bool apus_isa_select(const char *name, char *error, size_t error_bytes);
/// Whether avx512vnni may use BF16 dot products, which it does at first; the bits are the same. Returns whether it
/// will: false where the processor has none. As apus_isa_select(), not to be called while a plan runs.
APUS_API bool apus_isa_use_bf16(bool use);
/// Whether products of avx512vnni spread some of their words by shuffles, which they do at first where it is faster:
/// on AMD's processors from Zen 5 on. The bits are the same. Returns whether they did. As apus_isa_select(), not to be
/// called while a plan runs.
APUS_API bool apus_isa_use_spreading(bool use);
/// Whether products of avx512vnni with many tokens multiply four tiles by each word that they read, which they do at
/// first where it is faster: on Intel's processors. Otherwise as apus_isa_use_spreading().
APUS_API bool apus_isa_use_sharing(bool use);

// ---------------------------------------------------------------------------------------------------------------
// The team of threads

/// A piece of work: called once on every thread of the team.
typedef void (*apus_team_fn)(int thread, int n_threads, void *context);

/// The most threads that a team can have.
#define APUS_MAX_THREADS 256

/// Runs `fn` on `n_threads` threads and returns when all have finished. One team exists per process: calls from several
/// threads take turns. Cheapest when always called from the same thread. On OpenMP exit() waits for the call under way,
/// and later ones never return.
APUS_API void apus_team_run(int n_threads, apus_team_fn fn, void *context);
/// "openmp" or "pthreads": what this build runs teams on.
APUS_API const char *apus_team_backend(void);
/// Processors that this process may use: the smaller of its affinity mask and its cgroup's CPU quota, at least 1.
APUS_API int apus_cpu_count(void);

// ---------------------------------------------------------------------------------------------------------------
// Memory

/// Zeroed pages, 2 MiB-aligned and advised to be huge when that large; NULL when there are none. `bytes` > 0.
APUS_API void *apus_pages_alloc(size_t bytes);
APUS_API void apus_pages_free(void *pages, size_t bytes);
/// Bytes of a huge page.
#define APUS_HUGE_PAGE 2097152
/// Gets the page at `page` before it is written, and changes nothing in it, even while others write there (Linux 5.14).
APUS_API void apus_pages_get(void *page);
/// Which pages are given when memory of `apus_pages_alloc` is touched from now on: huge ones, or those of 4 KB. What
/// has been touched stays as it is.
APUS_API void apus_pages_prefer(void *pages, size_t bytes, bool huge);
/// Whether the system can make small pages huge ones afterwards (Linux 6.1).
APUS_API bool apus_pages_can_merge(void);
/// Makes the small pages of `APUS_HUGE_PAGE` bytes at `page` one huge page; others may read them meanwhile. False when
/// the system has none, or small pages were preferred last.
APUS_API bool apus_pages_merge(void *page);

// ---------------------------------------------------------------------------------------------------------------
// Weight types

/// Rows that stand side by side in a packed tile: a lane of a 512-bit vector is a row.
#define APUS_TILE_ROWS 16
/// Tokens whose activations stand side by side in a packed tile; 12 running sums, 12 integer sums, a weight and its
/// scales fill the 32 registers of AVX-512.
#define APUS_TILE_TOKENS 12
/// Values that share one scale in quantized activations.
#define APUS_ACT_BLOCK 32

/// What form of activations a weight type multiplies with.
typedef enum apus_act_format {
    APUS_ACT_Q8,   ///< int8 per block of 32 with an f32 scale
    APUS_ACT_F32,  ///< f32
    APUS_ACT_BF16, ///< bf16
} apus_act_format;

/// A weight type: everything that is known of it. One file in quants/ and one line in quants/registry.h each.
typedef struct apus_quant apus_quant;

/// The type with this ggml number, or NULL when it is not supported.
APUS_API const apus_quant *apus_quant_find(uint32_t ggml_type);
/// The `index`-th supported type, or NULL past the last.
APUS_API const apus_quant *apus_quant_at(size_t index);
APUS_API const char *apus_quant_name(const apus_quant *quant);
APUS_API uint32_t apus_quant_ggml_type(const apus_quant *quant);
/// Values in a block of the file's format.
APUS_API size_t apus_quant_block(const apus_quant *quant);
/// Bytes of such a block.
APUS_API size_t apus_quant_block_bytes(const apus_quant *quant);
APUS_API apus_act_format apus_quant_act_format(const apus_quant *quant);
/// Bytes of one packed tile of 16 rows x `cols`.
APUS_API size_t apus_quant_tile_bytes(const apus_quant *quant, size_t cols);
/// Decodes `n` values (a multiple of the block) from the file's format; bit-exact with gguf's `dequantize`.
APUS_API void apus_quant_decode(const apus_quant *quant, const void *src, float *dst, size_t n);

/// A packed matrix: ceil(rows / 16) tiles, each of 16 rows side by side.
typedef struct apus_weights {
    const apus_quant *quant;
    uint8_t *tiles;  ///< 64-byte aligned, apus_weights_bytes() long (`stride` times that with other matrices' between)
    uint32_t rows;   ///< outputs
    uint32_t cols;   ///< inputs, a multiple of the type's block
    uint32_t stride; ///< tiles from one to the next, where those of several matrices take turns; 0 is 1
} apus_weights;

/// Bytes that the tiles of a matrix take (at most 15 rows and 63 bytes a tile more than in the file).
APUS_API size_t apus_weights_bytes(const apus_quant *quant, size_t rows, size_t cols);
/// Packs rows [row, row + n_rows) from the file's format; `row` is a multiple of 16, and so is n_rows except at the
/// end. `src` (n_rows, cols). Runs on the calling thread; different tiles may be packed by different threads at once.
APUS_API void apus_weights_pack(const apus_weights *weights, const void *src, size_t row, size_t n_rows);
/// Decodes one row out of the packed form: dst (cols).
APUS_API void apus_weights_decode_row(const apus_weights *weights, size_t row, float *dst);

// ---------------------------------------------------------------------------------------------------------------
// Activations

/// Bytes of the packed activations of `tokens` x `cols`.
APUS_API size_t apus_acts_bytes(apus_act_format format, size_t tokens, size_t cols);
/// Packs src (tokens, cols) for the matrix products of the variant in use; what the fused ops do by themselves. `cols`
/// is a multiple of 32 for APUS_ACT_Q8.
APUS_API void apus_acts_pack(apus_act_format format, void *dst, const float *src, size_t tokens, size_t cols);

/// Where an op leaves its output for the products that follow: any pointer may be NULL.
typedef struct apus_acts {
    void *q8;      ///< packed APUS_ACT_Q8
    void *f32;     ///< packed APUS_ACT_F32
    void *bf16;    ///< packed APUS_ACT_BF16
    void *q8_rest; ///< what q8 leaves of the values, quantized once more: for products that ask for it
} apus_acts;

// ---------------------------------------------------------------------------------------------------------------
// A step: what changes from run to run of a plan

/// Positions in a block of the paged KV cache.
#define APUS_PAGE 64
/// Attention folds the context in pieces of this many positions, counted from position 0, in order.
#define APUS_SPLIT 512
/// Steps of up to this many tokens spread one token's context over the team.
#define APUS_SPLIT_TOKENS 16

/// Consecutive tokens of one sequence within a step.
typedef struct apus_segment {
    int32_t first_token; ///< index in the step
    int32_t n_tokens;
    int32_t first_pos;    ///< position of the first token; the others follow
    const int32_t *pages; ///< page p holds positions [64 p, 64 p + 64) of the sequence
} apus_segment;

typedef struct apus_step {
    int32_t n_tokens;
    int32_t n_segments;
    int32_t n_logits;             ///< how many tokens' logits are wanted
    const int32_t *tokens;        ///< (n_tokens) ids, each below the vocabulary's size
    const apus_segment *segments; ///< (n_segments) in the order of their tokens, covering all
    const int32_t *logit_tokens;  ///< (n_logits) indices of tokens in the step, ascending
    const int32_t *cancel;        ///< NULL, or a flag polled between ops: not 0 stops the run
} apus_step;

// ---------------------------------------------------------------------------------------------------------------
// Ops

typedef enum apus_op_kind {
#define APUS_OP(name) APUS_OP_##name,
#include "apus_ops.h"
#undef APUS_OP
    APUS_OP_COUNT
} apus_op_kind;

/// Which tokens an op works on.
typedef enum apus_rows {
    APUS_ROWS_TOKENS, ///< all of the step
    APUS_ROWS_LOGITS, ///< those whose logits are wanted, gathered at the op that names both
} apus_rows;

/// x[t] = table[tokens[t]] * scale
typedef struct apus_embed {
    apus_weights table; ///< (vocab, dim)
    float *x;           ///< (tokens, dim)
    float scale;
} apus_embed;

/// Optionally x += delta (or x += rmsNorm(delta) * post_weight), then out = rmsNorm(x) * weight, packed.
/// y = x / sqrt(mean(x^2) + eps) * w (Zhang & Sennrich 2019, arXiv:1910.07467).
typedef struct apus_rmsnorm {
    float *x;                 ///< (tokens, dim) residual stream, updated when delta is given
    const float *delta;       ///< (tokens, dim) or NULL
    const float *post_weight; ///< (dim) or NULL
    const float *weight;      ///< (dim), or NULL: only the update
    apus_acts out;            ///< (rows, dim)
    uint32_t dim;
    float eps;
    apus_rows rows; ///< APUS_ROWS_LOGITS: gathers the tokens whose logits are wanted (delta is added for those only)
} apus_rmsnorm;

/// cos and sin of every token's rotation angles: angle = pos * inv_freq[i], in f64, times `magnitude`.
typedef struct apus_rope_table {
    const double *inv_freq; ///< (n_pairs)
    float *cos_sin;         ///< (tokens, 2, n_pairs)
    uint32_t n_pairs;
    float magnitude; ///< 1, or YaRN's attention factor
} apus_rope_table;

/// One matrix product: out[t][row] = sum over cols of w[row][col] * in[t][col], + bias[row]; or added to out.
typedef struct apus_product {
    apus_weights weights;
    const float *bias; ///< (rows) or NULL
    float *out;        ///< (tokens, ld)
    uint32_t ld;       ///< floats from token to token in out
    bool accumulate;   ///< out += instead of out =
    bool fine;         ///< with quantized activations: multiply in.q8_rest too, and add; 14 bits instead of 7
} apus_product;

#define APUS_MAX_PRODUCTS 3

/// Up to three products of the same input (q, k and v, say).
typedef struct apus_matmul {
    apus_acts in;
    apus_product products[APUS_MAX_PRODUCTS];
    uint32_t n_products;
    apus_rows rows;
} apus_matmul;

typedef enum apus_rope_layout {
    APUS_ROPE_PAIRS,  ///< dimension 2i turns with 2i + 1
    APUS_ROPE_HALVES, ///< dimension i turns with i + n_pairs
} apus_rope_layout;

/// The KV cache of one layer: within each page of the pool, the keys of every head in 4 groups of 16 positions, so that
/// a lane is a position, then the values of every head. A page holds all layers, so a context grows page by page.
typedef struct apus_kv {
    uint16_t *k;        ///< f16 (pages, n_kv_heads, 4, k_dim, 16), page_stride from page to page
    uint16_t *v;        ///< f16 (pages, n_kv_heads, 64, v_stride), page_stride from page to page
    size_t page_stride; ///< elements from page to page
    uint32_t n_kv_heads;
    uint32_t k_dim;    ///< head_dim of q and k
    uint32_t v_dim;    ///< head_dim of v
    uint32_t v_stride; ///< v_dim rounded up to a multiple of 16
} apus_kv;

/// Rotates q in place, rotates k and writes k and v to the cache (Su et al. 2021, arXiv:2104.09864).
typedef struct apus_rope_kv {
    float *q;             ///< (tokens, n_heads, k_dim)
    const float *k;       ///< (tokens, n_kv_heads, k_dim)
    const float *v;       ///< (tokens, n_kv_heads, v_dim)
    const float *cos_sin; ///< of apus_rope_table, or NULL: no rotation
    const float *q_norm;  ///< (k_dim) weight of a per-head RMSNorm before the rotation, or NULL
    const float *k_norm;  ///< (k_dim) or NULL
    apus_kv kv;
    uint32_t n_heads;
    uint32_t n_pairs; ///< rotated dimensions / 2; the dimensions past 2 n_pairs stay
    apus_rope_layout layout;
    float norm_eps;
} apus_rope_kv;

/// Softmax(q k^T * scale) v by online softmax (Milakov & Gimelshein 2018, arXiv:1805.02867), in pieces of the context.
typedef struct apus_attention {
    const float *q; ///< (tokens, n_heads, k_dim)
    apus_kv kv;
    float *partial; ///< apus_attention_partial_floats()
    uint32_t n_heads;
    uint32_t window; ///< 0: all; otherwise only the last `window` positions, the token's own included
    float scale;
} apus_attention;

/// Floats that `partial` needs for steps of up to max_tokens over contexts of up to max_positions.
APUS_API size_t apus_attention_partial_floats(const apus_attention *attention, size_t max_tokens, size_t max_positions);

/// Merges the pieces in order, divides, and packs the heads' outputs side by side.
typedef struct apus_attention_merge {
    apus_attention attention; ///< the op that wrote the pieces
    apus_acts out;            ///< (tokens, n_heads * v_dim)
} apus_attention_merge;

typedef enum apus_activation {
    APUS_SILU,      ///< x / (1 + exp(-x))
    APUS_GELU_TANH, ///< x / 2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) (arXiv:1606.08415)
} apus_activation;

/// out = activation(gate x) * (up x), packed (Shazeer 2020, arXiv:2002.05202).
typedef struct apus_glu {
    apus_acts in;
    apus_weights gate;      ///< (hidden, dim)
    apus_weights up;        ///< (hidden, dim)
    const float *gate_bias; ///< (hidden) or NULL
    const float *up_bias;   ///< (hidden) or NULL
    apus_acts out;          ///< (tokens, hidden)
    apus_activation activation;
} apus_glu;

/// x = cap tanh(x / cap), of the tokens whose logits are wanted (Gemma Team 2024, arXiv:2408.00118).
typedef struct apus_softcap {
    float *x;   ///< (logit tokens, n), in place
    uint32_t n; ///< logits of a token
    float cap;  ///< above 0
} apus_softcap;

typedef struct apus_op {
    apus_op_kind kind;
    union {
        apus_embed embed;
        apus_rmsnorm rmsnorm;
        apus_rope_table rope_table;
        apus_matmul matmul;
        apus_rope_kv rope_kv;
        apus_attention attention;
        apus_attention_merge attention_merge;
        apus_glu glu;
        apus_softcap softcap;
    };
} apus_op;

// ---------------------------------------------------------------------------------------------------------------
// Plans

/// A flat list of ops, each reading what earlier ones wrote.
typedef struct apus_plan {
    const apus_op *ops;
    uint32_t n_ops;
    void *scratch;        ///< n_threads x scratch_bytes, 64-byte aligned
    size_t scratch_bytes; ///< a thread's share: at least apus_plan_scratch_bytes()
} apus_plan;

/// Bytes of scratch that each thread needs for steps of up to max_tokens; a multiple of 64.
APUS_API size_t apus_plan_scratch_bytes(const apus_op *ops, size_t n_ops, size_t max_tokens);
/// Runs a step: one parallel region, a barrier between ops. False when it was cancelled.
APUS_API bool apus_plan_run(const apus_plan *plan, const apus_step *step, int n_threads);
/// Atomic access to a cancel flag.
APUS_API void apus_flag_store(int32_t *flag, int32_t value);
APUS_API int32_t apus_flag_load(const int32_t *flag);

/// A hash of f32 bits (FNV-1a over 32-bit words), to compare logits by: chain calls by passing the last result.
APUS_API uint64_t apus_hash_floats(uint64_t hash, const float *values, size_t n);
#define APUS_HASH_START 0xcbf29ce484222325ull

#ifdef __cplusplus
}
#endif
#endif
