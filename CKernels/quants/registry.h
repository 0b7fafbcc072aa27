// The registry of weight types: a line here and a file in quants/ each. APUS_QUANT_ENTRY is defined by whoever includes
// this.
APUS_QUANT_ENTRY(f32)
APUS_QUANT_ENTRY(f16)
APUS_QUANT_ENTRY(bf16)
APUS_QUANT_ENTRY(q8_0)
APUS_QUANT_ENTRY(q4_0)
APUS_QUANT_ENTRY(q4_1)
APUS_QUANT_ENTRY(q5_0)
APUS_QUANT_ENTRY(q5_1)
APUS_QUANT_ENTRY(q4_k)
APUS_QUANT_ENTRY(q5_k)
APUS_QUANT_ENTRY(q6_k)
