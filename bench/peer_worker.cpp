// Peers that are Python programs: inputs go over as .npy files, orders and times as lines of JSON.
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <random>

#include "peers.hpp"
#include "reference/fusion.hpp"
#include "weft/npy.hpp"
#include "worker.hpp"

namespace weft::bench {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

// A folder of this run, gone with the last who holds it.
struct Folder {
  fs::path path;
  Folder() {
    path = fs::temp_directory_path() / ("weft_bench_" + std::to_string(std::random_device{}()));
    fs::create_directories(path);
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

// The values in the case's own type; bf16 as 16-bit numbers, since .npy has no name for it.
Result<json> write(const Folder& folder, const std::string& name, const reference::Array& values,
                   DType dtype) {
  const std::vector<uint64_t> shape(values.shape.begin(), values.shape.end());
  const cases::Placement placement =
      cases::place(dtype, {values.shape[0], values.shape[1], values.shape[2], values.shape[3]},
                   cases::Layout::bhld);
  const std::vector<std::byte> bytes = cases::encode(values, placement);
  const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(placement.offset_bytes);
  const std::vector<std::byte> data(
      begin, begin + static_cast<std::ptrdiff_t>(values.values.size() * size_bytes(dtype)));
  const ElementType type = dtype == DType::f32   ? ElementType::f32
                           : dtype == DType::f16 ? ElementType::f16
                                                 : ElementType::u16;
  const std::string path = (folder.path / (name + ".npy")).string();
  WEFT_TRY(write_npy(path, {type, shape, data}));
  return json{{"file", path}, {"dtype", to_string(dtype)}};
}

Result<json> question(const Folder& folder, const cases::AttentionCase& c, Measured& measured) {
  const reference::AttentionInputs& inputs = measured.attention().inputs;
  WEFT_ASSIGN(const json query, write(folder, "query", inputs.query, c.query));
  WEFT_ASSIGN(const json key, write(folder, "key", inputs.key, c.kv));
  WEFT_ASSIGN(const json value, write(folder, "value", inputs.value, c.kv));
  return json{{"scale", scale_of(c)},
              {"inputs", {{"query", query}, {"key", key}, {"value", value}}}};
}

Result<json> question(const Folder& folder, const cases::LinearCase& c, Measured& measured) {
  const cases::LinearProblem& problem = measured.linear();
  WEFT_ASSIGN(const json input, write(folder, "input", problem.input.values, c.input));
  WEFT_ASSIGN(const json weight, write(folder, "weight", problem.weight.values, c.weight));
  json inputs{{"input", input}, {"weight", weight}};
  if (c.bias) {
    WEFT_ASSIGN(inputs["bias"], write(folder, "bias", problem.bias.values, c.bias_type));
  }
  constexpr const char* kActivations[] = {"none", "relu",      "silu",
                                          "gelu", "gelu_tanh", "quick_gelu"};
  return json{{"activation", kActivations[static_cast<int>(c.activation)]}, {"inputs", inputs}};
}

Result<json> question(const Folder& folder, const cases::NormCase& c, Measured& measured) {
  const cases::NormProblem& problem = measured.norm();
  WEFT_ASSIGN(const json input, write(folder, "input", problem.input.values, c.input));
  json inputs{{"input", input}};
  if (!c.no_weight) {
    WEFT_ASSIGN(inputs["weight"], write(folder, "weight", problem.weight.values, c.weight));
  }
  if (c.bias) {
    WEFT_ASSIGN(inputs["bias"], write(folder, "bias", problem.bias.values, c.weight));
  }
  return json{{"epsilon", c.epsilon}, {"inputs", inputs}};
}

Result<json> question(const Folder& folder, const BlockCase& c, Measured& measured) {
  WEFT_ASSIGN(const BlockProblem* problem, measured.block());
  json inputs;
  for (const auto& [name, tensor] : problem->inputs) {
    const reference::Array values = reference::Fusion(measured.device()).read(tensor);
    WEFT_ASSIGN(inputs[name], write(folder, name, values, c.dtype));
  }
  const CrossAttentionBlock& block = problem->block;
  return json{{"heads", c.heads},
              {"kv_heads", c.kv_heads},
              {"norm", block.query_norm.kind == NormKind::rms ? "rms" : "layer"},
              {"epsilon", block.query_norm.epsilon},
              {"prepared", c.prepared},
              {"inputs", inputs}};
}

Result<json> question(const Folder&, const auto&, Measured&) { return json(); }

std::array<int64_t, 4> output_shape(const Problem& problem) {
  if (const auto* c = std::get_if<BlockCase>(&problem)) return {1, c->batch, c->q_len, c->dim()};
  if (const auto* c = std::get_if<cases::AttentionCase>(&problem))
    return {c->batch, c->heads, c->q_len, c->value_dim};
  if (const auto* c = std::get_if<cases::LinearCase>(&problem))
    return {1, 1, c->rows, c->out_features};
  const auto& c = std::get<cases::NormCase>(problem);
  return {1, 1, c.rows, c.dim};
}

// "" if the variant's output is right.
std::string check(Worker& worker, const Folder& folder, const std::string& variant,
                  Measured& measured) {
  const std::string path = (folder.path / "output.npy").string();
  const auto answer = worker.ask({{"command", "check"}, {"variant", variant}, {"output", path}});
  if (!answer) return answer.error().message;
  const auto array = read_npy(path);
  if (!array) return array.error().message;
  const auto values = to_float(array->view());
  if (!values) return values.error().message;
  const auto shape = output_shape(measured.problem());
  if (static_cast<int64_t>(values->size()) != shape[0] * shape[1] * shape[2] * shape[3])
    return "the output has the wrong size";
  return measured.check(to_array(*values, shape));
}

Contender contender(const std::shared_ptr<Worker>& worker, const std::string& who,
                    const std::string& variant, int64_t settle_ms) {
  // The worker's own clock: the way here and back is not the peer's.
  const auto run = [worker, variant]() -> Result<Times> {
    WEFT_ASSIGN(const json answer,
                worker->ask({{"command", "run"}, {"variant", variant}, {"times", 1}}));
    if (!answer.contains("ns") || !answer["ns"].is_array() || answer["ns"].empty())
      return fail(Code::internal, "worker: an answer to 'run' without times");
    Times times{{Clock::wall, answer["ns"][0].get<double>()}};
    for (const json& ns : answer.value("device_ns", json::array()))
      times.emplace_back(Clock::device, ns.get<double>());
    return times;
  };
  return {
      .who = who, .detail = variant, .run = run, .settle = std::chrono::milliseconds(settle_ms)};
}

Offer offer(const std::shared_ptr<Worker>& worker, const std::shared_ptr<Folder>& folder,
            const std::string& who, Measured& measured) {
  const Problem& problem = measured.problem();
  if (const auto* c = std::get_if<cases::AttentionCase>(&problem); c && !is_plain(*c)) return {};
  auto asked = std::visit([&](const auto& c) { return question(*folder, c, measured); }, problem);
  if (!asked) return {{}, asked.error().message};
  if (asked->is_null()) return {};
  (*asked)["command"] = "case";
  (*asked)["kind"] = kind_of(problem);
  const auto answer = worker->ask(*asked);
  if (!answer) return {{}, answer.error().message};
  Offer made;
  for (const auto& name : answer->value("variants", json::array())) {
    const std::string variant = name.get<std::string>();
    if (std::string wrong = check(*worker, *folder, variant, measured); !wrong.empty()) {
      made.problem += (made.problem.empty() ? "" : "; ") + variant + ": " + wrong;
      continue;
    }
    made.contenders.push_back(contender(worker, who, variant, answer->value("settle_ms", 5)));
  }
  return made;
}

}  // namespace

Result<Peer> worker_peer(const std::string& who, const std::string& python,
                         const std::string& script, int threads, const DeviceTraits& traits) {
  WEFT_ASSIGN(const auto worker, Worker::start({python, script}));
  WEFT_ASSIGN(const json answer, worker->ask({{"command", "hello"},
                                              {"threads", threads},
                                              {"device", traits.name},
                                              {"cpu_device", traits.type == DeviceType::cpu}}));
  const auto folder = std::make_shared<Folder>();
  return Peer{who, answer.value("version", ""),
              [=](Measured& measured) { return offer(worker, folder, who, measured); }};
}

}  // namespace weft::bench
