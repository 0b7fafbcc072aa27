// Runs a plan: every thread walks the list of ops, claims tiles of each by an atomic counter, and meets the others at a
// barrier before the next one.
#include "core/op.h"
#include "core/parallel.h"
#include "isa/isa.h"

#define APUS_OP(name) extern const apus_op_traits apus_##name##_traits;
#include "apus_ops.h"
#undef APUS_OP

static const apus_op_traits *const traits[APUS_OP_COUNT] = {
#define APUS_OP(name) [APUS_OP_##name] = &apus_##name##_traits,
#include "apus_ops.h"
#undef APUS_OP
};

size_t apus_plan_scratch_bytes(const apus_op *ops, size_t n_ops, size_t max_tokens) {
    size_t most = 64;
    for (size_t i = 0; i < n_ops; i++) {
        const apus_op_traits *op = traits[ops[i].kind];
        const size_t bytes = op->scratch_bytes != NULL ? op->scratch_bytes(&ops[i], max_tokens) : 0;
        if (bytes > most) most = bytes;
    }
    return (most + 63) / 64 * 64;
}

typedef struct run {
    const apus_plan *plan;
    const apus_step *step;
    apus_isa isa;
    apus_barrier barrier;
    _Alignas(64) uint32_t next_tile;
    int32_t cancelled;
} run;

/// Run by the last thread at a barrier: nobody claims tiles at that moment.
static void between_ops(void *context) {
    run *r = context;
    __atomic_store_n(&r->next_tile, 0, __ATOMIC_RELAXED);
    if (r->step->cancel != NULL && apus_flag_load(r->step->cancel) != 0)
        __atomic_store_n(&r->cancelled, 1, __ATOMIC_RELAXED);
}

static void run_thread(int thread, int n_threads, void *context) {
    run *r = context;
    const apus_plan *plan = r->plan;
    uint8_t *scratch = (uint8_t *)plan->scratch + (size_t)thread * plan->scratch_bytes;
    for (uint32_t i = 0; i < plan->n_ops; i++) {
        const apus_op *op = &plan->ops[i];
        const apus_op_traits *t = traits[op->kind];
        const uint32_t tiles = t->tiles(op, r->step);
        // Several tiles a claim keep the counter's cache line quiet; a quarter of a fair share evens out a slow thread.
        const uint32_t share = tiles / ((uint32_t)n_threads * 4), claim = share > 1 ? share : 1;
        for (;;) {
            const uint32_t begin = __atomic_fetch_add(&r->next_tile, claim, __ATOMIC_RELAXED);
            if (begin >= tiles) break;
            const uint32_t end = tiles - begin < claim ? tiles : begin + claim;
            t->run[r->isa](op, r->step, begin, end, scratch);
        }
        apus_barrier_wait(&r->barrier, n_threads, between_ops, r);
        if (__atomic_load_n(&r->cancelled, __ATOMIC_RELAXED) != 0) return;
    }
}

bool apus_plan_run(const apus_plan *plan, const apus_step *step, int n_threads) {
    run r = {.plan = plan, .step = step, .isa = apus_isa_active()};
    apus_team_run(n_threads, run_thread, &r);
    return r.cancelled == 0;
}

void apus_flag_store(int32_t *flag, int32_t value) { __atomic_store_n(flag, value, __ATOMIC_RELAXED); }
int32_t apus_flag_load(const int32_t *flag) { return __atomic_load_n(flag, __ATOMIC_RELAXED); }

uint64_t apus_hash_floats(uint64_t hash, const float *values, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        __builtin_memcpy(&bits, &values[i], sizeof bits);
        hash = (hash ^ bits) * 0x100000001b3ull;
    }
    return hash;
}
