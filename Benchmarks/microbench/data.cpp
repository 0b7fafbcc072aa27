// Inputs of the kernels.
#include "data.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <tuple>

namespace microbench {

namespace {

/// splitmix64
struct Random {
    uint64_t state = 1;
    uint64_t next() {
        uint64_t z = state += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    /// -1 to 1
    float value() { return static_cast<float>(static_cast<int32_t>(next())) * 0x1p-31f; }
};

/// Blocks of a weight type whose values are ordinary numbers, found by trying random bytes: so a new type needs no
/// help. (Denormal or infinite values would be computed with at another speed.)
std::vector<uint8_t> ordinary_blocks(const apus_quant *quant, size_t count) {
    const size_t values = apus_quant_block(quant), bytes = apus_quant_block_bytes(quant);
    std::vector<uint8_t> blocks(count * bytes), block(bytes);
    std::vector<float> decoded(values);
    Random random;
    for (size_t found = 0, tries = 0; found < count; tries++) {
        if (tries > count * 1000000)
            throw std::runtime_error(std::string("no ordinary block of ") + apus_quant_name(quant));
        for (uint8_t &byte : block) byte = static_cast<uint8_t>(random.next());
        apus_quant_decode(quant, block.data(), decoded.data(), values);
        float largest = 0;
        bool finite = true;
        for (float x : decoded) {
            finite = finite && std::isfinite(x);
            largest = std::max(largest, std::fabs(x));
        }
        if (!finite || largest < 1e-3f || largest > 1e3f) continue;
        std::memcpy(&blocks[found++ * bytes], block.data(), bytes);
    }
    return blocks;
}

} // namespace

Pages::Pages(size_t bytes) : pages_(apus_pages_alloc(bytes)), bytes_(bytes) {
    if (pages_ == nullptr) throw std::bad_alloc();
}

Pages::~Pages() { apus_pages_free(pages_, bytes_); }

SharedPages make_pages(size_t bytes) { return std::make_shared<Pages>(std::max<size_t>(bytes, 64)); }

SharedPages make_floats(size_t count) {
    SharedPages pages = make_pages(count * sizeof(float));
    Random random;
    for (size_t i = 0; i < count; i++) pages->as<float>()[i] = random.value();
    return pages;
}

SharedPages make_acts(apus_act_format format, size_t tokens, size_t cols) {
    SharedPages pages = make_pages(apus_acts_bytes(format, tokens, cols)), values = make_floats(tokens * cols);
    apus_acts_pack(format, pages->data(), values->as<float>(), tokens, cols);
    return pages;
}

apus_acts acts_of(apus_act_format format, const SharedPages &pages) {
    apus_acts acts = {};
    (format == APUS_ACT_Q8 ? acts.q8 : format == APUS_ACT_BF16 ? acts.bf16 : acts.f32) = pages->data();
    return acts;
}

apus_probe unit_of(const apus_quant *quant) {
    const apus_act_format format = apus_quant_act_format(quant);
    return format == APUS_ACT_Q8     ? APUS_PROBE_INT8_DOT
           : format == APUS_ACT_BF16 ? APUS_PROBE_BF16_DOT
                                     : APUS_PROBE_F32_FMA;
}

size_t beyond_caches() {
    const size_t last = std::max({apus_cache_bytes(1), apus_cache_bytes(2), apus_cache_bytes(3), size_t{16} << 20});
    // Not all of a round is gone when it begins again, as a last level is no strict queue: eight times keep an eighth.
    return 8 * last;
}

std::string type_name(const apus_quant *quant) {
    std::string name = apus_quant_name(quant);
    for (char &c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return name;
}

bool fits(const apus_quant *quant, size_t cols) {
    const size_t unit = apus_quant_act_format(quant) == APUS_ACT_Q8 ? APUS_ACT_BLOCK : 1;
    return cols % apus_quant_block(quant) == 0 && cols % unit == 0;
}

std::shared_ptr<Matrices> make_matrices(const apus_quant *quant, size_t rows, size_t cols) {
    static std::tuple<const apus_quant *, size_t, size_t> last_key;
    static std::shared_ptr<Matrices> last;
    const auto key = std::make_tuple(quant, rows, cols);
    if (last != nullptr && key == last_key) return last;
    last.reset();

    // 16 different rows, again and again: what the values are does not matter to the speed.
    const size_t row_blocks = cols / apus_quant_block(quant);
    const std::vector<uint8_t> some = ordinary_blocks(quant, 64);
    const size_t block_bytes = apus_quant_block_bytes(quant);
    std::vector<uint8_t> rows16(APUS_TILE_ROWS * row_blocks * block_bytes);
    Random random;
    for (size_t i = 0; i < APUS_TILE_ROWS * row_blocks; i++)
        std::memcpy(&rows16[i * block_bytes], &some[random.next() % 64 * block_bytes], block_bytes);

    auto result = std::make_shared<Matrices>();
    const size_t bytes = apus_weights_bytes(quant, rows, cols), stride = (bytes + 63) / 64 * 64;
    const size_t copies = (beyond_caches() + bytes - 1) / bytes;
    result->bytes = static_cast<double>(bytes);
    result->pages = make_pages(copies * stride);
    for (size_t i = 0; i < copies; i++) {
        apus_weights weights = {};
        weights.quant = quant;
        weights.tiles = result->pages->as<uint8_t>() + i * stride;
        weights.rows = static_cast<uint32_t>(rows);
        weights.cols = static_cast<uint32_t>(cols);
        if (i == 0)
            for (size_t row = 0; row < rows; row += APUS_TILE_ROWS)
                apus_weights_pack(&weights, rows16.data(), row, std::min<size_t>(APUS_TILE_ROWS, rows - row));
        else
            std::memcpy(weights.tiles, result->copies[0].tiles, bytes);
        result->copies.push_back(weights);
    }
    last_key = key;
    last = result;
    return result;
}

std::shared_ptr<Caches> make_caches(const ModelShape &model, size_t positions) {
    static std::tuple<const ModelShape *, size_t> last_key;
    static std::shared_ptr<Caches> last;
    const auto key = std::make_tuple(&model, positions);
    if (last != nullptr && key == last_key) return last;
    last.reset();

    auto result = std::make_shared<Caches>();
    const size_t n_pages = (positions + APUS_PAGE - 1) / APUS_PAGE, dim = model.head_dim;
    const size_t stride = (dim + 15) / 16 * 16, k_elements = model.kv_heads * APUS_PAGE * dim;
    const size_t page_elements = k_elements + model.kv_heads * APUS_PAGE * stride;
    result->layer_bytes = static_cast<double>(n_pages * page_elements * 2);
    const size_t wanted = beyond_caches() / (n_pages * page_elements * 2) + 1;
    const size_t layers = std::clamp<size_t>(wanted, 1, 1024);
    result->pages = make_pages(n_pages * page_elements * layers * 2);
    Random random;
    for (size_t i = 0; i < n_pages * page_elements * layers; i += 4) {
        // Half floats of either sign, 0.0625 to 0.125.
        const uint64_t bits = (random.next() & 0x83ff83ff83ff83ffu) | 0x2c002c002c002c00u;
        std::memcpy(result->pages->as<uint16_t>() + i, &bits, sizeof bits);
    }
    for (size_t layer = 0; layer < layers; layer++) {
        uint16_t *base = result->pages->as<uint16_t>() + layer * page_elements;
        result->layers.push_back({.k = base,
                                  .v = base + k_elements,
                                  .page_stride = page_elements * layers,
                                  .n_kv_heads = static_cast<uint32_t>(model.kv_heads),
                                  .k_dim = static_cast<uint32_t>(dim),
                                  .v_dim = static_cast<uint32_t>(dim),
                                  .v_stride = static_cast<uint32_t>(stride)});
    }
    for (size_t page = 0; page < n_pages; page++) result->page_table.push_back(static_cast<int32_t>(page));
    last_key = key;
    last = result;
    return result;
}

namespace {

/// A plan over a list of like ops, some at a time.
struct RotatingPlan {
    std::vector<apus_op> ops;
    std::vector<int32_t> page_table, token_ids, logit_tokens;
    std::vector<std::shared_ptr<void>> keep;
    SharedPages scratch;
    size_t scratch_bytes = 0, batch = 1, next = 0;
    apus_segment segment = {};
    apus_step step = {};
    int threads = 1;

    void run() {
        const apus_plan plan = {&ops[next], static_cast<uint32_t>(batch), scratch->data(), scratch_bytes};
        apus_plan_run(&plan, &step, threads);
        next += batch;
        if (next + batch > ops.size()) next = 0;
    }
};

} // namespace

Work plan_work(std::vector<apus_op> ops, double macs_each, size_t tokens, int32_t first_pos,
               std::vector<int32_t> page_table, std::vector<int32_t> token_ids, int threads,
               std::vector<std::shared_ptr<void>> keep) {
    auto plan = std::make_shared<RotatingPlan>();
    plan->ops = std::move(ops);
    plan->page_table = std::move(page_table);
    plan->token_ids = std::move(token_ids);
    plan->token_ids.resize(tokens);
    for (size_t i = 0; i < tokens; i++) plan->logit_tokens.push_back(static_cast<int32_t>(i));
    plan->keep = std::move(keep);
    plan->threads = threads;
    plan->segment = {0, static_cast<int32_t>(tokens), first_pos, plan->page_table.data()};
    plan->step = {.n_tokens = static_cast<int32_t>(tokens),
                  .n_segments = 1,
                  .n_logits = static_cast<int32_t>(tokens),
                  .tokens = plan->token_ids.data(),
                  .segments = &plan->segment,
                  .logit_tokens = plan->logit_tokens.data(),
                  .cancel = nullptr};
    plan->scratch_bytes = apus_plan_scratch_bytes(plan->ops.data(), plan->ops.size(), tokens);
    plan->scratch = make_pages(plan->scratch_bytes * static_cast<size_t>(threads));
    // About 0.1 ms on a fast machine: a team's start is 0.5 µs, which a whole model pays once, not once an op.
    const double wanted = std::ceil(2e7 / std::max(macs_each, 1.0));
    plan->batch = static_cast<size_t>(std::clamp(wanted, 1.0, static_cast<double>(plan->ops.size())));
    return {.run = [plan] { plan->run(); }, .kernels = static_cast<double>(plan->batch), .macs = macs_each};
}

} // namespace microbench
