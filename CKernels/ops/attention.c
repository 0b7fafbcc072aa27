// Online-softmax attention over the paged f16 cache. The context is folded in pieces of 512 positions counted from
// position 0, each piece page by page, each page position by position: the order of additions depends on nothing else.
// A tile is some tokens of a segment x the heads of one KV head (x a piece of the context, in small steps).
#ifndef APUS_BODY
#include "ops/attention.h"
#include "isa/isa.h"

_Static_assert(APUS_SPLIT % APUS_PAGE == 0 && APUS_PAGE == 64, "pages are four vectors, pieces are whole pages");

size_t apus_attention_partial_floats(const apus_attention *a, size_t max_tokens, size_t max_positions) {
    const size_t split_tokens = max_tokens < APUS_SPLIT_TOKENS ? max_tokens : APUS_SPLIT_TOKENS;
    const size_t split = split_tokens * ((max_positions + APUS_SPLIT - 1) / APUS_SPLIT + 1);
    return (split > max_tokens ? split : max_tokens) * a->n_heads * apus_partial_floats(&a->kv);
}

/// Tokens of a segment that a tile takes together.
static uint32_t tile_tokens(const apus_attention *a) {
    const uint32_t tokens = APUS_TILE_QUERIES / apus_group(a);
    return tokens > 0 ? tokens : 1;
}

/// Tiles of a segment: blocks of tokens x KV heads x pieces.
typedef struct layout {
    uint32_t blocks, heads, pieces;
} layout;

static layout layout_of(const apus_attention *a, const apus_step *step, const apus_segment *segment) {
    const uint32_t tokens = (uint32_t)segment->n_tokens, block = tile_tokens(a);
    return (layout){
        .blocks = (tokens + block - 1) / block,
        .heads = a->kv.n_kv_heads,
        .pieces = apus_is_split(step) ? (uint32_t)(segment->first_pos + segment->n_tokens - 1) / APUS_SPLIT + 1 : 1,
    };
}

static uint32_t tiles(const apus_op *op, const apus_step *step) {
    uint32_t n = 0;
    for (int32_t i = 0; i < step->n_segments; i++) {
        const layout l = layout_of(&op->attention, step, &step->segments[i]);
        n += l.blocks * l.heads * l.pieces;
    }
    return n;
}

// A tile's scratch: for each query its scaled q, the positions it sees, and its running and total results.
typedef struct query {
    uint32_t first, last; ///< positions seen, both included
    const float *q;       ///< (k_dim), scaled
    apus_partial *piece;  ///< result of the piece being folded
} query;

static size_t max_queries(const apus_attention *a) {
    const size_t group = apus_group(a);
    return group > APUS_TILE_QUERIES ? group : APUS_TILE_QUERIES;
}

static size_t scratch_bytes(const apus_op *op, size_t max_tokens) {
    (void)max_tokens;
    const apus_attention *a = &op->attention;
    const size_t floats = (a->kv.k_dim + 15) / 16 * 16 + apus_partial_floats(&a->kv);
    return max_queries(a) * (sizeof(query) + floats * sizeof(float)) + 128;
}

#define APUS_BODY "ops/attention.c"
#include "isa/foreach_isa.h"

const apus_op_traits apus_attention_traits = {
    .tiles = tiles, .scratch_bytes = scratch_bytes, .run = APUS_VARIANTS(run)};
#else
#include "ops/attention.inl.h"

/// A page's keys and values of one head, and those of the page after it.
typedef struct V(page) {
    const uint16_t *k; ///< (4, k_dim, 16)
    const uint16_t *v; ///< (64, v_stride)
    const uint8_t *next_k, *next_v;
    uint32_t start; ///< position of the first
} V(page);

