// A family's block from its table: checked whole, then streamed to the device tensor by tensor.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "base/text.hpp"
#include "fusion/families/resolve.hpp"
#include "weft/families.hpp"

namespace weft {
namespace {

using family::Found;
using family::FoundPart;
using family::FoundStep;
using family::HeadCounts;
using family::Part;

constexpr uint64_t kPieceBytes = 4 << 20;

std::unexpected<Error> refuse(const Found& found, const std::string& what) {
  return fail(Code::invalid_argument,
              text("load_family: ", found.table->info.name, " at \"", found.prefix, "\": ", what));
}

const FoundPart* part_of(const std::vector<FoundPart>& parts, Part part) {
  const auto at = std::ranges::find(parts, part, &FoundPart::part);
  return at == parts.end() ? nullptr : &*at;
}

// Puts tensors of the source on the device.
class Uploader {
 public:
  Uploader(const Device& device, const TensorSource& source, DType dtype)
      : device_(device), source_(source), dtype_(dtype) {}

  // Projections, latents and null keys: of the type asked for. Axes of 1 before the last two, and
  // those of a line of numbers, are left out.
  Result<Tensor> weight(const FoundPart* part) { return load(part, dtype_, 2); }
  // Norms, biases and gates.
  Result<Tensor> numbers(const FoundPart* part) { return load(part, DType::f32, 1); }

  // Two tensors one behind the other in memory, so that they can run as one. Without the first,
  // zeros take its place: `first_rows` of them; neither: neither.
  struct Pair {
    Tensor first, second;
  };
  Result<Pair> weights(const FoundPart* first, const FoundPart* second) {
    if (!first || !second) return Pair{};
    const int64_t rows = first->shape[0], more = second->shape[0];
    WEFT_ASSIGN(const Tensor both, device_.tensor(dtype_, {rows + more, first->shape[1]}));
    WEFT_ASSIGN(Tensor top, both.slice(0, 0, rows));
    WEFT_ASSIGN(Tensor bottom, both.slice(0, rows, more));
    WEFT_TRY(fill(top, first->name));
    WEFT_TRY(fill(bottom, second->name));
    return Pair{std::move(top), std::move(bottom)};
  }
  // Lengths are those of the weights' rows: a bias that is not there is zeros where the other one
  // is.
  Result<Pair> biases(const FoundPart* first, int64_t first_len, const FoundPart* second,
                      int64_t second_len) {
    if (!first && !second) return Pair{};
    WEFT_ASSIGN(const Tensor both, device_.tensor(DType::f32, {first_len + second_len}));
    WEFT_ASSIGN(Tensor head, both.slice(0, 0, first_len));
    WEFT_ASSIGN(Tensor tail, both.slice(0, first_len, second_len));
    WEFT_TRY(fill_or_zero(head, first));
    WEFT_TRY(fill_or_zero(tail, second));
    return Pair{std::move(head), std::move(tail)};
  }

 private:
  Result<Tensor> load(const FoundPart* part, DType dtype, size_t rank) {
    if (!part) return Tensor{};
    int64_t elements = 1;
    for (const int64_t length : part->shape) elements *= length;
    const bool matrix = rank == 2 && part->shape.size() == 2;
    WEFT_ASSIGN(Tensor tensor, device_.tensor(dtype, matrix ? Dims{part->shape[0], part->shape[1]}
                                                            : Dims{elements}));
    WEFT_TRY(fill(tensor, part->name));
    return tensor;
  }

  Result<void> fill_or_zero(const Tensor& tensor, const FoundPart* part) {
    if (part) return fill(tensor, part->name);
    piece_.assign(static_cast<size_t>(tensor.extent_bytes()), std::byte{0});
    return device_.upload(tensor, piece_);
  }

  // Piece by piece: neither the file's bytes nor the converted ones are ever in memory as a whole.
  Result<void> fill(const Tensor& tensor, const std::string& name) {
    WEFT_ASSIGN(const Tensor line, tensor.reshape({tensor.elements()}));
    const uint64_t size = size_bytes(tensor.dtype);
    const int64_t step = static_cast<int64_t>(kPieceBytes / size);
    for (int64_t first = 0; first < line.shape[0]; first += step) {
      const int64_t count = std::min(step, line.shape[0] - first);
      piece_.resize(static_cast<size_t>(static_cast<uint64_t>(count) * size));
      WEFT_TRY(source_.read(name, tensor.dtype, static_cast<uint64_t>(first), piece_));
      WEFT_ASSIGN(const Tensor part, line.slice(0, first, count));
      WEFT_TRY(device_.upload(part, piece_));
    }
    return {};
  }

