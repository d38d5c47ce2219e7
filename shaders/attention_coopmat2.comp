// Attention forward by matrices that a whole workgroup holds (GL_NV_cooperative_matrix2). What it
// computes: attention_lane.comp. The driver stages tensors and lays out matrices; masks, biases and
// the softmax are functions of one element. Dims end in zeros up to whole matrices.
// Scores, statistics and sums are fp32; weights are rounded to f16, times kWeightScale so that few of
// them are subnormal. One chunk of the value dimension a workgroup.
// Needs 16-bit storage and arithmetic, and of the extension: workgroup scope, flexible dimensions,
// reductions, conversions, operations on elements, tensor addressing.
// Shared memory: decide/shared_memory.cpp, besides the driver's own. Barriers in uniform flow only.
// Grid: x = ceil(q_len / block_q) x chunks (chunk runs fastest), y = heads, z = parts of the keys x batch.
#version 460
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_shader_explicit_arithmetic_types_int32 : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_NV_cooperative_matrix2 : require
#define WEFT_NATIVE16

#include "params.h"

layout(local_size_x_id = WEFT_ATTENTION_LOCAL_SIZE) in;
layout(constant_id = WEFT_ATTENTION_LOCAL_SIZE) const uint kLocalSize = 128;
layout(constant_id = WEFT_ATTENTION_HEAD_DIM) const uint kHeadDim = 64;
layout(constant_id = WEFT_ATTENTION_VALUE_DIM) const uint kValueDim = 64;
layout(constant_id = WEFT_ATTENTION_BLOCK_KV) const uint kBlockKv = 64;
layout(constant_id = WEFT_ATTENTION_VALUE_CHUNK) const uint kValueChunk = 64;
layout(constant_id = WEFT_ATTENTION_OUTPUT_TYPE) const uint kOutputType = 0;
layout(constant_id = WEFT_ATTENTION_MASK_KIND) const uint kMaskKind = 0;
layout(constant_id = WEFT_ATTENTION_MASK_TYPE) const uint kMaskType = 0;
layout(constant_id = WEFT_ATTENTION_HAS_BIAS) const bool kHasBias = false;
layout(constant_id = WEFT_ATTENTION_BIAS_TYPE) const uint kBiasType = 0;
layout(constant_id = WEFT_ATTENTION_FEATURES) const uint kFeatures = 0;
layout(constant_id = WEFT_ATTENTION_BLOCK_Q) const uint kBlockQ = 64;

layout(push_constant, std430) uniform Push { AttentionPush push; };

#define WEFT_ARGS_IN_PLACE
#include "lib/keys.glsl"

const float kWeightScale = 16384.0;  // as in lib/matrix.glsl

const uint kChunk = kValueChunk < kValueDim ? kValueChunk : kValueDim;
const uint kChunks = (kValueDim + kChunk - 1u) / kChunk;
// Multiples of what the extension's one implementation asks of matrices of 128 invocations: rows and
// columns by 32, the side that is summed over by 16.
const uint kDepth = (kHeadDim + 15u) / 16u * 16u;
const uint kColumns = (kChunk + 31u) / 32u * 32u;
// Whole matrices: with rows and addresses that are multiples of 16 bytes they need no checks.
const bool kWholeKeys = kDepth == kHeadDim;
const bool kWholeValues = kColumns * kChunks == kValueDim;

#define WEFT_MATRIX(type, rows, columns, use) coopmat<type, gl_ScopeWorkgroup, rows, columns, use>
#define Queries WEFT_MATRIX(float16_t, kBlockQ, kDepth, gl_MatrixUseA)
#define Keys WEFT_MATRIX(float16_t, kDepth, kBlockKv, gl_MatrixUseB)
#define Scores WEFT_MATRIX(float, kBlockQ, kBlockKv, gl_MatrixUseAccumulator)
#define Weights WEFT_MATRIX(float16_t, kBlockQ, kBlockKv, gl_MatrixUseA)
#define Values WEFT_MATRIX(float16_t, kBlockKv, kColumns, gl_MatrixUseB)
#define Sums WEFT_MATRIX(float, kBlockQ, kColumns, gl_MatrixUseAccumulator)
#define Unchecked tensorLayoutNV<2, gl_CooperativeMatrixClampModeUndefinedNV>
#define Checked tensorLayoutNV<2, gl_CooperativeMatrixClampModeConstantNV>  // zeros outside

