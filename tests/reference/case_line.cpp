#include "reference/case_line.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <utility>

#include "reference/case_words.hpp"

namespace weft::cases {
namespace {

const Names<Mask> kMasks = {{Mask::none, "none"},
                            {Mask::keep, "keep"},
                            {Mask::drop, "drop"},
                            {Mask::keep_i32, "keep_i32"},
                            {Mask::drop_i32, "drop_i32"}};
const Names<Bias> kBiases = {
    {Bias::none, "none"}, {Bias::f32, "f32"}, {Bias::f16, "f16"}, {Bias::bf16, "bf16"}};
const Names<Masked> kMasked = {{Masked::some, "some"},
                               {Masked::none, "none"},
                               {Masked::rows, "rows"},
                               {Masked::all, "all"},
                               {Masked::blocks, "blocks"}};
const Names<Lengths> kLengths = {{Lengths::none, "none"},     {Lengths::full, "full"},
                                 {Lengths::random, "random"}, {Lengths::zero, "zero"},
                                 {Lengths::over, "over"},     {Lengths::negative, "negative"},
                                 {Lengths::mixed, "mixed"},   {Lengths::quarter, "quarter"}};
const Names<Logits> kLogits = {
    {Logits::normal, "normal"}, {Logits::large, "large"}, {Logits::huge, "huge"}};
const Names<Layout> kLayouts = {{Layout::bhld, "bhld"},
                                {Layout::blhd, "blhd"},
                                {Layout::padded, "padded"},
                                {Layout::odd, "odd"}};
const Names<Activation> kActivations = {
    {Activation::none, "none"},           {Activation::relu, "relu"},
    {Activation::silu, "silu"},           {Activation::gelu, "gelu"},
    {Activation::gelu_tanh, "gelu_tanh"}, {Activation::quick_gelu, "quick_gelu"}};
const Names<GateKind> kGates = {
    {GateKind::none, "none"}, {GateKind::value, "value"}, {GateKind::tanh, "tanh"}};

const Names<Offsets> kOffsets = {{Offsets::none, "none"},
                                 {Offsets::random, "random"},
                                 {Offsets::end, "end"},
                                 {Offsets::negative, "negative"},
                                 {Offsets::far, "far"}};
const Names<Packed> kPacked = {
    {Packed::none, "none"}, {Packed::q, "q"}, {Packed::k, "k"}, {Packed::qk, "qk"}};
const Names<Starts> kStarts = {
    {Starts::tight, "tight"}, {Starts::gaps, "gaps"}, {Starts::outside, "outside"}};
const Names<Regions> kRegions = {{Regions::none, "none"},
                                 {Regions::equal, "equal"},
                                 {Regions::mask, "mask"},
                                 {Regions::blocks, "blocks"}};
const Names<uint32_t> kOnes = {
    {kOneQuery, "q"},      {kOneKey, "k"},           {kOneValue, "v"},
    {kOneQueryHead, "qh"}, {kOneKeyHead, "kh"},      {kOneValueHead, "vh"},
    {kOneNullHead, "nh"},  {kOneQueryRegions, "qr"}, {kOneKeyRegions, "kr"}};
const Names<uint32_t> kOnesOfMix = {{kOneInput, "i"},   {kOneInputHead, "ih"},
                                    {kOneFactors, "f"}, {kOneFactorsHead, "fh"},
                                    {kOneMatrix, "m"},  {kOneMatrixHead, "mh"}};
const Names<WeightsStage> kStages = {{WeightsStage::scaled, "scaled"},
                                     {WeightsStage::capped, "capped"},
                                     {WeightsStage::masked, "masked"},
                                     {WeightsStage::probabilities, "probabilities"}};
const Names<Empty> kEmpty = {{Empty::none, "none"},
                             {Empty::left, "left"},
                             {Empty::right, "right"},
                             {Empty::both, "both"},
                             {Empty::mixed, "mixed"}};
const Names<InPlace> kInPlace = {
    {InPlace::none, "none"}, {InPlace::left, "left"}, {InPlace::right, "right"}};

// The words of each kind of case, once for reading and writing.
// The letters of a mask's axes that are not broadcast.
template <class Visitor>
void visit_axes(Visitor& words, std::string_view name, std::string& letters) {
  words.text(name, letters, "bhqk");
  constexpr std::string_view kAll = "bhqk";
  const auto before = [&](char x, char y) { return kAll.find(x) < kAll.find(y); };
  if (letters.empty() || letters.back() != 'k' || letters.find_first_not_of(kAll) != letters.npos ||
      !std::is_sorted(letters.begin(), letters.end(), before))
    words.complain(std::string(name) + " is '" + letters +
                   "'; it must be letters of bhqk in order, ending in k");
}

template <class Visitor>
void visit_columns(Visitor& words, std::string_view name, int64_t& columns, int64_t kv_len) {
  words.size(name, columns, kv_len);
  if (columns > kv_len)
    words.complain(std::string(name) + " is " + std::to_string(columns) + ", past the last key");
}

// What can't be in one case.
template <class Visitor>
void check_together(Visitor& words, const AttentionCase& c) {
  const bool packed_q = c.packed == Packed::q || c.packed == Packed::qk;
  const bool packed_k = c.packed == Packed::k || c.packed == Packed::qk;
  if (c.kv_heads == 0 || c.heads % c.kv_heads != 0)
    words.complain("has " + std::to_string(c.heads) + " heads; kv_heads " +
                   std::to_string(c.kv_heads) + " must divide them");
  if (c.packed == Packed::none && (c.starts != Starts::tight || c.no_max))
    words.complain("has starts or no_max, but nothing is packed");
  if (c.packed != Packed::none && (c.score_items > 0 || c.value_items > 0))
    words.complain("has items of scores or values beside packed ones");
  if ((packed_k || c.ones & (kOneKey | kOneValue)) && c.broadcast_kv)
    words.complain("has bcast_kv beside keys or values of batch 1");
  if ((packed_q && c.ones & kOneQuery) || (packed_k && c.ones & (kOneKey | kOneValue)))
    words.complain("has one=q, k or v where it is packed");
  if (c.kv_heads > 1 && c.ones & kOneKeyHead && c.ones & kOneValueHead)
    words.complain("has one=kh,vh; that is kv1");
}

template <class Visitor>
void visit_words(Visitor& words, AttentionCase& c) {
  words.usual_size("b", c.batch, 1);
  words.usual_size("h", c.heads, 1);
  words.size("kv", c.kv_heads, c.heads);
  words.size("q", c.q_len);
  words.size("k", c.kv_len);
  words.size("d", c.head_dim);
  words.size("dv", c.value_dim, c.head_dim);
  words.base_type(c.query);
  const DType base = c.query;
  words.choice("kv_type", c.kv, kTypes, base);
  words.choice("out", c.output, kTypes, base);
  words.choice("mask", c.mask, kMasks, Mask::none);
  visit_axes(words, "mask_shape", c.mask_shape);
  visit_columns(words, "mask_k", c.mask_keys, c.kv_len);
  words.choice("bias", c.bias, kBiases, Bias::none, Bias::f32);
  visit_axes(words, "bias_shape", c.bias_shape);
  visit_columns(words, "bias_k", c.bias_keys, c.kv_len);
  words.choice("masked", c.masked, kMasked, Masked::some);
  words.choice("lengths", c.lengths, kLengths, Lengths::none);
  words.number("scale", c.scale, 0.0f);
  words.number("softcap", c.softcap, 0.0f);
  words.flag("causal", c.causal);
  words.number("offset", c.offset, 0);
  words.choice("offsets", c.offsets, kOffsets, Offsets::none);
  words.pair("window", c.window_left, c.window_right, -1);
  words.choice("packed", c.packed, kPacked, Packed::none);
  words.choice("starts", c.starts, kStarts, Starts::tight);
  words.flag("no_max", c.no_max);
  words.choice("regions", c.regions, kRegions, Regions::none);
  words.flag("sinks", c.sinks);
  words.size("null", c.null_len, 0);
  words.size("score_items", c.score_items, 0);
  words.size("value_items", c.value_items, 0);
  words.bits("one", c.ones, kOnes);
  words.flag("lse", c.logsumexp);
  words.flag("with_weights", c.weights);
  words.choice("layout", c.layout, kLayouts, Layout::bhld);
  words.flag("bcast_kv", c.broadcast_kv);
  words.flag("poison", c.poison);
  words.choice("logits", c.logits, kLogits, Logits::normal);
  words.size("seed", c.seed, 0);
  check_together(words, c);
}

template <class Visitor>
void visit_words(Visitor& words, WeightsCase& c) {
  visit_words(words, c.attention);
  if (c.attention.weights) words.complain("has with_weights, which an attention line may have");
  words.choice("stage", c.stage, kStages, WeightsStage::probabilities);
  words.list("heads", c.heads);
  words.list("keys", c.keys);
  words.flag("null_last", c.null_keys_last);
  words.flag("mean", c.mean_heads);
  words.flag("accumulate", c.accumulate);
  for (uint32_t head : c.heads)
    if (head >= c.attention.heads)
      words.complain("lists head " + std::to_string(head) + ", which is none");
  for (uint32_t key : c.keys)
    if (key >= c.attention.kv_len + c.attention.null_len)
      words.complain("lists key " + std::to_string(key) + ", which is none");
  if (c.attention.poison && c.stage < WeightsStage::masked)
    words.complain("has poison, which is seen before masks are");
}

template <class Visitor>
void visit_words(Visitor& words, MergeCase& c) {
  words.usual_size("b", c.batch, 1);
  words.usual_size("h", c.heads, 1);
  words.size("q", c.q_len);
  words.size("d", c.value_dim);
  words.base_type(c.left);
  words.choice("right", c.right, kTypes, DType(c.left));
  words.choice("out", c.output, kTypes, DType(c.left));
  words.choice("empty", c.empty, kEmpty, Empty::none);
  words.choice("in_place", c.in_place, kInPlace, InPlace::none);
  words.flag("lse", c.logsumexp);
  words.choice("layout", c.layout, kLayouts, Layout::bhld);
  words.size("seed", c.seed, 0);
  if (c.in_place != InPlace::none && c.output != (c.in_place == InPlace::left ? c.left : c.right))
    words.complain("is in place with two types");
}

template <class Visitor>
void visit_words(Visitor& words, LinearCase& c) {
  words.size("m", c.rows);
  words.size("k", c.in_features);
  words.size("n", c.out_features);
  words.base_type(c.input);
  words.choice("weight", c.weight, kTypes, DType(c.input));
  words.choice("out", c.output, kTypes, DType(c.input));
  words.flag("bias", c.bias);
  words.choice("bias_type", c.bias_type, kTypes, DType(c.weight));
  words.choice("act", c.activation, kActivations, Activation::none);
  words.choice("layout", c.layout, kLayouts, Layout::bhld);
  words.size("seed", c.seed, 0);
}

template <class Visitor>
void visit_words(Visitor& words, NormCase& c) {
  words.size("m", c.rows);
  words.size("d", c.dim);
  words.base_type(c.input);
  words.choice("weight", c.weight, kTypes, DType(c.input));
  words.choice("out", c.output, kTypes, DType(c.input));
  words.flag("no_weight", c.no_weight);
  words.flag("bias", c.bias);
  words.flag("in_place", c.in_place);
  words.number("epsilon", c.epsilon, 1e-5f);
  words.number("offset", c.offset, 0.0f);
  words.choice("layout", c.layout, kLayouts, Layout::bhld);
  words.size("seed", c.seed, 0);
  if (c.in_place && c.input != c.output) words.complain("is in place with two types");
}

// What add and multiply share.
template <class Visitor, class Pair>
void visit_pair(Visitor& words, Pair& c) {
  words.size("m", c.rows);
  words.size("d", c.dim);
  words.base_type(c.left);
  words.size("right_rows", c.right_rows, c.rows);
  words.choice("right", c.right, kTypes, DType(c.left));
  words.choice("out", c.output, kTypes, DType(c.left));
  words.flag("in_place", c.in_place);
  words.choice("layout", c.layout, kLayouts, Layout::bhld);
  words.size("seed", c.seed, 0);
  if (c.in_place && c.left != c.output) words.complain("is in place with two types");
  if (c.right_rows == 0 ? c.rows != 0 : c.rows % c.right_rows != 0)
    words.complain("has " + std::to_string(c.rows) + " rows; right_rows " +
                   std::to_string(c.right_rows) + " must divide them");
}

template <class Visitor>
void visit_words(Visitor& words, AddCase& c) {
  visit_pair(words, c);
  words.flag("no_left", c.no_left);
  words.choice("gate", c.gate, kGates, GateKind::none);
  words.choice("gate_type", c.gate_type, kTypes, DType(c.left));
  words.flag("gate_columns", c.gate_columns);
  words.flag("row_factors", c.row_factors);
  if (c.no_left && c.in_place) words.complain("is in place over nothing");
}

template <class Visitor>
void visit_words(Visitor& words, MultiplyCase& c) {
  visit_pair(words, c);
  words.choice("act", c.activation, kActivations, Activation::none);
}

template <class Visitor>
void visit_words(Visitor& words, GatherCase& c) {
  words.size("n", c.count);
  words.size("rows", c.table_rows);
  words.size("d", c.dim);
  words.base_type(c.table);
  words.choice("out", c.output, kTypes, DType(c.table));
  words.flag("outside", c.outside);
  words.choice("layout", c.layout, kLayouts, Layout::bhld);
  words.size("seed", c.seed, 0);
}

template <class Visitor>
void visit_words(Visitor& words, MixKeysCase& c) {
  words.usual_size("b", c.batch, 1);
  words.usual_size("h", c.heads, 1);
  words.size("k", c.kv_len);
  words.size("d", c.dim);
  words.base_type(c.input);
  words.choice("out", c.output, kTypes, DType(c.input));
  words.flag("factors", c.factors);
  words.flag("matrix", c.matrix);
  words.size("rows", c.rows, c.kv_len);
  words.bits("one", c.ones, kOnesOfMix);
  words.choice("layout", c.layout, kLayouts, Layout::bhld);
  words.size("seed", c.seed, 0);
  if (!c.matrix && c.rows != c.kv_len) words.complain("has rows of a matrix, but no matrix");
}

template <class Visitor>
void visit_words(Visitor& words, RotaryCase& c) {
  words.usual_size("b", c.batch, 1);
  words.usual_size("h", c.heads, 1);
  words.size("q", c.length);
  words.size("d", c.dim);
  words.size("n", c.turned, c.dim);
  words.base_type(c.input);
  words.choice("out", c.output, kTypes, DType(c.input));
  words.flag("interleaved", c.interleaved);
  words.number("angle", c.angle, 4.0f);
  words.flag("in_place", c.in_place);
  words.choice("layout", c.layout, kLayouts, Layout::bhld);
  words.size("seed", c.seed, 0);
  if (c.in_place && c.input != c.output) words.complain("is in place with two types");
  if (c.turned % 2 != 0 || c.turned > c.dim)
    words.complain("turns " + std::to_string(c.turned) +
                   " columns; they must be even and at most " + std::to_string(c.dim));
}

std::string_view kind_of(const AttentionCase&) { return ""; }
std::string_view kind_of(const WeightsCase&) { return "weights"; }
std::string_view kind_of(const MergeCase&) { return "merge"; }
std::string_view kind_of(const LinearCase&) { return "linear"; }
std::string_view kind_of(const NormCase& c) {
  return c.norm == Norm::layer ? "layer_norm" : "rms_norm";
}
std::string_view kind_of(const AddCase&) { return "add"; }
std::string_view kind_of(const MultiplyCase&) { return "multiply"; }
std::string_view kind_of(const GatherCase&) { return "gather"; }
std::string_view kind_of(const MixKeysCase&) { return "mix_keys"; }
std::string_view kind_of(const RotaryCase&) { return "rotary"; }

std::optional<Case> empty_case(std::string_view kind) {
  if (kind == "weights") return WeightsCase{};
  if (kind == "merge") return MergeCase{};
  if (kind == "linear") return LinearCase{};
  if (kind == "layer_norm") return NormCase{.norm = Norm::layer};
  if (kind == "rms_norm") return NormCase{.norm = Norm::rms};
  if (kind == "add") return AddCase{};
  if (kind == "multiply") return MultiplyCase{};
  if (kind == "gather") return GatherCase{};
  if (kind == "mix_keys") return MixKeysCase{};
  if (kind == "rotary") return RotaryCase{};
  if (kind == "attention") return AttentionCase{};
  return std::nullopt;
}

}  // namespace

Result<Case> parse(std::string_view line) {
  std::stringstream text{std::string(line.substr(0, line.find('#')))};
  const std::vector<std::string> parts{std::istream_iterator<std::string>(text), {}};
  const auto error = [&](const std::string& problem) {
    return fail(Code::invalid_argument, "case line: '" + std::string(line) + "' " + problem);
  };
  if (parts.empty()) return error("is empty");
  std::optional<Case> problem = empty_case(parts[0]);
  std::vector<Word> words;
  for (size_t i = problem ? 1 : 0; i < parts.size(); ++i) words.push_back(split_word(parts[i]));
  if (!problem) problem = AttentionCase{};
  Reader reader(std::move(words));
  std::visit([&](auto& c) { visit_words(reader, c); }, *problem);
  if (const std::string found = reader.problem(); !found.empty()) return error(found);
  return *problem;
}

std::string print(const Case& problem) {
  Writer writer;
  std::visit(
      [&](auto c) {
        if (const std::string_view kind = kind_of(c); !kind.empty()) writer.add(kind);
        visit_words(writer, c);
      },
      problem);
  return writer.line();
}

Result<std::vector<Case>> parse_all(std::string_view text) {
  std::vector<Case> cases;
  std::stringstream lines{std::string(text)};
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const std::string_view content = std::string_view(line).substr(0, line.find('#'));
    if (content.find_first_not_of(" \t\r") == content.npos) continue;
    auto problem = parse(content);
    if (!problem)
      return fail(Code::invalid_argument,
                  "line " + std::to_string(number) + ": " + std::move(problem).error().message);
    cases.push_back(*std::move(problem));
  }
  return cases;
}

Result<std::vector<Case>> read_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) return fail(Code::invalid_argument, "case file: can't read '" + path + "'");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  auto cases = parse_all(text);
  if (!cases) return fail(Code::invalid_argument, path + ": " + cases.error().message);
  return cases;
}

MaskKind mask_kind(Mask mask) noexcept {
  if (mask == Mask::none) return MaskKind::none;
  return mask == Mask::keep || mask == Mask::keep_i32 ? MaskKind::keep : MaskKind::drop;
}

DType mask_dtype(Mask mask) noexcept {
  return mask == Mask::keep_i32 || mask == Mask::drop_i32 ? DType::i32 : DType::u8;
}

DType bias_dtype(Bias bias) noexcept {
  return bias == Bias::f16 ? DType::f16 : bias == Bias::bf16 ? DType::bf16 : DType::f32;
}

}  // namespace weft::cases