  const Device& device_;
  const TensorSource& source_;
  DType dtype_;
  std::vector<std::byte> piece_;
};

// One stack on its way to the device.
class Loader {
 public:
  Loader(const Device& device, const TensorSource& source, const FamilyOptions& options,
         const Found& found)
      : uploader_(device, source, options.dtype),
        source_(source),
        options_(options),
        found_(found),
        counts_(family::head_counts(found, options)) {}

  Result<FusionStack> load() {
    WEFT_TRY(check_heads());
    FusionStack stack;
    stack.family = found_.table->info.name;
    stack.chunk_len = options_.chunk_len > 0 ? options_.chunk_len : found_.table->chunk_len;
    for (const FoundStep& step : found_.steps) {
      WEFT_ASSIGN(FusionStep loaded, load_step(step, stack));
      stack.steps.push_back(std::move(loaded));
    }
    WEFT_TRY(load_stack(stack));
    return stack;
  }

 private:
  Result<void> check_heads() const {
    if (found_.steps.empty()) return {};
    const auto [heads, kv_heads] = counts_;
    if (heads == 0) return refuse(found_, "heads must be given; no tensor's shape says how many");
    if (heads % kv_heads != 0)
      return refuse(found_,
                    text("kv_heads is ", kv_heads, ", heads is ", heads, "; it must divide it"));
    const family::Letters& letters = found_.letters;
    if (letters['H'] > 0 && (heads * letters['H'] != family::query_width(letters) ||
                             (letters['K'] > 0 && kv_heads * letters['H'] != letters['K'])))
      return refuse(found_, text("heads is ", heads, ", kv_heads ", kv_heads,
                                 "; the tensors' heads are ", letters['H'], " wide"));
    for (const FoundStep& step : found_.steps)
      for (const FoundPart& part : step.parts)
        if (const uint32_t of = heads_of(part); !part.shape.empty() && part.shape[0] % of != 0)
          return refuse(found_, text(part.name, " has ", part.shape[0], " rows; heads is ", heads,
                                     ", kv_heads ", kv_heads, ", and ", of, " must divide them"));
    return {};
  }

  // What must divide the first axis.
  uint32_t heads_of(const FoundPart& part) const {
    switch (part.part) {
      case Part::query_weight:
        return counts_.heads;
      case Part::key_weight:
      case Part::value_weight:
      case Part::source_key_weight:
      case Part::source_value_weight:
        return counts_.kv_heads;
      case Part::key_value_weight:
        return 2 * counts_.kv_heads;
      case Part::query_key_value_weight:
        return 3 * counts_.heads;
      default:
        return 1;
    }
  }

  Result<FusionStep> load_step(const FoundStep& found, const FusionStack& stack) {
    const family::StepTable& table = *found.table;
    FusionStep step{.block = {},
                    .swapped = table.swapped,
                    .self = table.self,
                    .together = table.together,
                    .positions = table.positions};
    if (found.shares_weights) {
      step.block = stack.steps.back().block;
      return step;
    }
    parts_ = &found.parts;
    epsilon_ = options_.epsilon > 0 ? options_.epsilon
               : table.epsilon > 0  ? table.epsilon
                                    : found_.table->epsilon;
    CrossAttentionBlock& block = step.block;
    block.name = text("step.", stack.steps.size());
    block.heads = counts_.heads;
    block.kv_heads = counts_.kv_heads;
    block.scale = options_.scale != 0 ? options_.scale : found_.table->scale;
    block.residual = table.residual;
    block.residual_of_norm = table.residual_of_norm;
    block.context_and_query = table.context_and_query;
    block.norm_across_heads = table.norm_across_heads;
    WEFT_TRY(load_norms(block));
    WEFT_TRY(load_projections(block));
    WEFT_TRY(load_sources(block));
    WEFT_TRY(load_null_keys(block));
    WEFT_TRY(load_gate(block.gate, Part::gate, table));
    if (part(Part::up_weight)) WEFT_TRY(load_feed_forward(block.feed_forward.emplace(), table));
    return step;
  }

  Result<void> load_norms(CrossAttentionBlock& block) {
    WEFT_TRY(load_norm(block.query_norm, Part::query_norm_weight, Part::query_norm_bias));
    WEFT_TRY(load_norm(block.context_norm, Part::context_norm_weight, Part::context_norm_bias));
    WEFT_TRY(
        load_norm(block.query_head_norm, Part::query_head_norm_weight, Part::query_head_norm_bias));
    WEFT_TRY(load_norm(block.key_head_norm, Part::key_head_norm_weight, Part::key_head_norm_bias));
    return load_norm(block.post_norm, Part::post_norm_weight, Part::post_norm_bias);
  }

