// f32 and int8 products by oneDNN, with the weights in the order that it likes best.
#include "data.h"
#include "peers.h"

#include <dnnl.hpp>

// gcc's OpenMP calls, which oneDNN makes, and this one are answered by the same library.
extern "C" void omp_set_num_threads(int);

namespace microbench {

namespace {

using dnnl::memory;

Work prepare(const PeerShape &s, bool is_int8, int threads) {
    static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    static dnnl::stream stream(engine);
    omp_set_num_threads(threads);
    const auto m = static_cast<memory::dim>(s.m), n = static_cast<memory::dim>(s.n), k = static_cast<memory::dim>(s.k);
    using type = memory::data_type;
    const auto any = memory::format_tag::any, rows = memory::format_tag::ab;
    const memory::desc in({m, k}, is_int8 ? type::u8 : type::f32, rows);
    const memory::desc plain({k, n}, is_int8 ? type::s8 : type::f32,
                             memory::format_tag::ba); // (n, k) as others have it
    const memory::desc weights({k, n}, is_int8 ? type::s8 : type::f32, any);
    const memory::desc out({m, n}, is_int8 ? type::s32 : type::f32, rows);
    const dnnl::matmul::primitive_desc description(dnnl::matmul::desc(in, weights, out), engine);
    const dnnl::matmul product(description);

    const size_t bytes = s.n * s.k * (is_int8 ? 1 : sizeof(float)), copies = beyond_caches() / bytes + 1;
    const auto sources = std::make_shared<memory>(in, engine), results = std::make_shared<memory>(out, engine);
    std::fill_n(static_cast<uint8_t *>(sources->get_data_handle()), in.get_size(), is_int8 ? 3 : 0);
    memory first(plain, engine);
    std::fill_n(static_cast<uint8_t *>(first.get_data_handle()), plain.get_size(), is_int8 ? 3 : 0);
    auto matrices = std::make_shared<std::vector<memory>>();
    for (size_t i = 0; i < copies; i++) {
        matrices->emplace_back(description.weights_desc(), engine);
        dnnl::reorder(first, matrices->back()).execute(stream, first, matrices->back());
    }
    stream.wait();
    auto next = std::make_shared<size_t>(0);
    Work work;
    work.run = [=] {
        product.execute(
            stream,
            {{DNNL_ARG_SRC, *sources}, {DNNL_ARG_WEIGHTS, (*matrices)[(*next)++ % copies]}, {DNNL_ARG_DST, *results}});
        stream.wait();
    };
    work.macs = static_cast<double>(s.m * s.n * s.k);
    work.bytes = static_cast<double>(bytes);
    work.footprint = work.bytes * static_cast<double>(copies);
    return work;
}

} // namespace

void add_onednn(Grid &grid) {
    for (const PeerShape &shape : peer_shapes)
        for (bool is_int8 : {false, true})
            add_peer(grid, is_int8 ? "int8" : "f32", "onednn", shape,
                     is_int8 ? APUS_PROBE_INT8_DOT : APUS_PROBE_F32_FMA,
                     [=](int threads) { return prepare(shape, is_int8, threads); });
}

} // namespace microbench