/// The scores of the page's first positions, at least `end` of them, for n queries (a constant). Meanwhile the next
/// page's keys come into the second cache level, a line with each step; its values do so while this page's are added
/// up.
APUS_INLINE void V(score_page)(const apus_kv *kv, const V(page) * page, const query *queries, int n, uint32_t end,
                               float scores[][APUS_PAGE]) {
    // Few queries leave registers for twice the positions, whose sums then hide each other's latency.
    enum { most = 2 * V(attention_groups) };
    const int groups = n <= V(attention_few) ? most : V(attention_groups);
    const uint8_t *ahead = page->next_k;
    for (size_t group = 0; group * 16 < end; group += (size_t)groups) {
        f32x16 sums[V(attention_queries)][most];
        for (int i = 0; i < n; i++)
            for (int g = 0; g < groups; g++) sums[i][g] = (f32x16){0};
        APUS_ALIGNED_LOOP
        for (size_t d = 0; d < kv->k_dim; d++) {
            for (int l = 0; l < groups; l += 2) __builtin_prefetch(ahead + (size_t)l * 32, 0, 2);
            ahead += 32 * groups;
            f32x16 keys[most];
#pragma clang loop unroll(full)
            for (int g = 0; g < groups; g++)
                keys[g] = V(load_f16)(page->k + ((group + (size_t)g) * kv->k_dim + d) * 16);
#pragma clang loop unroll(full)
            for (int i = 0; i < n; i++) {
                const f32x16 q = V(splat)(queries[i].q[d]);
#pragma clang loop unroll(full)
                for (int g = 0; g < groups; g++) sums[i][g] = V(fma)(keys[g], q, sums[i][g]);
            }
        }
        for (int i = 0; i < n; i++)
            for (int g = 0; g < groups; g++) V(store)(&scores[i][(group + (size_t)g) * 16], sums[i][g]);
    }
}

_Static_assert(V(attention_queries) <= 8, "as many as V(reduce_each) takes");

/// Turns n queries' scores (n is a constant) of positions [begin, end) into weights, 0 elsewhere, relative to their
/// pieces' new maxima, and adds them to the pieces' sums. Returns what the pieces' old results are worth now. Step by
/// step for all queries: one after the other, each would wait for its maximum and its sum.
APUS_INLINE f32x16 V(weigh)(float scores[][APUS_PAGE], query *queries, int n, const uint32_t *begin,
                            const uint32_t *end) {
    f32x16 x[V(attention_queries)], old = {0};
    for (int i = 0; i < n; i++) {
        for (uint32_t j = 0; j < begin[i]; j++) scores[i][j] = -__builtin_inff();
        for (uint32_t j = end[i]; j < APUS_PAGE; j++) scores[i][j] = -__builtin_inff();
        f32x16 s[4];
        for (size_t j = 0; j < 4; j++) s[j] = V(load)(&scores[i][16 * j]);
        x[i] = V(max)(V(max)(s[0], s[1]), V(max)(s[2], s[3]));
        old[i] = queries[i].piece->max;
    }
    const f32x16 max = V(max)(V(reduce_each)(x, n, false), old);
    const f32x16 factors = V(exp2)(old - max); // 0 at first: 2^-infinity
    float maxima[16];
    V(store)(maxima, max);
    for (int i = 0; i < n; i++) {
        f32x16 s[4];
        for (size_t j = 0; j < 4; j++) {
            s[j] = V(exp2)(V(load)(&scores[i][16 * j]) - V(splat)(maxima[i]));
            V(store)(&scores[i][16 * j], s[j]);
        }
        x[i] = (s[0] + s[1]) + (s[2] + s[3]);
    }
    const f32x16 sums = V(reduce_each)(x, n, true);
    for (int i = 0; i < n; i++) {
        apus_partial *piece = queries[i].piece;
        piece->max = maxima[i];
        piece->sum = piece->sum * factors[i] + sums[i];
    }
    return factors;
}

