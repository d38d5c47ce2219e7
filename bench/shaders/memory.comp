// Memory as fast as it goes, a WORD (uint or uvec4) an access, `rounds` places a whole grid apart
// in every invocation. COPY: to[i] = from[i]. Else each adds up what it reads, and writes one WORD.
#version 460
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require

layout(local_size_x = 256) in;
layout(buffer_reference, std430, buffer_reference_align = 16) buffer Words { WORD data[]; };
layout(push_constant, std430) uniform Push {
  uvec2 from, to;  // device addresses
  uint rounds;
  float factor, shift;
} push;

void main() {
  const uint i = gl_GlobalInvocationID.x;
  const uint stride = gl_NumWorkGroups.x * 256;
  uint step = 0;
#ifdef COPY
  do {
    Words(push.to).data[i + step * stride] = Words(push.from).data[i + step * stride];
  } while (++step < push.rounds);
#else
  WORD sum = WORD(0);
  do {
    sum += Words(push.from).data[i + step * stride];
  } while (++step < push.rounds);
  Words(push.to).data[i] = sum;
#endif
}
