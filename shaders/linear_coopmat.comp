// Linear by cooperative matrices of one subgroup. What it computes: linear.comp.
// The workgroup stages kStep features of its rows of data and weight in shared memory while it
// multiplies the step before; rows and features that do not exist are zeros. Each subgroup owns
// kRows x kColumns matrices of sums, and adds bias and activation on their way out, through shared
// memory of its own. Data and weight of the matrices' type; bias and result of any.
// Needs 16-bit storage and arithmetic, cooperative matrices, full subgroups of a known size.
// Shared memory: decide/shared_memory.cpp. Barriers in uniform flow only.
// Grid: x = ceil(rows / kBlockRows), y = ceil(out_features / kBlockColumns).
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_16bit_storage : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#define WEFT_NATIVE16
// Matrices are registers where loops over them are unrolled. WEFT_ROLLED: for a CPU driver, as in
// attention_coopmat.comp.
#ifdef WEFT_ROLLED
#define WEFT_EACH_TILE dont_unroll
#else
#define WEFT_EACH_TILE unroll
#endif

#include "params.h"

layout(local_size_x_id = WEFT_LINEAR_LOCAL_SIZE) in;
layout(constant_id = WEFT_LINEAR_LOCAL_SIZE) const uint kLocalSize = 128;
layout(constant_id = WEFT_LINEAR_ROWS) const uint kRows = 2;
layout(constant_id = WEFT_LINEAR_COLUMNS) const uint kColumns = 2;
layout(constant_id = WEFT_LINEAR_RESULT_TYPE) const uint kResultType = 0;
layout(constant_id = WEFT_LINEAR_BIAS_TYPE) const uint kBiasType = 0;
layout(constant_id = WEFT_LINEAR_HAS_BIAS) const bool kHasBias = false;
layout(constant_id = WEFT_LINEAR_ACTIVATION) const uint kActivation = 0;
layout(constant_id = WEFT_LINEAR_ALIGNED) const bool kAligned = true;
layout(constant_id = WEFT_LINEAR_BLOCK_ROWS) const uint kBlockRows = 64;
layout(constant_id = WEFT_LINEAR_BLOCK_COLUMNS) const uint kBlockColumns = 64;
layout(constant_id = WEFT_LINEAR_SUBGROUP_SIZE) const uint kSubgroupSize = 32;
layout(constant_id = WEFT_LINEAR_SUBGROUPS) const uint kSubgroups = 4;
layout(constant_id = WEFT_LINEAR_MATRIX_M) const uint kMatrixM = 16;
layout(constant_id = WEFT_LINEAR_MATRIX_N) const uint kMatrixN = 16;
layout(constant_id = WEFT_LINEAR_MATRIX_K) const uint kMatrixK = 16;

layout(push_constant, std430) uniform Push { LinearPush push; };

#include "lib/linear_result.glsl"
#include "lib/matrix.glsl"

const uint kStep = 32u;  // features
const uint kParts = kStep / 8u;
const uint kStride = kParts + 1u;  // uvec4, eight elements; odd: rows lie in different banks
const uint kTileRows = kBlockRows + kBlockColumns;  // of data, then of weight
const uint kDataFetches = (kBlockRows * kParts + kLocalSize - 1u) / kLocalSize;
const uint kWeightFetches = (kBlockColumns * kParts + kLocalSize - 1u) / kLocalSize;
const uint kSubgroupColumns = kBlockColumns / (kColumns * kMatrixN);  // subgroups side by side
const uint kGroups = kMatrixN / 4u;  // of four sums in a row of a matrix
const uint kWrites = (kMatrixM * kGroups + kSubgroupSize - 1u) / kSubgroupSize;

shared uvec4 tile[kTileRows * kStride];
shared vec4 results[kSubgroups * kMatrixM * kGroups];

MatrixSum sum[kRows * kColumns];
uvec4 fetched[kDataFetches + kWeightFetches];
uint row0, column0;  // of the workgroup

