// The rows of each op: a function here and a file in ops/. An op of the registry that has none is reported.
#ifndef APUS_MICROBENCH_OPS_H
#define APUS_MICROBENCH_OPS_H

#include "data.h"
#include "grid.h"

namespace microbench {

void add_embed(Grid &grid);
void add_rmsnorm(Grid &grid);
void add_rope_table(Grid &grid);
void add_matmul(Grid &grid);
void add_rope_kv(Grid &grid);
void add_attention(Grid &grid);
void add_attention_merge(Grid &grid);
void add_glu(Grid &grid);
void add_softcap(Grid &grid);

} // namespace microbench
#endif
