// A probe of arithmetic.
#ifndef APUS_PROBES_COMPUTE_H
#define APUS_PROBES_COMPUTE_H

#include "apus_probes.h"

#include <string.h>

/// Does `rounds` rounds and returns how many multiply-adds that were.
typedef double (*apus_probe_fn)(size_t rounds);

/// The bf16 probe that goes with an instruction set, or NULL.
apus_probe_fn apus_probe_bf16(apus_isa isa);

#endif
