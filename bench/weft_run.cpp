#include "weft_run.hpp"

#include <algorithm>
#include <optional>

#include "reference/calls.hpp"

namespace weft::bench {
namespace {

using std::chrono::steady_clock;

double since(steady_clock::time_point begin) {
  return std::chrono::duration<double, std::nano>(steady_clock::now() - begin).count();
}

Result<void> record(Recorder& recorder, const AttentionCall& call, const cases::AttentionCase&) {
  return attention(recorder, call);
}
Result<void> record(Recorder& recorder, const LinearCall& call, const cases::LinearCase&) {
  return linear(recorder, call);
}
Result<void> record(Recorder& recorder, const NormCall& call, const cases::NormCase& c) {
  return c.norm == cases::Norm::layer ? layer_norm(recorder, call) : rms_norm(recorder, call);
}

// "attention_split_cpu + attention_merge": the rows that ran, each once.
Result<std::string> rows_of(const Program& program) {
  WEFT_ASSIGN(const Ticket ticket, program.run());
  WEFT_TRY(ticket.wait());
  WEFT_ASSIGN(const auto times, program.times());
  std::vector<std::string> rows;
  for (const OperationTime& time : times)
    if (std::ranges::find(rows, time.kernel) == rows.end()) rows.push_back(time.kernel);
  std::string text;
  for (const std::string& row : rows) text += (text.empty() ? "" : " + ") + row;
  return text;
}

// Where a device has no timestamps to tell it by.
Result<std::string> planned_row(const Device& device, const AttentionCall& call) {
  WEFT_ASSIGN(const AttentionDesc desc, describe(call));
  WEFT_ASSIGN(const Attention plan, Attention::plan(device, desc));
  return std::string(plan.kernel());
}
Result<std::string> planned_row(const Device&, const auto&) { return std::string(); }

template <class C, class Problem>
Result<WeftRun> make_run(const Device& device, const C& c, const Problem& problem) {
  WEFT_ASSIGN(const auto call, cases::make_call(device, c, problem));
  const auto recorded = [device, call, c](bool timestamps) -> Result<Program> {
    Recorder recorder(device);
    WEFT_TRY(record(recorder, call, c));
    return recorder.finish({.timestamps = timestamps});
  };
  WEFT_ASSIGN(const Program program, recorded(false));
  // A program of its own: writing timestamps takes time from the other clocks.
  std::optional<Program> stamped;
  WeftRun made;
  made.contender.who = "weft";
  if (device.traits().timestamp_period_ns > 0) {
    WEFT_ASSIGN(stamped, recorded(true));
    WEFT_ASSIGN(made.contender.detail, rows_of(*stamped));
  } else {
    WEFT_ASSIGN(made.contender.detail, planned_row(device, call));
  }
  made.contender.run = [=]() -> Result<Times> {
    WEFT_ASSIGN(Times times, run_program(program));
    if (stamped) {
      WEFT_ASSIGN(const double ns, device_ns(*stamped));
      times.emplace_back(Clock::device, ns);
    }
    const auto begin = steady_clock::now();
    WEFT_ASSIGN(const Program fresh, recorded(false));
    times.emplace_back(Clock::host_record, since(begin));
    return times;
  };
  made.transient_bytes = program.stats().transient_bytes;
  made.output = [device, tensor = call.output,
                 placement = problem.output]() -> Result<reference::Array> {
    WEFT_ASSIGN(const auto bytes, cases::buffer_bytes(device, tensor));
    return cases::decode(bytes, placement);
  };
  return made;
}

}  // namespace

Result<Times> run_program(const Program& program) {
  const auto begin = steady_clock::now();
  WEFT_ASSIGN(const Ticket ticket, program.run());
  const double submitted = since(begin);
  WEFT_TRY(ticket.wait());
  return Times{{Clock::wall, since(begin)}, {Clock::host_replay, submitted}};
}

Result<double> device_ns(const Program& program) {
  WEFT_TRY(program.run());
  WEFT_ASSIGN(const auto times, program.times());
  if (times.empty()) return 0.0;
  double begin = times.front().begin_ns, end = times.front().end_ns;
  for (const OperationTime& time : times) {
    begin = std::min(begin, time.begin_ns);
    end = std::max(end, time.end_ns);
  }
  return end - begin;
}

Result<WeftRun> make_weft_run(const Device& device, Measured& measured) {
  const cases::Case& problem = measured.problem();
  if (const auto* c = std::get_if<cases::AttentionCase>(&problem))
    return make_run(device, *c, measured.attention());
  if (const auto* c = std::get_if<cases::LinearCase>(&problem))
    return make_run(device, *c, measured.linear());
  if (const auto* c = std::get_if<cases::NormCase>(&problem))
    return make_run(device, *c, measured.norm());
  return fail(Code::unsupported,
              "bench: measures attention, linear and norms, not '" + measured.line() + "'");
}

}  // namespace weft::bench
