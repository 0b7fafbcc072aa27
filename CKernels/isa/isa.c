// Which instruction sets the machine has, and which one is in use.
#include "isa/isa.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

static const char *const names[APUS_ISA_COUNT] = {
    "portable", "avx2", "avx512", "avx512vnni", "neon", "neon-dotprod", "neon-i8mm",
};

const char *apus_isa_name(apus_isa isa) { return (unsigned)isa < APUS_ISA_COUNT ? names[isa] : "unknown"; }

#if defined(__x86_64__)
static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("lzcnt") &&
           __builtin_cpu_supports("popcnt");
}

static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}
#elif defined(__aarch64__)
// Bits of AT_HWCAP and AT_HWCAP2 (Linux, arch/arm64/include/uapi/asm/hwcap.h).
static bool has_dotprod(void) {
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & (1ul << 20)) != 0;
#else
    return true; // every Apple processor since the A11
#endif
}

static bool has_i8mm(void) {
#if defined(__linux__)
    return has_dotprod() && (getauxval(AT_HWCAP2) & (1ul << 13)) != 0;
#else
    return false; // the M1 lacks it; a sysctl would tell
#endif
}
#endif

bool apus_isa_available(apus_isa isa) {
    switch (isa) {
    case APUS_ISA_PORTABLE:
        return true;
#if defined(__x86_64__)
    case APUS_ISA_AVX2:
        return has_avx2();
    case APUS_ISA_AVX512:
        return has_avx512();
    case APUS_ISA_AVX512VNNI:
        return has_avx512() && __builtin_cpu_supports("avx512vnni");
#elif defined(__aarch64__)
    case APUS_ISA_NEON:
        return true;
    case APUS_ISA_NEON_DOTPROD:
        return has_dotprod();
    case APUS_ISA_NEON_I8MM:
        return has_i8mm();
#endif
    default:
        return false;
    }
}

static bool bf16_wanted = true;

bool apus_isa_has_bf16(void) {
#if defined(__x86_64__)
    return __atomic_load_n(&bf16_wanted, __ATOMIC_RELAXED) && __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}

bool apus_isa_use_bf16(bool use) {
    __atomic_store_n(&bf16_wanted, use, __ATOMIC_RELAXED);
    return apus_isa_has_bf16();
}

static int spreading = -1; // not chosen yet

// Measured on Zen 5 only, which has shuffles on a pipe of their own and two products a cycle. By their manuals Zen 4
// has one product a cycle, which leaves time for reads, and Intel's shuffles take the place of products. (Of AMD's,
// VP2INTERSECT tells Zen 5 and later from Zen 4.)
bool apus_isa_spreads(void) {
    const int chosen = __atomic_load_n(&spreading, __ATOMIC_RELAXED);
    if (chosen >= 0) return chosen != 0;
#if defined(__x86_64__)
    return __builtin_cpu_is("amd") && __builtin_cpu_supports("avx512vp2intersect");
#else
    return false;
#endif
}

bool apus_isa_use_spreading(bool use) {
    const bool before = apus_isa_spreads();
    __atomic_store_n(&spreading, use, __ATOMIC_RELAXED);
    return before;
}

static int sharing = -1; // not chosen yet

// Intel's processors read a word into all lanes once a cycle (measured on Ice Lake), and multiply twice.
bool apus_isa_shares(void) {
    const int chosen = __atomic_load_n(&sharing, __ATOMIC_RELAXED);
    if (chosen >= 0) return chosen != 0;
#if defined(__x86_64__)
    return __builtin_cpu_is("intel");
#else
    return false;
#endif
}

bool apus_isa_use_sharing(bool use) {
    const bool before = apus_isa_shares();
    __atomic_store_n(&sharing, use, __ATOMIC_RELAXED);
    return before;
}

static int active = -1; // not chosen yet

static apus_isa best(void) {
    apus_isa found = APUS_ISA_PORTABLE;
    for (int isa = 0; isa < APUS_ISA_COUNT; isa++)
        if (apus_isa_available((apus_isa)isa)) found = (apus_isa)isa;
    return found;
}

bool apus_isa_select(const char *name, char *error, size_t error_bytes) {
    const char *source = "instruction set";
    if (name == NULL) {
        name = getenv("APUS_ISA");
        source = "APUS_ISA";
    }
    if (name == NULL || *name == '\0') {
        __atomic_store_n(&active, (int)best(), __ATOMIC_RELEASE);
        return true;
    }
    for (int isa = 0; isa < APUS_ISA_COUNT; isa++) {
        if (strcmp(name, names[isa]) != 0 || !apus_isa_available((apus_isa)isa)) continue;
        __atomic_store_n(&active, isa, __ATOMIC_RELEASE);
        return true;
    }
    if (error != NULL && error_bytes > 0) {
        int length = snprintf(error, error_bytes, "%s '%.40s' is not one that this machine has:", source, name);
        for (int isa = 0; isa < APUS_ISA_COUNT; isa++)
            if (apus_isa_available((apus_isa)isa) && length >= 0 && (size_t)length < error_bytes)
                length += snprintf(error + length, error_bytes - (size_t)length, " %s", names[isa]);
    }
    return false;
}

apus_isa apus_isa_active(void) {
    const int isa = __atomic_load_n(&active, __ATOMIC_ACQUIRE);
    if (isa >= 0) return (apus_isa)isa;
    // A wrong APUS_ISA is reported by whoever calls apus_isa_select(NULL, …); here it must not stop anything.
    if (!apus_isa_select(NULL, NULL, 0)) __atomic_store_n(&active, (int)best(), __ATOMIC_RELEASE);
    return (apus_isa)__atomic_load_n(&active, __ATOMIC_ACQUIRE);
}
