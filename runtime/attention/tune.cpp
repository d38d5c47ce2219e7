#include "attention/tune.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <numeric>
#include <string_view>

#include "attention/plan.hpp"
#include "attention/record.hpp"
#include "attention/self_test.hpp"
#include "attention/validate.hpp"
#include "base/text.hpp"
#include "vulkan/device.hpp"

namespace weft {
namespace attention_detail {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kRounds = 9;
constexpr double kTooSlow = 2;  // times the fastest: not measured again
constexpr double kTie = 1.03;

// A name that tells apart what may choose apart; without what the user leaves out today.
std::string note_name(const Device& device, const AttentionDesc& desc) {
  const AttentionDesc key = class_of(desc);
  std::string name = text("fastest attention q", key.q_len, " k", key.kv_len, " d", key.head_dim, " v",
                          key.value_dim, " ", key.query_dtype, " ", key.kv_dtype, " ", key.output_dtype);
  if (key.mask != MaskKind::none)
    name += text(" mask=", key.mask == MaskKind::keep ? "keep " : "drop ", key.mask_dtype);
  if (key.bias) name += text(" bias=", key.bias_dtype);
  if (key.features != 0) name += text(" features=", key.features);
  const std::string& disabled = vulkan::overrides(*device.state()).disable;
  return disabled.empty() ? name : text(name, " without ", disabled);
}

// A row in the running.
struct Runner {
  const decide::AttentionRow* row;
  TuneRow* report;
  std::unique_ptr<const Plan> plan;
  Program program;
  std::vector<double> times_ns = {};

  double median() {
    const auto middle = times_ns.begin() + static_cast<std::ptrdiff_t>(times_ns.size() / 2);
    std::nth_element(times_ns.begin(), middle, times_ns.end());
    return *middle;
  }
};

Result<double> run_once(const Device& device, const Program& program) {
  const auto begin = Clock::now();
  WEFT_ASSIGN(const Ticket ticket, program.run());
  WEFT_TRY(ticket.wait());
  const std::chrono::duration<double, std::nano> passed = Clock::now() - begin;
  if (device.traits().timestamp_period_ns == 0) return passed.count();
  WEFT_ASSIGN(const auto times, program.times());
  return times.back().end_ns - times.front().begin_ns;
}

struct Measurement {
  const Device& device;
  const AttentionDesc& desc;
  const TuneOptions& options;
  std::span<const decide::AttentionRow> rows;
  Clock::time_point begin = Clock::now();
  TuneReport report = {};
  std::vector<Runner> runners = {};

  double seconds() const { return std::chrono::duration<double>(Clock::now() - begin).count(); }
  bool time_is_over() const { return seconds() >= options.max_seconds; }
  // One row is measured whatever it takes, so that every measurement settles.
  bool out_of_time() const { return !runners.empty() && time_is_over(); }

  // The rows as they are tried: first the one chosen so far, that is the one measured to be the
  // fastest before or else the first that can run of those preferred for such calls here; last
  // those preferred on other devices.
  std::vector<size_t> order(const decide::AttentionProblem& problem) const {
    const char* known = fastest_known(device, desc, rows);
    const auto rank = [&](size_t i) {
      if (rows[i].name == known) return -1;
      return static_cast<int>(decide::preference(device.traits(), rows[i], problem));
    };
    std::vector<size_t> indices(rows.size());
    std::iota(indices.begin(), indices.end(), size_t{0});
    std::ranges::stable_sort(indices, {}, rank);
    return indices;
  }

  // Why a row can't take part; empty if it can.
  Result<std::string> objection(const decide::AttentionRow& row,
                                const decide::AttentionProblem& problem) const {
    std::string reason = decide::why_disabled(vulkan::overrides(*device.state()), row.name);
    if (reason.empty()) reason = decide::why_not(device.traits(), row, problem);
    if (!reason.empty()) return reason;
    if (out_of_time()) return std::string(kNoTime);
    WEFT_ASSIGN(reason, self_test(device, row));
    return reason.empty() && out_of_time() ? std::string(kNoTime) : reason;
  }

  // A row that can't be recorded or made says why and stays out; a lost device ends it all.
  Result<void> enter(const decide::AttentionRow& row, TuneRow& entry, const AttentionCall& call,
                     const AttentionShape& shape) {
    WEFT_ASSIGN(entry.why_not, objection(row, decide::problem_of(desc, shape.large_kv)));
    if (!entry.why_not.empty()) return {};
    auto plan = std::make_unique<const Plan>(desc, row);
    Recorder recorder(device);
    Result<void> recorded = record(recorder, *plan, call, shape);
    if (!recorded && recorded.error().code != Code::unsupported) return recorded;
    if (!recorded) {
      entry.why_not = recorded.error().message;
      return {};
    }
    WEFT_ASSIGN(Program program,
                recorder.finish({.timestamps = device.traits().timestamp_period_ns != 0}));
    WEFT_TRY(run_once(device, program));  // warms up: some drivers compile at the first dispatch
    if (out_of_time()) {
      entry.why_not = kNoTime;
      return {};
    }
    WEFT_ASSIGN(const double time_ns, run_once(device, program));
    runners.push_back({&row, &entry, std::move(plan), std::move(program), {time_ns}});
    return {};
  }

