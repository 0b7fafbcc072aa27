// Runs a plan: every thread walks the list of ops, works through its share of each one's tiles, then through what
// others have left of theirs, and meets them at a barrier before the next one. While it waits there, it fetches the
// weights that it will read next: memory is what decoding waits for. An op of one tile, as most are between the
// products of a token, is run by the last one at the barrier before it.
//
// A share is one stretch of memory, read from its front, and robbed from its back: a stretch that begins elsewhere
// waits for memory anew. (Shares of half the size and claims of the rest, fewer tiles each time, from one counter for
// all: decode of SmolLM2 in Q8_0 on two Zen 5 cores that read 73 GB/s: 345 tokens a second, with shares 396; in Q4_0,
// where they read 47: 449 and 480.)
#include "core/op.h"
#include "core/parallel.h"
#include "isa/isa.h"

#include <string.h>

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

/// What is taken of a thread's share of an op, in one word: (op + 1) << 32 | units from its front << 16 | from its
/// back. Of another op: nothing yet.
typedef struct share {
    _Alignas(64) uint64_t taken;
} share;

typedef struct run {
    const apus_plan *plan;
    const apus_step *step;
    apus_isa isa;
    apus_barrier barrier;
    uint32_t next_op; ///< written at a barrier only, as `cancelled` is
    bool cancelled;
    share shares[APUS_MAX_THREADS];
} run;

typedef struct thread_state {
    run *run;
    void *scratch;
    apus_range ahead[2]; ///< what is left to fetch
} thread_state;

/// Run by the last thread at a barrier: nobody claims tiles at that moment.
static void between_ops(void *context) {
    const thread_state *state = context;
    run *r = state->run;
    for (r->next_op++; r->next_op < r->plan->n_ops; r->next_op++) {
        r->cancelled = r->step->cancel != NULL && apus_flag_load(r->step->cancel) != 0;
        const apus_op *op = &r->plan->ops[r->next_op];
        const uint32_t tiles = traits[op->kind]->tiles(op, r->step);
        if (r->cancelled || tiles > 1) return;
        if (tiles == 1) traits[op->kind]->run[r->isa](op, r->step, 0, 1, state->scratch);
    }
}

/// Fetches a little of what lies ahead into the second cache level; false if that was all.
static bool fetch_ahead(void *context) {
    thread_state *state = context;
    apus_range *range = state->ahead[0].bytes > 0 ? &state->ahead[0] : &state->ahead[1];
    if (range->bytes == 0) return false;
    const size_t some = range->bytes < 256 ? range->bytes : 256;
    for (size_t i = 0; i < some; i += 64) __builtin_prefetch(range->at + i, 0, 2);
    range->at += some;
    range->bytes -= some;
    return true;
}

/// A stretch of an op's tiles.
typedef struct stretch {
    uint32_t begin, end;
} stretch;

static uint32_t grain_of(const apus_op *op, const apus_step *step) {
    const apus_op_traits *t = traits[op->kind];
    return t->grain != NULL ? t->grain(op, step) : 1;
}

static stretch share_of(uint32_t tiles, uint32_t grain, int thread, int n_threads) {
    const uint64_t grains = (tiles + grain - 1) / grain, n = (uint64_t)n_threads, k = (uint64_t)thread;
    const uint32_t begin = (uint32_t)(grains * k / n) * grain, end = (uint32_t)(grains * (k + 1) / n) * grain;
    return (stretch){begin < tiles ? begin : tiles, end < tiles ? end : tiles};
}

