// The rows of other people's kernels.
#include "peers.h"

namespace microbench {

void add_peer(Grid &grid, const std::string &type, const std::string &peer, const PeerShape &shape, apus_probe unit,
              const std::function<Work(int threads)> &prepare) {
    for (int n : grid.threads) {
        Case c;
        c.name = "matmul/" + type + "/" + peer + "/m" + std::to_string(shape.m) + "/n" + std::to_string(shape.n) + "k" +
                 std::to_string(shape.k) + "/t" + std::to_string(n);
        c.isa = grid.best();
        c.threads = n;
        c.is_default = n == grid.all();
        c.prepare = [prepare, n, unit] {
            Work work = prepare(n);
            work.unit = unit;
            return work;
        };
        grid.cases.push_back(std::move(c));
    }
}

void add_peer_cases(Grid &grid) {
    add_blas(grid);
#if defined(APUS_ONEDNN)
    add_onednn(grid);
#endif
#if defined(APUS_GGML)
    add_ggml(grid);
#endif
}

} // namespace microbench
