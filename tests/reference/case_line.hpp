// One line, one problem: the grammar that tests, benchmarks and reports of wrong results share.
//
//   b2 h8 kv8 q4096 k77 d64 f16 mask=keep                attention; the word "attention" in front
//   is
//                                                        optional
//   b2 h4 q9 k30 d24 f16 mask=drop bias=f16 softcap=30 causal offsets=end window=7,-1 sinks null=2
//   b3 h2 q9 k30 d24 f32 packed=qk regions=mask starts=gaps
//   weights b1 h4 q9 k256 d24 f32 stage=masked heads=0,2 keys=1,5,7 mean
//   merge b2 h4 q9 d24 f16 right=f32 empty=mixed
//   linear m1024 k768 n768 f32 weight=f16 bias act=gelu
//   layer_norm m256 d96 f32 bias                         also rms_norm
//   add m256 d96 f32 right_rows=16 gate=tanh row_factors
//   multiply m256 d96 f32 act=gelu
//   gather n16 rows=100 d96 f32
//   mix_keys b2 h8 k77 d40 f16 factors matrix rows=70
//   rotary b2 h8 q77 d64 n32 f16 interleaved
//
// Words stand in any order; "k77" and "k=77" mean the same. A bare type is the type of every tensor
// that has no type of its own. '#' begins a comment. What each word means stands beside its field
// below.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "weft/attention.hpp"
#include "weft/error.hpp"
#include "weft/ops.hpp"
#include "weft/tensor.hpp"

