// The codebook of IQ4_NL and IQ4_XS: 16 levels that are closer to each other around zero, where weights are dense.
#ifndef APUS_IQ4_H
#define APUS_IQ4_H

#include <stdint.h>

static const int8_t apus_iq4_book[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

#endif
