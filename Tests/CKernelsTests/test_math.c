// The vector helpers behind the ops, of each instruction set: f16 conversions against integers, 2^x, exp, SiLU and GELU
// against libm in f64 within stated bounds, sums and maxima of lanes.
#ifndef APUS_BODY // first pass: the program; the second one is compiled for each instruction set
#include "isa/isa.h"
#include "test.h"

typedef struct functions {
    void (*from_f16)(const uint16_t *, float *); ///< 16 values each
    void (*to_f16)(const float *, uint16_t *);
    void (*exp2)(const float *, float *);
    void (*exp)(const float *, float *);
    void (*silu)(const float *, float *);
    void (*gelu)(const float *, float *);
    float (*sum)(const float *);
    void (*each)(float (*x)[16], int n, bool adds, float *); ///< of n vectors
} functions;

// As seen from CKernels/isa/foreach_isa.h, which includes it.
#define APUS_BODY "../../Tests/CKernelsTests/test_math.c"
#include "isa/foreach_isa.h"

static const functions *const variants[APUS_ISA_COUNT] = APUS_VARIANTS(&functions);
static const char *isa_name;

// ---------------------------------------------------------------------------------------------------------------
// f16

static void test_from_f16(const functions *f) {
    for (uint32_t base = 0; base < 65536; base += 16) {
        uint16_t half[16];
        float got[16];
        for (uint32_t i = 0; i < 16; i++) half[i] = (uint16_t)(base + i);
        f->from_f16(half, got);
        for (uint32_t i = 0; i < 16; i++)
            check(same_float(got[i], (float)half_value(half[i])), "%s: f16 %04x becomes %a", isa_name, half[i],
                  (double)got[i]);
    }
}

static void check_to_f16(const functions *f, const float x[16]) {
    uint16_t got[16];
    f->to_f16(x, got);
    for (int i = 0; i < 16; i++) {
        const uint16_t wanted = half_of(x[i]);
        const bool nan = x[i] != x[i], ok = nan ? (got[i] & 0x7fff) > 0x7c00 : got[i] == wanted;
        check(ok, "%s: %a becomes f16 %04x, wanted %04x", isa_name, (double)x[i], got[i], wanted);
    }
}

