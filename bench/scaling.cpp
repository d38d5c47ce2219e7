#include "scaling.hpp"

#include <iterator>

#include "progress.hpp"
#include "reference/calls.hpp"
#include "weft_run.hpp"

namespace weft::bench {
namespace {

constexpr int kRounds = 5;
constexpr const char* kFused = "attention, one program";
constexpr const char* kMaterialised =
    "attention_weights into a whole f32 tensor, then a linear for each head over values transposed "
    "beforehand; the softmax's sums are given, so this is a lower bound for any that writes "
    "weights";

struct Axis {
  const char* axis;
  const char* profile;
  std::vector<int64_t> values;
  cases::AttentionCase (*at)(int64_t x);
};

cases::AttentionCase plain(int64_t heads, int64_t q_len, int64_t kv_len) {
  return {.heads = heads,
          .kv_heads = heads,
          .q_len = q_len,
          .kv_len = kv_len,
          .head_dim = 64,
          .value_dim = 64,
          .mask_keys = kv_len,
          .bias_keys = kv_len};
}

const Axis kAxes[] = {
    {"q_len", "cross", {256, 512, 1024, 2048, 4096}, [](int64_t x) { return plain(8, x, 77); }},
    {"kv_len", "cross", {256, 512, 1024, 2048, 4096}, [](int64_t x) { return plain(8, 64, x); }},
    {"heads", "cross", {1, 2, 4, 8, 16}, [](int64_t x) { return plain(x, 1024, 77); }},
    {"q_len", "self", {256, 512, 1024, 2048}, [](int64_t x) { return plain(4, x, x); }},
    {"heads", "self", {1, 2, 4, 8}, [](int64_t x) { return plain(x, 512, 512); }},
};

struct Way {
  Program program;
  Tensor output;
  uint64_t device_bytes = 0;
};

uint64_t bytes_of(const Tensor& tensor) {
  return static_cast<uint64_t>(tensor.elements()) * size_bytes(tensor.dtype);
}

uint64_t bytes_of(const AttentionCall& call) {
  return bytes_of(call.query) + bytes_of(call.key) + bytes_of(call.value) + bytes_of(call.output);
}

Result<Way> make_fused(const Device& device, const AttentionCall& call) {
  Recorder recorder(device);
  WEFT_TRY(attention(recorder, call));
  WEFT_ASSIGN(const Program program, recorder.finish());
  return Way{program, call.output, bytes_of(call) + program.stats().transient_bytes};
}

// [heads, value_dim, kv_len]: the weight of a linear that multiplies by the values.
Result<Tensor> transposed_values(const Device& device, const cases::AttentionCase& c,
                                 const reference::Array& value) {
  std::vector<float> values(static_cast<size_t>(c.heads * c.value_dim * c.kv_len));
  for (int64_t h = 0; h < c.heads; ++h)
    for (int64_t j = 0; j < c.kv_len; ++j)
      for (int64_t d = 0; d < c.value_dim; ++d)
        values[static_cast<size_t>((h * c.value_dim + d) * c.kv_len + j)] =
            static_cast<float>(value.row(0, h, j)[d]);
  WEFT_ASSIGN(const Tensor tensor, device.tensor(DType::f32, {c.heads, c.value_dim, c.kv_len}));
  WEFT_TRY(device.upload(tensor, values));
  return tensor;
}

Result<Way> make_materialised(const Device& device, const cases::AttentionCase& c,
                              const AttentionCall& plain_call, const reference::Array& value) {
  AttentionCall call = plain_call;
  WEFT_ASSIGN(call.output, device.tensor(DType::f32, {1, c.heads, c.q_len, c.value_dim}));
  WEFT_ASSIGN(call.logsumexp, device.tensor(DType::f32, {1, c.heads, c.q_len}));
  Recorder sums(device);
  WEFT_TRY(attention(sums, call));
  WEFT_ASSIGN(const Ticket ticket, sums.submit());
  WEFT_TRY(ticket.wait());
  WEFT_ASSIGN(const Tensor weights, device.tensor(DType::f32, {1, c.heads, c.q_len, c.kv_len}));
  WEFT_ASSIGN(const Tensor columns, transposed_values(device, c, value));
  WEFT_ASSIGN(const Tensor output, device.tensor(DType::f32, {c.heads, c.q_len, c.value_dim}));
  WEFT_ASSIGN(const Tensor rows, weights.reshape({c.heads, c.q_len, c.kv_len}));
  Recorder recorder(device);
  WEFT_TRY(attention_weights(recorder, {.attention = call, .weights = weights}));
  for (int64_t head = 0; head < c.heads; ++head) {
    WEFT_ASSIGN(const Tensor input, rows.slice(0, head, 1));
    WEFT_ASSIGN(const Tensor weight, columns.slice(0, head, 1));
    WEFT_ASSIGN(const Tensor matrix, weight.reshape({c.value_dim, c.kv_len}));
    WEFT_ASSIGN(const Tensor result, output.slice(0, head, 1));
    WEFT_TRY(linear(recorder, {.input = input, .weight = matrix, .output = result}));
  }
  WEFT_ASSIGN(const Program program, recorder.finish());
  return Way{program, output,
             bytes_of(call) + bytes_of(call.logsumexp) + bytes_of(weights) +
                 program.stats().transient_bytes};
}

Result<void> check(const Device& device, const Way& way, Measured& measured) {
  WEFT_ASSIGN(const auto values, device.download<float>(way.output));
  const auto& c = std::get<cases::AttentionCase>(measured.problem());
  const std::string problem = measured.check(to_array(values, {1, c.heads, c.q_len, c.value_dim}));
  if (problem.empty()) return {};
  return fail(Code::internal, "scaling: " + measured.line() + ": " + problem);
}

// Times of both, in turn. A first round warms up, and what it gave is checked.
Result<std::vector<ScalingPoint>> measure(const Device& device, const cases::AttentionCase& c,
                                          int64_t x) {
  Measured measured(c, device);
  const cases::AttentionProblem& problem = measured.attention();
  WEFT_ASSIGN(const AttentionCall call, cases::make_call(device, c, problem));
  AttentionCall dense = call;  // in a buffer without guard bytes around it
  WEFT_ASSIGN(dense.output, device.tensor(DType::f32, {1, c.heads, c.q_len, c.value_dim}));
  WEFT_ASSIGN(const Way fused, make_fused(device, dense));
  WEFT_ASSIGN(const Way materialised, make_materialised(device, c, dense, problem.inputs.value));
  const Way* ways[] = {&fused, &materialised};
  std::vector<double> samples[2];
  for (int round = 0; round <= kRounds; ++round)
    for (int i = 0; i < 2; ++i) {
      WEFT_ASSIGN(const Times times, run_program(ways[i]->program));
      if (round > 0) samples[i].push_back(times.front().second);
      if (round == 0) WEFT_TRY(check(device, *ways[i], measured));
    }
  std::vector<ScalingPoint> points;
  for (int i = 0; i < 2; ++i)
    points.push_back({x, measured.line(), median(samples[i]), ways[i]->device_bytes});
  return points;
}

}  // namespace

Result<std::vector<ScalingSeries>> measure_scaling(const Device& device) {
  std::vector<ScalingSeries> all;
  Progress progress(std::size(kAxes));
  for (size_t i = 0; i < std::size(kAxes); ++i) {
    const Axis& axis = kAxes[i];
    ScalingSeries fused{axis.axis, "fused", axis.profile, kFused, {}};
    ScalingSeries materialised{axis.axis, "materialised", axis.profile, kMaterialised, {}};
    for (const int64_t x : axis.values) {
      const cases::AttentionCase c = axis.at(x);
      progress.update(i, static_cast<double>(fused.points.size()) / axis.values.size(),
                      "scaling with " + fused.axis);
      WEFT_ASSIGN(const std::vector<ScalingPoint> points, measure(device, c, x));
      fused.points.push_back(points[0]);
      materialised.points.push_back(points[1]);
    }
    progress.done(i, "scaling with " + fused.axis + ", " + fused.profile);
    all.push_back(fused);
    all.push_back(materialised);
  }
  return all;
}

}  // namespace weft::bench
