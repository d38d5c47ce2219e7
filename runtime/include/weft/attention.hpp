// Cross-attention: output = softmax(scale * query key^T [capped] [+ bias]) value, on strided views.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "weft/export.hpp"
#include "weft/recorder.hpp"

namespace weft {

// Which nonzero entries of a boolean mask mean what.
enum class MaskKind : int32_t {
  none = 0,
  keep = 1,  // nonzero: the key takes part
  drop = 2,  // nonzero: the key takes no part
};

// One attention. The order is fixed: scale, softcap, mask and bias, softmax. Everything optional may be
// combined with everything else unless a comment here says otherwise.
//
// Shapes, with every stride allowed whose last is 1 and that puts 128 rows within 2^31 - 1 elements. An axis of 1 is repeated where `output` has more:
// the batch of query, key and value; the heads of query; kv_heads of key or value where the other has more.
// "batch" is output's; "items" are what per-item tensors have: see score_items and q_starts.
struct AttentionCall {
  Tensor query;   // [batch, heads, q_len, head_dim]
  Tensor key;     // [batch, kv_heads, kv_len, head_dim]; kv_heads divides heads; query head h uses
                  // key head h / (heads / kv_heads)
  Tensor value;   // [batch, kv_heads, kv_len, value_dim]
  Tensor output;  // [batch, heads, q_len, value_dim]; from its first to its last byte apart from the inputs

  // 0: 1 / sqrt(head_dim). Any other number whose product with log2(e) is finite, negative ones included.
  float scale = 0.0f;
  // 0: off. Else the scaled score s becomes softcap * tanh(s / softcap). 0, or a positive number
  // whose product with log2(e) is neither infinite nor denormal.
  float softcap = 0.0f;

  // Masks, [items | 1, heads | 1, q_len | 1, 1 to kv_len] (0 where kv_len is 0): keys beyond the last column take
  // no part, so one column masks one key and is not repeated.
  Tensor keep_mask{};  // u8 or i32; nonzero: the key takes part
  Tensor drop_mask{};  // u8 or i32; nonzero: the key takes no part. Not together with keep_mask.
  // f32, f16 or bf16, added to the score; -infinity: the key takes no part. Beyond +-1.38e38 (2e38 / log2(e)) a
  // finite bias counts as that.
  Tensor bias{};

  // i32 [items]: item b uses its keys 0 to kv_lengths[b] - 1; values are clamped to 0 .. kv_len.
  Tensor kv_lengths{};

  // The position of query row i is p = i + position_offset + position_offsets[item]; of key j it is j.
  // Top-left causal: offset 0; bottom-right: kv_len - q_len; decoding behind n cached keys: n.
  // Offsets are -2^28 to 2^28 (the tensor's values are clamped to that); with a window or causal, q_len and
  // kv_len are at most 2^29.
  int32_t position_offset = 0;
  Tensor position_offsets{};    // i32 [items]
  bool causal = false;        // keys j <= p take part
  int32_t window_left = -1;   // keys j >= p - window_left take part; -1: no limit on this side
  int32_t window_right = -1;  // keys j <= p + window_right take part; -1: no limit on this side

  // Packed batches. Item b's query rows are q_starts[b] to q_starts[b + 1] - 1 of query, output,
  // logsumexp and weights, whose batch is 1; its keys are kv_starts[b] to kv_starts[b + 1] - 1 of key and value,
  // whose batch is 1. One or both may be given; rows i, keys j, masks and positions count from an item's
  // first row and key. Values are clamped to the tensors; rows of no item are not written;
  // starts must not decrease, or what rows of several items hold is undefined.
  Tensor q_starts{};   // i32 [items + 1]
  Tensor kv_starts{};  // i32 [items + 1]
  // The longest item, at most, and with that q_len and kv_len: rows and keys beyond it are left out. 0, or more
  // than the tensor has: as long as the tensor.
  uint32_t max_q_len = 0;
  uint32_t max_kv_len = 0;

  // Regions in place of a dense mask: row i and key j of an item meet where region_mask, at the row of the
  // query's id and the column of the key's, is nonzero; without region_mask, where the ids are equal.
  // Ids below 0 or outside region_mask meet nothing. Beside packed rows or keys they are packed alike.
  Tensor query_regions{};  // i32 [items | 1, q_len]; [1, rows of query] where q_starts is given
  Tensor key_regions{};    // i32 [items | 1, kv_len]; [1, rows of key] where kv_starts is given
  Tensor region_mask{};    // u8 [query ids, key ids]

  // f32 [heads]: a logit beside the keys' that takes its share of the weights and has no value.
  Tensor sinks{};
  // Keys and values before all others that every row of every item sees: no mask, bias, window, length or
  // region touches them. [kv_heads | 1, null_len, head_dim] and [kv_heads | 1, null_len, value_dim],
  // types as key and value; null_len is 1 to 16. Both or none.
  Tensor null_key{};
  Tensor null_value{};

