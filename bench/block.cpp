#include "block.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <sstream>

#include "reference/calls.hpp"
#include "reference/case_words.hpp"
#include "reference/fusion.hpp"

namespace weft::bench {
namespace {

// A prime, so that no tile of a kernel sees the same row in the same place.
constexpr int64_t kContextRows = 251;
constexpr double kSharpness =
    3.0;  // of queries: a softmax over many keys that differ would be flat

const cases::Names<Family> kFamilies = {{Family::stable_diffusion, "stable_diffusion"},
                                        {Family::llama_3_2_vision, "llama_3_2_vision"}};

template <class Visitor>
void visit_words(Visitor& words, BlockCase& c) {
  const Family none{-1};
  words.choice("family", c.family, kFamilies, none);
  words.usual_size("b", c.batch, 1);
  words.size("h", c.heads);
  words.size("kv", c.kv_heads, c.heads);
  words.size("q", c.q_len);
  words.size("k", c.kv_len);
  words.size("d", c.head_dim);
  words.size("context", c.context_dim);
  words.base_type(c.dtype);
  words.size("hidden", c.hidden, 0);
  words.flag("prepared", c.prepared);
  words.size("seed", c.seed, 0);
  if (c.family == none) words.complain("has no family=");
  if (c.family == Family::stable_diffusion && c.hidden > 0)
    words.complain("has hidden, but a feed-forward that is no part of this family's block");
  if (std::min({c.batch, c.heads, c.kv_heads, c.q_len, c.kv_len, c.head_dim, c.context_dim}) == 0)
    words.complain("has a size of 0");
}

// Draws tensors, and keeps them by name for the peers.
class Drawing {
 public:
  Drawing(const Device& device, const BlockCase& c, BlockProblem& problem)
      : device_(device), dtype_(c.dtype), random_(c.seed), problem_(problem) {}

  // [out, in] of a product that keeps the size of what it is given.
  Result<Projection> projection(const std::string& name, int64_t out, int64_t in, bool bias = false,
                                double size = 1.0) {
    Projection made;
    const double spread = size * std::sqrt(3.0 / static_cast<double>(in));
    WEFT_ASSIGN(made.weight, tensor(name + ".weight", {out, in},
                                    cases::random_array(random_, dtype_, {1, 1, out, in}, spread)));
    if (bias) {
      WEFT_ASSIGN(made.bias, vector(name + ".bias", out, 0.0, 0.1));
    }
    return made;
  }
  Result<Norm> norm(const std::string& name, NormKind kind, int64_t dim, double size = 1.0) {
    Norm made{.kind = kind};
    WEFT_ASSIGN(made.weight, vector(name + ".weight", dim, size, 0.2));
    if (kind == NormKind::layer) {
      WEFT_ASSIGN(made.bias, vector(name + ".bias", dim, 0.0, 0.1));
    }
    return made;
  }
  Result<Gate> gate(const std::string& name) {
    Gate made{.kind = GateKind::tanh};
    WEFT_ASSIGN(made.value, vector(name, 1, 0.8, 0.1));
    return made;
  }
  // [batch, length, dim]; of `distinct` rows that repeat.
  Result<Tensor> rows(const std::string& name, const std::array<int64_t, 3>& shape,
                      int64_t distinct) {
    const auto [batch, length, dim] = shape;
    const auto few = cases::random_array(random_, dtype_, {1, batch, distinct, dim}, 1.7);
    reference::Array all(1, batch, length, dim);
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t i = 0; i < length; ++i)
        std::copy_n(few.row(0, b, i % distinct), dim, all.row(0, b, i));
    return tensor(name, {batch, length, dim}, all);
  }

 private:
  Result<Tensor> vector(const std::string& name, int64_t dim, double centre, double size) {
    reference::Array values = cases::random_array(random_, dtype_, {1, 1, 1, dim}, size);
    for (double& value : values.values) value = cases::round_to(dtype_, value + centre);
    return tensor(name, {dim}, values);
  }
  Result<Tensor> tensor(const std::string& name, const Dims& shape,
                        const reference::Array& values) {
    WEFT_ASSIGN(const Tensor made,
                cases::upload(device_, values, cases::place(dtype_, shape, cases::Layout::bhld)));
    problem_.inputs.emplace_back(name, made);
    return made;
  }

