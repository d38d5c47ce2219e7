// What a mask says of one key: a number to add to the scaled score in the log2 domain, or that it
// takes no part. Only finite numbers are computed with, so devices that drop infinities agree.
#ifndef WEFT_MASK_GLSL
#define WEFT_MASK_GLSL

#include "lib/memory.glsl"

const float kLog2E = 1.44269504088896341;
const float kLn2 = 0.693147180559945309;
const uint kMinusInfinityBits = 0xff800000u;
const float kExcluded = -3.0e38;    // below every score: where a row maximum starts; a masked key
const float kLowestBias = -2.0e38;  // a finite bias stays above kExcluded

// 0 or a bias for a key that takes part, kExcluded for one that does not
float load_mask(uint kind, uint type, uvec2 base, uint index) {
  if (kind == WEFT_MASK_BOOLEAN) return load_byte(base, index) != 0u ? 0.0 : kExcluded;
  float bias = load_element(type, base, index);
  return floatBitsToUint(bias) == kMinusInfinityBits ? kExcluded : max(bias * kLog2E, kLowestBias);
}

#endif
