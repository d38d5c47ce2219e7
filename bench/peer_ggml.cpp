#include "peers.hpp"

#ifdef WEFT_HAVE_GGML
#include <ggml-alloc.h>
#include <ggml-backend.h>
#include <ggml-cpu.h>
#include <ggml.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <limits>
#include <memory>

namespace weft::bench {
namespace {

using Context = std::unique_ptr<ggml_context, decltype(&ggml_free)>;
using Memory = std::unique_ptr<ggml_backend_buffer, decltype(&ggml_backend_buffer_free)>;
using Backend = std::shared_ptr<ggml_backend>;

// A graph of one operation on a backend, its inputs filled.
struct Graph {
  Backend backend;
  Context context{nullptr, ggml_free};
  Memory memory{nullptr, ggml_backend_buffer_free};
  ggml_tensor* result = nullptr;
  ggml_cgraph* graph = nullptr;
  std::vector<std::pair<ggml_tensor*, const reference::Array*>> inputs;
  std::array<int64_t, 4> shape{};  // of the output as the case has it
  bool rows_before_heads = false;  // the result is [batch, q_len, heads, value_dim]

  explicit Graph(Backend on) : backend(std::move(on)) {
    context = {ggml_init({.mem_size = ggml_tensor_overhead() * 16 + ggml_graph_overhead(),
                          .mem_buffer = nullptr,
                          .no_alloc = true}),
               ggml_free};
  }
  ggml_tensor* input(ggml_type type, const reference::Array& values) {
    const auto [a, b, c, d] = values.shape;
    ggml_tensor* tensor = ggml_new_tensor_4d(context.get(), type, d, c, b, a);
    inputs.emplace_back(tensor, &values);
    return tensor;
  }
  bool run() { return ggml_backend_graph_compute(backend.get(), graph) == GGML_STATUS_SUCCESS; }
};

void fill(ggml_tensor* tensor, const reference::Array& values) {
  const std::vector<float> floats = to_floats(values);
  const int64_t count = static_cast<int64_t>(floats.size());
  if (tensor->type == GGML_TYPE_F32)
    return ggml_backend_tensor_set(tensor, floats.data(), 0, ggml_nbytes(tensor));
  std::vector<ggml_fp16_t> halves(floats.size());
  ggml_fp32_to_fp16_row(floats.data(), halves.data(), count);
  ggml_backend_tensor_set(tensor, halves.data(), 0, ggml_nbytes(tensor));
}

// Memory and contents, once the operation stands. False where the backend lacks it.
bool finish(Graph& made, ggml_tensor* result) {
  made.result = result;
  if (!ggml_backend_supports_op(made.backend.get(), result)) return false;
  made.graph = ggml_new_graph(made.context.get());
  ggml_build_forward_expand(made.graph, result);
  made.memory = {ggml_backend_alloc_ctx_tensors(made.context.get(), made.backend.get()),
                 ggml_backend_buffer_free};
  if (!made.memory) return false;
  for (const auto& [tensor, values] : made.inputs) fill(tensor, *values);
  return true;
}

// Queries are f32 in ggml's flash attention, and so is what it accumulates in here.
std::shared_ptr<Graph> make(const Backend& backend, const cases::AttentionCase& c,
                            Measured& measured, ggml_type kv) {
  const auto& inputs = measured.attention().inputs;
  auto made = std::make_shared<Graph>(backend);
  ggml_tensor* query = made->input(GGML_TYPE_F32, inputs.query);
  ggml_tensor* key = made->input(kv, inputs.key);
  ggml_tensor* value = made->input(kv, inputs.value);
  made->shape = {c.batch, c.heads, c.q_len, c.value_dim};
  made->rows_before_heads = true;
  ggml_tensor* result =
      ggml_flash_attn_ext(made->context.get(), query, key, value, nullptr, scale_of(c), 0.0f, 0.0f);
  return finish(*made, result) ? made : nullptr;
}

std::shared_ptr<Graph> make(const Backend& backend, const cases::LinearCase& c, Measured& measured,
                            ggml_type weight_type) {
  const auto& problem = measured.linear();
  auto made = std::make_shared<Graph>(backend);
  ggml_tensor* input = made->input(GGML_TYPE_F32, problem.input.values);
  ggml_tensor* weight = made->input(weight_type, problem.weight.values);
  made->shape = {1, 1, c.rows, c.out_features};
  return finish(*made, ggml_mul_mat(made->context.get(), weight, input)) ? made : nullptr;
}

reference::Array output_of(const Graph& graph) {
  const auto [a, b, c, d] = graph.shape;
  std::vector<float> values(static_cast<size_t>(a * b * c * d));
  ggml_backend_tensor_get(graph.result, values.data(), 0, values.size() * sizeof(float));
  if (!graph.rows_before_heads) return to_array(values, graph.shape);
  const reference::Array swapped = to_array(values, {a, c, b, d});
  reference::Array output(a, b, c, d);
  for (int64_t i = 0; i < a; ++i)
    for (int64_t head = 0; head < b; ++head)
      for (int64_t row = 0; row < c; ++row)
        std::copy_n(swapped.row(i, row, head), d, output.row(i, head, row));
  return output;
}

bool computes(const Problem& problem) {
  if (const auto* c = std::get_if<cases::AttentionCase>(&problem))
    return is_plain(*c) && c->kv != DType::bf16;
  const auto* c = std::get_if<cases::LinearCase>(&problem);
  return c && c->activation == Activation::none && !c->bias && c->weight != DType::bf16;
}

// The types in which keys and values, or weights, may lie: the case's, and on a GPU f16 too, for
// which its kernels were made.
std::vector<ggml_type> types_for(const Problem& problem, bool try_f16) {
  const auto* attention = std::get_if<cases::AttentionCase>(&problem);
  const DType own = attention ? attention->kv : std::get<cases::LinearCase>(problem).weight;
  if (own == DType::f16) return {GGML_TYPE_F16};
  if (attention && try_f16) return {GGML_TYPE_F16, GGML_TYPE_F32};
  return {GGML_TYPE_F32};
}

// The second run's time: the first one compiles.
double seconds(Graph& graph) {
  if (!graph.run()) return std::numeric_limits<double>::infinity();
  const auto begin = std::chrono::steady_clock::now();
  graph.run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

Offer offer(const Backend& backend, const std::string& who, Measured& measured,
            const std::string& settings, bool try_f16) {
  if (!computes(measured.problem())) return {};
  std::shared_ptr<Graph> best;
  double best_seconds = std::numeric_limits<double>::infinity();
  std::string detail;
  for (const ggml_type type : types_for(measured.problem(), try_f16)) {
    const auto made = std::visit(
        [&](const auto& c) -> std::shared_ptr<Graph> {
          if constexpr (requires { make(backend, c, measured, type); })
            return make(backend, c, measured, type);
          return nullptr;
        },
        measured.problem());
    if (!made) continue;
    const double taken = seconds(*made);
    if (taken >= best_seconds) continue;
    best = made;
    best_seconds = taken;
    const bool attention = std::holds_alternative<cases::AttentionCase>(measured.problem());
    detail = std::string(attention ? "flash attention, K/V " : "weights ") + ggml_type_name(type) +
             settings;
  }
  if (!best) return {};
  if (std::string problem = measured.check(output_of(*best)); !problem.empty())
    return {{}, problem};
  Contender contender = timed(who, detail, [best]() -> Result<void> {
    if (best->run()) return {};
    return fail(Code::internal, "ggml: computing failed");
  });
  contender.settle = std::chrono::milliseconds(5);
  return {{contender}, {}};
}

// What the user has set stays.
void set_environment(const char* name, const std::string& value) {
#ifdef _WIN32
  (void)name, (void)value;  // ggml is built on Windows without backends to load
#else
  setenv(name, value.c_str(), 0);
#endif
}

// Null where the device lacks what ggml needs, which its Vulkan backend says by throwing.
Backend init(ggml_backend_dev_t device) try {
  return Backend(ggml_backend_dev_init(device, nullptr), [](ggml_backend_t backend) {
    if (backend) ggml_backend_free(backend);
  });
} catch (const std::exception& error) {
  std::fprintf(stderr, "weft_bench: goes on without ggml on %s: %s\n",
               ggml_backend_dev_description(device), error.what());
  return nullptr;
}

ggml_backend_dev_t find_device(const char* registry, const std::string& name) {
  for (size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    const ggml_backend_dev_t device = ggml_backend_dev_get(i);
    if (std::string(ggml_backend_reg_name(ggml_backend_dev_backend_reg(device))) != registry)
      continue;
    if (name.empty() || name == ggml_backend_dev_description(device)) return device;
  }
  return nullptr;
}

void set_threads(ggml_backend_dev_t device, ggml_backend_t backend, int threads) {
  void* function = ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device),
                                                     "ggml_backend_set_n_threads");
  if (function) reinterpret_cast<ggml_backend_set_n_threads_t>(function)(backend, threads);
}

}  // namespace

