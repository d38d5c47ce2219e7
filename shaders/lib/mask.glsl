// What masks and biases say of one key. Biases are finite from here on, so devices that drop infinities
// agree.
#ifndef WEFT_MASK_GLSL
#define WEFT_MASK_GLSL

#include "lib/memory.glsl"

const float kLog2E = 1.44269504088896341;
const float kLn2 = 0.693147180559945309;
const uint kMinusInfinityBits = 0xff800000u;
const float kExcluded = -3.0e38;    // below every score: where a row maximum starts; a masked key
const float kLargestBias = 2.0e38;  // of either sign: a finite bias stays apart from kExcluded

bool load_mask(uint type, uvec2 base, uint index) {
  return (type == WEFT_MASK_U8 ? load_byte(base, index) : Words(base).v[index]) != 0u;
}

// A bias in the log2 domain, kExcluded where it is -infinity
float load_bias(uint type, uvec2 base, uint index) {
  float bias = load_element(type, base, index);
  float scaled = bias * kLog2E;  // by comparisons, not clamp: NaN stays NaN
  scaled = scaled > kLargestBias ? kLargestBias : scaled < -kLargestBias ? -kLargestBias : scaled;
  return floatBitsToUint(bias) == kMinusInfinityBits ? kExcluded : scaled;
}

#endif
