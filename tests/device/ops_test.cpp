// What stands around attention: every line of ops.txt on every way to run it, against the fp64
// reference.
#include <functional>
#include <string>

#include "decide/select.hpp"
#include "device/compare.hpp"
#include "device/fixture.hpp"

using namespace weft;
using namespace weft::test;

namespace {

// Errors in units of 2^-24 times the sizes of the terms; see compare.hpp.
constexpr double kLinearUnits = 8.0;
constexpr double kNormUnits = 16.0;  // the mean and the variance are sums too
constexpr double kAddUnits = 2.0;
constexpr double kRotaryUnits = 5.0;  // sine and cosine have errors of their own

struct Expected {
  reference::OpResult result;
  double units = 0.0;
};

Expected expect(const cases::LinearProblem& p, const cases::LinearCase& c) {
  return {reference::linear(p.input.values, p.weight.values, c.bias ? &p.bias.values : nullptr,
                            c.activation),
          kLinearUnits};
}

Expected expect(const cases::NormProblem& p, const cases::NormCase& c) {
  const auto norm = c.norm == cases::Norm::layer ? reference::layer_norm : reference::rms_norm;
  return {norm(p.input.values, c.no_weight ? nullptr : &p.weight.values,
               c.bias ? &p.bias.values : nullptr, c.epsilon),
          kNormUnits};
}

Expected expect(const cases::AddProblem& p, const cases::AddCase& c) {
  const reference::AddScales scales{c.gate, &p.gate.values,
                                    c.row_factors ? &p.row_factors.values : nullptr};
  return {reference::add(c.no_left ? nullptr : &p.left.values, p.right.values, c.rows, scales),
          kAddUnits};
}

Expected expect(const cases::MultiplyProblem& p, const cases::MultiplyCase& c) {
  return {reference::multiply(p.left.values, p.right.values, c.activation), kLinearUnits};
}

Expected expect(const cases::MixKeysProblem& p, const cases::MixKeysCase& c) {
  return {reference::mix_keys(p.input.values, c.factors ? &p.factors.values : nullptr,
                              c.matrix ? &p.matrix.values : nullptr, c.batch, c.heads),
          c.factors || c.matrix ? kLinearUnits : 0.0};
}

Expected expect(const cases::RotaryProblem& p, const cases::RotaryCase& c) {
  return {reference::rotary(p.input.values, p.angles.values, c.interleaved), kRotaryUnits};
}

Expected expect(const cases::GatherProblem& p, const cases::GatherCase&) {
  return {reference::gather(p.table.values, p.indices), 0.0};
}

Result<void> record(Recorder& recorder, const LinearCall& call, const cases::LinearCase&) {
  return linear(recorder, call);
}
Result<void> record(Recorder& recorder, const NormCall& call, const cases::NormCase& c) {
  return c.norm == cases::Norm::layer ? layer_norm(recorder, call) : rms_norm(recorder, call);
}
Result<void> record(Recorder& recorder, const AddCall& call, const cases::AddCase&) {
  return add(recorder, call);
}
Result<void> record(Recorder& recorder, const MultiplyCall& call, const cases::MultiplyCase&) {
  return multiply(recorder, call);
}
Result<void> record(Recorder& recorder, const GatherCall& call, const cases::GatherCase&) {
  return gather(recorder, call);
}
Result<void> record(Recorder& recorder, const MixKeysCall& call, const cases::MixKeysCase&) {
  return mix_keys(recorder, call);
}
Result<void> record(Recorder& recorder, const RotaryCall& call, const cases::RotaryCase&) {
  return rotary(recorder, call);
}

// In place, a second run starts from the first one's result.
bool runs_in_place(const auto& c) {
  if constexpr (requires { c.in_place; }) return c.in_place;
  return false;
}

template <class OpCase, class Problem>
Result<std::string> run(const Device& device, const OpCase& c, const Problem& p,
                        const Expected& expected) {
  Recorder recorder(device);
  WEFT_ASSIGN(const auto call, cases::make_call(device, c, p));
  WEFT_TRY(record(recorder, call, c));
  const Allowed allowed = allowed_terms(expected.result, expected.units);
  if (runs_in_place(c)) {
    WEFT_ASSIGN(const Ticket ticket, recorder.submit());
    WEFT_TRY(ticket.wait());
    WEFT_ASSIGN(const auto bytes, cases::buffer_bytes(device, call.output));
    return compare("output", bytes, p.output, expected.result.output, allowed);
  }
  WEFT_ASSIGN(const TwoRuns runs, run_twice(device, recorder, {call.output}));
  std::string problem = compare("output", runs.first[0], p.output, expected.result.output, allowed);
  if (!runs.same) problem += "the second run gave other bits. ";
  return problem;
}

std::vector<DeviceKind> ways(const cases::LinearCase& c, size_t line) {
  const decide::LinearProblem asked{static_cast<uint32_t>(c.rows), static_cast<uint32_t>(c.out_features),
                                    c.weight != DType::f32,
                                    decide::common_inputs({c.input, c.weight})};
  std::vector<DeviceKind> kinds;
  const auto rows = decide::linear_rows();
  for (size_t number = 0; number < rows.size(); ++number) {
    const decide::LinearRow& row = rows[number];
    if (has_turn(line, number, rows.size()) &&
        decide::why_not(device().traits(), row, asked).empty() &&
        (selection().kernel.empty() || selection().kernel == row.name))
      kinds.push_back({.kernel = row.name, .without_16bit = row.needs == decide::kNeedNothing});
  }
  return kinds;
}
std::vector<DeviceKind> ways(const auto&, size_t) { return {{}, {.without_16bit = true}}; }

template <class OpCase>
void run_case(const OpCase& c, size_t line) {
  const auto problem = cases::make_problem(c);
  const Expected expected = expect(problem, c);
  for (const DeviceKind& kind : ways(c, line)) {
    INFO("--kernel \"" << kind.kernel << "\" --case \"" << cases::print(c) << "\""
                       << (kind.without_16bit ? ", without 16-bit storage" : ""));
    const auto result = run(device(kind), c, problem, expected);
    if (!result)
      FAIL_CHECK(to_string(result.error().code) << ": " << result.error().message);
    else
      CHECK(*result == "");
  }
}

template <class OpCase>
void run_all(const std::function<bool(const OpCase&)>& wanted = [](const OpCase&) {
  return true;
}) {
  int count = 0;
  for (const cases::Case& any : cases_of("ops.txt")) {
    const OpCase* c = std::get_if<OpCase>(&any);
    if (!c || !wanted(*c)) continue;
    run_case(*c, static_cast<size_t>(count++));
  }
  CHECK(count > 0);
}

}  // namespace

TEST_CASE("linear") { run_all<cases::LinearCase>(); }
TEST_CASE("layer norm") {
  run_all<cases::NormCase>([](const cases::NormCase& c) { return c.norm == cases::Norm::layer; });
}
TEST_CASE("RMS norm") {
  run_all<cases::NormCase>([](const cases::NormCase& c) { return c.norm == cases::Norm::rms; });
}
TEST_CASE("add") { run_all<cases::AddCase>(); }
TEST_CASE("multiply") { run_all<cases::MultiplyCase>(); }
TEST_CASE("gather") { run_all<cases::GatherCase>(); }
TEST_CASE("mix_keys") { run_all<cases::MixKeysCase>(); }
TEST_CASE("rotary") { run_all<cases::RotaryCase>(); }

TEST_CASE("one case of the command line", "[.][one]") {
  for (const cases::Case& any : cases_of(""))
    std::visit(
        [](const auto& c) {
          using OpCase = std::decay_t<decltype(c)>;
          if constexpr (requires { expect(cases::make_problem(c), c); }) run_case<OpCase>(c, 0);
        },
        any);
}
