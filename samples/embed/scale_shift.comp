// The app's own kernel: to[i] = factor * from[i] + shift, 64 elements a workgroup.
#version 460
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require

layout(local_size_x = 64) in;
layout(buffer_reference, std430, buffer_reference_align = 4) buffer Floats { float data[]; };
layout(push_constant, std430) uniform Push {
  uvec2 from, to;  // device addresses
  uint count;
  float factor, shift;
} push;

void main() {
  uint i = gl_GlobalInvocationID.x;
  if (i < push.count) Floats(push.to).data[i] = push.factor * Floats(push.from).data[i] + push.shift;
}