WEFT_BUFFER(16) readonly buffer Halfs { float16_t v[]; };

// Where kMasked: the first key whose value holds an infinity or NaN, and the key after the last.
shared uint bad_first, bad_end;
// Steps of which no row sees a key are not read. Windows need no look: all steps of their range are seen.
const bool kLook = kRegions || kMaskKind != WEFT_MASK_NONE;

#include "lib/seen.glsl"

Queries queries;
Scores top, weight_sum;  // the same maximum in a whole row; sums of a row's weights, column by column
Sums sums;
Item item;
Block block;
uint block_row, block_rows;
uint chunk, chunk_dim;   // value elements of this workgroup
uint key_part;           // part of the keys; null keys and sinks belong to the first
uvec2 key, value;        // of the (item, head) slice
uvec2 result, logsumexp; // of the block's first row

// Rows in memory. Matrices are loaded from an address on 16 bytes, some elements before the first.
struct Rows {
  uvec2 first, address;
  uint before, stride, count;
};
Rows rows_at(uvec2 first, uint stride, uint count) {
  return Rows(first, uvec2(first.x & ~15u, first.y), (first.x & 15u) / 2u, stride, count);
}
bool whole(Rows rows, const uint count) {
  return rows.count >= count && rows.before == 0u && rows.stride % 8u == 0u;
}
// Whether a tensor layout may say where they are: its rows don't overlap.
bool fits_layout(Rows rows, const uint dim) { return rows.stride >= rows.before + dim; }

// Layouts of rows of "dim" elements, and the part of them from column "first" on that is loaded
Checked checked_part(Rows rows, const uint dim, uint first, const uint count, const uint columns) {
  Checked part = createTensorLayoutNV(2, gl_CooperativeMatrixClampModeConstantNV);
  part = setTensorLayoutDimensionNV(part, rows.count, rows.before + dim);
  part = setTensorLayoutStrideNV(part, rows.stride, 1u);
  return sliceTensorLayoutNV(part, 0, count, int(rows.before + first), columns);
}
Unchecked whole_part(Rows rows, const uint dim, uint first, const uint count, const uint columns) {
  Unchecked part = createTensorLayoutNV(2, gl_CooperativeMatrixClampModeUndefinedNV);
  part = setTensorLayoutDimensionNV(part, count, dim);
  part = setTensorLayoutStrideNV(part, rows.stride & ~7u, 1u);  // tells the compiler so
  return sliceTensorLayoutNV(part, 0, count, int(first), columns);
}

// What one step reads
struct Step {
  Rows key, value;
  uint first, count;  // keys
  uint number;        // from 1
  bool null_keys;
};

// ---- Functions of an element, or of two that are combined ----

// An element of rows that fit no layout, zero outside of them; of keys, matrices are columns.
float16_t read_element(const in uint32_t row, const in uint32_t column, const in float16_t unused,
                       const in uvec2 first, const in uint32_t stride, const in uint32_t count,
                       const in uint32_t begin, const in uint32_t dim, const in bool transposed) {
  uint r = transposed ? column : row, c = begin + (transposed ? row : column);
  bool inside = r < count && c < dim;
  uint bits = uint(Shorts(first).v[inside ? r * stride + c : 0u]);
  return inside ? unpackFloat2x16(bits).x : float16_t(0.0);
}

float higher(const in float x, const in float y) { return max(x, y); }
float total(const in float x, const in float y) { return x + y; }
float either(const in float x, const in float y) { return x; }  // of equal ones

float start_weights(const in uint32_t row, const in uint32_t column, const in float unused) {
  return column == 0u ? kWeightScale : 0.0;
}