std::vector<Peer> ggml_peers(int threads, uint32_t device_index, const DeviceTraits& traits) {
  // Without the first ggml passes over CPU devices; there it is fastest without the other two.
  set_environment("GGML_VK_VISIBLE_DEVICES", std::to_string(device_index));
  const bool cpu = traits.type == DeviceType::cpu;
  if (cpu) set_environment("GGML_VK_DISABLE_COOPMAT", "1");
  if (cpu) set_environment("GGML_VK_DISABLE_F16", "1");
  ggml_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  ggml_backend_load_all();
  const std::string version = std::string("ggml ") + ggml_version();
  std::vector<Peer> peers;
  if (const auto device = find_device("CPU", "")) {
    const Backend backend = init(device);
    const std::string settings = ", threads: " + std::to_string(threads);
    if (backend) {
      set_threads(device, backend.get(), threads);
      peers.push_back({"ggml_cpu", version, [=](Measured& measured) {
                         return offer(backend, "ggml_cpu", measured, settings, false);
                       }});
    }
  }
  if (const auto device = find_device("Vulkan", traits.name)) {
    const Backend backend = init(device);
    const std::string settings = cpu ? ", no coopmat, no f16 arithmetic" : "";
    if (backend)
      peers.push_back({"ggml_vulkan", version, [=](Measured& measured) {
                         return offer(backend, "ggml_vulkan", measured, settings, true);
                       }});
  }
  return peers;
}

}  // namespace weft::bench

#else

namespace weft::bench {

std::vector<Peer> ggml_peers(int, uint32_t, const DeviceTraits&) { return {}; }

}  // namespace weft::bench

#endif
