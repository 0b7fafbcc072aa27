// Inputs of the kernels: memory, weights of any registered type, activations, caches, and plans over them.
#ifndef APUS_MICROBENCH_DATA_H
#define APUS_MICROBENCH_DATA_H

#include "grid.h"

namespace microbench {

/// Pages as the engine gets them; empty when there are none.
class Pages {
  public:
    explicit Pages(size_t bytes);
    ~Pages();
    Pages(const Pages &) = delete;
    Pages &operator=(const Pages &) = delete;
    void *data() const { return pages_; }
    size_t bytes() const { return bytes_; }
    template <typename T> T *as() const { return static_cast<T *>(pages_); }

  private:
    void *pages_;
    size_t bytes_;
};
using SharedPages = std::shared_ptr<Pages>;

/// Zeros; throws std::bad_alloc when there is no memory.
SharedPages make_pages(size_t bytes);
/// Values around 1 in size, always the same.
SharedPages make_floats(size_t count);
/// Packed activations of such values.
SharedPages make_acts(apus_act_format format, size_t tokens, size_t cols);

/// They as an op's input or output.
apus_acts acts_of(apus_act_format format, const SharedPages &pages);
/// The roof of a weight type's products.
apus_probe unit_of(const apus_quant *quant);

/// Copies of a matrix, together bigger than every cache, so that rotating over them reads memory as layers do.
struct Matrices {
    SharedPages pages;
    std::vector<apus_weights> copies;
    double bytes = 0; ///< of one
    double footprint() const { return bytes * static_cast<double>(copies.size()); }
};
/// The last matrices asked for are kept, as the next case mostly wants the same.
std::shared_ptr<Matrices> make_matrices(const apus_quant *quant, size_t rows, size_t cols);
/// A type's name as it stands in the names of cases: q4_0.
std::string type_name(const apus_quant *quant);
/// Whether a type can have rows of so many columns.
bool fits(const apus_quant *quant, size_t cols);

/// The caches of several layers over one pool, as the engine lays them out: together bigger than every cache.
struct Caches {
    SharedPages pages;
    std::vector<apus_kv> layers;
    std::vector<int32_t> page_table;
    double layer_bytes = 0; ///< of all positions of a layer
};
std::shared_ptr<Caches> make_caches(const ModelShape &model, size_t positions);

/// An iteration that runs some of a list of like ops, the next ones each time: as many as make it worth timing.
/// `keep` is held as long as the work is.
Work plan_work(std::vector<apus_op> ops, double macs_each, size_t tokens, int32_t first_pos,
               std::vector<int32_t> page_table, std::vector<int32_t> token_ids, int threads,
               std::vector<std::shared_ptr<void>> keep);

/// Bytes that no cache holds.
size_t beyond_caches();

} // namespace microbench
#endif