/// Every finite f16, every tie between two, and the floats next to both, with both signs; then random bits.
static void test_to_f16(const functions *f) {
    for (uint32_t h = 0; h < 0x7c00; h++) {
        const double here = half_value((uint16_t)h), next = h == 0x7bff ? 65536.0 : half_value((uint16_t)(h + 1));
        const float points[2] = {(float)here, (float)((here + next) / 2)};
        float x[16];
        for (uint32_t i = 0; i < 16; i++) {
            const uint32_t bits = bits_of(points[i / 8]), step = i % 4; // 0, +1, -1, +2 units
            const uint32_t moved = step == 1               ? bits + 1
                                   : step == 2 && bits > 0 ? bits - 1
                                   : step == 3             ? bits + 2
                                                           : bits;
            x[i] = float_of(moved | (i / 4 % 2) << 31);
        }
        check_to_f16(f, x);
    }
    static const uint32_t special[16] = {0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001, 0xffffffff,
                                         0x7f7fffff, 0xff7fffff, 0x00000001, 0x807fffff, 0x00800000, 0x477ff000,
                                         0x477fefff, 0x33000000, 0x33000001, 0x32ffffff};
    float x[16];
    for (int i = 0; i < 16; i++) x[i] = float_of(special[i]);
    check_to_f16(f, x);
    for (int n = 0; n < (test_small() ? 2000 : 20000); n++) {
        for (int i = 0; i < 16; i++) x[i] = float_of((uint32_t)random_bits());
        check_to_f16(f, x);
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Functions of one variable. Bounds: u = 2^-24.

/// 2^x: relative 2e-7, exactly 0 below -126 and infinity from 127.5 on.
static double exp2_bound(double x, double *wanted) {
    *wanted = x < -126 ? 0 : x >= 127.5 ? INFINITY : exp2(x);
    return x < -126 || x >= 127.5 ? 0 : 2e-7 * *wanted;
}

/// e^x by 2^(x log2 e): the product and the constant are off by 2 u |x| of x, on top of 2^x.
static double exp_error(double x) { return 2.1 * U * fabs(x) + 2e-7; }

static double exp_bound(double x, double *wanted) {
    *wanted = exp(x);
    // The borders of 0 and infinity are those of the rounded product.
    if (x / log(2.0) < -125.9999) return *wanted + 0x1p-125;
    if (x / log(2.0) > 127.4999) return INFINITY;
    return exp_error(x) * *wanted;
}

/// x / (1 + e^-x): the error of e^-x, the sum's and the quotient's roundings. Where e^-x overflows the result is 0.
static double silu_bound(double x, double *wanted) {
    *wanted = x / (1 + exp(-x));
    return fabs(*wanted) * (exp_error(x) + 2.1 * U) + 89 * 0x1p-127;
}

/// x - x / (e^y + 1), y = 2 sqrt(2/pi) (x + 0.044715 x^3), itself off by up to 8 u |y|. The error is absolute: where
/// the result is small the difference cancels.
static double gelu_bound(double x, double *wanted) {
    const double y = 2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x), part = x / (exp(y) + 1);
    *wanted = x * (1 / (1 + exp(-y)));
    return fabs(part) * ((exp_error(y) + 8.1 * U * fabs(y)) * (1 / (1 + exp(-y))) + 2.1 * U) + 1.1 * U * fabs(*wanted) +
           fabs(x) * 0x1p-125 + 0x1p-149;
}

typedef struct function {
    const char *name;
    size_t offset;                             ///< in `functions`
    double (*bound)(double x, double *wanted); ///< of a finite x
    float at_minus_infinity, at_infinity;
} function;

// At -infinity SiLU and GELU are infinity / infinity and infinity - infinity by their formulas; so is GELU at infinity.
static const function all_functions[] = {
    {"exp2", offsetof(functions, exp2), exp2_bound, 0, INFINITY},
    {"exp", offsetof(functions, exp), exp_bound, 0, INFINITY},
    {"silu", offsetof(functions, silu), silu_bound, NAN, INFINITY},
    {"gelu", offsetof(functions, gelu), gelu_bound, NAN, NAN},
};

static void check_function(const functions *f, const function *function, const float x[16]) {
    void (*apply)(const float *, float *);
    memcpy(&apply, (const char *)f + function->offset, sizeof apply);
    void (*portable)(const float *, float *);
    memcpy(&portable, (const char *)variants[APUS_ISA_PORTABLE] + function->offset, sizeof portable);
    float got[16], same[16];
    apply(x, got);
    portable(x, same);
    bool ok = true, equal = true;
    int worst = 0;
    for (int i = 0; i < 16; i++) {
        bool right;
        if (x[i] != x[i]) {
            right = got[i] != got[i];
        } else if (isinf(x[i])) {
            right = same_float(got[i], x[i] > 0 ? function->at_infinity : function->at_minus_infinity);
        } else {
            double wanted;
            const double bound = function->bound((double)x[i], &wanted);
            right = (double)got[i] == wanted || (!isnan(got[i]) && fabs((double)got[i] - wanted) <= bound) ||
                    (isinf(wanted) && isinf(got[i])) || fabs(wanted) > 3.4028e38 || bound == (double)INFINITY;
        }
        if (!right && ok) worst = i;
        ok = ok && right;
        equal = equal && same_float(got[i], same[i]);
    }
    check(ok, "%s: %s(%a) is %a", isa_name, function->name, (double)x[worst], (double)got[worst]);
    check(equal, "%s: %s near %a differs from portable", isa_name, function->name, (double)x[0]);
}

static void test_functions(const functions *f) {
    const int steps = test_small() ? 20000 : 300000;
    static const uint32_t special[16] = {0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x00000000, 0x80000000,
                                         0x00000001, 0x80000001, 0x007fffff, 0x807fffff, 0x7f7fffff, 0xff7fffff,
                                         0xc2fc0000, 0xc2fc0001, 0x42ff0000, 0x42feffff};
    for (size_t n = 0; n < sizeof all_functions / sizeof *all_functions; n++) {
        float x[16];
        for (int i = 0; i < 16; i++) x[i] = float_of(special[i]);
        check_function(f, &all_functions[n], x);
        for (int step = 0; step < steps; step += 16) { // evenly over [-131, 131]
            for (int i = 0; i < 16; i++) x[i] = (float)(-131 + 262.0 * (step + i) / steps);
            check_function(f, &all_functions[n], x);
        }
        for (int step = 0; step < steps / 4; step += 16) { // all magnitudes
            for (int i = 0; i < 16; i++) x[i] = float_of((uint32_t)random_bits());
            check_function(f, &all_functions[n], x);
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Lanes

static void test_lanes(const functions *f) {
    for (int round = 0; round < 2000; round++) {
        const int n = 1 + round % 8;
        float x[8][16], sums[16], largest[16];
        for (int k = 0; k < n; k++)
            for (int i = 0; i < 16; i++) x[k][i] = random_normal() * exp2f((float)random_below(20));
        f->each(x, n, true, sums);
        f->each(x, n, false, largest);
        for (int k = 0; k < n; k++) {
            float half[16], most = -INFINITY;
            for (int i = 0; i < 16; i++) most = fmaxf(most, half[i] = x[k][i]);
            for (int width = 8; width > 0; width /= 2)
                for (int i = 0; i < width; i++) half[i] += half[i + width];
            check(same_float(f->sum(x[k]), half[0]), "%s: lanes add up to %a, in halves to %a", isa_name,
                  (double)f->sum(x[k]), (double)half[0]);
            check(same_float(sums[k], half[0]), "%s: lanes of %d of %d add up to %a, in halves to %a", isa_name, k, n,
                  (double)sums[k], (double)half[0]);
            check(largest[k] == most, "%s: the largest lane of %d of %d is %a, not %a", isa_name, k, n, (double)most,
                  (double)largest[k]);
        }
    }
}

int main(void) {
    // The test's own conversion against the compiler's definition of f16 values: every value maps to itself.
    for (uint32_t h = 0; h < 65536; h++)
        if ((h & 0x7fff) <= 0x7c00) check(half_of((float)half_value((uint16_t)h)) == h, "half_of(%04x)", h);
    for (int isa = 0; isa < APUS_ISA_COUNT; isa++) {
        if (!apus_isa_available((apus_isa)isa)) continue;
        isa_name = apus_isa_name((apus_isa)isa);
        random_state = 7;
        test_from_f16(variants[isa]);
        test_to_f16(variants[isa]);
        test_functions(variants[isa]);
        test_lanes(variants[isa]);
    }
    return test_finish();
}
#else
static void V(call_from_f16)(const uint16_t *half, float *to) { V(store)(to, V(load_f16)(half)); }

static void V(call_to_f16)(const float *x, uint16_t *to) {
    const u16x16 half = V(to_f16)(V(load)(x));
    memcpy(to, &half, sizeof half);
}

static void V(call_exp2)(const float *x, float *to) { V(store)(to, V(exp2)(V(load)(x))); }
static void V(call_exp)(const float *x, float *to) { V(store)(to, V(exp)(V(load)(x))); }
static void V(call_silu)(const float *x, float *to) { V(store)(to, V(silu)(V(load)(x))); }
static void V(call_gelu)(const float *x, float *to) { V(store)(to, V(gelu_tanh)(V(load)(x))); }
static float V(call_sum)(const float *x) { return V(reduce_add)(V(load)(x)); }
static void V(call_each)(float (*x)[16], int n, bool adds, float *to) {
    f32x16 vectors[8];
    for (int k = 0; k < n; k++) vectors[k] = V(load)(x[k]);
    V(store)(to, V(reduce_each)(vectors, n, adds));
}

static const functions V(functions) = {V(call_from_f16), V(call_to_f16), V(call_exp2), V(call_exp),
                                       V(call_silu),     V(call_gelu),   V(call_sum),  V(call_each)};
#endif
