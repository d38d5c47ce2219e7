// What masks and biases say of one key. Biases are finite from here on, so devices that drop infinities
// agree.
#ifndef WEFT_MASK_GLSL
#define WEFT_MASK_GLSL

#include "lib/memory.glsl"

const float kLog2E = 1.44269504088896341;
const float kLn2 = 0.693147180559945309;
const uint kInfinityBits = 0x7f800000u, kMinusInfinityBits = 0xff800000u, kNanBits = 0x7fc00000u;
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

// 1 / the sum of a row's weights, which is 0 or at least 1, or NaN; 0 where the row has no key
float inverse_of(float weight_sum) { return weight_sum == 0.0 ? 0.0 : 1.0 / weight_sum; }

// The bits of a row's logsumexp, from its maximum in the log2 domain and the sum of its weights; -infinity of no key.
// A sum is finite but where a score is NaN or infinity; some drivers' exp2 and log2 make numbers of NaN.
uint logsumexp_bits(float top, float weight_sum) {
  if ((floatBitsToUint(weight_sum) & 0x7fffffffu) >= kInfinityBits) return kNanBits;
  return weight_sum == 0.0 ? kMinusInfinityBits : floatBitsToUint((top + log2(weight_sum)) * kLn2);
}

#endif