Row row_of(uint local) {
  return read_row(item, block, block_row, min(local, max(block_rows, 1u) - 1u));
}

// A product as it enters the softmax; kExcluded where the key takes no part.
float finish_score(const in uint32_t row, const in uint32_t column, const in float raw,
                   const in uint32_t first, const in uint32_t count, const in bool null_keys) {
  float score = cap_score(raw * push.scale_log2);
  bool keep = column < count;
  if (kMasked) {
    uint j = null_keys ? 0u : first + min(column, count - 1u);
    float added = key_bias(block, row_of(row), j);
    if (null_keys) added = 0.0;
    keep = keep && added != kExcluded;
    score += added;
  }
  return keep ? score : kExcluded;
}

float raise_top(const in uint32_t row, const in uint32_t column, const in float highest,
                const in float old_top) {
  return max(highest, old_top);
}

float weigh(const in uint32_t row, const in uint32_t column, const in float score,
            const in float new_top) {
  return score == kExcluded ? 0.0 : exp2(score - new_top) * kWeightScale;
}

float shrink_by(const in uint32_t row, const in uint32_t column, const in float old_top,
                const in float new_top) {
  return exp2(old_top - new_top);
}

bool is_finite(float16_t element) {
  return (packFloat2x16(f16vec2(element, element)) & 0x7c00u) != 0x7c00u;
}

// A masked value may be no number: those that are none are left out here, and their keys remembered.
float16_t take_finite(const in uint32_t row, const in uint32_t column, const in float16_t element,
                      const in uint32_t first) {
  if (is_finite(element)) return element;
  atomicMin(bad_first, first + row);
  atomicMax(bad_end, first + row + 1u);
  return float16_t(0.0);
}

// What such values make of an element whose row takes their keys: an infinity or NaN.
float add_bad(const in uint32_t row, const in uint32_t column, const in float element) {
  Row query_row = row_of(row);
  uint at = chunk * kChunk + min(column, chunk_dim - 1u);
  float sum = element;
  uint j = bad_first;
  do {
    uvec2 from = row_address(WEFT_TYPE_F16, value, args.value_stride_row, j);
    float16_t taken = Halfs(uvec2(from.x & ~15u, from.y)).v[(from.x & 15u) / 2u + at];
    if (!is_finite(taken) && key_bias(block, query_row, j) != kExcluded) sum += float(taken);
  } while (++j < bad_end);
  return sum;
}

float write_element(const in uint32_t row, const in uint32_t column, const in float sum,
                    const in float weights) {
  if (row < block_rows && column < chunk_dim) {
    float element = weights == 0.0 ? 0.0 : sum / weights;  // else at least 1, or NaN
    store_element(kOutputType, result, row * args.output_stride_row + chunk * kChunk + column, element);
  }
  return sum;
}

float write_logsumexp(const in uint32_t row, const in uint32_t column, const in float row_top,
                      const in float weights) {
  if (row < block_rows && column == 0u) {
    OutWords(logsumexp).v[row] = logsumexp_bits(row_top, weights / kWeightScale);
  }
  return row_top;
}

// ---- The walk over keys ----

void load_keys(Rows rows, out Keys keys) {
  tensorViewNV<2, false, 1, 0> transposed = createTensorViewNV(2, false, 1, 0);
  if (kWholeKeys && whole(rows, kBlockKv)) {
    coopMatLoadTensorNV(keys, Halfs(rows.address).v, 0, whole_part(rows, kHeadDim, 0u, kBlockKv, kDepth),
                        transposed);
  } else if (fits_layout(rows, kHeadDim)) {
    coopMatLoadTensorNV(keys, Halfs(rows.address).v, 0,
                        checked_part(rows, kHeadDim, 0u, kBlockKv, kDepth), transposed);
  } else {
    coopMatPerElementNV(keys, Keys(0.0), read_element, rows.first, rows.stride, rows.count, 0u, kHeadDim,
                        true);
  }
}

