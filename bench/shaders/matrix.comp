// Products of cooperative matrices: 4 accumulators in every subgroup, 4 steps a round, memory at
// the ends alone.
#version 460
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require

layout(local_size_x_id = 0) in;  // one subgroup
layout(constant_id = 1) const uint kM = 16;
layout(constant_id = 2) const uint kN = 16;
layout(constant_id = 3) const uint kK = 16;
layout(buffer_reference, std430, buffer_reference_align = 16) buffer Floats { float data[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) buffer Halves { float16_t data[]; };
layout(push_constant, std430) uniform Push {
  uvec2 from, to;  // device addresses
  uint rounds;
  float factor, shift;
} push;

void main() {
  // From memory: a compiler that knew the numbers would find rows that are the same.
  coopmat<float16_t, gl_ScopeSubgroup, kM, kK, gl_MatrixUseA> a;
  coopmat<float16_t, gl_ScopeSubgroup, kK, kN, gl_MatrixUseB> b;
  coopMatLoad(a, Halves(push.from).data, 0, kK, gl_CooperativeMatrixLayoutRowMajor);
  coopMatLoad(b, Halves(push.from).data, 0, kN, gl_CooperativeMatrixLayoutRowMajor);
  coopmat<float, gl_ScopeSubgroup, kM, kN, gl_MatrixUseAccumulator> c0 =
      coopmat<float, gl_ScopeSubgroup, kM, kN, gl_MatrixUseAccumulator>(push.shift);
  coopmat<float, gl_ScopeSubgroup, kM, kN, gl_MatrixUseAccumulator> c1 = c0 + c0, c2 = c1 + c0,
                                                                    c3 = c2 + c0;
  uint round = 0;
  do {
    for (uint i = 0; i < 4; ++i) {
      c0 = coopMatMulAdd(a, b, c0);
      c1 = coopMatMulAdd(a, b, c1);
      c2 = coopMatMulAdd(a, b, c2);
      c3 = coopMatMulAdd(a, b, c3);
    }
  } while (++round < push.rounds);
  const uint at = gl_WorkGroupID.x * kM * kN;
  coopMatStore(c0 + c1 + c2 + c3, Floats(push.to).data, at, kN, gl_CooperativeMatrixLayoutRowMajor);
}