// Reads the parts of a step that this invocation stages; features past the end are zeros.
void fetch(uint step) {
  [[unroll]] for (uint i = 0; i < kDataFetches; ++i) {
    uint place = gl_LocalInvocationIndex + i * kLocalSize;
    uint row = min(row0 + place / kParts, push.rows - 1u);
    fetched[i] = load_eight(kAligned, push.data, row * push.data_stride_row,
                            step * kParts + place % kParts, push.in_features);
  }
  [[unroll]] for (uint i = 0; i < kWeightFetches; ++i) {
    uint place = gl_LocalInvocationIndex + i * kLocalSize;
    uint row = min(column0 + place / kParts, push.out_features - 1u);
    fetched[kDataFetches + i] = load_eight(kAligned, push.weight, row * push.weight_stride_row,
                                           step * kParts + place % kParts, push.in_features);
  }
}

void stage_part(uint first_row, const uint rows, uint place, uvec4 part) {
  if (place < rows * kParts) {
    tile[(first_row + place / kParts) * kStride + place % kParts] = part;
  }
}

void stage() {
  [[unroll]] for (uint i = 0; i < kDataFetches; ++i) {
    stage_part(0u, kBlockRows, gl_LocalInvocationIndex + i * kLocalSize, fetched[i]);
  }
  [[unroll]] for (uint i = 0; i < kWeightFetches; ++i) {
    stage_part(kBlockRows, kBlockColumns, gl_LocalInvocationIndex + i * kLocalSize,
               fetched[kDataFetches + i]);
  }
}

void multiply(uint row, uint column) {
  [[WEFT_EACH_TILE]] for (uint k = 0; k < kStep / kMatrixK; ++k) {
    MatrixA a[kRows];
    [[WEFT_EACH_TILE]] for (uint r = 0; r < kRows; ++r) {
      coopMatLoad(a[r], tile, (row + r * kMatrixM) * kStride + k * (kMatrixK / 8u), kStride,
                  gl_CooperativeMatrixLayoutRowMajor);
    }
    [[WEFT_EACH_TILE]] for (uint c = 0; c < kColumns; ++c) {
      MatrixB b;
      coopMatLoad(b, tile, (kBlockRows + column + c * kMatrixN) * kStride + k * (kMatrixK / 8u), kStride,
                  gl_CooperativeMatrixLayoutColumnMajor);
      [[WEFT_EACH_TILE]] for (uint r = 0; r < kRows; ++r) {
        sum[r * kColumns + c] = coopMatMulAdd(a[r], b, sum[r * kColumns + c]);
      }
    }
  }
}

void main() {
  row0 = gl_WorkGroupID.x * kBlockRows;
  column0 = gl_WorkGroupID.y * kBlockColumns;
  uint subgroup_row = gl_SubgroupID / kSubgroupColumns * (kRows * kMatrixM);
  uint subgroup_column = gl_SubgroupID % kSubgroupColumns * (kColumns * kMatrixN);
  [[unroll]] for (uint i = 0; i < kRows * kColumns; ++i) sum[i] = MatrixSum(0.0);

  uint steps = (push.in_features + kStep - 1u) / kStep, step = 0;
  if (steps > 0u) {
    fetch(0u);
    do {
      stage();
      barrier();
      fetch(step + 1u);  // past the end: zeros
      multiply(subgroup_row, subgroup_column);
      barrier();
    } while (++step < steps);
  }

  bool groups_fit = result_groups_fit();
  uint base = gl_SubgroupID * (kMatrixM * kGroups);
  [[WEFT_EACH_TILE]] for (uint i = 0; i < kRows * kColumns; ++i) {
    coopMatStore(sum[i], results, base, kGroups, gl_CooperativeMatrixLayoutRowMajor);
    subgroup_sync();
    [[unroll]] for (uint j = 0; j < kWrites; ++j) {
      uint place = gl_SubgroupInvocationID + j * kSubgroupSize;
      if (place < kMatrixM * kGroups) {
        uint row = row0 + subgroup_row + i / kColumns * kMatrixM + place / kGroups;
        uint column = column0 + subgroup_column + i % kColumns * kMatrixN + place % kGroups * 4u;
        write_group(results[base + place], row, column, groups_fit);
      }
    }
    subgroup_sync();
  }
}