  Result<void> load_norm(Norm& norm, Part weight, Part bias) {
    if (!part(weight)) return {};
    norm.kind = found_.table->norm;
    norm.epsilon = epsilon_;
    WEFT_ASSIGN(norm.weight, uploader_.numbers(part(weight)));
    WEFT_ASSIGN(norm.bias, uploader_.numbers(part(bias)));
    return {};
  }

  Result<void> load_projection(Projection& projection, Part weight, Part bias) {
    WEFT_ASSIGN(projection.weight, uploader_.weight(part(weight)));
    WEFT_ASSIGN(projection.bias, uploader_.numbers(part(bias)));
    return {};
  }

  Result<void> load_projections(CrossAttentionBlock& block) {
    WEFT_TRY(load_projection(block.out, Part::out_weight, Part::out_bias));
    if (part(Part::query_key_value_weight))
      return load_fused({&block.query, &block.key, &block.value}, Part::query_key_value_weight,
                        Part::query_key_value_bias);
    WEFT_TRY(load_projection(block.query, Part::query_weight, Part::query_bias));
    if (part(Part::key_value_weight))
      return load_fused({&block.key, &block.value}, Part::key_value_weight, Part::key_value_bias);
    WEFT_TRY(load_pair(block.key, block.value, Part::key_weight, Part::value_weight));
    WEFT_ASSIGN(Uploader::Pair biases, uploader_.biases(part(Part::key_bias), rows(block.key),
                                                        part(Part::value_bias), rows(block.value)));
    block.key.bias = std::move(biases.first);
    block.value.bias = std::move(biases.second);
    return {};
  }

  Result<void> load_pair(Projection& first, Projection& second, Part first_part, Part second_part) {
    WEFT_ASSIGN(Uploader::Pair weights, uploader_.weights(part(first_part), part(second_part)));
    first.weight = std::move(weights.first);
    second.weight = std::move(weights.second);
    return {};
  }

  // Equal shares of one weight's rows.
  Result<void> load_fused(std::initializer_list<Projection*> shares, Part weight, Part bias) {
    Projection whole;
    WEFT_TRY(load_projection(whole, weight, bias));
    const int64_t count = rows(whole) / static_cast<int64_t>(shares.size());
    int64_t first = 0;
    for (Projection* share : shares) {
      WEFT_ASSIGN(share->weight, whole.weight.slice(0, first, count));
      if (whole.bias) {
        WEFT_ASSIGN(share->bias, whole.bias.slice(0, first, count));
      }
      first += count;
    }
    return {};
  }

  Result<void> load_sources(CrossAttentionBlock& block) {
    if (!part(Part::source_key_weight)) return {};
    AttentionSource& source = block.more_sources.emplace_back();
    return load_pair(source.key, source.value, Part::source_key_weight, Part::source_value_weight);
  }

  // [heads * head_dim] as [heads, 1, head_dim]; [head_dim] as [1, 1, head_dim].
  Result<void> load_null_keys(CrossAttentionBlock& block) {
    if (!part(Part::null_key)) return {};
    WEFT_ASSIGN(const Tensor key, uploader_.weight(part(Part::null_key)));
    WEFT_ASSIGN(const Tensor value, uploader_.weight(part(Part::null_value)));
    const int64_t head_dim = rows(block.key) / counts_.kv_heads;
    const int64_t value_dim = rows(block.value) / counts_.kv_heads;
    WEFT_ASSIGN(block.null_key, key.reshape({key.elements() / head_dim, 1, head_dim}));
    WEFT_ASSIGN(block.null_value, value.reshape({value.elements() / value_dim, 1, value_dim}));
    return {};
  }

  Result<void> load_gate(Gate& gate, Part which, const family::StepTable& table) {
    if (!part(which)) return {};
    gate.kind = table.gate;
    WEFT_ASSIGN(gate.value, uploader_.numbers(part(which)));
    return {};
  }

  Result<void> load_feed_forward(FeedForward& block, const family::StepTable& table) {
    block.activation = table.activation;
    WEFT_TRY(load_norm(block.norm, Part::feed_forward_norm_weight, Part::feed_forward_norm_bias));
    WEFT_TRY(load_projection(block.up, Part::up_weight, Part::up_bias));
    WEFT_TRY(load_projection(block.gate_up, Part::gate_up_weight, Part::gate_up_bias));
    WEFT_TRY(load_projection(block.down, Part::down_weight, Part::down_bias));
    WEFT_TRY(load_gate(block.gate, Part::feed_forward_gate, table));
    return load_norm(block.post_norm, Part::feed_forward_post_norm_weight,
                     Part::feed_forward_post_norm_bias);
  }

