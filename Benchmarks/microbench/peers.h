// Other people's kernels: products only, of the shapes that the default run measures Apus with.
#ifndef APUS_MICROBENCH_PEERS_H
#define APUS_MICROBENCH_PEERS_H

#include "grid.h"

namespace microbench {

struct PeerShape {
    size_t m, n, k;
};

inline constexpr PeerShape peer_shapes[] = {
    {1, 2048, 2048}, {8, 2048, 2048}, {64, 2048, 2048}, {512, 2048, 2048}, {1, 2048, 8192}, {512, 2048, 8192},
};

/// Adds matmul/type/PEER/mM/nNkK/tT. Roofs are those of the best instruction set, which peers choose by themselves.
void add_peer(Grid &grid, const std::string &type, const std::string &peer, const PeerShape &shape, apus_probe unit,
              const std::function<Work(int threads)> &prepare);

void add_blas(Grid &grid);
void add_onednn(Grid &grid);
void add_ggml(Grid &grid);

} // namespace microbench
#endif
