// Blocks one behind the other on two streams.
#include <algorithm>
#include <tuple>

#include "attention/validate.hpp"
#include "base/text.hpp"
#include "fusion/parts.hpp"
#include "fusion/validate.hpp"

namespace weft {
namespace {

using namespace fusion;
using checks::Rules;

struct Streams {
  Tensor query, context;
};

// The dim that a block gives; sizes that don't fit are the block's own to refuse.
int64_t out_dim(const CrossAttentionBlock& block, const Tensor& query, const Tensor& context) {
  const auto features = [](const Projection& projection, int64_t otherwise) {
    return projection.weight && projection.weight.rank() == 2 ? projection.weight.shape[0]
                                                              : otherwise;
  };
  if (block.feed_forward) return features(block.feed_forward->down, query.shape.back());
  if (block.out.weight) return features(block.out, query.shape.back());
  const int64_t kv_heads = block.kv_heads == 0 ? block.heads : block.kv_heads;
  return features(block.value, context.shape.back()) * block.heads / std::max<int64_t>(kv_heads, 1);
}

class StackRun {
 public:
  StackRun(const Scope& scope, const FusionStack& stack, const FusionCall& call)
      : scope_(scope), stack_(stack), call_(call) {}

  Result<void> record() {
    WEFT_TRY(begin());
    Streams before = now_;
    for (size_t i = 0; i < stack_.steps.size(); ++i) {
      if (!stack_.steps[i].together) before = now_;
      WEFT_TRY(step(i, before));
    }
    WEFT_TRY(end_query());
    return end_context();
  }

 private:
  Result<void> begin() {
    now_ = {call_.query, call_.context};
    if (stack_.input.weight) {
      const Tensor& from = call_.context;
      Tensor rows = scope_.recorder().transient(from.dtype,
                                                with_dim(from.shape, stack_.input.weight.shape[0]));
      WEFT_TRY(project_into(scope_, "input", stack_.input, from, rows));
      now_.context = rows;
    }
    if (!stack_.latents) return {};
    const int64_t batch = call_.context.rank() == 2 ? 1 : call_.context.shape[0];
    const Dims& shape = stack_.latents.shape;
    now_.query = scope_.recorder().transient(
        call_.context.dtype,
        call_.context.rank() == 2 ? Dims{shape[0], shape[1]} : Dims{batch, shape[0], shape[1]});
    return copy_into(scope_, "latents", stack_.latents, now_.query);
  }

  static Dims with_dim(Dims shape, int64_t dim) {
    shape[shape.rank() - 1] = dim;
    return shape;
  }

  // No later step writes the stream that step i writes.
  bool is_last(size_t i) const {
    for (size_t j = i + 1; j < stack_.steps.size(); ++j)
      if (stack_.steps[j].swapped == stack_.steps[i].swapped) return false;
    return true;
  }
  bool ends_plainly() const {
    return !stack_.output.weight && stack_.last_norm.kind == NormKind::none;
  }

  Tensor target(size_t i, const Tensor& rows, int64_t dim) const {
    const bool swapped = stack_.steps[i].swapped;
    if (is_last(i)) {
      if (swapped && call_.context_output) return call_.context_output;
      if (!swapped && ends_plainly()) return call_.output;
    }
    return scope_.recorder().transient(rows.dtype, with_dim(rows.shape, dim));
  }

  Result<void> step(size_t i, const Streams& before) {
    const FusionStep& step = stack_.steps[i];
    const Tensor& query = step.swapped ? before.context : before.query;
    const Tensor& context = step.self ? query : step.swapped ? before.query : before.context;
    const Tensor output = target(i, query, out_dim(step.block, query, context));
    const bool across = !step.self && !step.swapped;
    WEFT_TRY(across && stack_.chunk_len > 0 ? chunked(step, query, context, output)
                                            : plain(step, query, context, output));
    (step.swapped ? now_.context : now_.query) = output;
    return {};
  }

