// Bits of half-precision types to fp32 and back. To 16 bits: round to nearest even, NaN stays NaN.
#ifndef WEFT_CONVERT_GLSL
#define WEFT_CONVERT_GLSL

float bits16_to_float(uint type, uint bits) {
  if (type == WEFT_TYPE_BF16) return uintBitsToFloat(bits << 16);
  return unpackHalf2x16(bits).x;
}

vec4 bits16_to_float(uint type, uvec2 pairs) {
  if (type == WEFT_TYPE_BF16) {
    return uintBitsToFloat(
        uvec4(pairs.x << 16, pairs.x & 0xffff0000u, pairs.y << 16, pairs.y & 0xffff0000u));
  }
  return vec4(unpackHalf2x16(pairs.x), unpackHalf2x16(pairs.y));
}

uint float_to_bf16(float value) {
  uint bits = floatBitsToUint(value);
  uint rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return (bits & 0x7fffffffu) > 0x7f800000u ? (bits >> 16) | 0x40u : rounded;
}

// packHalf2x16 may round as the driver likes, so the rounding is done here in integers.
uint float_to_f16(float value) {
  uint bits = floatBitsToUint(value);
  uint size = bits & 0x7fffffffu;
  uint normal = (size + 0xfffu + ((size >> 13) & 1u) - 0x38000000u) >> 13;
  // Below 2^-14 the result counts steps of 2^-24: the significand shifted right, ties to even.
  uint shift = min(126u - min(size >> 23, 126u), 25u);
  uint significand = (size & 0x7fffffu) | 0x800000u;
  uint to_even = (1u << shift >> 1) - 1u + (significand >> shift & 1u);
  uint subnormal = (significand + to_even) >> shift;
  uint result = size < 0x38800000u ? subnormal : normal;
  if (size >= 0x477ff000u) result = 0x7c00u;
  if (size > 0x7f800000u) result = 0x7e00u;
  return ((bits >> 16) & 0x8000u) | result;
}

uint float_to_bits16(uint type, float value) {
  if (type == WEFT_TYPE_BF16) return float_to_bf16(value);
  return float_to_f16(value);
}

#endif
