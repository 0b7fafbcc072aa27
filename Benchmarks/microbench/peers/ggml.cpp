// Products by ggml, of the weight types that it and Apus share; repacked where it has a repacked form.
#include "data.h"
#include "peers.h"

#include <ggml-backend.h>
#include <ggml-cpu.h>
#include <ggml.h>

#include <stdexcept>

namespace microbench {

namespace {

/// Memory for weights: where ggml has an order of its own for this product, that.
ggml_backend_buffer_type_t best_buffer(ggml_tensor *product) {
    ggml_backend_dev_t device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    ggml_backend_reg_t registry = ggml_backend_dev_backend_reg(device);
    const auto extra = reinterpret_cast<ggml_backend_dev_get_extra_bufts_t>(
        ggml_backend_reg_get_proc_address(registry, "ggml_backend_dev_get_extra_bufts"));
    ggml_backend_buffer_type_t *types = extra != nullptr ? extra(device) : nullptr;
    for (; types != nullptr && *types != nullptr; types++) {
        // Whether the device multiplies out of such memory is asked with a tensor in it.
        product->src[0]->buffer = ggml_backend_buft_alloc_buffer(*types, 0);
        const bool ok = ggml_backend_dev_supports_op(device, product);
        ggml_backend_buffer_free(product->src[0]->buffer);
        product->src[0]->buffer = nullptr;
        if (ok) return *types;
    }
    return ggml_backend_cpu_buffer_type();
}

struct Product {
    ggml_context *context = nullptr;
    ggml_backend_t backend = nullptr;
    std::vector<ggml_backend_buffer_t> buffers;
    std::vector<ggml_cgraph *> graphs;
    size_t next = 0;

    void hold(ggml_tensor *tensor, ggml_backend_buffer_type_t type) {
        ggml_backend_buffer_t buffer =
            ggml_backend_buft_alloc_buffer(type, ggml_backend_buft_get_alloc_size(type, tensor));
        if (buffer == nullptr) throw std::bad_alloc();
        buffers.push_back(buffer);
        ggml_backend_tensor_alloc(buffer, tensor, ggml_backend_buffer_get_base(buffer));
    }
    ~Product() {
        for (ggml_backend_buffer_t buffer : buffers) ggml_backend_buffer_free(buffer);
        ggml_backend_free(backend);
        ggml_free(context);
    }
};

Work prepare(ggml_type type, const PeerShape &s, int threads) {
    auto product = std::make_shared<Product>();
    const auto n = static_cast<int64_t>(s.n), k = static_cast<int64_t>(s.k), m = static_cast<int64_t>(s.m);
    const size_t row_bytes = ggml_row_size(type, k), bytes = row_bytes * s.n, copies = beyond_caches() / bytes + 1;
    product->context = ggml_init(
        {copies * 4 * ggml_tensor_overhead() + copies * ggml_graph_overhead_custom(4, false) + (size_t{1} << 20),
         nullptr, true});
    product->backend = ggml_backend_cpu_init();
    if (product->context == nullptr || product->backend == nullptr) throw std::bad_alloc();
    ggml_backend_cpu_set_n_threads(product->backend, threads);

    // ggml quantizes some values itself, so the blocks are ordinary.
    std::vector<float> row(s.k), importance(s.k, 1.0f);
    for (size_t i = 0; i < s.k; i++) row[i] = static_cast<float>(i * 7919 % 1000) * 2e-3f - 1;
    std::vector<uint8_t> matrix(bytes);
    ggml_quantize_chunk(type, row.data(), matrix.data(), 0, 1, k, importance.data());
    for (size_t i = 1; i < s.n; i++) std::copy_n(matrix.data(), row_bytes, matrix.data() + i * row_bytes);

    ggml_tensor *in = ggml_new_tensor_2d(product->context, GGML_TYPE_F32, k, m);
    product->hold(in, ggml_backend_cpu_buffer_type());
    for (int64_t i = 0; i < m; i++)
        ggml_backend_tensor_set(in, row.data(), static_cast<size_t>(i) * s.k * sizeof(float), s.k * sizeof(float));
    for (size_t i = 0; i < copies; i++) {
        ggml_tensor *weights = ggml_new_tensor_2d(product->context, type, k, n);
        ggml_tensor *out = ggml_mul_mat(product->context, weights, in);
        product->hold(weights, best_buffer(out));
        ggml_backend_tensor_set(weights, matrix.data(), 0, bytes);
        product->hold(out, ggml_backend_cpu_buffer_type());
        ggml_cgraph *graph = ggml_new_graph_custom(product->context, 4, false);
        ggml_build_forward_expand(graph, out);
        product->graphs.push_back(graph);
    }
    Work work;
    work.run = [product] {
        ggml_backend_graph_compute(product->backend, product->graphs[product->next++ % product->graphs.size()]);
    };
    work.macs = static_cast<double>(s.m * s.n * s.k);
    work.bytes = static_cast<double>(bytes);
    work.footprint = work.bytes * static_cast<double>(copies);
    return work;
}

} // namespace

void add_ggml(Grid &grid) {
    for (const apus_quant *quant : grid.types)
        for (const PeerShape &shape : peer_shapes) {
            const auto type = static_cast<ggml_type>(apus_quant_ggml_type(quant)); // Apus's numbers are ggml's
            add_peer(grid, type_name(quant), "ggml", shape, unit_of(quant),
                     [=](int threads) { return prepare(type, shape, threads); });
        }
}

} // namespace microbench