  // In turns, so that what changes meanwhile meets all alike.
  Result<void> run_rounds() {
    for (size_t round = 1; round < kRounds; ++round) {
      double best = std::numeric_limits<double>::infinity();
      for (Runner& runner : runners) best = std::min(best, runner.median());
      for (Runner& runner : runners) {
        if (runner.median() > kTooSlow * best) continue;
        if (time_is_over()) return {};
        WEFT_ASSIGN(const double time_ns, run_once(device, runner.program));
        runner.times_ns.push_back(time_ns);
      }
    }
    return {};
  }

  void judge() {
    const Runner* fastest = nullptr;
    for (Runner& runner : runners) {
      TuneRow& entry = *runner.report;
      entry.runs = static_cast<uint32_t>(runner.times_ns.size());
      entry.median_ns = runner.median();
      if (!fastest || entry.median_ns * kTie < fastest->report->median_ns) fastest = &runner;
    }
    if (fastest) report.fastest = fastest->row->name;
  }

  Result<void> run() {
    Sizes sizes{options.batch, options.heads, options.kv_heads == 0 ? options.heads : options.kv_heads};
    WEFT_ASSIGN(const AttentionCall call, make_call(device, desc, options.max_bytes, sizes));
    report.batch = sizes.batch;
    report.heads = sizes.heads;
    report.kv_heads = sizes.kv_heads;
    WEFT_ASSIGN(const AttentionShape shape, validate(call));
    WEFT_TRY(match(shape.desc, desc));
    for (const decide::AttentionRow& row : rows) report.rows.push_back({.kernel = row.name});
    for (const size_t i : order(decide::problem_of(desc, shape.large_kv)))
      WEFT_TRY(enter(rows[i], report.rows[i], call, shape));
    WEFT_TRY(run_rounds());
    judge();
    report.seconds = seconds();
    return {};
  }

  static constexpr const char* kNoTime = "the time was over";
};

Result<void> check(const AttentionDesc& desc, const TuneOptions& options) {
  const auto broken = [](std::string message) {
    return fail(Code::invalid_argument, text("tune: ", message));
  };
  if (!(options.max_seconds > 0))
    return broken(text("max_seconds is ", options.max_seconds, "; it must be above 0"));
  if (desc.q_len == 0 || desc.kv_len == 0)
    return broken(text("q_len is ", desc.q_len, " and kv_len is ", desc.kv_len, "; both must be known"));
  if (options.batch == 0 || options.heads == 0)
    return broken(text("batch is ", options.batch, " and heads is ", options.heads, "; both must be 1 or more"));
  if (options.kv_heads != 0 && options.heads % options.kv_heads != 0)
    return broken(text("kv_heads is ", options.kv_heads, "; it must divide heads, ", options.heads));
  return {};
}

}  // namespace

const char* fastest_known(const Device& device, const AttentionDesc& desc,
                          std::span<const decide::AttentionRow> rows) {
  const std::string kernel = vulkan::note(*device.state(), note_name(device, desc));
  const auto found = std::ranges::find_if(rows, [&](const auto& row) { return row.name == kernel; });
  return found == rows.end() ? nullptr : found->name;
}

Result<TuneReport> measure(const Device& device, const AttentionDesc& desc, const TuneOptions& options,
                           std::span<const decide::AttentionRow> rows) {
  WEFT_TRY(check(desc, options));
  Measurement measurement{device, desc, options, rows};
  WEFT_TRY(measurement.run());
  const TuneReport& report = measurement.report;
  if (report.fastest.empty()) {
    std::string message = "tune: no kernel row can run this";
    for (const TuneRow& row : report.rows) message += text("; ", row.kernel, ": ", row.why_not);
    return fail(Code::unsupported, std::move(message));
  }
  vulkan::keep_note(*device.state(), note_name(device, desc), report.fastest);
  return std::move(measurement.report);
}

}  // namespace attention_detail

Result<TuneReport> tune(const Device& device, const AttentionDesc& desc, const TuneOptions& options) {
  WEFT_ASSIGN(const AttentionDesc valid, attention_detail::validate(desc));
  WEFT_TRY(vulkan::check_not_lost(*device.state(), "tune"));
  WEFT_ASSIGN(TuneReport report, attention_detail::measure(device, valid, options));
  attention_detail::forget_plans(device, valid);
  return report;
}

}  // namespace weft
