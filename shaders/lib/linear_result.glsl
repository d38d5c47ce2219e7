// Four sums of a linear kernel on their way out: bias, activation, and what of them exists.
// The kernel declares kResultType, kBiasType, kHasBias, kActivation and push.
#ifndef WEFT_LINEAR_RESULT_GLSL
#define WEFT_LINEAR_RESULT_GLSL

#include "lib/activation.glsl"
#include "lib/memory.glsl"

// Whether groups of four columns lie on addresses that one write can take.
bool result_groups_fit() {
  uint group_bytes = 4u << type_shift(kResultType);
  return push.result.x % group_bytes == 0u && push.result_stride_row % 4u == 0u;
}

float result_of(float sum, uint column) {
  uint at = min(column, push.out_features - 1u);
  return activate(kActivation, sum + (kHasBias ? load_element(kBiasType, push.bias, at) : 0.0));
}

// The sums of columns column to column + 3, a multiple of 4.
void write_group(vec4 sums, uint row, uint column, bool groups_fit) {
  vec4 values = vec4(result_of(sums.x, column), result_of(sums.y, column + 1u),
                     result_of(sums.z, column + 2u), result_of(sums.w, column + 3u));
  if (row >= push.rows || column >= push.out_features) return;
  uint start = row * push.result_stride_row, valid = push.out_features - column;
  if (groups_fit && valid >= 4u) {
    store_group(kResultType, true, push.result, start, column / 4u, 4u, values);
    return;
  }
  store_group(kResultType, false, push.result, start, column / 4u, valid, values);
}

#endif