/// Adds up columns [c, c + 16 * vectors) of what `add_together` adds; `vectors` is a constant, 2 or 4.
APUS_INLINE void V(add_columns)(const V(page) * page, query *queries, int n, uint32_t from, uint32_t to, f32x16 factors,
                                float weights[][APUS_PAGE], size_t stride, size_t c, int vectors) {
    f32x16 sums[V(attention_queries)][4];
    for (int i = 0; i < n; i++) {
        const float *values = apus_partial_values(queries[i].piece) + c;
        for (int x = 0; x < vectors; x++) sums[i][x] = V(load)(values + 16 * x) * V(splat)(factors[i]);
    }
    const uint8_t *ahead = page->next_v + c * APUS_PAGE * 2 + (size_t)from * 32 * (size_t)vectors;
    APUS_ALIGNED_LOOP
    for (size_t j = from; j < to; j++) {
        for (int x = 0; x < vectors; x += 2) __builtin_prefetch(ahead + (size_t)x * 32, 0, 2);
        ahead += 32 * vectors;
        const uint16_t *v = page->v + j * stride + c;
        f32x16 row[4];
#pragma clang loop unroll(full)
        for (int x = 0; x < vectors; x++) row[x] = V(load_f16)(v + 16 * x);
#pragma clang loop unroll(full)
        for (int i = 0; i < n; i++) {
            const f32x16 weight = V(splat)(weights[i][j]);
#pragma clang loop unroll(full)
            for (int x = 0; x < vectors; x++) sums[i][x] = V(fma)(row[x], weight, sums[i][x]);
        }
    }
    for (int i = 0; i < n; i++) {
        float *values = apus_partial_values(queries[i].piece) + c;
        for (int x = 0; x < vectors; x++) V(store)(values + 16 * x, sums[i][x]);
    }
}

/// Adds the weighted values of positions [from, to), which n queries (a constant) see, after scaling what is there.
APUS_INLINE void V(add_together)(const apus_kv *kv, const V(page) * page, query *queries, int n, uint32_t from,
                                 uint32_t to, f32x16 factors, float weights[][APUS_PAGE]) {
    const size_t stride = kv->v_stride;
    size_t c = 0;
    if (n <= V(attention_few))
        for (; c + 64 <= stride; c += 64) V(add_columns)(page, queries, n, from, to, factors, weights, stride, c, 4);
    for (; c + 32 <= stride; c += 32) V(add_columns)(page, queries, n, from, to, factors, weights, stride, c, 2);
    if (stride % 32 == 0) return;
    for (int i = 0; i < n; i++) { // the last 16
        float *values = apus_partial_values(queries[i].piece) + stride - 16;
        f32x16 sum = V(load)(values) * V(splat)(factors[i]);
        for (size_t j = from; j < to; j++)
            sum = V(fma)(V(load_f16)(page->v + (j + 1) * stride - 16), V(splat)(weights[i][j]), sum);
        V(store)(values, sum);
    }
}

/// The same of positions [from, to) for one query, without scaling.
static void V(add_alone)(const apus_kv *kv, const V(page) * page, apus_partial *piece, uint32_t from, uint32_t to,
                         const float *weights) {
    for (size_t c = 0; c < kv->v_stride; c += 16) {
        float *values = apus_partial_values(piece) + c;
        f32x16 sum = V(load)(values);
        for (size_t j = from; j < to; j++)
            sum = V(fma)(V(load_f16)(page->v + j * kv->v_stride + c), V(splat)(weights[j]), sum);
        V(store)(values, sum);
    }
}