  Result<void> plain(const FusionStep& step, const Tensor& query, const Tensor& context,
                     const Tensor& output) const {
    CrossAttentionCall call{.query = query, .context = context, .output = output};
    if (step.positions) {
      call.query_position = step.swapped ? call_.context_position : call_.query_position;
      call.context_position =
          step.self != step.swapped ? call_.query_position : call_.context_position;
    }
    if (!step.self && !step.swapped) {
      call.query_angles = call_.query_angles;
      call.key_angles = call_.key_angles;
      call.attention = call_.attention;
      call.row_factors = call_.row_factors;
      if (step.block.feed_forward) call.feed_forward_factors = call_.feed_forward_factors;
      if (!step.block.more_sources.empty()) call.more_sources = call_.more_sources;
      call.attend = call_.attend;
    }
    if (!step.self && step.swapped) call.attention = call_.swapped_attention;
    return cross_attention(scope_.recorder(), step.block, call);
  }

  Result<void> chunked(const FusionStep& step, const Tensor& query, const Tensor& context,
                       const Tensor& output) const {
    ChunkedAttentionCall call{.query = query, .context = context, .output = output};
    call.chunk_len = stack_.chunk_len;
    call.kv_lengths = call_.attention.kv_lengths;
    call.query_angles = call_.query_angles;
    call.key_angles = call_.key_angles;
    call.attend = call_.attend;
    return chunked_cross_attention(scope_.recorder(), step.block, call);
  }

  // What is left to do until the query stream lies in the output.
  Result<void> end_query() {
    if (!ends_plainly()) {
      Tensor rows = now_.query;
      const bool norms = stack_.last_norm.kind != NormKind::none;
      if (stack_.output.weight) {
        const Tensor product =
            norms ? scope_.recorder().transient(rows.dtype, call_.output.shape) : call_.output;
        WEFT_TRY(project_into(scope_, "output", stack_.output, rows, product));
        rows = product;
      }
      return norms ? norm_into(scope_, "last_norm", stack_.last_norm, rows, call_.output)
                   : Result<void>{};
    }
    for (const FusionStep& step : stack_.steps)
      if (!step.swapped) return {};  // it wrote the output
    return copy_into(scope_, "output", now_.query, call_.output);
  }

  Result<void> end_context() {
    if (!call_.context_output) return {};
    for (const FusionStep& step : stack_.steps)
      if (step.swapped) return {};
    return copy_into(scope_, "context_output", now_.context, call_.context_output);
  }

