// Cooperative matrices of one subgroup: a [M, K] b [K, N], of a 16-bit type, with fp32 sums [M, N].
// The kernel declares kMatrixM, kMatrixN and kMatrixK first. The type is f16, or bf16 with WEFT_BF16; all that depends
// on it is here. Elements travel as bits, so that shared memory needs no 16-bit types.
#ifndef WEFT_MATRIX_GLSL
#define WEFT_MATRIX_GLSL

#extension GL_KHR_cooperative_matrix : require
#ifdef WEFT_BF16
#extension GL_EXT_bfloat16 : require
#else
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#endif

#include "lib/memory.glsl"

#ifdef WEFT_BF16
#define WEFT_MATRIX_ELEMENT bfloat16_t
const uint kElementType = WEFT_TYPE_BF16;
const uint kExponentBits = 0x7f807f80u;  // of both elements of a word
const uint kExponentUnit = 0x00800080u;
// Weights have the exponents of fp32: no scale is needed.
const float kWeightScale = 1.0;
#else
#define WEFT_MATRIX_ELEMENT float16_t
const uint kElementType = WEFT_TYPE_F16;
const uint kExponentBits = 0x7c007c00u;
const uint kExponentUnit = 0x04000400u;
// Softmax weights reach 1: this much larger, only those below 2^-28 are subnormal, and none overflows.
const float kWeightScale = 16384.0;
#endif

#define MatrixA coopmat<WEFT_MATRIX_ELEMENT, gl_ScopeSubgroup, kMatrixM, kMatrixK, gl_MatrixUseA>
#define MatrixB coopmat<WEFT_MATRIX_ELEMENT, gl_ScopeSubgroup, kMatrixK, kMatrixN, gl_MatrixUseB>
#define MatrixSum coopmat<float, gl_ScopeSubgroup, kMatrixM, kMatrixN, gl_MatrixUseAccumulator>

// Two numbers rounded to the matrices' type
uint pack_weights(float low, float high) {
#ifdef WEFT_BF16
  return float_to_bf16(low) | (float_to_bf16(high) << 16);
#else
  return packFloat2x16(f16vec2(low, high));
#endif
}

// All ones over each element that is an infinity or NaN: their exponents, one added, reach the sign.
uvec2 not_finite(uvec2 bits) {
  uvec2 signs = ((bits & kExponentBits) + kExponentUnit) & 0x80008000u;
  return (signs >> 15) * 0xffffu;
}

// The bits of four elements of the row of "dim" that begins at element "start"; those past its end
// are zero. Reads of elements that do not exist are moved to ones that do.
uvec2 load_packed(bool aligned, uvec2 base, uint start, uint group, uint dim) {
  uint last = (dim - 1u) / 4u, near = min(group, last);
  uvec2 bits;
  if (aligned) {
    bits = WordPairs(base).v[(start >> 2) + near];
  } else {
    uint part[4];
    [[unroll]] for (uint e = 0; e < 4u; ++e) {
      uint at = 4u * near + e;
      part[e] = uint(Shorts(base).v[start + min(at, dim - 1u)]);
      if (at >= dim) part[e] = 0u;
    }
    bits = uvec2(part[0] | (part[1] << 16), part[2] | (part[3] << 16));
  }
  return group <= last ? bits : uvec2(0u);
}

uvec4 load_eight(bool aligned, uvec2 base, uint start, uint part, uint dim) {
  return uvec4(load_packed(aligned, base, start, 2u * part, dim),
               load_packed(aligned, base, start, 2u * part + 1u, dim));
}

// What invocations of a subgroup wrote to shared memory is seen by all of it.
void subgroup_sync() {
  controlBarrier(gl_ScopeSubgroup, gl_ScopeSubgroup, gl_StorageSemanticsShared,
                 gl_SemanticsAcquireRelease);
}

#endif
