// Fused multiply-adds without memory: 12 chains of VECTOR in every invocation, 32 steps a round.
#version 460
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : enable

layout(local_size_x = 256) in;
layout(buffer_reference, std430, buffer_reference_align = 4) buffer Floats { float data[]; };
layout(push_constant, std430) uniform Push {
  uvec2 from, to;  // device addresses
  uint rounds;
  float factor, shift;  // so that the numbers stay finite: below 1, and small
} push;

#define STEP                                                                      \
  x0 = fma(x0, a, b); x1 = fma(x1, a, b); x2 = fma(x2, a, b); x3 = fma(x3, a, b);     \
  x4 = fma(x4, a, b); x5 = fma(x5, a, b); x6 = fma(x6, a, b); x7 = fma(x7, a, b);     \
  x8 = fma(x8, a, b); x9 = fma(x9, a, b); x10 = fma(x10, a, b); x11 = fma(x11, a, b);

#define STEP8 STEP STEP STEP STEP STEP STEP STEP STEP

void main() {
  const VECTOR a = VECTOR(push.factor), b = VECTOR(push.shift);
  VECTOR x0 = VECTOR(float(gl_LocalInvocationIndex)) * b;
  VECTOR x1 = x0 + b, x2 = x1 + b, x3 = x2 + b, x4 = x3 + b, x5 = x4 + b, x6 = x5 + b;
  VECTOR x7 = x6 + b, x8 = x7 + b, x9 = x8 + b, x10 = x9 + b, x11 = x10 + b;
  uint round = 0;
  do {
    STEP8 STEP8 STEP8 STEP8  // enough that the loop itself costs nothing
  } while (++round < push.rounds);
  const VECTOR sum = x0 + x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x9 + x10 + x11;
  Floats(push.to).data[gl_GlobalInvocationID.x] = float(SUM(sum));
}