void load_values(Step step, out Values values) {
  Rows rows = step.value;
  uint first = chunk * kChunk;
  if (kWholeValues && whole(rows, kBlockKv)) {
    coopMatLoadTensorNV(values, Halfs(rows.address).v, 0,
                        whole_part(rows, kValueDim, first, kBlockKv, kColumns));
  } else if (fits_layout(rows, kValueDim)) {
    coopMatLoadTensorNV(values, Halfs(rows.address).v, 0,
                        checked_part(rows, kValueDim, first, kBlockKv, kColumns));
  } else {
    coopMatPerElementNV(values, Values(0.0), read_element, rows.first, rows.stride, rows.count, first,
                        kValueDim, false);
  }
  if (kMasked && !step.null_keys) coopMatPerElementNV(values, values, take_finite, step.first);
}

// Whether the invocation finds a row that sees a key of the step, among its share of them.
bool look(Step step) {
  bool sees = false;
  uint i = gl_LocalInvocationID.x;
  do {
    uint j = step.null_keys ? 0u : step.first + min(i % kBlockKv, step.count - 1u);
    sees = row_sees(block, row_of(i / kBlockKv), j) || step.null_keys;
    i += kLocalSize;
  } while (!sees && i < kBlockQ * kBlockKv);
  return sees;
}

// One step of the online softmax.
void attend(Step step) {
  Keys keys;
  load_keys(step.key, keys);
  Scores score = coopMatMulAdd(queries, keys, Scores(0.0));
  coopMatPerElementNV(score, score, finish_score, step.first, step.count, step.null_keys);

  Scores highest, new_top, weight, shrink;
  coopMatReduceNV(highest, score, gl_CooperativeMatrixReduceRowNV, higher);
  coopMatPerElementNV(new_top, highest, raise_top, top);
  coopMatPerElementNV(weight, score, weigh, new_top);
  coopMatPerElementNV(shrink, top, shrink_by, new_top);
  top = new_top;
  weight_sum = weight_sum * shrink + weight;

  Sums factor;
  coopMatReduceNV(factor, shrink, gl_CooperativeMatrixReduceRowNV, either);
  Values values;
  load_values(step, values);
  sums = coopMatMulAdd(Weights(weight), values, sums * factor);
}

// The number-th step: blocks of null keys come first.
Step find_step(uint number, uint null_blocks, uvec2 range, uint kv_head) {
  Step step;
  step.null_keys = kNullKeys && number < null_blocks;
  step.number = number + 1u;
  uvec2 keys = key, values = value;
  uint key_stride = args.key_stride_row, value_stride = args.value_stride_row;
  step.first = range.x + (number - null_blocks) * kBlockKv;
  step.count = min(range.y - step.first, kBlockKv);
  if (step.null_keys) {
    step.first = number * kBlockKv;
    step.count = min(args.null_len - step.first, kBlockKv);
    key_stride = args.null_key_stride_row;
    value_stride = args.null_value_stride_row;
    keys = address_step(args.null_key, args.null_key_stride_head, kv_head);
    values = address_step(args.null_value, args.null_value_stride_head, kv_head);
  }
  keys = row_address(WEFT_TYPE_F16, keys, key_stride, step.first);
  values = row_address(WEFT_TYPE_F16, values, value_stride, step.first);
  step.key = rows_at(keys, key_stride, step.count);
  step.value = rows_at(values, value_stride, step.count);
  return step;
}