/// Folds one page into the results of n queries (a constant).
APUS_INLINE void V(fold_page)(const apus_kv *kv, const V(page) * page, query *queries, int n) {
    uint32_t begin[V(attention_queries)], end[V(attention_queries)]; // of the page's positions that the query sees
    // Positions that all see, if they begin together: all of a page but where the context ends or a window starts.
    uint32_t to = APUS_PAGE, last = 0;
    bool together = true;
    for (int i = 0; i < n; i++) {
        begin[i] = queries[i].first > page->start ? queries[i].first - page->start : 0;
        end[i] = queries[i].last + 1 - page->start < APUS_PAGE ? queries[i].last + 1 - page->start : APUS_PAGE;
        together = together && begin[i] == begin[0];
        to = end[i] < to ? end[i] : to;
        last = end[i] > last ? end[i] : last;
    }
    const uint32_t from = begin[0];
    if (!together) to = from;

    float scores[V(attention_queries)][APUS_PAGE];
    V(score_page)(kv, page, queries, n, last, scores);
    const f32x16 factors = V(weigh)(scores, queries, n, begin, end);
    V(add_together)(kv, page, queries, n, from, to, factors, scores);
    for (int i = 0; i < n; i++) {
        const uint32_t rest = together ? to : begin[i];
        if (rest < end[i]) V(add_alone)(kv, page, queries[i].piece, rest, end[i], scores[i]);
    }
}

static void V(fold)(const apus_kv *kv, const V(page) * page, query *queries, int n) {
    // A group of queries whose ranges all reach the page; the others are left out by the caller.
    switch (n) {
    case 1:
        V(fold_page)(kv, page, queries, 1);
        break;
    case 2:
        V(fold_page)(kv, page, queries, V(attention_queries) >= 2 ? 2 : 1);
        break;
    case 3:
        V(fold_page)(kv, page, queries, V(attention_queries) >= 3 ? 3 : 1);
        break;
    case 4:
        V(fold_page)(kv, page, queries, V(attention_queries) >= 4 ? 4 : 1);
        break;
    case 5:
        V(fold_page)(kv, page, queries, V(attention_queries) >= 5 ? 5 : 1);
        break;
    case 6:
        V(fold_page)(kv, page, queries, V(attention_queries) >= 6 ? 6 : 1);
        break;
    case 7:
        V(fold_page)(kv, page, queries, V(attention_queries) >= 7 ? 7 : 1);
        break;
    default:
        V(fold_page)(kv, page, queries, V(attention_queries) >= 8 ? 8 : 1);
        break;
    }
}

static void V(clear)(apus_partial *partial, size_t values) {
    partial->max = -__builtin_inff();
    partial->sum = 0;
    __builtin_memset(apus_partial_values(partial), 0, values * sizeof(float));
}

/// Folds the pages of piece `piece` into the queries' piece results, which start empty.
static void V(fold_piece)(const apus_attention *a, const apus_segment *segment, size_t kv_head, uint32_t piece,
                          query *queries, size_t n_queries) {
    const apus_kv *kv = &a->kv;
    const uint32_t piece_start = piece * APUS_SPLIT;
    // Queries stand in the order of their positions, so the first sees the farthest back and the last the farthest on.
    const uint32_t first = queries[0].first > piece_start ? queries[0].first : piece_start;
    const uint32_t piece_last = piece_start + APUS_SPLIT - 1, last_seen = queries[n_queries - 1].last;
    const uint32_t last = last_seen < piece_last ? last_seen : piece_last;
    for (uint32_t page = first / APUS_PAGE; page <= last / APUS_PAGE && first <= last; page++) {
        const uint32_t start = page * APUS_PAGE, next = page < last_seen / APUS_PAGE ? page + 1 : page;
        const size_t at = (size_t)segment->pages[page] * kv->page_stride;
        const size_t next_at = (size_t)segment->pages[next] * kv->page_stride;
        const V(page) this = {
            .k = kv->k + at + kv_head * APUS_PAGE * kv->k_dim,
            .v = kv->v + at + kv_head * APUS_PAGE * kv->v_stride,
            .next_k = (const uint8_t *)(kv->k + next_at + kv_head * APUS_PAGE * kv->k_dim),
            .next_v = (const uint8_t *)(kv->v + next_at + kv_head * APUS_PAGE * kv->v_stride),
            .start = start,
        };
        for (size_t i = 0; i < n_queries;) {
            // Skip those that see nothing of the page; take the next ones that do.
            if (queries[i].last < start || queries[i].first >= start + APUS_PAGE) {
                i++;
                continue;
            }
            int n = 1;
            while (n < V(attention_queries) && i + (size_t)n < n_queries && queries[i + (size_t)n].last >= start &&
                   queries[i + (size_t)n].first < start + APUS_PAGE)
                n++;
            V(fold)(kv, &this, queries + i, n);
            i += (size_t)n;
        }
    }
}