  const Scope& scope_;
  const FusionStack& stack_;
  const FusionCall& call_;
  Streams now_;
};

// The first optional tensor given among an attention's options; null: none.
const char* first_given(const AttentionCall& options) {
  using Tensors = std::span<const attention_detail::OptionalTensor>;
  for (const Tensors tensors :
       {Tensors(attention_detail::kScoreTensors), Tensors(attention_detail::kValueTensors)})
    for (const attention_detail::OptionalTensor& optional : tensors)
      if (options.*optional.member) return optional.name;
  if (options.logsumexp) return "logsumexp";
  return options.weights ? "weights" : nullptr;
}

bool has_window(const AttentionCall& options) {
  return options.causal || options.window_left != -1 || options.window_right != -1;
}

// What check_used does not look at, where a similarity is the whole stack.
Result<void> check_similarity(const Rules& rules, const FusionStack& stack,
                              const FusionCall& call) {
  if (!stack.steps.empty())
    return rules.broken(
        text("steps has ", stack.steps.size(), ", with similarity; it must be empty"));
  const std::pair<const char*, bool> others[] = {
      {"latents", static_cast<bool>(stack.latents)},
      {"context_output", static_cast<bool>(call.context_output)},
      {"attention", first_given(call.attention) != nullptr || has_window(call.attention)},
      {"swapped_attention",
       first_given(call.swapped_attention) != nullptr || has_window(call.swapped_attention)}};
  for (const auto& [name, given] : others)
    if (given) return rules.broken(text(name, " is given; similarity has no use for it"));
  return {};
}

// What no step can use would be lost without a word.
Result<void> check_used(const Rules& rules, const FusionStack& stack, const FusionCall& call) {
  bool positions = false, across = false, back = false, feeds = false, sources = false;
  for (const FusionStep& step : stack.steps) {
    positions |= step.positions;
    back |= step.swapped && !step.self;
    if (step.self || step.swapped) continue;
    across = true;
    feeds |= step.block.feed_forward.has_value();
    sources |= !step.block.more_sources.empty();
  }
  const bool plain = across && stack.chunk_len == 0;
  const std::tuple<const char*, bool, bool> rows[] = {
      {"query_position", static_cast<bool>(call.query_position), positions && stack.chunk_len == 0},
      {"context_position", static_cast<bool>(call.context_position),
       positions && stack.chunk_len == 0},
      {"query_angles", static_cast<bool>(call.query_angles), across},
      {"key_angles", static_cast<bool>(call.key_angles), across},
      {"row_factors", static_cast<bool>(call.row_factors), plain},
      {"feed_forward_factors", static_cast<bool>(call.feed_forward_factors), plain && feeds},
      {"more_sources", !call.more_sources.empty(), plain && sources},
      {"attend", static_cast<bool>(call.attend), across}};
  for (const auto& [name, given, used] : rows)
    if (given && !used)
      return rules.broken(
          text(name, " is given; ",
               stack.similarity ? "similarity has no use for it" : "no step of the stack uses it"));
  if (back) return {};
  if (const char* name = first_given(call.swapped_attention))
    return rules.broken(
        text("swapped_attention.", name, " is given; no step goes from context to query"));
  if (has_window(call.swapped_attention))
    return rules.broken("swapped_attention has a window; no step goes from context to query");
  return {};
}

// Chunks know lengths of their neighbours, and nothing else of an attention's options.
Result<void> check_chunk_options(const Rules& rules, AttentionCall options) {
  options.kv_lengths = {};
  if (const char* name = first_given(options))
    return rules.broken(
        text("attention.", name, " is given; of its options chunks take kv_lengths only"));
  if (has_window(options))
    return rules.broken("attention has a window; of its options chunks take kv_lengths only");
  return {};
}

// Results apart from what comes in, and from each other.
Result<void> check_memory(const Rules& rules, const FusionCall& call) {
  const checks::Operand output{"output", call.output}, other{"context_output", call.context_output};
  for (const checks::Operand& result : {output, other}) {
    if (!result.tensor) continue;
    WEFT_TRY(rules.layout(result));
    WEFT_TRY(rules.apart(result, {"context", call.context}));
    if (call.query) WEFT_TRY(rules.apart(result, {"query", call.query}));
  }
  if (call.context_output) return rules.apart(output, other);
  return {};
}

Result<void> check(const Rules& rules, const FusionStack& stack, const FusionCall& call) {
  WEFT_TRY(rules.given({"context", call.context}));
  WEFT_TRY(rules.given({"output", call.output}));
  if (stack.chunk_len < 0)
    return rules.broken(text("chunk_len is ", stack.chunk_len, "; it must be 0 or more"));
  const bool chunked = stack.chunk_len > 0;
  WEFT_TRY(chunked ? check_tensor(rules, {"context", call.context}, 4)
                   : check_rows(rules, {"context", call.context}));
  if (static_cast<bool>(call.query) == static_cast<bool>(stack.latents))
    return rules.broken(text("query is ", call.query ? "given" : "not given", "; it must be ",
                             stack.latents ? "left empty, the stack has latents" : "given"));
  if (call.query) WEFT_TRY(check_rows(rules, {"query", call.query}));
  if (stack.latents) WEFT_TRY(check_tensor(rules, {"latents", stack.latents}, 2));
  WEFT_TRY(check_projection(rules, "input", stack.input, call.context.shape.back()));
  WEFT_TRY(check_memory(rules, call));
  if (chunked) WEFT_TRY(check_chunk_options(rules, call.attention));
  if (stack.similarity) WEFT_TRY(check_similarity(rules, stack, call));
  if (!stack.steps.empty() && stack.steps[0].together)
    return rules.broken("steps[0].together is true; there is no step before it");
  return check_used(rules, stack, call);
}

}  // namespace

Result<void> fuse(Recorder& recorder, const FusionStack& stack, const FusionCall& call) {
  Scope scope(recorder, "fuse", stack.family);
  WEFT_TRY(check(scope.rules(), stack, call));
  scope.set_dtype(call.context.dtype);
  if (stack.similarity) {
    WEFT_TRY(similarity(recorder, *stack.similarity, call.query, call.context, call.output));
  } else {
    WEFT_TRY(StackRun(scope, stack, call).record());
  }
  return scope.keep();
}

}  // namespace weft
