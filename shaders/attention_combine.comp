// The parts of a split attention put together, in the order of the parts:
//   top = max over parts of top[part]
//   output = sum over parts of exp2(top[part] - top) sums[part] / sum over parts of exp2(top[part] - top) weights[part]
// kFinished: a part has its output and logsumexp instead, which are its sums and maximum with weights of 1 together.
// One invocation = four value elements of a row. Parts without keys have no weight. Needs no device feature
// (WEFT_NATIVE16: 16-bit storage). Shared memory: 0 bytes. No barriers, no subgroup operations.
// Grid: x = ceil(rows of a fold x groups of value elements / local size), groups fastest; y, z as the split's.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_EXT_control_flow_attributes : require
#ifdef WEFT_NATIVE16
#extension GL_EXT_shader_16bit_storage : require
#endif

#include "params.h"

layout(local_size_x_id = WEFT_ATTENTION_LOCAL_SIZE) in;
layout(constant_id = WEFT_ATTENTION_LOCAL_SIZE) const uint kLocalSize = 8;
layout(constant_id = WEFT_ATTENTION_VALUE_DIM) const uint kValueDim = 64;
layout(constant_id = WEFT_ATTENTION_OUTPUT_TYPE) const uint kOutputType = 0;
layout(constant_id = WEFT_ATTENTION_FEATURES) const uint kFeatures = 0;
layout(constant_id = WEFT_ATTENTION_ALIGNED) const bool kAligned = true;
layout(constant_id = WEFT_ATTENTION_FINISHED) const bool kFinished = false;
const uint kMaskKind = WEFT_MASK_NONE, kMaskType = WEFT_MASK_U8, kBiasType = WEFT_TYPE_F32;
const bool kHasBias = false;

#include "lib/split.glsl"

const uint kValueGroups = (kValueDim + 3u) / 4u;

// A row's maximum in the log2 domain and the sum of its weights, in a part
vec2 read_state(Fold fold, uint part, uint f) {
  if (!kFinished) {
    Floats states = Floats(part_states(fold, part));
    return vec2(states.v[2u * f], states.v[2u * f + 1u]);
  }
  uint bits = Words(words_from(split.states, part * split.rows + fold.place)).v[f];
  return bits == kMinusInfinityBits ? vec2(kExcluded, 0.0) : vec2(uintBitsToFloat(bits) * kLog2E, 1.0);
}

void main() {
  args = Arguments(push.args).a;
  Item item = read_item(gl_WorkGroupID.z);
  Fold fold = find_fold(item, 0u);
  uint at = gl_GlobalInvocationID.x, f = min(at / kValueGroups, split.fold_rows - 1u), group = at % kValueGroups;
  FoldedRow row = folded_row(fold, f);

  float top = kExcluded;
  uint part = 0;
  do {
    top = max(top, read_state(fold, part, f).x);
  } while (++part < split.parts);
  float weight_sum = 0.0;
  vec4 sum = vec4(0.0);
  part = 0;
  do {
    vec2 state = read_state(fold, part, f);
    float weight = exp2(state.x - top);
    weight_sum = fma(state.y, weight, weight_sum);
    sum = fma(load_group(WEFT_TYPE_F32, kAligned, part_sums(fold, part), f * kValueDim, group,
                         kValueDim - 4u * group),
              vec4(weight), sum);
  } while (++part < split.parts);

  if (!row.there || at >= split.fold_rows * kValueGroups) return;
  store_output(fold, row, group, sum * inverse_of(weight_sum));
  if (has(WEFT_FEATURE_LOGSUMEXP) && group == 0u) store_logsumexp(fold, row, top, weight_sum);
}