  Result<void> load_stack(FusionStack& stack) {
    parts_ = &found_.parts;
    epsilon_ = options_.epsilon > 0 ? options_.epsilon : found_.table->epsilon;
    WEFT_ASSIGN(stack.latents, uploader_.weight(part(Part::latents)));
    WEFT_TRY(load_projection(stack.input, Part::input_weight, Part::input_bias));
    WEFT_TRY(load_projection(stack.output, Part::output_weight, Part::output_bias));
    WEFT_TRY(load_norm(stack.last_norm, Part::last_norm_weight, Part::last_norm_bias));
    if (!part(Part::left_weight)) return {};
    Similarity& similarity = stack.similarity.emplace();
    WEFT_ASSIGN(similarity.left.weight, uploader_.weight(part(Part::left_weight)));
    WEFT_ASSIGN(similarity.right.weight, uploader_.weight(part(Part::right_weight)));
    const FoundPart* logit_scale = part(Part::logit_scale);
    if (!logit_scale) return {};
    float number = 0;
    WEFT_TRY(source_.read(logit_scale->name, DType::f32, 0,
                          std::as_writable_bytes(std::span(&number, 1))));
    similarity.scale = std::exp(number);
    if (!std::isfinite(similarity.scale) || similarity.scale == 0)
      return refuse(found_, text(logit_scale->name, " is ", number,
                                 "; its exponential must be finite and not 0"));
    return {};
  }

  const FoundPart* part(Part which) const { return part_of(*parts_, which); }
  static int64_t rows(const Projection& projection) { return projection.weight.shape[0]; }

  Uploader uploader_;
  const TensorSource& source_;
  const FamilyOptions& options_;
  const Found& found_;
  HeadCounts counts_;
  const std::vector<FoundPart>* parts_ = nullptr;  // of what is being loaded
  float epsilon_ = 0;
};

std::string joined(const std::vector<std::string>& words, const char* between) {
  std::string out;
  for (const std::string& word : words) out += text(out.empty() ? "" : between, word);
  return out;
}

Result<void> check_options(const FamilyOptions& options) {
  const auto bad = [](const auto&... parts) {
    return fail(Code::invalid_argument, text("load_family: ", parts...));
  };
  if (options.dtype != DType::f32 && options.dtype != DType::f16 && options.dtype != DType::bf16)
    return bad("dtype is ", options.dtype, "; it must be f32, f16 or bf16");
  if (!(options.epsilon >= 0) || !std::isfinite(options.epsilon))
    return bad("epsilon is ", options.epsilon, "; it must be 0 or more");
  if (!std::isfinite(options.scale)) return bad("scale is ", options.scale, "; it must be finite");
  if (options.chunk_len < 0)
    return bad("chunk_len is ", options.chunk_len, "; it must be 0 or more");
  return {};
}

// All that is missing or wrong in one message; where nothing is there, where the family's blocks
// are.
Result<void> check_found(const family::Names& names, const Found& found) {
  if (found.missing.empty() && found.wrong.empty()) return {};
  if (found.tensors == 0 && found.wrong.empty()) {
    const std::vector<std::string> others = family::prefixes(names, *found.table);
    return refuse(
        found,
        others.empty()
            ? text("nothing of it is in the source, at no prefix; its first tensor would be \"",
                   found.table->info.example, "\" or the like")
            : text("nothing of it is there; the source has it at \"", joined(others, "\", \""),
                   "\""));
  }
  std::string what;
  if (!found.missing.empty()) what = "missing " + joined(found.missing, ", ");
  if (!found.wrong.empty()) what += (what.empty() ? "" : "; ") + joined(found.wrong, "; ");
  return refuse(found, what);
}

}  // namespace

Result<FusionStack> load_family(const Device& device, const TensorSource& source,
                                std::string_view name, std::string_view prefix,
                                const FamilyOptions& options) {
  WEFT_TRY(check_options(options));
  const family::FamilyTable* table = family::find_table(name);
  if (!table) {
    std::vector<std::string> known;
    for (const FamilyInfo& info : families()) known.emplace_back(info.name);
    return fail(Code::invalid_argument, text("load_family: there is no family \"", name,
                                             "\"; there are ", joined(known, ", ")));
  }
  const family::Names names(source);
  const Found found = family::resolve(names, *table, prefix);
  WEFT_TRY(check_found(names, found));
  return Loader(device, source, options, found).load();
}

}  // namespace weft
