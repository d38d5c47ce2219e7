// Merges two parts of an attention whose keys were divided; one invocation = four value elements of a row:
//   logsumexp = log(exp(left_logsumexp) + exp(right_logsumexp))
//   output = exp(left_logsumexp - logsumexp) left + exp(right_logsumexp - logsumexp) right
// A part whose logsumexp is -infinity is left out. Needs no device feature (WEFT_NATIVE16: 16-bit
// storage). Shared memory: 0 bytes. No barriers, no subgroup operations.
// Grid: x = ceil(q_len x groups / local size), groups fastest, y = heads, z = batch.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_EXT_control_flow_attributes : require
#ifdef WEFT_NATIVE16
#extension GL_EXT_shader_16bit_storage : require
#endif

#include "params.h"
#include "lib/mask.glsl"

layout(local_size_x_id = WEFT_MERGE_LOCAL_SIZE) in;
layout(constant_id = WEFT_MERGE_LOCAL_SIZE) const uint kLocalSize = 8;
layout(constant_id = WEFT_MERGE_LEFT_TYPE) const uint kLeftType = 0;
layout(constant_id = WEFT_MERGE_RIGHT_TYPE) const uint kRightType = 0;
layout(constant_id = WEFT_MERGE_RESULT_TYPE) const uint kResultType = 0;
layout(constant_id = WEFT_MERGE_LOGSUMEXP) const bool kLogsumexp = false;
layout(constant_id = WEFT_MERGE_ALIGNED) const bool kAligned = true;

WEFT_BUFFER(8) readonly buffer Arguments { MergeArgs a; };
layout(push_constant, std430) uniform Push { MergePush push; };

// A logsumexp in the log2 domain, kExcluded where it is -infinity
float read_logsumexp(uvec2 address, uvec2 stride_batch, uvec2 stride_head, uint row) {
  uvec2 slice = slice_address(address, stride_batch, gl_WorkGroupID.z, stride_head, gl_WorkGroupID.y);
  uint bits = Words(slice).v[row];
  return bits == kMinusInfinityBits ? kExcluded : uintBitsToFloat(bits) * kLog2E;
}

// Part of a row, or zeros where it has no weight: it may be NaN there.
vec4 read_part(uint type, uvec2 base, uint stride_row, uint row, uint group, float weight) {
  vec4 part = load_group(type, kAligned, base, row * stride_row, group, push.value_dim - 4u * group);
  return weight == 0.0 ? vec4(0.0) : part * weight;
}

void main() {
  MergeArgs args = Arguments(push.args).a;
  uint groups = (push.value_dim + 3u) / 4u;
  uint at = gl_GlobalInvocationID.x;
  uint row = min(at / groups, push.q_len - 1u), group = at % groups;
  uint head = gl_WorkGroupID.y, batch = gl_WorkGroupID.z;
  float left = read_logsumexp(push.left_logsumexp, args.left_logsumexp_stride_batch,
                              args.left_logsumexp_stride_head, row);
  float right = read_logsumexp(push.right_logsumexp, args.right_logsumexp_stride_batch,
                               args.right_logsumexp_stride_head, row);
  float top = max(left, right);
  bool empty = left == kExcluded && right == kExcluded;
  float left_weight = left == kExcluded ? 0.0 : exp2(left - top);
  float right_weight = right == kExcluded ? 0.0 : exp2(right - top);
  float weight_sum = empty ? 1.0 : left_weight + right_weight;

  uvec2 left_base = slice_address(push.left, args.left_stride_batch, batch, args.left_stride_head, head);
  uvec2 right_base = slice_address(push.right, args.right_stride_batch, batch, args.right_stride_head, head);
  vec4 merged = read_part(kLeftType, left_base, args.left_stride_row, row, group, left_weight / weight_sum) +
                read_part(kRightType, right_base, args.right_stride_row, row, group, right_weight / weight_sum);
  if (at >= push.q_len * groups) return;
  uvec2 result = slice_address(push.result, args.result_stride_batch, batch, args.result_stride_head, head);
  store_group(kResultType, kAligned, result, row * args.result_stride_row, group,
              push.value_dim - 4u * group, merged);
  if (kLogsumexp && group == 0u) {
    uvec2 slice = slice_address(push.logsumexp, args.logsumexp_stride_batch, batch,
                                args.logsumexp_stride_head, head);
    OutWords(slice).v[row] = empty ? kMinusInfinityBits : logsumexp_bits(top, weight_sum);
  }
}