  // i32 [batch]: output item b takes its weights from item score_items[b] (query, key, masks, lengths,
  // offsets, regions) and its values from item value_items[b]: the primitive of attention editing. Without
  // them both are b. Values are clamped to the items there are. Not with packed batches.
  Tensor score_items{};
  Tensor value_items{};

  // Optional output: f32 [batch, heads, q_len], the natural logarithm of the sum of exp(score) over the keys
  // that take part, null keys and the sink included. attention_weights reads it.
  Tensor logsumexp{};

  // Optional output: f32 [batch, heads, q_len, kv_len], the weights that the values are summed with, exactly 0
  // for a key that takes no part. Null keys and the sink take their share and have no column. With
  // kv_starts, kv_len is the smaller of max_kv_len (unless 0) and the rows of key; columns of an item's missing
  // keys get 0. Rows of the kernel list that hold all scores of a query row at once (attention_short_...) write
  // them beside output; every other row is followed by what attention_weights records, with the
  // logsumexp above or a transient one, so that every call works on every device. For few heads or keys, their
  // mean or another stage: attention_weights.
  Tensor weights{};
};
// A key that takes no part never influences an output, whatever its bits (NaN included).
// A row without any key gives output 0 and logsumexp -infinity (the sink, where there is one).
// Lengths and batch may be 0. Sums and softmax are fp32 in a fixed order: the same call on the same device
// gives the same bits. Element counts may pass 2^31; offsets are 64 bits wide.

// What a call asks of a kernel besides types and sizes, as bits of AttentionDesc::features.
// The values are fixed: they are the C ABI's too, and the shaders'.
enum AttentionFeature : uint32_t {
  kFeatureKvLengths = 1u << 0,
  kFeatureLogsumexp = 1u << 1,
  kFeatureWindow = 1u << 2,           // causal, window_left or window_right
  kFeaturePositionOffsets = 1u << 3,  // the tensor
  kFeaturePackedQuery = 1u << 4,      // q_starts
  kFeaturePackedKv = 1u << 5,         // kv_starts
  kFeatureRegions = 1u << 6,
  kFeatureRegionMask = 1u << 7,
  kFeatureSoftcap = 1u << 8,
  kFeatureSinks = 1u << 9,
  kFeatureNullKeys = 1u << 10,
  kFeatureScoreItems = 1u << 11,
  kFeatureValueItems = 1u << 12,
  kFeatureWeights = 1u << 13,
};
inline constexpr uint32_t kAllFeatures = (1u << 14) - 1;

// What a plan fixes. Everything else (lengths, strides, scale, offsets) may differ in every call.
struct AttentionDesc {
  DType query_dtype = DType::f32;   // f32, f16, bf16
  DType kv_dtype = DType::f32;      // of key and value
  DType output_dtype = DType::f32;
  uint32_t head_dim = 0;            // 1 to 576
  uint32_t value_dim = 0;           // 1 to 576; 0: head_dim
  MaskKind mask = MaskKind::none;
  DType mask_dtype = DType::u8;     // of a mask: u8 or i32
  bool bias = false;
  DType bias_dtype = DType::f32;    // of a bias: f32, f16, bf16
  uint32_t features = 0;            // kFeature... bits
  // Typical lengths, for choosing a kernel only; any lengths stay correct. 0: unknown.
  uint32_t q_len = 0;
  uint32_t kv_len = 0;
};

// A chosen kernel, ready to record. Copies share it. Thread safety: any thread.
class WEFT_EXPORT Attention {
 public:
  // Chooses a kernel row and builds its pipeline; rows of the split path build theirs when calls
  // are recorded. Slow the first time on some drivers, and where the row must prove itself first
  // (DeviceOptions::self_test): then it submits work and waits for it.
  // Errors: invalid_argument; unsupported with every row and why it can't.
  static Result<Attention> plan(const Device& device, const AttentionDesc& desc);
  // Records a call that fits the description. Errors: invalid_argument, naming the rule and the
  // values; unsupported (more heads, batch items or rows than the device's grids hold, or a
  // pipeline that the driver refuses); out_of_memory and device_lost where it makes a pipeline.
  Result<void> record(Recorder& recorder, const AttentionCall& call) const;
  // The kernel row chosen, "attention_lane_cpu" for instance. A call with more keys than it takes, or whose keys and
  // values are too many to copy where it copies them, runs on the next row that takes it.
  const char* kernel() const noexcept;

  struct State;
  explicit Attention(std::shared_ptr<const State> state) noexcept : state_(std::move(state)) {}

