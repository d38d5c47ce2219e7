// Case lines after the dimensions of public test suites (tests/cases/outside), each judged three
// ways: the fp64 reference against PyTorch's math path in fp64, the device against the reference by
// the rule of device/compare.hpp, and by the rule of flash-attention's tests: at most twice the
// error of plain operations in the query's type.
#include <algorithm>
#include <cmath>
#include <optional>
#include <sstream>
#include <string>

#include "conformance/pytorch/inputs.hpp"
#include "conformance/pytorch/vectors.hpp"
#include "device/attention_run.hpp"

using namespace weft;
using namespace weft::test;

namespace {

// What results may err besides: a few fp32 units in the last place of the largest value (values are
// within -1 .. 1) or of the logsumexp. It matters where plain operations happen to be all but
// exact.
constexpr double kFloor = 8.0 * kUnit;
// Of the lines with no more terms and no larger heads than these, one in ten runs on every row
// besides the chosen one: each row takes a compilation.
constexpr int64_t kSmall = 200'000, kSmallHead = 64;

const Vectors& vectors() {
  static const Vectors all =
      must(Vectors::open(WEFT_SOURCE_DIR "/tests/conformance/pytorch/vectors.safetensors"));
  return all;
}

// "" where the largest error is at most twice that of plain operations.
std::string beyond_twice(const char* name, const std::vector<std::byte>& bytes,
                         const cases::Placement& placement, const reference::Array& expected,
                         double plain_error) {
  const reference::Array found = cases::decode(bytes, placement);
  double largest = 0.0, largest_over = 0.0;
  for (size_t i = 0; i < expected.values.size(); ++i) {
    if (std::isnan(expected.values[i])) continue;
    const double error = distance(found.values[i], expected.values[i]);
    const bool finite = std::isfinite(expected.values[i]);
    const double floor = kFloor * std::max(1.0, finite ? std::abs(expected.values[i]) : 0.0);
    largest = std::max(largest, error);
    largest_over = std::max(largest_over, error - floor);
  }
  if (largest_over <= 2.0 * plain_error) return {};
  std::ostringstream text;
  text << name << ": the error " << largest << " is over twice that of plain operations, "
       << plain_error << ". ";
  return text.str();
}

// Checks a line on a row; "" is the one that the device chooses.
void check(const Device& device, const AttentionTest& test, const Vector& vector,
           const std::string& row) {
  check_attention(device, test, row, [&](const TwoRuns& runs) {
    std::string wrong =
        beyond_twice("output", runs.first[0], test.data.output, test.expected.output,
                     vector.output_error);
    if (test.problem.logsumexp)
      wrong += beyond_twice("logsumexp", runs.first[1], test.data.logsumexp,
                            test.expected.logsumexp, vector.logsumexp_error);
    return wrong;
  });
}

void check_reference(const AttentionTest& test, const Vector& vector) {
  std::string wrong = disagreement("output", test.expected.output, vector.output);
  if (test.problem.logsumexp)
    wrong += disagreement("logsumexp", test.expected.logsumexp, vector.logsumexp);
  if (!wrong.empty()) FAIL_CHECK("--case \"" << test.line << "\"\n  " << wrong);
}

bool is_small(const cases::AttentionCase& c) {
  return std::max(c.head_dim, c.value_dim) <= kSmallHead &&
         c.batch * c.heads * c.q_len * c.kv_len * (c.head_dim + c.value_dim) <= kSmall;
}

void check_line(const cases::AttentionCase& c, bool on_rows, size_t line) {
  const AttentionTest test(c);
  const std::optional<Vector> vector = vectors().find(test.line);
  if (!vector || vector->hash != hash_of(named_inputs(test.data.inputs))) {
    FAIL_CHECK("no vector has the inputs of \"" << test.line << "\"; see pytorch/README.md");
    return;
  }
  check_reference(test, *vector);
  const std::string& only = selection().kernel;
  if (only.empty()) check(device(), test, *vector, "");
  const auto rows = decide::attention_rows();
  for (size_t number = 0; number < rows.size(); ++number) {
    const decide::AttentionRow& row = rows[number];
    const bool wanted = only.empty() ? on_rows && has_turn(line, number, rows.size()) : only == row.name;
    if (wanted && can_run(row, c)) check(device(kind_of(row)), test, *vector, row.name);
  }
}

void check_file(const char* file) {
  size_t small = 0;
  for (const cases::Case& any : cases_of(std::string("outside/") + file)) {
    REQUIRE(std::holds_alternative<cases::AttentionCase>(any));
    const auto& c = std::get<cases::AttentionCase>(any);
    const bool on_rows = is_small(c) && small++ % 10 == 0;
    check_line(c, on_rows, small / 10);
  }
}

}  // namespace

TEST_CASE("outside: PyTorch") { check_file("pytorch.txt"); }
TEST_CASE("outside: xformers") { check_file("xformers.txt"); }
TEST_CASE("outside: flash-attention") { check_file("flash_attention.txt"); }
TEST_CASE("outside: MLX") { check_file("mlx.txt"); }
TEST_CASE("outside: ggml") { check_file("ggml.txt"); }
TEST_CASE("outside: ncnn") { check_file("ncnn.txt"); }
TEST_CASE("one case of the command line", "[.][one]") {
  for (const cases::Case& any : cases_of("")) {
    REQUIRE(std::holds_alternative<cases::AttentionCase>(any));
    check_line(std::get<cases::AttentionCase>(any), true, 0);
  }
}