static void V(run_tile)(const apus_attention *a, const apus_step *step, const apus_segment *segment, uint32_t block,
                        uint32_t kv_head, uint32_t piece, void *scratch) {
    const apus_kv *kv = &a->kv;
    const uint32_t group = apus_group(a), block_tokens = tile_tokens(a), slots = apus_slots(a, step);
    const uint32_t begin = block * block_tokens, left = (uint32_t)segment->n_tokens - begin;
    const uint32_t tokens = left < block_tokens ? left : block_tokens;
    const size_t q_floats = (kv->k_dim + 15) / 16 * 16, n_queries = (size_t)tokens * group;
    query *queries = scratch;
    float *q = (float *)(((uintptr_t)(queries + max_queries(a)) + 63) / 64 * 64);
    float *running = q + max_queries(a) * q_floats;
    const bool split = apus_is_split(step);
    const float scale = a->scale * 1.44269504088896341f; // scores in powers of 2

    for (size_t i = 0; i < n_queries; i++) {
        const size_t token = (size_t)segment->first_token + begin + i / group, head = kv_head * group + i % group;
        const uint32_t position = (uint32_t)segment->first_pos + begin + (uint32_t)(i / group);
        const float *from = a->q + (token * a->n_heads + head) * kv->k_dim;
        for (size_t d = 0; d < kv->k_dim; d++) q[i * q_floats + d] = from[d] * scale;
        queries[i] = (query){
            .first = apus_first_seen(a, position),
            .last = position,
            .q = q + i * q_floats,
            .piece = split ? apus_partial_at(a, slots, token, head, piece)
                           : (apus_partial *)(running + i * apus_partial_floats(kv)),
        };
    }

    if (split) {
        for (size_t i = 0; i < n_queries; i++) V(clear)(queries[i].piece, kv->v_stride);
        V(fold_piece)(a, segment, kv_head, piece, queries, n_queries);
        return;
    }
    const uint32_t last = queries[n_queries - 1].last / APUS_SPLIT;
    for (uint32_t p = queries[0].first / APUS_SPLIT; p <= last; p++) {
        for (size_t i = 0; i < n_queries; i++) V(clear)(queries[i].piece, kv->v_stride);
        V(fold_piece)(a, segment, kv_head, p, queries, n_queries);
        for (size_t i = 0; i < n_queries; i++) {
            if (p < queries[i].first / APUS_SPLIT || p > queries[i].last / APUS_SPLIT) continue;
            const size_t token = (size_t)segment->first_token + begin + i / group, head = kv_head * group + i % group;
            apus_partial *total = apus_partial_at(a, slots, token, head, 0);
            if (p == queries[i].first / APUS_SPLIT)
                __builtin_memcpy(total, queries[i].piece, apus_partial_floats(kv) * sizeof(float));
            else
                V(merge)(total, queries[i].piece, kv->v_stride);
        }
    }
}

static void V(run)(const apus_op *record, const apus_step *step, uint32_t begin, uint32_t end, void *scratch) {
    const apus_attention *a = &record->attention;
    uint32_t first = 0;
    for (int32_t i = 0; i < step->n_segments && first < end; i++) {
        const apus_segment *segment = &step->segments[i];
        const layout l = layout_of(a, step, segment);
        const uint32_t n = l.blocks * l.heads * l.pieces;
        for (uint32_t tile = begin > first ? begin : first; tile < end && tile < first + n; tile++) {
            const uint32_t at = tile - first;
            V(run_tile)(a, step, segment, at / (l.heads * l.pieces), at / l.pieces % l.heads, at % l.pieces, scratch);
        }
        first += n;
    }
}
#endif
