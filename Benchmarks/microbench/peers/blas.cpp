// f32 products by OpenBLAS and BLIS, loaded at run time and apart: both export the names of BLAS.
#include "data.h"
#include "peers.h"

#include <dlfcn.h>
#include <stdexcept>

namespace microbench {

namespace {

/// cblas_sgemm, with the enumerations as ints.
using Sgemm = void (*)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda,
                       const float *b, int ldb, float beta, float *c, int ldc);
constexpr int row_major = 101, no_trans = 111, trans = 112;

struct Library {
    const char *name, *path, *set_threads;
};

constexpr Library libraries[] = {
#if defined(APUS_OPENBLAS)
    {"openblas", APUS_OPENBLAS, "openblas_set_num_threads"},
#endif
#if defined(APUS_BLIS)
    {"blis", APUS_BLIS, "bli_thread_set_num_threads"},
#endif
    {nullptr, nullptr, nullptr},
};

void *symbol(const Library &library, const char *name) {
    void *handle = dlopen(library.path, RTLD_NOW | RTLD_LOCAL);
    void *found = handle != nullptr ? dlsym(handle, name) : nullptr;
    if (found == nullptr) throw std::runtime_error(dlerror());
    return found;
}

Work prepare(const Library &library, size_t m, size_t n, size_t k, int threads) {
    const auto sgemm = reinterpret_cast<Sgemm>(symbol(library, "cblas_sgemm"));
    void *const set_threads = symbol(library, library.set_threads);
    // OpenBLAS takes an int, BLIS an int of 64 bits: a small number is passed alike.
    reinterpret_cast<void (*)(long)>(set_threads)(threads);
    const size_t copies = beyond_caches() / (n * k * sizeof(float)) + 1;
    const SharedPages weights = make_floats(n * k * copies), in = make_floats(m * k);
    const SharedPages out = make_pages(m * n * sizeof(float));
    auto next = std::make_shared<size_t>(0);
    Work work;
    work.run = [=] {
        const float *w = weights->as<float>() + (*next)++ % copies * n * k;
        const int rows = static_cast<int>(n), cols = static_cast<int>(k);
        sgemm(row_major, no_trans, trans, static_cast<int>(m), rows, cols, 1, in->as<float>(), cols, w, cols, 0,
              out->as<float>(), rows);
    };
    work.macs = static_cast<double>(m * n * k);
    work.bytes = static_cast<double>(n * k * sizeof(float));
    work.footprint = work.bytes * static_cast<double>(copies);
    return work;
}

} // namespace

void add_blas(Grid &grid) {
    for (const Library &library : libraries) {
        if (library.name == nullptr) break;
        for (const PeerShape &s : peer_shapes)
            add_peer(grid, "f32", library.name, s, APUS_PROBE_F32_FMA,
                     [=](int threads) { return prepare(library, s.m, s.n, s.k, threads); });
    }
}

} // namespace microbench
