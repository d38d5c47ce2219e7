#include "drivers/gate.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "reference/attention.hpp"
#include "reference/calls.hpp"
#include "schedule/recorder_state.hpp"
#include "vulkan/device_state.hpp"

namespace weft::drivers {
namespace {

std::string& line_in_work() {
  static std::string line;
  return line;
}

// ---- A case recorded ----

Result<void> record(Recorder& recorder, const cases::AttentionCase& c) {
  WEFT_ASSIGN(const AttentionCall call,
              cases::make_call(recorder.device(), c, cases::make_problem(c)));
  return attention(recorder, call);
}

// As weights_of in tests/device/weights_run.cpp, with a tensor of weights that is only looked at.
Result<void> record(Recorder& recorder, const cases::WeightsCase& c) {
  cases::AttentionCase source = c.attention;
  source.logsumexp =
      c.stage == WeightsStage::probabilities || (source.ones & cases::kOneQueryHead) != 0;
  const cases::AttentionProblem problem = cases::make_problem(source);
  const reference::WeightsResult expected =
      reference::attention_weights(problem.inputs, {.stage = c.stage,
                                                    .heads = c.heads,
                                                    .keys = c.keys,
                                                    .null_keys_last = c.null_keys_last,
                                                    .mean_heads = c.mean_heads});
  const auto& shape = expected.values.shape;
  WEFT_ASSIGN(const Tensor weights,
              cases::poisoned(recorder.device(),
                              cases::place(DType::f32, {shape[0], shape[1], shape[2], shape[3]},
                                           source.layout)));
  AttentionWeightsCall call{.weights = weights,
                            .stage = c.stage,
                            .heads = c.heads,
                            .keys = c.keys,
                            .null_keys_last = c.null_keys_last,
                            .mean_heads = c.mean_heads,
                            .accumulate = c.accumulate};
  WEFT_ASSIGN(call.attention, cases::make_call(recorder.device(), source, problem));
  if (call.attention.logsumexp) WEFT_TRY(attention(recorder, call.attention));
  AttentionCall& a = call.attention;
  a.value = a.null_value = a.output = a.sinks = a.value_items = {};
  return attention_weights(recorder, call);
}

Result<void> record_call(Recorder& recorder, const cases::MergeCase&,
                         const AttentionMergeCall& call) {
  return attention_merge(recorder, call);
}
Result<void> record_call(Recorder& recorder, const cases::LinearCase&, const LinearCall& call) {
  return linear(recorder, call);
}
Result<void> record_call(Recorder& recorder, const cases::NormCase& c, const NormCall& call) {
  return c.norm == cases::Norm::layer ? layer_norm(recorder, call) : rms_norm(recorder, call);
}
Result<void> record_call(Recorder& recorder, const cases::AddCase&, const AddCall& call) {
  return add(recorder, call);
}
Result<void> record_call(Recorder& recorder, const cases::MultiplyCase&, const MultiplyCall& call) {
  return multiply(recorder, call);
}
Result<void> record_call(Recorder& recorder, const cases::GatherCase&, const GatherCall& call) {
  return gather(recorder, call);
}
Result<void> record_call(Recorder& recorder, const cases::MixKeysCase&, const MixKeysCall& call) {
  return mix_keys(recorder, call);
}
Result<void> record_call(Recorder& recorder, const cases::RotaryCase&, const RotaryCall& call) {
  return rotary(recorder, call);
}

template <class C>
Result<void> record(Recorder& recorder, const C& c) {
  WEFT_ASSIGN(const auto call, cases::make_call(recorder.device(), c, cases::make_problem(c)));
  return record_call(recorder, c, call);
}

// ---- What the driver said ----

double sum_of(const Executable& executable, const std::vector<std::string>& names, bool& told) {
  double sum = 0;
  for (const auto& [name, value] : executable.statistics)
    if (std::ranges::find(names, name) != names.end()) {
      sum += value;
      told = true;
    }
  return sum;
}

Values statistics_of(const Compiled& made, const StatisticNames& names) {
  Values worst;
  for (const auto& [ours, theirs] : names)
    for (const Executable& executable : made.executables) {
      bool told = false;
      const double value = sum_of(executable, theirs, told);
      if (!told) continue;
      const auto [at, first] = worst.try_emplace(ours, value);
      if (!first)
        at->second =
            ours == "occupancy" ? std::min(at->second, value) : std::max(at->second, value);
    }
  return worst;
}

std::string plain(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

// The limit of a statistic for a kernel row; null: none is stated.
const double* limit_of(const Limits& limits, const std::string& statistic,
                       const std::string& kernel) {
  const auto rows = limits.find(statistic);
  if (rows == limits.end()) return nullptr;
  auto row = rows->second.find(kernel);
  if (row == rows->second.end()) row = rows->second.find("");
  return row == rows->second.end() ? nullptr : &row->second;
}

// Nothing goes to memory that should be in registers, and enough runs at once to hide latency. A
// statistic that the compiler no longer tells would pass every limit.
std::vector<std::string> faults_of(const Entry& entry, const Driver& driver) {
  std::vector<std::string> faults;
  for (const auto& [name, theirs] : driver.statistics)
    if (!entry.statistics.contains(name))
      faults.push_back("the driver does not tell " + name + " (\"" + theirs.front() + "\")");
  for (const char* name : {"spills", "register_spills", "scratch_bytes"}) {
    const auto found = entry.statistics.find(name);
    const double* stated = limit_of(driver.most, name, entry.kernel);
    const double most = stated ? *stated : 0;
    if (found != entry.statistics.end() && found->second > most)
      faults.push_back(std::string(name) + " is " + plain(found->second) + ", at most " +
                       plain(most) + " is allowed");
  }
  const auto occupancy = entry.statistics.find("occupancy");
  const double* least = limit_of(driver.least, "occupancy", entry.kernel);
  if (least && occupancy != entry.statistics.end() && occupancy->second < *least)
    faults.push_back("occupancy is " + plain(occupancy->second) + ", its floor is " +
                     plain(*least));
  return faults;
}

}  // namespace

bool Report::passed() const {
  return refused.empty() && !entries.empty() &&
         std::ranges::all_of(entries, [](const Entry& entry) { return entry.faults.empty(); });
}

const char* current_line() noexcept { return line_in_work().c_str(); }

Result<Report> run_gate(const Device& device, const Driver& driver,
                        std::span<const cases::Case> cases) {
  const DeviceTraits& traits = device.traits();
  Report report{.driver = driver.name, .device = traits.name, .version = traits.driver_info};
  std::set<const Compiled*> seen;
  for (const cases::Case& any : cases) {
    line_in_work() = cases::print(any);
    Recorder recorder(device);
    const Result<void> recorded =
        std::visit([&](const auto& c) { return record(recorder, c); }, any);
    if (!recorded) report.refused.push_back(line_in_work() + ": " + recorded.error().message);
    for (const schedule::Operation& operation : recorder.state().operations) {
      const Compiled* made = compiled(operation.pipeline->pipeline);
      if (!made || !seen.insert(made).second) continue;
      Entry entry{.kernel = operation.kernel, .line = line_in_work(), .seconds = made->seconds};
      entry.statistics = statistics_of(*made, driver.statistics);
      entry.faults = faults_of(entry, driver);
      report.entries.push_back(std::move(entry));
    }
  }
  return report;
}

std::string to_json(const Report& report) {
  nlohmann::ordered_json json{
      {"driver", report.driver}, {"device", report.device}, {"version", report.version}};
  for (const Entry& entry : report.entries) {
    nlohmann::ordered_json one{
        {"kernel", entry.kernel}, {"case", entry.line}, {"seconds", entry.seconds}};
    for (const auto& [name, value] : entry.statistics) one["statistics"][name] = value;
    if (!entry.faults.empty()) one["faults"] = entry.faults;
    json["pipelines"].push_back(std::move(one));
  }
  json["refused"] = report.refused;
  return json.dump(1) + "\n";
}

}  // namespace weft::drivers