void find_tensors(uint head, uint batch) {
  uint first_row = first_query_row(item, block_row), first = first_key_row(item);
  uint kv_head = head / push.group_size;
  key = slice_address(push.key, args.key_stride_batch, item.score, args.key_stride_head, kv_head);
  key = row_address(WEFT_TYPE_F16, key, args.key_stride_row, first);
  value = slice_address(push.value, args.value_stride_batch, item.value, args.value_stride_head, kv_head);
  value = row_address(WEFT_TYPE_F16, value, args.value_stride_row, first);
  result = slice_address(push.output_values, args.output_stride_batch, batch,
                         args.output_stride_head, head);
  result = row_address(kOutputType, result, args.output_stride_row, first_row);
  if (has(WEFT_FEATURE_LOGSUMEXP)) {
    logsumexp = slice_address(push.logsumexp, args.logsumexp_stride_batch, batch,
                              args.logsumexp_stride_head, head);
    logsumexp = words_from(logsumexp, first_row);
  }
  uvec2 query = slice_address(push.query, args.query_stride_batch, item.score, args.query_stride_head, head);
  query = row_address(WEFT_TYPE_F16, query, args.query_stride_row, first_row);
  Rows rows = rows_at(query, args.query_stride_row, min(block_rows, kBlockQ));
  if (fits_layout(rows, kHeadDim)) {
    coopMatLoadTensorNV(queries, Halfs(rows.address).v, 0,
                        checked_part(rows, kHeadDim, 0u, kBlockQ, kDepth));
  } else {
    coopMatPerElementNV(queries, Queries(0.0), read_element, rows.first, rows.stride, rows.count, 0u,
                        kHeadDim, false);
  }
}

// The state of the softmax before the first key: nothing, or a sink with its share.
void start(uint head) {
  float sink = kExcluded;
  if (has(WEFT_FEATURE_SINKS) && key_part == 0u) sink = load_bias(WEFT_TYPE_F32, args.sinks, head);
  top = Scores(sink);
  weight_sum = Scores(0.0);
  if (sink != kExcluded) coopMatPerElementNV(weight_sum, weight_sum, start_weights);
  sums = Sums(0.0);
  if (kMasked) {
    if (gl_LocalInvocationID.x == 0u) {
      bad_first = 0xffffffffu;
      bad_end = 0u;
    }
    clear_seen(gl_LocalInvocationID.x);
    barrier();
  }
}

void write_rows() {
  Sums weights;
  coopMatReduceNV(weights, weight_sum, gl_CooperativeMatrixReduceRowNV, total);
  if (kMasked) {
    barrier();
    if (bad_first < bad_end) coopMatPerElementNV(sums, sums, add_bad);
  }
  coopMatPerElementNV(sums, sums, write_element, weights);
  if (has(WEFT_FEATURE_LOGSUMEXP) && chunk == 0u) {
    Scores all;
    coopMatReduceNV(all, weight_sum, gl_CooperativeMatrixReduceRowNV, total);
    coopMatPerElementNV(top, top, write_logsumexp, all);
  }
}

void main() {
  chunk = kChunks == 1u ? 0u : gl_WorkGroupID.x % kChunks;
  chunk_dim = kChunks == 1u ? kValueDim : min(kChunk, kValueDim - chunk * kChunk);
  block_row = gl_WorkGroupID.x / kChunks * kBlockQ;
  uint head = gl_WorkGroupID.y, batch = gl_WorkGroupID.z;
  key_part = batch / args.batch;
  item = read_item(batch % args.batch);
  block = read_block(item, head, block_row);
  block_rows = item.q_count > block_row ? item.q_count - block_row : 0u;
  start(head);
  find_tensors(head, batch);

  uvec2 range = key_range(item, block_row, block_row + min(kBlockQ, max(block_rows, 1u)) - 1u);
  range = key_share(range, key_part, args.parts, kBlockKv);
  uint null_blocks = kNullKeys && key_part == 0u ? (args.null_len + kBlockKv - 1u) / kBlockKv : 0u;
  uint count = block_rows > 0u && range.y > range.x ? range.y - range.x : 0u;
  uint blocks = null_blocks + (count + kBlockKv - 1u) / kBlockKv;
  if (blocks > 0u) {
    uint number = 0;
    [[dont_unroll]] do {
      Step step = find_step(number, null_blocks, range, head / push.group_size);
      bool sees = true;
      if (kLook) sees = workgroup_sees(step.number, look(step));
      if (sees) attend(step);
    } while (++number < blocks);
  }
  write_rows();
}
