// A paged KV cache for tests, addressed by the description in apus_kernels.h: a pool of pages, of which the layer under
// test has a part in the middle. What nothing has written is NaN.
#ifndef APUS_TEST_KV_H
#define APUS_TEST_KV_H

#include "test.h"

enum { PAGE = 64, PIECE = 512 };

typedef struct pool {
    apus_kv kv;
    uint16_t *base;
    size_t elements;
} pool;

static inline pool make_pool(size_t n_pages, uint32_t n_kv_heads, uint32_t k_dim, uint32_t v_dim) {
    const uint32_t v_stride = (v_dim + 15) / 16 * 16;
    const size_t k_page = (size_t)n_kv_heads * PAGE * k_dim, v_page = (size_t)n_kv_heads * PAGE * v_stride;
    const size_t before = 48, after = 16; // other layers' parts of a page
    pool p = {.kv = {.page_stride = before + k_page + v_page + after,
                     .n_kv_heads = n_kv_heads,
                     .k_dim = k_dim,
                     .v_dim = v_dim,
                     .v_stride = v_stride}};
    p.elements = n_pages * p.kv.page_stride - after; // so that the last page's values end where memory ends
    p.base = edge_alloc(p.elements * sizeof(uint16_t));
    p.kv.k = p.base + before;
    p.kv.v = p.kv.k + k_page;
    return p;
}

static inline uint16_t *key_at(const apus_kv *kv, const int32_t *pages, size_t position, size_t head, size_t d) {
    const size_t slot = position % PAGE;
    return kv->k + (size_t)pages[position / PAGE] * kv->page_stride + ((head * 4 + slot / 16) * kv->k_dim + d) * 16 +
           slot % 16;
}

static inline uint16_t *value_at(const apus_kv *kv, const int32_t *pages, size_t position, size_t head, size_t d) {
    return kv->v + (size_t)pages[position / PAGE] * kv->page_stride + (head * PAGE + position % PAGE) * kv->v_stride +
           d;
}

/// A random order of 0 … n - 1.
static inline int32_t *shuffled(size_t n) {
    int32_t *order = edge_alloc(n * sizeof(int32_t));
    for (size_t i = 0; i < n; i++) {
        const size_t j = random_below(i + 1);
        order[i] = order[j];
        order[j] = (int32_t)i;
    }
    return order;
}

#endif
