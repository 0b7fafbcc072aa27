// Includes APUS_BODY once for each instruction set, inside its target region: the registry of variants.
// No include guard: every kernel file includes this once.

#define APUS_VARIANT portable
#include "isa/portable.inl.h"
#include "isa/vector.inl.h"
#include APUS_BODY
#undef APUS_VARIANT

#if defined(__x86_64__)

APUS_TARGET("avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt")
#define APUS_VARIANT avx2
#include "isa/avx2.inl.h"
#include "isa/vector.inl.h"
#include APUS_BODY
#undef APUS_VARIANT
#undef APUS_UNPACKED
APUS_TARGET_END

APUS_TARGET("avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl")
#define APUS_VARIANT avx512
#include "isa/avx512.inl.h"
#include "isa/vector.inl.h"
#include APUS_BODY
#undef APUS_VARIANT
APUS_TARGET_END

APUS_TARGET("avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vnni")
#define APUS_VARIANT avx512vnni
#include "isa/avx512vnni.inl.h"
#include "isa/vector.inl.h"
#include APUS_BODY
#undef APUS_VARIANT
#undef APUS_BY_STEPS
APUS_TARGET_END

#elif defined(__aarch64__)

#define APUS_VARIANT neon
#include "isa/neon.inl.h"
#include "isa/vector.inl.h"
#include APUS_BODY
#undef APUS_VARIANT

APUS_TARGET("dotprod")
#define APUS_VARIANT neon_dotprod
#include "isa/neon_dotprod.inl.h"
#include "isa/vector.inl.h"
#include APUS_BODY
#undef APUS_VARIANT
#undef APUS_UNPACKED
APUS_TARGET_END

APUS_TARGET("dotprod,i8mm")
#define APUS_VARIANT neon_i8mm
#include "isa/neon_i8mm.inl.h"
#include "isa/vector.inl.h"
#include APUS_BODY
#undef APUS_VARIANT
#undef APUS_UNPACKED
APUS_TARGET_END

#endif
