#include "weft_run.hpp"

#include "reference/calls.hpp"

namespace weft::bench {
namespace {

Result<void> record(Recorder& recorder, const AttentionCall& call, const cases::AttentionCase&) {
  return attention(recorder, call);
}
Result<void> record(Recorder& recorder, const LinearCall& call, const cases::LinearCase&) {
  return linear(recorder, call);
}
Result<void> record(Recorder& recorder, const NormCall& call, const cases::NormCase& c) {
  return c.norm == cases::Norm::layer ? layer_norm(recorder, call) : rms_norm(recorder, call);
}

// The row that runs, from a recording of its own that keeps times.
template <class Call, class C>
Result<std::string> kernel_of(const Device& device, const Call& call, const C& c) {
  if (device.traits().timestamp_period_ns <= 0) return std::string();
  Recorder recorder(device);
  WEFT_TRY(record(recorder, call, c));
  WEFT_ASSIGN(const Program program, recorder.finish({.timestamps = true}));
  WEFT_ASSIGN(const Ticket ticket, program.run());
  WEFT_TRY(ticket.wait());
  WEFT_ASSIGN(const auto times, program.times());
  return times.empty() ? std::string() : times[0].kernel;
}

template <class C, class Problem>
Result<WeftRun> make_run(const Device& device, const C& c, const Problem& problem) {
  WEFT_ASSIGN(const auto call, cases::make_call(device, c, problem));
  WEFT_ASSIGN(const std::string kernel, kernel_of(device, call, c));
  Recorder recorder(device);
  WEFT_TRY(record(recorder, call, c));
  WEFT_ASSIGN(const Program program, recorder.finish());
  const auto output = [device, tensor = call.output,
                       placement = problem.output]() -> Result<reference::Array> {
    WEFT_ASSIGN(const auto bytes, cases::buffer_bytes(device, tensor));
    return cases::decode(bytes, placement);
  };
  return WeftRun{.program = program, .kernel = kernel, .output = output};
}

}  // namespace

Result<WeftRun> make_weft_run(const Device& device, Measured& measured) {
  const cases::Case& problem = measured.problem();
  if (const auto* c = std::get_if<cases::AttentionCase>(&problem))
    return make_run(device, *c, measured.attention());
  if (const auto* c = std::get_if<cases::LinearCase>(&problem))
    return make_run(device, *c, measured.linear());
  if (const auto* c = std::get_if<cases::NormCase>(&problem))
    return make_run(device, *c, measured.norm());
  return fail(Code::unsupported,
              "weft_bench: measures attention, linear and norms, not '" + measured.line() + "'");
}

}  // namespace weft::bench