namespace weft::cases {

enum class Layout : int32_t {
  bhld,    // dense
  blhd,    // heads beside each other in a row, as projections write them
  padded,  // gaps between rows, heads and items; rows still start on 4 elements
  odd,     // gaps and a base offset that keep no alignment but the element's own
};

// "keep" and "keep_i32": nonzero entries take part; "drop" and "drop_i32": they don't.
enum class Mask : int32_t { none, keep, drop, keep_i32, drop_i32 };

enum class Bias : int32_t { none, f32, f16, bf16 };

// What a mask hides, and where a bias is -infinity.
enum class Masked : int32_t {
  some,    // keys at random
  none,    // no key
  rows,    // every key of every second row, and some in the others
  all,     // every key
  blocks,  // three of four runs of 64 keys; others from each eight rows to the next
};

enum class Lengths : int32_t {
  none,      // no tensor of lengths
  full,      // kv_len
  random,    // 0 to kv_len
  zero,      // 0
  over,      // more than kv_len
  negative,  // below 0: no key
  mixed,     // in turn 0, more than kv_len, 1, kv_len, half of it
  quarter,   // a quarter of kv_len
};

enum class Logits : int32_t {
  normal,
  large,  // query times 100: nearly one key a row
  huge,   // query times 30000: scores beyond the range of f16
};

enum class Offsets : int32_t {
  none,      // no tensor of offsets
  random,    // from before the first row to past the last key
  end,       // an item's keys less its rows: bottom-right
  negative,  // the first rows lie before every key
  far,       // the ends of the type, and numbers between them and the limit
};

enum class Packed : int32_t { none, q, k, qk };

enum class Starts : int32_t {
  tight,    // the items fill the tensor
  gaps,     // rows before the first item and past the last, and items longer than q or k
  outside,  // the first start lies before the tensor, the last one past it
};

enum class Regions : int32_t {
  none,
  equal,   // ids must be equal; some are negative
  mask,    // ids select from a mask; some lie outside it, on either side
  blocks,  // ids must be equal: eight runs of rows, each with its run of keys
};

// Axes of size 1 where others have more, as bits of AttentionCase::ones; the names of one=q,kh.
enum One : uint32_t {
  kOneQuery = 1u << 0,         // q: the batch of query
  kOneKey = 1u << 1,           // k: of key
  kOneValue = 1u << 2,         // v: of value
  kOneQueryHead = 1u << 3,     // qh: the heads of query
  kOneKeyHead = 1u << 4,       // kh: kv_heads of key
  kOneValueHead = 1u << 5,     // vh: of value
  kOneNullHead = 1u << 6,      // nh: of null_key and null_value
  kOneQueryRegions = 1u << 7,  // qr: the batch of query_regions
  kOneKeyRegions = 1u << 8,    // kr: of key_regions
};

struct AttentionCase {
  int64_t batch = 1;          // b; the number of items where rows or keys are packed
  int64_t heads = 1;          // h
  int64_t kv_heads = 1;       // kv; h when not given
  int64_t q_len = 0;          // q; packed: the longest item that is not cut off
  int64_t kv_len = 0;         // k; packed: likewise
  int64_t head_dim = 1;       // d
  int64_t value_dim = 1;      // dv; d when not given
  DType query = DType::f32;   // the bare type
  DType kv = DType::f32;      // kv_type=
  DType output = DType::f32;  // out=
  Mask mask = Mask::none;
  std::string mask_shape = "bhqk";  // letters of the axes that are not broadcast; ends in k
  int64_t mask_keys = 0;            // mask_k=; k when not given
  Bias bias = Bias::none;           // "bias" is f32; bias=f16, bias=bf16
  std::string bias_shape = "bhqk";
  int64_t bias_keys = 0;  // bias_k=; k when not given
  Masked masked = Masked::some;
  Lengths lengths = Lengths::none;
  float scale = 0.0f;
  float softcap = 0.0f;
  bool causal = false;
  int32_t offset = 0;  // of every item
  Offsets offsets = Offsets::none;
  int32_t window_left = -1;  // window=left,right; -1: no limit
  int32_t window_right = -1;
  Packed packed = Packed::none;  // sequences of lengths drawn from the seed
  Starts starts = Starts::tight;
  bool no_max = false;  // max_q_len and max_kv_len are not given
  Regions regions = Regions::none;
  bool sinks = false;       // of every fourth head -infinity
  int64_t null_len = 0;     // null=
  int64_t score_items = 0;  // items to take weights from; 0: no tensor. Some numbers lie outside
  int64_t value_items = 0;  // items to take values from
  uint32_t ones = 0;        // one=q,kh: axes of size 1
  bool logsumexp = false;   // lse
  bool weights = false;     // with_weights: written by the same call
  Layout layout = Layout::bhld;
  bool broadcast_kv =
      false;            // bcast_kv: one key and value item for the whole batch, by a stride of 0
  bool poison = false;  // NaN and infinity in whatever takes no part
  Logits logits = Logits::normal;
  int64_t seed = 0;
  bool operator==(const AttentionCase&) const = default;
};

struct WeightsCase {
  AttentionCase attention;
  WeightsStage stage = WeightsStage::probabilities;  // stage=scaled, capped, masked, probabilities
  std::vector<uint32_t> heads;                       // heads=0,2; all when not given
  std::vector<uint32_t> keys;                        // keys=1,5; null keys count
  bool null_keys_last = false;                       // null_last
  bool mean_heads = false;                           // mean
  bool accumulate = false;
  bool operator==(const WeightsCase&) const = default;
};

enum class Empty : int32_t { none, left, right, both, mixed };
enum class InPlace : int32_t { none, left, right };

struct MergeCase {
  int64_t batch = 1;                 // b
  int64_t heads = 1;                 // h
  int64_t q_len = 0;                 // q
  int64_t value_dim = 1;             // d
  DType left = DType::f32;           // the bare type
  DType right = DType::f32;          // right=
  DType output = DType::f32;         // out=
  Empty empty = Empty::none;         // parts whose logsumexp is -infinity, and whose output is NaN
  InPlace in_place = InPlace::none;  // in_place=left, right: the part that is the output too
  bool logsumexp = false;            // lse
  Layout layout = Layout::bhld;
  int64_t seed = 0;
  bool operator==(const MergeCase&) const = default;
};

struct LinearCase {
  int64_t rows = 0;           // m
  int64_t in_features = 0;    // k
  int64_t out_features = 0;   // n
  DType input = DType::f32;   // the bare type
  DType weight = DType::f32;  // weight=
  DType output = DType::f32;  // out=
  bool bias = false;
  DType bias_type = DType::f32;              // bias_type=; the weight's when not given
  Activation activation = Activation::none;  // act=
  Layout layout = Layout::bhld;
  int64_t seed = 0;
  bool operator==(const LinearCase&) const = default;
};

enum class Norm : int32_t { layer, rms };

struct NormCase {
  Norm norm = Norm::layer;
  int64_t rows = 0;           // m
  int64_t dim = 0;            // d
  DType input = DType::f32;   // the bare type
  DType weight = DType::f32;  // weight=; of the bias too
  DType output = DType::f32;  // out=
  bool no_weight = false;
  bool bias = false;
  bool in_place = false;
  float epsilon = 1e-5f;
  float offset = 0.0f;  // added to every input: a mean far from zero
  Layout layout = Layout::bhld;
  int64_t seed = 0;
  bool operator==(const NormCase&) const = default;
};

struct AddCase {
  int64_t rows = 0;           // m
  int64_t dim = 0;            // d
  int64_t right_rows = 0;     // m when not given
  DType left = DType::f32;    // the bare type
  DType right = DType::f32;   // right=
  DType output = DType::f32;  // out=
  bool no_left = false;
  GateKind gate = GateKind::none;
  DType gate_type = DType::f32;  // the bare type when not given
  bool gate_columns = false;     // one for each column
  bool row_factors = false;      // some are 0; where right does not repeat, its rows there are NaN
  bool in_place = false;
  Layout layout = Layout::bhld;
  int64_t seed = 0;
  bool operator==(const AddCase&) const = default;
};

struct MultiplyCase {
  int64_t rows = 0;                          // m
  int64_t dim = 0;                           // d
  int64_t right_rows = 0;                    // m when not given
  DType left = DType::f32;                   // the bare type
  DType right = DType::f32;                  // right=
  DType output = DType::f32;                 // out=
  Activation activation = Activation::none;  // act=
  bool in_place = false;
  Layout layout = Layout::bhld;
  int64_t seed = 0;
  bool operator==(const MultiplyCase&) const = default;
};

struct GatherCase {
  int64_t count = 0;          // n
  int64_t table_rows = 0;     // rows=
  int64_t dim = 0;            // d
  DType table = DType::f32;   // the bare type
  DType output = DType::f32;  // out=
  bool outside = false;       // some indices lie outside the table, on either side
  Layout layout = Layout::bhld;
  int64_t seed = 0;
  bool operator==(const GatherCase&) const = default;
};

// Axes of size 1 where the output's are more, as bits of MixKeysCase::ones; the names of one=i,mh.
enum OneOfMix : uint32_t {
  kOneInput = 1u << 0,        // i: the batch of input
  kOneInputHead = 1u << 1,    // ih: its heads
  kOneFactors = 1u << 2,      // f: of factors
  kOneFactorsHead = 1u << 3,  // fh
  kOneMatrix = 1u << 4,       // m: of matrix
  kOneMatrixHead = 1u << 5,   // mh
};

struct MixKeysCase {
  int64_t batch = 1;          // b
  int64_t heads = 1;          // h
  int64_t kv_len = 0;         // k
  int64_t dim = 0;            // d
  DType input = DType::f32;   // the bare type
  DType output = DType::f32;  // out=
  bool factors = false;       // some are 0; the rows there are NaN
  bool matrix = false;
  int64_t rows = 0;   // rows=, of the matrix; k when not given
  uint32_t ones = 0;  // one=i,mh
  Layout layout = Layout::bhld;
  int64_t seed = 0;
  bool operator==(const MixKeysCase&) const = default;
};

struct RotaryCase {
  int64_t batch = 1;          // b
  int64_t heads = 1;          // h
  int64_t length = 0;         // q
  int64_t dim = 0;            // d
  int64_t turned = 0;         // n; d when not given
  DType input = DType::f32;   // the bare type
  DType output = DType::f32;  // out=
  bool interleaved = false;
  float angle = 4.0f;  // the largest one
  bool in_place = false;
  Layout layout = Layout::bhld;
  int64_t seed = 0;
  bool operator==(const RotaryCase&) const = default;
};

using Case = std::variant<AttentionCase, WeightsCase, MergeCase, LinearCase, NormCase, AddCase,
                          MultiplyCase, GatherCase, MixKeysCase, RotaryCase>;

// Errors: invalid_argument, naming the line and the word.
Result<Case> parse(std::string_view line);
// A line that parses to the same case, without what it need not say.
std::string print(const Case& problem);
// All cases of a text, without comments and empty lines. Errors name the number of the line.
Result<std::vector<Case>> parse_all(std::string_view text);
// The same for a file. Errors: invalid_argument where it can't be read.
Result<std::vector<Case>> read_file(const std::string& path);

// What a case's mask and bias are to the library.
MaskKind mask_kind(Mask mask) noexcept;
DType mask_dtype(Mask mask) noexcept;
DType bias_dtype(Bias bias) noexcept;

}  // namespace weft::cases