/// Takes half of what is left of a share, one tile at least: from its front whole grains as far as there are any or, as
/// a thief, from its back. False when nothing is left.
static bool take(share *from, uint32_t op, stretch whole, uint32_t grain, bool is_thief, stretch *taken) {
    const uint64_t tag = (uint64_t)(op + 1) << 32;
    const uint32_t tiles = whole.end - whole.begin;
    const uint32_t unit = tiles / 0xffff + 1; // so that numbers of units have 16 bits
    const uint32_t units = (tiles + unit - 1) / unit;
    uint64_t word = __atomic_load_n(&from->taken, __ATOMIC_RELAXED);
    for (;;) {
        const bool is_fresh = word >> 32 != op + 1;
        const uint32_t front = is_fresh ? 0 : (uint32_t)word >> 16, back = is_fresh ? 0 : (uint32_t)word & 0xffff;
        const uint32_t left = units - front - back, half = (left + 1) / 2;
        if (left == 0) return false;
        const uint32_t grains = (half + grain - 1) / grain * grain;
        const uint32_t n = is_thief ? half : grains < left ? grains : left;
        const uint32_t first = is_thief ? units - back - n : front;
        const uint64_t after = tag | (uint64_t)(is_thief ? front : front + n) << 16 | (is_thief ? back + n : back);
        if (!__atomic_compare_exchange_n(&from->taken, &word, after, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            continue;
        const uint32_t begin = whole.begin + first * unit, end = begin + n * unit;
        *taken = (stretch){begin, end < whole.end ? end : whole.end};
        return true;
    }
}

/// The most others that a thread looks at for what they have left.
enum { MAX_VICTIMS = 8 };

/// How much of its next weights a thread fetches: what stays in a second cache level of 512 KB until it is read.
enum { AHEAD_BYTES = 256 << 10 };

/// Looks for the next op that reads weights, from op i on.
static void look_ahead(thread_state *state, uint32_t i, int thread, int n_threads) {
    const apus_plan *plan = state->run->plan;
    memset(state->ahead, 0, sizeof state->ahead);
    while (i < plan->n_ops && traits[plan->ops[i].kind]->weights == NULL) i++;
    if (i == plan->n_ops) return;
    const apus_op_traits *t = traits[plan->ops[i].kind];
    const apus_op *op = &plan->ops[i];
    const apus_step *step = state->run->step;
    const stretch own = share_of(t->tiles(op, step), grain_of(op, step), thread, n_threads);
    if (own.begin == own.end) return;
    t->weights(op, own.begin, own.end, state->ahead);
    for (size_t k = 0, left = AHEAD_BYTES; k < 2; left -= state->ahead[k++].bytes)
        if (state->ahead[k].bytes > left) state->ahead[k].bytes = left;
}

static void run_thread(int thread, int n_threads, void *context) {
    run *r = context;
    const apus_plan *plan = r->plan;
    thread_state state = {.run = r, .scratch = (uint8_t *)plan->scratch + (size_t)thread * plan->scratch_bytes};
    for (uint32_t i = 0; i < plan->n_ops && !r->cancelled; i = r->next_op) {
        const int64_t begin = apus_now();
        const apus_op *op = &plan->ops[i];
        const apus_op_traits *t = traits[op->kind];
        const uint32_t tiles = t->tiles(op, r->step), grain = grain_of(op, r->step);
        const int victims = n_threads - 1 < MAX_VICTIMS ? n_threads - 1 : MAX_VICTIMS;
        for (int k = 0; k <= victims; k++) {
            const int owner = (thread + k) % n_threads;
            const stretch whole = share_of(tiles, grain, owner, n_threads);
            stretch taken;
            while (take(&r->shares[owner], i, whole, grain, k > 0, &taken))
                t->run[r->isa](op, r->step, taken.begin, taken.end, state.scratch);
        }
        if (t->weights != NULL || i == 0) look_ahead(&state, i + 1, thread, n_threads);
        apus_barrier_wait(&r->barrier, n_threads, begin, between_ops, fetch_ahead, &state);
    }
}

bool apus_plan_run(const apus_plan *plan, const apus_step *step, int n_threads) {
    run r = {.plan = plan, .step = step, .isa = apus_isa_active()};
    apus_team_run(n_threads, run_thread, &r);
    return !r.cancelled;
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
