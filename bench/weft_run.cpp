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

// What of a case is recorded and read back. Errors: the library's.
struct Recording {
  std::function<Result<void>(Recorder&)> record;
  Tensor output;
  std::function<Result<std::string>()> planned;  // its kernel row, where no timestamps tell
};

template <class Call>
Recording recording(const Call& call, Result<void> (*operation)(Recorder&, const Call&)) {
  return {[=](Recorder& recorder) { return operation(recorder, call); }, call.output, {}};
}

Result<std::string> planned_row(const Device& device, const AttentionCall& call) {
  WEFT_ASSIGN(const AttentionDesc desc, describe(call));
  WEFT_ASSIGN(const Attention plan, Attention::plan(device, desc));
  return std::string(plan.kernel());
}

Result<Recording> make_recording(const Device& device, const cases::AttentionCase& c,
                                 Measured& measured) {
  WEFT_ASSIGN(const auto call, cases::make_call(device, c, measured.attention()));
  Recording made = recording<AttentionCall>(call, attention);
  made.planned = [=] { return planned_row(device, call); };
  return made;
}
// As AttentionMap collects them: the logsumexp is transient.
Result<void> record_weights(Recorder& recorder, AttentionCall call, const Tensor& weights,
                            const cases::WeightsCase& c) {
  const Dims& shape = call.output.shape;
  call.logsumexp = recorder.transient(DType::f32, {shape[0], shape[1], shape[2]});
  WEFT_TRY(attention(recorder, call));
  return attention_weights(recorder, {.attention = call,
                                      .weights = weights,
                                      .stage = c.stage,
                                      .heads = c.heads,
                                      .keys = c.keys,
                                      .null_keys_last = c.null_keys_last,
                                      .mean_heads = c.mean_heads});
}
Result<Recording> make_recording(const Device& device, const cases::WeightsCase& c,
                                 Measured& measured) {
  if (c.accumulate)
    return fail(Code::unsupported, "bench: weights that accumulate differ with every run");
  WEFT_ASSIGN(const auto call, cases::make_call(device, c.attention, measured.attention()));
  const auto listed = [](const std::vector<uint32_t>& list, int64_t all) {
    return list.empty() ? all : static_cast<int64_t>(list.size());
  };
  const Dims shape{call.output.shape[0], c.mean_heads ? 1 : listed(c.heads, c.attention.heads),
                   call.output.shape[2], listed(c.keys, c.attention.kv_len + c.attention.null_len)};
  WEFT_ASSIGN(const Tensor weights, device.tensor(DType::f32, shape));
  return Recording{[=](Recorder& recorder) { return record_weights(recorder, call, weights, c); },
                   weights, [=] { return planned_row(device, call); }};
}
Result<Recording> make_recording(const Device& device, const cases::LinearCase& c,
                                 Measured& measured) {
  WEFT_ASSIGN(const auto call, cases::make_call(device, c, measured.linear()));
  return recording<LinearCall>(call, linear);
}
Result<Recording> make_recording(const Device& device, const cases::NormCase& c,
                                 Measured& measured) {
  WEFT_ASSIGN(const auto call, cases::make_call(device, c, measured.norm()));
  return recording<NormCall>(call, c.norm == cases::Norm::layer ? layer_norm : rms_norm);
}
Result<Recording> make_recording(const Device&, const BlockCase&, Measured& measured) {
  WEFT_ASSIGN(const BlockProblem* problem, measured.block());
  const auto record = [block = problem->block, call = problem->timed](Recorder& recorder) {
    return cross_attention(recorder, block, call);
  };
  return Recording{record, problem->timed.output, {}};
}
Result<Recording> make_recording(const Device&, const auto&, Measured& measured) {
  return fail(Code::unsupported,
              "bench: measures attention, weights, linear, norms and blocks, not '" +
                  measured.line() + "'");
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

Result<reference::Array> downloaded(const Device& device, const Tensor& tensor) {
  WEFT_ASSIGN(const auto bytes, cases::buffer_bytes(device, tensor));
  return cases::decode(bytes, {.dtype = tensor.dtype,
                               .shape = tensor.shape,
                               .strides = tensor.strides,
                               .offset_bytes = tensor.offset_bytes,
                               .buffer_bytes = bytes.size()});
}

Result<Program> program_of(const Device& device, const Recording& recording, bool timestamps) {
  Recorder recorder(device);
  WEFT_TRY(recording.record(recorder));
  return recorder.finish({.timestamps = timestamps});
}

Result<WeftRun> make_run(const Device& device, const Recording& recording) {
  const auto recorded = [device, recording](bool timestamps) {
    return program_of(device, recording, timestamps);
  };
  WEFT_ASSIGN(const Program program, recorded(false));
  // A program of its own: writing timestamps takes time from the other clocks.
  std::optional<Program> stamped;
  WeftRun made;
  made.contender.who = "weft";
  made.operations = std::make_shared<OperationLog>();
  if (device.traits().timestamp_period_ns > 0) {
    WEFT_ASSIGN(stamped, recorded(true));
    WEFT_ASSIGN(made.contender.detail, rows_of(*stamped));
  } else if (recording.planned) {
    WEFT_ASSIGN(made.contender.detail, recording.planned());
  }
  made.contender.run = [=, log = made.operations]() -> Result<Times> {
    WEFT_ASSIGN(Times times, run_program(program));
    if (stamped) {
      WEFT_TRY(stamped->run());
      WEFT_ASSIGN(auto operations, stamped->times());
      times.emplace_back(Clock::device, span_ns(operations));
      log->add(std::move(operations));
    }
    const auto begin = steady_clock::now();
    WEFT_ASSIGN(const Program fresh, recorded(false));
    times.emplace_back(Clock::host_record, since(begin));
    return times;
  };
  made.transient_bytes = program.stats().transient_bytes;
  made.output = [=] { return downloaded(device, recording.output); };
  return made;
}

Result<Recording> recording_of(const Device& device, Measured& measured) {
  return std::visit([&](const auto& c) { return make_recording(device, c, measured); },
                    measured.problem());
}

Result<Times> time_first_call(const std::string& device_name, const Problem& problem) {
  WEFT_ASSIGN(const Device device, Device::open({.name = device_name}));
  Measured measured(problem, device);
  WEFT_ASSIGN(const Recording recording, recording_of(device, measured));
  const auto begin = steady_clock::now();
  WEFT_ASSIGN(const Program program, program_of(device, recording, false));
  const double recorded = since(begin);
  WEFT_ASSIGN(const Times ran, run_program(program));
  return Times{{Clock::first_wall, ran.front().second}, {Clock::first_record, recorded}};
}

Result<Contender> attention_alone(const Device& device, const cases::AttentionCase& c,
                                  Measured& measured) {
  WEFT_ASSIGN(const Recording recording, make_recording(device, c, measured));
  Recorder recorder(device);
  WEFT_TRY(recording.record(recorder));
  WEFT_ASSIGN(const Program program, recorder.finish());
  return timed(kFusedAlone, "attention without weights", [program]() -> Result<void> {
    WEFT_ASSIGN(const Ticket ticket, program.run());
    return ticket.wait();
  });
}

}  // namespace

Contender first_call(const std::string& device_name, const Problem& problem,
                     const std::string& rows) {
  return {
      .who = "weft", .detail = rows, .run = [=] { return time_first_call(device_name, problem); }};
}

Result<Times> run_program(const Program& program) {
  const auto begin = steady_clock::now();
  WEFT_ASSIGN(const Ticket ticket, program.run());
  const double submitted = since(begin);
  WEFT_TRY(ticket.wait());
  return Times{{Clock::wall, since(begin)}, {Clock::host_replay, submitted}};
}

Result<WeftRun> make_weft_run(const Device& device, Measured& measured) {
  WEFT_ASSIGN(const Recording recording, recording_of(device, measured));
  WEFT_ASSIGN(WeftRun made, make_run(device, recording));
  if (const auto* c = std::get_if<cases::WeightsCase>(&measured.problem())) {
    WEFT_ASSIGN(made.alone, attention_alone(device, c->attention, measured));
  }
  return made;
}

}  // namespace weft::bench
