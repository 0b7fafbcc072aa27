// The registry of ops: a line here, a record in apus_kernels.h and a file in ops/ each.
// Included several times with APUS_OP defined differently; no include guard.
#ifdef APUS_OP
APUS_OP(embed)
APUS_OP(rmsnorm)
APUS_OP(rope_table)
APUS_OP(matmul)
APUS_OP(rope_kv)
APUS_OP(attention)
APUS_OP(attention_merge)
APUS_OP(glu)
APUS_OP(softcap)
#endif