  const Device& device_;
  DType dtype_;
  cases::Random random_;
  BlockProblem& problem_;
};

Result<void> draw_attention(Drawing& draw, const BlockCase& c, CrossAttentionBlock& block) {
  const bool llama = c.family == Family::llama_3_2_vision;
  block.heads = static_cast<uint32_t>(c.heads);
  block.kv_heads = static_cast<uint32_t>(c.kv_heads);
  WEFT_ASSIGN(block.query_norm,
              draw.norm("query_norm", llama ? NormKind::rms : NormKind::layer, c.dim()));
  WEFT_ASSIGN(block.query,
              draw.projection("query", c.dim(), c.dim(), false, llama ? 1.0 : kSharpness));
  WEFT_ASSIGN(block.key, draw.projection("key", c.kv_dim(), c.context_dim));
  WEFT_ASSIGN(block.value, draw.projection("value", c.kv_dim(), c.context_dim));
  WEFT_ASSIGN(block.out, draw.projection("out", c.dim(), c.dim(), !llama));
  if (!llama) return {};
  WEFT_ASSIGN(block.query_head_norm,
              draw.norm("query_head_norm", NormKind::rms, c.head_dim, kSharpness));
  WEFT_ASSIGN(block.key_head_norm, draw.norm("key_head_norm", NormKind::rms, c.head_dim));
  WEFT_ASSIGN(block.gate, draw.gate("gate"));
  return {};
}

Result<void> draw_feed_forward(Drawing& draw, const BlockCase& c, CrossAttentionBlock& block) {
  if (c.hidden == 0) return {};
  FeedForward& feed = block.feed_forward.emplace();
  feed.activation = Activation::silu;
  WEFT_ASSIGN(feed.norm, draw.norm("feed_forward.norm", NormKind::rms, c.dim()));
  WEFT_ASSIGN(feed.gate_up, draw.projection("feed_forward.gate_up", c.hidden, c.dim()));
  WEFT_ASSIGN(feed.up, draw.projection("feed_forward.up", c.hidden, c.dim()));
  WEFT_ASSIGN(feed.down, draw.projection("feed_forward.down", c.dim(), c.hidden));
  WEFT_ASSIGN(feed.gate, draw.gate("feed_forward.gate"));
  return {};
}

Result<void> prepare(const Device& device, const BlockCase& c, BlockProblem& problem) {
  problem.timed = problem.call;
  if (!c.prepared) return {};
  Recorder recorder(device);
  WEFT_ASSIGN(problem.timed.prepared, prepare_context(recorder, problem.block, problem.call.context,
                                                      static_cast<uint32_t>(c.q_len)));
  problem.timed.context = {};
  WEFT_ASSIGN(const Ticket ticket, recorder.submit());
  return ticket.wait();
}

}  // namespace

Result<BlockCase> parse_block(std::string_view line) {
  std::stringstream text{std::string(line.substr(0, line.find('#')))};
  std::vector<cases::Word> words;
  std::string word;
  text >> word;  // "block"
  while (text >> word) words.push_back(cases::split_word(word));
  cases::Reader reader(std::move(words));
  BlockCase c;
  visit_words(reader, c);
  if (reader.problem().empty()) return c;
  return fail(Code::invalid_argument, "case line: '" + std::string(line) + "' " + reader.problem());
}

std::string print(const BlockCase& c) {
  cases::Writer writer;
  writer.add("block");
  BlockCase copy = c;
  visit_words(writer, copy);
  return writer.line();
}

double steps_a_row(const BlockCase& c) {
  return static_cast<double>(2 * c.dim() * c.dim() + 2 * c.dim() * c.kv_len +
                             3 * c.hidden * c.dim());
}

double flops_of(const BlockCase& c) {
  const auto keys = static_cast<double>(c.prepared ? 0 : c.batch * c.kv_len * c.context_dim);
  return 2.0 * (static_cast<double>(c.batch * c.q_len) * steps_a_row(c) +
                2.0 * keys * static_cast<double>(c.kv_dim()));
}

double bytes_of(const BlockCase& c) {
  const int64_t rows = 2 * c.batch * c.q_len * c.dim();
  const int64_t keys = c.prepared ? 2 * c.batch * c.kv_len * c.kv_dim()
                                  : c.context_dim * (c.batch * c.kv_len + 2 * c.kv_dim());
  const int64_t weights = c.dim() * (2 * c.dim() + 3 * c.hidden);
  return static_cast<double>(rows + keys + weights) * size_bytes(c.dtype);
}

Result<BlockProblem> make_problem(const Device& device, const BlockCase& c) {
  BlockProblem problem;
  Drawing draw(device, c, problem);
  problem.context_rows = std::min(c.kv_len, kContextRows);
  WEFT_ASSIGN(problem.call.query, draw.rows("query", {c.batch, c.q_len, c.dim()}, c.q_len));
  WEFT_ASSIGN(problem.call.context,
              draw.rows("context", {c.batch, c.kv_len, c.context_dim}, problem.context_rows));
  WEFT_TRY(draw_attention(draw, c, problem.block));
  WEFT_TRY(draw_feed_forward(draw, c, problem.block));
  WEFT_ASSIGN(problem.call.output,
              cases::poisoned(
                  device, cases::place(c.dtype, {c.batch, c.q_len, c.dim()}, cases::Layout::bhld)));
  WEFT_TRY(prepare(device, c, problem));
  return problem;
}

Result<reference::Array> solve(const Device& device, const BlockProblem& problem, int64_t step) {
  CrossAttentionCall call = problem.call;
  call.query.shape[1] = (call.query.shape[1] + step - 1) / step;
  call.query.strides[1] *= step;
  // A key that is there n times counts as one whose score is log n higher.
  const int64_t rows = problem.context_rows, kv_len = call.context.shape[1];
  std::vector<float> bias;
  for (int64_t j = 0; j < rows; ++j)
    bias.push_back(std::log(static_cast<float>((kv_len - j + rows - 1) / rows)));
  call.context.shape[1] = rows;
  WEFT_ASSIGN(call.attention.bias, device.tensor(DType::f32, {1, 1, 1, rows}));
  WEFT_TRY(device.upload(call.attention.bias, bias));
  return reference::Fusion(device).cross_attention(problem.block, call);
}

}  // namespace weft::bench