 private:
  std::shared_ptr<const State> state_;
};

// What a call describes. Errors: invalid_argument as Attention::record.
WEFT_EXPORT Result<AttentionDesc> describe(const AttentionCall& call);

// Plans (once per description and device) and records. Errors: those of plan and record.
WEFT_EXPORT Result<void> attention(Recorder& recorder, const AttentionCall& call);

// Every kernel row in order of preference: chosen, or why not. For people. As planning does, it may run the
// self-test of the row to be chosen.
WEFT_EXPORT std::string explain(const Device& device, const AttentionDesc& desc);

// Keys and values that many calls use (an encoder's outputs, a prompt), laid out as the kernel row of these calls
// reads them fastest. Plain tensors of the shapes given, and of the type given or f32: any call and any row takes them,
// under the same rules as other tensors (a call of another device or of other sizes is refused). Plans for them are made
// from their type: describe the call that has them.
struct PreparedKeyValue {
  Tensor key;    // for AttentionCall::key and
  Tensor value;  // AttentionCall::value
  bool copied = false;  // false: they are the tensors given, which the row reads as fast
};

// Plans for `desc` and records what lays out key [batch, kv_heads, kv_len, head_dim] and value [batch, kv_heads,
// kv_len, value_dim] for the row chosen; calls recorded after it, here or in a recording submitted later, may use the
// result. Copies where that makes calls faster, on CPU devices: rows of few queries (q_len up to 15) read a
// head's rows 1.2 to 1.6 times as fast where they follow each other, which those of [batch, length, heads * dim] don't;
// rows of many convert 16-bit keys and values to f32 for each call, which for 64 queries and 577 keys takes longer than
// the rest: here once, unless the f32 take more than 256 MiB. Otherwise nothing is recorded and no memory is taken. What is written to the given tensors afterwards need not
// show. Errors: as Attention::plan and record; out_of_memory.
WEFT_EXPORT Result<PreparedKeyValue> prepare_key_value(Recorder& recorder, const AttentionDesc& desc,
                                                       const Tensor& key, const Tensor& value);

// Where in the computation of the weights to stop.
enum class WeightsStage : int32_t {
  scaled = 0,         // scale * query.key, of every key that is there, masked or not
  capped = 1,         // after softcap
  masked = 2,         // plus bias; -infinity for a key that takes no part
  probabilities = 3,  // after softmax; exactly 0 for a key that takes no part
};
// Probabilities come from an fp32 logsumexp: where every key of a row has a finite bias below about -1e5 (a
// "big negative" mask of the whole row) it can't hold the sum's last bits, and they are not exact, though never
// above 1. -infinity or a boolean mask is.


// The weights, or scores at an earlier stage, of an attention: chosen heads and keys, per head or averaged.
struct AttentionWeightsCall {
  // The attention. value, output, value_items, sinks, null_value and its weights are not looked at; logsumexp is read
  // for probabilities only and must then be what that attention wrote (sinks and null keys are in it).
  // Query, key and per-item tensors are as there, with the batch of `weights` in place of output's. kv_heads
  // are key's; heads are logsumexp's where it is given, else query's (key's where query has 1).
  AttentionCall attention;
  // f32 output [batch, listed heads (1 if mean_heads), q_len, listed keys]; batch 1 and the packed rows
  // where q_starts is given. Columns of an item's missing keys (beyond a packed item's end) get 0, or
  // -infinity where the stage is masked.
  Tensor weights;
  WeightsStage stage = WeightsStage::probabilities;
  std::span<const uint32_t> heads{};  // heads to write, or to average; empty: all
  // Keys to write; empty: all. With null keys, numbers count these too: null key n is n where
  // null_keys_last is false and key j is null_len + j; else key j is j and null key n is kv_len + n.
  // With kv_starts, kv_len is the smaller of max_kv_len (unless 0) and the rows of key.
  std::span<const uint32_t> keys{};
  bool null_keys_last = false;
  bool mean_heads = false;  // the mean over the listed heads in place of each
  bool accumulate = false;  // adds to what `weights` holds in place of writing it
};

// Errors: as Attention::record.
WEFT_EXPORT Result<void> attention_weights(Recorder& recorder, const AttentionWeightsCall& call);

// One part of an attention whose keys were divided.
struct AttentionPart {
  Tensor output;     // [batch, heads, q_len, value_dim]; f32, f16 or bf16
  Tensor logsumexp{};  // f32 [batch, heads, q_len]
};

// The attention over the keys of both parts, of which the sink and null keys may be in one only:
//   logsumexp = log(exp(left.logsumexp) + exp(right.logsumexp))
//   output = exp(left.logsumexp - logsumexp) left.output + exp(right.logsumexp - logsumexp) right.output
// A part whose logsumexp is -infinity is left out, whatever its output; where both are, the result is 0
// and -infinity.
struct AttentionMergeCall {
  AttentionPart left, right;
  Tensor output;     // shape as the parts'; may be exactly left.output or right.output, else apart from them
  Tensor logsumexp{};  // optional output: f32, apart from the parts'
};

// Errors: as Attention::record.
WEFT_EXPORT Result<void> attention_merge(Recorder& recorder, const AttentionMergeCall& call);

}  // namespace weft
